//! The steps of loading that not every object needs, as functions that whoever loads it names: what is not named is not linked in.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::arg_ctx::Contexts;
use super::core::{self, Code};
use super::externs::Externs;
use super::kernel::Kernel;
use super::loaded::Slot;
use super::open_program::OpenProgram;
use super::open_struct_ops::OpenStructOps;
use super::pinned::{self, Pin};
use super::struct_ops::{self, Plan};
use super::{jump_tables, slots, static_probes};
use crate::error::{Error, ErrorKind, Result};
use crate::link::UsdtMaps;
use crate::map::Map;
use crate::obj::{Image, Object, ProgramSpec, Stage};
use crate::probe::Features;
use crate::prog::{Program, StructOps};

type Relocate = for<'a> fn(&'a Object, &[&'a ProgramSpec], &Kernel) -> Result<Code<'a>>;
type Resolve =
    fn(&Object, &[&ProgramSpec], Option<String>, &Kernel, &mut Vec<String>) -> Result<Externs>;
type FindContexts = fn(&Object, &[&ProgramSpec], &Features) -> Result<Contexts>;

type PlanOperations =
    fn(&[OpenStructOps], &mut [OpenProgram], &Kernel, &mut Vec<String>) -> Result<Vec<Plan>>;
type CreateOperations = fn(
    &[OpenStructOps],
    Vec<Plan>,
    &[Slot<Program>],
    Option<&OwnedFd>,
    &Features,
) -> Result<Vec<Slot<Option<StructOps>>>>;
type FindMaps = fn(&[Map], &[OpenProgram], &Features) -> Result<Option<Arc<UsdtMaps>>>;
pub(super) type MakeTables = fn(&Object, &mut Image, &Features) -> Result<Vec<Map>>;
type PutPrograms = fn(&Object, &[Slot<Map>], &[Slot<Program>]) -> Result<()>;

/// Structs of operations: laid out before maps and programs are made, made after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operations {
    pub(super) plan: PlanOperations,
    pub(super) create: CreateOperations,
}

/// What programs on static probes share, and how they are loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct StaticProbes {
    pub(super) maps: FindMaps,
    pub(super) are_links_known: fn(&Features) -> bool,
}

/// Values of maps that are maps and programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots {
    pub(super) maps: fn(&Object, &[Map]) -> Result<()>,
    pub(super) programs: PutPrograms,
}

/// The [`Stage`]s that an object is loaded with. Skeletons name those of their object, so that the rest is not in the binary.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// use btf_core::load::{OpenObject, Stages};
///
/// const STAGES: Stages = Stages::NONE.relocations().externs();
///
/// let elf = std::fs::read("open.bpf.o").expect("compiled before");
/// let loaded = OpenObject::open("open", &elf)?.load_with(STAGES)?;
/// # drop(loaded);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    pub(super) relocate: Option<Relocate>,
    /// Whether it relocates more than fields.
    relocates_all: bool,
    pub(super) resolve: Option<Resolve>,
    pub(super) contexts: Option<FindContexts>,
    pub(super) operations: Option<Operations>,
    pub(super) static_probes: Option<StaticProbes>,
    pub(super) slots: Option<Slots>,
    pub(super) pin: Option<Pin>,
    pub(super) jump_tables: Option<MakeTables>,
}

impl Stages {
    /// None but those that every object needs.
    pub const NONE: Stages = Stages {
        relocate: None,
        relocates_all: false,
        resolve: None,
        contexts: None,
        operations: None,
        static_probes: None,
        slots: None,
        pin: None,
        jump_tables: None,
    };

    /// All.
    pub const ALL: Stages = Stages::NONE
        .relocations()
        .type_relocations()
        .externs()
        .contexts()
        .operations()
        .static_probes()
        .slots()
        .pins()
        .jump_tables();

    /// With [`Stage::Relocations`].
    #[must_use]
    pub const fn relocations(mut self) -> Stages {
        if !self.relocates_all {
            self.relocate = Some(core::relocate::<false>);
        }
        self
    }

    /// With [`Stage::TypeRelocations`], and [`Stage::Relocations`].
    #[must_use]
    pub const fn type_relocations(mut self) -> Stages {
        self.relocate = Some(core::relocate::<true>);
        self.relocates_all = true;
        self
    }

    /// With [`Stage::Externs`].
    #[must_use]
    pub const fn externs(mut self) -> Stages {
        self.resolve = Some(Externs::resolve);
        self
    }

    /// With [`Stage::Contexts`].
    #[must_use]
    pub const fn contexts(mut self) -> Stages {
        self.contexts = Some(Contexts::find);
        self
    }

    /// With [`Stage::Operations`].
    #[must_use]
    pub const fn operations(mut self) -> Stages {
        self.operations = Some(Operations {
            plan: struct_ops::plan,
            create: struct_ops::create,
        });
        self
    }

    /// With [`Stage::StaticProbes`].
    #[must_use]
    pub const fn static_probes(mut self) -> Stages {
        self.static_probes = Some(StaticProbes {
            maps: static_probes::maps,
            are_links_known: static_probes::are_links_known,
        });
        self
    }

    /// With [`Stage::Slots`].
    #[must_use]
    pub const fn slots(mut self) -> Stages {
        self.slots = Some(Slots {
            maps: slots::maps,
            programs: slots::programs,
        });
        self
    }

    /// With [`Stage::Pins`].
    #[must_use]
    pub const fn pins(mut self) -> Stages {
        self.pin = Some(pinned::open_or_create);
        self
    }

    /// With [`Stage::JumpTables`].
    #[must_use]
    pub const fn jump_tables(mut self) -> Stages {
        self.jump_tables = Some(jump_tables::create);
        self
    }

    fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Relocations => self.relocate.is_some(),
            Stage::TypeRelocations => self.relocates_all,
            Stage::Externs => self.resolve.is_some(),
            Stage::Contexts => self.contexts.is_some(),
            Stage::Operations => self.operations.is_some(),
            Stage::StaticProbes => self.static_probes.is_some(),
            Stage::Slots => self.slots.is_some(),
            Stage::Pins => self.pin.is_some(),
            Stage::JumpTables => self.jump_tables.is_some(),
        }
    }

    /// Checks that they are all that an object needs.
    pub(super) fn suffice(&self, object: &Object) -> Result<()> {
        let is_missing = |stage: &Stage| !self.has(*stage) && stage.is_needed(object);
        match Stage::ALL.iter().find(|stage| is_missing(stage)) {
            None => Ok(()),
            Some(stage) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("it is loaded without `{}`, which it needs", stage.name()),
            )
            .hint("name that stage in what is passed to load_with, or call load")),
        }
    }
}
