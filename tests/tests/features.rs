//! `docs/features.md` has a row for each type of map: one that is added to btf-core's table is seen at work, or it is said why not.

use std::collections::BTreeSet;
use std::path::Path;

use btf_core::obj::MapType;

/// Types of maps without a row of their own, and the reason.
const REASONS: &[(MapType, &str)] = &[(
    MapType::INSN_ARRAY,
    "programs have it for the jump tables in `.jumptables` alone, which clang 22 is the first to write and btf-core does not load",
)];

/// All types that btf-core knows.
fn types() -> impl Iterator<Item = MapType> {
    // The table is in order of their numbers, without a gap.
    (1..).map(MapType).take_while(|t| t.since().is_some())
}

/// The names of features in the page's table.
fn rows() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/features.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| {
        let (name, states) = line.strip_prefix("| ")?.split_once(" | ")?;
        states.contains("works").then(|| name.to_owned())
    });
    rows.collect()
}

#[test]
fn every_type_of_map_is_seen_at_work() {
    let rows = rows();
    let has_row = |map_type: MapType| rows.contains(&format!("map: {map_type}"));
    let has_reason = |map_type| REASONS.iter().any(|(of, _)| *of == map_type);
    assert!(types().count() > 30);
    let forgotten: Vec<_> = types()
        .filter(|t| !has_row(*t) && !has_reason(*t))
        .collect();
    assert!(
        forgotten.is_empty(),
        "docs/features.md has no row `map: …` of {forgotten:?}: write a kernel case (CONTRIBUTING.md), or a reason here"
    );
    let stale: Vec<_> = REASONS
        .iter()
        .filter(|(map_type, reason)| has_row(*map_type) || reason.is_empty())
        .collect();
    assert!(stale.is_empty(), "they have a row: {stale:?}");
}
