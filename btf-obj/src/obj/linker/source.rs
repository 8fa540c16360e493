//! One of the objects that are linked: its sections, symbols, relocations and types.

use std::borrow::Cow;
use std::collections::HashMap;

use object::elf;
use object::read::elf::{FileHeader, Rel, SectionHeader, Sym};
use object::{Endianness, SymbolIndex};

use crate::btf::ext::BtfExt;
use crate::btf::{Btf, Kind, Linkage, Type, TypeId};
use crate::effort::Effort;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::obj::{datasec, jump_tables, overlap};

type Header = elf::FileHeader64<Endianness>;

/// An object to be linked.
pub(super) struct Source<'d> {
    pub(super) little_endian: bool,
    /// By ELF index; the first is none.
    pub(super) sections: Vec<Section<'d>>,
    /// Indices of sections by name; the first of each.
    positions: HashMap<&'d str, usize>,
    /// By ELF index; the first is none.
    pub(super) symbols: Vec<Symbol<'d>>,
    pub(super) btf: Option<Btf>,
    pub(super) ext: Option<BtfExt>,
    declarations: HashMap<String, Declared>,
}

/// A global VAR or FUNC, and the DATASEC that has it.
struct Declared {
    ty: TypeId,
    section: Option<TypeId>,
}

/// A section with its relocations.
pub(super) struct Section<'d> {
    pub(super) name: &'d str,
    pub(super) kind: elf::SectionType,
    pub(super) flags: elf::SectionFlags,
    pub(super) align: u64,
    pub(super) size: u64,
    /// Empty for what is all zeros.
    pub(super) bytes: Cow<'d, [u8]>,
    pub(super) relocs: Vec<Reloc>,
}

impl Section<'_> {
    /// Whether it goes into what is linked: code and data, but no description of them.
    pub(super) fn is_kept(&self) -> bool {
        let is_empty_text = self.name == ".text" && self.size == 0;
        let is_described = [".BTF", ".BTF.ext", ".llvm_addrsig", ".eh_frame"].contains(&self.name)
            || self.name.starts_with(".debug_");
        matches!(self.kind, elf::SHT_PROGBITS | elf::SHT_NOBITS) && !is_empty_text && !is_described
    }

    pub(super) fn is_code(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags.contains(elf::SHF_EXECINSTR)
    }
}

/// A relocation.
#[derive(Clone, Copy)]
pub(super) struct Reloc {
    pub(super) offset: u64,
    /// Position of its symbol.
    pub(super) symbol: usize,
    pub(super) kind: u32,
}

/// A symbol.
#[derive(Clone, Copy)]
pub(super) struct Symbol<'d> {
    pub(super) name: &'d str,
    pub(super) kind: elf::SymbolType,
    pub(super) bind: elf::SymbolBind,
    pub(super) hidden: bool,
    /// Index of its section; 0 if it is defined elsewhere.
    pub(super) section: usize,
    pub(super) value: u64,
    pub(super) size: u64,
}

impl Symbol<'_> {
    pub(super) fn is_extern(&self) -> bool {
        self.section == 0
    }

    pub(super) fn is_weak(&self) -> bool {
        self.bind == elf::STB_WEAK
    }

    pub(super) fn is_local(&self) -> bool {
        self.bind == elf::STB_LOCAL
    }
}

fn bad(what: &str) -> impl Fn(object::Error) -> Error + '_ {
    move |e| Error::malformed(format!("{what}: {e}"))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::malformed("a name in it is not text"))
}

/// More than any variable is aligned to: maps' values begin at a page at best.
const MOST_ALIGNED: u64 = 1 << 20;

/// A section's alignment, if it is one.
fn align(section: &str, align: u64) -> Result<u64> {
    if align > MOST_ALIGNED || align & align.wrapping_sub(1) != 0 {
        return Err(Error::malformed(format!(
            "section {section} is aligned to {align} bytes, which is no power of two up to {MOST_ALIGNED}"
        )));
    }
    Ok(align)
}

