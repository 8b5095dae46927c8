//! Probes of kernel functions: entry, any instruction, return; of system calls by their own names. By perf events.

use std::ffi::CString;

use skep_backend::{Error, ErrorKind};
use skep_sys::{Errno, probe};

use super::event::{RIGHTS, hang, lacking, not_for_one_process};
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook = Hook {
    name: "kprobe",
    sections: &["kprobe", "kretprobe", "ksyscall", "kretsyscall"],
    needs: &[],
    attach,
    remove: None,
};

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let written = program.rest("kprobe/do_unlinkat")?;
    if target.pid.is_some() {
        return Err(not_for_one_process(program, "kprobe"));
    }
    let (name, add) = split(program, written)?;
    let function =
        if program.row.name.ends_with("syscall") { syscall(program, name)? } else { name.to_owned() };
    let ret = program.row.name.starts_with("kret");
    let wrong = |e| match e {
        Errno::EOPNOTSUPP => lacking(program, "kprobes", "CONFIG_KPROBE_EVENTS"),
        Errno::ENOENT => {
            Error::new(ErrorKind::NotFound, format!("this kernel has no function `{function}` to be probed"))
                .with_hint("it may be inlined, or of a module that is not there; see /proc/kallsyms")
        }
        e => refused(&format!("probing `{function}`"), e, RIGHTS),
    };
    let c_name = CString::new(function.as_str()).map_err(|_| wrong(Errno::ENOENT))?;
    let event = probe::open_kprobe(&c_name, add, ret).map_err(wrong)?;
    hang(HOOK.name, program, target, written, event, target.cookie)
}

/// `function`, `function+0x10`.
fn split<'a>(program: &Program<'_>, written: &'a str) -> Result<(&'a str, u64), Error> {
    let Some((name, add)) = written.split_once('+') else { return Ok((written, 0)) };
    let parsed = match add.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => add.parse().ok(),
    };
    parsed.map(|add| (name, add)).ok_or_else(|| {
        let message = format!("program `{}`: what follows the `+` of `{written}` is no number", program.name);
        Error::new(ErrorKind::Invalid, message).with_hint("write it as `function+0x10`")
    })
}

/// What comes before the name of a system call: where the arguments come wrapped, and where they do not.
const PREFIXES: &[&str] = if cfg!(target_arch = "x86_64") {
    &["__x64_sys_", "__se_sys_", "sys_"]
} else if cfg!(target_arch = "aarch64") {
    &["__arm64_sys_", "__se_sys_", "sys_"]
} else {
    &["__se_sys_", "sys_"]
};

fn syscall(program: &Program<'_>, name: &str) -> Result<String, Error> {
    let mut names = PREFIXES.iter().map(|prefix| format!("{prefix}{name}"));
    names.find(|n| program.live.symbol(n).is_some()).ok_or_else(|| {
        let message = format!("this kernel shows no system call `{name}`");
        Error::new(ErrorKind::NotFound, message)
            .with_hint("names are those of the manual; addresses must be visible (kernel.kptr_restrict)")
    })
}
