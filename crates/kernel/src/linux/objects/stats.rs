//! How often programs ran, and how long they took, over a stretch of time (BPF_ENABLE_STATS).

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use skep_backend::Error;
use skep_sys::{Cap, stats};

use super::Prog;
use crate::linux::error::refused;

/// Counting, while this lives. The kernel counts for everybody; others who count at the same time do not mind.
#[derive(Debug)]
pub struct Counting {
    _counting: OwnedFd,
    before: BTreeMap<u32, (u64, u64, u64)>,
}

/// What a program did meanwhile.
#[derive(Debug)]
pub struct Count {
    /// The program.
    pub prog: Prog,
    /// How often it ran.
    pub run_cnt: u64,
    /// Nanoseconds that it took in all.
    pub run_time_ns: u64,
    /// How often it was not run since it was running already.
    pub recursion_misses: u64,
}

impl Counting {
    /// Starts to count.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn start(programs: &[Prog]) -> Result<Self, Error> {
        let counting = stats::enable_run_time()
            .map_err(|e| refused("counting runs (BPF_ENABLE_STATS)", e, &[Cap::SYS_ADMIN]))?;
        let figures = |p: &Prog| (p.info.id, (p.info.run_cnt, p.info.run_time_ns, p.info.recursion_misses));
        Ok(Self { _counting: counting, before: programs.iter().map(figures).collect() })
    }

    /// What was done since: programs that were loaded meanwhile count from nought.
    pub fn read(&self, programs: Vec<Prog>) -> Vec<Count> {
        let count = |prog: Prog| {
            let (runs, time, misses) = self.before.get(&prog.info.id).copied().unwrap_or_default();
            Count {
                run_cnt: prog.info.run_cnt.saturating_sub(runs),
                run_time_ns: prog.info.run_time_ns.saturating_sub(time),
                recursion_misses: prog.info.recursion_misses.saturating_sub(misses),
                prog,
            }
        };
        programs.into_iter().map(count).collect()
    }
}
