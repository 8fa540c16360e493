//! What the running kernel knows, found out by trying.

use std::os::fd::AsFd;
use std::sync::OnceLock;

use super::attr::FuncInfo;
use super::btf::btf_load;
use super::link::{Places, link_create_uprobe_multi};
use super::prog::{Loading, prog_load};
use crate::btf::Kind;
use crate::btf::sanitize::{Feature, assemble};
use crate::insn::{Insn, op, pseudo};
use crate::obj::{AttachType, ProgType};

/// A feature of BTF, and the smallest BTF that has it.
struct FeatureProbe {
    feature: Feature,
    /// First kernel that takes it. For readers: what decides is the answer.
    #[cfg_attr(not(test), expect(dead_code))]
    since: (u8, u8),
    types: &'static [u32],
    strings: &'static [u8],
    known: OnceLock<bool>,
}

/// The info word of a type record.
const fn info(kind: Kind, vlen: u32) -> u32 {
    (kind.0 as u32) << 24 | vlen
}

const fn probe(
    feature: Feature,
    since: (u8, u8),
    types: &'static [u32],
    strings: &'static [u8],
) -> FeatureProbe {
    FeatureProbe {
        feature,
        since,
        types,
        strings,
        known: OnceLock::new(),
    }
}

/// `int x`: type 1 is the int.
const INT: [u32; 4] = [1, info(Kind::INT, 0), 4, 1 << 24 | 32];

/// `int f(void)` is type 2, the function of this linkage type 3.
const fn func(linkage: u32) -> [u32; 10] {
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
const fn decl_tag() -> [u32; 12] {
    let [a, b, c, d] = INT;
    let (var, tag) = (info(Kind::VAR, 0), info(Kind::DECL_TAG, 0));
    [a, b, c, d, 1, var, 1, 0, 3, tag, 2, u32::MAX]
}

/// `int __tag *`.
const fn type_tag() -> [u32; 10] {
    let [a, b, c, d] = INT;
    let (tag, pointer) = (info(Kind::TYPE_TAG, 0), info(Kind::PTR, 0));
    [a, b, c, d, 3, tag, 1, 0, pointer, 2]
}

static PROBES: [FeatureProbe; 8] = [
    probe(Feature::Func, (5, 0), &func(0), b"\0i\0f\0"),
    probe(Feature::Datasec, (5, 2), &section(), b"\0i\0t\0.data\0"),
    probe(Feature::GlobalFunc, (5, 6), &func(1), b"\0i\0f\0"),
    probe(
        Feature::Float,
        (5, 13),
        &[1, info(Kind::FLOAT, 0), 4],
        b"\0f\0",
    ),
    probe(Feature::DeclTag, (5, 16), &decl_tag(), b"\0i\0t\0"),
    probe(Feature::TypeTag, (5, 17), &type_tag(), b"\0i\0t\0"),
    probe(
        Feature::Enum64,
        (6, 0),
        &[1, info(Kind::ENUM64, 1), 8, 3, 0, 1],
        b"\0e\0v\0",
    ),
    probe(
        Feature::QuestionMark,
        (6, 9),
        &section(),
        b"\0i\0t\0?.data\0",
    ),
];

/// Whether the kernel takes BTF with this feature. Asked once each.
pub(crate) fn btf_feature_is_known(feature: Feature) -> bool {
    match PROBES.iter().find(|p| p.feature == feature) {
        Some(p) => *p
            .known
            .get_or_init(|| btf_load(&assemble(p.types, p.strings)).is_ok()),
        None => true,
    }
}

/// Whether the kernel takes expected attach types (from 4.17 on). Asked once.
pub(crate) fn attach_types_are_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let insns = [
            Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 0),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
        ];
        let attach_type = AttachType::CGROUP_INET_SOCK_CREATE;
        prog_load(&Loading::bare(ProgType::CGROUP_SOCK, attach_type, &insns)).is_ok()
    })
}

/// Whether programs may ask for the cookie that they were attached with (from 5.15 on). Asked once.
pub(crate) fn has_bpf_cookie() -> bool {
    /// Number of `bpf_get_attach_cookie`.
    const GET_ATTACH_COOKIE: i32 = 174;
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let insns = [
            Insn::new(op::JMP | op::CALL, 0, 0, 0, GET_ATTACH_COOKIE),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
        ];
        prog_load(&Loading::bare(
            ProgType::TRACEPOINT,
            AttachType::NONE,
            &insns,
        ))
        .is_ok()
    })
}

