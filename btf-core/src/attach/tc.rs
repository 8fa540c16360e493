//! Programs of traffic control: classifiers at a device's ingress and egress.

use std::os::fd::AsFd;

use super::Interface;
use super::tc_filter::{Attached, Direction, Filter, Holder, TcOptions};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Binding, Link, hold, refused_request};
use crate::prog::test_run::{self, Has};
use crate::prog::{Program, Ran, TcAction, TestRun, typed};
use crate::sys::Refusal;

/// A program in `SEC("tc")`, `SEC("classifier")` or `SEC("action")`.
#[derive(Debug)]
pub struct Tc(pub(crate) Program);
typed!(Tc, "a program of traffic control", Tc);

impl Tc {
    /// Attaches it to a network device as a filter that decides by itself (`direct-action`) in the
    /// device's `clsact` queueing discipline, which is made if there is none. The filter is removed
    /// when the link is dropped, and with it a `clsact` that was made for it, unless other filters
    /// use that by then. A program in `SEC("action")` becomes the action of a filter that matches
    /// all packets; `TC_ACT_UNSPEC` passes them on to the next filter there, too. (libbpf attaches
    /// classifiers only.)
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; [`crate::ErrorKind::NotFound`] if there is no such device, or the
    /// kernel lacks `sch_ingress`, `cls_bpf` or, for actions, `cls_matchall` and `act_bpf`;
    /// [`crate::ErrorKind::Unsupported`] if an action is to replace another; else what the kernel answers.
    pub fn attach_to<'a>(
        &self,
        interface: impl Into<Interface<'a>>,
        direction: Direction,
        options: TcOptions,
    ) -> Result<Link> {
        self.0.fd()?;
        tc(&self.0, interface.into(), direction, options).context(|| self.0.what())
    }

    /// Runs it on a packet, attached or not.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::InvalidInput`] if it is not loaded; else what the kernel answers.
    pub fn test_run(&self, run: &TestRun<'_>) -> Result<Ran<TcAction>> {
        test_run::run(&self.0, run, Has::Packet).map(|ran| ran.map(TcAction))
    }
}

pub(crate) fn tc(
    program: &Program,
    interface: Interface<'_>,
    direction: Direction,
    options: TcOptions,
) -> Result<Link> {
    let holder = Holder::of(program);
    if options.replace && holder == Holder::Action {
        let error = Error::new(
            ErrorKind::Unsupported,
            "it is an action, and filters with actions cannot be replaced",
        );
        return Err(error.hint("make it a classifier: SEC(\"tc\")"));
    }
    if options.replace && (options.handle == 0 || options.priority == 0) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "which filter to replace is said by its handle and priority, and one of them is 0",
        ));
    }
    let wanted = Filter::wanted(holder, interface.index()?, direction, options);
    let held = hold(program.fd()?)?;
    let mut attached = Attached::prepare(program)?;
    let added = attached
        .make_clsact(wanted)
        .and_then(|()| attached.add(&held, program.name(), wanted, options));
    if let Err(refusal) = added {
        // Removes the queueing discipline if it was made for this filter.
        let _ = attached.undo(held.as_fd());
        return Err(explain(interface, holder, options, refusal));
    }
    Ok(Link::of_binding(program.name(), held, attached))
}

fn explain(
    interface: Interface<'_>,
    holder: Holder,
    options: TcOptions,
    refusal: Refusal,
) -> Error {
    let errno = refusal.error.raw_os_error();
    let error = refused_request(format!("cannot attach to {interface}"), refusal);
    match errno {
        Some(libc::ENOENT) if holder == Holder::Action => error.hint(
            "this kernel may lack the modules: modprobe sch_ingress cls_matchall act_bpf",
        ),
        Some(libc::ENOENT) => {
            error.hint("this kernel may lack the modules: modprobe sch_ingress cls_bpf")
        }
        Some(libc::EEXIST) => error.hint(
            "a filter has this handle and priority: take others, or replace it with TcOptions::replace",
        ),
        Some(libc::EBUSY) => error.hint(
            "another queueing discipline is at the device's ingress: `tc qdisc show` lists it; delete it first",
        ),
        Some(libc::EINVAL) if options != TcOptions::default() => {
            error.hint("filters of one priority are of one kind and protocol: take another priority")
        }
        _ => error,
    }
}
