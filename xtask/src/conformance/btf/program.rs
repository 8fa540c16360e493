//! The program of the suite `btf`: the kernel's tests and its libbpf, compiled with the harness of
//! `btf-suite`.

use crate::conformance::{headers, selftests};
use crate::debian::{LinuxSource, Store};
use crate::{Result, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tests that load nothing, by the names of their sources in `prog_tests`; `btf` is run by the
/// harness's `btf_tables`.
pub(super) const TESTS: &[&str] = &[
    "btf",
    "btf_dump",
    "btf_split",
    "btf_dedup_split",
    "section_names",
];

/// Tests that load programs, and need a skeleton each.
pub(super) const KERNEL_TESTS: &[&str] = &[
    "core_autosize",
    "core_extern",
    "linked_funcs",
    "linked_maps",
    "linked_vars",
    "skeleton",
];

/// Skeletons, and the objects that are linked for them; none is for an object of the same name.
const SKELETONS: &[(&str, &[&str])] = &[
    ("test_core_autosize", &[]),
    ("test_core_extern", &[]),
    ("test_skeleton", &[]),
    ("linked_funcs", &["linked_funcs1", "linked_funcs2"]),
    ("linked_maps", &["linked_maps1", "linked_maps2"]),
    ("linked_vars", &["linked_vars1", "linked_vars2"]),
];

/// Objects that tests read themselves: those of `btf_dump`.
const READ: &[&str] = &["xdping_kern"];
const READ_PREFIX: &str = "btf_dump_test_case_";

/// Sources of the harness.
const HARNESS: &str = "tests/src/bin/btf_suite/c";
const HARNESS_PARTS: &[&str] = &["main", "stand_ins", "objects", "btf_tables"];

/// The flags of all C sources: warnings are their authors' business.
const FLAGS: &[&str] = &[
    "-O1",
    "-w",
    "-D_GNU_SOURCE",
    "-D_LARGEFILE64_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
];

/// Test program, and the objects that it reads.
pub(super) struct Program {
    pub(super) executable: PathBuf,
    /// The directory that tests read objects from.
    pub(super) objects: PathBuf,
}

/// Compiles objects, skeletons and the program.
///
/// # Errors
///
/// If a source does not compile.
pub(super) fn build(store: &Store, source: &LinuxSource, suite: &Path) -> Result<Program> {
    let dir = program::target_dir()?.join("conformance/btf");
    disk::empty_dir(&dir)?;
    let objects = objects(store, source, &dir)?;
    let skeletons = dir.join("include");
    disk::create_dir(&skeletons)?;
    for (name, parts) in SKELETONS {
        skeleton(suite, &objects, name, parts, &skeletons)?;
    }
    let executable = link(source, &dir, &skeletons)?;
    Ok(Program {
        executable,
        objects,
    })
}

/// Compiles the BPF programs, with btf-build's headers, as a user would.
fn objects(store: &Store, source: &LinuxSource, dir: &Path) -> Result<PathBuf> {
    let (headers, vmlinux) = headers::ours(&headers::suite(store)?, store, dir)?;
    let mut includes = vec![vmlinux, headers];
    includes.extend(selftests::includes(source));
    let is_wanted = |path: &PathBuf| {
        let name = disk::name(path).trim_end_matches(".c");
        let of_skeletons = SKELETONS
            .iter()
            .any(|(skeleton, parts)| *skeleton == name || parts.contains(&name));
        of_skeletons || READ.contains(&name) || name.starts_with(READ_PREFIX)
    };
    let mut sources = selftests::sources(source)?;
    sources.retain(is_wanted);
    let objects = dir.join("objects");
    let clang = Path::new(selftests::CLANG);
    let compiled = selftests::compile_these(clang, &sources, &includes, &objects)?;
    if let Some((name, why)) = compiled.refused.first() {
        return Err(format!("{name} does not compile: {why}"));
    }
    // Expected output is read from the sources.
    symlink(&source.selftests().join("progs"), &objects.join("progs"))?;
    Ok(objects)
}

/// Links an object if it has parts, and has bpftool write its skeleton.
fn skeleton(suite: &Path, objects: &Path, name: &str, parts: &[&str], out: &Path) -> Result<()> {
    let object = |name: &str| objects.join(format!("{name}.bpf.o"));
    if !parts.is_empty() {
        let mut link = Command::new(suite);
        link.arg("link")
            .arg(object(name))
            .args(parts.iter().map(|part| object(part)));
        program::output(&mut link)?;
    }
    let bpftool = program::find(tool::BPFTOOL.name).ok_or("there is no bpftool")?;
    let mut skeleton = Command::new(bpftool);
    skeleton
        .args(["gen", "skeleton"])
        .arg(object(name))
        .args(["name", name]);
    let text = program::output(&mut skeleton)?;
    disk::write(&out.join(format!("{name}.skel.h")), &text)
}

/// Compiles and links libbpf, the harness and the tests.
fn link(source: &LinuxSource, dir: &Path, skeletons: &Path) -> Result<PathBuf> {
    let libbpf = source.dir.join("tools/lib/bpf");
    let harness = program::workspace().join(HARNESS);
    symlink(&libbpf, &skeletons.join("bpf"))?;
    let out = dir.join("c");
    disk::create_dir(&out)?;
    let uapi = ["tools/include", "tools/include/uapi"].map(|part| source.dir.join(part));
    let compile = |file: &Path, object: &str, includes: &[&Path], extra: &[&str]| {
        let mut cc = Command::new("cc");
        cc.args(FLAGS).args(extra).arg("-c").arg(file);
        for include in includes
            .iter()
            .copied()
            .chain(uapi.iter().map(PathBuf::as_path))
        {
            cc.arg("-I").arg(include);
        }
        program::output(cc.arg("-o").arg(out.join(format!("{object}.o"))))
    };
    let all = [harness.as_path(), skeletons, &source.selftests()];
    let header = harness.join("test_progs.h");
    let header = header.to_string_lossy();
    for file in disk::list(&libbpf)? {
        let name = disk::name(&file);
        // The harness includes this one.
        if name.ends_with(".c") && name != "btf.c" {
            compile(&file, &format!("libbpf_{name}"), &[&libbpf], &[])?;
        }
    }
    compile(
        &harness.join("libbpf_btf.c"),
        "libbpf_btf",
        &[&harness, &libbpf],
        &[],
    )?;
    for part in HARNESS_PARTS {
        compile(&harness.join(format!("{part}.c")), part, &all, &[])?;
    }
    let helpers = source.selftests().join("btf_helpers.c");
    compile(&helpers, "btf_helpers", &all, &["-include", &header])?;
    for test in TESTS.iter().skip(1).chain(KERNEL_TESTS) {
        let file = source.selftests().join(format!("prog_tests/{test}.c"));
        let mut extra = vec!["-include", &header];
        // These trigger programs by a system call of their own.
        extra.extend(test.starts_with("linked_").then_some("-DSUITE_TRIGGERS"));
        compile(&file, &format!("test_{test}"), &all, &extra)?;
    }
    let executable = dir.join("btf-suite-tests");
    let mut cc = Command::new("cc");
    cc.arg("-o").arg(&executable).args(disk::list(&out)?);
    program::output(cc.args(["-lelf", "-lz"]))?;
    Ok(executable)
}

fn symlink(to: &Path, at: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, at).map_err(|e| format!("cannot link to {}: {e}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_in_the_harness() {
        let main = include_str!("../../../../tests/src/bin/btf_suite/c/main.c");
        for test in TESTS.iter().chain(KERNEL_TESTS) {
            assert!(main.contains(&format!("{{ \"{test}\", ")), "{test}");
        }
    }
}
