//! Environment variables: all that are read are read here. Cargo is told about those that it does
//! not set itself.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;

use jobserver::FromEnvErrorKind;

use crate::error::{Error, Result};

/// Variables of users, by which cargo runs the build script again. The table in the crate's
/// documentation has each.
///
/// The last of them are not read here but by `cc` and clang.
const TRACKED: [&str; 10] = [
    "BTF_BUILD_CLANG",
    "CLANG",
    "BTF_BUILD_VMLINUX",
    "BTF_BUILD_KERNEL_BTF",
    "CFLAGS_bpfel_unknown_none",
    "CFLAGS_bpfel-unknown-none",
    "CFLAGS_bpfeb_unknown_none",
    "CFLAGS_bpfeb-unknown-none",
    "CPATH",
    "C_INCLUDE_PATH",
];

/// Flags for other compilers than this one, which `cc` takes over and we take out.
const OF_THE_HOST: [&str; 3] = ["CFLAGS", "HOST_CFLAGS", "TARGET_CFLAGS"];

/// How the names of variables begin that `cc` may go by.
const OF_CC: [&str; 6] = [
    "CC",
    "CFLAGS",
    "HOST_C",
    "TARGET_C",
    "CRATE_CC",
    "CROSS_COMPILE",
];

/// Tells cargo about all variables of users, whichever come to be read.
pub(crate) fn track() {
    for name in TRACKED {
        println!("cargo::rerun-if-env-changed={name}");
    }
}

/// A variable of users, unless it is empty.
pub(crate) fn user(name: &str) -> Option<OsString> {
    debug_assert!(TRACKED.contains(&name), "{name} is not tracked");
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that cargo sets for build scripts.
///
/// # Errors
///
/// If it is not set: then this is no build script.
pub(crate) fn cargo(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| {
        Error::new(format!("the environment variable {name} is not set"))
            .help("btf-build is called from build.rs, which cargo runs with that variable set")
    })
}

/// The folder that everything is written below.
pub(crate) fn out_dir() -> Result<PathBuf> {
    cargo("OUT_DIR").map(PathBuf::from)
}

/// The folder of `Cargo.toml`, in which cargo runs build scripts.
pub(crate) fn package() -> Result<PathBuf> {
    std::env::current_dir()
        .map_err(|e| Error::new(format!("the package's folder cannot be told: {e}")))
}

/// Folders that programs are looked for in.
pub(crate) fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// How many jobs cargo was told to run at once, else as many as there are processors.
pub(crate) fn jobs() -> usize {
    let told = std::env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok());
    told.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// The jobserver that the environment names.
pub(crate) enum Jobserver {
    Connected(jobserver::Client),
    /// The environment has make's flags, but they name no jobserver that this process can use.
    Unusable,
    /// The environment has no flags of make.
    None,
}

/// Connects to cargo's jobserver.
pub(crate) fn jobserver() -> Jobserver {
    // SAFETY: file descriptors that the flags name belong to the pipe that cargo created and that
    // this process inherited; the client duplicates them and only closes its own. It checks that
    // they are open and are pipes.
    let found = unsafe { jobserver::Client::from_env_ext(true) };
    match found.client {
        Ok(client) => Jobserver::Connected(client),
        Err(e) if matches!(e.kind(), FromEnvErrorKind::NoEnvVar) => Jobserver::None,
        Err(_) => Jobserver::Unusable,
    }
}

/// What `cc` may go by, with its values.
pub(crate) fn of_cc() -> Vec<(OsString, OsString)> {
    let is_of_cc = |name: &OsString| {
        let name = name.to_string_lossy();
        OF_CC.iter().any(|beginning| name.starts_with(beginning))
    };
    let mut variables: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| is_of_cc(name))
        .collect();
    variables.sort();
    variables
}

/// Flags of the host's compiler, a list for each variable that has some.
pub(crate) fn host_flags() -> Vec<Vec<OsString>> {
    let values = OF_THE_HOST
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    let lists = values.map(|value| value.split_ascii_whitespace().map(OsString::from).collect());
    lists.filter(|flags: &Vec<_>| !flags.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Names in the first column of the table in the crate's documentation.
    fn documented() -> BTreeSet<String> {
        let text = include_str!("lib.rs");
        let (_, section) = text.split_once("//! # Environment\n").expect("the section");
        let (section, _) = section.split_once("//! # ").expect("its end");
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("//! | "));
        let cells = rows.map(|row| row.split(" | ").next().unwrap_or_default());
        let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        names.map(str::to_owned).collect()
    }

    #[test]
    fn every_tracked_variable_is_documented_and_no_other() {
        let tracked: BTreeSet<String> = TRACKED.iter().map(|name| name.to_string()).collect();
        let documented = documented();
        // The other spelling of the same.
        let dashed = |name: &str| name.replace("-unknown-", "_unknown_");
        let expected: BTreeSet<String> = tracked.iter().map(|name| dashed(name)).collect();
        assert_eq!(documented, expected);
    }

    #[test]
    fn what_is_not_tracked_is_named_below_the_table() {
        let text = include_str!("lib.rs");
        for name in ["CFLAGS", "PATH", "OUT_DIR", "NUM_JOBS", "CARGO_MAKEFLAGS"] {
            assert!(text.contains(&format!("`{name}`")), "{name}");
        }
    }

    /// Rust files below a folder.
    fn sources(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files = entries.flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        });
        files.collect()
    }

    #[test]
    fn variables_are_read_nowhere_else() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = sources(&here);
        assert!(files.len() > 15);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests do as they like.
            let code = text.split("#[cfg(test)]").next().unwrap();
            let is_here = file.ends_with("environment.rs");
            let tells = code.contains("rerun-if-env-changed");
            assert!(!code.contains("env::var") || is_here, "{}", file.display());
            assert!(!tells || is_here, "{}", file.display());
        }
    }
}
