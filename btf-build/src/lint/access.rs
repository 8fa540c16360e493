//! Fields of the kernel's structs that are read in a way that works nowhere, or only with the kernel whose types are at hand.
//!
//! Two things are found, each certain on every way to the instruction, and only where the program comes to it whatever its constants are:
//!
//! * a load through a pointer that the verifier takes for a number: it comes from the context of a kprobe, tracepoint or
//!   raw tracepoint, from `bpf_get_current_task()`, or was read by a helper. Such a program is refused, everywhere.
//! * a read of a struct of the kernel at an offset without a CO-RE relocation, through a pointer whose struct is known: an
//!   argument of the function or tracepoint that the program attaches to, or the current task. Structs that one of the
//!   system's headers declares, and registers, keep their layout and are let pass.

use btf_obj::attach_target::Target;
use btf_obj::btf::Kind;
use btf_obj::obj::{ExternKind, Object, ProgType, ProgramSpec, RelocTarget};
use btf_obj::relo::{self, Relo};

use super::flow::{self, Access, Origin, Pointer};
use super::{Spot, Subject, Warning, place};

/// What a type of program finds in its context.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Numbers.
    Numbers,
    /// Pointers that may be followed.
    Pointers,
    /// Neither, or not the same in all words.
    Other,
}

/// Structs that keep their layout, whoever declares them.
const STABLE: [&str; 1] = ["pt_regs"];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let object = subject.object;
    let mut findings: Vec<Warning> = Vec::new();
    let mut done = vec![false; object.functions().len()];
    let is_constant = |target| match target {
        RelocTarget::Data { section, .. } => object.data()[section].kind.is_frozen(),
        RelocTarget::Extern(position) => {
            matches!(object.externs()[position].kind, ExternKind::Config(_))
        }
        _ => false,
    };
    for program in object.programs() {
        let mut pending = vec![program.function];
        while let Some(position) = pending.pop() {
            if std::mem::replace(&mut done[position], true) {
                continue;
            }
            let of = Of {
                subject,
                program,
                position,
                words: words(program),
            };
            let is_program = position == program.function;
            let flow = flow::of(&object.functions()[position], is_program, &is_constant);
            for access in flow.accesses {
                if let Some(finding) = of.judge(access)
                    && !findings.iter().any(|known| same_line(known, &finding))
                {
                    findings.push(finding);
                }
            }
            pending.extend(flow.calls);
        }
    }
    findings
}

fn same_line(a: &Warning, b: &Warning) -> bool {
    match (&a.spot, &b.spot) {
        (Some(x), Some(y)) => x.is_line_of(y) && a.help == b.help,
        _ => a.message == b.message,
    }
}

fn words(program: &ProgramSpec) -> Words {
    let Some(def) = program.def else {
        return Words::Other;
    };
    match def.prog_type {
        ProgType::KPROBE
        | ProgType::TRACEPOINT
        | ProgType::PERF_EVENT
        | ProgType::RAW_TRACEPOINT => Words::Numbers,
        ProgType::TRACING | ProgType::LSM => Words::Pointers,
        _ => Words::Other,
    }
}

/// A function of a program.
struct Of<'a> {
    subject: &'a Subject<'a>,
    program: &'a ProgramSpec,
    position: usize,
    words: Words,
}

impl Of<'_> {
    fn judge(&self, access: Access) -> Option<Warning> {
        let is_number = match access.pointer.origin {
            Origin::Word(_) => self.words == Words::Numbers,
            Origin::CurrentTask | Origin::Read => true,
            Origin::CurrentTaskBtf => false,
        };
        if is_number && !access.by_helper {
            return Some(self.refused(access));
        }
        let Pointer {
            offset,
            is_relocated,
            ..
        } = access.pointer;
        // A helper that reads from the start may read the struct as a whole.
        if is_relocated || (access.by_helper && offset == 0) {
            return None;
        }
        let name = self.pointee(access.pointer.origin)?;
        let declared = self.subject.places().records.get(&name);
        if STABLE.contains(&name.as_str()) || declared.is_some_and(place::is_system_header) {
            return None;
        }
        Some(Warning {
            spot: self.spot(access),
            message: format!(
                "program `{}` reads `struct {name}` at byte {offset}, where only the kernel that it is written for has the field: \
                 the access has no CO-RE relocation",
                self.program.name
            ),
            help: format!(
                "take `struct {name}` from vmlinux.h, declare it with `__attribute__((preserve_access_index))`, or read with BPF_CORE_READ"
            ),
        })
    }

    fn refused(&self, access: Access) -> Warning {
        let what = match self.field(access.insn) {
            Some(field) => format!("`{field}`"),
            None => "memory".to_owned(),
        };
        let (from, more) = match access.pointer.origin {
            Origin::CurrentTask => (
                "what bpf_get_current_task() returns is",
                ", or take bpf_get_current_task_btf(), from Linux 5.11 on",
            ),
            Origin::Read => ("what was read by a helper is", ""),
            _ => ("what is in the context is", ""),
        };
        Warning {
            spot: self.spot(access),
            message: format!(
                "program `{}` will be refused: it reads {what} directly, but {from} a number to the verifier",
                self.program.name
            ),
            help: format!(
                "read the kernel's memory with BPF_CORE_READ, a process's with bpf_probe_read_user{more}"
            ),
        }
    }

    fn spot(&self, access: Access) -> Option<Spot> {
        Spot::of(self.subject.object, self.position, access.insn)
    }

    /// The field that an instruction's relocation is about.
    fn field(&self, insn: usize) -> Option<String> {
        let object: &Object = self.subject.object;
        let function = object.functions().get(self.position)?;
        let site = function.core.iter().find(|site| site.insn == insn)?;
        let relo = Relo {
            kind: site.kind,
            root: site.root,
            access: &site.access,
        };
        Some(relo::describe(object.btf()?, &relo))
    }

    /// The struct that a pointer points to, if it is certain.
    fn pointee(&self, origin: Origin) -> Option<String> {
        let word = match origin {
            Origin::CurrentTask | Origin::CurrentTaskBtf => return Some("task_struct".into()),
            Origin::Read => return None,
            Origin::Word(word) => word,
        };
        let prototype = Target::of(self.program)?.prototype(self.subject.targets?)?;
        let (_, arg) = prototype.at_word(word)?;
        let to = arg.ty.strip();
        if to.kind() != Kind::PTR {
            return None;
        }
        let to = to.target()?.strip();
        let is_struct =
            to.kind() == Kind::STRUCT || (to.kind() == Kind::FWD && !to.name().is_empty());
        is_struct
            .then(|| to.name().to_owned())
            .filter(|name| !name.is_empty())
    }
}
