//! One configuration value as bytes of its extern. Rules are libbpf's (`set_kcfg_value_*`).

use crate::error::{Error, ErrorKind, Result};
use crate::obj::{ConfigExtern, ConfigForm};

/// Writes what a configuration says, `y`, `"text"` or `0x10`, into the bytes of an extern; says if that did not go well.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if that is no value of the extern's type.
pub(super) fn write(value: &str, to: ConfigExtern, bytes: &mut [u8]) -> Result<Option<String>> {
    match value.as_bytes() {
        [b'y' | b'n' | b'm', ..] => answer(value, to, bytes)?,
        [b'"', ..] => return text(value, to, bytes),
        _ => {
            let number = parse(value)
                .ok_or_else(|| unfit(value, "neither y, m or n, a number nor a string"))?;
            if to.form == ConfigForm::Bool {
                return Err(unfit(value, "a number").hint("declare it as an integer"));
            }
            write_number(number, value, to, bytes)?;
        }
    }
    Ok(None)
}

/// Writes a number that comes from elsewhere than the configuration.
///
/// # Errors
///
/// As [`write`].
pub(super) fn number(number: u64, to: ConfigExtern, bytes: &mut [u8]) -> Result<()> {
    write_number(number, &number.to_string(), to, bytes)
}

/// What an extern of this form is declared as.
pub(super) fn type_name(to: ConfigExtern) -> String {
    let sign = |signed: bool| if signed { "signed" } else { "unsigned" };
    match to.form {
        ConfigForm::Bool => "bool".to_owned(),
        ConfigForm::Tristate => "enum libbpf_tristate".to_owned(),
        ConfigForm::Char { signed } => format!("{} char", sign(signed)),
        ConfigForm::Int { signed } => format!("{} integer of {} bytes", sign(signed), to.size),
        ConfigForm::Chars => format!("char[{}]", to.size),
    }
}

fn unfit(value: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("it is {value}, {what}"))
}

