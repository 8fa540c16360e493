//! Putting descriptors of maps into instructions, and what stands in for things that are not there.

use std::os::fd::{AsFd, AsRawFd};

use super::loaded::LoadedData;
use crate::error::{Error, ErrorKind, Result};
use crate::insn::{Insn, op, pseudo};
use crate::map::Map;
use crate::obj::{ExternSpec, Image, Object, RelocTarget};

/// Helper numbers that no kernel has, by which the verifier's log tells what a program must not reach. As in libbpf:
/// uses of a map that was not created, calls of a weak kernel function that is not there.
const POISON_MAP: i32 = 2_001_000_000;
const POISON_KFUNC: i32 = 2_002_000_000;

const MAP_HINT: &str = "create the map, or let a constant in .rodata decide whether it is used";
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
    maps: &[Option<Map>],
    data: &[LoadedData],
) -> Result<Vec<Poison>> {
    let mut poisons = Vec::new();
    for reloc in std::mem::take(&mut image.relocs) {
        let at = reloc.insn;
        let past_end = || Error::malformed(format!("instruction {at} is cut off"));
        match reloc.target {
            RelocTarget::Map(n) => match maps.get(n).and_then(Option::as_ref) {
                Some(map) => {
                    let insn = image.insns.get_mut(at).ok_or_else(past_end)?;
                    *insn = insn.with_src(pseudo::MAP_FD);
                    insn.imm = map.as_fd().as_raw_fd();
                }
                None => {
                    poison(image, at, 2, POISON_MAP.wrapping_add(n as i32));
                    let name = object.maps().get(n).map_or("", |m| &m.name);
                    let why = format!("it uses map `{name}`, which was not created");
                    poisons.push(Poison {
                        insn: at,
                        why,
                        hint: Some(MAP_HINT.to_owned()),
                    });
                }
            },
            RelocTarget::Data { section, offset } => {
                let [first, second] = pair(image, at).ok_or_else(past_end)?;
                let map = &data.get(section).ok_or_else(past_end)?.map;
                second.imm = first.imm.wrapping_add_unsigned(offset);
                *first = first.with_src(pseudo::MAP_VALUE);
                first.imm = map.as_fd().as_raw_fd();
            }
            RelocTarget::Extern(n) => {
                let Some(spec) = object.externs().get(n) else {
                    return Err(past_end());
                };
                poisons.extend(without_extern(image, at, spec, n)?);
            }
            // Calls are resolved when the image is linked.
            RelocTarget::Function(_) => {}
        }
    }
    Ok(poisons)
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

/// What becomes of a reference to something that the kernel would define: an error, unless it may be absent.
fn without_extern(
    image: &mut Image,
    at: usize,
    spec: &ExternSpec,
    n: usize,
) -> Result<Option<Poison>> {
    let name = &spec.name;
    let is_call = image.insns.get(at).is_some_and(|i| !i.is_ldimm64());
    let noun = match (spec.section.as_str(), is_call) {
        (".kconfig", _) => "kernel configuration value",
        (_, true) => "kernel function",
        _ => "kernel symbol",
    };
    if !spec.weak || spec.section == ".kconfig" {
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("it uses the {noun} `{name}`, and this version does not look those up"),
        );
        return Err(error.hint(
            "leave the program out with set_autoload(false), or declare it `__weak` and do without",
        ));
    }
    if is_call {
        poison(image, at, 1, POISON_KFUNC.wrapping_add(n as i32));
        let why = format!("it calls the weak {noun} `{name}`, which is taken as absent");
        return Ok(Some(Poison {
            insn: at,
            why,
            hint: Some(KFUNC_HINT.to_owned()),
        }));
    }
    // The address of what is absent is 0, which is what programs test for.
    if let Some([first, second]) = pair(image, at) {
        (first.imm, second.imm) = (0, 0);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(weak: bool, section: &str) -> ExternSpec {
        ExternSpec {
            name: "x".into(),
            weak,
            section: section.into(),
            btf_id: None,
        }
    }

    fn image() -> Image {
        let load = Insn::new(op::LD | op::IMM | op::DW, 1, 0, 0, 7);
        let call = Insn::new(op::JMP | op::CALL, 0, pseudo::KFUNC_CALL, 0, 0);
        Image {
            insns: vec![load, Insn::default(), call],
            ..Image::default()
        }
    }

    #[test]
    fn what_the_kernel_must_supply_is_named() {
        let e = without_extern(&mut image(), 0, &spec(false, ".kconfig"), 0).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        assert!(
            e.to_string().contains("kernel configuration value `x`"),
            "{e}"
        );
        assert!(without_extern(&mut image(), 0, &spec(true, ".kconfig"), 0).is_err());
        let e = without_extern(&mut image(), 2, &spec(false, ".ksyms"), 0).unwrap_err();
        assert!(e.to_string().contains("kernel function `x`"), "{e}");
    }

    #[test]
    fn what_may_be_absent_is_zero_or_must_not_be_reached() {
        let mut i = image();
        assert_eq!(
            without_extern(&mut i, 0, &spec(true, ".ksyms"), 0).unwrap(),
            None
        );
        assert_eq!((i.insns[0].imm, i.insns[1].imm), (0, 0));
        let poison = without_extern(&mut i, 2, &spec(true, ".ksyms"), 5)
            .unwrap()
            .unwrap();
        assert_eq!(poison.insn, 2);
        assert_eq!(i.insns[2].imm, POISON_KFUNC + 5);
    }
}
