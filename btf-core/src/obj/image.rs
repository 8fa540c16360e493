//! Linking: one instruction stream out of a program and the subprograms it reaches.
//!
//! Subprograms follow in the order in which libbpf appends them (`bpf_object__reloc_code`): at the first call, and what
//! that subprogram calls right after it.

use super::functions::{ElfReloc, Function, LineSite, RelocTarget};
use super::{Object, ProgramSpec};
use crate::btf::{Kind, Linkage, Type, TypeId};
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
    follow(object, program.function, &mut order)?;
    // Nothing calls it: the kernel does.
    if let Some(callback) = exception_callback(object, program)?
        && !order.contains(&callback)
    {
        order.push(callback);
        follow(object, callback, &mut order)?;
    }
    Ok(order)
}

/// The function that a program names as the one to run after `bpf_throw` (libbpf's `bpf_prog_assign_exc_cb`).
fn exception_callback(object: &Object, program: &ProgramSpec) -> Result<Option<usize>> {
    let main = &object.functions[program.function];
    let (Some(btf), Some(id)) = (object.btf(), main.btf_id) else {
        return Ok(None);
    };
    let mut names = btf
        .types()
        .filter(|t| t.kind() == Kind::DECL_TAG && t.component() == Some(-1))
        .filter(|t| t.target().is_some_and(|f| f.id() == id))
        .filter_map(|t| t.name().strip_prefix("exception_callback:"));
    // Of several, the verifier says that they are too many.
    let (Some(name), None) = (names.next(), names.next()) else {
        return Ok(None);
    };
    let is_global = |f: &Function| {
        let ty = f.btf_id.map(|id| btf.ty(id));
        ty.and_then(Type::linkage) == Some(Linkage::GLOBAL)
    };
    let found = object
        .functions
        .iter()
        .position(|f| f.section == ".text" && f.name == name);
    match found {
        Some(callback) if is_global(&object.functions[callback]) => Ok(Some(callback)),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("its exception callback `{name}` is static or hidden"),
        )
        .hint("the kernel verifies it by itself, for which it must be global")),
        None => Err(Error::not_found(format!(
            "the object has no function `{name}`, which is to be its exception callback"
        ))),
    }
}

/// Adds to `order` the functions that this one reaches.
fn follow(object: &Object, function: usize, order: &mut Vec<usize>) -> Result<()> {
    // Explicit stack of (function, next instruction): depth is bounded by the number of functions.
    let mut stack = vec![(function, 0)];
    while let Some((function, from)) = stack.pop() {
        let f = &object.functions[function];
        let next = (from..f.insns.len()).find_map(|at| match callee(object, function, at) {
            Ok(Some(callee)) if !order.contains(&callee) => Some(Ok((at, callee))),
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
    object
        .functions
        .iter()
        .position(|g| g.section_index == f.section_index && g.first_insn as i64 == target)
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
    let start_of = |parts: &[(usize, usize)], function| {
        parts
            .iter()
            .find(|(_, f)| *f == function)
            .map(|(start, _)| *start as i64)
    };
    for &(start, function) in &image.parts {
        for at in 0..object.functions[function].insns.len() {
            let Some(callee) = callee(object, function, at)? else {
                continue;
            };
            let Some(target) = start_of(&image.parts, callee) else {
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
