//! `vmlinux.h`: from the running kernel's types, from a file's, or a ready one.
//!
//! Dumping takes longer than compiling most programs, so it is done when a source asks for the header and the
//! one made last was made from other types.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use btf_core::btf::{Btf, dump};

use crate::environment;
use crate::error::{Error, Result};
use crate::output::{make_dir, write_if_changed};
use crate::target::Target;

const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// Where kernel types come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The running kernel's BTF, at this path.
    Running(PathBuf),
    /// A file: raw BTF, an ELF file with a `.BTF` section, or a header.
    File(PathBuf),
}

impl Source {
    /// What a setting or the environment names, else the running kernel. A file is watched by cargo; the running kernel is
    /// not, so that a reboot rebuilds nothing.
    pub(crate) fn new(setting: Option<&Path>) -> Source {
        let file = setting
            .map(Path::to_owned)
            .or_else(|| environment::own("BTF_BUILD_VMLINUX").map(PathBuf::from));
        if let Some(file) = file {
            println!("cargo::rerun-if-changed={}", file.display());
            return Source::File(file);
        }
        let running = environment::own("BTF_BUILD_KERNEL_BTF");
        Source::Running(running.map_or_else(|| RUNNING.into(), PathBuf::from))
    }

    fn path(&self) -> &Path {
        match self {
            Source::Running(path) | Source::File(path) => path,
        }
    }

    /// The types as BTF; `None` if there are none, or only as a header, or of another architecture than is built for.
    ///
    /// # Errors
    ///
    /// If a file that was named cannot be read as what it is.
    pub(crate) fn btf(&self, is_host: bool) -> Result<Option<Btf>> {
        match self {
            Source::Running(path) if !is_host || !path.exists() => Ok(None),
            Source::Running(path) | Source::File(path) => match read(path)? {
                Types::Btf(btf) => Ok(Some(btf)),
                Types::Header(_) => Ok(None),
            },
        }
    }

    /// Tells one state of the source from another without reading it.
    pub(crate) fn key(&self) -> Result<String> {
        let mut key = format!(
            "btf-build {}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            self.path().display()
        );
        match self {
            // sysfs makes up its times at each boot; what a kernel is, it says here.
            Source::Running(_) => {
                for file in ["/proc/sys/kernel/osrelease", "/proc/sys/kernel/version"] {
                    key += &std::fs::read_to_string(file).unwrap_or_default();
                }
                let size = std::fs::metadata(self.path())
                    .map(|m| m.len())
                    .unwrap_or_default();
                let _ = write!(key, "{size}");
            }
            Source::File(path) => {
                let unreadable = |e| Error::io("cannot read kernel types from", path, &e);
                let meta = std::fs::metadata(path).map_err(unreadable)?;
                let time = meta.modified().map_err(unreadable)?;
                let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                let _ = write!(key, "{} {}", meta.len(), time.as_nanos());
            }
        }
        Ok(key)
    }
}

/// Makes `dir/vmlinux.h` unless it was made from the same types before.
///
/// # Errors
///
/// If there are no types to make it from, saying both ways to get some.
pub(crate) fn provide(dir: &Path, source: &Source, target: &Target) -> Result<()> {
    if let Source::Running(path) = source {
        if !path.exists() {
            return Err(Error::new(format!(
                "a source includes vmlinux.h, but this machine's kernel has no BTF to make it from ({} is missing)",
                path.display()
            ))
            .help(
                "name a BTF file, a vmlinux with BTF or a ready vmlinux.h with Builder::vmlinux or the environment \
                 variable BTF_BUILD_VMLINUX, or build on a kernel with CONFIG_DEBUG_INFO_BTF=y",
            ));
        }
        if !target.is_host() {
            return Err(Error::new(format!(
                "a source includes vmlinux.h, but the running kernel is of {}, not of {}, which is built for",
                std::env::consts::ARCH,
                target.arch
            ))
            .help(
                "name the BTF of a kernel of the target with Builder::vmlinux or the environment variable BTF_BUILD_VMLINUX",
            ));
        }
    }
    make_dir(dir)?;
    let (header, stamp) = (dir.join("vmlinux.h"), dir.join("vmlinux.key"));
    let key = source.key()?;
    if header.exists() && std::fs::read_to_string(&stamp).is_ok_and(|made| made == key) {
        return Ok(());
    }
    write_if_changed(&header, &text(source.path())?)?;
    write_if_changed(&stamp, key.as_bytes())
}

/// What a file of types turned out to be.
enum Types {
    Btf(Btf),
    /// Text of a ready header.
    Header(Vec<u8>),
}

fn read(path: &Path) -> Result<Types> {
    let bytes =
        std::fs::read(path).map_err(|e| Error::io("cannot read kernel types from", path, &e))?;
    let raw = if bytes.starts_with(b"\x7fELF") {
        section_of_elf(path, &bytes)?
    } else if bytes.starts_with(&[0x9f, 0xeb]) || bytes.starts_with(&[0xeb, 0x9f]) {
        bytes
    } else if path.extension().is_some_and(|e| e == "h") {
        return Ok(Types::Header(bytes));
    } else {
        return Err(Error::new(format!(
            "{} is neither raw BTF, nor an ELF file, nor a header (.h)",
            path.display()
        )));
    };
    Btf::parse(raw)
        .map(Types::Btf)
        .map_err(|e| unusable(path, &e))
}

fn unusable(path: &Path, e: &btf_core::Error) -> Error {
    Error::new(format!(
        "cannot make vmlinux.h from {}: {e}",
        path.display()
    ))
}

/// The header's text.
fn text(path: &Path) -> Result<Vec<u8>> {
    match read(path)? {
        Types::Header(text) => Ok(text),
        Types::Btf(btf) => dump::header(&btf, &dump::Options::default())
            .map(String::into_bytes)
            .map_err(|e| unusable(path, &e)),
    }
}

fn section_of_elf(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    use object::{Object as _, ObjectSection as _};
    let bad = |why: String| {
        Error::new(format!(
            "cannot take kernel types from {}: {why}",
            path.display()
        ))
    };
    let file = object::File::parse(bytes).map_err(|e| bad(e.to_string()))?;
    let section = file
        .section_by_name(".BTF")
        .ok_or_else(|| bad("it has no .BTF section".to_owned()))?;
    section
        .data()
        .map(<[u8]>::to_vec)
        .map_err(|e| bad(e.to_string()))
}
