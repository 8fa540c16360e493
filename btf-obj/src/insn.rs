//! BPF instructions: the eight-byte encoding, opcode classes, and the few instructions that a loader makes.
//!
//! Encoding as in the kernel's `include/uapi/linux/bpf.h` and `Documentation/bpf/standardization/instruction-set.rst`.

use std::fmt;

/// One 8-byte instruction slot, in native byte order once read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Insn {
    /// Operation: class, size or source, and mode.
    pub code: u8,
    /// Destination register in the low and source register in the high nibble (little-endian encoding).
    pub regs: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

/// Size of an instruction slot in bytes.
pub const SIZE: u64 = size_of::<Insn>() as u64;

const _: () = assert!(SIZE == 8);

#[allow(unsafe_code)]
// SAFETY: `repr(C)` of 1 + 1 + 2 + 4 bytes with alignment 4 has no padding; all fields are numbers.
unsafe impl crate::pod::Pod for Insn {}

/// Bits of [`Insn::code`].
#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
pub mod op {
    pub const LD: u8 = 0x00;
    pub const LDX: u8 = 0x01;
    pub const ST: u8 = 0x02;
    pub const STX: u8 = 0x03;
    pub const ALU: u8 = 0x04;
    pub const JMP: u8 = 0x05;
    pub const JMP32: u8 = 0x06;
    pub const ALU64: u8 = 0x07;

    pub const W: u8 = 0x00;
    pub const H: u8 = 0x08;
    pub const B: u8 = 0x10;
    pub const DW: u8 = 0x18;

    pub const IMM: u8 = 0x00;
    pub const ABS: u8 = 0x20;
    pub const IND: u8 = 0x40;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;

    pub const K: u8 = 0x00;
    pub const X: u8 = 0x08;

    pub const JA: u8 = 0x00;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const JCOND: u8 = 0xe0;

    pub const NEG: u8 = 0x80;
    pub const MOV: u8 = 0xb0;
    pub const END: u8 = 0xd0;
}

/// Operations of `BPF_STX | BPF_ATOMIC`, which are in [`Insn::imm`].
#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
pub mod atomic {
    pub const FETCH: i32 = 0x01;
    pub const XCHG: i32 = 0xe1;
    pub const CMPXCHG: i32 = 0xf1;
    pub const LOAD_ACQ: i32 = 0x100;
    pub const STORE_REL: i32 = 0x110;
}

/// Values of the source register nibble that give LDIMM64 and CALL another meaning (`BPF_PSEUDO_*`).
#[allow(missing_docs)] // The names are those of the kernel's header, which defines them.
pub mod pseudo {
    pub const MAP_FD: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
    pub const BTF_ID: u8 = 3;
    pub const FUNC: u8 = 4;
    pub const CALL: u8 = 1;
    pub const KFUNC_CALL: u8 = 2;
}

impl Insn {
    /// Puts an instruction together.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        let regs = if cfg!(target_endian = "little") {
            (src << 4) | (dst & 0xf)
        } else {
            (dst << 4) | (src & 0xf)
        };
        Insn {
            code,
            regs,
            off,
            imm,
        }
    }

    /// Reads an instruction from its bytes in an object of the given byte order.
    pub fn from_bytes(b: [u8; 8], little_endian: bool) -> Self {
        let (off, imm) = ([b[2], b[3]], [b[4], b[5], b[6], b[7]]);
        if little_endian {
            let insn = Insn::new(b[0], b[1] & 0xf, b[1] >> 4, 0, 0);
            Insn {
                off: i16::from_le_bytes(off),
                imm: i32::from_le_bytes(imm),
                ..insn
            }
        } else {
            let insn = Insn::new(b[0], b[1] >> 4, b[1] & 0xf, 0, 0);
            Insn {
                off: i16::from_be_bytes(off),
                imm: i32::from_be_bytes(imm),
                ..insn
            }
        }
    }

    /// Writes a slot as a little-endian object has it.
    pub(crate) fn to_le_bytes(self) -> [u8; 8] {
        let regs = self.src() << 4 | self.dst();
        let ([o0, o1], [i0, i1, i2, i3]) = (self.off.to_le_bytes(), self.imm.to_le_bytes());
        [self.code, regs, o0, o1, i0, i1, i2, i3]
    }

    /// The class bits of the opcode.
    pub const fn class(self) -> u8 {
        self.code & 0x07
    }

    /// Destination register.
    pub const fn dst(self) -> u8 {
        if cfg!(target_endian = "little") {
            self.regs & 0xf
        } else {
            self.regs >> 4
        }
    }

    /// Source register.
    pub const fn src(self) -> u8 {
        if cfg!(target_endian = "little") {
            self.regs >> 4
        } else {
            self.regs & 0xf
        }
    }

    /// The same instruction with another source register nibble.
    #[must_use]
    pub const fn with_src(self, src: u8) -> Self {
        Insn::new(self.code, self.dst(), src, self.off, self.imm)
    }

    /// Returns `true` for an atomic operation of any kind: `BPF_STX | BPF_ATOMIC`.
    pub const fn is_atomic(self) -> bool {
        self.class() == op::STX && self.code & 0xe0 == op::ATOMIC
    }

    /// Returns `true` if this loads a register from the memory at the source register and does
    /// nothing else: `BPF_LDX`, and the load-acquire among the atomic operations.
    pub const fn is_load(self) -> bool {
        self.class() == op::LDX || self.is_atomic() && self.imm == atomic::LOAD_ACQ
    }

    /// Returns `true` if this stores a register or an immediate to the memory at the destination
    /// register and does nothing else: `BPF_ST`, `BPF_STX`, and the store-release among the atomic
    /// operations.
    pub const fn is_store(self) -> bool {
        match self.class() {
            op::ST => true,
            op::STX => !self.is_atomic() || self.imm == atomic::STORE_REL,
            _ => false,
        }
    }

    /// Returns the registers that this writes, one bit each. A call and a packet load
    /// (`BPF_LD | BPF_ABS`, `BPF_IND`) return in `r0` and leave `r1` to `r5` undefined.
    pub const fn written_registers(self) -> u16 {
        const R0: u16 = 1;
        const R0_TO_R5: u16 = 0b11_1111;
        let (dst, src) = (1 << self.dst(), 1 << self.src());
        match self.class() {
            op::LD if matches!(self.code & 0xe0, op::ABS | op::IND) => R0_TO_R5,
            op::LD | op::LDX | op::ALU | op::ALU64 => dst,
            op::STX if self.is_atomic() => match self.imm {
                atomic::LOAD_ACQ => dst,
                atomic::STORE_REL => 0,
                atomic::CMPXCHG => R0,
                operation if operation & atomic::FETCH != 0 => src,
                _ => 0,
            },
            op::JMP if self.code & 0xf0 == op::CALL => R0_TO_R5,
            _ => 0,
        }
    }

    /// Whether this is the first slot of the two-slot 64-bit immediate load.
    pub const fn is_ldimm64(self) -> bool {
        self.code == op::LD | op::IMM | op::DW
    }

    /// Whether this calls another BPF function of the same program.
    pub const fn is_bpf_call(self) -> bool {
        self.code == op::JMP | op::CALL && self.src() == pseudo::CALL
    }

    /// Whether this takes the address of a BPF function (a callback).
    pub const fn is_func_addr(self) -> bool {
        self.is_ldimm64() && self.src() == pseudo::FUNC
    }
}

