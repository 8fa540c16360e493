//! Prototypes of made-up kernels, compared.

use super::*;
use crate::btf::{Builder, IntEncoding, Linkage, TypeId};

const NO_MEMBERS: [(&str, TypeId, u32); 0] = [];

/// Types to make prototypes of.
struct Kit {
    b: Builder,
}

impl Kit {
    fn new() -> Kit {
        Kit { b: Builder::new() }
    }

    /// `int`, `long`, `bool`, `u32`, `u64`, `void *`, `char *`, `enum`, `pair`, else a pointer to a struct of this name.
    fn ty(&mut self, name: &str) -> TypeId {
        let b = &mut self.b;
        match name {
            "void" => TypeId::VOID,
            "s8" => b.int("signed char", 1, IntEncoding::SIGNED),
            "u16" => b.int("unsigned short", 2, IntEncoding(0)),
            "int" => b.int("int", 4, IntEncoding::SIGNED),
            "u32" => b.int("unsigned int", 4, IntEncoding(0)),
            "long" => b.int("long", 8, IntEncoding::SIGNED),
            "u64" => b.int("unsigned long", 8, IntEncoding(0)),
            "bool" => b.int("_Bool", 1, IntEncoding::BOOL),
            "void*" => b.pointer(TypeId::VOID),
            "char*" => {
                let char = b.int("char", 1, IntEncoding::SIGNED);
                let char = b.const_(char);
                b.pointer(char)
            }
            "u8*" => {
                let byte = b.int("unsigned char", 1, IntEncoding(0));
                let byte = b.typedef("u8", byte);
                b.pointer(byte)
            }
            "inode**" => {
                let inode = b.forward_struct("inode");
                let inode = b.pointer(inode);
                b.pointer(inode)
            }
            "enum" => b.enumeration("state", 4, false, [("A", 1)]),
            "pair" => b.structure("pair", 16, NO_MEMBERS),
            name => {
                let of = b.structure(name, 64, NO_MEMBERS);
                let of = b.typedef(&format!("{name}_t"), of);
                b.pointer(of)
            }
        }
    }

    fn proto(&mut self, returns: &str, params: &[&str]) -> TypeId {
        let returns = self.ty(returns);
        let params: Vec<(String, TypeId)> = params
            .iter()
            .enumerate()
            .map(|(n, ty)| (format!("p{n}"), self.ty(ty)))
            .collect();
        let params = params.iter().map(|(name, id)| (name.as_str(), *id));
        self.b.prototype(returns, params)
    }
}

/// A BTF with a function `f`.
fn function(returns: &str, params: &[&str]) -> Btf {
    let mut kit = Kit::new();
    let proto = kit.proto(returns, params);
    kit.b.function("f", proto, Linkage::STATIC);
    kit.b.finish().unwrap()
}

/// A BTF with the body of a program `p`.
fn declared(params: &[&str]) -> Btf {
    let mut kit = Kit::new();
    let params: Vec<&str> = std::iter::once("void*")
        .chain(params.iter().copied())
        .collect();
    let proto = kit.proto("int", &params);
    kit.b.function("____p", proto, Linkage::STATIC);
    kit.b.finish().unwrap()
}

const FEXIT: AttachType = AttachType::TRACE_FEXIT;

fn fexit(btf: &Btf) -> Prototype<'_> {
    let target = Target {
        attach_type: FEXIT,
        name: "f",
    };
    target.prototype(btf).unwrap()
}

/// What [`prototype_change`] says of words that are read whole.
fn change(was: (&str, &[&str]), is: (&str, &[&str]), words: &[u32]) -> Option<String> {
    let (was, is) = (function(was.0, was.1), function(is.0, is.1));
    let reads: Vec<Read> = words
        .iter()
        .map(|w| Read {
            offset: w * 8,
            size: 8,
        })
        .collect();
    prototype_change(&fexit(&was), &fexit(&is), None, Some(&reads))
}

fn misfit(of: &[&str], returns: &str, params: &[&str]) -> Option<String> {
    let (own, actual) = (declared(of), function(returns, params));
    incompatible_args(&body_prototype(&own, "p").unwrap(), &fexit(&actual))
}

