//! The task `conformance`: suites that compare the crates with the kernel's own tests and with libbpf. A suite is
//! in the file of its name.

mod btf;
mod core_reloc;
mod faults;
pub(crate) mod headers;
mod libbpf;
mod load;
mod programs;
mod schedulers;
mod sides;
mod skeletons;

use crate::kernel::Selection;
use crate::linux_source::LinuxSource;
use crate::{Result, unexpected};

pub(crate) const USAGE: &str = "cargo xtask conformance SUITE [OPTIONS]

  btf                               the kernel's own tests of BTF, C dumps, values, section names, externs and skeletons
  [--refresh] [--offline] [--write FILE]
  core-reloc                        the kernel's own CO-RE cases: decided here without a kernel, and run in kernels
  [--kernel SERIES]... [--refresh] [--offline]   (5.10, 6.1, 6.12 and newest)
  faults                            system calls that fail, one at a time, and killed processes: what is left behind
  [--kernel SERIES]... [--refresh] [--offline]   (newest; --bless writes docs/conformance-faults.md, which is checked otherwise)
  [--bless] [--log FILE]... [FILTER]...          (--log: the tables of what runs with filters have printed)
  libbpf                            objects of the workspace and of the kernel's selftests, relocated by libbpf and here
  [--kernel SERIES]... [--refresh] [--offline]   (5.10, 6.1, 6.12, 6.18, 7.0 and newest, each for amd64 and arm64)
  headers                           sources of the kernel's selftests and of the workspace, compiled with libbpf's headers and ours
  [--refresh] [--offline] [--own] [FILTER]...    (--own: the workspace's sources alone)
  load                              the kernel's selftests, loaded in the kernel of their series by libbpf and here; half an hour
  [--refresh] [--offline] [--write FILE] [FILTER]...  (goes on where it was stopped; --anew: both sides again,
  [--anew | --ours | --differing | --kept]              --ours: btf-core again, --differing: on objects that differ;
                                                      --kept: loads nothing, tells what earlier runs saw)
  programs                          BPF programs of well-known projects, out of Debian's source packages: compiled as they are,
  [--refresh] [--offline] [--build-only]         their skeletons checked by rustc, loaded by libbpf and here
  [--write FILE] [FILTER]...
  schedulers                        sched_ext schedulers from the package registry, built, loaded and run as they are
  [--kernel SERIES]... [--refresh] [--offline]   (newest)
  skeletons                         skeletons of the kernel's selftests, checked by rustc
  [--refresh] [--offline] [FILTER]...
  sources [--refresh] [--offline]   fetch the kernel's selftests; print their version and folder";

/// One suite.
struct Suite {
    name: &'static str,
    run: fn(&[String]) -> Result<u8>,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "btf",
        run: btf::run,
    },
    Suite {
        name: "core-reloc",
        run: core_reloc::run,
    },
    Suite {
        name: "faults",
        run: faults::run,
    },
    Suite {
        name: "headers",
        run: headers::run,
    },
    Suite {
        name: "libbpf",
        run: libbpf::run,
    },
    Suite {
        name: "load",
        run: load::run,
    },
    Suite {
        name: "programs",
        run: programs::run,
    },
    Suite {
        name: "schedulers",
        run: schedulers::run,
    },
    Suite {
        name: "skeletons",
        run: skeletons::run,
    },
    Suite {
        name: "sources",
        run: sources,
    },
];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let Some((name, rest)) = args.split_first() else {
        return Err(format!("which suite?\n\nusage: {USAGE}"));
    };
    match SUITES.iter().find(|suite| suite.name == name) {
        Some(suite) => (suite.run)(rest),
        None => Err(unexpected(name, USAGE)),
    }
}

/// The options of a suite: the kernels to run on, these if none is named.
fn selection(args: &[String], kernels: &[&str]) -> Result<Selection> {
    let mut selection = Selection::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if !selection.option(arg, &mut rest)? {
            return Err(unexpected(arg, USAGE));
        }
    }
    if selection.names.is_empty() {
        selection.names = kernels.iter().map(|name| (*name).to_owned()).collect();
    }
    Ok(selection)
}

fn sources(args: &[String]) -> Result<u8> {
    let (mut refresh, mut offline) = (false, false);
    for arg in args {
        match arg.as_str() {
            "--refresh" => refresh = true,
            "--offline" => offline = true,
            _ => return Err(unexpected(arg, USAGE)),
        }
    }
    let source = LinuxSource::fetch(refresh, offline)?;
    println!("{}\t{}", source.version, source.selftests().display());
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_named_or_the_suites_own() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let names = |args: &[String]| selection(args, &["6.1", "newest"]).map(|s| s.names);
        assert_eq!(names(&[]).expect("nothing is fine"), ["6.1", "newest"]);
        assert_eq!(names(&words("--kernel 5.10")).expect("good"), ["5.10"]);
        let error = names(&words("--fast")).expect_err("no option");
        assert!(error.starts_with("`--fast` is not understood"), "{error}");
    }

    #[test]
    fn suites_are_named() {
        let error = run(&[]).expect_err("no suite");
        assert!(error.starts_with("which suite?"), "{error}");
        let error = run(&["frobnicate".to_owned()]).expect_err("unknown");
        assert!(
            error.starts_with("`frobnicate` is not understood"),
            "{error}"
        );
        for suite in SUITES {
            assert!(
                USAGE.contains(&format!("\n  {} ", suite.name)),
                "{}",
                suite.name
            );
        }
    }
}
