//! A line of `skep verify --batch` as a task: names and hex to types and instructions, BTF from where it is.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use skep::abi::{AttachType, MapType, ProgType};
use skep::btf::{Btf, Kind, TypeId};
use skep::isa::{Endian, Insn, slots_from_bytes};
use skep::verifier::{MapShape, Privilege, SourceLines, Task, gpl_compatible, special_fields};

use crate::failure::Failure;
use crate::input;

/// The only kernel whose verdicts are known.
const KERNEL: &str = "6.18";
/// Where the running kernel's types are.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// Where Linux says which processors it may have.
const POSSIBLE_CPUS: &str = "/sys/devices/system/cpu/possible";
/// Most processors that a kernel is built for: what is assumed where none can be asked.
const MAX_CPUS: u32 = 8192;
/// Maps of maps nest once; deeper shapes are refused.
const MAX_INNER: u32 = 2;
/// opcode and source of a call of a kernel function.
const CALL: u8 = 0x85;
const KFUNC_CALL: u8 = 2;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    name: String,
    prog_type: Word,
    expected_attach_type: Option<Word>,
    #[serde(default)]
    prog_flags: u32,
    license: Option<String>,
    insns: String,
    #[serde(default)]
    maps: BTreeMap<String, MapLine>,
    btf_hex: Option<String>,
    btf_path: Option<String>,
    #[serde(default)]
    func_info: String,
    #[serde(default)]
    line_info: String,
    attach_btf_id: Option<u32>,
    attach_func: Option<String>,
    vmlinux: Option<String>,
    #[serde(default)]
    privilege: Rights,
    kernel: Option<String>,
    cpus: Option<u32>,
}

#[derive(Deserialize)]
struct MapLine {
    name: Option<String>,
    #[serde(rename = "type")]
    map_type: Word,
    #[serde(default)]
    key_size: u32,
    #[serde(default)]
    value_size: u32,
    #[serde(default)]
    max_entries: u32,
    #[serde(default)]
    map_flags: u32,
    btf_hex: Option<String>,
    btf_path: Option<String>,
    #[serde(default)]
    btf_value_type_id: u32,
    inner: Option<Box<MapLine>>,
    rodata: Option<String>,
}

/// A name or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Number(u32),
    Name(String),
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Rights {
    #[default]
    Root,
    BpfNet,
    Unprivileged,
}

/// Why a line can't be answered.
pub(super) struct LineError {
    /// The program's name, if that much could be read.
    pub(super) name: Option<String>,
    pub(super) message: String,
}

/// Reads lines; keeps the types that were read, since most lines share theirs.
#[derive(Default)]
pub(super) struct Reader {
    by_path: HashMap<String, Arc<Btf>>,
    last_hex: Option<(String, Arc<Btf>)>,
    running: Option<Option<Arc<Btf>>>,
    cpus: Option<u32>,
    /// Lines of source of the line that was read last.
    source: SourceLines,
}

impl Reader {
    /// The lines of source of the task that was read last.
    pub(super) fn source(&mut self) -> SourceLines {
        std::mem::take(&mut self.source)
    }

    pub(super) fn task(&mut self, bytes: &[u8]) -> Result<Task, LineError> {
        let line: Line = serde_json::from_slice(bytes).map_err(|e| {
            let name = serde_json::from_slice::<serde_json::Value>(bytes).ok();
            let name = name.and_then(|v| v.get("name")?.as_str().map(str::to_owned));
            LineError { name, message: e.to_string() }
        })?;
        let name = line.name.clone();
        self.build(line).map_err(|f| LineError { name: Some(name), message: f.message })
    }

