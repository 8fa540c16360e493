//! Skeletons in crates of each edition, with a dependency that is called `core`.

use btf_tests::outside::Outside;

const SOURCE: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 calls;
struct event {
	char name[16];
	unsigned flag : 1;
	_Bool known;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct event);
} seen SEC(".maps");

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	calls++;
	return 0;
}
"#;

#[test]
fn skeletons_compile_in_every_edition_beside_a_crate_called_core() {
    let krate = Outside::new(env!("CARGO_TARGET_TMPDIR"), "hygiene");
    krate.write(
        "core/Cargo.toml",
        "[package]\nname = \"core\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    krate.write("core/src/lib.rs", "");
    krate.write("src/bpf/option.bpf.c", SOURCE);
    krate.write(
        "build.rs",
        "fn main() { btf_build::build(\"src/bpf/option.bpf.c\"); }\n",
    );
    krate.write(
        "src/lib.rs",
        "#![no_implicit_prelude]\nextern crate btf_skel_macros;\n::btf_skel_macros::include_skel!(pub mod option = \"option\");\n",
    );
    for edition in ["2015", "2018", "2021", "2024"] {
        krate.manifest(
            "hygiene",
            "[dependencies]\nbtf-core = \"0.1\"\nbtf-skel-macros = \"0.1\"\n\
             core = { path = \"core\" }\n\n\
             [build-dependencies]\nbtf-build = \"0.1\"\n",
        );
        let manifest = krate.read("Cargo.toml");
        let manifest =
            manifest.replacen("edition = \"2024\"", &format!("edition = \"{edition}\""), 1);
        krate.write("Cargo.toml", &manifest);
        let said = krate.cargo(&["check", "--quiet"]);
        assert!(said.success, "edition {edition}: {}", said.stderr);
        assert_eq!(said.stderr, "", "edition {edition}");
    }
}
