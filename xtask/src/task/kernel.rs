//! The task `kernel`: fetches kernels for other programs.

use crate::args::KernelArgs;
use crate::{Result, tool};

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernel without --kernel: newest.")]
pub(crate) struct Args {
    #[command(flatten)]
    kernels: KernelArgs,
}

/// Prints a line `series, release, vmlinuz, BTF` for each kernel, separated by tabs.
pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::KERNEL)?;
    let (_, kernels) = args.kernels.kernels(&[])?;
    for kernel in kernels {
        let (vmlinuz, btf) = (kernel.vmlinuz(), kernel.btf());
        let (series, release) = (kernel.series, &kernel.release);
        let (vmlinuz, btf) = (vmlinuz.display(), btf.display());
        println!("{series}\t{release}\t{vmlinuz}\t{btf}");
    }
    Ok(0)
}
