//! Sections of global variables, and what they do to the object's BTF.

use super::MapType;
use super::externs::KCONFIG;
use super::maps::MapSpec;
use crate::btf::{Btf, Kind, Linkage, TypeId};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};

/// What sort of variables a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataKind {
    /// `.rodata*`: constants; frozen once loaded.
    Rodata,
    /// `.data*`: variables with an initial value.
    Data,
    /// `.bss*`: variables that start as zero.
    Bss,
    /// `.kconfig`: values of the kernel's configuration, which loading looks up; frozen once loaded. No file has it.
    Kconfig,
    /// `.addr_space.1`: variables that lie in the object's arena (`BPF_MAP_TYPE_ARENA`), from its first byte on.
    Arena,
}

/// The section of variables in the arena, as clang names it.
pub(crate) const ARENA: &str = ".addr_space.1";

impl DataKind {
    /// Whether nobody can write it once it is loaded.
    pub fn is_frozen(self) -> bool {
        matches!(self, DataKind::Rodata | DataKind::Kconfig)
    }

    /// By section name, as libbpf decides.
    pub(super) fn of(section: &str) -> Option<DataKind> {
        let is = |name: &str| {
            section
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if is(".rodata") {
            Some(DataKind::Rodata)
        } else if is(".data") {
            Some(DataKind::Data)
        } else if is(".bss") {
            Some(DataKind::Bss)
        } else if section == ARENA {
            Some(DataKind::Arena)
        } else {
            None
        }
    }
}

/// A section of global variables: it becomes an array map of one entry, or the beginning of the arena.
#[derive(Clone, Debug)]
pub struct DataSection {
    /// Section name, `.rodata.config` for instance.
    pub name: String,
    /// What it holds.
    pub kind: DataKind,
    /// Size in bytes.
    pub size: usize,
    /// Initial contents; what is missing to the size is zeros, as all of `.bss` is.
    pub bytes: Vec<u8>,
    /// Its DATASEC in the object's BTF; `None` if it holds only unnamed data, such as string literals.
    pub datasec: Option<TypeId>,
    /// ELF section index.
    pub(crate) index: usize,
}

impl DataSection {
    /// The most that a section without contents in the file may have. The kernel takes at most 4 GiB - 1 as a value; far less can be
    /// had, but this bounds what a load allocates.
    pub(super) const MOST: usize = 1 << 30;

    /// Whether an application sees any of its variables: those that are neither static nor hidden. As libbpf does
    /// (`map_is_mmapable`), only sections that have one are mapped into memory, which the kernel refuses for what it alone may
    /// touch: locks, timers, pointers to its objects.
    pub fn is_visible(&self, btf: &Btf) -> bool {
        self.datasec.is_some_and(|id| {
            let variables = btf.ty(id).variables();
            let mut all = variables.iter().map(|variable| variable.ty());
            all.any(|ty| ty.kind() == Kind::VAR && ty.linkage() != Some(Linkage::STATIC))
        })
    }

    /// The initial contents in full.
    pub fn contents(&self) -> Vec<u8> {
        let mut contents = vec![0; self.size];
        contents[..self.bytes.len()].copy_from_slice(&self.bytes);
        contents
    }

    /// Name of the map that holds it, as libbpf names it (`internal_map_name`): at most eight bytes of the object's
    /// name, then the section's; a custom section's name (`.data.x`) is taken as it is, and cut to 15 bytes.
    pub fn map_name(&self, object: &str) -> String {
        const OBJ_NAME_LEN: usize = 16;
        let suffix = &self.name[..self.name.floor_char_boundary(OBJ_NAME_LEN - 1)];
        let is_custom = self.name[1..].contains('.');
        let prefix = if is_custom {
            0
        } else {
            object.len().min(8).min(OBJ_NAME_LEN - 1 - suffix.len())
        };
        let prefix = object.get(..prefix).unwrap_or_default();
        format!("{prefix}{suffix}")
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    }
}

/// Checks that there is one arena at most, as in libbpf, and one if there are variables for it.
pub(super) fn check_arena(maps: &[MapSpec], data: &[DataSection]) -> Result<()> {
    let mut arenas = maps.iter().filter(|map| map.map_type == MapType::ARENA);
    match (arenas.next(), arenas.next()) {
        (Some(first), Some(second)) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "maps `{}` and `{}` are both arenas, but an object may have one",
                first.name, second.name
            ),
        )),
        (None, _) if data.iter().any(|d| d.kind == DataKind::Arena) => Err(Error::not_found(
            format!("it has variables in section {ARENA} but no arena to put them into"),
        )
        .hint("declare a map of type BPF_MAP_TYPE_ARENA in SEC(\".maps\")")),
        _ => Ok(()),
    }
}

