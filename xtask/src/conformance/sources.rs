//! The suite `sources`: fetches the kernel's selftests for other programs.

use crate::args::MirrorArgs;
use crate::{Result, tool};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    mirror: MirrorArgs,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::KERNEL)?;
    let source = args.mirror.store()?.linux_source()?;
    println!("{}\t{}", source.version, source.selftests().display());
    Ok(0)
}
