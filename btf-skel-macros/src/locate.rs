//! Finding the object of a name in `OUT_DIR`, and saying what is there when it is not.

use std::path::{Path, PathBuf};

use btf_obj::private::{did_you_mean, similar};

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
    let missing = format!("there is no BPF object `{name}`");
    if let Some(hint) = did_you_mean(&similar(name, built.iter().map(String::as_str))) {
        return Err(format!("{missing} ({hint})"));
    }
    let makes = format!("makes `{name}` with btf_build::build(\"src/bpf/{name}.bpf.c\")");
    Err(match built.as_slice() {
        [] => format!("{missing}: build.rs {makes}"),
        built => format!(
            "{missing}: build.rs has built {}, and {makes}",
            quoted(built)
        ),
    })
}

/// The path of an object that the argument gives, relative to the package.
///
/// # Errors
///
/// A sentence that says where there is no such file.
pub(crate) fn given(path: &str, package: Option<&Path>) -> Result<PathBuf, String> {
    let path = package.unwrap_or(Path::new("")).join(path);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("there is no file {}", path.display()))
    }
}

/// A file of this ending that btf-build leaves beside an object, if there is cause for it: `target.btf` has the prototypes of
/// what its programs attach to, `btfs` the types of kernels without BTF, `docs` the comments of its source.
pub(crate) fn beside(object: &Path, name: &str, ending: &str) -> PathBuf {
    let file = object.file_name().and_then(|file| file.to_str());
    let stem = file.and_then(|file| file.strip_suffix(SUFFIX));
    object.with_file_name(format!("{}.{ending}", stem.unwrap_or(name)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_a_name() {
        let error = object("src/bpf/x.bpf.c", Some(Path::new("/nowhere"))).unwrap_err();
        assert_eq!(
            error,
            "`src/bpf/x.bpf.c` is a path, but include_skel! takes a name: \"x\""
        );
    }
}
