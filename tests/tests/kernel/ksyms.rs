//! Variables and functions of the kernel: read and called by programs, absent ones done without.

use btf_core::attach::RawTracepoint;
use btf_core::prog::Arguments;
use btf_core::{Error, ErrorKind};
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{getppid, needs, running};

include_skel!("ksyms");

/// The first kernel of the test bed whose BTF has variables: it takes a pahole that writes them.
const HAS_VARIABLES: (u32, u32) = (5, 11);
/// The first kernel with functions that tracing programs may call.
const HAS_KFUNCS: (u32, u32) = (6, 1);

fn runs<A: Arguments>(program: &RawTracepoint<A>) -> i32 {
    program.test_run(&A::from_words(&[])).unwrap()
}

fn runs_on<A: Arguments>(program: &RawTracepoint<A>, cpu: u32) -> btf_core::Result<i32> {
    program.test_run_on(&A::from_words(&[]), cpu)
}

/// Loads the object with one more program, which fails.
fn refusal(choose: fn(&mut ksyms::OpenProgs)) -> Error {
    let mut open = ksyms::Ksyms::open().unwrap();
    choose(&mut open.progs);
    open.load().unwrap_err()
}

fn address(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/kallsyms").unwrap();
    let line = text
        .lines()
        .find(|l| l.split(' ').nth(2) == Some(name))
        .unwrap();
    u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
}

#[test]
fn symbols_have_addresses() {
    let Some(feature) = Feature::since("extern: __ksym address", (5, 10)) else {
        return;
    };
    let mut open = ksyms::Ksyms::open().unwrap();
    open.progs.addresses.set_autoload(true);
    let skel = open.load().unwrap();
    assert_eq!(runs(&skel.progs.addresses), 0);
    assert_eq!(skel.bss.task_address.get(), address("init_task"));
    assert_eq!(skel.bss.fops_address.get(), address("bpf_link_fops"));
    assert_eq!(skel.bss.absent_address.get(), 0);
    assert_eq!(skel.bss.name.get().to_string(), "swapper/0");
    feature.works();

    let on_cpu = Feature::since("test_run: raw_tp on a CPU", (5, 10)).unwrap();
    skel.bss.task_address.set(0);
    assert_eq!(runs_on(&skel.progs.addresses, 0).unwrap(), 0);
    assert_eq!(skel.bss.task_address.get(), address("init_task"));
    let e = runs_on(&skel.progs.addresses, 4095).unwrap_err();
    assert_eq!(e.os_error(), Some(6), "{e}");
    assert!(e.to_string().contains("there is no such CPU"), "{e}");
    on_cpu.works();
}

#[test]
fn a_symbol_that_is_not_there_is_named_with_what_comes_close() {
    needs(5, 10);
    let e = refusal(|p| p.misnamed_address.set_autoload(true));
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = e.to_string();
    let expected = "object `ksyms`: program `misnamed_address`: extern `init_taks`: this kernel has no such symbol in \
                    /proc/kallsyms (did you mean `init_task`";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn variables_have_types() {
    needs(5, 10);
    let Some(feature) = Feature::since("extern: __ksym variable", HAS_VARIABLES) else {
        // Not a failure of this crate's: libbpf says the same.
        let e = refusal(|p| p.variables.set_autoload(true));
        assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        return;
    };
    let mut open = ksyms::Ksyms::open().unwrap();
    open.progs.variables.set_autoload(true);
    let skel = open.load().unwrap();
    assert_eq!(runs(&skel.progs.variables), 0);
    assert_eq!(skel.bss.hits.get(), 1);
    assert_eq!(skel.bss.same_cpu.get(), 1);
    assert_eq!(skel.bss.absent.get(), 0);
    feature.works();
}

#[test]
fn a_variable_of_another_type_is_shown_with_both() {
    needs(5, 10);
    if running() < HAS_VARIABLES {
        let e = refusal(|p| p.other_type.set_autoload(true));
        assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        return;
    }
    let e = refusal(|p| p.other_type.set_autoload(true));
    assert_eq!(e.kind(), ErrorKind::Prototype);
    assert_eq!(
        e.to_string(),
        "object `ksyms`: program `other_type`: extern `kstat`: it is declared as `const int kstat`, but this kernel has \
         `struct kernel_stat kstat` (declare it with the kernel's type, or as `extern const void` for its address alone)"
    );
    let e = refusal(|p| p.misnamed_variable.set_autoload(true));
    assert_eq!(
        e.to_string(),
        "object `ksyms`: program `misnamed_variable`: extern `runqueue`: there is no variable `runqueue` in the BTF of this \
         kernel and its modules (did you mean `runqueues`?)"
    );
}

#[test]
fn functions_are_called_where_they_are_and_done_without_where_not() {
    needs(5, 10);
    let mut open = ksyms::Ksyms::open().unwrap();
    open.rodata.target_pid = std::process::id();
    open.progs.functions.set_autoload(true);
    let skel = open.load().unwrap();
    let link = skel.progs.functions.attach().unwrap();
    getppid(1);
    drop(link);
    let hits = skel.bss.hits.get();
    assert!(hits > 0);
    let Some(feature) = Feature::since("extern: kernel function", HAS_KFUNCS) else {
        assert_eq!(skel.bss.flavors.get(), 0);
        assert_eq!(skel.bss.keys.get(), 0);
        return;
    };
    assert_eq!(
        skel.bss.flavors.get(),
        1,
        "the other flavor has another prototype"
    );
    assert_eq!(skel.bss.keys.get(), hits);
    feature.works();
}

#[test]
fn a_call_of_what_is_not_there_is_explained() {
    needs(5, 10);
    let e = refusal(|p| p.unguarded.set_autoload(true));
    assert_eq!(e.kind(), ErrorKind::Verifier);
    let text = e.to_string();
    assert!(
        text.contains("it calls kernel function `no_such_function`, which this kernel does not have (guard the call with bpf_ksym_exists())"),
        "{text}"
    );
}

#[test]
fn a_function_that_is_not_there_or_another_is_named() {
    needs(5, 10);
    let e = refusal(|p| p.misnamed_function.set_autoload(true));
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = e.to_string();
    let expected = "object `ksyms`: program `misnamed_function`: extern `bpf_key_putt`: there is no function \
                    `bpf_key_putt` in the BTF of this kernel and its modules";
    assert!(text.starts_with(expected), "{text}");
    let e = refusal(|p| p.other_prototype.set_autoload(true));
    if running() < HAS_KFUNCS {
        assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        return;
    }
    assert!(text.contains("(did you mean `bpf_key_put`"), "{text}");
    assert_eq!(e.kind(), ErrorKind::Prototype);
    let text = e.to_string();
    let expected = "object `ksyms`: program `other_prototype`: extern `bpf_key_put___int`: it is declared as `int \
                    bpf_key_put___int(int, int)`, but this kernel has `void bpf_key_put(struct bpf_key *bkey)` (declare \
                    the other form beside it as `bpf_key_put___other`";
    assert!(text.starts_with(expected), "{text}");
}
