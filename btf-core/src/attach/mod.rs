//! Attach types: one file each, with its typed program, its options and its mechanics.
//!
//! A typed program is made from a [`Program`](crate::prog::Program) by `TryFrom`; skeletons do so
//! themselves. Attaching returns a [`Link`](crate::link::Link).
//!
//! | attach type | sections |
//! |---|---|
//! | [`Tracing`] | `fentry`, `fexit`, `fmod_ret`, `fsession`, `tp_btf`, `lsm` |
//! | [`Kprobe`], [`KprobeMulti`], [`Ksyscall`] | `kprobe`, `kretprobe`; `kprobe.multi`, `kprobe.session`; `ksyscall` |
//! | [`Uprobe`], [`UprobeMulti`], [`Usdt`] | `uprobe`, `uretprobe`; `uprobe.multi`, `uprobe.session`; `usdt` |
//! | [`Tracepoint`], [`RawTracepoint`], [`PerfEvent`] | `tp`, `raw_tp`, `perf_event` |
//! | [`Xdp`], [`Tc`], [`Tcx`], [`Netkit`], [`Netfilter`], [`Lwt`] | `xdp`, `tc`, `tcx`, `netkit`, `netfilter`, `lwt_*` |
//! | [`Cgroup`], [`Netns`], [`SkMap`], [`SocketFilter`], [`SkReuseport`] | `cgroup/*`, `lsm_cgroup`; `sk_lookup`; `sk_skb`, `sk_msg`; `socket`; `sk_reuseport` |
//! | [`Iter`], [`Freplace`], [`Lirc`] | `iter`, `freplace`, `lirc_mode2` |
//!
//! struct_ops are in [`struct_ops`](crate::struct_ops).

mod by_section;
mod cgroup;
mod cookie;
mod event_line;
mod freplace;
mod functions;
mod interface;
mod iter;
mod kprobe;
mod kprobe_multi;
mod ksyscall;
mod legacy;
mod lirc;
mod lwt;
mod mode;
mod netfilter;
mod netkit;
mod netns;
mod perf_event;
mod pmu;
mod position;
mod probe;
mod probed;
mod raw_tracepoint;
mod route;
mod sk_map;
mod socket;
mod tc;
mod tc_filter;
mod tcx;
mod tracefs;
mod tracepoint;
mod tracing;
mod typed;
mod uprobe;
mod uprobe_multi;
mod usdt;
mod xdp;

pub use cgroup::{Cgroup, CgroupSharing};
pub use freplace::Freplace;
pub(crate) use freplace::program_function;
pub use interface::Interface;
pub use iter::{CgroupOrder, Iter, IterOver};
pub use kprobe::{Kprobe, KprobeOptions};
pub use kprobe_multi::{KprobeMulti, KprobeMultiOptions};
pub use ksyscall::Ksyscall;
pub use lirc::Lirc;
pub use lwt::Lwt;
pub use mode::AttachMode;
pub use netfilter::{Netfilter, NetfilterFamily, NetfilterHook, NetfilterOptions};
pub use netkit::Netkit;
pub use netns::Netns;
pub use perf_event::{PerfEvent, PerfEventOptions};
pub use position::{OrderOptions, Position};
pub use raw_tracepoint::RawTracepoint;
pub use route::Route;
pub use sk_map::{SkMap, SkSkbRole};
pub use socket::{SkReuseport, SocketFilter};
pub use tc::Tc;
pub use tc_filter::{Direction, TcOptions};
pub use tcx::Tcx;
pub use tracepoint::Tracepoint;
pub use tracing::Tracing;
pub use uprobe::{Uprobe, UprobeOptions};
pub use uprobe_multi::{UprobeMulti, UprobeMultiOptions};
pub use usdt::{Usdt, UsdtOptions};
pub use xdp::{Xdp, XdpMode, XdpOptions};
