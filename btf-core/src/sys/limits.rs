//! Resource limits of this process, for errors that they cause.

/// Returns the limit on locked memory in bytes; `None` if there is none.
pub(crate) fn memlock_limit() -> Option<u64> {
    // SAFETY: it writes to one live, exclusively borrowed struct.
    soft(|limits| unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, limits) })
}

/// Returns how many files this process may have open; `None` if there is no limit.
fn open_files_limit() -> Option<u64> {
    // SAFETY: it writes to one live, exclusively borrowed struct.
    soft(|limits| unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limits) })
}

/// Returns what to try after `EMFILE` or `ENFILE`.
pub(crate) fn limit_hint(errno: i32) -> Option<String> {
    match errno {
        libc::EMFILE => open_files_limit().map(|files| {
            format!(
                "this process may have {files} open files (RLIMIT_NOFILE): raise that limit, with \
                 `ulimit -n` for example"
            )
        }),
        libc::ENFILE => Some("the system has as many open files as fs.file-max allows".to_owned()),
        _ => None,
    }
}

/// Returns the soft limit that `get` reads; `None` if it is infinite or cannot be read.
fn soft(get: impl FnOnce(&mut libc::rlimit) -> libc::c_int) -> Option<u64> {
    let mut limits = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    let answer = get(&mut limits);
    (answer == 0 && limits.rlim_cur != libc::RLIM_INFINITY).then_some(limits.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_only_errors_of_limits() {
        let files = open_files_limit();
        assert_eq!(limit_hint(libc::EMFILE).is_some(), files.is_some());
        assert!(limit_hint(libc::ENFILE).is_some());
        assert_eq!(limit_hint(libc::ENOMEM), None);
    }
}
