//! Cost of an eBPF program in a project, with these crates and with libbpf-cargo: crates, build,
//! binary.
//!
//! Two projects that do the same, from `benches/cost`, each in a directory with an empty target
//! directory. cargo fetches their crates from the registry.

mod project;
mod verdict;

use crate::vm::shared_library;
use crate::{Result, cache, disk, tool};
use project::{Build, Project};
use std::path::{Path, PathBuf};
use std::time::Duration;
use verdict::Verdicts;

/// The name of the work in the bench's table.
pub(crate) const WORK: &str = "an eBPF program in a project";

/// Most crates in the tree, including those of this workspace.
const MOST_CRATES: f64 = 28.0;
/// Share of libbpf-cargo's CPU time.
const MOST_CPU: f64 = 0.7;
/// Size of the stripped release binary, in bytes.
const MOST_BINARY: f64 = 1.2 * 1024.0 * 1024.0;
/// Seconds that a rebuild may take on top of clang and cargo. After any build script, cargo
/// compiles and links the application again, including the skeleton's expansion; no build helper
/// can avoid that, so it is measured with a build script that does nothing, and subtracted.
const MOST_OVERHEAD: f64 = 0.2;

/// Rebuilds of which the median counts.
const REBUILDS: usize = 7;

/// Libraries that any program may load.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libgcc_s.so.1",
    "linux-vdso.so.1",
    "ld-linux-x86-64.so.2",
];

/// Measures and prints. Returns `true` if all targets are met.
///
/// # Errors
///
/// If a project does not build, or a program that measures is missing.
pub(crate) fn run(json: bool) -> Result<bool> {
    tool::install(tool::COST)?;
    let dir = cache::dir()?.join("cost");
    let ours = Project::ours(&dir.join("ours"))?;
    let theirs = Project::theirs(&dir.join("theirs"))?;
    let mut verdicts = Verdicts::new(WORK, json);
    crates(&ours, &theirs, &mut verdicts)?;
    building(&ours, &theirs, &mut verdicts)?;
    rebuilding(&ours, &theirs, &mut verdicts)?;
    binaries(&ours, &theirs, &mut verdicts)?;
    Ok(verdicts.end())
}

fn crates(ours: &Project, theirs: &Project, verdicts: &mut Verdicts) -> Result<()> {
    let (ours, theirs) = (ours.crates()?, theirs.crates()?);
    verdicts.note(&format!(
        "crates in the tree: {ours}, with libbpf-cargo {theirs}"
    ));
    verdicts.target(
        "crates in the tree",
        ours as f64,
        MOST_CRATES,
        &ours.to_string(),
        "28",
    );
    Ok(())
}

fn building(ours: &Project, theirs: &Project, verdicts: &mut Verdicts) -> Result<()> {
    let cold = |project: &Project| -> Result<Build> {
        disk::remove_dir(&project.target())?;
        project.build(&["build"])
    };
    eprintln!("measuring: a cold build, btf-build");
    let ours_built = cold(ours)?;
    // Users of libbpf-cargo have a vmlinux.h at hand; here they are given the same.
    theirs.adopt_vmlinux(ours)?;
    eprintln!("measuring: a cold build, libbpf-cargo");
    let theirs_built = cold(theirs)?;
    let (us, them) = (seconds(ours_built.cpu), seconds(theirs_built.cpu));
    verdicts.note(&format!(
        "cold build: {us:.1} CPU s, with libbpf-cargo {them:.1}"
    ));
    verdicts.ratio("CPU time of a cold build", us / them, MOST_CPU);
    Ok(())
}

