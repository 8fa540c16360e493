//! Objects for other machines than this one: byte order, registers and kernel types are theirs. No more than clang is needed.

#[path = "support/package.rs"]
mod package;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use btf_core::btf::{Btf, Builder, IntEncoding, Kind};
use btf_core::obj::Object;
use btf_core::relo::Targets;
use btf_tests::text::workspace;
use package::Package;

/// A machine as cargo speaks of it, and the place of the second argument among the registers that a kernel saves.
struct Machine {
    arch: &'static str,
    big_endian: bool,
    registers: &'static str,
    second: i16,
}

const fn machine(
    arch: &'static str,
    big_endian: bool,
    registers: &'static str,
    second: i16,
) -> Machine {
    Machine {
        arch,
        big_endian,
        registers,
        second,
    }
}

/// Registers as their kernels have them, as far as the first arguments.
const MACHINES: [Machine; 12] = [
    machine(
        "x86_64",
        false,
        "struct pt_regs { unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di; };",
        104,
    ),
    machine(
        "aarch64",
        false,
        "struct user_pt_regs { __u64 regs[31], sp, pc, pstate; };",
        8,
    ),
    machine(
        "arm",
        false,
        "struct pt_regs { unsigned long uregs[18]; };",
        8,
    ),
    machine(
        "s390x",
        true,
        "typedef struct { unsigned long args[1]; struct { __u64 mask, addr; } psw; unsigned long gprs[16]; } user_pt_regs;",
        48,
    ),
    machine(
        "riscv64",
        false,
        "struct user_regs_struct { unsigned long pc, ra, sp, gp, tp, t0, t1, t2, s0, s1, a0, a1; };",
        88,
    ),
    machine(
        "loongarch64",
        false,
        "struct user_pt_regs { unsigned long regs[32]; };",
        40,
    ),
    machine(
        "powerpc64",
        false,
        "struct pt_regs { unsigned long gpr[32], nip; };",
        32,
    ),
    machine(
        "powerpc64",
        true,
        "struct pt_regs { unsigned long gpr[32], nip; };",
        32,
    ),
    machine(
        "mips64",
        false,
        "struct pt_regs { unsigned long pad0[8], regs[32]; };",
        104,
    ),
    machine(
        "mips64",
        true,
        "struct pt_regs { unsigned long pad0[8], regs[32]; };",
        104,
    ),
    machine(
        "sparc64",
        true,
        "enum { UREG_I0 = 8, UREG_I1 = 9 }; struct pt_regs { unsigned long u_regs[16]; };",
        72,
    ),
    machine(
        "arc",
        false,
        "struct user_regs_struct { unsigned long pad; struct { unsigned long bta, lp, start, end, count, status32, ret, blink, fp, gp, r12, r11, r10, r9, r8, r7, r6, r5, r4, r3, r2, r1, r0; } scratch; };",
        176,
    ),
];

const COMMON: &str = "
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef int __s32; typedef long long __s64; typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 1 };
";

const SECOND: &str = r#"
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Of two bytes that differ. */
const volatile __u16 order = 0x0102;

SEC("kprobe/anything")
int BPF_KPROBE(second, long first, long second)
{
	return second;
}
"#;

fn build(package: &Package, machine: &Machine, args: &[&str]) -> Output {
    let mut script = package.script(&[args, &["src/bpf/x.bpf.c"]].concat());
    script.env("CARGO_CFG_TARGET_ARCH", machine.arch);
    let endian = if machine.big_endian { "big" } else { "little" };
    script.env("CARGO_CFG_TARGET_ENDIAN", endian);
    script.output().unwrap()
}

/// Of load instructions in a program, the offsets.
fn loads(object: &Object, program: &str) -> Vec<i16> {
    let program = object.program(program).unwrap();
    let insns = object.functions()[program.function].insns.iter();
    // BPF_LDX | BPF_MEM of any size.
    insns
        .filter(|insn| insn.code & 0xe7 == 0x61)
        .map(|insn| insn.off)
        .collect()
}

#[test]
fn byte_order_and_registers_are_those_of_the_machine() {
    let package = Package::with_source("registers", SECOND);
    for machine in &MACHINES {
        let header = format!(
            "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n{COMMON}{}\n#endif\n",
            machine.registers
        );
        package.write("vmlinux.h", &header);
        let output = build(&package, machine, &["--vmlinux", "vmlinux.h"]);
        assert!(output.status.success(), "{}: {output:?}", machine.arch);
        let elf = fs::read(package.dir.join("out/x.bpf.o")).unwrap();
        // EI_DATA of the ELF file.
        assert_eq!(
            elf[5],
            if machine.big_endian { 2 } else { 1 },
            "{}",
            machine.arch
        );
        let object = Object::parse("x", &elf).unwrap();
        assert_eq!(object.is_little_endian(), !machine.big_endian);
        assert_eq!(
            loads(&object, "second"),
            [machine.second],
            "{}",
            machine.arch
        );
        let rodata = object.data().iter().find(|d| d.name == ".rodata").unwrap();
        let expected = if machine.big_endian { [1, 2] } else { [2, 1] };
        assert_eq!(rodata.contents()[..2], expected, "{}", machine.arch);
    }
}

