//! Rows of the group `startup`: from opening an object to its first event.

use super::{ALL, Metric, Place, Row, Target, needs};

pub(super) const ROWS: &[Row] = &[
    Row {
        work: "startup: one tp_btf program, through the skeleton",
        name: "first-event",
        sides: ALL,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[
            Metric::ms("open to first event", "first_event", &[Target::best(1.0)]),
            Metric::wall(&[Target::best(1.0)]),
            Metric::cpu(&[Target::best(0.8)]),
            Metric::peak(&[Target::best(1.0)]),
        ],
    },
    Row {
        work: "startup: 50 tp_btf programs",
        name: "fifty-programs",
        sides: ALL,
        place: Place::Host,
        needs: &[needs::root, needs::kernel_btf],
        metrics: &[
            Metric::ms("open", "open", &[]),
            Metric::ms("load", "load", &[]),
            Metric::ms("attach", "attach", &[]),
            Metric::ms("open to attached", "attached", &[Target::best(1.0)]),
            Metric::cpu(&[Target::best(1.0)]),
            Metric::peak(&[Target::best(1.0)]),
        ],
    },
    // aya has no kprobe.multi. No kprobes on a host is common (containers, micro-VMs).
    Row {
        work: "startup: kprobe.multi by pattern, `tcp_*`",
        name: "kprobe-multi",
        sides: &["btf-core", "libbpf-rs"],
        place: Place::Booted("6.12"),
        needs: &[],
        metrics: &[
            Metric::ms("attach", "attach", &[Target::of("libbpf-rs", 1.0)]),
            Metric::cpu(&[Target::of("libbpf-rs", 1.0)]),
            Metric::peak(&[Target::of("libbpf-rs", 1.0)]),
        ],
    },
];
