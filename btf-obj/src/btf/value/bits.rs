//! Integers out of bytes, wherever their bits begin, in both byte orders.

/// The `bits` bits from bit `start` on, at most 128; `None` if they run past the end.
///
/// Where the least significant byte comes first, bit 0 is the least significant of the first byte; else the most
/// significant. So compilers count the bits of bitfields.
pub(super) fn read(bytes: &[u8], start: u64, bits: u32, little_endian: bool) -> Option<u128> {
    let end = start.checked_add(bits.into())?;
    if bits > 128 || end > bytes.len() as u64 * 8 {
        return None;
    }
    let mut value = 0u128;
    let mut at = start;
    while at < end {
        let byte = u32::from(*bytes.get((at / 8) as usize)?);
        let skipped = (at % 8) as u32;
        let taken = (8 - skipped).min((end - at) as u32);
        let mask = (1 << taken) - 1;
        if little_endian {
            value |= u128::from(byte >> skipped & mask) << (at - start);
        } else {
            value = value << taken | u128::from(byte >> (8 - skipped - taken) & mask);
        }
        at += u64::from(taken);
    }
    Some(value)
}

/// A value of so many bits with a sign.
pub(super) fn sign_extend(value: u128, bits: u32) -> i128 {
    match 128u32.checked_sub(bits) {
        Some(unused @ 0..128) => (value << unused).cast_signed() >> unused,
        _ => 0,
    }
}

/// A float of 2, 4 or 8 bytes.
pub(super) fn float(value: u128, size: u32) -> Option<f64> {
    match size {
        2 => Some(half(value as u16)),
        4 => Some(f32::from_bits(value as u32).into()),
        8 => Some(f64::from_bits(value as u64)),
        _ => None,
    }
}

fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_either_end() {
        let bytes = [0b1010_0110, 0b0000_1111, 0xff];
        assert_eq!(read(&bytes, 0, 16, true), Some(0x0fa6));
        assert_eq!(read(&bytes, 0, 16, false), Some(0xa60f));
        assert_eq!(read(&bytes, 5, 4, true), Some(0b1101));
        assert_eq!(read(&bytes, 5, 4, false), Some(0b1100));
        assert_eq!(read(&bytes, 23, 1, true), Some(1));
        assert_eq!(read(&bytes, 23, 2, true), None);
        assert_eq!(read(&[0xff; 32], 3, 128, true), Some(u128::MAX));
        assert_eq!(read(&bytes, u64::MAX, 1, true), None);
        assert_eq!(read(&bytes, 0, 129, true), None);
        assert_eq!(read(&[], 0, 0, true), Some(0));
    }

    #[test]
    fn signs_extend() {
        assert_eq!(sign_extend(0b101, 3), -3);
        assert_eq!(sign_extend(0b101, 4), 5);
        assert_eq!(sign_extend(u128::MAX, 128), -1);
        assert_eq!(sign_extend(0, 0), 0);
    }

    #[test]
    fn halves() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2f64.powi(-24));
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert!(half(0x7e00).is_nan());
    }
}
