//! The suite `load`: every object of the kernel's selftests, opened and loaded in the booted kernel of the same series by
//! libbpf and by btf-core, compared program by program. Objects and outcomes are kept: a run that is stopped goes on where it was.

mod report;

use super::sides::{Comparison, Kept, SIDES, Sides, name};
use crate::kernel::{Kernel, Selection};
use crate::linux_source::{LinuxSource, SERIES};
use crate::{Result, disk, peers, program, selftests, tool, unexpected, value};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Objects that the selftests link, and of what.
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

#[derive(Default)]
struct Options {
    selection: Selection,
    /// Only objects with one of these in their name.
    filters: Vec<String>,
    /// Whether all outcomes are forgotten.
    anew: bool,
    /// Whether those of btf-core are forgotten, of all objects that are left or of those that differ.
    ours: Option<Again>,
    /// Whether nothing is loaded: the summary is of what is kept.
    kept: bool,
    /// Where the summary is written.
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    All,
    Differing,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    let selection = &options.selection;
    tool::install(tool::LOAD)?;
    let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
    let kernel = selection.kernel(SERIES.parse()?)?;
    let loader = match options.kept {
        true => None,
        false => Some(peers::loader(selection)?),
    };
    let dir = dir()?;
    let mut compiled = compile(selection, &source, &kernel, &dir)?;
    compiled.objects.extend(match &loader {
        Some(loader) => link(loader, &dir)?,
        None => disk::list(&dir.join("linked"))?,
    });
    let outcomes = dir.join("outcomes.tsv");
    if options.anew && outcomes.exists() {
        disk::write(&outcomes, b"")?;
    }
    let mut kept = Kept::open(&outcomes)?;
    let wanted = |path: &&PathBuf| {
        let name = disk::name(path);
        options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f.as_str()))
    };
    let objects: Vec<PathBuf> = compiled.objects.iter().filter(wanted).cloned().collect();
    if objects.is_empty() {
        return Err("no object is left to load".to_owned());
    }
    let kernel = &kernel;
    let sides = |loader| Sides {
        loader,
        kernel,
        are_sized: false,
    };
    match (&loader, options.ours) {
        (None, _) => {}
        (Some(loader), Some(again)) => {
            let wanted = |object: &&PathBuf| again == Again::All || kept.differs(name(object));
            let objects: Vec<PathBuf> = objects.iter().filter(wanted).cloned().collect();
            sides(loader).load(&mut kept, objects, &[1])?;
        }
        (Some(loader), None) => {
            let wanted = |object: &&PathBuf| !(0..2).all(|side| kept.has(name(object), side));
            let objects: Vec<PathBuf> = objects.iter().filter(wanted).cloned().collect();
            sides(loader).load(&mut kept, objects, &[0, 1])?;
        }
    }
    let names: Vec<String> = objects.iter().map(|path| name(path).to_owned()).collect();
    let comparison = Comparison::new(&kept, &names);
    let text = report::text(&comparison, &source, kernel, &compiled.refused);
    print!("{text}");
    if let Some(path) = &options.write {
        disk::write(path, text.as_bytes())?;
    }
    Ok(u8::from(comparison.is_behind()))
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--write" => options.write = Some(value(arg, &mut rest)?.into()),
            "--kept" => options.kept = true,
            "--anew" => options.anew = true,
            "--ours" => options.ours = Some(Again::All),
            "--differing" => options.ours = Some(Again::Differing),
            "--kernel" => return Err(format!("the objects are of {SERIES}, and loaded there")),
            _ if options.selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, super::USAGE)),
            _ => options.filters.push(arg.clone()),
        }
    }
    Ok(options)
}

/// Where objects and outcomes are kept.
pub(super) fn dir() -> Result<PathBuf> {
    Ok(program::target_dir()?.join("conformance/load"))
}

/// Compiles the selftests with libbpf's headers and the kernel's types, unless that is done.
pub(super) fn compile(
    selection: &Selection,
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
    let vmlinux = peers::dump(selection, &kernel.btf())?;
    disk::write(&headers.join("vmlinux.h"), &vmlinux)?;
    let compiled = selftests::compile(source, &headers, &headers, &objects)?;
    compiled.keep(&stamp, &of)?;
    Ok(compiled)
}

/// Links what the selftests link, by each side: `linked_funcs+libbpf` is then loaded by both.
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
