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
];

/// Whether this type of program decides on packets.
pub(in crate::cmd) fn takes_packets(t: ProgType) -> bool {
    t == ProgType::SOCKET_FILTER || FORWARDED.iter().any(|(ty, _)| *ty == t)
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
