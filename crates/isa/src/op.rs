//! The typed view of an instruction.

/// A register, `r0` to `r10`; `r10` is the read-only frame pointer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reg(u8);

impl Reg {
    /// How many registers there are.
    pub const COUNT: usize = 11;
    /// The frame pointer, `r10`.
    pub const FP: Self = Self(10);

    /// The register with this number, unless it is above 10.
    #[inline]
    pub const fn new(n: u8) -> Option<Self> {
        if n <= 10 { Some(Self(n)) } else { None }
    }

    /// The register in a field that has been checked to be at most 10.
    #[inline]
    pub(crate) const fn from_checked(n: u8) -> Self {
        debug_assert!(n <= 10);
        Self(n)
    }

    /// Its number, 0 to 10.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Width of an arithmetic operation or a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Width {
    /// 32 bits; the result is zero-extended.
    W32,
    /// 64 bits.
    W64,
}

impl Width {
    /// Both.
    pub const ALL: [Self; 2] = [Self::W32, Self::W64];
}

/// Width of a memory access: as a number, the binary logarithm of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Size {
    /// One byte.
    B,
    /// Two bytes.
    H,
    /// Four bytes.
    W,
    /// Eight bytes.
    Dw,
}

impl Size {
    /// All four, smallest first.
    pub const ALL: [Self; 4] = [Self::B, Self::H, Self::W, Self::Dw];

    /// The width in bytes.
    #[inline]
    pub const fn bytes(self) -> usize {
        1 << self as usize
    }
}

/// The second operand of arithmetic and comparisons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// An immediate, sign-extended to the operation's width.
    Imm(i32),
}

/// Two-operand arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AluOp {
    /// `dst += src`
    Add,
    /// `dst -= src`
    Sub,
    /// `dst *= src`
    Mul,
    /// `dst /= src`, unsigned; by zero gives zero
    Div,
    /// `dst s/= src`, signed; by zero gives zero
    Sdiv,
    /// `dst |= src`
    Or,
    /// `dst &= src`
    And,
    /// `dst <<= src`
    Lsh,
    /// `dst >>= src`, logical
    Rsh,
    /// `dst %= src`, unsigned; by zero keeps dst
    Mod,
    /// `dst s%= src`, signed; by zero keeps dst
    Smod,
    /// `dst ^= src`
    Xor,
    /// `dst = src`
    Mov,
    /// `dst s>>= src`
    Arsh,
}

impl AluOp {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Sdiv,
        Self::Or,
        Self::And,
        Self::Lsh,
        Self::Rsh,
        Self::Mod,
        Self::Smod,
        Self::Xor,
        Self::Mov,
        Self::Arsh,
    ];
}

/// The comparison of a conditional jump.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cond {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `&`, not zero
    Set,
    /// `>` unsigned
    Gt,
    /// `>=` unsigned
    Ge,
    /// `<` unsigned
    Lt,
    /// `<=` unsigned
    Le,
    /// `s>`
    Sgt,
    /// `s>=`
    Sge,
    /// `s<`
    Slt,
    /// `s<=`
    Sle,
}

impl Cond {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Ne,
        Self::Set,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::Sgt,
        Self::Sge,
        Self::Slt,
        Self::Sle,
    ];
}

/// What a byte-order instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SwapKind {
    /// `le16` ...: to little-endian; truncates.
    ToLe,
    /// `be16` ...: to big-endian; truncates.
    ToBe,
    /// `bswap16` ...: always swaps (cpu v4).
    Swap,
}

/// Atomic read-modify-write on memory, of width W or Dw.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AtomicOp {
    /// `lock *(dst + off) += src`
    Add,
    /// `|=`
    Or,
    /// `&=`
    And,
    /// `^=`
    Xor,
    /// `src = xchg(dst + off, src)`; always fetches
    Xchg,
    /// `r0 = cmpxchg(dst + off, r0, src)`; always fetches
    Cmpxchg,
}

impl AtomicOp {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Add, Self::Or, Self::And, Self::Xor, Self::Xchg, Self::Cmpxchg];
}

