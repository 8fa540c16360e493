//! Attaching to raw tracepoints, by name.

use super::{Link, c_string, cookie, refused};
use crate::attach_target::near;
use crate::error::Result;
use crate::obj::AttachType;
use crate::prog::Program;
use crate::sys::{self, Capabilities};
use btf_obj::private::did_you_mean;

pub(crate) fn raw_tracepoint(program: &Program, name: &str, number: u64) -> Result<Link> {
    let c_name = c_string(name)?;
    match sys::raw_tracepoint_open(program.fd()?, Some(&c_name), number) {
        Ok(fd) => Ok(Link::of_bpf(program.name(), fd)),
        Err(e) => {
            let is_missing = e.raw_os_error() == Some(libc::ENOENT);
            let error = refused(
                format!("cannot attach to raw tracepoint `{name}`"),
                Capabilities::TRACING,
                e,
            );
            if !is_missing {
                return Err(cookie::explain(program.def, number, error));
            }
            let similar = sys::kernel_btf()
                .ok()
                .and_then(|btf| did_you_mean(&near(&btf, AttachType::TRACE_RAW_TP, name)));
            let hint = similar.unwrap_or_else(|| "this kernel has no such tracepoint".into());
            Err(error.hint(hint))
        }
    }
}
