//! Writes BTF whose names may overlap, which [`btf_core::btf::Builder`] does not.

use super::elf::Strings;

pub(crate) const VOID: u32 = 0;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;

pub(crate) const STATIC: u32 = 0;
pub(crate) const GLOBAL: u32 = 1;
pub(crate) const EXTERN: u32 = 2;

/// Types in the making. Names are offsets of its strings.
pub(crate) struct Types {
    words: Vec<u32>,
    last: u32,
    pub(crate) strings: Strings,
}

impl Types {
    pub(crate) fn new() -> Types {
        Types {
            words: Vec::new(),
            last: 0,
            strings: Strings::new(),
        }
    }

    pub(crate) fn string(&mut self, text: &str) -> u32 {
        self.strings.add(text)
    }

    fn add(&mut self, name: u32, kind: u32, vlen: usize, word: u32, rest: &[u32]) -> u32 {
        self.words.extend([name, kind << 24 | vlen as u32, word]);
        self.words.extend(rest);
        self.last += 1;
        self.last
    }

    pub(crate) fn int(&mut self) -> u32 {
        let name = self.string("int");
        self.add(name, INT, 0, 4, &[1 << 24 | 32])
    }

    pub(crate) fn pointer(&mut self, to: u32) -> u32 {
        self.add(0, PTR, 0, to, &[])
    }

    pub(crate) fn array(&mut self, element: u32, len: u32) -> u32 {
        self.add(0, ARRAY, 0, 0, &[element, element, len])
    }

    /// Members: name, type and bit offset.
    pub(crate) fn structure(&mut self, name: u32, size: u32, members: &[[u32; 3]]) -> u32 {
        self.add(name, STRUCT, members.len(), size, &members.concat())
    }

    /// Enumerators: name and value.
    pub(crate) fn enumeration(&mut self, name: u32, enumerators: &[[u32; 2]]) -> u32 {
        self.add(name, ENUM, enumerators.len(), 4, &enumerators.concat())
    }

    pub(crate) fn union(&mut self, name: u32, size: u32, members: &[[u32; 3]]) -> u32 {
        self.add(name, UNION, members.len(), size, &members.concat())
    }

    pub(crate) fn typedef(&mut self, name: u32, to: u32) -> u32 {
        self.add(name, TYPEDEF, 0, to, &[])
    }

    /// The ID that the next type will have.
    pub(crate) fn next_id(&self) -> u32 {
        self.last + 1
    }

    pub(crate) fn prototype(&mut self) -> u32 {
        self.add(0, FUNC_PROTO, 0, 0, &[])
    }

    pub(crate) fn function(&mut self, name: u32, prototype: u32, linkage: u32) -> u32 {
        self.add(name, FUNC, linkage as usize, prototype, &[])
    }

    pub(crate) fn variable(&mut self, name: u32, ty: u32, linkage: u32) -> u32 {
        self.add(name, VAR, 0, ty, &[linkage])
    }

    /// Variables: type, offset and size.
    pub(crate) fn section(&mut self, name: u32, size: u32, variables: &[[u32; 3]]) -> u32 {
        self.add(name, DATASEC, variables.len(), size, &variables.concat())
    }

    pub(crate) fn decl_tag(&mut self, name: u32, on: u32) -> u32 {
        self.add(name, DECL_TAG, 0, on, &[u32::MAX])
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let types = 4 * self.words.len() as u32;
        let mut out = vec![0x9f, 0xeb, 1, 0];
        let header = [24, 0, types, types, self.strings.0.len() as u32];
        out.extend(header.iter().flat_map(|n: &u32| n.to_le_bytes()));
        out.extend(self.words.iter().flat_map(|n| n.to_le_bytes()));
        out.extend(&self.strings.0);
        out
    }
}

/// `.BTF.ext`: sections (names) of line records and of CO-RE relocations, as words.
pub(crate) fn ext(lines: &[(u32, Vec<[u32; 4]>)], relos: &[(u32, Vec<[u32; 4]>)]) -> Vec<u8> {
    let part = |sections: &[(u32, Vec<[u32; 4]>)]| {
        let mut words = vec![16];
        for (name, records) in sections {
            words.extend([*name, records.len() as u32]);
            words.extend(records.concat());
        }
        words
    };
    let (lines, relos) = (part(lines), part(relos));
    let (of_lines, of_relos) = (4 * lines.len() as u32, 4 * relos.len() as u32);
    let mut out = vec![0x9f, 0xeb, 1, 0];
    let header = [32, 0, 4, 4, of_lines, 4 + of_lines, of_relos];
    let words = header.into_iter().chain([8]).chain(lines).chain(relos);
    out.extend(words.flat_map(|n: u32| n.to_le_bytes()));
    out
}
