//! Patching an instruction with a relocation's answer (libbpf's `bpf_core_patch_insn`).

use crate::btf::TypeId;
use crate::btf::ext::CoreKind;
use crate::error::{Error, ErrorKind, Result};
use crate::insn::{Insn, op};

/// The helper number that libbpf calls in place of an instruction that cannot be relocated: the verifier's
/// `invalid func unknown#195896080` (0xbad2310, "bad relo").
pub const POISON: i32 = 195_896_080;

/// The answer to a relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixup {
    /// What was asked.
    pub kind: CoreKind,
    /// The answer in the object: what the compiler has put into the instruction.
    pub local: u64,
    /// The answer in the target.
    pub target: u64,
    /// Whether there is no answer, so that the instruction must not be reached.
    pub poison: bool,
    /// Whether the instruction must hold `local` now.
    pub validate: bool,
    /// Bytes loaded or stored, in the object; 0 if it is no such access.
    pub local_size: u32,
    /// Bytes loaded or stored, in the target.
    pub target_size: u32,
    /// Whether a load or store must not follow the change of size: its value would change too.
    pub refuse_resize: bool,
}

impl Fixup {
    /// A type's own id in the object: it needs no target.
    pub(super) fn of_local_id(id: TypeId) -> Self {
        Fixup {
            kind: CoreKind::TYPE_ID_LOCAL,
            local: id.0.into(),
            target: id.0.into(),
            poison: false,
            validate: false,
            local_size: 0,
            target_size: 0,
            refuse_resize: false,
        }
    }

    /// Whether applying it poisons this instruction: it has no answer, or one that a load or store cannot follow.
    pub fn poisons(&self, insn: Insn) -> bool {
        self.poison || self.refuse_resize && matches!(insn.class(), op::LDX | op::ST | op::STX)
    }

    /// Whether the answer is 0 because there is no such thing: a question whether something exists, or for the size or the
    /// number of a type.
    pub fn is_absent(&self) -> bool {
        let says = matches!(
            self.kind,
            CoreKind::FIELD_EXISTS
                | CoreKind::TYPE_EXISTS
                | CoreKind::TYPE_SIZE
                | CoreKind::TYPE_ID_TARGET
                | CoreKind::TYPE_MATCHES
                | CoreKind::ENUMVAL_EXISTS
        );
        says && !self.poison && self.target == 0
    }

    /// Patches the instruction at `at`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Relocation`] if the instruction is of a form that cannot be relocated, holds another value than
    /// the object's types say, or cannot hold the target's.
    pub fn apply(&self, insns: &mut [Insn], at: usize) -> Result<()> {
        let Some(&insn) = insns.get(at) else {
            return Err(refused(format!("there is no instruction {at}")));
        };
        if self.poison {
            poison(insns, at);
            return Ok(());
        }
        match insn.class() {
            op::ALU | op::ALU64 => {
                if insn.code & op::X != op::K {
                    return Err(refused(format!("{insn:?} has no immediate")));
                }
                self.check(i64::from(insn.imm).cast_unsigned(), "immediate")?;
                insns[at].imm = self.target as u32 as i32;
            }
            op::LDX | op::ST | op::STX => {
                self.check(i64::from(insn.off).cast_unsigned(), "offset")?;
                let off = i16::try_from(self.target).map_err(|_| {
                    refused(format!(
                        "the target's offset {} does not fit 16 bits",
                        self.target
                    ))
                })?;
                if self.refuse_resize {
                    poison(insns, at);
                    return Ok(());
                }
                insns[at].off = off;
                if self.local_size != self.target_size {
                    insns[at].code = self.resized(insn)?;
                }
            }
            op::LD => self.patch_ldimm64(insns, at)?,
            _ => {
                return Err(refused(format!(
                    "{insn:?} is no instruction that can be relocated"
                )));
            }
        }
        Ok(())
    }

    fn check(&self, found: u64, what: &str) -> Result<()> {
        if self.validate && found != self.local {
            return Err(refused(format!(
                "the instruction's {what} is {}, but by the object's types it should be {}",
                found.cast_signed(),
                self.local
            ))
            .hint("the object was changed after compilation, or its BTF is not its own"));
        }
        Ok(())
    }

