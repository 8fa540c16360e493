//! A compiled eBPF object as plain data: what its ELF file says, before anything is asked of a kernel.
//!
//! [`Object`] is a deterministic description. Loading it is btf-core's business; relocating it against a
//! kernel's types is [`crate::relo`]'s.

pub(crate) mod data;
mod datasec;
mod digest;
mod elf;
#[doc(hidden)]
pub mod externs;
mod functions;
mod image;
mod jump_tables;
mod linker;
pub mod map_flags;
mod map_type;
mod maps;
mod minimise;
mod outcome;
mod overlap;
#[doc(hidden)]
pub mod place;
mod programs;
mod records;
#[doc(hidden)]
pub mod relocated;
mod report;
mod resize;
mod section;
mod slots;
mod struct_ops;

use crate::btf::Btf;
use crate::error::{Context, Error, Result};
use crate::insn::Insn;

pub use data::{DataKind, DataSection};
pub use externs::{ConfigExtern, ConfigForm, ExternKind, ExternSpec};
pub use functions::{CoreSite, ElfReloc, Function, LineSite, RelocTarget};
pub use image::Image;
pub use jump_tables::JumpTable;
pub use linker::link_objects;
pub use map_type::MapType;
pub use maps::{MapSpec, Pinning, SlotTarget};
pub use minimise::{Minimal, minimise};
pub use outcome::Outcome;
pub use relocated::{Answer, Relocated};
pub use report::Finding;
pub use section::{Attach, AttachType, ProgType, SectionDef, UnknownSection, section_defs};
#[doc(hidden)]
pub use section::{by_type as def_by_type, of_section as def_of_section};
pub use struct_ops::StructOpsSpec;
#[doc(hidden)]
pub use struct_ops::is_function_pointer;

/// What a BPF ELF object holds.
#[derive(Debug, Clone)]
pub struct Object {
    name: String,
    license: String,
    little_endian: bool,
    btf: Option<Btf>,
    has_btf_ext: bool,
    functions: Vec<Function>,
    programs: Vec<ProgramSpec>,
    maps: Vec<MapSpec>,
    data: Vec<DataSection>,
    struct_ops: Vec<StructOpsSpec>,
    externs: Vec<ExternSpec>,
    jump_tables: Vec<JumpTable>,
    callbacks: image::Callbacks,
}

/// A program: a function in a section whose name says what it attaches to.
#[derive(Debug, Clone)]
pub struct ProgramSpec {
    /// Name of its function.
    pub name: String,
    /// Section as written, without the leading `?`.
    pub section: String,
    /// What the section name means; `None` if it is not known, which disables this program and no other.
    pub def: Option<&'static SectionDef>,
    /// What follows the prefix: `do_unlinkat` in `fentry/do_unlinkat`, `syscalls/sys_enter_open` in a tracepoint's.
    pub target: Option<String>,
    /// Whether it is loaded unless told otherwise: not for `SEC("?…")`.
    pub autoload: bool,
    /// Position of its function in [`Object::functions`].
    pub function: usize,
}

impl ProgramSpec {
    /// Returns why it is not loaded, if its section is not known, and what to do.
    pub fn unknown_section(&self) -> Option<UnknownSection> {
        self.def.is_none().then(|| section::unknown(&self.section))
    }
}

impl Object {
    /// Reads an ELF object; `name` appears in errors and in the names of the maps made for global data.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] or [`crate::ErrorKind::Unsupported`] naming the section, symbol, map or
    /// instruction that is wrong.
    pub fn parse(name: &str, elf: &[u8]) -> Result<Object> {
        elf::parse(name, elf).context(|| format!("object `{name}`"))
    }

    /// The name it was parsed under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Text of the `license` section; empty if there is none.
    pub fn license(&self) -> &str {
        &self.license
    }

    /// Byte order of its instructions.
    pub fn is_little_endian(&self) -> bool {
        self.little_endian
    }

    /// Its types, with the places of variables taken from the symbol table.
    pub fn btf(&self) -> Option<&Btf> {
        self.btf.as_ref()
    }

    /// Whether there is a `.BTF.ext` section.
    pub fn has_btf_ext(&self) -> bool {
        self.has_btf_ext
    }

    /// Its types, or an error that says how to get them.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if the object has no `.BTF` section.
    pub fn require_btf(&self) -> Result<&Btf> {
        self.types().context(|| format!("object `{}`", self.name))
    }

    /// Its types, or an error that leaves it to the caller to name the object.
    #[doc(hidden)]
    pub fn types(&self) -> Result<&Btf> {
        self.btf.as_ref().ok_or_else(|| {
            Error::not_found("it has no .BTF section")
                .hint("compile it with `clang -target bpf -g`, and don't strip .BTF")
        })
    }

    /// All functions, those of programs and subprograms alike.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The programs in order of section and place.
    pub fn programs(&self) -> &[ProgramSpec] {
        &self.programs
    }

    /// The maps declared in `.maps`, in order of declaration.
    pub fn maps(&self) -> &[MapSpec] {
        &self.maps
    }

    /// Sections of global variables.
    pub fn data(&self) -> &[DataSection] {
        &self.data
    }

    /// Structs of operations, in order of section and place.
    pub fn struct_ops(&self) -> &[StructOpsSpec] {
        &self.struct_ops
    }

    /// Symbols that the kernel must supply.
    pub fn externs(&self) -> &[ExternSpec] {
        &self.externs
    }

    /// Tables by which functions jump, in the order of their first use.
    pub fn jump_tables(&self) -> &[JumpTable] {
        &self.jump_tables
    }

    /// The program of this name.
    pub fn program(&self, name: &str) -> Option<&ProgramSpec> {
        self.programs.iter().find(|p| p.name == name)
    }

    /// The functions that a program needs: its own first, then subprograms in the order in which libbpf appends them.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] naming the function and instruction of a call that leads nowhere.
    pub fn reachable(&self, program: &ProgramSpec) -> Result<Vec<usize>> {
        image::reachable(self, program)
    }

    /// One instruction stream out of a program and its subprograms, with calls resolved.
    ///
    /// `insns` gives the instructions of a function (an index into [`Object::functions`]), after CO-RE relocation for
    /// instance. Maps, data and externs are left to the loader: see [`Image::relocs`].
    ///
    /// # Errors
    ///
    /// As [`Object::reachable`].
    pub fn link<'a>(
        &'a self,
        program: &ProgramSpec,
        insns: impl Fn(usize) -> &'a [Insn],
    ) -> Result<Image> {
        image::link(self, program, insns).context(|| format!("program `{}`", program.name))
    }
}
