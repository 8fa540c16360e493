//! The kernel's own CO-RE programs, compiled as a user of `btf-build` would compile them: `progs/test_core_reloc_*.c`, and
//! `progs/btf__core_reloc_*.c`, whose types stand in for a kernel's. And programs that are linked
//! from several sources.

use std::path::{Path, PathBuf};

use btf_build::Builder;

use crate::compare::{self, Kernel};

const PROGRAM: &str = "test_core_reloc_";
const TARGET: &str = "btf__core_reloc_";

/// Linked objects and their sources, as in the selftests' Makefile.
const LINKED: &[(&str, &[&str])] = &[
    ("linked_funcs", &["linked_funcs1", "linked_funcs2"]),
    ("linked_maps", &["linked_maps1", "linked_maps2"]),
    ("linked_vars", &["linked_vars1", "linked_vars2"]),
    (
        "test_static_linked",
        &["test_static_linked1", "test_static_linked2"],
    ),
    (
        "test_subskeleton",
        &[
            "test_subskeleton_lib2",
            "test_subskeleton_lib",
            "test_subskeleton",
        ],
    ),
    ("test_usdt", &["test_usdt", "test_usdt_multispec"]),
];

/// Compiles what is there into `$OUT_DIR`; `selftests` is the kernel's `tools/testing/selftests/bpf`.
pub(crate) fn compile(selftests: &Path, clang: &str, btf: &Path) -> Result<(), String> {
    let mut builder = Builder::new()
        .clang(clang)
        .target_arch(std::env::consts::ARCH)
        .vmlinux(btf)
        // The kernel's own types for user space, and its stand-ins for the C library's headers.
        .include(selftests.join("../../../include/uapi"))
        .include(selftests)
        // The suite's sources are not held to this workspace's standard.
        .flag("-w");
    let progs = selftests.join("progs");
    for path in list(&progs, ".c")? {
        let name = compare::name(&path);
        if name.starts_with(PROGRAM) || name.starts_with(TARGET) {
            builder = builder.source(path);
        }
    }
    for (name, sources) in LINKED {
        builder = builder.link(
            name,
            sources
                .iter()
                .map(|source| progs.join(format!("{source}.c"))),
        );
    }
    let built = builder.try_build().map_err(|e| e.to_string())?;
    eprintln!("compiled {} objects of the kernel's selftests", built.len());
    Ok(())
}

/// The compiled programs. libbpf must load linked objects, too.
pub(crate) fn programs(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let is_linked = |name: &str| LINKED.iter().any(|(linked, _)| *linked == name);
    let mut paths = list(dir, ".o")?;
    paths.retain(|path| {
        let name = compare::name(path);
        name.starts_with(PROGRAM) || is_linked(name)
    });
    Ok(paths)
}

/// The compiled types that a program is made for: `test_core_reloc_ints` goes with `btf__core_reloc_ints` and
/// `btf__core_reloc_ints___bool`.
pub(crate) fn targets(program: &Path) -> Result<Vec<Kernel>, String> {
    let Some(case) = compare::name(program).strip_prefix(PROGRAM) else {
        return Ok(Vec::new());
    };
    // Two programs ask for the same fields in two ways.
    let case = case.trim_end_matches("_direct").trim_end_matches("_probed");
    let mut targets = Vec::new();
    for path in list(program.parent().unwrap_or(Path::new(".")), ".o")? {
        let Some(rest) = compare::name(&path)
            .strip_prefix(TARGET)
            .and_then(|name| name.strip_prefix(case))
        else {
            continue;
        };
        if rest.is_empty() || rest.starts_with("___") {
            targets.push(Kernel::read(compare::name(&path), "", &path)?);
        }
    }
    Ok(targets)
}

fn list(dir: &Path, end: &str) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(dir).map_err(|e| format!("cannot list {}: {e}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    Ok(paths)
}