    /// The opcode that loads or stores as many bytes as the target has.
    fn resized(&self, insn: Insn) -> Result<u8> {
        const SIZES: [(u8, u32); 4] = [(op::B, 1), (op::H, 2), (op::W, 4), (op::DW, 8)];
        let bits = insn.code & op::DW;
        let size = SIZES
            .iter()
            .find(|(code, _)| *code == bits)
            .map_or(0, |(_, size)| *size);
        if size != self.local_size {
            return Err(refused(format!(
                "the instruction accesses {size} bytes, but by the object's types it should be {}",
                self.local_size
            )));
        }
        match SIZES.iter().find(|(_, size)| *size == self.target_size) {
            Some((code, _)) => Ok(insn.code & !op::DW | code),
            None => Err(refused(format!(
                "no instruction accesses {} bytes, the target's size",
                self.target_size
            ))),
        }
    }

    fn patch_ldimm64(&self, insns: &mut [Insn], at: usize) -> Result<()> {
        let (first, second) = (insns[at], insns.get(at + 1).copied().unwrap_or_default());
        let plain = first.is_ldimm64()
            && (first.src(), first.off) == (0, 0)
            && at + 1 < insns.len()
            && (second.code, second.regs, second.off) == (0, 0, 0);
        if !plain {
            return Err(refused(format!("{first:?} is no plain 64-bit load")));
        }
        let value =
            u64::from(second.imm.cast_unsigned()) << 32 | u64::from(first.imm.cast_unsigned());
        self.check(value, "immediate")?;
        insns[at].imm = self.target as u32 as i32;
        insns[at + 1].imm = (self.target >> 32) as u32 as i32;
        Ok(())
    }
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::Relocation, why)
}

/// Replaces the instruction, and the second slot of a 64-bit load, by a call that the verifier refuses if it gets there.
fn poison(insns: &mut [Insn], at: usize) {
    let slots = if insns[at].is_ldimm64() { 2 } else { 1 };
    for slot in insns.iter_mut().skip(at).take(slots) {
        *slot = Insn::new(op::JMP | op::CALL, 0, 0, 0, POISON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixup(local: u64, target: u64) -> Fixup {
        Fixup {
            kind: CoreKind::FIELD_BYTE_OFFSET,
            local,
            target,
            poison: false,
            validate: true,
            local_size: 4,
            target_size: 4,
            refuse_resize: false,
        }
    }

    /// r1 = *(u32 *)(r2 + 8)
    const LOAD: Insn = Insn::new(op::LDX | op::MEM | op::W, 1, 2, 8, 0);

    #[test]
    fn a_load_gets_offset_and_size() {
        let mut insns = [LOAD];
        fixup(8, 16).apply(&mut insns, 0).unwrap();
        assert_eq!(insns[0], Insn { off: 16, ..LOAD });
        let wider = Fixup {
            target_size: 8,
            ..fixup(16, 24)
        };
        wider.apply(&mut insns, 0).unwrap();
        assert_eq!(
            insns[0],
            Insn {
                code: op::LDX | op::MEM | op::DW,
                off: 24,
                ..LOAD
            }
        );
    }

    #[test]
    fn a_value_that_is_not_the_compilers_is_refused() {
        let mut insns = [LOAD];
        assert_eq!(
            fixup(9, 16).apply(&mut insns, 0).unwrap_err().message(),
            "the instruction's offset is 8, but by the object's types it should be 9"
        );
        assert_eq!(
            fixup(8, 40_000).apply(&mut insns, 0).unwrap_err().message(),
            "the target's offset 40000 does not fit 16 bits"
        );
        assert_eq!(insns[0], LOAD);
    }

    #[test]
    fn both_slots_of_a_wide_load_are_patched_or_poisoned() {
        let wide = [
            Insn::new(op::LD | op::IMM | op::DW, 1, 0, 0, 5),
            Insn::default(),
        ];
        let mut insns = wide;
        fixup(5, 0x1_0000_0002).apply(&mut insns, 0).unwrap();
        assert_eq!((insns[0].imm, insns[1].imm), (2, 1));
        let mut insns = wide;
        Fixup {
            poison: true,
            ..fixup(5, 0)
        }
        .apply(&mut insns, 0)
        .unwrap();
        assert!(
            insns
                .iter()
                .all(|i| i.imm == POISON && i.code == op::JMP | op::CALL)
        );
    }

    #[test]
    fn a_load_that_would_change_its_value_is_poisoned() {
        let signed = Fixup {
            refuse_resize: true,
            target_size: 8,
            ..fixup(8, 16)
        };
        let mut insns = [LOAD];
        signed.apply(&mut insns, 0).unwrap();
        assert_eq!(insns[0].imm, POISON);
    }
}
