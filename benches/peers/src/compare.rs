//! `peers compare`: every program of every object against every kernel's types, through libbpf and through btf-core.

use std::path::{Path, PathBuf};
use std::time::Instant;

use btf_core::btf::Btf;
use btf_core::obj::Object;

use crate::stream::Stream;
use crate::{libbpf, ours, recorded, selftests};

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
        Kernel::read(label, release, Path::new(path))
    }

    /// Reads raw BTF, or that of an object.
    pub(crate) fn read(label: &str, release: &str, path: &Path) -> Result<Kernel, String> {
        let error = |e: btf_core::Error| format!("{}: {e:#}", path.display());
        let bytes = read(path)?;
        let btf = if bytes.starts_with(b"\x7fELF") {
            let object = Object::parse(label, &bytes).map_err(error)?;
            object.require_btf().map_err(error)?.clone()
        } else {
            Btf::parse(bytes).map_err(error)?
        };
        Ok(Kernel {
            label: label.to_owned(),
            release: release.to_owned(),
            path: path.to_owned(),
            btf,
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

/// What all objects came to.
#[derive(Default)]
struct Total {
    passed: usize,
    failed: usize,
    insns: usize,
    differing: usize,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Total {
    fn add(&mut self, place: &str, cell: &Cell) {
        self.insns += cell.insns;
        self.differing += cell.differing;
        match &cell.skip {
            Some(why) => self.skipped.push(format!("{place}: {why}")),
            None if cell.passed() => self.passed += 1,
            None => self.failed += 1,
        }
        let notes = cell.notes.iter().map(|note| format!("{place}: {note}"));
        self.failures.extend(notes);
    }

    fn print(&self) {
        println!();
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        for skip in &self.skipped {
            println!("SKIP {skip}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        );
    }
}

/// Prints the table; whether nothing differs. Objects from the selftests in `selftests` are compared against the types that are
/// made for them, too. `skipped` are kernels that could not be had.
pub(crate) fn run(
    objects: &[PathBuf],
    kernels: &[Kernel],
    selftests: &[PathBuf],
    skipped: Vec<String>,
) -> Result<bool, String> {
    let started = Instant::now();
    let mut total = Total {
        skipped,
        ..Total::default()
    };
    heading(kernels);
    for path in objects.iter().chain(selftests) {
        row(path, kernels, &mut total)?;
    }
    if !selftests.is_empty() {
        println!("\n{:<34}  types made for it", "instructions compared");
    }
    for path in selftests {
        own_targets(path, &mut total)?;
    }
    println!(
        "\n{} instructions compared with those of libbpf {} in {:.1} s, {} differ; +Nr: N programs that both refuse",
        total.insns,
        libbpf::version(),
        started.elapsed().as_secs_f64(),
        total.differing
    );
    total.print();
    Ok(total.failed == 0 && total.passed > 0)
}

fn heading(kernels: &[Kernel]) {
    print!("{:<34}", "instructions compared");
    for kernel in kernels {
        print!("{}", column(&kernel.label, kernel));
    }
    println!();
}

fn column(text: &str, kernel: &Kernel) -> String {
    format!("  {:>1$}", text, kernel.label.len().max(7))
}

fn row(path: &Path, kernels: &[Kernel], total: &mut Total) -> Result<(), String> {
    let Some(object) = object(path, total)? else {
        return Ok(());
    };
    let name = name(path);
    print!("{name:<34}");
    for kernel in kernels {
        let cell = cell(path, &object, kernel);
        print!("{}", column(&text(&cell), kernel));
        total.add(&format!("{name} on {}", kernel.label), &cell);
    }
    println!();
    Ok(())
}

fn own_targets(path: &Path, total: &mut Total) -> Result<(), String> {
    let Some(object) = object(path, total)? else {
        return Ok(());
    };
    let name = name(path);
    let mut cells = String::new();
    for target in selftests::targets(path)? {
        let cell = cell(path, &object, &target);
        cells += &format!(" {}", text(&cell));
        total.add(&format!("{name} on {}", target.label), &cell);
    }
    if !cells.is_empty() {
        println!("{name:<34} {cells}");
    }
    Ok(())
}

/// Reads an object; `None` with a remark if there is nothing to compare.
fn object(path: &Path, total: &mut Total) -> Result<Option<Object>, String> {
    let name = name(path);
    match Object::parse(name, &read(path)?) {
        Ok(object) if object.programs().is_empty() => {
            total.skipped.push(format!("{name}: it has no programs"));
            Ok(None)
        }
        Ok(object) => Ok(Some(object)),
        Err(e) if libbpf::Object::open(path, None).is_err() => {
            total.skipped.push(format!("{name}: no side reads it: {e}"));
            Ok(None)
        }
        Err(e) => {
            total.failed += 1;
            let failure = format!("{name}: only btf-core cannot read it: {e:#}");
            total.failures.push(failure);
            Ok(None)
        }
    }
}

fn cell(path: &Path, object: &Object, kernel: &Kernel) -> Cell {
    let mut cell = Cell::default();
    let theirs = recorded::programs(path, &kernel.path, None);
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
            recorded::programs(path, &kernel.path, Some(&program.name)).and_then(|streams| {
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
