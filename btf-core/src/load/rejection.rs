//! What a refused program is refused for, in words.

use std::io;

use super::patch::Poison;
use crate::error::{Error, ErrorKind};
use crate::sys;

/// Makes an error of what the kernel answered to loading a program; `log` is the verifier's, empty if it said nothing.
/// `poison` says what is wrong with an instruction that must not be reached; it is asked only for one that was. `place`
/// says where an instruction comes from.
pub(super) fn explain(
    section: &str,
    e: io::Error,
    log: String,
    poison: impl Fn(usize) -> Option<Poison>,
    place: impl Fn(usize) -> Option<String>,
) -> Error {
    let Some(summary) = summary(&log) else {
        return without_log(section, e);
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
        None => (summary.to_owned(), remedy(summary).map(str::to_owned)),
    };
    Error::new(
        ErrorKind::Verifier,
        format!("the verifier refused {place}: {why}"),
    )
    .hint(hint.unwrap_or_else(|| LOG_HINT.to_owned()))
    .with_verifier_log(log)
}

/// What to try, where one line of the log says enough.
fn remedy(summary: &str) -> Option<&'static str> {
    if summary.contains("GPL") {
        return Some("declare `char LICENSE[] SEC(\"license\") = \"GPL\";` if its license is such");
    }
    // What 5.10 says of an atomic operation with an operand that it takes for reserved.
    if summary.starts_with("BPF_STX uses reserved fields") {
        return Some(
            "Linux 5.12 brought atomic operations other than an addition whose result is not used: use no result of \
             __sync_fetch_and_add and its like, no exchange and no __sync_fetch_and_or, or let the program need Linux \
             5.12",
        );
    }
    if summary.starts_with("BPF_ATOMIC uses invalid atomic opcode") {
        return Some(
            "this kernel does not know the atomic operation: loads that acquire and stores that release came with Linux 6.15",
        );
    }
    let is_helper = summary.contains("unknown func bpf_") || summary.contains("cannot use helper ");
    is_helper.then(sys::helper_hint).flatten()
}

const LOG_HINT: &str = "verifier_log() has the whole log";

/// Refused before the verifier looked at the instructions.
fn without_log(section: &str, e: io::Error) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(
        format!("the kernel refused to load it as SEC(\"{section}\")"),
        e,
    );
    match errno {
        Some(libc::EPERM | libc::EACCES) if is_trampoline(section) => error.hint(format!(
            "{}; some kernels refuse fentry, fexit and fmod_ret alone: try SEC(\"tp_btf/…\") or a tracepoint",
            sys::privileges_hint()
        )),
        Some(libc::EPERM | libc::EACCES) => error.hint(sys::privileges_hint()),
        Some(libc::EINVAL) => error.hint(
            "this kernel may not know this type of program, or not without a GPL-compatible license",
        ),
        Some(libc::E2BIG) => error.hint("it has more instructions than this kernel allows"),
        Some(libc::ENOMEM) => error.hint("the kernel has no memory for it"),
        _ => error,
    }
}

/// Whether programs in this section replace the start of a kernel function.
fn is_trampoline(section: &str) -> bool {
    let prefix = section.split(['/', '.']).next();
    matches!(prefix, Some("fentry" | "fexit" | "fmod_ret"))
}

/// The line of a log that says what is wrong: the last one that is neither empty nor statistics. From 7.3 on, a chapter
/// for readers follows it.
fn summary(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 4] = [
        "processed ",
        "verification time ",
        "stack depth ",
        "max_states_per_insn",
    ];
    let before_chapter = log
        .find("\nVerification failed:")
        .map_or(log, |end| &log[..end]);
    before_chapter
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !STATISTICS.iter().any(|prefix| line.starts_with(prefix)))
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
    let before_chapter = log
        .find("\nVerification failed:")
        .map_or(log, |end| &log[..end]);
    before_chapter.lines().rev().find_map(|line| {
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
        explain("fentry/x", e, log.to_owned(), poison, place)
    }

    #[test]
    fn the_last_line_that_means_something_is_the_summary() {
        let log = "0: R1=ctx() R10=fp0\n0: (79) r0 = *(u64 *)(r1 +1000)\ninvalid bpf_context access off=1000 size=8\n\
                   processed 1 insns (limit 1000000) max_states_per_insn 0\n\n";
        let e = refused(log, &[]);
        assert_eq!(
            e.to_string(),
            "the verifier refused instruction 0 of `f`: invalid bpf_context access off=1000 size=8 \
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
        let e = io::Error::from_raw_os_error(libc::EPERM);
        let e = explain("fentry/x", e, String::new(), |_| None, |_| None);
        assert_eq!(e.kind(), ErrorKind::Permission);
        assert!(e.to_string().contains("CAP_BPF"), "{e}");
        assert!(e.verifier_log().is_none());
    }
}
