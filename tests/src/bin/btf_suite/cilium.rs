//! cilium/ebpf's CO-RE programs, relocated without a kernel and interpreted: they return 0, or the
//! line of a failed check.

use std::path::Path;

use btf_core::btf::Btf;
use btf_core::insn::{Insn, op};
use btf_core::obj::Object;
use btf_core::relo::Targets;

use crate::Result;
use crate::interpreter::{Machine, Stop};
use crate::report::Report;

/// Objects, and the objects that have the types to relocate against.
const OBJECTS: &[(&str, &str)] = &[
    ("relocs-el.elf", "relocs-el.elf"),
    ("relocs_read-el.elf", "relocs_read_tgt-el.elf"),
];

/// Programs of these names must not relocate.
const ERRORS: &str = "err_";

/// Runs all; returns whether all are right.
pub(crate) fn run(dir: &Path) -> bool {
    let mut report = Report::default();
    for (object, target) in OBJECTS {
        report.test("cilium");
        if let Err(why) = programs(&mut report, dir, object, target) {
            report.fail(&why);
        }
    }
    report.end()
}

fn programs(report: &mut Report, dir: &Path, object: &str, target: &str) -> Result<()> {
    let parse = |name: &str| {
        let elf = std::fs::read(dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
        Object::parse(name, &elf).map_err(|e| e.to_string())
    };
    let (object, target) = (parse(object)?, parse(target)?);
    let target = target.require_btf().map_err(|e| e.to_string())?;
    for program in object.programs() {
        report.case(&program.name);
        match (
            decide(&object, target, &program.name),
            program.name.starts_with(ERRORS),
        ) {
            (Ok(None), true) | (Ok(Some(0)), false) => {}
            (Ok(Some(line)), false) => report.fail(&format!("its check in line {line} fails")),
            (Ok(None), false) => report.fail("a relocation has no result"),
            (Ok(Some(_)), true) => report.fail("it relocates, but must not"),
            (Err(why), _) => report.fail(&why),
        }
    }
    Ok(())
}

/// Returns the result of a program; `None` if it cannot be relocated, or reaches an instruction
/// that cannot be relocated.
fn decide(object: &Object, target: &Btf, name: &str) -> Result<Option<u64>> {
    let program = object.program(name).ok_or("it is gone")?;
    let Ok(relocated) = object.relocate([program], &Targets::new(target)) else {
        return Ok(None);
    };
    let image = relocated.link(program).map_err(|e| e.to_string())?;
    let mut machine = Machine::new(Vec::new(), 0);
    match machine.run(body(&image.insns)) {
        Ok(()) => Ok(Some(machine.result())),
        Err(Stop::Poisoned) => Ok(None),
        Err(Stop::Fault(why)) => Err(why),
    }
}

/// The function that does the work: one that is called, with nothing, by a program that only
/// returns its result.
fn body(insns: &[Insn]) -> &[Insn] {
    match insns {
        [call, exit, body @ ..]
            if call.is_bpf_call() && exit.code == op::JMP | op::EXIT && !body.is_empty() =>
        {
            body
        }
        _ => insns,
    }
}
