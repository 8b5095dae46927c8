//! What Linux keeps at negative offsets: facts about a packet that are not in its bytes, and its headers.
//!
//! An absolute load at [`AD_OFF`] + n asks for the n-th fact, whatever its size (only words, halves and bytes at those
//! very offsets: [`Ancillary::from_offset`]). Loads at [`NET_OFF`] and above count from the network header, those at
//! [`LL_OFF`] and above from the link-layer header. Source: Linux `linux/filter.h` (SKF_AD_*, SKF_NET_OFF, SKF_LL_OFF).

/// Offset of the facts, -0x1000 (`SKF_AD_OFF`).
pub const AD_OFF: u32 = 0xffff_f000;
/// Offset of the network header, -0x10_0000 (`SKF_NET_OFF`).
pub const NET_OFF: u32 = 0xfff0_0000;
/// Offset of the link-layer header, -0x20_0000 (`SKF_LL_OFF`).
pub const LL_OFF: u32 = 0xffe0_0000;

macro_rules! define {
    ($($variant:ident = $n:literal $tcpdump:literal [$($asm:literal),+] $meaning:literal;)*) => {
        /// A fact about a packet that Linux gives to a filter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Ancillary {
            $(#[doc = $meaning] $variant = $n,)*
        }

        impl Ancillary {
            /// All, in the order of their offsets.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that tcpdump prints, without brackets.
            pub const fn tcpdump_name(self) -> &'static str {
                match self { $(Self::$variant => $tcpdump,)* }
            }

            /// The names that bpf_asm and bpfc take, the one to print first.
            pub const fn asm_names(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($asm),+],)* }
            }

            /// What it is, in a line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

define! {
    Protocol = 0 "proto" ["proto", "pto"] "the EtherType, in host order";
    PktType = 4 "type" ["type"] "to whom the packet is: 0 this host, 1 broadcast, 2 multicast, 3 other host, 4 outgoing";
    IfIndex = 8 "ifidx" ["ifidx", "ifx"] "the index of the interface";
    Nlattr = 12 "nla" ["nla"] "the offset of the netlink attribute of type X, from A on; 0 if there is none";
    NlattrNest = 16 "nlan" ["nlan"] "the offset of the attribute of type X nested in the attribute at A; 0 if there is none";
    Mark = 20 "mark" ["mark"] "the mark";
    Queue = 24 "queue" ["queue", "que", "q"] "the number of the receive queue";
    Hatype = 28 "hatype" ["hatype", "hat"] "the hardware type of the interface (ARPHRD_*)";
    RxHash = 32 "rxhash" ["rxhash", "rxh"] "the receive hash";
    Cpu = 36 "cpu" ["cpu"] "the number of the CPU that runs the filter";
    XorX = 40 "xor_x" ["xor_x"] "A ^ X";
    VlanTag = 44 "vlan_tci" ["vlan_tci", "vlant"] "the VLAN tag that was taken off";
    VlanTagPresent = 48 "vlanp" ["vlan_avail", "vlan_pr", "vlanp", "vlana", "vlan_acc"] "1 if a VLAN tag was taken off, else 0";
    PayOffset = 52 "poff" ["poff"] "where the payload begins, after the headers that the kernel knows";
    Random = 56 "random" ["rand", "random"] "a random number";
    VlanTpid = 60 "vlan_tpid" ["vlan_tpid"] "the EtherType of the VLAN tag that was taken off";
}

impl Ancillary {
    /// The fact that an absolute load at `k` asks for.
    pub fn from_offset(k: u32) -> Option<Self> {
        let n = k.checked_sub(AD_OFF)?;
        Self::ALL.iter().copied().find(|a| *a as u32 == n)
    }

    /// The offset at which a load asks for it.
    pub const fn offset(self) -> u32 {
        AD_OFF + self as u32
    }

    /// By a name that tcpdump prints or bpf_asm or bpfc takes, in letters of either case.
    pub fn from_name(name: &str) -> Option<Self> {
        let same = |known: &&str| known.eq_ignore_ascii_case(name);
        Self::ALL.iter().copied().find(|a| same(&a.tcpdump_name()) || a.asm_names().iter().any(same))
    }
}
