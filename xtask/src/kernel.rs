//! The kernels of the cache: fetched, unpacked, with their raw BTF beside them. The task `kernel`
//! prints them; `machine` boots them.

use crate::apt::Apt;
use crate::arch::Arch;
use crate::package::{Index, Listed};
use crate::release::Series;
use crate::{Result, cache, disk, program, tool, unexpected, value, vmlinux};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const USAGE: &str =
    "cargo xtask kernel [--kernel SERIES|newest|all]... [--refresh] [--offline]";

/// How many releases of a series are tried before giving up: the newest one may be listed, but
/// not be there yet.
const ATTEMPTS: usize = 3;

/// A kernel that is ready to be booted.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) series: Series,
    pub(crate) release: String,
    dir: PathBuf,
}

impl Kernel {
    pub(crate) fn vmlinuz(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    pub(crate) fn btf(&self) -> PathBuf {
        self.dir.join("vmlinux.btf")
    }

    /// The configuration it was built with; `None` where the mirror has lost it.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        Some(self.dir.join("config")).filter(|file| file.exists())
    }

    /// The folder of its modules; `None` where the mirror has lost them.
    pub(crate) fn modules(&self) -> Option<PathBuf> {
        Some(self.dir.join("modules")).filter(|dir| dir.is_dir())
    }

    /// The kept kernel of a series, if there is one.
    fn kept(series: Series) -> Result<Option<Kernel>> {
        let dir = cache::kernels()?.join(series.to_string());
        // `release` is written last: where it is, everything is.
        let Ok(release) = disk::read_to_string(&dir.join("release")) else {
            return Ok(None);
        };
        let release = release.trim().to_owned();
        Ok(Some(Kernel {
            series,
            release,
            dir,
        }))
    }

    /// The series of all kept kernels, oldest first.
    fn kept_series() -> Result<Vec<Series>> {
        let folders = disk::list(&cache::kernels()?)?;
        let series = folders
            .iter()
            .filter_map(|dir| disk::name(dir).parse().ok());
        let mut series: Vec<Series> = series.collect();
        series.sort();
        Ok(series)
    }

    /// Writes down that this is the kernel of its series, as far as the index of today knows.
    fn settle(&self) -> Result<()> {
        let release = format!("{}\n", self.release);
        disk::write(&self.dir.join("release"), release.as_bytes())
    }

    /// Whether that was written down after the index came.
    fn is_settled(&self) -> bool {
        Index::path(Arch::Amd64)
            .is_ok_and(|index| cache::is_newer(&self.dir.join("release"), &index))
    }
}

/// Which kernels are meant, and whether the mirror may be asked for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) names: Vec<String>,
    pub(crate) refresh: bool,
    pub(crate) offline: bool,
}

