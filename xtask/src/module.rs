//! Kernel modules: found by name, decompressed, with those they depend on before them. The guest's
//! init loads them in this order.

use crate::kernel::Kernel;
use crate::{Result, compression, disk};
use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};

/// A module as the kernel takes it.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The named modules of a kernel and what they depend on, in the order of being loaded.
///
/// # Errors
/// If the kernel has no module of a name; one that is built in counts as absent.
pub(crate) fn load_order(kernel: &Kernel, names: &[String]) -> Result<Vec<Module>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let folder = kernel.modules();
    let folder = folder.ok_or_else(|| {
        format!(
            "the mirror has no modules of kernel {}; take another",
            kernel.release
        )
    })?;
    let files = disk::walk(&folder)?;
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

/// The kernel takes `-` and `_` for the same in a module's name.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// `sch_ingress` for `…/sch_ingress.ko.xz`.
fn module_name(file: &Path) -> Option<String> {
    disk::name(file)
        .split_once(".ko")
        .map(|(name, _)| normal(name))
}

/// The `depends=` entry of a module's `.modinfo`.
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
    fn names_of_files() {
        let name = |file: &str| module_name(Path::new(file));
        assert_eq!(
            name("net/sched/sch_ingress.ko.xz").as_deref(),
            Some("sch_ingress")
        );
        assert_eq!(name("drivers/virtio-rng.ko").as_deref(), Some("virtio_rng"));
        assert_eq!(name("modules.order"), None);
    }

    #[test]
    fn dependencies_of_a_modinfo() {
        assert_eq!(
            depends(b"license=GPL\0depends=x_tables,nf-conntrack\0"),
            ["x_tables", "nf-conntrack"]
        );
        assert!(depends(b"license=GPL\0depends=\0intree=Y\0").is_empty());
    }
}
