//! Whether prototypes agree: a declaration with its target, and two kernels' in what a program reads.

use super::{Arg, Prototype, Read};
use crate::btf::{Int, IntEncoding, Kind, Type};
use crate::relo::essential_name;

/// As many pointers to pointers as are looked through.
const MAX_DEPTH: usize = 8;

/// Of BPF's pointers.
const POINTER_SIZE: u64 = 8;

/// Returns why a declaration misreads its attach target: a sentence about the first wrong argument.
///
/// A declaration may have fewer arguments than the target. What a program reads of an argument is
/// as many low bytes of its word as it declares, so that these are right:
///
/// * an integer of the same size or narrower, of either sign: its bits are the argument's, as in a
///   conversion in C;
/// * an integer wider than an unsigned argument of a tracepoint, which zeros follow. Behind a
///   signed one its sign would be missing, and behind an argument of a function the rest of a
///   register;
/// * `void *` for any pointer, and for an unsigned integer of a pointer's size, or the other way
///   round: neither claims what is at the address. A signed one is more likely another argument;
/// * an integer or `void *` for a word of a struct that is passed by value.
pub fn incompatible_args(declared: &Prototype<'_>, actual: &Prototype<'_>) -> Option<String> {
    for (n, own) in declared.args().iter().enumerate() {
        let Some((at, arg)) = actual.at_word(own.word) else {
            if actual.is_variadic() {
                return None;
            }
            return Some(count(declared, actual));
        };
        if !fits(own, arg, actual.is_extended()) {
            let place = place(at, arg);
            return Some(format!(
                "{place} is `{}` and is declared `{}`{}",
                arg.declaration(),
                own.declaration(),
                if at == n {
                    ""
                } else {
                    " after another that takes two words"
                },
            ));
        }
    }
    None
}

fn count(declared: &Prototype<'_>, actual: &Prototype<'_>) -> String {
    let count = |n: usize| match n {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        n => format!("{n} arguments"),
    };
    let results = actual.args().iter().filter(|arg| arg.is_result).count();
    let result = if results > 0 { " and the result" } else { "" };
    format!(
        "{} and is declared with {}",
        // The subject is the target.
        format_args!("it has {}{result}", count(actual.args().len() - results)),
        declared.args().len()
    )
}

/// What changed between two kernels in what a program reads: a sentence about the first argument that is not what it was.
///
/// `reads` are the parts of the context that it reads, everything if that is not known; `declared` is how it was declared.
/// What is declared to be what the running kernel has is right there, whatever it is built for.
pub fn prototype_change(
    built: &Prototype<'_>,
    running: &Prototype<'_>,
    declared: Option<&Prototype<'_>>,
    reads: Option<&[Read]>,
) -> Option<String> {
    let all: Vec<Read>;
    let reads = match reads {
        Some(reads) => reads,
        None => {
            let words = declared.map_or(built.words(), Prototype::words);
            all = (0..words)
                .map(|word| Read {
                    offset: word * 8,
                    size: 8,
                })
                .collect();
            &all
        }
    };
    reads.iter().find_map(|read| {
        let word = read.offset / 8;
        let (n, was) = built.at_word(word)?;
        let own = declared.and_then(|d| d.at_word(word)).map(|(_, arg)| arg);
        let Some((m, is)) = running.at_word(word) else {
            return Some(format!("{} `{}` is gone", place(n, was), was.declaration()));
        };
        let is_right = own.is_some_and(|own| {
            !is_untyped(own, is) && own.word == is.word && fits(own, is, running.is_extended())
        });
        let width = read.offset % 8 + read.size;
        let width = own
            .and_then(|own| own.ty.byte_size())
            .map_or(width, |declared| {
                width.min(declared.try_into().unwrap_or(8))
            });
        let is_same = was.is_result == is.is_result
            && was.word == is.word
            && same(was.ty, is.ty, width.into());
        if is_right || is_same {
            return None;
        }
        let (was_place, is_place) = (place(n, was), place(m, is));
        let is_place = if was_place == is_place {
            String::new()
        } else {
            format!("{is_place} ")
        };
        Some(format!(
            "{was_place} was `{}` and is {is_place}`{}`",
            was.declaration(),
            is.declaration()
        ))
    })
}

fn place(n: usize, arg: &Arg<'_>) -> String {
    if arg.is_result {
        "the result".to_owned()
    } else {
        format!("argument {}", n + 1)
    }
}

/// Whether a declaration takes an argument for a word and says nothing of its type.
fn is_untyped(own: &Arg<'_>, arg: &Arg<'_>) -> bool {
    is_any_pointer(own.ty) || (scalar(own.ty.strip()).is_some() && pointee(arg.ty).is_some())
}

