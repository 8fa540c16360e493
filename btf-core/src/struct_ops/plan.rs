//! struct_ops values, from the object's layout to the kernel's.
//!
//! Source: libbpf's `bpf_map__init_kern_struct_ops`.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::open::OpenStructOps;
use super::{StructOps, StructOpsValue};
use crate::btf::{Btf, Kind, Member, Type};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::kernel::Kernel;
use crate::obj::{Attach, ProgramSpec, is_function_pointer};
use crate::probe::Features;
use crate::relo::essential_name;
use crate::sys::{self, OpsMap};
use btf_obj::private::{did_you_mean, similar};

/// What the kernel calls the value that it keeps operations in.
const PREFIX: &str = "bpf_struct_ops_";

/// Operations as the running kernel lays them out.
#[derive(Debug)]
pub(crate) struct Plan {
    name: String,
    is_link: bool,
    /// The struct in the kernel's types, and the value around it.
    struct_id: u32,
    value_id: u32,
    /// The BTF object of the module that has them.
    module: Option<Rc<OwnedFd>>,
    value: Vec<u8>,
    members: Vec<Pointer>,
}

/// A function pointer that is a program.
#[derive(Debug)]
struct Pointer {
    program: String,
    /// Its place in the value.
    offset: usize,
    /// Its position among the struct's members.
    index: u32,
}

/// What a program of operations is loaded for.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) struct_id: u32,
    pub(crate) index: u32,
    pub(crate) module: Option<&'a OwnedFd>,
}

/// Lays out the struct_ops values that are to be created. `programs` are those of the object.
pub(crate) fn plan(
    all: &[OpenStructOps],
    programs: &[&ProgramSpec],
    kernel: &Kernel,
) -> Result<Vec<Plan>> {
    let created = all.iter().filter(|ops| ops.autocreate());
    created
        .map(|ops| {
            lay_out(ops, programs, kernel).context(|| format!("operations `{}`", ops.name()))
        })
        .collect()
}

/// What a program is loaded for, by the first struct that has it.
pub(crate) fn operation<'a>(plans: &'a [Plan], program: &str) -> Option<Operation<'a>> {
    plans.iter().find_map(|plan| {
        let pointer = plan.members.iter().find(|p| p.program == program)?;
        Some(Operation {
            struct_id: plan.struct_id,
            index: pointer.index,
            module: plan.module.as_deref(),
        })
    })
}

fn lay_out(ops: &OpenStructOps, programs: &[&ProgramSpec], kernel: &Kernel) -> Result<Plan> {
    let name = essential(ops.type_name());
    let (btf, module) = find(name, kernel)?;
    let value = btf.find(&format!("{PREFIX}{name}"), Kind::STRUCT);
    let place = value.and_then(|value| {
        let member = holder(value, name)?;
        Some((value, member.ty(), (member.bit_offset() / 8) as usize))
    });
    let Some((value, theirs, start)) = place else {
        return Err(unknown(name, &btf));
    };
    let mut plan = Plan {
        name: ops.name().to_owned(),
        is_link: ops.spec.is_link(),
        struct_id: theirs.id().0,
        value_id: value.id().0,
        module,
        value: vec![0; usize::try_from(value.byte_size().unwrap_or(0)).unwrap_or(0)],
        members: Vec::new(),
    };
    for member in ops.btf.ty(ops.spec.ty).members().iter() {
        copy(ops, member, theirs, start, &mut plan)
            .context(|| format!("member `{}`", member.name()))?;
    }
    for pointer in &plan.members {
        check_program(&plan, pointer, programs)?;
    }
    Ok(plan)
}

/// The member of a value that is the struct itself. The kernel has structs that are called like values and are none.
fn holder<'a>(value: Type<'a>, name: &str) -> Option<Member<'a>> {
    let mut members = value.members().iter();
    members.find(|m| m.ty().kind() == Kind::STRUCT && m.ty().name() == name)
}

fn essential(name: &str) -> &str {
    std::str::from_utf8(essential_name(name.as_bytes())).unwrap_or(name)
}

/// The types that have the value of a struct: the kernel's, or a module's with its BTF object.
fn find(name: &str, kernel: &Kernel) -> Result<(Btf, Option<Rc<OwnedFd>>)> {
    let value = format!("{PREFIX}{name}");
    let vmlinux = kernel.vmlinux()?;
    if vmlinux.find(&value, Kind::STRUCT).is_some() {
        return Ok((vmlinux.clone(), None));
    }
    for module in kernel.modules()? {
        if module.btf.find(&value, Kind::STRUCT).is_some() {
            return Ok((module.btf.clone(), Some(module.fd()?)));
        }
    }
    Err(unknown(name, vmlinux))
}

fn unknown(name: &str, btf: &Btf) -> Error {
    let error = Error::new(
        ErrorKind::NotFound,
        format!("this kernel has no operations `{name}` that programs can be"),
    );
    let known: Vec<&str> = btf
        .types()
        .filter(|t| t.kind() == Kind::STRUCT)
        .filter_map(|value| {
            let name = value.name().strip_prefix(PREFIX)?;
            holder(value, name).map(|_| name)
        })
        .collect();
    error.hint(match did_you_mean(&similar(name, known.iter().copied())) {
        Some(hint) => hint,
        None if known.is_empty() => "kernels have such operations from 5.6 on".into(),
        None => format!("it has: {}", known.join(", ")),
    })
}