/// Where a section's variables lie: the compiler leaves that to the linker, so BTF has only zeros.
pub(super) struct Place<'a> {
    pub section_size: u64,
    /// Offset of a variable by name.
    pub offset_of: &'a dyn Fn(&str) -> Option<u64>,
}

/// Fills in sizes and offsets of DATASECs and the linkage of what is hidden, functions and variables, as libbpf's
/// `btf_fixup_datasec` and `mark_btf_static` do, and reads the result.
pub(super) fn fix_btf<'a>(
    btf: Btf,
    place_of: impl Fn(&str) -> Option<Place<'a>>,
    is_hidden: impl Fn(&str) -> bool,
    effort: &mut Effort,
) -> Result<Btf> {
    let mut edits: Vec<(TypeId, Edit)> = Vec::new();
    for t in btf.types() {
        if t.kind() == Kind::FUNC && t.linkage() == Some(Linkage::GLOBAL) {
            let name = t.name();
            effort.charge_kept(name.len())?;
            if is_hidden(name) {
                edits.push((t.id(), Edit::Static));
            }
        }
        if t.kind() != Kind::DATASEC {
            continue;
        }
        let section = t.name();
        effort.charge_kept(section.len())?;
        let Some(place) = place_of(section) else {
            continue;
        };
        let is_config = section == KCONFIG;
        // A static linker says where variables are; of several static ones of one name, nobody else knows.
        let is_linked = t.own_size() != Some(0);
        let mut vars = Vec::with_capacity(t.vlen());
        for v in t.variables().iter() {
            let is_extern = v.ty().linkage() == Some(Linkage::EXTERN);
            let name = v.name();
            effort.charge_kept(name.len())?;
            // A damaged section may list something else, whose record is shorter.
            if v.ty().kind() == Kind::VAR {
                if is_extern && is_config {
                    edits.push((v.ty().id(), Edit::Defined));
                } else if v.ty().linkage() == Some(Linkage::GLOBAL) && is_hidden(name) {
                    edits.push((v.ty().id(), Edit::Hidden));
                }
            }
            // What is external has no place in this object, but for what loading makes one for.
            let offset = if (is_extern || is_linked) && !is_config {
                v.offset().into()
            } else {
                (place.offset_of)(name).ok_or_else(|| {
                    Error::malformed(format!(
                        "variable `{name}` of section {section} is in BTF but not in the symbol \
                         table"
                    ))
                })?
            };
            vars.push([v.ty().id().0, narrow(offset, section)?, v.size()]);
        }
        vars.sort_by_key(|v| v[1]);
        edits.push((
            t.id(),
            Edit::Datasec {
                size: narrow(place.section_size, section)?,
                vars,
            },
        ));
    }
    if edits.is_empty() {
        return Ok(btf);
    }
    let mut bytes = btf.as_bytes().to_vec();
    for (id, edit) in &edits {
        apply(&btf, &mut bytes, *id, edit);
    }
    Btf::parse(Btf::bytes_for(bytes, btf.is_little_endian())?)
}

fn narrow(n: u64, section: &str) -> Result<u32> {
    u32::try_from(n)
        .map_err(|_| Error::malformed(format!("section {section} is larger than 4 GiB")))
}

enum Edit {
    /// Of a function.
    Static,
    /// Of a variable that was external.
    Defined,
    /// Of a variable.
    Hidden,
    Datasec {
        size: u32,
        vars: Vec<[u32; 3]>,
    },
}

