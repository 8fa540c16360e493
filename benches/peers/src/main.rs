//! btf-core beside libbpf, aya-obj and bpftool. Run by `cargo xtask golden`, `conformance libbpf` and `bench`, which get
//! together what it needs.

mod compare;
mod golden;
mod libbpf;
mod ours;
mod recorder;
mod selftests;
mod stream;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use compare::Kernel;

const USAGE: &str = "usage: peers compare [--btf LABEL=PATH]... FOLDER-OF-SELFTESTS
       peers compile SELFTESTS CLANG BTF
       peers golden [--btf LABEL:RELEASE=PATH]... FOLDER
       peers adopt FOLDER";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("peers: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> Result<bool, String> {
    let (task, rest) = args.split_first().ok_or(USAGE)?;
    match task.as_str() {
        "compare" => {
            let (kernels, folders) = parse(rest)?;
            let selftests: Result<Vec<_>, _> =
                folders.iter().map(|dir| selftests::programs(dir)).collect();
            compare::run(&compiled()?, &kernels, &selftests?.concat())
        }
        "compile" => match rest {
            [selftests, clang, btf] => {
                selftests::compile(Path::new(selftests), clang, Path::new(btf)).map(|()| true)
            }
            _ => Err(USAGE.to_owned()),
        },
        "golden" => match &parse(rest)? {
            (kernels, paths) if let [folder] = &paths[..] => {
                golden::run(folder, kernels).map(|()| true)
            }
            _ => Err(USAGE.to_owned()),
        },
        "adopt" => match rest {
            [folder] => golden::adopt(Path::new(folder), &compiled()?).map(|()| true),
            _ => Err(USAGE.to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    }
}

fn parse(args: &[String]) -> Result<(Vec<Kernel>, Vec<PathBuf>), String> {
    let (mut kernels, mut paths) = (Vec::new(), Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--btf" => kernels.push(Kernel::parse(rest.next().ok_or(USAGE)?)?),
            _ if arg.starts_with('-') => return Err(USAGE.to_owned()),
            _ => paths.push(arg.into()),
        }
    }
    Ok((kernels, paths))
}

/// The objects that the build script compiled: the tests', the examples' and the bench's.
fn compiled() -> Result<Vec<PathBuf>, String> {
    let dir = Path::new(env!("OUT_DIR"));
    let entries =
        std::fs::read_dir(dir).map_err(|e| format!("cannot list {}: {e}", dir.display()))?;
    let mut objects: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".bpf.o"))
        .collect();
    objects.sort();
    Ok(objects)
}
