//! The suite `programs`: BPF programs of well-known projects, taken unchanged from Debian's source packages. They are compiled by
//! btf-build with the headers that it brings, and their skeletons checked by rustc, as in any crate that uses them. That crate is
//! `benches/programs`.

use crate::kernel::Selection;
use crate::source_package::{SourcePackage, SourcePackages};
use crate::{Result, build, disk, program, tool, unexpected};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A project: its name in `benches/programs/build.rs`, the package that has its sources, and where in it those lie.
struct Project {
    name: &'static str,
    package: &'static str,
    parts: &'static [&'static str],
}

const BCC_TOOLS: &str = "vendor/github.com/iovisor/bcc/libbpf-tools";

/// Those of gVisor and of trixie's Suricata are not among them: they declare maps in the legacy form, which libbpf 1 refuses, too.
#[rustfmt::skip]
const PROJECTS: &[Project] = &[
    // bcc's own package leaves out the sources that it does not build.
    Project { name: "bcc", package: "pcp", parts: &[BCC_TOOLS] },
    Project { name: "bpftool", package: "pcp", parts: &["vendor/github.com/libbpf/bpftool/src/skeleton"] },
    Project { name: "bpftop", package: "bpftop", parts: &["src/bpf"] },
    Project { name: "bpftune", package: "bpftune", parts: &["src", "include"] },
    Project { name: "fastnetmon", package: "fastnetmon", parts: &["src/xdp_plugin"] },
    Project { name: "knot", package: "knot", parts: &["src/libknot"] },
    Project { name: "network-manager", package: "network-manager", parts: &["src/core/bpf"] },
    Project { name: "oar", package: "oar", parts: &["sources/core/tools/oarcgdev"] },
    Project { name: "pcp", package: "pcp", parts: &["src/pmdas/bpf/modules"] },
    Project { name: "pwru", package: "pwru", parts: &["bpf"] },
    Project { name: "systemd", package: "systemd", parts: &["src/core/bpf", "src/network/bpf", "src/nsresourced/bpf"] },
    Project { name: "xdp-tools", package: "xdp-tools", parts: &["headers", "lib/util", "xdp-*"] },
];

/// The kernel whose types they are compiled against.
const KERNEL: &str = "6.12";

const MANIFEST: &str = "benches/programs/Cargo.toml";

/// How cargo begins a line that the build script warns with.
const WARNING: &str = "warning: programs@";

/// What came of one project.
struct Built {
    objects: usize,
    warnings: usize,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let (selection, filters) = parse(args)?;
    tool::install(&[tool::CLANG_19, tool::XZ])?;
    let kernel = selection.kernel(KERNEL.parse()?)?;
    let mut packages = SourcePackages::new(selection.refresh, selection.offline);
    let (mut rows, mut failed) = (Vec::new(), 0);
    for project in PROJECTS {
        if !filters.is_empty() && !filters.iter().any(|filter| project.name.contains(filter)) {
            continue;
        }
        let sources = packages.fetch(project.package, &parts(project.package))?;
        eprintln!("== {} ({} {})", project.name, sources.name, sources.version);
        let of = format!("{}\t{} {}", project.name, sources.name, sources.version);
        match check(project, &sources, &kernel.btf(), selection.offline)? {
            Some(built) => rows.push(format!(
                "{of}\t{} objects, {} warnings of clang and btf-build",
                built.objects, built.warnings
            )),
            None => {
                failed += 1;
                rows.push(format!("{of}\tFAILED, as cargo says above"));
            }
        }
    }
    if rows.is_empty() {
        return Err("no project is left to build".to_owned());
    }
    for row in &rows {
        println!("{row}");
    }
    println!("{} projects, {failed} failed", rows.len());
    Ok(u8::from(failed > 0))
}

fn parse(args: &[String]) -> Result<(Selection, Vec<String>)> {
    let (mut selection, mut filters) = (Selection::default(), Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--kernel" => return Err(format!("the types are those of {KERNEL}")),
            _ if selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, super::USAGE)),
            _ => filters.push(arg.clone()),
        }
    }
    Ok((selection, filters))
}

/// All that projects need of a package.
fn parts(package: &str) -> Vec<&'static str> {
    let of = PROJECTS.iter().filter(|project| project.package == package);
    of.flat_map(|project| project.parts).copied().collect()
}

/// Has cargo check the crate with the project's sources; `None` if these do not compile, or rustc finds fault with a skeleton.
fn check(
    project: &Project,
    sources: &SourcePackage,
    btf: &Path,
    offline: bool,
) -> Result<Option<Built>> {
    let target = program::target_dir()?.join("conformance/programs");
    let mut cargo = program::cargo();
    cargo
        .args(["check", "--locked", "--manifest-path", MANIFEST])
        .arg("--message-format=json-render-diagnostics")
        .args(offline.then_some("--offline"))
        .env("CARGO_TARGET_DIR", target)
        .env("BTF_PROGRAMS", &sources.dir)
        .env("BTF_PROGRAMS_PROJECT", project.name)
        .env("BTF_BUILD_VMLINUX", btf)
        .env("BTF_BUILD_CLANG", tool::CLANG_19.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed = |e: std::io::Error| format!("cannot run cargo: {e}");
    let mut child = cargo.spawn().map_err(failed)?;
    let said = child.stderr.take();
    let listener = std::thread::spawn(move || {
        let lines = said
            .into_iter()
            .flat_map(|said| BufReader::new(said).lines());
        let mut warnings = 0;
        for line in lines.map_while(std::io::Result::ok) {
            warnings += usize::from(is_warning(&line));
            eprintln!("{line}");
        }
        warnings
    });
    let output = child.wait_with_output().map_err(failed)?;
    let warnings = listener
        .join()
        .map_err(|_| "the thread that reads what cargo says panicked")?;
    if !output.status.success() {
        return Ok(None);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let objects = disk::read_to_string(&out_dir(&messages)?.join("objects"))?;
    Ok(Some(Built {
        objects: objects.lines().count(),
        warnings,
    }))
}

/// Whether a line of cargo's begins a warning of the build script: several lines may belong to one.
fn is_warning(line: &str) -> bool {
    line.starts_with(WARNING) && line.matches("warning: ").count() > 1
}

/// Where the crate's build script has left its files.
fn out_dir(messages: &str) -> Result<PathBuf> {
    let is_ours = |line: &&str| line.contains("/benches/programs#");
    let dirs = messages.lines().filter(is_ours);
    let last = dirs
        .filter_map(|line| build::quoted(line, "out_dir"))
        .next_back();
    last.map(PathBuf::from)
        .ok_or_else(|| format!("cargo does not say where the build script of {MANIFEST} writes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_unpacked_for_all_its_projects() {
        let parts = parts("pcp");
        assert_eq!(parts.len(), 3, "{parts:?}");
        assert!(parts.contains(&BCC_TOOLS));
    }

    #[test]
    fn warnings_are_counted_by_their_first_line() {
        let of = |rest: &str| format!("{WARNING}0.1.0: {rest}");
        assert!(is_warning(&of(
            "/a/klockstat.bpf.c:5: warning: it declares `long ret`"
        )));
        assert!(!is_warning(&of("  help: declare it as it is")));
        assert!(!is_warning("warning: unused variable"));
    }

    #[test]
    fn every_project_has_settings() {
        let script = include_str!("../../../benches/programs/build.rs");
        for project in PROJECTS {
            let arm = format!("\n        \"{}\" => ", project.name);
            assert!(script.contains(&arm), "{}", project.name);
        }
    }
}
