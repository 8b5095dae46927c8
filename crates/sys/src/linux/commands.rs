//! Which commands bpf(2) knows: each is asked for an object that does not exist. A kernel that knows the command looks for
//! it; one that does not answers EINVAL before.

use skep_abi::Cmd;

use super::attr::Plain;
use super::call::bpf;
use crate::Errno;

/// The first bytes of `union bpf_attr`, as words.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words([u32; 8]);

// SAFETY: repr(C) around an array of integers.
unsafe impl Plain for Words {
    const FIELDS: &'static [(&'static str, usize, usize)] = &[("words", 0, 32)];
}

/// The word that holds a descriptor, for commands that look at it before anything else.
const DESCRIPTORS: &[(Cmd, usize)] = &[
    (Cmd::MAP_LOOKUP_ELEM, 0),
    (Cmd::MAP_UPDATE_ELEM, 0),
    (Cmd::MAP_DELETE_ELEM, 0),
    (Cmd::MAP_GET_NEXT_KEY, 0),
    (Cmd::PROG_TEST_RUN, 0),
    (Cmd::OBJ_GET_INFO_BY_FD, 0),
    (Cmd::MAP_LOOKUP_AND_DELETE_ELEM, 0),
    (Cmd::MAP_FREEZE, 0),
    (Cmd::LINK_CREATE, 0),
    (Cmd::LINK_UPDATE, 0),
    (Cmd::ITER_CREATE, 0),
    (Cmd::LINK_DETACH, 0),
    (Cmd::PROG_BIND_MAP, 0),
    (Cmd::TOKEN_CREATE, 1),
    (Cmd::PROG_STREAM_READ_BY_FD, 4),
];

/// What the kernel answers to a command on a descriptor that is not open: `EBADF` from one that knows the command, `EINVAL`
/// from one that does not. `None` if that can't be asked of this command.
pub fn answer(cmd: Cmd) -> Option<Errno> {
    let (_, word) = DESCRIPTORS.iter().find(|(c, _)| *c == cmd)?;
    let mut attr = Words::default();
    *attr.0.get_mut(*word)? = u32::MAX;
    // SAFETY: all words but one are zero, so every pointer is; that one is a descriptor.
    unsafe { bpf(cmd, &mut attr) }.err()
}
