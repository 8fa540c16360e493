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
//! | `BTF_BUILD_VMLINUX` | the source of kernel types, unless [`Builder::vmlinux`] names one: a file of raw BTF, a `vmlinux` ELF file, a ready `vmlinux.h`, or a directory with one of these for each architecture |
//! | `BTF_BUILD_KERNEL_BTF` | the running kernel's BTF, if not at `/sys/kernel/btf/vmlinux` |
//! | `CFLAGS_bpfel_unknown_none`, `CFLAGS_bpfeb_unknown_none` | flags for clang, as with the `cc` crate, which also accepts them with dashes |
//! | `CPATH`, `C_INCLUDE_PATH` | more directories of headers, read by clang itself |
//!
//! Others are read, but do not cause another build: `PATH`, to find clang; `CFLAGS`, `HOST_CFLAGS`
//! and `TARGET_CFLAGS`, whose flags are for programs of the host and are removed; and what cargo
//! sets: `OUT_DIR`, `CARGO_CFG_TARGET_ARCH`, `CARGO_CFG_TARGET_ENDIAN`, `NUM_JOBS` and
//! `CARGO_MAKEFLAGS`.
//!
//! # Program arguments
//!
//! The object's BTF does not have the arguments of fentry, fexit, fmod_ret, tp_btf, raw_tp and
//! other programs that attach by type. They are looked up in the BTF that `vmlinux.h` comes from,
//! and written beside the object as `NAME.target.btf`, for the skeleton and for loading. The
//! declaration in `BPF_PROG` is compared with them; a wrong count, order or type is a warning with
//! both prototypes:
//!
//! ```text
//! src/bpf/hello.bpf.c:19: warning: program `on_unlink` does not declare what `vfs_unlink` has: argument 1 is `struct
//! mnt_idmap *idmap` and is declared `struct inode *dir`
//!   declared: int on_unlink(struct inode *dir, struct dentry *dentry)
//!   kernel:   int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, …)
//! ```
//!
//! A ready `vmlinux.h` has no BTF: then no file is written and nothing is checked.
//!
//! # Comments
//!
//! Comments at declarations are written beside the object as `NAME.docs`, and become the skeleton's
//! documentation.
//!
//! # Diagnostics
//!
//! Likely mistakes are reported as warnings at their source line, with help:
//!
//! ```text
//! src/bpf/hello.bpf.c:12:5: warning: program `on_read` will not be loaded: SEC("fexti/vfs_read") is not a known section name
//! SEC("fexti/vfs_read")
//!     ^
//!   help: did you mean `fexit`? If not, call set_type on the open program before it is loaded
//! ```
//!
//! | mistake | example |
//! |---|---|
//! | a section name that no loader knows, of a program or a variable | `SEC("fexti/vfs_read")`, `SEC("licence")` |
//! | an address in a variable: loaders relocate code, not data | `static char *names[] = { "read", "write" };` |
//! | a missing license, or one that does not allow GPL-only helpers | `bpf_probe_read_kernel` under `"GPL-2.0"`, which kernels do not know |
//! | a read through a pointer that is a scalar to the verifier | `task->pid` in a kprobe, or after `bpf_get_current_task()` |
//! | a read of a kernel struct without a CO-RE relocation, which is right for one kernel only | `task->pid` of a `struct task_struct` declared by hand |
//! | a feature that this clang is too old for | 64-bit enums, which clang 14 truncates; `-mcpu=v4`, `may_goto`, arenas |
//!
//! Nothing is reported that may be right: a pointer that may be one of two, a struct that one of
//! the system's headers declares.
//!
//! # Compile errors
//!
//! clang's errors are printed unchanged, each once, even if twenty sources include the header that
//! it is in. Help follows below. Expansions of macros of `<bpf/…>` are left out.
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
//! There is help for structs of a module, for constants that are macros and therefore not in BTF
//! (`ETH_P_IP`, with the definition in the installed headers), for kernel functions that a source
//! must declare, for headers that are not included, and for headers that declare again what
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
//! # Output files
//!
//! Files are written to `OUT_DIR`, with two exceptions. `vmlinux.h` is in
//! `target/PROFILE/btf-build`, shared by the crates that make it from the same types.
//! `compile_commands.json` is in the package's directory, if [`Builder::compile_commands`] asks for
//! it. A file that already has its contents is not written again.
//!
//! # Kernels without BTF
//!
//! [`Builder::kernel_btfs`] embeds types of kernels without BTF of their own. The types that an
//! object's CO-RE relocations need, a few hundred bytes for each kernel, are written beside the
//! object as `NAME.btfs` and embedded by the skeleton. They are used on a kernel without
//! `/sys/kernel/btf/vmlinux` whose release is the file's name.
//!
//! # Cross builds
//!
//! Byte order, registers (`PT_REGS_PARM1` and its like, by `__TARGET_ARCH_…`) and `vmlinux.h` are
//! those of the architecture that cargo builds for. The running kernel's types are used for its own
//! architecture only; for others, name a directory with [`Builder::vmlinux`] or
//! `BTF_BUILD_VMLINUX`:
//!
//! ```text
//! kernels/aarch64.btf      or arm64.btf
//! kernels/s390x.btf
//! kernels/x86_64.btf       or amd64.btf, or a directory: x86_64/vmlinux.btf, x86_64/vmlinux, x86_64/vmlinux.h
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
/// On failure, prints the errors and ends the build script. See
/// [`Builder`] for settings, and [`Builder::try_build`] for errors as values.
pub fn build(source: impl AsRef<Path>) {
    Builder::new().source(source).build();
}
