//! What clang wrote, checked and stripped of DWARF.

use btf_core::obj::Object;

use crate::error::{Error, Result};
use crate::strip::strip;

/// An object that is fit to be embedded.
pub(crate) struct Checked {
    pub(crate) bytes: Vec<u8>,
    /// What they say.
    pub(crate) object: Object,
}

/// Checks that `.BTF` and `.BTF.ext` are there and well-formed, and drops debug information that nothing at run time reads.
///
/// # Errors
///
/// Naming the section that is missing or wrong, and what to do about it.
pub(crate) fn check(name: &str, elf: &[u8]) -> Result<Checked> {
    let bytes = strip(elf).map_err(|why| {
        Error::new(format!(
            "object `{name}` cannot be stripped of DWARF: {why}"
        ))
    })?;
    let object = Object::parse(name, &bytes).map_err(|e| Error::new(e.to_string()))?;
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
