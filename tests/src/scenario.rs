//! An object run over the recorded capture in the userspace world, and everything that came of it as text:
//! verdicts, bytes, maps. The text is the same for both byte orders, and for Linux (`tests/expected`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use skep::btf::{Btf, TypeId, print};
use skep::capture::Reader;
use skep::isa::Endian;
use skep::object::Spec;
use skep::runtime::World;
use skep_abi::ProgType;
use skep_backend::{Backend, Event, LoadOptions, Loaded, Map, TestRun};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every packet of `examples/traffic.pcapng`.
///
/// # Errors
/// What is wrong with the file.
pub fn packets() -> Result<Vec<Vec<u8>>, String> {
    let file = std::fs::File::open(root().join("examples/traffic.pcapng")).map_err(|e| e.to_string())?;
    let mut reader = Reader::new(file).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(|e| e.to_string())? {
        out.push(packet.data.to_vec());
    }
    Ok(out)
}

/// An object that is loaded.
pub struct Scenario {
    spec: Spec,
    loaded: Box<dyn Loaded>,
    text: String,
}

/// FNV-1a (Fowler, Noll, Vo) of 64 bits, over the bytes of all packets.
struct Digest(u64);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Scenario {
    /// Loads an object, given by its path from the root.
    ///
    /// # Errors
    /// What reading or loading says.
    pub fn load(object: &str) -> Result<Self, String> {
        let bytes = std::fs::read(root().join(object)).map_err(|e| format!("{object}: {e}"))?;
        let spec = Spec::from_elf(&bytes).map_err(|e| format!("{object}: {e}"))?;
        let loaded = Backend::load(&World::new(), &spec, &LoadOptions::default());
        let loaded = loaded.map_err(|e| format!("{object}: {e}"))?;
        Ok(Self { spec, loaded, text: String::new() })
    }

    /// Runs a program on every packet and writes down its verdicts and the digest of the bytes.
    ///
    /// # Errors
    /// The first trap.
    pub fn run(&mut self, prog: &str, packets: &[Vec<u8>]) -> Result<(), String> {
        let mut verdicts: BTreeMap<u64, u32> = BTreeMap::new();
        let mut digest = Digest(0xcbf2_9ce4_8422_2325);
        let mut refused = 0;
        let buffers = self.spec.program(prog).is_some_and(|p| p.prog_type != Some(ProgType::XDP));
        for (number, packet) in packets.iter().enumerate() {
            if buffers && is_cut_off(packet) {
                refused += 1;
                continue;
            }
            let output = self.loaded.test_run(prog, &TestRun { packet, ..TestRun::default() });
            let output = output.map_err(|e| format!("packet {number}: {e}"))?;
            *verdicts.entry(output.retval).or_default() += 1;
            digest.add(&output.packet);
        }
        for (verdict, count) in verdicts {
            self.line(&format!("{prog} verdict {verdict}: {count}"));
        }
        self.line(&format!("{prog} refused: {refused}"));
        self.line(&format!("{prog} bytes: {:#018x}", digest.0));
        Ok(())
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What was emitted.
    pub fn events(&mut self) -> Vec<Event> {
        self.loaded.take_events()
    }

    /// Everything so far, and all maps but rings and constants: one line an element, in order of text.
    ///
    /// # Errors
    /// A map that cannot be read.
    pub fn finish(mut self) -> Result<String, String> {
        let mut lines = Vec::new();
        for name in self.loaded.maps() {
            if name.starts_with(".rodata") {
                continue;
            }
            let map = self.loaded.map(&name).ok_or(format!("map {name} is gone"))?;
            if map.spec().key_size > 0 {
                elements(&self.spec, map, &name, &mut lines)?;
            }
        }
        lines.sort();
        for line in lines {
            let _ = writeln!(self.text, "{line}");
        }
        Ok(self.text)
    }
}

/// Linux makes no socket buffer of a packet whose IP header is cut off.
fn is_cut_off(packet: &[u8]) -> bool {
    let header = match packet.get(12..14) {
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        _ => 0,
    };
    packet.len() < 14 + header
}

fn elements(spec: &Spec, map: &dyn Map, name: &str, lines: &mut Vec<String>) -> Result<(), String> {
    let shape = map.spec().clone();
    let per_cpu = shape.map_type.row().is_some_and(|row| row.per_cpu);
    let mut key = map.next_key(None).map_err(|e| e.to_string())?;
    while let Some(at) = key {
        let Some(value) = map.lookup(&at).map_err(|e| e.to_string())? else { break };
        let key_text = spell(spec.btf.as_ref(), shape.btf_key, &at, spec.endian);
        let size = if per_cpu { (shape.value_size as usize).next_multiple_of(8) } else { value.len() };
        for cpu in value.chunks(size.max(1)) {
            let value_text = spell(spec.btf.as_ref(), shape.btf_value, cpu, spec.endian);
            lines.push(format!("{name} {key_text} = {value_text}"));
        }
        key = map.next_key(Some(&at)).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn spell(btf: Option<&Btf>, ty: Option<TypeId>, bytes: &[u8], endian: Endian) -> String {
    let typed = btf.zip(ty).and_then(|(btf, ty)| print::value(btf, ty, bytes, endian).ok());
    match (typed, <[u8; 4]>::try_from(bytes)) {
        (Some(value), _) => value.to_json().to_string(),
        (None, Ok(word)) if endian == Endian::Big => u32::from_be_bytes(word).to_string(),
        (None, Ok(word)) => u32::from_le_bytes(word).to_string(),
        (None, Err(_)) => format!("{bytes:02x?}"),
    }
}
