//! What a refused program is refused for, in words.

use std::borrow::Cow;
use std::io;

use super::patch::Poison;
use super::remedy;
use crate::error::{Error, ErrorKind};
use crate::obj::{Attach, AttachType, ProgType, SectionDef};
use crate::sys;

/// Makes an error of what the kernel answered to loading a program; `log` is the verifier's, empty if it said nothing.
/// `poison` says what is wrong with an instruction that must not be reached; it is asked only for one that was. `place`
/// says where an instruction comes from.
pub(super) fn explain(
    attempt: Attempt<'_>,
    e: io::Error,
    log: String,
    poison: impl Fn(usize) -> Option<Poison>,
    place: impl Fn(usize) -> Option<String>,
) -> Error {
    let Some(summary) = summary(&log) else {
        return without_log(attempt, e);
    };
    let last = last_insn(&log);
    let poison = last
        .filter(|last| last.is_unknown_call)
        .and_then(|last| poison(last.insn));
    let place = last
        .and_then(|last| place(last.insn))
        .unwrap_or_else(|| "it".to_owned());
    let (why, hint) = match poison {
        Some(poison) => (poison.why, poison.hint),
        None => (summary.to_owned(), remedy::of(summary).map(Cow::into_owned)),
    };
    Error::new(
        ErrorKind::Verifier,
        format!("the verifier refused {place}: {why}"),
    )
    .hint(hint.unwrap_or_else(|| LOG_HINT.to_owned()))
    .with_verifier_log(log)
}

const LOG_HINT: &str = "verifier_log() has the whole log";

/// Parameters of a program load, for its error.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) section: &'a str,
    pub(super) def: &'a SectionDef,
    pub(super) prog_type: ProgType,
    pub(super) attach_type: AttachType,
    pub(super) insns: usize,
    pub(super) flags: u32,
}

/// As many instructions as a program may have: without privileges and before 5.2, and else
/// (`BPF_MAXINSNS`, `BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: [usize; 2] = [4096, 1_000_000];

/// Refused before the verifier looked at the instructions.
fn without_log(attempt: Attempt<'_>, e: io::Error) -> Error {
    let Attempt {
        section,
        def,
        prog_type,
        attach_type,
        insns,
        flags,
    } = attempt;
    let errno = e.raw_os_error();
    let error = Error::os(
        format!("the kernel refused to load it as SEC(\"{section}\")"),
        e,
    );
    match errno {
        Some(libc::EPERM | libc::EACCES) if is_trampoline(def) => {
            error.hint(sys::trampoline_hint())
        }
        Some(libc::EPERM | libc::EACCES) => {
            let needs = sys::program_capabilities(Some(prog_type));
            error.hint(sys::charged_hint(needs))
        }
        Some(libc::EINVAL) => error.hint(match sys::newer_kernel(def.since) {
            Some(newer) => format!("that {newer}"),
            None => format!(
                "this kernel may be built without programs of type {}, or know their attach type {} or flags {flags:#x} not",
                shown(prog_type.name(), prog_type.0),
                shown(attach_type.name(), attach_type.0),
            ),
        }),
        Some(libc::E2BIG) if insns > MAX_INSNS[0] => error.hint(format!(
            "it has {insns} instructions: {} are allowed at most, {} before Linux 5.2 and without CAP_BPF",
            MAX_INSNS[1], MAX_INSNS[0]
        )),
        Some(libc::E2BIG) => {
            error.hint("this kernel is older than a setting that the program is loaded with")
        }
        Some(libc::ENOMEM) => error.hint("the kernel has no memory for it"),
        _ => match errno.and_then(sys::limit_hint) {
            Some(hint) => error.hint(hint),
            None => error,
        },
    }
}

fn shown(name: Option<&str>, number: u32) -> String {
    name.map_or_else(|| number.to_string(), str::to_lowercase)
}

/// Returns `true` for programs that replace the start of a kernel function.
fn is_trampoline(def: &SectionDef) -> bool {
    use AttachType as A;
    def.attach == Attach::Tracing && def.attach_type != A::TRACE_RAW_TP
}

