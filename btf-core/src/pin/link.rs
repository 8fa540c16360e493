//! Pinned links.

use std::path::Path;

use super::refused;
use crate::error::{Context, Result};
use crate::link::{Held, Link};
use crate::sys;

impl Link {
    /// Opens the link that is pinned at `path`. Dropping it does not detach the program: the pin holds it.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if nothing is there; else what the kernel answers, as it does if that is no link.
    pub fn open_pinned(path: impl AsRef<Path>) -> Result<Link> {
        let path = path.as_ref();
        let fd = sys::obj_get(path).map_err(|e| refused("open what is pinned at", path, e))?;
        let link = Link {
            program: path.display().to_string(),
            held: Held::Link(fd),
            stays: true,
            taken: None,
        };
        link.info()?;
        Ok(link)
    }

    /// Pins it at `path`, which must lie in a BPF file system (`/sys/fs/bpf`). The program stays attached, also when this is
    /// dropped, until the file is removed and nobody holds the link.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Unsupported`] if it is no link, but a perf event, as in kernels before 5.15, or several links; else
    /// what the kernel answers, with what to try.
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let what = format!("link of program `{}`", self.program);
        self.bpf_link()
            .and_then(|link| sys::obj_pin(link, path).map_err(|e| refused("pin it at", path, e)))
            .context(|| what)?;
        self.stays = true;
        Ok(())
    }

    /// Removes its pin. The program is detached when this is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if nothing is pinned there; else what the operating system answers.
    pub fn unpin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::remove_file(path).map_err(|e| refused("remove its pin at", path, e))?;
        self.stays = false;
        Ok(())
    }
}
