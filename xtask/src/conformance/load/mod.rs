//! The suite `load`: every object of the kernel's selftests, opened and loaded in the booted kernel
//! of the same series by libbpf and by btf-core, and compared program by program. Objects and
//! outcomes are cached: a run that was stopped continues.

mod report;

use super::selftests;
use super::sides::{Comparison, Kept, SIDES, Sides, name};
use crate::args::{MirrorArgs, matches};
use crate::build::peers;
use crate::debian::{Kernel, LinuxSource, SERIES, Store};
use crate::{Result, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Objects that the selftests link, and their parts.
const LINKED: &[(&str, &[&str])] = &[
    ("linked_funcs", &["linked_funcs1", "linked_funcs2"]),
    ("linked_maps", &["linked_maps1", "linked_maps2"]),
    ("linked_vars", &["linked_vars1", "linked_vars2"]),
    (
        "static_linked",
        &["test_static_linked1", "test_static_linked2"],
    ),
    (
        "subskeleton",
        &[
            "test_subskeleton_lib2",
            "test_subskeleton_lib",
            "test_subskeleton",
        ],
    ),
    (
        "subskeleton_lib",
        &["test_subskeleton_lib2", "test_subskeleton_lib"],
    ),
    ("usdt", &["test_usdt", "test_usdt_multispec"]),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The objects are those of Linux 6.12, and are loaded there. A run that was stopped continues.")]
pub(crate) struct Args {
    /// Load with both sides again
    #[arg(long, group = "again")]
    anew: bool,
    /// Load with btf-core again
    #[arg(long, group = "again")]
    ours: bool,
    /// Load with btf-core again those objects on which the sides differ
    #[arg(long, group = "again")]
    differing: bool,
    /// Load nothing: print the summary of earlier runs
    #[arg(long, group = "again")]
    kept: bool,
    /// Write the summary to a file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    #[command(flatten)]
    mirror: MirrorArgs,
    /// Load only objects whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::LOAD)?;
    let store = args.mirror.store()?;
    let source = store.linux_source()?;
    let kernel = store.kernel(SERIES.parse()?)?;
    let loader = match args.kept {
        true => None,
        false => Some(peers::loader(&store)?),
    };
    let dir = dir()?;
    let mut compiled = compile(&store, &source, &kernel, &dir)?;
    compiled.objects.extend(match &loader {
        Some(loader) => link(loader, &dir)?,
        None => disk::list(&dir.join("linked"))?,
    });
    let outcomes = dir.join("outcomes.tsv");
    if args.anew && outcomes.exists() {
        disk::write(&outcomes, b"")?;
    }
    let mut kept = Kept::open(&outcomes)?;
    let objects = compiled.objects.iter();
    let objects = objects.filter(|path| matches(&args.filters, disk::name(path)));
    let objects: Vec<PathBuf> = objects.cloned().collect();
    if objects.is_empty() {
        return Err("no object is left to load".to_owned());
    }
    if let Some(loader) = &loader {
        load(args, loader, &kernel, &mut kept, &objects)?;
    }
    let names: Vec<String> = objects.iter().map(|path| name(path).to_owned()).collect();
    let comparison = Comparison::new(&kept, &names);
    let text = report::text(&comparison, &source, &kernel, &compiled.refused);
    print!("{text}");
    if let Some(path) = &args.write {
        disk::write(path, text.as_bytes())?;
    }
    Ok(u8::from(comparison.is_behind()))
}

/// Loads the objects whose outcome is missing, or must be determined again.
fn load(
    args: &Args,
    loader: &Path,
    kernel: &Kernel,
    kept: &mut Kept,
    objects: &[PathBuf],
) -> Result<()> {
    let is_missing = |object: &Path| match args {
        Args { ours: true, .. } => true,
        Args {
            differing: true, ..
        } => kept.differs(name(object)),
        _ => !(0..2).all(|side| kept.has(name(object), side)),
    };
    let wanted = objects.iter().filter(|object| is_missing(object));
    let wanted: Vec<PathBuf> = wanted.cloned().collect();
    let sides: &[usize] = match args.ours || args.differing {
        true => &[1],
        false => &[0, 1],
    };
    let are_sized = false;
    let by = Sides {
        loader,
        kernel,
        are_sized,
    };
    by.load(kept, wanted, sides)
}

/// Returns the directory of objects and outcomes.
pub(super) fn dir() -> Result<PathBuf> {
    Ok(program::target_dir()?.join("conformance/load"))
}

/// Compiles the selftests with libbpf's headers and the kernel's types, unless that is done.
pub(super) fn compile(
    store: &Store,
    source: &LinuxSource,
    kernel: &Kernel,
    dir: &Path,
) -> Result<selftests::Compiled> {
    let objects = dir.join("objects");
    let of = format!("linux-source {}, kernel {}", source.version, kernel.release);
    let stamp = dir.join("compiled");
    if let Some(compiled) = selftests::Compiled::kept(&stamp, &of, &objects)? {
        return Ok(compiled);
    }
    let headers = dir.join("headers");
    selftests::libbpf_headers(source, &headers)?;
    let vmlinux = peers::dump(store, &kernel.btf())?;
    disk::write(&headers.join("vmlinux.h"), &vmlinux)?;
    let compiled = selftests::compile(source, &headers, &headers, &objects)?;
    compiled.keep(&stamp, &of)?;
    Ok(compiled)
}

/// Links the objects that the selftests link with each side: both then load `linked_funcs+libbpf`.
fn link(loader: &Path, dir: &Path) -> Result<Vec<PathBuf>> {
    let out = dir.join("linked");
    disk::empty_dir(&out)?;
    let mut linked = Vec::new();
    for (name, parts) in LINKED {
        for side in SIDES {
            let object = out.join(format!("{name}+{side}.bpf.o"));
            let mut command = Command::new(loader);
            command.args(["link", side]).arg(&object);
            for part in *parts {
                command.arg(dir.join(format!("objects/{part}.bpf.o")));
            }
            program::run(&mut command)?;
            linked.push(object);
        }
    }
    Ok(linked)
}
