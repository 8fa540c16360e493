//! Environment variables, as secure_getenv(3) reads them.

use std::ffi::OsString;

/// Returns a variable of the environment; `None` in a process that has rights which its caller may
/// lack (set-user-ID, set-group-ID, file capabilities, or a transition of a security module).
///
/// The caller chooses the environment. If such a process believed it, the caller would choose which
/// binary is attached to, or which file system tokens come from.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    trusted(is_secure(), || std::env::var_os(name))
}

/// Not secure_getenv(3) itself, which reads the environment without the lock that `set_var` takes.
fn trusted(is_secure: bool, read: impl FnOnce() -> Option<OsString>) -> Option<OsString> {
    if is_secure { None } else { read() }
}

/// Whether the kernel started this process in secure-execution mode.
fn is_secure() -> bool {
    // SAFETY: it takes no address, and reads what the kernel wrote before the process started.
    let answer = unsafe { libc::getauxval(libc::AT_SECURE) };
    // 0, too, if there is no such entry, which every kernel since 2.6 has.
    answer != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_unless_the_caller_has_fewer_rights() {
        let read = || Some(OsString::from("value"));
        assert_eq!(trusted(false, read), read());
        assert_eq!(trusted(true, read), None);
        assert_eq!(trusted(true, || panic!("it was read")), None);
    }

    #[test]
    fn an_ordinary_process_reads_its_environment() {
        // Tests run without more rights than their caller has.
        assert!(!is_secure());
        assert_eq!(variable("PATH"), std::env::var_os("PATH"));
        assert_eq!(variable("BTF_NO_SUCH_VARIABLE"), None);
    }
}
