//! Programs that a task needs besides Rust, the Debian packages they come in, and getting them.

use crate::{Result, disk, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and where it comes from.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    package: &'static str,
    present: fn() -> bool,
}

/// Compiles the C programs; any that `btf-build` accepts will do.
pub(crate) const CLANG: Tool = Tool {
    name: "clang 14 or newer",
    package: "clang",
    present: || clang().is_some(),
};

/// Compiles the kernel's selftests, which ask for newer builtins than the workspace's own programs.
pub(crate) const CLANG_19: Tool = Tool {
    name: "clang-19",
    package: "clang-19",
    present: || program::find("clang-19").is_some(),
};

pub(crate) const QEMU: Tool = Tool {
    name: "qemu-system-x86_64",
    package: "qemu-system-x86",
    present: || program::find("qemu-system-x86_64").is_some(),
};

/// Debian's kernels and modules are compressed with it.
pub(crate) const XZ: Tool = Tool {
    name: "xz",
    package: "xz-utils",
    present: || program::find("xz").is_some(),
};

/// Some sources are compressed with it.
pub(crate) const BZIP2: Tool = Tool {
    name: "bzip2",
    package: "bzip2",
    present: || program::find("bzip2").is_some(),
};

/// Compiles libFuzzer.
pub(crate) const CXX: Tool = Tool {
    name: "c++",
    package: "g++",
    present: || program::find("c++").is_some(),
};

pub(crate) const BPFTOOL: Tool = Tool {
    name: "bpftool",
    package: "bpftool",
    present: || program::find("bpftool").is_some(),
};

/// What libbpf is built with: the peers need it, the crates never do.
pub(crate) const LIBBPF: &[Tool] = &[
    Tool {
        name: "cc",
        package: "gcc",
        present: || program::find("cc").is_some(),
    },
    Tool {
        name: "make",
        package: "make",
        present: || program::find("make").is_some(),
    },
    Tool {
        name: "pkg-config",
        package: "pkg-config",
        present: || program::find("pkg-config").is_some(),
    },
    Tool {
        name: "libelf.h",
        package: "libelf-dev",
        present: || Path::new("/usr/include/libelf.h").exists(),
    },
    Tool {
        name: "zlib.h",
        package: "zlib1g-dev",
        present: || Path::new("/usr/include/zlib.h").exists(),
    },
];

/// Everything that it takes to boot a kernel.
pub(crate) const VM: &[Tool] = &[QEMU, XZ];

/// The oldest clang that compiles every program of the workspace.
const OLDEST_CLANG: u32 = 14;

/// Fails with the packages to install if something is missing.
pub(crate) fn need(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    Err(format!(
        "missing: {}. Install with: apt-get install --no-install-recommends {}",
        names.join(", "),
        packages.join(" ")
    ))
}

/// Installs what is missing, if this is root on a Debian machine; else says what to install.
pub(crate) fn install(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.present)()).collect();
    let root = rustix::process::geteuid().is_root();
    if missing.is_empty() || !root || program::find("apt-get").is_none() {
        return need(tools);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    eprintln!("installing {}", packages.join(" "));
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "-y"])
            .args(args);
        program::output(&mut command)
    };
    let install: Vec<&str> = ["install", "--no-install-recommends"]
        .into_iter()
        .chain(packages)
        .collect();
    // Images of containers come without package lists, others with old ones.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    need(tools)
}

/// A clang that compiles every program of the workspace: the first on PATH.
pub(crate) fn clang() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|dir| clang_in(&dir))
}

fn clang_in(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let is_new_enough = |path: &PathBuf| {
        let name = disk::name(path);
        match name.strip_prefix("clang-").map(str::parse::<u32>) {
            Some(version) => version.is_ok_and(|version| version >= OLDEST_CLANG),
            None => name == "clang" && clang_version(dir).is_some_and(|v| v >= OLDEST_CLANG),
        }
    };
    entries.map(|entry| entry.path()).find(is_new_enough)
}

/// The major version that `clang --version` states.
fn clang_version(dir: &Path) -> Option<u32> {
    let out = program::output(Command::new(dir.join("clang")).arg("--version")).ok()?;
    version_in(&String::from_utf8_lossy(&out))
}

fn version_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("clang version ")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clang_versions() {
        assert_eq!(
            version_in("Debian clang version 14.0.6\nTarget: x"),
            Some(14)
        );
        assert_eq!(version_in("clang version 19.1.7 (3)"), Some(19));
        assert_eq!(version_in("gcc (Debian) 12"), None);
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let absent = Tool {
            name: "flux",
            package: "flux-capacitor",
            present: || false,
        };
        let error = need(&[absent]).expect_err("absent");
        assert!(error.contains("missing: flux. "), "{error}");
        assert!(
            error.ends_with("apt-get install --no-install-recommends flux-capacitor"),
            "{error}"
        );
        let present = Tool {
            name: "sh",
            package: "dash",
            present: || true,
        };
        assert_eq!(need(&[present]), Ok(()));
    }
}