    fn build(&mut self, line: Line) -> Result<Task, Failure> {
        if let Some(k) = line.kernel.as_deref().filter(|k| *k != KERNEL) {
            return Err(Failure::new(format!("kernel {k}: only the verdicts of {KERNEL} are known")));
        }
        let insns = input::hex(&line.insns).map_err(|f| f.context("insns"))?;
        let insns =
            slots_from_bytes(&insns, Endian::Little).map_err(|e| Failure::new(format!("insns: {e}")))?;
        let line_info = records(&line.line_info, 16).map_err(|f| f.context("line_info"))?;
        let btf = self.btf(line.btf_hex.as_deref(), line.btf_path.as_deref())?;
        let vmlinux = match &line.vmlinux {
            Some(path) => Some(self.file(path)?),
            None => self.running(),
        };
        let mut maps = Vec::new();
        for (number, map) in &line.maps {
            let n = number
                .parse()
                .map_err(|_| Failure::new(format!("maps: `{number}` is no number of a map")))?;
            let shape = self.shape(map, 0).map_err(|f| f.context(format_args!("map {number}")))?;
            maps.push((n, Arc::new(shape)));
        }
        self.source = source(&line_info, btf.as_deref());
        let attach_func = line.attach_func.or_else(|| {
            let t = vmlinux.as_ref()?.ty(TypeId(line.attach_btf_id?))?;
            Some(t.name().to_owned())
        });
        let cpus = line.cpus.unwrap_or_else(|| self.cpus());
        Ok(Task {
            name: line.name,
            prog_type: typed("prog_type", &line.prog_type, ProgType)?,
            attach_type: match &line.expected_attach_type {
                Some(w) => typed("expected_attach_type", w, AttachType)?,
                None => AttachType(0),
            },
            flags: line.prog_flags,
            gpl: gpl_compatible(line.license.as_deref().unwrap_or("GPL")),
            kfuncs: vmlinux.as_ref().map(|b| kfuncs(&insns, b)).unwrap_or_default(),
            insns,
            maps,
            btf,
            func_info: func_info(&line.func_info)?,
            vmlinux,
            attach_func,
            privilege: match line.privilege {
                Rights::Root => Privilege::Root,
                Rights::BpfNet => Privilege::BpfNet,
                Rights::Unprivileged => Privilege::Unprivileged,
            },
            cpus,
        })
    }

    fn shape(&mut self, map: &MapLine, depth: u32) -> Result<MapShape, Failure> {
        if depth >= MAX_INNER {
            return Err(Failure::new("inner maps nest too deep"));
        }
        let mut fields = Vec::new();
        if map.btf_value_type_id != 0
            && let Some(btf) = self.btf(map.btf_hex.as_deref(), map.btf_path.as_deref())?
        {
            special_fields(&btf, TypeId(map.btf_value_type_id), 0, 0, &mut fields);
        }
        let frozen = match &map.rodata {
            Some(hex) => {
                let mut data = input::hex(hex).map_err(|f| f.context("rodata"))?;
                if data.len() > map.value_size as usize {
                    return Err(Failure::new("rodata: longer than the value"));
                }
                data.resize(map.value_size as usize, 0);
                Some(data.into())
            }
            None => None,
        };
        let inner = match &map.inner {
            Some(inner) => Some(Arc::new(self.shape(inner, depth + 1)?)),
            None => None,
        };
        Ok(MapShape {
            name: map.name.clone().unwrap_or_default(),
            map_type: typed("type", &map.map_type, MapType)?,
            key_size: map.key_size,
            value_size: map.value_size,
            max_entries: map.max_entries,
            flags: map.map_flags,
            fields,
            inner,
            frozen,
        })
    }

    fn btf(&mut self, hex: Option<&str>, path: Option<&str>) -> Result<Option<Arc<Btf>>, Failure> {
        if let Some(path) = path {
            return self.file(path).map(Some);
        }
        let Some(hex) = hex.filter(|h| !h.is_empty()) else { return Ok(None) };
        if let Some((_, btf)) = self.last_hex.as_ref().filter(|(of, _)| of == hex) {
            return Ok(Some(btf.clone()));
        }
        let bytes = input::hex(hex).map_err(|f| f.context("btf_hex"))?;
        let btf = Arc::new(Btf::parse(&bytes).map_err(|e| Failure::new(format!("btf_hex: {e}")))?);
        self.last_hex = Some((hex.to_owned(), btf.clone()));
        Ok(Some(btf))
    }

