//! Pinning: names in the BPF file system that keep maps, programs and links in the kernel.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::attr::ObjPin;
use super::{Command, address, bpf, bpf_fd, fd_number};

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Pins what a descriptor is of under a path in a BPF file system.
pub(crate) fn obj_pin(fd: impl AsFd, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let mut attr = ObjPin {
        pathname: address(path.as_bytes_with_nul()),
        bpf_fd: fd_number(fd),
        file_flags: 0,
    };
    // SAFETY: the path is a live C string, which the kernel reads.
    unsafe { bpf(Command::OBJ_PIN, &mut attr) }?;
    Ok(())
}

/// Opens what is pinned under a path.
pub(crate) fn obj_get(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let mut attr = ObjPin {
        pathname: address(path.as_bytes_with_nul()),
        bpf_fd: 0,
        file_flags: 0,
    };
    // SAFETY: the path is a live C string, which the kernel reads; the command returns a descriptor.
    unsafe { bpf_fd(Command::OBJ_GET, &mut attr) }
}
