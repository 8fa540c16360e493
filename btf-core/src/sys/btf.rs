//! BTF objects in the kernel: loading an object's own, finding those of modules.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attr::{self, BtfInfo};
use super::log::{Attempt, with_log};
use super::token::flag_and_number;
use super::{Command, address, address_mut, bpf, bpf_fd, fd_number, length};

/// Loads BTF. If the kernel refuses it, asks again with a log, which comes with the error.
pub(crate) fn btf_load(
    btf: &[u8],
    token: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, (io::Error, String)> {
    let refused = match attempt(btf, token, None).answer {
        Ok(fd) => return Ok(fd),
        Err(e) => e,
    };
    match with_log(|log| attempt(btf, token, Some(log))) {
        (Ok(fd), _) => Ok(fd),
        (Err(_), log) => Err((refused, log)),
    }
}

/// Loads BTF, to see whether the kernel takes it.
pub(crate) fn btf_try(btf: &[u8], token: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    attempt(btf, token, None).answer
}

fn attempt(btf: &[u8], token: Option<BorrowedFd<'_>>, log: Option<&mut [u8]>) -> Attempt<OwnedFd> {
    let (btf_flags, btf_token_fd) = flag_and_number(token);
    let mut attr = attr::BtfLoad {
        btf: address(btf),
        btf_flags,
        btf_token_fd,
        ..Default::default()
    };
    match length(btf) {
        Ok(size) => attr.btf_size = size,
        Err(e) => {
            return Attempt {
                answer: Err(e),
                true_size: 0,
            };
        }
    }
    if let Some(log) = log {
        attr.btf_log_level = 1;
        attr.btf_log_size = u32::try_from(log.len()).unwrap_or(u32::MAX >> 2);
        attr.btf_log_buf = address_mut(log);
    }
    // SAFETY: the BTF is a borrowed slice of the length stated; so is the log, exclusively, or it is null with length 0.
    // The command returns a descriptor.
    let answer = unsafe { bpf_fd(Command::BTF_LOAD, &mut attr) };
    Attempt {
        answer,
        true_size: attr.btf_log_true_size as usize,
    }
}

/// What the kernel says of a BTF object.
pub(crate) struct BtfObjectInfo {
    pub(crate) id: u32,
    /// `vmlinux` or a module; empty for what a program brought along, and before 5.11.
    pub(crate) name: String,
    pub(crate) size: u32,
    /// Whether these are types of the kernel or of a module.
    pub(crate) is_kernel: bool,
}

/// The BTF object with the lowest id above this one; `None` if there is none.
pub(crate) fn next_btf_id(id: u32) -> io::Result<Option<u32>> {
    let mut attr = attr::ById {
        id,
        ..Default::default()
    };
    // SAFETY: there is no address in it.
    match unsafe { bpf(Command::BTF_GET_NEXT_ID, &mut attr) } {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The BTF object with this id; `None` if it is not there any more.
pub(crate) fn btf_by_id(id: u32) -> io::Result<Option<OwnedFd>> {
    let mut attr = attr::ById {
        id,
        ..Default::default()
    };
    // SAFETY: there is no address in it, and the command returns a descriptor.
    match unsafe { bpf_fd(Command::BTF_GET_FD_BY_ID, &mut attr) } {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The kernel's own BTF object of a module (`vmlinux` is none), as programs refer to it that attach to the module.
pub(crate) fn module_btf_fd(module: &str) -> io::Result<Option<OwnedFd>> {
    let mut last = 0;
    while let Some(id) = next_btf_id(last)? {
        last = id;
        // It may have been unloaded meanwhile.
        let Some(fd) = btf_by_id(id)? else { continue };
        let info = btf_info(&fd)?;
        if info.is_kernel && info.name == module {
            return Ok(Some(fd));
        }
    }
    Ok(None)
}

/// What the kernel says of a BTF object, without its bytes.
pub(crate) fn btf_info(fd: &OwnedFd) -> io::Result<BtfObjectInfo> {
    // Modules' names have less than 64 characters.
    let mut name = [0u8; 64];
    let info = match ask(fd, &mut name, &mut []) {
        // Before 5.11 there were no names, and the kernel refuses to be asked for one.
        Err(e) if e.raw_os_error() == Some(libc::E2BIG) => ask(fd, &mut [], &mut [])?,
        answer => answer?,
    };
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Ok(BtfObjectInfo {
        id: info.id,
        name: String::from_utf8_lossy(&name[..end]).into_owned(),
        size: info.btf_size,
        is_kernel: info.kernel_btf != 0,
    })
}

/// Whether the kernel tells names of BTF objects, which came with those of modules (5.11).
pub(crate) fn btf_has_name(fd: &OwnedFd) -> bool {
    ask(fd, &mut [0; 16], &mut []).is_ok()
}

/// The bytes of a BTF object.
pub(crate) fn btf_bytes(fd: &OwnedFd) -> io::Result<Vec<u8>> {
    let size = ask(fd, &mut [], &mut [])?.btf_size;
    let mut bytes = vec![0; size as usize];
    ask(fd, &mut [], &mut bytes)?;
    Ok(bytes)
}

fn ask(fd: &OwnedFd, name: &mut [u8], bytes: &mut [u8]) -> io::Result<BtfInfo> {
    // An address with length 0 is refused.
    let some = |buffer: &mut [u8]| match buffer {
        [] => 0,
        buffer => address_mut(buffer),
    };
    let mut info = [BtfInfo {
        name_len: length(name)?,
        name: some(name),
        btf_size: length(bytes)?,
        btf: some(bytes),
        ..Default::default()
    }];
    let mut attr = attr::ObjInfo {
        bpf_fd: fd_number(fd.as_fd()),
        info_len: size_of::<BtfInfo>() as u32,
        info: address_mut(&mut info),
    };
    // SAFETY: `info` is a live struct of the length stated, borrowed exclusively; so are the buffers in it, each of the
    // length stated beside it, or null with length 0.
    unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) }?;
    let [info] = info;
    Ok(info)
}
