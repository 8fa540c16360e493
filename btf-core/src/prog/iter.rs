//! Iterators: programs that the kernel runs for each thing of a kind, while somebody reads.

use std::fs::File;

use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link;

/// A program in `SEC("iter/…")`, such as `iter/task`, which the kernel runs for each task.
#[derive(Debug)]
pub struct Iter(pub(super) Program);
typed!(Iter, "an iterator", Iter);

impl Iter {
    /// Begins an iteration: the program runs as the file is read, which gives what it writes (`bpf_seq_write`, `bpf_seq_printf`),
    /// and ends with it. Each call begins anew, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn iterate(&self) -> Result<File> {
        self.fd()?;
        // The file holds the program; the link is only to make it.
        link::iter(self)
            .and_then(|link| link::iter_file(self, &link))
            .context(|| self.what())
    }
}
