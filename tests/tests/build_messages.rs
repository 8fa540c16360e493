//! What btf-build tells its users: each text is a snapshot. No cargo is needed for that, only what it gives to a build script.

#[path = "support/package.rs"]
mod package;

use std::fs;

use btf_core::btf::{Builder, IntEncoding, Linkage, TypeId};
use package::Package;

const PROGRAM: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return 0;
}
"#;

const WANTS_KERNEL_TYPES: &str = "#include \"vmlinux.h\"\nstruct task_struct *task;\n";

#[test]
fn an_error_in_a_source() {
    let package = Package::with_source("error", &PROGRAM.replace("return 0;", "return wrong;"));
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    src/bpf/x.bpf.c:10:9: error: use of undeclared identifier 'wrong'
            return wrong;
                   ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn an_error_in_a_header() {
    let package = Package::with_source(
        "header",
        &PROGRAM.replace("\nchar", "#include \"x.h\"\n\nchar"),
    );
    package.write("src/bpf/x.h", "struct event {\n\tu32 pid;\n};\n");
    let script = &mut package.script(&["src/bpf/x.bpf.c"]);
    // A kernel would know of u32.
    script.env("BTF_BUILD_KERNEL_BTF", package.dir.join("nowhere"));
    let output = script.output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    In file included from src/bpf/x.bpf.c:4:
    src/bpf/x.h:2:2: error: unknown type name 'u32'
            u32 pid;
            ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn an_error_in_a_header_of_several_sources() {
    let source = PROGRAM.replace("\nchar", "#include \"x.h\"\n\nchar");
    let package = Package::with_source("shared_header", &source);
    package.write("src/bpf/x.h", "struct event {\n\tstruct other other;\n};\n");
    package.write("src/bpf/y.bpf.c", &source);
    let more = source.replace("return 0;", "return wrong;");
    package.write("src/bpf/z.bpf.c", &more);
    let script = &mut package.script(&["src/bpf/x.bpf.c", "src/bpf/y.bpf.c", "src/bpf/z.bpf.c"]);
    script.env("BTF_BUILD_KERNEL_BTF", package.dir.join("nowhere"));
    let output = script.output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    In file included from src/bpf/x.bpf.c:4:
    src/bpf/x.h:2:15: error: field has incomplete type 'struct other'
            struct other other;
                         ^
    src/bpf/x.h:2:9: note: forward declaration of 'struct other'
            struct other other;
                   ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    error: cannot compile src/bpf/y.bpf.c, for the same reason
    In file included from src/bpf/z.bpf.c:4:
    src/bpf/x.h:2:15: error: field has incomplete type 'struct other'
            struct other other;
                         ^
    src/bpf/x.h:2:9: note: forward declaration of 'struct other'
            struct other other;
                   ^
    src/bpf/z.bpf.c:11:9: error: use of undeclared identifier 'wrong'
            return wrong;
                   ^
    2 errors generated.
    error: cannot compile src/bpf/z.bpf.c
    ");
}

#[test]
fn a_header_that_is_missing() {
    let package = Package::with_source("missing_header", "#include <bpf/bpf_helper.h>\n");
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    src/bpf/x.bpf.c:1:10: fatal error: 'bpf/bpf_helper.h' file not found
    #include <bpf/bpf_helper.h>
             ^~~~~~~~~~~~~~~~~~
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn a_warning() {
    let package =
        Package::with_source("warning", &PROGRAM.replace("return 0;", "int i; return 0;"));
    let mut script = package.script(&["--warn", "all", "src/bpf/x.bpf.c"]);
    let output = script.output().unwrap();
    insta::assert_snapshot!(package.warnings(&output), @r"
    src/bpf/x.bpf.c:10:6: warning: unused variable 'i' [-Wunused-variable]
            int i; return 0;
                ^
    1 warning generated.
    ");
}

#[test]
fn no_clang() {
    let package = Package::with_source("no_clang", PROGRAM);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("PATH", package.dir.join("bin"))
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: clang, which compiles BPF programs, is not installed
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");
}

#[test]
fn no_clang_where_one_is_named() {
    let package = Package::with_source("no_named_clang", PROGRAM);
    let output = package
        .script(&["--clang", "/opt/llvm/bin/clang", "src/bpf/x.bpf.c"])
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no clang at `/opt/llvm/bin/clang`, which Builder::clang names
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");

    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("BTF_BUILD_CLANG", "clang-99")
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no clang at `clang-99`, which the environment variable BTF_BUILD_CLANG names
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");
}

#[test]
fn an_old_clang() {
    let package = Package::with_source("old_clang", PROGRAM);
    package.fake("clang", "Debian clang version 11.0.1-2");
    package.fake("clang-9", "clang version 9.0.1");
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("PATH", package.dir.join("bin"))
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: [package]/bin/clang is clang 11, but at least clang 14 is needed to compile BPF programs
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");

    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("CLANG", "bin/clang-9")
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: `bin/clang-9`, which the environment variable CLANG names, is clang 9, but at least clang 14 is needed
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");
}

#[test]
fn no_clang_at_all() {
    let package = Package::with_source("other_compiler", PROGRAM);
    package.fake("gcc", "gcc (Debian 12.2.0-14) 12.2.0");
    let output = package
        .script(&["--clang", "bin/gcc", "src/bpf/x.bpf.c"])
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: `[package]/bin/gcc --version` says `gcc (Debian 12.2.0-14) 12.2.0`, which is no clang's version
      help: install it (Debian, Ubuntu: `apt install clang`; Fedora: `dnf install clang`), or name one with Builder::clang or the environment variable BTF_BUILD_CLANG
    ");
}

#[test]
fn a_kernel_without_btf() {
    let package = Package::with_source("no_kernel_btf", WANTS_KERNEL_TYPES);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("BTF_BUILD_KERNEL_BTF", package.dir.join("nowhere"))
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: a source includes vmlinux.h, but this machine's kernel has no BTF to make it from ([package]/nowhere is missing)
      help: name a BTF file, a vmlinux with BTF or a ready vmlinux.h with Builder::vmlinux or the environment variable BTF_BUILD_VMLINUX, or build on a kernel with CONFIG_DEBUG_INFO_BTF=y
    ");
}

#[test]
fn kernel_types_are_not_needed_once_no_source_includes_them() {
    let package = Package::with_source("no_longer_wanted", WANTS_KERNEL_TYPES);
    fs::write(package.dir.join("kernel.btf"), kernel()).unwrap();
    let build = |types: &str| {
        let mut script = package.script(&["src/bpf/x.bpf.c"]);
        script.env("BTF_BUILD_KERNEL_BTF", package.dir.join(types));
        script.output().unwrap()
    };
    assert!(build("kernel.btf").status.success());
    assert!(
        package
            .error(&build("nowhere"))
            .contains("nowhere is missing")
    );
    package.write("src/bpf/x.bpf.c", PROGRAM);
    assert_eq!(package.warnings(&build("nowhere")), "");
}

/// The program with a wrapper of this text as clang, which tells its version as clang does.
fn wrapped(name: &str, script: &str) -> (Package, std::process::Output) {
    let package = Package::with_source(name, PROGRAM);
    let text = format!("[ \"$1\" = --version ] && exec clang --version\n{script}");
    package.wrapper("clang", &text);
    let mut build = package.script(&["--clang", "bin/clang", "src/bpf/x.bpf.c"]);
    let output = build.output().unwrap();
    (package, output)
}

#[test]
fn a_clang_that_crashes() {
    let (package, output) = wrapped(
        "crash",
        "echo '#pragma clang __debug parser_crash' > crash.c\nexec clang \"$@\" -include crash.c",
    );
    let text = package.error(&output);
    let (dump, message) = text.split_once("\nerror: ").unwrap();
    assert!(dump.starts_with("Stack dump:\n1. "), "{text}");
    assert!(dump.contains("\n  clang::Parser::"), "{text}");
    let message = message.split_once(' ').unwrap().1;
    let message = message.split_once(' ').unwrap().1;
    insta::assert_snapshot!(message, @r"
    crashed (signal 4, SIGILL) while compiling src/bpf/x.bpf.c
      help: this is a bug in clang: name another version with Builder::clang or the environment variable BTF_BUILD_CLANG, or rewrite what it was working on
    ");
}

#[test]
fn a_clang_that_ends_without_a_word() {
    let said = |name: &str, script: &str| {
        let (package, output) = wrapped(name, script);
        package.error(&output)
    };
    insta::assert_snapshot!(said("killed", "kill -9 $$"), @r"
    error: clang was killed by signal 9, SIGKILL while compiling src/bpf/x.bpf.c
      help: the kernel kills processes when memory runs out (see `dmesg`): build with fewer jobs, `cargo build -j1`
    ");
    insta::assert_snapshot!(said("silent", "exit 3"), @r"
    error: clang ended with exit status 3 and without an error message while compiling src/bpf/x.bpf.c
      help: check what runs as clang: it may be a wrapper that fails
    ");
    insta::assert_snapshot!(said("nothing", "exit 0"), @r"
    error: clang reported success and wrote no object for src/bpf/x.bpf.c
      help: remove flags that stop it early (`-E`, `-fsyntax-only`), and check what runs as clang
    ");
    let refuses = "echo \"clang: error: unsupported option '-fx' for target 'bpfel'\" >&2; exit 1";
    insta::assert_snapshot!(said("refuses", refuses), @r"
    clang: error: unsupported option '-fx' for target 'bpfel'
    error: cannot compile src/bpf/x.bpf.c
    ");
}

#[test]
fn a_clang_that_is_not_executable() {
    let package = Package::with_source("not_executable", PROGRAM);
    package.write("bin/clang", "");
    let mut script = package.script(&["--clang", "bin/clang", "src/bpf/x.bpf.c"]);
    insta::assert_snapshot!(package.error(&script.output().unwrap()), @r"
    error: `bin/clang`, which Builder::clang names, is not executable
      help: set its mode with `chmod +x`, or name another clang
    ");
}

/// Flags that distributions put in front of all others.
#[test]
fn hardening_of_a_distribution_changes_nothing() {
    let source = PROGRAM.replace(
        "return 0;",
        "char bytes[64]; bpf_probe_read_kernel(bytes, 64, ctx); bpf_printk(\"%s\", bytes); return 0;",
    );
    let package = Package::with_source("hardened", &source);
    let object = |flags: &str| {
        let version = "[ \"$1\" = --version ] && exec clang --version";
        package.wrapper("clang", &format!("{version}\nexec clang {flags} \"$@\""));
        let mut script = package.script(&["--clang", "bin/clang", "src/bpf/x.bpf.c"]);
        assert_eq!(package.warnings(&script.output().unwrap()), "", "{flags}");
        fs::read(package.dir.join("out/x.bpf.o")).unwrap()
    };
    let plain = object("");
    for flags in [
        "-fstack-protector-strong",
        "-fstack-protector-all -fstack-clash-protection",
        "-fcf-protection",
        "-fPIE -pie -D_FORTIFY_SOURCE=3",
        "-ftrivial-auto-var-init=pattern",
        "-fsanitize=undefined",
        "-flto=thin",
    ] {
        assert!(object(flags) == plain, "{flags}");
    }
}

#[test]
fn a_source_that_needs_no_kernel_types_needs_no_kernel_btf() {
    let package = Package::with_source("no_kernel_btf_needed", PROGRAM);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("BTF_BUILD_KERNEL_BTF", package.dir.join("nowhere"))
        .output()
        .unwrap();
    assert_eq!(package.warnings(&output), "");
}

#[test]
fn a_file_of_kernel_types_that_is_none() {
    let package = Package::with_source("bad_vmlinux", WANTS_KERNEL_TYPES);
    package.write("kernel.btf", "not BTF\n");
    fs::write(package.dir.join("cut.btf"), [0x9f, 0xeb, 1, 0]).unwrap();
    let error = |file: &str| {
        let script = &mut package.script(&["--vmlinux", file, "src/bpf/x.bpf.c"]);
        package.error(&script.output().unwrap())
    };
    insta::assert_snapshot!(error("kernel.btf"), @"error: kernel.btf is neither raw BTF, nor an ELF file, nor a header (.h)");
    insta::assert_snapshot!(error("nowhere.btf"), @"error: cannot read kernel types from nowhere.btf: No such file or directory (os error 2)");
    insta::assert_snapshot!(error("cut.btf"), @"error: cannot make vmlinux.h from cut.btf: BTF of 4 bytes is shorter than its 24-byte header");
}

#[test]
fn the_kernel_of_another_architecture() {
    let package = Package::with_source("other_arch", WANTS_KERNEL_TYPES);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("CARGO_CFG_TARGET_ARCH", "s390x")
        .env("CARGO_CFG_TARGET_ENDIAN", "big")
        .output()
        .unwrap();
    let text = package
        .error(&output)
        .replace(std::env::consts::ARCH, "[arch]");
    insta::assert_snapshot!(text, @r"
    error: a source includes vmlinux.h, but the running kernel is of [arch], not of s390x, which is built for
      help: name the BTF of a kernel of the target, or a folder of one for each architecture, with Builder::vmlinux or the environment variable BTF_BUILD_VMLINUX
    ");
}

#[test]
fn an_architecture_without_bpf() {
    let package = Package::with_source("no_bpf_arch", PROGRAM);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env("CARGO_CFG_TARGET_ARCH", "wasm32")
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no BPF on the target architecture `wasm32`
      help: name the architecture that the program will run on with Builder::target_arch
    ");
}

#[test]
fn an_object_without_btf() {
    let package = Package::with_source("no_btf", PROGRAM);
    let output = package
        .script(&["--flag", "-g0", "src/bpf/x.bpf.c"])
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: object `x` has no .BTF section
      help: BTF comes with debug information: remove `-g0` or other flags that turn off `-g`
    ");
}

/// The error for a source that clang takes and no loader would: the program with `from` replaced.
fn unfit(name: &str, from: &str, to: &str) -> String {
    assert!(PROGRAM.contains(from));
    let package = Package::with_source(name, &PROGRAM.replace(from, to));
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    package.error(&output)
}

/// A declaration of a map with these attributes, before the program.
fn unfit_map(name: &str, attributes: &str) -> String {
    let map = format!("struct {{\n{attributes}\n}} counts SEC(\".maps\");\n\nSEC(\"raw");
    unfit(name, "SEC(\"raw", &map)
}

#[test]
fn maps_that_no_kernel_takes() {
    let without_type = "__uint(max_entries, 1); __type(key, __u32);";
    insta::assert_snapshot!(unfit_map("map_without_type", without_type), @r#"
    src/bpf/x.bpf.c:9:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `x`: map `counts`: it has no `type` attribute (write `__uint(type, BPF_MAP_TYPE_…);` in its declaration)
    "#);
    let unknown = "__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entry, 1);";
    insta::assert_snapshot!(unfit_map("map_attribute", unknown), @r#"
    src/bpf/x.bpf.c:9:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `x`: map `counts`: attribute `max_entry` is not known to this version
    "#);
    let sizes = "__uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __uint(key_size, 8);";
    insta::assert_snapshot!(unfit_map("map_sizes", sizes), @r#"
    src/bpf/x.bpf.c:9:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `x`: map `counts`: attribute `key_size` makes it 8 bytes, another one 4
    "#);
    let pinning = "__uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __uint(pinning, 100);";
    insta::assert_snapshot!(unfit_map("map_pinning", pinning), @r#"
    src/bpf/x.bpf.c:9:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `x`: map `counts`: attribute `pinning` is not LIBBPF_PIN_NONE or LIBBPF_PIN_BY_NAME, but 100 (leave it out and set the path before loading, with `set_pin_path`)
    "#);
    let legacy = "struct { int type; } counts SEC(\"maps\") = { 1 };\n\nSEC(\"raw";
    insta::assert_snapshot!(unfit("legacy_maps", "SEC(\"raw", legacy), @r#"error: object `x`: it has a legacy section `maps` (declare maps as BTF-defined structs in SEC(".maps"))"#);
}

#[test]
fn a_map_that_is_static() {
    let map = "static struct {\n\t__uint(type, BPF_MAP_TYPE_ARRAY);\n\t__uint(max_entries, 1);\n\t\
               __type(key, __u32);\n\t__type(value, __u32);\n} counts SEC(\".maps\");\n\nSEC(\"raw";
    insta::assert_snapshot!(unfit("static_map", "SEC(\"raw", map), @r#"
    src/bpf/x.bpf.c:12:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `x`: map `counts`: it is static, but maps must be global (remove `static` from its declaration)
    "#);
    // One of linked sources.
    let package = Package::with_source("static_linked", &PROGRAM.replace("SEC(\"raw", map));
    package.write("src/bpf/y.bpf.c", "int y;\n");
    let args = ["--link", "both=src/bpf/x.bpf.c,src/bpf/y.bpf.c"];
    insta::assert_snapshot!(package.error(&package.script(&args).output().unwrap()), @r#"
    src/bpf/x.bpf.c:12:3: note: declared here
    } counts SEC(".maps");
      ^
    error: object `both`: map `counts`: it is static, but maps must be global (remove `static` from its declaration)
    "#);
    // Hidden, it is shared by the sources of an object.
    let hidden = map
        .replace("static struct", "struct")
        .replace("} counts", "} counts __hidden");
    let package = Package::with_source("hidden_map", &PROGRAM.replace("SEC(\"raw", &hidden));
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    assert_eq!(package.warnings(&output), "");
}

#[test]
fn a_map_in_a_section_of_another_name() {
    let source = PROGRAM.replace(
        "SEC(\"raw",
        "struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u32); } counts SEC(\".map\");\n\nSEC(\"raw",
    );
    let source = source.replace(
        "return 0;",
        "return !bpf_map_lookup_elem(&counts, &(__u32){ 0 });",
    );
    let package = Package::with_source("misnamed_maps", &source);
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r#"error: object `x`: relocation at byte 32 of section raw_tp/sys_enter: symbol `counts` of section .map is neither a function, a map nor a global variable (maps are declared in SEC(".maps"), variables without SEC or in one that begins with .data, .rodata or .bss)"#);
}

#[test]
fn functions_that_no_kernel_takes() {
    insta::assert_snapshot!(unfit("static", "int on_enter", "static __attribute__((used)) int on_enter"), @r"
    src/bpf/x.bpf.c:8:34: note: declared here
    static __attribute__((used)) int on_enter(void *ctx)
                                     ^
    error: object `x`: program `on_enter` in section raw_tp/sys_enter is static (a program with a SEC() must not be static; a subprogram must not have a SEC())
    ");
    let undefined = "int elsewhere(int);\n\nSEC(\"raw";
    let call = PROGRAM
        .replace("SEC(\"raw", undefined)
        .replace("return 0;", "return elsewhere(0);");
    let package = Package::with_source("undefined", &call);
    let output = package.script(&["src/bpf/x.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: object `x`: `elsewhere` is used but not defined
      help: define it in the source or a header; if the kernel has it, declare it `extern … __ksym`
    ");
}

#[test]
fn a_source_that_is_missing() {
    let package = Package::with_source("missing", PROGRAM);
    package.write("src/bpf/y.bpf.c", PROGRAM);
    package.write("src/bpf/x.h", "");
    let output = package.script(&["src/bpf/z.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no source src/bpf/z.bpf.c
      help: src/bpf has x.bpf.c, y.bpf.c
    ");

    let output = package.script(&["src/bpf/*.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no source src/bpf/*.bpf.c
      help: Builder::sources takes patterns: Builder::new().sources(…).build()
    ");

    for n in 10..20 {
        package.write(&format!("src/bpf/{n}.bpf.c"), PROGRAM);
    }
    package.write("src/bpf/tool.c", "");
    let output = package.script(&["src/bpf/z.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no source src/bpf/z.bpf.c
      help: src/bpf has 10.bpf.c, 11.bpf.c, 12.bpf.c, 13.bpf.c, 14.bpf.c, 15.bpf.c, 16.bpf.c, 17.bpf.c, 18.bpf.c, 19.bpf.c and 2 more
    ");

    let output = package.script(&["bpf/x.bpf.c"]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is no source bpf/x.bpf.c
      help: paths are relative to the folder of Cargo.toml
    ");
}

#[test]
fn no_source() {
    let package = Package::new("no_source");
    let output = package.script(&[]).output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: there is nothing to build
      help: name a source with Builder::source
    ");
}

#[test]
fn two_sources_of_one_name() {
    let package = Package::with_source("twins", PROGRAM);
    package.write("src/other/x.bpf.c", PROGRAM);
    let output = package
        .script(&["src/bpf/x.bpf.c", "src/other/x.bpf.c"])
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r#"
    error: src/bpf/x.bpf.c and src/other/x.bpf.c would both become x.bpf.o
      help: give one of them another name with Builder::link("other_x", ["src/other/x.bpf.c"]) in place of Builder::source
    "#);
}

#[test]
fn outside_of_a_build_script() {
    let package = Package::with_source("no_out_dir", PROGRAM);
    let output = package
        .script(&["src/bpf/x.bpf.c"])
        .env_remove("OUT_DIR")
        .output()
        .unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: the environment variable OUT_DIR is not set
      help: btf-build is called from build.rs, which cargo runs with that variable set
    ");
}

/// The types of a kernel with a function, a hook and a tracepoint.
fn kernel() -> Vec<u8> {
    let mut types = Builder::new();
    let int = types.int("int", 4, IntEncoding::SIGNED);
    let long = types.int("long", 8, IntEncoding::SIGNED);
    let [idmap, inode, dentry, regs] = ["mnt_idmap", "inode", "dentry", "pt_regs"].map(|name| {
        let to = types.forward_struct(name);
        types.pointer(to)
    });
    let unlink = [("idmap", idmap), ("dir", inode), ("dentry", dentry)];
    let unlink = types.prototype(int, unlink);
    types.function("vfs_unlink", unlink, Linkage::STATIC);
    let void = types.pointer(TypeId::VOID);
    let enter = [("__data", void), ("regs", regs), ("id", long)];
    let enter = types.prototype(TypeId::VOID, enter);
    let enter = types.pointer(enter);
    types.typedef("btf_trace_sys_enter", enter);
    let unsigned = types.int("unsigned long", 8, IntEncoding(0));
    let raised = [("__data", void), ("pid", int), ("callsite", unsigned)];
    let raised = types.prototype(TypeId::VOID, raised);
    let raised = types.pointer(raised);
    types.typedef("btf_trace_raised", raised);
    types.finish().unwrap().as_bytes().to_vec()
}

const DECLARES: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct inode;
struct dentry;
struct mnt_idmap;
struct mnt_idmap___old;
struct pt_regs {
	long rdi;
};

/* A body of which no instruction is left is not in DWARF. */
long sum;

SEC("fentry/vfs_unlink")
int BPF_PROG(before_5_12, struct inode *dir, struct dentry *dentry)
{
	sum += dentry != 0;
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(too_many, struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, int result, int more)
{
	sum += result + more;
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(result_first, int result)
{
	sum += result;
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(swapped, long id, void *regs)
{
	sum += id && regs;
	return 0;
}

SEC("tp_btf/raised")
int BPF_PROG(sign_is_missing, long pid)
{
	sum += pid;
	return 0;
}

/*
 * These are right: all, some, none; any pointer; another flavour; the low part of a number; its bits with the
 * other sign; an address as a pointer to anything.
 */
SEC("raw_tp/sys_enter")
int BPF_PROG(right_unsigned, void *regs, unsigned long id)
{
	sum += id && regs;
	return 0;
}

SEC("tp_btf/raised")
int BPF_PROG(right_bits, unsigned int pid, void *callsite)
{
	sum += pid + (long)callsite;
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(right, struct mnt_idmap___old *idmap, void *dir, const struct dentry *dentry, int result)
{
	sum += result;
	return 0;
}

SEC("fexit/vfs_unlink")
int BPF_PROG(right_without_arguments)
{
	sum++;
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(right_low_part, void *regs, int id)
{
	sum += id;
	return 0;
}

/* What this kernel does not have may be another's. */
SEC("fentry/gone")
int BPF_PROG(not_known, int what)
{
	sum += what;
	return 0;
}

SEC("kprobe/vfs_unlink")
int BPF_KPROBE(by_register, int what)
{
	sum += what;
	return 0;
}
"#;

#[test]
fn arguments_that_are_declared_wrongly() {
    let package = Package::with_source("declared", DECLARES);
    fs::write(package.dir.join("kernel.btf"), kernel()).unwrap();
    let build = || {
        let mut script = package.script(&["src/bpf/x.bpf.c"]);
        script.env("BTF_BUILD_VMLINUX", "kernel.btf");
        package.warnings(&script.output().unwrap())
    };
    let warnings = build();
    insta::assert_snapshot!(warnings, @r"
    src/bpf/x.bpf.c:20: warning: program `before_5_12` does not declare what `vfs_unlink` has: argument 1 is `struct mnt_idmap *idmap` and is declared `struct inode *dir`
      declared: int before_5_12(struct inode *dir, struct dentry *dentry)
      kernel:   int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry)
    src/bpf/x.bpf.c:27: warning: program `too_many` does not declare what `vfs_unlink` has: it has 3 arguments and the result and is declared with 5
      declared: int too_many(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, int result, int more)
      kernel:   int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry), whose result is argument 4
    src/bpf/x.bpf.c:34: warning: program `result_first` does not declare what `vfs_unlink` has: argument 1 is `struct mnt_idmap *idmap` and is declared `int result`
      declared: int result_first(int result)
      kernel:   int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry), whose result is argument 4
    src/bpf/x.bpf.c:41: warning: program `swapped` does not declare what `sys_enter` has: argument 1 is `struct pt_regs *regs` and is declared `long id`
      declared: int swapped(long id, void *regs)
      kernel:   void sys_enter(struct pt_regs *regs, long id)
    src/bpf/x.bpf.c:48: warning: program `sign_is_missing` does not declare what `raised` has: argument 1 is `int pid` and is declared `long pid`
      declared: int sign_is_missing(long pid)
      kernel:   void raised(int pid, unsigned long callsite)
    ");
    // From what was left the first time, not the kernel's types.
    let kept = fs::read(package.dir.join("out/x.target.btf")).unwrap();
    assert_eq!(build(), warnings);
    assert_eq!(
        fs::read(package.dir.join("out/x.target.btf")).unwrap(),
        kept
    );
}

/// A ready header has no prototypes: then nothing is checked, and nothing kept.
#[test]
fn declarations_are_not_checked_against_a_header() {
    let package = Package::with_source("declared_header", DECLARES);
    fs::write(package.dir.join("kernel.btf"), kernel()).unwrap();
    package.write("vmlinux.h", "typedef int nothing;\n");
    let mut script = package.script(&["src/bpf/x.bpf.c"]);
    let with_types = script.env("BTF_BUILD_VMLINUX", "kernel.btf").output();
    assert!(
        package
            .warnings(&with_types.unwrap())
            .contains("before_5_12")
    );
    assert!(package.dir.join("out/x.target.btf").exists());
    let with_header = script.env("BTF_BUILD_VMLINUX", "vmlinux.h").output();
    assert_eq!(package.warnings(&with_header.unwrap()), "");
    assert!(!package.dir.join("out/x.target.btf").exists());
}
