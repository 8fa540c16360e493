//! The suite `load`: every object of the kernel's selftests, opened and loaded in the booted kernel of the same series by
//! libbpf and by btf-core, compared program by program. The loading itself is the program `load` of the peers.

use crate::guest::Guest;
use crate::kernel::{Kernel, Selection};
use crate::linux_source::{LinuxSource, SERIES};
use crate::machine::{self, Port};
use crate::{Result, disk, peers, program, selftests, tool, unexpected, value, vm};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the guest finds the objects.
const OBJECTS: &str = "/load";

const TIMEOUT: Duration = Duration::from_secs(3 * 3600);

/// The sides, as the program names them.
const SIDES: [&str; 2] = ["libbpf", "btf-core"];

/// What each side made of a program, or of an object as a whole.
type Outcomes = BTreeMap<(String, String), [Option<String>; 2]>;

struct Options {
    selection: Selection,
    /// Only objects with one of these in their name.
    filters: Vec<String>,
    /// Where the summary is written.
    write: Option<PathBuf>,
}

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let options = parse(args)?;
    let selection = &options.selection;
    tool::install(&[tool::CLANG_19, tool::QEMU, tool::XZ])?;
    let source = LinuxSource::fetch(selection.refresh, selection.offline)?;
    let kernel = selection.kernel(SERIES.parse()?)?;
    let loader = peers::loader(selection)?;
    let dir = program::target_dir()?.join("conformance/load");
    let compiled = compile(selection, &source, &kernel, &dir)?;
    let wanted = |path: &&PathBuf| {
        let name = disk::name(path);
        options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f.as_str()))
    };
    let objects: Vec<PathBuf> = compiled.objects.iter().filter(wanted).cloned().collect();
    if objects.is_empty() {
        return Err("no object is left to load".to_owned());
    }
    let outcomes = boot(&loader, &objects, &kernel)?;
    let report = Report::new(&outcomes);
    let text = report.text(&source, &kernel, objects.len(), &compiled.refused);
    print!("{text}");
    if let Some(path) = &options.write {
        disk::write(path, text.as_bytes())?;
    }
    Ok(u8::from(
        !report.only_libbpf.is_empty() || outcomes.is_empty(),
    ))
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        selection: Selection::default(),
        filters: Vec::new(),
        write: None,
    };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--write" => options.write = Some(value(arg, &mut rest)?.into()),
            "--kernel" => return Err(format!("the objects are of {SERIES}, and loaded there")),
            _ if options.selection.option(arg, &mut rest)? => {}
            _ if arg.starts_with('-') => return Err(unexpected(arg, super::USAGE)),
            _ => options.filters.push(arg.clone()),
        }
    }
    Ok(options)
}

/// Compiles the selftests with libbpf's headers and the kernel's types.
fn compile(
    selection: &Selection,
    source: &LinuxSource,
    kernel: &Kernel,
    dir: &Path,
) -> Result<selftests::Compiled> {
    let headers = dir.join("headers");
    selftests::libbpf_headers(source, &headers)?;
    let vmlinux = peers::dump(selection, &kernel.btf())?;
    disk::write(&headers.join("vmlinux.h"), &vmlinux)?;
    selftests::compile(source, &headers, &headers, &dir.join("objects"))
}

/// Loads the objects in the kernel.
fn boot(loader: &Path, objects: &[PathBuf], kernel: &Kernel) -> Result<Outcomes> {
    let mut guest = Guest::new(loader);
    guest.args = vec![OBJECTS.to_owned()];
    guest.timeout = TIMEOUT;
    for object in objects {
        let inside = format!("{OBJECTS}/{}", disk::name(object));
        guest.files.push((object.clone(), inside));
    }
    let mut outcomes = Outcomes::new();
    let mut text = String::new();
    let outcome = machine::boot(kernel, &guest, &mut |port, bytes| match port {
        Port::Err => vm::pass_through(port, bytes),
        _ => text.push_str(&String::from_utf8_lossy(bytes)),
    })?;
    vm::explain(kernel, &outcome);
    for line in text.lines() {
        note(&mut outcomes, line);
    }
    if outcome.status() != 0 {
        let last = text.lines().last().unwrap_or("nothing");
        return Err(format!("{}; it said last: {last}", outcome.summary()));
    }
    Ok(outcomes)
}

