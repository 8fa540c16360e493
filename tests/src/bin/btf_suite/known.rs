//! Known differences from the kernel's suite, with the reason for each.

/// Cases by the start of their names, and why they differ.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "btf/func (Not referring to FUNC_PROTO)",
        "parsing checks that a referenced type exists, not its kind; `Type::func_proto` returns `None` for such a FUNC",
    ),
    (
        "btf_dump/incremental",
        "a struct of 4 bytes has members at bytes 4 and 8, where C cannot put them; a comment stands for each",
    ),
];

/// Why a case differs; `None` if it must pass.
pub(crate) fn difference(case: &str) -> Option<&'static str> {
    let known = DIFFERENCES
        .iter()
        .find(|(start, _)| case.starts_with(start));
    known.map(|(_, why)| *why)
}
