//! The Internet checksum (RFC 1071, incremental update by RFC 1624) as the kernel's helpers compute it.
//!
//! All sums are numbers in the byte order of the program's CPU, whatever the network's: ones' complement
//! addition does not mind, as long as fields are read and written in that same order. Intermediate 32-bit
//! sums carry around; which of the two zeroes comes out follows the kernel step by step.

use skep_isa::Endian;

/// `csum_partial`: the 32-bit ones' complement sum of bytes, added to `sum`.
pub(crate) fn partial(bytes: &[u8], sum: u32, endian: Endian) -> u32 {
    let mut total = u64::from(sum);
    let mut words = bytes.chunks_exact(4);
    for w in &mut words {
        total += u64::from(word32([w[0], w[1], w[2], w[3]], endian));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut w = [0; 4];
        w[..rest.len()].copy_from_slice(rest);
        total += u64::from(word32(w, endian));
    }
    while total >> 32 != 0 {
        total = (total & 0xffff_ffff) + (total >> 32);
    }
    total as u32
}

fn word32(bytes: [u8; 4], endian: Endian) -> u32 {
    match endian {
        Endian::Little => u32::from_le_bytes(bytes),
        Endian::Big => u32::from_be_bytes(bytes),
    }
}

/// `csum_add`.
pub(crate) fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u32::from(carry)
}

/// `csum_sub`.
pub(crate) fn sub(a: u32, b: u32) -> u32 {
    add(a, !b)
}

/// `csum_from32to16`: folds without complementing.
pub(crate) fn from_32_to_16(sum: u32) -> u16 {
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// `csum_fold`: folds and complements.
pub(crate) fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// `csum16_add`.
pub(crate) fn add16(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// `csum_replace2`: the checksum after a 16-bit field changed.
pub(crate) fn replace2(check: u16, from: u16, to: u16) -> u16 {
    !add16(add16(!check, !from), to)
}

/// `csum_replace4`: the checksum after a 32-bit field changed.
pub(crate) fn replace4(check: u16, from: u32, to: u32) -> u16 {
    fold(add(sub(u32::from(!check), from), to))
}

/// `csum_replace_by_diff`: the checksum after a change that `bpf_csum_diff` has summed.
pub(crate) fn replace_by_diff(check: u16, diff: u32) -> u16 {
    fold(add(diff, !u32::from(check)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The header of RFC 1071's neighbours everywhere: checksum 0xb861.
    const HEADER: [u8; 20] =
        [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];

    #[test]
    fn a_header_sums_alike_in_both_byte_orders() {
        assert_eq!(fold(partial(&HEADER, 0, Endian::Big)), 0xb861);
        assert_eq!(fold(partial(&HEADER, 0, Endian::Little)), 0xb861u16.swap_bytes());
    }

    #[test]
    fn odd_lengths_are_padded_with_zero() {
        assert_eq!(partial(&[1, 2, 3], 0, Endian::Big), partial(&[1, 2, 3, 0], 0, Endian::Big));
        assert_eq!(partial(&[0xff; 5], 7, Endian::Little), add(add(0xffff_ffff, 0xff), 7));
    }

    #[test]
    fn replacing_a_field_equals_summing_anew() {
        for (from, to) in [(0x4011u16, 0x3f11u16), (0x4011, 0), (0x4011, 0xffff)] {
            let mut changed = HEADER;
            changed[8..10].copy_from_slice(&to.to_be_bytes());
            let anew = fold(partial(&changed, 0, Endian::Big));
            assert_eq!(replace2(0xb861, from, to), anew);
            assert_eq!(replace4(0xb861, from.into(), to.into()), anew);
            let diff = sub(u32::from(to), u32::from(from));
            assert_eq!(replace_by_diff(0xb861, diff), anew);
        }
    }

    #[test]
    fn folding_keeps_the_kernels_zero() {
        assert_eq!(fold(0), 0xffff);
        assert_eq!(fold(0xffff), 0);
        assert_eq!(from_32_to_16(0xffff_0000), 0xffff);
        assert_eq!(from_32_to_16(0), 0);
        assert_eq!(from_32_to_16(0x0001_ffff), 1);
    }
}
