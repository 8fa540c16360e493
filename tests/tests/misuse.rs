//! Misuse of `include_skel!` and of what it expands to, as the compiler reports it in a user's crate.
//!
//! The macro's own words are snapshots. Of the compiler's, which change from version to version, a case asks for those that
//! make them understandable.

use btf_tests::outside::{Outside, Said};

const SOURCE: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 only_pid = 0;
__u64 calls = 0;

struct tally {
	__u64 opened;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct tally);
} counts SEC(".maps");

struct prefix {
	__u32 bits;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16);
	__type(key, struct prefix);
	__type(value, __u64);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct tally);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u64);
} waiting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 64);
	__type(value, __u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct tally);
} reports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} untyped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
} untyped_perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16);
	__uint(key_size, 4);
	__uint(value_size, 16 * sizeof(__u64));
} stacks SEC(".maps");

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	calls += only_pid;
	return 0;
}
"#;

/// A crate with a skeleton, and a program for each case.
struct Misuse(Outside);

impl Misuse {
    fn new() -> Misuse {
        let krate = Outside::new(env!("CARGO_TARGET_TMPDIR"), "misuse");
        krate.manifest(
            "misuse",
            "[dependencies]\nbtf-core = \"0.1\"\nbtf-skel-macros = \"0.1\"\n\n[build-dependencies]\nbtf-build = \"0.1\"\n",
        );
        krate.write("src/bpf/snoop.bpf.c", SOURCE);
        krate.write(
            "build.rs",
            "fn main() { btf_build::build(\"src/bpf/snoop.bpf.c\"); }\n",
        );
        Misuse(krate)
    }

    fn check(&self, name: &str, code: &str) -> Said {
        self.0.write(&format!("src/bin/{name}.rs"), code);
        self.0.cargo(&["check", "--quiet", "--bin", name])
    }

    /// The compiler's errors, up to its summary.
    fn errors(&self, name: &str, code: &str) -> String {
        let said = self.check(name, code);
        assert!(!said.success, "{name} compiles");
        let (errors, _) = said
            .stderr
            .split_once("error: could not compile")
            .unwrap_or_else(|| panic!("{}", said.stderr));
        errors.trim_end().to_owned()
    }

    /// Asks for words in the errors about a line that uses the skeleton.
    fn use_errs(&self, name: &str, line: &str, words: &[&str]) {
        let errors = self.errors(name, &using(line));
        // The user's line is shown, not only the macro's call.
        for word in words.iter().chain([&line]) {
            assert!(errors.contains(word), "no `{word}` in:\n{errors}");
        }
    }
}

/// A program with one more line.
fn using(line: &str) -> String {
    format!(
        "\
btf_skel_macros::include_skel!(\"snoop\");

fn main() -> btf_core::Result<()> {{
    let open = snoop::Snoop::open()?;
    let mut skel = open.load()?;
    let _links = skel.attach()?;
{line}
    Ok(())
}}

fn is_send<T: Send>(_: T) {{}}
"
    )
}

/// Two skeletons of one object, one of them with every option.
const OPTIONS: &str = r#"
mod reexported {
    pub use btf_core as core;
}

btf_skel_macros::include_skel!("snoop");
btf_skel_macros::include_skel!(
    pub(crate) mod other = "snoop",
    derive(PartialOrd, Ord, Debug),
    derive(Eq for Tally),
    path = "copied.bpf.o",
    crate = crate::reexported::core,
);

fn main() {
    let tally = other::Tally::default();
    assert!(tally <= tally.max(other::Tally { opened: 1 }));
    let _: fn() -> reexported::core::Result<other::OpenSnoop> = other::Snoop::open;
    let _: fn() -> btf_core::Result<snoop::OpenSnoop> = snoop::Snoop::open;
}
"#;

/// In one case: cargo lets only one build at a time.
#[test]
fn what_the_compiler_says() {
    let misuse = Misuse::new();
    let right = "    skel.maps.counts.insert(&7, &snoop::Tally { opened: 1 })?;";
    let said = misuse.check("right", &using(right));
    assert!(said.success, "{}", said.stderr);

    let built = misuse.0.built("snoop.bpf.o");
    std::fs::copy(&built[0], misuse.0.dir().join("copied.bpf.o")).unwrap();
    let said = misuse.check("options", OPTIONS);
    assert!(said.success, "{}", said.stderr);

    arguments(&misuse);
    states(&misuse);
    types(&misuse);
    maps(&misuse);
    links_and_threads(&misuse);
    no_build_script(&misuse);
}

/// The macro's message and where it points to; what the compiler draws below is its own.
fn of_macro(misuse: &Misuse, argument: &str) -> String {
    let code = format!("btf_skel_macros::include_skel!({argument});\n\nfn main() {{}}\n");
    let errors = misuse.errors("argument", &code);
    errors.lines().take(2).collect::<Vec<_>>().join("\n")
}

