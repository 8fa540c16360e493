//! Sections of variables of another size: the array that is the last variable grows or shrinks with the section.
//!
//! Source: libbpf's `map_btf_datasec_resize`.

use super::data::DataKind;
use super::{DataSection, Object};
use crate::btf::{Btf, Kind, Type, TypeId};
use crate::error::{Error, ErrorKind, Result};

impl Object {
    /// Gives a section of variables this many bytes, in its description and in the types.
    pub fn resize_data(&mut self, section: usize, size: usize) -> Result<()> {
        let data = &self.data[section];
        let types = resized(self.btf.as_ref(), data, size)
            .map_err(|e| e.context(format!("section {}", data.name)))?;
        self.btf = Some(types);
        self.data[section].size = size;
        Ok(())
    }
}

/// The object's types, with an array of another length at the end of a section.
///
/// (libbpf goes on without types if the size does not suit the variables. That is a mistake, and is told here.)
fn resized(btf: Option<&Btf>, data: &DataSection, size: usize) -> Result<Btf> {
    let invalid = |why: String| Error::new(ErrorKind::InvalidInput, why);
    if matches!(data.kind, DataKind::Kconfig | DataKind::Arena) {
        return Err(invalid("it cannot be resized".into()));
    }
    let (Some(btf), Some(id)) = (btf, data.datasec) else {
        return Err(invalid("it has no variables".into()));
    };
    let Some(last) = btf.ty(id).variables().iter().last() else {
        return Err(invalid("it has no variables".into()));
    };
    let unfit = || {
        let declaration = match last.ty().target() {
            Some(ty) => crate::btf::dump::declaration(ty, last.name()),
            None => last.name().to_owned(),
        };
        invalid(format!(
            "its last variable, `{declaration}`, cannot end at {size} bytes"
        ))
        .hint("the last variable must be an array, which then has as many elements as fit; what is before it stays")
    };
    let array = last.ty().target().map(Type::strip).and_then(Type::array);
    let array = array.ok_or_else(unfit)?;
    let element = array.element.byte_size().filter(|size| *size > 0);
    let element = element.ok_or_else(unfit)?;
    let size = u32::try_from(size).map_err(|_| unfit())?;
    let room = size.checked_sub(last.offset()).filter(|room| *room > 0);
    let room = room.ok_or_else(unfit)?;
    if u64::from(room) % element != 0 {
        return Err(unfit());
    }
    let count = u32::try_from(u64::from(room) / element).map_err(|_| unfit())?;
    let change = Change {
        section: id,
        size,
        variable: last.ty().id(),
        room,
        array: [array.element.id().0, array.index.id().0, count],
    };
    change.apply(btf)
}

/// What is written over the types, and after them.
struct Change {
    section: TypeId,
    size: u32,
    variable: TypeId,
    /// Bytes of the variable.
    room: u32,
    /// Element, index and count.
    array: [u32; 3],
}

impl Change {
    fn apply(&self, btf: &Btf) -> Result<Btf> {
        let mut bytes = btf.as_bytes().to_vec();
        set_word(&mut bytes, btf, self.section, |words| {
            words[2] = self.size.to_ne_bytes();
            if let Some(last) = words.last_mut() {
                *last = self.room.to_ne_bytes();
            }
        });
        set_word(&mut bytes, btf, self.variable, |words| {
            words[2] = btf.end_id().to_ne_bytes();
        });
        append(
            bytes,
            [0, u32::from(Kind::ARRAY.0) << 24, 0]
                .iter()
                .chain(&self.array),
        )
    }
}

fn set_word(bytes: &mut [u8], btf: &Btf, id: TypeId, set: impl FnOnce(&mut [[u8; 4]])) {
    if let Some(record) = btf.record_range(id).and_then(|range| bytes.get_mut(range)) {
        set(record.as_chunks_mut().0);
    }
}

/// Adds a record behind all types.
fn append<'a>(mut bytes: Vec<u8>, record: impl Iterator<Item = &'a u32>) -> Result<Btf> {
    /// Places of the header's fields: its length, and where the types and the strings lie behind it.
    const HDR_LEN: usize = 4;
    const TYPE_OFF: usize = 8;
    const TYPE_LEN: usize = 12;
    const STR_OFF: usize = 16;
    let word = |bytes: &[u8], at: usize| {
        let word = bytes[at..].first_chunk::<4>();
        word.map_or(0, |word| u32::from_ne_bytes(*word))
    };
    let record: Vec<u8> = record.flat_map(|word| word.to_ne_bytes()).collect();
    let added = record.len() as u32;
    let (types, len) = (word(&bytes, TYPE_OFF), word(&bytes, TYPE_LEN));
    let strings = word(&bytes, STR_OFF);
    let end = (word(&bytes, HDR_LEN) + types + len) as usize;
    bytes[TYPE_LEN..TYPE_LEN + 4].copy_from_slice(&(len + added).to_ne_bytes());
    if strings >= types + len {
        bytes[STR_OFF..STR_OFF + 4].copy_from_slice(&(strings + added).to_ne_bytes());
    }
    bytes.splice(end..end, record);
    Btf::parse(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::{Builder, IntEncoding, Linkage};

    fn object() -> (Btf, DataSection) {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let array = b.array(int, int, 2);
        let first = b.variable("first", int, Linkage::GLOBAL);
        let samples = b.variable("samples", array, Linkage::GLOBAL);
        let datasec = b.section(".data.x", 12, [(first, 0, 4), (samples, 4, 8)]);
        let data = DataSection {
            name: ".data.x".into(),
            kind: DataKind::Data,
            size: 12,
            bytes: vec![],
            datasec: Some(datasec),
            index: 0,
        };
        (b.finish().unwrap(), data)
    }

    #[test]
    fn the_last_array_takes_what_is_added() {
        let (btf, data) = object();
        let larger = resized(Some(&btf), &data, 4 + 400).unwrap();
        assert_eq!(larger.end_id(), btf.end_id() + 1);
        let section = larger.ty(data.datasec.unwrap());
        assert_eq!(section.own_size(), Some(404));
        let last = section.variables().iter().last().unwrap();
        assert_eq!(
            (last.name(), last.offset(), last.size()),
            ("samples", 4, 400)
        );
        let array = last.ty().target().unwrap().array().unwrap();
        assert_eq!((array.len, array.element.name()), (100, "int"));
        let first = section.variables().get(0).unwrap();
        assert_eq!((first.name(), first.size()), ("first", 4));
        // And again.
        let smaller = resized(Some(&larger), &data, 8).unwrap();
        let section = smaller.ty(data.datasec.unwrap());
        let last = section.variables().iter().last().unwrap();
        assert_eq!(last.ty().target().unwrap().array().unwrap().len, 1);
    }

    #[test]
    fn sizes_that_suit_no_array_are_refused() {
        let (btf, mut data) = object();
        for size in [0, 4, 13, usize::MAX] {
            let e = resized(Some(&btf), &data, size).unwrap_err();
            let why = format!("its last variable, `int samples[2]`, cannot end at {size} bytes");
            assert_eq!((e.kind(), e.message()), (ErrorKind::InvalidInput, &*why));
        }
        data.kind = DataKind::Kconfig;
        let e = resized(Some(&btf), &data, 16).unwrap_err();
        assert_eq!(e.message(), "it cannot be resized");
        data.kind = DataKind::Bss;
        let e = resized(None, &data, 16).unwrap_err();
        assert_eq!(e.message(), "it has no variables");
    }
}
