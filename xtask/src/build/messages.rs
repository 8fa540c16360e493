//! Cargo's messages and metadata.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// Messages of one build.
pub(super) struct Messages(Vec<Value>);

impl Messages {
    /// Parses one message per line; lines in another format are output of build tools.
    pub(super) fn parse(output: &[u8]) -> Messages {
        let lines = output.split(|byte| *byte == b'\n');
        Messages(
            lines
                .filter_map(|line| serde_json::from_slice(line).ok())
                .collect(),
        )
    }

    /// Returns the last executable, of the target `name` if one is given.
    pub(super) fn executable(&self, name: Option<&str>) -> Option<PathBuf> {
        let artifacts = self
            .0
            .iter()
            .filter(|message| name.is_none_or(|name| message["target"]["name"] == name));
        artifacts
            .filter_map(|message| message["executable"].as_str())
            .next_back()
            .map(PathBuf::from)
    }

    /// Returns the `OUT_DIR` of a package's build script.
    pub(super) fn out_dir(&self, package: &str) -> Option<PathBuf> {
        let scripts = self.0.iter().filter(|message| {
            message["reason"] == "build-script-executed"
                && message["package_id"]
                    .as_str()
                    .is_some_and(|id| is_of_package(id, package))
        });
        scripts
            .filter_map(|message| message["out_dir"].as_str())
            .next_back()
            .map(PathBuf::from)
    }
}

/// Returns `true` if a package ID has this name. An ID omits the name if it equals that of the
/// directory.
fn is_of_package(id: &str, package: &str) -> bool {
    let (source, rest) = id.rsplit_once('#').unwrap_or((id, ""));
    match rest.split_once('@') {
        Some((name, _)) => name == package,
        None => source.rsplit('/').next() == Some(package),
    }
}

/// Returns the directory of a package in the output of `cargo metadata`.
pub(super) fn package_dir(metadata: &[u8], package: &str) -> Option<PathBuf> {
    let metadata: Value = serde_json::from_slice(metadata).ok()?;
    let mut packages = metadata["packages"].as_array()?.iter();
    let package = packages.find(|candidate| candidate["name"] == package)?;
    let manifest = Path::new(package["manifest_path"].as_str()?);
    manifest.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_directories_of_build_scripts() {
        let messages = Messages::parse(
            br#"{"reason":"build-script-executed","package_id":"registry+https://x#object@0.40.0","out_dir":"/t/object"}
{"reason":"build-script-executed","package_id":"path+file:///w/benches/schedulers#0.1.0","out_dir":"/t/schedulers"}
{"reason":"compiler-artifact","package_id":"path+file:///w/benches/schedulers#0.1.0"}"#,
        );
        let dir = |package| {
            messages
                .out_dir(package)
                .map(|dir| dir.display().to_string())
        };
        assert_eq!(dir("schedulers").as_deref(), Some("/t/schedulers"));
        assert_eq!(dir("object").as_deref(), Some("/t/object"));
        assert_eq!(dir("ects"), None);
    }

    #[test]
    fn finds_executables_by_target() {
        let messages = Messages::parse(
            br#"{"reason":"compiler-artifact","target":{"name":"kernel"},"executable":"/t/a \"b\"/kernel-1"}
{"reason":"compiler-artifact","target":{"name":"suite"},"executable":"/t/suite"}
not a message
{"reason":"compiler-artifact","target":{"name":"library"},"executable":null}"#,
        );
        let path = |name| {
            messages
                .executable(name)
                .map(|path| path.display().to_string())
        };
        assert_eq!(path(Some("kernel")).as_deref(), Some("/t/a \"b\"/kernel-1"));
        assert_eq!(path(None).as_deref(), Some("/t/suite"));
        assert_eq!(path(Some("library")), None);
    }

    #[test]
    fn finds_packages_of_metadata() {
        let metadata = br#"{"packages":[{"name":"a","manifest_path":"/r/a-1/Cargo.toml"}]}"#;
        assert_eq!(package_dir(metadata, "a"), Some("/r/a-1".into()));
        assert_eq!(package_dir(metadata, "b"), None);
    }
}
