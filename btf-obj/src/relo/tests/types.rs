//! Which types stand for which, and when one that is there is not the one that was meant.

use super::*;

#[test]
fn flavors_stand_for_the_type_without_them() {
    let local = btf(|b, [int, _, _]| {
        b.structure("s___old", 4, [("x", int, 0)]);
        b.structure("s___new", 4, [("y", int, 0)]);
        let of = b.enumeration("e___v2", 4, false, [("ONE___v2", 7)]);
        b.typedef("t___v2", of);
    });
    let kernel = btf(|b, [int, long, _]| {
        b.structure("s", 16, [("before", long, 0), ("x", int, 64)]);
        // A flavor in the kernel's own types counts, too.
        b.structure("s___other", 16, [("before", long, 0), ("y", int, 96)]);
        let of = b.enumeration("e", 4, false, [("ONE", 1)]);
        b.typedef("t", of);
        b.structure("s___old___more", 4, [("x", int, 0)]);
    });
    assert_eq!(offset(&local, &kernel, "s___old", "0:0"), Some(8));
    assert_eq!(offset(&local, &kernel, "s___new", "0:0"), Some(12));
    for root in ["e___v2", "t___v2"] {
        assert_eq!(
            answer(&local, &kernel, CoreKind::ENUMVAL_VALUE, root, "0"),
            Some(1)
        );
    }
}

#[test]
fn enums_of_both_widths_stand_for_each_other() {
    let narrow = btf(|b, _| {
        b.enumeration("e", 4, true, [("MINUS", -2), ("ONE", 1), ("HERE", 3)]);
        b.enumeration("mask", 4, false, [("TOP", 0xffff_ffff)]);
    });
    let wide = btf(|b, _| {
        b.enumeration64("e", 8, true, [("ONE", 1 << 40), ("MINUS", i64::MIN)]);
        b.enumeration64("mask", 8, false, [("TOP", -1)]);
    });
    let value = CoreKind::ENUMVAL_VALUE;
    let exists = CoreKind::ENUMVAL_EXISTS;
    assert_eq!(answer(&narrow, &wide, value, "e", "1"), Some(1 << 40));
    assert_eq!(answer(&narrow, &wide, value, "e", "0"), Some(1 << 63));
    assert_eq!(answer(&narrow, &wide, value, "e", "2"), None);
    assert_eq!(answer(&narrow, &wide, exists, "e", "1"), Some(1));
    assert_eq!(answer(&narrow, &wide, exists, "e", "2"), Some(0));
    assert_eq!(answer(&wide, &narrow, value, "e", "1"), Some(-2i64 as u64));
    // libbpf extends by sign what is not signed, and so does the compiler.
    assert_eq!(answer(&wide, &narrow, value, "mask", "0"), Some(u64::MAX));
    assert_eq!(
        answer(&wide, &narrow, CoreKind::TYPE_EXISTS, "e", "0"),
        Some(1)
    );
    // It matches only in the same size.
    assert_eq!(
        answer(&wide, &narrow, CoreKind::TYPE_MATCHES, "e", "0"),
        Some(0)
    );
    assert_eq!(
        answer(&wide, &wide, CoreKind::TYPE_MATCHES, "e", "0"),
        Some(1)
    );
}

#[test]
fn type_kinds() {
    let local = btf(|b, [int, _, _]| {
        b.structure("s", 4, [("x", int, 0)]);
        b.structure("gone", 4, [("x", int, 0)]);
        b.union("u", 4, [("x", int, 0)]);
        let grown = b.array(int, int, 4);
        b.typedef("numbers", grown);
    });
    let kernel = btf(|b, [int, long, _]| {
        b.structure("padding", 8, [("x", long, 0)]);
        b.structure("s", 16, [("y", long, 0), ("x", int, 64)]);
        b.structure("u", 4, [("x", int, 0)]);
        let grown = b.array(int, int, 8);
        b.typedef("numbers", grown);
    });
    let ask = |kind, root| answer(&local, &kernel, kind, root, "0");
    let id = |btf, name| Some(u64::from(named(btf, name).0));
    assert_eq!(ask(CoreKind::TYPE_ID_LOCAL, "gone"), id(&local, "gone"));
    assert_eq!(ask(CoreKind::TYPE_ID_TARGET, "s"), id(&kernel, "s"));
    assert_eq!(ask(CoreKind::TYPE_ID_TARGET, "gone"), Some(0));
    assert_eq!(ask(CoreKind::TYPE_EXISTS, "s"), Some(1));
    assert_eq!(ask(CoreKind::TYPE_EXISTS, "gone"), Some(0));
    assert_eq!(ask(CoreKind::TYPE_EXISTS, "u"), Some(0));
    assert_eq!(ask(CoreKind::TYPE_SIZE, "s"), Some(16));
    assert_eq!(ask(CoreKind::TYPE_SIZE, "numbers"), Some(32));
    assert_eq!(ask(CoreKind::TYPE_SIZE, "gone"), Some(0));
    assert_eq!(ask(CoreKind::TYPE_MATCHES, "s"), Some(1));
    assert_eq!(ask(CoreKind::TYPE_MATCHES, "gone"), Some(0));
    // The kernel's struct has a member that the object's lacks, not the other way round.
    let back = answer(&kernel, &local, CoreKind::TYPE_MATCHES, "s", "0");
    assert_eq!(back, Some(0));
    // An array matches in its length; that it exists is not about lengths.
    assert_eq!(ask(CoreKind::TYPE_MATCHES, "numbers"), Some(0));
    assert_eq!(ask(CoreKind::TYPE_EXISTS, "numbers"), Some(1));
    let fixup = fixup(&local, &kernel, CoreKind::TYPE_ID_TARGET, "gone", "0");
    assert!(fixup.is_absent() && !fixup.poison);
}