/// Returns `true` if a declaration fits a tracepoint's argument.
fn fits_tracepoint(own: &str, actual: &str) -> bool {
    let mut kit = Kit::new();
    let proto = kit.proto("void", &["void*", actual]);
    let proto = kit.b.pointer(proto);
    kit.b.typedef("btf_trace_t", proto);
    let (own, kernel) = (declared(&[own]), kit.b.finish().unwrap());
    let target = Target {
        attach_type: AttachType::TRACE_RAW_TP,
        name: "t",
    };
    incompatible_args(
        &body_prototype(&own, "p").unwrap(),
        &target.prototype(&kernel).unwrap(),
    )
    .is_none()
}

#[test]
fn integers_fit_by_the_bits_that_are_read() {
    // Columns: declared, actual, whether it fits a function's argument, and a tracepoint's.
    for (own, actual, function, tracepoint) in [
        // The same size, of either sign.
        ("u32", "int", true, true),
        ("int", "u32", true, true),
        ("long", "u64", true, true),
        ("u64", "long", true, true),
        ("s8", "bool", true, true),
        ("enum", "int", true, true),
        ("u32", "enum", true, true),
        // Narrower: the low bits.
        ("int", "long", true, true),
        ("u32", "long", true, true),
        ("int", "u64", true, true),
        ("u16", "int", true, true),
        ("bool", "int", true, true),
        // Wider than an unsigned one, which only tracepoints extend.
        ("u64", "u32", false, true),
        ("long", "u32", false, true),
        ("int", "u16", false, true),
        ("u32", "bool", false, true),
        // Wider than a signed one, or one of unknown sign: nothing extends the sign.
        ("long", "int", false, false),
        ("u64", "int", false, false),
        ("int", "s8", false, false),
        ("u64", "enum", false, false),
        // Addresses as numbers, and the other way round.
        ("void*", "u64", true, true),
        ("u64", "void*", true, true),
        ("u64", "inode", true, true),
        ("void*", "inode", true, true),
        // An integer that is not an address, or a pointer with a declared target.
        ("void*", "long", false, false),
        ("long", "void*", false, false),
        ("void*", "u32", false, false),
        ("u32", "void*", false, false),
        ("void*", "enum", false, false),
        ("inode", "u64", false, false),
        ("char*", "u64", false, false),
        ("dentry", "inode", false, false),
    ] {
        let of_function = misfit(&[own], "void", &[actual]).is_none();
        assert_eq!(of_function, function, "`{own}` for a function's `{actual}`");
        let of_tracepoint = fits_tracepoint(own, actual);
        assert_eq!(
            of_tracepoint, tracepoint,
            "`{own}` for a tracepoint's `{actual}`"
        );
    }
}

#[test]
fn zeros_follow_the_arguments_of_tracepoints() {
    let fits = fits_tracepoint;
    assert!(fits("int", "bool") && fits("long", "u32") && fits("u32", "bool"));
    // Of a negative one the sign is lost.
    assert!(!fits("long", "int"));
    assert!(!fits("long", "inode"));
    // What follows an argument of a function is anything.
    assert!(misfit(&["int"], "int", &["bool"]).is_some());
}

#[test]
fn arguments_take_words_and_the_result_follows() {
    let btf = function("int", &["bool", "pair", "inode"]);
    let prototype = fexit(&btf);
    let words: Vec<(u32, u32, bool)> = prototype
        .args()
        .iter()
        .map(|a| (a.word, a.words, a.is_result))
        .collect();
    assert_eq!(
        words,
        [(0, 1, false), (1, 2, false), (3, 1, false), (4, 1, true)]
    );
    assert_eq!(prototype.at_word(2).map(|(n, _)| n), Some(1));
    assert!(prototype.at_word(5).is_none());
    assert_eq!(
        prototype.to_string(),
        "int f(_Bool p0, struct pair p1, inode_t *p2)"
    );
    let entry = Target {
        attach_type: AttachType::TRACE_FENTRY,
        name: "f",
    };
    assert_eq!(entry.prototype(&btf).unwrap().words(), 4);
    assert_eq!(fexit(&function("void", &[])).words(), 0);
    assert_eq!(
        fexit(&function("char*", &[])).to_string(),
        "const char *f(void)"
    );
}

