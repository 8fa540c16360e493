//! CO-RE relocation of the functions that will be loaded.

use std::collections::HashSet;

use super::kernel::Kernel;
use super::patch::Poison;
use super::place::place;
use crate::btf::ext::CoreKind;
use crate::btf::{Btf, Kind};
use crate::error::{Context, Error, Result};
use crate::insn::Insn;
use crate::obj::{CoreSite, Function, Object, ProgramSpec};
use crate::relo::{self, Fixup, Relo, Targets, essential_name};

/// The instructions of an object's functions, relocated where that was asked for.
#[derive(Debug)]
pub(super) struct Code {
    /// By position in [`Object::functions`]; `None` where nothing changed.
    functions: Vec<Option<Vec<Insn>>>,
    /// By position too; instructions are counted from the function's start.
    poisons: Vec<Vec<Poison>>,
}

impl Code {
    /// The instructions of a function.
    pub(super) fn insns<'a>(&'a self, object: &'a Object, function: usize) -> &'a [Insn] {
        match self.functions.get(function) {
            Some(Some(insns)) => insns,
            _ => object.functions().get(function).map_or(&[], |f| &f.insns),
        }
    }

    /// Which of its instructions must not be reached.
    pub(super) fn poisons_of(&self, function: usize) -> impl Iterator<Item = &Poison> {
        self.poisons.get(function).into_iter().flatten()
    }
}

/// A relocation and where it comes from.
struct Site<'a> {
    program: &'a str,
    /// Position of the function.
    at: usize,
    function: &'a Function,
    site: &'a CoreSite,
}

impl<'a> Site<'a> {
    fn relo(&self) -> Relo<'a> {
        Relo {
            kind: self.site.kind,
            root: self.site.root,
            access: &self.site.access,
        }
    }

    fn insn(&self) -> Insn {
        self.function
            .insns
            .get(self.site.insn)
            .copied()
            .unwrap_or_default()
    }

    fn place(&self, object: &Object) -> String {
        place(object, self.at, self.site.insn)
    }

    fn failed(&self, object: &Object, e: Error) -> Error {
        e.context(self.place(object))
            .context(format!("program `{}`", self.program))
    }
}

/// Relocates all functions that these programs reach, in one go. The kernel's types are looked for only if there is a need.
pub(super) fn relocate(
    object: &Object,
    programs: &[&ProgramSpec],
    kernel: &Kernel,
) -> Result<Code> {
    let count = object.functions().len();
    let mut code = Code {
        functions: vec![None; count],
        poisons: vec![Vec::new(); count],
    };
    let sites = sites(object, programs)?;
    if sites.is_empty() {
        return Ok(code);
    }
    let btf = object.require_btf()?;
    let fixups = fixups(object, btf, &sites, kernel)?;
    for (site, fixup) in sites.iter().zip(fixups) {
        if fixup.poisons(site.insn()) {
            code.poisons[site.at].push(Poison {
                insn: site.site.insn,
                why: missing(object, btf, site),
            });
        }
        let insns = code.functions[site.at].get_or_insert_with(|| site.function.insns.clone());
        fixup
            .apply(insns, site.site.insn)
            .map_err(|e| site.failed(object, e.context(relo::describe(btf, &site.relo()))))?;
    }
    Ok(code)
}

/// Why an instruction must not be reached, for the user whose program reaches it.
fn missing(object: &Object, btf: &Btf, site: &Site<'_>) -> String {
    format!(
        "{}: it needs `{}`, which this kernel does not have, or not in a form that fits",
        site.place(object),
        relo::describe(btf, &site.relo())
    )
}

/// The relocations of all functions that the programs reach, each function once.
fn sites<'a>(object: &'a Object, programs: &[&'a ProgramSpec]) -> Result<Vec<Site<'a>>> {
    let mut seen = vec![false; object.functions().len()];
    let mut sites = Vec::new();
    for program in programs {
        let reached = object
            .reachable(program)
            .context(|| format!("program `{}`", program.name))?;
        for at in reached {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            let function = &object.functions()[at];
            sites.extend(function.core.iter().map(|site| Site {
                program: &program.name,
                at,
                function,
                site,
            }));
        }
    }
    Ok(sites)
}

/// Answers the relocations against the kernel proper, and against its modules too if one asks for a type that the kernel
/// proper does not have.
fn fixups(object: &Object, btf: &Btf, sites: &[Site<'_>], kernel: &Kernel) -> Result<Vec<Fixup>> {
    let relos: Vec<Relo<'_>> = sites.iter().map(Site::relo).collect();
    let vmlinux = kernel
        .core_target()
        .context(|| "its CO-RE relocations need the kernel's types")?;
    let located = |e: relo::ReloError| match sites.get(e.index) {
        Some(site) => site.failed(object, e.error),
        None => e.error,
    };
    let fixups = relo::relocate(btf, &Targets::new(vmlinux), &relos).map_err(located)?;
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
    if modules.peek().is_none() || has_all_roots(btf, &relos, vmlinux) {
        return Ok(fixups);
    }
    let modules: Vec<Btf> = modules.map(|(_, btf)| btf).collect::<Result<_>>()?;
    let targets = Targets::new(vmlinux).with_modules(&modules);
    relo::relocate(btf, &targets, &relos).map_err(located)
}

/// Whether the kernel proper has a type for each root, by name.
fn has_all_roots(btf: &Btf, relos: &[Relo<'_>], vmlinux: &Btf) -> bool {
    let mut wanted: HashSet<&[u8]> = relos
        .iter()
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
