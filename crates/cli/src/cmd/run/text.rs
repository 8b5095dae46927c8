//! Assembler text as something to run: instructions, and what the header of a corpus file (`#! key = value`) says
//! of them. Keys that only tests look at are passed over.

use skep::abi::{AttachType, MapType, ProgType};
use skep::isa::asm::{Assembly, RefKind};
use skep::object::{MapSpec, Program, Reloc, RelocTarget, Spec};

use crate::cmd::asm::{DialectArg, assemble};
use crate::failure::Failure;
use crate::input;

/// A text that can be run, and what it wants to be run on.
#[derive(Default)]
pub(super) struct Text {
    pub(super) spec: Spec,
    pub(super) packet: Option<Vec<u8>>,
    pub(super) mem: Option<Vec<u8>>,
    pub(super) ctx: Option<Vec<u8>>,
    /// Map, key and value to be put there before the run.
    pub(super) entries: Vec<(String, Vec<u8>, Vec<u8>)>,
}

/// Reads a text. `name` is what the program is called.
pub(super) fn read(text: &str, file: &str, name: &str) -> Result<Text, Failure> {
    let mut t = Text::default();
    t.spec.license = "GPL".into();
    let mut program = Program { name: name.to_owned(), ..Program::default() };
    for (n, line) in text.lines().enumerate() {
        let Some((key, value)) = line.strip_prefix("#!").and_then(|l| l.split_once('=')) else { continue };
        header(&mut t, &mut program, key.trim(), value.trim())
            .map_err(|f| f.context(format_args!("{file}:{}", n + 1)))?;
    }
    let assembly = assemble(text, DialectArg::Auto, file)?;
    program.relocs = relocs(&assembly, &t.spec, file)?;
    program.insns = assembly.insns;
    t.spec.programs.push(program);
    Ok(t)
}

fn header(t: &mut Text, p: &mut Program, key: &str, value: &str) -> Result<(), Failure> {
    let unknown = |e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint());
    match key {
        "prog" => p.prog_type = Some(value.parse::<ProgType>().map_err(unknown)?),
        "attach" => p.attach_type = Some(value.parse::<AttachType>().map_err(unknown)?),
        "license" => t.spec.license = value.to_owned(),
        "flags" => p.flags = number(value)?,
        "map" => t.spec.maps.push(map(value)?),
        "inner" => return Err(Failure::new("maps of maps can't be given in text yet")),
        "entry" => {
            let words: Vec<&str> = value.split_whitespace().collect();
            let [map, key, value] = words.as_slice() else {
                return Err(Failure::new("an entry is `MAP KEY VALUE`"));
            };
            t.entries.push(((*map).to_owned(), input::hex(key)?, input::hex(value)?));
        }
        "packet" => t.packet = Some(input::hex(value)?),
        "mem" => t.mem = Some(input::hex(value)?),
        "ctx" => t.ctx = Some(input::hex(value)?),
        _ => {}
    }
    Ok(())
}

fn number(text: &str) -> Result<u32, Failure> {
    let n = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|_| Failure::new(format!("`{text}` is not a number of 32 bits")))
}

/// `NAME TYPE KEY VALUE MAX [FLAGS]`
fn map(line: &str) -> Result<MapSpec, Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&[name, kind, key, value, max], flags) = words
        .split_first_chunk::<5>()
        .ok_or_else(|| Failure::new("a map is `NAME TYPE KEY_SIZE VALUE_SIZE MAX_ENTRIES [FLAGS]`"))?;
    let map_type: MapType =
        kind.parse().map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))?;
    Ok(MapSpec {
        name: name.to_owned(),
        map_type,
        key_size: number(key)?,
        value_size: number(value)?,
        max_entries: number(max)?,
        flags: flags.first().map_or(Ok(0), |f| number(f))?,
        ..MapSpec::default()
    })
}

/// Names that the text leaves open, as relocations.
fn relocs(a: &Assembly, spec: &Spec, file: &str) -> Result<Vec<Reloc>, Failure> {
    let mut all = Vec::new();
    for r in &a.references {
        let map = spec.map(&r.name).map(|(index, _)| index);
        let target = match (r.kind, map) {
            (RefKind::Map, Some(m)) => RelocTarget::Map(m),
            (RefKind::MapValue, Some(map)) => {
                let offset = a.insns.get(r.slot + 1).map_or(0, |i| i.imm as u32);
                RelocTarget::MapValue { map, offset }
            }
            (RefKind::Map | RefKind::MapValue, None) => {
                let hint = format!("declare it: `#! map = {} array 4 8 1`", r.name);
                return Err(Failure::new(format!("{file}: no map `{}`", r.name)).hint(hint));
            }
            _ => return Err(Failure::new(format!("{file}: `{}` is defined nowhere", r.name))),
        };
        all.push(Reloc { insn: r.slot, target });
    }
    Ok(all)
}
