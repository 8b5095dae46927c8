//! The options that go beyond libpcap's language: what is walked past to find headers.

use skep::filter::Walk;

#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Beyond libpcap")]
pub(super) struct WalkFlags {
    /// Find protocols and ports behind the extension headers of IPv6; includes --transport6
    ///
    /// Hop-by-hop and destination options, routing, fragment and authentication headers, up to eight of them. `tcp`,
    /// `udp`, `icmp6`, `ip6 proto N` look behind them, `ip6 proto 43` at them; ports and `tcp[13]` are those of whole
    /// packets and first fragments.
    #[arg(long, conflicts_with = "compat")]
    ipv6_ext: bool,

    /// Let `tcp[13]`, `udp[4:2]` and the like look at IPv6, too; in libpcap they mean IPv4 alone
    #[arg(long, conflicts_with = "compat")]
    transport6: bool,

    /// Look past up to two VLAN tags; `vlan` and `vlan 5` ask whether there is such a tag, and move nothing
    #[arg(long, conflicts_with = "compat")]
    any_vlan: bool,

    /// Take a packet also if the expression holds for the packet inside of it; includes --any-vlan
    ///
    /// Inside of IP in IP (4in4, 6in4, 4in6, 6in6), GRE, VXLAN (port 4789), Geneve (6081), GTP-U (2152); one tunnel deep,
    /// on Ethernet, Linux cooked captures, raw IP, PPP and C-HDLC. `not tcp` then is true of a tunnel whose outside is no
    /// TCP: the expression is asked of each of the two packets as a whole.
    #[arg(long, conflicts_with = "compat")]
    inner: bool,
}

impl WalkFlags {
    pub(super) fn walk(self) -> Walk {
        Walk {
            ipv6_ext: self.ipv6_ext,
            transport6: self.transport6,
            any_vlan: self.any_vlan,
            inner: self.inner,
        }
    }
}
