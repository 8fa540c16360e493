//! What an object declares, with the lines: for the comments that stand there.

use gimli::{AttributeValue, DwTag};

use super::{Entry, Place, Unit, each_unit, load};
use crate::error::{Error, Result};

/// A thing that has a name, or whose parts have.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) kind: DeclaredKind,
    /// Of a type without a tag, the typedef's name; empty if it has none either.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) parts: Vec<DeclaredPart>,
}

/// A member, perhaps of a type without a tag that a part has.
#[derive(Debug)]
pub(crate) struct DeclaredPart {
    /// What it is a member of; a type without a tag is called after the member that is of it,
    /// `event_at`.
    pub(crate) of: String,
    pub(crate) name: String,
    pub(crate) line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeclaredKind {
    Function,
    Variable,
    /// A struct or union.
    Record,
    Enum,
    Typedef,
}

impl DeclaredKind {
    /// As it is called in `NAME.docs`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            DeclaredKind::Function => "function",
            DeclaredKind::Variable => "variable",
            DeclaredKind::Record | DeclaredKind::Enum => "type",
            DeclaredKind::Typedef => "typedef",
        }
    }
}

/// As many anonymous members within each other as are looked at.
const MAX_DEPTH: usize = 8;

/// Bytes of names of parts for each byte of an object. A type without a tag has its members again
/// wherever it is used (`typeof`), which may be in many parts of another one.
const PARTS: usize = 16;

/// Reads them from an object that still has its DWARF.
///
/// # Errors
///
/// If the DWARF is not well-formed.
pub(crate) fn declared(elf: &[u8]) -> Result<Vec<Declared>> {
    read(elf).map_err(|why| Error::new(format!("its DWARF cannot be read: {why}")))
}

fn read(elf: &[u8]) -> Result<Vec<Declared>, String> {
    let dwarf = load(elf)?;
    let mut all = Vec::new();
    let mut left = PARTS * elf.len();
    each_unit(&dwarf, |unit| unit.declared(&mut all, &mut left))?;
    Ok(all)
}

/// Parts of a declaration, and how many bytes their names may still have.
struct Parts<'p> {
    all: Vec<DeclaredPart>,
    left: &'p mut usize,
}

impl Parts<'_> {
    /// Takes room for a part whose names are so long; `false` if none is left.
    fn has_room(&mut self, names: usize) -> bool {
        let left = self.left.checked_sub(1 + names);
        *self.left = left.unwrap_or(0);
        left.is_some()
    }
}

impl<'a> Unit<'_, 'a> {
    /// Adds what the unit declares; members only while bytes are left for their names.
    fn declared(&self, all: &mut Vec<Declared>, left: &mut usize) -> gimli::Result<()> {
        let mut entries = self.unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            let Some(kind) = kind(entry.tag()) else {
                continue;
            };
            let name = self.name(entry)?;
            let is_whole = entry.attr_value(gimli::DW_AT_declaration).is_none();
            // Functions that are copies of others have no name of their own, nor have records that
            // a typedef names.
            let is_wanted = !name.is_empty() || kind == DeclaredKind::Enum;
            if !is_whole || !is_wanted {
                continue;
            }
            let mut parts = Parts {
                all: Vec::new(),
                left,
            };
            match kind {
                DeclaredKind::Record => self.members(entry, &name, 0, &mut parts)?,
                DeclaredKind::Typedef | DeclaredKind::Variable => {
                    self.members_of_type(entry, &name, 0, &mut parts)?;
                }
                _ => {}
            }
            let place = self.place(entry)?;
            all.push(Declared {
                kind,
                name,
                place,
                parts: parts.all,
            });
        }
        Ok(())
    }

    /// The members of a struct or union.
    fn members(
        &self,
        entry: &Entry<'a>,
        of: &str,
        depth: usize,
        parts: &mut Parts<'_>,
    ) -> gimli::Result<()> {
        let mut tree = self.unit.entries_tree(Some(entry.offset()))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let child = child.entry();
            if child.tag() != gimli::DW_TAG_member {
                continue;
            }
            let name = self.name(child)?;
            if !parts.has_room(of.len() + name.len()) {
                return Ok(());
            }
            if name.is_empty() {
                self.members_of_type(child, of, depth + 1, parts)?;
                continue;
            }
            self.members_of_type(child, &format!("{of}_{name}"), depth + 1, parts)?;
            parts.all.push(DeclaredPart {
                of: of.to_owned(),
                name,
                line: self.number(child, gimli::DW_AT_decl_line),
            });
        }
        Ok(())
    }

    /// The members of what an entry is of, if that is a struct or union without a tag, or an array
    /// of them.
    fn members_of_type(
        &self,
        entry: &Entry<'a>,
        of: &str,
        depth: usize,
        parts: &mut Parts<'_>,
    ) -> gimli::Result<()> {
        let Some(AttributeValue::UnitRef(offset)) = entry.attr_value(gimli::DW_AT_type) else {
            return Ok(());
        };
        let ty = self.unit.entry(offset)?;
        if ty.tag() == gimli::DW_TAG_array_type && depth <= MAX_DEPTH {
            return self.members_of_type(&ty, of, depth + 1, parts);
        }
        let is_record = kind(ty.tag()) == Some(DeclaredKind::Record);
        if depth > MAX_DEPTH || !is_record || !self.name(&ty)?.is_empty() {
            return Ok(());
        }
        self.members(&ty, of, depth, parts)
    }
}

fn kind(tag: DwTag) -> Option<DeclaredKind> {
    Some(match tag {
        gimli::DW_TAG_subprogram => DeclaredKind::Function,
        gimli::DW_TAG_variable => DeclaredKind::Variable,
        gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => DeclaredKind::Record,
        gimli::DW_TAG_enumeration_type => DeclaredKind::Enum,
        gimli::DW_TAG_typedef => DeclaredKind::Typedef,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// Each type has the one before in twelve members: as many parts as twelve to the power of the
    /// types, of which eight are looked at.
    #[test]
    fn parts_of_a_tree_are_bounded() {
        let mut source = "struct { int a; } v0;\n".to_owned();
        for n in 1..10 {
            let members: Vec<_> = (0..12).map(|m| format!("m{m}")).collect();
            let (members, before) = (members.join(", "), n - 1);
            source += &format!("struct {{ __typeof__(v{before}) {members}; }} v{n};\n");
        }
        let mut clang = Command::new("clang")
            .args(["-g", "-xc", "-c", "-", "-o", "-", "--target=bpf"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs clang: apt install clang");
        let mut input = clang.stdin.take().expect("it is piped");
        input.write_all(source.as_bytes()).expect("clang reads");
        drop(input);
        let elf = clang.wait_with_output().expect("clang ends").stdout;
        let all = declared(&elf).unwrap();
        let parts = |name: &str| {
            let found = all.iter().find(|declared| declared.name == name);
            found.map(|declared| declared.parts.len())
        };
        assert_eq!(parts("v1"), Some(12 + 12));
        assert!(parts("v9").is_some());
        let total: usize = all.iter().map(|declared| declared.parts.len()).sum();
        assert!(total <= PARTS * elf.len(), "{total}");
    }
}
