//! Prototypes of what programs attach to: kept beside the object for its skeleton and for loading,
//! and held against what the programs declare.

use std::path::Path;

use btf_obj::attach_target::{self, BODY_PREFIX, Prototype, Target};
use btf_obj::btf::Btf;
use btf_obj::obj::Object;

use crate::dwarf::{self, Declarations};
use crate::error::{Error, Result};
use crate::output::{remove, write_if_changed};
use crate::types::Kernel;

/// Prototypes of the attach targets of an object.
#[derive(Default)]
pub(crate) struct TargetPrototypes {
    /// The prototypes, if there is a BTF to take them from.
    pub(crate) btf: Option<Btf>,
    /// Warnings about the programs' declarations, a line each.
    pub(crate) warnings: Vec<String>,
}

/// Leaves `NAME.target.btf` beside the object `NAME.bpf.o`. There is no such file if no program
/// attaches by type, or there is no BTF that `vmlinux.h` comes from.
///
/// `elf` is the object with its DWARF.
///
/// # Errors
///
/// If the kernel's BTF cannot be read, or the file not be written.
pub(crate) fn keep(
    object: &Object,
    elf: &[u8],
    place: &Path,
    kernel: &Kernel<'_>,
) -> Result<TargetPrototypes> {
    let file = place.with_extension("").with_extension("target.btf");
    let targets: Vec<Target<'_>> = object.programs().iter().filter_map(Target::of).collect();
    if targets.is_empty() {
        remove(&file)?;
        return Ok(TargetPrototypes::default());
    }
    let stamp = file.with_extension("key");
    let key = key(kernel, &targets)?;
    // A new source seldom has new targets; what is left of the kernel's BTF then answers as the
    // whole does.
    let left = match std::fs::read_to_string(&stamp) {
        Ok(made) if made == key => Btf::from_file(&file).ok(),
        _ => None,
    };
    let known = match &left {
        Some(left) => Some(left),
        None => kernel.btf()?,
    };
    let Some(known) = known else {
        remove(&file)?;
        remove(&stamp)?;
        return Ok(TargetPrototypes::default());
    };
    let declarations = dwarf::declarations(elf)?;
    let bad = |e: btf_obj::Error| Error::new(format!("object `{}`: {e}", object.name()));
    let bodies = declarations.btf.types().filter(|ty| {
        let program = ty.name().strip_prefix(BODY_PREFIX);
        let program = program.and_then(|name| object.program(name));
        program.and_then(Target::of).is_some()
    });
    let btf = attach_target::subset(known, targets, bodies).map_err(bad)?;
    write_if_changed(&file, &btf.to_target_bytes())?;
    write_if_changed(&stamp, key.as_bytes())?;
    let warnings = check(object, &btf, &declarations);
    Ok(TargetPrototypes {
        btf: Some(btf),
        warnings,
    })
}

/// Tells these targets in this BTF from others.
fn key(kernel: &Kernel<'_>, targets: &[Target<'_>]) -> Result<String> {
    let mut key = kernel.source().key()?;
    for target in targets {
        key += &format!("\n{} {}", target.attach_type.0, target.name);
    }
    Ok(key)
}

/// Holds each declaration against its target.
///
/// A wrong one is a warning, not an error: a program may be written for another kernel than the one
/// whose types are at hand, as one of several from which the application chooses, and what a
/// program is loaded into is checked again there.
fn check(object: &Object, btf: &Btf, declarations: &Declarations) -> Vec<String> {
    let mut lines = Vec::new();
    for program in object.programs() {
        let Some(actual) = Target::of(program).and_then(|target| target.prototype(btf)) else {
            continue;
        };
        let Some(declared) = attach_target::body_prototype(btf, &program.name) else {
            continue;
        };
        let Some(why) = attach_target::incompatible_args(&declared, &actual) else {
            continue;
        };
        let place = declarations.places.get(&program.name);
        let place = place.map_or_else(String::new, |p| format!("{}:{}: ", p.file, p.line));
        lines.push(format!(
            "{place}warning: program `{}` does not declare what `{}` has: {why}",
            program.name,
            actual.name()
        ));
        lines.push(format!("  declared: {declared}"));
        lines.push(format!("  kernel:   {}", shown(&actual)));
    }
    lines
}

/// The target, and its result where a program has it as its last argument.
fn shown(prototype: &Prototype<'_>) -> String {
    match prototype.args().last() {
        Some(last) if last.is_result => format!(
            "{prototype}, whose result is argument {}",
            prototype.args().len()
        ),
        _ => prototype.to_string(),
    }
}
