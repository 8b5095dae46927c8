//! Sampling: a program runs each time that a clock of the kernel has counted so much, in one process or on CPUs.
//!
//! The clock is the kernel's cpu-clock, which every machine has. A process is sampled only while it runs. Its threads each
//! get an event, and those that they start later inherit it.

use std::fs;

use skep_backend::{Error, ErrorKind};
use skep_sys::perf::{self, Rate};
use skep_sys::{Errno, cpu};

use super::event::{RIGHTS, hang};
use super::uprobe::no_process;
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook =
    Hook { name: "perf_event", sections: &["perf_event"], needs: &[], attach, remove: None };

/// How often a second, if nobody says: not in step with anything that happens in round numbers.
const HERTZ: u64 = 99;

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let hertz = target.frequency.unwrap_or(HERTZ);
    let mut parts = Vec::new();
    for (thread, cpu) in places(target)? {
        let event = perf::open_software(perf::SW_CPU_CLOCK, Rate::Hertz(hertz), thread, cpu);
        let event = match event {
            Ok(event) => event,
            // A thread that ended meanwhile.
            Err(Errno::ESRCH) if target.pid.is_some() => continue,
            Err(e) => return Err(wrong(e, hertz)),
        };
        let place = match (thread, cpu) {
            (-1, cpu) => format!("cpu-clock of CPU {cpu}, {hertz} Hz"),
            (thread, -1) => format!("cpu-clock of thread {thread}, {hertz} Hz"),
            (thread, cpu) => format!("cpu-clock of thread {thread} on CPU {cpu}, {hertz} Hz"),
        };
        parts.push(hang(HOOK.name, program, target, &place, event, target.cookie)?);
    }
    match parts.len() {
        0 => Err(no_process(target)),
        1 => Ok(parts.remove(0)),
        n => Ok(Attached::several(HOOK.name, format!("cpu-clock, {n} events, {hertz} Hz"), parts)),
    }
}

/// Threads and CPUs; -1 is any.
fn places(target: &Target) -> Result<Vec<(i32, i32)>, Error> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let cpu = target.cpu.map(number);
    let Some(pid) = target.pid else {
        let cpus = match cpu {
            Some(cpu) => vec![cpu],
            None => {
                let online = cpu::online().map_err(|e| refused("asking which CPUs there are", e, &[]))?;
                online.into_iter().map(number).collect()
            }
        };
        return Ok(cpus.into_iter().map(|cpu| (-1, cpu)).collect());
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| no_process(target))?;
    let threads = threads.flatten().filter_map(|t| t.file_name().to_str()?.parse().ok());
    Ok(threads.map(|thread| (thread, cpu.unwrap_or(-1))).collect())
}

fn wrong(e: Errno, hertz: u64) -> Error {
    match e {
        Errno::EINVAL => {
            let message = format!("the kernel does not sample {hertz} times a second");
            Error::new(ErrorKind::Invalid, message)
                .with_hint("the most is in /proc/sys/kernel/perf_event_max_sample_rate")
        }
        Errno::ENODEV => Error::new(ErrorKind::NotFound, "there is no such CPU, or it is not online"),
        e => refused("opening a cpu-clock event", e, RIGHTS),
    }
}
