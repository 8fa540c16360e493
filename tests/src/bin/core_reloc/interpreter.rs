//! As much of an eBPF machine as the suite's programs use: registers, a stack, `.bss`, and helpers that read memory.

use btf_core::insn::{Insn, op};
use btf_core::relo::POISON;

/// Where the program finds its `.bss`.
pub(crate) const BSS: u64 = 0x1_0000_0000;
/// Where its stack ends.
const STACK: u64 = 0x2_0000_0000;
const STACK_LEN: usize = 512;
/// Longer than any program of the suite runs.
const STEPS: usize = 100_000;

/// Why a program did not get to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It came to an instruction whose relocation had no answer.
    Poisoned,
    Fault(String),
}

pub(crate) struct Machine {
    regs: [u64; 11],
    stack: [u8; STACK_LEN],
    bss: Vec<u8>,
    pid_tgid: u64,
}

fn fault(why: String) -> Stop {
    Stop::Fault(why)
}

impl Machine {
    pub(crate) fn new(bss: Vec<u8>, pid_tgid: u64) -> Machine {
        let mut regs = [0; 11];
        regs[10] = STACK;
        Machine {
            regs,
            stack: [0; STACK_LEN],
            bss,
            pid_tgid,
        }
    }

    pub(crate) fn into_bss(self) -> Vec<u8> {
        self.bss
    }

