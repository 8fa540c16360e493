//! The Debian archives that this machine's apt uses, read from apt's sources.

use crate::{Result, disk};
use std::path::Path;

/// URIs of the two archives with kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) main: String,
    pub(crate) security: Option<String>,
}

/// One archive of a sources file.
struct Source {
    uri: String,
    suites: Vec<String>,
}

impl Mirror {
    /// Returns the mirror that this machine's apt uses.
    ///
    /// # Errors
    ///
    /// If apt's sources cannot be read, or name no Debian archive.
    pub(super) fn of_machine() -> Result<Mirror> {
        let mut sources = Vec::new();
        let etc = Path::new("/etc/apt");
        if let Ok(text) = disk::read_to_string(&etc.join("sources.list")) {
            sources.extend(one_line(&text));
        }
        for file in disk::list(&etc.join("sources.list.d")).unwrap_or_default() {
            let text = || disk::read_to_string(&file);
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => sources.extend(one_line(&text()?)),
                Some("sources") => sources.extend(deb822(&text()?)),
                _ => {}
            }
        }
        Mirror::among(&sources).ok_or_else(|| {
            "the sources of apt on this machine name no Debian archive; name one with \
             BTF_XTASK_MIRROR=URI (and BTF_XTASK_SECURITY_MIRROR=URI)"
                .to_owned()
        })
    }

    fn among(sources: &[Source]) -> Option<Mirror> {
        let with = |wanted: fn(&str) -> bool| {
            let source = sources
                .iter()
                .find(|source| source.suites.iter().any(|s| wanted(s)));
            source.map(|source| source.uri.clone())
        };
        let main = with(is_debian)?;
        Some(Mirror {
            main,
            security: with(is_debian_security),
        })
    }
}

const CODENAMES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "stable",
    "oldstable",
    "oldoldstable",
    "testing",
    "unstable",
];

fn is_debian(suite: &str) -> bool {
    CODENAMES.contains(&suite)
}

fn is_debian_security(suite: &str) -> bool {
    suite.strip_suffix("-security").is_some_and(is_debian)
}

/// Parses lines `deb [options] URI SUITE COMPONENT…`.
fn one_line(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = line
            .trim()
            .strip_prefix("deb")
            .filter(|r| r.starts_with([' ', '\t']))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next())
            && !uri.starts_with("cdrom:")
        {
            sources.push(Source {
                uri: uri.to_owned(),
                suites: vec![suite.to_owned()],
            });
        }
    }
    sources
}

/// Parses stanzas of `Field: value`; indented lines continue a value.
fn deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(stanza(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                *value += line;
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    sources
}

fn stanza(fields: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found
            .map_or("", |(_, value)| value.as_str())
            .split_whitespace()
    };
    let enabled = !matches!(field("enabled").next(), Some("no" | "false" | "0"));
    let binary = field("types").any(|kind| kind == "deb");
    let uri = field("uris").next()?.to_owned();
    let suites = field("suites").map(str::to_owned).collect();
    (enabled && binary).then_some(Source { uri, suites })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Option<Mirror> {
        Some(Mirror {
            main: "http://mirror.example/debian".to_owned(),
            security: Some("http://mirror.example/debian-security".to_owned()),
        })
    }

    #[test]
    fn parses_one_line_sources() {
        let text = "# deb http://old.example/debian bookworm main\n\
             deb cdrom:[Debian 12]/ bookworm main\n\
             deb-src http://source.example/debian bookworm main\n\
             deb https://other.example/apt tool-bookworm main\n\
             deb [ arch=amd64 signed-by=/a.gpg ] http://mirror.example/debian bookworm main # x\n\
             deb http://mirror.example/debian-security bookworm-security main\n";
        assert_eq!(Mirror::among(&one_line(text)), expected());
    }

    #[test]
    fn parses_deb822_sources() {
        let text = "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nEnabled: no\n\n\
             Types: deb deb-src\n# a remark\nURIs: http://mirror.example/debian\n\
             Suites: bookworm\n bookworm-updates\nComponents: main\n\n\
             Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n";
        assert_eq!(Mirror::among(&deb822(text)), expected());
    }

    #[test]
    fn finds_no_mirror_among_other_archives() {
        let text = "deb http://mirror.example/ubuntu noble main universe\n";
        assert_eq!(Mirror::among(&one_line(text)), None);
    }
}
