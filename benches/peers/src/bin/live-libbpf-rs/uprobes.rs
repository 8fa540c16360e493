//! libbpf-rs's side of the rows about uprobes and USDT probes.

use std::time::Instant;

use libbpf_rs::{Link, Object, ObjectBuilder, ProgramMut, UprobeMultiOpts, UprobeOpts};

use crate::probed::{self, FUNCTIONS, PATTERN, PROBES, PROVIDER, PYTHON};
use crate::side::{Figures, Work, ms, object, text};

pub(crate) const WORKS: &[Work] = &[
    ("uprobes", uprobes),
    ("uprobe-multi-pattern", by_pattern),
    ("uprobe-multi-names", by_names),
    ("usdt", usdt),
];

/// All processes.
const ANY: i32 = -1;

fn uprobes() -> Result<Figures, String> {
    let path = probed::llvm()?;
    attach(object!("live_uprobe"), |program| {
        let attach = |function: &&str| {
            let options = UprobeOpts {
                func_name: Some((*function).to_owned()),
                ..UprobeOpts::default()
            };
            program.attach_uprobe_with_opts(ANY, &path, 0, options)
        };
        FUNCTIONS.iter().map(attach).collect()
    })
}

fn by_pattern() -> Result<Figures, String> {
    let path = probed::llvm()?;
    attach(object!("live_uprobe_multi"), |program| {
        let link = program.attach_uprobe_multi(ANY, &path, PATTERN, false, false)?;
        Ok(vec![link])
    })
}

fn by_names() -> Result<Figures, String> {
    let path = probed::llvm_with_symtab()?;
    attach(object!("live_uprobe_multi"), |program| {
        let options = UprobeMultiOpts {
            syms: FUNCTIONS.map(str::to_owned).to_vec(),
            ..UprobeMultiOpts::default()
        };
        let link = program.attach_uprobe_multi_with_opts(ANY, &path, "", options)?;
        Ok(vec![link])
    })
}

fn usdt() -> Result<Figures, String> {
    attach(object!("live_usdt"), |program| {
        let attach = |probe: &&str| program.attach_usdt(ANY, PYTHON, PROVIDER, probe);
        PROBES.iter().map(attach).collect()
    })
}

/// Loads an object of one program, and takes the time of attaching it.
fn attach(
    object: &'static [u8],
    attach: impl FnOnce(&ProgramMut<'_>) -> Result<Vec<Link>, libbpf_rs::Error>,
) -> Result<Figures, String> {
    let open = ObjectBuilder::default().open_memory(object);
    let object: Object = open.map_err(text)?.load().map_err(text)?;
    let program = object.progs_mut().next().ok_or("no program")?;
    let started = Instant::now();
    let _links = attach(&program).map_err(text)?;
    Ok(vec![("attach", ms(started))])
}
