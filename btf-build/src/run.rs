//! A build from start to end: from settings to objects.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use btf_obj::obj::link_objects;

use crate::compile::{Compiled, Compiler, Failure};
use crate::diagnostics::Reader;
use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::lint::{self, Subject};
use crate::object::Checked;
use crate::output::{remove, write_if_changed};
use crate::replace::replace_section;
use crate::settings::Settings;
use crate::sources::{Source, Unit};
use crate::target::Target;
use crate::tool_cache::ToolCache;
use crate::types::Kernel;
use crate::vmlinux::Header;
use crate::{
    absent, clang, compile_commands, docs, dwarf, environment, headers, jobs, object, prototypes,
    sources, types,
};

/// An object that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Artifact {
    /// The name that `include_skel!` takes: `hello` for `src/bpf/hello.bpf.c`.
    pub name: String,
    /// The object in `OUT_DIR`, or where [`Builder::out_dir`](crate::Builder::out_dir) says.
    pub object: PathBuf,
}

/// Compiles what the settings name.
///
/// # Errors
///
/// Those of `Builder::try_build`.
pub(crate) fn build(settings: &Settings) -> Result<Vec<Artifact>> {
    let out_dir = out_dir(settings)?;
    environment::track();
    let (units, sources) = sources::units(&settings.sources, &settings.links)?;
    let cache = ToolCache::new(&out_dir);
    let clang = clang::find(settings.clang.as_deref(), &cache)?;
    let target = Target::new(settings.target_arch.as_deref())?;
    let types = types::Source::new(settings.vmlinux.as_deref(), &target)?;
    let header = Header::new(&out_dir, &types, &target);
    let carried = Kernels::find(&settings.kernel_btfs, &target)?;

    let own_headers = write_headers(&out_dir)?;
    let mut includes = settings.includes.clone();
    includes.push(own_headers.clone());
    let compiler = Compiler::new(&clang, &target, &includes, &settings.clang_flags(), &cache)?;
    let reads_vmlinux = units.iter().any(|unit| header.was_read_for(&unit.name));
    let (compiled, vmlinux) = compile(&compiler, &sources, &out_dir, (&header, reads_vmlinux))?;
    let mut warnings = Vec::new();
    // An editor is of most use where there are errors.
    if settings.compile_commands {
        let command = |source: &Source| compiler.command(&source.path, vmlinux.as_deref());
        let commands = sources
            .iter()
            .map(|source| (source.path.as_path(), command(source)));
        let commands: Vec<_> = commands.collect();
        warnings.extend(compile_commands::write(
            &environment::package()?,
            &commands,
        )?);
    }
    let kernel = Kernel::new(&types, &target);
    let reader = Reader::new(&own_headers, &kernel);
    let compiled = all_compiled(compiled, &reader)?;

    // DWARF names what lies below the package's folder from there on.
    let package = environment::package()?;
    let made = [package.join(&out_dir), package.join(header.place())];
    let is_made = |path: &Path| {
        let path = package.join(path);
        made.iter().any(|folder| path.starts_with(folder))
    };
    let mut read = BTreeSet::new();
    let mut absent = Vec::with_capacity(units.len());
    let mut artifacts = Vec::with_capacity(units.len());
    let mut parts = sources.iter().zip(compiled);
    for unit in units {
        let compiled = join(&unit, parts.by_ref().take(unit.parts))?;
        let object = out_dir.join(format!("{}.bpf.o", unit.name));
        warnings.extend(reader.read(&compiled.stderr).lines().map(str::to_owned));
        let checked = finish(&unit.name, &object, &compiled, &kernel, &mut warnings)?;
        carried.keep(&checked.object, &checked.bytes, &object)?;
        let unstripped = object.with_extension("debug.o");
        match settings.keep_dwarf {
            true => write_if_changed(&unstripped, &compiled.elf)?,
            false => remove(&unstripped)?,
        }
        docs::keep(&compiled.elf, &object, &is_made)?;
        write_if_changed(&object, &checked.bytes)?;
        let is_kernels = |path: &PathBuf| {
            package.join(path).starts_with(&made[1]) && path.ends_with("vmlinux.h")
        };
        header.mark(&unit.name, compiled.read.iter().any(is_kernels))?;
        absent.push((
            out_dir.join("btf-build/absent").join(&unit.name),
            absent::candidates(&compiled.read, &compiler.search_path, is_made),
        ));
        read.extend(compiled.read);
        artifacts.push(Artifact {
            name: unit.name,
            object,
        });
    }
    tell(&warnings, settings.deny_warnings)?;
    for (dir, absent) in &absent {
        absent::watch(dir, absent, &package)?;
    }
    // What was made by the build itself is newer than the build's beginning, by which cargo goes.
    for path in read.iter().filter(|path| !is_made(path)) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(artifacts)
}

/// Makes the headers and compiles nothing.
///
/// # Errors
///
/// Those of `Builder::try_headers`.
pub(crate) fn headers(settings: &Settings) -> Result<Vec<PathBuf>> {
    let out_dir = out_dir(settings)?;
    environment::track();
    let target = Target::new(settings.target_arch.as_deref())?;
    let kernel = types::Source::new(settings.vmlinux.as_deref(), &target)?;
    let header = Header::new(&out_dir, &kernel, &target);
    Ok(vec![write_headers(&out_dir)?, header.provide()?])
}