impl<'d> Source<'d> {
    pub(super) fn read(bytes: &'d [u8], effort: &mut Effort) -> Result<Source<'d>> {
        let not_elf = bad("it is not a 64-bit ELF object");
        let header = Header::parse(bytes).map_err(&not_elf)?;
        let endian = header.endian().map_err(&not_elf)?;
        if header.e_machine(endian) != elf::EM_BPF || header.e_type(endian) != elf::ET_REL {
            return Err(Error::malformed("it is no object file of BPF")
                .hint("compile it with `clang -target bpf -c`"));
        }
        let table = header
            .sections(endian, bytes)
            .map_err(bad("section table"))?;
        let mut sections = Vec::new();
        for (_, s) in table.enumerate() {
            let name = text(table.section_name(endian, s).unwrap_or_default())?;
            effort.charge_kept(name.len())?;
            // Its entries count from the start of another section, which lies elsewhere in what is linked.
            if name == jump_tables::SECTION {
                let error = Error::new(ErrorKind::Unsupported, "its jump tables cannot be linked");
                return Err(error.hint("compile it with -fno-jump-tables"));
            }
            let kind = s.sh_type(endian);
            let data = match kind {
                elf::SHT_NOBITS | elf::SHT_NULL => &[][..],
                _ => s.data(endian, bytes).map_err(bad(name))?,
            };
            sections.push(Section {
                name,
                kind,
                flags: s.sh_flags(endian),
                align: align(name, s.sh_addralign(endian))?,
                size: s.sh_size(endian),
                bytes: Cow::Borrowed(data),
                relocs: Vec::new(),
            });
        }
        let names: Vec<&str> = sections.iter().map(|s| s.name).collect();
        overlap::check(endian, &table, &names)?;
        for s in table.iter() {
            let about = s.sh_info(endian) as usize;
            let Some(section) = sections.get_mut(about) else {
                continue;
            };
            if let Some((rels, _)) = s.rel(endian, bytes).map_err(bad("relocations"))? {
                section.relocs.extend(rels.iter().map(|rel| Reloc {
                    offset: rel.r_offset(endian),
                    symbol: rel.r_sym(endian) as usize,
                    kind: rel.r_type(endian).0,
                }));
            }
        }
        let symbols = symbols(header, endian, bytes, sections.len(), effort)?;
        let find = |name: &str| sections.iter().find(|s| s.name == name);
        let btf = match find(".BTF") {
            Some(s) => {
                let btf = Btf::parse(s.bytes.to_vec()).context(|| "section .BTF")?;
                let of_data = symbols_of_data(&sections, &symbols);
                Some(datasec::correct(btf, &of_data, effort)?)
            }
            None => None,
        };
        let ext = match (&btf, find(".BTF.ext")) {
            (Some(btf), Some(s)) => {
                Some(BtfExt::parse(&s.bytes, btf).context(|| "section .BTF.ext")?)
            }
            _ => None,
        };
        let mut positions = HashMap::new();
        for (at, name) in names.into_iter().enumerate() {
            positions.entry(name).or_insert(at);
        }
        Ok(Source {
            little_endian: endian == Endianness::Little,
            declarations: declarations(btf.as_ref(), effort)?,
            sections,
            positions,
            symbols,
            btf,
            ext,
        })
    }

    /// The index of the section of this name.
    pub(super) fn section(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The VAR or FUNC that declares a symbol, and the section that it is said to be in.
    pub(super) fn declaration(&self, name: &str) -> Result<(Type<'_>, Option<&str>)> {
        let declared = self.btf.as_ref().zip(self.declarations.get(name));
        let (btf, declared) = declared.ok_or_else(|| {
            Error::not_found("BTF does not describe it")
                .hint("compile with -g, and don't strip .BTF")
        })?;
        let section = declared.section.map(|section| btf.ty(section).name());
        Ok((btf.ty(declared.ty), section))
    }
}

/// The global VARs and FUNCs by name: the first that is in a section, or the first of all.
fn declarations(btf: Option<&Btf>, effort: &mut Effort) -> Result<HashMap<String, Declared>> {
    let mut declared = HashMap::new();
    let Some(btf) = btf else { return Ok(declared) };
    let mut add = |ty: Type<'_>, section: Option<TypeId>| -> Result<()> {
        if is_global(ty) {
            let name = ty.name();
            effort.charge_kept(name.len())?;
            if !declared.contains_key(name) {
                let ty = ty.id();
                declared.insert(name.to_owned(), Declared { ty, section });
            }
        }
        Ok(())
    };
    for section in btf.types().filter(|t| t.kind() == Kind::DATASEC) {
        for variable in section.variables().iter() {
            add(variable.ty(), Some(section.id()))?;
        }
    }
    for ty in btf.types() {
        add(ty, None)?;
    }
    Ok(declared)
}

/// The symbols of data sections.
fn symbols_of_data<'s>(sections: &[Section<'s>], symbols: &[Symbol<'s>]) -> datasec::Symbols<'s> {
    let mut all = datasec::Symbols::default();
    for symbol in symbols.iter().filter(|s| s.kind != elf::STT_SECTION) {
        if let Some(section) = sections.get(symbol.section) {
            all.add(symbol.name, section.name);
        }
    }
    all
}

fn symbols<'d>(
    header: &'d Header,
    endian: Endianness,
    bytes: &'d [u8],
    sections: usize,
    effort: &mut Effort,
) -> Result<Vec<Symbol<'d>>> {
    let table = header
        .sections(endian, bytes)
        .and_then(|s| s.symbols(endian, bytes, elf::SHT_SYMTAB))
        .map_err(bad("symbol table"))?;
    // The first one stands for none.
    let mut out = vec![Symbol {
        name: "",
        kind: elf::STT_NOTYPE,
        bind: elf::STB_LOCAL,
        hidden: false,
        section: 0,
        value: 0,
        size: 0,
    }];
    for index in 1..table.len() {
        let s = table
            .symbol(SymbolIndex(index))
            .map_err(bad("symbol table"))?;
        let name = text(table.symbol_name(endian, s).unwrap_or_default())?;
        effort.charge_kept(name.len())?;
        let mut section = usize::from(s.st_shndx(endian).0);
        let is_special = section >= sections;
        if is_special {
            // Names of files, and absolute values, which nothing refers to.
            section = 0;
        }
        let visibility = s.st_visibility();
        if !matches!(visibility, elf::STV_DEFAULT | elf::STV_HIDDEN) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("symbol `{name}` has a visibility that is neither default nor hidden"),
            ));
        }
        out.push(Symbol {
            name: if is_special { "" } else { name },
            kind: s.st_type(),
            bind: if is_special {
                elf::STB_LOCAL
            } else {
                s.st_bind()
            },
            hidden: visibility == elf::STV_HIDDEN,
            section,
            value: s.st_value(endian),
            size: s.st_size(endian),
        });
    }
    Ok(out)
}

/// A VAR or FUNC that other objects may refer to.
pub(super) fn is_global(t: Type<'_>) -> bool {
    matches!(t.kind(), Kind::VAR | Kind::FUNC) && t.linkage() != Some(Linkage::STATIC)
}
