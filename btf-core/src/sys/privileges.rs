//! Why the kernel may have denied something to this process, as far as the process can tell: its
//! capabilities, its user namespace, lockdown, seccomp and security modules.
//!
//! A hint states only what was read from the kernel. Where nothing accounts for the refusal, it
//! says so.

use std::borrow::Cow;
use std::ops::BitOr;
use std::{fs, io};

use super::limits::{limit_hint, memlock_limit};
use super::process::is_root;
use super::{Version, kernel_version};
use crate::error::Error;
use crate::obj::ProgType;

/// A set of capabilities, one bit each, as in `/proc/PID/status`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Capabilities(u64);

impl Capabilities {
    /// Needed to read and write files of other users, such as those of tracefs.
    pub(crate) const DAC_OVERRIDE: Capabilities = Capabilities(1 << 1);
    pub(crate) const NET_ADMIN: Capabilities = Capabilities(1 << 12);
    pub(crate) const SYS_ADMIN: Capabilities = Capabilities(1 << 21);
    pub(crate) const PERFMON: Capabilities = Capabilities(1 << 38);
    pub(crate) const BPF: Capabilities = Capabilities(1 << 39);
    /// Capabilities that most tracing programs need.
    pub(crate) const TRACING: Capabilities = Capabilities(Self::BPF.0 | Self::PERFMON.0);

