//! The suite `libbpf`: each program of the workspace and each CO-RE program of the kernel's selftests, relocated against the
//! types of many kernels by libbpf and by btf-core, instruction by instruction. The comparison itself is the peers'.

use crate::arch::Arch;
use crate::foreign::Types;
use crate::kernel::Selection;
use crate::linux_source::{LinuxSource, SERIES};
use crate::{Result, disk, peers, program, tool};
use std::path::PathBuf;
use std::process::Command;

/// The kernels whose types are relocated against, on each architecture.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "7.0", "newest"];

/// The architecture that is not booted.
const FOREIGN: Arch = Arch::Arm64;

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let selection = super::selection(args, KERNELS)?;
    tool::install(tool::LIBBPF)?;
    let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
    let mut compare = peers::build(&selection)?;
    compare.arg("compare");
    for kernel in selection.kernels()? {
        peers::kernel(&mut compare, &kernel);
    }
    let mut foreign = 0;
    for series in selection.series()? {
        let (refresh, offline) = (selection.refresh, selection.offline);
        let types = match Types::fetch(FOREIGN, series, refresh, offline) {
            Ok(types) => types,
            // Mirrors drop architectures of old releases; the table says so.
            Err(e) => {
                compare.arg("--skip").arg(e);
                continue;
            }
        };
        let label = format!("{}-{}", types.series, types.arch.name());
        peers::btf(&mut compare, &label, &types.release, &types.btf);
        foreign += 1;
    }
    if foreign == 0 {
        return Err(format!("no kernel for {} could be had", FOREIGN.name()));
    }
    compare.arg(selftests(&selection, &source)?);
    println!("selftests of linux-source {}", source.version);
    Ok(u8::from(!peers::verdict(&mut compare)?))
}

/// Compiles the selftests' CO-RE programs and the types made for them; returns the folder of the objects.
fn selftests(selection: &Selection, source: &LinuxSource) -> Result<PathBuf> {
    let types = selection.kernel(SERIES.parse()?)?;
    let objects = program::target_dir()?.join("conformance/libbpf");
    disk::empty_dir(&objects)?;
    let mut compile: Command = peers::build(selection)?;
    compile
        .arg("compile")
        .arg(source.selftests())
        .arg("clang-19")
        .arg(types.btf())
        // What cargo sets for build scripts.
        .env("OUT_DIR", &objects)
        .env("OPT_LEVEL", "2")
        .env("HOST", "x86_64-unknown-linux-gnu")
        .env("TARGET", "x86_64-unknown-linux-gnu");
    program::output(&mut compile)?;
    Ok(objects)
}
