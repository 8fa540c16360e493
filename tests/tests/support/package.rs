//! A package with a build script, as cargo would run it.
#![allow(dead_code)] // No test uses all of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use btf_tests::text::redact;

/// A package with a build script, in a folder of its own.
pub(crate) struct Package {
    pub(crate) dir: PathBuf,
}

impl Package {
    pub(crate) fn new(name: &str) -> Package {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(env!("CARGO_CRATE_NAME"))
            .join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir_all(dir.join("out")).unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        Package { dir }
    }

    /// With a source `src/bpf/x.bpf.c`.
    pub(crate) fn with_source(name: &str, text: &str) -> Package {
        let package = Package::new(name);
        package.write("src/bpf/x.bpf.c", text);
        package
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes `bin/NAME`, a program that says what `--version` of a clang says and can do nothing else.
    pub(crate) fn fake(&self, name: &str, version: &str) {
        self.wrapper(name, &format!("echo '{version}'"));
    }

    /// Writes `bin/NAME`, an executable shell script, as wrappers of clang are.
    pub(crate) fn wrapper(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/bin/sh\n{script}\n"));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.dir.join(&path), executable).unwrap();
    }

    /// The build script as cargo starts it.
    pub(crate) fn script(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_build-script"));
        command
            .args(args)
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("OUT_DIR", self.dir.join("out"))
            .env("TARGET", "x86_64-unknown-linux-gnu")
            .env("HOST", "x86_64-unknown-linux-gnu")
            .env("CARGO_CFG_TARGET_ARCH", "x86_64")
            .env("CARGO_CFG_TARGET_ENDIAN", "little")
            // An error is no panic.
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// What `output` says on standard error, which cargo shows when a build script fails.
    pub(crate) fn error(&self, output: &Output) -> String {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        self.redact(&output.stderr)
    }

    /// The `cargo::warning=` lines of one that succeeds.
    pub(crate) fn warnings(&self, output: &Output) -> String {
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let stdout = str::from_utf8(&output.stdout).unwrap();
        let warnings: Vec<_> = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("cargo::warning="))
            .collect();
        self.redact(warnings.join("\n").as_bytes())
    }

    pub(crate) fn redact(&self, bytes: &[u8]) -> String {
        let text = str::from_utf8(bytes).unwrap();
        redact(text, &[("[package]", self.dir.to_str().unwrap())])
    }
}
