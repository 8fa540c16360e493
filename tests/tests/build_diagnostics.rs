//! What btf-build finds in programs that compile and would not work: each text is a snapshot, and what is right is let pass.

#[path = "support/package.rs"]
mod package;

use std::fs;

use btf_core::btf::{Builder, IntEncoding, Linkage, TypeId};
use package::Package;

/// The newest and the oldest clang that are here.
const OLD: &str = "clang-14";

const START: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

"#;
const GPL: &str = "char LICENSE[] SEC(\"license\") = \"GPL\";\n";

/// The warnings about a source with these lines after the headers.
fn found(name: &str, source: &str, args: &[&str]) -> String {
    let package = Package::with_source(name, &format!("{START}{source}"));
    fs::write(package.dir.join("kernel.btf"), kernel()).unwrap();
    let mut args = args.to_vec();
    args.push("src/bpf/x.bpf.c");
    let mut script = package.script(&args);
    script.env("BTF_BUILD_VMLINUX", "kernel.btf");
    package.warnings(&script.output().unwrap())
}

/// The types of a kernel with functions, a hook and a tracepoint.
fn kernel() -> Vec<u8> {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let [task, file, skb] = ["task_struct", "file", "iphdr"].map(|name| {
        let to = types.forward_struct(name);
        types.pointer(to)
    });
    let void = types.pointer(TypeId::VOID);
    let read = [("file", file), ("task", task), ("ip", skb)];
    let read = types.prototype(int, read);
    types.function("vfs_read", read, Linkage::STATIC);
    types.function("bpf_lsm_file_open", read, Linkage::STATIC);
    let exec = types.prototype(TypeId::VOID, [("__data", void), ("task", task)]);
    let exec = types.pointer(exec);
    types.typedef("btf_trace_sched_process_exec", exec);
    types.finish().unwrap().as_bytes().to_vec()
}

#[test]
fn typos_in_section_names() {
    let source = r#"
__u32 counts SEC(".dta.counts");
char LICENSE[] SEC("licence") = "GPL";

SEC("fexti/vfs_read")
int BPF_PROG(on_read, void *file)
{
	return file != 0;
}

SEC("kretporbe/x")
int on_return(void *ctx) { return 0; }

SEC("socket/http") int on_packet(void *ctx) { return 0; }
"#;
    insta::assert_snapshot!(found(
        "sections",
        &format!("{GPL}{}", source.replace("LICENSE", "MINE")),
        &[]
    ));
}

#[test]
fn sections_of_other_loaders() {
    let source = r#"
SEC("classifier/ingress") int on_ingress(struct __sk_buff *skb) { return 0; }
SEC("socket1") int on_socket(struct __sk_buff *skb) { return 0; }
SEC("perf_event/profiler") int on_tick(void *ctx) { return 0; }
SEC("?xdp_prog") int on_packet(struct xdp_md *ctx) { return 2; }
SEC("mine") int on_mine(void *ctx) { return 0; }

/* Read by libxdp and bpfman, and skipped by libbpf. */
int dispatcher_version SEC("xdp_metadata") = 2;
int tc_dispatcher_version SEC("tc_metadata") = 1;
struct { __uint(priority, 10); } on_packet_config SEC(".xdp_run_config");
"#;
    insta::assert_snapshot!(found("other_loaders", &format!("{GPL}{source}"), &[]));
}

#[test]
fn addresses_in_data() {
    let source = r#"
static char *names[] = { "read", "write" };
static long (*const tables[])(void) = { 0 };
int which;
const int *unused = &which;

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return names[which & 1][0] + (tables[0] != 0);
}
"#;
    insta::assert_snapshot!(found("addresses", &format!("{GPL}{source}"), &[]));
}

#[test]
fn no_license() {
    let source = r#"
SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return 0;
}
"#;
    insta::assert_snapshot!(found("no_license", source, &[]));
    // Nothing in it is a program.
    assert_eq!(found("no_program", "int counter;\n", &[]), "");
}

const NEEDS_GPL: &str = r#"
long value;

