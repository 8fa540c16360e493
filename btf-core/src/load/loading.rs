//! Loading an opened object, stage by stage.
//!
//! | stage | does | module |
//! |---|---|---|
//! | struct_ops plans | lays out struct_ops values and decides which of their programs are loaded | `struct_ops` |
//! | relocation | patches the functions that will be loaded for the running kernel | `relocation` |
//! | externs | looks up kconfig values, ksyms and kfuncs | `externs` |
//! | context types | gives `__arg_ctx` parameters a type that kernels before 6.8 accept | `arg_ctx` |
//! | BTF | loads the object's types, sanitized for the kernel | `types` |
//! | maps | creates, reuses or pins the declared maps and those of global variables | `maps`, `data` |
//! | map values | puts maps into maps | `slots` |
//! | programs | links, patches and loads each program | `programs` |
//! | program values | puts programs into prog arrays | `slots` |
//! | struct_ops | creates the struct_ops maps | `struct_ops` |
//!
//! The stages up to the context types leave nothing in the kernel. What the later ones create is closed
//! again, and new pins are removed, if a stage fails.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use super::arg_ctx::Contexts;
use super::data;
use super::entry::Entry;
use super::externs::Externs;
use super::loaded::{LoadedData, LoadedObject};
use super::maps::Creator;
use super::open::OpenObject;
use super::open_map::OpenMap;
use super::open_program::OpenProgram;
use super::programs::{Loader, Prepared};
use super::relocation::Code;
use super::{slots, static_probes, types};
use crate::btf::Btf;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Kernel;
use crate::map::Map;
use crate::obj::{Attach, DataKind, Object, ProgramSpec};
use crate::probe;
use crate::prog::Program;
use crate::struct_ops::{self, OpenStructOps, Plan, StructOps};

impl OpenObject {
    /// Runs all stages.
    pub(super) fn load_stages(mut self) -> Result<LoadedObject> {
        let object = self.object.clone();
        let open_maps = all(std::mem::take(&mut self.maps), "map")?;
        let mut programs = all(std::mem::take(&mut self.programs), "program")?;
        let struct_ops = all(std::mem::take(&mut self.struct_ops), "struct_ops variable")?;
        check_byte_order(&object)?;
        let mut warnings = unknown_sections(&programs);
        let mut features = std::mem::take(&mut self.features);
        if let Some(token) = std::mem::take(&mut self.token).token()? {
            features = features.with_token(token);
        }
        let kernel = Kernel::new(self.kernel_btf.take(), self.kernel_btfs.take(), features);

        let specs: Vec<&ProgramSpec> = programs.iter().map(|program| &program.spec).collect();
        let plans = struct_ops::plan(&struct_ops, &specs, &kernel)?;
        choose_operations(&mut programs, &plans, &struct_ops, &mut warnings);
        let wanted = wanted(&programs);
        let wanted: Vec<&ProgramSpec> = wanted.iter().collect();
        let code = Code::relocate(&object, &wanted, &kernel)?;
        // The externs stage is the first to allocate memory that the kernel charges.
        kernel.features().raise_memlock_limit();
        let kconfig = self.kconfig.take();
        let externs = Externs::resolve(&object, &wanted, kconfig, &kernel, &mut warnings)?;
        let contexts = Contexts::find(&object, &wanted, kernel.features())?;

        let prepared = Prepared {
            object: &object,
            kernel: &kernel,
            prototypes: self.prototypes.as_ref(),
            code: &code,
            externs: &externs,
            contexts: &contexts,
            plans: &plans,
        };
        let types = contexts.btf.as_ref().or(object.btf());
        let (btf, rejection) = load_btf(types, &kernel, &mut warnings);
        let loaded = self.create(&prepared, btf, &open_maps, programs, &struct_ops);
        match loaded {
            Ok(loaded) => Ok(LoadedObject { warnings, ..loaded }),
            Err(error) => Err(match rejection {
                Some(rejection) => error.note(rejection),
                None => error,
            }),
        }
    }

