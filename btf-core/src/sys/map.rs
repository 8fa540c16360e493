//! Maps as descriptors with the sizes that the kernel reads and writes: what makes element access safe.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::attr::{self, object_name};
use super::fdinfo::Restriction;
use super::token::flag_and_number;
use super::{
    Command, address, address_mut, address_or_null, bpf, bpf_fd, fd_number, possible_cpus,
};
use crate::obj::MapType;

/// `BPF_F_NUMA_NODE`.
const NUMA_NODE: u32 = 1 << 2;

/// What a map is created with.
#[derive(Clone, Copy)]
pub(crate) struct MapParams<'a> {
    pub(crate) name: &'a str,
    /// Whether the kernel is told the name.
    pub(crate) is_named: bool,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
    pub(crate) numa_node: Option<u32>,
    pub(crate) extra: u64,
    /// The network device that it is for, or 0.
    pub(crate) ifindex: u32,
    /// A map like those that will be its values.
    pub(crate) inner: Option<BorrowedFd<'a>>,
    /// The object's BTF in the kernel, and the types of key and value.
    pub(crate) btf: Option<(BorrowedFd<'a>, u32, u32)>,
    /// By what right it is created, if not by this process's own.
    pub(crate) token: Option<BorrowedFd<'a>>,
}

impl MapParams<'_> {
    /// The flags that are asked for, and those that follow from something else.
    pub(crate) fn all_flags(&self) -> u32 {
        self.flags | self.numa_node.map_or(0, |_| NUMA_NODE)
    }
}

/// What the kernel says of a map.
#[derive(Debug, Clone)]
pub(crate) struct MapFdInfo {
    pub(crate) id: u32,
    /// At most 15 bytes of it.
    pub(crate) name: String,
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
    pub(crate) extra: u64,
    pub(crate) btf_id: u32,
}

/// A map's descriptor, with its sizes.
#[derive(Debug)]
pub(crate) struct MapFd {
    fd: OwnedFd,
    is_created: bool,
    key_len: usize,
    value: Value,
}

/// How much system calls read and write for a value (the kernel's `bpf_map_value_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// One value of so many bytes.
    One(usize),
    /// One for each possible CPU, so many bytes apart.
    PerCpu(usize),
    /// Unknown, because this version does not know the map type: a value may be per CPU.
    Unknown,
}

