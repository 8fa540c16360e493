//! Known differences from the kernel's suite, with the reason for each.

/// Cases by the start of their names, and why they differ.
const DIFFERENCES: &[(&str, &str)] = &[];

/// Why a case differs; `None` if it must pass.
pub(crate) fn difference(case: &str) -> Option<&'static str> {
    let known = DIFFERENCES.iter().find(|(start, _)| case.starts_with(start));
    known.map(|(_, why)| *why)
}
