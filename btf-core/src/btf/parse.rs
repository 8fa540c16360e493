//! Reading a BTF's bytes: header, byte order, index of types, and the one validation.
//!
//! After this every id that a type mentions exists, every name lies in the string section, and every record
//! lies in the type section, so that accessors need not answer "no".

use super::raw::{HEADER_LEN, Info, Kind, TYPE_WORDS, VERSION};
use super::{Btf, Bytes, Inner, MAGIC, TypeId};
use crate::error::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::Arc;

pub(super) fn parse(bytes: Bytes, base: Option<Btf>) -> Result<Btf> {
    let header = Header::read(&bytes)?;
    let bytes = if header.native {
        bytes
    } else {
        swap(&bytes, &header)?.into()
    };
    let (first_id, first_string) = match &base {
        Some(base) => (base.end_id(), base.end_string()),
        None => (1, 0),
    };
    let index = index(&bytes[header.types.clone()], first_id)?;
    let mut inner = Inner {
        bytes,
        types: header.types,
        strings: header.strings,
        index,
        base,
        first_id,
        first_string,
        pointer_size: 8,
        little_endian: header.native == cfg!(target_endian = "little"),
    };
    check_strings(&inner)?;
    let btf = Btf(Arc::new(inner));
    check_types(&btf)?;
    let pointer_size = pointer_size(&btf);
    inner = match Arc::try_unwrap(btf.0) {
        Ok(inner) => inner,
        // Nobody else has seen this value yet.
        Err(shared) => return Ok(Btf(shared)),
    };
    inner.pointer_size = pointer_size;
    Ok(Btf(Arc::new(inner)))
}

/// The fields of the header that matter, as checked ranges of the whole input.
struct Header {
    native: bool,
    types: Range<usize>,
    strings: Range<usize>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header> {
        if bytes.len() < HEADER_LEN as usize {
            return Err(Error::malformed(format!(
                "BTF of {} bytes is shorter than its {HEADER_LEN}-byte header",
                bytes.len()
            )));
        }
        let native = match u16::from_ne_bytes([bytes[0], bytes[1]]) {
            MAGIC => true,
            m if m.swap_bytes() == MAGIC => false,
            m => {
                return Err(Error::malformed(format!(
                    "BTF magic is {m:#06x}, not {MAGIC:#06x}"
                )));
            }
        };
        if bytes[2] != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("BTF version is {}, not {VERSION}", bytes[2]),
            ));
        }
        let word = |at: usize| {
            let w = u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            if native { w } else { w.swap_bytes() }
        };
        let header_len = word(4);
        if header_len < HEADER_LEN {
            return Err(Error::malformed(format!(
                "BTF header length (hdr_len) is {header_len}, less than {HEADER_LEN}"
            )));
        }
        let section = |name: &str, off: u32, len: u32| {
            // Three 32-bit numbers cannot overflow 64 bits.
            let start = u64::from(header_len) + u64::from(off);
            let end = start + u64::from(len);
            if end > bytes.len() as u64 {
                return Err(Error::malformed(format!(
                    "BTF {name} section ({name}_off {off}, {name}_len {len}) ends at byte {end} of {}",
                    bytes.len()
                )));
            }
            Ok(start as usize..end as usize)
        };
        let types = section("type", word(8), word(12))?;
        let strings = section("str", word(16), word(20))?;
        if !word(8).is_multiple_of(4) || !types.len().is_multiple_of(4) {
            return Err(Error::malformed(
                "BTF type section is not aligned to 4 bytes (type_off, type_len)",
            ));
        }
        if types.start < strings.end && strings.start < types.end {
            return Err(Error::malformed("BTF type and string sections overlap"));
        }
        Ok(Header {
            native,
            types,
            strings,
        })
    }
}

/// A copy of the input in this machine's byte order: the header and type section are 32-bit words, but for the magic.
fn swap(bytes: &[u8], header: &Header) -> Result<Vec<u8>> {
    let mut out = bytes.to_vec();
    let swap_words = |range: &mut [u8]| {
        for word in range.as_chunks_mut::<4>().0 {
            word.reverse();
        }
    };
    out[..2].reverse();
    // Header words past the ones read here are offsets and lengths too, as far as the header goes.
    let header_end = header.types.start.min(header.strings.start);
    swap_words(&mut out[4..header_end]);
    swap_words(&mut out[header.types.clone()]);
    Ok(out)
}

