//! What clang wrote, checked and stripped of DWARF.

use btf_obj::obj::Object;

use crate::compile::Compiled;
use crate::dwarf;
use crate::error::{Error, Result};
use crate::lint::Spot;
use crate::strip::strip;

/// An object that is fit to be embedded.
pub(crate) struct Checked {
    pub(crate) bytes: Vec<u8>,
    /// What they say.
    pub(crate) object: Object,
}

/// An error about an object, after the line that declares the map or program that it names.
fn at_line(compiled: &Compiled, message: &str) -> Error {
    let named = |kind: &str| {
        let (_, rest) = message.split_once(kind)?;
        rest.split_once('`').map(|(name, _)| name)
    };
    let objects = std::iter::once(&compiled.elf).chain(&compiled.parts);
    // Without DWARF, the message has to do.
    let mut places = objects.map(|elf| dwarf::places(elf).unwrap_or_default());
    let spot = places.find_map(|places| {
        let map = named("map `").and_then(|name| Some((places.variables.get(name)?, name)));
        let program =
            || named("program `").and_then(|name| Some((places.functions.get(name)?, name)));
        let (place, name) = map.or_else(program)?;
        Some(Spot::declared(place, &[name]))
    });
    let error = Error::new(message);
    match spot {
        Some(spot) => {
            let source = spot.source().unwrap_or_default();
            error.compiler_output(format!("{spot}: note: declared here\n{source}"))
        }
        None => error,
    }
}

/// Checks that `.BTF` and `.BTF.ext` are there and well-formed, and drops debug information that
/// nothing at run time reads.
///
/// # Errors
///
/// Naming the section that is missing or wrong, and what to do about it.
pub(crate) fn check(name: &str, compiled: &Compiled) -> Result<Checked> {
    let bytes = strip(&compiled.elf).map_err(|why| {
        Error::new(format!(
            "object `{name}` cannot be stripped of DWARF: {why}"
        ))
    })?;
    let object = Object::parse(name, &bytes).map_err(|e| at_line(compiled, &e.to_string()))?;
    if object.btf().is_none() {
        return Err(
            Error::new(format!("object `{name}` has no .BTF section")).help(
                "BTF comes with debug information: remove `-g0` or other flags that turn off `-g`",
            ),
        );
    }
    if !object.has_btf_ext() && !object.functions().is_empty() {
        return Err(Error::new(format!("object `{name}` has no .BTF.ext section"))
            .help("its functions have no source lines: compile with `-g`, and without flags that reduce it"));
    }
    // What the kernel supplies is in a section of its own, `.ksyms` or `.kconfig`.
    if let Some(undefined) = object.externs().iter().find(|e| e.section.is_empty()) {
        return Err(Error::new(format!(
            "object `{name}`: `{}` is used but not defined",
            undefined.name
        ))
        .help("define it in the source or a header; if the kernel has it, declare it `extern … __ksym`"));
    }
    Ok(Checked { bytes, object })
}