#[test]
fn a_tracepoint_has_its_names_elsewhere_and_drops_its_first_argument() {
    let mut kit = Kit::new();
    let unnamed = [TypeId::VOID, kit.ty("task_struct"), kit.ty("long")];
    let data = kit.b.pointer(TypeId::VOID);
    let proto = kit.b.prototype(
        TypeId::VOID,
        [("", data), ("", unnamed[1]), ("", unnamed[2])],
    );
    let pointer = kit.b.pointer(proto);
    kit.b.typedef("btf_trace_x", pointer);
    let caller = kit.b.prototype(
        TypeId::VOID,
        [("__data", data), ("task", unnamed[1]), ("nr", unnamed[2])],
    );
    kit.b.function("__traceiter_x", caller, Linkage::STATIC);
    let btf = kit.b.finish().unwrap();
    let target = Target {
        attach_type: AttachType::TRACE_RAW_TP,
        name: "x",
    };
    let prototype = target.prototype(&btf).unwrap();
    assert_eq!(prototype.to_string(), "void x(task_struct_t *, long)");
    assert_eq!(
        prototype.with_names().to_string(),
        "void x(task_struct_t *task, long nr)"
    );
    // A subset has the names in their place, and says the same of itself.
    let left = subset(&btf, [target], []).unwrap();
    let again = subset(&left, [target], []).unwrap();
    for btf in [&left, &again] {
        let prototype = target.prototype(btf).unwrap();
        assert_eq!(
            prototype.to_string(),
            "void x(task_struct_t *task, long nr)"
        );
    }
    assert_eq!(left.as_bytes(), again.as_bytes());
}

#[test]
fn a_subset_is_small_and_compares_as_the_whole() {
    let whole = function(
        "int",
        &["inode", "inode**", "pair", "enum", "char*", "u8*", "bool"],
    );
    let target = Target {
        attach_type: FEXIT,
        name: "f",
    };
    let bodies = declared(&["inode", "int"]);
    let left = subset(&whole, [target, target], bodies.types()).unwrap();
    assert!(
        left.types()
            .all(|ty| ty.members().is_empty() && ty.enumerators().is_empty())
    );
    assert_eq!(left.types().filter(|ty| ty.name() == "f").count(), 1);
    assert_eq!(fexit(&left).to_string(), fexit(&whole).to_string());
    assert_eq!(
        prototype_change(&fexit(&left), &fexit(&whole), None, None),
        None
    );
    assert_eq!(
        body_prototype(&left, "p").unwrap().to_string(),
        "int p(inode_t *p1, int p2)"
    );
    let missing = Target {
        attach_type: FEXIT,
        name: "g",
    };
    assert_eq!(subset(&whole, [missing], []).unwrap().types().len(), 0);
}

#[test]
fn what_is_read_must_be_what_it_was() {
    let was: (&str, &[&str]) = ("int", &["inode", "dentry", "inode**"]);
    let is: (&str, &[&str]) = ("int", &["mnt_idmap", "inode", "dentry", "inode**"]);
    assert_eq!(change(was, was, &[0, 1, 2, 3]), None);
    assert_eq!(
        change(was, is, &[1]).unwrap(),
        "argument 2 was `dentry_t *p1` and is `inode_t *p1`"
    );
    assert_eq!(
        change(was, is, &[3]).unwrap(),
        "the result was `int` and is argument 4 `struct inode **p3`"
    );
    assert_eq!(change(is, was, &[4]).unwrap(), "the result `int` is gone");
    assert_eq!(
        change(was, ("void", was.1), &[3]).unwrap(),
        "the result `int` is gone"
    );
    // What is not read may be anything.
    assert_eq!(change(was, ("long", &["inode"]), &[0]), None);
    assert_eq!(change(was, is, &[]), None);
}

#[test]
fn types_compare_by_what_they_mean() {
    let one = |was: &str, is: &str| change(("void", &[was]), ("void", &[is]), &[0]).is_none();
    for (was, is) in [
        ("enum", "u32"),
        ("enum", "int"),
        ("int", "u32"),
        ("long", "u64"),
        ("u64", "void*"),
        ("char*", "u8*"),
        ("void*", "void*"),
        ("pair", "pair"),
    ] {
        assert!(one(was, is) && one(is, was), "{was} {is}");
    }
    for (was, is) in [
        ("int", "long"),
        ("u32", "u64"),
        ("long", "void*"),
        ("u64", "inode"),
        ("void*", "inode"),
        ("char*", "inode"),
        ("inode", "inode**"),
        ("pair", "inode"),
        ("bool", "int"),
    ] {
        assert!(!one(was, is) && !one(is, was), "{was} {is}");
    }
}

