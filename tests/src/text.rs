//! Texts that users see, without what differs from machine to machine.

use std::path::Path;

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a member lies in the workspace")
}

/// Replaces paths by names, as in `("[out]", "/tmp/x/out")`, and leaves out what clang's versions do differently: the line
/// numbers beside the source, which begin with clang 18, and the spaces at the ends of lines.
pub fn redact(text: &str, paths: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (name, path) in paths {
        text = text.replace(path, name);
    }
    text.lines()
        .map(|line| without_gutter(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `   29 |   if (x)` as `  if (x)`.
fn without_gutter(line: &str) -> &str {
    match line.split_once(" | ") {
        Some((gutter, source)) if gutter.trim().bytes().all(|b| b.is_ascii_digit()) => source,
        _ => line,
    }
}
