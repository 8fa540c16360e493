//! The running kernel's types, found when first asked for.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::btf::Btf;
use crate::error::{Error, ErrorKind, Result};
use crate::obj::AttachType;
use crate::prog::target::{self, BtfTarget};
use crate::sys;

/// What one load knows of the kernel's types.
pub(super) struct Kernel {
    /// Stands in for the kernel's in CO-RE relocation.
    given: Option<Btf>,
    vmlinux: OnceCell<Btf>,
    modules: OnceCell<Vec<Module>>,
}

/// A module with BTF.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) btf: Btf,
    fd: OnceCell<Rc<OwnedFd>>,
}

impl Module {
    /// Its BTF object, as programs refer to it.
    pub(super) fn fd(&self) -> Result<Rc<OwnedFd>> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.clone());
        }
        let fd = module_fd(&self.name)?;
        Ok(self.fd.get_or_init(|| Rc::new(fd)).clone())
    }
}

/// Gets hold of the kernel's BTF object of a module.
fn module_fd(module: &str) -> Result<OwnedFd> {
    match sys::module_btf_fd(module) {
        Ok(Some(fd)) => Ok(fd),
        Ok(None) => Err(Error::not_found(format!("module `{module}` was unloaded"))),
        Err(e) => Err(Error::os(
            format!("cannot get hold of the BTF of module `{module}`"),
            e,
        )
        .hint(sys::privileges_hint())),
    }
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
            modules: OnceCell::new(),
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

    /// The running kernel's modules that have BTF.
    pub(super) fn modules(&self) -> Result<&[Module]> {
        if let Some(modules) = self.modules.get() {
            return Ok(modules);
        }
        let mut modules = Vec::new();
        for (name, btf) in self.read_modules(sys::module_names()) {
            modules.push(Module {
                name,
                btf: btf?,
                fd: OnceCell::new(),
            });
        }
        Ok(self.modules.get_or_init(|| modules))
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
        let fd = module_fd(&module).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::not_found(format!(
                "module `{module}` was unloaded, and function `{name}` with it"
            )),
            _ => e,
        })?;
        Ok(AttachTarget {
            id,
            btf,
            fd: Some(fd),
        })
    }
}
