//! Outcome of a relocation for its instruction.

use crate::error::Error;
use crate::insn::Insn;
use crate::relo::Fixup;

/// What a relocation comes to.
#[derive(Debug)]
pub enum Outcome {
    /// The target has an answer.
    Value(Fixup),
    /// A question whether something exists, or for the size or number of a type, is answered with 0.
    Absent(Fixup),
    /// The instruction is replaced by one that must not be reached.
    Poisoned(Fixup),
    /// The object is refused.
    Failed(Error),
}

impl Outcome {
    /// What an answer means for the instruction that it is for.
    pub(crate) fn of(fixup: Fixup, insn: Insn) -> Outcome {
        if fixup.poisons(insn) {
            Outcome::Poisoned(fixup)
        } else if fixup.is_absent() {
            Outcome::Absent(fixup)
        } else {
            Outcome::Value(fixup)
        }
    }

    /// Whether the target has an answer.
    pub fn is_value(&self) -> bool {
        matches!(self, Outcome::Value(_))
    }
}
