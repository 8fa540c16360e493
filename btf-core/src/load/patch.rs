//! Putting descriptors of maps into instructions, and what stands in for things that are not there.

use std::os::fd::{AsFd, AsRawFd};

use super::externs::{Externs, Resolved};
use super::loaded::LoadedData;
use crate::error::{Error, Result};
use crate::insn::{Insn, op, pseudo};
use crate::map::Map;
use crate::obj::externs::KCONFIG;
use crate::obj::{Image, Object, RelocTarget};
use crate::probe;

/// Helper numbers that no kernel has, by which the verifier's log tells what a program must not reach. As in libbpf:
/// uses of a map that was not created, calls of a weak kernel function that is not there.
const POISON_MAP: i32 = 2_001_000_000;
const POISON_KFUNC: i32 = 2_002_000_000;

const MAP_HINT: &str = "create the map, or let a constant in .rodata decide whether it is used";
const GLOBALS_HINT: &str = "keep in a map what programs for such kernels share, or leave the program out with set_autoload(false)";
const KFUNC_HINT: &str = "guard the call with bpf_ksym_exists()";

/// An instruction that the verifier refuses if it is reached, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Poison {
    /// Its position in the program.
    pub(super) insn: usize,
    /// Why, to follow the place of the instruction.
    pub(super) why: String,
    /// What to try.
    pub(super) hint: Option<String>,
}

/// Resolves what an image refers to. `maps` and `data` are in the order of the object's.
pub(super) fn patch(
    object: &Object,
    image: &mut Image,
    maps: &[Map],
    data: &[LoadedData],
    externs: &Externs,
) -> Result<Vec<Poison>> {
    let mut poisons = Vec::new();
    for reloc in std::mem::take(&mut image.relocs) {
        let at = reloc.insn;
        let past_end = || Error::malformed(format!("instruction {at} is cut off"));
        match reloc.target {
            RelocTarget::Map(n) => match maps.get(n).filter(|map| map.is_created()) {
                Some(map) => {
                    let insn = image.insns.get_mut(at).ok_or_else(past_end)?;
                    *insn = insn.with_src(pseudo::MAP_FD);
                    insn.imm = map.as_fd().as_raw_fd();
                }
                None => {
                    let name = object.maps().get(n).map_or("", |m| &m.name);
                    poisons.push(absent(image, at, n, name));
                }
            },
            RelocTarget::Data { section, offset } => {
                let LoadedData { map, section, .. } = data.get(section).ok_or_else(past_end)?;
                if !map.is_created() {
                    // The arena is one of the object's maps.
                    let poison = match maps.iter().position(|m| m.name() == map.name()) {
                        Some(n) => absent(image, at, n, map.name()),
                        None => no_globals(image, at, section),
                    };
                    poisons.push(poison);
                    continue;
                }
                let [first, second] = pair(image, at).ok_or_else(past_end)?;
                second.imm = first.imm.wrapping_add_unsigned(offset);
                *first = first.with_src(pseudo::MAP_VALUE);
                first.imm = map.as_fd().as_raw_fd();
            }
            RelocTarget::Extern(n) => {
                let resolved = externs.resolved.get(n).ok_or_else(past_end)?;
                let kconfig = data.iter().find(|d| d.section == KCONFIG);
                if let (Resolved::Config(_), Some(d)) = (resolved, kconfig)
                    && !d.map.is_created()
                {
                    poisons.push(no_globals(image, at, KCONFIG));
                    continue;
                }
                let name = object.externs().get(n).map_or("", |e| &e.name);
                let is_absent = put_extern(image, at, resolved, kconfig).ok_or_else(past_end)?;
                if is_absent {
                    poison(image, at, 1, POISON_KFUNC.wrapping_add(n as i32));
                    poisons.push(Poison {
                        insn: at,
                        why: format!(
                            "it calls kernel function `{name}`, which this kernel does not have"
                        ),
                        hint: Some(KFUNC_HINT.to_owned()),
                    });
                }
            }
            // Calls are resolved when the image is linked, tables made before this.
            RelocTarget::Function(_) | RelocTarget::JumpTable(_) => {}
        }
    }
    Ok(poisons)
}

/// Poisons the use of the n-th map, which is not there.
fn absent(image: &mut Image, at: usize, n: usize, name: &str) -> Poison {
    poison(image, at, 2, POISON_MAP.wrapping_add(n as i32));
    Poison {
        insn: at,
        why: format!("it uses map `{name}`, which was not created"),
        hint: Some(MAP_HINT.to_owned()),
    }
}

/// A use of a section that has no map.
fn no_globals(image: &mut Image, at: usize, section: &str) -> Poison {
    poison(image, at, 2, POISON_MAP);
    Poison {
        insn: at,
        why: format!(
            "it uses a global variable, of section {section}, and this kernel has none: they came with Linux {}",
            probe::GLOBAL_DATA.since()
        ),
        hint: Some(GLOBALS_HINT.to_owned()),
    }
}

