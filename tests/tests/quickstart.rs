//! README's quick start, followed to the letter in a crate outside the workspace: it builds with
//! plain cargo and clang alone, runs, and is rebuilt when it has to be and only then.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use btf_core::btf::Kind;
use btf_core::obj::Object;
use btf_obj::private;
use btf_tests::outside::{Outside, Said};
use btf_tests::text::{redact, workspace};

/// Code blocks of the quick start, by the file name in their first line.
fn blocks() -> Vec<(String, String)> {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Quick start\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let mut blocks = Vec::new();
    let mut rest = section;
    while let Some((_, after)) = rest.split_once("```") {
        let (block, after) = after.split_once("\n```\n").expect("a block has an end");
        let (_language, text) = block.split_once('\n').expect("a block has lines");
        let first = text.lines().next().unwrap();
        if let Some(name) = first
            .strip_prefix("# ")
            .or_else(|| first.strip_prefix("// "))
        {
            blocks.push((name.to_owned(), format!("{text}\n")));
        }
        rest = after;
    }
    blocks
}

/// The quick start's crate.
fn hello() -> Outside {
    let hello = Outside::new(env!("CARGO_TARGET_TMPDIR"), "hello");
    let blocks = blocks();
    let names: Vec<&str> = blocks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Cargo.toml",
            "build.rs",
            "src/bpf/hello.bpf.c",
            "src/main.rs"
        ]
    );
    for (name, text) in &blocks {
        match name.as_str() {
            "Cargo.toml" => hello.manifest("hello", text),
            name => hello.write(name, text),
        }
    }
    // Of an earlier run.
    for old in hello.built("hello.bpf.o") {
        fs::remove_file(old).unwrap();
    }
    hello
}

fn build(hello: &Outside) -> Said {
    hello.cargo(&["build", "--verbose"])
}

fn build_well(hello: &Outside) -> Said {
    let said = build(hello);
    assert!(said.success, "{}", said.stderr);
    said
}

fn ran_build_script(said: &Said) -> bool {
    said.stderr
        .lines()
        .any(|line| line.contains("Running `") && line.contains("/build-script-build`"))
}

/// The object, and when it was written.
fn object(hello: &Outside) -> (PathBuf, Vec<u8>, SystemTime) {
    let mut found = hello.built("hello.bpf.o");
    assert_eq!(found.len(), 1, "{found:?}");
    let path = found.remove(0);
    let bytes = fs::read(&path).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    (path, bytes, time)
}

/// Size of the C struct in the object that the program embeds.
fn size_of_event(hello: &Outside) -> u64 {
    let (_, bytes, _) = object(hello);
    let object = Object::parse("hello", &bytes).unwrap();
    let digest = private::digest(&object);
    let program = fs::read(hello.executable("hello")).unwrap();
    assert!(
        program.windows(digest.len()).any(|part| part == digest),
        "the program does not embed the object that was built last"
    );
    let btf = object.require_btf().unwrap();
    let event = btf.find("event", Kind::STRUCT).unwrap();
    event.byte_size().unwrap()
}

/// Replaces what must be there.
fn edit(hello: &Outside, path: &str, from: &str, to: &str) {
    let text = hello.read(path);
    assert!(text.contains(from), "{path} has no `{from}`");
    hello.write(path, &text.replace(from, to));
}

/// Runs the program while other programs are started.
fn run(hello: &Outside) -> Said {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // What it is does not matter; that it is started does.
                let _ = Command::new("true").status();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let said = hello.program("hello");
        done.store(true, Ordering::Relaxed);
        said
    })
}

