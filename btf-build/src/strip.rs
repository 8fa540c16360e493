//! An object without its DWARF: sections that describe the machine code to debuggers go, and what
//! is left is laid out anew.

use std::collections::HashMap;

use object::elf;
use object::endian::{U16, U32, U64};
use object::pod::{bytes_of, bytes_of_slice};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use object::read::elf::{SectionTable, SymbolTable};
use object::{Endianness, SectionIndex};

type Header = elf::FileHeader64<Endianness>;
type Section = elf::SectionHeader64<Endianness>;
type Symbol = elf::Sym64<Endianness>;

/// Indexes of symbols that a linker must not fold, which would be wrong afterwards, and which
/// nothing reads.
const LLVM_ADDRSIG: elf::SectionType = elf::SectionType(0x6fff_4c03);

/// How much larger than the object its names may become: those that were ends of one string are
/// strings of their own, in each string table.
const LARGER: usize = 4;

/// Removes `.debug_*` sections with their relocations and symbols; everything else keeps its order
/// and contents.
///
/// # Errors
///
/// If it is no 64-bit ELF object, something that stays refers to something that goes, or sections
/// or names overlap so that they become far larger.
pub(crate) fn strip(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = |e: object::Error| e.to_string();
    let header = Header::parse(bytes).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let sections = header.sections(endian, bytes).map_err(text)?;
    let symbols = sections
        .symbols(endian, bytes, elf::SHT_SYMTAB)
        .map_err(text)?;
    let mut stripper = Stripper {
        endian,
        bytes,
        places: kept_sections(endian, &sections),
        sections: &sections,
        renumbered: vec![None; symbols.len().max(1)],
        strings: Strings::new(LARGER * bytes.len()),
    };
    let table = stripper.symbols(&symbols)?;
    stripper.write(header, &table)
}

/// The new index of every section that stays.
fn kept_sections(endian: Endianness, sections: &SectionTable<'_, Header>) -> Vec<Option<u32>> {
    let is_dwarf = |section: &Section| {
        let name = sections.section_name(endian, section).unwrap_or_default();
        let is_addrsig = section.sh_type(endian) == LLVM_ADDRSIG;
        name.starts_with(b".debug_") || name.starts_with(b".rel.debug_") || is_addrsig
    };
    let mut next = 0;
    let place = |(_, section): (SectionIndex, &Section)| {
        if is_dwarf(section) {
            return None;
        }
        next += 1;
        Some(next - 1)
    };
    sections.enumerate().map(place).collect()
}

struct Stripper<'a> {
    endian: Endianness,
    bytes: &'a [u8],
    sections: &'a SectionTable<'a, Header>,
    /// New indexes of sections.
    places: Vec<Option<u32>>,
    /// New indexes of symbols.
    renumbered: Vec<Option<u32>>,
    strings: Strings,
}

