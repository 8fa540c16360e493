//! Finding the object of a name in `OUT_DIR`, and saying what is there when it is not.

use std::path::{Path, PathBuf};

const SUFFIX: &str = ".bpf.o";

/// The path of an object.
///
/// # Errors
///
/// A sentence that says why there is none, with the names that come close.
pub(crate) fn object(name: &str, out_dir: Option<&Path>) -> Result<PathBuf, String> {
    let Some(out_dir) = out_dir else {
        return Err("OUT_DIR is not set, because this package has no build script: add a build.rs that calls \
                    btf_build::build(\"src/bpf/NAME.bpf.c\"), and btf-build to [build-dependencies]"
            .to_owned());
    };
    if name.ends_with(".c") || name.ends_with(".o") || name.contains('/') {
        let stem = Path::new(name)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let stem = stem.split('.').next().unwrap_or_default();
        return Err(format!(
            "`{name}` is a path, but include_skel! takes a name: \"{stem}\""
        ));
    }
    let path = out_dir.join(format!("{name}{SUFFIX}"));
    if path.is_file() {
        return Ok(path);
    }
    let built = built(out_dir);
    let mut message = format!("there is no BPF object `{name}`");
    if let Some(near) = nearest(name, &built) {
        message += &format!("; did you mean `{near}`?");
    } else if !built.is_empty() {
        message += &format!("; build.rs has built {}", quoted(&built));
    }
    Err(message + &format!(" (build.rs makes it with btf_build::build(\"src/bpf/{name}.bpf.c\"))"))
}

/// Names of the objects that were built.
fn built(out_dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(out_dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(SUFFIX)
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The name that is at most a third of its length away.
fn nearest<'n>(name: &str, names: &'n [String]) -> Option<&'n str> {
    names
        .iter()
        .map(|candidate| (distance(name, candidate), candidate.as_str()))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two names: insertions, deletions, replacements, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("tcptpo", "tcptop"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("opensnoop", "opensnop"), 1);
    }

    #[test]
    fn far_names_are_not_suggested() {
        let names = ["opensnoop".to_owned(), "tcptop".to_owned()];
        assert_eq!(nearest("tcptpo", &names), Some("tcptop"));
        assert_eq!(nearest("biolatency", &names), None);
    }

    #[test]
    fn a_path_is_told_from_a_name() {
        let error = object("src/bpf/x.bpf.c", Some(Path::new("/nowhere"))).unwrap_err();
        assert_eq!(
            error,
            "`src/bpf/x.bpf.c` is a path, but include_skel! takes a name: \"x\""
        );
    }
}
