//! Attaching to ingress and egress of network devices as filters of `clsact` and their actions.

use std::os::fd::AsFd;

use super::tc_filter::{Attached, Filter, Holder};
use super::{Binding, Link, hold, refused_request};
use crate::error::{Error, ErrorKind, Result};
use crate::prog::{Direction, Interface, Program, TcOptions};
use crate::sys::Refusal;

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
