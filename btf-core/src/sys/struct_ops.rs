//! Maps of operations: one value, of a type in the kernel's BTF, whose writing registers it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attr::{MapCreate, MapElem, object_name};
use super::token::flag_and_number;
use super::{Command, ENOTSUPP, address, bpf, bpf_fd, fd_number};
use crate::obj::MapType;

/// `BPF_F_LINK` and `BPF_F_VTYPE_BTF_OBJ_FD`.
const LINK: u32 = 1 << 13;
const VALUE_TYPE_IN_MODULE: u32 = 1 << 15;

/// A map of operations, with the size of its value.
#[derive(Debug)]
pub(crate) struct OpsMap {
    fd: OwnedFd,
    value_size: usize,
}

impl AsFd for OpsMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl OpsMap {
    /// Creates the map of operations whose value has this type in the kernel's BTF, or in that of a module. The kernel asks for the
    /// object's BTF, too.
    pub(crate) fn create(
        name: &str,
        value_type: u32,
        value_size: usize,
        is_link: bool,
        btf: &OwnedFd,
        module: Option<&OwnedFd>,
        token: Option<BorrowedFd<'_>>,
    ) -> io::Result<OpsMap> {
        let (token_flag, map_token_fd) = flag_and_number(token);
        let mut attr = MapCreate {
            map_type: MapType::STRUCT_OPS.0,
            key_size: size_of::<u32>() as u32,
            value_size: u32::try_from(value_size).map_err(io::Error::other)?,
            max_entries: 1,
            map_flags: if is_link { LINK } else { 0 } | token_flag,
            map_token_fd,
            map_name: object_name(name),
            btf_fd: fd_number(btf),
            btf_vmlinux_value_type_id: value_type,
            ..Default::default()
        };
        if let Some(module) = module {
            attr.map_flags |= VALUE_TYPE_IN_MODULE;
            attr.value_type_btf_obj_fd = fd_number(module);
        }
        // SAFETY: there is no address in it; the command returns a descriptor.
        let fd = unsafe { bpf_fd(Command::MAP_CREATE, &mut attr) }?;
        Ok(OpsMap { fd, value_size })
    }

    /// Whether there are such maps: a kernel that has them answers so for a type that is not one of operations.
    pub(crate) fn is_known(token: Option<BorrowedFd<'_>>) -> bool {
        let (map_flags, map_token_fd) = flag_and_number(token);
        let mut attr = MapCreate {
            map_type: MapType::STRUCT_OPS.0,
            key_size: size_of::<u32>() as u32,
            value_size: size_of::<u32>() as u32,
            max_entries: 1,
            map_flags,
            map_token_fd,
            btf_vmlinux_value_type_id: 1,
            ..Default::default()
        };
        // SAFETY: there is no address in it; the command returns a descriptor.
        let created = unsafe { bpf_fd(Command::MAP_CREATE, &mut attr) };
        created.is_err_and(|e| e.raw_os_error() == Some(ENOTSUPP))
    }

    /// Writes the value, which registers the operations unless a link is to do it.
    pub(crate) fn write(&self, value: &[u8]) -> io::Result<()> {
        if value.len() != self.value_size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let key = [0u8; 4];
        let mut attr = MapElem {
            map_fd: fd_number(self),
            key: address(&key),
            value: address(value),
            ..Default::default()
        };
        // SAFETY: the key is a live array of the size that such maps have, the value a slice of the size that this map was
        // created with (checked above); the kernel reads them.
        unsafe { bpf(Command::MAP_UPDATE_ELEM, &mut attr) }.map(drop)
    }
}

/// Unregisters operations that writing registered.
pub(crate) fn struct_ops_delete(map: impl AsFd) -> io::Result<()> {
    let key = [0u8; 4];
    let mut attr = MapElem {
        map_fd: fd_number(map),
        key: address(&key),
        ..Default::default()
    };
    // SAFETY: the key is a live array of the size that such maps have; the kernel reads it.
    unsafe { bpf(Command::MAP_DELETE_ELEM, &mut attr) }.map(drop)
}
