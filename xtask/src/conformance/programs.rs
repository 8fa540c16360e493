//! The suite `programs`: BPF programs of well-known projects, taken unchanged from Debian's source packages. They are compiled by
//! btf-build with the headers that it brings, and their skeletons checked by rustc, as in any crate that uses them. That crate is
//! `benches/programs`. The objects are then loaded in a booted kernel by libbpf and by btf-core, and compared program by program.

use super::sides::{self, Comparison, Kept, Sides};
use crate::kernel::Selection;
use crate::source_package::{SourcePackage, SourcePackages};
use crate::{Result, build, disk, peers, program, tool, unexpected, value};
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
    /// Names of its objects.
    objects: Vec<String>,
    warnings: usize,
    /// Where the objects are.
    out: PathBuf,
}

/// What is to be told about it.
struct Row {
    project: &'static str,
    /// The package and its version.
    package: String,
    /// Objects as they are named for loading; `None` if one was not made, or a skeleton is wrong.
    objects: Option<Vec<String>>,
    warnings: usize,
}

#[derive(Default)]
struct Options {
    selection: Selection,
    /// Only projects with one of these in their name.
    filters: Vec<String>,
    /// Whether nothing is loaded.
    build_only: bool,
    /// Where the summary is written.
    write: Option<PathBuf>,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    let selection = &options.selection;
    tool::install(tool::PROGRAMS)?;
    let kernel = selection.kernel(KERNEL.parse()?)?;
    let mut packages = SourcePackages::new(selection.refresh, selection.offline);
    let dir = program::target_dir()?.join("conformance/programs-loaded");
    disk::empty_dir(&dir)?;
    let (mut rows, mut files) = (Vec::new(), Vec::new());
    for project in PROJECTS {
        let filters = &options.filters;
        if !filters.is_empty() && !filters.iter().any(|filter| project.name.contains(filter)) {
            continue;
        }
        let sources = packages.fetch(project.package, &parts(project.package))?;
        let package = format!("{} {}", sources.name, sources.version);
        eprintln!("== {} ({package})", project.name);
        let built = check(project, &sources, &kernel.btf(), selection.offline)?;
        let warnings = built.as_ref().map_or(0, |built| built.warnings);
        let objects = match built {
            Some(built) => Some(collect(project.name, &built, &dir, &mut files)?),
            None => None,
        };
        rows.push(Row {
            project: project.name,
            package,
            objects,
            warnings,
        });
    }
    if rows.is_empty() {
        return Err("no project is left to build".to_owned());
    }
    let mut kept = Kept::open(&dir.join("outcomes.tsv"))?;
    if !options.build_only && !files.is_empty() {
        let sides = Sides {
            loader: &peers::loader(selection)?,
            kernel: &kernel,
            are_sized: true,
        };
        sides.load(&mut kept, files, &[0, 1])?;
    }
    let text = report(&rows, &kept, &kernel.release, options.build_only);
    print!("{text}");
    if let Some(path) = &options.write {
        disk::write(path, text.as_bytes())?;
    }
    let is_wrong = |row: &Row| match &row.objects {
        Some(objects) => Comparison::new(&kept, objects).is_behind(),
        None => true,
    };
    Ok(u8::from(rows.iter().any(is_wrong)))
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--write" => options.write = Some(value(arg, &mut rest)?.into()),
            "--build-only" => options.build_only = true,
            "--kernel" => {
                return Err(format!(
                    "the types are those of {KERNEL}, and so is the kernel"
                ));
            }
            _ if options.selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, super::USAGE)),
            _ => options.filters.push(arg.clone()),
        }
    }
    Ok(options)
}

/// Copies a project's objects to where those of all are; their new names. libbpf cuts a name at its first dot.
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

const HEADING: &str = "# Programs of others

BPF programs of well-known projects, unchanged, from Debian's source packages: compiled by btf-build with the headers that it brings, their skeletons
checked by rustc with warnings denied, and the objects loaded in a booted kernel by libbpf 1.7 and by btf-core. Maps whose size a project's application sets are
given one on both sides. `cargo xtask conformance programs --write FILE` makes this page.

";

/// The summary, a row for each project.
fn report(rows: &[Row], kept: &Kept, release: &str, build_only: bool) -> String {
    let mut text = HEADING.to_owned();
    text += &format!("Kernel {release}. A row is a program, or an object as a whole.\n\n");
    text += "| project | package | objects | warnings of clang and btf-build | load with both | with neither | only here | only with libbpf |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    let (mut notes, mut refused) = (Vec::new(), Vec::new());
    for row in rows {
        let Some(objects) = &row.objects else {
            text += &format!("| {} | {} | FAILED |\n", row.project, row.package);
            continue;
        };
        let of = Comparison::new(kept, objects);
        let counts = [
            of.both,
            of.neither,
            of.only_ours.len(),
            of.only_libbpf.len(),
        ];
        let counts = counts.map(|n| match build_only {
            true => "-".to_owned(),
            false => n.to_string(),
        });
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            row.project,
            row.package,
            objects.len(),
            row.warnings,
            counts.join(" | ")
        );
        refused.extend(refusals(&of));
        let alone = of.only_ours.iter().map(|row| (row, "libbpf"));
        let alone = alone.chain(of.only_libbpf.iter().map(|row| (row, "btf-core")));
        let alone = alone.chain(of.endless.iter().map(|row| (row, "a load")));
        for (row, side) in alone {
            notes.push(format!(
                "* `{}`, `{}`: {}\n",
                row.object,
                row.program,
                row.said(side)
            ));
        }
    }
    if !notes.is_empty() {
        text += "\nWhat one side alone loads:\n\n";
        text += &notes.concat();
    }
    if !refused.is_empty() {
        text += "\nWhat neither loads, with the first reason that btf-core gives. Functions that a kernel lacks may be for the application to choose:\n\n";
        text += &refused.concat();
    }
    text
}

/// A line for each object of which neither side loads something.
fn refusals(of: &Comparison) -> Vec<String> {
    let of_one = of.refused.chunk_by(|a, b| a.object == b.object);
    let line = |rows: &[sides::Row]| {
        let first = rows.first()?;
        // What to try comes after it, and the log.
        let why = first.why.split(" help: ").next()?;
        let why = why.split(" verifier log").next()?;
        let about = format!("object `{}`: ", first.object);
        let why = why.strip_prefix(&about).unwrap_or(why);
        let many = if rows.len() == 1 { "" } else { "s" };
        let count = rows.len();
        Some(format!("* `{}`, {count} row{many}: {why}\n", first.object))
    };
    of_one.filter_map(line).collect()
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
    let out = out_dir(&String::from_utf8_lossy(&output.stdout))?;
    let objects = disk::read_to_string(&out.join("objects"))?;
    Ok(Some(Built {
        objects: objects.lines().map(str::to_owned).collect(),
        warnings,
        out,
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
