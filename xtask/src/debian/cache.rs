//! The cache directory, and how a store may fill it.

use super::mirror::Mirror;
use crate::{Result, disk};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Age at which an index of the mirror is stale.
const FRESH: Duration = Duration::from_secs(7 * 24 * 3600);

/// When the mirror is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// For what the cache lacks, and for an index older than a week.
    #[default]
    Missing,
    /// For the newest version of everything.
    Refresh,
    /// Never.
    Offline,
}

/// Progress of a store, to be shown to a person.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// Work that takes a while begins.
    Progress(&'a str),
    /// Something is not available, and a substitute is used.
    Note(&'a str),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Progress(text) => f.write_str(text),
            Event::Note(text) => write!(f, "note: {text}"),
        }
    }
}

/// Receives the progress of a store.
pub(crate) type Listener = Box<dyn Fn(Event<'_>) + Send + Sync>;

/// A directory with everything that was downloaded, and the permission to download more.
pub(crate) struct Cache {
    pub(super) dir: PathBuf,
    pub(super) access: Access,
    mirror: Option<Mirror>,
    listener: Listener,
}

impl Cache {
    pub(super) fn new(
        dir: PathBuf,
        access: Access,
        mirror: Option<Mirror>,
        listener: Listener,
    ) -> Cache {
        Cache {
            dir,
            access,
            mirror,
            listener,
        }
    }

    /// Returns the mirror that was given, else the one that this machine's apt uses.
    pub(super) fn mirror(&self) -> Result<Mirror> {
        match &self.mirror {
            Some(mirror) => Ok(mirror.clone()),
            None => Mirror::of_machine(),
        }
    }

    pub(super) fn is_offline(&self) -> bool {
        self.access == Access::Offline
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.access == Access::Refresh
    }

    pub(super) fn progress(&self, text: &str) {
        (self.listener)(Event::Progress(text));
    }

    pub(super) fn note(&self, text: &str) {
        (self.listener)(Event::Note(text));
    }

    /// Returns the error for `what`, which is not in the cache and must not be downloaded.
    pub(super) fn absent(&self, what: &str) -> String {
        format!("{what} is not in the cache, and the mirror must not be asked (--offline)")
    }

    /// Creates and returns the directory of the booted kernels: one directory per series with
    /// `release`, `vmlinuz`, `vmlinux.btf`, `config` and `modules/`.
    pub(super) fn kernels(&self) -> Result<PathBuf> {
        let dir = self.dir.join("kernels");
        disk::create_dir(&dir)?;
        Ok(dir)
    }

    /// Locks a part of the cache for writing; dropping the file releases the lock.
    pub(super) fn lock(&self, part: &str) -> Result<File> {
        let path = self.dir.join(format!("{part}.lock"));
        let file =
            File::create(&path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
        if file.try_lock().is_err() {
            let path = path.display();
            self.progress(&format!("waiting for another process to release {path}"));
            file.lock()
                .map_err(|e| format!("cannot lock {path}: {e}"))?;
        }
        Ok(file)
    }
}

/// Returns `true` if a file exists and is younger than a week.
pub(super) fn is_fresh(path: &Path) -> bool {
    let age = |written| SystemTime::now().duration_since(written).ok();
    written(path).and_then(age).is_some_and(|age| age < FRESH)
}

/// Returns `true` if both files exist and `path` was written after `other`.
pub(super) fn is_newer(path: &Path, other: &Path) -> bool {
    written(path)
        .zip(written(other))
        .is_some_and(|(path, other)| path >= other)
}

fn written(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}
