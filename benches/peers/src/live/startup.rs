//! Rows of the group `startup`: from opening an object to its first event.

use super::{ALL, Metric, Place, Row, Target, needs};

pub(super) const ROWS: &[Row] = &[Row {
    work: "startup: one tp_btf program, through the skeleton",
    name: "first-event",
    sides: ALL,
    place: Place::Host,
    needs: &[needs::root, needs::kernel_btf],
    metrics: &[
        Metric::ms("open to first event", "first_event", &[Target::best(0.5)]),
        Metric::wall(&[Target::of("libbpf-rs", 1.0)]),
        Metric::cpu(&[Target::best(1.0)]),
        Metric::peak(&[Target::best(1.0)]),
    ],
}];
