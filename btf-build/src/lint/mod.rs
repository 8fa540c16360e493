//! Lints: likely mistakes in objects that compile, reported as warnings at their source line.
//!
//! A check is a file and a row of [`CHECKS`]. It reads the finished object and returns warnings,
//! not errors: the application may choose among programs, and one that this kernel rejects may be
//! for another kernel. A check reports only what is certainly wrong.

mod access;
mod age;
mod flow;
mod license;
mod place;
mod pointers;
mod reach;
mod section;
mod untyped;

use std::cell::OnceCell;
use std::fmt;

use btf_obj::btf::Btf;
use btf_obj::obj::{Object, ProgramSpec};

pub(crate) use age::advise;
pub(crate) use place::Spot;

use crate::dwarf::{self, Places};

/// A lint.
type Check = fn(&Subject<'_>) -> Vec<Warning>;

/// All checks, in the order in which their warnings are printed.
const CHECKS: &[Check] = &[
    section::check,
    pointers::check,
    license::check,
    access::check,
    age::check,
    untyped::check,
];

/// An object and what the checks read besides it.
pub(crate) struct Subject<'a> {
    object: &'a Object,
    /// The object with its DWARF.
    elf: &'a [u8],
    /// Prototypes of what its programs attach to, if there is a kernel's BTF.
    targets: Option<&'a Btf>,
    /// clang's version.
    clang: u32,
    places: OnceCell<Places>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        object: &'a Object,
        elf: &'a [u8],
        targets: Option<&'a Btf>,
        clang: u32,
    ) -> Subject<'a> {
        Subject {
            object,
            elf,
            targets,
            clang,
            places: OnceCell::new(),
        }
    }

    /// Where a program is declared: at its section's name, if that is written there.
    fn spot_of(&self, program: &ProgramSpec) -> Option<Spot> {
        match self.places().functions.get(&program.name) {
            Some(place) => Some(Spot::program(place, program)),
            None => Spot::of(self.object, program.function, 0),
        }
    }

    /// Where a variable is declared.
    fn spot_of_variable(&self, name: &str) -> Option<Spot> {
        let place = self.places().variables.get(name)?;
        Some(Spot::declared(place, &[name]))
    }

    /// Where things are declared, read when first asked for. DWARF that cannot be read only costs
    /// the places.
    fn places(&self) -> &Places {
        self.places
            .get_or_init(|| dwarf::places(self.elf).unwrap_or_default())
    }
}

/// A warning of a check.
struct Warning {
    spot: Option<Spot>,
    message: String,
    help: String,
}

/// Formatted like a warning of clang, with help below.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(spot) = &self.spot {
            write!(f, "{spot}: ")?;
        }
        write!(f, "warning: {}", self.message)?;
        if let Some(source) = self.spot.as_ref().and_then(Spot::source) {
            write!(f, "\n{source}")?;
        }
        write!(f, "\n  help: {}", self.help)
    }
}

/// Returns the warnings of all checks, line by line.
pub(crate) fn lines(subject: &Subject<'_>) -> Vec<String> {
    let warnings = CHECKS.iter().flat_map(|check| check(subject));
    warnings
        .flat_map(|warning| {
            let text = warning.to_string();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
