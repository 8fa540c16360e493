//! Functions of an object: their instructions and what refers to those, each by its index in the function.

use crate::btf::TypeId;
use crate::btf::ext::{CoreKind, LineInfo};
use crate::insn::Insn;

/// A program's or subprogram's function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// ELF section it lies in.
    pub section: String,
    /// Index of that ELF section.
    pub(crate) section_index: usize,
    /// Its first instruction's position in the section.
    pub(crate) first_insn: usize,
    /// Its instructions.
    pub insns: Vec<Insn>,
    /// Its FUNC in the object's BTF.
    pub btf_id: Option<TypeId>,
    /// ELF relocations, in order of instruction.
    pub relocs: Vec<ElfReloc>,
    /// Source lines, in order of instruction.
    pub lines: Vec<LineSite>,
    /// CO-RE relocations, in order of instruction.
    pub core: Vec<CoreSite>,
}

impl Function {
    /// Its section and its first instruction there.
    fn position(&self) -> (usize, usize) {
        (self.section_index, self.first_insn)
    }

    /// The source line that an instruction comes from.
    pub fn line_of(&self, insn: usize) -> Option<&LineSite> {
        let after = self.lines.partition_point(|l| l.insn <= insn);
        self.lines[..after].last()
    }
}

/// The first of the functions that start at this instruction of a section. They are in order of
/// section and instruction.
pub(super) fn starting_at(functions: &[Function], section: usize, insn: usize) -> Option<usize> {
    let wanted = (section, insn);
    let at = functions.partition_point(|f| f.position() < wanted);
    functions
        .get(at)
        .is_some_and(|f| f.position() == wanted)
        .then_some(at)
}

/// The functions by the instructions that they consist of.
pub(super) struct Extents {
    /// For each function, the end of the longest of those of its section up to itself.
    ends: Vec<usize>,
}

impl Extents {
    /// Indexes functions, which are in order of section and instruction.
    pub(super) fn of(functions: &[Function]) -> Extents {
        let mut ends: Vec<usize> = Vec::with_capacity(functions.len());
        for (at, f) in functions.iter().enumerate() {
            let end = f.first_insn + f.insns.len();
            let before = at
                .checked_sub(1)
                .filter(|before| functions[*before].section_index == f.section_index);
            ends.push(before.map_or(end, |before| end.max(ends[before])));
        }
        Extents { ends }
    }

    /// The first of the functions that have this instruction of a section.
    pub(super) fn at(&self, functions: &[Function], section: usize, insn: usize) -> Option<usize> {
        let start = functions.partition_point(|f| f.section_index < section);
        let len = functions[start..].partition_point(|f| f.section_index == section);
        // Where the longest end first exceeds the instruction, it is that function's own.
        let at = start + self.ends[start..start + len].partition_point(|end| *end <= insn);
        let has = |f: &Function| f.section_index == section && f.first_insn <= insn;
        functions.get(at).is_some_and(has).then_some(at)
    }
}

/// An ELF relocation of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfReloc {
    /// Index of the instruction.
    pub insn: usize,
    /// What it refers to.
    pub target: RelocTarget,
}

/// What an ELF relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelocTarget {
    /// The map at this position of [`super::Object::maps`].
    Map(usize),
    /// A byte of the section at this position of [`super::Object::data`].
    Data {
        /// Position of the section.
        section: usize,
        /// Offset of the symbol; the instruction's immediate is added to it.
        offset: u32,
    },
    /// The function at this position of [`super::Object::functions`]: called, or its address taken.
    Function(usize),
    /// The symbol at this position of [`super::Object::externs`].
    Extern(usize),
    /// The table at this position of [`super::Object::jump_tables`].
    JumpTable(usize),
}

/// A CO-RE relocation of one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreSite {
    /// Its position among all relocations of `.BTF.ext`.
    pub position: usize,
    /// Index of the instruction.
    pub insn: usize,
    /// What is asked.
    pub kind: CoreKind,
    /// Root type in the object's BTF.
    pub root: TypeId,
    /// The access, `0:1:2` for instance.
    pub access: String,
}

/// The source line of an instruction and those that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSite {
    /// Index of the instruction.
    pub insn: usize,
    /// File, text, line and column, as string offsets of the object's BTF.
    pub info: LineInfo,
}
