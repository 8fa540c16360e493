//! Tests of whole files: synthetic ones of every form, and real ones.

use std::time::{Duration, Instant};

use super::fixture::{self, CODE, DATA, FUNC, GLOBAL, IFUNC, OBJECT, Sym, TEXT, WEAK};
use super::*;
use crate::ErrorKind;

/// Every form of a file, with the hash table and without it.
fn all_forms(check: impl Fn(fixture::Elf)) {
    for bits in 0..8 {
        check(fixture::Elf {
            is_64: bits & 1 == 0,
            is_little: bits & 2 == 0,
            has_hash: bits & 4 == 0,
            ..fixture::Elf::default()
        });
    }
}

/// Address and offset of the n-th function.
fn code(n: u64) -> (u64, u64) {
    (CODE.0 + 16 * n, CODE.1 + 16 * n)
}

fn message(result: Result<impl std::fmt::Debug>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn finds_functions_in_every_form_of_file() {
    all_forms(|mut elf| {
        elf.dynamic = vec![
            Sym("alias", GLOBAL | FUNC, TEXT, code(1).0, 1),
            Sym("first", GLOBAL | FUNC, TEXT, code(1).0, 1),
            Sym("second", WEAK | FUNC, TEXT, code(2).0, 1),
            Sym("second", GLOBAL | FUNC, TEXT, code(3).0, 1),
        ];
        elf.full = vec![
            Sym("local", FUNC, TEXT, code(4).0, 0),
            Sym("twice", FUNC, TEXT, code(5).0, 0),
            Sym("twice", FUNC, TEXT, code(6).0, 0),
            Sym("main@@V9", GLOBAL | FUNC, TEXT, code(7).0, 0),
            Sym("main@V8", GLOBAL | FUNC, TEXT, code(8).0, 0),
        ];
        let binary = elf.binary();
        let names = [
            "second", "local", "first", "alias", "main", "main@V8", "first",
        ];
        assert_eq!(
            binary.function_offsets(&names).unwrap(),
            [3, 4, 1, 1, 7, 8, 1].map(|n| code(n).1)
        );
        assert_eq!(
            message(binary.function("twice")),
            format!(
                "binary `fixture`: several functions are named `twice`, at offsets {:#x} and \
                 {:#x} among others (attach by offset)",
                code(5).1,
                code(6).1
            )
        );
        let e = binary.function_offsets(&["first", "locale"]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert_eq!(
            e.to_string(),
            "binary `fixture`: function `locale` not found (did you mean `local`?)"
        );
        assert!(binary.function("").is_err() && binary.function("main@V7").is_err());
        assert!(binary.function_offsets::<&str>(&[]).unwrap().is_empty());
        // Of the full table as long as one function there matches.
        let all = binary.functions("*i*").unwrap();
        let names: Vec<_> = all.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["twice", "twice", "main@@V9", "main@V8"]);
        let all = binary.functions("?irst").unwrap();
        assert_eq!((all.len(), all[0].offset), (1, code(1).1));
        assert_eq!(binary.matching_offsets("?irst").unwrap(), [code(1).1]);
    });
}

#[test]
fn offsets_follow_from_segments_whatever_the_section() {
    const RODATA: u16 = 2;
    const XINDEX: u16 = 0xffff;
    all_forms(|mut elf| {
        elf.dynamic = vec![
            Sym("stale", GLOBAL | FUNC, RODATA, code(1).0, 1),
            Sym("beyond", GLOBAL | FUNC, 9999, code(2).0, 1),
            Sym("extended", GLOBAL | FUNC, XINDEX, code(3).0, 1),
        ];
        let binary = elf.binary();
        let names = ["stale", "beyond", "extended"];
        let expected = [1, 2, 3].map(|n| code(n).1);
        assert_eq!(binary.function_offsets(&names).unwrap(), expected);
        assert_eq!(binary.matching_offsets("*e*").unwrap().len(), 3);
    });
}

#[test]
fn versions_decide_between_functions_of_a_name() {
    const HIDDEN: u16 = 0x8000;
    all_forms(|mut elf| {
        elf.versions = vec!["V1", "V2"];
        elf.dynamic = vec![
            Sym("f", GLOBAL | FUNC, TEXT, code(1).0, HIDDEN | 2),
            Sym("f", GLOBAL | FUNC, TEXT, code(2).0, 3),
            Sym("copy", GLOBAL | FUNC, TEXT, code(3).0, HIDDEN | 2),
            Sym("copy", GLOBAL | IFUNC, TEXT, code(4).0, 3),
            Sym("length", GLOBAL | IFUNC, TEXT, code(5).0, 2),
            Sym("gone", GLOBAL | FUNC, TEXT, code(6).0, HIDDEN | 2),
        ];
        let binary = elf.binary();
        let names = ["f", "f@V1", "f@@V2", "f@V2", "copy@V1", "gone"];
        assert_eq!(
            binary.function_offsets(&names).unwrap(),
            [2, 1, 2, 2, 3, 6].map(|n| code(n).1)
        );
        assert_eq!(
            message(binary.function("f@V3")),
            "binary `fixture`: function `f` has no version `V3` (it has V1, V2)"
        );
        for (name, hint) in [
            (
                "copy",
                "; `copy@V1` is a function, but only programs linked against that version \
                 call it)",
            ),
            ("copy@V2", "by offset)"),
            ("length", "by offset)"),
        ] {
            let e = binary.function(name).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            let e = e.to_string();
            let start = format!("binary `fixture`: `{name}` is an IFUNC (STT_GNU_IFUNC): ");
            assert!(e.starts_with(&start) && e.ends_with(hint), "{e}");
        }
        // Of a pattern, all versions.
        assert_eq!(
            binary.matching_offsets("?").unwrap(),
            [1, 2].map(|n| code(n).1)
        );
        let e = binary.matching_offsets("len*").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        let e = e.to_string();
        assert!(
            e.contains("only IFUNCs match `len*`, such as `length`: "),
            "{e}"
        );
        assert_eq!(binary.matching_offsets("copy*").unwrap(), [code(3).1]);
    });
}

#[test]
fn says_why_a_symbol_is_no_function_to_attach_to() {
    const ABSOLUTE: u16 = 0xfff1;
    const TLS: u8 = 6;
    all_forms(|mut elf| {
        let cases = [
            (
                Sym("imported", GLOBAL | FUNC, 0, code(1).0, 1),
                "function `imported` is imported from another library, not defined in this \
                 binary (attach to the library that defines it)",
            ),
            (
                Sym("absolute", GLOBAL | FUNC, ABSOLUTE, code(1).0, 1),
                "symbol `absolute` is absolute (SHN_ABS): its value is not an address of this \
                 binary",
            ),
            (
                Sym("variable", GLOBAL | OBJECT, TEXT, DATA.0, 1),
                "symbol `variable` is not marked as a function (STT_FUNC) (if it is code, \
                 attach by offset)",
            ),
            (
                Sym("of_thread", GLOBAL | TLS, TEXT, 16, 1),
                "symbol `of_thread` is not marked as a function (STT_FUNC) (if it is code, \
                 attach by offset)",
            ),
            (
                Sym("in_data", GLOBAL | FUNC, TEXT, DATA.0 + 16, 1),
                "the address of function `in_data` is in no executable segment (`readelf -lsW` \
                 prints the segments and symbols)",
            ),
            (
                Sym("nowhere", GLOBAL | FUNC, TEXT, 16, 1),
                "the address of function `nowhere` is in no executable segment (`readelf -lsW` \
                 prints the segments and symbols)",
            ),
            (
                Sym("debug", GLOBAL | FUNC, TEXT, CODE.0 + CODE.2, 1),
                "function `debug` has no instructions in this file, a separate debug file \
                 (attach to the program or library that the debug file belongs to)",
            ),
        ];
        elf.dynamic = cases.iter().map(|(symbol, _)| *symbol).collect();
        let binary = elf.binary();
        for (symbol, expected) in cases {
            let expected = format!("binary `fixture`: {expected}");
            assert_eq!(message(binary.function(symbol.0)), expected);
        }
        assert!(binary.functions("*").is_err());
        // A function of the full table counts, whatever else has its name.
        elf.full = vec![Sym("imported", FUNC, TEXT, code(2).0, 0)];
        assert_eq!(elf.binary().function("imported").unwrap(), code(2).1);
    });
}

#[test]
fn says_where_a_stripped_binary_has_its_symbols() {
    let mut elf = fixture::Elf {
        dynamic: vec![Sym("f", GLOBAL | FUNC, TEXT, code(1).0, 1)],
        ..fixture::Elf::default()
    };
    let hint = |elf: &fixture::Elf| message(elf.binary().function("hidden_away"));
    let found = hint(&elf);
    assert!(
        found.contains("the file is stripped: functions that other"),
        "{found}"
    );
    assert!(
        found.ends_with("by offset, or to an unstripped binary)"),
        "{found}"
    );
    elf.others = vec![(".gnu_debuglink", b"x.debug\0\0\0\0\0".to_vec())];
    let found = hint(&elf);
    assert!(
        found.contains("in its separate debug file `x.debug` (.gnu_debuglink)"),
        "{found}"
    );
    elf.others.push((".gnu_debugdata", b"\xfd7zXZ".to_vec()));
    let found = hint(&elf);
    assert!(
        found.contains("in its compressed section .gnu_debugdata"),
        "{found}"
    );
    let found = message(elf.binary().functions("hidden*"));
    assert!(
        found.contains("no function matches `hidden*` (the file is stripped"),
        "{found}"
    );
    elf.full = vec![Sym("main", FUNC, TEXT, code(1).0, 0)];
    assert!(hint(&elf).contains("it may be inlined"));
    // No section headers at all.
    let mut bytes = elf.write();
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    let binary = Binary::from_bytes("fixture".as_ref(), bytes);
    let found = message(binary.function("main"));
    assert!(found.contains("the file has no section headers"), "{found}");
}

#[test]
fn finds_usdt_probes_in_every_form_of_file() {
    all_forms(|mut elf| {
        let mut notes = Vec::new();
        for (owner, kind) in [("stapsdt\0", 3u32), ("other\0\0\0", 3), ("stapsdt\0", 4)] {
            let mut contents = [code(3).0 - 0x20, 0x4fe0, DATA.0 + 8 - 0x20]
                .iter()
                .flat_map(|address| elf.long(*address))
                .collect::<Vec<_>>();
            contents.extend(b"python\0gc__start\0-4@%eax\0");
            for word in [8, contents.len() as u32, kind] {
                notes.extend(elf.word(word));
            }
            notes.extend(owner.as_bytes());
            contents.resize(contents.len().next_multiple_of(4), 0);
            notes.extend(contents);
        }
        elf.others = vec![(".note.stapsdt", notes), (".stapsdt.base", vec![0])];
        let probes = elf.binary().static_probes().unwrap();
        assert_eq!(
            probes,
            [StaticProbe {
                provider: "python".to_owned(),
                name: "gc__start".to_owned(),
                offset: code(3).1,
                address: code(3).0,
                semaphore: Some(DATA.1 + 8),
                arguments: "-4@%eax".to_owned(),
            }]
        );
        // A note that says to be longer than its section.
        elf.others[0].1.truncate(40);
        assert!(elf.binary().static_probes().is_err());
    });
}

/// Opens this test program: with symbols, and functions of its own.
fn own() -> Binary {
    let path = std::env::current_exe().unwrap();
    Binary::open(path.to_str().unwrap()).unwrap()
}

#[test]
fn finds_functions_of_a_real_program() {
    let own = own();
    let main = own.function("main").unwrap();
    assert!(main > 0);
    let like = own.functions("mai?").unwrap();
    assert!(like.iter().any(|f| f.name == "main" && f.offset == main));
    let e = own.function("maiin").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(
        e.to_string()
            .contains("function `maiin` not found (did you mean `main`"),
        "{e}"
    );
    assert!(own.functions("no_such_*_function").is_err());
    assert!(own.static_probes().unwrap().len() < 1000);
}

#[test]
fn searches_directories_of_libraries() {
    let libc = Binary::open("libc.so.6").unwrap();
    assert!(libc.path().is_absolute());
    assert!(libc.is_relocatable().unwrap());
    let malloc = libc.function("malloc").unwrap();
    let found = libc.functions("mallo?").unwrap();
    assert!(found.iter().any(|f| f.offset == malloc));
    let e = Binary::open("libno-such.so.1").unwrap_err();
    assert!(e.to_string().contains("is in no directory of"), "{e}");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn names_the_ifuncs_of_glibc() {
    let libc = Binary::open("libc.so.6").unwrap();
    for name in ["strlen", "memcpy"] {
        let e = libc.function(name).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unsupported, "{e}");
        assert!(e.to_string().contains("is an IFUNC"), "{e}");
    }
    let old = libc.function("pthread_cond_wait@GLIBC_2.2.5").unwrap();
    let new = libc.function("pthread_cond_wait@@GLIBC_2.3.2").unwrap();
    assert_ne!(old, new);
    assert_eq!(libc.function("pthread_cond_wait").unwrap(), new);
    assert!(libc.function("pthread_cond_wait@GLIBC_9").is_err());
}

/// Reads a file by every function.
fn exercise(bytes: Vec<u8>) {
    let binary = Binary::from_bytes("damaged".as_ref(), bytes);
    let _ = binary.static_probes();
    let _ = binary.function_offsets(&["main", "f@V1", "fi"]);
    let _ = binary.functions("*i*");
}

#[test]
fn reads_damaged_files_without_panic() {
    all_forms(|mut elf| {
        elf.versions = vec!["V1", "V2"];
        elf.dynamic = vec![
            Sym("f", GLOBAL | FUNC, TEXT, code(1).0, 2),
            Sym("main", GLOBAL | FUNC, TEXT, code(2).0, 3),
        ];
        elf.full = vec![Sym("first", FUNC, TEXT, code(4).0, 0)];
        elf.others = vec![(".note.stapsdt", vec![8, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0])];
        let whole = elf.write();
        for len in (0..whole.len()).filter(|len| *len < 200 || *len > 0x3000) {
            exercise(whole[..len].to_vec());
        }
        for byte in (0..200).chain(0x3000..whole.len()) {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1 << (byte % 8);
            exercise(damaged.clone());
            damaged[byte] = 0xff;
            exercise(damaged);
        }
    });
}

#[test]
fn takes_linear_time_for_symbols_that_share_one_string() {
    const COUNT: usize = 40_000;
    // 40,000 symbols, each named by an end of one string of a megabyte.
    let name = "ab".repeat(COUNT * 13);
    let name: &'static str = name.leak();
    let elf = fixture::Elf {
        dynamic: (0..COUNT)
            .map(|_| Sym("", GLOBAL | FUNC, TEXT, CODE.0, 1))
            .chain([Sym(name, GLOBAL | FUNC, TEXT, code(1).0, 1)])
            .collect(),
        ..fixture::Elf::default()
    };
    let mut bytes = elf.write();
    // The table comes first behind the segments, and its strings end with the long one.
    for n in 0..COUNT {
        let at = 0x3000 + 24 * (n + 1);
        let offset = COUNT as u32 + 1 + 13 * n as u32;
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&(CODE.0 + n as u64 % 2000).to_le_bytes());
    }
    let start = Instant::now();
    let binary = Binary::from_bytes("tails".as_ref(), bytes);
    assert!(binary.function("main").is_err());
    assert!(binary.matching_offsets("*a?").is_ok());
    assert!(binary.matching_offsets("a*b*a*b").is_ok());
    assert!(binary.matching_offsets("*aa*b").is_err());
    let e = binary.functions("*").unwrap_err();
    assert!(e.to_string().contains("names overlap"), "{e}");
    // Quadratic time is minutes.
    assert!(start.elapsed() < Duration::from_secs(10));
}
