//! Building the workspace's own programs with cargo, and finding them afterwards.

use crate::kernel::Selection;
use crate::{Result, program, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the running kernel offers of itself.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The environment variable that gives `btf-build` another kernel's BTF.
const VMLINUX_BTF: &str = "BTF_BUILD_VMLINUX";

/// A cargo that can build the BPF programs here: where the running kernel has no BTF, with that
/// of a Debian kernel instead.
pub(crate) fn cargo(selection: &Selection) -> Result<Command> {
    let mut cargo = program::cargo();
    if !Path::new(KERNEL_BTF).exists() && std::env::var_os(VMLINUX_BTF).is_none() {
        tool::install(tool::KERNEL)?;
        let newest = Selection {
            names: Vec::new(),
            ..selection.clone()
        };
        for kernel in newest.kernels()? {
            eprintln!(
                "note: this kernel has no BTF; building with that of {}",
                kernel.release
            );
            cargo.env(VMLINUX_BTF, kernel.btf());
        }
    }
    Ok(cargo)
}

/// A cargo that builds what kernel cases run. Under emulation, an unoptimised btf-core takes seconds for a kernel's types; users'
/// and developers' own builds are left as they are, because it takes longer to compile so.
pub(crate) fn cargo_for_guests(selection: &Selection) -> Result<Command> {
    let mut cargo = cargo(selection)?;
    cargo.args(["--config", "profile.dev.package.btf-core.opt-level=1"]);
    Ok(cargo)
}

/// Runs a building cargo command and returns the one executable that it names.
///
/// # Errors
/// If it does not build; cargo and the compilers have then said why on standard error.
pub(crate) fn executable(cargo: Command, args: &[&str]) -> Result<PathBuf> {
    let messages = messages(cargo, args)?;
    // Beside a test, cargo builds the package's programs, and in no certain order.
    let wanted = args
        .windows(2)
        .find(|pair| matches!(pair[0], "--test" | "--bin"));
    let wanted = wanted.map(|pair| format!("\"name\":\"{}\"", pair[1]));
    let is_wanted = |line: &&str| wanted.as_ref().is_none_or(|name| line.contains(name));
    let executables = messages.lines().filter(is_wanted);
    let last = executables.filter_map(named_executable).next_back();
    last.ok_or_else(|| format!("`cargo {}` built no executable", args.join(" ")))
}

/// The `OUT_DIR` of a package's build script.
///
/// # Errors
/// If it does not build, or the package has no build script.
pub(crate) fn out_dir(cargo: Command, args: &[&str], package: &str) -> Result<PathBuf> {
    let messages = messages(cargo, args)?;
    script_dir(&messages, package).ok_or_else(|| {
        format!(
            "`cargo {}` ran no build script of {package}",
            args.join(" ")
        )
    })
}

/// Returns the package's `OUT_DIR` from cargo's messages. An ID omits the package name if it equals
/// the name of the directory.
fn script_dir(messages: &str, package: &str) -> Option<PathBuf> {
    let (name, folder) = (format!("#{package}@"), format!("/{package}#"));
    let scripts = messages
        .lines()
        .filter(|line| line.contains("\"build-script-executed\""));
    let mut of_package = scripts.filter(|line| line.contains(&name) || line.contains(&folder));
    of_package
        .find_map(|line| quoted(line, "out_dir"))
        .map(PathBuf::from)
}

/// Runs a building cargo command and returns its messages, one a line.
fn messages(mut cargo: Command, args: &[&str]) -> Result<String> {
    cargo
        .args(args)
        .arg("--message-format=json-render-diagnostics");
    let failed = |e| format!("cannot run cargo: {e}");
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        return Err(format!("`cargo {}` failed", args.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The path in `"executable":"…"` of one of cargo's messages.
fn named_executable(message: &str) -> Option<PathBuf> {
    quoted(message, "executable").map(PathBuf::from)
}

/// The text of the first `"key":"…"` in what cargo writes as JSON.
pub(crate) fn quoted(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_build_scripts() {
        let messages = r#"{"reason":"build-script-executed","package_id":"registry+https://x#object@0.40.0","out_dir":"/t/object"}
{"reason":"build-script-executed","package_id":"path+file:///w/benches/schedulers#0.1.0","out_dir":"/t/schedulers"}
{"reason":"compiler-artifact","package_id":"path+file:///w/benches/schedulers#0.1.0"}"#;
        let dir = |package| script_dir(messages, package).map(|dir| dir.display().to_string());
        assert_eq!(dir("schedulers").as_deref(), Some("/t/schedulers"));
        assert_eq!(dir("object").as_deref(), Some("/t/object"));
        assert_eq!(dir("ects"), None);
    }

    #[test]
    fn executables_of_messages() {
        let path = |message| named_executable(message).map(|path| path.display().to_string());
        let message = r#"{"reason":"compiler-artifact","executable":"/t/a \"b\"/kernel-1","x":1}"#;
        assert_eq!(path(message).as_deref(), Some("/t/a \"b\"/kernel-1"));
        assert_eq!(
            path(r#"{"reason":"compiler-artifact","executable":null}"#),
            None
        );
    }
}
