//! What does not load or attach, and what the user is told.

use btf_core::load::OpenObject;
use btf_core::{Error, ErrorKind};

use crate::support::{load_only, needs, running};

static REFUSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/refused.bpf.o"));

fn open() -> OpenObject {
    needs(5, 10);
    OpenObject::open("refused", REFUSED).unwrap()
}

fn load_error(program: &str) -> Error {
    load_only(open(), program).map(|_| ()).unwrap_err()
}

fn attach_error(program: &str) -> Error {
    let (_, program) = load_only(open(), program).unwrap();
    program.attach().unwrap_err()
}

#[test]
fn the_verifiers_words_come_with_the_error() {
    let e = load_error("unchecked");
    assert_eq!(e.kind(), ErrorKind::Verifier);
    let text = e.to_string();
    assert!(
        text.starts_with(
            "object `refused`: program `unchecked`: the verifier refused instruction "
        ),
        "{text}"
    );
    assert!(
        text.ends_with(
            ": `sink = *value;`): R0 invalid mem access 'map_value_or_null' (it may be NULL: compare it with NULL before it is used)"
        ),
        "{text}"
    );
    let log = e.verifier_log().unwrap();
    assert!(
        log.contains("invalid mem access 'map_value_or_null'"),
        "{log}"
    );
    assert!(log.contains("sink = *value;"), "source lines: {log}");
    assert!(format!("{e:#}").contains(log), "{e:#}");
}

#[test]
fn atomic_operations_that_an_older_kernel_lacks_are_dated() {
    let loaded = load_only(open(), "fetches").map(|_| ());
    if running() >= (5, 12) {
        loaded.unwrap();
        return;
    }
    assert_eq!(
        loaded.unwrap_err().to_string(),
        "object `refused`: program `fetches`: the verifier refused it: BPF_STX uses reserved fields (Linux 5.12 brought atomic \
         operations other than an addition whose result is not used: use no result of __sync_fetch_and_add and its like, no \
         exchange and no __sync_fetch_and_or, or let the program need Linux 5.12)"
    );
}

#[test]
fn a_long_log_is_whole() {
    let e = load_error("unchecked_late");
    let log = e.verifier_log().unwrap();
    assert!(
        log.len() > 64 << 10,
        "{} bytes are no test of growing",
        log.len()
    );
    assert!(
        log.contains("func#0 @0\n") || log.contains("0: (") || log.contains("0: R1"),
        "its start"
    );
    assert!(
        log.contains("invalid mem access 'map_value_or_null'"),
        "its end"
    );
}

/// The text about a program whose relocation has no value: the function that it is in and why, without the number and the
/// line of the instruction (compilers differ in where they compute an offset) and without what is always tried.
fn without_value(program: &str) -> String {
    let e = load_error(program);
    assert_eq!(e.kind(), ErrorKind::Verifier);
    let log = e.verifier_log().unwrap();
    assert!(log.contains("invalid func unknown#195896080"), "{log}");
    let text = e.to_string();
    assert!(!text.contains("unknown#195896080"), "{text}");
    let rest = text
        .strip_prefix(&format!(
            "object `refused`: program `{program}`: the verifier refused instruction "
        ))
        .unwrap_or_else(|| panic!("{text}"));
    let (_, rest) = rest.split_once(" of ").unwrap();
    let (function, rest) = rest.split_once(" (refused.bpf.c:").unwrap();
    let (_, rest) = rest.split_once("`): ").unwrap();
    let guard = "guard the access so that the branch is dead where the kernel lacks it \
                 (bpf_core_field_exists and its like))";
    let rest = rest.strip_suffix(guard).unwrap_or_else(|| panic!("{text}"));
    format!("{function}: {rest}")
}

#[test]
fn a_field_that_the_kernel_lacks_is_named() {
    assert_eq!(
        without_value("missing_field"),
        "`missing_field`: it needs \
         `task_struct___gone.no_such_field`, but the kernel's struct `task_struct` has no member `no_such_field` ("
    );
}

