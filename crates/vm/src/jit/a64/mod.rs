//! The compiler for AArch64.
//!
//! It runs on every machine: what it makes is a function of the program and of [`Options`] alone, with all that depends on a
//! process reached through the machine that runs ([`CALLS`](crate::jit::CALLS)) or listed to be filled in.

mod access;
mod alu;
mod asm;
mod compile;
mod encode;
#[cfg(test)]
mod tests;
mod text;
mod thunks;

pub(crate) use compile::{Options, compile};
pub(crate) use text::text;

/// Bytes that the innermost return takes on the stack.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) const RETURN: usize = 16;

/// `EM_AARCH64`.
#[cfg(all(target_arch = "aarch64", target_os = "linux", not(skep_portable)))]
pub(crate) const ELF_MACHINE: u16 = 183;

/// Debuggers find the way out of frames by themselves: there is no description.
#[cfg(all(target_arch = "aarch64", target_os = "linux", not(skep_portable)))]
pub(crate) fn frames(_: &super::shape::Shape) -> Vec<super::gdb::Row> {
    Vec::new()
}

/// Programs share no code.
#[cfg(all(target_arch = "aarch64", target_os = "linux", not(skep_portable)))]
pub(crate) fn shared_frames() -> Option<(&'static [u8], [super::gdb::Part; 4])> {
    None
}

/// What memory for code holds where no code is: `udf #0`.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) const TRAPS: u8 = 0;

/// Where offsets of the ways in count from.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) fn ways(pages: &super::pages::Pages) -> *mut u8 {
    pages.start()
}

/// Programs share no code.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) fn equip(_: &mut crate::head::Head) {}

/// There are no buffers to keep.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) fn recycle(_: Vec<u8>, _: Vec<super::shape::Stub>) {}

/// Compiles a program for this process.
#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
pub(crate) fn compile_here(source: &super::Source<'_>) -> Result<super::shape::Output, super::NoNative> {
    filled_in(source).ok_or(super::NoNative::TooLong)
}

#[cfg(all(target_arch = "aarch64", unix, not(skep_portable)))]
fn filled_in(source: &super::Source<'_>) -> Option<super::shape::Output> {
    let options = Options { lse: std::arch::is_aarch64_feature_detected!("lse") };
    let (mut output, relocs) = compile(source, options)?;
    for reloc in relocs {
        let address = source.imports.plain(reloc.index)? as usize as u64;
        for quarter in 0..4 {
            let at = reloc.at as usize + 4 * quarter;
            let imm = u32::from((address >> (16 * quarter)) as u16) << 5;
            let word = output.code.get_mut(at..at + 4)?;
            for (byte, bits) in word.iter_mut().zip(imm.to_le_bytes()) {
                *byte |= bits;
            }
        }
    }
    Some(output)
}
