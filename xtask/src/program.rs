//! Other programs, with errors that name the program and quote its output.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a program to its end and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = name(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .output()
        .map_err(|e| format!("cannot run `{name}`: {e}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "`{name}` failed ({}): {}",
        output.status,
        last_lines(said.trim(), 6)
    ))
}

/// Runs a program to its end, with this process's output. A status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = name(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|e| format!("cannot run `{name}`: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{name}` failed ({status})"))
    }
}

/// Returns the cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Returns the directory of the workspace's Cargo.toml.
pub(crate) fn workspace() -> PathBuf {
    // Set when cargo runs this program. The compiled-in path is wrong in a copy of the workspace
    // that includes `target`.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask
        .parent()
        .map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// Returns cargo's target directory, which this executable is in.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().map_err(|e| format!("cannot find this executable: {e}"))?;
    let profile = exe.parent().and_then(Path::parent);
    profile
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} is not in a target directory", exe.display()))
}

/// Returns a program on PATH or in `sbin`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(sbin)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Returns the program's name and its first arguments.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(command.get_program())
            .to_string_lossy(),
    ];
    let args = command.get_args().map(|arg| arg.to_string_lossy());
    words.extend(args.filter(|arg| !arg.is_empty()).take(8));
    words.join(" ")
}

/// Returns the last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_quotes_a_failed_program() {
        let error = output(Command::new("sh").args(["-c", "echo no such luck >&2; exit 3"]));
        let error = error.expect_err("the shell exits 3");
        assert!(error.contains("`sh -c"), "{error}");
        assert!(error.contains("no such luck"), "{error}");
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn returns_last_lines() {
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
