//! BTF, CO-RE and BPF ELF objects in pure Rust, without a kernel.
//!
//! Every function here computes from bytes that the caller passes. Nothing talks to the kernel; that is
//! the job of btf-core, which re-exports these modules.
//!
//! | module | contents |
//! |---|---|
//! | [`btf`] | the type format of kernels and compiled programs: reading, writing, C dump, `.BTF.ext` |
//! | [`relo`] | CO-RE relocations: fixups of an object's instructions for a target BTF |
//! | [`obj`] | BPF ELF objects as plain data; static linking; tables of sections and map types |
//! | [`attach_target`] | kernel functions and hooks that programs attach to, and their prototypes |
//! | [`helper`] | table of BPF helper functions |
//! | [`insn`] | instruction encoding |
//! | [`pod`] | types that are shared with BPF programs as bytes |
//!
//! ```no_run
//! # fn main() -> btf_obj::Result<()> {
//! use btf_obj::btf::{Btf, Kind, dump};
//! use btf_obj::obj::Object;
//!
//! let kernel = Btf::from_file("/sys/kernel/btf/vmlinux")?;
//! if let Some(task) = kernel.find("task_struct", Kind::STRUCT) {
//!     println!("{} bytes: {}", task.byte_size().unwrap_or(0), dump::declaration(task, "task"));
//! }
//!
//! let elf = std::fs::read("hello.bpf.o").expect("compiled before");
//! for program in Object::parse("hello", &elf)?.programs() {
//!     println!("{} in SEC(\"{}\")", program.name, program.section);
//! }
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

pub mod attach_target;
pub mod btf;
mod effort;
mod error;
pub mod helper;
pub mod insn;
pub mod obj;
#[allow(unsafe_code)] // Views of plain values as bytes; each block has its proof.
pub mod pod;
#[doc(hidden)]
pub mod private;
pub mod relo;
mod suggest;

pub use error::{Error, ErrorKind, Result};
pub use pod::Pod;