static __noinline int read(const void *at)
{
	return bpf_probe_read_kernel(&value, sizeof(value), at);
}

SEC("kprobe/vfs_read")
int on_read(struct pt_regs *ctx)
{
	bpf_get_current_comm(&value, sizeof(value));
	bpf_probe_read_kernel(&value, sizeof(value), ctx);
	return read(ctx) + read((void *)ctx + 8);
}

extern void some_kfunc(void) __ksym;

SEC("lsm/file_open")
int BPF_PROG(on_open)
{
	some_kfunc();
	bpf_printk("opened");
	return 0;
}

static __attribute__((used)) int no_program_calls(void)
{
	return bpf_probe_read_user(&value, 8, 0);
}
"#;

#[test]
fn functions_that_need_the_gpl() {
    let mit = "char LICENSE[] SEC(\"license\") = \"GPL-2.0\";\n";
    insta::assert_snapshot!(found("gpl_only", &format!("{mit}{NEEDS_GPL}"), &[]));
    for license in ["GPL", "Dual MIT/GPL"] {
        let line = format!("char LICENSE[] SEC(\"license\") = \"{license}\";\n");
        let warnings = found("gpl", &format!("{line}{NEEDS_GPL}"), &[]);
        assert_eq!(warnings, "", "{license}");
    }
}

#[test]
fn reads_that_the_verifier_refuses() {
    let source = r#"
struct inode { long i_ino; } __attribute__((preserve_access_index));
struct file { struct inode *f_inode; } __attribute__((preserve_access_index));
struct task_struct { int pid; struct file *exe; } __attribute__((preserve_access_index));
struct pt_regs { long unused[14]; long di; };
long sum;

SEC("kprobe/vfs_read")
int BPF_KPROBE(on_probe, struct file *file)
{
	sum += file->f_inode->i_ino;
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	sum += task->pid;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_current)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	sum += task->pid;
	return 0;
}

const volatile int only_pid;

/* Whatever the constant is, the verifier comes there. */
SEC("kprobe/vfs_read")
int on_read(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file = BPF_CORE_READ(task, exe);

	if (only_pid && bpf_get_current_pid_tgid() >> 32 != only_pid)
		return 0;
	sum += file->f_inode != 0;
	return 0;
}
"#;
    let source = format!(
        "{GPL}{}",
        source.replace("struct pt_regs { long unused[14]; long di; };", REGS)
    );
    insta::assert_snapshot!(found("refused", &source, &[]));
}

const REGS: &str = "struct pt_regs {\n\tunsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;\n};";

#[test]
fn reads_at_fixed_offsets() {
    let source = r#"
#include "own.h"
long sum;

SEC("fentry/vfs_read")
int BPF_PROG(on_entry, struct file *file, struct task_struct *task)
{
	sum += task->pid;
	sum += (long)file->f_inode;
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	int pid;
	bpf_probe_read_kernel(&pid, sizeof(pid), &task->pid);
	sum += pid;
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int on_current(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	int pid;
	bpf_probe_read_kernel(&pid, sizeof(pid), &task->pid);
	sum += pid;
	return 0;
}
"#;
    let own = "struct inode;\nstruct file { struct inode *f_inode; };\nstruct task_struct { long state; int pid; };\n";
    let package = Package::with_source("fixed", &format!("{START}{GPL}{source}"));
    package.write("src/bpf/own.h", own);
    fs::write(package.dir.join("kernel.btf"), kernel()).unwrap();
    let mut script = package.script(&["src/bpf/x.bpf.c"]);
    script.env("BTF_BUILD_VMLINUX", "kernel.btf");
    insta::assert_snapshot!(package.warnings(&script.output().unwrap()));

    // The same with relocations.
    let own = own.replace("; };", "; } __attribute__((preserve_access_index));");
    package.write("src/bpf/own.h", &own);
    let plain = "bpf_probe_read_kernel(&pid, sizeof(pid), &task->pid)";
    let core = "pid = BPF_CORE_READ(task, pid)";
    package.write(
        "src/bpf/x.bpf.c",
        &format!("{START}{GPL}{}", source.replace(plain, core)),
    );
    assert_eq!(package.warnings(&script.output().unwrap()), "");
}

/// What is right, or may be: nothing is said.
const RIGHT: &str = r#"
#include <linux/ip.h>
struct inode { long i_ino; } __attribute__((preserve_access_index));
struct file { struct inode *f_inode; char name[64]; } __attribute__((preserve_access_index));
struct task_struct { int pid; struct file *exe; struct file files[4]; } __attribute__((preserve_access_index));
long sum;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct { long a; struct task_struct *task; });
} values SEC(".maps");

