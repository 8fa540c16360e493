//! Licenses: one that is missing, and what is called that the kernel gives only to programs under
//! the GPL.

use btf_obj::helper;
use btf_obj::insn::{Insn, op};
use btf_obj::obj::{Object, ProgType, ProgramSpec, RelocTarget};

use super::{Spot, Subject, Warning};

/// What the kernel takes as compatible with the GPL, letter by letter
/// (`license_is_gpl_compatible`).
const COMPATIBLE: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// `BPF_FUNC_get_stackid`, `_get_func_ip`: some types of programs have them without the GPL.
const LAX_SOMEWHERE: [i32; 2] = [27, 173];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let object = subject.object;
    let license = object.license();
    if COMPATIBLE.contains(&license) || object.programs().is_empty() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if license.is_empty() {
        let first = &object.programs()[0];
        warnings.push(Warning {
            spot: subject.spot_of(first),
            message: format!(
                "the object has no license, so kernels take `{}` and its other programs as proprietary",
                first.name
            ),
            help: "write `char LICENSE[] SEC(\"license\") = \"GPL\";`, or \"Dual MIT/GPL\", or what it is under".into(),
        });
        if object.programs().len() == 1 {
            warnings[0].message = format!(
                "the object has no license, so kernels take `{}` as proprietary",
                first.name
            );
        }
    }
    for program in object.programs() {
        if let Some(what) = whole(program) {
            warnings.push(Warning {
                spot: subject.spot_of(program),
                message: format!("program `{}` will be refused: {what} need a license that is compatible with the GPL{}", program.name, under(license)),
                help: help(license),
            });
        }
    }
    warnings.extend(calls(object, license));
    warnings
}

/// Programs of which the kernel takes none without the GPL.
fn whole(program: &ProgramSpec) -> Option<&'static str> {
    (program.def?.prog_type == ProgType::LSM).then_some("lsm programs")
}

/// A warning for each function that needs the GPL, at its first call, with how many more there are.
fn calls(object: &Object, license: &str) -> Vec<Warning> {
    let mut found: Vec<(String, Option<Spot>, usize)> = Vec::new();
    let mut seen = vec![false; object.functions().len()];
    for program in object.programs() {
        for position in object.reachable(program).unwrap_or_default() {
            if std::mem::replace(&mut seen[position], true) {
                continue;
            }
            let function = &object.functions()[position];
            for (index, insn) in function.insns.iter().enumerate() {
                let kernel_function = function.relocs.iter().find_map(|r| match r.target {
                    RelocTarget::Extern(e) if r.insn == index && is_call(*insn) => {
                        object.externs().get(e).map(|e| e.name.clone())
                    }
                    _ => None,
                });
                let Some(name) = kernel_function.or_else(|| gpl_helper(*insn)) else {
                    continue;
                };
                match found.iter_mut().find(|(known, ..)| *known == name) {
                    Some((.., more)) => *more += 1,
                    None => found.push((name, Spot::of(object, position, index), 0)),
                }
            }
        }
    }
    let warning = |(name, spot, more): (String, Option<Spot>, usize)| {
        let more = match more {
            0 => String::new(),
            1 => ", called here and once more,".to_owned(),
            n => format!(", called here and {n} times more,"),
        };
        Warning {
            spot,
            message: format!(
                "`{name}`{more} needs a license that is compatible with the GPL{}",
                under(license)
            ),
            help: help(license),
        }
    };
    found.into_iter().map(warning).collect()
}

fn is_call(insn: Insn) -> bool {
    insn.code == op::JMP | op::CALL
}

/// The name of the helper that an instruction calls, if every type of program needs the GPL for it.
fn gpl_helper(insn: Insn) -> Option<String> {
    let is_helper = is_call(insn) && insn.src() == 0 && !LAX_SOMEWHERE.contains(&insn.imm);
    let helper = helper::by_id(u32::try_from(insn.imm).ok()?)?;
    (is_helper && helper.gpl_only).then(|| helper.name.to_owned())
}

fn under(license: &str) -> String {
    match license {
        "" => String::new(),
        license => format!(", and the object's is \"{license}\""),
    }
}

fn help(license: &str) -> String {
    let known = COMPATIBLE.map(|l| format!("\"{l}\""));
    let (last, first) = known.split_last().expect("several");
    match license {
        "" => "name one in SEC(\"license\"), or do without".to_owned(),
        _ => format!(
            "the kernel knows {} and {last}, so spelled, or do without",
            first.join(", ")
        ),
    }
}
