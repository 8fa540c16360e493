//! Helper functions that old kernels have under one name only.

use crate::insn::{Insn, op};
use crate::probe::{self, Features};

/// Since 5.5 there is one function that reads kernel memory and one that reads a process's, for bytes and for text, where there
/// was one for both.
const REPLACED: [(i32, i32); 4] = [
    (112, PROBE_READ),
    (113, PROBE_READ),
    (114, PROBE_READ_STR),
    (115, PROBE_READ_STR),
];
const PROBE_READ: i32 = 4;
const PROBE_READ_STR: i32 = 45;

/// Calls `bpf_probe_read` for `bpf_probe_read_kernel` and its like on kernels without those, as libbpf does. The kernel is asked only
/// if a program calls one.
pub(super) fn replace(insns: &mut [Insn], features: &Features) {
    let mut calls = insns.iter_mut().filter_map(|insn| {
        let older = replacement(insn)?;
        Some((insn, older))
    });
    let Some(first) = calls.next() else { return };
    if features.knows(&probe::PROBE_READ_KERNEL) {
        return;
    }
    for (insn, older) in std::iter::once(first).chain(calls) {
        insn.imm = older;
    }
}

fn replacement(insn: &Insn) -> Option<i32> {
    let is_helper_call = insn.code == op::JMP | op::CALL && insn.src() == 0;
    let (_, older) = REPLACED.iter().find(|(newer, _)| *newer == insn.imm)?;
    is_helper_call.then_some(*older)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper;
    use crate::insn::pseudo;

    #[test]
    fn numbers_are_those_of_the_helpers() {
        for (newer, older) in REPLACED {
            let name = |id: i32| helper::by_id(id.cast_unsigned()).unwrap().name;
            let stem = name(newer).replace("_kernel", "").replace("_user", "");
            assert_eq!(stem, name(older));
        }
    }

    #[test]
    fn calls_of_helpers_are_replaced_where_they_must_be() {
        let call = |src, imm| Insn::new(op::JMP | op::CALL, 0, src, 0, imm);
        let before = [
            call(0, 113),
            call(0, 114),
            call(pseudo::CALL, 113),
            call(pseudo::KFUNC_CALL, 113),
            Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 113),
            call(0, 6),
        ];
        let mut features = Features::running();
        features.set(&probe::PROBE_READ_KERNEL, true);
        let mut insns = before;
        replace(&mut insns, &features);
        assert_eq!(insns, before);
        features.set(&probe::PROBE_READ_KERNEL, false);
        replace(&mut insns, &features);
        assert_eq!(insns.map(|insn| insn.imm), [4, 45, 113, 113, 113, 6]);
    }
}
