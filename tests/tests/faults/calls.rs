//! System calls that are made to fail: their names, and the errors that their manual pages list.

use libc::{
    E2BIG, EACCES, EAGAIN, EBADF, EBUSY, ECONNREFUSED, EEXIST, EFAULT, EINTR, EINVAL, EIO, ELOOP,
    EMFILE, ENFILE, ENOBUFS, ENODEV, ENOENT, ENOMEM, ENOPROTOOPT, ENOSPC, ENOTDIR, ENOTTY,
    EOPNOTSUPP, EPERM, EROFS, ESRCH,
};

/// A system call that a traced process is about to make.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) args: [u64; 6],
    /// The path of a call that has one.
    pub(crate) path: String,
}

/// A call that can fail, as the table has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) errnos: &'static [i32],
    /// Returns a new file descriptor, which a process at its limit does not get.
    pub(crate) makes_fd: bool,
}

/// bpf(2); its page lists them for all commands.
const BPF: &[i32] = &[E2BIG, EACCES, EBADF, EFAULT, EINVAL, ENOENT, ENOMEM, EPERM];
const BPF_FD: &[i32] = &[
    E2BIG, EACCES, EBADF, EFAULT, EINVAL, EMFILE, ENFILE, ENOENT, ENOMEM, EPERM,
];
const BPF_LOAD: &[i32] = &[
    E2BIG, EACCES, EAGAIN, EBADF, EFAULT, EINVAL, EMFILE, ENFILE, ENOENT, ENOMEM, EPERM,
];
const BPF_ATTACH: &[i32] = &[
    E2BIG, EACCES, EBADF, EBUSY, EEXIST, EFAULT, EINVAL, EMFILE, ENFILE, ENOENT, ENOMEM,
    EOPNOTSUPP, EPERM,
];

/// Commands of bpf(2) by number.
const COMMANDS: &[(&str, &[i32], bool)] = &[
    ("bpf(BPF_MAP_CREATE)", BPF_FD, true),
    ("bpf(BPF_MAP_LOOKUP_ELEM)", BPF, false),
    ("bpf(BPF_MAP_UPDATE_ELEM)", BPF, false),
    ("bpf(BPF_MAP_DELETE_ELEM)", BPF, false),
    ("bpf(BPF_MAP_GET_NEXT_KEY)", BPF, false),
    ("bpf(BPF_PROG_LOAD)", BPF_LOAD, true),
    ("bpf(BPF_OBJ_PIN)", BPF, false),
    ("bpf(BPF_OBJ_GET)", BPF_FD, true),
    ("bpf(BPF_PROG_ATTACH)", BPF_ATTACH, false),
    ("bpf(BPF_PROG_DETACH)", BPF, false),
    ("bpf(BPF_PROG_TEST_RUN)", BPF, false),
    ("bpf(BPF_PROG_GET_NEXT_ID)", BPF, false),
    ("bpf(BPF_MAP_GET_NEXT_ID)", BPF, false),
    ("bpf(BPF_PROG_GET_FD_BY_ID)", BPF_FD, true),
    ("bpf(BPF_MAP_GET_FD_BY_ID)", BPF_FD, true),
    ("bpf(BPF_OBJ_GET_INFO_BY_FD)", BPF, false),
    ("bpf(BPF_PROG_QUERY)", BPF, false),
    ("bpf(BPF_RAW_TRACEPOINT_OPEN)", BPF_ATTACH, true),
    ("bpf(BPF_BTF_LOAD)", BPF_FD, true),
    ("bpf(BPF_BTF_GET_FD_BY_ID)", BPF_FD, true),
    ("bpf(BPF_TASK_FD_QUERY)", BPF, false),
    ("bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM)", BPF, false),
    ("bpf(BPF_MAP_FREEZE)", BPF, false),
    ("bpf(BPF_BTF_GET_NEXT_ID)", BPF, false),
    ("bpf(BPF_MAP_LOOKUP_BATCH)", BPF, false),
    ("bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)", BPF, false),
    ("bpf(BPF_MAP_UPDATE_BATCH)", BPF, false),
    ("bpf(BPF_MAP_DELETE_BATCH)", BPF, false),
    ("bpf(BPF_LINK_CREATE)", BPF_ATTACH, true),
    ("bpf(BPF_LINK_UPDATE)", BPF, false),
    ("bpf(BPF_LINK_GET_FD_BY_ID)", BPF_FD, true),
    ("bpf(BPF_LINK_GET_NEXT_ID)", BPF, false),
    ("bpf(BPF_ENABLE_STATS)", BPF_FD, true),
    ("bpf(BPF_ITER_CREATE)", BPF_FD, true),
    ("bpf(BPF_LINK_DETACH)", BPF, false),
    ("bpf(BPF_PROG_BIND_MAP)", BPF, false),
    ("bpf(BPF_TOKEN_CREATE)", BPF_FD, true),
];

