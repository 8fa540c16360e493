//! The texts, over types made by hand: one side as the object was compiled with, one as the kernel has them.

use insta::assert_snapshot;

use super::*;
use crate::btf::ext::CoreKind;
use crate::btf::{Builder, IntEncoding, Kind, TypeId};
use crate::relo::relocate;

const SIGNED: IntEncoding = IntEncoding::SIGNED;
const UNSIGNED: IntEncoding = IntEncoding(0);

/// Scalars that both sides are made of.
struct Basics {
    int: TypeId,
    long: TypeId,
    byte: TypeId,
    pointer: TypeId,
}

fn btf(make: impl FnOnce(&mut Builder, &Basics)) -> Btf {
    let mut b = Builder::new();
    let basics = Basics {
        int: b.int("int", 4, SIGNED),
        long: b.int("long", 8, SIGNED),
        byte: b.int("unsigned char", 1, UNSIGNED),
        pointer: b.pointer(TypeId::VOID),
    };
    make(&mut b, &basics);
    b.finish().unwrap()
}

fn named(btf: &Btf, name: &str) -> TypeId {
    btf.types().find(|t| t.name() == name).unwrap().id()
}

/// The access, and why there is no value or what fails.
fn told(local: &Btf, kernel: &Btf, kind: CoreKind, root: &str, access: &str) -> String {
    let relo = Relo {
        kind,
        root: named(local, root),
        access,
    };
    let targets = Targets::new(kernel);
    match relocate(local, &targets, &[relo]) {
        Ok(_) => {
            let why = explain(local, &targets, &[relo], 0).expect("there is no value");
            format!("{}: {why}", describe(local, &relo))
        }
        Err(e) => e.error.to_string(),
    }
}

fn offset(local: &Btf, kernel: &Btf, root: &str, access: &str) -> String {
    told(local, kernel, CoreKind::FIELD_BYTE_OFFSET, root, access)
}

#[test]
fn a_renamed_field() {
    let local = btf(|b, t| {
        b.structure("task_struct___old", 8, [("state", t.long, 0)]);
        b.structure("kernfs_node", 8, [("parent", t.pointer, 0)]);
        b.structure("dentry", 8, [("d_iname", t.long, 0)]);
        b.structure("inode", 8, [("__i_ctime", t.long, 0)]);
    });
    let kernel = btf(|b, t| {
        let stack = ("stack", t.pointer, 64);
        b.structure(
            "task_struct",
            24,
            [("__state", t.int, 0), stack, ("exit_state", t.int, 128)],
        );
        b.structure(
            "kernfs_node",
            16,
            [("count", t.int, 0), ("__parent", t.pointer, 64)],
        );
        b.structure(
            "dentry",
            16,
            [("d_name", t.long, 0), ("d_shortname", t.long, 64)],
        );
        b.structure(
            "inode",
            16,
            [("i_ctime_sec", t.long, 0), ("i_ctime_nsec", t.long, 64)],
        );
    });
    let told = |root| offset(&local, &kernel, root, "0:0");
    assert_snapshot!(told("task_struct___old"), @"task_struct___old.state: the kernel's struct `task_struct` has no member `state` (did you mean `__state`?)");
    assert_snapshot!(told("kernfs_node"), @"kernfs_node.parent: the kernel's struct `kernfs_node` has no member `parent` (did you mean `__parent`?)");
    assert_snapshot!(told("dentry"), @"dentry.d_iname: the kernel's struct `dentry` has no member `d_iname` (did you mean `d_shortname`?)");
    assert_snapshot!(told("inode"), @"inode.__i_ctime: the kernel's struct `inode` has no member `__i_ctime` (did you mean `i_ctime_nsec` or `i_ctime_sec`?)");
}

