//! Programs that decode infrared signals.

use std::os::fd::{AsFd, BorrowedFd};

use super::cgroup::Preparation;
use crate::error::{Context, Result};
use crate::link::{Link, refused};
use crate::prog::{Program, typed};
use crate::sys::Capabilities;

/// A program in `SEC("lirc_mode2")`.
#[derive(Debug)]
pub struct Lirc(pub(crate) Program);
typed!(Lirc, "an infrared decoder", Lirc);

impl Lirc {
    /// Attaches it to a receiver, given by a descriptor of its device (`/dev/lirc0`). It is detached when the link is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn attach_to(&self, device: impl AsFd) -> Result<Link> {
        self.0.fd()?;
        lirc(&self.0, device.as_fd()).context(|| self.0.what())
    }
}

pub(crate) fn lirc(program: &Program, device: BorrowedFd<'_>) -> Result<Link> {
    let prepared = Preparation::new(program, device, program.attach_type())?;
    prepared.attach(0).map_err(|e| {
        let is_no_receiver = e.raw_os_error() == Some(libc::EINVAL);
        let error = refused(
            "cannot attach to the receiver".into(),
            Capabilities::NET_ADMIN,
            e,
        );
        match is_no_receiver {
            true => error.hint("it must be a descriptor of a device such as /dev/lirc0"),
            false => error,
        }
    })
}
