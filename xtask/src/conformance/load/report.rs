//! The page `docs/conformance-load.md`: comparison of the sides over the selftests.

use crate::conformance::sides::Comparison;
use crate::debian::{Kernel, LinuxSource};
use std::fmt::Write as _;

pub(super) fn text(
    comparison: &Comparison,
    source: &LinuxSource,
    kernel: &Kernel,
    refused: &[(String, String)],
) -> String {
    let mut text = String::from("# Loading the kernel's selftests: libbpf and btf-core\n\n");
    let _ = writeln!(
        text,
        "Made by `cargo xtask conformance load --write docs/conformance-load.md`: the sources of linux-source {}, compiled with clang 19, \
         opened and loaded in kernel {} by libbpf 1.7 and by btf-core. A row is a program loaded alone, or (`-`) an object with all that it \
         loads by itself. Nothing is set before the load, as the selftests themselves often do, so many load on neither side.\n",
        source.version, kernel.release
    );
    let _ = writeln!(
        text,
        "| | |\n|---|---|\n| objects | {} |\n| rows that load on both sides | {} |\n| on neither | {} |\n| with libbpf alone | {} |\n\
         | with btf-core alone | {} |\n| not decided | {} |",
        comparison.objects,
        comparison.both,
        comparison.neither,
        comparison.only_libbpf.len(),
        comparison.only_ours.len(),
        comparison.endless.len()
    );
    rows(&mut text, comparison);
    for (name, why) in refused {
        let why = why
            .rsplit_once("error: ")
            .map_or(why.as_str(), |(_, why)| why);
        let _ = writeln!(text, "* `{name}`: {why}");
    }
    text
}

/// Adds the sections with the programs that differ, up to the heading of the last section.
fn rows(text: &mut String, comparison: &Comparison) {
    for (title, rows, side) in [
        ("Only libbpf loads", &comparison.only_libbpf, "btf-core"),
        ("Only btf-core loads", &comparison.only_ours, "libbpf"),
        (
            "Loaded with the object on one side only",
            &comparison.by_itself,
            "the other",
        ),
    ] {
        let _ = writeln!(text, "\n## {title}\n");
        if rows.is_empty() {
            text.push_str("Nothing.\n");
        }
        for row in rows {
            let _ = writeln!(
                text,
                "* `{}` `{}`: {}",
                row.object,
                row.program,
                row.said(side)
            );
        }
    }
    let _ = writeln!(
        text,
        "\n## Loaded otherwise\n\n\
         Of {} loads the kernel's descriptions of programs and maps (type, instructions, tag, maps, functions, lines, sizes, flags) are \
         compared; {} differ.\n",
        comparison.described,
        comparison.otherwise.len()
    );
    for row in &comparison.otherwise {
        let _ = writeln!(text, "* `{}` `{}`: {}", row.object, row.program, row.why);
    }
    let _ = writeln!(
        text,
        "\n## Not decided\n\nA load that takes longer than 90 s is given up.\n"
    );
    for row in &comparison.endless {
        let _ = writeln!(text, "* `{}` `{}`", row.object, row.program);
    }
    if !comparison.open.is_empty() {
        let _ = writeln!(text, "\n## Not compared\n");
        for object in &comparison.open {
            let _ = writeln!(text, "* `{object}`");
        }
    }
    let _ = writeln!(text, "\n## Do not compile\n");
}
