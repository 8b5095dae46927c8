//! Program types: `r0 = N; exit`, loaded for each.

use std::os::fd::{AsFd, OwnedFd};

use skep_abi::{AttachType, ProgType, prog_types};
use skep_btf::Kind;
use skep_isa::Insn;
use skep_sys::Errno;
use skep_sys::prog::{LoadAttr, LoadError, load};

use super::{Feature, Prober, State, why};

/// Types of the kernel that programs attach to, which must be named to load one at all.
const TARGETS: &[(ProgType, AttachType, Kind, &str)] = &[
    (ProgType::TRACING, AttachType::TRACE_RAW_TP, Kind::Typedef, "btf_trace_sched_switch"),
    (ProgType::TRACING, AttachType::TRACE_FENTRY, Kind::Func, "bpf_fentry_test1"),
    (ProgType::TRACING, AttachType::TRACE_FEXIT, Kind::Func, "bpf_fentry_test1"),
    (ProgType::TRACING, AttachType::MODIFY_RETURN, Kind::Func, "bpf_modify_return_test"),
    (ProgType::TRACING, AttachType::TRACE_ITER, Kind::Func, "bpf_iter_task"),
    (ProgType::LSM, AttachType::LSM_MAC, Kind::Func, "bpf_lsm_file_open"),
    (ProgType::LSM, AttachType::LSM_CGROUP, Kind::Func, "bpf_lsm_socket_bind"),
];
/// The table that a struct_ops program is tried in, and its member.
const TABLE: (&str, &str) = ("tcp_congestion_ops", "init");

/// `BPF_F_SLEEPABLE`, without which no syscall program is loaded.
const SLEEPABLE: u32 = 1 << 4;

pub(super) const EXIT: Insn = Insn { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 };

/// `r0 = value`
pub(super) fn answer(value: i32) -> Insn {
    Insn { opcode: 0xb7, imm: value, ..Insn::default() }
}

impl Prober {
    /// Each program type: there if a program can be loaded for one of its attach types.
    pub fn prog_types(&self) -> Vec<Feature> {
        let rows = prog_types().iter().filter(|row| row.id != ProgType::UNSPEC);
        rows.map(|row| Feature { name: row.name, about: row.about, state: self.prog_type(row.id) }).collect()
    }

    /// Whether programs of a type can be loaded.
    pub fn prog_type(&self, prog_type: ProgType) -> State {
        let mut answer = None;
        for attach_type in attach_types(prog_type) {
            let state = self.program(prog_type, attach_type);
            if state.is_available() {
                return state;
            }
            answer.get_or_insert(state);
        }
        answer.unwrap_or_else(|| State::Unknown("no way to load one is known".into()))
    }

    /// Whether a program can be loaded for an attach type (0 where none is asked for).
    pub(super) fn program(&self, prog_type: ProgType, attach_type: AttachType) -> State {
        if let Some(known) = self.programs.borrow().get(&(prog_type, attach_type)) {
            return known.clone();
        }
        // What may be returned differs: 1 is allowed nearly everywhere, and 0 where that is not.
        let once = |value| self.try_load(prog_type, attach_type, &[answer(value), EXIT], 0);
        let first = once(1);
        let done = match &first {
            Ok(Err(e)) if e.errno == Errno::EINVAL => once(0),
            _ => first,
        };
        let state = match done {
            Err(why) => State::Unknown(why),
            Ok(done) => {
                let config = why::of_program(prog_type, attach_type);
                self.judge(done.map_err(|e| e.errno), prog_type, config)
            }
        };
        self.programs.borrow_mut().insert((prog_type, attach_type), state.clone());
        state
    }

    /// Loads a program with all that its type asks for; `Err` if the kernel's types lack what it would attach to.
    pub(super) fn try_load(
        &self,
        prog_type: ProgType,
        attach_type: AttachType,
        insns: &[Insn],
        log_level: u32,
    ) -> Result<Result<OwnedFd, LoadError>, String> {
        let mut attr = LoadAttr {
            prog_type,
            attach_type,
            name: "skep_probe",
            insns,
            license: "GPL",
            kern_version: self.vmlinux.version(),
            ifindex: self.ifindex,
            log_level,
            ..LoadAttr::default()
        };
        if prog_type == ProgType::SYSCALL {
            attr.flags = SLEEPABLE;
        }
        let (base, infos);
        if let Some((_, _, kind, name)) =
            TARGETS.iter().find(|(t, a, ..)| (*t, *a) == (prog_type, attach_type))
        {
            attr.attach_btf_id = self.kernel_type(name, *kind)?.0;
        } else if prog_type == ProgType::STRUCT_OPS {
            let table = self.kernel_type(TABLE.0, Kind::Struct)?;
            attr.attach_btf_id = table.0;
            let members = self.vmlinux.btf()?.ty(table).map(|t| t.members()).into_iter().flatten();
            let place = members.map(|m| m.name).position(|name| name == TABLE.1);
            attr.attach_type = AttachType(place.unwrap_or(0) as u32);
        } else if prog_type == ProgType::EXT {
            let types = self.types.as_ref().ok_or("the kernel takes no BTF")?;
            infos = [[0, types.main.0]];
            let target = LoadAttr {
                prog_type: ProgType::XDP,
                insns: &[answer(1), EXIT],
                license: "GPL",
                btf: Some(types.fd.as_fd()),
                func_info: &infos,
                ..LoadAttr::default()
            };
            base = load(&target).map_err(|e| format!("the program to extend is refused: {e}"))?;
            attr.attach_to = Some(base.as_fd());
            attr.attach_btf_id = types.main.0;
            attr.btf = Some(types.fd.as_fd());
            attr.func_info = &infos;
        }
        Ok(load(&attr))
    }
}

/// The attach types that programs of a type are loaded for.
pub(super) fn attach_types(prog_type: ProgType) -> Vec<AttachType> {
    let rows = prog_type.row().map_or(&[][..], |row| row.attach_types);
    if rows.is_empty() { vec![AttachType(0)] } else { rows.to_vec() }
}