/// Where each record starts, from the start of the section.
fn index(types: &[u8], first_id: u32) -> Result<Box<[u32]>> {
    let (words, _) = types.as_chunks::<4>();
    // The kernel's BTF takes 25 bytes a type; a wrong guess only costs a reallocation.
    let mut index = Vec::with_capacity(words.len() / 6);
    let mut at = 0;
    while at < words.len() {
        let id = TypeId(first_id + index.len() as u32);
        let info = words.get(at + 1).map(|w| Info(u32::from_ne_bytes(*w)));
        let Some(info) = info else {
            return Err(truncated(id));
        };
        let Some((once, each)) = info.kind().extra_words() else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "BTF type {id} is of {}, which this version does not know",
                    info.kind()
                ),
            ));
        };
        let next = at + TYPE_WORDS + once + each * info.vlen();
        if next > words.len() {
            return Err(truncated(id));
        }
        index.push((at * 4) as u32);
        at = next;
    }
    Ok(index.into_boxed_slice())
}

fn truncated(id: TypeId) -> Error {
    Error::malformed(format!(
        "BTF type {id} runs past the end of the type section"
    ))
}

fn check_strings(inner: &Inner) -> Result<()> {
    let strings = &inner.bytes[inner.strings.clone()];
    // A split BTF's section may be empty, because its base has the empty string.
    let split = inner.base.is_some();
    if strings.is_empty() && split {
        return Ok(());
    }
    if strings.last() != Some(&0) {
        return Err(Error::malformed(
            "BTF string section does not end in a NUL byte",
        ));
    }
    if strings[0] != 0 && !split {
        return Err(Error::malformed(
            "BTF string section does not start with the empty string",
        ));
    }
    Ok(())
}

fn check_types(btf: &Btf) -> Result<()> {
    let (ids, strings) = (btf.end_id(), btf.end_string());
    let bad_id = |id: u32, what: &str, referred: u32| {
        Err(Error::malformed(format!(
            "BTF type [{id}] {what} refers to type [{referred}], but there are {ids} types"
        )))
    };
    let bad_name = |id: u32, what: &str, name: u32| {
        Err(Error::malformed(format!(
            "BTF type [{id}] {what} has its name at {name} of {strings} string bytes"
        )))
    };
    for (n, &record) in btf.0.index.iter().enumerate() {
        let id = btf.0.first_id + n as u32;
        let info = Info(btf.word(record, 1));
        let kind = info.kind();
        let name = btf.word(record, 0);
        if name >= strings && name != 0 {
            return bad_name(id, "", name);
        }
        let target = btf.word(record, 2);
        if kind.refers() && target >= ids {
            return bad_id(id, "", target);
        }
        if kind == Kind::ARRAY {
            for (word, what) in [(TYPE_WORDS, "element"), (TYPE_WORDS + 1, "index")] {
                let referred = btf.word(record, word);
                if referred >= ids {
                    return bad_id(id, what, referred);
                }
            }
        }
        let Some((_, each @ 1..)) = kind.extra_words() else {
            continue;
        };
        for element in 0..info.vlen() {
            let at = TYPE_WORDS + element * each;
            // A DATASEC's elements begin with a type, all others with a name followed by a type or value.
            let (name, referred) = match kind {
                Kind::DATASEC => (0, btf.word(record, at)),
                Kind::ENUM | Kind::ENUM64 => (btf.word(record, at), 0),
                _ => (btf.word(record, at), btf.word(record, at + 1)),
            };
            if name >= strings && name != 0 {
                return bad_name(id, &format!("element {element}"), name);
            }
            if referred >= ids {
                return bad_id(id, &format!("element {element}"), referred);
            }
        }
    }
    Ok(())
}

