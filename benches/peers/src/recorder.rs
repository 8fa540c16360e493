//! What is asked of bpf(2), answered without a kernel: maps, BTF and programs become memory files, programs are kept
//! as they were passed. The linker hands every call of `syscall` to this file (`--wrap=syscall` in build.rs).

use std::ffi::{c_int, c_long};
use std::sync::Mutex;
use std::time::Instant;

/// Commands of bpf(2).
const MAP_CREATE: c_long = 0;
const PROG_LOAD: c_long = 5;
const OBJ_GET: c_long = 7;
const OBJ_GET_INFO_BY_FD: c_long = 15;
const BTF_LOAD: c_long = 18;
const TOKEN_CREATE: c_long = 36;

/// A type of map.
const INSN_ARRAY: u32 = 34;

/// What was asked since the last [`take`].
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Instructions of each program, feature probes included, by where they lay.
    pub(crate) programs: Vec<(usize, Vec<[u8; 8]>)>,
    /// Descriptors of arrays of instructions: libbpf makes one of a jump table, and does not count it among an object's maps.
    pub(crate) jump_tables: Vec<c_int>,
    /// When BTF was loaded, or tried to be, for the first time: libbpf has relocated by then.
    pub(crate) first_btf: Option<Instant>,
}

static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// Takes what was recorded and starts anew.
pub(crate) fn take() -> Record {
    with(std::mem::take)
}

fn with<T>(work: impl FnOnce(&mut Record) -> T) -> T {
    let mut record = RECORD.lock().unwrap_or_else(|e| e.into_inner());
    work(record.get_or_insert_default())
}

unsafe extern "C" {
    fn __real_syscall(number: c_long, ...) -> c_long;
}

/// In the place of libc's `syscall`, for whoever in this program calls it.
///
/// # Safety
///
/// That of `syscall`. Variadic and plain integer arguments are passed alike on x86-64 and arm64; arguments that the
/// caller did not give hold garbage, which no system call looks at.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_bpf {
        // SAFETY: the caller's promise for bpf(2): `b` points to an attribute of `c` bytes.
        let attr = unsafe { std::slice::from_raw_parts(b as *const u8, c as usize) };
        // SAFETY: as above, for the addresses in it.
        return match unsafe { bpf(a, attr) } {
            Ok(answer) => answer.into(),
            Err(errno) => {
                // SAFETY: it only returns an address.
                let place = unsafe { libc::__errno_location() };
                // SAFETY: it is this thread's own.
                unsafe { *place = errno };
                -1
            }
        };
    }
    // SAFETY: the caller's promise, passed on as it came.
    unsafe { __real_syscall(number, a, b, c, d, e, f) }
}

/// Answers one request; the error is an errno.
///
/// # Safety
///
/// The addresses in `attr` are valid, as bpf(2) demands.
unsafe fn bpf(command: c_long, attr: &[u8]) -> Result<c_int, c_int> {
    match command {
        MAP_CREATE => {
            let fd = descriptor(map_size(attr))?;
            if word(attr, 0) == INSN_ARRAY {
                with(|record| record.jump_tables.push(fd));
            }
            Ok(fd)
        }
        PROG_LOAD => {
            let (count, start) = (word(attr, 4) as usize, long(attr, 8) as usize);
            // SAFETY: the caller's promise: so many instructions of eight bytes lie there.
            let insns = unsafe { std::slice::from_raw_parts(start as *const [u8; 8], count) };
            with(|record| record.programs.push((start, insns.to_vec())));
            descriptor(0)
        }
        BTF_LOAD => {
            with(|record| {
                record.first_btf.get_or_insert_with(Instant::now);
            });
            descriptor(0)
        }
        // A descriptor of ours is no map, program or BTF of the kernel's; nothing essential hangs on it.
        OBJ_GET_INFO_BY_FD => Err(libc::EINVAL),
        // Nothing is pinned.
        OBJ_GET => Err(libc::ENOENT),
        // Loading goes on without a token.
        TOKEN_CREATE => Err(libc::EOPNOTSUPP),
        // Contents of maps, freezing, binding, probes: yes.
        _ => Ok(0),
    }
}

/// Bytes that an array or an arena takes when it is mapped. Nothing else is.
fn map_size(attr: &[u8]) -> u64 {
    const ARRAY: u32 = 2;
    const ARENA: u32 = 33;
    const PAGE: u64 = 4096;
    let value = u64::from(word(attr, 8)).next_multiple_of(8);
    let entries = u64::from(word(attr, 12));
    match word(attr, 0) {
        ARRAY => (value * entries).next_multiple_of(PAGE),
        // Its entries are pages. A mapping that is longer than the file ends the process where it is touched.
        ARENA => entries * PAGE,
        _ => 0,
    }
}

fn descriptor(size: u64) -> Result<c_int, c_int> {
    let errno = || std::io::Error::last_os_error().raw_os_error();
    // SAFETY: the name ends with NUL; the call makes a descriptor and touches no memory of ours.
    let fd = unsafe { libc::memfd_create(c"bpf".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(errno().unwrap_or(libc::EIO));
    }
    // SAFETY: it is the descriptor just made.
    if size > 0 && unsafe { libc::ftruncate(fd, size.cast_signed()) } != 0 {
        return Err(errno().unwrap_or(libc::EIO));
    }
    Ok(fd)
}

/// Fields of an attribute; zero past its end, as the kernel reads them.
fn word(attr: &[u8], at: usize) -> u32 {
    attr.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn long(attr: &[u8], at: usize) -> u64 {
    attr.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}
