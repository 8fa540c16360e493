//! Records, as a builder writes them: their fixed words, their place among the others, and all of them in one.

use std::ops::Range;

use super::{Builder, MAX_24_BITS};
use crate::btf::raw::{HEADER_LEN, Info};
use crate::btf::{Kind, MAGIC, TypeId, VERSION};

/// The fixed words of a record, but for the count.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    name: &'a str,
    kind: Kind,
    flag: bool,
    /// Size or type.
    third: u32,
}

impl<'a> Head<'a> {
    pub(super) fn new(name: &'a str, kind: Kind, third: u32) -> Self {
        Head {
            name,
            kind,
            flag: false,
            third,
        }
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        Head { flag, ..self }
    }
}

impl Builder {
    pub(super) fn record(&mut self, head: Head<'_>, vlen: usize, rest: Vec<u32>) -> TypeId {
        let vlen = match u32::try_from(vlen) {
            Ok(vlen) if vlen <= MAX_24_BITS => vlen,
            _ => {
                self.fail(format!(
                    "{} `{}` has a count of {vlen}, which does not fit 24 bits",
                    head.kind, head.name
                ));
                0
            }
        };
        let name = self.string(head.name);
        let info = Info::new(head.kind, head.flag, vlen);
        let start = self.words.len();
        self.words.extend([name, info.0, head.third]);
        self.words.extend(rest);
        self.place(start)
    }

    /// Gives the record that ends `words` its id.
    pub(super) fn place(&mut self, start: usize) -> TypeId {
        let record = start..self.words.len();
        let Some(id) = self.next.take() else {
            let id = self.reserve();
            if let Some(last) = self.records.last_mut() {
                *last = record;
            }
            return id;
        };
        let own = id.0.checked_sub(self.first_id).map(|own| own as usize);
        match own.and_then(|own| self.records.get_mut(own)) {
            Some(slot) if Range::is_empty(slot) => *slot = record,
            Some(_) => self.fail(format!("type {id} is written twice")),
            None => self.fail(format!("type {id} was not reserved")),
        }
        id
    }
}

/// BTF of types and strings: a header in front of them, in this machine's byte order. Both are of less than 4 GiB.
pub fn assemble(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let type_len = (types.len() * 4) as u32;
    let mut out = Vec::with_capacity(HEADER_LEN as usize + types.len() * 4 + strings.len());
    out.extend_from_slice(&MAGIC.to_ne_bytes());
    out.extend_from_slice(&[VERSION, 0]);
    for word in [HEADER_LEN, 0, type_len, type_len, strings.len() as u32] {
        out.extend_from_slice(&word.to_ne_bytes());
    }
    for word in types {
        out.extend_from_slice(&word.to_ne_bytes());
    }
    out.extend_from_slice(strings);
    out
}
