//! An object in the kernel: its maps, programs, struct_ops and global variables.

use super::entry::{Entry, get, take};
use crate::error::{Context, Error, Result};
use crate::map::{Map, Mapped, Section};
use crate::pin::NewPins;
use crate::prog::Program;
use crate::struct_ops::StructOps;

/// A loaded object. Dropping it closes its maps and programs; links keep their programs, and programs
/// their maps.
#[derive(Debug)]
pub struct LoadedObject {
    /// Pins that its load made, until it has succeeded.
    pub(super) new_pins: NewPins,
    pub(super) name: String,
    pub(super) maps: Vec<Entry<Map>>,
    pub(super) programs: Vec<Entry<Program>>,
    pub(super) data: Vec<LoadedData>,
    pub(super) struct_ops: Vec<Entry<Option<StructOps>>>,
    pub(super) warnings: Vec<String>,
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

impl LoadedObject {
    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What went less well than asked for, without being an error: a program whose section is not known, for instance.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the names of the maps, in the object's order.
    pub fn map_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.maps.iter().map(|map| map.name.as_str())
    }

    /// Returns the names of the programs, loaded or not, in the object's order.
    ///
    /// ```no_run
    /// # fn f(object: btf_core::load::LoadedObject) -> btf_core::Result<()> {
    /// for name in object.program_names() {
    ///     let program = object.program(name)?;
    ///     if program.is_loaded() {
    ///         program.attach()?.disconnect();
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn program_names(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        self.programs.iter().map(|program| program.name.as_str())
    }

    /// Returns a map, created or not ([`Map::is_created`]). [`Map::typed`] makes a typed one of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the object declares no such map.
    pub fn map(&self, name: &str) -> Result<&Map> {
        get(&self.maps, "map", name).context(|| self.what())
    }

    /// Returns a program, loaded or not. [`Program::typed`] makes a typed one of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the object has no such program.
    pub fn program(&self, name: &str) -> Result<&Program> {
        get(&self.programs, "program", name).context(|| self.what())
    }

    /// Returns the struct_ops of a variable; `None` if they were not created
    /// (`set_autocreate(false)`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the object has no such struct_ops.
    pub fn struct_ops(&self, name: &str) -> Result<Option<&StructOps>> {
        let entry = get(&self.struct_ops, "struct_ops variable", name);
        entry.map(Option::as_ref).context(|| self.what())
    }

    /// Moves a map out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_map(&mut self, name: &str) -> Result<Map> {
        take(&mut self.maps, "map", name).context(|| self.what())
    }

    /// Moves a program out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_program(&mut self, name: &str) -> Result<Program> {
        take(&mut self.programs, "program", name).context(|| self.what())
    }

    /// Moves the struct_ops of a variable out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_struct_ops(&mut self, name: &str) -> Result<Option<StructOps>> {
        take(&mut self.struct_ops, "struct_ops variable", name).context(|| self.what())
    }

    fn what(&self) -> String {
        format!("object `{}`", self.name)
    }

    /// Maps a section of global variables (`.rodata`, `.data.x`) as a `T`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the object has no such section with
    /// variables; [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if `T` does not fit it;
    /// else the kernel's error.
    pub fn data<T: Section>(&self, section: &str) -> Result<Mapped<T>> {
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
