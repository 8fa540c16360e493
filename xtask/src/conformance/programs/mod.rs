//! The suite `programs`: BPF programs of well-known projects, unchanged from Debian's source
//! packages. The crate `benches/programs` compiles them with btf-build and its headers, and rustc
//! checks their skeletons. The objects are then loaded in a booted kernel by libbpf and by
//! btf-core, and compared program by program.

mod report;

use super::sides::{Comparison, Kept, Sides};
use crate::args::{MirrorArgs, matches};
use crate::build::peers;
use crate::debian::{Kernel, SourcePackage, Store};
use crate::{Result, build, disk, program, tool};
use report::Row;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A project: its name in `benches/programs/build.rs`, the package of its sources, and their paths
/// in it.
struct Project {
    name: &'static str,
    package: &'static str,
    parts: &'static [&'static str],
}

const BCC_TOOLS: &str = "vendor/github.com/iovisor/bcc/libbpf-tools";

/// Those of gVisor and of trixie's Suricata are left out: they declare legacy maps, which libbpf 1
/// rejects, too.
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

/// Its package.
const PACKAGE: &str = "programs";

/// Prefix of a warning of the build script in cargo's output.
const WARNING: &str = "warning: programs@";

/// Result of building one project.
struct Built {
    /// Names of its objects.
    objects: Vec<String>,
    warnings: usize,
    /// Directory of the objects.
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "The types are those of Linux 6.12, where the programs are loaded.")]
pub(crate) struct Args {
    /// Build the programs, but do not load them
    #[arg(long)]
    build_only: bool,
    /// Write the summary to a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(flatten)]
    mirror: MirrorArgs,
    /// Build only projects whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::PROGRAMS)?;
    let store = args.mirror.store()?;
    let kernel = store.kernel(KERNEL.parse()?)?;
    let dir = program::target_dir()?.join("conformance/programs-loaded");
    disk::empty_dir(&dir)?;
    let (rows, files) = build(&store, &kernel, &args.filters, &dir)?;
    if rows.is_empty() {
        return Err("no project is left to build".to_owned());
    }
    let mut kept = Kept::open(&dir.join("outcomes.tsv"))?;
    if !args.build_only && !files.is_empty() {
        let sides = Sides {
            loader: &peers::loader(&store)?,
            kernel: &kernel,
            are_sized: true,
        };
        sides.load(&mut kept, files, &[0, 1])?;
    }
    let text = report::text(&rows, &kept, &kernel.release, args.build_only);
    print!("{text}");
    if let Some(path) = &args.write {
        disk::write(path, text.as_bytes())?;
    }
    let is_wrong = |row: &Row| match &row.objects {
        Some(objects) => Comparison::new(&kept, objects).is_behind(),
        None => true,
    };
    Ok(u8::from(rows.iter().any(is_wrong)))
}

/// Builds the projects that the filters select, and copies their objects to `dir`. Returns a row
/// for each project, and the copies.
fn build(
    store: &Store,
    kernel: &Kernel,
    filters: &[String],
    dir: &Path,
) -> Result<(Vec<Row>, Vec<PathBuf>)> {
    let mut packages = store.source_packages();
    let (mut rows, mut files) = (Vec::new(), Vec::new());
    for project in PROJECTS {
        if !matches(filters, project.name) {
            continue;
        }
        let sources = packages.fetch(project.package, &parts(project.package))?;
        let package = format!("{} {}", sources.name, sources.version);
        eprintln!("== {} ({package})", project.name);
        let built = check(project, &sources, &kernel.btf(), store.is_offline())?;
        let warnings = built.as_ref().map_or(0, |built| built.warnings);
        let objects = match built {
            Some(built) => Some(collect(project.name, &built, dir, &mut files)?),
            None => None,
        };
        rows.push(Row {
            project: project.name,
            package,
            objects,
            warnings,
        });
    }
    Ok((rows, files))
}

/// Copies a project's objects to the directory of all, and returns their new names. libbpf
/// truncates a name at its first dot.
fn collect(
    project: &str,
    built: &Built,
    dir: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for object in &built.objects {
        let name = format!("{project}+{object}");
        let file = dir.join(format!("{name}.bpf.o"));
        disk::write(
            &file,
            &disk::read(&built.out.join(format!("{object}.bpf.o")))?,
        )?;
        files.push(file);
        names.push(name);
    }
    Ok(names)
}

/// Returns the paths that projects need of a package.
fn parts(package: &str) -> Vec<&'static str> {
    let of = PROJECTS.iter().filter(|project| project.package == package);
    of.flat_map(|project| project.parts).copied().collect()
}

/// Runs `cargo check` with the project's sources. Returns `None` if they do not compile, or a
/// skeleton does not.
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
        .map_err(|_| "the reader of cargo's output panicked")?;
    if !output.status.success() {
        return Ok(None);
    }
    let out = build::out_dir_in(&output.stdout, PACKAGE)
        .ok_or_else(|| format!("cargo ran no build script of {MANIFEST}"))?;
    let objects = disk::read_to_string(&out.join("objects"))?;
    Ok(Some(Built {
        objects: objects.lines().map(str::to_owned).collect(),
        warnings,
        out,
    }))
}

/// Returns `true` for the first line of a warning of the build script; a warning may have several.
fn is_warning(line: &str) -> bool {
    line.starts_with(WARNING) && line.matches("warning: ").count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_a_package_for_all_its_projects() {
        let parts = parts("pcp");
        assert_eq!(parts.len(), 3, "{parts:?}");
        assert!(parts.contains(&BCC_TOOLS));
    }

    #[test]
    fn counts_warnings_by_their_first_line() {
        let of = |rest: &str| format!("{WARNING}0.1.0: {rest}");
        assert!(is_warning(&of(
            "/a/klockstat.bpf.c:5: warning: it declares `long ret`"
        )));
        assert!(!is_warning(&of("  help: declare it as it is")));
        assert!(!is_warning("warning: unused variable"));
    }

    #[test]
    fn has_settings_for_every_project() {
        let script = include_str!("../../../../benches/programs/build.rs");
        for project in PROJECTS {
            let arm = format!("\n        \"{}\" => ", project.name);
            assert!(script.contains(&arm), "{}", project.name);
        }
    }
}
