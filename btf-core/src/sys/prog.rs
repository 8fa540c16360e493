//! Loading programs, and running them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use super::attr::{self, FuncInfo, LineInfo, object_name};
use super::log::{Attempt, Sizes, with_log_of};
use super::token::flag_and_number;
use super::version::kernel_version;
use super::{Command, address, address_mut, bpf, bpf_fd, fd_number, length};
use crate::insn::Insn;
use crate::obj::{AttachType, ProgType};

/// How often a load that the kernel interrupted is tried again, as libbpf does.
const ATTEMPTS: usize = 10;

/// What a program is loaded with.
pub(crate) struct Loading<'a> {
    pub(crate) name: &'a str,
    pub(crate) prog_type: u32,
    pub(crate) attach_type: u32,
    /// `BPF_F_…`.
    pub(crate) flags: u32,
    /// How much the verifier is to write even if it accepts the program, and into how large a buffer.
    pub(crate) log_level: u32,
    pub(crate) log_size: Option<usize>,
    pub(crate) insns: &'a [Insn],
    pub(crate) license: &'a CStr,
    /// The object's BTF in the kernel, and the functions and lines described with it.
    pub(crate) btf: Option<BorrowedFd<'a>>,
    pub(crate) func_info: &'a [FuncInfo],
    pub(crate) line_info: &'a [LineInfo],
    /// Type of the attach target in the kernel's BTF, 0 for none; and the module's BTF if it lies in one.
    pub(crate) attach_btf_id: u32,
    pub(crate) attach_btf: Option<BorrowedFd<'a>>,
    /// Descriptors that instructions refer to by position; they outlive the load.
    pub(crate) fd_array: &'a [RawFd],
    /// The program whose function is the target, which then lies in its BTF.
    pub(crate) attach_prog: Option<BorrowedFd<'a>>,
    /// The network device that it is for, or 0.
    pub(crate) ifindex: u32,
    /// By what right it is loaded, if not by this process's own.
    pub(crate) token: Option<BorrowedFd<'a>>,
}

impl<'a> Loading<'a> {
    /// A nameless program of this type and nothing more, as probes are.
    pub(crate) fn bare(
        prog_type: ProgType,
        attach_type: AttachType,
        insns: &'a [Insn],
    ) -> Loading<'a> {
        Loading {
            name: "",
            prog_type: prog_type.0,
            attach_type: attach_type.0,
            flags: 0,
            log_level: 0,
            log_size: None,
            insns,
            license: c"GPL",
            btf: None,
            func_info: &[],
            line_info: &[],
            attach_btf_id: 0,
            attach_btf: None,
            fd_array: &[],
            attach_prog: None,
            ifindex: 0,
            token: None,
        }
    }

    fn attr(&self) -> io::Result<attr::ProgLoad> {
        let (token_flag, prog_token_fd) = flag_and_number(self.token);
        Ok(attr::ProgLoad {
            prog_type: self.prog_type,
            insn_cnt: length(self.insns)?,
            insns: address(self.insns),
            license: address(self.license.to_bytes_with_nul()),
            prog_flags: self.flags | token_flag,
            prog_token_fd,
            kern_version: self.kern_version(),
            prog_name: object_name(self.name),
            prog_ifindex: self.ifindex,
            expected_attach_type: self.attach_type,
            prog_btf_fd: self.btf.map_or(0, fd_number),
            func_info_rec_size: size_of::<FuncInfo>() as u32,
            func_info: address(self.func_info),
            func_info_cnt: length(self.func_info)?,
            line_info_rec_size: size_of::<LineInfo>() as u32,
            line_info: address(self.line_info),
            line_info_cnt: length(self.line_info)?,
            attach_btf_id: self.attach_btf_id,
            // One field for both, as in the kernel.
            attach_btf_obj_fd: self.attach_prog.or(self.attach_btf).map_or(0, fd_number),
            fd_array: if self.fd_array.is_empty() {
                0
            } else {
                address(self.fd_array)
            },
            ..Default::default()
        })
    }

    /// What kernels before 5.0 want of programs on probes: the very version that they are built for.
    fn kern_version(&self) -> u32 {
        static RUNNING: OnceLock<u32> = OnceLock::new();
        match ProgType(self.prog_type) {
            ProgType::KPROBE => *RUNNING.get_or_init(|| kernel_version().code()),
            _ => 0,
        }
    }

    fn attempt(&self, log: Option<&mut [u8]>) -> Attempt<OwnedFd> {
        let mut attr = match self.attr() {
            Ok(attr) => attr,
            Err(e) => {
                return Attempt {
                    answer: Err(e),
                    true_size: 0,
                };
            }
        };
        if let Some(log) = log {
            attr.log_level = self.log_level.max(1);
            attr.log_size = u32::try_from(log.len()).unwrap_or(u32::MAX >> 2);
            attr.log_buf = address_mut(log);
        }
        let mut answer = Err(io::ErrorKind::Interrupted.into());
        for _ in 0..ATTEMPTS {
            // SAFETY: instructions, license, func_info and line_info are borrowed slices whose lengths (and, for the
            // license, terminator) `attr` states; the descriptors, or null, are as many as instructions name; so is the log, exclusively, or it is null with length 0. The command
            // returns a descriptor.
            answer = unsafe { bpf_fd(Command::PROG_LOAD, &mut attr) };
            let again = matches!(&answer, Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted));
            if !again {
                break;
            }
        }
        Attempt {
            answer,
            true_size: attr.log_true_size as usize,
        }
    }
}

