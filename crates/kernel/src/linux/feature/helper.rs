//! Helpers: for each program type and attach type, a program that does nothing but call one. The verifier says whether it
//! knows the helper, and whether such programs may call it; all else that it says is about the arguments, which are missing,
//! and comes only after that.

use skep_abi::{AttachType, HelperId, ProgType, helpers, prog_types};
use skep_isa::Insn;
use skep_sys::prog::LOG_BASIC;

use super::prog::{EXIT, answer, attach_types};
use super::{Prober, State};

/// What programs of a type may call.
#[derive(Clone, Debug)]
pub struct Helpers {
    /// The program type.
    pub prog_type: ProgType,
    /// The attach types that this is the answer for.
    pub attach_types: Vec<AttachType>,
    /// Those that may be called, or why that could not be tried.
    pub helpers: Result<Vec<HelperId>, String>,
}

/// What the verifier says of a helper that a program may not call.
const REFUSED: [&str; 5] = [
    "program of this type cannot use helper",
    "unknown func",
    "invalid func",
    "helper call is not allowed in probe",
    "not supported for program type",
];

impl Prober {
    /// Every helper for every program type; attach types with the same answer are put together.
    pub fn helpers(&self) -> Vec<Helpers> {
        let types = prog_types().iter().map(|row| row.id).filter(|t| *t != ProgType::UNSPEC);
        types.flat_map(|prog_type| self.helpers_of(prog_type)).collect()
    }

    /// Every helper for a program type.
    pub fn helpers_of(&self, prog_type: ProgType) -> Vec<Helpers> {
        let mut out: Vec<Helpers> = Vec::new();
        for attach_type in attach_types(prog_type) {
            let allowed = self.allowed(prog_type, attach_type);
            match out.iter_mut().find(|h| h.helpers == allowed) {
                Some(same) => same.attach_types.push(attach_type),
                None => {
                    out.push(Helpers { prog_type, attach_types: vec![attach_type], helpers: allowed });
                }
            }
        }
        out
    }

    fn allowed(&self, prog_type: ProgType, attach_type: AttachType) -> Result<Vec<HelperId>, String> {
        match self.program(prog_type, attach_type) {
            State::Available => {}
            State::Absent { errno, why } => {
                return Err(format!("no such program can be loaded: {why} ({errno})"));
            }
            State::Unknown(why) => return Err(why),
        }
        let mut out = Vec::new();
        for row in helpers().iter().filter(|row| row.id.0 != 0) {
            if self.may_call(prog_type, attach_type, row.id)? {
                out.push(row.id);
            }
        }
        Ok(out)
    }

    /// Whether programs may call a helper.
    ///
    /// # Errors
    /// If that could not be tried.
    pub fn may_call(
        &self,
        prog_type: ProgType,
        attach_type: AttachType,
        helper: HelperId,
    ) -> Result<bool, String> {
        let call = Insn { opcode: 0x85, imm: helper.0 as i32, ..Insn::default() };
        let refused = self.try_load(prog_type, attach_type, &[call, answer(0), EXIT], LOG_BASIC)?.err();
        Ok(refused.is_none_or(|e| !REFUSED.iter().any(|words| e.log.contains(words))))
    }
}