#[test]
fn a_field_that_kept_its_place() {
    let make = |middle, last| {
        btf(|b, t| {
            let fields = [
                ("a", t.int, 0),
                (middle, t.int, 32),
                ("c", t.long, 64),
                (last, t.byte, 128),
            ];
            b.structure("s", 24, fields);
        })
    };
    let (local, kernel) = (make("number", "flavour"), make("quantity", "taste"));
    assert_snapshot!(offset(&local, &kernel, "s", "0:1"), @"s.number: the kernel's struct `s` has no member `number` (did you mean `quantity`?)");
    assert_snapshot!(offset(&local, &kernel, "s", "0:3"), @"s.flavour: the kernel's struct `s` has no member `flavour` (did you mean `taste`?)");
    // Where another size lies between other members nothing is guessed, and nothing that the object knows itself.
    let kernel = btf(|b, t| {
        b.structure(
            "s",
            24,
            [("c", t.long, 0), ("a", t.int, 64), ("quantity", t.byte, 96)],
        );
    });
    assert_snapshot!(offset(&local, &kernel, "s", "0:1"), @"s.number: the kernel's struct `s` has no member `number`");
}

#[test]
fn a_field_that_moved_into_another_struct() {
    let local = btf(|b, t| {
        b.structure("task_struct", 4, [("cpu", t.int, 0)]);
    });
    let kernel = btf(|b, t| {
        let info = b.structure("thread_info", 8, [("flags", t.int, 0), ("cpu", t.int, 32)]);
        b.structure(
            "task_struct",
            16,
            [("thread_info", info, 0), ("stack", t.pointer, 64)],
        );
    });
    assert_snapshot!(offset(&local, &kernel, "task_struct", "0:0"), @"task_struct.cpu: the kernel's struct `task_struct` has no member `cpu` (did you mean `thread_info.cpu`?)");
}

#[test]
fn a_field_of_another_type() {
    let local = btf(|b, t| {
        let array = b.array(t.int, t.int, 8);
        let inner = b.structure("", 4, [("x", t.int, 0)]);
        let members = [
            ("a", inner, 0),
            ("b", array, 32),
            ("c", array, 288),
            ("d", inner, 544),
            ("e", t.int, 576),
        ];
        b.structure("s", 80, members);
    });
    let kernel = btf(|b, t| {
        let array = b.array(t.int, t.int, 4);
        let pid = b.typedef("pid_t", t.int);
        let members = [
            ("a", pid, 0),
            ("b", array, 32),
            ("c", t.int, 160),
            ("d", t.pointer, 192),
            ("e", t.long, 256),
        ];
        b.structure("s", 40, members);
    });
    let told = |access| offset(&local, &kernel, "s", access);
    assert_snapshot!(told("0:0:0"), @"s.a.x: the kernel's `s.a` is `pid_t`, and the object's `struct { ... }`");
    assert_snapshot!(told("0:1:6"), @"s.b[6]: the kernel's `s.b` has 4 elements");
    assert_snapshot!(told("0:2:0"), @"s.c[0]: the kernel's `s.c` is `int`, and the object's `int[8]`");
    assert_snapshot!(told("0:3"), @"s.d: the kernel's `s.d` is `void *`, and the object's `struct { ... }`");
    // It has a value, but a load cannot follow.
    assert_snapshot!(told("0:4"), @"s.e: the kernel's `s.e` is `long` of 8 bytes, and the object's `int` of 4: a load or store can follow a change of size only between unsigned integers, or between pointers");
}

