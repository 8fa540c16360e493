//! Bitfields in the bytes that hold them.
//!
//! As C lays them out for BPF: a little-endian machine counts bits from the lowest of the first byte, a big-endian one
//! from the highest.

const LITTLE: bool = cfg!(target_endian = "little");

/// The bits of a field that lie in one byte: which byte, how far up the field's value they start, how far up the byte, and
/// how many.
struct Piece {
    byte: usize,
    value_shift: u64,
    byte_shift: u64,
    bits: u64,
}

fn pieces(offset: u64, width: u64) -> impl Iterator<Item = Piece> {
    let end = offset.saturating_add(width.min(u128::BITS.into()));
    let mut at = offset;
    std::iter::from_fn(move || {
        let start = at;
        let bits = (8 - start % 8).min(end - start);
        at += bits;
        (bits > 0).then(|| Piece {
            byte: usize::try_from(start / 8).unwrap_or(usize::MAX),
            value_shift: if LITTLE { start - offset } else { end - at },
            byte_shift: if LITTLE {
                start % 8
            } else {
                8 - start % 8 - bits
            },
            bits,
        })
    })
}

impl Piece {
    fn mask(&self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }
}

/// The `width` bits (at most 128) that start `offset` bits into `bytes`, extended by their sign if they are signed.
///
/// Bits past the end of `bytes` are zero.
pub fn bits(bytes: &[u8], offset: u64, width: u64, signed: bool) -> u128 {
    let mut value = 0;
    for piece in pieces(offset, width) {
        let byte = bytes.get(piece.byte).copied().unwrap_or(0);
        value |= u128::from(byte >> piece.byte_shift & piece.mask()) << piece.value_shift;
    }
    let above = u128::BITS.saturating_sub(width.try_into().unwrap_or(u32::MAX));
    if signed && (1..u128::BITS).contains(&above) {
        return ((value << above).cast_signed() >> above).cast_unsigned();
    }
    value
}

/// Sets the `width` bits (at most 128) that start `offset` bits into `bytes` to the lowest of `value`.
///
/// Bits past the end of `bytes` are dropped.
pub fn set_bits(bytes: &mut [u8], offset: u64, width: u64, value: u128) {
    for piece in pieces(offset, width) {
        if let Some(byte) = bytes.get_mut(piece.byte) {
            let mask = piece.mask() << piece.byte_shift;
            let set = ((value >> piece.value_shift) as u8) << piece.byte_shift;
            *byte = *byte & !mask | set & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_and_leaves_its_neighbours() {
        let cases = [
            (0, 1),
            (3, 5),
            (6, 13),
            (1, 63),
            (0, 64),
            (7, 2),
            (5, 100),
            (7, 128),
        ];
        for (offset, width) in cases {
            let mut bytes = [0xa5; 19];
            let before = [
                bits(&bytes, 0, offset, false),
                bits(&bytes, offset + width, 10, false),
            ];
            let value = 0xfedc_ba98_7654_3210_0123_4567_89ab_cdef & (u128::MAX >> (128 - width));
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
        set_bits(&mut bytes, 5, 4, (-3i128).cast_unsigned());
        assert_eq!(bits(&bytes, 5, 4, true).cast_signed(), -3);
        assert_eq!(bits(&bytes, 5, 4, false), 13);
        if LITTLE {
            assert_eq!(bytes, [0b1010_0000, 0b1]);
        }
        assert_eq!(bits(&[0xff; 16], 0, 128, true), u128::MAX);
        assert_eq!(bits(&[0xff; 2], 4, 0, true), 0);
    }
}
