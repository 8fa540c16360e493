//! Pages of `docs/` that a task generates: compared with the results of a run, or written.

use crate::{Result, disk};
use std::fmt::Write;
use std::path::Path;

/// Writes the page if `bless` is set, and compares it with the file otherwise.
///
/// # Errors
///
/// If the two differ, naming the lines and `command`, which writes the page; if the file cannot be
/// read or written.
pub(crate) fn settle(path: &Path, text: &str, bless: bool, command: &str) -> Result<()> {
    if bless {
        return disk::write(path, text.as_bytes());
    }
    let kept = disk::read_to_string(path)?;
    if kept == text {
        return Ok(());
    }
    let mut differs = format!("{} differs from the results:", path.display());
    for line in kept.lines().filter(|line| !text.contains(line)) {
        let _ = write!(differs, "\n  - {line}");
    }
    for line in text.lines().filter(|line| !kept.contains(line)) {
        let _ = write!(differs, "\n  + {line}");
    }
    let _ = write!(
        differs,
        "\nif the results are right, write the page with `{command}`"
    );
    Err(differs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_lines_that_differ() {
        let path = std::env::temp_dir().join(format!("blessed-{}.md", std::process::id()));
        let check = |text, bless| settle(&path, text, bless, "make page");
        check("same\nold\n", true).unwrap();
        check("same\nold\n", false).unwrap();
        let e = check("same\nnew\n", false).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert!(
            e.ends_with(
                "\n  - old\n  + new\nif the results are right, write the page with `make page`"
            ),
            "{e}"
        );
    }
}
