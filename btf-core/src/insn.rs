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

const _: () = assert!(size_of::<Insn>() == 8);

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
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;

    pub const K: u8 = 0x00;
    pub const X: u8 = 0x08;

    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;

    pub const MOV: u8 = 0xb0;
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
}