impl Value {
    fn of(map_type: MapType, size: u32) -> Value {
        let size = size as usize;
        match map_type {
            _ if map_type.def().is_none() => Value::Unknown,
            // Values of 4 bytes whatever the size says: an fd, or the ID of what it refers to.
            _ if map_type.has_descriptors() => Value::One(size_of::<u32>()),
            _ if map_type.is_per_cpu() => Value::PerCpu(size.next_multiple_of(8)),
            _ => Value::One(size),
        }
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl MapFd {
    /// Creates a map.
    pub(crate) fn create(params: &MapParams<'_>) -> io::Result<MapFd> {
        let (token_flag, map_token_fd) = flag_and_number(params.token);
        let mut attr = attr::MapCreate {
            map_type: params.map_type.0,
            key_size: params.key_size,
            value_size: params.value_size,
            max_entries: params.max_entries,
            map_flags: params.all_flags() | token_flag,
            map_token_fd,
            map_name: object_name(if params.is_named { params.name } else { "" }),
            map_extra: params.extra,
            map_ifindex: params.ifindex,
            ..Default::default()
        };
        if let Some(node) = params.numa_node {
            attr.numa_node = node;
        }
        if let Some(inner) = params.inner {
            attr.inner_map_fd = fd_number(inner);
        }
        if let Some((fd, key, value)) = params.btf {
            attr.btf_fd = fd_number(fd);
            attr.btf_key_type_id = key;
            attr.btf_value_type_id = value;
        }
        // SAFETY: there is no address in it; the command returns a descriptor.
        let fd = unsafe { bpf_fd(Command::MAP_CREATE, &mut attr) }?;
        Ok(MapFd::sized(
            fd,
            params.map_type,
            params.key_size,
            params.value_size,
        ))
    }

    /// Stands for a map that is not created, by a descriptor with which nothing can be done: the kernel answers `EBADF`.
    pub(crate) fn absent(map_type: MapType, key_size: u32, value_size: u32) -> io::Result<MapFd> {
        let place = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open("/")?;
        Ok(MapFd {
            is_created: false,
            ..MapFd::sized(place.into(), map_type, key_size, value_size)
        })
    }

    /// Takes a descriptor for a map's, and asks the kernel for its sizes. `EINVAL` if it is of something else.
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<(MapFd, MapFdInfo)> {
        // Of a program or a link, too, the kernel fills in what it knows; where there is no /proc that goes unnoticed until
        // the first operation.
        let what = std::fs::read_link(format!("/proc/self/fd/{}", fd_number(&fd)));
        if what.is_ok_and(|what| what.as_os_str() != "anon_inode:bpf-map") {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let info = info(&fd)?;
        let map = MapFd::sized(fd, info.map_type, info.key_size, info.value_size);
        Ok((map, info))
    }

    /// Opens the map with this number. `ENOENT` if there is none.
    pub(crate) fn by_id(id: u32) -> io::Result<OwnedFd> {
        let mut attr = attr::ById {
            id,
            ..Default::default()
        };
        // SAFETY: there is no address in it; the command returns a descriptor.
        unsafe { bpf_fd(Command::MAP_GET_FD_BY_ID, &mut attr) }
    }

    /// What the kernel says of it now.
    pub(crate) fn info(&self) -> io::Result<MapFdInfo> {
        info(&self.fd)
    }

    /// Returns why the kernel denies access to its elements, as far as its file descriptor says.
    pub(crate) fn restriction(&self) -> Option<Restriction> {
        Restriction::of(fd_number(&self.fd))
    }

    fn sized(fd: OwnedFd, map_type: MapType, key_size: u32, value_size: u32) -> MapFd {
        MapFd {
            fd,
            is_created: true,
            key_len: key_size as usize,
            value: Value::of(map_type, value_size),
        }
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Another descriptor of it.
    pub(crate) fn try_clone(&self) -> io::Result<MapFd> {
        Ok(MapFd {
            fd: self.fd.try_clone()?,
            ..*self
        })
    }

    /// Whether there is a map behind it.
    pub(crate) fn is_created(&self) -> bool {
        self.is_created
    }

    /// Bytes of a key.
    pub(crate) fn key_len(&self) -> usize {
        self.key_len
    }

    /// Bytes between the values of two CPUs in a per-CPU map; never 0, so that buffers can be
    /// divided by it.
    pub(crate) fn stride(&self) -> usize {
        match self.value {
            Value::One(size) | Value::PerCpu(size) => size.max(1),
            Value::Unknown => 1,
        }
    }

    /// Bytes of a value as the kernel reads and writes it: in a per-CPU map one value for each
    /// possible CPU. Fails with `Unsupported` for a map type that this version does not know.
    #[inline]
    pub(crate) fn value_len(&self) -> io::Result<usize> {
        match self.value {
            Value::One(len) => Ok(len),
            Value::PerCpu(stride) => {
                let cpus = possible_cpus().map_err(io::Error::other)?;
                Ok(stride
                    .checked_mul(cpus)
                    .ok_or(io::ErrorKind::InvalidInput)?)
            }
            Value::Unknown => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn check(&self, key: &[u8], value: Option<usize>) -> io::Result<()> {
        let fits = key.len() == self.key_len
            && match value {
                Some(len) => len == self.value_len()?,
                None => true,
            };
        if fits {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// Copies out a value; `false` if there is no such key. Of a Bloom filter, says whether it may have the value.
    pub(crate) fn lookup(&self, key: &[u8], value: &mut [u8], flags: u64) -> io::Result<bool> {
        self.read(Command::MAP_LOOKUP_ELEM, key, value, flags)
    }

    /// Copies out a value and removes it with its key; `false` if there is no such key.
    pub(crate) fn lookup_and_delete(&self, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
        self.read(Command::MAP_LOOKUP_AND_DELETE_ELEM, key, value, 0)
    }

    /// One of the two commands that write a value out.
    fn read(&self, command: Command, key: &[u8], value: &mut [u8], flags: u64) -> io::Result<bool> {
        self.check(key, Some(value.len()))?;
        let mut attr = attr::MapElem {
            map_fd: fd_number(self),
            key: address_or_null(key),
            value: address_mut(value),
            flags,
            ..Default::default()
        };
        // SAFETY: key and value are borrowed slices, the value exclusively, of the very sizes that the kernel reads and
        // writes for this map (checked above).
        match unsafe { bpf(command, &mut attr) } {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Writes a value.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
        self.check(key, Some(value.len()))?;
        let mut attr = attr::MapElem {
            map_fd: fd_number(self),
            key: address_or_null(key),
            value: address(value),
            flags,
            ..Default::default()
        };
        // SAFETY: key and value are borrowed slices of the very sizes that the kernel reads for this map (checked above).
        unsafe { bpf(Command::MAP_UPDATE_ELEM, &mut attr) }?;
        Ok(())
    }

    /// Removes a key; `false` if there is no such key.
    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<bool> {
        self.check(key, None)?;
        let mut attr = attr::MapElem {
            map_fd: fd_number(self),
            key: address(key),
            ..Default::default()
        };
        // SAFETY: the key is a borrowed slice of the size that the kernel reads for this map (checked above).
        match unsafe { bpf(Command::MAP_DELETE_ELEM, &mut attr) } {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The key after `key` (the first one for `None`) into `next`; `false` at the end.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
        self.check(key.unwrap_or(next), None)?;
        self.check(next, None)?;
        let mut attr = attr::MapElem {
            map_fd: fd_number(self),
            key: key.map_or(0, address),
            value: address_mut(next),
            ..Default::default()
        };
        // SAFETY: the key is null or a borrowed slice, and `next` an exclusively borrowed one, of the size that the kernel
        // reads and writes for this map (checked above).
        match unsafe { bpf(Command::MAP_GET_NEXT_KEY, &mut attr) } {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Ends all writing from user space, for good.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        let mut attr = attr::MapElem {
            map_fd: fd_number(self),
            ..Default::default()
        };
        // SAFETY: there is no address in it.
        unsafe { bpf(Command::MAP_FREEZE, &mut attr) }?;
        Ok(())
    }
}

fn info(fd: &OwnedFd) -> io::Result<MapFdInfo> {
    let mut info = attr::MapInfo::default();
    let mut attr = attr::ObjInfo {
        bpf_fd: fd_number(fd),
        info_len: size_of::<attr::MapInfo>() as u32,
        info: address_mut(std::slice::from_mut(&mut info)),
    };
    // SAFETY: `info` is an exclusively borrowed struct of the length stated; what the kernel knows of it, it fills in. It
    // holds no addresses that the kernel would follow.
    unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) }?;
    let name = info.name.split(|byte| *byte == 0).next();
    Ok(MapFdInfo {
        id: info.id,
        name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
        map_type: MapType(info.map_type),
        key_size: info.key_size,
        value_size: info.value_size,
        max_entries: info.max_entries,
        flags: info.map_flags,
        extra: info.map_extra,
        btf_id: info.btf_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_that_the_kernel_exchanges() {
        assert_eq!(Value::of(MapType::HASH, 5), Value::One(5));
        assert_eq!(Value::of(MapType::STACK_TRACE, 1016), Value::One(1016));
        assert_eq!(Value::of(MapType::HASH_OF_MAPS, 8), Value::One(4));
        for map_type in [
            MapType::PERCPU_HASH,
            MapType::LRU_PERCPU_HASH,
            MapType::PERCPU_ARRAY,
            MapType::PERCPU_CGROUP_STORAGE,
        ] {
            assert_eq!(Value::of(map_type, 5), Value::PerCpu(8));
        }
    }

    #[test]
    fn reads_no_values_of_unknown_map_types() {
        let map = MapFd::absent(MapType(99), 4, 8).unwrap();
        let unsupported = io::ErrorKind::Unsupported;
        assert_eq!(map.value_len().unwrap_err().kind(), unsupported);
        let mut value = [0; 8];
        let e = map.lookup(&[0; 4], &mut value, 0).unwrap_err();
        assert_eq!(e.kind(), unsupported);
        let e = map.lookup_and_delete(&[0; 4], &mut value).unwrap_err();
        assert_eq!(e.kind(), unsupported);
        let e = map.update(&[0; 4], &value, 0).unwrap_err();
        assert_eq!(e.kind(), unsupported);
        let mut position = map.batch_start();
        let e = map.read_batch(&mut position, &mut [0; 8], &mut [0; 16], false);
        assert_eq!(e.unwrap_err().kind(), unsupported);
    }
}
