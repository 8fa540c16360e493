//! `docs/features.md` has a row for each type of map and each section of programs: one that is added to btf-core's tables is seen at
//! work, or it is said why not.

use std::collections::BTreeSet;
use std::path::Path;

use btf_core::obj::{MapType, section_defs};

/// What is not seen at work on any kernel, or has no row of its own, and the reason.
const REASONS: &[(&str, &str)] = &[(
    "SEC: lirc_mode2",
    "Debian's kernels for clouds have no infrared receivers, nor the module that stands for one",
)];

/// All types that btf-core knows.
fn map_types() -> impl Iterator<Item = MapType> {
    // The table is in order of their numbers, without a gap.
    (1..).map(MapType).take_while(|t| t.since().is_some())
}

/// The names of features in the page's table that work on some kernel.
fn rows() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/features.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| {
        let (name, states) = line.strip_prefix("| ")?.split_once(" | ")?;
        states.contains("works").then(|| name.to_owned())
    });
    rows.collect()
}

/// Holds these features to be those that are seen at work, but for what has a reason.
fn seen_at_work(features: impl Iterator<Item = String>) {
    let rows = rows();
    let has_reason = |name: &str| REASONS.iter().any(|(of, _)| *of == name);
    let forgotten: Vec<String> = features
        .filter(|name| !rows.contains(name) && !has_reason(name))
        .collect();
    assert!(
        forgotten.is_empty(),
        "docs/features.md has no row at work of {forgotten:?}: write a kernel case (CONTRIBUTING.md), or a reason here"
    );
}

#[test]
fn every_type_of_map_is_seen_at_work() {
    assert!(map_types().count() > 30);
    seen_at_work(map_types().map(|map_type| format!("map: {map_type}")));
}

#[test]
fn every_section_is_seen_at_work() {
    assert!(section_defs().len() > 100);
    seen_at_work(
        section_defs()
            .iter()
            .map(|def| format!("SEC: {}", def.name)),
    );
}

#[test]
fn what_has_a_reason_has_no_row_at_work() {
    let rows = rows();
    let stale: Vec<_> = REASONS
        .iter()
        .filter(|(name, reason)| rows.contains(*name) || reason.is_empty())
        .collect();
    assert!(stale.is_empty(), "they work: {stale:?}");
}
