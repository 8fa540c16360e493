//! Variables and functions of the kernel by type: found in its BTF or a module's, and compared with their declarations.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::WEAK_HINT;
use crate::btf::{Btf, Kind, Type, dump};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Kernel, Module};
use crate::relo;
use btf_obj::private::{did_you_mean, similar};

/// A variable or function of the kernel.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    /// Its type.
    pub(super) id: u32,
    /// The BTF object of the module that it lies in.
    pub(super) module: Option<Rc<OwnedFd>>,
}

/// Finds what is declared as `local` (a VAR or FUNC of the object's BTF); `None` if the kernel does not have it. A
/// function is looked for without the flavor in its name.
///
/// # Errors
///
/// [`ErrorKind::Prototype`] if the kernel has it with a type that is not compatible with the declaration's.
pub(super) fn find(kernel: &Kernel, local: Type<'_>) -> Result<Option<Symbol>> {
    let name = match local.kind() {
        Kind::FUNC => crate::btf::utf8_prefix(relo::essential_name(local.name_bytes())),
        _ => local.name(),
    };
    let vmlinux = kernel.vmlinux()?;
    if let Some(found) = vmlinux.find(name, local.kind()) {
        check(local, found, None)?;
        return Ok(Some(Symbol {
            id: found.id().0,
            module: None,
        }));
    }
    for module in kernel.modules()? {
        let own = |t: &Type<'_>| t.id().0 >= module.btf.first_id();
        let Some(found) = module.btf.find(name, local.kind()).filter(own) else {
            continue;
        };
        check(local, found, Some(module))?;
        return Ok(Some(Symbol {
            id: found.id().0,
            module: Some(module.fd()?),
        }));
    }
    Ok(None)
}

/// libbpf's `bpf_core_types_are_compat` over what the two stand for.
fn check(local: Type<'_>, found: Type<'_>, module: Option<&Module>) -> Result<()> {
    let (Some(declared), Some(is)) = (local.target(), found.target()) else {
        return Err(Error::malformed("it has no type"));
    };
    if relo::types_are_compatible(declared.strip(), is.strip())? {
        return Ok(());
    }
    let (declared, is) = (
        dump::declaration(local, local.name()),
        dump::declaration(found, found.name()),
    );
    let whose = match module {
        Some(module) => format!("module `{}`", module.name),
        None => "this kernel".to_owned(),
    };
    let why = format!("it is declared as `{declared}`, but {whose} has `{is}`");
    Err(Error::new(ErrorKind::Prototype, why).hint(match local.kind() {
        Kind::FUNC => format!(
            "declare the other form beside it as `{}___other`, both `__weak`, and ask bpf_ksym_exists which is there",
            found.name()
        ),
        _ => "declare it with the kernel's type, or as `extern const void` for its address alone".to_owned(),
    }))
}

/// What is said of a variable or function that is not there.
pub(super) fn missing(kernel: &Kernel, local: Type<'_>) -> Error {
    let noun = match local.kind() {
        Kind::FUNC => "function",
        _ => "variable",
    };
    let near = kernel.vmlinux().ok().and_then(|btf| near(btf, local));
    let why = format!(
        "there is no {noun} `{}` in the BTF of this kernel and its modules",
        local.name()
    );
    Error::not_found(why).hint(near.unwrap_or_else(|| WEAK_HINT.to_owned()))
}

/// Names in the kernel's BTF that come close, as a question.
fn near(vmlinux: &Btf, local: Type<'_>) -> Option<String> {
    let names = vmlinux
        .types()
        .filter(|t| t.kind() == local.kind())
        .map(Type::name);
    did_you_mean(&similar(local.name(), names))
}
