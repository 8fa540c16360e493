//! The tool on the types of kernels and the objects that the workspace keeps for its tests.

use std::path::Path;
use std::process::Command;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");

/// What it prints, and its status.
fn inspect(args: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_btf-inspect"))
        .args(args)
        .current_dir(Path::new(GOLDEN))
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("it prints text");
    (text, output.status.code())
}

#[test]
fn a_layout_has_offsets_and_holes() {
    let (text, status) = inspect(&["layout", "6.1/kernel.btf", "task_struct"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("struct task_struct {\n"), "{text}");
    assert!(text.contains("unsigned int __state;\n"), "{text}");
    // The kept types have only the members that the objects ask for.
    assert!(text.contains("/* hole of "), "{text}");
    assert!(text.ends_with(" bytes */\n"), "{text}");
}

#[test]
fn a_difference_has_what_is_gone_new_and_moved() {
    let (text, status) = inspect(&["diff", "5.10/kernel.btf", "6.1/kernel.btf", "task_struct"]);
    assert_eq!(status, Some(0), "{text}");
    let has = |start: &str| text.lines().any(|line| line.starts_with(start));
    assert!(has("struct task_struct:"), "{text}");
    assert!(has("- volatile long int state"), "{text}");
    assert!(has("+ unsigned int __state"), "{text}");
    assert!(has("~ pid_t pid: at "), "{text}");
    let (text, _) = inspect(&["diff", "6.1/kernel.btf", "6.1/kernel.btf", "task_struct"]);
    assert_eq!(text, "struct task_struct: no difference\n");
}

#[test]
fn types_come_with_what_they_need() {
    let (text, status) = inspect(&["types", "opensnoop.bpf.o", "event"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("struct event {\n"), "{text}");
    assert!(text.contains(" __u32;\n"), "{text}");
}

#[test]
fn relocations_are_checked_on_each_kernel() {
    let kernels = ["6.1/kernel.btf", "7.3/kernel.btf"];
    let (text, status) = inspect(&["check", "opensnoop.bpf.o", kernels[0], kernels[1]]);
    assert_eq!(status, Some(0), "{text}");
    let ends = |line: &str| {
        line.ends_with(": 3 relocations, 3 with a value, 0 answered with 0, 0 with none")
    };
    assert!(
        text.lines().count() == kernels.len() && text.lines().all(ends),
        "{text}"
    );

    let (text, status) = inspect(&["check", "core_fields.bpf.o", kernels[0]]);
    assert_eq!(status, Some(1), "{text}");
    let renamed = "task_struct___old.state has no value: the kernel's struct `task_struct` has no member `state` (did you mean `__state`?)";
    assert!(text.contains(renamed), "{text}");
}

#[test]
fn errors_name_what_is_missing() {
    for (args, words) in [
        (
            &["layout", "nowhere.btf", "x"][..],
            "cannot read nowhere.btf: ",
        ),
        (
            &["layout", "6.1/kernel.btf", "no_such"],
            "6.1/kernel.btf has no struct or union `no_such`",
        ),
        (
            &["types", "6.1/kernel.btf", "no_such"],
            "6.1/kernel.btf has nothing named `no_such`",
        ),
        (
            &["diff", "6.1/kernel.btf", "7.3/kernel.btf", "no_such"],
            "neither kernel has anything named `no_such`",
        ),
        (
            &["check", "core_many.bpf.o"],
            "this is not understood\nusage: ",
        ),
        (
            &["check", "6.1/kernel.btf", "7.3/kernel.btf"],
            "6.1/kernel.btf: ",
        ),
    ] {
        let (text, status) = inspect(args);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.starts_with(&format!("btf-inspect: {words}")), "{text}");
    }
}
