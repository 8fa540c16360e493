//! A program that is yet to be loaded.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::obj::{self, AttachType, ProgType, ProgramSpec, SectionDef};

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
    /// It is for one network device, which [`OpenProgram::set_ifindex`] names, and runs on its CPU.
    /// Requires Linux 6.3 or newer.
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
    /// Definition of the section, independent of the type that was set.
    section_def: Option<&'static SectionDef>,
    /// Type and attach type that were set.
    prog_type: Option<ProgType>,
    attach_type: Option<AttachType>,
    /// Value given to `set_autoload`, if any.
    autoload: Option<bool>,
    /// Set if the target was given explicitly, not by the section.
    has_given_target: bool,
    pub(super) ifindex: u32,
    pub(super) check_prototype: bool,
    pub(super) autoattach: bool,
    pub(super) flags: ProgFlags,
    pub(super) log_level: u32,
    pub(super) log_size: Option<usize>,
    /// Other targets, of which the first that is there is taken.
    pub(super) alternatives: Vec<String>,
    /// The program whose function is the target.
    pub(super) attach_program: Option<Arc<OwnedFd>>,
}

impl OpenProgram {
    pub(super) fn new(spec: ProgramSpec) -> OpenProgram {
        OpenProgram {
            section_def: spec.def,
            prog_type: None,
            attach_type: None,
            autoload: None,
            has_given_target: false,
            ifindex: 0,
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

    /// Returns its program type: that which was set, or its section's; `None` if the section is not
    /// known.
    pub fn prog_type(&self) -> Option<ProgType> {
        let section = self.section_def.map(|def| def.prog_type);
        self.prog_type.or(section)
    }

    /// Sets its program type, whatever its section (libbpf's `bpf_program__set_type`): for a
    /// section name that is not known, such as `SEC("classifier/ingress")`, or that means something
    /// else.
    ///
    /// Nothing else of the section counts afterwards: set the attach type, the target and flags
    /// that the program needs, too. Unlike in libbpf, the section's attach type does not stay,
    /// because its number belongs to the other type. A program of an unknown section is then loaded
    /// with the object, unless it is in `SEC("?…")`.
    ///
    /// The loaded program attaches as one of the type: a skeleton's field of an unknown section is
    /// a
    /// [`Program`](crate::prog::Program), of which the typed program is made.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// use btf_core::load::OpenObject;
    /// use btf_core::obj::ProgType;
    /// use btf_core::attach::{Direction, Tc, TcOptions};
    ///
    /// let elf = std::fs::read("filter.bpf.o").expect("compiled before");
    /// let mut open = OpenObject::open("filter", &elf)?;
    /// let mut program = open.take_program("on_ingress")?;
    /// program.set_type(ProgType::SCHED_CLS);
    /// open.put_program(program);
    /// let loaded = open.load()?.take_program("on_ingress")?;
    /// let link = Tc::try_from(&loaded)?.attach_to("lo", Direction::Ingress, TcOptions::default())?;
    /// # drop(link);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_type(&mut self, prog_type: ProgType) {
        if self.prog_type() == Some(prog_type) {
            return;
        }
        self.prog_type = Some(prog_type);
        if !self.has_given_target {
            self.spec.target = None;
        }
        self.resolve();
    }

    /// Returns its expected attach type: that which was set, or what follows from its section or
    /// type.
    pub fn expected_attach_type(&self) -> AttachType {
        let def = self.spec.def.map(|def| def.attach_type);
        self.attach_type.or(def).unwrap_or(AttachType::NONE)
    }

    /// Sets its expected attach type (libbpf's `bpf_program__set_expected_attach_type`), as
    /// `AttachType::TCX_INGRESS` of a program in `SEC("tc")`. The loaded program attaches
    /// accordingly.
    pub fn set_expected_attach_type(&mut self, attach_type: AttachType) {
        self.attach_type = Some(attach_type);
        if attach_type != self.expected_of_section() || self.prog_type.is_some() {
            self.resolve();
        } else {
            self.spec.def = self.section_def;
        }
    }

    fn expected_of_section(&self) -> AttachType {
        self.section_def
            .map_or(AttachType::NONE, |def| def.attach_type)
    }

    /// Finds how it is loaded and attached, from what was set.
    fn resolve(&mut self) {
        if let Some(prog_type) = self.prog_type() {
            self.spec.def = obj::def_by_type(prog_type, self.attach_type);
        }
    }

    /// Returns the index of the network device that it is for, 0 if it is for any.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Sets the network device that it is for, by its index (libbpf's `bpf_program__set_ifindex`).
    ///
    /// With [`ProgFlags::XDP_DEV_BOUND_ONLY`], it may call functions that the device's driver has,
    /// such as `bpf_xdp_metadata_rx_hash`; without, the device's hardware runs it (offload). It
    /// attaches to that device alone.
    pub fn set_ifindex(&mut self, ifindex: u32) {
        self.ifindex = ifindex;
    }

    /// Returns `true` if the program is loaded with the object. By default, programs in `SEC("?…")`
    /// are not, nor are those in an unknown section, unless [`OpenProgram::set_type`] sets a type.
    pub fn autoload(&self) -> bool {
        let has_type = self.prog_type().is_some();
        self.autoload.unwrap_or(self.spec.autoload && has_type)
    }

    /// Sets whether it is loaded with the object.
    pub fn set_autoload(&mut self, autoload: bool) {
        self.autoload = Some(autoload);
    }

    /// What it attaches to: what follows the section's prefix.
    pub fn attach_target(&self) -> Option<&str> {
        self.spec.target.as_deref()
    }

    /// Sets what it attaches to, as if it followed the section's prefix: `vfs_unlink` of a function, `sched/sched_switch` of a
    /// tracepoint.
    pub fn set_attach_target(&mut self, target: &str) {
        self.spec.target = Some(target.to_owned());
        self.has_given_target = true;
        self.alternatives.clear();
    }

    /// Sets what it attaches to as the first of several names that the running kernel has: functions are renamed, as
    /// `do_unlinkat` became `filename_unlinkat` in 7.0.
    ///
    /// Programs whose target is settled by type take it when they are loaded, others when they are attached by their section.
    pub fn set_attach_targets<T: AsRef<str>>(&mut self, targets: impl IntoIterator<Item = T>) {
        let mut targets = targets.into_iter().map(|t| t.as_ref().to_owned());
        self.spec.target = targets.next();
        self.has_given_target = true;
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

    /// Returns why it is left out, if that is for its section.
    pub(super) fn unknown_section(&self) -> Option<obj::UnknownSection> {
        match self.prog_type() {
            Some(_) => None,
            None => self.spec.unknown_section(),
        }
    }

    /// Returns the definition of the section or type.
    pub(super) fn require_def(&self) -> Result<&'static SectionDef> {
        let missing = || match (self.unknown_section(), self.prog_type()) {
            (None, Some(prog_type)) => Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "programs of type {} have one of several attach types",
                    prog_type.name().unwrap_or_default().to_lowercase()
                ),
            )
            .hint("call set_expected_attach_type on it before the object is loaded"),
            (unknown, _) => {
                let unknown = unknown.map_or_else(String::new, |unknown| unknown.message);
                Error::new(ErrorKind::Unsupported, unknown).hint(
                    "call set_type on it, or leave it out with set_autoload(false), before the object is loaded",
                )
            }
        };
        self.spec.def.ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obj::Attach;