/// Pointer size as libbpf determines it (`determine_ptr_size`): the size of an INT named like C's `long`.
fn pointer_size(btf: &Btf) -> u8 {
    const LONGS: [&str; 10] = [
        "long",
        "long int",
        "int long",
        "unsigned long",
        "long unsigned",
        "unsigned long int",
        "unsigned int long",
        "long unsigned int",
        "long int unsigned",
        "int unsigned long",
    ];
    if let Some(base) = &btf.0.base {
        return base.pointer_size();
    }
    btf.types()
        .filter(|t| t.kind() == Kind::INT)
        .find(|t| LONGS.contains(&t.name()))
        .and_then(|t| t.byte_size())
        .and_then(|size| u8::try_from(size).ok())
        .filter(|size| matches!(size, 4 | 8))
        .unwrap_or(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// int at [1], `struct s { int a; int b : 3; }` at [2], in the given header length.
    fn sample(header_len: u32) -> Vec<u8> {
        let strings = b"\0int\0s\0a\0b\0";
        let types: &[u32] = &[
            1,
            1 << 24,
            4,
            0x0100_0020, // INT int, signed, 32 bits
            5,
            4 << 24 | 1 << 31 | 2,
            8, // STRUCT s, kflag
            7,
            1,
            0, // a
            9,
            1,
            3 << 24 | 32, // b : 3 at bit 32
        ];
        let mut out = Vec::new();
        out.extend(MAGIC.to_ne_bytes());
        out.extend([VERSION, 0]);
        for w in [
            header_len,
            0,
            types.len() as u32 * 4,
            types.len() as u32 * 4,
            strings.len() as u32,
        ] {
            out.extend(w.to_ne_bytes());
        }
        out.resize(header_len as usize, 0);
        out.extend(types.iter().flat_map(|w| w.to_ne_bytes()));
        out.extend(strings);
        out
    }

    fn foreign(native: &[u8]) -> Vec<u8> {
        let header = Header::read(native).unwrap();
        swap(native, &header).unwrap()
    }

    #[test]
    fn both_headers_and_both_byte_orders_read_the_same() {
        for bytes in [
            sample(24),
            sample(32),
            foreign(&sample(24)),
            foreign(&sample(32)),
        ] {
            let btf = Btf::parse(bytes).unwrap();
            let s = btf.find("s", Kind::STRUCT).unwrap();
            let b = s.members().get(1).unwrap();
            assert_eq!(
                (b.name(), b.bit_offset(), b.bitfield_size()),
                ("b", 32, Some(3))
            );
            assert_eq!(s.byte_size(), Some(8));
        }
    }

    #[test]
    fn every_truncation_and_bit_flip_is_an_answer() {
        let whole = sample(24);
        for n in 0..whole.len() {
            assert!(Btf::parse(whole[..n].to_vec()).is_err(), "{n} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(btf) = Btf::parse(bytes) {
                for t in btf.types() {
                    let _ = (t.byte_size(), t.members().iter().count(), format!("{t:?}"));
                }
            }
        }
    }

    #[test]
    fn split_btf_continues_ids_and_strings() {
        let base = Btf::parse(sample(24)).unwrap();
        // PTR to [2] with a name from the base would be odd; a TYPEDEF "t" -> [2] has its own string.
        let mut split = Vec::new();
        split.extend(MAGIC.to_ne_bytes());
        split.extend([VERSION, 0]);
        for w in [24u32, 0, 12, 12, 2] {
            split.extend(w.to_ne_bytes());
        }
        for w in [base.end_string(), 8 << 24, 2] {
            split.extend(w.to_ne_bytes());
        }
        split.extend(b"t\0");
        let btf = Btf::parse_split(split, &base).unwrap();
        let t = btf.find("t", Kind::TYPEDEF).unwrap();
        assert_eq!(t.id(), TypeId(3));
        assert_eq!(t.strip().name(), "s");
        assert_eq!(btf.find("int", Kind::INT).unwrap().id(), TypeId(1));
    }

    #[test]
    fn messages_name_the_field() {
        let mut bytes = sample(24);
        bytes[20..24].copy_from_slice(&1000u32.to_ne_bytes());
        assert_eq!(
            Btf::parse(bytes).unwrap_err().to_string(),
            "BTF str section (str_off 52, str_len 1000) ends at byte 1076 of 87"
        );
    }
}
