//! The BTF format as bytes: header fields, kinds, the words of a type record. Reading rules only, no state.
//!
//! Source: the kernel's `include/uapi/linux/btf.h` and `Documentation/bpf/btf.rst`. The info word is read in its newest
//! form (vlen in bits 0 to 23, kind in bits 24 to 30, flag in bit 31); older writers leave the added bits zero.

use std::fmt;

/// First two bytes of `.BTF` and `.BTF.ext`, in the writer's byte order.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// The only version there is.
pub(crate) const VERSION: u8 = 1;
/// Header of every kernel up to 6.19; newer ones append the offset and length of a layout section.
pub(crate) const HEADER_LEN: u32 = 24;
/// Words of a type record before what its kind appends: name_off, info, size or type.
pub(crate) const TYPE_WORDS: usize = 3;
/// As many levels of typedefs, modifiers and arrays as libbpf follows (`MAX_RESOLVE_DEPTH`).
pub(crate) const MAX_RESOLVE_DEPTH: usize = 32;

/// The kind of a BTF type: an open set, because a newer kernel may write more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u8);

#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
impl Kind {
    pub const UNKN: Kind = Kind(0);
    pub const INT: Kind = Kind(1);
    pub const PTR: Kind = Kind(2);
    pub const ARRAY: Kind = Kind(3);
    pub const STRUCT: Kind = Kind(4);
    pub const UNION: Kind = Kind(5);
    pub const ENUM: Kind = Kind(6);
    pub const FWD: Kind = Kind(7);
    pub const TYPEDEF: Kind = Kind(8);
    pub const VOLATILE: Kind = Kind(9);
    pub const CONST: Kind = Kind(10);
    pub const RESTRICT: Kind = Kind(11);
    pub const FUNC: Kind = Kind(12);
    pub const FUNC_PROTO: Kind = Kind(13);
    pub const VAR: Kind = Kind(14);
    pub const DATASEC: Kind = Kind(15);
    pub const FLOAT: Kind = Kind(16);
    pub const DECL_TAG: Kind = Kind(17);
    pub const TYPE_TAG: Kind = Kind(18);
    pub const ENUM64: Kind = Kind(19);
}

const NAMES: [&str; 20] = [
    "UNKN",
    "INT",
    "PTR",
    "ARRAY",
    "STRUCT",
    "UNION",
    "ENUM",
    "FWD",
    "TYPEDEF",
    "VOLATILE",
    "CONST",
    "RESTRICT",
    "FUNC",
    "FUNC_PROTO",
    "VAR",
    "DATASEC",
    "FLOAT",
    "DECL_TAG",
    "TYPE_TAG",
    "ENUM64",
];

impl Kind {
    /// The name in the kernel's header without its prefix; `None` for a kind that this version does not know.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(usize::from(self.0)).copied()
    }

    /// Whether the third word of the record is a type id (else it is a size, or unused).
    pub(crate) const fn refers(self) -> bool {
        matches!(
            self,
            Kind::PTR
                | Kind::TYPEDEF
                | Kind::VOLATILE
                | Kind::CONST
                | Kind::RESTRICT
                | Kind::FUNC
                | Kind::FUNC_PROTO
                | Kind::VAR
                | Kind::DECL_TAG
                | Kind::TYPE_TAG
        )
    }

    /// Whether the third word of the record is a size in bytes.
    pub(crate) const fn is_sized(self) -> bool {
        matches!(
            self,
            Kind::INT
                | Kind::STRUCT
                | Kind::UNION
                | Kind::ENUM
                | Kind::ENUM64
                | Kind::FLOAT
                | Kind::DATASEC
        )
    }

    /// `const`, `volatile`, `restrict` and type tags: what decorates a type without naming it anew.
    pub(crate) const fn is_modifier(self) -> bool {
        matches!(
            self,
            Kind::VOLATILE | Kind::CONST | Kind::RESTRICT | Kind::TYPE_TAG
        )
    }

    /// Struct or union.
    pub const fn is_composite(self) -> bool {
        matches!(self, Kind::STRUCT | Kind::UNION)
    }

    /// Enum of 32 or 64 bits.
    pub const fn is_any_enum(self) -> bool {
        matches!(self, Kind::ENUM | Kind::ENUM64)
    }

    /// How records of this kind are laid out. A table, because every type of a kernel passes here.
    pub(crate) fn shape(self) -> Shape {
        SHAPES[usize::from(self.0 & 0x7f)]
    }

    const fn make_shape(self) -> Shape {
        let (once, each, is_known) = match self {
            Kind::INT | Kind::VAR | Kind::DECL_TAG => (1, 0, true),
            Kind::ARRAY => (3, 0, true),
            Kind::STRUCT | Kind::UNION | Kind::DATASEC | Kind::ENUM64 => (0, 3, true),
            Kind::ENUM | Kind::FUNC_PROTO => (0, 2, true),
            Kind::PTR
            | Kind::FWD
            | Kind::TYPEDEF
            | Kind::VOLATILE
            | Kind::CONST
            | Kind::RESTRICT
            | Kind::FUNC
            | Kind::FLOAT
            | Kind::TYPE_TAG => (0, 0, true),
            _ => (0, 0, false),
        };
        Shape {
            once,
            each,
            target: if self.refers() { u32::MAX } else { 0 },
            is_known,
        }
    }
}

