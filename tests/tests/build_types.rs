//! BTF of compiled objects, where that of clang alone is incomplete or differs from the object.

#[path = "support/package.rs"]
mod package;

use std::fs;

use btf_core::btf::{Btf, Kind, Type};
use btf_core::obj::Object;
use package::Package;

/// Every clang that these tests are about. The first and the last must be installed.
const CLANGS: [&str; 4] = ["clang-14", "clang-15", "clang-16", "clang-19"];

/// Compiles a source with each clang.
fn with_each_clang(name: &str, source: &str, check: impl Fn(&str, &Object)) {
    for clang in CLANGS {
        let is_required = clang == CLANGS[0] || clang == CLANGS[3];
        if !is_required && !std::path::Path::new("/usr/bin").join(clang).exists() {
            println!("skipped for {clang}: it is not installed");
            continue;
        }
        let package = Package::with_source(&format!("{name}-{clang}"), source);
        let mut script = package.script(&["--clang", clang, "src/bpf/x.bpf.c"]);
        assert_eq!(package.warnings(&script.output().unwrap()), "", "{clang}");
        let object = fs::read(package.dir.join("out/x.bpf.o")).unwrap();
        check(clang, &Object::parse("x", &object).unwrap());
    }
}

const START: &str = r#"
#define SEC(name) __attribute__((section(name), used))
typedef unsigned char u8;
typedef unsigned int u32;
char LICENSE[] SEC("license") = "GPL";
u32 at;
"#;

/// Names and sizes of the variables of a section, by offset.
fn variables(btf: &Btf, section: &str) -> Vec<(String, u32)> {
    let found = btf.find(section, Kind::DATASEC);
    let variables = found.into_iter().flat_map(|ty| ty.variables().iter());
    let mut variables: Vec<_> = variables.collect();
    variables.sort_by_key(|v| v.offset());
    variables
        .iter()
        .map(|v| (v.name().to_owned(), v.size()))
        .collect()
}

#[test]
fn constants_are_in_the_sections_that_hold_them() {
    let source = format!(
        r#"{START}
const volatile int setting = 1;
static const u8 c4[4] = {{ 1, 2, 3, 9 }};
static const u8 c8[8] = {{ 1, 2, 3 }};
static const u8 c16[16] = {{ 1, 2, 3 }};
static const u8 c24[24] = {{ 1, 2, 3 }};
static const u8 c32[32] = {{ 1, 2, 3 }};
static const char text[] = "hello, world";
static const u8 custom[16] SEC(".rodata.custom") = {{ 4, 5 }};
const u8 shared[16] = {{ 1, 3, 5 }};
static u8 zero[16];
static u8 data[16] = {{ 1, 2 }};

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{{
	static const u32 inner[4] = {{ 11, 12, 13, 14 }};

	zero[at & 15]++;
	data[at & 15]++;
	return c4[at & 3] + c8[at & 7] + c16[at & 15] + c24[at & 15] + c32[at & 31] + text[at & 7] +
	       custom[at & 15] + shared[at & 15] + inner[at & 3] + setting + zero[at & 15];
}}
"#
    );
    with_each_clang("constants", &source, |clang, object| {
        let btf = object.btf().unwrap();
        for (section, expected) in [
            (".rodata", vec![("setting", 4), ("shared", 16), ("c24", 24)]),
            (".rodata.cst4", vec![("c4", 4)]),
            (".rodata.cst8", vec![("c8", 8)]),
            (".rodata.cst32", vec![("c32", 32)]),
            (".rodata.str1.1", vec![("text", 13)]),
            (".rodata.custom", vec![("custom", 16)]),
            (".data", vec![("data", 16)]),
        ] {
            let found = variables(btf, section);
            let found: Vec<_> = found
                .iter()
                .map(|(name, size)| (name.as_str(), *size))
                .collect();
            assert_eq!(found, expected, "{clang} {section}");
        }
        let mut inner = variables(btf, ".rodata.cst16");
        inner.sort();
        let expected = [("c16", 16), ("on_enter.inner", 16)];
        assert_eq!(
            inner,
            expected.map(|(name, size)| (name.to_owned(), size)),
            "{clang}"
        );
        // Kernels reject a section without a size.
        for section in btf.types().filter(|ty| ty.kind() == Kind::DATASEC) {
            assert_ne!(section.own_size(), Some(0), "{clang} {section:?}");
        }
    });
}

