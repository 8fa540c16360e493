//! What the running kernel knows, found out by trying.

use std::sync::OnceLock;

use super::btf::btf_load;
use crate::btf::Kind;
use crate::btf::sanitize::{Feature, assemble};

/// A feature of BTF, and the smallest BTF that has it.
struct Probe {
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
) -> Probe {
    Probe {
        feature,
        since,
        types,
        strings,
        known: OnceLock::new(),
    }
}

/// `int x`: type 1 is the int.
const INT: [u32; 4] = [1, info(Kind::INT, 0), 4, 1 << 24 | 32];

static PROBES: [Probe; 5] = [
    probe(
        Feature::Float,
        (5, 13),
        &[1, info(Kind::FLOAT, 0), 4],
        b"\0f\0",
    ),
    probe(
        Feature::DeclTag,
        (5, 16),
        &[
            INT[0],
            INT[1],
            INT[2],
            INT[3], //
            1,
            info(Kind::VAR, 0),
            1,
            0, // static int i
            3,
            info(Kind::DECL_TAG, 0),
            2,
            u32::MAX, // on the whole of it
        ],
        b"\0i\0t\0",
    ),
    probe(
        Feature::TypeTag,
        (5, 17),
        &[
            INT[0],
            INT[1],
            INT[2],
            INT[3], //
            3,
            info(Kind::TYPE_TAG, 0),
            1, //
            0,
            info(Kind::PTR, 0),
            2,
        ],
        b"\0i\0t\0",
    ),
    probe(
        Feature::Enum64,
        (6, 0),
        &[1, info(Kind::ENUM64, 1), 8, 3, 0, 1],
        b"\0e\0v\0",
    ),
    probe(
        Feature::QuestionMark,
        (6, 9),
        &[
            INT[0],
            INT[1],
            INT[2],
            INT[3], //
            1,
            info(Kind::VAR, 0),
            1,
            0, // static int i
            3,
            info(Kind::DATASEC, 1),
            4,
            2,
            0,
            4,
        ],
        b"\0i\0?s\0",
    ),
];

/// Whether the kernel takes BTF with this in it. Asked once each.
pub(crate) fn btf_feature_is_known(feature: Feature) -> bool {
    match PROBES.iter().find(|p| p.feature == feature) {
        Some(p) => *p
            .known
            .get_or_init(|| btf_load(&assemble(p.types, p.strings)).is_ok()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::btf::Btf;
    use crate::btf::sanitize::sanitize;

    #[test]
    fn each_probe_is_good_btf_with_its_feature() {
        for p in &PROBES {
            let btf = Btf::parse(assemble(p.types, p.strings)).unwrap();
            // What lacks the feature is changed, so it is in it.
            let changed = sanitize(&btf, |feature| feature != p.feature);
            assert!(matches!(changed, Cow::Owned(_)), "{:?}", p.feature);
        }
    }

    #[test]
    fn kernels_know_what_came_before_them() {
        let release = rustix::system::uname();
        let release = release.release().to_str().unwrap();
        let mut numbers = release
            .split(['.', '-'])
            .map(|n| n.parse::<u8>().unwrap_or(0));
        let running = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        // Only the privileged may load BTF, so that they alone can tell.
        if btf_load(&assemble(&INT, b"\0i\0")).is_err() {
            assert!(!rustix::process::geteuid().is_root(), "root may load BTF");
            return;
        }
        for p in &PROBES {
            assert_eq!(
                btf_feature_is_known(p.feature),
                running >= p.since,
                "{:?}",
                p.feature
            );
        }
    }
}