fn out_dir(settings: &Settings) -> Result<PathBuf> {
    match &settings.out_dir {
        Some(dir) => Ok(dir.clone()),
        None => environment::out_dir(),
    }
}

/// The folder of `<bpf/…>`.
fn write_headers(out_dir: &Path) -> Result<PathBuf> {
    let dir = out_dir.join("btf-build/include");
    headers::write_headers(&dir)?;
    Ok(dir)
}

/// What came of a source.
type Outcome = Result<Compiled, Failure>;

/// All sources, side by side; in the order of the sources, whichever ends first. And the folder of
/// `vmlinux.h`, if one of them asks for it, or `was_read` says that one did in the last build.
fn compile(
    compiler: &Compiler,
    sources: &[Source],
    out_dir: &Path,
    (header, was_read): (&Header<'_>, bool),
) -> Result<(Vec<Outcome>, Option<PathBuf>)> {
    let all = |sources: &[&Source], vmlinux: Option<&Path>| {
        jobs::run(sources, |source| {
            let temporary = out_dir.join(format!("{}.bpf", source.name));
            compiler.run(&source.path, &temporary, vmlinux)
        })
    };
    // A header generated from other types must not be used as it is. Missing types are an error
    // only if a source includes the header.
    let mut vmlinux = match was_read {
        true => header.provide().ok(),
        false => None,
    };
    let every: Vec<&Source> = sources.iter().collect();
    let mut results = all(&every, vmlinux.as_deref());
    let want = |result: &Outcome| match result {
        Err(Failure::Refused(refused)) => refused.wants_vmlinux(),
        _ => false,
    };
    let wanting: Vec<usize> = (0..results.len()).filter(|n| want(&results[*n])).collect();
    if vmlinux.is_none() && !wanting.is_empty() {
        vmlinux = Some(header.provide()?);
        let again: Vec<&Source> = wanting.iter().map(|n| &sources[*n]).collect();
        for (n, result) in wanting.into_iter().zip(all(&again, vmlinux.as_deref())) {
            results[n] = result;
        }
    }
    Ok((results, vmlinux))
}

/// What was compiled, or the errors of all that was not.
fn all_compiled(results: Vec<Outcome>, reader: &Reader<'_>) -> Result<Vec<Compiled>> {
    let mut compiled = Vec::with_capacity(results.len());
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(mut done) => match repair(&mut done) {
                Ok(()) => compiled.push(done),
                Err(e) => errors.push(e),
            },
            Err(Failure::Refused(refused)) => errors.push(refused.error(reader)),
            Err(Failure::Other(e)) => errors.push(e),
        }
    }
    match Error::all(errors) {
        Some(error) => Err(error),
        None => Ok(compiled),
    }
}

/// First clang that writes the type of what is `_Atomic` to BTF.
const ATOMICS: u32 = 20;

/// Adds to an object's BTF what its clang leaves out.
fn repair(compiled: &mut Compiled) -> Result<()> {
    if compiled.clang >= ATOMICS {
        return Ok(());
    }
    if let Some(btf) = dwarf::repaired(&compiled.elf)? {
        compiled.elf = replace_section(&compiled.elf, ".BTF", &btf.to_target_bytes())
            .map_err(|why| Error::new(format!("cannot replace section .BTF: {why}")))?;
    }
    Ok(())
}

/// Links the parts of an object, if there are several.
fn join<'a>(unit: &Unit, parts: impl Iterator<Item = (&'a Source, Compiled)>) -> Result<Compiled> {
    let parts: Vec<(&Source, Compiled)> = parts.collect();
    let objects: Vec<(&str, &[u8])> = parts
        .iter()
        .map(|(source, part)| (source.name.as_str(), part.elf.as_slice()))
        .collect();
    let linked = match objects.as_slice() {
        [_] => None,
        _ => Some(
            link_objects(&objects)
                .map_err(|e| Error::new(format!("object `{}` cannot be linked: {e}", unit.name)))?,
        ),
    };
    let mut parts = parts.into_iter().map(|(_, part)| part);
    let Some(mut whole) = parts.next() else {
        return Err(Error::new(format!("object `{}` has no source", unit.name)));
    };
    if let Some(linked) = linked {
        whole.parts.push(std::mem::replace(&mut whole.elf, linked));
    }
    for part in parts {
        whole.read.extend(part.read);
        whole.stderr.push_str(&part.stderr);
        whole.parts.push(part.elf);
    }
    Ok(whole)
}

/// Checks an object; warnings about it are added to the others.
fn finish(
    name: &str,
    object: &Path,
    compiled: &Compiled,
    kernel: &Kernel<'_>,
    warnings: &mut Vec<String>,
) -> Result<Checked> {
    let checked = object::check(name, compiled)?;
    let target_prototypes = prototypes::keep(&checked.object, &compiled.elf, object, kernel)?;
    let subject = Subject::new(
        &checked.object,
        &compiled.elf,
        target_prototypes.btf.as_ref(),
        compiled.clang,
    );
    warnings.extend(lint::lines(&subject));
    warnings.extend(target_prototypes.warnings);
    Ok(checked)
}

/// Has cargo show warnings, or makes an error of them.
fn tell(warnings: &[String], deny: bool) -> Result<()> {
    if deny && !warnings.is_empty() {
        return Err(
            Error::new("there are warnings, which Builder::deny_warnings makes errors")
                .compiler_output(warnings.join("\n")),
        );
    }
    for line in warnings {
        println!("cargo::warning={line}");
    }
    Ok(())
}
