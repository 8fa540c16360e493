//! An object in the kernel: maps, programs and sections of globals, each to be taken once.

use super::new_pins::NewPins;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::map::{Map, Mapped, Section};
use crate::prog::Program;
use crate::struct_ops::StructOps;
use btf_obj::private::{did_you_mean, similar};

/// A loaded object. What is not taken out of it is closed with it; loaded programs keep the maps they use.
#[derive(Debug)]
pub struct LoadedObject {
    /// Pins that its load made, until it has succeeded.
    pub(super) new_pins: NewPins,
    pub(super) name: String,
    pub(super) maps: Vec<Slot<Map>>,
    pub(super) programs: Vec<Slot<Program>>,
    pub(super) data: Vec<LoadedData>,
    pub(super) struct_ops: Vec<Slot<Option<StructOps>>>,
    pub(super) warnings: Vec<String>,
}

/// A named thing that can be taken once.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) name: String,
    pub(super) item: Option<T>,
}

/// The map of a section of globals.
#[derive(Debug)]
pub(super) struct LoadedData {
    pub(super) section: String,
    pub(super) map: Map,
    pub(super) size: usize,
    pub(super) is_frozen: bool,
    /// What it would have started with, if there is no map.
    pub(super) contents: Vec<u8>,
}

/// Takes the item of this name out of its slot.
pub(super) fn take<T>(slots: &mut [Slot<T>], noun: &str, name: &str) -> Result<T> {
    let Some(at) = slots.iter().position(|slot| slot.name == name) else {
        let error = Error::not_found(format!("it has no {noun} `{name}`"));
        let names = slots.iter().map(|slot| slot.name.as_str());
        return Err(match did_you_mean(&similar(name, names)) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    };
    slots[at].item.take().ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("{noun} `{name}` was taken already"),
        )
    })
}

impl LoadedObject {
    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What went less well than asked for, without being an error: a program whose section is not known, for instance.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Names of the maps, in the object's order, those that were taken, too.
    pub fn map_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.maps.iter().map(|slot| slot.name.as_str())
    }

    /// Names of the programs, in the object's order, those that were taken or are not loaded, too.
    ///
    /// ```no_run
    /// # fn f(mut object: btf_core::load::LoadedObject) -> btf_core::Result<()> {
    /// let names: Vec<String> = object.program_names().map(str::to_owned).collect();
    /// for name in names {
    ///     let program = object.take_program(&name)?;
    ///     if program.is_loaded() {
    ///         program.attach()?.disconnect();
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn program_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.programs.iter().map(|slot| slot.name.as_str())
    }

    /// Takes the map of this name out, whether it was created or not ([`Map::is_created`]).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object declares no such map; [`ErrorKind::InvalidInput`] if it was taken before.
    pub fn take_map(&mut self, name: &str) -> Result<Map> {
        take(&mut self.maps, "map", name).context(|| format!("object `{}`", self.name))
    }

    /// Takes the program of this name out, whether it is loaded or not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such program; [`ErrorKind::InvalidInput`] if it was taken before.
    pub fn take_program(&mut self, name: &str) -> Result<Program> {
        take(&mut self.programs, "program", name).context(|| format!("object `{}`", self.name))
    }

    /// Takes the operations of this variable out; `None` if they were not created (`set_autocreate(false)`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such operations; [`ErrorKind::InvalidInput`] if they were taken before.
    pub fn take_struct_ops(&mut self, name: &str) -> Result<Option<StructOps>> {
        take(&mut self.struct_ops, "struct of operations", name)
            .context(|| format!("object `{}`", self.name))
    }

    /// Maps a section of global variables (`.rodata`, `.data.x`) as a `T`, which may be done more than once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such section with variables; [`ErrorKind::InvalidInput`] if `T` does not fit
    /// it; else what the kernel answers.
    pub fn take_data<T: Section>(&mut self, section: &str) -> Result<Mapped<T>> {
        let data = self.data.iter().find(|d| d.section == section);
        match data {
            Some(data) => Mapped::new(
                &data.map,
                section,
                data.size,
                data.is_frozen,
                &data.contents,
            ),
            None => Err(Error::not_found(format!(
                "it has no section {section} of global variables"
            ))),
        }
        .context(|| format!("object `{}`", self.name))
    }
}