const STAT: &[i32] = &[EACCES, ELOOP, ENOENT, ENOMEM, ENOTDIR];

/// The other calls.
const OTHERS: &[(i64, Kind)] = &[
    (
        libc::SYS_openat,
        Kind {
            name: "openat",
            errnos: &[
                EACCES, EINTR, ELOOP, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, EPERM, EROFS,
            ],
            makes_fd: true,
        },
    ),
    (
        libc::SYS_socket,
        Kind {
            name: "socket",
            errnos: &[EACCES, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM],
            makes_fd: true,
        },
    ),
    (
        libc::SYS_perf_event_open,
        Kind {
            name: "perf_event_open",
            errnos: &[
                E2BIG, EACCES, EBADF, EBUSY, EINTR, EINVAL, EMFILE, ENODEV, ENOENT, ENOSPC,
                EOPNOTSUPP, EPERM, ESRCH,
            ],
            makes_fd: true,
        },
    ),
    (
        libc::SYS_epoll_create1,
        Kind {
            name: "epoll_create1",
            errnos: &[EMFILE, ENFILE, ENOMEM],
            makes_fd: true,
        },
    ),
    (
        libc::SYS_pidfd_open,
        Kind {
            name: "pidfd_open",
            errnos: &[EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, ESRCH],
            makes_fd: true,
        },
    ),
    (libc::SYS_read, plain("read", &[EBADF, EINTR, EINVAL, EIO])),
    (
        libc::SYS_write,
        plain("write", &[EBADF, EINTR, EINVAL, EIO, ENOSPC, EPERM]),
    ),
    (
        libc::SYS_sendto,
        plain("sendto", &[ECONNREFUSED, EINTR, ENOBUFS, ENOMEM]),
    ),
    (
        libc::SYS_recvfrom,
        plain("recvfrom", &[ECONNREFUSED, EINTR, ENOBUFS, ENOMEM]),
    ),
    (
        libc::SYS_setsockopt,
        plain("setsockopt", &[EINVAL, ENOMEM, ENOPROTOOPT, EPERM]),
    ),
    (
        libc::SYS_epoll_ctl,
        plain("epoll_ctl", &[EEXIST, EINVAL, ENOMEM, ENOSPC, EPERM]),
    ),
    (
        libc::SYS_epoll_wait,
        plain("epoll_wait", &[EBADF, EINTR, EINVAL]),
    ),
    (libc::SYS_ppoll, plain("ppoll", &[EINTR, EINVAL, ENOMEM])),
    (libc::SYS_statx, plain("statx", STAT)),
    (libc::SYS_newfstatat, plain("newfstatat", STAT)),
    (libc::SYS_fstat, plain("fstat", &[EBADF, ENOMEM])),
    (
        libc::SYS_fstatfs,
        plain("fstatfs", &[EBADF, EINTR, EIO, ENOMEM]),
    ),
    (
        libc::SYS_statfs,
        plain("statfs", &[EACCES, EINTR, EIO, ENOENT, ENOMEM]),
    ),
    (
        libc::SYS_readlink,
        plain("readlink", &[EACCES, EINVAL, ENOENT, ENOMEM]),
    ),
    (
        libc::SYS_getdents64,
        plain("getdents64", &[EBADF, EINVAL, ENOENT]),
    ),
    (libc::SYS_lseek, plain("lseek", &[EBADF, EINVAL])),
    (libc::SYS_pread64, plain("pread64", &[EBADF, EINTR, EIO])),
    (
        libc::SYS_mkdir,
        plain("mkdir", &[EACCES, EEXIST, ENOENT, ENOMEM, ENOSPC, EROFS]),
    ),
    (
        libc::SYS_unlink,
        plain("unlink", &[EACCES, EBUSY, ENOENT, ENOMEM, EPERM, EROFS]),
    ),
    (libc::SYS_prlimit64, plain("prlimit64", &[EINVAL, EPERM])),
    (libc::SYS_uname, plain("uname", &[EFAULT])),
    (libc::SYS_capget, plain("capget", &[EFAULT, EINVAL])),
];

