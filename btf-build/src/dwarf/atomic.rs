//! `_Atomic` in BTF: clang before 20 writes `void` for it, DWARF knows the type.
//!
//! The types of BTF and DWARF are followed side by side, from everything that has a name. Where
//! DWARF has an atomic type and BTF has `void`, BTF gets what the atomic type is of. clang 20 and
//! newer write the same.

mod convert;

use std::collections::{HashMap, HashSet};

use btf_obj::btf::{Btf, Builder, Kind, Type, TypeId};
use gimli::{AttributeValue, DwTag, UnitOffset};
use object::{Object as _, ObjectSection as _};

use super::{Entry, Reader, Unit, each_unit, load};
use crate::error::{Error, Result};
use convert::Converter;

/// The BTF of an object with the types of what is atomic; `None` if it has them already.
///
/// # Errors
///
/// If BTF or DWARF are not well-formed.
pub(crate) fn repaired(elf: &[u8]) -> Result<Option<Btf>> {
    read(elf).map_err(|why| Error::new(format!("cannot find the types of `_Atomic`: {why}")))
}

fn read(elf: &[u8]) -> Result<Option<Btf>, String> {
    let dwarf = load(elf)?;
    let mut any_atomics = false;
    each_unit(&dwarf, |unit| {
        any_atomics |= has_atomics(unit.unit);
        Ok(())
    })?;
    let file = object::File::parse(elf).map_err(|e| e.to_string())?;
    let Some(section) = file.section_by_name(".BTF").filter(|_| any_atomics) else {
        return Ok(None);
    };
    let bytes = section.data().map_err(|e| e.to_string())?;
    let btf = Btf::parse(bytes.to_vec()).map_err(|e| e.to_string())?;
    let mut builder = Builder::extending(&btf);
    let mut has_changed = false;
    each_unit(&dwarf, |unit| {
        if has_atomics(unit.unit) {
            let mut walk = Walk::new(unit, &btf);
            walk.read()?;
            has_changed |= walk.repair(&mut builder)?;
        }
        Ok(())
    })?;
    match has_changed {
        true => builder.finish().map(Some).map_err(|e| e.to_string()),
        false => Ok(None),
    }
}

/// Returns `true` if any entry of a unit is an atomic type. clang numbers abbreviations from 1.
fn has_atomics(unit: &gimli::Unit<Reader<'_>>) -> bool {
    let mut all = (1..).map_while(|code| unit.abbreviations.get(code));
    all.any(|abbreviation| abbreviation.tag() == gimli::DW_TAG_atomic_type)
}

/// A type reference in BTF: the referring type, and the index of the reference in it.
type Reference = (TypeId, usize);

/// Types of BTF and DWARF side by side.
struct Walk<'u, 'a> {
    unit: Unit<'u, 'a>,
    btf: &'u Btf,
    names: HashMap<(Kind, &'u str), TypeId>,
    /// Pairs to look at.
    references: Vec<(Reference, UnitOffset)>,
    seen: HashSet<TypeId>,
    /// The types of BTF that DWARF's are.
    known: HashMap<UnitOffset, TypeId>,
    /// `void` where an atomic type should be, and what that is of.
    atomics: Vec<(Reference, UnitOffset)>,
}

impl<'u, 'a> Walk<'u, 'a> {
    fn new(unit: Unit<'u, 'a>, btf: &'u Btf) -> Self {
        let mut names = HashMap::new();
        for ty in btf.types().filter(|ty| !ty.is_anonymous()) {
            names.entry((ty.kind(), ty.name())).or_insert(ty.id());
        }
        Walk {
            unit,
            btf,
            names,
            references: Vec::new(),
            seen: HashSet::new(),
            known: HashMap::new(),
            atomics: Vec::new(),
        }
    }

    fn read(&mut self) -> gimli::Result<()> {
        let mut entries = self.unit.unit.entries();
        let mut function = String::new();
        while let Some(entry) = entries.next_dfs()? {
            let tag = entry.tag();
            if tag == gimli::DW_TAG_subprogram {
                function = self.unit.name(entry)?;
            }
            let name = self.unit.name(entry)?;
            match tag {
                gimli::DW_TAG_variable => {
                    // LLVM names a function's static variable after both.
                    let local = format!("{function}.{name}");
                    let id = self.named(Kind::VAR, &name);
                    if let Some(id) = id.or_else(|| self.named(Kind::VAR, &local)) {
                        self.refer((id, 0), entry);
                    }
                }
                gimli::DW_TAG_subprogram => {
                    let func = self.named(Kind::FUNC, &name);
                    let proto = func.and_then(|id| self.btf.ty(id).func_proto());
                    if let Some(proto) = proto {
                        self.pair(proto, entry)?;
                    }
                }
                _ => {
                    let kind = kind(tag).filter(|_| !name.is_empty());
                    if let Some(id) = kind.and_then(|kind| self.named(kind, &name)) {
                        self.pair(self.btf.ty(id), entry)?;
                    }
                }
            }
            self.follow()?;
        }
        Ok(())
    }

    fn named(&self, kind: Kind, name: &str) -> Option<TypeId> {
        self.names.get(&(kind, name)).copied()
    }

