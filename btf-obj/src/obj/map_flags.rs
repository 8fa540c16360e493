//! Flags of maps (`BPF_F_…`) that more than one place asks for.
//!
//! Source: `include/uapi/linux/bpf.h`.

/// `BPF_F_RDONLY_PROG`: programs only read it.
pub const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`: it can be mapped into memory.
pub const MMAPABLE: u32 = 1 << 10;
/// `BPF_F_RB_OVERWRITE`: programs overwrite the oldest records of a full ring buffer.
pub const RB_OVERWRITE: u32 = 1 << 19;
