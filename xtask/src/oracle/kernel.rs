//! The running kernel, as the oracle: maps and types are made as a line says, and the program is loaded.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use serde_json::Value;
use skep_abi::{AttachType, MapType, ProgType};
use skep_isa::Insn;
use skep_sys::caps::Caps;
use skep_sys::prog::{LOG_STATS, LOG_VERBOSE, LoadAttr, load_logged};
use skep_sys::{Cap, Errno, btf, map};

use super::line::{self, FIRST, Line, hex};

/// Maps and types that are kept open, since most programs share them.
const KEPT: usize = 256;

/// Maps that belong to the first program that names them, or its type.
const OWNED: [MapType; 5] = [
    MapType::PROG_ARRAY,
    MapType::DEVMAP,
    MapType::CPUMAP,
    MapType::CGROUP_STORAGE,
    MapType::PERCPU_CGROUP_STORAGE,
];

/// What the kernel said.
pub enum Said {
    /// It has no verdict, and why: a map or type could not be made, or the load was refused before it was verified.
    Nothing(String),
    /// Its verdict.
    Verdict {
        /// 0 if the program was loaded.
        errno: i32,
        /// Instructions processed, if it got that far.
        insns: Option<u32>,
        /// Microseconds of verification.
        time_us: u64,
        /// The log, without its statistics.
        log: Vec<String>,
    },
}

/// Loads programs.
#[derive(Default)]
pub struct Kernel {
    maps: HashMap<String, Rc<map::Map>>,
    btfs: HashMap<String, Rc<OwnedFd>>,
}

impl Kernel {
    /// Loads a program, and lets it go.
    pub fn load(&mut self, line: &Line) -> Said {
        self.try_load(line, LOG_STATS).map_or_else(Said::Nothing, |(errno, log)| said(errno, &log))
    }

    /// The same, with the log of states.
    ///
    /// # Errors
    /// Why there is none.
    pub fn log(&mut self, line: &Line) -> Result<String, String> {
        self.try_load(line, LOG_VERBOSE).map(|(_, log)| log)
    }

    fn try_load(&mut self, line: &Line, log_level: u32) -> Result<(i32, String), String> {
        // Maps are made with the same rights: the kernel remembers what their maker might do.
        let _lowered = match line.json["privilege"].as_str() {
            Some("bpf_net") => Some(Caps::only(&[Cap::BPF, Cap::NET_ADMIN])),
            Some("unprivileged") => Some(Caps::only(&[])),
            _ => None,
        };
        let mut fds = Vec::new();
        for m in &line.maps {
            fds.push(self.map(m).map_err(|e| format!("map: {e}"))?);
        }
        let btf = self.btf(&line.json).map_err(|e| format!("btf: {e}"))?;
        let mut insns = line.insns.clone();
        name_maps(&mut insns, &fds);
        let license = line.json["license"].as_str().unwrap_or("GPL");
        let attr = LoadAttr {
            prog_type: ProgType(line.number("prog_type")),
            attach_type: AttachType(line.number("expected_attach_type")),
            insns: &insns,
            license,
            flags: line.number("prog_flags"),
            log_level,
            btf: btf.as_ref().map(|b| b.as_fd()),
            func_info: &line.records("func_info"),
            line_info: &line.records("line_info"),
            attach_btf_id: line.number("attach_btf_id"),
            ..LoadAttr::default()
        };
        let (done, log) = load_logged(&attr);
        let errno = done.err().map_or(0, |e| e.0);
        if errno == Errno::EPERM.0 && log.trim().is_empty() {
            return Err("EPERM and an empty log".into());
        }
        Ok((errno, log))
    }

    fn map(&mut self, json: &Value) -> Result<Rc<map::Map>, Errno> {
        let key = json.to_string();
        if let Some(m) = self.maps.get(&key) {
            return Ok(m.clone());
        }
        let inner = match json.get("inner") {
            Some(inner) => Some(self.map(inner)?),
            None => None,
        };
        let btf = self.btf(json)?;
        let create = map::Create {
            map_type: MapType(line::number(json, "type")),
            key_size: line::number(json, "key_size"),
            value_size: line::number(json, "value_size"),
            max_entries: line::number(json, "max_entries"),
            flags: line::number(json, "map_flags"),
            map_extra: json["map_extra"].as_u64().unwrap_or(0),
            inner: inner.as_ref().map(|m| m.as_fd()),
            btf: btf.as_ref().map(|b| {
                (b.as_fd(), line::number(json, "btf_key_type_id"), line::number(json, "btf_value_type_id"))
            }),
            ..map::Create::default()
        };
        let made = map::Map::create(&create)?;
        if let Some(data) = json["rodata"].as_str().and_then(hex) {
            made.update(&[0; 4], &data, 0)?;
            made.freeze()?;
        }
        let made = Rc::new(made);
        if OWNED.contains(&create.map_type) {
            return Ok(made);
        }
        if self.maps.len() >= KEPT {
            self.maps.clear();
        }
        self.maps.insert(key, made.clone());
        Ok(made)
    }

    fn btf(&mut self, json: &Value) -> Result<Option<Rc<OwnedFd>>, Errno> {
        let Some(text) = json["btf_hex"].as_str() else { return Ok(None) };
        if let Some(fd) = self.btfs.get(text) {
            return Ok(Some(fd.clone()));
        }
        let bytes = hex(text).ok_or(Errno::EINVAL)?;
        let fd = Rc::new(btf::load(&bytes).map_err(|e| e.errno)?);
        if self.btfs.len() >= KEPT {
            self.btfs.clear();
        }
        self.btfs.insert(text.to_owned(), fd.clone());
        Ok(Some(fd))
    }
}

/// Puts descriptors where the numbers of maps stand.
fn name_maps(insns: &mut [Insn], fds: &[Rc<map::Map>]) {
    let mut wide = false;
    for i in insns {
        let second = wide;
        wide = i.opcode == 0x18 && !second;
        let at = i.imm.checked_sub(FIRST).and_then(|n| usize::try_from(n).ok());
        if let (false, 0x18, 1 | 2, Some(fd)) = (second, i.opcode, i.src, at.and_then(|n| fds.get(n))) {
            i.imm = fd.as_fd().as_raw_fd();
        }
    }
}

fn said(errno: i32, log: &str) -> Said {
    let (mut insns, mut time_us, mut rest) = (None, 0, Vec::new());
    for l in log.lines() {
        let number = |s: &str| s.split(' ').next().and_then(|n| n.parse().ok());
        if let Some(n) = l.strip_prefix("processed ") {
            insns = number(n);
        } else if let Some(n) = l.strip_prefix("verification time ") {
            time_us = number(n).unwrap_or(0).into();
        } else if !l.starts_with("stack depth ") {
            rest.push(l.to_owned());
        }
    }
    Said::Verdict { errno, insns, time_us, log: rest }
}

#[cfg(test)]
mod tests {
    use super::{Said, said};

    #[test]
    fn a_log_is_taken_apart() {
        let log = "R0 !read_ok\nverification time 41 usec\nstack depth 0\nprocessed 1 insns (limit 1000000) \
                   max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n";
        let Said::Verdict { errno: 13, insns: Some(1), time_us: 41, log } = said(13, log) else { panic!() };
        assert_eq!(log, ["R0 !read_ok"]);
    }
}
