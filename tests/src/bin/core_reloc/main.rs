//! The kernel's CO-RE suite against this relocator: what `cargo xtask conformance core-reloc` builds, runs here and takes into
//! booted kernels.
//!
//! * `core-reloc compile SELFTESTS CLANG KERNEL_BTF`: compiles the kernel's sources into `OUT_DIR`;
//! * `core-reloc decide OBJECTS KERNEL_BTF`: decides the cases without a kernel, the patched programs being interpreted;
//! * `core-reloc run OBJECTS`: loads, attaches and triggers the programs in the running kernel, as root.
//!
//! It reports each case in the words of Rust's test harness.

mod case;
mod compile;
mod decide;
mod interpreter;
mod kernel;
mod type_ids;

use std::path::Path;
use std::process::ExitCode;

use case::{Case, Outcome};

/// What a step that cannot go on says.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["compile", selftests, clang, btf] => {
            compile::all(Path::new(selftests), clang, Path::new(btf)).map(|()| true)
        }
        ["decide", objects, btf] => decide::Host::new(Path::new(objects), Path::new(btf))
            .and_then(|host| report(|case| host.decide(case))),
        ["run", objects] => report(|case| kernel::run(case, Path::new(objects))),
        _ => Err("usage: core-reloc compile|decide|run ...".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("core-reloc: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every case that can be run, and says how each ended.
fn report(run: impl Fn(&Case) -> Result<()>) -> Result<bool> {
    let cases = case::all()?;
    let (mut passed, mut ignored, mut failed) = (0, 0, 0);
    for case in &cases {
        if case.outcome == Outcome::NeedsModule {
            println!(
                "test {} ... ignored, needs the kernel's test module bpf_testmod",
                case.name
            );
            ignored += 1;
            continue;
        }
        match run(case) {
            Ok(()) => {
                println!("test {} ... ok", case.name);
                passed += 1;
            }
            Err(why) => {
                println!("test {} ... FAILED: {why}", case.name);
                failed += 1;
            }
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored");
    Ok(failed == 0)
}

/// Compares what a program left in `data.out`.
fn compare(expected: &[u8], found: &[u8]) -> Result<()> {
    if found.get(..expected.len()) == Some(expected) {
        return Ok(());
    }
    let at = expected
        .iter()
        .zip(found)
        .position(|(e, f)| e != f)
        .unwrap_or(0);
    Err(format!(
        "data.out differs from byte {at}: {:02x?} instead of {:02x?}",
        &found[at..(at + 8).min(found.len())],
        &expected[at..(at + 8).min(expected.len())]
    ))
}
