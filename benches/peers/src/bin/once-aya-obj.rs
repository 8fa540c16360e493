//! aya-obj's side of the bench. It relocates all programs of an object or none.

#[path = "../aya.rs"]
#[expect(
    dead_code,
    reason = "comparing instructions is the business of `peers`"
)]
mod aya;
#[path = "../once.rs"]
mod once;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use aya_obj::btf::Btf;

fn main() -> ExitCode {
    once::main(&once::Side { core, parse })
}

fn core(object: &Path, _programs: usize, btf: Option<&Path>) -> Result<Duration, String> {
    let started = Instant::now();
    let object = aya::relocate(&once::read(object)?, btf)?;
    let elapsed = started.elapsed();
    black_box(object);
    Ok(elapsed)
}

fn parse(bytes: Vec<u8>) -> Result<Duration, String> {
    let started = Instant::now();
    let btf = Btf::parse(&bytes, Default::default()).map_err(aya::text)?;
    let elapsed = started.elapsed();
    black_box(btf);
    Ok(elapsed)
}