#[test]
fn prototypes_are_compared_by_their_parameters() {
    let side = |params: usize| {
        btf(move |b, [int, _, pointer]| {
            let all = [("a", int), ("b", pointer)];
            let proto = b.prototype(int, all.into_iter().take(params));
            let callback = b.pointer(proto);
            b.typedef("callback_t", callback);
        })
    };
    let (one, two) = (side(1), side(2));
    let exists = |local, kernel| answer(local, kernel, CoreKind::TYPE_EXISTS, "callback_t", "0");
    assert_eq!(exists(&two, &two), Some(1));
    assert_eq!(exists(&one, &two), Some(0));
    assert_eq!(
        answer(&one, &two, CoreKind::TYPE_MATCHES, "callback_t", "0"),
        Some(0)
    );
    assert_eq!(
        answer(&two, &two, CoreKind::TYPE_MATCHES, "callback_t", "0"),
        Some(1)
    );
}

#[test]
fn a_field_may_be_of_another_type_of_its_kind() {
    let local = btf(|b, [int, _, pointer]| {
        let inner = b.structure("inner", 4, [("x", int, 0)]);
        let of = b.enumeration("e", 4, false, [("A", 0)]);
        let unnamed = b.enumeration("", 4, false, [("A", 0)]);
        let members = [
            ("n", int, 0),
            ("p", pointer, 64),
            ("in", inner, 128),
            ("e", of, 160),
            ("u", unnamed, 192),
        ];
        b.structure("s", 32, members);
    });
    let kernel = btf(|b, [int, long, _]| {
        let union = b.union("inner2", 8, [("y", long, 0), ("x", int, 0)]);
        let to_int = b.pointer(int);
        let other = b.enumeration("other", 4, false, [("A", 0)]);
        let volatile = b.volatile(long);
        let alias = b.typedef("u64", volatile);
        let members = [
            ("u", other, 0),
            ("e", other, 32),
            ("in", union, 64),
            ("p", to_int, 128),
            ("n", alias, 192),
        ];
        b.structure("s", 32, members);
    });
    // Integers of any size behind any name; structs and unions; enums only by name, or without one.
    assert_eq!(offset(&local, &kernel, "s", "0:0"), Some(24));
    assert_eq!(offset(&local, &kernel, "s", "0:1"), Some(16));
    assert_eq!(offset(&local, &kernel, "s", "0:2:0"), Some(8));
    assert_eq!(offset(&local, &kernel, "s", "0:3"), None);
    assert_eq!(offset(&local, &kernel, "s", "0:4"), Some(0));
}

#[test]
fn what_one_field_rules_out_stays_ruled_out() {
    let local = btf(|b, [int, _, _]| {
        b.structure("s", 12, [("x", int, 0), ("only", int, 32), ("y", int, 64)]);
    });
    let kernel = btf(|b, [int, _, _]| {
        b.structure("s", 8, [("x", int, 0), ("y", int, 32)]);
        b.structure("s", 12, [("y", int, 0), ("only", int, 32), ("x", int, 64)]);
    });
    let targets = Targets::new(&kernel);
    let field = |access| (CoreKind::FIELD_BYTE_OFFSET, "s", access);
    let answers = all(
        &local,
        &targets,
        &[field("0:1"), field("0:0"), field("0:2")],
    )
    .unwrap();
    let offsets: Vec<u64> = answers.iter().map(|f| f.target).collect();
    assert_eq!(offsets, [4, 8, 0]);
    // Asked first, it cannot be decided.
    let e = all(&local, &targets, &[field("0:0"), field("0:1")]).unwrap_err();
    assert_eq!(e.index, 0);
    assert_eq!(e.error.kind(), ErrorKind::Relocation);
    // What nothing has rules out nothing.
    let gone = btf(|b, [int, _, _]| {
        b.structure("s", 8, [("gone", int, 0), ("only", int, 32)]);
    });
    let answers = all(&gone, &targets, &[field("0:0"), field("0:1")]).unwrap();
    assert!(answers[0].poison && answers[1].target == 4);
}
