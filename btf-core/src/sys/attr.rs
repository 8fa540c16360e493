//! Argument structs of bpf(2) and perf_event_open(2), one per command, laid out as the kernel reads them.
//!
//! Source: `include/uapi/linux/bpf.h` and `perf_event.h`. The kernel takes a shorter struct than its own as zero-filled,
//! and a longer one if what it does not know is zero: so each starts as zeros, and fields of newer kernels stay zero
//! unless they are asked for.

/// Defines a struct and proves, at compile time, its size, the offset of each field, and that there is no padding.
macro_rules! abi {
    ($(#[$doc:meta])* $name:ident, $size:literal { $($field:ident: $ty:ty = $offset:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(C)]
        pub(crate) struct $name {
            $(pub(crate) $field: $ty,)*
        }

        const _: () = {
            assert!(size_of::<$name>() == $size);
            assert!(0 $(+ size_of::<$ty>())* == $size, "no padding");
            $(assert!(std::mem::offset_of!($name, $field) == $offset);)*
        };

        // SAFETY: all fields are numbers or arrays of such, so any bytes are a value; their sizes add up to the
        // struct's (asserted above), so no byte is padding.
        unsafe impl crate::pod::Pod for $name {}

        impl Default for $name {
            /// All bytes zero.
            fn default() -> Self {
                crate::pod::zeroed()
            }
        }
    };
}
pub(super) use abi;

/// Bytes of a kernel object's name, its terminator included (`BPF_OBJ_NAME_LEN`).
pub(crate) const NAME_LEN: usize = 16;

abi! {
    /// `BPF_MAP_CREATE`.
    MapCreate, 80 {
        map_type: u32 = 0,
        key_size: u32 = 4,
        value_size: u32 = 8,
        max_entries: u32 = 12,
        map_flags: u32 = 16,
        inner_map_fd: u32 = 20,
        numa_node: u32 = 24,
        map_name: [u8; NAME_LEN] = 28,
        map_ifindex: u32 = 44,
        btf_fd: u32 = 48,
        btf_key_type_id: u32 = 52,
        btf_value_type_id: u32 = 56,
        btf_vmlinux_value_type_id: u32 = 60,
        map_extra: u64 = 64,
        value_type_btf_obj_fd: u32 = 72,
        map_token_fd: u32 = 76,
    }
}

abi! {
    /// `BPF_MAP_LOOKUP_ELEM`, `_UPDATE_ELEM`, `_DELETE_ELEM`, `_LOOKUP_AND_DELETE_ELEM`, `_GET_NEXT_KEY` (whose `next_key` lies at
    /// `value`), and `BPF_MAP_FREEZE`, which only has the first field.
    MapElem, 32 {
        map_fd: u32 = 0,
        pad: u32 = 4,
        key: u64 = 8,
        value: u64 = 16,
        flags: u64 = 24,
    }
}

abi! {
    /// `BPF_MAP_LOOKUP_BATCH`, `_LOOKUP_AND_DELETE_BATCH`, `_UPDATE_BATCH` and `_DELETE_BATCH`.
    MapBatch, 56 {
        in_batch: u64 = 0,
        out_batch: u64 = 8,
        keys: u64 = 16,
        values: u64 = 24,
        count: u32 = 32,
        map_fd: u32 = 36,
        elem_flags: u64 = 40,
        flags: u64 = 48,
    }
}

abi! {
    /// `struct bpf_map_info`.
    MapInfo, 88 {
        map_type: u32 = 0,
        id: u32 = 4,
        key_size: u32 = 8,
        value_size: u32 = 12,
        max_entries: u32 = 16,
        map_flags: u32 = 20,
        name: [u8; NAME_LEN] = 24,
        ifindex: u32 = 40,
        btf_vmlinux_value_type_id: u32 = 44,
        netns_dev: u64 = 48,
        netns_ino: u64 = 56,
        btf_id: u32 = 64,
        btf_key_type_id: u32 = 68,
        btf_value_type_id: u32 = 72,
        btf_vmlinux_id: u32 = 76,
        map_extra: u64 = 80,
    }
}

abi! {
    /// `BPF_OBJ_PIN` and `BPF_OBJ_GET`.
    ObjPin, 16 {
        pathname: u64 = 0,
        bpf_fd: u32 = 8,
        file_flags: u32 = 12,
    }
}

abi! {
    /// `BPF_PROG_LOAD`.
    ProgLoad, 152 {
        prog_type: u32 = 0,
        insn_cnt: u32 = 4,
        insns: u64 = 8,
        license: u64 = 16,
        log_level: u32 = 24,
        log_size: u32 = 28,
        log_buf: u64 = 32,
        kern_version: u32 = 40,
        prog_flags: u32 = 44,
        prog_name: [u8; NAME_LEN] = 48,
        prog_ifindex: u32 = 64,
        expected_attach_type: u32 = 68,
        prog_btf_fd: u32 = 72,
        func_info_rec_size: u32 = 76,
        func_info: u64 = 80,
        func_info_cnt: u32 = 88,
        line_info_rec_size: u32 = 92,
        line_info: u64 = 96,
        line_info_cnt: u32 = 104,
        attach_btf_id: u32 = 108,
        attach_btf_obj_fd: u32 = 112,
        core_relo_cnt: u32 = 116,
        fd_array: u64 = 120,
        core_relos: u64 = 128,
        core_relo_rec_size: u32 = 136,
        log_true_size: u32 = 140,
        prog_token_fd: u32 = 144,
        fd_array_cnt: u32 = 148,
    }
}

abi! {
    /// `struct bpf_func_info`: where a function starts, in instructions, and its type.
    FuncInfo, 8 {
        insn_off: u32 = 0,
        type_id: u32 = 4,
    }
}

abi! {
    /// `struct bpf_line_info`: where a source line starts, in instructions, and what it is.
    LineInfo, 16 {
        insn_off: u32 = 0,
        file_name_off: u32 = 4,
        line_off: u32 = 8,
        line_col: u32 = 12,
    }
}

abi! {
    /// `BPF_PROG_TEST_RUN`.
    ProgTestRun, 80 {
        prog_fd: u32 = 0,
        retval: u32 = 4,
        data_size_in: u32 = 8,
        data_size_out: u32 = 12,
        data_in: u64 = 16,
        data_out: u64 = 24,
        repeat: u32 = 32,
        duration: u32 = 36,
        ctx_size_in: u32 = 40,
        ctx_size_out: u32 = 44,
        ctx_in: u64 = 48,
        ctx_out: u64 = 56,
        flags: u32 = 64,
        cpu: u32 = 68,
        batch_size: u32 = 72,
        pad: u32 = 76,
    }
}

abi! {
    /// `BPF_BTF_LOAD`.
    BtfLoad, 40 {
        btf: u64 = 0,
        btf_log_buf: u64 = 8,
        btf_size: u32 = 16,
        btf_log_size: u32 = 20,
        btf_log_level: u32 = 24,
        btf_log_true_size: u32 = 28,
        btf_flags: u32 = 32,
        btf_token_fd: u32 = 36,
    }
}

abi! {
    /// `BPF_TOKEN_CREATE`.
    TokenCreate, 8 {
        flags: u32 = 0,
        bpffs_fd: u32 = 4,
    }
}

abi! {
    /// `BPF_RAW_TRACEPOINT_OPEN`.
    RawTracepointOpen, 24 {
        name: u64 = 0,
        prog_fd: u32 = 8,
        pad: u32 = 12,
        cookie: u64 = 16,
    }
}

abi! {
    /// `BPF_ITER_CREATE`.
    IterCreate, 8 {
        link_fd: u32 = 0,
        flags: u32 = 4,
    }
}

abi! {
    /// `BPF_BTF_GET_NEXT_ID`, `BPF_BTF_GET_FD_BY_ID` and `BPF_MAP_GET_FD_BY_ID`.
    ById, 12 {
        id: u32 = 0,
        next_id: u32 = 4,
        open_flags: u32 = 8,
    }
}

abi! {
    /// `BPF_PROG_BIND_MAP`.
    ProgBindMap, 12 {
        prog_fd: u32 = 0,
        map_fd: u32 = 4,
        flags: u32 = 8,
    }
}

abi! {
    /// `BPF_OBJ_GET_INFO_BY_FD`.
    ObjInfo, 16 {
        bpf_fd: u32 = 0,
        info_len: u32 = 4,
        info: u64 = 8,
    }
}

abi! {
    /// `struct bpf_btf_info`.
    BtfInfo, 32 {
        btf: u64 = 0,
        btf_size: u32 = 8,
        id: u32 = 12,
        name: u64 = 16,
        name_len: u32 = 24,
        kernel_btf: u32 = 28,
    }
}

abi! {
    /// `struct perf_event_attr` up to `PERF_ATTR_SIZE_VER1`, which every kernel that has BPF takes.
    PerfEvent, 72 {
        event_type: u32 = 0,
        size: u32 = 4,
        config: u64 = 8,
        sample_period: u64 = 16,
        sample_type: u64 = 24,
        read_format: u64 = 32,
        flags: u64 = 40,
        wakeup_events: u32 = 48,
        bp_type: u32 = 52,
        config1: u64 = 56,
        config2: u64 = 64,
    }
}

/// A name as the kernel takes it: at most 15 bytes, other characters than letters, digits, `_` and `.` replaced.
pub(crate) fn object_name(name: &str) -> [u8; NAME_LEN] {
    let mut out = [0; NAME_LEN];
    for (to, from) in out[..NAME_LEN - 1].iter_mut().zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || matches!(from, b'_' | b'.') {
            from
        } else {
            b'_'
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(&object_name("a-b.c_d"), b"a_b.c_d\0\0\0\0\0\0\0\0\0");
        assert_eq!(&object_name("0123456789abcdef"), b"0123456789abcde\0");
    }

    #[test]
    fn structs_start_as_zeros() {
        let attr = ProgLoad::default();
        assert!(crate::pod::bytes_of(&attr).iter().all(|b| *b == 0));
    }
}
