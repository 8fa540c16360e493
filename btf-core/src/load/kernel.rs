//! The running kernel's types, found when first asked for.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;

use crate::btf::Btf;
use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::prog::target::{self, BtfTarget};
use crate::sys;

/// What one load knows of the kernel's types.
pub(super) struct Kernel {
    /// Stands in for the kernel's in CO-RE relocation.
    given: Option<Btf>,
    vmlinux: OnceCell<Btf>,
}

/// What a program attaches to by type.
pub(super) struct AttachTarget {
    pub(super) id: u32,
    /// The types that have it.
    pub(super) btf: Btf,
    /// The BTF object of the module that it lies in.
    pub(super) fd: Option<OwnedFd>,
}

impl Kernel {
    pub(super) fn new(given: Option<Btf>) -> Kernel {
        Kernel {
            given,
            vmlinux: OnceCell::new(),
        }
    }

    /// The types to relocate against.
    pub(super) fn core_target(&self) -> Result<&Btf> {
        match &self.given {
            Some(btf) => Ok(btf),
            None => self.vmlinux(),
        }
    }

    /// BTF of modules to relocate against: none if the kernel's was given, because they continue the running one's.
    pub(super) fn core_modules(&self) -> impl Iterator<Item = (String, Result<Btf>)> + '_ {
        let names = match self.given {
            Some(_) => Vec::new(),
            None => sys::module_names(),
        };
        self.read_modules(names)
    }

    /// The running kernel's own types.
    pub(super) fn vmlinux(&self) -> Result<&Btf> {
        if let Some(btf) = self.vmlinux.get() {
            return Ok(btf);
        }
        let btf = sys::kernel_btf()?;
        Ok(self.vmlinux.get_or_init(|| btf))
    }

    fn read_modules(&self, names: Vec<String>) -> impl Iterator<Item = (String, Result<Btf>)> + '_ {
        names.into_iter().map(|name| {
            let btf = self.vmlinux().and_then(|base| sys::module_btf(&name, base));
            (name, btf)
        })
    }

    /// What a program attaches to by type, with the BTF object of the module it lies in.
    pub(super) fn attach_target(
        &self,
        attach_type: AttachType,
        name: &str,
    ) -> Result<AttachTarget> {
        let modules =
            std::iter::once_with(sys::module_names).flat_map(|names| self.read_modules(names));
        let BtfTarget { id, module, btf } =
            target::find(self.vmlinux()?, modules, attach_type, name)?;
        let Some(module) = module else {
            return Ok(AttachTarget { id, btf, fd: None });
        };
        match sys::module_btf_fd(&module) {
            Ok(Some(fd)) => Ok(AttachTarget {
                id,
                btf,
                fd: Some(fd),
            }),
            Ok(None) => Err(Error::not_found(format!(
                "module `{module}` was unloaded, and function `{name}` with it"
            ))),
            Err(e) => Err(Error::os(
                format!("cannot get hold of the BTF of module `{module}`"),
                e,
            )
            .hint(sys::privileges_hint())),
        }
    }
}