fn answer(value: &str, to: ConfigExtern, bytes: &mut [u8]) -> Result<()> {
    let first = value.as_bytes()[0];
    match to.form {
        ConfigForm::Bool if first == b'm' => {
            return Err(unfit(value, "a module").hint("declare it as enum libbpf_tristate"));
        }
        ConfigForm::Bool => bytes[0] = u8::from(first == b'y'),
        ConfigForm::Tristate => {
            let number = match first {
                b'y' => 1u32,
                b'm' => 2,
                _ => 0,
            };
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
        ConfigForm::Char { .. } => bytes[0] = first,
        ConfigForm::Int { .. } | ConfigForm::Chars => {
            return Err(
                unfit(value, "an answer").hint("declare it as bool, enum libbpf_tristate or char")
            );
        }
    }
    Ok(())
}

fn text(value: &str, to: ConfigExtern, bytes: &mut [u8]) -> Result<Option<String>> {
    if to.form != ConfigForm::Chars {
        return Err(unfit(value, "a string").hint("declare it as an array of char"));
    }
    let Some(inner) = value[1..].strip_suffix('"') else {
        return Err(unfit(value, "a string without an end"));
    };
    let len = inner.len().min(bytes.len() - 1);
    bytes.fill(0);
    bytes[..len].copy_from_slice(&inner.as_bytes()[..len]);
    let need = inner.len() + 1;
    Ok((len < inner.len()).then(|| {
        format!("{value} is cut to the {len} bytes that fit (declare it as char[{need}] or longer)")
    }))
}

/// A number as C's `strtoull` reads it with base 0: decimal, `0x` or octal, and negative ones wrapped.
fn parse(value: &str) -> Option<u64> {
    let (negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // `from_str_radix` takes a sign of its own.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

fn write_number(number: u64, value: &str, to: ConfigExtern, bytes: &mut [u8]) -> Result<()> {
    let signed = match to.form {
        ConfigForm::Int { signed } | ConfigForm::Char { signed } => signed,
        ConfigForm::Bool if number <= 1 => false,
        ConfigForm::Bool => return Err(unfit(value, "neither 0 nor 1")),
        ConfigForm::Tristate | ConfigForm::Chars => {
            return Err(unfit(value, "a number").hint("declare it as an integer"));
        }
    };
    if !fits(number, to.size, signed) {
        return Err(
            unfit(value, &format!("which does not fit {} bytes", to.size))
                .hint("declare it as a larger integer"),
        );
    }
    let word = number.to_ne_bytes();
    if cfg!(target_endian = "little") {
        bytes.copy_from_slice(&word[..to.size]);
    } else {
        bytes.copy_from_slice(&word[8 - to.size..]);
    }
    Ok(())
}

fn fits(number: u64, size: usize, signed: bool) -> bool {
    if size >= 8 {
        return true;
    }
    let bits = size as u32 * 8;
    if signed {
        number.wrapping_add(1 << (bits - 1)) < 1 << bits
    } else {
        number >> bits == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOL: ConfigForm = ConfigForm::Bool;
    const CHAR: ConfigForm = ConfigForm::Char { signed: true };
    const INT: ConfigForm = ConfigForm::Int { signed: true };
    const UINT: ConfigForm = ConfigForm::Int { signed: false };

    fn written(value: &str, form: ConfigForm, size: usize) -> Result<Vec<u8>, String> {
        let to = ConfigExtern {
            form,
            offset: 0,
            size,
        };
        let mut bytes = vec![0; size];
        match write(value, to, &mut bytes) {
            Ok(None) => Ok(bytes),
            Ok(Some(cut)) => Err(cut),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn answers_are_kept_by_type() {
        assert_eq!(written("y", BOOL, 1).unwrap(), [1]);
        assert_eq!(written("n", BOOL, 1).unwrap(), [0]);
        assert_eq!(
            written("m", BOOL, 1).unwrap_err(),
            "it is m, a module (declare it as enum libbpf_tristate)"
        );
        let tristate = |value| written(value, ConfigForm::Tristate, 4).unwrap();
        assert_eq!(tristate("m"), 2u32.to_ne_bytes());
        assert_eq!(tristate("y"), 1u32.to_ne_bytes());
        assert_eq!(tristate("n"), [0; 4]);
        assert_eq!(written("m", CHAR, 1).unwrap(), [b'm']);
        assert_eq!(
            written("y", INT, 4).unwrap_err(),
            "it is y, an answer (declare it as bool, enum libbpf_tristate or char)"
        );
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        assert_eq!(written("250", INT, 4).unwrap(), 250u32.to_ne_bytes());
        assert_eq!(written("-1", INT, 2).unwrap(), [0xff, 0xff]);
        assert_eq!(written("0xffff", UINT, 2).unwrap(), [0xff, 0xff]);
        assert_eq!(written("017", UINT, 8).unwrap(), 15u64.to_ne_bytes());
        assert_eq!(written("-128", CHAR, 1).unwrap(), [0x80]);
        assert_eq!(written("0", INT, 8).unwrap(), [0; 8]);
        for (value, form, size) in [
            ("32768", INT, 2),
            ("-32769", INT, 2),
            ("65536", UINT, 2),
            ("-1", UINT, 4),
            ("0x80000000", INT, 4),
            ("128", CHAR, 1),
        ] {
            let e = written(value, form, size).unwrap_err();
            let expected = format!(
                "it is {value}, which does not fit {size} bytes (declare it as a larger integer)"
            );
            assert_eq!(e, expected);
        }
        assert_eq!(
            written("1", BOOL, 1).unwrap_err(),
            "it is 1, a number (declare it as an integer)"
        );
        for bad in [
            "",
            "-",
            "0x",
            "0x+1",
            "+-1",
            "1z",
            "08",
            "18446744073709551616",
            "Y",
        ] {
            let e = written(bad, INT, 8).unwrap_err();
            assert!(
                e.ends_with("neither y, m or n, a number nor a string"),
                "{e}"
            );
        }
    }

    #[test]
    fn strings_fit_with_their_end() {
        let chars = |value, size| written(value, ConfigForm::Chars, size);
        assert_eq!(chars("\"ab\"", 4).unwrap(), *b"ab\0\0");
        assert_eq!(chars("\"\"", 1).unwrap(), [0]);
        assert_eq!(
            chars("\"abc\"", 3).unwrap_err(),
            "\"abc\" is cut to the 2 bytes that fit (declare it as char[4] or longer)"
        );
        let to = ConfigExtern {
            form: ConfigForm::Chars,
            offset: 0,
            size: 3,
        };
        let mut bytes = [7; 3];
        write("\"abc\"", to, &mut bytes).unwrap();
        assert_eq!(bytes, *b"ab\0");
        assert_eq!(
            chars("\"", 3).unwrap_err(),
            "it is \", a string without an end"
        );
        assert_eq!(
            written("\"x\"", INT, 4).unwrap_err(),
            "it is \"x\", a string (declare it as an array of char)"
        );
    }
}
