//! Network devices, as programs are attached to them.

use std::io;
use std::num::NonZeroU32;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::interface_index;
use btf_obj::private::{did_you_mean, similar};

/// Names of the devices of this network namespace, and counters, one device a line after two of headings.
const DEVICES: &str = "/proc/net/dev";

/// A network device of this thread's network namespace: a name (`eth0`) or an index, from either of which it is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interface<'a> {
    /// By name.
    Name(&'a str),
    /// By index.
    Index(u32),
}

impl<'a> From<&'a str> for Interface<'a> {
    fn from(name: &'a str) -> Interface<'a> {
        Interface::Name(name)
    }
}

impl<'a> From<&'a String> for Interface<'a> {
    fn from(name: &'a String) -> Interface<'a> {
        Interface::Name(name)
    }
}

impl From<u32> for Interface<'_> {
    fn from(index: u32) -> Self {
        Interface::Index(index)
    }
}

impl From<NonZeroU32> for Interface<'_> {
    fn from(index: NonZeroU32) -> Self {
        Interface::Index(index.get())
    }
}

impl std::fmt::Display for Interface<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Interface::Name(name) => write!(f, "network device `{name}`"),
            Interface::Index(index) => write!(f, "network device {index}"),
        }
    }
}

impl Interface<'_> {
    /// Its index.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no device of this name, with what comes close; [`ErrorKind::InvalidInput`] for index 0.
    pub fn index(&self) -> Result<u32> {
        match *self {
            Interface::Index(0) => Err(Error::new(
                ErrorKind::InvalidInput,
                "no network device has index 0",
            )),
            Interface::Index(index) => Ok(index),
            Interface::Name(name) => interface_index(name).map_err(|e| self.missing(name, e)),
        }
    }

    fn missing(&self, name: &str, e: io::Error) -> Error {
        if e.raw_os_error() != Some(libc::ENODEV) {
            return Error::os(format!("cannot find {self}"), e);
        }
        let listed = std::fs::read_to_string(DEVICES).unwrap_or_default();
        let error = Error::not_found(format!("there is no {self}"));
        error.hint(closest(name, &listed))
    }
}

/// The names that come close among those of [`DEVICES`], or all if there are few.
fn closest(name: &str, listed: &str) -> String {
    let names: Vec<&str> = listed
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    match did_you_mean(&similar(name, names.iter().copied())) {
        Some(hint) => hint,
        None if (1..=8).contains(&names.len()) => format!("there are: {}", names.join(", ")),
        None => "`ip link` lists what this network namespace has".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "Inter-|   Receive\n face |bytes\n    lo:  1 2\n  eth0: 3 4\n";

    #[test]
    fn devices_are_named_or_numbered() {
        assert_eq!(Interface::from("lo").to_string(), "network device `lo`");
        assert_eq!(Interface::from(7).index().unwrap(), 7);
        assert!(Interface::from(0).index().is_err());
    }

    #[test]
    fn a_missing_one_is_told_with_what_comes_close() {
        assert_eq!(closest("eth1", LISTED), "did you mean `eth0`?");
        assert_eq!(closest("wlan0", LISTED), "there are: lo, eth0");
        assert_eq!(
            closest("x", ""),
            "`ip link` lists what this network namespace has"
        );
        let e = Interface::from("no-such-device").index().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert_eq!(e.message(), "there is no network device `no-such-device`");
    }
}
