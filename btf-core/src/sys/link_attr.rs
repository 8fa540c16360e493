//! Argument structs of `BPF_LINK_CREATE`, one per way of attaching, and of what else concerns links.
//!
//! Source: `include/uapi/linux/bpf.h`; see [`super::attr`] for how the kernel reads them.

use super::attr::abi;

abi! {
    /// With the part of a perf event's link.
    LinkCreatePerf, 24 {
        prog_fd: u32 = 0,
        target_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        cookie: u64 = 16,
    }
}

abi! {
    /// With the part of a tracing program's link; `target_fd` and `target_btf_id` are of the program whose function one replaces.
    LinkCreateTracing, 32 {
        prog_fd: u32 = 0,
        target_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        target_btf_id: u32 = 16,
        pad: u32 = 20,
        cookie: u64 = 24,
    }
}

abi! {
    /// With the part of an iterator's link.
    LinkCreateIter, 32 {
        prog_fd: u32 = 0,
        target_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        iter_info: u64 = 16,
        iter_info_len: u32 = 24,
        pad: u32 = 28,
    }
}

abi! {
    /// `union bpf_iter_link_info`: of one map, of the tasks of a process, or of cgroups. What is not asked for stays zero, so
    /// that older kernels, whose form is shorter, take it.
    IterInfo, 16 {
        map_fd_or_order_or_thread: u32 = 0,
        cgroup_fd_or_process: u32 = 4,
        pidfd: u32 = 8,
        pad: u32 = 12,
    }
}

abi! {
    /// With the part of a link to many kernel functions.
    LinkCreateKprobeMulti, 48 {
        prog_fd: u32 = 0,
        target_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        kprobe_flags: u32 = 16,
        cnt: u32 = 20,
        syms: u64 = 24,
        addrs: u64 = 32,
        cookies: u64 = 40,
    }
}

abi! {
    /// With the part of a link to many places of a binary.
    LinkCreateUprobeMulti, 64 {
        prog_fd: u32 = 0,
        target_fd: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        path: u64 = 16,
        offsets: u64 = 24,
        ref_ctr_offsets: u64 = 32,
        cookies: u64 = 40,
        cnt: u32 = 48,
        uprobe_flags: u32 = 52,
        pid: u32 = 56,
        pad: u32 = 60,
    }
}

abi! {
    /// `BPF_LINK_UPDATE`.
    LinkUpdate, 16 {
        link_fd: u32 = 0,
        new_prog_fd: u32 = 4,
        flags: u32 = 8,
        old_prog_fd: u32 = 12,
    }
}

abi! {
    /// `BPF_LINK_DETACH`.
    LinkDetach, 4 {
        link_fd: u32 = 0,
    }
}

abi! {
    /// `struct bpf_link_info`: numbers that all links have, and words that mean what its type says, in
    /// pairs where a number has 64 bits.
    LinkInfo, 80 {
        link_type: u32 = 0,
        id: u32 = 4,
        prog_id: u32 = 8,
        pad: u32 = 12,
        words: [u32; 16] = 16,
    }
}

impl LinkInfo {
    /// The number in two words.
    pub(crate) fn long(&self, word: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.words[word].to_ne_bytes());
        bytes[4..].copy_from_slice(&self.words[word + 1].to_ne_bytes());
        u64::from_ne_bytes(bytes)
    }

    /// Sets the number in two words.
    pub(super) fn set_long(&mut self, word: usize, number: u64) {
        let bytes = number.to_ne_bytes();
        for (n, half) in bytes.as_chunks::<4>().0.iter().enumerate() {
            self.words[word + n] = u32::from_ne_bytes(*half);
        }
    }
}

abi! {
    /// With the part of a link to what programs share in an order.
    LinkCreateAmong, 32 {
        prog_fd: u32 = 0,
        target: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        relative_fd: u32 = 16,
        pad: u32 = 20,
        expected_revision: u64 = 24,
    }
}

abi! {
    /// With the part of a netfilter hook's link.
    LinkCreateNetfilter, 32 {
        prog_fd: u32 = 0,
        target: u32 = 4,
        attach_type: u32 = 8,
        flags: u32 = 12,
        family: u32 = 16,
        hook: u32 = 20,
        priority: u32 = 24,
        netfilter_flags: u32 = 28,
    }
}
