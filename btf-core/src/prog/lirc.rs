//! Programs that decode infrared signals.

use std::os::fd::AsFd;

use super::{Program, typed};
use crate::error::{Context, Result};
use crate::link::{self, Link};

/// A program in `SEC("lirc_mode2")`.
#[derive(Debug)]
pub struct Lirc(pub(super) Program);
typed!(Lirc, "an infrared decoder", Lirc);

impl Lirc {
    /// Attaches it to a receiver, given by a descriptor of its device (`/dev/lirc0`). It is detached when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, device: impl AsFd) -> Result<Link> {
        self.fd()?;
        link::lirc(self, device.as_fd()).context(|| self.what())
    }
}
