//! Why a program is refused, before it is told to a person.

/// Negative results of bpf(2) that a verdict can have.
pub mod errno {
    /// Operation not permitted.
    pub const EPERM: i32 = 1;
    /// No such file or directory.
    pub const ENOENT: i32 = 2;
    /// Bad file descriptor.
    pub const EBADF: i32 = 9;
    /// Argument list too long.
    pub const E2BIG: i32 = 7;
    /// Out of memory, or of room for branches.
    pub const ENOMEM: i32 = 12;
    /// Permission denied.
    pub const EACCES: i32 = 13;
    /// Bad address.
    pub const EFAULT: i32 = 14;
    /// Invalid argument.
    pub const EINVAL: i32 = 22;
    /// Protocol error.
    pub const EPROTO: i32 = 71;
    /// Unsupported.
    pub const ENOTSUPP: i32 = 524;
}

/// A refusal: the first on its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The positive errno that bpf(2) gives.
    pub errno: i32,
    /// Code of the explanation.
    pub code: &'static str,
    /// Slot.
    pub insn: usize,
    /// What the kernel's log says, its first line that names the failure.
    pub message: String,
    /// Register that is at fault, if one is.
    pub reg: Option<u8>,
}

/// What ends a step early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The program is refused.
    Refused(Box<Refusal>),
    /// Something that is not modelled was met.
    NotModelled(String),
}

pub(crate) type Step<T = ()> = Result<T, Stop>;

impl Refusal {
    /// Whether only the path that met it ends here: other paths can be explored still. Limits of the whole walk end it.
    pub(crate) fn ends_path(&self) -> bool {
        !matches!(self.code, "V0108" | "V0109" | "V0901")
    }
}
