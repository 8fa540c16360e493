//! btf-core's side of the bench; and `dump BTF`, which writes `vmlinux.h` to standard output.

#[path = "../once.rs"]
mod once;

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use btf_core::Error;
use btf_core::btf::{Btf, dump};
use btf_core::obj::Object;
use btf_core::relo::Targets;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match &args[..] {
        [dump, btf] if dump == "dump" => match self::dump(Path::new(btf)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("{e}");
                ExitCode::FAILURE
            }
        },
        _ => once::main(&once::Side { core, parse }),
    }
}

fn core(object: &Path, programs: usize, btf: Option<&Path>) -> Result<Duration, String> {
    let started = Instant::now();
    let object = Object::parse("bench", &once::read(object)?).map_err(text)?;
    let btf = match btf {
        Some(path) => Btf::from_file(path),
        None => btf_core::load::kernel_btf(),
    };
    let btf = btf.map_err(text)?;
    let wanted = object.programs().iter().take(programs);
    let relocated = object
        .relocate(wanted.clone(), &Targets::new(&btf))
        .map_err(text)?;
    let images: Result<Vec<_>, _> = wanted.map(|program| relocated.link(program)).collect();
    let images = images.map_err(text)?;
    let elapsed = started.elapsed();
    black_box(images);
    Ok(elapsed)
}

/// It keeps the bytes that it is given; aya-obj and libbpf copy theirs.
fn parse(bytes: Vec<u8>) -> Result<Duration, String> {
    let started = Instant::now();
    let btf = Btf::parse(bytes).map_err(text)?;
    let elapsed = started.elapsed();
    black_box(btf);
    Ok(elapsed)
}

/// What `bpftool btf dump file BTF format c` does.
fn dump(btf: &Path) -> Result<(), String> {
    let btf = Btf::from_file(btf).map_err(text)?;
    let header = dump::header(&btf, &dump::Options::default()).map_err(text)?;
    std::io::stdout()
        .write_all(header.as_bytes())
        .map_err(|e| format!("cannot write: {e}"))
}

fn text(error: Error) -> String {
    format!("{error:#}")
}
