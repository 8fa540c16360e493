//! Compiling the kernel's sources as a user of `btf-build` would: its flags, its headers, its `vmlinux.h`.

use std::collections::BTreeSet;
use std::path::Path;

use btf_build::Builder;

use crate::Result;
use crate::case::{self, Outcome};

/// Compiles what the cases name; `selftests` is the kernel's `tools/testing/selftests/bpf`.
pub(crate) fn all(selftests: &Path, clang: &str, btf: &Path) -> Result<()> {
    let cases = case::all()?;
    let runnable = cases.iter().filter(|c| c.outcome != Outcome::NeedsModule);
    let sources: BTreeSet<&str> = runnable
        .flat_map(|c| [Some(c.object), c.target])
        .flatten()
        .collect();
    let mut builder = Builder::new()
        .clang(clang)
        .target_arch(std::env::consts::ARCH)
        .vmlinux(btf)
        // The kernel's own types for user space, and its stand-ins for the C library's headers.
        .include(selftests.join("../../../include/uapi"))
        .include(selftests)
        // The suite's sources are not held to this workspace's standard.
        .flag("-w");
    for source in &sources {
        builder = builder.source(selftests.join("progs").join(format!("{source}.c")));
    }
    let built = builder.try_build().map_err(|e| e.to_string())?;
    eprintln!("compiled {} objects", built.len());
    Ok(())
}
