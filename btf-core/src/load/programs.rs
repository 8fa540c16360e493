//! Loading programs.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use super::arg_ctx::Contexts;
use super::externs::Externs;
use super::loaded::LoadedData;
use super::open_program::OpenProgram;
use super::patch::patch;
use super::rejection::Attempt;
use super::relocation::Code;
use super::{jump_tables, old_helpers, prototype, rejection, static_probes};
use crate::btf::{Btf, TypeId};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::kernel::{self, AttachTarget, Kernel};
use crate::map::Map;
use crate::obj::place::place;
use crate::obj::{Attach, AttachType, DataKind, Image, Object, SectionDef};
use crate::probe;
use crate::struct_ops::{self, Plan};
use crate::sys::{self, FuncInfo, LineInfo, Loading};

/// `BPF_F_SLEEPABLE` and `BPF_F_XDP_HAS_FRAGS`.
const SLEEPABLE: u32 = 1 << 4;
const XDP_HAS_FRAGS: u32 = 1 << 5;

/// Results of the stages before anything is created in the kernel.
pub(super) struct Prepared<'a> {
    pub(super) object: &'a Object,
    pub(super) kernel: &'a Kernel,
    /// Prototypes of attach targets in the kernel that the object was built for.
    pub(super) prototypes: Option<&'a Btf>,
    pub(super) code: &'a Code<'a>,
    pub(super) externs: &'a Externs,
    pub(super) contexts: &'a Contexts,
    pub(super) plans: &'a [Plan],
}

/// Loads the programs of one object.
pub(super) struct Loader<'a> {
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) btf: Option<&'a OwnedFd>,
    pub(super) maps: &'a [Map],
    pub(super) data: &'a [LoadedData],
}

/// What comes of a program that is loaded.
pub(super) struct Loaded {
    pub(super) fd: OwnedFd,
    /// What it is for, if that is settled now.
    pub(super) target: Option<String>,
    /// What the verifier wrote, if it was asked to.
    pub(super) log: Option<String>,
}

