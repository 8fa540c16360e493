//! One source through clang, driven with the conventions of the `cc` crate.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clang::Clang;
use crate::diagnostics::Reader;
use crate::error::{Error, Result};
use crate::lint;
use crate::search_path::SearchPath;
use crate::target::Target;
use crate::tool_cache::{ToolCache, stamp};
use crate::{clang_exit, depfile, environment};

/// Everything that is the same for all sources.
pub(crate) struct Compiler {
    program: PathBuf,
    args: Vec<OsString>,
    /// Its version.
    clang: u32,
    /// Search path for headers other than `vmlinux.h`.
    pub(crate) search_path: SearchPath,
}

/// What a successful run left.
pub(crate) struct Compiled {
    pub(crate) elf: Vec<u8>,
    /// The objects that `elf` was linked from, which have the DWARF that it lacks; none if it was
    /// not linked.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The source and every header that was read.
    pub(crate) read: Vec<PathBuf>,
    /// Warnings, as clang wrote them.
    pub(crate) stderr: String,
    /// The version of clang.
    pub(crate) clang: u32,
}

/// How a run went wrong.
pub(crate) enum Failure {
    /// clang refused the source.
    Refused(Refused),
    Other(Error),
}

/// A source that does not compile.
pub(crate) struct Refused {
    source: PathBuf,
    /// What clang printed.
    stderr: String,
    /// The version of clang.
    clang: u32,
}

impl Refused {
    /// Whether it is for want of `vmlinux.h`, which is not there (yet).
    pub(crate) fn wants_vmlinux(&self) -> bool {
        self.stderr.contains("'vmlinux.h' file not found")
    }

    /// What to tell about it.
    pub(crate) fn error(&self, reader: &Reader<'_>) -> Error {
        let message = format!("cannot compile {}", self.source.display());
        let Some(said) = reader.read_refusal(&self.stderr) else {
            return Error::new(format!("{message}, for the same reason"));
        };
        let error = Error::new(message).compiler_output(said);
        match lint::advise(&self.stderr, self.clang) {
            Some(advice) => error.help(advice),
            None => error,
        }
    }
}

/// What every source is compiled with.
///
/// The last ones undo what distributions turn on for programs of the host: in a patched clang, a
/// wrapper, or a configuration file. Files are still read, because they may name directories of
/// headers.
const FLAGS: [&str; 13] = [
    "-O2",
    "-g",
    // 32-bit registers and jumps, which every kernel from 5.10 on verifies.
    "-mcpu=v3",
    // Where the compiler itself fails, it would write files beside the temporary ones, and ask for
    // a bug report.
    "-fno-crash-diagnostics",
    // No linker will read the table of significant addresses.
    "-fno-addrsig",
    // Kernels from 6.19 on have anonymous members of named struct types.
    "-fms-extensions",
    "-Wno-microsoft-anon-tag",
    // BPF has no canary: the call to `__stack_chk_fail` is refused.
    "-fno-stack-protector",
    "-fcf-protection=none",
    // It would write to variables that the program leaves alone, which costs instructions.
    "-ftrivial-auto-var-init=uninitialized",
    "-fno-sanitize=all",
    // An object of LLVM's bitcode cannot be loaded.
    "-fno-lto",
    // clang would warn for each source about flags without a meaning for BPF
    // (`-fstack-clash-protection`, `-pie`).
    "-Wno-unused-command-line-argument",
];

