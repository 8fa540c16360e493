//! The object's own types in the kernel: function and line information, and the types of maps, refer to them.

use std::os::fd::OwnedFd;

use crate::btf::Btf;
use crate::btf::sanitize::sanitize;
use crate::probe::{Features, btf_feature};
use crate::sys;

/// Loads the object's BTF. A kernel that refuses it leaves programs and maps without their types, which few need, so
/// that is a warning, as with libbpf.
pub(super) fn load(
    btf: Option<&Btf>,
    features: &Features,
    warnings: &mut Vec<String>,
) -> Option<OwnedFd> {
    let btf = sanitize(btf?, |feature| features.knows(btf_feature(feature)));
    match sys::btf_load(&btf, features.token()) {
        Ok(fd) => Some(fd),
        Err((e, log)) => {
            let last = log.lines().rfind(|line| !line.trim().is_empty());
            let why = last.map_or_else(String::new, |line| format!(": {line}"));
            warnings.push(format!(
                "the kernel refused the object's BTF ({e}){why}; it goes on without types and source lines"
            ));
            None
        }
    }
}
