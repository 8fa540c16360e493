//! Loading an opened object: its stages in their order.

use std::cell::RefCell;

use super::arg_ctx::Contexts;
use super::core::Code;
use super::data;
use super::externs::Externs;
use super::kernel::Kernel;
use super::loaded::{LoadedData, LoadedObject, Slot};
use super::maps::Creator;
use super::open::OpenObject;
use super::open_map::OpenMap;
use super::open_program::OpenProgram;
use super::programs::Loader;
use super::stages::{Slots, Stages};
use super::types;
use crate::error::{Error, ErrorKind, Result};
use crate::map::Map;
use crate::obj::{Attach, DataKind, Object, ProgramSpec};
use crate::probe::{self, raise_memlock_limit};
use crate::prog::Program;

impl OpenObject {
    pub(super) fn load_all(self, stages: Stages) -> Result<LoadedObject> {
        let mut rejection = None;
        self.load_stages(stages, &mut rejection)
            .map_err(|error| match rejection {
                Some(rejection) => error.note(rejection),
                None => error,
            })
    }

    /// Runs all stages. `rejection` is set to why the kernel rejected the object's BTF, which may
    /// be why a later stage fails.
    fn load_stages(self, stages: Stages, rejection: &mut Option<String>) -> Result<LoadedObject> {
        let object = self.object;
        stages.suffice(&object)?;
        let open_maps = all(self.maps, "map")?;
        let mut programs = all(self.programs, "program")?;
        let struct_ops = all(self.struct_ops, "struct of operations")?;
        check_byte_order(&object)?;
        let mut warnings = unknown_sections(&programs);
        let features = self.token.apply(self.features)?;
        let kernel = Kernel::new(self.kernel_btf, self.kernel_btfs, features);
        let features = kernel.features();
        let operations = match stages.operations {
            Some(step) => (step.plan)(&struct_ops, &mut programs, &kernel, &mut warnings)?,
            None => Vec::new(),
        };
        let wanted = wanted(&programs);
        let wanted: Vec<&ProgramSpec> = wanted.iter().collect();
        let code = match stages.relocate {
            Some(relocate) => relocate(&object, &wanted, &kernel)?,
            None => Code::unchanged(&object),
        };
        // What is asked of the kernel from here on may take memory of it.
        raise_memlock_limit(features);
        let externs = match stages.resolve {
            Some(resolve) => resolve(&object, &wanted, self.kconfig, &kernel, &mut warnings)?,
            None => Externs::default(),
        };
        let contexts = match stages.contexts {
            Some(find) => find(&object, &wanted, features)?,
            None => Contexts::default(),
        };
        let btf = contexts.btf.as_ref().or(object.btf());
        let btf = match types::load(btf, features) {
            Ok(btf) => btf,
            Err(types::Rejection { why, is_denied }) => {
                warnings.push(format!(
                    "{why}; it is loaded without types and source lines"
                ));
                // The error of the map or program that is denied next has the reason.
                if !is_denied {
                    *rejection = Some(why);
                }
                None
            }
        };
        let mut sections = object.data().iter().zip(&self.data);
        let arena = sections.find(|(section, _)| section.kind == DataKind::Arena);
        let creator = Creator {
            btf: btf.as_ref(),
            pin_root: &self.pin_root,
            pin_by_name: stages.pin,
            new_pins: RefCell::default(),
            arena: arena.map(|(_, bytes)| bytes.as_slice()),
            features,
        };
        let maps = declared(&object, &open_maps, &creator, stages.slots)?;
        let data = globals(&object, &self.data, &externs, &maps, &creator)?;
        let loader = Loader {
            object: &object,
            code: &code,
            kernel: &kernel,
            prototypes: self.prototypes.as_ref(),
            btf: btf.as_ref(),
            maps: &maps,
            data: &data,
            externs: &externs,
            contexts: &contexts,
            fd_array: &externs.fd_array(),
            operations: &operations,
            static_probes: stages.static_probes,
            jump_tables: stages.jump_tables,
        };
        let programs = load_programs(&loader, programs)?;
        let maps = map_slots(&object, maps);
        if let Some(slots) = stages.slots {
            (slots.programs)(&object, &maps, &programs)?;
        }
        let struct_ops = match stages.operations {
            Some(step) => {
                (step.create)(&struct_ops, operations, &programs, btf.as_ref(), features)?
            }
            None => Vec::new(),
        };
        let new_pins = creator.new_pins.take();
        Ok(LoadedObject {
            new_pins,
            name: object.name().to_owned(),
            maps,
            programs,
            data,
            struct_ops,
            warnings,
        })
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

/// The declared maps, with those that are values of others in their slots.
fn declared(
    object: &Object,
    maps: &[OpenMap],
    creator: &Creator<'_>,
    slots: Option<Slots>,
) -> Result<Vec<Map>> {
    let maps: Vec<Map> = maps
        .iter()
        .map(|map| creator.map(map))
        .collect::<Result<_>>()?;
    if let Some(slots) = slots {
        (slots.maps)(object, &maps)?;
    }
    Ok(maps)
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

/// All items, if each was put back.
fn all<T>(slots: Vec<Slot<T>>, noun: &str) -> Result<Vec<T>> {
    slots
        .into_iter()
        .map(|slot| {
            slot.item.ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("{noun} `{}` was taken and not put back", slot.name),
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

fn load_programs(loader: &Loader<'_>, programs: Vec<OpenProgram>) -> Result<Vec<Slot<Program>>> {
    let features = loader.kernel.features();
    let usdt = match loader.static_probes {
        Some(probes) => (probes.maps)(loader.maps, &programs, features)?,
        None => None,
    };
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
            Ok(Slot {
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

fn map_slots(object: &Object, maps: Vec<Map>) -> Vec<Slot<Map>> {
    object
        .maps()
        .iter()
        .zip(maps)
        .map(|(spec, map)| Slot {
            name: spec.name.clone(),
            item: Some(map),
        })
        .collect()
}
