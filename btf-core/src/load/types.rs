//! The object's own types in the kernel: function and line information, and the types of maps, refer to them.

use std::io;
use std::os::fd::OwnedFd;

use crate::btf::Btf;
use crate::btf::sanitize::sanitize;
use crate::probe::{Features, btf_feature};
use crate::sys;

/// Failure to load the object's BTF.
pub(super) struct Rejection {
    /// The kernel's reason and error.
    pub(super) why: String,
    /// Set if this process may not load BTF, whatever is in it.
    pub(super) is_denied: bool,
}

/// Loads the object's BTF, and returns its fd or why the kernel rejected it.
///
/// Programs and maps work without BTF, except those with locks, timers and the like. As in libbpf,
/// a rejection alone is not an error; it is reported with the error of what fails for lack of BTF.
pub(super) fn load(btf: Option<&Btf>, features: &Features) -> Result<Option<OwnedFd>, Rejection> {
    let Some(btf) = btf else { return Ok(None) };
    let btf = sanitize(btf, |feature| features.knows(btf_feature(feature)));
    sys::btf_load(&btf, features.token())
        .map(Some)
        .map_err(|(e, log)| Rejection {
            why: match reason(&log) {
                Some(reason) => format!("the kernel rejected the object's BTF: {reason} ({e})"),
                None => format!("the kernel rejected the object's BTF: {e}"),
            },
            is_denied: e.kind() == io::ErrorKind::PermissionDenied,
        })
}

/// The last line of the log. That of a member or a variable follows the line of its type.
fn reason(log: &str) -> Option<String> {
    let mut lines = log.lines().rev().filter(|line| !line.trim().is_empty());
    let last = lines.next()?;
    if !last.starts_with(char::is_whitespace) {
        return Some(last.to_owned());
    }
    let of = lines.find(|line| !line.starts_with(char::is_whitespace));
    let of = of.map_or_else(String::new, |line| format!("{line}: "));
    Some(format!("{of}{}", last.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_the_last_line_with_its_type() {
        let log =
            "magic: 0xeb9f\n[1] INT int size=4\n[2] ENUM later size=0 vlen=0 Unexpected size\n";
        assert_eq!(
            reason(log).as_deref(),
            Some("[2] ENUM later size=0 vlen=0 Unexpected size")
        );
        let log = "[1] INT int size=4\n[3] STRUCT pk size=9 vlen=2\n\tc type_id=1 bits_offset=0\n\
                   \td type_id=2 bits_offset=8 Member is not properly aligned\n";
        assert_eq!(
            reason(log).as_deref(),
            Some(
                "[3] STRUCT pk size=9 vlen=2: d type_id=2 bits_offset=8 Member is not properly aligned"
            )
        );
        assert_eq!(reason("\n"), None);
    }
}
