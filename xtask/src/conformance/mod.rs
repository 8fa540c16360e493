//! The task `conformance`: suites that compare the crates with the kernel's own tests and with
//! libbpf. A suite is in the file or directory of its name.

mod btf;
mod core_reloc;
mod faults;
pub(crate) mod headers;
mod libbpf;
mod load;
mod programs;
mod schedulers;
mod selftests;
mod sides;
mod skeletons;
mod sources;

use crate::Result;
use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Run the kernel's tests of BTF, C dumps, values, section names, externs and skeletons
    Btf(btf::Args),
    /// Run the kernel's CO-RE cases, without a kernel and in booted ones
    CoreReloc(core_reloc::Args),
    /// Fail system calls one at a time and kill processes, and compare what they leave behind
    Faults(faults::Args),
    /// Relocate objects of the workspace and the selftests with libbpf and btf-core
    Libbpf(libbpf::Args),
    /// Compile sources of the selftests and the workspace with libbpf's headers and btf-build's
    Headers(headers::Args),
    /// Load the kernel's selftests with libbpf and btf-core, in half an hour
    Load(load::Args),
    /// Build and load BPF programs of well-known projects, from Debian's source packages
    Programs(programs::Args),
    /// Build, load and run sched_ext schedulers from the package registry
    Schedulers(schedulers::Args),
    /// Check skeletons of the kernel's selftests with rustc
    Skeletons(skeletons::Args),
    /// Fetch the kernel's selftests and print their version and directory
    Sources(sources::Args),
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    match &args.suite {
        Suite::Btf(args) => btf::run(args),
        Suite::CoreReloc(args) => core_reloc::run(args),
        Suite::Faults(args) => faults::run(args),
        Suite::Libbpf(args) => libbpf::run(args),
        Suite::Headers(args) => headers::run(args),
        Suite::Load(args) => load::run(args),
        Suite::Programs(args) => programs::run(args),
        Suite::Schedulers(args) => schedulers::run(args),
        Suite::Skeletons(args) => skeletons::run(args),
        Suite::Sources(args) => sources::run(args),
    }
}