const fn plain(name: &'static str, errnos: &'static [i32]) -> Kind {
    Kind {
        name,
        errnos,
        makes_fd: false,
    }
}

/// `PERF_EVENT_IOC_…`.
const IOC_ENABLE: u64 = 0x2400;
const IOC_DISABLE: u64 = 0x2401;
const IOC_SET_BPF: u64 = 0x4004_2408;

impl Call {
    /// Returns the call's entry in the table; `None` for a call that is not made to fail.
    ///
    /// These are left out: memory of the allocator, where a failure ends a Rust program; munmap(2)
    /// and close(2), which cannot be undone or repeated (close(2) closes whatever it returns); what
    /// only the standard library and the C library call.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let [first, second, _, _, fifth, _] = self.args;
        match self.number {
            libc::SYS_bpf => {
                let (name, errnos, makes_fd) = *COMMANDS.get(usize::try_from(first).ok()?)?;
                Some(Kind {
                    name,
                    errnos,
                    makes_fd,
                })
            }
            libc::SYS_ioctl => match second {
                IOC_ENABLE => Some(plain("ioctl(PERF_EVENT_IOC_ENABLE)", IOCTL)),
                IOC_DISABLE => Some(plain("ioctl(PERF_EVENT_IOC_DISABLE)", IOCTL)),
                IOC_SET_BPF => Some(plain("ioctl(PERF_EVENT_IOC_SET_BPF)", IOCTL)),
                _ => Some(plain("ioctl", IOCTL)),
            },
            libc::SYS_fcntl if second == libc::F_DUPFD_CLOEXEC as u64 => Some(Kind {
                name: "fcntl(F_DUPFD_CLOEXEC)",
                errnos: &[EBADF, EINVAL, EMFILE],
                makes_fd: true,
            }),
            // Without a file, it is memory of the allocator.
            libc::SYS_mmap if fifth as i32 >= 0 => Some(plain(
                "mmap",
                &[EACCES, EAGAIN, EBADF, EINVAL, ENFILE, ENODEV, ENOMEM, EPERM],
            )),
            number => OTHERS
                .iter()
                .find(|(other, _)| *other == number)
                .map(|(_, kind)| *kind),
        }
    }

    /// The argument that is a path.
    pub(crate) fn path_argument(&self) -> Option<u64> {
        match self.number {
            libc::SYS_openat | libc::SYS_newfstatat | libc::SYS_statx => Some(self.args[1]),
            libc::SYS_mkdir | libc::SYS_unlink | libc::SYS_readlink | libc::SYS_statfs => {
                Some(self.args[0])
            }
            _ => None,
        }
    }
}

const IOCTL: &[i32] = &[EBADF, EBUSY, EINVAL, ENOMEM, ENOTTY];

/// The name of an error number.
pub(crate) fn errno_name(errno: i32) -> &'static str {
    macro_rules! names {
        ($($name:ident)*) => {
            match errno {
                $($name => stringify!($name),)*
                _ => "?",
            }
        };
    }
    names!(E2BIG EACCES EAGAIN EBADF EBUSY ECONNREFUSED EEXIST EFAULT EINTR EINVAL EIO ELOOP EMFILE
           ENFILE ENOBUFS ENODEV ENOENT ENOMEM ENOPROTOOPT ENOSPC ENOTDIR ENOTTY EOPNOTSUPP EPERM
           EROFS ESRCH)
}
