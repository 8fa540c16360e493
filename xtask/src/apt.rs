//! A private apt: its own lists, sources and cache, so that asking for kernels of other Debian
//! releases leaves the machine's apt alone. What the packages are for is `package`'s business.

use crate::arch::Arch;
use crate::mirror::Mirror;
use crate::{Result, cache, disk, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suites that kernels are looked for in, and whether they are of the security archive.
const SUITES: &[(&str, bool)] = &[
    ("bullseye", false),
    ("bullseye-security", true),
    ("bookworm", false),
    ("bookworm-security", true),
    ("trixie", false),
    ("trixie-security", true),
    ("trixie-backports", false),
    ("sid", false),
];

/// Signs every suite above, where it is recent enough.
const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

pub(crate) struct Apt {
    dir: PathBuf,
    arch: Arch,
}

impl Apt {
    /// One for the packages of an architecture, whatever this machine's is.
    pub(crate) fn open(arch: Arch) -> Result<Apt> {
        let name = match arch {
            Arch::Amd64 => "apt".to_owned(),
            other => format!("apt-{}", other.name()),
        };
        let dir = cache::dir()?.join(name);
        for sub in ["lists/partial", "cache/archives/partial", "none"] {
            disk::create_dir(&dir.join(sub))?;
        }
        // apt insists on a list of installed packages; for us nothing is installed.
        disk::write(&dir.join("status"), b"")?;
        disk::write(&dir.join("apt.conf"), configuration(&dir, arch).as_bytes())?;
        Ok(Apt { dir, arch })
    }

    /// Fetches the package lists, says which suites the mirror does not serve, and fails if it
    /// serves none.
    pub(crate) fn update(&self) -> Result<()> {
        let mirror = Mirror::find()?;
        // Lists of an earlier run would hide that a suite is no longer served or signed.
        disk::empty_dir(&self.dir.join("lists/partial"))?;
        self.write_sources(&mirror, &[])?;
        let mut error = program::output(self.get().arg("update")).err();
        let mut missing = self.missing()?;
        if !missing.is_empty() {
            // A keyring older than a suite cannot vouch for it; the suite is still worth having,
            // for a kernel that only ever runs in a virtual machine.
            self.write_sources(&mirror, &missing)?;
            error = program::output(self.get().arg("update")).err();
            let still = self.missing()?;
            for suite in missing.iter().filter(|suite| !still.contains(suite)) {
                eprintln!("note: no key on this machine signs {suite}; its lists are taken as is");
            }
            missing = still;
        }
        if missing.len() == SUITES.len() {
            let reason = error.unwrap_or_else(|| "no suite is there".to_owned());
            return Err(format!("the Debian mirror cannot be used: {reason}"));
        }
        for suite in missing {
            eprintln!("note: {suite} cannot be had from the mirror; its kernels are left out");
        }
        Ok(())
    }

    /// The names of all packages that begin so.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let out = program::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(String::from_utf8_lossy(&out)
            .lines()
            .map(str::to_owned)
            .collect())
    }

    /// Name and version of every package of these names, in every suite.
    pub(crate) fn versions(&self, names: &[&str]) -> Result<Vec<(String, String)>> {
        let out = program::output(self.command("apt-cache").arg("madison").args(names))?;
        let text = String::from_utf8_lossy(&out);
        let row = |line: &str| {
            let mut columns = line.split('|').map(|column| column.trim().to_owned());
            Some((columns.next()?, columns.next()?))
        };
        Ok(text.lines().filter_map(row).collect())
    }

    /// Downloads `name=version` into a folder.
    pub(crate) fn download(&self, package: &str, into: &Path) -> Result<()> {
        program::output(self.get().args(["download", package]).current_dir(into)).map(drop)
    }

    fn write_sources(&self, mirror: &Mirror, trusted: &[&str]) -> Result<()> {
        let keyring = KEYRINGS.iter().find(|file| Path::new(file).exists());
        let mut text = String::new();
        for (suite, security) in SUITES {
            let uri = if *security {
                mirror.security.as_deref()
            } else {
                Some(&*mirror.main)
            };
            let Some(uri) = uri else { continue };
            let trust = match keyring {
                _ if trusted.contains(suite) => " trusted=yes".to_owned(),
                Some(file) => format!(" signed-by={file}"),
                None => String::new(),
            };
            let arch = self.arch.name();
            text += &format!("deb [arch={arch} target=Packages{trust}] {uri} {suite} main\n");
        }
        disk::write(&self.dir.join("sources.list"), text.as_bytes())
    }

    /// The suites whose package list is not there.
    fn missing(&self) -> Result<Vec<&'static str>> {
        let format = [
            "indextargets",
            "--format",
            "$(RELEASE)",
            "Created-By: Packages",
        ];
        let out = program::output(self.get().args(format))?;
        let text = String::from_utf8_lossy(&out);
        let served: Vec<&str> = text.lines().map(str::trim).collect();
        let suites = SUITES.iter().map(|(suite, _)| *suite);
        Ok(suites.filter(|suite| !served.contains(suite)).collect())
    }

    fn get(&self) -> Command {
        self.command("apt-get")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.arg("-qq").arg("-c").arg(self.dir.join("apt.conf"));
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// What differs from the machine's configuration, which is read before and may hold a proxy.
fn configuration(dir: &Path, arch: Arch) -> String {
    let (dir, arch) = (dir.display(), arch.name());
    format!(
        r#"Dir::State "{dir}";
Dir::State::Lists "{dir}/lists";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "{dir}/none";
Dir::Etc::preferences "{dir}/none/preferences";
Dir::Etc::preferencesparts "{dir}/none";
APT::Architecture "{arch}";
APT::Architectures "{arch}";
# The sandbox user may not be able to write below a home folder.
APT::Sandbox::User "root";
# Suites out of support keep the date of their last update.
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
# Without it a mirror that cannot be reached is a warning, and the status 0.
APT::Update::Error-Mode "any";
"#
    )
}
