//! Settings, and the order of things.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::compile::{Compiled, Compiler, Failure};
use crate::error::{Error, Result};
use crate::lint::{self, Subject};
use crate::output::{make_dir, write_if_changed};
use crate::target::Target;
use crate::{clang, environment, headers, object, prototypes, vmlinux};

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
    sources: Vec<PathBuf>,
    clang: Option<OsString>,
    includes: Vec<PathBuf>,
    flags: Vec<OsString>,
    target_arch: Option<String>,
    vmlinux: Option<PathBuf>,
    out_dir: Option<PathBuf>,
}

/// An object that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// The name that `include_skel!` takes: `hello` for `src/bpf/hello.bpf.c`.
    pub name: String,
    /// The object in `OUT_DIR`, or where [`Builder::out_dir`] says.
    pub object: PathBuf,
}

impl Builder {
    /// No sources, and default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; `src/bpf/hello.bpf.c` becomes `OUT_DIR/hello.bpf.o`.
    #[must_use]
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.sources.push(path.as_ref().to_owned());
        self
    }

    /// Names the clang to use: a path, or a name on `PATH`. Without this, the environment variables `BTF_BUILD_CLANG` and
    /// `CLANG` are asked, then the newest `clang` or `clang-NN` on `PATH` is taken.
    #[must_use]
    pub fn clang(mut self, program: impl AsRef<OsStr>) -> Self {
        self.clang = Some(program.as_ref().to_owned());
        self
    }

    /// Adds a folder to search for headers, before those of this crate.
    #[must_use]
    pub fn include(mut self, dir: impl AsRef<Path>) -> Self {
        self.includes.push(dir.as_ref().to_owned());
        self
    }

    /// Defines a macro, as `-D` does.
    #[must_use]
    pub fn define(self, name: &str, value: &str) -> Self {
        self.flag(format!("-D{name}={value}"))
    }

    /// Adds a flag for clang after all others.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    /// Compiles for another architecture (Rust's name, `aarch64` for instance) than cargo does.
    #[must_use]
    pub fn target_arch(mut self, arch: &str) -> Self {
        self.target_arch = Some(arch.to_owned());
        self
    }

    /// Names the file that kernel types come from: raw BTF, a `vmlinux` ELF file, or a ready `vmlinux.h`. Without this, the
    /// environment variable `BTF_BUILD_VMLINUX` is asked, then the running kernel.
    #[must_use]
    pub fn vmlinux(mut self, file: impl AsRef<Path>) -> Self {
        self.vmlinux = Some(file.as_ref().to_owned());
        self
    }

    /// Writes to another folder than `OUT_DIR`, where `include_skel!` does not look: for objects that something else reads.
    #[must_use]
    pub fn out_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.out_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Compiles all sources. On failure, prints what clang or this crate has to say and ends the build script.
    pub fn build(self) {
        if let Err(e) = self.try_build() {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }

    /// Compiles all sources.
    ///
    /// # Errors
    ///
    /// If clang is missing or too old, a source does not compile, kernel types are wanted but not to be had, an object
    /// lacks BTF, or a file cannot be read or written. The error names which, and what to try.
    pub fn try_build(self) -> Result<Vec<Artifact>> {
        let out_dir = match &self.out_dir {
            Some(dir) => dir.clone(),
            None => environment::out_dir()?,
        };
        let names = self.names()?;
        let clang = clang::find(self.clang.as_deref())?;
        let target = Target::new(self.target_arch.as_deref())?;
        let kernel = vmlinux::Source::new(self.vmlinux.as_deref());
        for prefix in ["CFLAGS_bpfel", "CFLAGS_bpfeb"] {
            println!("cargo::rerun-if-env-changed={prefix}_unknown_none");
            println!("cargo::rerun-if-env-changed={prefix}-unknown-none");
        }

        let include_dir = out_dir.join("btf-build/include");
        let vmlinux_dir = out_dir.join("btf-build/vmlinux");
        make_dir(&include_dir)?;
        headers::write_headers(&include_dir).map_err(|e| Error::new(e.to_string()))?;
        let mut includes = self.includes.clone();
        includes.extend([include_dir, vmlinux_dir.clone()]);
        let compiler = Compiler::new(&clang, &target, &includes, &self.flags)?;

        let mut prototypes = prototypes::Kernel::new(&kernel, target.is_host());
        let mut read = BTreeSet::new();
        let mut artifacts = Vec::with_capacity(names.len());
        // A header that was made from other types must not be used as it is.
        let mut vmlinux_is_current = false;
        if vmlinux_dir.join("vmlinux.h").exists() {
            vmlinux::provide(&vmlinux_dir, &kernel, &target)?;
            vmlinux_is_current = true;
        }
        for (name, source) in names {
            let temporary = out_dir.join(format!("{name}.bpf"));
            let compiled = match compiler.run(&source, &temporary) {
                Err(Failure::NoVmlinux(_)) if !vmlinux_is_current => {
                    vmlinux::provide(&vmlinux_dir, &kernel, &target)?;
                    vmlinux_is_current = true;
                    compiler.run(&source, &temporary)?
                }
                other => other?,
            };
            let object = out_dir.join(format!("{name}.bpf.o"));
            finish(&name, &object, &compiled, &mut prototypes)?;
            read.extend(compiled.read);
            artifacts.push(Artifact { name, object });
        }
        for path in read.iter().filter(|path| !path.starts_with(&out_dir)) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        Ok(artifacts)
    }

    /// The sources by the name of their object.
    fn names(&self) -> Result<Vec<(String, PathBuf)>> {
        if self.sources.is_empty() {
            return Err(
                Error::new("there is nothing to build").help("name a source with Builder::source")
            );
        }
        let mut names: Vec<(String, PathBuf)> = Vec::new();
        for source in &self.sources {
            if !source.is_file() {
                return Err(missing(source));
            }
            let file = source.file_name().unwrap_or_default().to_string_lossy();
            let name = file
                .strip_suffix(".bpf.c")
                .or_else(|| file.strip_suffix(".c"))
                .unwrap_or(&file);
            if let Some((_, other)) = names.iter().find(|(known, _)| known == name) {
                return Err(Error::new(format!(
                    "{} and {} would both become {name}.bpf.o",
                    other.display(),
                    source.display()
                ))
                .help("rename one of them: include_skel! finds an object by this name"));
            }
            names.push((name.to_owned(), source.clone()));
        }
        Ok(names)
    }
}

/// Checks the object and puts it in its place; clang's warnings and those of this crate go to cargo.
fn finish(
    name: &str,
    object: &Path,
    compiled: &Compiled,
    kernel: &mut prototypes::Kernel<'_>,
) -> Result<()> {
    let checked = object::check(name, &compiled.elf)?;
    let kept = prototypes::keep(&checked.object, &compiled.elf, object, kernel)?;
    let subject = Subject::new(
        &checked.object,
        &compiled.elf,
        kept.btf.as_ref(),
        compiled.clang,
    );
    let found = lint::lines(&subject);
    let own = found.iter().chain(&kept.warnings).map(String::as_str);
    for line in compiled.stderr.lines().chain(own) {
        println!("cargo::warning={line}");
    }
    write_if_changed(object, &checked.bytes)
}

/// The error for a source that is not there, with what is there instead.
fn missing(source: &Path) -> Error {
    let error = Error::new(format!("there is no source {}", source.display()));
    let dir = source.parent().unwrap_or(Path::new("."));
    let mut there: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".c"))
        .collect();
    there.sort();
    if there.is_empty() {
        return error.help("paths are relative to the folder of Cargo.toml");
    }
    error.help(format!("{} has {}", dir.display(), there.join(", ")))
}
