//! Kernels that the mirror has, with the names of their packages. The names are read from the
//! mirror's lists because they contain the kernel's ABI, which changes with each release.

use super::apt::Apt;
use super::arch::Arch;
use super::cache::{self, Cache};
use super::release::{Series, compare};
use crate::{Result, disk};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One kernel of the index: a release and the packages that may hold its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) series: Series,
    pub(crate) release: String,
    pub(crate) version: String,
    /// As apt wants them (`name=version`); the first holds the image, unless it is empty.
    pub(crate) packages: Vec<String>,
}

/// The kernels of the index, newest first.
#[derive(Debug, Default)]
pub(crate) struct Index(Vec<Listed>);

/// Prefixes and suffixes of the packages that may hold the image, in the order they are tried.
/// Since 6.19 the image is in `linux-binary`, and `linux-image` is empty. The unsigned image is the
/// same kernel, and appears in the archive before the signed one.
const IMAGES: &[(&str, &str)] = &[
    ("linux-binary-", ""),
    ("linux-image-", ""),
    ("linux-image-", "-unsigned"),
];

/// Prefixes of packages that were split from the image's: modules and configuration.
const PARTS: &[&str] = &["linux-modules-", "linux-base-"];

impl Index {
    /// Returns the cached index if it is fresh, else a new one. If the mirror cannot be reached, a
    /// stale index is used.
    pub(super) fn load(cache: &Cache, arch: Arch) -> Result<Index> {
        let path = Index::path(cache, arch);
        let _lock = cache.lock("index")?;
        let cached = disk::read_to_string(&path).map(|text| Index::parse(&text));
        if cache::is_fresh(&path) && !cache.is_refreshing() {
            return cached;
        }
        match (Index::fetch(cache, arch), cached) {
            (Ok(index), _) => {
                disk::write(&path, index.text().as_bytes())?;
                Ok(index)
            }
            (Err(e), Ok(cached)) => {
                cache.note(&e);
                cache.note("using the kernel index of an earlier run");
                Ok(cached)
            }
            (Err(e), Err(_)) => Err(e),
        }
    }

    /// Returns `true` if the cached index of amd64 exists and is fresh.
    pub(super) fn is_fresh(cache: &Cache) -> bool {
        cache::is_fresh(&Index::path(cache, Arch::Amd64))
    }

    /// Returns the series of the index, oldest first.
    pub(super) fn series(&self) -> Vec<Series> {
        let mut series: Vec<Series> = self.0.iter().map(|listed| listed.series).collect();
        series.sort();
        series.dedup();
        series
    }

    /// Returns the kernels of one series, newest first.
    pub(super) fn of(&self, series: Series) -> impl Iterator<Item = &Listed> {
        self.0.iter().filter(move |listed| listed.series == series)
    }

    /// Returns the file of the cached index.
    pub(super) fn path(cache: &Cache, arch: Arch) -> PathBuf {
        cache.dir.join(match arch {
            Arch::Amd64 => "index.tsv".to_owned(),
            other => format!("index-{}.tsv", other.name()),
        })
    }

    fn fetch(cache: &Cache, arch: Arch) -> Result<Index> {
        let name = arch.name();
        cache.progress(&format!(
            "asking the Debian mirror for its kernels ({name})"
        ));
        let apt = Apt::open(cache, arch)?;
        apt.update()?;
        let mut names = Vec::new();
        for prefix in [
            "linux-binary-",
            "linux-image-",
            "linux-modules-",
            "linux-base-",
        ] {
            names.extend(apt.names(prefix)?);
        }
        let wanted = |name: &&str| {
            let name = name.strip_suffix("-unsigned").unwrap_or(name);
            let release = name.splitn(3, '-').nth(2).unwrap_or_default();
            name.ends_with(arch.flavour()) && Series::of_release(release).is_some()
        };
        let names: Vec<&str> = names.iter().map(String::as_str).filter(wanted).collect();
        if names.is_empty() {
            return Err(format!(
                "the Debian mirror lists no cloud kernel for {name}"
            ));
        }
        Ok(Index::of_packages(arch, &apt.versions(&names)?))
    }

