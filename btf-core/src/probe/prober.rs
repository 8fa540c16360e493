//! Asking, with a token or without: what the kernel's answers mean.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::insn::{Insn, op};
use crate::obj::{AttachType, MapType, ProgType};
use crate::sys::{self, Loading, MapFd, MapParams};
use btf_obj::private::assemble;

/// `r0 = 0`, the start or the end of most small programs.
pub(super) const ZERO: Insn = Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 0);
/// The end of a program.
pub(super) const EXIT: Insn = Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0);

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prober<'a> {
    /// By what right, if not this process's own.
    pub(crate) token: Option<BorrowedFd<'a>>,
}

/// A call of a helper function.
pub(super) const fn call(helper: i32) -> Insn {
    Insn::new(op::JMP | op::CALL, 0, 0, 0, helper)
}

/// Whether the kernel has what was asked for. What it refuses for want of rights or memory says nothing of that.
pub(super) fn answer<T>(answer: io::Result<T>) -> io::Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(e) => match e.raw_os_error() {
            Some(
                libc::EPERM
                | libc::ENOMEM
                | libc::EAGAIN
                | libc::EINTR
                | libc::EMFILE
                | libc::ENFILE,
            ) => Err(e),
            _ => Ok(false),
        },
    }
}

impl Prober<'_> {
    /// Loads a program.
    pub(super) fn load(
        &self,
        prog_type: ProgType,
        attach_type: AttachType,
        insns: &[Insn],
    ) -> io::Result<OwnedFd> {
        sys::prog_try(&Loading {
            token: self.token,
            ..Loading::bare(prog_type, attach_type, insns)
        })
    }

    /// Whether a program loads.
    pub(super) fn loads(
        &self,
        prog_type: ProgType,
        attach_type: AttachType,
        insns: &[Insn],
    ) -> io::Result<bool> {
        answer(self.load(prog_type, attach_type, insns))
    }

    /// Loads BTF of these types.
    pub(super) fn btf(&self, types: &[u32], strings: &[u8]) -> io::Result<OwnedFd> {
        sys::btf_try(&assemble(types, strings), self.token)
    }

    /// What a map of this type is created with, in the smallest form.
    pub(super) fn map(&self, map_type: MapType) -> MapParams<'_> {
        MapParams {
            name: "",
            is_named: false,
            map_type,
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            flags: 0,
            numa_node: None,
            extra: 0,
            ifindex: 0,
            inner: None,
            btf: None,
            token: self.token,
        }
    }

    /// Creates an array of one value of so many bytes.
    pub(super) fn array(&self, value_size: u32, flags: u32) -> io::Result<MapFd> {
        MapFd::create(&MapParams {
            value_size,
            flags,
            ..self.map(MapType::ARRAY)
        })
    }
}
