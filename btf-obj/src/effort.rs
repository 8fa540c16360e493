//! Budget for work over input that nobody vouches for.
//!
//! A small file can ask for a lot of work: types that refer to each other in a web, names that are
//! tails of one long string, sections that overlap. Algorithms are chosen so that work grows with the
//! bytes of the input; the budget is the net below them. Every loop over counts from a file and every
//! copy of bytes from a file that is not linear by construction charges it.

use crate::error::{Error, ErrorKind, Result};

/// Steps that may still be taken. A step is a member compared, an entry visited or eight bytes copied.
#[derive(Debug)]
pub struct Effort {
    left: u64,
    kind: ErrorKind,
    exceeded: &'static str,
}

impl Effort {
    /// Steps that any input may take, however small: 10 to 50 ms of work.
    const BASE: u64 = 1 << 22;

    /// Steps for each byte of input.
    const PER_BYTE: u64 = 16;

    /// Returns the budget for an input of `bytes` bytes. `exceeded` is the reason of the error, of
    /// kind `kind`, if the budget does not suffice.
    pub fn for_bytes(bytes: usize, kind: ErrorKind, exceeded: &'static str) -> Self {
        Effort {
            left: Self::BASE.saturating_add(Self::PER_BYTE.saturating_mul(bytes as u64)),
            kind,
            exceeded,
        }
    }

    /// Takes one step.
    ///
    /// # Errors
    ///
    /// The error that [`Effort::for_bytes`] was given, if the budget is spent.
    pub fn spend(&mut self) -> Result<()> {
        self.charge(1)
    }

    /// Takes `steps` steps.
    ///
    /// # Errors
    ///
    /// As [`Effort::spend`].
    pub fn charge(&mut self, steps: usize) -> Result<()> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Error::new(self.kind, self.exceeded))
            }
        }
    }

    /// Charges for a name of `bytes` bytes, which is hashed, compared and copied several times, or
    /// for contents of that size that are kept. Each byte is a step, so that what is kept stays
    /// below [`Self::PER_BYTE`] times the input.
    ///
    /// # Errors
    ///
    /// As [`Effort::spend`].
    pub fn charge_kept(&mut self, bytes: usize) -> Result<()> {
        self.charge(bytes)
    }

    /// Returns how many of the steps for an input of `bytes` bytes were taken, in percent of those
    /// that its size allows.
    pub fn percent_of(&self, bytes: usize) -> f64 {
        let of_size = Self::PER_BYTE * bytes as u64;
        let taken = Self::BASE + of_size - self.left;
        100.0 * taken as f64 / of_size as f64
    }

    /// Charges for copying or scanning `bytes` bytes.
    ///
    /// # Errors
    ///
    /// As [`Effort::spend`].
    pub fn charge_bytes(&mut self, bytes: usize) -> Result<()> {
        self.charge(bytes.div_ceil(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_with_the_given_error() {
        let mut effort = Effort::for_bytes(2, ErrorKind::Relocation, "too much");
        effort.charge(Effort::BASE as usize).unwrap();
        effort.charge_bytes(8 * 31).unwrap();
        effort.spend().unwrap();
        let error = effort.spend().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Relocation);
        assert_eq!(error.to_string(), "too much");
        assert!(effort.spend().is_err());
    }
}