impl Stripper<'_> {
    /// The symbols that stay, with their new names and sections.
    fn symbols(&mut self, symbols: &SymbolTable<'_, Header>) -> Result<Vec<Symbol>, String> {
        let mut kept = Vec::new();
        for (index, symbol) in symbols.enumerate() {
            let mut symbol = *symbol;
            let section = symbol.st_shndx(self.endian);
            if section.0 < elf::SHN_LORESERVE {
                let Some(place) = self.place(u32::from(section.0))? else {
                    continue;
                };
                // No more than there were, so that it fits.
                symbol.st_shndx = U16::new(self.endian, elf::SymbolSection(place as u16));
            } else if section == elf::SHN_XINDEX {
                return Err("it has too many sections".to_owned());
            }
            let name = symbols.symbol_name(self.endian, &symbol);
            let name = self.strings.add(name.map_err(|e| e.to_string())?)?;
            symbol.st_name = U32::new(self.endian, name);
            self.renumbered[index.0] = Some(kept.len() as u32);
            kept.push(symbol);
        }
        Ok(kept)
    }

    /// The new index of a section, `None` if it goes.
    fn place(&self, section: u32) -> Result<Option<u32>, String> {
        let place = self.places.get(section as usize).copied();
        place.ok_or_else(|| format!("there is no section {section}"))
    }

    /// The new index of a section that one which stays refers to.
    fn referred(&self, section: u32, by: &str) -> Result<U32<Endianness>, String> {
        let place = self.place(section)?;
        let place =
            place.ok_or_else(|| format!("section {by} refers to section {section}, DWARF"))?;
        Ok(U32::new(self.endian, place))
    }

    fn write(mut self, header: &Header, symbols: &[Symbol]) -> Result<Vec<u8>, String> {
        let mut out = bytes_of(header).to_vec();
        let mut table: Vec<Section> = Vec::new();
        let mut string_tables = Vec::new();
        // Those that share no bytes come to less than the file.
        let mut copied = 0;
        for (index, section) in self.sections.enumerate() {
            if self.places[index.0].is_none() {
                continue;
            }
            let name = self.sections.section_name(self.endian, section);
            let name = name.map_err(|e| e.to_string())?;
            let shown = String::from_utf8_lossy(name).into_owned();
            let mut section = *section;
            section.sh_name = U32::new(self.endian, self.strings.add(name)?);
            section.sh_link = self.referred(section.sh_link(self.endian), &shown)?;
            if section.sh_type(self.endian) == elf::SHT_STRTAB {
                string_tables.push(table.len());
            } else {
                let data = self.contents(&mut section, &shown, symbols)?;
                self.put(&mut out, &mut section, &data);
                copied += data.len();
                if copied > self.bytes.len() {
                    return Err(format!("section {shown} overlaps others"));
                }
            }
            table.push(section);
        }
        // Names of sections and symbols are in one table, as clang has them; any other is a copy of
        // it, which is not read.
        let strings = std::mem::take(&mut self.strings.bytes);
        if strings.len().saturating_mul(string_tables.len()) > LARGER * self.bytes.len() {
            return Err("it has too many string tables".to_owned());
        }
        for index in string_tables {
            self.put(&mut out, &mut table[index], &strings);
        }
        align(&mut out, 8);
        let mut new = *header;
        new.e_shoff = U64::new(self.endian, out.len() as u64);
        new.e_shnum = U16::new(self.endian, table.len() as u16);
        let names = self.referred(u32::from(header.e_shstrndx.get(self.endian).0), "header")?;
        new.e_shstrndx = U16::new(
            self.endian,
            elf::SymbolSection(names.get(self.endian) as u16),
        );
        out.extend_from_slice(bytes_of_slice(&table));
        out[..size_of::<Header>()].copy_from_slice(bytes_of(&new));
        Ok(out)
    }

    /// A section's contents, with what they and its header refer to numbered anew.
    fn contents(
        &self,
        section: &mut Section,
        name: &str,
        symbols: &[Symbol],
    ) -> Result<Vec<u8>, String> {
        let endian = self.endian;
        let data = section.data(endian, self.bytes);
        let data = data.map_err(|e| format!("section {name}: {e}"))?;
        match section.sh_type(endian) {
            elf::SHT_SYMTAB => {
                let locals = symbols.iter().take_while(|s| s.st_bind() == elf::STB_LOCAL);
                section.sh_info = U32::new(endian, locals.count() as u32);
                Ok(bytes_of_slice(symbols).to_vec())
            }
            elf::SHT_REL => {
                section.sh_info = self.referred(section.sh_info(endian), name)?;
                self.relocations(data, name)
            }
            elf::SHT_RELA | elf::SHT_GROUP | elf::SHT_SYMTAB_SHNDX => {
                Err(format!("section {name} is of a kind that no loader reads"))
            }
            _ => Ok(data.to_vec()),
        }
    }

    fn relocations(&self, data: &[u8], name: &str) -> Result<Vec<u8>, String> {
        let endian = self.endian;
        let relocations = object::pod::slice_from_all_bytes::<elf::Rel64<Endianness>>(data);
        let relocations = relocations.map_err(|()| format!("section {name} ends in a part"))?;
        let mut out = Vec::with_capacity(data.len());
        for relocation in relocations {
            let symbol = relocation.r_sym(endian);
            let new = self.renumbered.get(symbol as usize).copied().flatten();
            let new = new.ok_or_else(|| format!("section {name} refers to symbol {symbol}"))?;
            let kind = relocation.r_info.get(endian) & u64::from(u32::MAX);
            let mut relocation = *relocation;
            relocation.r_info = U64::new(endian, u64::from(new) << 32 | kind);
            out.extend_from_slice(bytes_of(&relocation));
        }
        Ok(out)
    }

    /// Appends contents, and says in the header where they are.
    fn put(&self, out: &mut Vec<u8>, section: &mut Section, data: &[u8]) {
        if section.sh_type(self.endian) == elf::SHT_NULL {
            return;
        }
        // What asks for more than a page is no object of clang's.
        align(out, section.sh_addralign(self.endian).clamp(1, 4096));
        section.sh_offset = U64::new(self.endian, out.len() as u64);
        if section.sh_type(self.endian) != elf::SHT_NOBITS {
            section.sh_size = U64::new(self.endian, data.len() as u64);
            out.extend_from_slice(data);
        }
    }
}