    const NAMES: [(Capabilities, &'static str); 5] = [
        (Self::BPF, "CAP_BPF"),
        (Self::PERFMON, "CAP_PERFMON"),
        (Self::NET_ADMIN, "CAP_NET_ADMIN"),
        (Self::SYS_ADMIN, "CAP_SYS_ADMIN"),
        (Self::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
    ];

    pub(crate) const fn contains(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    const fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns their names as a list in a sentence.
    fn names(self) -> String {
        let named = Self::NAMES.iter().filter(|(one, _)| self.contains(*one));
        let names: Vec<&str> = named.map(|(_, name)| *name).collect();
        match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

impl BitOr for Capabilities {
    type Output = Capabilities;

    fn bitor(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }
}

/// Process privileges and kernel restrictions that decide over permissions.
#[derive(Clone, Debug)]
struct Standing {
    effective: Capabilities,
    is_root: bool,
    is_in_initial_user_namespace: bool,
    kernel: Version,
    /// The level of `/sys/kernel/security/lockdown`; `None` if that cannot be read.
    lockdown: Option<String>,
    has_seccomp_filter: bool,
    /// `kernel.unprivileged_bpf_disabled`, if the kernel has it.
    unprivileged_bpf_disabled: Option<u8>,
    /// Security modules with policies of their own.
    modules: Vec<String>,
}

impl Standing {
    fn read() -> Standing {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let list = read("/sys/kernel/security/lsm");
        let modules = list.trim().split(',');
        const WITH_POLICIES: [&str; 5] = ["selinux", "apparmor", "smack", "tomoyo", "bpf"];
        Standing {
            effective: effective_capabilities(),
            is_root: is_root(),
            is_in_initial_user_namespace: is_in_initial_user_namespace(),
            kernel: kernel_version(),
            lockdown: lockdown_level(),
            has_seccomp_filter: has_seccomp_filter(&read("/proc/thread-self/status")),
            unprivileged_bpf_disabled: read("/proc/sys/kernel/unprivileged_bpf_disabled")
                .trim()
                .parse()
                .ok(),
            modules: modules
                .filter(|name| WITH_POLICIES.contains(name))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Returns which of `needs` the process lacks, by the names that this kernel has for them.
    fn missing(&self, needs: Capabilities) -> Capabilities {
        let (has, admin) = (self.effective, Capabilities::SYS_ADMIN);
        let has_bpf_capabilities = self.kernel >= Version(5, 8, 0);
        let mut covered = has;
        if has.contains(admin) {
            covered = covered | Capabilities::TRACING;
            // For bpf(2) it stands for CAP_NET_ADMIN, too; for netlink it does not.
            if needs.contains(Capabilities::BPF) {
                covered = covered | Capabilities::NET_ADMIN;
            }
        }
        // The owner of a file needs no capability.
        if self.is_root {
            covered = covered | Capabilities::DAC_OVERRIDE;
        }
        let missing = needs.without(covered);
        let split_off = Capabilities(missing.0 & Capabilities::TRACING.0);
        match has_bpf_capabilities || split_off.is_empty() {
            true => missing,
            false => missing.without(split_off) | admin,
        }
    }

    /// Returns what the process lacks for something that needs these capabilities.
    fn lack(&self, needs: Capabilities) -> Option<String> {
        let missing = self.missing(needs);
        if !missing.is_empty() {
            let names = missing.names();
            let setting = match self.unprivileged_bpf_disabled {
                Some(setting @ 1..) if needs == Capabilities::BPF => {
                    format!("; kernel.unprivileged_bpf_disabled is {setting}")
                }
                _ => String::new(),
            };
            return Some(match self.is_root {
                true => format!(
                    "this process is root but lacks {names}, which a container runtime or service \
                     manager may have dropped{setting}"
                ),
                false => format!(
                    "this process lacks {names}: run it as root, or grant that to its file with \
                     setcap{setting}"
                ),
            });
        }
        if self.is_in_initial_user_namespace {
            return None;
        }
        Some(match needs == Capabilities::NET_ADMIN {
            true => "this process is in a user namespace: its CAP_NET_ADMIN holds for the network \
                     namespaces of that alone"
                .to_owned(),
            false => format!(
                "this process is in a user namespace, and {} must be held in the initial one; \
                 delegating a BPF token requires Linux 6.9 or newer",
                needs.names()
            ),
        })
    }

    /// Returns a hint for `EPERM` or `EACCES` from something that needs these capabilities.
    fn hint(&self, needs: Capabilities) -> String {
        if let Some(lack) = self.lack(needs) {
            return lack;
        }
        if self.is_locked_down() {
            return LOCKED_DOWN.to_owned();
        }
        let mut causes = Vec::new();
        if self.has_seccomp_filter {
            causes.push("a seccomp filter is installed, as by container runtimes".to_owned());
        }
        if !self.modules.is_empty() {
            let modules = self.modules.join(", ");
            causes.push(format!("security modules are active ({modules})"));
        }
        let has = format!("this process has {}", needs.names());
        let look = match self.lockdown {
            Some(_) => "",
            None => {
                "; mount securityfs on /sys/kernel/security to see whether the kernel is locked down"
            }
        };
        match causes.is_empty() {
            true => format!("{has}, so the kernel refuses it for another reason{look}"),
            false => format!(
                "{has}, so something else forbids it: {}{look}",
                causes.join("; ")
            ),
        }
    }

    fn is_locked_down(&self) -> bool {
        matches!(
            self.lockdown.as_deref(),
            Some("integrity" | "confidentiality")
        )
    }
}

const LOCKED_DOWN: &str = "the kernel is locked down (/sys/kernel/security/lockdown), as it is by \
     `lockdown=` on its command line or by secure boot";

/// Returns what to try when the kernel refuses something with `EPERM` to a process with a token.
pub(crate) fn token_hint() -> &'static str {
    "the token does not allow it: /proc/self/mountinfo has what the BPF file system delegates (delegate_cmds, \
     delegate_maps, delegate_progs, delegate_attachs)"
}

/// Returns what to try when the kernel refuses something that needs these capabilities with
/// `EPERM` or `EACCES`.
pub(crate) fn privileges_hint(needs: Capabilities) -> String {
    Standing::read().hint(needs)
}

/// Returns what this process lacks of these capabilities, if it does.
pub(crate) fn lacking(needs: Capabilities) -> Option<String> {
    Standing::read().lack(needs)
}

/// Returns an error of the operating system: with a hint for `EPERM` and `EACCES` from something
/// that needs these capabilities, or for a limit that was reached.
pub(crate) fn os_error(
    doing: impl Into<Cow<'static, str>>,
    needs: Capabilities,
    e: io::Error,
) -> Error {
    let errno = e.raw_os_error();
    let error = Error::os(doing, e);
    let hint = match errno {
        Some(libc::EPERM | libc::EACCES) => Some(privileges_hint(needs)),
        _ => errno.and_then(limit_hint),
    };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Returns what to try when the kernel refuses a map or program with `EPERM`: before Linux 5.11, it
/// may not fit the limit on locked memory.
pub(crate) fn charged_hint(needs: Capabilities) -> String {
    let is_charged = kernel_version() < Version(5, 11, 0);
    let limit = memlock_limit().filter(|_| is_charged).map(|bytes| {
        format!(
            "RLIMIT_MEMLOCK, against which kernels before 5.11 count it, is {bytes} bytes: raise \
             that limit, with `ulimit -l` for example"
        )
    });
    match (lacking(needs), limit) {
        (Some(lack), Some(limit)) => format!("{lack}; or it does not fit: {limit}"),
        (None, Some(limit)) => limit,
        (_, None) => privileges_hint(needs),
    }
}

/// Returns what to try when the kernel refuses a program that replaces the start of a function.
pub(crate) fn trampoline_hint() -> String {
    let needs = Capabilities::TRACING;
    lacking(needs).unwrap_or_else(|| {
        format!(
            "{}; where fentry, fexit and fmod_ret are refused, SEC(\"tp_btf/…\") and tracepoints may \
             be allowed",
            privileges_hint(needs)
        )
    })
}

/// Returns what loading a program of this type needs (the kernel's `is_net_admin_prog_type` and
/// `is_perfmon_prog_type`).
pub(crate) fn program_capabilities(prog_type: Option<ProgType>) -> Capabilities {
    match prog_type {
        Some(ProgType::EXT) => Capabilities::TRACING | Capabilities::NET_ADMIN,
        Some(
            ProgType::KPROBE
            | ProgType::TRACEPOINT
            | ProgType::PERF_EVENT
            | ProgType::RAW_TRACEPOINT
            | ProgType::RAW_TRACEPOINT_WRITABLE
            | ProgType::TRACING
            | ProgType::LSM
            | ProgType::STRUCT_OPS,
        ) => Capabilities::TRACING,
        Some(
            ProgType::SCHED_CLS
            | ProgType::SCHED_ACT
            | ProgType::XDP
            | ProgType::LWT_IN
            | ProgType::LWT_OUT
            | ProgType::LWT_XMIT
            | ProgType::LWT_SEG6LOCAL
            | ProgType::SK_SKB
            | ProgType::SK_MSG
            | ProgType::FLOW_DISSECTOR
            | ProgType::CGROUP_DEVICE
            | ProgType::CGROUP_SOCK
            | ProgType::CGROUP_SOCK_ADDR
            | ProgType::CGROUP_SOCKOPT
            | ProgType::CGROUP_SYSCTL
            | ProgType::SOCK_OPS
            | ProgType::NETFILTER,
        ) => Capabilities::BPF | Capabilities::NET_ADMIN,
        _ => Capabilities::BPF,
    }
}

/// Returns advice when a program may not call a helper function for lack of privileges.
pub(crate) fn helper_hint() -> Option<String> {
    let standing = Standing::read();
    if let Some(lack) = standing.lack(Capabilities::TRACING) {
        return Some(lack);
    }
    standing.is_locked_down().then(|| {
        "the kernel is locked down (/sys/kernel/security/lockdown): for confidentiality it takes bpf_probe_read and its like \
         from all programs, and bpf_probe_write_user for integrity already; fentry and tp_btf programs read kernel memory \
         through their arguments without it"
            .to_owned()
    })
}

/// Returns this thread's effective capabilities; all of them if they cannot be read.
fn effective_capabilities() -> Capabilities {
    // `_LINUX_CAPABILITY_VERSION_3`, of this thread; then effective, permitted and inheritable
    // capabilities, the low words first.
    let mut header = [0x2008_0522u32, 0];
    let mut sets = [[0u32; 3]; 2];
    // SAFETY: both are exclusively borrowed arrays, laid out and as long as the header's version says.
    let answer = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    match answer {
        0 => Capabilities(u64::from(sets[1][0]) << 32 | u64::from(sets[0][0])),
        _ => Capabilities(u64::MAX),
    }
}

/// Returns `false` if this process is in a user namespace below the initial one, whose inode number
/// is fixed (`PROC_USER_INIT_INO`).
fn is_in_initial_user_namespace() -> bool {
    const INITIAL: &str = "user:[4026531837]";
    fs::read_link("/proc/self/ns/user").map_or(true, |link| link.as_os_str() == INITIAL)
}

/// Returns the current level of lockdown: `none`, `integrity` or `confidentiality`.
fn lockdown_level() -> Option<String> {
    let levels = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = levels.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Reads the line `Seccomp:` of a thread's status, which is 2 for a filter.
fn has_seccomp_filter(status: &str) -> bool {
    let mode = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities = Capabilities(u64::MAX);
    const NONE: Capabilities = Capabilities(0);

    fn standing(effective: Capabilities) -> Standing {
        Standing {
            effective,
            is_root: true,
            is_in_initial_user_namespace: true,
            kernel: Version(6, 12, 0),
            lockdown: Some("none".into()),
            has_seccomp_filter: false,
            unprivileged_bpf_disabled: Some(2),
            modules: Vec::new(),
        }
    }

    #[test]
    fn names_the_capabilities_that_are_missing() {
        let bpf = Capabilities::BPF;
        let cases = [
            (
                NONE,
                Capabilities::TRACING,
                "lacks CAP_BPF and CAP_PERFMON,",
            ),
            (bpf, Capabilities::TRACING, "lacks CAP_PERFMON,"),
            (
                Capabilities::TRACING,
                bpf | Capabilities::NET_ADMIN,
                "lacks CAP_NET_ADMIN,",
            ),
            (
                Capabilities::SYS_ADMIN,
                Capabilities::NET_ADMIN,
                "lacks CAP_NET_ADMIN,",
            ),
            (
                Capabilities::TRACING,
                Capabilities::SYS_ADMIN,
                "lacks CAP_SYS_ADMIN,",
            ),
        ];
        for (has, needs, expected) in cases {
            let hint = standing(has).hint(needs);
            assert!(hint.contains(expected), "{has:?} {needs:?}: {hint}");
        }
        // CAP_SYS_ADMIN stands for the others in bpf(2).
        let admin = standing(Capabilities::SYS_ADMIN);
        assert_eq!(
            admin.lack(Capabilities::TRACING | Capabilities::NET_ADMIN),
            None
        );
    }

    #[test]
    fn names_the_capability_of_kernels_before_5_8() {
        let old = Standing {
            kernel: Version(5, 4, 0),
            is_root: false,
            ..standing(NONE)
        };
        assert_eq!(
            old.hint(Capabilities::TRACING),
            "this process lacks CAP_SYS_ADMIN: run it as root, or grant that to its file with setcap"
        );
    }

    #[test]
    fn tells_the_setting_that_denies_unprivileged_use() {
        let hint = |setting| {
            let standing = Standing {
                unprivileged_bpf_disabled: setting,
                ..standing(NONE)
            };
            standing.hint(Capabilities::BPF)
        };
        assert!(hint(Some(2)).ends_with("; kernel.unprivileged_bpf_disabled is 2"));
        assert!(!hint(Some(0)).contains("unprivileged"));
        assert!(!hint(None).contains("unprivileged"));
    }

    #[test]
    fn a_user_namespace_is_told_before_lockdown() {
        let inside = Standing {
            is_in_initial_user_namespace: false,
            lockdown: Some("integrity".into()),
            ..standing(ALL)
        };
        let hint = inside.hint(Capabilities::TRACING);
        assert!(hint.contains("must be held in the initial one"), "{hint}");
        let hint = inside.hint(Capabilities::NET_ADMIN);
        assert!(hint.contains("network namespaces of that alone"), "{hint}");
    }

    #[test]
    fn capabilities_that_suffice_are_not_said_to_lack() {
        let hint = |change: &dyn Fn(&mut Standing)| {
            let mut standing = standing(ALL);
            change(&mut standing);
            let hint = standing.hint(Capabilities::TRACING);
            assert!(!hint.contains("lacks"), "{hint}");
            hint
        };
        assert_eq!(
            hint(&|_| {}),
            "this process has CAP_BPF and CAP_PERFMON, so the kernel refuses it for another reason"
        );
        assert_eq!(
            hint(&|s| s.lockdown = Some("integrity".into())),
            LOCKED_DOWN
        );
        assert_eq!(
            hint(&|s| {
                s.has_seccomp_filter = true;
                s.modules = vec!["selinux".into(), "bpf".into()];
            }),
            "this process has CAP_BPF and CAP_PERFMON, so something else forbids it: a seccomp \
             filter is installed, as by container runtimes; security modules are active (selinux, bpf)"
        );
        assert!(hint(&|s| s.lockdown = None).ends_with("reason; mount securityfs on /sys/kernel/security to see whether the kernel is locked down"));
    }

    #[test]
    fn the_owner_of_a_file_needs_no_capability() {
        assert_eq!(standing(NONE).lack(Capabilities::DAC_OVERRIDE), None);
        let other = Standing {
            is_root: false,
            ..standing(NONE)
        };
        let lack = other.lack(Capabilities::DAC_OVERRIDE).unwrap();
        assert!(lack.contains("CAP_DAC_OVERRIDE"), "{lack}");
    }

    #[test]
    fn reads_the_status_of_a_thread() {
        assert!(has_seccomp_filter(
            "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"
        ));
        assert!(!has_seccomp_filter("Seccomp:\t0\nSeccomp_filters:\t2\n"));
        assert!(!has_seccomp_filter(""));
    }
}
