//! Externs: what an object declares and the running kernel defines, looked up before programs are loaded.
//!
//! As in libbpf (`bpf_object__resolve_externs`), but that only what programs to be loaded refer to must be there.

mod config;
mod gzip;
mod kallsyms;
mod kconfig;
mod ksyms;
mod value;

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use crate::btf::Kind;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::kernel::Kernel;
use crate::obj::{ExternKind, ExternSpec, Object, ProgramSpec, RelocTarget};

/// What an extern turned out to be.
#[derive(Debug, Clone)]
pub(super) enum Resolved {
    /// A configuration value, at this offset of `.kconfig`.
    Config(usize),
    /// An address.
    Address(u64),
    /// A variable by type.
    Variable { id: u32, module: Option<ModuleRef> },
    /// A function by type. Whether its address is known by type, too: not before 6.4.
    Function {
        id: u32,
        module: Option<ModuleRef>,
        has_address: bool,
    },
    /// Declared `__weak`, and not there.
    Absent,
    /// No program to be loaded refers to it.
    Unused,
}

/// The module that a symbol lies in.
#[derive(Debug, Clone)]
pub(super) struct ModuleRef {
    /// Its BTF object.
    pub(super) fd: Rc<OwnedFd>,
    /// Its place in the descriptors that programs are loaded with.
    pub(super) index: i16,
}

/// An extern, and the first program that refers to it.
#[derive(Clone, Copy)]
struct Extern<'a> {
    spec: &'a ExternSpec,
    user: Option<&'a str>,
}

impl Extern<'_> {
    /// Whether a program cannot do without it.
    fn is_needed(self) -> bool {
        self.user.is_some() && !self.spec.weak
    }

    fn what(self) -> String {
        let name = &self.spec.name;
        match self.user {
            Some(user) => format!("program `{user}`: extern `{name}`"),
            None => format!("extern `{name}`"),
        }
    }
}

/// All externs of an object.
#[derive(Debug, Default)]
pub(super) struct Externs {
    /// In the object's order.
    pub(super) resolved: Vec<Resolved>,
    /// Contents of `.kconfig`.
    pub(super) config: Vec<u8>,
    modules: Vec<Rc<OwnedFd>>,
}

impl Externs {
    /// Descriptors of modules' BTF, which calls of their functions name by position; the first one is no module's.
    pub(super) fn fd_array(&self) -> Vec<RawFd> {
        if self.modules.is_empty() {
            return Vec::new();
        }
        std::iter::once(0)
            .chain(self.modules.iter().map(|fd| fd.as_raw_fd()))
            .collect()
    }

    /// Looks up what these programs refer to. `given` is the configuration that the application gave.
    ///
    /// # Errors
    ///
    /// Naming program and extern: [`ErrorKind::NotFound`] for a strong one that the kernel does not have,
    /// [`ErrorKind::Prototype`] for one that it has with another type, [`ErrorKind::InvalidInput`] for a configuration value of
    /// another type.
    pub(super) fn resolve(
        object: &Object,
        programs: &[&ProgramSpec],
        given: Option<String>,
        kernel: &Kernel,
        warnings: &mut Vec<String>,
    ) -> Result<Externs> {
        let specs = object.externs();
        let mut this = Externs {
            resolved: vec![Resolved::Unused; specs.len()],
            ..Externs::default()
        };
        if specs.is_empty() {
            return Ok(this);
        }
        let users = users(object, programs)?;
        let externs: Vec<Extern<'_>> = specs
            .iter()
            .zip(users)
            .map(|(spec, user)| Extern { spec, user })
            .collect();
        this.config = kconfig::fill(&externs, given, kernel.features(), warnings)?;
        let addresses = addresses(&externs)?;
        for (n, ext) in externs.iter().enumerate() {
            this.resolved[n] = match ext.spec.kind {
                ExternKind::Config(place) => Resolved::Config(place.offset),
                _ if ext.user.is_none() => Resolved::Unused,
                ExternKind::Address => match addresses.get(&ext.spec.name) {
                    Some(address) => Resolved::Address(*address),
                    None => Resolved::Absent,
                },
                _ => this
                    .by_type(object, ext.spec, kernel)
                    .context(|| ext.what())?,
            };
        }
        Ok(this)
    }

