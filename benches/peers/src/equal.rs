//! `peers equal`: whether all sides make the same instructions of the objects that are measured; without that their times say
//! nothing. libbpf is compared by what it passes to the kernel, aya-obj by functions before they are linked.

use std::path::{Path, PathBuf};

use btf_core::btf::Btf;
use btf_core::obj::Object;
use btf_core::relo::Targets;

use crate::compare::Kernel;
use crate::{aya, compare, libbpf, ours, recorded};

pub(crate) fn run(objects: &[PathBuf], kernels: &[Kernel]) -> Result<(), String> {
    let (mut theirs, mut ayas, mut refusals) = (0, 0, 0);
    for kernel in kernels {
        let btf = &kernel.btf;
        for path in objects {
            let place = |e: String| format!("{} on {}: {e}", path.display(), kernel.label);
            let bytes = compare::read(path)?;
            let object =
                Object::parse(compare::name(path), &bytes).map_err(|e| format!("{e:#}"))?;
            theirs += with_libbpf(path, &object, kernel, btf).map_err(place)?;
            match with_aya(&bytes, &object, &kernel.path, btf).map_err(place)? {
                Some(insns) => ayas += insns,
                None => refusals += 1,
            }
        }
    }
    println!(
        "{theirs} instructions are equal to those of libbpf {}",
        libbpf::version()
    );
    print!("{ayas} instructions are equal to those of aya-obj");
    match refusals {
        0 => println!(),
        count => println!(
            ", which refuses {count} of {} objects",
            objects.len() * kernels.len()
        ),
    }
    Ok(())
}

fn with_libbpf(path: &Path, object: &Object, kernel: &Kernel, btf: &Btf) -> Result<usize, String> {
    let ours = ours::programs(object, btf)?;
    let theirs = recorded::programs(path, &kernel.path, None)?;
    if ours.len() != theirs.len() {
        return Err("libbpf has other programs".to_owned());
    }
    let mut insns = 0;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if let Some(at) = ours.differences(theirs).first() {
            return Err(format!(
                "program {}, instruction {at}: libbpf {}, btf-core {}",
                ours.name,
                theirs.text(*at),
                ours.text(*at)
            ));
        }
        insns += ours.insns.len();
    }
    Ok(insns)
}

/// `None` if aya-obj refuses the object, which older kernels lead to: it has no relocations to what is absent.
fn with_aya(
    bytes: &[u8],
    object: &Object,
    path: &Path,
    btf: &Btf,
) -> Result<Option<usize>, String> {
    let Ok(theirs) = aya::relocate(bytes, Some(path)) else {
        return Ok(None);
    };
    let ours = object
        .relocate(object.programs(), &Targets::new(btf))
        .map_err(|e| format!("{e:#}"))?;
    let mut count = 0;
    for (at, function) in object.functions().iter().enumerate() {
        let name = &function.name;
        let ours: Vec<[u8; 8]> = ours.insns(at).iter().map(ours::bytes).collect();
        let theirs =
            aya::insns(&theirs, name).ok_or_else(|| format!("aya-obj has no function {name}"))?;
        if ours != theirs {
            return Err(format!("function {name}: aya-obj has other instructions"));
        }
        count += ours.len();
    }
    Ok(Some(count))
}
