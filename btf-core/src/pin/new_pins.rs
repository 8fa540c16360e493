//! Pins that a load makes, which go again if it fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::map::Map;

/// Pins and directories that were made. They are removed when this is dropped, the last one first,
/// unless they are kept.
#[derive(Debug, Default)]
pub(crate) struct NewPins(Vec<PathBuf>);

impl NewPins {
    /// Pins a map, and makes the directories that the path lacks.
    pub(crate) fn pin(&mut self, map: &Map, path: &Path) -> Result<()> {
        let missing = path
            .ancestors()
            .skip(1)
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
        let missing: Vec<&Path> = missing.collect();
        for dir in missing.into_iter().rev() {
            match fs::create_dir(dir) {
                Ok(()) => self.0.push(dir.to_owned()),
                // Another process was faster.
                Err(_) if dir.is_dir() => {}
                Err(e) => {
                    return Err(Error::os(
                        format!("cannot create directory {}", dir.display()),
                        e,
                    ));
                }
            }
        }
        map.pin(path)?;
        self.0.push(path.to_owned());
        Ok(())
    }

    /// Leaves them there.
    pub(crate) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for NewPins {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Directories stay if something is in them by now.
            let _ = match path.is_dir() {
                true => fs::remove_dir(path),
                false => fs::remove_file(path),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_was_made_unless_it_is_kept() {
        let top = std::env::temp_dir().join(format!("btf-new-pins-{}", std::process::id()));
        let inner = top.join("inner");
        let file = inner.join("pin");
        let make = || {
            fs::create_dir_all(&inner).unwrap();
            fs::write(&file, "").unwrap();
            NewPins(vec![top.clone(), inner.clone(), file.clone()])
        };
        drop(make());
        assert!(!top.exists());

        let mut pins = make();
        pins.keep();
        drop(pins);
        assert!(file.exists());

        // Something else lies there by now.
        let pins = NewPins(vec![top.clone(), inner.clone()]);
        drop(pins);
        assert!(file.exists());
        fs::remove_dir_all(&top).unwrap();
    }
}
