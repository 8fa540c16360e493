//! Where kernel types come from: the running kernel, a file, or a folder with a file for each
//! architecture.

use std::cell::OnceCell;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use btf_obj::btf::{Btf, Kind, dump};

use crate::environment;
use crate::error::{Error, Result};
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

/// What a source of types turned out to be.
pub(crate) enum Types {
    /// In the bytes that it was read from.
    Btf(Btf),
    /// Text of a ready header.
    Header(Vec<u8>),
}

impl Source {
    /// What a setting or the environment names, else the running kernel. A file is watched by
    /// cargo; the running kernel is not, so that a reboot rebuilds nothing.
    ///
    /// # Errors
    ///
    /// If a folder that was named has no types for the target.
    pub(crate) fn new(setting: Option<&Path>, target: &Target) -> Result<Source> {
        let named = setting
            .map(Path::to_owned)
            .or_else(|| environment::user("BTF_BUILD_VMLINUX").map(PathBuf::from));
        let Some(named) = named else {
            let running = environment::user("BTF_BUILD_KERNEL_BTF");
            return Ok(Source::Running(
                running.map_or_else(|| RUNNING.into(), PathBuf::from),
            ));
        };
        let file = match named.is_dir() {
            true => of_architecture(&named, target)?,
            false => named,
        };
        println!("cargo::rerun-if-changed={}", file.display());
        Ok(Source::File(file))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Source::Running(path) | Source::File(path) => path,
        }
    }

    /// The types as BTF; `None` if there are none, or only as a header, or of another architecture
    /// than is built for.
    ///
    /// # Errors
    ///
    /// If a file that was named cannot be read as what it is.
    pub(crate) fn btf(&self, target: &Target) -> Result<Option<Btf>> {
        match self {
            Source::Running(path) if !target.is_host() || !path.exists() => Ok(None),
            Source::Running(path) | Source::File(path) => match read(path, target)? {
                Types::Btf(btf) => Ok(Some(btf)),
                Types::Header(_) => Ok(None),
            },
        }
    }

    /// Tells one state of the source from another without reading it.
    pub(crate) fn key(&self) -> Result<String> {
        let mut key = format!(
            "btf-build {} {:x}\n{}\n",
            env!("CARGO_PKG_VERSION"),
            dump::EDITION,
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

/// The kernel that is built for: its BTF is read when first asked for.
pub(crate) struct Kernel<'a> {
    source: &'a Source,
    machine: &'a Target,
    btf: OnceCell<Option<Btf>>,
}

impl<'a> Kernel<'a> {
    pub(crate) fn new(source: &'a Source, machine: &'a Target) -> Kernel<'a> {
        Kernel {
            source,
            machine,
            btf: OnceCell::new(),
        }
    }

    pub(crate) fn source(&self) -> &Source {
        self.source
    }

    /// The machine that is built for.
    pub(crate) fn target(&self) -> &Target {
        self.machine
    }

    /// Its BTF, as [`Source::btf`] has it.
    pub(crate) fn btf(&self) -> Result<Option<&Btf>> {
        let btf = match self.btf.get() {
            Some(btf) => btf,
            None => {
                let read = self.source.btf(self.machine)?;
                self.btf.get_or_init(|| read)
            }
        };
        Ok(btf.as_ref())
    }

    /// The loaded module whose BTF has this name, of the running kernel.
    pub(crate) fn module_with(&self, name: &str) -> Option<String> {
        let Source::Running(path) = self.source else {
            return None;
        };
        let name = [b"\0", name.as_bytes(), b"\0"].concat();
        let entries = std::fs::read_dir(path.parent()?).ok()?.flatten();
        let others = entries
            .map(|entry| entry.path())
            .filter(|file| file != path);
        let mut found: Vec<String> = others
            .filter(|file| {
                let bytes = std::fs::read(file).unwrap_or_default();
                bytes.windows(name.len()).any(|window| window == name)
            })
            .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
            .collect();
        found.sort();
        found.into_iter().next()
    }
}

/// What to call it.
impl fmt::Display for Kernel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Running(_) => f.write_str("the types of this machine's kernel"),
            Source::File(path) => write!(f, "the kernel types of {}", path.display()),
        }
    }
}

/// The file of a folder that has the target's types.
fn of_architecture(folder: &Path, target: &Target) -> Result<PathBuf> {
    let names = target.names();
    for name in &names {
        let candidates = [
            "NAME.btf",
            "NAME/vmlinux.btf",
            "NAME/vmlinux",
            "NAME.h",
            "NAME/vmlinux.h",
        ];
        for candidate in candidates {
            let file = folder.join(candidate.replace("NAME", name));
            if file.is_file() {
                return Ok(file);
            }
        }
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut there: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    let there = match there.is_empty() {
        true => "it is empty".to_owned(),
        false => format!("it has {}", there.join(", ")),
    };
    let files: Vec<String> = names.iter().map(|name| format!("{name}.btf")).collect();
    Err(Error::new(format!(
        "the folder {} has no kernel types for {}: {there}",
        folder.display(),
        target.arch
    ))
    .help(format!(
        "put the BTF of a kernel of the target there as {}",
        files.join(" or ")
    )))
}

/// Reads a file of types.
///
/// # Errors
///
/// If it is nothing of the kind, or damaged, or of another machine than the target.
pub(crate) fn read(path: &Path, target: &Target) -> Result<Types> {
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
    let btf = Btf::parse(raw).map_err(|e| unusable(path, &e))?;
    let other = match machine(&btf) {
        _ if btf.is_little_endian() != target.little_endian => Some(match target.little_endian {
            true => "a big-endian machine",
            false => "a little-endian machine",
        }),
        Some(machine) if machine != target.define()? => Some(machine),
        _ => None,
    };
    match other {
        None => Ok(Types::Btf(btf)),
        Some(other) => Err(Error::new(format!(
            "the kernel types in {} are of {other}, not of {}, which is built for",
            path.display(),
            target.arch
        ))
        .help(
            "name the BTF of a kernel of the target, or a folder of one for each architecture, with Builder::vmlinux \
             or the environment variable BTF_BUILD_VMLINUX",
        )),
    }
}

/// Whose registers a kernel saves, by the kernel's name of the architecture; `None` where they have
/// no mark of their own.
fn machine(btf: &Btf) -> Option<&'static str> {
    let registers = btf.find("pt_regs", Kind::STRUCT)?;
    let has = |name: &str| {
        registers
            .members()
            .iter()
            .any(|member| member.name() == name)
    };
    let marks = [
        ("orig_ax", "x86"),
        ("orig_x0", "arm64"),
        ("orig_gpr2", "s390"),
        ("csr_era", "loongarch"),
        ("badaddr", "riscv"),
    ];
    let found = marks.iter().find(|(member, _)| has(member));
    found.map(|(_, machine)| *machine)
}

/// The error for types of which nothing can be made.
pub(crate) fn unusable(path: &Path, e: &btf_obj::Error) -> Error {
    Error::new(format!(
        "cannot make vmlinux.h from {}: {e}",
        path.display()
    ))
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
