//! An object of its own for a program that was made here: what loaders take of clang's, with nothing of what they leave
//! alone.

use object::elf;
use skep_isa::{Endian, Insn, bytes_from_slots};

use crate::elf::write::{OutSection, OutSymbol, Output};

/// A program without maps or other parts.
#[derive(Clone, Copy, Debug)]
pub struct Single<'a> {
    /// The section, which tells loaders where the program goes: `xdp`, `tc`, `socket`.
    pub section: &'a str,
    /// The function's name.
    pub name: &'a str,
    /// The licence, as the kernel is told it.
    pub license: &'a str,
    /// The instructions: all in one function, none that a loader has to fill in.
    pub insns: &'a [Insn],
    /// The byte order of the machine that it is for.
    pub endian: Endian,
}

impl Single<'_> {
    /// The object's bytes: the same for the same program.
    ///
    /// ```
    /// use skep_isa::{Endian, Insn};
    /// use skep_object::{Spec, write::Single};
    ///
    /// // r0 = 2; exit
    /// let insns = [Insn { opcode: 0xb7, imm: 2, ..Insn::default() }, Insn { opcode: 0x95, ..Insn::default() }];
    /// let single =
    ///     Single { section: "xdp", name: "pass", license: "GPL", insns: &insns, endian: Endian::Little };
    /// let spec = Spec::from_elf(&single.to_elf())?;
    /// assert_eq!(spec.program("pass").map(|p| p.insns.as_slice()), Some(&insns[..]));
    /// # Ok::<(), skep_object::ObjectError>(())
    /// ```
    pub fn to_elf(&self) -> Vec<u8> {
        let section = |name: &str, flags: u32, align: u64, bytes: Vec<u8>| OutSection {
            name: name.to_owned(),
            kind: elf::SHT_PROGBITS,
            flags: u64::from(elf::SHF_ALLOC | flags),
            align,
            size: bytes.len() as u64,
            bytes,
            relocs: Vec::new(),
        };
        let symbol = |name: &str, kind: u8, section: usize, size: usize| OutSymbol {
            name: name.to_owned(),
            value: 0,
            size: size as u64,
            kind,
            bind: elf::STB_GLOBAL,
            other: elf::STV_DEFAULT,
            section: Some(section),
        };
        let code = bytes_from_slots(self.insns, self.endian);
        let license = [self.license.as_bytes(), &[0]].concat();
        let symbols = vec![
            symbol(self.name, elf::STT_FUNC, 0, code.len()),
            symbol("_license", elf::STT_OBJECT, 1, license.len()),
        ];
        let sections = vec![
            section(self.section, elf::SHF_EXECINSTR, 8, code),
            section("license", elf::SHF_WRITE, 1, license),
        ];
        Output { endian: self.endian, sections, symbols }.to_bytes()
    }
}