#[test]
fn a_field_that_was_renamed_is_found() {
    let cases = [
        ((5, 14), "state", "task_struct", ["state", "__state"]),
        ((6, 15), "parent", "kernfs_node", ["parent", "__parent"]),
        ((6, 15), "name", "dentry", ["d_iname", "d_shortname"]),
    ];
    for (since, program, holder, [old, new]) in cases {
        let (program, lacks, has) = if running() >= since {
            (format!("old_{program}"), old, new)
        } else {
            (format!("new_{program}"), new, old)
        };
        let text = without_value(&program);
        let needed = format!(
            ", but the kernel's struct `{holder}` has no member `{lacks}` (did you mean `{has}`? If not, "
        );
        assert!(text.ends_with(&needed), "{text}");
    }
}

#[test]
fn a_type_that_the_kernel_lacks_is_named_from_a_subprogram() {
    assert_eq!(
        without_value("missing_type"),
        "`pid_of`: it needs `task_strukt.pid`, but the kernel has no struct \
         `task_strukt` (did you mean `task_struct`? If not, "
    );
}

#[test]
fn an_enumerator_that_the_kernel_lacks_is_named() {
    let text = without_value("missing_enumerator");
    let needed = "it needs `enumval_value(pid_type___more::PIDTYPE_TGIDS___more)`, but the kernel's enum `pid_type` \
                  has no enumerator `PIDTYPE_TGIDS` (did you mean `PIDTYPE_TGID`";
    assert!(text.contains(needed), "{text}");
}

#[test]
fn a_symbol_of_the_kernel_is_named() {
    let e = load_error("missing_symbol");
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = e.to_string();
    let expected = "program `missing_symbol`: extern `no_such_symbol`: there is no variable `no_such_symbol` in the BTF";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_function_that_is_not_there_is_named_with_what_comes_close() {
    assert_eq!(
        load_error("missing_function").to_string(),
        "object `refused`: program `missing_function`: there is no function `vfs_unlnik` in this kernel's BTF \
         (did you mean `vfs_unlink`?)"
    );
    let text = load_error("missing_tp_btf").to_string();
    assert!(
        text.contains(
            "there is no tracepoint `sys_entr` in this kernel's BTF (did you mean `sys_enter`"
        ),
        "{text}"
    );
}

#[test]
fn places_to_attach_to_that_are_not_there_are_named() {
    let text = attach_error("missing_kprobe").to_string();
    assert!(
        text.starts_with(
            "program `missing_kprobe`: cannot attach to the entry of function `vfs_unlnik`: "
        ),
        "{text}"
    );
    assert!(text.contains("did you mean `vfs_unlink`"), "{text}");
    assert_eq!(
        attach_error("missing_tracepoint").to_string(),
        "program `missing_tracepoint`: this kernel has no tracepoint `raw_syscalls/sys_entr` (did you mean `sys_enter`?)"
    );
    let text = attach_error("missing_raw_tp").to_string();
    assert!(
        text.starts_with("program `missing_raw_tp`: cannot attach to raw tracepoint `sys_entr`: "),
        "{text}"
    );
    assert!(text.contains("did you mean `sys_enter`"), "{text}");
}

#[test]
fn a_map_that_cannot_be_made_is_described() {
    let mut open = open();
    let map = open.map_mut("slots").unwrap();
    map.set_max_entries(0);
    let text = open.load().unwrap_err().to_string();
    assert!(
        text.starts_with(
            "object `refused`: map `slots`: the kernel refused to create it (type hash, "
        ),
        "{text}"
    );
    assert!(text.contains("set_max_entries"), "{text}");
}

#[test]
fn a_program_may_load_without_a_map_but_not_reach_it() {
    let mut open = open();
    let map = open.map_mut("slots").unwrap();
    map.set_autocreate(false);
    let e = load_only(open, "unchecked").map(|_| ()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Verifier);
    assert!(
        e.to_string()
            .contains("it uses map `slots`, which was not created"),
        "{e}"
    );
}
