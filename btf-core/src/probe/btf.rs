//! Questions about BTF: the smallest BTF that has each feature.

use std::io;
use std::os::fd::OwnedFd;

use super::prober::{Prober, answer};
use crate::btf::Kind;

/// The info word of a type record.
const fn info(kind: Kind, vlen: u32) -> u32 {
    (kind.0 as u32) << 24 | vlen
}

/// `int x`: type 1 is the int.
const INT: [u32; 4] = [1, info(Kind::INT, 0), 4, 1 << 24 | 32];

/// `int f(void)` is type 2, the function of this linkage type 3.
const fn func_of(linkage: u32) -> [u32; 10] {
    let [a, b, c, d] = INT;
    let (proto, func) = (info(Kind::FUNC_PROTO, 0), info(Kind::FUNC, linkage));
    [a, b, c, d, 0, proto, 1, 3, func, 2]
}

/// `static int t`, alone in a section of the name at offset 5.
const fn section() -> [u32; 14] {
    let [a, b, c, d] = INT;
    let (var, datasec) = (info(Kind::VAR, 0), info(Kind::DATASEC, 1));
    [a, b, c, d, 3, var, 1, 0, 5, datasec, 4, 2, 0, 4]
}

/// `static int i` with a tag on the whole of it.
const fn tagged_variable() -> [u32; 12] {
    let [a, b, c, d] = INT;
    let (var, tag) = (info(Kind::VAR, 0), info(Kind::DECL_TAG, 0));
    [a, b, c, d, 1, var, 1, 0, 3, tag, 2, u32::MAX]
}

/// `int __tag *`.
const fn tagged_pointee() -> [u32; 10] {
    let [a, b, c, d] = INT;
    let (tag, pointer) = (info(Kind::TYPE_TAG, 0), info(Kind::PTR, 0));
    [a, b, c, d, 3, tag, 1, 0, pointer, 2]
}

/// `int a(void *a)` is type 4, and `int b(void *b __arg_ctx)` type 6.
pub(super) const TAGGED_CONTEXT: [u32; 27] = {
    let [i, j, k, l] = INT;
    let (pointer, tag) = (info(Kind::PTR, 0), info(Kind::DECL_TAG, 0));
    let (proto, func) = (info(Kind::FUNC_PROTO, 1), info(Kind::FUNC, 1));
    [
        i, j, k, l, 0, pointer, 0, 0, proto, 1, 1, 2, 1, func, 3, 0, proto, 1, 3, 2, 3, func, 5, 5,
        tag, 6, 0,
    ]
};
pub(super) const TAGGED_CONTEXT_STRINGS: &[u8] = b"\0a\0b\0arg:ctx\0";

/// `struct val { int cnt; struct bpf_spin_lock l; }`, a value that may be kept with sockets and the like, is type 3.
pub(super) const SPIN_LOCK: [u32; 19] = {
    let (one, two) = (info(Kind::STRUCT, 1), info(Kind::STRUCT, 2));
    let [_, kind, size, bits] = INT;
    [
        0, kind, size, bits, 1, one, 4, 15, 1, 0, 15, two, 8, 19, 1, 0, 23, 2, 32,
    ]
};
pub(super) const SPIN_LOCK_STRINGS: &[u8] = b"\0bpf_spin_lock\0val\0cnt\0l\0";

/// BTF with a number, which every kernel takes that takes any.
pub(super) fn load_plain(prober: &Prober<'_>) -> io::Result<OwnedFd> {
    prober.btf(&INT, b"\0i\0")
}

pub(super) fn plain(prober: &Prober<'_>) -> io::Result<bool> {
    answer(load_plain(prober))
}

/// Types and names.
type Small = (&'static [u32], &'static [u8]);

const FUNC: Small = (&func_of(0), b"\0i\0f\0");
const DATASEC: Small = (&section(), b"\0i\0t\0.data\0");
const GLOBAL_FUNC: Small = (&func_of(1), b"\0i\0f\0");
const FLOAT: Small = (&[1, info(Kind::FLOAT, 0), 4], b"\0f\0");
const DECL_TAG: Small = (&tagged_variable(), b"\0i\0t\0");
const TYPE_TAG: Small = (&tagged_pointee(), b"\0i\0t\0");
const ENUM64: Small = (&[1, info(Kind::ENUM64, 1), 8, 3, 0, 1], b"\0e\0v\0");
const QUESTION_MARK: Small = (&section(), b"\0i\0t\0?.data\0");

fn takes(prober: &Prober<'_>, (types, strings): Small) -> io::Result<bool> {
    answer(prober.btf(types, strings))
}

pub(super) fn func(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, FUNC)
}

pub(super) fn datasec(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, DATASEC)
}

pub(super) fn global_func(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, GLOBAL_FUNC)
}

pub(super) fn float(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, FLOAT)
}

pub(super) fn decl_tag(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, DECL_TAG)
}

pub(super) fn type_tag(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, TYPE_TAG)
}

pub(super) fn enum64(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, ENUM64)
}

pub(super) fn question_mark(prober: &Prober<'_>) -> io::Result<bool> {
    takes(prober, QUESTION_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Btf;
    use crate::btf::sanitize::Feature;
    use crate::btf::sanitize::sanitize;
    use btf_obj::private::assemble;

    #[test]
    fn each_question_is_good_btf_with_its_feature() {
        for (feature, (types, strings)) in [
            (Feature::Func, FUNC),
            (Feature::Datasec, DATASEC),
            (Feature::GlobalFunc, GLOBAL_FUNC),
            (Feature::Float, FLOAT),
            (Feature::DeclTag, DECL_TAG),
            (Feature::TypeTag, TYPE_TAG),
            (Feature::Enum64, ENUM64),
            (Feature::QuestionMark, QUESTION_MARK),
        ] {
            let btf = Btf::parse(assemble(types, strings)).unwrap();
            let changed = sanitize(&btf, |f| f != feature);
            assert!(matches!(changed, std::borrow::Cow::Owned(_)), "{feature:?}");
        }
        assert!(Btf::parse(assemble(&SPIN_LOCK, SPIN_LOCK_STRINGS)).is_ok());
        assert!(Btf::parse(assemble(&TAGGED_CONTEXT, TAGGED_CONTEXT_STRINGS)).is_ok());
    }
}
