//! The kernel's BPF selftests as objects: every source of `progs/`, compiled with one set of
//! headers.

use crate::debian::LinuxSource;
use crate::{Result, disk, parallel, program, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Their compiler: clang 14 miscompiles some of the sources.
pub(crate) const CLANG: &str = tool::CLANG_19.name;

/// The objects of one compilation.
pub(crate) struct Compiled {
    pub(crate) objects: Vec<PathBuf>,
    /// Sources that do not compile, and clang's first error.
    pub(crate) refused: Vec<(String, String)>,
}

impl Compiled {
    /// Records that the objects are those of `of`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn keep(&self, stamp: &Path, of: &str) -> Result<()> {
        let mut text = format!("{of}\n");
        for (name, why) in &self.refused {
            text += &format!("{name}\t{why}\n");
        }
        disk::write(stamp, text.as_bytes())
    }

    /// Returns the objects in `out`, if they are those of `of`.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub(crate) fn kept(stamp: &Path, of: &str, out: &Path) -> Result<Option<Compiled>> {
        let Ok(text) = disk::read_to_string(stamp) else {
            return Ok(None);
        };
        let mut lines = text.lines();
        if lines.next() != Some(of) {
            return Ok(None);
        }
        let mut objects = disk::list(out)?;
        objects.retain(|path| disk::name(path).ends_with(".bpf.o"));
        let refused = lines.filter_map(|line| line.split_once('\t'));
        let refused = refused.map(|(name, why)| (name.to_owned(), why.to_owned()));
        Ok(Some(Compiled {
            objects,
            refused: refused.collect(),
        }))
    }
}

/// Compiles all sources into `out`, which is emptied. `headers` is a directory with libbpf's
/// headers in `bpf/`, and `vmlinux` one with `vmlinux.h`.
///
/// # Errors
///
/// If the sources cannot be read or clang cannot be run. A source that does not compile is not an
/// error.
pub(crate) fn compile(
    source: &LinuxSource,
    headers: &Path,
    vmlinux: &Path,
    out: &Path,
) -> Result<Compiled> {
    let mut includes = vec![vmlinux.to_owned(), headers.to_owned()];
    includes.extend(self::includes(source));
    compile_these(Path::new(CLANG), &sources(source)?, &includes, out)
}

/// Returns every source of `progs/`.
///
/// # Errors
///
/// If the directory cannot be read.
pub(crate) fn sources(source: &LinuxSource) -> Result<Vec<PathBuf>> {
    let mut sources = disk::list(&source.selftests().join("progs"))?;
    sources.retain(|path| disk::name(path).ends_with(".c"));
    Ok(sources)
}

/// Returns their include directories, besides those of libbpf's headers and `vmlinux.h`.
pub(crate) fn includes(source: &LinuxSource) -> [PathBuf; 2] {
    [source.selftests(), source.dir.join("tools/include/uapi")]
}

/// Compiles sources like the selftests, with a clang and include directories.
///
/// # Errors
///
/// As [`compile`].
pub(crate) fn compile_these(
    compiler: &Path,
    sources: &[PathBuf],
    includes: &[PathBuf],
    out: &Path,
) -> Result<Compiled> {
    disk::empty_dir(out)?;
    let done = parallel::map(sources, |path| -> Result<_> {
        let name = disk::name(path)
            .trim_end_matches(".c")
            .trim_end_matches(".bpf");
        let object = out.join(format!("{name}.bpf.o"));
        let mut clang = clang(compiler, includes);
        let error = first_error(clang.arg(path).arg("-o").arg(&object))?;
        Ok((name.to_owned(), object, error))
    });
    let mut done = done.into_iter().collect::<Result<Vec<_>>>()?;
    done.sort();
    let mut compiled = Compiled {
        objects: Vec::new(),
        refused: Vec::new(),
    };
    for (name, object, error) in done {
        match error {
            None => compiled.objects.push(object),
            Some(error) => compiled.refused.push((name, error)),
        }
    }
    Ok(compiled)
}

/// The flags of the selftests' own Makefile, but for warnings.
fn clang(compiler: &Path, includes: &[PathBuf]) -> Command {
    let mut clang = Command::new(compiler);
    clang
        .args(["--target=bpfel", "-mcpu=v3", "-O2", "-g", "-c"])
        // A macro that the headers lack is an error, as newer clangs make it.
        .args(["-Wno-everything", "-Werror=implicit-int"])
        .args(["-D__TARGET_ARCH_x86", "-fno-stack-protector"])
        .args(includes.iter().map(|dir| format!("-I{}", dir.display())))
        .args(["-idirafter", "/usr/include/x86_64-linux-gnu"]);
    clang
}

/// Runs clang; returns its first error if it fails.
fn first_error(clang: &mut Command) -> Result<Option<String>> {
    let output = clang
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {}: {e}", clang.get_program().display()))?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| line.contains("error:"));
    Ok(Some(first.unwrap_or("no reason given").to_owned()))
}

/// Fills `dir/bpf` with libbpf's headers as the kernel's tree has them.
///
/// # Errors
///
/// If the tree lacks their sources, or python3 cannot be run.
pub(crate) fn libbpf_headers(source: &LinuxSource, dir: &Path) -> Result<()> {
    let to = dir.join("bpf");
    disk::empty_dir(&to)?;
    for header in disk::list(&source.dir.join("tools/lib/bpf"))? {
        if disk::name(&header).ends_with(".h") {
            disk::write(&to.join(disk::name(&header)), &disk::read(&header)?)?;
        }
    }
    let mut script = Command::new("python3");
    script
        .arg(source.dir.join("scripts/bpf_doc.py"))
        .args(["--header", "--file"])
        .arg(source.dir.join("include/uapi/linux/bpf.h"));
    let helpers = program::output(&mut script)?;
    disk::write(&to.join("bpf_helper_defs.h"), &helpers)
}