/// Whether programs may load the address of a kernel function by its type (from 6.4 on); `function` is one. Asked once.
pub(crate) fn takes_function_address(function: u32) -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let id = function.cast_signed();
        let insns = [
            Insn::new(op::LD | op::IMM | op::DW, 0, pseudo::BTF_ID, 0, id),
            Insn::default(),
            Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 0),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
        ];
        prog_load(&Loading::bare(
            ProgType::SOCKET_FILTER,
            AttachType::NONE,
            &insns,
        ))
        .is_ok()
    })
}

/// Whether the kernel links programs to many places of a binary, and does so for one process where it should (from 6.6 on, later
/// ones of the older series among them). Asked once.
pub(crate) fn uprobe_links_are_known() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let insns = [
            Insn::new(op::ALU64 | op::MOV | op::K, 0, 0, 0, 0),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
        ];
        let attach_type = AttachType::TRACE_UPROBE_MULTI;
        let Ok(prog) = prog_load(&Loading::bare(ProgType::KPROBE, attach_type, &insns)) else {
            return false;
        };
        let answer = |pid| {
            let places = Places {
                path: c"/".to_owned(),
                offsets: vec![0],
                pid,
                ..Default::default()
            };
            let link = link_create_uprobe_multi(&prog, attach_type, false, &places);
            link.err().and_then(|e| e.raw_os_error())
        };
        // A folder is no binary. That -1 is no process is seen before that where processes are told from threads.
        answer(0) == Some(libc::EBADF) && answer(u32::MAX) == Some(libc::EINVAL)
    })
}

/// Whether the verifier takes a parameter of a global function for the context by its tag (from 6.8 on). Asked once.
pub(crate) fn arg_ctx_tag_is_known() -> bool {
    /// Number of `bpf_get_func_ip`, which wants the context.
    const GET_FUNC_IP: i32 = 173;
    /// `int a(void *a)` is type 4, and `int b(void *b __arg_ctx)` type 6.
    const TYPES: [u32; 27] = {
        let [i, j, k, l] = INT;
        let (pointer, tag) = (info(Kind::PTR, 0), info(Kind::DECL_TAG, 0));
        let (proto, func) = (info(Kind::FUNC_PROTO, 1), info(Kind::FUNC, 1));
        [
            i, j, k, l, 0, pointer, 0, 0, proto, 1, 1, 2, 1, func, 3, 0, proto, 1, 3, 2, 3, func,
            5, 5, tag, 6, 0,
        ]
    };
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let insns = [
            Insn::new(op::JMP | op::CALL, 0, pseudo::CALL, 0, 1),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
            Insn::new(op::JMP | op::CALL, 0, 0, 0, GET_FUNC_IP),
            Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0),
        ];
        let Ok(btf) = btf_load(&assemble(&TYPES, b"\0a\0b\0arg:ctx\0")) else {
            return false;
        };
        let function = |insn_off, type_id| FuncInfo { insn_off, type_id };
        let functions = [function(0, 4), function(2, 6)];
        prog_load(&Loading {
            btf: Some(btf.as_fd()),
            func_info: &functions,
            ..Loading::bare(ProgType::KPROBE, AttachType::NONE, &insns)
        })
        .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Btf;
    use crate::btf::sanitize::sanitize;

    #[test]
    fn each_probe_is_good_btf_with_its_feature() {
        for p in &PROBES {
            let btf = Btf::parse(assemble(p.types, p.strings)).unwrap();
            let has =
                |feature| matches!(sanitize(&btf, |f| f != feature), std::borrow::Cow::Owned(_));
            assert!(has(p.feature), "{:?}", p.feature);
        }
    }

    #[test]
    fn kernels_know_what_came_before_them() {
        let release = super::super::uname().release;
        let mut numbers = release
            .split(['.', '-'])
            .map(|n| n.parse::<u8>().unwrap_or(0));
        let running = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        // Only the privileged may load BTF, so that they alone can tell.
        if btf_load(&assemble(&INT, b"\0i\0")).is_err() {
            assert!(!super::super::process::is_root(), "root may load BTF");
            return;
        }
        for p in &PROBES {
            let expected = running >= p.since;
            assert_eq!(btf_feature_is_known(p.feature), expected, "{:?}", p.feature);
        }
    }
}
