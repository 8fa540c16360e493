//! Objects loaded in booted kernels by libbpf and by btf-core, and the comparison of the two. The
//! program `load` of the peers loads them.

mod comparison;
mod kept;

pub(super) use comparison::{Comparison, Row};
pub(super) use kept::Kept;

use crate::debian::Kernel;
use crate::tally::Lines;
use crate::vm::{Guest, Port};
use crate::{Result, boot, disk};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The sides, as the program names them.
pub(super) const SIDES: [&str; 2] = ["libbpf", "btf-core"];

/// Directory of the objects in the guest.
const OBJECTS: &str = "/load";

const TIMEOUT: Duration = Duration::from_secs(3 * 3600);

/// Returns `atomics` for `atomics.bpf.o`.
pub(super) fn name(object: &Path) -> &str {
    disk::name(object).trim_end_matches(".bpf.o")
}

/// The program and kernel that load objects.
pub(super) struct Sides<'a> {
    /// The program `load`.
    pub(super) loader: &'a Path,
    pub(super) kernel: &'a Kernel,
    /// Maps whose size the object leaves to its application are given one.
    pub(super) are_sized: bool,
}

impl Sides<'_> {
    /// Loads objects with these sides. If a machine crashes, another one loads the rest.
    ///
    /// # Errors
    ///
    /// If a machine cannot be set up or loads nothing, or the outcomes cannot be written.
    pub(super) fn load(
        &self,
        kept: &mut Kept,
        mut objects: Vec<PathBuf>,
        sides: &[usize],
    ) -> Result<()> {
        while !objects.is_empty() {
            eprintln!("{} objects to load", objects.len());
            let mut left = objects.clone();
            let failed = self.boot(kept, &mut left, sides)?;
            let Some(why) = failed else {
                return Ok(());
            };
            eprintln!("{why}");
            let culprit = kept.gone(&why)?;
            left.retain(|object| Some(name(object)) != culprit.as_deref());
            if left.len() == objects.len() {
                return Err(format!("nothing was loaded: {why}"));
            }
            objects = left;
        }
        Ok(())
    }

    /// Loads the objects in one machine, and removes those that are done. Returns the reason if the
    /// machine crashed.
    fn boot(
        &self,
        kept: &mut Kept,
        objects: &mut Vec<PathBuf>,
        sides: &[usize],
    ) -> Result<Option<String>> {
        let mut guest = Guest::new(self.loader);
        guest.args = vec!["all".to_owned(), OBJECTS.to_owned()];
        guest
            .args
            .extend(sides.iter().map(|side| SIDES[*side].to_owned()));
        guest.timeout = TIMEOUT;
        if self.are_sized {
            guest.env.push(("LOAD_SIZED".to_owned(), "1".to_owned()));
        }
        for object in objects.iter() {
            let inside = format!("{OBJECTS}/{}", disk::name(object));
            guest.files.push((object.clone(), inside));
        }
        let last = sides.last().map_or("", |side| SIDES[*side]);
        let (mut lines, mut broken) = (Lines::default(), Ok(()));
        let outcome = boot::run(self.kernel, &guest, &mut |port, bytes| {
            if port == Port::Err {
                return boot::pass_through(port, bytes);
            }
            lines.feed(bytes, |line| {
                let line = line.trim_end();
                if let Err(e) = kept.line(line) {
                    broken = Err(e);
                }
                if let Some(done) = line.strip_prefix(&format!("end\t{last}\t")) {
                    objects.retain(|object| name(object) != done);
                }
            });
        })?;
        broken?;
        boot::explain(self.kernel, &outcome);
        Ok((outcome.status() != 0).then(|| outcome.summary()))
    }
}
