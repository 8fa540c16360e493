//! BTF objects in the kernel: its own types, those of its modules, and those that programs brought along.

use crate::btf::Btf;
use crate::error::{Context, Error, Result};
use crate::sys::{self, Capabilities};

/// The name under which the kernel lists its own types.
const VMLINUX: &str = "vmlinux";

/// A BTF object that is loaded in the kernel, as `bpftool btf list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BtfObject {
    /// The kernel's number for it, which `struct bpf_map_info` and `bpf_prog_info` mention.
    pub id: u32,
    /// `vmlinux` or the name of a module; empty for what a program brought along.
    pub name: String,
    /// Its size in bytes.
    pub size: u32,
    /// Whether these are types of the kernel itself or of a module, not of a program. Kernels before 5.11 list only the
    /// latter.
    pub is_kernel: bool,
}

/// The BTF objects in the kernel, in order of their ids.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// for object in btf_core::load::btf_objects()? {
///     println!("{}: {} {} bytes", object.id, object.name, object.size);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`crate::ErrorKind::Permission`] without `CAP_SYS_ADMIN`; [`crate::ErrorKind::Os`] for whatever else the kernel answers.
pub fn btf_objects() -> Result<Vec<BtfObject>> {
    let failed = |e| {
        sys::os_error(
            "cannot list the kernel's BTF objects",
            Capabilities::SYS_ADMIN,
            e,
        )
    };
    let mut out = Vec::new();
    let mut last = 0;
    while let Some(id) = sys::next_btf_id(last).map_err(failed)? {
        last = id;
        // What goes away while it is listed is not there.
        if let Some(fd) = sys::btf_by_id(id).map_err(failed)? {
            let info = sys::btf_info(&fd).map_err(failed)?;
            out.push(BtfObject {
                id: info.id,
                name: info.name,
                size: info.size,
                is_kernel: info.is_kernel,
            });
        }
    }
    Ok(out)
}

impl BtfObject {
    /// Fetches its types. Those of a module continue `vmlinux`, which [`super::kernel_btf`] reads; other objects stand for
    /// themselves.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if it was unloaded meanwhile; [`crate::ErrorKind::Permission`] without
    /// `CAP_SYS_ADMIN`; as [`Btf::parse`].
    pub fn read(&self, vmlinux: &Btf) -> Result<Btf> {
        let what = || match self.name.as_str() {
            "" => format!("BTF object {}", self.id),
            name => format!("BTF object {} (`{name}`)", self.id),
        };
        let failed = |e| {
            sys::os_error(
                format!("cannot read {}", what()),
                Capabilities::SYS_ADMIN,
                e,
            )
        };
        let fd = sys::btf_by_id(self.id)
            .map_err(failed)?
            .ok_or_else(|| Error::not_found(format!("{} was unloaded", what())))?;
        let bytes = sys::btf_bytes(&fd).map_err(failed)?;
        if self.is_kernel && self.name != VMLINUX {
            Btf::parse_split(bytes, vmlinux).context(what)
        } else {
            Btf::parse(bytes).context(what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_lists_its_own_types_or_refuses() {
        let objects = match btf_objects() {
            Ok(objects) => objects,
            Err(e) => {
                assert!(
                    e.to_string()
                        .starts_with("cannot list the kernel's BTF objects: "),
                    "{e}"
                );
                return;
            }
        };
        assert!(objects.is_sorted_by_key(|o| o.id));
        let Some(vmlinux) = objects.iter().find(|o| o.name == VMLINUX) else {
            return;
        };
        let btf = super::super::kernel_btf().unwrap();
        assert!(vmlinux.is_kernel);
        assert_eq!(vmlinux.size as usize, btf.as_bytes().len());
        assert!(vmlinux.read(&btf).unwrap().as_bytes() == btf.as_bytes());
        let gone = BtfObject {
            id: u32::MAX >> 1,
            ..vmlinux.clone()
        };
        let e = gone.read(&btf).unwrap_err();
        assert_eq!(
            e.to_string(),
            "BTF object 2147483647 (`vmlinux`) was unloaded"
        );
    }
}