/// What the 64 bits of a wide load mean (the `src` field of its first slot).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImmSource {
    /// 0: a plain 64-bit constant.
    Value,
    /// 1 `BPF_PSEUDO_MAP_FD`: address of the map with this descriptor.
    MapFd,
    /// 2 `BPF_PSEUDO_MAP_VALUE`: address inside the value of the map with this descriptor.
    MapValue,
    /// 3 `BPF_PSEUDO_BTF_ID`: address of a kernel symbol.
    BtfId,
    /// 4 `BPF_PSEUDO_FUNC`: address of a subprogram.
    Func,
    /// 5 `BPF_PSEUDO_MAP_IDX`: as 1, by index into fd_array.
    MapIdx,
    /// 6 `BPF_PSEUDO_MAP_IDX_VALUE`: as 2, by index into fd_array.
    MapIdxValue,
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CallTarget {
    /// A helper by its number.
    Helper(i32),
    /// A subprogram, in slots from the following one.
    Subprog(i32),
    /// A kernel function: BTF id, and the index of its module's BTF (0 is vmlinux).
    Kfunc {
        /// BTF id of the function.
        btf_id: i32,
        /// Index into fd_array, 0 for vmlinux.
        module: i16,
    },
    /// The function whose address or helper number is in a register (`callx`).
    Register(Reg),
}

/// One instruction, checked: registers exist, reserved fields are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Two-operand arithmetic.
    Alu {
        /// Width of the operation.
        width: Width,
        /// Which.
        op: AluOp,
        /// Destination and first operand.
        dst: Reg,
        /// Second operand.
        src: Operand,
    },
    /// Sign-extending move of the low `from` bytes (B, H, and W only to 64 bits).
    Movsx {
        /// Width of the destination.
        width: Width,
        /// How much of the source counts.
        from: Size,
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
    },
    /// `dst = addr_space_cast(src, to, from)`.
    AddrSpaceCast {
        /// Destination.
        dst: Reg,
        /// Source.
        src: Reg,
        /// Address space cast to.
        to: u16,
        /// Address space cast from.
        from: u16,
    },
    /// `dst = -dst`.
    Neg {
        /// Width of the operation.
        width: Width,
        /// Register.
        dst: Reg,
    },
    /// Byte order.
    Swap {
        /// Which.
        kind: SwapKind,
        /// 16, 32 or 64 bits, as H, W, Dw.
        size: Size,
        /// Register.
        dst: Reg,
    },
    /// `dst = *(size *)(src + off)`.
    Load {
        /// Width.
        size: Size,
        /// Sign-extend instead of zero-extend (B, H, W).
        signed: bool,
        /// Destination.
        dst: Reg,
        /// Base.
        src: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// `*(size *)(dst + off) = src`.
    Store {
        /// Width.
        size: Size,
        /// Base.
        dst: Reg,
        /// Offset in bytes.
        off: i16,
        /// What is stored.
        src: Operand,
    },
    /// Atomic read-modify-write.
    Atomic {
        /// Which.
        op: AtomicOp,
        /// W or Dw.
        size: Size,
        /// Whether the old value comes back.
        fetch: bool,
        /// Base.
        dst: Reg,
        /// Operand, and destination of a fetch but for cmpxchg.
        src: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// `dst = load_acquire((size *)(src + off))`.
    LoadAcquire {
        /// Width.
        size: Size,
        /// Destination.
        dst: Reg,
        /// Base.
        src: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// `store_release((size *)(dst + off), src)`.
    StoreRelease {
        /// Width.
        size: Size,
        /// Base.
        dst: Reg,
        /// What is stored.
        src: Reg,
        /// Offset in bytes.
        off: i16,
    },
    /// Wide load; takes two slots.
    LoadImm {
        /// Destination.
        dst: Reg,
        /// What the immediate means.
        source: ImmSource,
        /// Both halves: the first slot's immediate is the low one.
        imm: u64,
    },
    /// `r0 = ntoh(*(size *)skb[imm])`, legacy packet access.
    LoadAbs {
        /// B, H or W.
        size: Size,
        /// Offset in the packet.
        imm: i32,
    },
    /// `r0 = ntoh(*(size *)skb[src + imm])`, legacy packet access.
    LoadInd {
        /// B, H or W.
        size: Size,
        /// Index.
        src: Reg,
        /// Offset in the packet.
        imm: i32,
    },
    /// `goto`, in slots from the following one (`ja` with 16 bits, `gotol` with 32).
    Jump {
        /// Distance.
        off: i32,
        /// Encoded as `gotol`.
        long: bool,
    },
    /// `if dst cond src goto`.
    Branch {
        /// Width of the comparison.
        width: Width,
        /// Comparison.
        cond: Cond,
        /// Left.
        dst: Reg,
        /// Right.
        src: Operand,
        /// Distance in slots from the following one.
        off: i16,
    },
    /// `may_goto`: leaves a loop once its budget is spent.
    MayGoto {
        /// Distance in slots from the following one.
        off: i16,
    },
    /// Call.
    Call(CallTarget),
    /// Return.
    Exit,
}
