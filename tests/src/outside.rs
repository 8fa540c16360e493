//! Crates outside the workspace, as users have them: a folder, plain cargo, and nothing on `PATH` but what the crates ask for.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::text::workspace;

/// The programs that a user has: Rust, what it links with, and clang.
const PROGRAMS: [&str; 6] = ["cargo", "rustc", "cc", "ld", "as", "clang"];

/// A crate that is no member of the workspace.
#[derive(Debug)]
pub struct Outside {
    dir: PathBuf,
    target: PathBuf,
    path: PathBuf,
}

/// What a command printed, and whether it succeeded.
#[derive(Debug)]
pub struct Said {
    /// Whether the exit status is zero.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outside {
    /// An empty folder below `tmp`, which is `CARGO_TARGET_TMPDIR`. All such crates share a target folder, so that
    /// dependencies are built once.
    pub fn new(tmp: &str, name: &str) -> Outside {
        let base = Path::new(tmp).join("outside");
        let dir = base.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).expect("leftovers can be removed");
        }
        fs::create_dir_all(&dir).expect("a folder can be made");
        // The same versions as the workspace, so that nothing is asked of a registry.
        fs::copy(workspace().join("Cargo.lock"), dir.join("Cargo.lock")).expect("Cargo.lock");
        let path = base.join(format!("bin-{name}"));
        fs::create_dir_all(&path).expect("a folder can be made");
        for program in PROGRAMS {
            link(program, &path.join(program));
        }
        let target = base.join("target");
        Outside { dir, target, path }
    }

    /// The crate's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes `Cargo.toml`: `dependencies` are its tables of dependencies, as a user of the published crates writes them.
    pub fn manifest(&self, name: &str, dependencies: &str) {
        let mut text = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{dependencies}\n\
             # In the place of crates.io.\n[patch.crates-io]\n"
        );
        for krate in ["btf-core", "btf-build", "btf-skel-macros"] {
            let path = workspace().join(krate);
            text += &format!("{krate} = {{ path = {path:?} }}\n");
        }
        // The folder lies below the workspace's target folder, but is none of its members.
        self.write("Cargo.toml", &(text + "\n[workspace]\n"));
    }

    /// Writes a file of the crate.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().expect("below the crate")).expect("a folder can be made");
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Removes a file of the crate.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.dir.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// A file of the crate.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Runs cargo in the crate's folder.
    pub fn cargo(&self, args: &[&str]) -> Said {
        let mut command = Command::new(self.path.join("cargo"));
        command
            .args(args)
            .arg("--offline")
            .env("CARGO_TARGET_DIR", &self.target)
            // Dependencies are not to be debugged here.
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        self.run(command)
    }

    /// Runs a program that cargo has built.
    pub fn program(&self, name: &str) -> Said {
        self.run(Command::new(self.executable(name)))
    }

    /// A program that cargo has built.
    pub fn executable(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Files of this name that build scripts have written.
    pub fn built(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(&self.target.join("debug/build"), name, &mut found);
        found
    }

    fn run(&self, mut command: Command) -> Said {
        // What this process has from the cargo that runs it would stand in the way.
        for (name, _) in std::env::vars_os() {
            if is_cargos(&name) {
                command.env_remove(name);
            }
        }
        let output: Output = command
            .current_dir(&self.dir)
            .env("PATH", &self.path)
            .env("CARGO_TERM_COLOR", "never")
            // A panic is to be seen for what it is.
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        Said {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn is_cargos(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    let by_name = [
        "OUT_DIR",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "CLANG",
        "LD_LIBRARY_PATH",
    ];
    by_name.contains(&&*name)
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        || name.starts_with("BTF_BUILD_")
}

/// Puts a link to a program of `PATH` at `at`.
fn link(program: &str, at: &Path) {
    // The cargo that runs this test, rather than one that would look for a toolchain first.
    let target = if program == "cargo" {
        PathBuf::from(std::env::var_os("CARGO").expect("run by cargo"))
    } else {
        let beside_cargo =
            PathBuf::from(std::env::var_os("CARGO").expect("run by cargo")).with_file_name(program);
        let path = std::env::var_os("PATH").expect("PATH");
        std::iter::once(beside_cargo)
            .chain(std::env::split_paths(&path).map(|dir| dir.join(program)))
            .find(|file| file.is_file())
            .unwrap_or_else(|| panic!("there is no {program} on PATH"))
    };
    if fs::read_link(at).is_ok_and(|present| present == target) {
        return;
    }
    // It may not be there.
    let _ = fs::remove_file(at);
    std::os::unix::fs::symlink(target, at).expect("a link can be made");
}

fn search(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, name, found);
        } else if path.file_name() == Some(OsStr::new(name)) {
            found.push(path);
        }
    }
}
