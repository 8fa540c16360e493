//! What the running kernel says of itself.

use std::ffi::{CStr, c_char};

/// The running kernel's release and version, as `uname -r` and `uname -v` tell them.
pub(crate) struct Uname {
    pub(crate) release: String,
    pub(crate) version: String,
}

pub(crate) fn uname() -> Uname {
    let mut names = std::mem::MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the kernel writes one such struct, for which there is room.
    let answer = unsafe { libc::uname(names.as_mut_ptr()) };
    debug_assert_eq!(answer, 0);
    // SAFETY: it is arrays of characters, which any bytes are.
    let names = unsafe { names.assume_init() };
    Uname {
        release: text(&names.release),
        version: text(&names.version),
    }
}

/// The text up to the first zero.
fn text(chars: &[c_char]) -> String {
    // SAFETY: a C character is one byte of the same size and alignment, and any byte will do.
    let bytes = unsafe { std::slice::from_raw_parts(chars.as_ptr().cast::<u8>(), chars.len()) };
    let text = CStr::from_bytes_until_nul(bytes).unwrap_or_default();
    text.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_proc_has_it() {
        let Uname { release, version } = uname();
        let told = |name| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap();
        assert_eq!(told("osrelease").trim_end(), release);
        assert_eq!(told("version").trim_end(), version);
    }
}