#[test]
fn only_constant_of_an_object_leaves_no_empty_section() {
    let source = format!(
        "{START}\nstatic const u32 table[4] = {{ 5, 6, 7, 8 }};\n\
         SEC(\"tc\") int on_packet(void *ctx) {{ return table[at & 3]; }}\n"
    );
    with_each_clang("only_constant", &source, |clang, object| {
        let btf = object.btf().unwrap();
        assert_eq!(variables(btf, ".rodata"), [], "{clang}");
        assert_eq!(
            variables(btf, ".rodata.cst16"),
            [("table".to_owned(), 16)],
            "{clang}"
        );
    });
}

#[test]
fn atomics_have_the_types_of_what_they_hold() {
    let source = format!(
        r#"{START}
_Atomic int hits = 1;
_Atomic _Bool flag;
const _Atomic int fixed = 3;
volatile _Atomic unsigned long wide;
typedef _Atomic unsigned int atomic_u32;
atomic_u32 named;
struct pair {{ int a, b; }};
_Atomic struct pair pair;
enum color {{ RED, BLUE = 7 }};
_Atomic enum color color;
struct record {{
	_Atomic long member;
	_Atomic int array[2][3];
	_Atomic(int *) pointer;
	_Atomic int *to_atomic;
	struct {{ _Atomic short deep; }} inner[2];
}} record;

static __attribute__((noinline)) int sub(_Atomic int *counter)
{{
	return *(volatile int *)counter;
}}

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{{
	static _Atomic int local;

	__c11_atomic_fetch_add(&local, 1, __ATOMIC_RELAXED);
	__c11_atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
	return sub(&hits) + *(volatile char *)&flag + *(volatile int *)&fixed +
	       *(volatile int *)&wide + *(volatile int *)&named + *(volatile int *)&pair +
	       *(volatile int *)&color + *(volatile int *)&record;
}}
"#
    );
    with_each_clang("atomics", &source, |clang, object| {
        let btf = object.btf().unwrap();
        let shown = |ty: Type<'_>| {
            let text = btf_core::btf::dump::declaration(ty, "x");
            format!("{text}: {:?}", ty.byte_size().unwrap_or(0))
        };
        let variable = |name: &str| {
            let found = btf.find(name, Kind::VAR).and_then(Type::target);
            shown(found.unwrap_or_else(|| panic!("{clang}: {name}")))
        };
        for (name, expected) in [
            ("hits", "int x: 4"),
            ("on_enter.local", "int x: 4"),
            ("flag", "_Bool x: 1"),
            ("fixed", "const int x: 4"),
            ("wide", "volatile unsigned long x: 8"),
            ("named", "atomic_u32 x: 4"),
            ("pair", "struct pair x: 8"),
            ("color", "enum color x: 4"),
        ] {
            assert_eq!(variable(name), expected, "{clang} {name}");
        }
        let typedef = btf.find("atomic_u32", Kind::TYPEDEF).and_then(Type::target);
        assert_eq!(
            typedef.map(shown).as_deref(),
            Some("unsigned int x: 4"),
            "{clang}"
        );
        let record = btf.find("record", Kind::STRUCT).unwrap();
        let members: Vec<String> = record.members().iter().map(|m| shown(m.ty())).collect();
        assert_eq!(
            members,
            [
                "long x: 8",
                "int x[2][3]: 24",
                "int *x: 8",
                "int *x: 8",
                "struct { ... } x[2]: 4"
            ],
            "{clang}"
        );
        let sub = btf
            .find("sub", Kind::FUNC)
            .and_then(Type::func_proto)
            .unwrap();
        let counter = sub.params().get(0).map(|param| shown(param.ty()));
        assert_eq!(counter.as_deref(), Some("int *x: 8"), "{clang}");
    });
}