#[test]
fn the_low_part_of_an_integer_may_be_read_of_any() {
    let (int, long) = (function("int", &[]), function("long", &[]));
    let narrow = [Read { offset: 0, size: 4 }];
    let wide = [Read { offset: 0, size: 8 }];
    let compare = |own: Option<&Prototype<'_>>, reads: &[Read]| {
        prototype_change(&fexit(&int), &fexit(&long), own, Some(reads)).is_none()
    };
    assert!(compare(None, &narrow));
    assert!(!compare(None, &wide));
    // Declared as an int, of which compilers load the whole word.
    let own = declared(&["int"]);
    assert!(compare(body_prototype(&own, "p").as_ref(), &wide));
}

#[test]
fn what_is_declared_as_the_running_kernel_has_it_is_right() {
    let (was, is) = (
        function("int", &["mnt_idmap", "inode", "dentry"]),
        function("int", &["inode", "dentry"]),
    );
    let reads = [0, 8, 16].map(|offset| Read { offset, size: 8 });
    let own = declared(&["inode", "dentry", "int"]);
    let own = body_prototype(&own, "p");
    assert_eq!(
        prototype_change(&fexit(&was), &fexit(&is), own.as_ref(), Some(&reads)),
        None
    );
    // A pointer to anything says nothing of what is expected there, nor does its number.
    for untyped in ["void*", "u64"] {
        let own = declared(&[untyped]);
        let own = body_prototype(&own, "p");
        assert!(prototype_change(&fexit(&was), &fexit(&is), own.as_ref(), Some(&reads)).is_some());
    }
}

#[test]
fn a_pointer_may_be_taken_for_its_number() {
    assert_eq!(misfit(&["u64", "u64"], "char*", &["inode"]), None);
    assert_eq!(misfit(&["void*", "u64"], "int", &["pair"]), None);
    for narrow in ["u32", "long", "enum", "bool"] {
        assert!(misfit(&[narrow], "int", &["inode"]).is_some(), "{narrow}");
    }
    // A number that is one has no room to spare.
    assert!(misfit(&["u64"], "int", &["u32"]).is_some());
    assert!(misfit(&["void*"], "int", &["u32"]).is_some());
}

#[test]
fn everything_that_is_declared_counts_if_reads_are_not_known() {
    let (was, is) = (
        function("int", &["inode", "dentry"]),
        function("int", &["inode", "inode"]),
    );
    let compare = |own: &[&str]| {
        let own = declared(own);
        prototype_change(
            &fexit(&was),
            &fexit(&is),
            body_prototype(&own, "p").as_ref(),
            None,
        )
        .is_none()
    };
    assert!(compare(&["inode"]));
    assert!(!compare(&["inode", "dentry"]));
    assert!(prototype_change(&fexit(&was), &fexit(&is), None, None).is_some());
}

#[test]
fn declarations_fit_their_targets() {
    let params = &["inode", "dentry", "long", "bool", "void*", "inode**"];
    for own in [
        &[][..],
        &["inode"],
        &["inode", "dentry", "long", "bool", "void*", "inode**", "int"],
        &["void*", "void*", "long", "bool", "inode", "void*", "int"],
        &["inode___old", "dentry", "int"],
    ] {
        assert_eq!(misfit(own, "int", params), None, "{own:?}");
    }
    let wrong = |own: &[&str]| misfit(own, "int", params).unwrap();
    assert_eq!(
        wrong(&["dentry"]),
        "argument 1 is `inode_t *p0` and is declared `dentry_t *p1`"
    );
    assert_eq!(
        wrong(&["inode", "long"]),
        "argument 2 is `dentry_t *p1` and is declared `long p2`"
    );
    assert_eq!(
        wrong(&["inode", "dentry", "long", "int"]),
        "argument 4 is `_Bool p3` and is declared `int p4`"
    );
    let more = [
        "inode", "dentry", "long", "bool", "void*", "inode**", "int", "int",
    ];
    assert_eq!(
        wrong(&more),
        "it has 6 arguments and the result and is declared with 8"
    );
    assert_eq!(
        misfit(&["inode", "void*"], "int", &["inode"]).unwrap(),
        "the result is `int` and is declared `void *p2`"
    );
    assert_eq!(
        misfit(&["inode", "int"], "void", &["inode"]).unwrap(),
        "it has 1 argument and is declared with 2"
    );
    // A struct of two words, as itself or word by word.
    assert_eq!(misfit(&["pair", "inode"], "void", &["pair", "inode"]), None);
    assert_eq!(
        misfit(&["long", "long", "inode"], "void", &["pair", "inode"]),
        None
    );
    assert!(misfit(&["long", "inode"], "void", &["pair", "inode"]).is_some());
}
