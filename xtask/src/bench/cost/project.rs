//! A project that is built to be measured.

use crate::vm::shared_library;
use crate::{Result, disk, program, tool};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SOURCE: &str = include_str!("../../../../benches/cost/cost.bpf.c");

/// Text of the source that an edit changes.
const EDITED: &str = "max_entries, 10240";

/// A clang that notes how long it took to compile.
const TIMED_CLANG: &str = r#"#!/bin/sh
started=$(date +%s%N)
"$BTF_COST_CLANG" "$@"
status=$?
case "$*" in *.bpf.c*) echo $(($(date +%s%N) - started)) >>"$BTF_COST_LOG" ;; esac
exit $status
"#;

/// Times of a run of cargo.
pub(crate) struct Build {
    pub(crate) wall: Duration,
    /// CPU time of cargo and its child processes.
    pub(crate) cpu: Duration,
    /// Time of clang's compilations, if there were any.
    pub(crate) clang: Option<Duration>,
}

/// A directory with a package `cost`.
pub(crate) struct Project {
    dir: PathBuf,
}

impl Project {
    /// Returns the project with btf-core and btf-build.
    pub(crate) fn ours(dir: &Path) -> Result<Project> {
        let mut manifest = include_str!("../../../../benches/cost/ours/manifest.toml").to_owned();
        manifest += "\n[patch.crates-io]\n";
        for name in ["btf-obj", "btf-core", "btf-build", "btf-skel-macros"] {
            let path = program::workspace().join(name);
            manifest += &format!("{name} = {{ path = {path:?} }}\n");
        }
        Project::write(
            dir,
            &manifest,
            include_str!("../../../../benches/cost/ours/build.rs"),
            include_str!("../../../../benches/cost/ours/main.rs"),
        )
    }

    /// Returns the project with libbpf-cargo.
    pub(crate) fn theirs(dir: &Path) -> Result<Project> {
        Project::write(
            dir,
            include_str!("../../../../benches/cost/theirs/manifest.toml"),
            include_str!("../../../../benches/cost/theirs/build.rs"),
            include_str!("../../../../benches/cost/theirs/main.rs"),
        )
    }

