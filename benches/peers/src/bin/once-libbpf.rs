//! libbpf's side of the bench, bpf(2) being answered by the recorder.

#[path = "../libbpf.rs"]
#[expect(
    dead_code,
    reason = "comparing instructions is the business of `peers`"
)]
mod libbpf;
#[path = "../once.rs"]
mod once;
#[path = "../recorder.rs"]
mod recorder;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    once::main(&once::Side { core, parse })
}

fn core(object: &Path, programs: usize, btf: Option<&Path>) -> Result<Duration, String> {
    let started = Instant::now();
    let object = libbpf::Object::open(object, btf)?;
    for program in object.programs().into_iter().skip(programs) {
        program.set_autoload(false);
    }
    recorder::take();
    object.prepare()?;
    // What follows the relocation, the creation of types and maps, is no part of the work.
    let relocated = recorder::take().first_btf;
    let relocated =
        relocated.ok_or("libbpf has loaded no BTF, which tells the end of relocation")?;
    Ok(relocated - started)
}

fn parse(bytes: Vec<u8>) -> Result<Duration, String> {
    let size = u32::try_from(bytes.len()).map_err(|_| "more than 4 GiB")?;
    let started = Instant::now();
    // SAFETY: so many bytes lie there, and libbpf makes a copy of them.
    let btf = unsafe { libbpf_sys::btf__new(bytes.as_ptr().cast(), size) };
    let elapsed = started.elapsed();
    if btf.is_null() {
        return Err(libbpf::failure());
    }
    // SAFETY: it was just made, and nobody uses it after this.
    unsafe { libbpf_sys::btf__free(btf) };
    Ok(elapsed)
}
