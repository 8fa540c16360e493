//! A case in the running kernel: load, attach, trigger, read.
#![allow(unsafe_code)] // Views .bss as cells; the proof is at the type.

use std::path::Path;
use std::time::Duration;

use btf_core::ErrorKind;
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::map::{Global, Section};

use crate::case::{self, Case, Data, Outcome};
use crate::{Result, compare};

/// The first bytes of `.bss`.
#[repr(transparent)]
struct Bss<const N: usize>([Global<u8>; N]);

// SAFETY: any bytes are a `u8`, and all of them lie in a `Global`.
unsafe impl<const N: usize> Section for Bss<N> {
    const SHARED: bool = true;
}

/// As much of `.bss` as the programs write: `data`, which comes first, with its flag if it has one.
fn read(loaded: &mut LoadedObject, data: &Data) -> Result<Vec<u8>> {
    fn bytes<const N: usize>(loaded: &mut LoadedObject) -> Result<Vec<u8>> {
        let cells = loaded.data::<Bss<N>>(".bss");
        let cells = cells.map_err(|e| e.to_string())?;
        Ok(cells.0.iter().map(Global::get).collect())
    }
    match data.skip {
        Some(_) => bytes::<513>(loaded),
        None => bytes::<512>(loaded),
    }
}

pub(crate) fn run(case: &Case, objects: &Path) -> Result<()> {
    let object = case.object(objects)?;
    let target = case.target(objects)?;
    let output = case.output(&object, target.as_ref())?;
    let data = Data::of(&object)?;
    let mut open = OpenObject::from(object);
    if let Some(btf) = target {
        open.set_kernel_btf(btf);
    }
    // The programs compare names with that of the kernel's own runner, and numbers with those of its only thread.
    std::fs::write("/proc/self/comm", "test_progs").map_err(|e| format!("/proc/self/comm: {e}"))?;
    let pid = u64::from(std::process::id());
    let mut bss = case::bss(&open)?;
    data.fill(&mut bss, &case.input, pid << 32 | pid)?;
    open.set_data(".bss", &bss).map_err(|e| e.to_string())?;

    let mut loaded = match (open.load(), case.outcome) {
        (Ok(loaded), Outcome::Runs) => loaded,
        (Ok(_), _) => return Err("it loads, but must not".to_owned()),
        (Err(e), Outcome::RelocationFails) if e.kind() == ErrorKind::Relocation => return Ok(()),
        (Err(e), Outcome::VerifierRefuses) if e.kind() == ErrorKind::Verifier => {
            return explained(&e.to_string());
        }
        (Err(e), _) => return Err(e.to_string()),
    };
    let program = loaded.program(case.program);
    let link = program
        .and_then(|program| program.attach())
        .map_err(|e| e.to_string())?;
    // A system call; that of any process will do for most programs.
    std::thread::sleep(Duration::from_micros(1));
    drop(link);
    let bss = read(&mut loaded, &data)?;
    compare(&output, data.output(&bss)?)
}

/// The user is told of the relocation, not of a function with a strange number.
fn explained(error: &str) -> Result<()> {
    if error.contains("it needs `") && !error.contains("unknown#") {
        return Ok(());
    }
    Err(format!("refused without a reason: {error}"))
}
