//! The running kernel: its types, found when first asked for, and what it can do.

use std::cell::OnceCell;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use crate::attach_target::{self, BtfTarget};
use crate::btf::{Archive, Btf, Bytes};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::obj::AttachType;
use crate::probe::Features;
use crate::sys::{self, Capabilities};

/// What one load knows of the kernel.
pub(crate) struct Kernel {
    /// Stands in for the kernel's in CO-RE relocation.
    given: Option<Btf>,
    /// Those of several kernels, for where the running one has none.
    carried: Option<Bytes>,
    features: Features,
    chosen: OnceCell<Btf>,
    vmlinux: OnceCell<Btf>,
    modules: OnceCell<Vec<Module>>,
}

/// Of the types in an archive, those of the running kernel.
fn choose(archive: &[u8]) -> Result<Btf> {
    let (archive, release) = (Archive::parse(archive)?, sys::uname().release);
    let Some(btf) = archive.get(&release) else {
        let releases: Vec<&str> = archive.releases().collect();
        let error = Error::not_found(format!(
            "this kernel, {release}, has no BTF, and is not among those whose types are carried along: {}",
            some(&releases)
        ));
        return Err(error.hint(
            "build with this kernel's BTF among those of Builder::kernel_btfs, as a file RELEASE.btf",
        ));
    };
    Btf::parse(btf.to_vec())
        .context(|| format!("the BTF of kernel {release} that is carried along"))
}

/// A module with BTF.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) btf: Btf,
    fd: OnceCell<Rc<OwnedFd>>,
}

impl Module {
    /// Its BTF object, as programs refer to it.
    pub(crate) fn fd(&self) -> Result<Rc<OwnedFd>> {
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
        Err(e) => Err(sys::os_error(
            format!("cannot get hold of the BTF of module `{module}`"),
            Capabilities::SYS_ADMIN,
            e,
        )),
    }
}

/// What a program attaches to by type.
pub(crate) struct AttachTarget {
    pub(crate) id: u32,
    /// The kernel's types that have it; none if it is a program's.
    pub(crate) btf: Option<Btf>,
    /// The BTF object of the module that it lies in.
    pub(crate) fd: Option<OwnedFd>,
}

/// A function of a loaded program.
pub(crate) fn of_program(program: BorrowedFd<'_>, function: &str) -> Result<AttachTarget> {
    Ok(AttachTarget {
        id: crate::attach::program_function(program, function)?,
        btf: None,
        fd: None,
    })
}

impl Kernel {
    pub(crate) fn new(given: Option<Btf>, carried: Option<Bytes>, features: Features) -> Kernel {
        Kernel {
            given,
            carried,
            features,
            chosen: OnceCell::new(),
            vmlinux: OnceCell::new(),
            modules: OnceCell::new(),
        }
    }

    /// What it can do, and the token to load with.
    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// The types to relocate against.
    pub(crate) fn core_target(&self) -> Result<&Btf> {
        match &self.given {
            Some(btf) => Ok(btf),
            None => match &self.carried {
                Some(carried) if !sys::has_kernel_btf() => self.choose(carried),
                _ => self.vmlinux(),
            },
        }
    }

    /// Of the types that are carried along, those of the running kernel.
    fn choose(&self, carried: &Bytes) -> Result<&Btf> {
        if let Some(btf) = self.chosen.get() {
            return Ok(btf);
        }
        let btf = choose(carried)?;
        Ok(self.chosen.get_or_init(|| btf))
    }

    /// BTF of modules to relocate against: none if the kernel's was given or carried along, because they continue the running
    /// one's.
    pub(crate) fn core_modules(&self) -> impl Iterator<Item = (String, Result<Btf>)> + '_ {
        let is_running = self.given.is_none() && sys::has_kernel_btf();
        let names = match is_running {
            true => sys::module_names(),
            false => Vec::new(),
        };
        self.read_modules(names)
    }

    /// The running kernel's own types.
    pub(crate) fn vmlinux(&self) -> Result<&Btf> {
        if let Some(btf) = self.vmlinux.get() {
            return Ok(btf);
        }
        let btf = sys::kernel_btf()?;
        Ok(self.vmlinux.get_or_init(|| btf))
    }

    /// The running kernel's modules that have BTF.
    pub(crate) fn modules(&self) -> Result<&[Module]> {
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
    pub(crate) fn attach_target(
        &self,
        attach_type: AttachType,
        name: &str,
    ) -> Result<AttachTarget> {
        let modules =
            std::iter::once_with(sys::module_names).flat_map(|names| self.read_modules(names));
        let BtfTarget { id, module, btf } =
            attach_target::find(self.vmlinux()?, modules, attach_type, name)?;
        let Some(module) = module else {
            return Ok(AttachTarget {
                id,
                btf: Some(btf),
                fd: None,
            });
        };
        let fd = module_fd(&module).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::not_found(format!(
                "module `{module}` was unloaded, and function `{name}` with it"
            )),
            _ => e,
        })?;
        Ok(AttachTarget {
            id,
            btf: Some(btf),
            fd: Some(fd),
        })
    }
}

/// A few of many names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>();
    let shown = shown.join(", ");
    match names.len() {
        0 => "there are none".to_owned(),
        n if n > SHOWN => format!("{shown} and {} more", n - SHOWN),
        _ => shown,
    }
}
