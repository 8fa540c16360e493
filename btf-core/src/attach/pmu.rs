//! The perf event sources of probes, `kprobe` and `uprobe`, as sysfs describes them.

use std::io;

use crate::error::{Error, ErrorKind, Result};

/// A source of probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pmu(&'static str);

pub(super) const KPROBE: Pmu = Pmu("kprobe");
pub(super) const UPROBE: Pmu = Pmu("uprobe");

impl Pmu {
    /// Whether the kernel has it: from 4.17 on, if it is built with such events.
    pub(super) fn is_there(self) -> bool {
        std::path::Path::new(&self.path("type")).exists()
    }

    /// Its number, and the configuration that asks for the entry or the return of a function.
    pub(super) fn number_and_config(self, is_return: bool) -> Result<(u32, u64)> {
        let number = self.read("type")?;
        let number = number.trim().parse().map_err(|_| {
            let path = self.path("type");
            Error::malformed(format!("{path} says {number:?}, which is no number"))
        })?;
        if !is_return {
            return Ok((number, 0));
        }
        let format = self.read("format/retprobe")?;
        let bit = format
            .trim()
            .strip_prefix("config:")
            .and_then(|bit| bit.parse().ok())
            .and_then(|bit| 1u64.checked_shl(bit));
        match bit {
            Some(config) => Ok((number, config)),
            None => {
                let path = self.path("format/retprobe");
                Err(Error::malformed(format!(
                    "{path} says {format:?}, which names no bit"
                )))
            }
        }
    }

    /// The configuration that names a counter of those who listen, by its place in the binary.
    pub(super) fn counter_config(self, offset: u64) -> Result<u64> {
        let format = self.read("format/ref_ctr_offset")?;
        let bits = format
            .trim()
            .strip_prefix("config:")
            .and_then(|bits| bits.split_once('-'))
            .and_then(|(first, last)| Some((first.parse::<u32>().ok()?, last.parse::<u32>().ok()?)))
            .filter(|(first, last)| first <= last && *last < 64);
        let Some((first, last)) = bits else {
            let path = self.path("format/ref_ctr_offset");
            return Err(Error::malformed(format!(
                "{path} says {format:?}, which names no bits"
            )));
        };
        match offset << first >> first == offset && offset >> (last - first) >> 1 == 0 {
            true => Ok(offset << first),
            false => Err(Error::new(
                ErrorKind::Unsupported,
                format!("the kernel takes no counter at {offset:#x}, so far into a binary"),
            )),
        }
    }

    fn path(self, file: &str) -> String {
        format!("/sys/bus/event_source/devices/{}/{file}", self.0)
    }

    fn read(self, file: &str) -> Result<String> {
        let path = self.path(file);
        std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::Unsupported,
                format!("this kernel has no {}s: there is no {path}", self.0),
            )
            .hint(format!(
                "AttachMode::Default takes tracefs in its stead, if the kernel is built with CONFIG_{}_EVENTS=y",
                self.0.to_uppercase()
            )),
            _ => Error::os(format!("cannot read {path}"), e),
        })
    }
}
