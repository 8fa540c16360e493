//! BPF tokens: rights to use bpf(2) that an administrator delegates to a user namespace.

mod source;

use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

pub(crate) use source::TokenSource;

/// The right to use bpf(2) as far as a mount of a BPF file system delegates it (`delegate_cmds`, `delegate_maps`, `delegate_progs` and
/// `delegate_attachs` of the mount), from Linux 6.9 on: what a container's process loads with that has no rights otherwise.
///
/// Loading makes one by itself where it can, of the file system at `/sys/fs/bpf`, at
/// [`OpenObject::set_token_path`](crate::load::OpenObject::set_token_path), or at
/// `LIBBPF_BPF_TOKEN_PATH` (unless the process has more rights than its caller, as with
/// secure_getenv(3)). [`Features::of_token`](crate::probe::Features::of_token) tells what can be done with
/// it.
#[derive(Clone, Debug)]
pub struct Token {
    fd: Arc<OwnedFd>,
}

impl AsFd for Token {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Token {
    /// Makes a token of the BPF file system that is mounted at `path`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] on kernels before 6.9, and where there are no tokens: outside of user namespaces;
    /// [`ErrorKind::NotFound`] if there is no such directory, or its mount delegates nothing; [`ErrorKind::Permission`] if it is
    /// of another user namespace, or this process is not its root; [`ErrorKind::InvalidInput`] if no BPF file system is mounted
    /// there.
    pub fn create(path: impl AsRef<Path>) -> Result<Token> {
        let path = path.as_ref();
        let dir = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(path);
        let dir = dir.map_err(|e| {
            Error::os(format!("cannot open {}", path.display()), e)
                .hint("name the directory where a BPF file system is mounted")
        })?;
        match sys::token_create(&dir) {
            Ok(fd) => Ok(Token { fd: Arc::new(fd) }),
            Err(e) => Err(refused(e).context(format!("BPF file system {}", path.display()))),
        }
    }
}

/// What the kernel's answers to `BPF_TOKEN_CREATE` mean.
fn refused(e: std::io::Error) -> Error {
    let (kind, why, hint) = match e.raw_os_error() {
        Some(libc::EINVAL) if !sys::tokens_are_known() => (
            ErrorKind::Unsupported,
            "this kernel has no tokens",
            "they came with Linux 6.9; without one, a program is loaded by a process with CAP_BPF",
        ),
        Some(libc::EINVAL) => (
            ErrorKind::InvalidInput,
            "that is not where a BPF file system is mounted",
            "name the mount point itself",
        ),
        Some(libc::EOPNOTSUPP) => (
            ErrorKind::Unsupported,
            "it belongs to the first user namespace, in which there are no tokens",
            "a process there needs CAP_BPF; tokens are for user namespaces with a BPF file system of their own",
        ),
        Some(libc::ENOENT) => (
            ErrorKind::NotFound,
            "its mount delegates nothing",
            "mount it with delegate_cmds, delegate_maps, delegate_progs and delegate_attachs, which an administrator does for the user namespace",
        ),
        Some(libc::EPERM) => (
            ErrorKind::Permission,
            "it belongs to a different user namespace",
            "it must be mounted in this process's own user namespace, in which the process needs CAP_BPF",
        ),
        _ => return Error::os("the kernel refused to make a token", e),
    };
    Error::new(kind, why).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_explained() {
        let say = |errno| refused(std::io::Error::from_raw_os_error(errno));
        assert_eq!(say(libc::ENOENT).kind(), ErrorKind::NotFound);
        assert!(say(libc::ENOENT).to_string().contains("delegate_cmds"));
        assert_eq!(say(libc::EPERM).kind(), ErrorKind::Permission);
        assert_eq!(say(libc::EOPNOTSUPP).kind(), ErrorKind::Unsupported);
        assert_eq!(say(libc::EMFILE).os_error(), Some(libc::EMFILE));
        let e = Token::create("/nowhere").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert!(e.to_string().starts_with("cannot open /nowhere: "), "{e}");
        let e = Token::create("/").unwrap_err();
        assert!(e.to_string().starts_with("BPF file system /: "), "{e}");
    }
}
