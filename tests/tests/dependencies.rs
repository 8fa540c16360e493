//! Crates in the tree of a project with btf-core and btf-build: each has to be built, audited and
//! trusted.

use std::collections::BTreeSet;

use btf_tests::outside::Outside;

/// Largest number of crates, with those of this workspace.
const MOST: usize = 28;

const MANIFEST: &str = r#"
[dependencies]
btf-core = "0.1"

[build-dependencies]
btf-build = "0.1"
"#;

#[test]
fn a_project_gets_few_crates() {
    let project = Outside::new(env!("CARGO_TARGET_TMPDIR"), "dependencies");
    project.manifest("dependencies", MANIFEST);
    project.write("src/main.rs", "fn main() {}\n");
    let said = project.cargo(&["tree", "-e", "normal,build", "--prefix", "none"]);
    assert!(said.success, "{}", said.stderr);
    let names = said
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next());
    let crates: BTreeSet<&str> = names.filter(|name| *name != "dependencies").collect();
    for expected in ["btf-core", "btf-build", "btf-obj", "btf-skel-macros", "syn"] {
        assert!(crates.contains(expected), "no {expected} in {crates:?}");
    }
    assert!(!crates.contains("tokio"), "its feature is on: {crates:?}");
    assert!(
        crates.len() <= MOST,
        "{} crates, of which at most {MOST} are allowed: {crates:?}",
        crates.len()
    );
}
