//! Where a program goes among others that are attached to the same place.

use std::os::fd::{AsFd, AsRawFd};

use crate::error::Result;
use crate::link::Link;
use crate::prog::Program;
use crate::sys::Among;

/// `BPF_F_BEFORE`, `BPF_F_AFTER` and `BPF_F_LINK`.
const BEFORE: u32 = 1 << 3;
const AFTER: u32 = 1 << 4;
const LINK: u32 = 1 << 13;

/// Where a program goes among others.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Position<'a> {
    /// After all that are there.
    #[default]
    Last,
    /// Before all that are there.
    First,
    /// Right before the program of this link.
    Before(&'a Link),
    /// Right after the program of this link.
    After(&'a Link),
    /// Right before a program that is attached without a link.
    BeforeProgram(&'a Program),
    /// Right after a program that is attached without a link.
    AfterProgram(&'a Program),
}

/// How a program is put among others on a network device: those of tcx and of netkit, which run one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderOptions<'a> {
    /// Where it goes.
    pub position: Position<'a>,
    /// Attaches it only if the others are still as they were seen: each change to them counts their revision up. 0 for any.
    pub expected_revision: u64,
}

impl<'a> From<Position<'a>> for OrderOptions<'a> {
    fn from(position: Position<'a>) -> OrderOptions<'a> {
        OrderOptions {
            position,
            expected_revision: 0,
        }
    }
}

impl OrderOptions<'_> {
    /// Whether they ask for nothing that older ways to attach cannot do.
    pub(crate) fn are_plain(&self) -> bool {
        matches!(self.position, Position::Last) && self.expected_revision == 0
    }

    pub(crate) fn among(&self) -> Result<Among> {
        let (flags, relative) = match self.position {
            Position::Last => (0, None),
            Position::First => (BEFORE, None),
            Position::Before(link) => (BEFORE | LINK, Some(link.as_fd())),
            Position::After(link) => (AFTER | LINK, Some(link.as_fd())),
            Position::BeforeProgram(program) => (BEFORE, Some(program.fd()?)),
            Position::AfterProgram(program) => (AFTER, Some(program.fd()?)),
        };
        Ok(Among {
            flags,
            relative: relative.map_or(0, |fd| fd.as_raw_fd().cast_unsigned()),
            revision: self.expected_revision,
        })
    }
}
