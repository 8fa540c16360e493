//! What tools and users are told about the relocations of an object: object, program, source line, access, what the kernel
//! has instead, and what comes close.

use std::path::Path;

use btf_core::btf::{Btf, Builder, IntEncoding, TypeId};
use btf_core::obj::{Finding, Object, Outcome};
use btf_core::relo::Targets;

fn object(name: &str) -> Object {
    let path = Path::new(env!("OUT_DIR")).join(format!("{name}.bpf.o"));
    Object::parse(name, &std::fs::read(path).unwrap()).unwrap()
}

/// The few types of a kernel of today that the programs ask for.
fn kernel(more: impl FnOnce(&mut Builder, TypeId)) -> Btf {
    let mut b = Builder::new();
    let int = b.int("unsigned int", 4, IntEncoding(0));
    let byte = b.int("unsigned char", 1, IntEncoding(0));
    let pointer = b.pointer(TypeId::VOID);
    let name = b.array(byte, int, 40);
    let shortname = b.union("shortname_store", 40, [("string", name, 0)]);
    b.structure("task_struct", 16, [("__state", int, 64), ("pid", int, 96)]);
    b.structure("kernfs_node", 16, [("__parent", pointer, 64)]);
    b.structure(
        "dentry",
        48,
        [("d_name", pointer, 0), ("d_shortname", shortname, 64)],
    );
    b.enumeration(
        "pid_type",
        4,
        false,
        [("PIDTYPE_PID", 0), ("PIDTYPE_TGID", 1)],
    );
    more(&mut b, int);
    b.finish().unwrap()
}

/// What is found in one program, without the numbers that compilers differ in.
fn report(object: &Object, program: &str, kernel: &Btf) -> String {
    let program = [object.program(program).unwrap()];
    let findings = object.report(program, &Targets::new(kernel)).unwrap();
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    without_numbers(&lines.join("\n"))
}

/// With every instruction and line as `N`.
fn without_numbers(text: &str) -> String {
    ["instruction ", ".bpf.c:"]
        .into_iter()
        .fold(text.to_owned(), |text, before| {
            let mut parts = text.split(before);
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |all, part| {
                let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{all}{before}N{rest}")
            })
        })
}

#[test]
fn what_has_no_value_is_explained() {
    let (object, kernel) = (object("refused"), kernel(|_, _| ()));
    let report = |program| report(&object, program, &kernel);
    insta::assert_snapshot!(report("old_state"), @"object `refused`: program `old_state`: instruction N of `old_state` (refused.bpf.c:N: `struct task_struct___state *task = (void *)bpf_get_current_task();`): task_struct___state.state has no value: the kernel's struct `task_struct` has no member `state` (did you mean `__state`?)");
    insta::assert_snapshot!(report("old_parent"), @"object `refused`: program `old_parent`: instruction N of `old_parent` (refused.bpf.c:N: `struct kernfs_node___parent *node = (void *)bpf_get_current_task();`): kernfs_node___parent.parent has no value: the kernel's struct `kernfs_node` has no member `parent` (did you mean `__parent`?)");
    insta::assert_snapshot!(report("old_name"), @"object `refused`: program `old_name`: instruction N of `old_name` (refused.bpf.c:N: `struct dentry___name *dentry = (void *)bpf_get_current_task();`): dentry___name.d_iname[1] has no value: the kernel's struct `dentry` has no member `d_iname` (did you mean `d_shortname`?)");
    insta::assert_snapshot!(report("missing_type"), @"object `refused`: program `missing_type`: instruction N of `pid_of` (refused.bpf.c:N: `static __attribute__((noinline)) int pid_of(struct task_strukt *task)`): task_strukt.pid has no value: the kernel has no struct `task_strukt` (did you mean `task_struct`?)");
    insta::assert_snapshot!(report("missing_enumerator"), @"object `refused`: program `missing_enumerator`: instruction N of `missing_enumerator` (refused.bpf.c:N: `int missing_enumerator(void *ctx)`): enumval_value(pid_type___more::PIDTYPE_TGIDS___more) has no value: the kernel's enum `pid_type` has no enumerator `PIDTYPE_TGIDS` (did you mean `PIDTYPE_TGID` or `PIDTYPE_PID`?)");
}

#[test]
fn what_has_a_value_is_listed() {
    let (object, kernel) = (object("refused"), kernel(|_, _| ()));
    insta::assert_snapshot!(report(&object, "new_state", &kernel), @"object `refused`: program `new_state`: instruction N of `new_state` (refused.bpf.c:N: `struct task_struct___state *task = (void *)bpf_get_current_task();`): task_struct___state.__state is 8");
    insta::assert_snapshot!(report(&object, "new_name", &kernel), @"object `refused`: program `new_name`: instruction N of `new_name` (refused.bpf.c:N: `struct dentry___name *dentry = (void *)bpf_get_current_task();`): dentry___name.d_shortname.string[1] is 9, 33 in the object");
}

#[test]
fn what_fails_is_a_finding_and_relocating_stops_at_it() {
    let object = object("refused");
    let kernel = kernel(|b, int| {
        b.structure("task_struct", 16, [("__state", int, 0), ("pid", int, 96)]);
    });
    insta::assert_snapshot!(report(&object, "new_state", &kernel), @"object `refused`: program `new_state`: instruction N of `new_state` (refused.bpf.c:N: `struct task_struct___state *task = (void *)bpf_get_current_task();`): task_struct___state.__state: the kernel has two types that answer differently: struct `task_struct` [6] says 8, struct `task_struct` [10] says 0 (use a field that only one of them has first, or a flavor that matches only one)");
    let program = [object.program("new_state").unwrap()];
    let error = object
        .relocate(program, &Targets::new(&kernel))
        .unwrap_err();
    insta::assert_snapshot!(without_numbers(&format!("{error:#}")), @"object `refused`:
  program `new_state`:
  instruction N of `new_state` (refused.bpf.c:N: `struct task_struct___state *task = (void *)bpf_get_current_task();`):
  task_struct___state.__state:
  the kernel has two types that answer differently: struct `task_struct` [6] says 8, struct `task_struct` [10] says 0
  help: use a field that only one of them has first, or a flavor that matches only one");
}

#[test]
fn answers_and_findings_agree() {
    let object = object("relocations");
    let kernel = kernel(|_, _| ());
    let targets = Targets::new(&kernel);
    let findings = object.report(object.programs(), &targets).unwrap();
    let relocated = object.relocate(object.programs(), &targets).unwrap();
    assert_eq!(findings.len(), relocated.answers().count());
    assert!(findings.len() > 20, "{}", findings.len());
    for (finding, answer) in findings.iter().zip(relocated.answers()) {
        assert_eq!(finding.site, answer.site);
        let fixup = |outcome: &Outcome| match outcome {
            Outcome::Value(fixup) => (0, *fixup),
            Outcome::Absent(fixup) => (1, *fixup),
            Outcome::Poisoned(fixup) => (2, *fixup),
            Outcome::Failed(e) => panic!("{e}"),
        };
        assert_eq!(fixup(&finding.outcome), fixup(&answer.outcome()));
        assert_eq!(
            finding.why.is_none(),
            finding.outcome.is_value(),
            "{finding}"
        );
    }
}
