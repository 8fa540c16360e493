//! BTF, CO-RE and loading of eBPF objects, in Rust and without libbpf.
//!
//! The pure side reads and computes, and never asks the kernel:
//!
//! * [`btf`]: the type format of the kernel and of compiled programs.
//!
//! Applications mostly meet this crate through the skeletons that `btf_skel_macros::include_skel!` generates.

#![deny(unsafe_code)]

pub mod btf;
mod error;
pub mod insn;
pub mod obj;
#[allow(unsafe_code)] // Views of plain values as bytes; each block has its proof.
pub mod pod;

pub use error::{Error, ErrorKind, Result};
pub use pod::Pod;
