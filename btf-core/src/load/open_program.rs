//! A program that is yet to be loaded.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::kernel::{self, AttachTarget};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::{ProgramSpec, SectionDef};

/// Flags of `BPF_PROG_LOAD`: an open set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProgFlags(pub u32);

impl ProgFlags {
    /// Memory is accessed at its alignment only, on machines that do without, too.
    pub const STRICT_ALIGNMENT: ProgFlags = ProgFlags(1 << 0);
    /// Memory is accessed anywhere, on machines that want it aligned, too.
    pub const ANY_ALIGNMENT: ProgFlags = ProgFlags(1 << 1);
    /// The upper halves of registers are random where the program does not define them: for tests.
    pub const TEST_RND_HI32: ProgFlags = ProgFlags(1 << 2);
    /// The verifier checks for loops at every instruction: for tests.
    pub const TEST_STATE_FREQ: ProgFlags = ProgFlags(1 << 3);
    /// It may sleep. Sections that end in `.s` set this.
    pub const SLEEPABLE: ProgFlags = ProgFlags(1 << 4);
    /// It sees packets of several buffers. Sections such as `xdp.frags` set this.
    pub const XDP_HAS_FRAGS: ProgFlags = ProgFlags(1 << 5);
    /// It is for one network device only.
    pub const XDP_DEV_BOUND_ONLY: ProgFlags = ProgFlags(1 << 6);
    /// The verifier checks its own bounds of registers: for tests.
    pub const TEST_REG_INVARIANTS: ProgFlags = ProgFlags(1 << 7);
}

impl std::ops::BitOr for ProgFlags {
    type Output = ProgFlags;

    fn bitor(self, other: ProgFlags) -> ProgFlags {
        ProgFlags(self.0 | other.0)
    }
}

/// A program of an opened object: what may be changed before it is loaded.
#[derive(Debug, Clone)]
pub struct OpenProgram {
    pub(super) spec: ProgramSpec,
    pub(super) check_prototype: bool,
    pub(super) autoattach: bool,
    pub(super) flags: ProgFlags,
    pub(super) log_level: u32,
    pub(super) log_size: Option<usize>,
    /// Other targets, of which the first that is there is taken.
    pub(super) alternatives: Vec<String>,
    /// The program whose function is the target.
    pub(super) attach_program: Option<AttachProgram>,
}

/// Another program, and what finds functions of it: code that only those link in who name one.
#[derive(Debug, Clone)]
pub(super) struct AttachProgram {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) find: fn(BorrowedFd<'_>, &str) -> Result<AttachTarget>,
}

impl OpenProgram {
    pub(super) fn new(spec: ProgramSpec) -> OpenProgram {
        OpenProgram {
            spec,
            check_prototype: true,
            autoattach: true,
            flags: ProgFlags(0),
            log_level: 0,
            log_size: None,
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
        self.attach_program = Some(AttachProgram {
            fd: Arc::new(copy),
            find: kernel::of_program,
        });
        self.set_attach_target(function);
        Ok(())
    }

    /// Flags to load it with besides those of its section.
    pub fn flags(&self) -> ProgFlags {
        self.flags
    }

    /// Sets flags to load it with, besides those that its section asks for.
    pub fn set_flags(&mut self, flags: ProgFlags) {
        self.flags = flags;
    }

    /// How much the verifier is asked to write; 0 unless it was set.
    pub fn log_level(&self) -> u32 {
        self.log_level
    }

    /// Sets how much the verifier is to write while it looks at this program: 0 nothing, unless it refuses the program; 1 what
    /// it does; 2 every state; 4, which may be added, statistics. [`Program::verifier_log`](crate::prog::Program::verifier_log) has it
    /// after the load.
    pub fn set_log_level(&mut self, level: u32) {
        self.log_level = level;
    }

    /// Sets the size of the log's buffer, in bytes. A log that does not fit is cut at its start, and from 6.4 on at its end;
    /// before, the kernel refuses the program for it. Unless it is set, the buffer grows until the log fits.
    pub fn set_log_size(&mut self, size: usize) {
        self.log_size = Some(size);
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
