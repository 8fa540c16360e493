//! A case without a kernel: relocate, then interpret the program.

use std::path::{Path, PathBuf};

use btf_core::ErrorKind;
use btf_core::btf::Btf;
use btf_core::insn::Insn;
use btf_core::load::OpenObject;
use btf_core::obj::{Object, RelocTarget};
use btf_core::relo::Targets;

use crate::case::{self, Case, Data, Outcome};
use crate::interpreter::{BSS, Machine, Stop};
use crate::{Result, compare};

/// Where the objects lie, and the types of a kernel.
pub(crate) struct Host {
    objects: PathBuf,
    kernel: Btf,
}

impl Host {
    pub(crate) fn new(objects: &Path, kernel: &Path) -> Result<Host> {
        Ok(Host {
            objects: objects.to_owned(),
            kernel: Btf::from_file(kernel).map_err(|e| e.to_string())?,
        })
    }

    pub(crate) fn decide(&self, case: &Case) -> Result<()> {
        let object = case.object(&self.objects)?;
        let target = case.target(&self.objects)?;
        let expected = case.output(&object, target.as_ref())?;
        let program = object
            .program(case.program)
            .ok_or("it has no such program")?;
        let targets = Targets::new(target.as_ref().unwrap_or(&self.kernel));
        let relocated = match object.relocate([program], &targets) {
            Ok(relocated) => relocated,
            Err(e)
                if case.outcome == Outcome::RelocationFails
                    && e.kind() == ErrorKind::Relocation =>
            {
                return Ok(());
            }
            Err(e) => return Err(e.to_string()),
        };
        let mut image = relocated.link(program).map_err(|e| e.to_string())?;
        for reloc in &image.relocs {
            let RelocTarget::Data { section, offset } = reloc.target else {
                return Err(format!("instruction {}: {:?}", reloc.insn, reloc.target));
            };
            if object
                .data()
                .get(section)
                .is_none_or(|data| data.name != ".bss")
            {
                return Err(format!("instruction {}: not of .bss", reloc.insn));
            }
            address(&mut image.insns, reloc.insn, offset)?;
        }
        if case.target.is_none() {
            // What the program reads is the kernel's own memory.
            let poisoned = relocated
                .answers()
                .filter(|answer| answer.poisons())
                .count();
            return match poisoned {
                0 => Ok(()),
                _ => Err(format!("{poisoned} relocations have no answer")),
            };
        }
        let bss = interpret(&object, &image.insns, case)?;
        match (bss, case.outcome) {
            (Some(bss), Outcome::Runs) => compare(&expected, Data::of(&object)?.output(&bss)?),
            (None, Outcome::VerifierRefuses) => Ok(()),
            (Some(_), _) => Err("it relocates and runs, but must not".to_owned()),
            (None, _) => Err("it comes to a poisoned instruction".to_owned()),
        }
    }
}

/// Makes a load of an address in `.bss` one of a number that the interpreter takes for it.
fn address(insns: &mut [Insn], at: usize, offset: u32) -> Result<()> {
    let Some([first, second]) = insns.get_mut(at..).and_then(<[Insn]>::first_chunk_mut) else {
        return Err(format!("instruction {at} is cut off"));
    };
    let value = BSS + u64::from(offset) + i64::from(first.imm).cast_unsigned();
    *first = first.with_src(0);
    first.imm = value as u32 as i32;
    second.imm = (value >> 32) as u32 as i32;
    Ok(())
}

/// `.bss` after the program has run; `None` if it came to an instruction that must not be reached.
fn interpret(object: &Object, insns: &[Insn], case: &Case) -> Result<Option<Vec<u8>>> {
    const PID_TGID: u64 = 7 << 32 | 7;
    let mut bss = case::bss(&OpenObject::from(object.clone()))?;
    Data::of(object)?.fill(&mut bss, &case.input, PID_TGID)?;
    let mut machine = Machine::new(bss, PID_TGID);
    match machine.run(insns) {
        Ok(()) => Ok(Some(machine.into_bss())),
        Err(Stop::Poisoned) => Ok(None),
        Err(Stop::Fault(why)) => Err(why),
    }
}
