//! The BPF-side C headers: `<bpf/bpf_helpers.h>` and its companions, drop-in for libbpf's.
//!
//! Owns writing them to a folder. Their text is in `include`, but for `bpf_helper_defs.h`, which is
//! made here from the table of helper functions in btf-core. Beside them goes one in place of the C
//! library's, without which `<errno.h>` or `<netinet/in.h>` would not compile for BPF. Leaves
//! `vmlinux.h` to `vmlinux` and the include flags to `compile`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use btf_obj::helper::{self, Helper};

use crate::error::Result;
use crate::output::{make_dir, write_if_changed};

/// The headers that are plain text, by their path.
const TEXTS: [(&str, &str); 7] = [
    (
        "bpf/bpf_core_read.h",
        include_str!("../include/bpf/bpf_core_read.h"),
    ),
    (
        "bpf/bpf_endian.h",
        include_str!("../include/bpf/bpf_endian.h"),
    ),
    (
        "bpf/bpf_helpers.h",
        include_str!("../include/bpf/bpf_helpers.h"),
    ),
    (
        "bpf/bpf_tracing.h",
        include_str!("../include/bpf/bpf_tracing.h"),
    ),
    ("bpf/usdt.bpf.h", include_str!("../include/bpf/usdt.bpf.h")),
    (
        "bpf/bpf_arena_common.h",
        include_str!("../include/bpf/bpf_arena_common.h"),
    ),
    ("gnu/stubs.h", include_str!("../include/gnu/stubs.h")),
];

/// Writes the headers to `dir`, for `-I dir`. A file that already has its text is not written
/// again: its time would change, and cargo would rebuild.
///
/// # Errors
///
/// If a directory or file cannot be written, with its path.
pub(crate) fn write_headers(dir: &Path) -> Result<()> {
    for subdir in ["bpf", "gnu"] {
        make_dir(&dir.join(subdir))?;
    }
    for (path, text) in TEXTS {
        write_if_changed(&dir.join(path), text.as_bytes())?;
    }
    write_if_changed(&dir.join("bpf/bpf_helper_defs.h"), helper_defs().as_bytes())
}

/// The header that defines a macro, as a source includes it.
pub(crate) fn with_macro(name: &str) -> Option<&'static str> {
    let defines = |text: &str| {
        text.lines().any(|line| {
            let rest = line
                .strip_prefix("#define ")
                .and_then(|rest| rest.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with([' ', '(', '\t']))
        })
    };
    let found = TEXTS.iter().find(|(_, text)| defines(text));
    found.map(|(path, _)| *path)
}

const HELPER_DEFS_START: &str = "\
/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The helper functions of the kernel, by number. Made from btf-core's table; use it through bpf_helpers.h.
 *
 * After each stands the first kernel that has it, and GPL if programs need a license compatible with the GPL to call it.
 */
#ifndef __BPF_HELPER_DEFS__
#define __BPF_HELPER_DEFS__

/* Values may stay in registers across a call, where the compiler knows how to tell the kernel. */
#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

";

/// The text of `bpf_helper_defs.h`.
fn helper_defs() -> String {
    let mut text = String::from(HELPER_DEFS_START);
    for name in struct_names(helper::helpers()) {
        let _ = writeln!(text, "struct {name};"); // Writing to a String cannot fail.
    }
    text.push('\n');
    for helper in helper::helpers() {
        text.push_str(&declaration(helper));
    }
    text.push_str("\n#endif\n");
    text
}

/// A call through a constant pointer whose value is the helper's number: clang makes that number
/// the call's immediate.
fn declaration(helper: &Helper) -> String {
    let Helper {
        id,
        name,
        ret,
        params,
        since: (major, minor),
        ..
    } = helper;
    let fastcall = if helper.fastcall {
        "__bpf_fastcall "
    } else {
        ""
    };
    let space = if ret.ends_with('*') { "" } else { " " };
    let license = if helper.gpl_only { ", GPL" } else { "" };
    format!(
        "static {fastcall}{ret}{space}(* const {name})({params}) = (void *) {id}; /* {major}.{minor}{license} */\n"
    )
}

