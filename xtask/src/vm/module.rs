//! Kernel modules: found by name, decompressed, with their dependencies before them. The guest's
//! init loads them in this order.

use crate::debian::{Kernel, compression};
use crate::{Result, disk};
use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};

/// A module in the form that the kernel loads.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Returns the named modules of a kernel and their dependencies, in load order.
///
/// # Errors
///
/// If the kernel has no module of a name; one that is built in counts as absent.
pub(super) fn load_order(kernel: &Kernel, names: &[String]) -> Result<Vec<Module>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let dir = kernel.modules();
    let dir = dir.ok_or_else(|| {
        format!(
            "the mirror has no modules of kernel {}; use another kernel",
            kernel.release
        )
    })?;
    let files = disk::walk(&dir)?;
    let mut order = Vec::new();
    for name in names {
        add(kernel, &files, &normal(name), &mut order)?;
    }
    Ok(order)
}

fn add(kernel: &Kernel, files: &[PathBuf], name: &str, order: &mut Vec<Module>) -> Result<()> {
    if order.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let file = files
        .iter()
        .find(|file| module_name(file).as_deref() == Some(name));
    let file = file.ok_or_else(|| {
        format!(
            "kernel {} has no module `{name}` (built in, or not in this flavour)",
            kernel.release
        )
    })?;
    let mut bytes = disk::read(file)?;
    if let Some(program) = compression::program(&bytes) {
        bytes = compression::decompress(program, &bytes)
            .map_err(|e| format!("cannot unpack module `{name}`: {e}"))?;
    }
    for dependency in dependencies(&bytes).map_err(|e| format!("module `{name}`: {e}"))? {
        add(kernel, files, &normal(&dependency), order)?;
    }
    order.push(Module {
        name: name.to_owned(),
        bytes,
    });
    Ok(())
}

/// Normalizes a module's name: the kernel treats `-` and `_` alike.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns `sch_ingress` for `…/sch_ingress.ko.xz`.
fn module_name(file: &Path) -> Option<String> {
    disk::name(file)
        .split_once(".ko")
        .map(|(name, _)| normal(name))
}

/// Returns the `depends=` entry of a module's `.modinfo`.
fn dependencies(bytes: &[u8]) -> Result<Vec<String>> {
    let elf = object::File::parse(bytes).map_err(|e| format!("no ELF file: {e}"))?;
    let info = elf
        .section_by_name(".modinfo")
        .ok_or("no .modinfo section")?;
    let info = info.data().map_err(|e| format!(".modinfo: {e}"))?;
    Ok(depends(info))
}

fn depends(info: &[u8]) -> Vec<String> {
    let entry = info
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_modules_of_files() {
        let name = |file: &str| module_name(Path::new(file));
        assert_eq!(
            name("net/sched/sch_ingress.ko.xz").as_deref(),
            Some("sch_ingress")
        );
        assert_eq!(name("drivers/virtio-rng.ko").as_deref(), Some("virtio_rng"));
        assert_eq!(name("modules.order"), None);
    }

    #[test]
    fn parses_dependencies_of_a_modinfo() {
        assert_eq!(
            depends(b"license=GPL\0depends=x_tables,nf-conntrack\0"),
            ["x_tables", "nf-conntrack"]
        );
        assert!(depends(b"license=GPL\0depends=\0intree=Y\0").is_empty());
    }
}
