//! What an object is made of, as records of a digest.

use super::bytes::{Listed, Reader, Record, Writer};
use crate::btf::TypeId;
use crate::btf::ext::{CoreKind, LineInfo};
use crate::insn::Insn;
use crate::obj::{
    ConfigExtern, ConfigForm, CoreSite, DataKind, DataSection, ElfReloc, ExternKind, ExternSpec,
    Function, JumpTable, LineSite, MapSpec, MapType, Pinning, RelocTarget, SlotTarget,
    StructOpsSpec,
};

/// A struct is its fields, in this order.
macro_rules! fields {
    ($ty:ident { $($field:ident),* $(,)? }) => {
        impl Record for $ty {
            fn write(&self, to: &mut Writer) {
                $(self.$field.write(to);)*
            }

            fn read(from: &mut Reader<'_>) -> $ty {
                $(let $field = Record::read(from);)*
                $ty { $($field),* }
            }
        }

        impl Listed for $ty {}
    };
}

/// One of several forms is its number and what it holds; `else` is what stands for one that is not known.
macro_rules! forms {
    ($ty:ident {
        $($n:literal: $form:ident $(($inner:ident))? $({ $($field:ident),* })?),* $(,)?
    } else $other:expr) => {
        impl Record for $ty {
            fn write(&self, to: &mut Writer) {
                match self {
                    $($ty::$form $(($inner))? $({ $($field),* })? => {
                        to.number($n);
                        $($inner.write(to);)?
                        $($($field.write(to);)*)?
                    })*
                }
            }

            fn read(from: &mut Reader<'_>) -> $ty {
                match from.number() {
                    $($n => {
                        $(let $inner = Record::read(from);)?
                        $($(let $field = Record::read(from);)*)?
                        $ty::$form $(($inner))? $({ $($field),* })?
                    })*
                    _ => {
                        from.damaged();
                        $other
                    }
                }
            }
        }
    };
}

/// A number by another name.
macro_rules! number {
    ($($ty:ident),*) => {$(
        impl Record for $ty {
            fn write(&self, to: &mut Writer) {
                self.0.write(to);
            }

            fn read(from: &mut Reader<'_>) -> $ty {
                $ty(Record::read(from))
            }
        }
    )*};
}

number!(TypeId, MapType, CoreKind);

fields!(Function {
    name,
    section,
    section_index,
    first_insn,
    insns,
    btf_id,
    relocs,
    lines,
    core
});
fields!(ElfReloc { insn, target });
fields!(LineSite { insn, info });
fields!(LineInfo {
    insn_off,
    file_name_off,
    line_off,
    line_col
});
fields!(CoreSite {
    position,
    insn,
    kind,
    root,
    access
});
fields!(MapSpec {
    name,
    map_type,
    key_size,
    value_size,
    max_entries,
    map_flags,
    numa_node,
    map_extra,
    key,
    value,
    pinning,
    inner,
    slots,
    values_offset,
    offset,
});
fields!(DataSection {
    name,
    kind,
    size,
    bytes,
    datasec,
    index
});
fields!(StructOpsSpec {
    name,
    section,
    autocreate,
    ty,
    bytes,
    programs,
    place
});
fields!(ExternSpec {
    name,
    weak,
    section,
    btf_id,
    kind
});
fields!(ConfigExtern { form, offset, size });
impl Listed for u32 {}
fields!(JumpTable {
    name,
    function,
    insns
});

forms!(RelocTarget {
    0: Map(n),
    1: Data { section, offset },
    2: Function(n),
    3: Extern(n),
    4: JumpTable(n),
} else RelocTarget::Map(0));
forms!(SlotTarget { 0: Map(n), 1: Function(n) } else SlotTarget::Map(0));
forms!(Pinning { 0: None, 1: ByName } else Pinning::None);
forms!(DataKind { 0: Rodata, 1: Data, 2: Bss, 3: Kconfig, 4: Arena } else DataKind::Rodata);
forms!(ExternKind {
    0: Config(config),
    1: Function,
    2: Variable,
    3: Address,
    4: Unknown,
} else ExternKind::Unknown);
forms!(ConfigForm {
    0: Bool,
    1: Tristate,
    2: Char { signed },
    3: Int { signed },
    4: Chars,
} else ConfigForm::Bool);

impl Record for Vec<Insn> {
    fn write(&self, to: &mut Writer) {
        let bytes: Vec<u8> = self.iter().flat_map(|insn| insn.to_le_bytes()).collect();
        to.bytes(&bytes);
    }

    fn read(from: &mut Reader<'_>) -> Vec<Insn> {
        let (insns, rest) = from.bytes().as_chunks::<8>();
        if !rest.is_empty() {
            from.damaged();
        }
        insns
            .iter()
            .map(|bytes| Insn::from_bytes(*bytes, true))
            .collect()
    }
}

/// What the values of a map are like, which are no maps of maps themselves.
impl Record for Box<MapSpec> {
    fn write(&self, to: &mut Writer) {
        (**self).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Box<MapSpec> {
        if from.is_inner {
            from.damaged();
        }
        let outer = std::mem::replace(&mut from.is_inner, true);
        let spec = MapSpec::read(from);
        from.is_inner = outer;
        Box::new(spec)
    }
}