/* A struct that the system declares keeps its layout. */
SEC("fentry/vfs_read")
int BPF_PROG(stable, struct file *file, struct task_struct *task, struct iphdr *ip)
{
	sum += ip->ttl + file->f_inode->i_ino + task->files[sum & 3].f_inode->i_ino;
	return 0;
}

/* On one way it is a pointer that the verifier knows. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(either, struct task_struct *task)
{
	__u32 key = 0;
	long *value = bpf_map_lookup_elem(&values, &key);
	struct task_struct *current = bpf_get_current_task_btf();

	if (value)
		sum += *value;
	if (sum)
		current = task;
	sum += current->pid + BPF_CORE_READ(current, exe, f_inode, i_ino);
	return 0;
}

/* A constant, a setting of the kernel and a field that it may have decide whether the verifier looks at it. */
const volatile int by_number;
extern int LINUX_KERNEL_VERSION __kconfig;

static __attribute__((noinline)) long read_by_number(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return task->pid;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(guarded)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (by_number)
		sum += task->pid + read_by_number();
	if (LINUX_KERNEL_VERSION < 0x50000)
		sum += task->exe->f_inode->i_ino;
	if (!bpf_core_field_exists(task->files[1].f_inode))
		sum += task->files[2].f_inode->i_ino;
	return 0;
}

SEC("kprobe/vfs_read")
int read(__u64 *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct { long a; int pid; } own = {};
	void *at = (void *)ctx[4];
	long words[4];

	bpf_probe_read_kernel(words, sizeof(words), at + 8);
	bpf_probe_read_user(&own, sizeof(own), (void *)ctx[14] + 16);
	sum += own.a + own.pid + words[1] + words[3] + BPF_CORE_READ(task, pid);
	bpf_probe_read_kernel(&own.a, 8, task);
	return 0;
}
"#;

#[test]
fn what_may_be_right_is_let_pass() {
    assert_eq!(found("right", &format!("{GPL}{RIGHT}"), &[]), "");
}

#[test]
fn enums_that_an_old_clang_cuts() {
    let source = r#"
enum narrow { SMALL = 1 };
enum wide {
	LOW = 1,
	HIGH = 0x100000000ULL,
};
enum narrow narrow;
enum wide wide;
"#;
    insta::assert_snapshot!(found("enum64", source, &["--clang", OLD]));
    assert_eq!(found("enum64_new", source, &["--clang", "clang-19"]), "");
}

#[test]
fn arenas_that_an_old_clang_does_not_know() {
    let source = r#"
struct {
	__uint(type, 33);
	__uint(map_flags, 1024);
	__uint(max_entries, 1);
} pages SEC(".maps");
"#;
    insta::assert_snapshot!(found("arena", source, &["--clang", OLD]));
    assert_eq!(found("arena_new", source, &["--clang", "clang-19"]), "");
}

#[test]
fn variables_and_members_that_clang_gives_no_type() {
    let source = r#"
_Complex double number;
struct signal {
	int rate;
	_Complex float samples[4];
};
struct signal signal;
extern const void known __ksym __weak;

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return signal.rate + *(volatile int *)&number + (&known != 0);
}
"#;
    let source = format!("{GPL}{source}");
    insta::assert_snapshot!(found("untyped", &source, &["--clang", "clang-19"]));
}

/// The error of a source that this clang is too old for.
fn too_old(name: &str, source: &str, flag: &str) -> String {
    let package = Package::with_source(name, &format!("{START}{source}"));
    let args = ["--clang", OLD, "--flag", flag, "src/bpf/x.bpf.c"];
    package.error(&package.script(&args).output().unwrap())
}

