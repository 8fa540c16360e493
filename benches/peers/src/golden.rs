//! `peers golden`: what libbpf makes of the objects in `tests/golden`, written there for the tests to compare with.
//!
//! The kernels' own types are megabytes and change with each of Debian's updates, so each kernel is kept as the few types
//! that the objects' relocations touch (`bpftool gen min_core_btf`). Under those libbpf must come to the same as under all types
//! of the kernel, but for the ids of types, which are other ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use btf_core::btf::Btf;
use btf_core::btf::ext::CoreKind;
use btf_core::obj::Object;

use crate::compare::{self, Kernel};
use crate::stream::Stream;
use crate::{libbpf, recorded, text};

/// The objects that golden data are made of.
pub(crate) const OBJECTS: &[&str] = &["core_fields", "core_many", "core_types", "opensnoop"];

/// Replaces the objects of a folder by those that were just compiled.
pub(crate) fn adopt(dir: &Path, compiled: &[PathBuf]) -> Result<(), String> {
    for path in compiled {
        if OBJECTS.contains(&compare::name(path)) {
            let file = path.file_name().unwrap_or_default();
            std::fs::copy(path, dir.join(file))
                .map_err(|e| format!("cannot copy {}: {e}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes the folder of each kernel.
pub(crate) fn run(dir: &Path, kernels: &[Kernel]) -> Result<(), String> {
    let objects: Vec<PathBuf> = OBJECTS
        .iter()
        .map(|name| dir.join(format!("{name}.bpf.o")))
        .collect();
    for kernel in kernels {
        let folder = dir.join(&kernel.label);
        std::fs::create_dir_all(&folder)
            .map_err(|e| format!("cannot create {}: {e}", folder.display()))?;
        let btf = folder.join("kernel.btf");
        minimise(&kernel.path, &btf, &objects)?;
        for path in &objects {
            let name = compare::name(path);
            let text = golden(path, kernel, &btf).map_err(|e| format!("{name}: {e}"))?;
            write(&folder.join(format!("{name}.txt")), text.as_bytes())?;
            println!("{} {name}", kernel.label);
        }
    }
    Ok(())
}

/// Leaves of a kernel's types those that the objects' relocations touch.
fn minimise(from: &Path, to: &Path, objects: &[PathBuf]) -> Result<(), String> {
    let output = Command::new("bpftool")
        .args(["gen", "min_core_btf"])
        .args([from, to])
        .args(objects)
        .output()
        .map_err(|e| format!("cannot run bpftool: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "bpftool gen min_core_btf failed on {}: {}",
        from.display(),
        said.trim()
    ))
}

fn golden(path: &Path, kernel: &Kernel, small: &Path) -> Result<String, String> {
    let bytes = compare::read(path)?;
    let object = Object::parse(compare::name(path), &bytes).map_err(|e| format!("{e:#}"))?;
    if !object.externs().is_empty() {
        return Err(
            "it refers to symbols of the kernel, which take more than its types".to_owned(),
        );
    }
    let streams = recorded::programs(path, small, None)?;
    same_but_ids(
        &object,
        &streams,
        &recorded::programs(path, &kernel.path, None)?,
    )?;
    let body = text::render(&object, |name| streams.iter().find(|s| s.name == name))?;
    let head = format!(
        "# libbpf {} on {}.bpf.o and the types of kernel {}. Made by: cargo xtask golden\n",
        libbpf::version(),
        object.name(),
        kernel.release,
    );
    // The types read back: a damaged file would make damaged tests.
    Btf::from_file(small).map_err(|e| format!("{e:#}"))?;
    Ok(head + &body)
}

/// Fails if the few types and all types of a kernel lead to different instructions.
fn same_but_ids(object: &Object, few: &[Stream], all: &[Stream]) -> Result<(), String> {
    for (few, all) in few.iter().zip(all) {
        let program = object
            .program(&few.name)
            .ok_or_else(|| format!("libbpf has a program {} of its own", few.name))?;
        let ids = ids(object, program)?;
        let differing = few.differences(all);
        if let Some(at) = differing.iter().find(|at| !ids.contains(at)) {
            return Err(format!(
                "program {}, instruction {at}: {} under the minimised types, {} under the kernel's",
                few.name,
                few.text(*at),
                all.text(*at)
            ));
        }
    }
    Ok(())
}

/// Slots that hold ids of the target's types.
fn ids(object: &Object, program: &btf_core::obj::ProgramSpec) -> Result<Vec<usize>, String> {
    let image = object
        .link(program, |f| &object.functions()[f].insns)
        .map_err(|e| format!("{e:#}"))?;
    let mut ids = Vec::new();
    for (start, function) in image.parts {
        let sites = object.functions()[function].core.iter();
        let sites = sites.filter(|site| site.kind == CoreKind::TYPE_ID_TARGET);
        ids.extend(sites.map(|site| start + site.insn));
    }
    Ok(ids)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