fn rebuilding(ours: &Project, theirs: &Project, verdicts: &mut Verdicts) -> Result<()> {
    eprintln!("measuring: rebuilds");
    let (mut over, mut cargo, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let mut edited = [Vec::new(), Vec::new()];
    // The first of each fills caches.
    for round in 0..=REBUILDS {
        ours.touch()?;
        let idle = ours.build_idle()?;
        if idle.clang.is_some() {
            return Err("a build script that does nothing ran clang".into());
        }
        ours.touch()?;
        let built = ours.build(&["build"])?;
        let clang = built.clang.ok_or("the touched source was not compiled")?;
        if round > 0 {
            let beyond = seconds(built.wall) - seconds(clang);
            over.push(beyond);
            cargo.push(seconds(idle.wall));
            own.push(beyond - seconds(idle.wall));
        }
        for (project, times) in [ours, theirs].into_iter().zip(&mut edited) {
            project.edit(round)?;
            let built = project.build(&["build"])?;
            if round > 0 {
                times.push(seconds(built.wall));
            }
        }
    }
    let [over, cargo, own] = [over, cargo, own].map(|mut times| median(&mut times));
    verdicts.note(&format!(
        "a touched .bpf.c, beyond clang's own time: {over:.2} s; with a build script that does nothing: {cargo:.2} s"
    ));
    verdicts.target(
        "a touched .bpf.c, beyond clang's and cargo's own time",
        own,
        MOST_OVERHEAD,
        &format!("{own:.2} s"),
        "0.20 s",
    );
    let [us, them] = edited.map(|mut times| median(&mut times));
    verdicts.note(&format!(
        "an edited .bpf.c, with the application compiled and linked again: {us:.2} s, with libbpf-cargo {them:.2} s"
    ));
    Ok(())
}

fn binaries(ours: &Project, theirs: &Project, verdicts: &mut Verdicts) -> Result<()> {
    eprintln!("measuring: release binaries");
    let release = |project: &Project| -> Result<f64> {
        project.build(&["build", "--release"])?;
        Ok(disk::read(&project.binary("release"))?.len() as f64)
    };
    let (us, them) = (release(ours)?, release(theirs)?);
    verdicts.note(&format!(
        "stripped release binary: {:.0} KiB, with libbpf-cargo {:.0}",
        us / 1024.0,
        them / 1024.0
    ));
    verdicts.target(
        "stripped release binary",
        us,
        MOST_BINARY,
        &format!("{:.0} KiB", us / 1024.0),
        &format!("{:.0} KiB", MOST_BINARY / 1024.0),
    );
    let more = libraries(&ours.binary("release"))?;
    let with_libbpf = libraries(&theirs.binary("release"))?;
    let with_them = sizes(&with_libbpf)? + them;
    verdicts.note(&format!(
        "with the libraries that go along: {:.0} KiB, with libbpf-cargo {:.0}",
        (sizes(&more)? + us) / 1024.0,
        with_them / 1024.0
    ));
    let with_libbpf = names(&with_libbpf).join(", ");
    verdicts.target(
        "shared libraries beyond libc and libgcc_s",
        more.len() as f64,
        0.0,
        &format!("{} (with libbpf-cargo: {with_libbpf})", more.len()),
        "0",
    );
    let needed = ours.build_static()?;
    verdicts.target(
        "files that the static binary needs",
        needed as f64,
        0.0,
        &needed.to_string(),
        "0",
    );
    Ok(())
}

/// Returns the shared libraries of a program, without those that any program may load.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let mut libraries = shared_library::needed(program)?;
    libraries.retain(|path| !LIBRARIES.contains(&disk::name(path)));
    Ok(libraries)
}

fn names(libraries: &[PathBuf]) -> Vec<&str> {
    libraries.iter().map(|path| disk::name(path)).collect()
}

/// Returns the sum of the sizes in bytes.
fn sizes(libraries: &[PathBuf]) -> Result<f64> {
    let sizes = libraries.iter().map(|path| Ok(disk::read(path)?.len()));
    Ok(sizes.sum::<Result<usize>>()? as f64)
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_median() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn leaves_out_libraries_of_every_program() {
        let this = std::env::current_exe().expect("a path");
        assert_eq!(libraries(&this), Ok(Vec::new()));
    }
}