#[test]
fn what_an_old_clang_cannot_compile() {
    let matches = "struct s { int a; };\nint f(void) { return bpf_core_type_matches(struct s); }\n";
    insta::assert_snapshot!(too_old("matches", matches, "-Wall"));
    insta::assert_snapshot!(too_old("v4", "int f(void) { return 0; }\n", "-mcpu=v4"));
    let may_goto = "int f(int x)\n{\n\twhile (x--)\n\t\tasm volatile goto(\"may_goto %l[out]\" : : : : out);\nout:\n\treturn x;\n}\n";
    insta::assert_snapshot!(too_old("may_goto", may_goto, "-Wall"));
}

/// With a vmlinux.h that was given: one that is made agrees with the header whatever the kernel's types and the clang.
#[test]
fn functions_of_arenas_that_a_given_header_declares_otherwise() {
    let source = "#include <linux/bpf.h>\n#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_arena_common.h>\n\
        char LICENSE[] SEC(\"license\") = \"GPL\";\n";
    let package = Package::with_source("arena_given", source);
    let header = "#ifndef BPF_NO_KFUNC_PROTOTYPES\n\
        extern int *bpf_arena_alloc_pages(void *map, void *addr, __u32 count, int node, __u64 flags);\n#endif\n";
    package.write("given.h", header);
    let script = |source| {
        package.write("src/bpf/x.bpf.c", source);
        package
            .script(&[
                "--clang",
                "clang-19",
                "--vmlinux",
                "given.h",
                "src/bpf/x.bpf.c",
            ])
            .output()
            .unwrap()
    };
    let error = package.error(&script(source));
    assert!(
        error.contains("conflicting types for 'bpf_arena_alloc_pages'"),
        "{error}"
    );
    assert!(
        error.ends_with(
            "error: cannot compile src/bpf/x.bpf.c\n  help: vmlinux.h declares functions of arenas, too, and in another way \
             for this clang: `#define BPF_NO_KFUNC_PROTOTYPES` in front of it leaves them out"
        ),
        "{error}"
    );
    let mended = format!("#define BPF_NO_KFUNC_PROTOTYPES\n{source}");
    assert!(script(&mended).status.success());
}

/// Where clang itself fails, the place and the reason are shown, and nothing of its stack.
#[test]
fn what_no_clang_compiles() {
    let divides = "long f(long a, long b)\n{\n\treturn a / b;\n}\n";
    for clang in [OLD, "clang-19"] {
        let package = Package::with_source("divides", divides);
        let args = ["--clang", clang, "src/bpf/x.bpf.c"];
        let error = package.error(&package.script(&args).output().unwrap());
        assert!(
            error.contains("nsupport") && error.contains("signed division"),
            "{error}"
        );
        assert!(error.contains("src/bpf/x.bpf.c:3:11"), "{error}");
        assert!(
            error.ends_with("\nerror: cannot compile src/bpf/x.bpf.c"),
            "{error}"
        );
        assert!(
            !error.contains("Stack dump") && !error.contains("bug report"),
            "{error}"
        );
        assert!(error.lines().count() < 16, "{error}");
    }
}

/// Each source's warnings are there, with its path, and nothing between them.
#[test]
fn several_sources_at_once() {
    let source = |name: &str| {
        format!(
            "{START}{GPL}SEC(\"raw_tp/x\")\nint {name}(void *ctx)\n{{\n\tint unused_{name};\n\treturn 0;\n}}\n"
        )
    };
    let package = Package::with_source("several", &source("first"));
    package.write("src/bpf/y.bpf.c", &source("second"));
    package.write("src/bpf/sub/z.bpf.c", &source("third"));
    let sources = [
        "--warn",
        "all",
        "src/bpf/x.bpf.c",
        "src/bpf/y.bpf.c",
        "src/bpf/sub/z.bpf.c",
    ];
    let output = package.script(&sources).output().unwrap();
    insta::assert_snapshot!(package.warnings(&output));
}
