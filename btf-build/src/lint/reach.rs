//! Which instructions of a function run whatever its constants are.
//!
//! The verifier knows the values of `.rodata` and of kernel settings, and what CO-RE has put into instructions: of a branch that these
//! decide, it looks at one side alone. A program may so have code that would be refused, and never is, because its application sets a
//! constant, or because the kernel has a field.

use btf_obj::insn::{Insn, op};

/// Where an instruction goes on: one place, the two of a branch, or none.
pub(super) fn successors(at: usize, insn: Insn) -> [Option<usize>; 2] {
    let next = at + 1 + usize::from(insn.is_ldimm64());
    if !matches!(insn.class(), op::JMP | op::JMP32) {
        return [Some(next), None];
    }
    let to = |offset: i32| usize::try_from(next as i64 + i64::from(offset)).ok();
    match insn.code & 0xf0 {
        op::EXIT => [None, None],
        op::CALL => [Some(next), None],
        // An indirect jump.
        0 if insn.code & op::X != 0 => [None, None],
        // BPF_JA has its offset in `imm` if it is of the 32-bit class.
        0 if insn.class() == op::JMP32 => [to(insn.imm), None],
        0 => [to(insn.off.into()), None],
        _ => [to(insn.off.into()), Some(next)],
    }
}

/// Whether every run of the verifier comes to `target`: at a branch that constants decide, both sides must lead there; at another,
/// which may go either way, one.
pub(super) fn is_certain(
    insns: &[Insn],
    is_decided: impl Fn(usize) -> bool,
    target: usize,
) -> bool {
    let mut leads = vec![false; insns.len()];
    if let Some(there) = leads.get_mut(target) {
        *there = true;
    }
    // Most ways go forward, so that one pass backward finds most; loops take more.
    loop {
        let mut changed = false;
        for (at, insn) in insns.iter().enumerate().rev() {
            let does = |to: Option<usize>| to.is_some_and(|to| leads.get(to) == Some(&true));
            let now = match successors(at, *insn) {
                [one, Some(other)] if is_decided(at) => does(one) && does(Some(other)),
                [one, other] => does(one) || does(other),
            };
            if now && !leads[at] {
                leads[at] = true;
                changed = true;
            }
        }
        if !changed {
            return leads.first() == Some(&true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `if r1 == 0 goto +offset`.
    fn branch(off: i16) -> Insn {
        Insn {
            code: op::JMP | 0x10,
            off,
            ..Insn::default()
        }
    }

    fn exit() -> Insn {
        Insn {
            code: op::JMP | op::EXIT,
            ..Insn::default()
        }
    }

    #[test]
    fn what_a_constant_skips_is_not_certain() {
        // A branch over one instruction, then the end.
        let insns = [branch(1), Insn::default(), exit()];
        assert!(is_certain(&insns, |_| false, 1));
        assert!(!is_certain(&insns, |at| at == 0, 1));
        assert!(is_certain(&insns, |at| at == 0, 2));
    }

    #[test]
    fn a_constant_that_ends_a_program_leaves_the_rest_uncertain() {
        let insns = [branch(1), exit(), Insn::default(), exit()];
        assert!(!is_certain(&insns, |at| at == 0, 2));
        // Behind the constant a question that is none of constants: both sides lead on.
        let insns = [branch(2), branch(1), exit(), Insn::default(), exit()];
        assert!(is_certain(&insns, |at| at == 0, 3));
        assert!(!is_certain(&insns, |_| true, 3));
    }

    #[test]
    fn a_loop_comes_to_an_end() {
        let insns = [Insn::default(), branch(-2), exit()];
        assert!(is_certain(&insns, |at| at == 1, 1));
        assert!(!is_certain(&insns, |at| at == 1, 2));
        assert!(!is_certain(&insns, |_| false, 9));
    }
}