impl Loader<'_> {
    /// Loads one program.
    pub(super) fn load(&self, program: &OpenProgram) -> Result<Loaded> {
        self.load_one(program)
            .context(|| format!("program `{}`", program.name()))
    }

    /// What a program attaches to by type, if it does: the first of its targets that is there.
    fn target(&self, program: &OpenProgram) -> Result<Option<(AttachTarget, String)>> {
        let def = program.require_def()?;
        if !def.attach_btf {
            return Ok(None);
        }
        let Some(first) = &program.spec.target else {
            return Err(no_target(program));
        };
        let mut names = std::iter::once(first).chain(&program.alternatives);
        let find = |name: &String| match &program.attach_program {
            Some(other) => kernel::of_program(other.as_fd(), name),
            None if def.attach == Attach::Freplace => Err(no_program(program)),
            None => self.prepared.kernel.attach_target(def.attach_type, name),
        };
        let mut found = find(first).map(|target| (target, first.clone()));
        names.next();
        for name in names {
            match found {
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    found = find(name).map(|target| (target, name.clone()));
                }
                _ => break,
            }
        }
        found.map(Some)
    }

    /// The expected attach type, where the kernel knows such.
    fn attach_type(&self, program: &OpenProgram, def: &SectionDef) -> AttachType {
        match def.attach {
            // One link for all places of a probe, where there are such links.
            Attach::Usdt if static_probes::are_links_known(self.prepared.kernel.features()) => {
                AttachType::TRACE_UPROBE_MULTI
            }
            _ if def.attach_type_is_optional
                && !self.prepared.kernel.features().knows(&probe::ATTACH_TYPE) =>
            {
                AttachType::NONE
            }
            _ => program.expected_attach_type(),
        }
    }

    fn load_one(&self, program: &OpenProgram) -> Result<Loaded> {
        let spec = &program.spec;
        let def = program.require_def()?;
        let prog_type = program.prog_type().unwrap_or(def.prog_type);
        let mut image = self
            .prepared
            .object
            .link(spec, |function| self.prepared.code.insns(function))?;
        let features = self.prepared.kernel.features();
        old_helpers::replace(&mut image.insns, features);
        // The program holds the tables once it is loaded.
        let _tables = jump_tables::create(self.prepared.object, &mut image, features)?;
        let fd_array = self.prepared.externs.fd_array();
        let poisons = patch(
            self.prepared.object,
            &mut image,
            self.maps,
            self.data,
            self.prepared.externs,
        )?;
        let (target, name) = self.target(program)?.unzip();
        let operation = match def.attach {
            Attach::StructOps => struct_ops::operation(self.prepared.plans, program.name()),
            _ => None,
        };
        let is_checked = program.check_prototype && program.attach_program.is_none();
        if let (Some(built), true) = (self.prepared.prototypes, is_checked) {
            let running = target
                .as_ref()
                .and_then(|t| Some(t.btf.as_ref()?.ty(TypeId(t.id))));
            prototype::check(program, built, &image.insns, running, self.prepared.kernel)?;
        }
        let license = CString::new(self.prepared.object.license())
            .map_err(|_| Error::malformed("the object's license has a NUL in it"))?;
        let (mut func_info, line_info) = info(&image);
        for func in &mut func_info {
            func.type_id = self.prepared.contexts.of(prog_type, TypeId(func.type_id)).0;
        }
        let btf_with_funcs = self.btf.filter(|_| features.knows(&probe::BTF_FUNC));
        let loading = Loading {
            name: if features.knows(&probe::NAMES) {
                &spec.name
            } else {
                ""
            },
            prog_type: prog_type.0,
            // Operations are numbered by the kernel's struct.
            attach_type: operation.as_ref().map_or_else(
                || self.attach_type(program, def).0,
                |operation| operation.index,
            ),
            flags: flags(def) | program.flags.0,
            ifindex: program.ifindex,
            log_level: program.log_level,
            log_size: program.log_size,
            insns: &image.insns,
            license: &license,
            btf: self.btf.map(AsFd::as_fd),
            func_info: btf_with_funcs.map_or(&[], |_| &func_info),
            line_info: btf_with_funcs.map_or(&[], |_| &line_info),
            attach_btf_id: match &operation {
                Some(operation) => operation.struct_id,
                None => target.as_ref().map_or(0, |t| t.id),
            },
            attach_btf: match &operation {
                Some(operation) => operation.module.map(AsFd::as_fd),
                None => target.as_ref().and_then(|t| t.fd.as_ref().map(AsFd::as_fd)),
            },
            fd_array: &fd_array,
            attach_prog: program.attach_program.as_ref().map(AsFd::as_fd),
            token: features.token(),
        };
        let place = |insn| {
            let (function, insn) = image.function_of(insn)?;
            Some(place(self.prepared.object, function, insn))
        };
        let poison = |insn| match poisons.iter().find(|p| p.insn == insn) {
            Some(poison) => Some(poison.clone()),
            None => {
                let (function, insn) = image.function_of(insn)?;
                self.prepared
                    .code
                    .poison(function, insn, self.prepared.kernel)
            }
        };
        sys::prog_load_logged(&loading)
            .map(|(fd, log)| {
                self.bind_constants(&fd);
                Loaded {
                    fd,
                    target: name,
                    log,
                }
            })
            .map_err(|(e, log)| {
                let is_unrighted = e.raw_os_error() == Some(libc::EPERM) && log.is_empty();
                let attempt = Attempt {
                    section: &spec.section,
                    def,
                    prog_type,
                    attach_type: AttachType(loading.attach_type),
                    insns: loading.insns.len(),
                    flags: loading.flags,
                };
                let error = rejection::explain(attempt, e, log, poison, place);
                match is_unrighted && features.token().is_some() {
                    true => error.hint(sys::token_hint()),
                    false => error,
                }
            })
    }
}

