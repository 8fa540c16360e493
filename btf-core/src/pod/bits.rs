//! Bitfields in the bytes that hold them.
//!
//! As C lays them out for BPF: a little-endian machine counts bits from the lowest of the first byte, a big-endian one
//! from the highest.

const LITTLE: bool = cfg!(target_endian = "little");

/// Which byte and which of its bits the `n`-th bit of a field is, counted from the field's lowest.
fn place(offset: u64, width: u64, n: u64) -> (usize, u32) {
    let at = if LITTLE {
        offset + n
    } else {
        offset + width - 1 - n
    };
    let bit = (at % 8) as u32;
    ((at / 8) as usize, if LITTLE { bit } else { 7 - bit })
}

/// The `width` bits that start `offset` bits into `bytes`, extended by their sign if they are signed.
///
/// Bits past the end of `bytes` are zero.
pub fn bits(bytes: &[u8], offset: u64, width: u64, signed: bool) -> u64 {
    let width = width.min(64);
    let mut value = 0;
    for n in 0..width {
        let (byte, bit) = place(offset, width, n);
        let set = bytes.get(byte).is_some_and(|b| b >> bit & 1 != 0);
        value |= u64::from(set) << n;
    }
    let above = 64 - width;
    if signed && (1..64).contains(&above) {
        return ((value << above).cast_signed() >> above).cast_unsigned();
    }
    value
}

/// Sets the `width` bits that start `offset` bits into `bytes` to the lowest of `value`.
///
/// Bits past the end of `bytes` are dropped.
pub fn set_bits(bytes: &mut [u8], offset: u64, width: u64, value: u64) {
    let width = width.min(64);
    for n in 0..width {
        let (byte, bit) = place(offset, width, n);
        if let Some(b) = bytes.get_mut(byte) {
            *b = *b & !(1 << bit) | ((value >> n & 1) as u8) << bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_and_leaves_its_neighbours() {
        for (offset, width) in [(0, 1), (3, 5), (6, 13), (1, 63), (0, 64), (7, 2)] {
            let mut bytes = [0xa5; 10];
            let before = [
                bits(&bytes, 0, offset, false),
                bits(&bytes, offset + width, 10, false),
            ];
            let value = 0x0123_4567_89ab_cdef & (u64::MAX >> (64 - width));
            set_bits(&mut bytes, offset, width, value);
            assert_eq!(
                bits(&bytes, offset, width, false),
                value,
                "{width} bits at {offset}"
            );
            let after = [
                bits(&bytes, 0, offset, false),
                bits(&bytes, offset + width, 10, false),
            ];
            assert_eq!(before, after);
        }
    }

    #[test]
    fn the_sign_extends() {
        let mut bytes = [0; 2];
        set_bits(&mut bytes, 5, 4, (-3i64).cast_unsigned());
        assert_eq!(bits(&bytes, 5, 4, true).cast_signed(), -3);
        assert_eq!(bits(&bytes, 5, 4, false), 13);
        if LITTLE {
            assert_eq!(bytes, [0b1010_0000, 0b1]);
        }
    }
}
