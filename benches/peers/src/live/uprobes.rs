//! Rows of the group `attach` about programs and libraries of user space.

use super::{ALL, Metric, Place, Row, Target, needs};

/// aya 0.14 has neither uprobe.multi nor USDT.
const BOTH: &[&str] = &["btf-core", "libbpf-rs"];

/// The time of attaching alone, and the whole process's memory.
const METRICS: &[Metric] = &[
    Metric::ms("attach", "attach", &[Target::of("libbpf-rs", 1.0)]),
    Metric::peak(&[]),
];

pub(super) const ROWS: &[Row] = &[
    Row {
        work: "attach: 20 uprobes by name, in libLLVM",
        name: "uprobes",
        sides: ALL,
        place: Place::Host,
        needs: &[needs::root, needs::llvm],
        metrics: &[
            Metric::ms("attach", "attach", &[Target::best(1.0)]),
            Metric::peak(&[Target::best(1.0)]),
        ],
    },
    Row {
        work: "attach: uprobe.multi by pattern `LLVMBuild*`, in libLLVM",
        name: "uprobe-multi-pattern",
        sides: BOTH,
        place: Place::Host,
        needs: &[needs::root, needs::llvm],
        metrics: METRICS,
    },
    Row {
        work: "attach: uprobe.multi by 20 names, in libLLVM with a symbol table",
        name: "uprobe-multi-names",
        sides: BOTH,
        place: Place::Host,
        needs: &[needs::root, needs::llvm_with_symtab],
        metrics: METRICS,
    },
    Row {
        work: "attach: 8 USDT probes of Python",
        name: "usdt",
        sides: BOTH,
        place: Place::Host,
        needs: &[needs::root, needs::python],
        metrics: METRICS,
    },
];
