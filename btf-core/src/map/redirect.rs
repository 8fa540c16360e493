//! Where XDP programs redirect packets to: devices, CPUs and sockets.

use std::os::fd::{AsFd, AsRawFd};

use super::{Flags, Map, MapType, keys, typed};
use crate::error::{Error, Result};
use crate::pod;
use crate::prog::Program;

/// Network devices by number (`BPF_MAP_TYPE_DEVMAP`).
pub struct DevMap {
    map: Map,
}
typed!(DevMap);

/// Network devices by key, which need not be dense (`BPF_MAP_TYPE_DEVMAP_HASH`).
pub struct DevMapHash {
    map: Map,
}
typed!(DevMapHash);

/// CPUs that go on with a packet, by number (`BPF_MAP_TYPE_CPUMAP`).
pub struct CpuMap {
    map: Map,
}
typed!(CpuMap);

/// `AF_XDP` sockets by number, of a device's queue as a rule (`BPF_MAP_TYPE_XSKMAP`).
pub struct XskMap {
    map: Map,
}
typed!(XskMap);

/// An entry of a [`DevMap`], [`DevMapHash`] or [`CpuMap`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// The device's index, or how many packets may wait for the CPU.
    pub number: u32,
    /// The kernel's number for the program that runs there, or 0.
    pub program_id: u32,
}

impl Map {
    /// Sets a number and, where values have room for it, the program that runs there.
    fn set_redirect(&self, key: u32, number: u32, program: Option<&Program>) -> Result<()> {
        let key = pod::bytes_of(&key);
        match (self.value_size(), program) {
            (4, None) => self.update(key, pod::bytes_of(&number), Flags::ANY),
            (4, Some(_)) => Err(self
                .unfit("its values have 4 bytes and no room for a program".into())
                .hint("declare it with `__type(value, struct bpf_devmap_val);` or `struct bpf_cpumap_val`")),
            (_, program) => {
                // No program is 0 in one kernel and -1 in the next; a descriptor of 0 is none in all.
                let fd = match program {
                    Some(program) => program.fd()?.as_raw_fd(),
                    None => 0,
                };
                self.update(key, pod::bytes_of(&[number, fd.cast_unsigned()]), Flags::ANY)
            }
        }
    }

    fn redirect(&self, key: u32) -> Result<Option<Redirect>> {
        let mut words = [0u32; 2];
        let value = pod::bytes_of_mut(&mut words);
        let size = value.len().min(self.value_size() as usize);
        if !self.lookup(pod::bytes_of(&key), &mut value[..size])? {
            return Ok(None);
        }
        let [number, program_id] = words;
        Ok(Some(Redirect { number, program_id }))
    }

    fn expect_redirects(&self, wanted: &str, map_type: MapType) -> Result<()> {
        self.expect_type(wanted, &[map_type])?;
        self.expect_numbers()?;
        match self.value_size() {
            4 | 8 => Ok(()),
            n => Err(self.unfit(format!("its values have {n} bytes instead of 4 or 8"))),
        }
    }
}

/// What all that redirect to a number can do.
macro_rules! redirects {
    ($name:ident, $what:literal, $map_type:ident, $number:ident, $means:literal, $section:literal) => {
        impl TryFrom<Map> for $name {
            type Error = Error;

            fn try_from(map: Map) -> Result<Self> {
                map.expect_redirects($what, MapType::$map_type)?;
                Ok($name { map })
            }
        }

        impl $name {
            #[doc = concat!("Sets the entry at `key` to ", $means, ".")]
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name.
            pub fn set(&self, key: u32, $number: u32) -> Result<()> {
                self.map.set_redirect(key, $number, None)
            }

            #[doc = concat!("As [`", stringify!($name), "::set`], with a program in `SEC(\"", $section, "\")` that runs there.")]
            ///
            /// # Errors
            ///
            /// [`crate::ErrorKind::InvalidInput`] if the map's values have no room for a program, or it is not loaded; else what the
            /// kernel answers.
            pub fn set_with_program(&self, key: u32, $number: u32, program: &Program) -> Result<()> {
                self.map.set_redirect(key, $number, Some(program))
            }

            /// The entry at `key`; `None` if there is none.
            ///
            /// # Errors
            ///
            /// What the kernel answers, with the map's name.
            pub fn get(&self, key: u32) -> Result<Option<Redirect>> {
                self.map.redirect(key)
            }
        }
    };
}
redirects!(
    DevMap,
    "a map of devices",
    DEVMAP,
    ifindex,
    "the device of this index",
    "xdp/devmap"
);
redirects!(
    DevMapHash,
    "a hash map of devices",
    DEVMAP_HASH,
    ifindex,
    "the device of this index",
    "xdp/devmap"
);
redirects!(
    CpuMap,
    "a map of CPUs",
    CPUMAP,
    queue_size,
    "the CPU with that number, for which so many packets may wait",
    "xdp/cpumap"
);

/// Removing an entry of those whose keys are indices.
macro_rules! clear {
    ($($name:ident),*) => { $(
        impl $name {
            /// Removes the entry at `index`, whether there is one or not.
            ///
            /// # Errors
            ///
            /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers.
            pub fn clear(&self, index: u32) -> Result<()> {
                self.map.expect_index(index)?;
                self.map.delete(pod::bytes_of(&index)).map(drop)
            }
        }
    )* };
}
clear!(DevMap, CpuMap, XskMap);

impl DevMapHash {
    /// Removes `key`; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// What the kernel answers, with the map's name.
    pub fn remove(&self, key: u32) -> Result<bool> {
        self.map.delete(pod::bytes_of(&key))
    }

    /// The keys, in no order; nothing comes after an error.
    pub fn keys(&self) -> impl Iterator<Item = Result<u32>> + '_ {
        keys::typed(&self.map)
    }
}

impl TryFrom<Map> for XskMap {
    type Error = Error;

    fn try_from(map: Map) -> Result<Self> {
        map.expect_redirects("a map of AF_XDP sockets", MapType::XSKMAP)?;
        Ok(XskMap { map })
    }
}

impl XskMap {
    /// Puts an `AF_XDP` socket at `index`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] past the end; else what the kernel answers: `EOPNOTSUPP` for a socket of another kind.
    pub fn set(&self, index: u32, socket: impl AsFd) -> Result<()> {
        self.map.expect_index(index)?;
        let number = socket.as_fd().as_raw_fd();
        self.map
            .update(pod::bytes_of(&index), pod::bytes_of(&number), Flags::ANY)
    }
}
