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
    let inner = Inner {
        bytes,
        types: header.types,
        strings: header.strings,
        index: index.records,
        base,
        first_id,
        first_string,
        pointer_size: 8,
        little_endian: header.native == cfg!(target_endian = "little"),
    };
    check_strings(&inner)?;
    let mut btf = Btf(Arc::new(inner));
    if index.highest_id >= btf.end_id() || index.highest_name >= btf.end_string().max(1) {
        return Err(explain_reference(&btf));
    }
    let pointer_size = pointer_size(&btf);
    // Nobody else has seen this value yet, so it is not shared.
    if let Some(inner) = Arc::get_mut(&mut btf.0) {
        inner.pointer_size = pointer_size;
    }
    Ok(btf)
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

/// BTF in this machine's byte order as a machine with the other one writes it.
pub(super) fn in_other_order(native: &[u8]) -> Result<Vec<u8>> {
    swap(native, &Header::read(native)?)
}

/// A copy of the input in the other byte order: the header and type section are 32-bit words, but for the magic.
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

/// What one pass over the type section finds.
struct Index {
    /// Where each record starts, from the start of the section.
    records: Box<[u32]>,
    /// The highest type id and name offset that any record mentions.
    highest_id: u32,
    highest_name: u32,
}

fn index(types: &[u8], first_id: u32) -> Result<Index> {
    let (words, _) = types.as_chunks::<4>();
    // As many as there can be, so that the pass never stops to grow; what is not used is never touched.
    let mut records = Vec::with_capacity(words.len() / TYPE_WORDS);
    let mut highest = Highest::default();
    let mut rest = words;
    while let Some(([name, info, target], after)) = rest.split_first_chunk::<TYPE_WORDS>() {
        let (info, target) = (Info(word(info)), word(target));
        let kind = info.kind();
        let record = (words.len() - rest.len()) * 4;
        highest.name = highest.name.max(word(name));
        // With a branch of their own, these records do not make the next one wait for the table of
        // shapes.
        if is_reference(kind) {
            records.push(record as u32);
            highest.id = highest.id.max(target);
            rest = after;
            continue;
        }
        let shape = kind.shape();
        let Some((own, after)) = after.split_at_checked(shape.words(info.vlen())) else {
            return Err(truncated(first_id, &records));
        };
        records.push(record as u32);
        highest.id = highest.id.max(target & shape.target);
        if kind == Kind::FUNC_PROTO {
            let following = &rest[TYPE_WORDS..];
            highest.parameters(own, following);
        } else if shape.is_known {
            highest.elements(kind, own);
        } else {
            return Err(unknown(kind, first_id, &records));
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Err(truncated(first_id, &records));
    }
    let (highest_id, highest_name) = highest.id_and_name();
    Ok(Index {
        records: records.into_boxed_slice(),
        highest_id,
        highest_name,
    })
}

/// Returns `true` for kinds whose records are three words, the last one a type ID. Two thirds of a
/// kernel's types are of these kinds.
fn is_reference(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::FUNC | Kind::PTR | Kind::CONST | Kind::TYPEDEF | Kind::VOLATILE | Kind::RESTRICT
    )
}

fn word(bytes: &[u8; 4]) -> u32 {
    u32::from_ne_bytes(*bytes)
}

/// The highest type ID and name offset so far.
#[derive(Default)]
struct Highest {
    id: u32,
    name: u32,
    /// Highest names (even positions) and IDs (odd positions) of parameters that were read four at
    /// a time.
    pairs: [u32; PAIR_WORDS],
}

/// Words of the parameters that are read at once: most functions have four or fewer.
const PAIR_WORDS: usize = 8;

/// For each number of parameters, a mask that keeps their words and clears those of the next
/// record.
const PAIR_MASKS: [[u32; PAIR_WORDS]; PAIR_WORDS / 2 + 1] = {
    let mut masks = [[0; PAIR_WORDS]; PAIR_WORDS / 2 + 1];
    let mut word = 0;
    while word < PAIR_WORDS {
        let mut count = word / 2 + 1;
        while count < masks.len() {
            masks[count][word] = u32::MAX;
            count += 1;
        }
        word += 1;
    }
    masks
};

impl Highest {
    /// Adds the parameters of a FUNC_PROTO: `own`, the first words of `following`.
    ///
    /// The number of parameters is random to the branch predictor, and a fourth of a kernel's types
    /// are FUNC_PROTOs. A fixed number of masked words is faster than a loop.
    #[inline(always)]
    fn parameters(&mut self, own: &[[u8; 4]], following: &[[u8; 4]]) {
        let masks = PAIR_MASKS.get(own.len() / 2);
        if let (Some(masks), Some(words)) = (masks, following.first_chunk::<PAIR_WORDS>()) {
            for ((highest, mask), bytes) in self.pairs.iter_mut().zip(masks).zip(words) {
                *highest = (*highest).max(word(bytes) & mask);
            }
            return;
        }
        for [name, id] in own.as_chunks::<2>().0 {
            self.name = self.name.max(word(name));
            self.id = self.id.max(word(id));
        }
    }