impl Selection {
    /// Takes the options that every task with kernels has. `false`: it is not one of them.
    pub(crate) fn option<'a>(
        &mut self,
        option: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<bool> {
        match option {
            "--kernel" => self.names.push(value(option, rest)?),
            "--refresh" => self.refresh = true,
            "--offline" => self.offline = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Fetches what is not there yet. The first kernel that cannot be had is an error.
    pub(crate) fn kernels(&self) -> Result<Vec<Kernel>> {
        self.series()?
            .into_iter()
            .map(|series| self.kernel(series))
            .collect()
    }

    /// The series that are meant; `newest` where none is named.
    pub(crate) fn series(&self) -> Result<Vec<Series>> {
        let newest = [String::from("newest")];
        let names = if self.names.is_empty() {
            &newest
        } else {
            &*self.names
        };
        let mut all = Vec::new();
        for name in names {
            let served = || {
                if self.offline {
                    return Kernel::kept_series();
                }
                Index::load(self.refresh).map(Index::series)
            };
            match name.as_str() {
                "all" => all.extend(served()?),
                "newest" => all.extend(served()?.last()),
                series => all.push(series.parse()?),
            }
        }
        if all.is_empty() {
            return Err("the cache has no kernel, and --offline is given".to_owned());
        }
        let mut seen = Vec::new();
        all.retain(|series| {
            !seen.contains(series) && {
                seen.push(*series);
                true
            }
        });
        Ok(all)
    }

    /// The kernel of one series: the kept one while the index is fresh, else what the mirror has.
    pub(crate) fn kernel(&self, series: Series) -> Result<Kernel> {
        let kept = Kernel::kept(series)?;
        if self.offline {
            return kept
                .ok_or_else(|| format!("no kernel {series} in the cache, and --offline is given"));
        }
        if let Some(kept) = &kept
            && !self.refresh
            && Index::is_fresh()
            && kept.is_settled()
        {
            return Ok(kept.clone());
        }
        match (self.fetch(series), kept) {
            (Ok(kernel), _) => Ok(kernel),
            (Err(e), Some(kept)) => {
                eprintln!(
                    "note: {e}\nnote: going on with {}, which is in the cache",
                    kept.release
                );
                Ok(kept)
            }
            (Err(e), None) => Err(e),
        }
    }

    fn fetch(&self, series: Series) -> Result<Kernel> {
        let _lock = cache::lock("kernels")?;
        let index = Index::load(self.refresh)?;
        let mut reasons = Vec::new();
        for listed in index.of(series).take(ATTEMPTS) {
            if let Some(kept) = Kernel::kept(series)?
                && kept.release == listed.release
            {
                kept.settle()?;
                return Ok(kept);
            }
            match unpack(listed) {
                Ok(kernel) => return Ok(kernel),
                Err(e) => {
                    eprintln!("note: {} cannot be had: {e}", listed.release);
                    reasons.push(format!("{}: {e}", listed.release));
                }
            }
        }
        if reasons.is_empty() {
            let served: Vec<String> = index.series().iter().map(Series::to_string).collect();
            return Err(format!(
                "the mirror serves no kernel {series}, but {}; --refresh asks it again",
                served.join(", ")
            ));
        }
        Err(format!(
            "no kernel {series} could be fetched: {}",
            reasons.join("; ")
        ))
    }
}

/// Downloads the packages of a release and puts its parts into the cache.
fn unpack(listed: &Listed) -> Result<Kernel> {
    let kernels = cache::kernels()?;
    let staging = kernels.join(format!(".{}.new", listed.series));
    disk::empty_dir(&staging)?;
    let made = fill(listed, &staging);
    let done = made.and_then(|()| {
        let dir = kernels.join(listed.series.to_string());
        disk::remove_dir(&dir)?;
        disk::rename(&staging, &dir)?;
        let (series, release) = (listed.series, listed.release.clone());
        let kernel = Kernel {
            series,
            release,
            dir,
        };
        kernel.settle()?;
        Ok(kernel)
    });
    if done.is_err() {
        disk::remove_dir(&staging)?;
    }
    done
}

fn fill(listed: &Listed, dir: &Path) -> Result<()> {
    let tree = dir.join("tree");
    disk::create_dir(&tree)?;
    let mut failed = None;
    for package in &listed.packages {
        if Parts::find(&tree, &listed.release)?.missing().is_empty() {
            break;
        }
        failed = failed.or(add(Arch::Amd64, package, &tree).err());
    }
    let parts = Parts::find(&tree, &listed.release)?;
    let missing = parts.missing();
    // A package that is listed and cannot be had: an older release may be whole.
    if let Some(reason) = failed.filter(|_| !missing.is_empty()) {
        return Err(reason);
    }
    let vmlinuz = dir.join("vmlinuz");
    let Some(image) = &parts.image else {
        return Err(format!("no image in {}", listed.packages.join(" ")));
    };
    if !missing.is_empty() {
        // Kernels between two Debian releases lose their side packages first.
        let missing = missing.join(" and no ");
        eprintln!("note: the mirror has no {missing} for {}", listed.release);
    }
    disk::rename(image, &vmlinuz)?;
    for (part, name) in [(&parts.config, "config"), (&parts.modules, "modules")] {
        if let Some(part) = part {
            disk::rename(part, &dir.join(name))?;
        }
    }
    disk::remove_dir(&tree)?;
    disk::write(&dir.join("vmlinux.btf"), &vmlinux::btf(&vmlinuz)?)
}

/// Downloads a package and unpacks it into a tree.
pub(crate) fn add(arch: Arch, package: &str, tree: &Path) -> Result<()> {
    eprintln!("fetching {package}");
    let debs = tree.join("debs");
    disk::empty_dir(&debs)?;
    Apt::open(arch)?.download(package, &debs)?;
    for deb in disk::list(&debs)? {
        program::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(tree))?;
    }
    disk::remove_dir(&debs)
}

/// What is taken from a tree of unpacked packages.
struct Parts {
    image: Option<PathBuf>,
    config: Option<PathBuf>,
    modules: Option<PathBuf>,
}

impl Parts {
    /// Looks by name: the folders have changed over time.
    fn find(tree: &Path, release: &str) -> Result<Parts> {
        let files = disk::walk(tree)?;
        let named = |name: &str| {
            let names = [format!("{name}-{release}"), name.to_owned()];
            let file = files
                .iter()
                .find(|file| names.iter().any(|name| name == disk::name(file)));
            file.cloned()
        };
        let modules = ["lib/modules", "usr/lib/modules"].map(|dir| tree.join(dir));
        let modules = modules.map(|dir| dir.join(release).join("kernel"));
        Ok(Parts {
            image: named("vmlinuz"),
            config: named("config"),
            modules: modules.into_iter().find(|dir| dir.is_dir()),
        })
    }

    fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (&self.image, "image"),
            (&self.config, "configuration"),
            (&self.modules, "modules"),
        ];
        parts
            .into_iter()
            .filter(|(part, _)| part.is_none())
            .map(|(_, name)| name)
            .collect()
    }
}

/// `cargo xtask kernel`: a line `series, release, vmlinuz, BTF` for each kernel, tabs between.
pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut selection = Selection::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if !selection.option(arg, &mut rest)? {
            return Err(unexpected(arg, USAGE));
        }
    }
    tool::install(tool::KERNEL)?;
    for kernel in selection.kernels()? {
        let (vmlinuz, btf) = (kernel.vmlinuz(), kernel.btf());
        let (series, release) = (kernel.series, &kernel.release);
        println!(
            "{series}\t{release}\t{}\t{}",
            vmlinuz.display(),
            btf.display()
        );
    }
    Ok(0)
}