/// The line of a log that says what is wrong: the last one that is neither empty nor statistics, nor the states that are shown
/// after an endless loop. From 7.3 on, a chapter for readers follows it.
fn summary(log: &str) -> Option<&str> {
    const NO_REASON: [&str; 6] = [
        "processed ",
        "verification time ",
        "stack depth ",
        "max_states_per_insn",
        "cur state: ",
        "old state: ",
    ];
    const ENDLESS: &str = "infinite loop detected";
    let line = before_chapter(log).lines().map(str::trim).rfind(|line| {
        !line.is_empty() && !NO_REASON.iter().any(|prefix| line.starts_with(prefix))
    })?;
    // It goes on in the line of the instruction.
    Some(line.find(ENDLESS).map_or(line, |at| &line[at..]))
}

/// A log without the chapter for readers that kernels from 7.3 on end it with.
fn before_chapter(log: &str) -> &str {
    log.find("\nVerification failed:")
        .map_or(log, |end| &log[..end])
}

/// The last instruction that the verifier came to.
#[derive(Clone, Copy)]
struct LastInsn {
    insn: usize,
    /// Whether it calls a helper that does not exist, as poisoned instructions do.
    is_unknown_call: bool,
}

/// Finds `17: (85) call unknown#195896080`, the instruction that the last line is about.
fn last_insn(log: &str) -> Option<LastInsn> {
    before_chapter(log).lines().rev().find_map(|line| {
        let (number, rest) = line.trim().split_once(": (")?;
        Some(LastInsn {
            insn: number.parse().ok()?,
            is_unknown_call: rest.starts_with("85) call unknown#"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(log: &str, poisons: &[Poison]) -> Error {
        let e = io::Error::from_raw_os_error(libc::EACCES);
        let place = |insn| (insn < 100).then(|| format!("instruction {insn} of `f`"));
        let poison = |insn| poisons.iter().find(|p| p.insn == insn).cloned();
        explain(attempt("fentry/x"), e, log.to_owned(), poison, place)
    }

    fn attempt(section: &'static str) -> Attempt<'static> {
        let name = section.split('/').next();
        let def = crate::obj::section_defs()
            .iter()
            .find(|def| Some(def.name) == name);
        Attempt {
            section,
            def: def.unwrap(),
            prog_type: def.unwrap().prog_type,
            attach_type: def.unwrap().attach_type,
            insns: 5000,
            flags: 0x40,
        }
    }

    #[test]
    fn the_last_line_that_means_something_is_the_summary() {
        let log = "0: R1=ctx() R10=fp0\n0: (79) r0 = *(u64 *)(r1 +1000)\nmisaligned stack access off=1000 size=8\n\
                   processed 1 insns (limit 1000000) max_states_per_insn 0\n\n";
        let e = refused(log, &[]);
        assert_eq!(
            e.to_string(),
            "the verifier refused instruction 0 of `f`: misaligned stack access off=1000 size=8 \
             (verifier_log() has the whole log)"
        );
        assert_eq!(e.kind(), ErrorKind::Verifier);
        assert_eq!(e.verifier_log(), Some(log));
        let e = refused("unknown opcode 00\n", &[]);
        assert_eq!(e.message(), "the verifier refused it: unknown opcode 00");
    }

    #[test]
    fn atomic_operations_are_dated() {
        let hint = |log| refused(log, &[]).to_string();
        let old = hint("BPF_STX uses reserved fields\nprocessed 0 insns (limit 1000000)\n");
        assert!(
            old.contains("Linux 5.12 brought atomic operations"),
            "{old}"
        );
        let newer = hint(
            "3: (db) r1 = atomic64_load((u64 *)(r2 +0))\nBPF_ATOMIC uses invalid atomic opcode 100\n",
        );
        assert!(newer.contains("came with Linux 6.15"), "{newer}");
    }

    #[test]
    fn an_endless_loop_is_told_before_the_states() {
        let log = "0: (85) call bpf_get_prandom_u32#7    ; R0_w=scalar()\n1: (56) if w0 != 0x7 goto pc-2 infinite loop detected \
                   at insn 0\ncur state: R0_w=scalar() R10=fp0\nold state: R0_w=scalar() R10=fp0\nprocessed 13 insns\n";
        let e = refused(log, &[]).to_string();
        assert!(
            e.starts_with(
                "the verifier refused instruction 1 of `f`: infinite loop detected at insn 0 (bound each loop"
            ),
            "{e}"
        );
    }

    #[test]
    fn common_refusals_come_with_what_to_try() {
        for (said, tried) in [
            (
                "R0 invalid mem access 'map_value_or_null'",
                "compare it with NULL",
            ),
            (
                "R1 invalid mem access 'trusted_ptr_or_null_'",
                "compare it with NULL",
            ),
            ("R1 invalid mem access 'inv'", "BPF_CORE_READ"),
            (
                "BPF program is too large. Processed 1000001 insn",
                "bpf_loop()",
            ),
            (
                "Unreleased reference id=2 alloc_insn=4",
                "submit or discard",
            ),
            ("invalid func unknown#174", "bpf_core_enum_value_exists"),
            ("R1 offset is outside of the packet", "data_end"),
            (
                "R2 min value is negative, either use unsigned or 'var &= const'",
                "bound the index",
            ),
            (
                "value -2147483648 makes pkt pointer be out of bounds",
                "bound the index",
            ),
            (
                "invalid indirect read from stack R2 off -8+4 size 8",
                "= {}",
            ),
            (
                "helper call might sleep in a non-sleepable prog",
                "fentry.s",
            ),
            ("vfs_read() is not modifiable", "security_"),
            (
                "program of this type cannot use helper bpf_xdp_adjust_head#44",
                "type of program",
            ),
        ] {
            let log = format!("3: (95) exit\n{said}\nprocessed 3 insns\n");
            let e = refused(&log, &[]).to_string();
            assert!(e.contains(said) && e.contains(tried), "{e}");
        }
    }

    #[test]
    fn the_chapter_of_newer_kernels_is_left_to_the_log() {
        let log = "7: (79) r1 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n\n\
                   Verification failed: Register Type Safety: Invalid dereference\n\nReason:\n  R0 may be NULL here.\n\n\
                   At:\n  f @ x.bpf.c:32:9\n       8 | (18) r2 = 0\n\nprocessed 7 insns (limit 1000000)\n";
        assert_eq!(
            refused(log, &[]).message(),
            "the verifier refused instruction 7 of `f`: R0 invalid mem access 'map_value_or_null'"
        );
    }

    #[test]
    fn a_poisoned_instruction_is_explained() {
        let log = "16: (b7) r1 = 1\n17: (85) call unknown#195896080\ninvalid func unknown#195896080\nprocessed 9 insns\n";
        let poisons = [3, 17].map(|insn| Poison {
            insn,
            why: format!("reason {insn}"),
            hint: Some("guard it".into()),
        });
        let e = refused(log, &poisons);
        assert_eq!(
            e.to_string(),
            "the verifier refused instruction 17 of `f`: reason 17 (guard it)"
        );
        // A program may call an unknown helper without any relocation.
        let e = refused(log, &poisons[..1]);
        assert_eq!(
            e.message(),
            "the verifier refused instruction 17 of `f`: invalid func unknown#195896080"
        );
    }

    #[test]
    fn without_a_log_the_kernels_answer_is_explained() {
        let refused = |section, errno| {
            let e = io::Error::from_raw_os_error(errno);
            let e = explain(attempt(section), e, String::new(), |_| None, |_| None);
            assert!(e.verifier_log().is_none());
            e
        };
        let e = refused("fentry/x", libc::EPERM);
        assert_eq!(e.kind(), ErrorKind::Permission);
        assert!(
            e.to_string().contains("CAP_BPF") || e.to_string().contains("locked down"),
            "{e}"
        );
        for (errno, hint) in [
            (libc::E2BIG, "it has 5000 instructions"),
            (libc::EINVAL, "attach type xdp or flags 0x40"),
            (libc::ENFILE, "fs.file-max"),
        ] {
            let text = refused("xdp", errno).to_string();
            assert!(text.contains(hint), "{text}");
        }
    }
}