fn align(out: &mut Vec<u8>, to: u64) {
    out.resize(out.len().next_multiple_of(to as usize), 0);
}

/// A string table in the making, each string once.
struct Strings {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
    /// How many bytes may still be looked up.
    left: usize,
}

impl Strings {
    fn new(most: usize) -> Strings {
        Strings {
            left: most,
            bytes: vec![0],
            known: HashMap::from([(Vec::new(), 0)]),
        }
    }

    fn add(&mut self, string: &[u8]) -> Result<u32, String> {
        let left = self.left.checked_sub(string.len());
        self.left = left.ok_or("its names overlap")?;
        if let Some(at) = self.known.get(string) {
            return Ok(*at);
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(string);
        self.bytes.push(0);
        self.known.insert(string.to_vec(), at);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use btf_obj::obj::Object;

    const SOURCE: &str = r#"
        #define SEC(name) __attribute__((section(name), used))
        char LICENSE[] SEC("license") = "GPL";
        struct { int (*type)[2]; int (*key)[4]; int (*value)[8]; int (*max_entries)[1]; } map SEC(".maps");
        static long counts[4];
        long start = 7, table[] = { 1, 2, 3 };
        const volatile int limit = 3;
        static void *(*lookup)(void *, const void *) = (void *)1;
        __attribute__((noinline)) static long helper(long n) { return counts[n & 3] += table[n & 1]; }
        __attribute__((noinline)) long global(long n) { return n + start; }
        SEC("raw_tp") int first(void *ctx) { int key = 0; return lookup(&map, &key) && helper(limit); }
        SEC("tc") int second(void *ctx) { return global(helper(1)); }
    "#;

    /// Compiled with DWARF and with what a linker wants to know.
    fn compiled(target: &str) -> Vec<u8> {
        let mut clang = Command::new("clang")
            .args(["-O1", "-g", "-xc", "-faddrsig", "-c", "-", "-o", "-"])
            .arg(format!("--target={target}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs clang: apt install clang");
        let mut input = clang.stdin.take().expect("it is piped");
        input.write_all(SOURCE.as_bytes()).expect("clang reads");
        drop(input);
        let output = clang.wait_with_output().expect("clang ends");
        assert!(output.status.success());
        output.stdout
    }

    /// Sections that all have the whole file as their contents, and names that share their bytes.
    #[test]
    fn sections_and_names_that_overlap_are_refused() {
        let mut elf = compiled("bpf");
        let len = elf.len() as u64;
        let sections = {
            let header = Header::parse(&*elf).unwrap();
            let endian = header.endian().unwrap();
            let table = header.sections(endian, &*elf).unwrap();
            let count = table
                .iter()
                .filter(|s| s.sh_type(endian) == elf::SHT_PROGBITS);
            assert!(count.count() > 1);
            let start = header.e_shoff(endian) as usize;
            start..start + table.len() * size_of::<Section>()
        };
        for header in elf[sections].chunks_exact_mut(size_of::<Section>()) {
            if header[4..8] == elf::SHT_PROGBITS.0.to_le_bytes() {
                header[24..32].copy_from_slice(&0u64.to_le_bytes());
                header[32..40].copy_from_slice(&len.to_le_bytes());
            }
        }
        let error = strip(&elf).err();
        assert!(error.is_some_and(|e| e.ends_with("overlaps others")));
        let mut strings = Strings::new(8);
        assert_eq!(strings.add(b"abcd"), Ok(1));
        assert_eq!(strings.add(b"bcd"), Ok(6));
        let error = strings.add(b"cd").unwrap_err();
        assert_eq!(error, "its names overlap");
    }

    /// Sections but for DWARF, symbols and relocations, by names instead of numbers.
    fn described(bytes: &[u8]) -> Vec<String> {
        let header = Header::parse(bytes).unwrap();
        let endian = header.endian().unwrap();
        let sections = header.sections(endian, bytes).unwrap();
        let symbols = sections.symbols(endian, bytes, elf::SHT_SYMTAB).unwrap();
        let text =
            |name: object::Result<&[u8]>| String::from_utf8_lossy(name.unwrap()).into_owned();
        let section_name = |index: u32| {
            let section = sections.section(SectionIndex(index as usize)).unwrap();
            text(sections.section_name(endian, section))
        };
        let symbol = |symbol: &Symbol| {
            let mut line = text(symbols.symbol_name(endian, symbol));
            let section = symbol.st_shndx(endian);
            if (1..elf::SHN_LORESERVE).contains(&section.0) {
                line += &format!("@{}", section_name(section.0.into()));
            }
            let (value, size) = (symbol.st_value(endian), symbol.st_size(endian));
            format!(
                "{line}+{value},{size} {:?} {:?}",
                symbol.st_info, symbol.st_other
            )
        };
        let mut lines: Vec<String> = symbols.iter().map(symbol).collect();
        for (_, section) in sections.enumerate() {
            let name = text(sections.section_name(endian, section));
            if name.contains(".debug_") || name == ".llvm_addrsig" {
                continue;
            }
            let (kind, flags) = (section.sh_type(endian), section.sh_flags(endian));
            lines.push(format!(
                "{name} {kind:?} {flags:?} {}",
                section.sh_addralign(endian)
            ));
            match kind {
                elf::SHT_REL => {
                    let about = section_name(section.sh_info(endian));
                    let (relocations, _) = section.rel(endian, bytes).unwrap().unwrap();
                    lines.extend(relocations.iter().map(|r| {
                        let (offset, kind) = (r.r_offset.get(endian), r.r_type(endian));
                        let to = symbols.symbol(object::SymbolIndex(r.r_sym(endian) as usize));
                        format!("{about}+{offset} {kind:?} {}", symbol(to.unwrap()))
                    }));
                }
                elf::SHT_SYMTAB => lines.push(section_name(section.sh_link(endian))),
                elf::SHT_STRTAB => {}
                _ => lines.push(format!("{:?}", section.data(endian, bytes).unwrap())),
            }
        }
        lines.retain(|line| !line.contains(".debug_"));
        lines
    }

    #[test]
    fn what_is_no_dwarf_stays_as_it_is() {
        for target in ["bpfel", "bpfeb"] {
            let elf = compiled(target);
            let stripped = strip(&elf).unwrap();
            let before = described(&elf);
            assert_eq!(described(&stripped), before);
            assert!(before.len() > 40, "{before:#?}");
            assert!(
                elf.windows(7).any(|w| w == b".debug_")
                    && !stripped.windows(7).any(|w| w == b".debug_")
            );
            assert!(stripped.len() < elf.len());
            // Nothing is left to be removed.
            assert_eq!(strip(&stripped).unwrap(), stripped);
            let [before, after] = [&elf, &stripped].map(|bytes| Object::parse("x", bytes).unwrap());
            assert_eq!(after.programs().len(), 2);
            assert_eq!(
                format!("{:?}", after.maps()),
                format!("{:?}", before.maps())
            );
        }
    }

    #[test]
    fn damage_is_an_error_or_does_not_matter() {
        let elf = strip(&compiled("bpfel")).unwrap();
        for len in 0..elf.len() {
            assert!(strip(&elf[..len]).is_err(), "{len}");
        }
        for at in 0..elf.len() {
            let mut damaged = elf.clone();
            damaged[at] ^= 0xff;
            // No panic is all that is asked for.
            let _ = strip(&damaged);
        }
    }
}
