//! What btf-build adds to clang's words, and leaves out of them: each text is a snapshot.

#[path = "support/package.rs"]
mod package;

use std::fs;

use btf_core::btf::{Builder, IntEncoding, Linkage};
use package::Package;

/// Types of a small kernel: a struct with an anonymous one, an enum, a function.
fn kernel(has_kfunc: bool) -> Vec<u8> {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let long = types.int("unsigned long", 8, IntEncoding(0));
    types.typedef("sector_t", long);
    let longer = types.int("unsigned long long", 8, IntEncoding(0));
    for name in ["__u64", "u64"] {
        types.typedef(name, longer);
    }
    let inner = types.structure("", 4, [("f_mode", int, 0)]);
    let inode = types.structure("inode", 8, [("i_ino", long, 0)]);
    let inode = types.pointer(inode);
    let file = [("f_inode", inode, 0), ("", inner, 64), ("f_pos", int, 96)];
    let file = types.structure("file", 16, file);
    let file = types.pointer(file);
    types.enumeration("action", 4, false, [("ACTION_PASS", 2)]);
    let acquire = types.prototype(file, [("file", file), ("flags", int)]);
    types.function("bpf_file_acquire", acquire, Linkage::STATIC);
    types.function("unknown", acquire, Linkage::STATIC);
    if has_kfunc {
        let user = types.prototype(file, [("file", file)]);
        let user = types.function("bpf_file_use", user, Linkage::STATIC);
        types.decl_tag("bpf_kfunc", user, None);
    }
    types.finish().unwrap().as_bytes().to_vec()
}

/// What the build says of a program that begins with these lines.
fn said(name: &str, includes: &str, body: &str) -> String {
    said_of(&kernel(false), name, includes, body)
}

fn said_of(kernel: &[u8], name: &str, includes: &str, body: &str) -> String {
    let source = format!(
        "{includes}\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\n\
         char LICENSE[] SEC(\"license\") = \"GPL\";\n\
         SEC(\"raw_tp/x\") int x(struct file **ctx)\n{{\n\t{body}\n}}\n"
    );
    let package = Package::with_source(name, &source);
    fs::write(package.dir.join("kernel.btf"), kernel).unwrap();
    let script = &mut package.script(&["--vmlinux", "kernel.btf", "src/bpf/x.bpf.c"]);
    without_key(&package.error(&script.output().unwrap()))
}

/// With the folder of `vmlinux.h` as if it were not named after its contents.
fn without_key(text: &str) -> String {
    let mut parts = text.split("btf-build/vmlinux-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let rest = part.split_once('/').map_or(part, |(_, rest)| rest);
        format!("{all}btf-build/[vmlinux]/{rest}")
    })
}

/// Where `bpf_helpers.h` finds numbers of fixed size.
const VMLINUX: &str = "#include <linux/types.h>\n#include \"vmlinux.h\"";

