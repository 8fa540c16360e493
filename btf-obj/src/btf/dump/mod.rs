//! Writing BTF as C: a whole `vmlinux.h`, some types with what they need, or one declaration.
//!
//! The header has every type of the BTF with its size and the place of every member, so that programs compiled
//! against it have the right types to be relocated (CO-RE), and need no kernel headers:
//!
//! 1. `order` finds in what order, and learns the `layout` of each type on the way;
//! 2. `names` gives types of one name different ones;
//! 3. `writer` writes them: `declarator`s, bodies of `composite`s and `enumeration`s, `scalar`s;
//! 4. `kfuncs` says which functions programs may call, and how those are declared;
//! 5. `c23` hides names that C23 reserves from compilers of C23.

mod c23;
mod composite;
mod declarator;
mod enumeration;
mod forwards;
mod kfuncs;
mod layout;
mod names;
mod order;
mod scalar;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use super::{Btf, Kind, Type, TypeId};
use crate::error::Result;
use kfuncs::Kfuncs;
use order::{Need, Order};
use writer::{Around, Writer};

/// Another number when these sources are others, of which two do not write the same header: for who keeps one.
#[doc(hidden)]
pub const EDITION: u64 = {
    let sources = [
        include_str!("c23.rs"),
        include_str!("composite.rs"),
        include_str!("declarator.rs"),
        include_str!("enumeration.rs"),
        include_str!("forwards.rs"),
        include_str!("kfuncs.rs"),
        include_str!("layout.rs"),
        include_str!("mod.rs"),
        include_str!("names.rs"),
        include_str!("order.rs"),
        include_str!("scalar.rs"),
        include_str!("text.rs"),
        include_str!("writer.rs"),
    ];
    // FNV-1a.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut source = 0;
    while source < sources.len() {
        let bytes = sources[source].as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
            at += 1;
        }
        source += 1;
    }
    hash
};

/// What stands around the types of a header. The default is that of `vmlinux.h`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Name of the macro that guards against being included twice; `None` for no guard.
    pub guard: Option<String>,
    /// Whether accesses to members are relocated (CO-RE): the attribute `preserve_access_index` on all types, unless
    /// the includer defines `BPF_NO_PRESERVE_ACCESS_INDEX`.
    pub preserve_access_index: bool,
    /// Whether [`header`] declares the kernel's kfuncs, unless the includer defines `BPF_NO_KFUNC_PROTOTYPES`.
    pub kfuncs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            guard: Some("__VMLINUX_H__".to_owned()),
            preserve_access_index: true,
            kfuncs: true,
        }
    }
}

/// Writes all types of a BTF as one C header; of a split BTF its own types, and what they need of its base.
///
/// The header compiles without a diagnostic from clang 14 on, with `-Wall -Wextra`, as C11 to C23.
/// Every struct and union has its size, and every member its offset, except members that C cannot
/// place there: a comment replaces them. Two types of one name get different ones (`name___2`), as
/// do constants.
///
/// # Errors
///
/// [`crate::ErrorKind::Malformed`] naming a type that has no C: one that contains itself, refers to what is no type, has
/// elements without a size, or is nested without bound.
pub fn header(btf: &Btf, options: &Options) -> Result<String> {
    let mut order = Order::new(btf);
    for header in btf.headers() {
        let ty = || btf.ty(header.id);
        match header.kind {
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 if !ty().is_anonymous() => {
                order.visit(ty(), Need::Complete)?;
            }
            Kind::TYPEDEF | Kind::FWD => order.visit(ty(), Need::Declared)?,
            _ => {}
        }
    }
    let kfuncs = if options.kfuncs {
        Kfuncs::of(btf)
    } else {
        Kfuncs::default()
    };
    for func in &kfuncs.all {
        order.visit(btf.ty(*func), Need::Declared)?;
    }
    // Nothing but their constants is of use, and nothing names them.
    let constants: Vec<Type<'_>> = btf
        .headers()
        .filter(|header| header.kind.is_any_enum())
        .map(|header| btf.ty(header.id))
        .filter(|ty| ty.is_anonymous() && !order.has_visited(*ty))
        .collect();
    write(btf, order, &constants, options, &kfuncs)
}

/// Writes some types of a BTF as C, with all that they need; of functions the prototypes.
///
/// An anonymous struct has no name to be asked for: of it only what it needs is written. kfuncs are among the roots or
/// not there.
///
/// # Errors
///
/// As [`header`].
pub fn types(btf: &Btf, roots: &[TypeId], options: &Options) -> Result<String> {
    let mut order = Order::new(btf);
    let mut constants = Vec::new();
    for root in roots {
        let ty = btf.ty(*root);
        match ty.kind() {
            Kind::DATASEC => {
                for variable in ty.variables().iter() {
                    order.visit(variable.ty().target().unwrap_or(ty), Need::Complete)?;
                }
            }
            Kind::VAR | Kind::DECL_TAG => {
                order.visit(ty.target().unwrap_or(ty), Need::Complete)?;
            }
            kind if kind.is_any_enum() && ty.is_anonymous() => constants.push(ty),
            _ => order.visit(ty, Need::Complete)?,
        }
    }
    constants.retain(|ty| !order.has_visited(*ty));
    constants.dedup();
    write(btf, order, &constants, options, &Kfuncs::default())
}

/// Writes a declaration of `name` as a `ty`, such as `const char *name[3]` or `int (*f)(void *)`.
///
/// Types are mentioned, not defined: an anonymous struct is `struct { ... }`. It is for reading more than compiling.
pub fn declaration(ty: Type<'_>, name: &str) -> String {
    let ty = match ty.kind() {
        Kind::VAR => ty.target().unwrap_or(ty),
        Kind::FUNC => ty.func_proto().unwrap_or(ty),
        _ => ty,
    };
    let mut writer = Writer::short(ty.btf());
    match writer.declare(ty, name.as_bytes(), 0) {
        Ok(()) => writer.text.finish(),
        Err(e) => format!("/* {e} */ {name}"),
    }
}

/// Writes the C prototype of a FUNC, such as `int vfs_unlink(struct inode *dir, ...)`.
pub fn prototype(func: Type<'_>) -> String {
    declaration(func, func.name())
}

fn write<'a>(
    btf: &'a Btf,
    order: Order<'a>,
    constants: &[Type<'a>],
    options: &Options,
    kfuncs: &Kfuncs,
) -> Result<String> {
    let mut writer = Writer::new(btf, order);
    if let Some(guard) = &options.guard {
        for directive in ["#ifndef ", "#define "] {
            writer.text.push(directive);
            writer.text.ident(guard.as_bytes());
            writer.text.push("\n");
        }
        writer.text.push("\n");
    }
    if options.preserve_access_index {
        writer.text.push(
            "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
             #pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n\
             #endif\n\n",
        );
    }
    let start = writer.text.len();
    writer.types()?;
    for ty in constants {
        writer.constants(*ty)?;
    }
    if kfuncs.all.is_empty() {
        writer.functions(|_| Around::default())?;
    } else {
        writer.text.push(kfuncs::MACROS);
        writer.functions(|func| kfuncs.around(func))?;
        writer.text.push("#endif\n\n");
    }
    if let Some((before, after)) = writer.text.reserved.around() {
        writer.text.insert(start, &before);
        writer.text.push(&after);
        writer.text.push("\n");
    }
    if options.preserve_access_index {
        writer.text.push(
            "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
             #pragma clang attribute pop\n\
             #endif\n",
        );
    }
    if options.guard.is_some() {
        writer.text.push("\n#endif\n");
    }
    Ok(writer.text.finish())
}
