//! Memory maps of files and BPF maps, unmapped on drop.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{NonNull, null_mut};

use super::checked;

/// How memory is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Read only, not shared: the one form in which the kernel's BTF can be mapped.
    ReadPrivate,
    /// Read only, shared with the kernel.
    Read,
    /// Read and written, shared with the kernel.
    ReadWrite,
}

/// A range of mapped memory. Its provenance is exposed: it may be accessed by address.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; it hands out pointers only, and what may be done through
// them is for those who dereference.
unsafe impl Send for Mapping {}
// SAFETY: as above; no method changes it.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` from `offset`, which must be a multiple of the page size.
    pub(crate) fn new(
        fd: impl AsFd,
        offset: usize,
        len: usize,
        access: Access,
    ) -> io::Result<Self> {
        let (protection, flags) = match access {
            Access::ReadPrivate => (libc::PROT_READ, libc::MAP_PRIVATE),
            Access::Read => (libc::PROT_READ, libc::MAP_SHARED),
            Access::ReadWrite => (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED),
        };
        let offset = libc::off_t::try_from(offset)
            .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: without MAP_FIXED the kernel picks a free range, so no memory in use changes.
        let start = unsafe { libc::mmap(null_mut(), len, protection, flags, fd, offset) };
        Mapping::of(start, len)
    }

    /// Maps the first `len` bytes of `fd` for reading and writing at `address`. `EEXIST` if something is mapped there.
    pub(crate) fn at(fd: impl AsFd, address: usize, len: usize) -> io::Result<Self> {
        let wanted = std::ptr::without_provenance_mut(address);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: MAP_FIXED_NOREPLACE takes the range only if it is free, so no memory in use changes. (A kernel that does not
        // know the flag takes the address for a wish.)
        let start = unsafe { libc::mmap(wanted, len, protection, flags, fd, 0) };
        let mapping = Mapping::of(start, len)?;
        match mapping.start.addr().get() == address {
            true => Ok(mapping),
            false => Err(io::ErrorKind::AddrInUse.into()),
        }
    }

    /// Memory of this process alone, of zeros.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED the kernel picks a free range, so no memory in use changes.
        let start = unsafe { libc::mmap(null_mut(), len, protection, flags, -1, 0) };
        Mapping::of(start, len)
    }

    /// What mmap answered: it must come right after.
    fn of(start: *mut libc::c_void, len: usize) -> io::Result<Self> {
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(start.cast()) {
            Some(start) => {
                start.expose_provenance();
                Ok(Mapping { start, len })
            }
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// First byte; the memory is valid for [`Mapping::len`] bytes for as long as `self` lives.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes that were asked for.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is the one mmap returned, still mapped, and nobody has a pointer into it any more: users
        // borrow `self` or own it.
        let done = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert!(checked(done).is_ok());
    }
}
