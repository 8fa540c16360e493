//! Whether what a program attaches to is, in the running kernel, what the program was built for.

use super::open_program::OpenProgram;
use crate::attach_target::{self, Prototype, Target};
use crate::btf::{Btf, Type};
use crate::error::{Error, ErrorKind, Result};
use crate::insn::Insn;
use crate::kernel::Kernel;

/// Compares the target's prototype in the running kernel with that in `built`, in what the program reads. `running` is the
/// target's type if the program is loaded with it; it is looked for if not.
pub(super) fn check(
    program: &OpenProgram,
    built: &Btf,
    insns: &[Insn],
    running: Option<Type<'_>>,
    kernel: &Kernel,
) -> Result<()> {
    let Some((target, was)) =
        Target::of(&program.spec).and_then(|target| Some((target, target.prototype(built)?)))
    else {
        return Ok(());
    };
    let is = match running {
        Some(ty) => Prototype::of(target.attach_type, ty),
        // A raw tracepoint is attached to by name, with or without BTF, and may be a module's.
        None => kernel.vmlinux().ok().and_then(|btf| target.prototype(btf)),
    };
    let Some(is) = is else { return Ok(()) };
    let declared = attach_target::body_prototype(built, program.name());
    let reads = attach_target::context_reads(insns);
    match attach_target::prototype_change(&was, &is, declared.as_ref(), reads.as_deref()) {
        Some(why) => Err(differs(&why, &was, &is)),
        None => Ok(()),
    }
}

fn differs(why: &str, was: &Prototype<'_>, is: &Prototype<'_>) -> Error {
    let is = is.clone().with_names();
    Error::new(
        ErrorKind::Prototype,
        format!(
            "this kernel has another `{}` than it is built for: {why}; it is built for `{was}`, and this kernel has `{is}`",
            was.name()
        ),
    )
    .hint(
        "load a program for this kernel's in its place, or call set_check_prototype(false) on it before the object is loaded",
    )
}
