//! `peers bench`: the same work done by btf-core and its peers, each time by a fresh process, turn about: what else the machine does
//! meanwhile hits all of them alike.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child;
use crate::growth;
use crate::report::{Report, Samples, Target};

/// The fewest runs of which a median is taken.
pub(crate) const FEWEST: usize = 15;

/// What the work is done with.
pub(crate) struct Bench {
    /// This program; the others are beside it.
    pub(crate) exe: PathBuf,
    pub(crate) runs: usize,
    /// The last is the newest.
    pub(crate) kernels: Vec<Source>,
    /// `core_many` and `core_thousand`.
    pub(crate) many: PathBuf,
    pub(crate) thousand: PathBuf,
    /// Where a header may be written.
    pub(crate) scratch: PathBuf,
}

/// A kernel's types in a file, as an argument names them. They are not read here: memory that this process took would be
/// counted to those that it starts.
pub(crate) struct Source {
    argument: String,
    pub(crate) path: String,
}

impl Source {
    /// Reads `LABEL=PATH`.
    pub(crate) fn parse(argument: &str) -> Result<Source, String> {
        let (_, path) = argument
            .split_once('=')
            .ok_or_else(|| format!("`{argument}` is not LABEL=PATH"))?;
        Ok(Source {
            argument: argument.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// One kind of work, and who does it.
struct Row {
    work: &'static str,
    sides: Vec<Side>,
    targets: Vec<Target>,
}

struct Side {
    who: &'static str,
    args: Vec<String>,
}

const OPEN: &str = "open, running kernel's BTF, relocate core_many";
const READ_SYSFS: &str = "the same, BTF by read(2) from sysfs";
const READ_FILE: &str = "the same, newest kernel's BTF by read(2) from a file";
const PARSE: &str = "parse and validate the newest kernel's BTF";
/// The work whose processes are timed from start to end: bpftool prints no times.
const DUMP: &str = "vmlinux.h of the newest kernel";

/// The running kernel's types.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// Prints the work that `only` selects, one a line: `none` for the kernel that it needs, a tab, the
/// description.
pub(crate) fn list(only: Option<&str>) {
    for work in [OPEN, READ_SYSFS, READ_FILE, PARSE, DUMP, growth::WORK] {
        if only.is_none_or(|only| work.contains(only)) {
            println!("none\t{work}");
        }
    }
}

impl Bench {
    /// Does all the work, once both sides' instructions were found equal; whether every target is met.
    pub(crate) fn run(&self, json: bool, only: Option<&str>) -> Result<bool, String> {
        let wanted = |work: &str| only.is_none_or(|only| work.contains(only));
        let rows = self.rows()?;
        self.compare()?;
        let mut report = Report::new(json);
        for row in rows.iter().filter(|row| wanted(row.work)) {
            eprintln!("measuring: {}", row.work);
            let samples = self.measure(row)?;
            let sides = row.sides.iter().map(|side| side.who).zip(samples);
            report.row(row.work, sides.collect(), &row.targets);
        }
        if wanted(growth::WORK) {
            eprintln!("measuring: {}", growth::WORK);
            growth::measure(self, &mut report)?;
        }
        Ok(report.end())
    }

    /// A process of one side's program that does a piece of work.
    pub(crate) fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.exe.with_file_name(format!("once-{who}")));
        command.args(args);
        command
    }

    /// Compares, in a process of its own.
    fn compare(&self) -> Result<(), String> {
        eprintln!("comparing instructions");
        let mut command = Command::new(&self.exe);
        command.arg("equal").arg(&self.many).arg(&self.thousand);
        if Path::new(RUNNING).exists() {
            command.arg("--btf").arg(format!("running={RUNNING}"));
        }
        for kernel in &self.kernels {
            command.args(["--btf", &kernel.argument]);
        }
        let run = child::run(&mut command, None)
            .map_err(|e| format!("{e}: no figure is worth printing while instructions differ"))?;
        eprint!("{}", run.stdout);
        Ok(())
    }

    fn rows(&self) -> Result<Vec<Row>, String> {
        let newest = &self.kernels.last().ok_or("no kernel is given")?.path;
        if !Path::new(RUNNING).exists() {
            return Err(format!("this kernel has no {RUNNING}, which is measured"));
        }
        let many = self.many.display().to_string();
        let all = ["btf-core", "libbpf", "aya-obj"];
        let sides = |args: &[&str]| all.map(|who| Side::new(who, args)).into();
        let core = |btf| sides(&["core", &many, "99", btf]);
        Ok(vec![
            Row {
                work: OPEN,
                sides: core("running"),
                targets: vec![
                    Target::time("libbpf", 1.0 / 15.0),
                    Target::time("aya-obj", 1.0 / 25.0),
                    Target::peak("libbpf", 1.0),
                ],
            },
            Row {
                work: READ_SYSFS,
                sides: core(RUNNING),
                targets: vec![Target::time("libbpf", 1.0 / 5.0)],
            },
            Row {
                work: READ_FILE,
                sides: core(newest),
                targets: vec![Target::time("libbpf", 1.0 / 5.0)],
            },
            Row {
                work: PARSE,
                sides: sides(&["parse", newest]),
                targets: vec![Target::time("aya-obj", 1.0 / 5.0)],
            },
            Row {
                work: DUMP,
                sides: vec![
                    Side::new("btf-core", &["dump", newest]),
                    Side::new("bpftool", &["btf", "dump", "file", newest, "format", "c"]),
                ],
                targets: vec![Target::time("bpftool", 1.0 / 4.0)],
            },
        ])
    }

    /// The first round fills caches and does not count.
    fn measure(&self, row: &Row) -> Result<Vec<Samples>, String> {
        let mut samples = vec![Samples::default(); row.sides.len()];
        for round in 0..=self.runs {
            for (side, samples) in row.sides.iter().zip(&mut samples) {
                let (ms, peak) = match row.work {
                    DUMP => self.whole(side)?,
                    _ => self.inside(side)?,
                };
                if round > 0 {
                    samples.add(ms, peak);
                }
            }
        }
        Ok(samples)
    }

    /// The milliseconds that the work took, as the process itself says, and its peak of memory.
    fn inside(&self, side: &Side) -> Result<(f64, u64), String> {
        let run = child::run(&mut self.command(side.who, &side.args()), None)?;
        let nanos = run.stdout.trim().parse::<u64>();
        let nanos = nanos.map_err(|e| format!("{} printed no time: {e}", side.who))?;
        Ok((nanos as f64 / 1e6, run.peak))
    }

    /// The milliseconds from the start of the process to its end; it writes a header to a file.
    fn whole(&self, side: &Side) -> Result<(f64, u64), String> {
        let mut command = self.command(side.who, &side.args());
        if side.who == "bpftool" {
            command = Command::new(side.who);
            command.args(&side.args);
        }
        let run = child::run(&mut command, Some(&self.scratch))?;
        let written = std::fs::metadata(&self.scratch).map_or(0, |meta| meta.len());
        if written < 1 << 20 {
            return Err(format!("{} wrote {written} bytes only", side.who));
        }
        Ok((run.wall.as_secs_f64() * 1e3, run.peak))
    }
}

impl Side {
    fn new(who: &'static str, args: &[&str]) -> Side {
        Side {
            who,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        }
    }

    fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }
}