fn it_runs(hello: &Outside) {
    let said = run(hello);
    if said.success {
        assert!(
            said.stdout.lines().any(|line| line.ends_with(" runs true")),
            "{}",
            said.stdout
        );
        assert!(
            said.stdout.ends_with(" events dropped\n"),
            "{}",
            said.stdout
        );
        return;
    }
    // Not every machine lets one load programs; then it must say so.
    assert!(
        said.stderr.starts_with("Error: object `hello`:\n"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("help: "), "{}", said.stderr);
    assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    let reason = said.stderr.lines().nth(1).unwrap_or_default();
    // Straight to the file: the harness keeps what `eprintln!` prints of a case that passes.
    let _ = writeln!(
        std::io::stderr(),
        "SKIP quickstart (only its run): this machine does not load the program: {reason}"
    );
}

fn nothing_is_rebuilt(hello: &Outside) {
    let (_, _, before) = object(hello);
    let said = build_well(hello);
    for word in ["Running `", "Compiling ", "Dirty "] {
        assert!(!said.stderr.contains(word), "{}", said.stderr);
    }
    assert!(said.stderr.contains("Fresh hello "), "{}", said.stderr);
    assert_eq!(object(hello).2, before);
}

/// `examples/hello` has the files of the README, without the lines that name them. Its manifest
/// takes the same crates from the workspace.
#[test]
fn example_is_the_quick_start() {
    let example = workspace().join("examples/hello");
    for (name, text) in blocks() {
        let file = fs::read_to_string(example.join(&name)).unwrap();
        let (_, text) = text.split_once('\n').expect("lines after the name");
        match name.as_str() {
            "Cargo.toml" => {
                let (_, dependencies) = file.split_once("\n\n").expect("a table after the first");
                assert_eq!(
                    dependencies,
                    text.replace(" = \"0.1\"", ".workspace = true")
                );
            }
            _ => assert_eq!(file, text, "{name}"),
        }
    }
}

/// In one case, because each step begins where the one before ended.
#[test]
fn readme() {
    let hello = hello();
    assert!(ran_build_script(&build_well(&hello)));
    assert_eq!(size_of_event(&hello), 24);
    nothing_is_rebuilt(&hello);
    it_runs(&hello);

    // An edited source.
    let source = "src/bpf/hello.bpf.c";
    edit(&hello, source, "char comm[16];", "char comm[32];");
    assert!(ran_build_script(&build_well(&hello)));
    assert_eq!(size_of_event(&hello), 40);
    nothing_is_rebuilt(&hello);

    // An edited header.
    hello.write("src/bpf/hello.h", "#define COMM_LEN 48\n");
    edit(&hello, source, "char comm[32];", "char comm[COMM_LEN];");
    edit(
        &hello,
        source,
        "#include \"vmlinux.h\"\n",
        "#include \"vmlinux.h\"\n#include \"hello.h\"\n",
    );
    build_well(&hello);
    assert_eq!(size_of_event(&hello), 56);
    nothing_is_rebuilt(&hello);
    hello.write("src/bpf/hello.h", "#define COMM_LEN 64\n");
    assert!(ran_build_script(&build_well(&hello)));
    assert_eq!(size_of_event(&hello), 72);
    nothing_is_rebuilt(&hello);

    // A header that appears, with the age of another file.
    edit(
        &hello,
        source,
        "#include \"hello.h\"\n",
        "#include \"hello.h\"\n#if __has_include(\"more.h\")\n#include \"more.h\"\n#endif\n",
    );
    build_well(&hello);
    nothing_is_rebuilt(&hello);
    hello.write("src/bpf/other.h", "");
    nothing_is_rebuilt(&hello);
    hello.write("src/bpf/more.h", "#undef COMM_LEN\n#define COMM_LEN 80\n");
    let more = fs::File::options()
        .write(true)
        .open(hello.dir().join("src/bpf/more.h"));
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    more.unwrap().set_modified(old).unwrap();
    assert!(ran_build_script(&build_well(&hello)));
    assert_eq!(size_of_event(&hello), 88);
    nothing_is_rebuilt(&hello);

    // A touched source makes the same object, which is not written again.
    let (_, _, written) = object(&hello);
    hello.write(source, &hello.read(source));
    assert!(ran_build_script(&build_well(&hello)));
    assert_eq!(object(&hello).2, written);

    clangs_words_reach_the_user(&hello, source);
}

fn clangs_words_reach_the_user(hello: &Outside, source: &str) {
    edit(hello, source, "u32 only_pid = 0;", "u32 only_pdi = 0;");
    let said = build(hello);
    assert!(!said.success);
    for word in ["panicked", "stack backtrace", "RUST_BACKTRACE"] {
        assert!(!said.stderr.contains(word), "{}", said.stderr);
    }
    let (_, words) = said.stderr.split_once("--- stderr\n").expect("its output");
    insta::assert_snapshot!("clang_error_in_cargo", redact(words, &[]));

    edit(hello, source, "u32 only_pdi = 0;", "u32 only_pid = 0;");
    build_well(hello);
    assert_eq!(size_of_event(hello), 88);
}
