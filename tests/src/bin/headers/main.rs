//! The C headers of btf-build beside libbpf's: what `cargo xtask conformance headers` builds and runs.
//!
//! * `headers write DIR KERNEL_BTF`: leaves this project's headers in `DIR`, and prints the folders of `bpf/` and `vmlinux.h`;
//! * `headers compare OBJECTS OTHERS`: holds each object of the first folder against that of its name in the second.
//!
//! It reports each object in the words of Rust's test harness.

mod facts;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use facts::Facts;

/// What a step that cannot go on says.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["write", dir, btf] => write(Path::new(dir), Path::new(btf)).map(|()| true),
        ["compare", ours, theirs] => compare(Path::new(ours), Path::new(theirs)),
        _ => Err("usage: headers write|compare ...".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("headers: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Has btf-build write its headers, as it does for every source, and prints their two folders.
fn write(dir: &Path, btf: &Path) -> Result<()> {
    let builder = btf_build::Builder::new()
        .target_arch("x86_64")
        .vmlinux(btf)
        .out_dir(dir);
    for folder in builder.try_headers().map_err(|e| e.to_string())? {
        println!("{}", folder.display());
    }
    Ok(())
}

fn compare(ours: &Path, theirs: &Path) -> Result<bool> {
    let (mut passed, mut failed) = (0, 0);
    for path in objects(theirs)? {
        let name = path.file_name().unwrap_or_default();
        let shown = name.to_string_lossy();
        let shown = shown.trim_end_matches(".bpf.o");
        let mine = ours.join(name);
        let differences = match mine.exists() {
            true => Facts::read(&path)?.differences(&Facts::read(&mine)?),
            false => vec!["it does not compile".to_owned()],
        };
        if differences.is_empty() {
            println!("test {shown} ... ok");
            passed += 1;
        } else {
            println!("test {shown} ... FAILED: {}", differences.join("; "));
            failed += 1;
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored");
    Ok(failed == 0 && passed > 0)
}

fn objects(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".bpf.o"));
    paths.sort();
    Ok(paths)
}