impl Loader<'_> {
    /// Binds the maps of constants to a program, as libbpf does: tools look there for what a program says of itself, in constants
    /// that it never reads.
    fn bind_constants(&self, program: &OwnedFd) {
        let sections = self.prepared.object.data().iter().zip(self.data);
        for (_, data) in sections.filter(|(section, _)| section.kind == DataKind::Rodata) {
            // The program runs all the same.
            let _ = sys::prog_bind_map(program, &data.map);
        }
    }
}

fn flags(def: &SectionDef) -> u32 {
    let sleepable = if def.sleepable { SLEEPABLE } else { 0 };
    let frags = if def.xdp_frags { XDP_HAS_FRAGS } else { 0 };
    sleepable | frags
}

fn no_program(program: &OpenProgram) -> Error {
    let section = program.section();
    Error::new(
        ErrorKind::InvalidInput,
        format!("SEC(\"{section}\") replaces a function of a program, which must be named when it is loaded"),
    )
    .hint("load the other program first, then call set_attach_program(its descriptor, \"FUNCTION\")")
}

fn no_target(program: &OpenProgram) -> Error {
    let section = program.section();
    Error::new(
        ErrorKind::InvalidInput,
        format!("SEC(\"{section}\") does not say what it attaches to, which must be known when it is loaded"),
    )
    .hint(format!("write SEC(\"{section}/TARGET\"), or call set_attach_target(\"TARGET\")"))
}

/// Types of functions and source lines in the kernel's layout, counted in instructions.
///
/// The kernel accepts lines in strictly rising order with one for the start of every function, or
/// none at all. It does not need types of functions for them.
fn info(image: &Image) -> (Vec<FuncInfo>, Vec<LineInfo>) {
    let funcs: Vec<FuncInfo> = image
        .func_info
        .iter()
        .map(|(start, id)| FuncInfo {
            insn_off: *start as u32,
            type_id: id.0,
        })
        .collect();
    let mut lines: Vec<LineInfo> = image
        .lines
        .iter()
        .map(|line| LineInfo {
            insn_off: line.insn as u32,
            file_name_off: line.info.file_name_off,
            line_off: line.info.line_off,
            line_col: line.info.line_col,
        })
        .collect();
    lines.dedup_by_key(|line| line.insn_off);
    let has_line = |start: usize| {
        lines
            .binary_search_by_key(&(start as u32), |l| l.insn_off)
            .is_ok()
    };
    if !image.parts.iter().all(|(start, _)| has_line(*start)) {
        lines.clear();
    }
    (funcs, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::ext::LineInfo as Line;
    use crate::obj::LineSite;

    fn image(lines: &[usize]) -> Image {
        let info = Line {
            insn_off: 0,
            file_name_off: 1,
            line_off: 2,
            line_col: 3,
        };
        Image {
            func_info: vec![(0, TypeId(5)), (4, TypeId(6))],
            parts: vec![(0, 0), (4, 1)],
            lines: lines
                .iter()
                .map(|insn| LineSite { insn: *insn, info })
                .collect(),
            ..Image::default()
        }
    }

    #[test]
    fn lines_are_given_if_every_function_starts_with_one() {
        let offsets = |lines: &[usize]| -> Vec<u32> {
            info(&image(lines)).1.iter().map(|l| l.insn_off).collect()
        };
        assert_eq!(offsets(&[0, 2, 2, 4, 9]), [0, 2, 4, 9]);
        assert!(offsets(&[0, 2, 5]).is_empty());
        assert_eq!(info(&image(&[0])).0.len(), 2);
    }

    #[test]
    fn lines_need_no_types_of_functions() {
        let image = Image {
            func_info: Vec::new(),
            ..image(&[0, 4])
        };
        let (funcs, lines) = info(&image);
        assert_eq!((funcs.len(), lines.len()), (0, 2));
    }
}
