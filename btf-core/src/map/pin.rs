//! Maps with names in the BPF file system, which outlive the process.

use std::path::Path;

use super::Map;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sys::{self, Capabilities, FileSystem};

impl Map {
    /// Opens the map that is pinned at `path`.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// use btf_core::map::{Hash, Map};
    ///
    /// let sizes: Hash<u32, u64> = Map::open_pinned("/sys/fs/bpf/sizes")?.try_into()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if nothing is there; [`crate::ErrorKind::InvalidInput`] if it is not a map; else what the kernel
    /// answers.
    pub fn open_pinned(path: impl AsRef<Path>) -> Result<Map> {
        let path = path.as_ref();
        let fd = sys::obj_get(path).map_err(|e| refused("open what is pinned at", path, e))?;
        Map::from_fd(fd).context(|| format!("pin {}", path.display()))
    }

    /// Pins it at `path`, which must lie in a BPF file system (`/sys/fs/bpf`). It stays in the kernel until [`Map::unpin`], or until
    /// the file is removed in another way.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Os`] if something is there already; else what the kernel answers, with what to try.
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.require().context(|| self.what())?;
        sys::obj_pin(self, path).map_err(|e| refused("pin it at", path, e).context(self.what()))
    }

    /// Removes its pin. The map goes when nothing else holds it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if nothing is pinned there; [`crate::ErrorKind::InvalidInput`] if that is another map, which
    /// stays; else what the operating system answers.
    pub fn unpin(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.require().context(|| self.what())?;
        let pinned = Map::open_pinned(path).context(|| self.what())?;
        if pinned.info()?.id != self.info()?.id {
            return Err(self.unfit(format!("another map is pinned at {}", path.display())));
        }
        std::fs::remove_file(path)
            .map_err(|e| refused("remove its pin at", path, e).context(self.what()))
    }
}

/// An error about a path in a BPF file system.
pub(crate) fn refused(doing: &str, path: &Path, e: std::io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(format!("cannot {doing} {}", path.display()), e);
    match errno {
        Some(libc::EINVAL | libc::ENODEV) if is_outside(path) => error.hint(
            "that is in no BPF file system: mount one (`mount -t bpf bpf /sys/fs/bpf`), or choose a path in one",
        ),
        Some(libc::EPERM | libc::EACCES) if is_outside(path) => {
            error.hint("only what is in a BPF file system can be pinned or opened: it is mounted at /sys/fs/bpf as a rule")
        }
        Some(libc::EPERM | libc::EACCES) => {
            error.hint(sys::privileges_hint(Capabilities::BPF | Capabilities::DAC_OVERRIDE))
        }
        Some(libc::EEXIST) => error.hint("something is pinned there: open it, or remove it"),
        Some(libc::ENOENT) if path.parent().is_some_and(|parent| !parent.exists()) => {
            error.hint("its folder is not there; in a BPF file system folders are made as anywhere else")
        }
        _ => error,
    }
}

/// Whether a path, or the folder that it would be in, lies in another file system than BPF's.
fn is_outside(path: &Path) -> bool {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.is_some_and(|parent| FileSystem::at(parent).is_ok_and(|found| found != FileSystem::BPF))
}

/// Opens the map at `path`; `None` if nothing is there.
pub(crate) fn open_if_there(path: &Path) -> Result<Option<Map>> {
    match Map::open_pinned(path) {
        Ok(map) => Ok(Some(map)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