#[test]
fn a_member_that_only_other_kernels_have() {
    let text = said(
        "member",
        VMLINUX,
        "return BPF_CORE_READ(*ctx, f_inode, i_generation) + BPF_CORE_READ(*ctx, f_version);",
    );
    insta::assert_snapshot!(text, @r"
    src/bpf/x.bpf.c:8:38: error: no member named 'i_generation' in 'struct inode'
            return BPF_CORE_READ(*ctx, f_inode, i_generation) + BPF_CORE_READ(*ctx, f_version);
                   ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~^~~~~~~~~~~~~
      help: `struct inode` has no `i_generation` in the kernel types of kernel.btf
            what only other kernels have is read by a type of its own, which CO-RE takes for `inode`, after bpf_core_field_exists:
            struct inode___other { TYPE i_generation; } __attribute__((preserve_access_index));
    src/bpf/x.bpf.c:8:74: error: no member named 'f_version' in 'struct file'
            return BPF_CORE_READ(*ctx, f_inode, i_generation) + BPF_CORE_READ(*ctx, f_version);
                                                                ~~~~~~~~~~~~~~~~~~~~^~~~~~~~~~
      help: `struct file` has no `f_version` in the kernel types of kernel.btf
            what only other kernels have is read by a type of its own, which CO-RE takes for `file`, after bpf_core_field_exists:
            struct file___other { TYPE f_version; } __attribute__((preserve_access_index));
    2 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn a_struct_that_the_kernel_does_not_have() {
    let text = said("whole", VMLINUX, "return ((struct nf_conn *)ctx)->mark;");
    insta::assert_snapshot!(text, @r"
    src/bpf/x.bpf.c:8:32: error: incomplete definition of type 'struct nf_conn'
            return ((struct nf_conn *)ctx)->mark;
                   ~~~~~~~~~~~~~~~~~~~~~~~^
      help: `struct nf_conn` is not in the kernel types of kernel.btf, but may be a module's, or another configuration's; declare what the program reads of it, and CO-RE finds the rest:
            struct nf_conn { … } __attribute__((preserve_access_index));
    src/bpf/x.bpf.c:8:18: note: forward declaration of 'struct nf_conn'
            return ((struct nf_conn *)ctx)->mark;
                            ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn macros_of_headers() {
    let text = said(
        "macros",
        VMLINUX,
        "return ETH_P_IP + (long)bpf_ntohs + ETH_P_IP;",
    );
    insta::assert_snapshot!(text, @r"
    src/bpf/x.bpf.c:8:26: error: use of undeclared identifier 'bpf_ntohs'
            return ETH_P_IP + (long)bpf_ntohs + ETH_P_IP;
                                    ^
      help: `bpf_ntohs` is in <bpf/bpf_endian.h>
    src/bpf/x.bpf.c:8:9: error: use of undeclared identifier 'ETH_P_IP'
            return ETH_P_IP + (long)bpf_ntohs + ETH_P_IP;
                   ^
      help: `ETH_P_IP` is a macro of <linux/if_ether.h>; BTF, of which vmlinux.h is made, has none: write it into the source
            #define ETH_P_IP 0x0800
    src/bpf/x.bpf.c:8:38: error: use of undeclared identifier 'ETH_P_IP'
            return ETH_P_IP + (long)bpf_ntohs + ETH_P_IP;
                                                ^
    3 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn functions_of_the_kernel_and_helpers_that_it_lacks() {
    let text = said(
        "functions",
        &format!("{VMLINUX}\nenum bpf_func_id {{ BPF_FUNC_none }};"),
        "if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_check_mtu))\n\t\t\
         return (long)bpf_file_acquire;\n\treturn 0;",
    );
    insta::assert_snapshot!(text, @r"
    src/bpf/x.bpf.c:9:51: error: use of undeclared identifier 'BPF_FUNC_check_mtu'
            if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_check_mtu))
                                                             ^
      help: bpf_check_mtu is in kernels from 5.12 on, and not in the kernel types of kernel.btf; for bpf_core_enum_value_exists, declare
            enum bpf_func_id___new { BPF_FUNC_check_mtu___new = 163 };
    src/bpf/x.bpf.c:10:16: error: use of undeclared identifier 'bpf_file_acquire'
                    return (long)bpf_file_acquire;
                                 ^
      help: `bpf_file_acquire` is a function in the kernel types of kernel.btf; if it is one that programs may call (a kfunc), declare it:
            extern struct file *bpf_file_acquire(struct file *file, int flags) __ksym;
    2 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn types_without_vmlinux() {
    let text = said(
        "without",
        "#include <linux/types.h>\nstruct file;",
        "sector_t sector = ACTION_PASS;\n\tu64 all = 0;\n\treturn (*ctx)->f_pos;",
    );
    insta::assert_snapshot!(text, @r#"
    src/bpf/x.bpf.c:8:2: error: use of undeclared identifier 'sector_t'
            sector_t sector = ACTION_PASS;
            ^
      help: vmlinux.h has a type of this name: #include "vmlinux.h", in front of <bpf/…>
    src/bpf/x.bpf.c:9:2: error: use of undeclared identifier 'u64'
            u64 all = 0;
            ^
      help: vmlinux.h has a type of this name: #include "vmlinux.h", in front of <bpf/…>; in headers for user space it is `__u64`
    src/bpf/x.bpf.c:10:15: error: incomplete definition of type 'struct file'
            return (*ctx)->f_pos;
                   ~~~~~~^
      help: `struct file` is in vmlinux.h: include that
    src/bpf/x.bpf.c:2:8: note: forward declaration of 'struct file'
    struct file;
           ^
    3 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    "#);
}

#[test]
fn vmlinux_beside_headers_of_the_kernel() {
    let text = said(
        "beside",
        "#include <linux/types.h>\ntypedef int u64;\nenum action { PASS, };\n#include \"vmlinux.h\"",
        "return 0;",
    );
    insta::assert_snapshot!(text, @r"
    In file included from src/bpf/x.bpf.c:4:
    [package]/out/btf-build/[vmlinux]/vmlinux.h:12:28: error: typedef redefinition with different types ('unsigned long long' vs 'int')
    typedef unsigned long long u64;
                               ^
      help: vmlinux.h has the kernel's types: leave out what declares them again, as <linux/…> does, and write macros that are needed of it into the source
    src/bpf/x.bpf.c:2:13: note: previous definition is here
    typedef int u64;
                ^
    In file included from src/bpf/x.bpf.c:4:
    [package]/out/btf-build/[vmlinux]/vmlinux.h:26:6: error: redefinition of 'action'
    enum action {
         ^
    src/bpf/x.bpf.c:3:6: note: previous definition is here
    enum action { PASS, };
         ^
    2 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn a_kfunc_that_a_source_declares_otherwise() {
    let text = said_of(
        &kernel(true),
        "kfunc",
        &format!(
            "{VMLINUX}\nextern struct file *bpf_file_use(const struct file *file) __attribute__((section(\".ksyms\")));"
        ),
        "return 0;",
    );
    insta::assert_snapshot!(text, @r#"
    src/bpf/x.bpf.c:3:21: error: conflicting types for 'bpf_file_use'
    extern struct file *bpf_file_use(const struct file *file) __attribute__((section(".ksyms")));
                        ^
      help: `bpf_file_use` is a kfunc, which vmlinux.h declares as its kernel has it: write
            #define BPF_NO_KFUNC_PROTOTYPES
            in front of #include "vmlinux.h" to declare kfuncs in the source
    [package]/out/btf-build/[vmlinux]/vmlinux.h:45:21: note: previous declaration is here
    extern struct file *bpf_file_use(struct file *file) __weak __ksym;
                        ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    "#);
    let text = said_of(
        &kernel(true),
        "kfunc_left_out",
        "#define BPF_NO_KFUNC_PROTOTYPES\n#include <linux/types.h>\n#include \"vmlinux.h\"\n\
         struct file *bpf_file_use(struct file *file, long more);",
        "return wrong;",
    );
    assert!(!text.contains("bpf_file_use"), "{text}");
}

#[test]
fn headers_of_packages_that_are_not_installed() {
    let error = |name: &str, arch: &str, header: &str| {
        let source = format!("#include <{header}>\n");
        let package = Package::with_source(name, &source);
        let script = &mut package.script(&["src/bpf/x.bpf.c"]);
        script.env("CARGO_CFG_TARGET_ARCH", arch);
        // A directory without system headers.
        script.env("CPATH", "nowhere");
        package.error(&script.output().unwrap())
    };
    insta::assert_snapshot!(error("asm_cross", "riscv64", "asm/of_no_kernel.h"), @r"
    src/bpf/x.bpf.c:1:10: fatal error: 'asm/of_no_kernel.h' file not found
    #include <asm/of_no_kernel.h>
             ^~~~~~~~~~~~~~~~~~~~
      help: <asm/of_no_kernel.h> of riscv64 is in the package linux-libc-dev-riscv64-cross of Debian and Ubuntu, kernel-cross-headers of Fedora
            vmlinux.h in place of <linux/…> needs no headers of the system
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
    insta::assert_snapshot!(error("bits_cross", "loongarch64", "bits/of_no_library.h"), @r"
    src/bpf/x.bpf.c:1:10: fatal error: 'bits/of_no_library.h' file not found
    #include <bits/of_no_library.h>
             ^~~~~~~~~~~~~~~~~~~~~~
      help: <bits/of_no_library.h> of loongarch64 is in the package libc6-dev-loong64-cross of Debian and Ubuntu, glibc-devel of that architecture of Fedora
            vmlinux.h in place of <linux/…> needs no headers of the system
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
    // Its directory is there: the name is wrong.
    insta::assert_snapshot!(error("linux_name", "x86_64", "linux/of_no_kernel.h"), @r"
    src/bpf/x.bpf.c:1:10: fatal error: 'linux/of_no_kernel.h' file not found
    #include <linux/of_no_kernel.h>
             ^~~~~~~~~~~~~~~~~~~~~~
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

/// Of what nobody knows.
#[test]
fn no_advice() {
    let text = said(
        "none",
        VMLINUX,
        "(*ctx)->f_inode = undeclared;\n\tunknown size = size;\n\treturn 0;",
    );
    insta::assert_snapshot!(text, @r"
    src/bpf/x.bpf.c:8:20: error: use of undeclared identifier 'undeclared'
            (*ctx)->f_inode = undeclared;
                              ^
    src/bpf/x.bpf.c:9:2: error: use of undeclared identifier 'unknown'
            unknown size = size;
            ^
    2 errors generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}
