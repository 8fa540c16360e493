//! A map without its types: what it was created with, and operations on bytes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Flags, MapType};
use crate::error::{Error, ErrorKind, Result};
use crate::obj::MapSpec;
use crate::pod::Pod;
use crate::probe::Features;
use crate::sys::{self, Capabilities, ENOTSUPP, MapFd, MapFdInfo, Mapping, Restriction};

/// A map in the kernel; it goes when neither this, a loaded program nor a pin holds it any more.
///
/// It is read and written as bytes here. The typed maps beside it are made of it.
#[derive(Debug)]
pub struct Map {
    pub(super) fd: MapFd,
    pub(super) info: Info,
    /// What maps can be its values, if its declaration says so.
    pub(super) inner: Option<Arc<Inner>>,
    /// An arena's memory, as it is mapped in this process.
    pub(crate) memory: Option<Arc<Mapping>>,
}

/// What maps are like that can be values of another one.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) spec: MapSpec,
    /// The object's BTF, which has the types of their keys and values.
    pub(crate) btf: Option<OwnedFd>,
    /// What the kernel takes, and by what right.
    pub(crate) features: Features,
}

/// What a map was created with.
#[derive(Debug, Clone)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
}

/// What the kernel says of a map, as `bpftool map list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapInfo {
    /// The kernel's number for it.
    pub id: u32,
    /// At most 15 bytes of its name.
    pub name: String,
    /// Its type.
    pub map_type: MapType,
    /// Size of a key in bytes.
    pub key_size: u32,
    /// Size of a value in bytes.
    pub value_size: u32,
    /// Its capacity.
    pub max_entries: u32,
    /// `BPF_F_*` flags of its creation.
    pub map_flags: u32,
    /// Extra argument of its creation; 0 before 5.16.
    pub map_extra: u64,
    /// The number of the BTF object with the types of its keys and values; 0 if it has none.
    pub btf_id: u32,
}

