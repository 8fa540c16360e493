//! btf-core beside libbpf, aya-obj and bpftool. Run by `cargo xtask golden`, `conformance libbpf` and `bench`, which get
//! together what it needs.

mod aya;
mod bench;
mod child;
mod compare;
mod equal;
mod golden;
mod growth;
mod libbpf;
mod live;
mod ours;
mod probed;
mod recorded;
mod recorder;
mod report;
mod selftests;
mod stream;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::{Bench, FEWEST, Source};
use compare::Kernel;

const USAGE: &str = "usage: peers compare [--btf LABEL=PATH]... [--skip WHY]... FOLDER-OF-SELFTESTS
       peers compile SELFTESTS CLANG BTF
       peers golden [--btf LABEL:RELEASE=PATH]... FOLDER
       peers adopt FOLDER
       peers bench [--json] [--runs N] [--only WORK] [--btf LABEL=PATH]...
       peers live --place host|SERIES [--json] [--runs N] [--only WORK]
       peers works [--only WORK]
       peers equal [--btf LABEL=PATH]... OBJECT...
       peers open OBJECT...";

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
            let given = parse(rest)?;
            let selftests: Result<Vec<_>, _> = given
                .paths
                .iter()
                .map(|dir| selftests::programs(dir))
                .collect();
            let selftests = selftests?.concat();
            compare::run(&compiled()?, &given.kernels, &selftests, given.skipped)
        }
        "compile" => match rest {
            [selftests, clang, btf] => {
                selftests::compile(Path::new(selftests), clang, Path::new(btf)).map(|()| true)
            }
            _ => Err(USAGE.to_owned()),
        },
        "golden" => {
            let given = parse(rest)?;
            match &given.paths[..] {
                [folder] => golden::run(folder, &given.kernels).map(|()| true),
                _ => Err(USAGE.to_owned()),
            }
        }
        "bench" => bench(rest),
        "live" => live(rest),
        "works" => {
            let only = Options::parse(rest)?.only;
            let only = only.as_deref();
            bench::list(only);
            live::list(only);
            Ok(true)
        }
        "equal" => {
            let given = parse(rest)?;
            equal::run(&given.paths, &given.kernels).map(|()| true)
        }
        "open" => opened(rest),
        "adopt" => match rest {
            [folder] => golden::adopt(Path::new(folder), &compiled()?).map(|()| true),
            _ => Err(USAGE.to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    }
}

/// Options of `bench`, `live` and `works`.
struct Options {
    json: bool,
    runs: usize,
    only: Option<String>,
    place: String,
    /// From the oldest to the newest.
    kernels: Vec<Source>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let mut options = Options {
            json: false,
            runs: FEWEST,
            only: None,
            place: "host".to_owned(),
            kernels: Vec::new(),
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--json" {
                options.json = true;
                continue;
            }
            let value = rest.next().ok_or(USAGE)?;
            match arg.as_str() {
                "--only" => options.only = Some(value.clone()),
                "--place" => options.place.clone_from(value),
                "--btf" => options.kernels.push(Source::parse(value)?),
                "--runs" => {
                    let runs = value.parse().ok().filter(|runs| *runs >= FEWEST);
                    let failed = || format!("--runs: expected a number of {FEWEST} or more");
                    options.runs = runs.ok_or_else(failed)?;
                }
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }
}

fn exe() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))
}

/// Measures work that needs no kernel.
fn bench(args: &[String]) -> Result<bool, String> {
    let options = Options::parse(args)?;
    let exe = exe()?;
    let object = |name: &str| Path::new(env!("OUT_DIR")).join(format!("{name}.bpf.o"));
    let bench = Bench {
        scratch: exe.with_file_name("vmlinux.h"),
        exe,
        runs: options.runs,
        kernels: options.kernels,
        many: object("core_many"),
        thousand: object("core_thousand"),
    };
    bench.run(options.json, options.only.as_deref())
}

/// Measures work in a running kernel.
fn live(args: &[String]) -> Result<bool, String> {
    let Options {
        json,
        runs,
        only,
        place,
        ..
    } = Options::parse(args)?;
    live::run(&exe()?, &place, runs, json, only.as_deref())
}

/// Returns `true` if libbpf opens all these objects.
fn opened(objects: &[String]) -> Result<bool, String> {
    let mut is_good = !objects.is_empty();
    for path in objects {
        match libbpf::Object::open(Path::new(path), None) {
            Ok(_) => println!("ok {path}"),
            Err(e) => {
                println!("FAILED {path}: libbpf {}: {e}", libbpf::version());
                is_good = false;
            }
        }
    }
    Ok(is_good)
}

/// What a task is given.
#[derive(Default)]
struct Given {
    kernels: Vec<Kernel>,
    paths: Vec<PathBuf>,
    /// Why something that was asked for is missing.
    skipped: Vec<String>,
}

fn parse(args: &[String]) -> Result<Given, String> {
    let mut given = Given::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--btf" => given
                .kernels
                .push(Kernel::parse(rest.next().ok_or(USAGE)?)?),
            "--skip" => given.skipped.push(rest.next().ok_or(USAGE)?.clone()),
            _ if arg.starts_with('-') => return Err(USAGE.to_owned()),
            _ => given.paths.push(arg.into()),
        }
    }
    Ok(given)
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
