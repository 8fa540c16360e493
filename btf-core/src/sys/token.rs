//! Tokens: descriptors by which a process without privileges may use bpf(2), as far as a BPF file system delegates it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attr::TokenCreate;
use super::{Command, bpf_fd, fd_number};

/// `BPF_F_TOKEN_FD`, the flag beside a token in maps, programs and BTF.
const TOKEN_FD: u32 = 1 << 16;

/// Makes a token of what the mount of a BPF file system delegates (from 6.9 on).
pub(crate) fn token_create(bpffs: impl AsFd) -> io::Result<OwnedFd> {
    create(fd_number(bpffs))
}

/// Whether there are tokens: a kernel that has them looks at the descriptor, and there is none of this number.
pub(crate) fn tokens_are_known() -> bool {
    match create(i32::MAX.cast_unsigned()) {
        Ok(_) => true,
        Err(e) => e.raw_os_error() == Some(libc::EBADF),
    }
}

fn create(bpffs_fd: u32) -> io::Result<OwnedFd> {
    let mut attr = TokenCreate { flags: 0, bpffs_fd };
    // SAFETY: there is no address in it; the command returns a descriptor.
    unsafe { bpf_fd(Command::TOKEN_CREATE, &mut attr) }
}

/// A token as the attribute structs hold it: the flag that there is one, and its number.
pub(super) fn flag_and_number(token: Option<BorrowedFd<'_>>) -> (u32, u32) {
    token.map_or((0, 0), |fd| (TOKEN_FD, fd_number(fd)))
}
