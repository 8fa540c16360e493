//! Programs: which functions are some, and what their sections say of them.

use std::collections::HashSet;

use super::functions::Function;
use super::{ProgramSpec, section};
use crate::effort::Effort;
use crate::error::{Error, Result};

/// Functions outside `.text` are programs; those in it are subprograms (libbpf's `prog_is_subprog`).
pub(super) fn of(functions: &[Function], effort: &mut Effort) -> Result<Vec<ProgramSpec>> {
    let mut out: Vec<ProgramSpec> = Vec::new();
    let mut names = HashSet::new();
    for (function, f) in functions
        .iter()
        .enumerate()
        .filter(|(_, f)| f.section != ".text")
    {
        if !names.insert(f.name.as_str()) {
            return Err(Error::malformed(format!(
                "two programs are named `{}`",
                f.name
            )));
        }
        let (section, autoload) = match f.section.strip_prefix('?') {
            Some(section) => (section, false),
            None => (f.section.as_str(), true),
        };
        effort.charge_kept(f.name.len() + 2 * section.len())?;
        let (def, target) = section::find(section).unzip();
        out.push(ProgramSpec {
            name: f.name.clone(),
            section: section.to_owned(),
            def,
            target: target.flatten().map(str::to_owned),
            autoload,
            function,
        });
    }
    Ok(out)
}
