//! BTF, CO-RE and loading of eBPF objects, in Rust and without libbpf.
//!
//! The pure side reads and computes, and never asks the kernel:
//!
//! * [`btf`]: the type format of the kernel and of compiled programs;
//! * [`obj`]: a compiled object as plain data; [`relo`]: CO-RE;
//! * [`target`]: what programs attach to by type, and its prototype.
//!
//! The kernel side, behind the default feature `load`:
//!
//! * `load`: from an object to maps and programs in the kernel;
//! * `map`, `prog`, `link`: what comes of it;
//! * `probe`: what the running kernel can do;
//! * `binary`: what programs of user space offer to be attached to.
//!
//! The feature `tokio`, which is off by default, has the samples of ring and perf buffers as async streams (`map::RingBuf::stream`).
//! Any other reactor waits for the descriptor of a consumer (`AsFd`).
//!
//! Applications mostly meet this crate through the skeletons that `btf_skel_macros::include_skel!` generates; they name it
//! for its errors, its typed maps and its links. By itself it answers questions about objects and kernels:
//!
//! ```no_run
//! # fn main() -> btf_core::Result<()> {
//! use btf_core::btf::{Btf, Kind, dump};
//! use btf_core::obj::Object;
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

#[cfg(feature = "load")]
pub mod binary;
pub mod btf;
mod effort;
mod error;
pub mod helper;
pub mod insn;
#[cfg(feature = "load")]
pub mod link;
#[cfg(feature = "load")]
pub mod load;
#[cfg(feature = "load")]
pub mod map;
mod near;
pub mod obj;
#[allow(unsafe_code)] // Views of plain values as bytes; each block has its proof.
pub mod pod;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "load")]
pub mod probe;
#[cfg(feature = "load")]
pub mod prog;
pub mod relo;
mod sort;
#[cfg(feature = "load")]
mod sys;
pub mod target;

pub use error::{Error, ErrorKind, Result};
pub use pod::Pod;
