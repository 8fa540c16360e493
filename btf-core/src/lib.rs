//! Runtime of BPF skeletons: opens, relocates, loads and attaches BPF objects, in Rust and without libbpf.
//!
//! Applications mostly meet this crate through the skeletons that [`include_skel!`] generates; they name
//! it for its errors, its typed maps and its links.
//!
//! | module | contents |
//! |---|---|
//! | [`load`] | from an object to maps and programs in the kernel |
//! | [`map`], [`prog`], [`link`] | typed maps, programs and their attach functions, links |
//! | [`token`] | BPF tokens |
//! | [`probe`] | features of the running kernel |
//! | [`binary`] | symbols and USDT probes of user-space binaries |
//! | [`btf`], [`obj`], [`relo`], [`attach_target`], [`helper`], [`insn`], [`pod`] | formats, re-exported from btf-obj |
//!
//! # Features
//!
//! * `macros` (default): [`include_skel!`].
//! * `tokio`: ring and perf buffer samples as async streams (`map::RingBuf::stream`). Any other reactor
//!   polls the file descriptor of a consumer (`AsFd`).

#![deny(unsafe_code)]

pub mod attach;
pub mod binary;
mod error;
mod kernel;
pub mod link;
pub mod load;
pub mod map;
mod pin;
#[doc(hidden)]
pub mod private;
pub mod probe;
pub mod prog;
pub mod struct_ops;
mod sys;
pub mod token;

pub use btf_obj::{Error, ErrorKind, Pod, Result};
pub use btf_obj::{attach_target, btf, helper, insn, obj, pod, relo};
#[cfg(feature = "macros")]
pub use btf_skel_macros::include_skel;
