//! Pinned maps.

use std::path::Path;

use super::refused;
use crate::error::{Context, ErrorKind, Result};
use crate::map::Map;
use crate::sys;

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

/// Opens the map at `path`; `None` if nothing is there.
pub(crate) fn open_if_there(path: &Path) -> Result<Option<Map>> {
    match Map::open_pinned(path) {
        Ok(map) => Ok(Some(map)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