/// Takes one line of the program's output.
fn note(outcomes: &mut Outcomes, line: &str) {
    let mut parts = line.trim_end().splitn(4, '\t');
    let mut part = || parts.next();
    if let (Some(side), Some(object), Some(program), Some(why)) = (part(), part(), part(), part())
        && let Some(side) = SIDES.iter().position(|name| *name == side)
    {
        let key = (object.to_owned(), program.to_owned());
        outcomes.entry(key).or_default()[side] = Some(why.to_owned());
    }
}

/// How the sides compare.
#[derive(Default)]
struct Report {
    both: usize,
    neither: usize,
    /// Object, program, and why the side that does not load it does not.
    only_libbpf: Vec<(String, String, String)>,
    only_ours: Vec<(String, String, String)>,
}

impl Report {
    fn new(outcomes: &Outcomes) -> Report {
        let mut report = Report::default();
        for ((object, program), [theirs, ours]) in outcomes {
            let row = |why: &Option<String>| {
                let why = why.as_deref().unwrap_or("it does not see this program");
                (object.clone(), program.clone(), why.to_owned())
            };
            let is_ok = |outcome: &Option<String>| outcome.as_deref() == Some("ok");
            match (is_ok(theirs), is_ok(ours)) {
                (true, true) => report.both += 1,
                (false, false) => report.neither += 1,
                (true, false) => report.only_libbpf.push(row(ours)),
                (false, true) => report.only_ours.push(row(theirs)),
            }
        }
        report
    }

    fn text(
        &self,
        source: &LinuxSource,
        kernel: &Kernel,
        objects: usize,
        refused: &[(String, String)],
    ) -> String {
        let mut text = String::from("# Loading the kernel's selftests: libbpf and btf-core\n\n");
        let _ = writeln!(
            text,
            "Made by `cargo xtask conformance load --write docs/conformance-load.md`: the sources of linux-source {}, compiled with clang 19, \
             loaded in kernel {}. A row is a program loaded alone, or (`-`) an object with what it loads by itself.\n",
            source.version, kernel.release
        );
        let _ = writeln!(
            text,
            "{objects} objects; {} sources do not compile\n{} load on both sides, {} on neither, {} with libbpf alone, {} with btf-core alone",
            refused.len(),
            self.both,
            self.neither,
            self.only_libbpf.len(),
            self.only_ours.len()
        );
        for (title, rows) in [
            ("Only libbpf loads", &self.only_libbpf),
            ("Only btf-core loads", &self.only_ours),
        ] {
            let _ = writeln!(text, "\n## {title}\n");
            for (object, program, why) in rows {
                let _ = writeln!(text, "* `{object}` `{program}`: {why}");
            }
        }
        let _ = writeln!(text, "\n## Do not compile\n");
        for (name, why) in refused {
            let why = why
                .rsplit_once("error: ")
                .map_or(why.as_str(), |(_, why)| why);
            let _ = writeln!(text, "* `{name}`: {why}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_compared_by_program() {
        let mut outcomes = Outcomes::new();
        for line in [
            "libbpf\tatomics\t-\tok",
            "btf-core\tatomics\t-\tok",
            "libbpf\tatomics\tadd\tok",
            "btf-core\tatomics\tadd\tload: refused\tby the verifier",
            "libbpf\tloop\tspin\tload: -22",
            "btf-core\tloop\tspin\tok",
            "libbpf\tloop\t-\tload: -22",
            "something else",
        ] {
            note(&mut outcomes, line);
        }
        let report = Report::new(&outcomes);
        assert_eq!((report.both, report.neither), (1, 1));
        let row = |object: &str, program: &str, why: &str| {
            (object.to_owned(), program.to_owned(), why.to_owned())
        };
        let why = "load: refused\tby the verifier";
        assert_eq!(report.only_libbpf, [row("atomics", "add", why)]);
        assert_eq!(report.only_ours, [row("loop", "spin", "load: -22")]);
    }
}
