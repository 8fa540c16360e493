//! Lookup of attach targets in the BTF of the kernel and its modules.

use super::{Naming, naming};
use crate::btf::{Btf, Kind, Type};
use crate::error::{Error, Result};
use crate::obj::AttachType;
use crate::suggest::{did_you_mean, similar};

/// An attach target in BTF.
#[derive(Debug)]
pub struct BtfTarget {
    /// Its type.
    pub id: u32,
    /// The module whose BTF has it, if it is not the kernel proper's.
    pub module: Option<String>,
    /// The BTF that has it.
    pub btf: Btf,
}

/// Finds `target` in the kernel's BTF, or else in that of its modules; `module:name` asks one module only.
///
/// `modules` yields names and split BTFs; it is advanced only if `vmlinux` does not have the target.
///
/// # Errors
///
/// [`crate::ErrorKind::NotFound`] if neither has it, or if the module is not among `modules`; an error
/// that `modules` yields.
pub fn find(
    vmlinux: &Btf,
    modules: impl Iterator<Item = (String, Result<Btf>)>,
    attach_type: AttachType,
    target: &str,
) -> Result<BtfTarget> {
    let Naming { prefix, kind, noun } = naming(attach_type);
    let (wanted_module, name) = match target.split_once(':') {
        Some((module, name)) => (Some(module), name),
        None => (None, target),
    };
    let full = format!("{prefix}{name}");
    if matches!(wanted_module, None | Some("vmlinux"))
        && let Some(t) = vmlinux.find(&full, kind)
    {
        return Ok(BtfTarget {
            id: t.id().0,
            module: None,
            btf: vmlinux.clone(),
        });
    }
    let mut searched = None;
    for (module, btf) in modules {
        if wanted_module.is_some_and(|wanted| wanted != module) {
            continue;
        }
        let btf = btf?;
        let own = |t: &Type<'_>| t.id().0 >= btf.first_id();
        if let Some(id) = btf.find(&full, kind).filter(own).map(|t| t.id().0) {
            return Ok(BtfTarget {
                id,
                module: Some(module),
                btf,
            });
        }
        searched = wanted_module.map(|_| btf);
    }
    let (place, btf) = match (wanted_module, &searched) {
        (None | Some("vmlinux"), _) => ("this kernel's BTF".into(), vmlinux),
        (Some(module), Some(btf)) => (format!("the BTF of module `{module}`"), btf),
        (Some(module), None) => {
            let error =
                Error::not_found(format!("no module `{module}` is loaded, or it has no BTF"));
            return Err(error.hint(format!("try: modprobe {module}")));
        }
    };
    let error = Error::not_found(format!("there is no {noun} `{name}` in {place}"));
    Err(match (did_you_mean(&near(btf, attach_type, name)), kind) {
        (Some(hint), _) => error.hint(hint),
        (None, Kind::FUNC) => error.hint(
            "it may be inlined, renamed or not configured in this kernel; kernels differ in their functions",
        ),
        (None, _) => {
            error.hint("kernels differ in their tracepoints; tracefs lists them under events")
        }
    })
}

/// Returns names of targets in the kernel's BTF that are similar to `name`, the likeliest first.
pub fn near<'a>(vmlinux: &'a Btf, attach_type: AttachType, name: &str) -> Vec<&'a str> {
    let Naming { prefix, kind, .. } = naming(attach_type);
    let names = vmlinux
        .types()
        .filter(|t| t.kind() == kind)
        .filter_map(|t| t.name().strip_prefix(prefix));
    similar(name, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::assemble;

    const STRINGS: &[u8] = b"\0vfs_unlink\0btf_trace_sched_switch\0m_only\0";

    fn vmlinux() -> Btf {
        let func = u32::from(Kind::FUNC.0) << 24;
        let proto = u32::from(Kind::FUNC_PROTO.0) << 24;
        let typedef = u32::from(Kind::TYPEDEF.0) << 24;
        let types = [0, proto, 0, 1, func, 1, 12, typedef, 1];
        Btf::parse(assemble(&types, STRINGS)).unwrap()
    }

    fn module(base: &Btf) -> Btf {
        let func = u32::from(Kind::FUNC.0) << 24;
        let types = [35, func, 1];
        Btf::parse_split(assemble(&types, b"\0"), base).unwrap()
    }

    fn search(attach_type: AttachType, target: &str) -> Result<(u32, Option<String>)> {
        let base = vmlinux();
        let modules = [("m".to_owned(), Ok(module(&base)))];
        let found = find(&base, modules.into_iter(), attach_type, target)?;
        Ok((found.id, found.module))
    }

    #[test]
    fn each_attach_type_has_its_names() {
        let fentry = AttachType::TRACE_FENTRY;
        assert_eq!(search(fentry, "vfs_unlink").unwrap(), (2, None));
        let tp_btf = search(AttachType::TRACE_RAW_TP, "sched_switch").unwrap();
        assert_eq!(tp_btf, (3, None));
        assert!(search(fentry, "sched_switch").is_err());
    }

    #[test]
    fn modules_are_searched_after_the_kernel() {
        let found = (4, Some("m".to_owned()));
        assert_eq!(search(AttachType::TRACE_FEXIT, "m_only").unwrap(), found);
        assert_eq!(search(AttachType::TRACE_FEXIT, "m:m_only").unwrap(), found);
        let e = search(AttachType::TRACE_FEXIT, "n:vfs_unlink").unwrap_err();
        assert_eq!(e.message(), "no module `n` is loaded, or it has no BTF");
        let e = search(AttachType::TRACE_FEXIT, "m:n_only").unwrap_err();
        assert_eq!(
            e.to_string(),
            "there is no function `n_only` in the BTF of module `m` (did you mean `m_only`?)"
        );
    }

    #[test]
    fn a_missing_target_is_named_with_what_comes_close() {
        let e = search(AttachType::TRACE_FENTRY, "vfs_unlnik").unwrap_err();
        assert_eq!(
            e.to_string(),
            "there is no function `vfs_unlnik` in this kernel's BTF (did you mean `vfs_unlink`?)"
        );
        let e = search(AttachType::TRACE_RAW_TP, "sched_swich").unwrap_err();
        assert_eq!(
            e.to_string(),
            "there is no tracepoint `sched_swich` in this kernel's BTF (did you mean `sched_switch`?)"
        );
    }
}
