//! The smallest BTF that answers the CO-RE relocations of objects as a kernel's BTF does, and what that kernel lacks.
//!
//! Made for carrying the types of kernels along that have no BTF of their own: a kernel's is megabytes, this is a few
//! kilobytes for all of an application's programs.

use super::relocated::{Site, sites};
use super::{Finding, Object};
use crate::btf::Btf;
use crate::btf::ext::CoreKind;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::relo::footprint::Footprint;
use crate::relo::shrink::{Care, Shrunk};
use crate::relo::{self, Fixup, Relo, Targets};

/// What [`minimise`] makes.
#[derive(Debug)]
pub struct Minimal<'a> {
    /// The types that relocations need. [`Btf::to_target_bytes`] gives what to put into a file.
    pub btf: Btf,
    /// The relocations to which the kernel's BTF has no answer, in order of object and instruction.
    pub unresolved: Vec<Finding<'a>>,
    /// How many relocations there are.
    pub relocations: usize,
}

/// Makes the smallest BTF under which the relocations of all programs of these objects come out as under `kernel`,
/// whichever programs are loaded.
///
/// Structs keep their sizes, and of their members those that are accessed; enums keep the enumerators that are asked for.
/// Types keep no order, so that `bpf_core_type_id_kernel` gives other numbers: those of the types in the result.
/// What does not exist in `kernel` does not exist in the result, and two types between which a relocation cannot decide
/// stay two. The result has been relocated against, and every answer compared.
///
/// ```no_run
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::btf::Btf;
/// use btf_obj::obj::{Object, minimise};
///
/// let elf = std::fs::read("open.bpf.o").expect("compiled before");
/// let object = Object::parse("open", &elf)?;
/// let minimal = minimise(&[&object], &Btf::from_file("5.10.btf")?)?;
/// for unresolved in &minimal.unresolved {
///     eprintln!("{unresolved}");
/// }
/// std::fs::write("5.10.min.btf", &*minimal.btf.to_target_bytes()).expect("a writable directory");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`Object::reachable`]; [`ErrorKind::NotFound`] for relocations without BTF; [`ErrorKind::Unsupported`] for a kernel
/// BTF that is not made by a C compiler, and of which less does not answer the same.
pub fn minimise<'a>(objects: &[&'a Object], kernel: &Btf) -> Result<Minimal<'a>> {
    let mut asked = Vec::with_capacity(objects.len());
    for &object in objects {
        let sites =
            sites(object, object.programs()).context(|| format!("object `{}`", object.name()))?;
        // Only an object with relocations needs types.
        if !sites.is_empty() {
            asked.push(Asked {
                object,
                btf: object.require_btf()?,
                sites,
            });
        }
    }
    let mut footprint = Footprint::default();
    let answers = answer(&asked, kernel, &mut footprint);
    let btf = shrink(&asked, kernel, &footprint, &answers)?;
    let mut unresolved = Vec::new();
    for asked in &asked {
        let findings = asked
            .object
            .report(asked.object.programs(), &Targets::new(kernel))?;
        unresolved.extend(
            findings
                .into_iter()
                .filter(|found| !found.outcome.is_value()),
        );
    }
    Ok(Minimal {
        btf,
        relocations: answers.iter().map(Vec::len).sum(),
        unresolved,
    })
}

/// An object's relocations.
struct Asked<'a> {
    object: &'a Object,
    btf: &'a Btf,
    sites: Vec<Site<'a>>,
}

type Answers = Vec<Vec<Result<Fixup>>>;

fn answer(asked: &[Asked<'_>], target: &Btf, footprint: &mut Footprint) -> Answers {
    asked
        .iter()
        .map(|asked| {
            let relos: Vec<Relo<'_>> = asked.sites.iter().map(Site::relo).collect();
            footprint.answer(asked.btf, target, &relos)
        })
        .collect()
}

/// Takes as much away as leaves all answers as they are.
fn shrink(
    asked: &[Asked<'_>],
    kernel: &Btf,
    footprint: &Footprint,
    answers: &Answers,
) -> Result<Btf> {
    let mut reason = None;
    for care in [Care::Usual, Care::Great] {
        let shrunk = footprint.shrink(kernel, care)?;
        let again = answer(asked, &shrunk.btf, &mut Footprint::default());
        match first_difference(asked, answers, &again, &shrunk) {
            None => return Ok(shrunk.btf),
            Some(difference) => reason = Some(difference),
        }
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "no smaller BTF answers the same: {} comes out differently",
            reason.unwrap_or_default()
        ),
    ))
}

fn first_difference(
    asked: &[Asked<'_>],
    before: &Answers,
    after: &Answers,
    shrunk: &Shrunk,
) -> Option<String> {
    for ((asked, before), after) in asked.iter().zip(before).zip(after) {
        for ((site, before), after) in asked.sites.iter().zip(before).zip(after) {
            if !is_same(before, after, shrunk) {
                return Some(relo::describe(asked.btf, &site.relo()));
            }
        }
    }
    None
}

fn is_same(before: &Result<Fixup>, after: &Result<Fixup>, shrunk: &Shrunk) -> bool {
    match (before, after) {
        (Ok(before), Ok(after)) if before.kind == CoreKind::TYPE_ID_TARGET => {
            let id = u32::try_from(before.target).unwrap_or(0);
            let moved = shrunk.ids.get(&crate::btf::TypeId(id));
            let expected = Fixup {
                target: moved.map_or(0, |id| id.0.into()),
                ..*before
            };
            expected == *after
        }
        (Ok(before), Ok(after)) => before == after,
        (Err(before), Err(after)) => before.kind() == after.kind(),
        _ => false,
    }
}
