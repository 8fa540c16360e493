//! Features that cases show: loaded, attached and fired. `cargo xtask test` makes the table in `docs/features.md` of what is
//! printed here.

use std::io::Write as _;

use crate::support::running;

/// A row of the table: a feature that the running kernel has, and that the case is yet to see at work.
///
/// A case that ends without [`Feature::works`] fails, unless it fails already.
#[must_use = "say that the feature works once it has been seen to"]
pub(crate) struct Feature {
    name: &'static str,
    works: bool,
}

impl Feature {
    /// The feature of this name (`kprobe.multi`, `map: queue`), which kernels have from `since` on. `None` on an older kernel,
    /// which the table then says; the case has nothing to do there.
    pub(crate) fn since(name: &'static str, since: (u32, u32)) -> Option<Feature> {
        if running() < since {
            row(name, &format!("since {}.{}", since.0, since.1));
            return None;
        }
        let works = false;
        Some(Feature { name, works })
    }

    /// It has been seen at work.
    pub(crate) fn works(mut self) {
        self.works = true;
        row(self.name, "works");
    }

    /// This kernel is new enough, but built without it, by this option.
    pub(crate) fn not_built_in(mut self, option: &str) {
        self.works = true;
        row(self.name, &format!("no {option}"));
    }
}

impl Drop for Feature {
    fn drop(&mut self) {
        let is_failing = std::thread::panicking();
        assert!(
            self.works || is_failing,
            "`{}` was not seen at work",
            self.name
        );
    }
}

/// One line on standard error, past the harness, which would keep it to itself.
fn row(name: &str, state: &str) {
    let line = format!("FEATURE {name}\t{state}\n");
    // Nobody reads it, then.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