/// The command that `cc` makes of flags, by what the environment asks for. It has clang say what it
/// is.
fn conventional(clang: &Clang, target: &Target, flags: &[OsString]) -> Result<Vec<OsString>> {
    let mut build = cc::Build::new();
    build
        .compiler(&clang.path)
        .target(&format!("{}-unknown-none", target.bpf()))
        .no_default_flags(true)
        // The flags are given; these only keep `cc` from asking cargo's environment.
        .host(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .opt_level(2)
        .debug(true)
        // With `true`, it adds `-Wall`. What it adds instead is removed below.
        .warnings(false)
        .inherit_rustflags(false)
        .cargo_metadata(false);
    for flag in flags {
        build.flag(flag);
    }
    let tool = build
        .try_get_compiler()
        .map_err(|e| Error::new(format!("cannot set up {}: {e}", clang.path.display())))?;
    let mut command = vec![tool.path().as_os_str().to_owned()];
    command.extend(tool.args().iter().cloned());
    // It would suppress clang's own warnings.
    if let Some(at) = command.iter().rposition(|arg| arg == "-w") {
        command.remove(at);
    }
    Ok(command)
}

impl Compiler {
    /// `includes` are searched for headers in this order, before the system's.
    pub(crate) fn new(
        clang: &Clang,
        target: &Target,
        includes: &[PathBuf],
        flags: &[OsString],
        cache: &ToolCache,
    ) -> Result<Compiler> {
        let mut own: Vec<OsString> = vec![format!("--target={}", target.bpf()).into()];
        own.extend(FLAGS.map(OsString::from));
        own.push(format!("-D__TARGET_ARCH_{}", target.define()?).into());
        for dir in includes {
            own.extend(["-I".into(), dir.into()]);
        }
        for dir in target.multiarch_dirs() {
            if Path::new(&dir).is_dir() {
                own.extend(["-idirafter".into(), dir.into()]);
            }
        }
        own.extend_from_slice(flags);
        let basis = (stamp(&clang.path), &own, environment::of_cc());
        let mut command = cache.words("cc", basis, || conventional(clang, target, &own))?;
        if command.is_empty() {
            command = conventional(clang, target, &own)?;
        }
        let args = without_host_flags(&command.split_off(1));
        let program: PathBuf = command.remove(0).into();
        let search_path = search_path(&program, &args, cache)?;
        Ok(Compiler {
            program,
            args,
            clang: clang.major,
            search_path,
        })
    }

    /// The command for a source, but for what `run` adds to it, for programs that want to see what
    /// clang sees.
    pub(crate) fn command(&self, source: &Path, vmlinux: Option<&Path>) -> Vec<OsString> {
        let mut command = vec![self.program.clone().into_os_string()];
        command.extend(self.args.iter().cloned());
        if let Some(folder) = vmlinux {
            command.extend(["-I".into(), folder.into()]);
        }
        command.extend(["-c".into(), source.into()]);
        command
    }

    /// Compiles `source`; `temporary` is a path for files in passing, to which extensions are
    /// added. `vmlinux.h` is in the folder `vmlinux`, if it is anywhere.
    pub(crate) fn run(
        &self,
        source: &Path,
        temporary: &Path,
        vmlinux: Option<&Path>,
    ) -> Result<Compiled, Failure> {
        let (object, deps) = (
            temporary.with_extension("o.tmp"),
            temporary.with_extension("d.tmp"),
        );
        let result = self.run_into(source, vmlinux, &object, &deps);
        // They may not be there, and are of no use any more if they are.
        let _ = std::fs::remove_file(&object);
        let _ = std::fs::remove_file(&deps);
        result
    }

    fn run_into(
        &self,
        source: &Path,
        vmlinux: Option<&Path>,
        object: &Path,
        deps: &Path,
    ) -> Result<Compiled, Failure> {
        let output = Command::new(&self.program)
            .args(&self.command(source, vmlinux)[1..])
            .args(["-MD", "-MF"])
            .arg(deps)
            .arg("-o")
            .arg(object)
            .output()
            .map_err(|e| Failure::Other(Error::io("cannot run", &self.program, &e)))?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            if let Some(error) = clang_exit::unusual(source, self.clang, output.status, &stderr) {
                return Err(Failure::Other(error));
            }
            return Err(Failure::Refused(Refused {
                source: source.to_owned(),
                stderr,
                clang: self.clang,
            }));
        }
        let unread = |path: &Path| {
            let path = path.to_owned();
            move |e: std::io::Error| Failure::Other(Error::io("cannot read", &path, &e))
        };
        if !object.exists() {
            return Err(Failure::Other(no_object(source, &stderr)));
        }
        let elf = std::fs::read(object).map_err(unread(object))?;
        let rule = std::fs::read_to_string(deps).map_err(unread(deps))?;
        Ok(Compiled {
            elf,
            parts: Vec::new(),
            read: depfile::prerequisites(&rule),
            stderr,
            clang: self.clang,
        })
    }
}

/// The error for a run that succeeds and writes nothing.
fn no_object(source: &Path, stderr: &str) -> Error {
    Error::new(format!(
        "clang reported success and wrote no object for {}",
        source.display()
    ))
    .compiler_output(stderr)
    .help("remove flags that stop it early (`-E`, `-fsyntax-only`), and check what runs as clang")
}

/// Returns clang's search path for headers, cached by its flags.
fn search_path(program: &Path, args: &[OsString], cache: &ToolCache) -> Result<SearchPath> {
    let more = ["CPATH", "C_INCLUDE_PATH"].map(environment::user);
    let ask = || {
        let output = Command::new(program)
            .args(args)
            .args(["-E", "-v", "-x", "c", "/dev/null", "-o", "/dev/null"])
            .output()
            .map_err(|e| Error::io("cannot run", program, &e))?;
        let text = String::from_utf8_lossy(&output.stderr);
        Ok(SearchPath::parse(&text).into_words())
    };
    let words = cache.words("search-path", (stamp(program), args, more), ask)?;
    Ok(SearchPath::from_words(&words))
}

/// Leaves out what `CFLAGS` and its like contribute: those are for the host's programs
/// (`-march=native`, hardening), and clang refuses or ignores them for BPF.
/// `CFLAGS_bpfel_unknown_none` and its like stay.
fn without_host_flags(args: &[OsString]) -> Vec<OsString> {
    let mut args = args.to_vec();
    for flags in environment::host_flags() {
        if let Some(at) = args.windows(flags.len()).position(|window| window == flags) {
            args.drain(at..at + flags.len());
        }
    }
    args
}