/// Copies a member's value to where the kernel has it, or notes the program that it is.
fn copy(
    ops: &OpenStructOps,
    member: Member<'_>,
    theirs: Type<'_>,
    start: usize,
    plan: &mut Plan,
) -> Result<()> {
    let at = member.bit_offset() / 8;
    let program = ops.spec.programs.iter().find(|(offset, _)| *offset == at);
    let size = member
        .ty()
        .byte_size()
        .and_then(|size| usize::try_from(size).ok());
    let bytes = size
        .and_then(|size| {
            ops.spec
                .bytes
                .get(at as usize..(at as usize).checked_add(size)?)
        })
        .unwrap_or_default();
    let is_zero = program.is_none() && bytes.iter().all(|b| *b == 0);
    let found = theirs
        .members()
        .iter()
        .enumerate()
        .find(|(_, m)| essential(m.name()) == essential(member.name()));
    let Some((index, there)) = found else {
        // What this kernel does not have yet, and the program does not use.
        return match is_zero {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Unsupported,
                format!("this kernel's struct {} does not have it", theirs.name()),
            )
            .hint("leave it zero: set_program(member, None), or set(member, &0)")),
        };
    };
    if member.bitfield_size().is_some() || there.bitfield_size().is_some() {
        return match is_zero {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Unsupported,
                "bitfields cannot be set",
            )),
        };
    }
    let offset = start + (there.bit_offset() / 8) as usize;
    if let Some((_, program)) = program {
        if !is_function_pointer(there.ty()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "it is no pointer to a function in this kernel",
            ));
        }
        plan.members.push(Pointer {
            program: program.clone(),
            offset,
            index: index as u32,
        });
        return Ok(());
    }
    if is_zero {
        return Ok(());
    }
    let same = there.ty().byte_size() == Some(bytes.len() as u64);
    match plan
        .value
        .get_mut(offset..offset.saturating_add(bytes.len()))
    {
        Some(place) if same => {
            place.copy_from_slice(bytes);
            Ok(())
        }
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "it has {} bytes here, and another size in this kernel",
                bytes.len()
            ),
        )),
    }
}

/// Checks that a function pointer is set to a struct_ops program.
fn check_program(plan: &Plan, pointer: &Pointer, programs: &[&ProgramSpec]) -> Result<()> {
    let name = &pointer.program;
    let Some(program) = programs.iter().find(|p| p.name == *name) else {
        let error = Error::not_found(format!("there is no program `{name}`"));
        let names = programs.iter().map(|p| p.name.as_str());
        return Err(match did_you_mean(&similar(name, names)) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    };
    if !program
        .def
        .is_some_and(|def| def.attach == Attach::StructOps)
    {
        let error = Error::new(
            ErrorKind::InvalidInput,
            format!("program `{name}` is in SEC(\"{}\")", program.section),
        );
        return Err(
            error.hint("an operation is in SEC(\"struct_ops\") or SEC(\"struct_ops/NAME\")")
        );
    }
    debug_assert!(pointer.offset < plan.value.len());
    Ok(())
}

/// Creates the map of each plan, with the programs that `program_fd` returns by name.
pub(crate) fn create(
    plans: &[Plan],
    program_fd: impl Fn(&str) -> Result<Option<OwnedFd>>,
    btf: Option<&OwnedFd>,
    features: &Features,
) -> Result<Vec<StructOps>> {
    plans
        .iter()
        .map(|plan| {
            create_one(plan, &program_fd, btf, features)
                .context(|| format!("operations `{}`", plan.name))
        })
        .collect()
}

fn create_one(
    plan: &Plan,
    program_fd: &impl Fn(&str) -> Result<Option<OwnedFd>>,
    btf: Option<&OwnedFd>,
    features: &Features,
) -> Result<StructOps> {
    let btf = btf.ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            "a struct_ops map requires the object's BTF, which the kernel rejected",
        )
    })?;
    let create = |is_link| {
        let module = plan.module.as_deref();
        OpsMap::create(
            &plan.name,
            plan.value_id,
            plan.value.len(),
            is_link,
            btf,
            module,
            features.token(),
        )
    };
    let (map, is_link) = match create(plan.is_link) {
        Ok(map) => (map, plan.is_link),
        // Before 6.4 there are no links of operations: they are attached by being written.
        Err(e) if plan.is_link && e.raw_os_error() == Some(libc::EINVAL) => {
            (create(false).map_err(refused)?, false)
        }
        Err(e) => return Err(refused(e)),
    };
    let mut value = StructOpsValue::new(plan.value.clone());
    for pointer in &plan.members {
        if let Some(fd) = program_fd(&pointer.program)? {
            value.set_program(pointer.offset, fd);
        }
    }
    Ok(StructOps::new(plan.name.clone(), map, is_link, value))
}

fn refused(e: std::io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os("the kernel refused to create their map", e);
    match errno {
        Some(libc::EPERM | libc::EACCES) => {
            error.hint(sys::privileges_hint(sys::Capabilities::TRACING))
        }
        _ => error,
    }
}