/// The types of a kernel that saves this register.
fn kernel(register: &str) -> Vec<u8> {
    let mut types = Builder::new();
    let long = types.int("long unsigned int", 8, IntEncoding(0));
    types.structure("pt_regs", 8, [(register, long, 0)]);
    types.finish().unwrap().to_target_bytes().to_vec()
}

#[test]
fn types_of_another_machine_are_refused() {
    let package = Package::with_source(
        "other_types",
        "#include \"vmlinux.h\"\nstruct pt_regs regs;\n",
    );
    let arm = &MACHINES[1];
    fs::write(package.dir.join("kernel.btf"), kernel("orig_x0")).unwrap();
    assert!(
        build(&package, arm, &["--vmlinux", "kernel.btf"])
            .status
            .success()
    );

    let error =
        |machine: &Machine| package.error(&build(&package, machine, &["--vmlinux", "kernel.btf"]));
    fs::write(package.dir.join("kernel.btf"), kernel("orig_ax")).unwrap();
    insta::assert_snapshot!(error(arm), @r"
    error: the kernel types in kernel.btf are of x86, not of aarch64, which is built for
      help: name the BTF of a kernel of the target, or a folder of one for each architecture, with Builder::vmlinux or the environment variable BTF_BUILD_VMLINUX
    ");
    insta::assert_snapshot!(error(&MACHINES[3]), @r"
    error: the kernel types in kernel.btf are of a little-endian machine, not of s390x, which is built for
      help: name the BTF of a kernel of the target, or a folder of one for each architecture, with Builder::vmlinux or the environment variable BTF_BUILD_VMLINUX
    ");
    // 32 bits have registers of the same names.
    assert!(
        build(&package, &MACHINES[0], &["--vmlinux", "kernel.btf"])
            .status
            .success()
    );
}

/// Types of arm64 kernels, which `cargo xtask conformance libbpf` fetches; the oldest and the newest that are there.
fn arm64_kernels() -> Vec<PathBuf> {
    let cache = std::env::var_os("BTF_TEST_KERNELS").map(PathBuf::from);
    let dir = cache.map(|dir| dir.with_file_name("kernels-arm64"));
    let series = dir.and_then(|dir| fs::read_dir(dir).ok());
    let series = series
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut kernels: Vec<PathBuf> = series
        .filter(|dir| dir.join("vmlinux.btf").is_file())
        .collect();
    let number = |dir: &PathBuf| {
        let name = dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut numbers = name.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next())
    };
    kernels.sort_by_key(number);
    if kernels.len() > 2 {
        kernels.drain(1..kernels.len() - 1);
    }
    kernels
        .into_iter()
        .map(|dir| dir.join("vmlinux.btf"))
        .collect()
}

/// Real programs for arm64, on this machine: everything is there but a kernel to load them.
#[test]
fn programs_for_arm64_kernels() {
    let kernels = arm64_kernels();
    if kernels.is_empty() {
        // Straight to the file: the harness keeps what `eprintln!` prints of a case that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIP programs_for_arm64_kernels: no types of such kernels beside BTF_TEST_KERNELS (`cargo xtask conformance libbpf` fetches them)"
        );
    }
    let opensnoop = workspace().join("examples/opensnoop/src/bpf/opensnoop.bpf.c");
    for kernel in kernels {
        let package = Package::with_source("arm64", SECOND);
        let args = [
            "--vmlinux",
            kernel.to_str().unwrap(),
            opensnoop.to_str().unwrap(),
        ];
        let output = build(&package, &MACHINES[1], &args);
        assert!(output.status.success(), "{}: {output:?}", kernel.display());
        let object = |name: &str| {
            let elf = fs::read(package.dir.join("out").join(format!("{name}.bpf.o"))).unwrap();
            Object::parse(name, &elf).unwrap()
        };
        assert_eq!(loads(&object("x"), "second"), [8], "{}", kernel.display());
        relocates(&object("opensnoop"), &kernel);
        // What it attaches to is there as well, if that kernel has it: the oldest has no functions in its types.
        let has = |path: &Path| {
            let btf = Btf::from_file(path).unwrap();
            btf.find("do_sys_openat2", Kind::FUNC).is_some()
        };
        let kept = package.dir.join("out/opensnoop.target.btf");
        assert_eq!(has(&kept), has(&kernel), "{}", kernel.display());
    }
}

/// That every relocation has its answer in the kernel's types.
fn relocates(object: &Object, kernel: &Path) {
    let btf = Btf::from_file(kernel).unwrap();
    let targets = Targets::new(&btf);
    let findings = object.report(object.programs(), &targets).unwrap();
    for finding in &findings {
        assert!(
            finding.outcome.is_value(),
            "{}: {finding}",
            kernel.display()
        );
    }
    assert!(!findings.is_empty());
}