/// The two slots of a 64-bit load.
fn pair(image: &mut Image, at: usize) -> Option<&mut [Insn; 2]> {
    image.insns.get_mut(at..)?.first_chunk_mut()
}

/// Replaces `count` slots by calls of a helper that does not exist.
fn poison(image: &mut Image, at: usize, count: usize, helper: i32) {
    for insn in image.insns.iter_mut().skip(at).take(count) {
        *insn = Insn::new(op::JMP | op::CALL, 0, 0, 0, helper);
    }
}

/// Puts what an extern turned out to be into the instruction that refers to it; says if that calls something that is not
/// there. `None` if the instruction is cut off, or refers to what was not looked up.
fn put_extern(
    image: &mut Image,
    at: usize,
    resolved: &Resolved,
    kconfig: Option<&LoadedData>,
) -> Option<bool> {
    let is_call = !image.insns.get(at)?.is_ldimm64();
    if is_call {
        let insn = image.insns.get_mut(at)?;
        match resolved {
            Resolved::Function { id, module, .. } => {
                *insn = insn.with_src(pseudo::KFUNC_CALL);
                insn.imm = id.cast_signed();
                insn.off = module.as_ref().map_or(0, |m| m.index);
            }
            Resolved::Absent => return Some(true),
            _ => return None,
        }
        return Some(false);
    }
    let [first, second] = pair(image, at)?;
    match resolved {
        Resolved::Config(offset) => {
            *first = first.with_src(pseudo::MAP_VALUE);
            first.imm = kconfig?.map.as_fd().as_raw_fd();
            second.imm = i32::try_from(*offset).ok()?;
        }
        // Programs can do nothing with it but compare it with 0.
        Resolved::Function {
            has_address: false, ..
        } => (first.imm, second.imm) = (1, 0),
        Resolved::Variable { id, module } | Resolved::Function { id, module, .. } => {
            *first = first.with_src(pseudo::BTF_ID);
            first.imm = id.cast_signed();
            second.imm = module.as_ref().map_or(0, |m| m.fd.as_raw_fd());
        }
        // The address of what is absent is 0, which is what programs test for.
        Resolved::Absent => (first.imm, second.imm) = (0, 0),
        Resolved::Address(address) => {
            (first.imm, second.imm) = (*address as i32, (address >> 32) as i32);
        }
        Resolved::Unused => return None,
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::externs::ModuleRef;
    use std::rc::Rc;

    fn image() -> Image {
        let load = Insn::new(op::LD | op::IMM | op::DW, 1, 0, 0, 7);
        let call = Insn::new(op::JMP | op::CALL, 0, pseudo::CALL, 0, -1);
        Image {
            insns: vec![load, Insn::default(), call],
            ..Image::default()
        }
    }

    fn put(at: usize, resolved: &Resolved) -> (Image, Option<bool>) {
        let mut image = image();
        let answer = put_extern(&mut image, at, resolved, None);
        (image, answer)
    }

    #[test]
    fn addresses_take_both_slots() {
        let (i, answer) = put(0, &Resolved::Address(0xffff_ffff_8100_0000));
        assert_eq!(answer, Some(false));
        assert_eq!(
            (i.insns[0].imm, i.insns[1].imm),
            (0x8100_0000u32 as i32, -1)
        );
        assert_eq!(i.insns[0].src(), 0);
        let (i, answer) = put(0, &Resolved::Absent);
        assert_eq!(answer, Some(false));
        assert_eq!((i.insns[0].imm, i.insns[1].imm), (0, 0));
    }

    #[test]
    fn types_are_named_with_their_module() {
        let fd = Rc::new(std::fs::File::open("/dev/null").unwrap().into());
        let number = AsRawFd::as_raw_fd(&*fd);
        let module = Some(ModuleRef { fd, index: 3 });
        let variable = Resolved::Variable {
            id: 77,
            module: module.clone(),
        };
        let function = |has_address| Resolved::Function {
            id: 77,
            module: module.clone(),
            has_address,
        };
        for resolved in [&variable, &function(true)] {
            let (i, _) = put(0, resolved);
            let [first, second] = [i.insns[0], i.insns[1]];
            assert_eq!(
                (first.src(), first.imm, second.imm),
                (pseudo::BTF_ID, 77, number)
            );
        }
        let (i, _) = put(0, &function(false));
        assert_eq!((i.insns[0].src(), i.insns[0].imm), (0, 1));
        let (i, answer) = put(2, &function(true));
        assert_eq!(answer, Some(false));
        let call = i.insns[2];
        assert_eq!(
            (call.src(), call.imm, call.off),
            (pseudo::KFUNC_CALL, 77, 3)
        );
        assert_eq!(put(2, &variable).1, None);
    }

    #[test]
    fn what_is_not_there_must_not_be_called() {
        assert_eq!(put(2, &Resolved::Absent).1, Some(true));
        assert_eq!(put(2, &Resolved::Unused).1, None);
        assert_eq!(put(0, &Resolved::Unused).1, None);
        assert_eq!(put(0, &Resolved::Config(4)).1, None, "there is no section");
        assert_eq!(put(3, &Resolved::Absent).1, None);
    }
}