fn is_any_pointer(ty: Type<'_>) -> bool {
    pointee(ty).is_some_and(|to| to.strip().is_void())
}

fn pointee(ty: Type<'_>) -> Option<Type<'_>> {
    let ty = ty.strip();
    (ty.kind() == Kind::PTR).then(|| ty.target()).flatten()
}

/// Whether a declaration reads an argument as what it is. `is_extended` says that zeros follow a narrow one.
fn fits(own: &Arg<'_>, arg: &Arg<'_>, is_extended: bool) -> bool {
    let (declared, actual) = (own.ty.strip(), arg.ty.strip());
    // One word of a struct that is passed by value, as `BPF_PROG` reads it.
    if actual.kind().is_composite() && !declared.kind().is_composite() {
        return scalar(declared).is_some() || is_any_pointer(declared);
    }
    if own.word != arg.word {
        return false;
    }
    match (scalar(declared), scalar(actual)) {
        (Some(number), None) if pointee(actual).is_some() => number.is_address(),
        (None, Some(number)) if is_any_pointer(declared) => number.is_address(),
        (Some(declared), Some(actual)) => {
            declared.size <= actual.size || (is_extended && actual.is_unsigned())
        }
        (None, None) => match (pointee(declared), pointee(actual)) {
            (Some(declared), Some(actual)) => {
                same_pointee(declared, actual, Void::FitsAll, MAX_DEPTH)
            }
            (None, None) => same_value(declared, actual),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the low `width` bytes of two kernels' arguments mean the same.
fn same(was: Type<'_>, is: Type<'_>, width: u64) -> bool {
    let (was, is) = (was.strip(), is.strip());
    match (scalar(was), scalar(is)) {
        // Bytes after a narrow integer do not depend on its signedness: they are zeros, or the rest
        // of a register.
        (Some(was), Some(is)) => was.size == is.size || width <= was.size.min(is.size),
        (Some(number), None) if is_any_pointer(is) => number.is_address(),
        (None, Some(number)) if is_any_pointer(was) => number.is_address(),
        (None, None) => match (pointee(was), pointee(is)) {
            (Some(was), Some(is)) => same_pointee(was, is, Void::IsVoid, MAX_DEPTH),
            (None, None) => same_value(was, is),
            _ => false,
        },
        _ => false,
    }
}

/// An integer or enum.
#[derive(Clone, Copy)]
struct Scalar {
    size: u64,
    signed: bool,
    is_enum: bool,
}

impl Scalar {
    /// C leaves the sign of enums to the compiler.
    fn is_unsigned(self) -> bool {
        !self.signed && !self.is_enum
    }

    /// Returns `true` for a type that C programs keep addresses in: `unsigned long`.
    fn is_address(self) -> bool {
        self.size == POINTER_SIZE && self.is_unsigned()
    }
}

fn scalar(ty: Type<'_>) -> Option<Scalar> {
    let is_signed = |int: Int| int.encoding.contains(IntEncoding::SIGNED);
    let is_enum = ty.kind().is_any_enum();
    (is_enum || ty.kind() == Kind::INT).then(|| Scalar {
        size: ty.byte_size().unwrap_or(0),
        signed: ty.int().is_some_and(is_signed),
        is_enum,
    })
}

/// Structs passed by value, and what else is neither number nor pointer.
fn same_value(a: Type<'_>, b: Type<'_>) -> bool {
    a.byte_size() == b.byte_size() && same_name(a, b)
}

fn same_name(a: Type<'_>, b: Type<'_>) -> bool {
    essential_name(a.name_bytes()) == essential_name(b.name_bytes())
}

/// What `void *` on one side means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Void {
    FitsAll,
    IsVoid,
}

fn same_pointee(a: Type<'_>, b: Type<'_>, void: Void, depth: usize) -> bool {
    let (a, b) = (a.strip(), b.strip());
    if a.is_void() || b.is_void() {
        return a.is_void() == b.is_void() || void == Void::FitsAll;
    }
    let is_composite = |ty: Type<'_>| ty.kind().is_composite() || ty.kind() == Kind::FWD;
    if is_composite(a) && is_composite(b) {
        return same_name(a, b);
    }
    match (scalar(a), scalar(b), pointee(a), pointee(b)) {
        (Some(a), Some(b), ..) => a.size == b.size,
        (None, None, Some(a), Some(b)) => depth == 0 || same_pointee(a, b, void, depth - 1),
        _ => a.kind() == b.kind(),
    }
}