/// The structs that prototypes mention. Declared up front, or each would be a type of its own
/// within one prototype.
fn struct_names(helpers: &[Helper]) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for text in helpers
        .iter()
        .flat_map(|helper| [helper.ret, helper.params])
    {
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if word == "struct" {
                names.extend(words.next());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    /// What vmlinux.h would bring, as far as the headers need it, with one set of registers for all
    /// architectures.
    const PRELUDE: &str = "
        typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32;
        typedef unsigned long long __u64; typedef int __s32; typedef long long __s64;
        typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
        enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2 };
        #define __VMLINUX_H__
        #define REGISTERS { \\
            unsigned long di, si, dx, cx, r8, r9, r10, sp, bp, ax, ip, pc, nip, link, orig_gpr3, cp0_epc, csr_era; \\
            unsigned long gprs[16], gpr[32], regs[32], uregs[18], u_regs[16], a0, a1, a2, a3, a4, a5, a6, a7, ra, s0; \\
            struct { unsigned long addr; } psw; \\
            struct { unsigned long r0, r1, r2, r3, r4, r5, r6, r7, blink, fp, sp, ret; } scratch; \\
        }
        enum { UREG_I0, UREG_I1, UREG_I2, UREG_I3, UREG_I4, UREG_I5, UREG_FP, UREG_I7 };
        struct pt_regs REGISTERS;
        struct user_regs_struct REGISTERS;
        struct user_pt_regs REGISTERS;
        typedef struct user_pt_regs user_pt_regs;
        struct bpf_iter_num { __u64 state; };
        #include <bpf/bpf_helpers.h>
        #include <bpf/bpf_endian.h>
        #include <bpf/bpf_core_read.h>
        #include <bpf/bpf_tracing.h>
        #include <bpf/usdt.bpf.h>
    ";

    /// Something of every part of the headers.
    const PROGRAM: &str = r#"
        #pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
        struct inode { unsigned long i_ino; unsigned int mode : 4, flags : 12; int sign : 3; };
        struct file { struct inode *f_inode; const char *name; };
        struct mm_struct { struct file *exe_file; };
        struct task_struct { struct mm_struct *mm; const int pid; char comm[16]; };
        enum state { RUNNING = 1 };
        #pragma clang attribute pop
        struct pair { long a, b; };
        struct tiny { char c; };

        char LICENSE[] SEC("license") = "GPL";
        extern int LINUX_KERNEL_VERSION __kconfig;
        extern enum libbpf_tristate CONFIG_BPF __kconfig __weak;
        extern void some_kfunc(struct task_struct *task) __ksym __weak;

        struct {
            __uint(type, BPF_MAP_TYPE_HASH);
            __uint(max_entries, 64);
            __uint(pinning, LIBBPF_PIN_BY_NAME);
            __ulong(map_extra, 1ull << 44);
            __type(key, __u32);
            __type(value, struct pair);
        } pairs SEC(".maps"), *unused;
        struct {
            __uint(type, BPF_MAP_TYPE_ARRAY);
            __ulong(map_extra, 2);
            __array(values, int(void *));
        } others SEC(".maps");

        const __u16 port_be = bpf_htons(80);
        int sum;

        SEC("fentry/x") int BPF_PROG(on_entry, struct task_struct *task, int n, char c)
        {
            struct inode *inode = task->mm->exe_file->f_inode;
            struct file *file = BPF_CORE_READ(task, mm, exe_file);
            unsigned long ino;
            char name[16], text[64];

            BPF_CORE_READ_INTO(&ino, task, mm, exe_file, f_inode, i_ino);
            BPF_CORE_READ_STR_INTO(&name, file, name);
            BPF_PROBE_READ_USER_INTO(&ino, file, f_inode, i_ino);
            bpf_core_read(&ino, sizeof(ino), &inode->i_ino);
            sum += BPF_CORE_READ(task, pid) + BPF_CORE_READ(task, comm[3]) + BPF_PROBE_READ(file, f_inode, i_ino);
            sum += BPF_CORE_READ_BITFIELD(inode, flags) + BPF_CORE_READ_BITFIELD_PROBED(inode, sign);
            BPF_CORE_WRITE_BITFIELD(inode, mode, n);
            if (bpf_core_field_exists(task->comm) && bpf_core_field_exists(struct task_struct, comm))
                sum += bpf_core_field_size(task->comm) + bpf_core_field_offset(struct task_struct, comm);
            if (bpf_core_type_exists(struct file))
                sum += bpf_core_type_size(struct file) + bpf_core_type_id_kernel(struct file);
            if (bpf_core_enum_value_exists(enum state, RUNNING))
                sum += bpf_core_enum_value(enum state, RUNNING);
            sum += bpf_core_cast(file, struct file)->f_inode->i_ino;
            bpf_printk("none");
            bpf_printk("%d %d %d", n, c, sum);
            bpf_printk("%d %d %d %s %d %d %d %d %d %d %d %d", n, c, n, name, n, n, n, n, n, n, n, n);
            BPF_SNPRINTF(text, sizeof(text), "%s %d", name, n);
            if (bpf_ksym_exists(some_kfunc))
                some_kfunc(task);
            if (LINUX_KERNEL_VERSION > KERNEL_VERSION(6, 4, 0) && CONFIG_BPF == TRI_YES)
                bpf_tail_call_static(ctx, &pairs, 1);
            return 0;
        }
        SEC("fentry/y") int BPF_PROG2(on_struct, struct tiny, t, struct pair, p, int, n)
        {
            return t.c + p.a + p.b + n;
        }
        SEC("fentry/z") int BPF_PROG2(on_nothing)
        {
            return ctx != 0;
        }
        SEC("kprobe/x") int BPF_KPROBE(on_kprobe, void *a, int b, long c, char d)
        {
            __u64 ip;
            BPF_KPROBE_READ_RET_IP(ip, ctx);
            return a && b + c + d + ip + PT_REGS_SP_CORE(ctx);
        }
        SEC("kretprobe/x") int BPF_KRETPROBE(on_kretprobe, long ret)
        {
            return ret + PT_REGS_IP(ctx);
        }
        SEC("ksyscall/x") int BPF_KSYSCALL(on_ksyscall, int a, void *b, long c, long d, long e, long f)
        {
            int *key = bpf_map_lookup_elem(&pairs, &a);
            return key && b && c + d + e + f + PT_REGS_PARM1_CORE_SYSCALL(PT_REGS_SYSCALL_REGS(ctx));
        }
        SEC("ksyscall/y") int BPF_KSYSCALL(on_bare_ksyscall)
        {
            return 0;
        }
        SEC("usdt") int BPF_USDT(on_usdt, int a, void *b)
        {
            return b && a + bpf_usdt_arg_cnt(ctx) + bpf_usdt_arg_size(ctx, 0) + bpf_usdt_cookie(ctx);
        }
        SEC("raw_tp") int loops(void *ctx)
        {
            int i, *p;
            bpf_for(i, 0, 10) {
                barrier_var(i);
                sum += i;
            }
            bpf_for_each(num, p, 0, 5) {
                if (*p == 3)
                    break;
                bpf_repeat(2)
                    sum++;
            }
            return bpf_get_smp_processor_id() + bpf_ntohl(sum) + (ctx == NULL);
        }
    "#;

    /// A folder of its own for a test, removed when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Scratch {
            let dir =
                std::env::temp_dir().join(format!("btf-headers-{test}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a temporary folder");
            Scratch(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn clang() -> &'static str {
        [
            "clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14",
        ]
        .into_iter()
        .find(|name| {
            Command::new(name)
                .arg("--version")
                .output()
                .is_ok_and(|o| o.status.success())
        })
        .expect("this test needs clang: apt install clang")
    }

    /// What clang says about `source` with all headers before it, compiled to an object; empty if
    /// nothing.
    fn compile(dir: &Path, flags: &[&str], source: &str) -> String {
        compile_alone(dir, flags, &format!("{PRELUDE}{source}"))
    }

    /// The same, of a source that includes what it needs.
    fn compile_alone(dir: &Path, flags: &[&str], source: &str) -> String {
        write_headers(dir).expect("headers written");
        let input = dir.join("test.bpf.c");
        fs::write(&input, source).expect("source written");
        let output = Command::new(clang())
            .args([
                "--target=bpfel",
                "-O2",
                "-g",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-I",
            ])
            .arg(dir)
            .args(flags)
            .arg("-c")
            .arg(&input)
            .arg("-o")
            .arg(dir.join("test.bpf.o"))
            .output()
            .expect("clang runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn headers_are_written_once_and_repaired() {
        let scratch = Scratch::new("write");
        write_headers(&scratch.0).expect("headers written");
        let names: BTreeSet<_> = fs::read_dir(scratch.0.join("bpf"))
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        let texts = TEXTS.iter().filter(|(path, _)| path.starts_with("bpf/"));
        assert_eq!(names.len(), texts.count() + 1);

        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let path = |name: &str| scratch.0.join("bpf").join(name);
        let age = |name: &str| {
            let file = fs::File::options().write(true).open(path(name));
            file.and_then(|file| file.set_modified(old))
                .expect("time set");
        };
        let modified = |name: &str| {
            fs::metadata(path(name))
                .and_then(|m| m.modified())
                .expect("a time")
        };
        age("bpf_helpers.h");
        age("bpf_helper_defs.h");
        fs::write(path("bpf_endian.h"), "damaged").expect("damage done");
        age("bpf_endian.h");

        write_headers(&scratch.0).expect("headers written again");
        assert_eq!(modified("bpf_helpers.h"), old);
        assert_eq!(modified("bpf_helper_defs.h"), old);
        assert!(modified("bpf_endian.h") > old);
        assert_eq!(
            fs::read_to_string(path("bpf_endian.h")).expect("text"),
            TEXTS[1].1
        );
    }

    #[test]
    fn an_error_names_the_path() {
        let scratch = Scratch::new("error");
        let file = scratch.0.join("file");
        fs::write(&file, "").expect("a file");
        let error = write_headers(&file)
            .expect_err("a file is no folder")
            .to_string();
        assert!(error.starts_with("cannot make the folder "), "{error}");
        assert!(error.contains("file/bpf: "), "{error}");

        fs::create_dir_all(scratch.0.join("bpf/bpf_core_read.h")).expect("a folder in the way");
        let error = write_headers(&scratch.0)
            .expect_err("a folder is no file")
            .to_string();
        assert!(error.starts_with("cannot write "), "{error}");
        assert!(error.contains("bpf/bpf_core_read.h: "), "{error}");
    }

    /// Where a machine of x86-64 has no development files for 32 bits, the first include alone
    /// would fail.
    #[test]
    fn headers_of_the_c_library_compile() {
        let scratch = Scratch::new("libc");
        let source = "
            #include <errno.h>
            #include <stdint.h>
            #include <netinet/in.h>
            #include <sys/socket.h>
            int sum = EPERM + AF_INET + IPPROTO_TCP;
        ";
        let multiarch = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
        let said = compile_alone(&scratch.0, &["-idirafter", &multiarch], source);
        assert!(said.is_empty(), "{said}");
    }

    #[test]
    fn helper_defs_declare_every_helper() {
        let text = helper_defs();
        for line in [
            "static void *(* const bpf_map_lookup_elem)(void *map, const void *key) = (void *) 1; /* 3.19 */",
            "static __u64 (* const bpf_ktime_get_ns)(void) = (void *) 5; /* 4.1 */",
            "static long (* const bpf_probe_read_kernel)(void *dst, __u32 size, const void *unsafe_ptr) = (void *) 113; /* 5.5, GPL */",
            "static __bpf_fastcall __u32 (* const bpf_get_smp_processor_id)(void) = (void *) 8; /* 4.1 */",
            "struct bpf_sock_tuple;",
            "struct task_struct;",
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line}");
        }
        let count = text
            .lines()
            .filter(|line| line.starts_with("static "))
            .count();
        assert_eq!(count, helper::helpers().len());
    }

    #[test]
    fn every_architecture_compiles_without_a_warning() {
        let scratch = Scratch::new("arch");
        for arch in [
            "x86",
            "s390",
            "arm",
            "arm64",
            "mips",
            "powerpc",
            "sparc",
            "riscv",
            "arc",
            "loongarch",
        ] {
            let target = format!("-D__TARGET_ARCH_{arch}");
            assert_eq!(compile(&scratch.0, &[&target], PROGRAM), "", "{arch}");
        }
    }

    #[test]
    fn big_endian_compiles_without_a_warning() {
        let scratch = Scratch::new("big");
        let flags = ["--target=bpfeb", "-D__TARGET_ARCH_s390"];
        assert_eq!(compile(&scratch.0, &flags, PROGRAM), "");
    }

    #[test]
    fn a_missing_architecture_is_said() {
        let scratch = Scratch::new("missing");
        let source = "int first(struct pt_regs *ctx) { return PT_REGS_PARM1(ctx); }";
        let said = compile(&scratch.0, &["-UBPF_USDT"], source);
        assert!(
            said.contains(
                "error: Registers differ by architecture: compile with -D__TARGET_ARCH_x86"
            ),
            "{said}"
        );
    }
}