    /// Runs the stages that create objects in the kernel, from the maps on.
    fn create(
        &self,
        prepared: &Prepared<'_>,
        btf: Option<OwnedFd>,
        open_maps: &[OpenMap],
        programs: Vec<OpenProgram>,
        struct_ops: &[OpenStructOps],
    ) -> Result<LoadedObject> {
        let (object, features) = (prepared.object, prepared.kernel.features());
        let mut sections = object.data().iter().zip(&self.data);
        let arena = sections.find(|(section, _)| section.kind == DataKind::Arena);
        let creator = Creator {
            btf: btf.as_ref(),
            pin_root: &self.pin_root,
            new_pins: RefCell::default(),
            arena: arena.map(|(_, bytes)| bytes.as_slice()),
            features,
        };
        let maps: Vec<Map> = open_maps
            .iter()
            .map(|map| creator.map(map))
            .collect::<Result<_>>()?;
        slots::maps(object, &maps)?;
        let data = globals(object, &self.data, prepared.externs, &maps, &creator)?;
        let loader = Loader {
            prepared,
            btf: btf.as_ref(),
            maps: &maps,
            data: &data,
        };
        let programs = load_programs(&loader, programs)?;
        let maps = map_entries(object, maps);
        slots::programs(object, &maps, &programs)?;
        let program_fd = |name: &str| program_fd(&programs, name);
        let created = struct_ops::create(prepared.plans, program_fd, btf.as_ref(), features)?;
        let struct_ops = struct_ops_entries(struct_ops, created);
        Ok(LoadedObject {
            new_pins: creator.new_pins.take(),
            name: object.name().to_owned(),
            maps,
            programs,
            data,
            struct_ops,
            warnings: Vec::new(),
        })
    }
}

/// Has the struct_ops programs loaded that a plan refers to, and no others.
fn choose_operations(
    programs: &mut [OpenProgram],
    plans: &[Plan],
    struct_ops: &[OpenStructOps],
    warnings: &mut Vec<String>,
) {
    for program in programs.iter_mut() {
        let def = program.spec.def;
        if !def.is_some_and(|def| def.attach == Attach::StructOps) {
            continue;
        }
        let name = program.name();
        let is_wanted = struct_ops::operation(plans, name).is_some();
        let is_used = struct_ops.iter().any(|ops| ops.uses(name));
        if !is_wanted && program.autoload() && !is_used {
            warnings.push(format!(
                "program `{name}` is not loaded: no struct in .struct_ops or .struct_ops.link has it"
            ));
        }
        program.set_autoload(is_wanted);
    }
}

/// Returns a duplicate of a program's file descriptor; `None` if there is no such program.
fn program_fd(programs: &[Entry<Program>], name: &str) -> Result<Option<OwnedFd>> {
    let mut programs = programs.iter().filter_map(|entry| entry.item.as_ref());
    let Some(program) = programs.find(|program| program.name() == name) else {
        return Ok(None);
    };
    let fd = program.fd()?.try_clone_to_owned();
    fd.map(Some)
        .map_err(|e| Error::os("cannot duplicate the file descriptor of a program", e))
}

/// Returns an entry for each struct_ops variable, created or not.
fn struct_ops_entries(
    all: &[OpenStructOps],
    created: Vec<StructOps>,
) -> Vec<Entry<Option<StructOps>>> {
    let mut created = created.into_iter().peekable();
    let entry = |ops: &OpenStructOps| Entry {
        name: ops.name().to_owned(),
        item: Some(created.next_if(|created| created.name() == ops.name())),
    };
    all.iter().map(entry).collect()
}

