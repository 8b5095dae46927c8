//! Which packets `--out` writes: those that a hook would let go on, as the program left them.

use skep::abi::ProgType;

/// For a program type, the verdicts with which a packet goes on.
static FORWARDED: &[(ProgType, &[i32])] = &[
    // PASS, TX, REDIRECT
    (ProgType::XDP, &[2, 3, 4]),
    // UNSPEC, OK, RECLASSIFY, PIPE, REDIRECT
    (ProgType::SCHED_CLS, &[-1, 0, 1, 3, 7]),
    (ProgType::SCHED_ACT, &[-1, 0, 1, 3, 7]),
    // Bit 0 lets through; bits 1 and 2 tell of congestion.
    (ProgType::CGROUP_SKB, &[1, 3]),
    // OK, REDIRECT, REROUTE
    (ProgType::LWT_IN, &[0, 7, 128]),
    (ProgType::LWT_OUT, &[0, 7, 128]),
    (ProgType::LWT_XMIT, &[0, 7, 128]),
    // PASS
    (ProgType::SK_SKB, &[1]),
    // ACCEPT
    (ProgType::NETFILTER, &[1]),
    // It tells flows apart, and no packet goes on by it.
    (ProgType::FLOW_DISSECTOR, &[]),
];

/// Types that only Linux runs.
const KERNEL_ONLY: [ProgType; 2] = [ProgType::NETFILTER, ProgType::FLOW_DISSECTOR];

/// Whether this type of program is run on packets in both worlds.
pub(in crate::cmd) fn takes_packets(t: ProgType) -> bool {
    takes_packets_in(t, false)
}

/// Whether this type of program is run on packets, in this world.
pub(super) fn takes_packets_in(t: ProgType, kernel: bool) -> bool {
    let known = t == ProgType::SOCKET_FILTER || FORWARDED.iter().any(|(ty, _)| *ty == t);
    known && (kernel || !KERNEL_ONLY.contains(&t))
}

/// What goes on of a packet, if anything does. A socket filter answers with how many bytes it keeps.
pub(super) fn forwarded(t: ProgType, retval: u64, packet: &[u8]) -> Option<&[u8]> {
    if t == ProgType::SOCKET_FILTER {
        let keep = usize::try_from(retval as u32).unwrap_or(usize::MAX).min(packet.len());
        return (keep > 0).then(|| &packet[..keep]);
    }
    let (_, verdicts) = FORWARDED.iter().find(|(ty, _)| *ty == t)?;
    verdicts.contains(&(retval as i32)).then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_packets_do_not_go_on() {
        let p = &[1, 2, 3][..];
        assert_eq!(forwarded(ProgType::XDP, 2, p), Some(p));
        assert_eq!(forwarded(ProgType::XDP, 1, p), None);
        assert_eq!(forwarded(ProgType::SCHED_CLS, 0xffff_ffff, p), Some(p));
        assert_eq!(forwarded(ProgType::SCHED_CLS, 2, p), None);
        assert_eq!(forwarded(ProgType::SOCKET_FILTER, 2, p), Some(&p[..2]));
        assert_eq!(forwarded(ProgType::SOCKET_FILTER, 0, p), None);
        assert_eq!(forwarded(ProgType::KPROBE, 1, p), None);
    }
}
