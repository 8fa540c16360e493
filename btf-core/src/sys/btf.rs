//! BTF objects in the kernel: loading an object's own, finding those of modules.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::attr::{self, BtfInfo};
use super::log::{Attempt, with_log};
use super::{Command, address, address_mut, bpf, bpf_fd, fd_number, length};

/// Loads BTF. If the kernel refuses it, asks again with a log, which comes with the error.
pub(crate) fn btf_load(btf: &[u8]) -> Result<OwnedFd, (io::Error, String)> {
    let refused = match attempt(btf, None).answer {
        Ok(fd) => return Ok(fd),
        Err(e) => e,
    };
    match with_log(|log| attempt(btf, Some(log))) {
        (Ok(fd), _) => Ok(fd),
        (Err(_), log) => Err((refused, log)),
    }
}

fn attempt(btf: &[u8], log: Option<&mut [u8]>) -> Attempt<OwnedFd> {
    let mut attr = attr::BtfLoad {
        btf: address(btf),
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

/// The kernel's own BTF object of a module (`vmlinux` is none), as programs refer to it that attach to the module.
pub(crate) fn module_btf_fd(module: &str) -> io::Result<Option<OwnedFd>> {
    let mut id = 0;
    loop {
        let mut attr = attr::ById {
            id,
            ..Default::default()
        };
        // SAFETY: there is no address in it.
        match unsafe { bpf(Command::BTF_GET_NEXT_ID, &mut attr) } {
            Ok(_) => id = attr.next_id,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        }
        let mut attr = attr::ById {
            id,
            ..Default::default()
        };
        // SAFETY: there is no address in it, and the command returns a descriptor.
        let fd = match unsafe { bpf_fd(Command::BTF_GET_FD_BY_ID, &mut attr) } {
            Ok(fd) => fd,
            // Unloaded meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        if is_kernel_btf_of(&fd, module)? {
            return Ok(Some(fd));
        }
    }
}

fn is_kernel_btf_of(fd: &OwnedFd, module: &str) -> io::Result<bool> {
    let mut name = [0u8; 64];
    let mut info = [BtfInfo {
        name: address_mut(&mut name),
        name_len: name.len() as u32,
        ..Default::default()
    }];
    let mut attr = attr::ObjInfo {
        bpf_fd: fd_number(fd.as_fd()),
        info_len: size_of::<BtfInfo>() as u32,
        info: address_mut(&mut info),
    };
    // SAFETY: `info` is a live struct of the length stated, borrowed exclusively; the name in it is a live buffer of the
    // length stated beside it, and its `btf` is null with length 0.
    let answer = unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) };
    match answer {
        Ok(_) => {}
        // A name that does not fit is not one of a module.
        Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => return Ok(false),
        Err(e) => return Err(e),
    }
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    Ok(info[0].kernel_btf != 0 && name[..end] == *module.as_bytes())
}