/// Loads the object's BTF. If the kernel rejects it, the object is loaded without; a later stage may
/// then fail for want of BTF, so the reason is returned, unless it is a lack of privileges, which the
/// later stage reports itself.
fn load_btf(
    btf: Option<&Btf>,
    kernel: &Kernel,
    warnings: &mut Vec<String>,
) -> (Option<OwnedFd>, Option<String>) {
    match types::load(btf, kernel.features()) {
        Ok(btf) => (btf, None),
        Err(types::Rejection { why, is_denied }) => {
            warnings.push(format!(
                "{why}; it is loaded without types and source lines"
            ));
            (None, Some(why).filter(|_| !is_denied))
        }
    }
}

fn check_byte_order(object: &Object) -> Result<()> {
    if object.is_little_endian() == cfg!(target_endian = "little") {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        "it is compiled for the other byte order than this machine's",
    )
    .hint("compile it with `-target bpf`, or with bpfel or bpfeb to match"))
}

/// The sections of globals, with their first contents.
fn globals(
    object: &Object,
    contents: &[Vec<u8>],
    externs: &Externs,
    maps: &[Map],
    creator: &Creator<'_>,
) -> Result<Vec<LoadedData>> {
    let sections = object.data().iter().zip(contents);
    sections
        .map(|(section, bytes)| {
            let bytes = match section.kind {
                DataKind::Kconfig => &externs.config,
                DataKind::Arena => return data::in_arena(section, maps),
                _ => bytes,
            };
            data::create(object, section, bytes, creator.btf, creator.features)
        })
        .collect()
}

/// Returns all parts, none of which may be moved out.
fn all<T>(entries: Vec<Entry<T>>, noun: &str) -> Result<Vec<T>> {
    entries
        .into_iter()
        .map(|entry| {
            entry.item.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("{noun} `{}` was moved out of the object", entry.name),
                )
            })
        })
        .collect()
}

/// Programs that are left out because of their section, which their author may not have meant.
fn unknown_sections(programs: &[OpenProgram]) -> Vec<String> {
    programs
        .iter()
        .filter(|p| !p.autoload())
        .filter_map(|p| {
            let why = p.unknown_section()?;
            Some(format!("program `{}` is not loaded: {why}", p.name()))
        })
        .collect()
}

/// The programs that will be loaded.
fn wanted(programs: &[OpenProgram]) -> Vec<ProgramSpec> {
    let wanted = programs.iter().filter(|program| program.autoload());
    wanted.map(|program| program.spec.clone()).collect()
}

fn load_programs(loader: &Loader<'_>, programs: Vec<OpenProgram>) -> Result<Vec<Entry<Program>>> {
    let features = loader.prepared.kernel.features();
    let usdt = static_probes::maps(loader.maps, &programs, features)?;
    programs
        .into_iter()
        .map(|program| {
            let loaded = program
                .autoload()
                .then(|| loader.load(&program))
                .transpose()?;
            let (fd, target, log) = match loaded {
                Some(loaded) => (Some(loaded.fd), loaded.target, loaded.log),
                None => (None, None, None),
            };
            let (prog_type, attach_type) = (program.prog_type(), program.expected_attach_type());
            let OpenProgram {
                spec,
                autoattach,
                alternatives,
                ..
            } = program;
            let is_usdt = spec.def.is_some_and(|def| def.attach == Attach::Usdt);
            Ok(Entry {
                name: spec.name.clone(),
                item: Some(Program {
                    name: spec.name,
                    section: spec.section,
                    def: spec.def,
                    prog_type,
                    attach_type,
                    target: target.or(spec.target),
                    alternatives,
                    autoattach,
                    usdt: usdt.clone().filter(|_| is_usdt),
                    fd,
                    log,
                    by_perf_link: features.given(&probe::PERF_LINK) != Some(false),
                }),
            })
        })
        .collect()
}

fn map_entries(object: &Object, maps: Vec<Map>) -> Vec<Entry<Map>> {
    object
        .maps()
        .iter()
        .zip(maps)
        .map(|(spec, map)| Entry {
            name: spec.name.clone(),
            item: Some(map),
        })
        .collect()
}
