//! CO-RE relocation of an object: from its programs and a target's types to patched instructions, without a kernel.
//!
//! Functions are patched before they are linked together, so that a subprogram that two programs share is relocated once
//! and instructions in errors are counted as the source's function counts them.

use super::place::place;
use super::{CoreSite, Function, Image, Object, Outcome, ProgramSpec};
use crate::error::{Context, Error, Result};
use crate::insn::Insn;
use crate::relo::{self, Fixup, Relo, ReloError, Targets};

impl Object {
    /// Answers the CO-RE relocations of all functions that these programs reach, in one go, and patches their instructions.
    ///
    /// Nothing is asked of a kernel: what comes out is what btf-core would hand to one that has these types, but for
    /// the descriptors of maps.
    ///
    /// ```no_run
    /// # fn main() -> btf_obj::Result<()> {
    /// use btf_obj::btf::Btf;
    /// use btf_obj::obj::Object;
    /// use btf_obj::relo::Targets;
    ///
    /// let elf = std::fs::read("open.bpf.o").expect("compiled before");
    /// let object = Object::parse("open", &elf)?;
    /// let kernel = Btf::from_file("5.10.btf")?;
    /// let relocated = object.relocate(object.programs(), &Targets::new(&kernel))?;
    /// for program in object.programs() {
    ///     println!("{}: {} instructions", program.name, relocated.link(program)?.insns.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Relocation`] for the first relocation that cannot be carried out, naming object, program,
    /// instruction, source line and access; [`crate::ErrorKind::NotFound`] for relocations without BTF; as [`Object::reachable`].
    pub fn relocate<'a>(
        &'a self,
        programs: impl IntoIterator<Item = &'a ProgramSpec>,
        targets: &Targets<'_>,
    ) -> Result<Relocated<'a>> {
        relocate(self, programs, targets).context(|| format!("object `{}`", self.name()))
    }
}

fn relocate<'a>(
    object: &'a Object,
    programs: impl IntoIterator<Item = &'a ProgramSpec>,
    targets: &Targets<'_>,
) -> Result<Relocated<'a>> {
    let sites = sites(object, programs)?;
    if sites.is_empty() {
        return Ok(Relocated::unchanged(object));
    }
    let fixups = fixups(object, &sites, targets)?;
    Relocated::patch(object, sites, fixups)
}

/// The functions of an object, patched where relocations asked for it.
#[derive(Clone, Debug)]
pub struct Relocated<'a> {
    object: &'a Object,
    /// By position in [`Object::functions`]; `None` where nothing changed.
    functions: Vec<Option<Vec<Insn>>>,
    answers: Vec<(Site<'a>, Fixup)>,
}

impl<'a> Relocated<'a> {
    /// The functions as the compiler left them.
    #[doc(hidden)]
    pub fn unchanged(object: &'a Object) -> Self {
        Relocated {
            object,
            functions: vec![None; object.functions().len()],
            answers: Vec::new(),
        }
    }

    /// Applies fixups that answer `sites`, one for each.
    #[doc(hidden)]
    pub fn patch(object: &'a Object, sites: Vec<Site<'a>>, fixups: Vec<Fixup>) -> Result<Self> {
        let mut this = Relocated::unchanged(object);
        for (site, fixup) in sites.iter().zip(&fixups) {
            let insns = this.functions[site.at].get_or_insert_with(|| site.function.insns.clone());
            fixup
                .apply(insns, site.site.insn)
                .map_err(|e| site.failed(object, e.context(site.access(object))))?;
        }
        this.answers = sites.into_iter().zip(fixups).collect();
        Ok(this)
    }

    /// The instructions of the function at this position of [`Object::functions`]; none if there is no such function.
    pub fn insns(&self, function: usize) -> &[Insn] {
        match self.functions.get(function) {
            Some(Some(insns)) => insns,
            _ => self
                .object
                .functions()
                .get(function)
                .map_or(&[], |f| &f.insns),
        }
    }

