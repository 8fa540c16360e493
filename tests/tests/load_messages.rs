//! What an application is told about an object that it opens, before any kernel is asked.

use std::path::PathBuf;

use btf_core::load::OpenObject;
use btf_core::{Error, ErrorKind};

const ELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maps.bpf.o"));

fn open() -> OpenObject {
    OpenObject::open("maps", ELF).unwrap()
}

/// Kind and text.
fn told(error: &Error) -> String {
    format!("{:?}: {error}", error.kind())
}

#[test]
fn bytes_that_are_no_object() {
    let of = |bytes: &[u8]| told(&OpenObject::open("x", bytes).unwrap_err());
    insta::assert_snapshot!(of(b""), @"Malformed: object `x`: it is not a 64-bit ELF object: Invalid ELF header size or alignment");
    insta::assert_snapshot!(of(b"int on_enter(void *ctx)"), @"Malformed: object `x`: it is not a 64-bit ELF object: Invalid ELF header size or alignment");
    insta::assert_snapshot!(of(&ELF[..ELF.len() / 2]), @"Malformed: object `x`: section table: Invalid ELF section header offset/size/alignment");
    let mut of_x86 = ELF.to_vec();
    of_x86[18] = 62;
    insta::assert_snapshot!(of(&of_x86), @"Malformed: object `x`: it is an ELF file of machine 62, not of BPF (compile it with `clang -target bpf`)");
}

#[test]
fn names_that_the_object_does_not_have() {
    let mut open = open();
    insta::assert_snapshot!(told(&open.map("count").unwrap_err()), @"NotFound: object `maps`: it has no map `count` (did you mean `counts`?)");
    insta::assert_snapshot!(told(&open.map("xyz").unwrap_err()), @"NotFound: object `maps`: it has no map `xyz`");
    insta::assert_snapshot!(told(&open.program("on_entre").unwrap_err()), @"NotFound: object `maps`: it has no program `on_entre` (did you mean `on_enter`?)");
    insta::assert_snapshot!(told(&open.data(".rodat").unwrap_err()), @"NotFound: object `maps`: it has no section .rodat of global variables");
    insta::assert_snapshot!(told(&open.set_data(".kconfig", &[]).unwrap_err()), @"NotFound: object `maps`: it has no section .kconfig of global variables");
}

/// Skeletons move maps and programs into their fields.
#[test]
fn reports_parts_that_were_moved_out() {
    let mut open = open();
    let map = open.take_map("counts").unwrap();
    insta::assert_snapshot!(told(&open.map_mut("counts").unwrap_err()), @"InvalidInput: object `maps`: map `counts` was moved out of the object (use the field of the skeleton that has it)");
    insta::assert_snapshot!(told(&open.load().unwrap_err()), @"InvalidInput: object `maps`: map `counts` was moved out of the object");
    drop(map);
}

#[test]
fn data_that_does_not_fit() {
    let mut open = open();
    let length = open.data(".rodata").unwrap().len();
    let text = told(&open.set_data(".rodata", &[0; 1000]).unwrap_err());
    let text = text.replace(&format!("has {length} "), "has [length] ");
    insta::assert_snapshot!(text, @"InvalidInput: object `maps`: section .rodata has [length] bytes and cannot be set to 1000");
}

#[test]
fn the_other_byte_order() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load_messages");
    let other = if cfg!(target_endian = "little") {
        "s390x"
    } else {
        "x86_64"
    };
    std::fs::create_dir_all(&dir).unwrap();
    let source = dir.join("other.bpf.c");
    std::fs::write(
        &source,
        "__attribute__((section(\"raw_tp/x\"))) int f(void *ctx) { return 0; }\n",
    )
    .unwrap();
    let built = btf_build::Builder::new()
        .source(&source)
        .target_arch(other)
        .out_dir(dir.join("out"))
        .try_build()
        .unwrap();
    let elf = std::fs::read(&built[0].object).unwrap();
    let error = OpenObject::open("other", &elf).unwrap().load().unwrap_err();
    insta::assert_snapshot!(told(&error), @"InvalidInput: object `other`: it is compiled for the other byte order than this machine's (compile it with `-target bpf`, or with bpfel or bpfeb to match)");
}

/// What the build says of a source with these lines.
fn not_built(name: &str, lines: &str) -> String {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load_messages");
    std::fs::create_dir_all(&dir).unwrap();
    let source = dir.join(format!("{name}.bpf.c"));
    let start = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n";
    std::fs::write(&source, format!("{start}{lines}")).unwrap();
    let error = btf_build::Builder::new()
        .source(&source)
        .target_arch(std::env::consts::ARCH)
        .out_dir(dir.join("out"))
        .try_build()
        .unwrap_err();
    let text = error.to_string();
    text.replace(&format!("{}/", dir.display()), "")
}

#[test]
fn a_map_that_another_source_defines() {
    let maps = r#"
struct array {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};

struct array mine SEC(".maps");
extern struct array shared SEC(".maps");

SEC("raw_tp")
int on_any(void *ctx)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mine, &zero) == bpf_map_lookup_elem(&shared, &zero);
}
"#;
    insta::assert_snapshot!(not_built("extern_map", maps), @r#"
    extern_map.bpf.c:13:21: note: declared here
    extern struct array shared SEC(".maps");
                        ^
    object `extern_map`: map `shared`: it is declared `extern`, and no source of this object defines it (build the source that defines it into the same object (btf_build::Builder::link), or leave `extern` out)
    "#);
}

#[test]
fn the_long_form_is_a_chain() {
    let error = open().map("count").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    insta::assert_snapshot!(format!("{error:#}"), @r"
    object `maps`:
      it has no map `count`
      help: did you mean `counts`?
    ");
    // What `main` prints of an error that it returns.
    assert_eq!(format!("{error:?}"), format!("{error:#}"));
}