    fn program(section: &str) -> OpenProgram {
        let (name, target) = section.split_once('/').unwrap_or((section, ""));
        let def = obj::section_defs().iter().find(|def| def.name == name);
        OpenProgram::new(ProgramSpec {
            name: "p".into(),
            section: section.into(),
            def: def.filter(|def| def.takes_target || target.is_empty()),
            target: Some(target).filter(|t| !t.is_empty()).map(str::to_owned),
            autoload: true,
            function: 0,
        })
    }

    fn attach(program: &OpenProgram) -> Attach {
        program.require_def().unwrap().attach
    }

    #[test]
    fn a_type_makes_a_program_of_an_unknown_section_loadable() {
        let mut program = program("classifier/ingress");
        assert!(!program.autoload() && program.unknown_section().is_some());
        let e = program.require_def().unwrap_err().to_string();
        assert!(e.contains("call set_type on it"), "{e}");
        program.set_type(ProgType::SCHED_CLS);
        assert!(program.autoload() && program.unknown_section().is_none());
        assert_eq!(attach(&program), Attach::Tc);
        assert_eq!(program.expected_attach_type(), AttachType::NONE);
        program.set_expected_attach_type(AttachType::TCX_EGRESS);
        assert_eq!(attach(&program), Attach::Tcx);
        program.set_autoload(false);
        assert!(!program.autoload());
    }

    #[test]
    fn the_order_of_type_and_attach_type_does_not_matter() {
        let mut program = program("tracing_prog");
        program.set_expected_attach_type(AttachType::TRACE_FEXIT);
        assert!(!program.autoload());
        program.set_type(ProgType::TRACING);
        let def = program.require_def().unwrap();
        assert_eq!((def.name, def.attach_btf), ("fexit", true));
    }

    #[test]
    fn a_type_with_several_attach_types_needs_one() {
        let mut program = program("connect_prog");
        program.set_type(ProgType::CGROUP_SOCK_ADDR);
        assert!(program.autoload());
        let e = program.require_def().unwrap_err().to_string();
        assert!(e.contains("set_expected_attach_type"), "{e}");
        program.set_expected_attach_type(AttachType::CGROUP_INET6_CONNECT);
        assert_eq!(program.require_def().unwrap().name, "cgroup/connect6");
    }

    #[test]
    fn another_type_resets_what_the_section_means() {
        let mut same = program("kprobe/vfs_read");
        same.set_type(ProgType::KPROBE);
        assert_eq!(same.attach_target(), Some("vfs_read"));
        let mut other = program("kprobe/vfs_read");
        other.set_type(ProgType::TRACEPOINT);
        assert_eq!(attach(&other), Attach::Tracepoint);
        assert_eq!(other.attach_target(), None);
        let mut given = program("kprobe/vfs_read");
        given.set_attach_target("sched/sched_switch");
        given.set_type(ProgType::TRACEPOINT);
        assert_eq!(given.attach_target(), Some("sched/sched_switch"));
    }

    #[test]
    fn an_attach_type_chooses_among_the_sections_of_a_type() {
        let mut program = program("sk_skb");
        program.set_expected_attach_type(AttachType::SK_SKB_VERDICT);
        assert_eq!(program.require_def().unwrap().name, "sk_skb/verdict");
        program.set_expected_attach_type(AttachType::NONE);
        assert_eq!(program.require_def().unwrap().name, "sk_skb");
    }

    #[test]
    fn numbers_that_are_in_no_table_are_kept() {
        let mut program = program("newer");
        program.set_type(ProgType(77));
        program.set_expected_attach_type(AttachType(99));
        assert_eq!(attach(&program), Attach::Unlisted);
        assert_eq!(program.prog_type(), Some(ProgType(77)));
        assert_eq!(program.expected_attach_type(), AttachType(99));
    }
}