    fn of_packages(arch: Arch, packages: &[(String, String)]) -> Index {
        let mut newest: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, version) in packages {
            let slot = newest.entry(name).or_insert(version);
            if compare(version, slot).is_gt() {
                *slot = version;
            }
        }
        let mut listed: Vec<Listed> = Vec::new();
        for (prefix, suffix) in IMAGES {
            for (name, version) in &newest {
                let release = name
                    .strip_prefix(prefix)
                    .and_then(|rest| rest.strip_suffix(suffix));
                let Some(release) = release.filter(|release| release.ends_with(arch.flavour()))
                else {
                    continue;
                };
                let Some(series) = Series::of_release(release) else {
                    continue;
                };
                let image = format!("{name}={version}");
                if let Some(known) = listed.iter_mut().find(|known| known.release == release) {
                    known.packages.push(image);
                    continue;
                }
                let parts = PARTS.iter().filter_map(|part| {
                    let (name, version) = newest.get_key_value(&*format!("{part}{release}"))?;
                    Some(format!("{name}={version}"))
                });
                listed.push(Listed {
                    series,
                    release: release.to_owned(),
                    version: (*version).to_owned(),
                    packages: [image].into_iter().chain(parts).collect(),
                });
            }
        }
        listed.sort_by(|a, b| {
            b.series
                .cmp(&a.series)
                .then(compare(&b.version, &a.version))
        });
        Index(listed)
    }

    fn text(&self) -> String {
        let line = |l: &Listed| {
            format!(
                "{}\t{}\t{}\t{}\n",
                l.series,
                l.release,
                l.version,
                l.packages.join(" ")
            )
        };
        self.0.iter().map(line).collect()
    }

    /// Parses the output of `text`. Lines in the form of older versions are ignored.
    fn parse(text: &str) -> Index {
        let row = |line: &str| {
            let mut columns = line.split('\t');
            Some(Listed {
                series: columns.next()?.parse().ok()?,
                release: columns.next()?.to_owned(),
                version: columns.next()?.to_owned(),
                packages: columns.next()?.split(' ').map(str::to_owned).collect(),
            })
        };
        Index(text.lines().filter_map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let packages = [
            ("linux-image-6.1.0-9-cloud-amd64", "6.1.27-1"),
            ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
            ("linux-image-6.1.0-56-cloud-amd64-unsigned", "6.1.192-2"),
            ("linux-image-6.1.0-57-cloud-amd64-unsigned", "6.1.193-1"),
            ("linux-image-6.1-cloud-amd64", "6.1.193-1"),
            ("linux-image-7.2.13+deb14-cloud-amd64", "7.2.13-1"),
            ("linux-binary-7.2.13+deb14-cloud-amd64", "7.2.13-1"),
            ("linux-modules-7.2.13+deb14-cloud-amd64", "7.2.13-1"),
            ("linux-base-7.2.13+deb14-cloud-amd64", "7.2.12-9"),
            ("linux-base-7.2.13+deb14-cloud-amd64", "7.2.13-1"),
        ];
        let packages = packages.map(|(name, version)| (name.to_owned(), version.to_owned()));
        Index::of_packages(Arch::Amd64, &packages)
    }

    #[test]
    fn sorts_the_newest_release_first() {
        let index = index();
        let series: Vec<String> = index.series().iter().map(ToString::to_string).collect();
        assert_eq!(series, ["6.1", "7.2"]);
        let releases: Vec<&str> = index
            .of("6.1".parse().expect("a series"))
            .map(|l| &*l.release)
            .collect();
        let expected = [
            "6.1.0-57-cloud-amd64",
            "6.1.0-56-cloud-amd64",
            "6.1.0-9-cloud-amd64",
        ];
        assert_eq!(releases, expected);
    }

    #[test]
    fn names_all_packages_of_a_split_kernel() {
        let index = index();
        let newest = index.0.first().expect("not empty");
        let expected = [
            "linux-binary-7.2.13+deb14-cloud-amd64=7.2.13-1",
            "linux-modules-7.2.13+deb14-cloud-amd64=7.2.13-1",
            "linux-base-7.2.13+deb14-cloud-amd64=7.2.13-1",
            "linux-image-7.2.13+deb14-cloud-amd64=7.2.13-1",
        ];
        assert_eq!(newest.packages, expected);
    }

    #[test]
    fn parses_its_own_text() {
        let index = index();
        assert_eq!(Index::parse(&index.text()).0, index.0);
        assert!(Index::parse("something else\n").0.is_empty());
    }
}