fn arguments(misuse: &Misuse) {
    insta::assert_snapshot!(of_macro(misuse, "\"snop\""), @r"
    error: there is no BPF object `snop` (did you mean `snoop`?)
     --> src/bin/argument.rs:1:32
    ");
    insta::assert_snapshot!(of_macro(misuse, "\"biolatency\""), @r#"
    error: there is no BPF object `biolatency`: build.rs has built `snoop`, and makes `biolatency` with btf_build::build("src/bpf/biolatency.bpf.c")
     --> src/bin/argument.rs:1:32
    "#);
    insta::assert_snapshot!(of_macro(misuse, "\"src/bpf/snoop.bpf.c\""), @r#"
    error: `src/bpf/snoop.bpf.c` is a path, but include_skel! takes a name: "snoop"
     --> src/bin/argument.rs:1:32
    "#);
    insta::assert_snapshot!(of_macro(misuse, "snoop"), @r#"
    error: include_skel! takes the name of an object in quotes: include_skel!("hello"), or with a visibility and a module name: include_skel!(pub mod greeting = "hello")
     --> src/bin/argument.rs:1:32
    "#);
    insta::assert_snapshot!(of_macro(misuse, ""), @r#"
    error: include_skel! takes the name of an object in quotes: include_skel!("hello"), or with a visibility and a module name: include_skel!(pub mod greeting = "hello")
     --> src/bin/argument.rs:1:1
    "#);
    insta::assert_snapshot!(of_macro(misuse, "pub mod = \"snoop\""), @r#"
    error: include_skel! takes the name of an object in quotes: include_skel!("hello"), or with a visibility and a module name: include_skel!(pub mod greeting = "hello")
     --> src/bin/argument.rs:1:40
    "#);
    insta::assert_snapshot!(of_macro(misuse, "\"snoop\", \"hello\""), @r"
    error: only options may follow the object's name: `derive`, `path`, `crate`
     --> src/bin/argument.rs:1:41
    ");
    let said = misuse.errors(
        "argument",
        "btf_skel_macros::include_skel!(\"snop\", drive(Ord), path);\n\nfn main() {}\n",
    );
    for error in [
        "error: there is no BPF object `snop` (did you mean `snoop`?)",
        "error: include_skel! has no option `drive` (did you mean `derive`?)",
        "error: `path` is written path = \"objects/hello.bpf.o\"",
    ] {
        assert!(said.contains(error), "no `{error}` in:\n{said}");
    }
    insta::assert_snapshot!(of_macro(misuse, "\"snoop\", derive(Ord for Taly)"), @r"
    error: the object `snoop` has no type `Taly` (did you mean `Tally`?)
     --> src/bin/argument.rs:1:56
    ");
}

fn no_build_script(misuse: &Misuse) {
    misuse.0.remove("build.rs");
    insta::assert_snapshot!(of_macro(misuse, "\"snoop\""), @r#"
    error: OUT_DIR is not set, because this package has no build script: add a build.rs that calls btf_build::build("src/bpf/NAME.bpf.c"), and btf-build to [build-dependencies]
     --> src/bin/argument.rs:1:32
    "#);
}

fn states(misuse: &Misuse) {
    let cases: [(&str, &str, &[&str]); 4] = [
        (
            "rodata_after_load",
            "    skel.rodata.only_pid = 1;",
            &["cannot assign", "`Mapped<snoop::Rodata>`"],
        ),
        (
            "bss_assigned",
            "    skel.bss.calls = 1;",
            &["expected `Global<u64>`, found integer"],
        ),
        (
            "loaded_twice",
            "    let _again = open.load()?;",
            &["use of moved value: `open`", "`OpenSnoop`"],
        ),
        (
            "resized_after_load",
            "    skel.maps.counts.set_max_entries(1);",
            &["no method named `set_max_entries`", "map::Hash<u32, Tally>"],
        ),
    ];
    for (name, line, words) in cases {
        misuse.use_errs(name, line, words);
    }
}

fn types(misuse: &Misuse) {
    let cases: [(&str, &str, &[&str]); 3] = [
        (
            "wrong_key",
            "    skel.maps.counts.get(&7u64)?;",
            &["expected `&u32`, found `&u64`"],
        ),
        (
            "wrong_value",
            "    skel.maps.counts.insert(&7, &1u64)?;",
            &["expected `&Tally`, found `&u64`"],
        ),
        (
            "no_such_map",
            "    skel.maps.count.get(&7)?;",
            &[
                "no field `count` on type `Maps`",
                "a field with a similar name exists",
            ],
        ),
    ];
    for (name, line, words) in cases {
        misuse.use_errs(name, line, words);
    }
}

/// Operations that a kind of map does not have, or has for other types: the compiler tells of all at once.
fn maps(misuse: &Misuse) {
    let cases: [(&str, &[&str]); 15] = [
        (
            "    skel.maps.blocked.get(&[10, 0, 0, 1])?;",
            &["expected `&Prefix`, found `&[{integer}; 4]`"],
        ),
        (
            "    skel.maps.totals.set(0, &7)?;",
            &["expected `&[u64]`, found `&{integer}`"],
        ),
        (
            "    skel.maps.events.get(&7)?;",
            &["no method named `get`", "RingBuf<Tally>"],
        ),
        (
            "    skel.maps.totals.remove(&0)?;",
            &["no method named `remove`", "PerCpuArray<u64>"],
        ),
        (
            "    skel.maps.slots.push(&1)?;",
            &["no method named `push`", "Array<u64>"],
        ),
        (
            "    skel.maps.slots.insert(&1, &1)?;",
            &["no method named `insert`", "there is a method `set`"],
        ),
        (
            "    skel.maps.slots.remove(1)?;",
            &["no method named `remove`", "Array<u64>"],
        ),
        (
            "    skel.maps.waiting.insert(&1, &2)?;",
            &["no method named `insert`", "Queue<u64>"],
        ),
        (
            "    for _ in skel.maps.waiting.iter() {}",
            &["no method named `iter`", "Queue<u64>"],
        ),
        (
            "    skel.maps.waiting.push(&snoop::Tally { opened: 1 })?;",
            &["expected `&u64`, found `&Tally`"],
        ),
        (
            "    for _ in skel.maps.seen.iter() {}",
            &["no method named `iter`", "BloomFilter<u64>"],
        ),
        (
            "    skel.maps.seen.remove(&1)?;",
            &["no method named `remove`", "BloomFilter<u64>"],
        ),
        (
            "    skel.maps.reports.get(0)?;",
            &["no method named `get`", "PerfEventArray<Tally>"],
        ),
        (
            "    skel.maps.stacks.insert(&1, &[])?;",
            &["no method named `insert`", "StackTraces"],
        ),
        (
            "    skel.maps.counts.consumer(|_| ())?;",
            &["no method named `consumer`", "map::Hash<u32, Tally>"],
        ),
    ];
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let errors = misuse.errors("operations", &using(&lines.join("\n")));
    for (line, words) in cases {
        let mut told = errors.split("\n\n").filter(|error| error.contains(line));
        let is_clear = |error: &str| words.iter().all(|word| error.contains(word));
        assert!(
            told.any(is_clear),
            "not of `{line}` with {words:?}:\n{errors}"
        );
    }
    misuse.use_errs(
        "wrong_sample",
        "    skel.maps.events.consumer(|seen: &u64| println!(\"{seen}\"))?;",
        &["type mismatch in closure arguments", "Tally"],
    );
    let untyped: [(&str, &str); 2] = [
        (
            "untyped_ring_buffer",
            "    skel.maps.untyped.consumer(|seen: &snoop::Tally| println!(\"{}\", seen.opened))?;",
        ),
        (
            "untyped_perf_buffer",
            "    skel.maps.untyped_perf.consumer(8, |_, seen: &snoop::Tally| println!(\"{}\", seen.opened), |_, _| ())?;",
        ),
    ];
    for (name, line) in untyped {
        let words = [
            "type mismatch in closure arguments",
            "`&[u8]`? add `__type(value, …)`, or use `consumer_as::<T>()`",
        ];
        misuse.use_errs(name, line, &words);
    }
    let said = misuse.check(
        "untyped_shown_as_a_type",
        &using(
            "    skel.maps.untyped.consumer_as::<snoop::Tally>(|seen| println!(\"{}\", seen.opened))?;
    skel.maps.untyped.consumer(|seen| println!(\"{}\", seen.len()))?;
    skel.maps.untyped_perf.consumer(8, |_, seen| println!(\"{}\", seen.len()), |_, _| ())?;
    skel.maps.events.consumer(|seen| println!(\"{}\", seen.opened))?;",
        ),
    );
    assert!(said.success, "{}", said.stderr);
}

fn links_and_threads(misuse: &Misuse) {
    let cases: [(&str, &str, &[&str]); 3] = [
        (
            "link_of_no_program",
            "    drop(_links.on_exit);",
            &["no field `on_exit` on type `Links`"],
        ),
        (
            "attached_to_a_number",
            "    skel.progs.on_enter.attach_to(1)?;",
            &["expected `&str`, found integer"],
        ),
        (
            "consumer_of_another_thread",
            "    let n = std::cell::Cell::new(0); is_send(skel.maps.events.consumer(|_| n.set(1))?);",
            &[
                "`Cell<i32>` cannot be shared between threads safely",
                "Consumer",
            ],
        ),
    ];
    for (name, line, words) in cases {
        misuse.use_errs(name, line, words);
    }
}