    fn by_type(&mut self, object: &Object, spec: &ExternSpec, kernel: &Kernel) -> Result<Resolved> {
        let (Some(btf), Some(id), false) =
            (object.btf(), spec.btf_id, spec.kind == ExternKind::Unknown)
        else {
            return Err(undefined());
        };
        let (local, is_function) = (btf.ty(id), spec.kind == ExternKind::Function);
        let found = match ksyms::find(kernel, local) {
            Ok(found) => found,
            // A function with another prototype is not the one that was meant, as in libbpf.
            Err(e) if spec.weak && is_function && e.kind() == ErrorKind::Prototype => None,
            // A kernel without types has none of it.
            Err(_) if spec.weak && kernel.vmlinux().is_err() => None,
            Err(e) => return Err(e),
        };
        let place = found.map(|symbol| {
            let module = symbol.module.map(|fd| self.module(fd)).transpose();
            module.map(|module| (symbol.id, module))
        });
        match place.transpose()? {
            Some((id, module)) if is_function => Ok(Resolved::Function {
                id,
                has_address: kernel
                    .vmlinux()?
                    .find("vfs_read", Kind::FUNC)
                    .is_none_or(|f| kernel.features().takes_function_address(f.id().0)),
                module,
            }),
            Some((id, module)) => Ok(Resolved::Variable { id, module }),
            None if spec.weak => Ok(Resolved::Absent),
            None => Err(ksyms::missing(kernel, local)),
        }
    }

    /// A module's place among the descriptors.
    fn module(&mut self, fd: Rc<OwnedFd>) -> Result<ModuleRef> {
        let known = self.modules.iter().position(|m| Rc::ptr_eq(m, &fd));
        let at = known.unwrap_or_else(|| {
            self.modules.push(fd.clone());
            self.modules.len() - 1
        });
        let index = i16::try_from(at + 1).map_err(|_| {
            Error::new(
                ErrorKind::Unsupported,
                "it lies in one module too many for an instruction to name",
            )
        })?;
        Ok(ModuleRef { fd, index })
    }
}

const WEAK_HINT: &str =
    "kernels differ in it: declare it `__weak`, and ask bpf_ksym_exists() before it is used";

fn undefined() -> Error {
    Error::not_found(
        "it is declared, and neither defined in the object nor said to be the kernel's",
    )
    .hint("declare it with __ksym or __kconfig, or link the object with the one that defines it")
}

/// Addresses of those that have no type, as far as the kernel has them.
fn addresses(externs: &[Extern<'_>]) -> Result<HashMap<String, u64>> {
    let wanted = || {
        externs
            .iter()
            .filter(|e| e.user.is_some() && e.spec.kind == ExternKind::Address)
    };
    let names: Vec<&str> = wanted().map(|e| e.spec.name.as_str()).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let found = kallsyms::addresses(&names)?;
    match wanted().find(|e| e.is_needed() && !found.contains_key(&e.spec.name)) {
        Some(missing) => {
            let hint = kallsyms::near(&missing.spec.name).unwrap_or_else(|| WEAK_HINT.to_owned());
            let error = Error::not_found("this kernel has no such symbol in /proc/kallsyms");
            Err(error.hint(hint).context(missing.what()))
        }
        None => Ok(found),
    }
}

/// The first program that refers to each extern.
fn users<'a>(object: &Object, programs: &[&'a ProgramSpec]) -> Result<Vec<Option<&'a str>>> {
    let mut users = vec![None; object.externs().len()];
    for program in programs {
        let reached = object
            .reachable(program)
            .context(|| format!("program `{}`", program.name))?;
        for function in reached {
            for reloc in &object.functions()[function].relocs {
                if let RelocTarget::Extern(n) = reloc.target {
                    users[n].get_or_insert(program.name.as_str());
                }
            }
        }
    }
    Ok(users)
}