/// Loads a program, to see whether the kernel takes it.
pub(crate) fn prog_try(loading: &Loading<'_>) -> io::Result<OwnedFd> {
    loading.attempt(None).answer
}

/// Loads a program. If the kernel refuses it, asks again with a log, which comes with the error.
pub(crate) fn prog_load(loading: &Loading<'_>) -> Result<OwnedFd, (io::Error, String)> {
    prog_load_logged(loading).map(|(fd, _)| fd)
}

/// The same, with the log of a program that was to be loaded with one.
pub(crate) fn prog_load_logged(
    loading: &Loading<'_>,
) -> Result<(OwnedFd, Option<String>), (io::Error, String)> {
    let refused = match loading.log_level {
        0 => match loading.attempt(None).answer {
            Ok(fd) => return Ok((fd, None)),
            Err(e) => Some(e),
        },
        _ => None,
    };
    let sizes = loading.log_size.map_or(Sizes::DEFAULT, Sizes::fixed);
    match (
        with_log_of(sizes, |log| loading.attempt(Some(log))),
        refused,
    ) {
        // Without a level it was refused for a passing reason only.
        ((Ok(fd), log), _) => Ok((fd, (loading.log_level > 0).then_some(log))),
        // A log that never fit hides the reason behind its own errno.
        ((Err(e), log), Some(refused)) if e.raw_os_error() == Some(libc::ENOSPC) => {
            Err((refused, log))
        }
        ((Err(e), log), _) => Err((e, log)),
    }
}

/// Has the kernel keep a map as long as a program, and name it among the program's; from 5.10 on.
pub(crate) fn prog_bind_map(prog: impl AsFd, map: impl AsFd) -> io::Result<()> {
    let mut attr = attr::ProgBindMap {
        prog_fd: fd_number(prog),
        map_fd: fd_number(map),
        flags: 0,
    };
    // SAFETY: there are no addresses.
    unsafe { bpf(Command::PROG_BIND_MAP, &mut attr) }.map(drop)
}

/// The number of the BTF object that a program was loaded with; 0 for none.
pub(crate) fn prog_btf_id(prog: impl AsFd) -> io::Result<u32> {
    prog_info(prog, 32)
}

/// A program's own number.
pub(crate) fn prog_id(prog: impl AsFd) -> io::Result<u32> {
    prog_info(prog, 1)
}

/// A word of `struct bpf_prog_info`, of which no word past the BTF object's number is known here.
fn prog_info(prog: impl AsFd, word: usize) -> io::Result<u32> {
    let mut info = [0u32; 33];
    let mut attr = attr::ObjInfo {
        bpf_fd: fd_number(prog),
        info_len: size_of_val(&info) as u32,
        info: address_mut(&mut info),
    };
    // SAFETY: `info` is a live array of the length stated, borrowed exclusively; all addresses and lengths in it are zero, so
    // that the kernel writes nothing elsewhere.
    unsafe { bpf(Command::OBJ_GET_INFO_BY_FD, &mut attr) }?;
    Ok(info.get(word).copied().unwrap_or(0))
}
