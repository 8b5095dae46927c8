//! The facade's [`skep::Vm`] as an engine, for programs on plain memory: what embedders use, without a world.

use skep::Vm;
use skep_isa::Endian;

use super::{Answer, Engine};
use crate::corpus::case::{Case, Observed, Stopped};

/// See the module.
pub(super) struct Facade;

impl Engine for Facade {
    fn name(&self) -> &'static str {
        "facade"
    }

    fn run(&self, case: &Case) -> Result<Answer, String> {
        let Some(mem) = &case.header.mem else {
            return Ok(Answer::Skipped("it runs programs on plain memory only".into()));
        };
        let mut mem = mem.clone();
        let mut vm = Vm::from_insns(case.program.assembly.insns.clone(), Endian::Little);
        let r0 = vm.run_mem(&mut mem);
        let r0 = r0.map_err(|e| Stopped { message: e.to_string(), slot: e.slot() });
        let out = r0.is_ok().then_some(mem);
        Ok(Answer::Observed(Observed { r0: Some(r0), out, ..Observed::default() }))
    }
}
