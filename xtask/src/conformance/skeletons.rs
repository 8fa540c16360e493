//! The suite `skeletons`: `include_skel!` of every object of the kernel's selftests, in one crate
//! that rustc checks, with the assertions of skeletons about sizes and offsets of types.

use super::{load, sides};
use crate::args::{MirrorArgs, matches};
use crate::debian::SERIES;
use crate::{Result, disk, program, tool};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Objects that have no skeleton, as libbpf does not open them either, and why.
const NONE: &[(&str, &str)] = &[
    (
        "linked_maps1",
        "a part of a linked object: its extern map is in another part",
    ),
    (
        "linked_maps2",
        "a part of a linked object: its extern map is in another part",
    ),
    ("test_pinning_invalid", "it has an invalid pinning"),
    ("test_sk_assign", "it has legacy maps"),
    (
        "test_subskeleton_lib",
        "a part of a linked object: its extern map is in another part",
    ),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "The objects are those of Linux 6.12.")]
pub(crate) struct Args {
    #[command(flatten)]
    mirror: MirrorArgs,
    /// Check only objects whose name contains a FILTER
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    tool::install(tool::SKELETONS)?;
    let store = args.mirror.store()?;
    let source = store.linux_source()?;
    let kernel = store.kernel(SERIES.parse()?)?;
    let compiled = load::compile(&store, &source, &kernel, &load::dir()?)?;
    let is_wanted = |path: &&PathBuf| matches(&args.filters, sides::name(path));
    let (mut objects, mut skipped) = (Vec::new(), 0);
    for object in compiled.objects.iter().filter(is_wanted) {
        match NONE.iter().find(|(name, _)| *name == sides::name(object)) {
            Some((name, why)) => {
                println!("not checked: {name}: {why}");
                skipped += 1;
            }
            None => objects.push(object),
        }
    }
    if objects.is_empty() {
        return Err("no object is left to check".to_owned());
    }
    let is_right = check(&objects, store.is_offline())?;
    println!(
        "{} skeletons of linux-source {}, {skipped} skipped: {}",
        objects.len(),
        source.version,
        if is_right {
            "all right"
        } else {
            "FAILED, as rustc says above"
        }
    );
    Ok(u8::from(!is_right))
}

/// Checks a crate with a module for each object. Returns `true` if rustc finds no error.
fn check(objects: &[&PathBuf], offline: bool) -> Result<bool> {
    let dir = program::target_dir()?.join("conformance/skeletons");
    disk::create_dir(&dir.join("src"))?;
    disk::write(&dir.join("Cargo.toml"), manifest().as_bytes())?;
    disk::write(&dir.join("src/lib.rs"), modules(objects).as_bytes())?;
    let mut cargo = program::cargo();
    cargo
        .args(["check", "--quiet"])
        .args(offline.then_some("--offline"))
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .current_dir(&dir)
        .stdin(Stdio::null());
    let status = cargo
        .status()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    Ok(status.success())
}

fn manifest() -> String {
    let mut text =
        "[package]\nname = \"skeletons\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n"
            .to_owned();
    for name in ["btf-core", "btf-skel-macros"] {
        let path = program::workspace().join(name);
        text += &format!("{name} = {{ path = {path:?} }}\n");
    }
    text
}

fn modules(objects: &[&PathBuf]) -> String {
    let mut text =
        "//! Skeletons of the kernel's selftests.\n#![deny(warnings)]\n#![allow(dead_code)]\n"
            .to_owned();
    for (n, object) in objects.iter().enumerate() {
        let (name, path) = (sides::name(object), object.as_path());
        text += &module(n, name, path);
    }
    text
}

/// Returns a numbered module: names of objects may be equal, or keywords of Rust.
fn module(n: usize, name: &str, path: &Path) -> String {
    format!("mod object_{n} {{ btf_skel_macros::include_skel!({name:?}, path = {path:?}); }}\n")
}
