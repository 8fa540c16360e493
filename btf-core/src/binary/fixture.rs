//! ELF files of both classes and byte orders for this module's tests.

use super::Binary;

pub(super) const FUNC: u8 = 2;
pub(super) const OBJECT: u8 = 1;
pub(super) const IFUNC: u8 = 10;
pub(super) const GLOBAL: u8 = 1 << 4;
pub(super) const WEAK: u8 = 2 << 4;

/// The segment of instructions: its address, offset and size. `TEXT` is a section of it.
pub(super) const CODE: (u64, u64, u64) = (0x40_1000, 0x1000, 0x800);
pub(super) const DATA: (u64, u64, u64) = (0x60_2000, 0x2000, 0x100);
pub(super) const TEXT: u16 = 1;

/// A symbol: name, type and binding, section index, address, and version index with its hidden bit.
#[derive(Clone, Copy)]
pub(super) struct Sym(
    pub(super) &'static str,
    pub(super) u8,
    pub(super) u16,
    pub(super) u64,
    pub(super) u16,
);

/// A file to be written.
pub(super) struct Elf {
    pub(super) is_64: bool,
    pub(super) is_little: bool,
    pub(super) dynamic: Vec<Sym>,
    pub(super) full: Vec<Sym>,
    /// Names of versions, which have the indices 2, 3, …
    pub(super) versions: Vec<&'static str>,
    /// Set if dynamic symbols have a hash table.
    pub(super) has_hash: bool,
    /// Further sections: name and contents.
    pub(super) others: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Elf {
    fn default() -> Elf {
        Elf {
            is_64: true,
            is_little: true,
            dynamic: Vec::new(),
            full: Vec::new(),
            versions: Vec::new(),
            has_hash: false,
            others: Vec::new(),
        }
    }
}

/// A section to be written: name, type, address, contents, and index of the section it refers to.
struct Section(&'static str, u32, u64, Vec<u8>, u32);

impl Elf {
    pub(super) fn binary(&self) -> Binary {
        Binary::from_bytes("fixture".as_ref(), self.write())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut sections = vec![
            Section("", 0, 0, Vec::new(), 0),
            Section(".text", 1, CODE.0 + 0x100, Vec::new(), 0),
            // Far from the segments: offsets by it are wrong.
            Section(".rodata", 1, 0x10_0000, Vec::new(), 0),
        ];
        if !self.dynamic.is_empty() {
            self.add_dynamic(&mut sections);
        }
        if !self.full.is_empty() {
            let (table, strings, _) = self.table(&self.full);
            let link = sections.len() as u32 + 1;
            sections.push(Section(".symtab", 2, 0, table, link));
            sections.push(Section(".strtab", 3, 0, strings, 0));
        }
        for (name, contents) in &self.others {
            sections.push(Section(name, 7, 0x5000, contents.clone(), 0));
        }
        self.assemble(sections)
    }

    fn add_dynamic(&self, sections: &mut Vec<Section>) {
        let mut symbols = self.dynamic.clone();
        let buckets = 3;
        if self.has_hash {
            // Stable: aliases and versions of a name keep their order.
            symbols.sort_by_key(|s| hash(s.0) % buckets);
        }
        let (table, mut strings, _) = self.table(&symbols);
        let symbols_at = sections.len() as u32;
        let mut versions = self.half(0).to_vec();
        versions.extend(symbols.iter().flat_map(|s| self.half(s.4)));
        let mut definitions = Vec::new();
        for (n, name) in self.versions.iter().enumerate() {
            let at = strings.len() as u32;
            strings.extend(name.as_bytes());
            strings.push(0);
            let next = if n + 1 < self.versions.len() { 28 } else { 0 };
            for half in [1, 0, n as u16 + 2, 1] {
                definitions.extend(self.half(half));
            }
            for word in [0, 20, next, at, 0] {
                definitions.extend(self.word(word));
            }
        }
        sections.push(Section(".dynsym", 11, 0, table, symbols_at + 1));
        sections.push(Section(".dynstr", 3, 0, strings, 0));
        if !self.versions.is_empty() {
            sections.push(Section(
                ".gnu.version",
                0x6fff_ffff,
                0,
                versions,
                symbols_at,
            ));
            let link = symbols_at + 1;
            sections.push(Section(".gnu.version_d", 0x6fff_fffd, 0, definitions, link));
        }
        if self.has_hash {
            let table = self.hash_table(&symbols, buckets);
            sections.push(Section(".gnu.hash", 0x6fff_fff6, 0, table, symbols_at));
        }
    }

    fn hash_table(&self, symbols: &[Sym], buckets: u32) -> Vec<u8> {
        let bucket = |s: &Sym| hash(s.0) % buckets;
        let mut table = Vec::new();
        for word in [buckets, 1, 1, 0] {
            table.extend(self.word(word));
        }
        table.extend(self.long(u64::MAX));
        for b in 0..buckets {
            let first = symbols.iter().position(|s| bucket(s) == b);
            table.extend(self.word(first.map_or(0, |n| n as u32 + 1)));
        }
        for (n, s) in symbols.iter().enumerate() {
            let is_last = symbols
                .get(n + 1)
                .is_none_or(|next| bucket(next) != bucket(s));
            table.extend(self.word(hash(s.0) & !1 | u32::from(is_last)));
        }
        table
    }

    /// Writes symbols, their strings, and returns the strings' offsets.
    fn table(&self, symbols: &[Sym]) -> (Vec<u8>, Vec<u8>, Vec<u32>) {
        let (mut table, mut strings, mut offsets) = (Vec::new(), vec![0], Vec::new());
        table.resize(if self.is_64 { 24 } else { 16 }, 0);
        for Sym(name, info, section, address, _) in symbols {
            let at = strings.len() as u32;
            strings.extend(name.as_bytes());
            strings.push(0);
            offsets.push(at);
            table.extend(self.word(at));
            if self.is_64 {
                table.extend([*info, 0]);
                table.extend(self.half(*section));
                table.extend(self.long(*address));
                table.extend(self.long(0));
            } else {
                table.extend(self.long(*address));
                table.extend(self.long(0));
                table.extend([*info, 0]);
                table.extend(self.half(*section));
            }
        }
        (table, strings, offsets)
    }

    fn assemble(&self, mut sections: Vec<Section>) -> Vec<u8> {
        let (header, segment) = if self.is_64 { (64, 56) } else { (52, 32) };
        let mut names = Vec::new();
        for Section(name, ..) in &sections {
            names.extend(name.as_bytes());
            names.push(0);
        }
        names.extend(b".shstrtab\0");
        sections.push(Section(".shstrtab", 3, 0, names, 0));
        let mut contents = vec![0xcc; 0x3000];
        let mut headers = Vec::new();
        let mut name_at = 0;
        for Section(name, kind, address, bytes, link) in &sections {
            headers.extend(self.word(name_at));
            headers.extend(self.word(*kind));
            headers.extend(self.long(0));
            headers.extend(self.long(*address));
            headers.extend(self.long(contents.len() as u64));
            headers.extend(self.long(bytes.len() as u64));
            headers.extend(self.word(*link));
            headers.extend(self.word(0));
            headers.extend(self.long(4));
            headers.extend(self.long(0));
            contents.extend(bytes);
            name_at += name.len() as u32 + 1;
        }
        let mut front = b"\x7fELF".to_vec();
        front.extend([1 + u8::from(self.is_64), 2 - u8::from(self.is_little), 1]);
        front.resize(16, 0);
        front.extend(self.half(3));
        front.extend(self.half(62));
        front.extend(self.word(1));
        front.extend(self.long(0));
        front.extend(self.long(header));
        front.extend(self.long(contents.len() as u64));
        front.extend(self.word(0));
        let section = if self.is_64 { 64 } else { 40 };
        let count = sections.len() as u16;
        for half in [header as u16, segment, 2, section, count, count - 1] {
            front.extend(self.half(half));
        }
        // Data comes first: segments are sorted when they are read.
        for ((address, offset, size), flags) in [(DATA, 6), (CODE, 5)] {
            front.extend(self.word(1));
            if self.is_64 {
                front.extend(self.word(flags));
            }
            for long in [offset, address, address, size, 2 * size] {
                front.extend(self.long(long));
            }
            if !self.is_64 {
                front.extend(self.word(flags));
            }
            front.extend(self.long(0x1000));
        }
        contents[..front.len()].copy_from_slice(&front);
        contents.extend(headers);
        contents
    }

    fn half(&self, value: u16) -> [u8; 2] {
        if self.is_little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    }

    pub(super) fn word(&self, value: u32) -> [u8; 4] {
        if self.is_little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    }

    pub(super) fn long(&self, value: u64) -> Vec<u8> {
        match (self.is_64, self.is_little) {
            (true, true) => value.to_le_bytes().to_vec(),
            (true, false) => value.to_be_bytes().to_vec(),
            (false, _) => self.word(value as u32).to_vec(),
        }
    }
}

fn hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, c| {
        hash.wrapping_mul(33).wrapping_add(c.into())
    })
}
