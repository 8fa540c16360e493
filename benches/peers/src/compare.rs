//! `peers compare`: every program of every object against every kernel's types, through libbpf and through btf-core.

use std::path::{Path, PathBuf};
use std::time::Instant;

use btf_core::btf::Btf;
use btf_core::obj::Object;

use crate::stream::Stream;
use crate::{libbpf, ours};

/// A kernel's types and what they are called in the table.
pub(crate) struct Kernel {
    pub(crate) label: String,
    pub(crate) release: String,
    pub(crate) path: PathBuf,
    pub(crate) btf: Btf,
}

impl Kernel {
    /// Reads `LABEL=PATH` or `LABEL:RELEASE=PATH`.
    pub(crate) fn parse(argument: &str) -> Result<Kernel, String> {
        let (label, path) = argument
            .split_once('=')
            .ok_or_else(|| format!("`{argument}` is not LABEL=PATH"))?;
        let (label, release) = label.split_once(':').unwrap_or((label, label));
        Ok(Kernel {
            label: label.to_owned(),
            release: release.to_owned(),
            path: path.into(),
            btf: Btf::from_file(path).map_err(|e| format!("{e:#}"))?,
        })
    }
}

/// What one object came to against one kernel.
#[derive(Debug, Default)]
struct Cell {
    programs: usize,
    insns: usize,
    /// Programs that both sides refuse.
    refused: usize,
    differing: usize,
    notes: Vec<String>,
    /// Why nothing can be compared.
    skip: Option<String>,
}

impl Cell {
    fn passed(&self) -> bool {
        self.differing == 0 && self.notes.is_empty() && self.programs + self.refused > 0
    }

    /// A refusal by one side alone is a difference in itself.
    fn add(&mut self, name: &str, theirs: Result<Stream, String>, ours: Result<Stream, String>) {
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => self.add_streams(&theirs, &ours),
            (Err(_), Err(_)) => self.refused += 1,
            (Err(e), Ok(_)) => self.notes.push(format!("{name}: only libbpf refuses: {e}")),
            (Ok(_), Err(e)) => self
                .notes
                .push(format!("{name}: only btf-core refuses: {e}")),
        }
    }

    fn add_streams(&mut self, theirs: &Stream, ours: &Stream) {
        let differing = ours.differences(theirs);
        self.programs += 1;
        self.insns += theirs.insns.len();
        self.differing += differing.len();
        for at in differing.iter().take(3) {
            self.notes.push(format!(
                "{}: instruction {at}: libbpf {}, btf-core {}",
                theirs.name,
                theirs.text(*at),
                ours.text(*at)
            ));
        }
    }
}

/// Prints the table; whether nothing differs.
pub(crate) fn run(objects: &[PathBuf], kernels: &[Kernel]) -> Result<bool, String> {
    let width = |label: &str| label.len().max(9);
    print!("{:<40}", "instructions compared");
    for kernel in kernels {
        print!("  {:>1$}", kernel.label, width(&kernel.label));
    }
    println!();
    let started = Instant::now();
    let (mut passed, mut failed, mut insns, mut differing) = (0, 0, 0, 0);
    let mut notes = Vec::new();
    let mut skipped = Vec::new();
    for path in objects {
        let name = name(path);
        let object = match Object::parse(name, &read(path)?) {
            Ok(object) => object,
            Err(e) => match libbpf::Object::open(path, None) {
                Err(_) => {
                    skipped.push(format!("{name}: no side reads it: {e}"));
                    continue;
                }
                Ok(_) => {
                    failed += kernels.len();
                    notes.push(format!("{name}: only btf-core cannot read it: {e:#}"));
                    continue;
                }
            },
        };
        if object.programs().is_empty() {
            skipped.push(format!("{name}: it has no programs"));
            continue;
        }
        print!("{name:<40}");
        for kernel in kernels {
            let cell = cell(path, &object, kernel);
            print!("  {:>1$}", text(&cell), width(&kernel.label));
            insns += cell.insns;
            differing += cell.differing;
            let place = format!("{name} on {}", kernel.label);
            match &cell.skip {
                Some(why) => skipped.push(format!("{place}: {why}")),
                None if cell.passed() => passed += 1,
                None => failed += 1,
            }
            notes.extend(cell.notes.iter().map(|note| format!("{place}: {note}")));
        }
        println!();
    }
    println!();
    for note in &notes {
        println!("FAILED {note}");
    }
    for skip in &skipped {
        println!("SKIP {skip}");
    }
    println!(
        "{insns} instructions compared with libbpf {} in {:.1} s, {differing} differ",
        libbpf::version(),
        started.elapsed().as_secs_f64()
    );
    println!(
        "{passed} passed, {failed} failed, {} skipped",
        skipped.len()
    );
    Ok(failed == 0 && passed > 0)
}

fn cell(path: &Path, object: &Object, kernel: &Kernel) -> Cell {
    let mut cell = Cell::default();
    let theirs = libbpf::programs(path, &kernel.path, None);
    // libbpf looks the kernel's symbols up before it relocates, and for all programs: what it lacks is no matter of CO-RE.
    if let Err(e) = &theirs
        && !object.externs().is_empty()
        && e.starts_with("extern ")
    {
        cell.skip = Some(format!("libbpf stops before CO-RE: {e}"));
        return cell;
    }
    if let (Ok(theirs), Ok(ours)) = (theirs, ours::programs(object, &kernel.btf)) {
        if theirs.len() != ours.len() {
            let counts = (theirs.len(), ours.len());
            cell.notes.push(format!(
                "libbpf has {} programs, btf-core {}",
                counts.0, counts.1
            ));
        }
        for ours in ours {
            match theirs.iter().find(|theirs| theirs.name == ours.name) {
                Some(theirs) => cell.add_streams(theirs, &ours),
                None => cell
                    .notes
                    .push(format!("libbpf has no program {}", ours.name)),
            }
        }
        return cell;
    }
    // An object is refused as a whole for one of its programs: what of the others?
    for program in object.programs() {
        let theirs =
            libbpf::programs(path, &kernel.path, Some(&program.name)).and_then(|streams| {
                let first = streams.into_iter().next();
                first.ok_or_else(|| "it has no such program".to_owned())
            });
        let ours = ours::program(object, program, &kernel.btf);
        cell.add(&program.name, theirs, ours);
    }
    cell
}

fn text(cell: &Cell) -> String {
    let mut text = cell.insns.to_string();
    if cell.refused > 0 {
        text += &format!("+{}r", cell.refused);
    }
    if cell.skip.is_some() {
        return "skipped".to_owned();
    }
    if !cell.passed() {
        text += "!";
    }
    text
}

/// The name under which libbpf takes an object: the file's, up to the first dot.
pub(crate) fn name(path: &Path) -> &str {
    let file = path.file_name().and_then(|name| name.to_str());
    let file = file.unwrap_or_default();
    file.split('.').next().unwrap_or_default()
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}
