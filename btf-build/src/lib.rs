//! Compiles BPF programs from a build script: `.bpf.c` in, a checked object in `OUT_DIR` out.
//!
//! ```no_run
//! // build.rs
//! btf_build::build("src/bpf/hello.bpf.c");
//! ```
//!
//! The object is where `btf_core::include_skel!("hello")` looks for it. The only tool needed
//! is clang; the headers `<bpf/bpf_helpers.h>` and its companions come with this crate, and
//! `vmlinux.h` is made from the running kernel's types, or from those in a file.
//!
//! # Environment
//!
//! Cargo runs the build script again when one of these changes.
//!
//! | variable | meaning |
//! |---|---|
//! | `BTF_BUILD_CLANG`, then `CLANG` | the clang to use, a path or a name on `PATH`, unless [`Builder::clang`] names one |
//! | `BTF_BUILD_VMLINUX` | where kernel types come from, unless [`Builder::vmlinux`] says: a file of raw BTF, a `vmlinux` ELF file, a ready `vmlinux.h`, or a folder with one of these for each architecture |
//! | `BTF_BUILD_KERNEL_BTF` | where the running kernel's BTF is, if not at `/sys/kernel/btf/vmlinux` |
//! | `CFLAGS_bpfel_unknown_none`, `CFLAGS_bpfeb_unknown_none` | flags for clang, as with the `cc` crate, which also knows them with dashes |
//! | `CPATH`, `C_INCLUDE_PATH` | more folders of headers, read by clang itself |
//!
//! Read besides, and no reason to build again: `PATH`, where clang is looked for; `CFLAGS`,
//! `HOST_CFLAGS` and `TARGET_CFLAGS`, to leave out what they have, which is for the host's
//! programs; and what cargo sets: `OUT_DIR`, `CARGO_CFG_TARGET_ARCH`, `CARGO_CFG_TARGET_ENDIAN`,
//! `NUM_JOBS` and `CARGO_MAKEFLAGS`.
//!
//! # Arguments of programs
//!
//! What fentry, fexit, fmod_ret, tp_btf, raw_tp and other programs that attach by type are passed
//! is in no BTF of the object. It is looked up in the BTF that `vmlinux.h` comes from, and left
//! beside the object as `NAME.target.btf`, for the skeleton and for loading. What `BPF_PROG`
//! declares is held against it; a wrong count, order or type is a warning with both prototypes:
//!
//! ```text
//! src/bpf/hello.bpf.c:19: warning: program `on_unlink` does not declare what `vfs_unlink` has: argument 1 is `struct
//! mnt_idmap *idmap` and is declared `struct inode *dir`
//!   declared: int on_unlink(struct inode *dir, struct dentry *dentry)
//!   kernel:   int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, …)
//! ```
//!
//! A ready `vmlinux.h` has no BTF: then nothing is left and nothing checked.
//!
//! # Comments
//!
//! at declarations are left beside the object as `NAME.docs`, from which the skeleton's
//! documentation is made.
//!
//! # What will not work
//!
//! is said as a warning where it stands in the source, with what to try:
//!
//! ```text
//! src/bpf/hello.bpf.c:12:5: warning: program `on_read` will not be loaded: SEC("fexti/vfs_read") is not a known section name
//! SEC("fexti/vfs_read")
//!     ^
//!   help: did you mean `fexit`? If not, call set_type on the open program before it is loaded
//! ```
//!
//! | what | for instance |
//! |---|---|
//! | section names that no loader knows, of programs and of variables | `SEC("fexti/vfs_read")`, `SEC("licence")` |
//! | addresses in variables, which loaders do not fill in as they do in code | `static char *names[] = { "read", "write" };` |
//! | a missing license; what needs one that is compatible with the GPL | `bpf_probe_read_kernel` under `"GPL-2.0"`, which kernels do not know |
//! | a read through a pointer that the verifier takes for a number | `task->pid` in a kprobe, or after `bpf_get_current_task()` |
//! | a read of a kernel's struct without a CO-RE relocation, which is right for one kernel only | `task->pid` of a `struct task_struct` that was written down by hand |
//! | what the clang at hand is too old for | 64-bit enums, which clang 14 cuts; `-mcpu=v4`, `may_goto`, arenas |
//!
//! What cannot be told from the object for certain is let pass: a pointer that may be one of two, a
//! struct that one of the system's headers declares.
//!
//! # What does not compile
//!
//! is shown in clang's words, each said once, be it in a header of twenty sources, with what is
//! known below them. A macro's insides are left out if the macro is of `<bpf/…>`.
//!
//! ```text
//! src/bpf/hello.bpf.c:25:41: error: no member named 'nr_running' in 'struct cfs_rq'
//!     slot = BPF_CORE_READ(task, se.cfs_rq, nr_running);
//!            ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~^~~~~~~~~~~
//!   help: `struct cfs_rq` has no `nr_running` in the types of this machine's kernel
//!         what only other kernels have is read by a type of its own, which CO-RE takes for `cfs_rq`, after bpf_core_field_exists:
//!         struct cfs_rq___other { TYPE nr_running; } __attribute__((preserve_access_index));
//! ```
//!
//! So are structs that are a module's, constants that are macros and therefore in no BTF
//! (`ETH_P_IP`, with the definition that the installed headers have), functions of the kernel that
//! a source must declare, headers that are not included, and those that declare again what
//! `vmlinux.h` has.
//!
//! # Rebuilds
//!
//! Cargo watches every source, every header that clang read outside the build's own directories,
//! and the directories of patterns: an edited header rebuilds the object, and an untouched tree
//! rebuilds nothing. A header that appears where clang looked for one and found none rebuilds it,
//! too: one that a source asks for with `__has_include`, or one in an earlier directory of the
//! search path. For these, `OUT_DIR/btf-build/absent` has symbolic links to paths that do not
//! exist. Several sources are compiled in parallel, as many as cargo's jobserver allows. Properties
//! of clang are queried again when its file or the variables that `cc` reads have changed.
//!
//! # What is written
//!
//! goes to `OUT_DIR`, but for `vmlinux.h`: crates that take it from the same types find one in
//! `target/PROFILE/btf-build`, which the first of them makes; and `compile_commands.json` in the
//! package's folder, if [`Builder::compile_commands`] asks for it. No file is written that already
//! has its contents.
//!
//! # Kernels without BTF
//!
//! have their types carried along, if [`Builder::kernel_btfs`] names them: what an object's CO-RE
//! relocations need of each is a few hundred bytes, left beside the object as `NAME.btfs`, embedded
//! by the skeleton, and used on a kernel that has no `/sys/kernel/btf/vmlinux` and whose release is
//! that of the file's name.
//!
//! # Other machines
//!
//! Byte order, registers (`PT_REGS_PARM1` and its like, by `__TARGET_ARCH_…`) and `vmlinux.h` are
//! those of the machine that cargo builds for. The running kernel's types are used for its own
//! architecture only; for others, name a folder with [`Builder::vmlinux`] or `BTF_BUILD_VMLINUX`:
//!
//! ```text
//! kernels/aarch64.btf      or arm64.btf
//! kernels/s390x.btf
//! kernels/x86_64.btf       or amd64.btf, or a folder: x86_64/vmlinux.btf, x86_64/vmlinux, x86_64/vmlinux.h
//! ```

mod absent;
mod builder;
mod clang;
mod clang_exit;
mod compile;
mod compile_commands;
mod depfile;
mod diagnostics;
mod docs;
mod dwarf;
mod environment;
mod error;
mod glob;
mod headers;
mod jobs;
mod kernels;
mod lint;
mod object;
mod output;
mod prototypes;
mod replace;
mod run;
mod search_path;
mod settings;
mod sources;
mod strip;
mod target;
mod tool_cache;
mod types;
mod vmlinux;

pub use builder::Builder;
pub use error::Error;
pub use run::Artifact;

use std::path::Path;

/// Compiles one source with the default settings; `src/bpf/hello.bpf.c` becomes
/// `OUT_DIR/hello.bpf.o`.
///
/// On failure, prints what clang or this crate has to say and ends the build script. See
/// [`Builder`] for settings, and [`Builder::try_build`] for errors as values.
pub fn build(source: impl AsRef<Path>) {
    Builder::new().source(source).build();
}
