//! What to try, where one line of a verifier's log says enough. Which line that is, `rejection` decides.

use std::borrow::Cow;

use crate::sys;

/// What the verifier says, in the words that kernels from 5.10 on have for it, and what to try then. The first that fits counts.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["GPL"],
        "declare `char LICENSE[] SEC(\"license\") = \"GPL\";` if its license is such",
    ),
    (
        // What 5.10 says of an atomic operation with an operand that it takes for reserved.
        &["BPF_STX uses reserved fields"],
        "Linux 5.12 brought atomic operations other than an addition whose result is not used: use no result of \
         __sync_fetch_and_add and its like, no exchange and no __sync_fetch_and_or, or let the program need Linux 5.12",
    ),
    (
        &["BPF_ATOMIC uses invalid atomic opcode"],
        "this kernel does not know the atomic operation: loads that acquire and stores that release came with Linux 6.15",
    ),
    (
        &["invalid func unknown#"],
        "this kernel does not have the helper that is called: btf_core::helper tells since when others have, and \
         bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_…) asks whether it is there",
    ),
    (
        &[
            "infinite loop detected",
            "program is too large",
            "jumps is too complex",
        ],
        "bound each loop by a constant, or loop by bpf_loop() (Linux 5.17) or bpf_for() (6.4), whose bodies the verifier need not \
         unroll",
    ),
    (
        &["_or_null", "Possibly NULL pointer"],
        "it may be NULL: compare it with NULL before it is used",
    ),
    (
        &["Unreleased reference", "reference leak"],
        "on every way out, submit or discard what was reserved, and release what was acquired",
    ),
    (
        &["access to packet", "outside of the packet"],
        "before it is read, compare its end with that of the packet: `if ((void *)(header + 1) > data_end) return …;`",
    ),
    (
        &[
            "access to map value",
            "outside of the allowed memory range",
            "unbounded memory access",
            "unbounded min value",
            "min value is negative",
            "pointer be out of bounds",
            "variable-offset",
        ],
        "bound the index or length, unsigned, just before it is used: `if (i >= N) return …;`, or `i &= N - 1` if N is a power of \
         two; where that is done, the compiler may have compared a copy: put `barrier_var(i)` before it",
    ),
    (
        &["invalid mem access 'scalar'", "invalid mem access 'inv'"],
        "the verifier takes it for a number: read what it points to with BPF_CORE_READ or bpf_probe_read_kernel, in a process's \
         memory with bpf_probe_read_user",
    ),
    (
        &["read from stack"],
        "a part of it was never written, perhaps the padding between members: start it as `= {}`, or with __builtin_memset()",
    ),
    (
        &["stack size of"],
        "512 bytes are all that functions that call each other have: put what is large into a per-CPU array of one value",
    ),
    (
        &["frames is too deep", "recursive call", "back-edge"],
        "functions call each other eight deep at most, and never themselves",
    ),
    (
        &["might sleep", "must be sleepable", "non-sleepable"],
        "let the program sleep: its section with `.s`, such as fentry.s, lsm.s, uprobe.s or iter.s",
    ),
    (
        &["is not modifiable"],
        "fmod_ret takes hooks whose names begin with security_, and what error_injection/list in debugfs lists; fentry and fexit \
         take any function",
    ),
    (
        &["cannot use bpf_spin_lock"],
        "count with __sync_fetch_and_add, or in a map of a value for each CPU",
    ),
    (
        &["while holding a lock", "inside bpf_spin_lock"],
        "what lies between bpf_spin_lock() and bpf_spin_unlock() calls and returns nothing: call before or after",
    ),
    (
        &["only read is supported", "cannot write into"],
        "programs only read the kernel's structs, but for what a kernel function or an operation of theirs sets",
    ),
    (
        &["write into map forbidden"],
        "constants are not written to once they are loaded: drop `const`",
    ),
    (
        &["invalid bpf_context access"],
        "the section decides what the context is, and what of it is there: declare the argument accordingly, or let BPF_PROG or \
         BPF_KPROBE take it apart",
    ),
    (
        &["At program exit the register R0"],
        "return what such programs may: most that trace return 0",
    ),
    (
        &["cannot pass map_type"],
        "the function takes maps of other types: bpf-helpers(7) tells which",
    ),
    (
        &[" expected="],
        "R1 to R5 are the arguments of a call in their order (fp is the stack): this one is not of a kind that the function takes",
    ),
    (
        &["must be referenced or trusted", "must be a rcu pointer"],
        "kernel functions take pointers that the kernel vouches for: arguments of tp_btf, lsm and struct_ops programs, or what \
         another kernel function has returned",
    ),
];

/// What to try about a line of the log.
pub(super) fn of(summary: &str) -> Option<Cow<'static, str>> {
    let mut known = REMEDIES.iter();
    if let Some((_, remedy)) = known.find(|(words, _)| words.iter().any(|w| summary.contains(w))) {
        return Some((*remedy).into());
    }
    if !(summary.contains("unknown func bpf_") || summary.contains("cannot use helper ")) {
        return None;
    }
    Some(sys::helper_hint().map_or(
        "not every type of program may call every helper, nor has every kernel each: bpf-helpers(7) and \
         btf_core::helper::by_name tell which since when"
            .into(),
        Cow::Owned,
    ))
}
