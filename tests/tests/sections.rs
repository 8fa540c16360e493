//! `docs/sections.md`: the table of section names, made from btf-core's own.
//!
//! `INSTA_UPDATE=always` writes it anew, as it does snapshots.

use std::fmt::Write as _;
use std::path::Path;

use btf_core::obj::{AttachType, SectionDef, section_defs};

const HEAD: &str = "\
# Section names

What `SEC(\"…\")` may say: all that libbpf 1.7 knows. This page is made from the table in `btf-obj/src/obj/section/`
(`INSTA_UPDATE=always cargo test -p btf-tests --test sections`).

`?` before any of them (`SEC(\"?kprobe/vfs_read\")`) leaves the program out unless it is asked for with `set_autoload(true)`.
`/…` may be followed by what the program attaches to, or be left out and the target set later. A name that is not here disables its
program and no other; the build and `warnings()` of the loaded object say so.

Marks: *sleepable*; *by type*, its target is found in BTF when it is loaded; *frags*, it sees packets of several buffers; *optional*, kernels that know no
attach types (before 4.17) load it without. “From” is the first kernel that has such programs.

| `SEC(\"…\")` | program type | attach type | marks | from | `attach()` |
|---|---|---|---|---|---|
";

fn row(def: &SectionDef) -> String {
    let target = if def.takes_target { "[/…]" } else { "" };
    let lower = |name: Option<&str>| name.unwrap_or("?").to_lowercase();
    // Number 0 is that of one attach type, and of none.
    let attach_type = match def.attach_type {
        AttachType::NONE if def.name != "cgroup_skb/ingress" => "–".to_owned(),
        other => lower(other.name()),
    };
    let marks: Vec<&str> = [
        (def.attach_btf, "by type"),
        (def.sleepable, "sleepable"),
        (def.xdp_frags, "frags"),
        (def.attach_type_is_optional, "optional"),
    ]
    .into_iter()
    .filter_map(|(is_set, mark)| is_set.then_some(mark))
    .collect();
    let does = match def.attach.is_by_section() {
        true => def.attach.describe().to_owned(),
        false => format!("no: {}", def.attach.describe()),
    };
    format!(
        "| `{}{target}` | {} | {attach_type} | {} | {}.{} | {does} |",
        def.name,
        lower(def.prog_type.name()),
        marks.join(", "),
        def.since.0,
        def.since.1,
    )
}

#[test]
fn the_page_says_what_the_table_says() {
    let mut page = HEAD.to_owned();
    for def in section_defs() {
        writeln!(page, "{}", row(def)).expect("a string takes everything");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sections.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always") {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/sections.md is out of date; make it anew: INSTA_UPDATE=always cargo test -p btf-tests --test sections"
    );
}
