//! CO-RE relocation of the functions that will be loaded, against the running kernel and its modules.

use std::collections::HashSet;

use super::patch::Poison;
use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind};
use crate::error::{Context, Result};
use crate::insn::Insn;
use crate::kernel::Kernel;
use crate::obj::relocated::{self, Site};
use crate::obj::{Object, ProgramSpec, Relocated};
use crate::relo::{Fixup, Targets, essential_name};

/// The instructions of an object's functions, relocated where that was asked for.
#[derive(Debug)]
pub(super) struct Code<'a> {
    relocated: Relocated<'a>,
    /// Whether the types of modules were looked at.
    with_modules: bool,
}

impl<'a> Code<'a> {
    /// Relocates all functions that `programs` reach. The kernel's types are read only if there are
    /// relocations.
    pub(super) fn relocate(
        object: &'a Object,
        programs: &[&'a ProgramSpec],
        kernel: &Kernel,
    ) -> Result<Code<'a>> {
        let sites = relocated::sites(object, programs.iter().copied())?;
        if sites.is_empty() {
            return Ok(Code {
                relocated: Relocated::unchanged(object),
                with_modules: false,
            });
        }
        let (fixups, with_modules) = fixups(object, object.types()?, &sites, kernel)?;
        Ok(Code {
            relocated: Relocated::patch(object, sites, fixups)?,
            with_modules,
        })
    }

    /// The instructions of a function.
    pub(super) fn insns(&self, function: usize) -> &[Insn] {
        self.relocated.insns(function)
    }

    /// If this instruction of a function must not be reached: why.
    ///
    /// It is found out now, and not when relocating: most of such instructions are never reached.
    pub(super) fn poison(&self, function: usize, insn: usize, kernel: &Kernel) -> Option<Poison> {
        let vmlinux = kernel.core_target().ok()?;
        let modules: Vec<Btf> = match self.with_modules {
            true => kernel
                .core_modules()
                .filter_map(|(_, btf)| btf.ok())
                .collect(),
            false => Vec::new(),
        };
        let targets = Targets::new(vmlinux).with_modules(&modules);
        let (access, why) = self.relocated.why_poisoned(function, insn, &targets)?;
        Some(Poison {
            insn,
            why: format!("it needs `{access}`, but {}", why.reason()),
            hint: Some(match why.hint() {
                Some(hint) => format!("{hint} If not, {GUARD_HINT}"),
                None => GUARD_HINT.to_owned(),
            }),
        })
    }
}

const GUARD_HINT: &str = "guard the access so that the branch is dead where the kernel lacks it \
                          (bpf_core_field_exists and its like)";

/// Answers the relocations against the kernel proper, and against its modules too if one asks for a type that the kernel
/// proper does not have; and says whether modules were looked at.
fn fixups(
    object: &Object,
    btf: &Btf,
    sites: &[Site<'_>],
    kernel: &Kernel,
) -> Result<(Vec<Fixup>, bool)> {
    let vmlinux = kernel
        .core_target()
        .context(|| "its CO-RE relocations need the kernel's types")?;
    let fixups = relocated::fixups(object, sites, &Targets::new(vmlinux))?;
    // An access that was answered has its type; only what was not, or is a question about the type itself, may need more.
    let may_lack_type = |(site, fixup): (&Site<'_>, &Fixup)| {
        fixup.poisons(site.insn())
            || !matches!(
                site.site.kind,
                CoreKind::FIELD_BYTE_OFFSET | CoreKind::TYPE_ID_LOCAL
            )
    };
    if !sites.iter().zip(&fixups).any(may_lack_type) {
        return Ok((fixups, false));
    }
    let mut modules = kernel.core_modules().peekable();
    if modules.peek().is_none() || has_all_roots(btf, sites, vmlinux) {
        return Ok((fixups, false));
    }
    let modules: Vec<Btf> = modules.map(|(_, btf)| btf).collect::<Result<_>>()?;
    let targets = Targets::new(vmlinux).with_modules(&modules);
    Ok((relocated::fixups(object, sites, &targets)?, true))
}

/// Whether the kernel proper has a type for each root, by name.
fn has_all_roots(btf: &Btf, sites: &[Site<'_>], vmlinux: &Btf) -> bool {
    let mut wanted: HashSet<&[u8]> = sites
        .iter()
        .map(Site::relo)
        .filter(|r| r.kind != CoreKind::TYPE_ID_LOCAL)
        .map(|r| essential_name(btf.ty(r.root).name_bytes()))
        .collect();
    for t in vmlinux.types() {
        let is_root = !matches!(
            t.kind(),
            Kind::FUNC | Kind::VAR | Kind::DATASEC | Kind::DECL_TAG
        );
        if is_root && !t.is_anonymous() {
            wanted.remove(essential_name(t.name_bytes()));
        }
    }
    wanted.is_empty()
}