    /// Looks at the pairs that are left.
    fn follow(&mut self) -> gimli::Result<()> {
        while let Some(((mut owner, mut index), offset)) = self.references.pop() {
            let entry = self.unit.unit.entry(offset)?;
            let mut ty = self.btf.ty(referred(self.btf.ty(owner), index));
            // DWARF has tags beside the type, not around it.
            while ty.kind() == Kind::TYPE_TAG {
                (owner, index) = (ty.id(), 0);
                ty = self.btf.ty(referred(ty, 0));
            }
            match (entry.tag(), type_of(&entry)) {
                (gimli::DW_TAG_atomic_type, Some(of)) if ty.is_void() => {
                    self.atomics.push(((owner, index), of));
                }
                (gimli::DW_TAG_atomic_type, Some(of)) => {
                    self.references.push(((owner, index), of));
                }
                _ if ty.is_void() => {}
                _ => self.pair(ty, &entry)?,
            }
        }
        Ok(())
    }

    fn refer(&mut self, reference: Reference, entry: &Entry<'a>) {
        if let Some(offset) = type_of(entry) {
            self.references.push((reference, offset));
        }
    }

    /// Pairs what a type and an entry consist of.
    fn pair(&mut self, ty: Type<'u>, entry: &Entry<'a>) -> gimli::Result<()> {
        let id = ty.id();
        let is_function = entry.tag() == gimli::DW_TAG_subprogram && ty.kind() == Kind::FUNC_PROTO;
        if !is_function && kind(entry.tag()) != Some(ty.kind()) {
            return Ok(());
        }
        self.known.insert(entry.offset(), id);
        if !self.seen.insert(id) {
            return Ok(());
        }
        match ty.kind() {
            Kind::ARRAY => {
                let mut innermost = ty;
                for _ in 1..self.children(entry, gimli::DW_TAG_subrange_type)?.len() {
                    let Some(array) = innermost.array() else {
                        return Ok(());
                    };
                    innermost = array.element;
                }
                if innermost.kind() == Kind::ARRAY {
                    self.refer((innermost.id(), 0), entry);
                }
            }
            Kind::STRUCT | Kind::UNION => {
                let members = self.children(entry, gimli::DW_TAG_member)?;
                if members.len() == ty.vlen() {
                    for (index, member) in members.iter().enumerate() {
                        self.refer((id, index), member);
                    }
                }
            }
            Kind::FUNC_PROTO => {
                self.refer((id, 0), entry);
                let params = self.children(entry, gimli::DW_TAG_formal_parameter)?;
                if params.len() <= ty.vlen() {
                    for (index, param) in params.iter().enumerate() {
                        self.refer((id, index + 1), param);
                    }
                }
            }
            Kind::ENUM | Kind::ENUM64 | Kind::INT | Kind::FLOAT => {}
            _ => self.refer((id, 0), entry),
        }
        Ok(())
    }

    fn children(&self, entry: &Entry<'a>, tag: DwTag) -> gimli::Result<Vec<Entry<'a>>> {
        children(&self.unit, entry, tag)
    }

    /// Gives what is atomic its type; returns whether there was any.
    fn repair(self, builder: &mut Builder) -> gimli::Result<bool> {
        let mut converter = Converter {
            unit: self.unit,
            names: self.names,
            known: self.known,
            builder,
        };
        let mut has_changed = false;
        for ((owner, index), offset) in self.atomics {
            if let Some(id) = converter.convert(offset, 0)? {
                converter.builder.set_reference(owner, index, id);
                has_changed = true;
            }
        }
        Ok(has_changed)
    }
}

/// The type that an entry has.
fn type_of(entry: &Entry<'_>) -> Option<UnitOffset> {
    match entry.attr_value(gimli::DW_AT_type) {
        Some(AttributeValue::UnitRef(offset)) => Some(offset),
        _ => None,
    }
}

fn children<'a>(
    unit: &Unit<'_, 'a>,
    entry: &Entry<'a>,
    tag: DwTag,
) -> gimli::Result<Vec<Entry<'a>>> {
    let mut found = Vec::new();
    let mut tree = unit.unit.entries_tree(Some(entry.offset()))?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        if child.entry().tag() == tag {
            found.push(child.entry().clone());
        }
    }
    Ok(found)
}

/// Returns the target of the type reference with this index.
fn referred(ty: Type<'_>, index: usize) -> TypeId {
    let id = match ty.kind() {
        Kind::STRUCT | Kind::UNION => ty.members().get(index).map(|member| member.type_id()),
        Kind::FUNC_PROTO if index > 0 => ty.params().get(index - 1).map(|p| p.ty().id()),
        Kind::FUNC_PROTO => ty.return_type().map(Type::id),
        Kind::ARRAY => ty.array().map(|array| array.element.id()),
        _ => ty.target().map(Type::id),
    };
    id.unwrap_or(TypeId::VOID)
}

/// The kind that a type of DWARF is in BTF.
fn kind(tag: DwTag) -> Option<Kind> {
    Some(match tag {
        gimli::DW_TAG_structure_type => Kind::STRUCT,
        gimli::DW_TAG_union_type => Kind::UNION,
        gimli::DW_TAG_enumeration_type => Kind::ENUM,
        gimli::DW_TAG_typedef => Kind::TYPEDEF,
        gimli::DW_TAG_pointer_type => Kind::PTR,
        gimli::DW_TAG_const_type => Kind::CONST,
        gimli::DW_TAG_volatile_type => Kind::VOLATILE,
        gimli::DW_TAG_restrict_type => Kind::RESTRICT,
        gimli::DW_TAG_array_type => Kind::ARRAY,
        gimli::DW_TAG_subroutine_type => Kind::FUNC_PROTO,
        gimli::DW_TAG_base_type => Kind::INT,
        _ => return None,
    })
}
