//! CO-RE relocation of the functions that will be loaded, against the running kernel and its modules.

use std::collections::HashSet;

use super::kernel::Kernel;
use super::patch::Poison;
use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind};
use crate::error::{Context, Result};
use crate::insn::Insn;
use crate::obj::place::place;
use crate::obj::relocated::{self, Site};
use crate::obj::{Answer, Object, ProgramSpec, Relocated};
use crate::relo::{self, Fixup, Relo, Targets, essential_name};

/// The instructions of an object's functions, relocated where that was asked for.
#[derive(Debug)]
pub(super) struct Code<'a> {
    relocated: Relocated<'a>,
    /// By position in [`Object::functions`]; instructions are counted from the function's start.
    poisons: Vec<Vec<Poison>>,
}

impl Code<'_> {
    /// The instructions of a function.
    pub(super) fn insns(&self, function: usize) -> &[Insn] {
        self.relocated.insns(function)
    }

    /// Which of its instructions must not be reached.
    pub(super) fn poisons_of(&self, function: usize) -> impl Iterator<Item = &Poison> {
        self.poisons.get(function).into_iter().flatten()
    }
}

/// Relocates all functions that these programs reach, in one go. The kernel's types are looked for only if there is a need.
pub(super) fn relocate<'a>(
    object: &'a Object,
    programs: &[&'a ProgramSpec],
    kernel: &Kernel,
) -> Result<Code<'a>> {
    let mut poisons = vec![Vec::new(); object.functions().len()];
    let sites = relocated::sites(object, programs.iter().copied())?;
    if sites.is_empty() {
        let relocated = Relocated::unchanged(object);
        return Ok(Code { relocated, poisons });
    }
    let btf = object.require_btf()?;
    let fixups = fixups(object, btf, &sites, kernel)?;
    let relocated = Relocated::patch(object, sites, fixups)?;
    for answer in relocated.answers().filter(Answer::poisons) {
        poisons[answer.function].push(Poison {
            insn: answer.site.insn,
            why: missing(object, btf, &answer),
        });
    }
    Ok(Code { relocated, poisons })
}

/// Why an instruction must not be reached, for the user whose program reaches it.
fn missing(object: &Object, btf: &Btf, answer: &Answer<'_>) -> String {
    let relo = Relo {
        kind: answer.site.kind,
        root: answer.site.root,
        access: &answer.site.access,
    };
    format!(
        "{}: it needs `{}`, which this kernel does not have, or not in a form that fits",
        place(object, answer.function, answer.site.insn),
        relo::describe(btf, &relo)
    )
}

/// Answers the relocations against the kernel proper, and against its modules too if one asks for a type that the kernel
/// proper does not have.
fn fixups(object: &Object, btf: &Btf, sites: &[Site<'_>], kernel: &Kernel) -> Result<Vec<Fixup>> {
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
        return Ok(fixups);
    }
    let mut modules = kernel.core_modules().peekable();
    if modules.peek().is_none() || has_all_roots(btf, sites, vmlinux) {
        return Ok(fixups);
    }
    let modules: Vec<Btf> = modules.map(|(_, btf)| btf).collect::<Result<_>>()?;
    let targets = Targets::new(vmlinux).with_modules(&modules);
    relocated::fixups(object, sites, &targets)
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