#[test]
fn a_missing_type() {
    let local = btf(|b, t| {
        for name in [
            "foo_struct",
            "hd_struct",
            "either",
            "declared",
            "nothing_like_it",
            "bpf_queue___v2",
        ] {
            b.structure(name, 4, [("x", t.int, 0)]);
        }
        b.typedef("foo_t", t.int);
    });
    let kernel = btf(|b, t| {
        b.structure("fo_struct", 4, [("x", t.int, 0)]);
        b.structure("block_device", 4, [("x", t.int, 0)]);
        b.structure("bpf_queues", 4, [("x", t.int, 0)]);
        b.union("either", 4, [("x", t.int, 0)]);
        b.forward_struct("declared");
        b.typedef("fooo_t", t.int);
    });
    let told = |kind, root| told(&local, &kernel, kind, root, "0");
    assert_snapshot!(offset(&local, &kernel, "foo_struct", "0:0"), @"foo_struct.x: the kernel has no struct `foo_struct` (did you mean `fo_struct`?)");
    assert_snapshot!(told(CoreKind::TYPE_SIZE, "hd_struct"), @"type_size(hd_struct): the kernel has no struct `hd_struct` (did you mean `block_device`?)");
    assert_snapshot!(told(CoreKind::TYPE_EXISTS, "either"), @"type_exists(either): the kernel has no struct `either`, but a union of that name");
    assert_snapshot!(told(CoreKind::TYPE_EXISTS, "declared"), @"type_exists(declared): the kernel only declares struct `declared` and does not define it");
    assert_snapshot!(told(CoreKind::TYPE_ID_TARGET, "nothing_like_it"), @"target_type_id(nothing_like_it): the kernel has no struct `nothing_like_it`");
    assert_snapshot!(told(CoreKind::TYPE_EXISTS, "foo_t"), @"type_exists(foo_t): the kernel has no typedef `foo_t` (did you mean `fooo_t`?)");
    assert_snapshot!(told(CoreKind::TYPE_EXISTS, "bpf_queue___v2"), @"type_exists(bpf_queue___v2): the kernel has no struct `bpf_queue` (did you mean `bpf_queues`?)");
}

#[test]
fn a_type_that_is_another() {
    let types = |params: usize, member| {
        btf(|b, t| {
            let all = [("a", t.int), ("b", t.pointer)];
            let proto = b.prototype(t.int, all.into_iter().take(params));
            let pointer = b.pointer(proto);
            b.typedef("callback_t", pointer);
            b.structure("s", 8, [("a", t.int, 0), (member, t.int, 32)]);
        })
    };
    let (local, kernel) = (types(2, "count"), types(1, "counts"));
    let told = |kind, root| told(&local, &kernel, kind, root, "0");
    assert_snapshot!(told(CoreKind::TYPE_EXISTS, "callback_t"), @"type_exists(callback_t): the kernel's typedef `callback_t` is `int (*)(int a)`, and the object's `int (*)(int a, void *b)`");
    assert_snapshot!(told(CoreKind::TYPE_MATCHES, "s"), @"type_matches(s): the kernel's struct `s` has no member `count` (did you mean `counts`?)");
}

#[test]
fn a_missing_enumerator() {
    let local = btf(|b, _| {
        b.enumeration(
            "pid_type",
            4,
            false,
            [("PIDTYPE_TGIDS", 1), ("NR_MOVED", 2), ("NONE___x", 3)],
        );
        b.enumeration("gone", 4, false, [("NR_MOVED", 2), ("LOST", 3)]);
    });
    let kernel = btf(|b, _| {
        b.enumeration64(
            "pid_type",
            8,
            false,
            [("PIDTYPE_PID", 0), ("PIDTYPE_TGID", 1)],
        );
        b.enumeration("node_stat_item", 4, false, [("NR_MOVED", 7)]);
    });
    let told = |root, access| told(&local, &kernel, CoreKind::ENUMVAL_VALUE, root, access);
    assert_snapshot!(told("pid_type", "0"), @"enumval_value(pid_type::PIDTYPE_TGIDS): the kernel's enum `pid_type` has no enumerator `PIDTYPE_TGIDS` (did you mean `PIDTYPE_TGID` or `PIDTYPE_PID`?)");
    assert_snapshot!(told("pid_type", "1"), @"enumval_value(pid_type::NR_MOVED): the kernel's enum `pid_type` has no enumerator `NR_MOVED`, but enum `node_stat_item` has");
    assert_snapshot!(told("pid_type", "2"), @"enumval_value(pid_type::NONE___x): the kernel's enum `pid_type` has no enumerator `NONE`");
    assert_snapshot!(told("gone", "0"), @"enumval_value(gone::NR_MOVED): the kernel has no enum `gone`, but enum `node_stat_item` has that enumerator");
    assert_snapshot!(told("gone", "1"), @"enumval_value(gone::LOST): the kernel has no enum `gone`");
}

