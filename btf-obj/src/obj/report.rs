//! What each relocation of an object comes to against a target's types, and why: for tools and for checks at build time.

use std::fmt;

use super::outcome::Outcome;
use super::place::place;
use super::relocated::{Site, sites};
use super::{CoreSite, Object, ProgramSpec};
use crate::error::{Context, Result};
use crate::insn::Insn;
use crate::relo::{self, Explanation, Relo, Targets};

/// A relocation of an object, and what it comes to.
///
/// It prints as one line: object, program, instruction, source line, access, and its value or why there is none.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The object it is in.
    pub object: &'a Object,
    /// The first program that reaches it.
    pub program: &'a str,
    /// Position of its function in [`Object::functions`].
    pub function: usize,
    /// The question.
    pub site: &'a CoreSite,
    /// What it comes to.
    pub outcome: Outcome,
    /// What the target has instead, if it is absent or poisoned.
    pub why: Option<Explanation>,
}

impl Finding<'_> {
    /// The access as the C programmer wrote it: `task_struct.state`, `field_exists(sock.sk_flags)`.
    pub fn access(&self) -> String {
        let relo = Relo {
            kind: self.site.kind,
            root: self.site.root,
            access: &self.site.access,
        };
        let btf = self.object.btf();
        btf.map_or_else(String::new, |btf| relo::describe(btf, &relo))
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = place(self.object, self.function, self.site.insn);
        let (object, program) = (self.object.name(), self.program);
        write!(f, "object `{object}`: program `{program}`: {place}: ")?;
        let access = match &self.outcome {
            // It names the access.
            Outcome::Failed(e) => return write!(f, "{e}"),
            _ => self.access(),
        };
        match &self.outcome {
            Outcome::Value(fixup) if fixup.target == fixup.local => {
                write!(f, "{access} is {}", fixup.target)?;
            }
            Outcome::Value(fixup) => {
                write!(
                    f,
                    "{access} is {}, {} in the object",
                    fixup.target, fixup.local
                )?;
            }
            Outcome::Absent(_) => write!(f, "{access} is 0")?,
            Outcome::Poisoned(_) => write!(f, "{access} has no value")?,
            Outcome::Failed(_) => {}
        }
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

impl Object {
    /// Every relocation of all functions that these programs reach, with what it comes to, in the order of `.BTF.ext`.
    ///
    /// Where [`Object::relocate`] stops at the first relocation that fails, this goes on; and it says why what has no value has
    /// none. A kernel's absence of something may be what the program was written for: what is *absent* was asked for, and what is
    /// *poisoned* is refused only if the verifier comes to it.
    ///
    /// ```no_run
    /// # fn main() -> btf_obj::Result<()> {
    /// use btf_obj::btf::Btf;
    /// use btf_obj::obj::{Object, Outcome};
    /// use btf_obj::relo::Targets;
    ///
    /// let elf = std::fs::read("open.bpf.o").expect("compiled before");
    /// let object = Object::parse("open", &elf)?;
    /// for kernel in ["5.10.btf", "6.12.btf"] {
    ///     let btf = Btf::from_file(kernel)?;
    ///     for finding in object.report(object.programs(), &Targets::new(&btf))? {
    ///         if let Outcome::Poisoned(_) | Outcome::Failed(_) = finding.outcome {
    ///             println!("{kernel}: {finding}");
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] for relocations without BTF; as [`Object::reachable`]. A relocation that fails is a finding.
    pub fn report<'a>(
        &'a self,
        programs: impl IntoIterator<Item = &'a ProgramSpec>,
        targets: &Targets<'_>,
    ) -> Result<Vec<Finding<'a>>> {
        report(self, programs, targets).context(|| format!("object `{}`", self.name()))
    }
}

fn report<'a>(
    object: &'a Object,
    programs: impl IntoIterator<Item = &'a ProgramSpec>,
    targets: &Targets<'_>,
) -> Result<Vec<Finding<'a>>> {
    let sites = sites(object, programs)?;
    if sites.is_empty() {
        return Ok(Vec::new());
    }
    let relos: Vec<Relo<'_>> = sites.iter().map(Site::relo).collect();
    let answers = relo::survey(object.types()?, targets, &relos);
    let mut insns: Vec<Option<Vec<Insn>>> = vec![None; object.functions().len()];
    let findings = sites.into_iter().zip(answers).map(|(site, found)| {
        let patched = found.answer.and_then(|fixup| {
            let function = site.function();
            let insns =
                insns[function].get_or_insert_with(|| object.functions()[function].insns.clone());
            let applied = fixup.apply(insns, site.site.insn);
            applied.context(|| site.access(object)).map(|()| fixup)
        });
        let outcome = match patched {
            Ok(fixup) => Outcome::of(fixup, site.insn()),
            Err(e) => Outcome::Failed(e),
        };
        Finding {
            object,
            program: site.program(),
            function: site.function(),
            site: site.site,
            why: found
                .why
                .filter(|_| matches!(outcome, Outcome::Absent(_) | Outcome::Poisoned(_))),
            outcome,
        }
    });
    Ok(findings.collect())
}
