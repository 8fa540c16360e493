//! Which file system something lies in.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::checked;

/// The number of a kind of file system (`..._MAGIC`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileSystem(u32);

impl FileSystem {
    pub(crate) const BPF: FileSystem = FileSystem(0xcafe_4a11);
    pub(crate) const CGROUP2: FileSystem = FileSystem(0x6367_7270);
    pub(crate) const PROC: FileSystem = FileSystem(0x9fa0);
    pub(crate) const SYSFS: FileSystem = FileSystem(0x6265_6572);

    /// That of an open file.
    pub(crate) fn of(file: impl AsFd) -> io::Result<FileSystem> {
        let mut answer = MaybeUninit::zeroed();
        // SAFETY: the kernel writes one such struct, for which there is room.
        checked(unsafe { libc::fstatfs(file.as_fd().as_raw_fd(), answer.as_mut_ptr()) })?;
        Ok(kind(answer))
    }

    /// That of what is at a path.
    pub(crate) fn at(path: &Path) -> io::Result<FileSystem> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let mut answer = MaybeUninit::zeroed();
        // SAFETY: the kernel reads a live C string and writes one such struct, for which there is room.
        checked(unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) })?;
        Ok(kind(answer))
    }
}

fn kind(answer: MaybeUninit<libc::statfs>) -> FileSystem {
    // SAFETY: it is numbers, zeroed before the kernel wrote them.
    let answer = unsafe { answer.assume_init() };
    // Its size and sign are the machine's; the numbers have 32 bits.
    FileSystem(answer.f_type as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_and_at_a_path() {
        let path = Path::new("/proc/self/stat");
        assert_eq!(FileSystem::at(path).unwrap(), FileSystem::PROC);
        let file = std::fs::File::open(path).unwrap();
        assert_eq!(FileSystem::of(file).unwrap(), FileSystem::PROC);
        assert!(FileSystem::at(Path::new("/no/such/place")).is_err());
        assert!(FileSystem::at(Path::new("/with\0zero")).is_err());
    }
}
