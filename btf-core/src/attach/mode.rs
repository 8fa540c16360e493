//! How probes are made known to the kernel.

/// How a kprobe or uprobe is attached (libbpf's `enum probe_attach_mode`). The ways differ in what a kernel must have, and in what
/// the kernel does when a process is killed: an event in tracefs is left there, with nothing attached to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum AttachMode {
    /// The newest that the kernel has.
    #[default]
    Default,
    /// By an event in tracefs (`kprobe_events`, `uprobe_events`), which is removed with the link, and without a BPF link: the
    /// way of kernels before 4.17, and of those built without the perf event sources `kprobe` and `uprobe`. No cookie.
    Legacy,
    /// By a perf event, without a BPF link: the way of kernels before 5.15. No cookie.
    Perf,
    /// By a BPF link to a perf event.
    Link,
}
