//! btf-core's side of the rows about uprobes and USDT probes.

use std::path::PathBuf;
use std::time::Instant;

use btf_core::attach::UprobeMultiOptions;
use btf_skel_macros::include_skel;

use crate::probed::{self, FUNCTIONS, PATTERN, PROBES, PROVIDER, PYTHON};
use crate::side::{Figures, Work, ms, text};

include_skel!("live_uprobe");
include_skel!("live_uprobe_multi");
include_skel!("live_usdt");

pub(crate) const WORKS: &[Work] = &[
    ("uprobes", uprobes),
    ("uprobe-multi-pattern", by_pattern),
    ("uprobe-multi-names", by_names),
    ("usdt", usdt),
];

fn uprobes() -> Result<Figures, String> {
    let path = library()?;
    let open = live_uprobe::LiveUprobe::open().map_err(text)?;
    let skel = open.load().map_err(text)?;
    let started = Instant::now();
    let mut links = Vec::new();
    for function in FUNCTIONS {
        let link = skel.progs.on_call.attach_to(&path, function);
        links.push(link.map_err(text)?);
    }
    Ok(vec![("attach", ms(started))])
}

fn by_pattern() -> Result<Figures, String> {
    multi(&UprobeMultiOptions::pattern(&library()?, PATTERN))
}

fn by_names() -> Result<Figures, String> {
    let path = utf8(probed::llvm_with_symtab()?)?;
    multi(&UprobeMultiOptions::functions(&path, FUNCTIONS))
}

fn multi(options: &UprobeMultiOptions) -> Result<Figures, String> {
    let open = live_uprobe_multi::LiveUprobeMulti::open().map_err(text)?;
    let skel = open.load().map_err(text)?;
    let started = Instant::now();
    let _link = skel.progs.on_call.attach_with(options).map_err(text)?;
    Ok(vec![("attach", ms(started))])
}

fn usdt() -> Result<Figures, String> {
    let open = live_usdt::LiveUsdt::open().map_err(text)?;
    let skel = open.load().map_err(text)?;
    let started = Instant::now();
    let mut links = Vec::new();
    for probe in PROBES {
        let link = skel.progs.on_probe.attach_to(PYTHON, PROVIDER, probe);
        links.push(link.map_err(text)?);
    }
    Ok(vec![("attach", ms(started))])
}

fn library() -> Result<String, String> {
    utf8(probed::llvm()?)
}

fn utf8(path: PathBuf) -> Result<String, String> {
    let path = path.into_os_string();
    path.into_string().map_err(|_| "not UTF-8".to_owned())
}