/// What a kind appends to the fixed three words of a record.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Words that follow once.
    pub(crate) once: u8,
    /// Words that follow for each of the `vlen` elements.
    pub(crate) each: u8,
    /// All ones if the third word is a type id, else zero.
    pub(crate) target: u32,
    /// Whether this version knows the kind.
    pub(crate) is_known: bool,
}

impl Shape {
    /// Words that follow the fixed three of a record with `vlen` elements.
    pub(crate) fn words(self, vlen: usize) -> usize {
        usize::from(self.once) + usize::from(self.each) * vlen
    }
}

const SHAPES: [Shape; 128] = {
    let mut shapes = [Kind::UNKN.make_shape(); 128];
    let mut kind = 0;
    while kind < 128 {
        shapes[kind] = Kind(kind as u8).make_shape();
        kind += 1;
    }
    shapes
};

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

/// The second word of a type record.
#[derive(Clone, Copy)]
pub struct Info(pub u32);

impl Info {
    pub const fn new(kind: Kind, flag: bool, vlen: u32) -> Info {
        Info((flag as u32) << 31 | (kind.0 as u32) << 24 | vlen)
    }

    pub const fn kind(self) -> Kind {
        Kind(((self.0 >> 24) & 0x7f) as u8)
    }

    pub const fn vlen(self) -> usize {
        (self.0 & 0x00ff_ffff) as usize
    }

    pub const fn flag(self) -> bool {
        self.0 >> 31 != 0
    }
}

/// What a word of a record is, if it is no plain number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// The offset of a string.
    Name,
    /// The number of a type.
    Id,
}

/// Where a whole record of a known kind has names and types.
pub fn slots(record: &[u32]) -> Vec<(Slot, usize)> {
    let mut out = vec![(Slot::Name, 0)];
    let kind = Info(record.get(1).copied().unwrap_or(0)).kind();
    if kind.refers() {
        out.push((Slot::Id, 2));
    }
    let each = match usize::from(kind.shape().each) {
        0 => record.len().max(1),
        each => each,
    };
    for at in (TYPE_WORDS..record.len()).step_by(each) {
        match kind {
            Kind::STRUCT | Kind::UNION | Kind::FUNC_PROTO => {
                out.extend([(Slot::Name, at), (Slot::Id, at + 1)]);
            }
            Kind::ENUM | Kind::ENUM64 => out.push((Slot::Name, at)),
            Kind::DATASEC => out.push((Slot::Id, at)),
            Kind::ARRAY => out.extend([(Slot::Id, at), (Slot::Id, at + 1)]),
            _ => {}
        }
    }
    out
}

/// Linkage of a FUNC or VAR: an open set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linkage(pub u32);

impl Linkage {
    /// Local to its source file.
    pub const STATIC: Linkage = Linkage(0);
    /// Visible to other files.
    pub const GLOBAL: Linkage = Linkage(1);
    /// Declared here, defined elsewhere.
    pub const EXTERN: Linkage = Linkage(2);
}
