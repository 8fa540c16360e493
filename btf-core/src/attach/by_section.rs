//! Attaching programs to what their section says.
//!
//! Each kind has a function for it in its own file. A typed program calls that of its kind alone, so that a skeleton links in no
//! more than its programs need; [`Program::attach`] finds it in the table of all.

use super::typed::BySection;
use super::{
    freplace, iter, kprobe, kprobe_multi, ksyscall, raw_tracepoint, tracepoint, tracing, uprobe,
    uprobe_multi, usdt,
};
use crate::error::{Error, ErrorKind, Result};
use crate::link::Link;
use crate::obj::Attach;
use crate::prog::Program;

/// The table of kinds that are attached by their section.
fn of(way: Attach) -> Option<BySection> {
    Some(match way {
        Attach::Tracing => tracing::by_section,
        Attach::Freplace => freplace::by_section,
        Attach::Iter => iter::by_section,
        Attach::RawTracepoint => raw_tracepoint::by_section,
        Attach::Tracepoint => tracepoint::by_section,
        Attach::Kprobe | Attach::Kretprobe => kprobe::by_section,
        Attach::Ksyscall | Attach::Kretsyscall => ksyscall::by_section,
        Attach::KprobeMulti | Attach::KretprobeMulti | Attach::KprobeSession => {
            kprobe_multi::by_section
        }
        Attach::Uprobe | Attach::Uretprobe => uprobe::by_section,
        Attach::UprobeMulti | Attach::UretprobeMulti | Attach::UprobeSession => {
            uprobe_multi::by_section
        }
        Attach::Usdt => usdt::by_section,
        _ => return None,
    })
}

impl Program {
    /// Attaches it to what its section says. It runs until the link is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded or its section names no target; [`ErrorKind::Unsupported`] if its kind is
    /// not attached by its section; else what the kernel answers, with what to try.
    pub fn attach(&self) -> Result<Link> {
        self.attach_with_cookie(0)
    }

    /// Attaches it to what its section says, with a number that `bpf_get_attach_cookie` gives to the program while it runs
    /// for this link.
    ///
    /// # Errors
    ///
    /// Those of [`Program::attach`]; [`ErrorKind::Unsupported`] for kinds that take no cookie.
    /// Kernels take them for perf events (kprobe, uprobe, tracepoint) from 5.15 on, for fentry and
    /// its like from 5.19 on, for raw tracepoints from 6.10 on.
    pub fn attach_with_cookie(&self, cookie: u64) -> Result<Link> {
        let by_section = self.def.and_then(|def| of(def.attach));
        self.attach_by(by_section.unwrap_or(not_by_section), cookie)
    }

    /// Attaches it if it is to be attached with the whole object: if it is loaded, its section names what it attaches to, and
    /// nobody called `set_autoattach(false)`.
    ///
    /// # Errors
    ///
    /// Those of [`Program::attach`].
    pub fn attach_if_wanted(&self) -> Result<Option<Link>> {
        self.is_attach_wanted().then(|| self.attach()).transpose()
    }
}

fn not_by_section(program: &Program, _cookie: u64) -> Result<Link> {
    let error = Error::new(
        ErrorKind::Unsupported,
        format!(
            "a program in SEC(\"{}\") is not attached by its section alone",
            program.section
        ),
    );
    Err(match program.def {
        Some(def) => error.hint(def.attach.describe()),
        None => error,
    })
}
