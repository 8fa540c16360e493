//! BTF that is put together word by word, so that it may be what no compiler writes.

use crate::btf::dump::{Options, header};
use crate::btf::{Btf, Kind};
use crate::error::ErrorKind;

/// A BTF in the making. Each method adds a type and returns its id.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) words: Vec<u32>,
    pub(super) strings: Vec<u8>,
    pub(super) last: u32,
}

impl Sample {
    pub(super) fn string(&mut self, text: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        kind: Kind,
        flag: bool,
        vlen: usize,
        third: u32,
    ) -> u32 {
        let name = self.string(name);
        let info = u32::from(kind.0) << 24 | u32::from(flag) << 31 | vlen as u32;
        self.words.extend([name, info, third]);
        self.last += 1;
        self.last
    }

    pub(super) fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        let id = self.add(name, Kind::INT, false, 0, size);
        self.words.push((encoding << 24) | (size * 8));
        id
    }

    pub(super) fn refer(&mut self, kind: Kind, name: &str, target: u32) -> u32 {
        self.add(name, kind, false, 0, target)
    }

    pub(super) fn ptr(&mut self, target: u32) -> u32 {
        self.refer(Kind::PTR, "", target)
    }

    pub(super) fn array(&mut self, element: u32, len: u32) -> u32 {
        let id = self.add("", Kind::ARRAY, false, 0, 0);
        self.words.extend([element, element, len]);
        id
    }

    /// Members are name, type, bit offset and, of a bitfield, width.
    pub(super) fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        let id = self.add(name, kind, true, members.len(), size);
        for &(name, ty, offset, width) in members {
            let name = self.string(name);
            self.words.extend([name, ty, width << 24 | offset]);
        }
        id
    }

    pub(super) fn structure(
        &mut self,
        name: &str,
        size: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        self.composite(Kind::STRUCT, name, size, members)
    }

    pub(super) fn enumeration(
        &mut self,
        name: &str,
        size: u32,
        signed: bool,
        values: &[(&str, i64)],
    ) -> u32 {
        let kind = if size == 8 { Kind::ENUM64 } else { Kind::ENUM };
        let id = self.add(name, kind, signed, values.len(), size);
        for &(name, value) in values {
            let name = self.string(name);
            self.words.extend([name, value as u32]);
            if size == 8 {
                self.words.push((value >> 32) as u32);
            }
        }
        id
    }

    pub(super) fn proto(&mut self, result: u32, params: &[(&str, u32)]) -> u32 {
        let id = self.add("", Kind::FUNC_PROTO, false, params.len(), result);
        for &(name, ty) in params {
            let name = self.string(name);
            self.words.extend([name, ty]);
        }
        id
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = 0xeb9fu16.to_ne_bytes().to_vec();
        out.extend([1, 0]);
        let types = self.words.len() as u32 * 4;
        for word in [24, 0, types, types, self.strings.len() as u32] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(self.words.iter().flat_map(|word| word.to_ne_bytes()));
        out.extend(&self.strings);
        out
    }

    pub(super) fn btf(&self) -> Btf {
        Btf::parse(self.bytes()).unwrap()
    }

    /// The types alone, without what stands around them.
    pub(super) fn c(&self) -> String {
        header(&self.btf(), &bare()).unwrap()
    }

    pub(super) fn error(&self) -> String {
        let e = header(&self.btf(), &bare()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Malformed);
        e.to_string()
    }
}

pub(super) fn bare() -> Options {
    Options {
        guard: None,
        preserve_access_index: false,
        kfuncs: true,
    }
}