    /// Returns the program's return value.
    #[allow(
        dead_code,
        reason = "`btf-suite` has this module, too, and only there programs return lines"
    )]
    pub(crate) fn result(&self) -> u64 {
        self.regs[0]
    }

    pub(crate) fn run(&mut self, insns: &[Insn]) -> Result<(), Stop> {
        let mut at = 0;
        for _ in 0..STEPS {
            let Some(&insn) = insns.get(at) else {
                return Err(fault(format!("it runs past its end, to instruction {at}")));
            };
            let next = insns.get(at + 1).copied().unwrap_or_default();
            match self.step(insn, next).map_err(|stop| match stop {
                Stop::Fault(why) => fault(format!("instruction {at} ({insn:?}): {why}")),
                stop => stop,
            })? {
                Some(skip) => at = at.wrapping_add_signed(1 + skip),
                None => return Ok(()),
            }
        }
        Err(fault("it does not come to an end".to_owned()))
    }

    /// Carries out one instruction; how many to skip after it, or `None` at the end.
    fn step(&mut self, insn: Insn, next: Insn) -> Result<Option<isize>, Stop> {
        match insn.class() {
            op::LD if insn.is_ldimm64() => {
                let (low, high) = (insn.imm.cast_unsigned(), next.imm.cast_unsigned());
                self.set(insn, u64::from(high) << 32 | u64::from(low));
                return Ok(Some(1));
            }
            op::LDX => {
                let address = self.at(insn.src()).wrapping_add_signed(insn.off.into());
                let bytes = self.read(address, size(insn))?;
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(&bytes);
                self.set(insn, u64::from_le_bytes(word));
            }
            op::ST | op::STX => {
                if insn.code & 0xe0 != op::MEM {
                    return Err(fault("no plain store".to_owned()));
                }
                let value = match insn.class() {
                    op::ST => i64::from(insn.imm).cast_unsigned(),
                    _ => self.at(insn.src()),
                };
                let address = self.at(insn.dst()).wrapping_add_signed(insn.off.into());
                self.write(address, &value.to_le_bytes()[..size(insn)])?;
            }
            op::ALU | op::ALU64 => self.compute(insn)?,
            op::JMP if insn.code == op::JMP | op::EXIT => return Ok(None),
            op::JMP if insn.code == op::JMP | op::CALL => self.call(insn)?,
            op::JMP | op::JMP32 => {
                let taken = self.compares(insn)?;
                return Ok(Some(if taken { insn.off.into() } else { 0 }));
            }
            _ => return Err(fault("not known here".to_owned())),
        }
        Ok(Some(0))
    }

    fn at(&self, register: u8) -> u64 {
        self.regs.get(usize::from(register)).copied().unwrap_or(0)
    }

    fn set(&mut self, insn: Insn, value: u64) {
        if let Some(register) = self.regs.get_mut(usize::from(insn.dst())) {
            *register = value;
        }
    }

    /// The second operand.
    fn operand(&self, insn: Insn) -> u64 {
        if insn.code & op::X != 0 {
            self.at(insn.src())
        } else {
            i64::from(insn.imm).cast_unsigned()
        }
    }

    fn compute(&mut self, insn: Insn) -> Result<(), Stop> {
        let is_wide = insn.class() == op::ALU64;
        let bits = if is_wide { 64 } else { 32 };
        let narrow = |value: u64| if is_wide { value } else { value & 0xffff_ffff };
        let (a, b) = (narrow(self.at(insn.dst())), narrow(self.operand(insn)));
        let shift = (b % bits) as u32;
        let value = match insn.code & 0xf0 {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x40 => a | b,
            0x50 => a & b,
            0x60 => a << shift,
            0x70 => a >> shift,
            0x80 => a.wrapping_neg(),
            0xa0 => a ^ b,
            op::MOV => b,
            0xc0 if is_wide => (a.cast_signed() >> shift).cast_unsigned(),
            0xc0 => u64::from(((a as u32).cast_signed() >> shift).cast_unsigned()),
            _ => return Err(fault("no such arithmetic here".to_owned())),
        };
        self.set(insn, narrow(value));
        Ok(())
    }

    fn compares(&self, insn: Insn) -> Result<bool, Stop> {
        let (mut a, mut b) = (self.at(insn.dst()), self.operand(insn));
        if insn.class() == op::JMP32 {
            // Extended by sign, so that signed comparisons need no form of their own.
            let extend = |value: u64| i64::from((value as u32).cast_signed()).cast_unsigned();
            (a, b) = (extend(a), extend(b));
        }
        let (signed_a, signed_b) = (a.cast_signed(), b.cast_signed());
        Ok(match insn.code & 0xf0 {
            0x00 => true,
            0x10 => a == b,
            0x20 => a > b,
            0x30 => a >= b,
            0x40 => a & b != 0,
            0x50 => a != b,
            0x60 => signed_a > signed_b,
            0x70 => signed_a >= signed_b,
            0xa0 => a < b,
            0xb0 => a <= b,
            0xc0 => signed_a < signed_b,
            0xd0 => signed_a <= signed_b,
            _ => return Err(fault("no such comparison here".to_owned())),
        })
    }

    fn call(&mut self, insn: Insn) -> Result<(), Stop> {
        let result = match insn.imm {
            POISON => return Err(Stop::Poisoned),
            // bpf_probe_read, bpf_probe_read_kernel
            4 | 113 => {
                let bytes = self.read(self.at(3), self.at(2) as usize)?;
                self.write(self.at(1), &bytes)?;
                0
            }
            // bpf_get_current_pid_tgid
            14 => self.pid_tgid,
            other => return Err(fault(format!("helper {other} is not known here"))),
        };
        self.regs[0] = result;
        Ok(())
    }

    fn read(&mut self, address: u64, len: usize) -> Result<Vec<u8>, Stop> {
        Ok(self.memory(address, len)?.to_vec())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        self.memory(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn memory(&mut self, address: u64, len: usize) -> Result<&mut [u8], Stop> {
        let bottom = STACK - STACK_LEN as u64;
        let (memory, start) = if address >= bottom {
            (&mut self.stack[..], bottom)
        } else {
            (&mut self.bss[..], BSS)
        };
        address
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| memory.get_mut(at..at.checked_add(len)?))
            .ok_or_else(|| fault(format!("{len} bytes at {address:#x} are out of bounds")))
    }
}

/// Bytes of a load or store.
fn size(insn: Insn) -> usize {
    match insn.code & op::DW {
        op::B => 1,
        op::H => 2,
        op::W => 4,
        _ => 8,
    }
}
