//! The builder: the public interface to the settings of a build.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::run::{self, Artifact};
use crate::settings::Settings;
use crate::sources::{Given, Link};

/// Compiles BPF sources with settings other than the default ones.
///
/// ```no_run
/// btf_build::Builder::new()
///     .source("src/bpf/reader.bpf.c")
///     .source("src/bpf/writer.bpf.c")
///     .include("src/bpf/include")
///     .define("MAX_ENTRIES", "1024")
///     .build();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// Creates a builder without sources, with default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; `src/bpf/hello.bpf.c` becomes `OUT_DIR/hello.bpf.o`.
    #[must_use]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.settings
            .sources
            .push(Given::File(path.as_ref().to_owned()));
        self
    }

    /// Adds all sources that match a pattern, sorted by name: `*` and `?` stand for parts of a
    /// name, `**` for any number of directories. At least one source has to match.
    ///
    /// Cargo watches the directories in which a new file could match, and builds it with the
    /// others. It sees every change in them, so keep BPF sources in a directory of their own:
    ///
    /// ```no_run
    /// btf_build::Builder::new().sources("src/bpf/*.bpf.c").build();
    /// ```
    #[must_use]
    pub fn sources(mut self, pattern: impl AsRef<Path>) -> Self {
        self.settings
            .sources
            .push(Given::Pattern(pattern.as_ref().to_owned()));
        self
    }

    /// Compiles sources and links them into one object, `OUT_DIR/NAME.bpf.o`, which has one
    /// skeleton: functions, global variables and maps of one are used by the others, where they are
    /// declared `extern`. They share one license.
    ///
    /// ```no_run
    /// btf_build::Builder::new()
    ///     .link("monitor", ["src/bpf/files.bpf.c", "src/bpf/sockets.bpf.c"])
    ///     .build();
    /// ```
    ///
    /// One source is enough, which then has the object's name: for a source whose file name another
    /// one has, too, and for one that is built several times with different macros, by a builder
    /// each:
    ///
    /// ```no_run
    /// for (name, ipv6) in [("filter4", "0"), ("filter6", "1")] {
    ///     btf_build::Builder::new()
    ///         .link(name, ["src/bpf/filter.bpf.c"])
    ///         .define("IPV6", ipv6)
    ///         .build();
    /// }
    /// ```
    ///
    /// With several sources, the declared arguments of programs are not checked against their
    /// attach targets, because the DWARF of the linked objects is not kept.
    #[must_use]
    pub fn link<P: AsRef<Path>>(
        mut self,
        name: &str,
        sources: impl IntoIterator<Item = P>,
    ) -> Self {
        self.settings.links.push(Link {
            name: name.to_owned(),
            sources: sources
                .into_iter()
                .map(|path| path.as_ref().to_owned())
                .collect(),
        });
        self
    }

    /// Names the clang to use: a path, or a name on `PATH`. The default is the environment variable
    /// `BTF_BUILD_CLANG`, then `CLANG`, then the newest `clang` or `clang-NN` on `PATH`.
    #[must_use]
    pub fn clang(mut self, program: impl AsRef<OsStr>) -> Self {
        self.settings.clang = Some(program.as_ref().to_owned());
        self
    }

    /// Adds a directory to search for headers, before those of this crate.
    #[must_use]
    pub fn include(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.includes.push(dir.as_ref().to_owned());
        self
    }

    /// Defines a macro, as `-D` does.
    #[must_use]
    pub fn define(self, name: &str, value: &str) -> Self {
        self.flag(format!("-D{name}={value}"))
    }

    /// Turns on a warning of clang's or a group of them, as `-W` does: `warn("all")`,
    /// `warn("shadow")`. With `no-` in front, turns it off. Without this, clang's default warnings
    /// are shown.
    ///
    /// ```no_run
    /// btf_build::Builder::new()
    ///     .source("src/bpf/hello.bpf.c")
    ///     .warn("all")
    ///     .warn("no-unused-function")
    ///     .build();
    /// ```
    #[must_use]
    pub fn warn(self, name: &str) -> Self {
        self.flag(format!("-W{name}"))
    }

    /// Adds a flag for clang after all others.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.settings.flags.push(flag.as_ref().to_owned());
        self
    }

    /// Turns warnings into errors, clang's and this crate's.
    #[must_use]
    pub fn deny_warnings(mut self, deny: bool) -> Self {
        self.settings.deny_warnings = deny;
        self
    }

    /// Compiles for another architecture (Rust's name, `aarch64` for instance) than cargo does;
    /// `powerpc64le`, `mips64el` and `mipsel` also set the byte order.
    #[must_use]
    pub fn target_arch(mut self, arch: &str) -> Self {
        self.settings.target_arch = Some(arch.to_owned());
        self
    }

    /// Names the source of kernel types: a file of raw BTF, a `vmlinux` ELF file, or a ready
    /// `vmlinux.h`. The default is the environment variable `BTF_BUILD_VMLINUX`, then the running
    /// kernel.
    ///
    /// It may be a directory with types for several architectures, by Rust's names or the kernel's:
    /// `aarch64.btf` or `arm64.btf`, or a directory of such a name with `vmlinux.btf`, `vmlinux` or
    /// `vmlinux.h` in it.
    #[must_use]
    pub fn vmlinux(mut self, file: impl AsRef<Path>) -> Self {
        self.settings.vmlinux = Some(file.as_ref().to_owned());
        self
    }

    /// Embeds types of kernels without BTF of their own: a file of BTF, or a directory with any
    /// number of them below it, as unpacked from BTFHub
    /// (`ubuntu/20.04/x86_64/5.4.0-150-generic.btf`). Directories of other architectures are
    /// skipped. A file is named after its kernel's release, as `uname -r` prints it, and `.btf`.
    ///
    /// Only the types that the CO-RE relocations of an object need are embedded. They are used
    /// where there is no `/sys/kernel/btf/vmlinux`, if a file has exactly the running kernel's
    /// release. Programs that attach by type (fentry, tp_btf, lsm and others) still need a kernel
    /// with BTF.
    #[must_use]
    pub fn kernel_btfs(mut self, place: impl AsRef<Path>) -> Self {
        self.settings.kernel_btfs.push(place.as_ref().to_owned());
        self
    }

    /// Writes to another directory than `OUT_DIR`, where `include_skel!` does not look: for objects
    /// that another program reads.
    #[must_use]
    pub fn out_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.settings.out_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Also keeps each object as clang wrote it, with DWARF, as `NAME.bpf.debug.o`, for
    /// `llvm-objdump -S` and similar tools. Embedded objects never have DWARF.
    #[must_use]
    pub fn keep_dwarf(mut self, keep: bool) -> Self {
        self.settings.keep_dwarf = keep;
        self
    }

    /// Updates `compile_commands.json` in the package's directory, with which clangd, and editors
    /// that use it, compile the sources as the build does. It is the only file outside the build's
    /// own directories; it contains paths of this machine, so leave it out of version control.
    ///
    /// Several builders may contribute to it. A file that another program wrote is not changed,
    /// with a warning.
    #[must_use]
    pub fn compile_commands(mut self, write: bool) -> Self {
        self.settings.compile_commands = write;
        self
    }

    /// Compiles all sources. On failure, prints the errors and ends the build script.
    pub fn build(self) {
        if let Err(e) = self.try_build() {
            eprintln!("{}", e.report());
            std::process::exit(1);
        }
    }

    /// Compiles all sources.
    ///
    /// # Errors
    ///
    /// If clang is missing or too old, a source does not compile, a source needs kernel types that
    /// are not available, an object lacks BTF, or a file cannot be read or written. The error names
    /// it, and what to try.
    pub fn try_build(self) -> Result<Vec<Artifact>> {
        run::build(&self.settings)
    }

    /// Writes the headers that sources include, and compiles nothing: for builds that run clang
    /// themselves. Returns the directories for `-I`: that of `<bpf/…>`, and that of `vmlinux.h`.
    ///
    /// # Errors
    ///
    /// If kernel types are not available, or a file cannot be read or written.
    pub fn try_headers(self) -> Result<Vec<PathBuf>> {
        run::headers(&self.settings)
    }
}
