//! One case of the suite: a row of `cases.tsv`.

use std::path::{Path, PathBuf};

use btf_core::btf::{Btf, Kind};
use btf_core::load::OpenObject;
use btf_core::obj::Object;

use crate::{Result, type_ids};

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The program runs, and leaves its output.
    Runs,
    /// A relocation cannot be carried out.
    RelocationFails,
    /// The verifier reaches a poisoned instruction.
    VerifierRefuses,
    /// The program runs where bpf_testmod is loaded.
    NeedsModule,
}

/// What is given and what is expected.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Name of the object's source.
    pub(crate) object: &'static str,
    /// Name of the source that has the target's types; `None` for the running kernel's.
    pub(crate) target: Option<&'static str>,
    pub(crate) program: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) input: Vec<u8>,
    output: &'static str,
}

/// All cases, in the order of the kernel's table.
pub(crate) fn all() -> Result<Vec<Case>> {
    include_str!("cases.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(row)
        .collect()
}

fn row(line: &'static str) -> Result<Case> {
    let columns: Vec<&str> = line.split('\t').collect();
    let &[name, object, target, program, outcome, input, output] = &columns[..] else {
        return Err(format!("cases.tsv: `{line}` has {} columns", columns.len()));
    };
    Ok(Case {
        name,
        object,
        target: (target != "-").then_some(target),
        program,
        outcome: match outcome {
            "runs" => Outcome::Runs,
            "relocation" => Outcome::RelocationFails,
            "verifier" => Outcome::VerifierRefuses,
            "testmod" => Outcome::NeedsModule,
            other => return Err(format!("cases.tsv: {name} has outcome `{other}`")),
        },
        input: bytes(input)?,
        output,
    })
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    if hex == "-" {
        return Ok(Vec::new());
    }
    let byte = |at: usize| {
        hex.get(at..at + 2)
            .and_then(|two| u8::from_str_radix(two, 16).ok())
    };
    (0..hex.len())
        .step_by(2)
        .map(|at| byte(at).ok_or_else(|| format!("cases.tsv: `{hex}` is no hexadecimal")))
        .collect()
}

/// Where the object of a source lies.
fn object_file(objects: &Path, source: &str) -> PathBuf {
    objects.join(format!("{source}.bpf.o"))
}

fn parse(objects: &Path, source: &str) -> Result<Object> {
    let file = object_file(objects, source);
    let elf = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Object::parse(source, &elf).map_err(|e| e.to_string())
}

impl Case {
    /// The object with the program.
    pub(crate) fn object(&self, objects: &Path) -> Result<Object> {
        parse(objects, self.object)
    }

    /// The types to relocate against; `None` for the kernel's.
    pub(crate) fn target(&self, objects: &Path) -> Result<Option<Btf>> {
        let Some(source) = self.target else {
            return Ok(None);
        };
        let object = parse(objects, source)?;
        let btf = object.require_btf().map_err(|e| e.to_string())?;
        Ok(Some(btf.clone()))
    }

    /// What the program must leave in `data.out`.
    pub(crate) fn output(&self, object: &Object, target: Option<&Btf>) -> Result<Vec<u8>> {
        if self.output != "type-ids" {
            return bytes(self.output);
        }
        let local = object.require_btf().map_err(|e| e.to_string())?;
        let target = target.ok_or("types are numbered in a target that is not there")?;
        Ok(type_ids::expected(local, target))
    }
}

/// Where the parts of `data`, the variable of every program, lie in `.bss`.
pub(crate) struct Data {
    pub(crate) input: usize,
    pub(crate) output: usize,
    /// The thread that the program is meant for; not every program asks.
    pub(crate) pid_tgid: Option<usize>,
    /// Set by a program that its compiler could not do in full.
    pub(crate) skip: Option<usize>,
}

impl Data {
    pub(crate) fn of(object: &Object) -> Result<Data> {
        let btf = object.require_btf().map_err(|e| e.to_string())?;
        let section = btf.find(".bss", Kind::DATASEC).ok_or("it has no .bss")?;
        let data = section.variables().iter().find(|v| v.name() == "data");
        let data = data.ok_or("it has no variable `data`")?;
        let members = data.ty().target().map(|ty| ty.strip().members());
        let place = |name: &str| {
            let member = members?.iter().find(|m| m.name() == name)?;
            Some(data.offset() as usize + member.bit_offset() as usize / 8)
        };
        Ok(Data {
            input: place("in").ok_or("`data` has no member `in`")?,
            output: place("out").ok_or("`data` has no member `out`")?,
            pid_tgid: place("my_pid_tgid"),
            skip: place("skip"),
        })
    }

    /// The contents that `.bss` starts with.
    pub(crate) fn fill(&self, bss: &mut [u8], input: &[u8], pid_tgid: u64) -> Result<()> {
        let mut put = |at: usize, bytes: &[u8]| {
            let place = bss.get_mut(at..at + bytes.len());
            place
                .ok_or("`data` lies outside .bss")?
                .copy_from_slice(bytes);
            Ok::<(), String>(())
        };
        put(self.input, input)?;
        match self.pid_tgid {
            Some(at) => put(at, &pid_tgid.to_ne_bytes()),
            None => Ok(()),
        }
    }

    /// `data.out`, unless the program says that it is incomplete.
    pub(crate) fn output<'a>(&self, bss: &'a [u8]) -> Result<&'a [u8]> {
        if self
            .skip
            .and_then(|at| bss.get(at))
            .is_some_and(|skip| *skip != 0)
        {
            return Err("its compiler left something out".to_owned());
        }
        bss.get(self.output..)
            .ok_or_else(|| "`data` lies outside .bss".to_owned())
    }
}

/// Contents of `.bss` before the program runs.
pub(crate) fn bss(open: &OpenObject) -> Result<Vec<u8>> {
    Ok(open.data(".bss").map_err(|e| e.to_string())?.to_vec())
}
