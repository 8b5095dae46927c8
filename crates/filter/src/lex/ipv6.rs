//! The longest IPv6 address at the beginning of a text, by the forms that libpcap's scanner has (one is missing there:
//! five groups with the gap before the last).

use super::{dotted_parts, hex_len};

/// Whether so many groups, with the gap after `gap` of them, are an address.
fn whole(groups: usize, gap: Option<usize>) -> bool {
    match gap {
        None => groups == 8,
        Some(gap) => groups <= 7 && !(groups == 5 && gap == 4),
    }
}

/// Its length in bytes, or 0.
pub(super) fn len(s: &[u8]) -> usize {
    let (mut at, mut groups, mut gap, mut best) = (0, 0, None, 0);
    if s.starts_with(b"::") {
        at = 2;
        gap = Some(0);
        best = 2;
    }
    loop {
        let tail = dotted_parts(&s[at..]);
        if tail.len() == 4 && (gap.is_none() && groups == 6 || gap.is_some() && groups <= 5) {
            best = best.max(at + tail[3]);
        }
        let n = hex_len(&s[at..], 4);
        if n == 0 {
            return best;
        }
        at += n;
        groups += 1;
        if whole(groups, gap) {
            best = best.max(at);
        }
        if groups > 8 || s.get(at) != Some(&b':') {
            return best;
        }
        at += 1;
        if gap.is_none() && s.get(at) == Some(&b':') {
            at += 1;
            gap = Some(groups);
            if whole(groups, gap) {
                best = best.max(at);
            }
        }
    }
}