    /// Adds what follows the first three words of a record of another kind.
    #[inline(always)]
    fn elements(&mut self, kind: Kind, own: &[[u8; 4]]) {
        match kind {
            Kind::STRUCT | Kind::UNION => {
                for [name, id, _] in own.as_chunks::<3>().0 {
                    self.name = self.name.max(word(name));
                    self.id = self.id.max(word(id));
                }
            }
            Kind::ENUM | Kind::ENUM64 => {
                for first in own.iter().step_by(kind.shape().each.into()) {
                    self.name = self.name.max(word(first));
                }
            }
            Kind::DATASEC => {
                for [id, _, _] in own.as_chunks::<3>().0 {
                    self.id = self.id.max(word(id));
                }
            }
            Kind::ARRAY => {
                for id in &own[..2] {
                    self.id = self.id.max(word(id));
                }
            }
            _ => {}
        }
    }

    fn id_and_name(self) -> (u32, u32) {
        let (pairs, _) = self.pairs.as_chunks::<2>();
        pairs.iter().fold((self.id, self.name), |(id, name), pair| {
            (id.max(pair[1]), name.max(pair[0]))
        })
    }
}

#[cold]
fn unknown(kind: Kind, first_id: u32, records: &[u32]) -> Error {
    let id = TypeId(first_id + records.len() as u32 - 1);
    Error::new(
        ErrorKind::Unsupported,
        format!("BTF type {id} is of {kind}, which this version does not know"),
    )
}

/// The error for the type after `records`.
#[cold]
fn truncated(first_id: u32, records: &[u32]) -> Error {
    let id = TypeId(first_id + records.len() as u32);
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

/// Names the first record that mentions a type or name that is not there; the index has seen that one does.
fn explain_reference(btf: &Btf) -> Error {
    let (ids, strings) = (btf.end_id(), btf.end_string());
    let bad = |id: u32, what: &str, name: u32, referred: u32| {
        if name >= strings && name != 0 {
            return Some(Error::malformed(format!(
                "BTF type [{id}]{what} has its name at {name} of {strings} string bytes"
            )));
        }
        (referred >= ids).then(|| {
            Error::malformed(format!(
                "BTF type [{id}]{what} refers to type [{referred}], but there are {ids} types"
            ))
        })
    };
    let word = |record, at| btf.words::<1>(record, at)[0];
    for (n, &record) in btf.0.index.iter().enumerate() {
        let id = btf.0.first_id + n as u32;
        let info = Info(word(record, 1));
        let kind = info.kind();
        let target = if kind.refers() { word(record, 2) } else { 0 };
        if let Some(e) = bad(id, "", word(record, 0), target) {
            return e;
        }
        let (each, count) = match kind.shape().each {
            0 if kind == Kind::ARRAY => (1, 2),
            0 => continue,
            each => (usize::from(each), info.vlen()),
        };
        for element in 0..count {
            let at = TYPE_WORDS + element * each;
            // A DATASEC's elements begin with a type, an array has nothing but types, all others begin with a name
            // followed by a type or value.
            let (name, referred) = match kind {
                Kind::DATASEC | Kind::ARRAY => (0, word(record, at)),
                Kind::ENUM | Kind::ENUM64 => (word(record, at), 0),
                _ => (word(record, at), word(record, at + 1)),
            };
            if let Some(e) = bad(id, &format!(" element {element}"), name, referred) {
                return e;
            }
        }
    }
    Error::malformed("BTF mentions a type or name that is not there")
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

    /// A FUNC_PROTO with the parameters `(name, type)`, and INTs after it if `is_followed`.
    fn prototype(parameters: &[(u32, u32)], is_followed: bool) -> Vec<u8> {
        let mut types = vec![0, 13 << 24 | parameters.len() as u32, 0];
        types.extend(parameters.iter().flat_map(|(name, id)| [*name, *id]));
        if is_followed {
            // Taken for parameters, the words of these INTs would refer to names and types that do
            // not exist.
            for _ in 0..3 {
                types.extend([0, 1 << 24, 4, 0x0100_0020]);
            }
        }
        let mut out = Vec::new();
        out.extend(MAGIC.to_ne_bytes());
        out.extend([VERSION, 0]);
        let len = types.len() as u32 * 4;
        for word in [24, 0, len, len, 3] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(types.iter().flat_map(|word: &u32| word.to_ne_bytes()));
        out.extend(b"\0a\0");
        out
    }

    #[test]
    fn validates_every_parameter_of_a_prototype() {
        for is_followed in [false, true] {
            for count in 0..8 {
                let valid = vec![(1, 1); count];
                Btf::parse(prototype(&valid, is_followed)).expect("valid");
                for at in 0..count {
                    for (bad, reason) in [((1, 9), "refers to type [9]"), ((9, 1), "name at 9")] {
                        let mut parameters = valid.clone();
                        parameters[at] = bad;
                        let error = Btf::parse(prototype(&parameters, is_followed));
                        let error = error.expect_err("invalid").to_string();
                        assert!(error.contains(&format!("element {at}")), "{error}");
                        assert!(error.contains(reason), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_reference_to_nowhere_is_explained() {
        let words = |at: usize, word: u32| {
            let mut bytes = sample(24);
            bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
            Btf::parse(bytes).unwrap_err().to_string()
        };
        // Member b of struct s stands 40 bytes into the type section, its type 4 bytes later.
        assert_eq!(
            words(24 + 44, 9),
            "BTF type [2] element 1 refers to type [9], but there are 3 types"
        );
        assert_eq!(
            words(24, 99),
            "BTF type [1] has its name at 99 of 11 string bytes"
        );
    }
}