impl From<MapFdInfo> for MapInfo {
    fn from(info: MapFdInfo) -> MapInfo {
        MapInfo {
            id: info.id,
            name: info.name,
            map_type: info.map_type,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            map_flags: info.flags,
            map_extra: info.extra,
            btf_id: info.btf_id,
        }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Map {
    pub(crate) fn new(fd: MapFd, info: Info) -> Map {
        Map {
            fd,
            info,
            inner: None,
            memory: None,
        }
    }

    /// Stands for a map that is not created.
    pub(crate) fn absent(info: Info) -> Result<Map> {
        let fd = MapFd::absent(info.map_type, info.key_size, info.value_size);
        let fd = fd.map_err(|e| Error::os("cannot open a descriptor that stands for it", e))?;
        Ok(Map::new(fd, info))
    }

    /// With what the maps are like that can be its values.
    pub(crate) fn with_inner(self, inner: Option<Arc<Inner>>) -> Map {
        Map { inner, ..self }
    }

    /// With the name that its declaration has, of which the kernel may keep a part only.
    pub(crate) fn renamed(mut self, name: &str) -> Map {
        self.info.name = name.to_owned();
        self
    }

    /// Returns a typed handle of the same map, with a file descriptor of its own.
    ///
    /// ```no_run
    /// # fn main() -> btf_core::Result<()> {
    /// # let elf = std::fs::read("open.bpf.o").expect("compiled before");
    /// use btf_core::load::OpenObject;
    /// use btf_core::map::Hash;
    ///
    /// let object = OpenObject::open("open", &elf)?.load()?;
    /// let counts: Hash<u32, u64> = object.map("counts")?.typed()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the map is of another kind or its keys or values have other
    /// sizes; [`ErrorKind::Os`] if the file descriptor cannot be duplicated.
    pub fn typed<T: TryFrom<Map, Error = Error>>(&self) -> Result<T> {
        let inner = self.inner.clone();
        self.try_clone()?.with_inner(inner).try_into()
    }

    /// Returns another handle of the same map, with a file descriptor of its own and the same memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Os`] if the file descriptor cannot be duplicated.
    pub fn try_clone(&self) -> Result<Map> {
        let fd = self.fd.try_clone();
        let fd = fd.map_err(|e| self.refused("duplicate its descriptor", e))?;
        Ok(Map {
            memory: self.memory.clone(),
            ..Map::new(fd, self.info.clone())
        })
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd.into_fd()
    }

    /// Takes a descriptor for a map's: one that another process passed, for instance.
    ///
    /// # Errors
    ///
    /// What the kernel answers, if the descriptor is of something else.
    pub fn from_fd(fd: OwnedFd) -> Result<Map> {
        let (fd, info) =
            MapFd::from_fd(fd).map_err(|e| Error::os("the descriptor is not one of a map", e))?;
        let info = Info {
            name: info.name,
            map_type: info.map_type,
            key_size: info.key_size,
            value_size: info.value_size,
            max_entries: info.max_entries,
            flags: info.flags,
        };
        Ok(Map::new(fd, info))
    }

    /// Opens the map to which the kernel gave this number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none; [`ErrorKind::Permission`] without `CAP_SYS_ADMIN`.
    pub fn from_id(id: u32) -> Result<Map> {
        let failed = |e: io::Error| {
            sys::os_error(format!("cannot open map {id}"), Capabilities::SYS_ADMIN, e)
        };
        Map::from_fd(MapFd::by_id(id).map_err(failed)?)
    }

    /// Its name as declared; as much of it as the kernel keeps, if it was opened by path or number.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Its type.
    pub fn map_type(&self) -> MapType {
        self.info.map_type
    }

    /// Size of a key in bytes.
    pub fn key_size(&self) -> u32 {
        self.info.key_size
    }

    /// Size of a value in bytes; of one CPU's value in a per-CPU map.
    pub fn value_size(&self) -> u32 {
        self.info.value_size
    }

    /// Its capacity in entries, or in bytes for a ring buffer.
    pub fn max_entries(&self) -> u32 {
        self.info.max_entries
    }

    /// `BPF_F_*` flags of its creation.
    pub fn map_flags(&self) -> u32 {
        self.info.flags
    }

    /// Whether it is in the kernel: not with `set_autocreate(false)`. All that one does with a map that is not is an error.
    pub fn is_created(&self) -> bool {
        self.fd.is_created()
    }

    /// What the kernel says of it now.
    ///
    /// # Errors
    ///
    /// What the kernel answers.
    pub fn info(&self) -> Result<MapInfo> {
        self.fd
            .info()
            .map(MapInfo::from)
            .map_err(|e| self.refused("ask about it", e))
    }

    /// Ends all writing from user space, for good, so that the verifier may take the contents for constants.
    ///
    /// # Errors
    ///
    /// What the kernel answers: `EBUSY` if it is mapped for writing or frozen already.
    pub fn freeze(&self) -> Result<()> {
        self.fd
            .freeze()
            .map_err(|e| self.os("freeze its contents", e).context(self.what()))
    }

    /// Returns the value of a key, if it is there; of a per-CPU map those of all CPUs, each padded
    /// to eight bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a key of another size than the map's;
    /// [`ErrorKind::Unsupported`] for a map type that this version does not know: the kernel may
    /// write more than [`Map::value_size`] for it. Otherwise the kernel's error, with the map's
    /// name.
    pub fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.expect_len("keys", key.len(), self.fd.key_len())?;
        let mut value = vec![0; self.value_len()?];
        let there = self.lookup(key, &mut value)?;
        Ok(there.then_some(value))
    }

    /// Sets the value of a key, which for a per-CPU map are those of all CPUs, each padded to eight bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a key or value of another size than the map's;
    /// [`ErrorKind::Unsupported`] as [`Map::get_bytes`]. Otherwise the kernel's error, with the
    /// map's name.
    pub fn set_bytes(&self, key: &[u8], value: &[u8], flags: Flags) -> Result<()> {
        self.expect_len("keys", key.len(), self.fd.key_len())?;
        self.expect_len("values", value.len(), self.value_len()?)?;
        self.update(key, value, flags)
    }

    /// Removes a key; `false` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`Map::get_bytes`].
    pub fn remove_bytes(&self, key: &[u8]) -> Result<bool> {
        self.expect_len("keys", key.len(), self.fd.key_len())?;
        self.delete(key)
    }

    /// An error about this map from what the kernel answered.
    pub(super) fn refused(&self, doing: &str, e: io::Error) -> Error {
        if e.raw_os_error() == Some(ENOTSUPP) {
            let why = format!(
                "cannot {doing}: maps of type {} do not have that",
                self.info.map_type
            );
            return Error::new(ErrorKind::Unsupported, why).context(self.what());
        }
        let hint = self.hint(doing, e.raw_os_error());
        let hint = hint.filter(|_| self.is_created());
        let error = self.os(doing, e);
        let error = match hint {
            Some(hint) => error.hint(hint),
            None => error,
        };
        error.context(self.what())
    }

    /// What the kernel answered, or that there is no map to ask it about.
    fn os(&self, doing: &str, e: io::Error) -> Error {
        match self.require() {
            Ok(()) => Error::os(format!("cannot {doing}"), e),
            Err(absent) => absent,
        }
    }

    /// Refuses what cannot be done with a map that is not there.
    pub(crate) fn require(&self) -> Result<()> {
        if self.is_created() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, "it was not created")
            .hint("call set_autocreate(true) on it before the object is loaded"))
    }

    fn hint(&self, doing: &str, errno: Option<i32>) -> Option<String> {
        /// `BPF_F_RDONLY` and `BPF_F_WRONLY`.
        const RDONLY_OR_WRONLY: u32 = 3 << 3;
        match errno? {
            libc::E2BIG if self.info.map_type.has_indices() => Some(format!(
                "its indices end at {}; use set_max_entries before the load",
                i64::from(self.info.max_entries) - 1
            )),
            // Tries answer ENOSPC.
            libc::E2BIG | libc::ENOSPC => Some(format!(
                "it is full: its max_entries is {}; {}set_max_entries before the load",
                self.info.max_entries,
                match self.info.map_type {
                    MapType::HASH | MapType::PERCPU_HASH => "use an LRU map or ",
                    _ => "use ",
                }
            )),
            libc::EEXIST => {
                Some("the key is there already, and the update asked for a new one".into())
            }
            libc::ENOENT if doing == WRITE => {
                Some("the key is not there, and the update asked for one that is".into())
            }
            libc::EINVAL => Some(format!(
                "maps of type {} may not have this operation, or not with these flags: BPF_F_LOCK is for values with a \
                 bpf_spin_lock",
                self.info.map_type
            )),
            libc::EPERM if self.info.flags & RDONLY_OR_WRONLY != 0 => Some(
                "it was created with BPF_F_RDONLY or BPF_F_WRONLY, so that user space may not do this".into(),
            ),
            libc::EPERM => Some(match self.fd.restriction() {
                Some(Restriction::Frozen) => {
                    "it is frozen: user space reads its values and changes none".to_owned()
                }
                Some(Restriction::ReadOnly) => "its fd was opened for reading only".to_owned(),
                Some(Restriction::WriteOnly) => "its fd was opened for writing only".to_owned(),
                None => sys::privileges_hint(Capabilities::BPF),
            }),
            _ => None,
        }
    }

    /// Copies out a value of the map's own size.
    pub(super) fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool> {
        self.fd
            .lookup(key, value, 0)
            .map_err(|e| self.refused("look up a key", e))
    }

    pub(super) fn update(&self, key: &[u8], value: &[u8], flags: Flags) -> Result<()> {
        self.fd
            .update(key, value, flags.0)
            .map_err(|e| self.refused(WRITE, e))
    }

    pub(super) fn delete(&self, key: &[u8]) -> Result<bool> {
        self.fd
            .delete(key)
            .map_err(|e| self.refused("remove a key", e))
    }

    /// Copies out a value and removes its key at once.
    pub(super) fn take(&self, key: &[u8], value: &mut [u8]) -> Result<bool> {
        self.fd.lookup_and_delete(key, value).map_err(|e| {
            let unknown = matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | ENOTSUPP));
            match unknown {
                true => self.unsupported("look up and remove a key at once", "5.14"),
                false => self.refused("look up and remove a key", e),
            }
        })
    }

    /// An error that this kernel is too old for something.
    pub(super) fn unsupported(&self, doing: &str, since: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!(
                "this kernel cannot {doing} in a map of type {}",
                self.info.map_type
            ),
        )
        .hint(format!("kernels from {since} on can"))
        .context(self.what())
    }

    /// Bytes of a value as the kernel exchanges it.
    pub(super) fn value_len(&self) -> Result<usize> {
        self.fd.value_len().map_err(|e| match e.kind() {
            io::ErrorKind::Unsupported => Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the size of its values is unknown: btf-core does not know map type {}, whose \
                     values may be per CPU",
                    self.info.map_type
                ),
            )
            .hint("use a version of btf-core that knows the type; keys can be read with key_bytes")
            .context(self.what()),
            _ => self.refused("tell how many CPUs have values", e),
        })
    }

    /// The one value of the array that holds a section of globals.
    pub(crate) fn first(&self) -> Result<Vec<u8>> {
        let mut value = vec![0; self.value_len()?];
        self.lookup(&0u32.to_ne_bytes(), &mut value)?;
        Ok(value)
    }

    /// Sets the one value of the array that holds a section of globals.
    pub(crate) fn set_first(&self, value: &[u8]) -> Result<()> {
        self.fd
            .update(&0u32.to_ne_bytes(), value, Flags::ANY.0)
            .map_err(|e| Error::os("cannot write its initial contents", e))
    }

    /// Sets the value of a key to what a descriptor is of.
    pub(crate) fn set_fd(&self, key: &[u8], value: BorrowedFd<'_>, flags: Flags) -> Result<()> {
        let number = value.as_raw_fd().cast_unsigned();
        self.fd
            .update(key, &number.to_ne_bytes(), flags.0)
            .map_err(|e| self.refused_fd(e))
    }

    fn refused_fd(&self, e: io::Error) -> Error {
        let hint = match (self.info.map_type, e.raw_os_error()) {
            (MapType::PROG_ARRAY, Some(libc::EINVAL)) => {
                "programs of one array are of one type, and a program that calls through it is of that type, too"
            }
            (MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS, Some(libc::EINVAL)) => {
                "a map that becomes a value has the type, sizes and flags of the inner map in the declaration"
            }
            (_, Some(libc::EBADF | libc::EINVAL)) if self.is_created() => {
                "the descriptor may be of something that this map does not hold"
            }
            _ => return self.refused(WRITE, e),
        };
        Error::os("cannot write a value", e)
            .hint(hint)
            .context(self.what())
    }

    /// Checks that the map is of one of `types` before it is used as a `wanted`.
    pub(super) fn expect_type(&self, wanted: &str, types: &[MapType]) -> Result<()> {
        if types.contains(&self.info.map_type) {
            return Ok(());
        }
        Err(self.unfit(format!(
            "it is a map of type {} and cannot be used as {wanted}",
            self.info.map_type
        )))
    }

    /// Checks the size of a key or value against its Rust type.
    pub(super) fn expect_size<T: Pod>(&self, what: &str, size: u32) -> Result<()> {
        if size_of::<T>() == size as usize {
            return Ok(());
        }
        Err(self.unfit(format!(
            "its {what} has {size} bytes, but `{}` has {}",
            std::any::type_name::<T>(),
            size_of::<T>()
        )))
    }

    /// Checks that keys are numbers of four bytes (indices, devices, fds), as the kernel requires
    /// of such maps. A map that is not created is used by nobody, whatever its declaration says.
    pub(super) fn expect_numbers(&self) -> Result<()> {
        match self.is_created() {
            true => self.expect_size::<u32>("key", self.key_size()),
            false => Ok(()),
        }
    }

    /// Checks that it has no keys. A map that is not created is as [`Map::expect_numbers`] says.
    pub(super) fn expect_no_keys(&self) -> Result<()> {
        match self.is_created() {
            true => self.expect_size::<()>("key", self.key_size()),
            false => Ok(()),
        }
    }

    /// Checks that an index is one of an array's.
    pub(super) fn expect_index(&self, index: u32) -> Result<()> {
        if index < self.max_entries() {
            return Ok(());
        }
        Err(self.unfit(format!(
            "index {index} is out of its {} entries",
            self.max_entries()
        )))
    }

    fn expect_len(&self, what: &str, given: usize, len: usize) -> Result<()> {
        if given == len {
            return Ok(());
        }
        Err(self.unfit(format!(
            "its {what} have {len} bytes, but {given} were given"
        )))
    }

    pub(crate) fn unfit(&self, why: String) -> Error {
        Error::new(ErrorKind::InvalidInput, why).context(self.what())
    }

    pub(crate) fn what(&self) -> String {
        format!("map `{}`", self.info.name)
    }
}

/// What updates do, as errors say it.
const WRITE: &str = "write a value";
