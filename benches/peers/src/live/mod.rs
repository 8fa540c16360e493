//! Live rows of the bench: work that loads, attaches and reads in a running kernel, done by
//! btf-core, libbpf-rs and aya.
//!
//! Each run of a row is a fresh process of a side's own program (`live-SIDE`, which links none of
//! the other loaders), and the sides take turns. All sides load the same object.
//!
//! # Adding a row
//!
//! 1. The BPF source, if the row needs one of its own: `bpf/NAME.bpf.c`. It is compiled once. Every
//!    side program can embed it: `object!("NAME")`, or `include_skel!("NAME")` where btf-core is
//!    measured through the skeleton. libbpf refuses `__type(value, ...)` on a ring buffer.
//! 2. The row: an entry in `ROWS` of its group (`startup.rs`, `attach.rs`, `datapath.rs`). `work`
//!    starts with the group's name. A metric reads a figure that the side program reports
//!    ([`Source::Side`]), or a property of the whole process ([`WALL`], [`CPU`], [`PEAK`]). Each
//!    metric has targets of its own. A metric without a target is printed only.
//! 3. The work: a function in `src/bin/live-SIDE/GROUP.rs` of each side that the row lists, and its
//!    line in `WORKS` there. The function prepares, measures only what the row is about, and
//!    returns the figures by name, in the metric's unit.
//!
//! A row's requirements on the machine go into `needs` (`needs.rs`). A row with an unmet
//! requirement is printed as skipped, with the reason. A row whose kernel features the host may
//! lack names a kernel in `place`; `cargo xtask bench` then boots that kernel and runs the row
//! there.
//!
//! `cargo xtask bench --only startup --runs 15` runs the rows whose `work` contains `startup`.

mod attach;
mod datapath;
mod measure;
mod needs;
mod startup;
mod uprobes;
mod verdict;

pub(crate) use measure::run;

/// Every group, in the order in which they are measured.
const GROUPS: &[&[Row]] = &[startup::ROWS, attach::ROWS, uprobes::ROWS, datapath::ROWS];

/// The sides of most rows, btf-core first: its figures are compared with the others'.
const ALL: &[&str] = &["btf-core", "libbpf-rs", "aya"];

/// A kind of work and what is measured of it.
#[derive(Debug)]
struct Row {
    /// `GROUP: DESCRIPTION`, as the table prints it and `--only` matches it.
    work: &'static str,
    /// The name of the work in the side programs.
    name: &'static str,
    /// The programs that do it, `live-SIDE`; btf-core is the first.
    sides: &'static [&'static str],
    place: Place,
    /// Requirements of the machine.
    needs: &'static [needs::Need],
    metrics: &'static [Metric],
}

/// Kernel that a row is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the running kernel.
    Host,
    /// In a booted Debian kernel of this series, under emulation: ratios hold, times do not.
    Booted(&'static str),
}

/// One figure of a row.
#[derive(Debug)]
struct Metric {
    /// Short description of the metric.
    what: &'static str,
    unit: &'static str,
    source: Source,
    better: Better,
    targets: &'static [Target],
}

/// Source of a metric's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The side program reports it by this name.
    Side(&'static str),
    /// Time from `exec` to the end of the process, in ms.
    Wall,
    /// User and system time of the process, in ms.
    Cpu,
    /// Peak of resident memory, in MB.
    Peak,
}

/// Which figures are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    Less,
    More,
}

/// A bound for the ratio of btf-core's median to a peer's: at most `ratio` where less is better, at
/// least `ratio` where more is.
#[derive(Clone, Copy, Debug)]
struct Target {
    versus: Versus,
    ratio: f64,
}

/// The peer that a target refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Versus {
    Side(&'static str),
    /// Whichever peer has the best median of the row.
    Best,
}

impl Target {
    const fn of(side: &'static str, ratio: f64) -> Target {
        Target {
            versus: Versus::Side(side),
            ratio,
        }
    }

    const fn best(ratio: f64) -> Target {
        Target {
            versus: Versus::Best,
            ratio,
        }
    }
}

impl Metric {
    /// A time that the side program reports by `name`, in ms.
    const fn ms(what: &'static str, name: &'static str, targets: &'static [Target]) -> Metric {
        Metric {
            what,
            unit: "ms",
            source: Source::Side(name),
            better: Better::Less,
            targets,
        }
    }

    /// Time from `exec` to the end of the side program.
    const fn wall(targets: &'static [Target]) -> Metric {
        Metric {
            what: "exec to exit",
            unit: "ms",
            source: Source::Wall,
            better: Better::Less,
            targets,
        }
    }

    /// CPU time of the side program.
    const fn cpu(targets: &'static [Target]) -> Metric {
        Metric {
            what: "CPU time of the process",
            unit: "ms",
            source: Source::Cpu,
            better: Better::Less,
            targets,
        }
    }

    /// Peak RSS of the side program.
    const fn peak(targets: &'static [Target]) -> Metric {
        Metric {
            what: "peak RSS",
            unit: "MB",
            source: Source::Peak,
            better: Better::Less,
            targets,
        }
    }
}

/// The rows whose description contains `only`.
fn rows(only: Option<&str>) -> impl Iterator<Item = &'static Row> {
    let rows = GROUPS.iter().copied().flatten();
    rows.filter(move |row| only.is_none_or(|only| row.work.contains(only)))
}

/// Prints the rows that `only` selects, one a line: where it is measured, a tab, the description.
pub(crate) fn list(only: Option<&str>) {
    for row in rows(only) {
        println!("{}\t{}", row.place.name(), row.work);
    }
}

impl Place {
    /// `host`, or the series of the kernel to boot.
    fn name(self) -> &'static str {
        match self {
            Place::Host => "host",
            Place::Booted(series) => series,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_works_start_with_their_group() {
        let mut names = BTreeSet::new();
        for (group, rows) in ["startup", "attach", "attach", "datapath"]
            .iter()
            .zip(GROUPS)
        {
            for row in *rows {
                assert!(names.insert(row.name), "{} is there twice", row.name);
                assert!(row.work.starts_with(&format!("{group}: ")), "{}", row.work);
                assert_eq!(row.sides.first(), Some(&"btf-core"), "{}", row.work);
            }
        }
    }

    #[test]
    fn targets_refer_to_sides_of_their_row() {
        for row in GROUPS.iter().copied().flatten() {
            for target in row.metrics.iter().flat_map(|metric| metric.targets) {
                if let Versus::Side(side) = target.versus {
                    assert!(row.sides[1..].contains(&side), "{}: {side}", row.work);
                }
            }
        }
    }
}
