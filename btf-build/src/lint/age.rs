//! What a source uses that the clang at hand is too old for: said of objects that came out wrong,
//! and as advice where clang gave up.

use btf_obj::btf::Kind;
use btf_obj::obj::MapType;

use super::{Spot, Subject, Warning};

/// First clang that writes 64-bit enums to BTF whole.
const ENUM64: u32 = 15;
/// First clang that knows the arena's address space.
const ADDRESS_SPACES: u32 = 19;

const ARENA: MapType = MapType(33);

/// What older clangs say about something newer: their words, the first clang that knows it, and
/// what it is.
const NEWER: &[(&str, u32, &str)] = &[
    (
        "Incorrect flag for llvm.bpf.preserve.type.info",
        15,
        "bpf_core_type_matches",
    ),
    ("unknown target CPU 'v4'", 18, "`-mcpu=v4`"),
    ("may_goto", 19, "may_goto (`can_loop`, `cond_break`)"),
    ("__typeof_unqual__", 19, "__typeof_unqual__"),
    ("gotol", 18, "gotol"),
];

/// What to try after clang of this version failed with these words.
pub(crate) fn advise(stderr: &str, clang: u32) -> Option<String> {
    // Not with a header of our own, but with one that was given.
    if stderr.contains("conflicting types for 'bpf_arena_") {
        let advice = "vmlinux.h declares functions of arenas, too, and in another way for this clang: \
            `#define BPF_NO_KFUNC_PROTOTYPES` in front of it leaves them out";
        return Some(advice.to_owned());
    }
    let (_, since, what) = NEWER
        .iter()
        .find(|(words, since, _)| clang < *since && stderr.contains(words))?;
    Some(format!("{what}: {}", install(*since, clang)))
}

fn install(since: u32, clang: u32) -> String {
    format!(
        "this needs clang {since}, and clang {clang} was used; install a newer one, or name one with Builder::clang or BTF_BUILD_CLANG"
    )
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let mut warnings = enums(subject);
    warnings.extend(arenas(subject));
    warnings
}

/// Enums of eight bytes that have lost the upper half of their values.
fn enums(subject: &Subject<'_>) -> Vec<Warning> {
    let Some(btf) = subject.object.btf().filter(|_| subject.clang < ENUM64) else {
        return Vec::new();
    };
    let cut = |ty: &btf_obj::btf::Type<'_>| ty.kind() == Kind::ENUM && ty.byte_size() == Some(8);
    let mut warnings = Vec::new();
    for ty in btf.types().filter(cut) {
        let named = |name: &str| ty.enumerators().iter().any(|e| e.name() == name);
        let source = subject
            .places()
            .wide_enums
            .iter()
            .find(|known| known.wide.iter().any(|(name, _)| named(name)));
        let example = source.and_then(|source| source.wide.first());
        let what = match ty.name() {
            "" => "an enum".to_owned(),
            name => format!("`enum {name}`"),
        };
        let wrong = match example {
            Some((name, value)) => format!(", of `{name}` = {value} for instance"),
            None => String::new(),
        };
        warnings.push(Warning {
            spot: source.map(|source| Spot::declared(&source.place, &["enum"])),
            message: format!(
                "clang {} writes only the lower 32 bits of the values of {what} to BTF{wrong}: \
                 the skeleton and CO-RE have wrong ones",
                subject.clang
            ),
            help: install(ENUM64, subject.clang),
        });
    }
    warnings
}

fn arenas(subject: &Subject<'_>) -> Vec<Warning> {
    let maps = subject.object.maps().iter();
    let old = maps.filter(|map| map.map_type == ARENA && subject.clang < ADDRESS_SPACES);
    let warning = |map: &btf_obj::obj::MapSpec| Warning {
        spot: subject.spot_of_variable(&map.name),
        message: format!(
            "clang {} does not tell pointers into the arena `{}` from others: programs that follow one will be refused",
            subject.clang, map.name
        ),
        help: install(ADDRESS_SPACES, subject.clang),
    };
    old.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_clangs_are_advised() {
        let v4 = "error: unknown target CPU 'v4'";
        assert!(advise(v4, 17).is_some_and(|text| text.contains("clang 18")));
        assert_eq!(advise(v4, 18), None);
        assert_eq!(advise("x.bpf.c:1:1: error: expected identifier", 14), None);
    }
}
