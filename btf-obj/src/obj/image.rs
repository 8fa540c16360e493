//! Linking: one instruction stream out of a program and the subprograms it reaches.
//!
//! Subprograms follow in the order in which libbpf appends them (`bpf_object__reloc_code`): at the first call, and what
//! that subprogram calls right after it.

use std::collections::{HashMap, HashSet};

use super::functions::{self, ElfReloc, Function, LineSite, RelocTarget};
use super::{Object, ProgramSpec};
use crate::btf::{Kind, Linkage, Type, TypeId};
use crate::effort::Effort;
use crate::error::{Error, ErrorKind, Result};
use crate::insn::Insn;

/// A program ready to be given maps and loaded.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// All instructions.
    pub insns: Vec<Insn>,
    /// Start and FUNC type of each function that has one; empty unless all have.
    pub func_info: Vec<(usize, TypeId)>,
    /// Source lines.
    pub lines: Vec<LineSite>,
    /// References to maps, data and externs, which only a loader can resolve.
    pub relocs: Vec<ElfReloc>,
    /// Start in [`Image::insns`] and position in [`Object::functions`] of each function.
    pub parts: Vec<(usize, usize)>,
}

impl Image {
    /// The function that an instruction belongs to, and the instruction's index within it.
    pub fn function_of(&self, insn: usize) -> Option<(usize, usize)> {
        let after = self.parts.partition_point(|(start, _)| *start <= insn);
        let (start, function) = *self.parts[..after].last()?;
        Some((function, insn - start))
    }
}

pub(super) fn reachable(object: &Object, program: &ProgramSpec) -> Result<Vec<usize>> {
    let mut order = vec![program.function];
    let mut seen = HashSet::from([program.function]);
    follow(object, program.function, &mut order, &mut seen)?;
    // Nothing calls it: the kernel does.
    if let Some(callback) = exception_callback(object, program)?
        && seen.insert(callback)
    {
        order.push(callback);
        follow(object, callback, &mut order, &mut seen)?;
    }
    Ok(order)
}

/// Checks that programs do not share so many functions that linking all of them, each with copies
/// of its own, takes far more than the object has.
///
/// # Errors
///
/// That of `effort`. A call that leads nowhere is none: the program may never be loaded.
pub(super) fn check_size(object: &Object, effort: &mut Effort) -> Result<()> {
    /// What is linked this quickly need not be counted.
    const FEW: usize = 1 << 19;
    let of = |f: &Function| 1 + f.insns.len() + f.lines.len() + f.relocs.len();
    let all: usize = object.functions.iter().map(of).sum();
    if all.saturating_mul(object.programs.len()) <= FEW {
        return Ok(());
    }
    let of_function = |(at, f): (usize, &Function)| {
        let callees = (0..f.insns.len()).filter_map(|insn| callee(object, at, insn).ok().flatten());
        callees.collect::<Vec<usize>>()
    };
    let callees: Vec<Vec<usize>> = object
        .functions
        .iter()
        .enumerate()
        .map(of_function)
        .collect();
    // The program that has reached a function last.
    let mut reached = vec![usize::MAX; object.functions.len()];
    for (n, program) in object.programs.iter().enumerate() {
        let callback = exception_callback(object, program).ok().flatten();
        let mut open = vec![program.function];
        open.extend(callback);
        while let Some(function) = open.pop() {
            if std::mem::replace(&mut reached[function], n) == n {
                continue;
            }
            effort.charge(of(&object.functions[function]))?;
            open.extend(
                callees[function]
                    .iter()
                    .filter(|callee| reached[**callee] != n),
            );
        }
    }
    Ok(())
}

/// The functions that programs name as their exception callbacks.
#[derive(Debug, Clone, Default)]
pub(super) struct Callbacks {
    /// By the FUNC that a tag is on; `None` if there are several tags.
    tags: HashMap<TypeId, Option<Callback>>,
}

#[derive(Debug, Clone, Copy)]
struct Callback {
    /// The tag.
    tag: TypeId,
    /// The position of the first function of that name in `.text`.
    function: Option<usize>,
}

impl Callbacks {
    pub(super) fn of(object: &Object, effort: &mut Effort) -> Result<Callbacks> {
        let mut callbacks = Callbacks::default();
        let mut by_name: Option<HashMap<&str, usize>> = None;
        let Some(btf) = object.btf() else {
            return Ok(callbacks);
        };
        let tags = btf.headers().filter(|header| header.kind == Kind::DECL_TAG);
        for tag in tags.map(|header| btf.ty(header.id)) {
            if tag.component() != Some(-1) {
                continue;
            }
            let name = tag.name();
            effort.charge_kept(name.len())?;
            let (Some(name), Some(on)) = (name.strip_prefix(PREFIX), tag.target()) else {
                continue;
            };
            let functions = by_name.get_or_insert_with(|| {
                let mut by_name = HashMap::new();
                let functions = object.functions.iter().enumerate();
                for (at, f) in functions.filter(|(_, f)| f.section == ".text") {
                    by_name.entry(f.name.as_str()).or_insert(at);
                }
                by_name
            });
            let callback = Callback {
                tag: tag.id(),
                function: functions.get(name).copied(),
            };
            let known = callbacks.tags.entry(on.id());
            known
                .and_modify(|known| *known = None)
                .or_insert(Some(callback));
        }
        Ok(callbacks)
    }
}

