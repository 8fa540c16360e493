//! The suite `libbpf`: each program of the workspace and each CO-RE program of the kernel's
//! selftests, relocated against the types of many kernels by libbpf and by btf-core, and compared
//! instruction by instruction by the peers.

use crate::args::KernelArgs;
use crate::build::peers;
use crate::debian::{Arch, LinuxSource, SERIES, Store};
use crate::{Result, disk, program, tool};
use std::path::PathBuf;
use std::process::Command;

/// Kernels with the target types, for each architecture.
const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "6.18", "7.0", "newest"];

/// The architecture that is not booted.
const FOREIGN: Arch = Arch::Arm64;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each kernel is taken for amd64 and arm64. Kernels without --kernel: 5.10, 6.1, 6.12, 6.18, 7.0 and
newest.")]
pub(crate) struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::LIBBPF)?;
    let store = args.kernels.mirror.store()?;
    let names = args.kernels.names_or(KERNELS);
    let source = store.linux_source()?;
    let mut compare = peers::build(&store)?;
    compare.arg("compare");
    for kernel in store.kernels(&names)? {
        peers::kernel(&mut compare, &kernel);
    }
    let mut foreign = 0;
    for series in store.series(&names)? {
        let types = match store.types(FOREIGN, series) {
            Ok(types) => types,
            // Mirrors drop architectures of old releases; the table shows it.
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
        return Err(format!("no kernel for {} is available", FOREIGN.name()));
    }
    compare.arg(selftests(&store, &source)?);
    println!("selftests of linux-source {}", source.version);
    Ok(u8::from(!peers::verdict(&mut compare)?))
}

/// Compiles the selftests' CO-RE programs and their types; returns the directory of the objects.
fn selftests(store: &Store, source: &LinuxSource) -> Result<PathBuf> {
    let types = store.kernel(SERIES.parse()?)?;
    let objects = program::target_dir()?.join("conformance/libbpf");
    disk::empty_dir(&objects)?;
    let mut compile: Command = peers::build(store)?;
    compile
        .arg("compile")
        .arg(source.selftests())
        .arg("clang-19")
        .arg(types.btf())
        // Set by cargo for build scripts.
        .env("OUT_DIR", &objects)
        .env("OPT_LEVEL", "2")
        .env("HOST", "x86_64-unknown-linux-gnu")
        .env("TARGET", "x86_64-unknown-linux-gnu");
    program::output(&mut compile)?;
    Ok(objects)
}