    /// One instruction stream out of a program and its subprograms, as [`Object::link`] makes it.
    ///
    /// # Errors
    ///
    /// As [`Object::reachable`].
    pub fn link(&self, program: &ProgramSpec) -> Result<Image> {
        self.object.link(program, |function| self.insns(function))
    }

    /// Why this instruction of a function was replaced by one that must not be reached, if it was; `targets` are those that it
    /// was relocated against.
    ///
    /// The relocations are answered again for it.
    #[doc(hidden)]
    pub fn why_poisoned(
        &self,
        function: usize,
        insn: usize,
        targets: &Targets<'_>,
    ) -> Option<(String, relo::Explanation)> {
        let (index, (site, _)) = self.answers.iter().enumerate().find(|(_, (site, fixup))| {
            (site.at, site.site.insn) == (function, insn) && fixup.poisons(site.insn())
        })?;
        let relos: Vec<Relo<'_>> = self.answers.iter().map(|(site, _)| site.relo()).collect();
        let why = relo::explain(self.object.btf()?, targets, &relos, index)?;
        Some((site.access(self.object), why))
    }

    /// Every relocation with its answer, in the order of `.BTF.ext`. [`Object::report`] has explanations, too.
    pub fn answers(&self) -> impl Iterator<Item = Answer<'_>> {
        self.answers.iter().map(|(site, fixup)| Answer {
            function: site.at,
            site: site.site,
            insn: site.insn(),
            fixup,
        })
    }
}

/// What one relocation of an object came to.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Position of its function in [`Object::functions`].
    pub function: usize,
    /// The question.
    pub site: &'a CoreSite,
    /// Its instruction as the compiler left it.
    pub insn: Insn,
    /// The answer.
    pub fixup: &'a Fixup,
}

impl Answer<'_> {
    /// Whether the instruction was replaced by one that must not be reached.
    pub fn poisons(&self) -> bool {
        self.fixup.poisons(self.insn)
    }

    /// What the relocation came to; it has not failed.
    pub fn outcome(&self) -> Outcome {
        Outcome::of(*self.fixup, self.insn)
    }
}

/// A relocation and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    program: &'a str,
    /// Position of the function.
    at: usize,
    function: &'a Function,
    pub site: &'a CoreSite,
}

impl<'a> Site<'a> {
    pub fn relo(&self) -> Relo<'a> {
        Relo {
            kind: self.site.kind,
            root: self.site.root,
            access: &self.site.access,
        }
    }

    /// Position of its function in [`Object::functions`].
    pub fn function(&self) -> usize {
        self.at
    }

    /// The instruction as the compiler left it.
    pub fn insn(&self) -> Insn {
        let insn = self.function.insns.get(self.site.insn);
        insn.copied().unwrap_or_default()
    }

    /// The first program that reaches it.
    pub fn program(&self) -> &'a str {
        self.program
    }

    /// The access as the C programmer wrote it.
    pub fn access(&self, object: &Object) -> String {
        object
            .btf()
            .map_or_else(String::new, |btf| relo::describe(btf, &self.relo()))
    }

    fn failed(&self, object: &Object, e: Error) -> Error {
        e.context(place(object, self.at, self.site.insn))
            .context(format!("program `{}`", self.program))
    }
}

/// The relocations of all functions that the programs reach, each function once. They are in the order of `.BTF.ext`, as
/// libbpf answers them: an answer may rule out candidates for those after it.
pub fn sites<'a>(
    object: &'a Object,
    programs: impl IntoIterator<Item = &'a ProgramSpec>,
) -> Result<Vec<Site<'a>>> {
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
    sites.sort_by_key(|site| site.site.position);
    Ok(sites)
}

/// Answers relocations of an object; an error says where in the source it comes from.
pub fn fixups(object: &Object, sites: &[Site<'_>], targets: &Targets<'_>) -> Result<Vec<Fixup>> {
    let relos: Vec<Relo<'_>> = sites.iter().map(Site::relo).collect();
    relo::relocate(object.types()?, targets, &relos).map_err(|ReloError { index, error }| {
        match sites.get(index) {
            Some(site) => site.failed(object, error),
            None => error,
        }
    })
}
