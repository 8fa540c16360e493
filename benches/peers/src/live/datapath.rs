//! Rows of the group `datapath`: events, maps and global variables of loaded objects.

use super::{ALL, Better, Metric, Place, Row, Source, Target, needs};

const PAIR: &[&str] = &["btf-core", "libbpf-rs"];

pub(super) const ROWS: &[Row] = &[
    Row {
        work: "datapath: ring buffer drain, records of 64 bytes as bytes",
        name: "drain-bytes",
        sides: ALL,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[millions("records", &[Target::best(1.1)])],
    },
    // The peers hand out bytes; their callback reads a struct from them.
    Row {
        work: "datapath: ring buffer drain, records of 64 bytes as a struct",
        name: "drain-typed",
        sides: ALL,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[millions("records", &[Target::best(1.1)])],
    },
    // libbpf-rs has plain loads, which race with the programs. aya has no access to the variables
    // of a loaded object in memory.
    Row {
        work: "datapath: global u64 read through the skeleton",
        name: "global-u64",
        sides: PAIR,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[millions("reads", &[Target::of("libbpf-rs", 0.7)])],
    },
    Row {
        work: "datapath: global struct of 64 bytes read through the skeleton",
        name: "global-struct",
        sides: PAIR,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[millions("reads", &[Target::of("libbpf-rs", 0.4)])],
    },
    // Beside a loop of libbpf's `bpf_map_lookup_batch`, which is a bare bpf(2). aya has no batches.
    Row {
        work: "datapath: batched iteration of 100,000 entries, 4,096 a batch",
        name: "batched",
        sides: PAIR,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[millions("entries", &[Target::of("libbpf-rs", 0.95)])],
    },
];

/// Throughput, in millions a second.
const fn millions(what: &'static str, targets: &'static [Target]) -> Metric {
    Metric {
        what,
        unit: "M/s",
        source: Source::Side("throughput"),
        better: Better::More,
        targets,
    }
}
