//! A program that is yet to be loaded.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::obj::{ProgramSpec, SectionDef};

/// A program of an opened object: what may be changed before it is loaded.
#[derive(Debug, Clone)]
pub struct OpenProgram {
    pub(super) spec: ProgramSpec,
    pub(super) check_prototype: bool,
    pub(super) autoattach: bool,
    /// Other targets, of which the first that is there is taken.
    pub(super) alternatives: Vec<String>,
    /// The program whose function is the target.
    pub(super) attach_program: Option<Arc<OwnedFd>>,
}

impl OpenProgram {
    pub(super) fn new(spec: ProgramSpec) -> OpenProgram {
        OpenProgram {
            spec,
            check_prototype: true,
            autoattach: true,
            alternatives: Vec::new(),
            attach_program: None,
        }
    }

    /// Its name: that of its function.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The section it was declared in, without a leading `?`.
    pub fn section(&self) -> &str {
        &self.spec.section
    }

    /// Whether it is loaded with the object: not in `SEC("?…")`, nor in a section that is not known.
    pub fn autoload(&self) -> bool {
        self.spec.autoload
    }

    /// Sets whether it is loaded with the object.
    pub fn set_autoload(&mut self, autoload: bool) {
        self.spec.autoload = autoload;
    }

    /// What it attaches to: what follows the section's prefix.
    pub fn attach_target(&self) -> Option<&str> {
        self.spec.target.as_deref()
    }

    /// Sets what it attaches to, as if it followed the section's prefix: `vfs_unlink` of a function, `sched/sched_switch` of a
    /// tracepoint.
    pub fn set_attach_target(&mut self, target: &str) {
        self.spec.target = Some(target.to_owned());
        self.alternatives.clear();
    }

    /// Sets what it attaches to as the first of several names that the running kernel has: functions are renamed, as
    /// `do_unlinkat` became `filename_unlinkat` in 7.0.
    ///
    /// Programs whose target is settled by type take it when they are loaded, others when they are attached by their section.
    pub fn set_attach_targets<T: AsRef<str>>(&mut self, targets: impl IntoIterator<Item = T>) {
        let mut targets = targets.into_iter().map(|t| t.as_ref().to_owned());
        self.spec.target = targets.next();
        self.alternatives = targets.collect();
    }

    /// Sets what it attaches to as a function of another program, which must be loaded: one to replace (`freplace`), or to
    /// trace (`fentry`, `fexit`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] if the descriptor cannot be copied.
    pub fn set_attach_program(&mut self, program: impl AsFd, function: &str) -> Result<()> {
        let copy = program
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| Error::os("cannot copy the other program's descriptor", e))?;
        self.attach_program = Some(Arc::new(copy));
        self.set_attach_target(function);
        Ok(())
    }

    /// Whether it is attached when the whole object is.
    pub fn autoattach(&self) -> bool {
        self.autoattach
    }

    /// Sets whether it is attached when the whole object is. It can be attached by itself all the same.
    pub fn set_autoattach(&mut self, autoattach: bool) {
        self.autoattach = autoattach;
    }

    /// Whether loading it fails where the running kernel's prototype of what it attaches to differs, in what the program
    /// reads, from the one that it is built for.
    pub fn check_prototype(&self) -> bool {
        self.check_prototype
    }

    /// Sets whether such a difference is an error. Without the check, what the program reads may be another argument.
    pub fn set_check_prototype(&mut self, check: bool) {
        self.check_prototype = check;
    }

    /// What its section means.
    pub(super) fn require_def(&self) -> Result<&'static SectionDef> {
        self.spec.def.ok_or_else(|| {
            let why = self.spec.unknown_section().unwrap_or_default();
            Error::new(ErrorKind::Unsupported, why)
                .hint("leave the program out with set_autoload(false)")
        })
    }
}
