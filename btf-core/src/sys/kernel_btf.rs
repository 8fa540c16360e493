//! The running kernel's BTF and that of its modules, as `/sys/kernel/btf` has them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::FileSystem;
use super::mmap::{Access, Mapping};
use crate::btf::{Btf, Bytes};
use crate::error::{Context, Error, Result};

const DIR: &str = "/sys/kernel/btf";
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Whether the running kernel offers BTF.
pub(crate) fn has_kernel_btf() -> bool {
    Path::new(VMLINUX).exists()
}

/// Reads the running kernel's BTF; memory-mapped where the kernel allows it (from 6.16 on), which is faster and shares
/// its pages.
///
/// Only a file of sysfs is mapped, which nobody can truncate or write. What else lies at the path
/// is read.
///
/// # Errors
///
/// [`crate::ErrorKind::NotFound`] if the kernel offers none; those of reading the file and of [`Btf::parse`].
pub fn kernel_btf() -> Result<Btf> {
    let mut file = File::open(VMLINUX).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Error::not_found(format!("this kernel has no BTF: there is no {VMLINUX}")).hint(
                "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, pass BTF made for this kernel with set_kernel_btf, or carry it \
                 along (Builder::kernel_btfs of btf-build)",
            )
        }
        _ => cannot_read(VMLINUX, e),
    })?;
    Btf::parse(bytes(&mut file).map_err(|e| cannot_read(VMLINUX, e))?)
        .context(|| format!("the kernel's BTF in {VMLINUX}"))
}

fn cannot_read(path: &str, e: io::Error) -> Error {
    Error::os(format!("cannot read the kernel's BTF from {path}"), e)
}

fn bytes(file: &mut File) -> io::Result<Bytes> {
    let metadata = file.metadata()?;
    // Of the files in sysfs, those that can be written may be mapped memory of a device.
    let is_in_sysfs = FileSystem::of(&*file).is_ok_and(|found| found == FileSystem::SYSFS);
    let is_constant = is_in_sysfs && metadata.mode() & 0o222 == 0;
    let len = metadata.len() as usize;
    if is_constant
        && len > 0
        && let Ok(mapping) = Mapping::new(&*file, 0, len, Access::ReadPrivate)
    {
        return Ok(Bytes::from_owner(Mapped(mapping)));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Bytes::from(bytes))
}

/// A read-only mapping of a file of sysfs that the kernel never changes.
struct Mapped(Mapping);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is valid for its length while `self` lives. It is the kernel's own BTF, a constant of the
        // running kernel that nobody writes, mapped privately and read-only.
        unsafe { std::slice::from_raw_parts(self.0.start().as_ptr(), self.0.len()) }
    }
}

/// Names of the modules that have BTF; none if the kernel offers no module BTF (before 5.11).
pub(crate) fn module_names() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(DIR) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|name| name != "vmlinux")
        .collect();
    names.sort_by(String::cmp);
    names
}

/// The BTF of a module, which continues the kernel's.
pub(crate) fn module_btf(name: &str, vmlinux: &Btf) -> Result<Btf> {
    let path = format!("{DIR}/{name}");
    let bytes = std::fs::read(&path).map_err(|e| cannot_read(&path, e))?;
    Btf::parse_split(bytes, vmlinux).context(|| format!("the BTF of module {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Kind;

    #[test]
    fn a_file_that_is_truncated_meanwhile_was_read() {
        let path = std::env::temp_dir().join(format!("btf truncated {}", std::process::id()));
        let contents: Vec<u8> = (0..64 << 10).map(|n| n as u8).collect();
        std::fs::write(&path, &contents).unwrap();
        let mut file = File::open(&path).unwrap();
        let bytes = bytes(&mut file).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        // A mapping would raise SIGBUS here.
        assert!(*bytes == *contents);
    }

    #[test]
    fn the_running_kernel_has_tasks_if_it_has_btf() {
        match kernel_btf() {
            Ok(btf) => assert!(btf.find("task_struct", Kind::STRUCT).is_some()),
            Err(e) => {
                assert!(!has_kernel_btf(), "{e}");
                assert!(e.to_string().contains("CONFIG_DEBUG_INFO_BTF"));
            }
        }
    }
}