fn apply(btf: &Btf, bytes: &mut [u8], id: TypeId, edit: &Edit) {
    let Some(record) = btf.record_range(id).and_then(|r| bytes.get_mut(r)) else {
        return;
    };
    let (words, _) = record.as_chunks_mut::<4>();
    match edit {
        // The linkage is the vlen of the info word, in the low bits.
        Edit::Static => words[1] = (u32::from_ne_bytes(words[1]) & 0xff00_0000).to_ne_bytes(),
        Edit::Defined => words[3] = Linkage::GLOBAL.0.to_ne_bytes(),
        Edit::Hidden => words[3] = Linkage::STATIC.0.to_ne_bytes(),
        Edit::Datasec { size, vars } => {
            words[2] = size.to_ne_bytes();
            for (to, from) in words[3..].iter_mut().zip(vars.iter().flatten()) {
                *to = from.to_ne_bytes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> DataSection {
        DataSection {
            name: name.into(),
            kind: DataKind::Data,
            size: 0,
            bytes: vec![],
            datasec: None,
            index: 0,
        }
    }

    #[test]
    fn maps_of_sections_are_named_as_libbpf_names_them() {
        assert_eq!(
            named(".rodata").map_name("my-program-name"),
            "my_progr.rodata"
        );
        assert_eq!(named(".bss").map_name("my_program_name"), "my_progr.bss");
        assert_eq!(
            named(".data.custom_section").map_name("x"),
            ".data.custom_se"
        );
    }

    #[test]
    fn hidden_variables_are_seen_as_little_as_static_ones() {
        let mut b = crate::btf::Builder::new();
        let int = b.int("int", 4, crate::btf::IntEncoding::SIGNED);
        let one = b.variable("lock", int, Linkage::GLOBAL);
        let other = b.variable("local", int, Linkage::STATIC);
        let datasec = b.section(".data.x", 0, [(one, 0, 4), (other, 0, 4)]);
        let data = DataSection {
            datasec: Some(datasec),
            ..named(".data.x")
        };
        let btf = b.finish().unwrap();
        let fixed = |is_hidden: bool| {
            let offset_of = |name: &str| Some(if name == "lock" { 4 } else { 0 });
            let place = |_: &str| {
                Some(Place {
                    section_size: 8,
                    offset_of: &offset_of,
                })
            };
            let btf = Btf::parse(btf.as_bytes().to_vec()).unwrap();
            let is_hidden = |name: &str| is_hidden && name == "lock";
            fix_btf(btf, place, is_hidden, &mut crate::obj::elf::effort(0)).unwrap()
        };
        let (seen, hidden) = (fixed(false), fixed(true));
        assert!(data.is_visible(&seen) && !data.is_visible(&hidden));
        assert_eq!(hidden.ty(one).linkage(), Some(Linkage::STATIC));
        let offsets = |btf: &Btf| -> Vec<u32> {
            btf.ty(datasec)
                .variables()
                .iter()
                .map(|v| v.offset())
                .collect()
        };
        assert_eq!((offsets(&hidden), offsets(&seen)), (vec![0, 4], vec![0, 4]));
    }

    #[test]
    fn a_section_may_list_what_is_no_variable() {
        let mut b = crate::btf::Builder::new();
        let proto = b.prototype(TypeId::VOID, [("", TypeId::VOID); 0]);
        let function = b.function("f", proto, Linkage::GLOBAL);
        b.section(".data.x", 0, [(function, 0, 4)]);
        let place = |_: &str| {
            Some(Place {
                section_size: 8,
                offset_of: &|_| Some(0),
            })
        };
        let effort = &mut crate::obj::elf::effort(0);
        let fixed = fix_btf(b.finish().unwrap(), place, |_| true, effort).unwrap();
        assert_eq!(fixed.ty(function).linkage(), Some(Linkage::STATIC));
    }

    #[test]
    fn variables_in_an_arena_want_one_arena() {
        let arena = |name: &str| MapSpec {
            name: name.into(),
            map_type: MapType::ARENA,
            ..MapSpec::default()
        };
        let data = [DataSection {
            kind: DataKind::Arena,
            ..named(ARENA)
        }];
        assert!(check_arena(&[arena("a")], &data).is_ok());
        assert!(check_arena(&[arena("a")], &[]).is_ok());
        assert_eq!(
            check_arena(&[arena("a"), arena("b")], &data)
                .unwrap_err()
                .to_string(),
            "maps `a` and `b` are both arenas, but an object may have one"
        );
        assert_eq!(
            check_arena(&[], &data).unwrap_err().to_string(),
            "it has variables in section .addr_space.1 but no arena to put them into (declare a map of type \
             BPF_MAP_TYPE_ARENA in SEC(\".maps\"))"
        );
    }

    #[test]
    fn a_section_name_decides_the_kind() {
        assert_eq!(DataKind::of(".rodata.str1.1"), Some(DataKind::Rodata));
        assert_eq!(DataKind::of(".bss"), Some(DataKind::Bss));
        assert_eq!(DataKind::of(".addr_space.1"), Some(DataKind::Arena));
        assert_eq!(DataKind::of(".addr_space.11"), None);
        assert_eq!(DataKind::of(".database"), None);
    }
}
