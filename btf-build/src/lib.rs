//! Compiles BPF programs from a build script: `.bpf.c` in, a checked object in `OUT_DIR` out.
//!
//! ```no_run
//! // build.rs
//! btf_build::build("src/bpf/hello.bpf.c");
//! ```
//!
//! The object is where `btf_skel_macros::include_skel!("hello")` looks for it. The only tool needed is clang; the headers
//! `<bpf/bpf_helpers.h>` and its companions come with this crate, and `vmlinux.h` is made from the running
//! kernel's types, or from those in a file.
//!
//! # Environment
//!
//! Cargo runs the build script again when one of these changes.
//!
//! | variable | meaning |
//! |---|---|
//! | `BTF_BUILD_CLANG`, then `CLANG` | the clang to use, a path or a name on `PATH`, unless [`Builder::clang`] names one |
//! | `BTF_BUILD_VMLINUX` | where kernel types come from, unless [`Builder::vmlinux`] says: a file of raw BTF, a `vmlinux` ELF file, or a ready `vmlinux.h` |
//! | `BTF_BUILD_KERNEL_BTF` | where the running kernel's BTF is, if not at `/sys/kernel/btf/vmlinux` |
//! | `CFLAGS_bpfel_unknown_none`, `CFLAGS_bpfeb_unknown_none` | flags for clang, as with the `cc` crate; plain `CFLAGS` are the host's and not used |
//!
//! # Cargo is told
//!
//! about every source and every header that clang read outside `OUT_DIR`, and about nothing else, so that an edited header
//! rebuilds the object and an untouched tree rebuilds nothing. Nothing is written outside `OUT_DIR`, and no
//! file is written that already has its contents.

mod builder;
mod clang;
mod compile;
mod depfile;
mod environment;
mod error;
mod headers;
mod object;
mod output;
mod target;
mod vmlinux;

pub use builder::{Artifact, Builder};
pub use error::Error;

use std::path::Path;

/// Compiles one source with the default settings; `src/bpf/hello.bpf.c` becomes `OUT_DIR/hello.bpf.o`.
///
/// On failure, prints what clang or this crate has to say and ends the build script. See [`Builder`] for settings,
/// and [`Builder::try_build`] for errors as values.
pub fn build(source: impl AsRef<Path>) {
    Builder::new().source(source).build();
}