impl fmt::Debug for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02x} r{} r{} {:+} {:#x}",
            self.code,
            self.dst(),
            self.src(),
            self.off,
            self.imm
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_read_the_same_instruction() {
        // r3 = *(u64 *)(r1 + 8), imm 0x12345678
        let le = [0x79, 0x13, 8, 0, 0x78, 0x56, 0x34, 0x12];
        let be = [0x79, 0x31, 0, 8, 0x12, 0x34, 0x56, 0x78];
        let insn = Insn::from_bytes(le, true);
        assert_eq!(insn, Insn::from_bytes(be, false));
        assert_eq!(insn.to_le_bytes(), le);
        assert_eq!((insn.dst(), insn.src(), insn.off), (3, 1, 8));
        assert_eq!(insn.imm, 0x1234_5678);
        assert_eq!(insn.class(), op::LDX);
    }

    #[test]
    fn every_class_names_the_registers_that_it_writes() {
        let written = |code, imm| Insn::new(code, 2, 7, 0, imm).written_registers();
        let atomic = |imm| written(op::STX | op::ATOMIC | op::DW, imm);
        let (r0, r2, r7, caller_saved) = (1, 1 << 2, 1 << 7, 0x3f);
        for (code, registers) in [
            (op::LD | op::IMM | op::DW, r2),
            (op::LD | op::ABS | op::W, caller_saved),
            (op::LD | op::IND | op::B, caller_saved),
            (op::LDX | op::MEM | op::B, r2),
            (op::LDX | op::MEMSX | op::W, r2),
            (op::ST | op::MEM | op::W, 0),
            (op::STX | op::MEM | op::DW, 0),
            (op::ALU | op::MOV | op::X, r2),
            (op::ALU64 | op::MOV | op::X, r2),
            (op::ALU | op::NEG, r2),
            (op::ALU64 | op::END, r2),
            (op::JMP | op::CALL, caller_saved),
            (op::JMP | op::CALL | op::X, caller_saved),
            (op::JMP | op::EXIT, 0),
            (op::JMP | op::JCOND, 0),
            (op::JMP32 | op::JA, 0),
        ] {
            assert_eq!(written(code, 0), registers, "{code:#x}");
        }
        for (operation, registers) in [
            (0x00, 0),
            (0x50, 0),
            (atomic::FETCH, r7),
            (0xa0 | atomic::FETCH, r7),
            (atomic::XCHG, r7),
            (atomic::CMPXCHG, r0),
            (atomic::LOAD_ACQ, r2),
            (atomic::STORE_REL, 0),
        ] {
            assert_eq!(atomic(operation), registers, "{operation:#x}");
        }
    }

    #[test]
    fn acquire_and_release_are_a_load_and_a_store() {
        let atomic = |imm| Insn::new(op::STX | op::ATOMIC | op::DW, 2, 7, 0, imm);
        let kind = |insn: Insn| (insn.is_load(), insn.is_store());
        assert_eq!(kind(atomic(atomic::LOAD_ACQ)), (true, false));
        assert_eq!(kind(atomic(atomic::STORE_REL)), (false, true));
        assert_eq!(kind(atomic(atomic::XCHG)), (false, false));
        assert_eq!(
            kind(Insn::new(op::STX | op::MEM, 2, 7, 0, 0x100)),
            (false, true)
        );
    }
}
