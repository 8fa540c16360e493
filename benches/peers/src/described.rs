//! How the kernel describes what this process has loaded: its programs and maps, whoever loaded them.

use std::ffi::{c_char, c_int};

use libbpf_sys as sys;

/// A line for each program and map that this process has open, in the order of the alphabet.
pub(crate) fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let mut lines: Vec<String> = entries.flatten().filter_map(|e| descriptor(&e)).collect();
    lines.sort();
    lines
}

fn descriptor(entry: &std::fs::DirEntry) -> Option<String> {
    let target = std::fs::read_link(entry.path()).ok()?;
    let fd: c_int = entry.file_name().to_str()?.parse().ok()?;
    match target.to_str()? {
        "anon_inode:bpf-prog" => program(fd),
        "anon_inode:bpf-map" => map(fd),
        _ => None,
    }
}

fn program(fd: c_int) -> Option<String> {
    let mut info = sys::bpf_prog_info::default();
    let mut len = size_of::<sys::bpf_prog_info>() as u32;
    // SAFETY: both point to what is alive, and `len` is the size of `info`, which asks for no arrays.
    let status = unsafe { sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut len) };
    let tag: String = info.tag.iter().map(|byte| format!("{byte:02x}")).collect();
    (status == 0).then(|| {
        format!(
            "program {} type={} tag={tag} insns={} maps={} gpl={} btf={} functions={} lines={} subprograms={} attach={}:{}",
            name(&info.name),
            info.type_,
            info.xlated_prog_len / 8,
            info.nr_map_ids,
            info.gpl_compatible(),
            u8::from(info.btf_id != 0),
            info.nr_func_info,
            info.nr_line_info,
            info.nr_jited_ksyms,
            u8::from(info.attach_btf_obj_id != 0),
            info.attach_btf_id,
        )
    })
}

fn map(fd: c_int) -> Option<String> {
    let mut info = sys::bpf_map_info::default();
    let mut len = size_of::<sys::bpf_map_info>() as u32;
    // SAFETY: both point to what is alive, and `len` is the size of `info`.
    let status = unsafe { sys::bpf_map_get_info_by_fd(fd, &raw mut info, &raw mut len) };
    (status == 0).then(|| {
        format!(
            "map {} type={} key={} value={} entries={} flags={:#x} extra={} btf={} key_type={} value_type={} kernel_type={}",
            name(&info.name),
            info.type_,
            info.key_size,
            info.value_size,
            info.max_entries,
            info.map_flags,
            info.map_extra,
            u8::from(info.btf_id != 0),
            info.btf_key_type_id,
            info.btf_value_type_id,
            info.btf_vmlinux_value_type_id,
        )
    })
}

fn name(bytes: &[c_char]) -> String {
    let bytes = bytes.iter().map(|byte| *byte as u8);
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
