//! How much comparing one call may do.
//!
//! Types may refer to each other in a web in which every way of going through is another one: a few dozen hostile types
//! would keep a comparison busy for ever. What real kernels and objects need stays far below.

use crate::error::{Error, ErrorKind, Result};

/// Members, parameters and enumerators that may still be looked at.
pub(super) struct Effort(u64);

impl Effort {
    /// Enough for so many relocations, some of which may compare whole types.
    pub(super) fn for_relocations(count: usize) -> Self {
        Effort((1 << 24) + (1 << 12) * count as u64)
    }

    /// Looks at one more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Relocation`] if that is too many.
    pub(super) fn spend(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Relocation,
                "its types and the target's are too entangled to compare",
            )
        })?;
        Ok(())
    }
}