    fn file(&mut self, path: &str) -> Result<Arc<Btf>, Failure> {
        if let Some(btf) = self.by_path.get(path) {
            return Ok(btf.clone());
        }
        let bytes = input::read(Path::new(path))?;
        let btf = Btf::parse(&bytes).map_err(|e| Failure::new(format!("{path}: {e}")))?;
        let btf = Arc::new(btf);
        self.by_path.insert(path.to_owned(), btf.clone());
        Ok(btf)
    }

    fn running(&mut self) -> Option<Arc<Btf>> {
        if self.running.is_none() {
            self.running = Some(self.file(VMLINUX).ok());
        }
        self.running.clone().flatten()
    }

    fn cpus(&mut self) -> u32 {
        *self.cpus.get_or_insert_with(|| {
            std::fs::read_to_string(POSSIBLE_CPUS).ok().and_then(|t| highest(&t)).unwrap_or(MAX_CPUS)
        })
    }
}

/// One more than the last number of a list such as `0-3,8`.
fn highest(list: &str) -> Option<u32> {
    list.trim().rsplit([',', '-']).next()?.parse::<u32>().ok()?.checked_add(1)
}

/// A type by name or number.
fn typed<T>(what: &str, word: &Word, of: impl Fn(u32) -> T) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    match word {
        Word::Number(n) => Ok(of(*n)),
        Word::Name(name) => name.parse().map_err(|e| Failure::new(format!("{what}: {e}"))),
    }
}

/// Records of 32-bit little-endian words.
fn records(hex: &str, size: usize) -> Result<Vec<Vec<u32>>, Failure> {
    let bytes = input::hex(hex)?;
    if !bytes.len().is_multiple_of(size) {
        return Err(Failure::new(format!("{} bytes are no records of {size}", bytes.len())));
    }
    let words = |r: &[u8]| r.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
    Ok(bytes.chunks_exact(size).map(words).collect())
}

/// What Linux logs of records of lines: slot, file, text, and the line above ten bits of column.
fn source(records: &[Vec<u32>], btf: Option<&Btf>) -> SourceLines {
    let Some(btf) = btf else { return SourceLines::new() };
    let shown = |r: &Vec<u32>| {
        let [slot, file, text, place] = r[..] else { return None };
        let file = btf.string(file)?.rsplit('/').next()?;
        Some((slot as usize, format!("{} @ {file}:{}", btf.string(text)?.trim_start(), place >> 10)))
    };
    records.iter().filter_map(shown).collect()
}

fn func_info(hex: &str) -> Result<Vec<(usize, TypeId)>, Failure> {
    let records = records(hex, 8).map_err(|f| f.context("func_info"))?;
    Ok(records.iter().map(|r| (r[0] as usize, TypeId(r[1]))).collect())
}

/// Names of the kernel functions that are called.
fn kfuncs(insns: &[Insn], vmlinux: &Btf) -> Vec<(i32, String)> {
    let mut found: Vec<(i32, String)> = Vec::new();
    for i in insns.iter().filter(|i| i.opcode == CALL && i.src == KFUNC_CALL && i.off == 0) {
        let Ok(id) = u32::try_from(i.imm) else { continue };
        let Some(t) = vmlinux.ty(TypeId(id)).filter(|t| t.kind() == Kind::Func) else { continue };
        if !found.iter().any(|(n, _)| *n == i.imm) {
            found.push((i.imm, t.name().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn processors_are_counted_from_the_list() {
        assert_eq!(highest("0-1\n"), Some(2));
        assert_eq!(highest("0"), Some(1));
        assert_eq!(highest("0-3,8-11"), Some(12));
        assert_eq!(highest(""), None);
    }
}
