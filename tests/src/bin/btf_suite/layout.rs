//! Comparison of sizes and offsets between BTF and its C header, by clang.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use btf_core::btf::{Btf, Kind, Type};

use crate::Result;

/// The compiler.
pub(crate) struct Layout {
    clang: String,
}

impl Layout {
    pub(crate) fn new(clang: &str) -> Layout {
        Layout {
            clang: clang.to_owned(),
        }
    }

    /// Has clang compile a header with an assertion for each size and offset.
    ///
    /// # Errors
    /// With clang's first error message.
    pub(crate) fn check(&self, btf: &Btf, header: &str) -> Result<()> {
        let failed = |e| format!("cannot run {}: {e}", self.clang);
        let mut clang = Command::new(&self.clang)
            .args(["--target=bpfel", "-fsyntax-only", "-w", "-xc", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let source = format!("{header}\n{}", assertions(btf));
        if let Some(mut stdin) = clang.stdin.take() {
            stdin.write_all(source.as_bytes()).map_err(failed)?;
        }
        let output = clang.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let first = text.lines().find(|line| line.contains("error:"));
        Err(format!("clang: {}", first.unwrap_or_default()))
    }
}

/// Returns assertions for structs, unions and enums with a unique name.
fn assertions(btf: &Btf) -> String {
    let mut text = String::new();
    let composites = btf
        .types()
        .filter(|ty| word(*ty).is_some() && !ty.is_anonymous());
    let composites: Vec<Type<'_>> = composites.collect();
    for ty in &composites {
        if composites
            .iter()
            .filter(|other| other.name() == ty.name())
            .count()
            > 1
        {
            continue;
        }
        let name = format!("{} {}", word(*ty).unwrap_or_default(), ty.name());
        let size = ty.byte_size().unwrap_or(0);
        let _ = writeln!(
            text,
            "_Static_assert(sizeof({name}) == {size}, \"{name}\");"
        );
        offsets(*ty, 0, &name, &mut text);
    }
    text
}

fn word(ty: Type<'_>) -> Option<&'static str> {
    match ty.kind() {
        Kind::STRUCT => Some("struct"),
        Kind::UNION => Some("union"),
        Kind::ENUM | Kind::ENUM64 if !ty.enumerators().is_empty() => Some("enum"),
        _ => None,
    }
}

/// Members of `ty`, which is `bits` into the struct of this name.
fn offsets(ty: Type<'_>, bits: u64, name: &str, text: &mut String) {
    for member in ty.members().iter() {
        let at = bits + u64::from(member.bit_offset());
        let inner = member.ty();
        if member.name().is_empty() {
            offsets(inner, at, name, text);
        } else if member.bitfield_size().is_none() {
            let (member, at) = (member.name(), at / 8);
            let _ = writeln!(
                text,
                "_Static_assert(__builtin_offsetof({name}, {member}) == {at}, \"{name}.{member}\");"
            );
        }
    }
}