    fn write(dir: &Path, manifest: &str, build: &str, main: &str) -> Result<Project> {
        let project = Project {
            dir: dir.to_owned(),
        };
        disk::empty_dir(dir)?;
        disk::create_dir(&dir.join("src/bpf"))?;
        let files = [
            ("Cargo.toml", manifest),
            ("build.rs", build),
            ("src/main.rs", main),
            ("src/bpf/cost.bpf.c", SOURCE),
            ("clang", TIMED_CLANG),
        ];
        for (file, text) in files {
            disk::write(&dir.join(file), text.as_bytes())?;
        }
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.join("clang"), executable)
            .map_err(|e| format!("cannot make the timed clang executable: {e}"))?;
        // Downloads are not a cost of building.
        program::output(project.cargo()?.arg("fetch"))?;
        Ok(project)
    }

    /// Returns a cargo without this workspace's settings and target directory.
    fn cargo(&self) -> Result<Command> {
        let clang = tool::clang(14).ok_or("no clang 14 or newer on PATH")?;
        let mut cargo = program::cargo();
        cargo.current_dir(&self.dir);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_PKG_") {
                cargo.env_remove(&*name);
            }
        }
        cargo
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("CARGO_TARGET_DIR", self.target())
            .env("BTF_COST_CLANG", clang)
            .env("BTF_COST_LOG", self.log())
            .env("BTF_BUILD_CLANG", self.dir.join("clang"));
        Ok(cargo)
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.dir.join("target")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("clang.log")
    }

    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        self.target().join(profile).join("cost")
    }

    /// Returns the number of crates, without the package itself.
    pub(crate) fn crates(&self) -> Result<usize> {
        let args = ["tree", "-e", "normal,build", "--prefix", "none"];
        let tree = program::output(self.cargo()?.args(args))?;
        Ok(names(&String::from_utf8_lossy(&tree)).len())
    }

    /// Builds and measures.
    pub(crate) fn build(&self, args: &[&str]) -> Result<Build> {
        let mut cargo = self.cargo()?;
        cargo.args(args);
        self.measured(cargo)
    }

    /// Builds again with a build script that does nothing: the rest is cargo's own time, which
    /// compiles and links the application after any build script.
    pub(crate) fn build_idle(&self) -> Result<Build> {
        let mut cargo = self.cargo()?;
        cargo.arg("build").env("BTF_COST_IDLE", "1");
        self.measured(cargo)
    }

    fn measured(&self, mut cargo: Command) -> Result<Build> {
        disk::write(&self.log(), b"")?;
        cargo.arg("--offline").stdin(Stdio::null());
        let (started, before) = (Instant::now(), children_cpu()?);
        program::output(&mut cargo)?;
        let (wall, cpu) = (started.elapsed(), children_cpu()?.saturating_sub(before));
        let log = disk::read_to_string(&self.log())?;
        let times: Vec<u64> = log.lines().filter_map(|line| line.parse().ok()).collect();
        let clang = times.iter().copied().map(Duration::from_nanos);
        Ok(Build {
            wall,
            cpu,
            clang: (!times.is_empty()).then(|| clang.sum()),
        })
    }

    /// Builds a static binary as README describes, runs it, and returns how many files it needs.
    pub(crate) fn build_static(&self) -> Result<usize> {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let mut cargo = self.cargo()?;
        cargo
            .args(["build", "--release", "--offline", "--target", TARGET])
            .env("RUSTFLAGS", "-C target-feature=+crt-static");
        program::output(&mut cargo)?;
        let binary = self.target().join(TARGET).join("release/cost");
        let said = program::output(&mut Command::new(&binary))?;
        if said != b"usage: cost PID\n" {
            let said = String::from_utf8_lossy(&said);
            return Err(format!("the static binary printed `{}`", said.trim()));
        }
        Ok(shared_library::needed(&binary)?.len())
    }

    /// Updates the source's modification time only.
    pub(crate) fn touch(&self) -> Result<()> {
        let source = disk::read_to_string(&self.dir.join("src/bpf/cost.bpf.c"))?;
        self.save(&source)
    }

    /// Changes the source so that the object changes.
    pub(crate) fn edit(&self, round: usize) -> Result<()> {
        let entries = 10_241 + round;
        self.save(&SOURCE.replace(EDITED, &format!("max_entries, {entries}")))
    }

    fn save(&self, source: &str) -> Result<()> {
        disk::write(&self.dir.join("src/bpf/cost.bpf.c"), source.as_bytes())
    }

    /// Copies the `vmlinux.h` of the other project.
    pub(crate) fn adopt_vmlinux(&self, other: &Project) -> Result<()> {
        let files = disk::walk(&other.target())?;
        let found = files.iter().find(|file| disk::name(file) == "vmlinux.h");
        let found = found.ok_or("the build wrote no vmlinux.h")?;
        disk::write(&self.dir.join("src/bpf/vmlinux.h"), &disk::read(found)?)
    }
}

/// Returns the crates of a `cargo tree`, except the first, which is the package itself.
fn names(tree: &str) -> BTreeSet<&str> {
    let lines = tree.lines().skip(1);
    let words = lines.filter_map(|line| line.split(' ').next());
    words
        .filter(|name| !name.is_empty() && !name.starts_with('['))
        .collect()
}

/// Returns the CPU time of all descendants that have been waited for.
fn children_cpu() -> Result<Duration> {
    let stat = disk::read_to_string(Path::new("/proc/self/stat"))?;
    let ticks = ticks(&stat).ok_or_else(|| format!("/proc/self/stat says `{stat}`"))?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// Returns user and system time of children: words 16 and 17; word 2 may contain spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace().skip(13);
    Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_crates_once() {
        let tree = "cost v0.1.0 (/x)\na v1\nb v2 (*)\na v1 (*)\n\n[build-dependencies]\nb v2\n";
        assert_eq!(names(tree).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn measures_children() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 30 12 20 0 1";
        assert_eq!(ticks(stat), Some(42));
        let before = children_cpu().unwrap();
        program::output(
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]),
        )
        .unwrap();
        assert!(children_cpu().unwrap() > before);
    }

    #[test]
    fn finds_the_text_to_edit() {
        assert_eq!(SOURCE.matches(EDITED).count(), 1);
    }
}