#[test]
fn an_ambiguous_type() {
    let local = btf(|b, t| {
        b.structure("s", 4, [("x", t.int, 0)]);
    });
    let kernel = btf(|b, t| {
        b.structure("s", 4, [("x", t.int, 0)]);
        b.structure("s", 8, [("y", t.int, 0), ("x", t.int, 32)]);
    });
    assert_snapshot!(offset(&local, &kernel, "s", "0:0"), @"s.x: the kernel has two types that answer differently: struct `s` [5] says 0, struct `s` [6] says 4 (use a field that only one of them has first, or a flavor that matches only one)");
}

#[test]
fn a_type_that_was_ruled_out() {
    let local = btf(|b, t| {
        b.structure("s", 12, [("x", t.int, 0), ("y", t.int, 32)]);
    });
    let kernel = btf(|b, t| {
        b.structure("s", 4, [("x", t.int, 0)]);
        b.structure("s", 4, [("y", t.int, 0)]);
    });
    let root = named(&local, "s");
    let relos = ["0:0", "0:1"].map(|access| Relo {
        kind: CoreKind::FIELD_BYTE_OFFSET,
        root,
        access,
    });
    let targets = Targets::new(&kernel);
    assert_eq!(explain(&local, &targets, &relos, 0), None);
    assert_eq!(explain(&local, &targets, &relos, 2), None);
    assert_snapshot!(explain(&local, &targets, &relos, 1).unwrap(), @"the kernel's struct `s` has no member `y`; another type of that name has it, which relocations before this one have ruled out");
}

#[test]
fn a_bitfield_that_is_too_large() {
    let local = btf(|b, t| {
        b.structure("s", 16, [("a", t.long, 0, 60), ("b", t.long, 60, 4)]);
    });
    let kernel = btf(|b, t| {
        b.structure("s", 16, [("a", t.long, 0, 62), ("b", t.long, 62, 5)]);
    });
    assert_snapshot!(told(&local, &kernel, CoreKind::FIELD_LSHIFT_U64, "s", "0:1"), @"lshift_u64(s.b): by the kernel's types: a bitfield of 5 bits at bit 62 fits no 64-bit load (read the bytes that it lies in, and take its bits out of them)");
}

#[test]
fn a_type_that_is_too_deep() {
    let types = || {
        btf(|b, t| {
            let mut ty = t.int;
            for _ in 0..40 {
                ty = b.pointer(ty);
            }
            b.typedef("deep", ty);
        })
    };
    let (local, kernel) = (types(), types());
    assert_snapshot!(told(&local, &kernel, CoreKind::TYPE_EXISTS, "deep", "0"), @"type_exists(deep): its type is nested deeper than 32 levels");
}

#[test]
fn every_listed_rename_is_found_both_ways() {
    for &(holder, old, new, _) in renames::MEMBERS {
        for (old, new) in [(old, new), (new, old)] {
            let side = |member| {
                btf(|b, t| {
                    b.structure(holder, 8, [(member, t.long, 0)]);
                })
            };
            let text = offset(&side(old), &side(new), holder, "0:0");
            assert!(
                text.ends_with(&format!("(did you mean `{new}`?)")),
                "{text}"
            );
        }
    }
    for &(old, new, _) in renames::TYPES {
        let side = |name| {
            btf(|b, t| {
                b.structure(name, 8, [("x", t.long, 0)]);
            })
        };
        let text = offset(&side(old), &side(new), old, "0:0");
        assert!(
            text.ends_with(&format!("(did you mean `{new}`?)")),
            "{text}"
        );
    }
}

#[test]
fn types_that_contain_themselves_come_to_an_end() {
    let local = btf(|b, t| {
        b.structure("s", 8, [("x", t.long, 0)]);
    });
    // Two anonymous members of the type itself: every level doubles.
    let kernel = btf(|b, t| {
        let root = b.reserve();
        b.at(root)
            .structure("s", 8, [("", root, 0), ("y", t.long, 0), ("", root, 0)]);
    });
    let root = kernel.find("s", Kind::STRUCT).unwrap();
    let why = {
        let mut effort = crate::relo::effort_for(&local, &[]);
        members::first_difference(local.ty(named(&local, "s")), root, &mut effort).unwrap()
    };
    assert_eq!(why.reason(), "the kernel's struct `s` has no member `x`");
}