/// What comes before the name of an exception callback.
const PREFIX: &str = "exception_callback:";

/// The function that a program names as the one to run after `bpf_throw` (libbpf's `bpf_prog_assign_exc_cb`).
fn exception_callback(object: &Object, program: &ProgramSpec) -> Result<Option<usize>> {
    let main = &object.functions[program.function];
    let (Some(btf), Some(id)) = (object.btf(), main.btf_id) else {
        return Ok(None);
    };
    // Of several, the verifier says that they are too many.
    let Some(Callback { tag, function }) = object.callbacks.tags.get(&id).copied().flatten() else {
        return Ok(None);
    };
    let name = || btf.ty(tag).name().strip_prefix(PREFIX).unwrap_or_default();
    let is_global = |f: &Function| {
        let ty = f.btf_id.map(|id| btf.ty(id));
        ty.and_then(Type::linkage) == Some(Linkage::GLOBAL)
    };
    match function {
        Some(callback) if is_global(&object.functions[callback]) => Ok(Some(callback)),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("its exception callback `{}` is static or hidden", name()),
        )
        .hint("the kernel verifies it by itself, for which it must be global")),
        None => Err(Error::not_found(format!(
            "the object has no function `{}`, which is to be its exception callback",
            name()
        ))),
    }
}

/// Adds to `order` the functions that this one reaches.
fn follow(
    object: &Object,
    function: usize,
    order: &mut Vec<usize>,
    seen: &mut HashSet<usize>,
) -> Result<()> {
    // Explicit stack of (function, next instruction): depth is bounded by the number of functions.
    let mut stack = vec![(function, 0)];
    while let Some((function, from)) = stack.pop() {
        let f = &object.functions[function];
        let next = (from..f.insns.len()).find_map(|at| match callee(object, function, at) {
            Ok(Some(callee)) if seen.insert(callee) => Some(Ok((at, callee))),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        });
        if let Some(found) = next {
            let (at, callee) = found?;
            order.push(callee);
            stack.push((function, at + 1));
            stack.push((callee, 0));
        }
    }
    Ok(())
}

/// The function that the instruction calls or whose address it takes.
fn callee(object: &Object, function: usize, at: usize) -> Result<Option<usize>> {
    let f = &object.functions[function];
    let insn = f.insns[at];
    if !insn.is_bpf_call() && !insn.is_ldimm64() {
        return Ok(None);
    }
    if let Ok(n) = f.relocs.binary_search_by_key(&at, |r| r.insn) {
        return Ok(match f.relocs[n].target {
            RelocTarget::Function(callee) => Some(callee),
            _ => None,
        });
    }
    if !insn.is_bpf_call() {
        return Ok(None);
    }
    // A call within one section needs no relocation: the immediate counts from the next instruction.
    let target = (f.first_insn + at) as i64 + i64::from(insn.imm) + 1;
    usize::try_from(target)
        .ok()
        .and_then(|first| functions::starting_at(&object.functions, f.section_index, first))
        .map(Some)
        .ok_or_else(|| {
            Error::malformed(format!(
                "instruction {at} of function `{}` calls instruction {target} of section {}, where no function starts",
                f.name, f.section
            ))
        })
}

pub(super) fn link<'a>(
    object: &'a Object,
    program: &ProgramSpec,
    insns: impl Fn(usize) -> &'a [Insn],
) -> Result<Image> {
    let order = reachable(object, program)?;
    let mut image = Image::default();
    for &function in &order {
        let start = image.insns.len();
        let f = &object.functions[function];
        image.parts.push((start, function));
        image.insns.extend_from_slice(insns(function));
        image.func_info.extend(f.btf_id.map(|id| (start, id)));
        image.lines.extend(f.lines.iter().map(|l| LineSite {
            insn: start + l.insn,
            ..*l
        }));
        image.relocs.extend(
            f.relocs
                .iter()
                .filter(|r| !matches!(r.target, RelocTarget::Function(_)))
                .map(|r| ElfReloc {
                    insn: start + r.insn,
                    ..*r
                }),
        );
    }
    // The kernel wants all functions described, or none.
    if image.func_info.len() != order.len() {
        image.func_info.clear();
    }
    resolve_calls(object, &mut image)?;
    Ok(image)
}

fn resolve_calls(object: &Object, image: &mut Image) -> Result<()> {
    let starts: HashMap<usize, usize> = image.parts.iter().map(|(start, f)| (*f, *start)).collect();
    for &(start, function) in &image.parts {
        for at in 0..object.functions[function].insns.len() {
            let Some(callee) = callee(object, function, at)? else {
                continue;
            };
            let Some(target) = starts.get(&callee).map(|start| *start as i64) else {
                continue;
            };
            let here = (start + at) as i64;
            let insn = &mut image.insns[start + at];
            // Both a call's and a function address's immediate count from the next instruction.
            insn.imm = (target - here - 1) as i32;
            if insn.is_ldimm64() {
                *insn = insn.with_src(crate::insn::pseudo::FUNC);
            }
        }
    }
    Ok(())
}
