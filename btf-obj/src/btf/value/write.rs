//! The text itself, as JSON or like C: brackets, names, commas, lines. Never longer than its limit.

use std::fmt::{self, Write};

use super::Options;
use crate::error::{Error, ErrorKind, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    C,
}

/// What has no parts.
pub(super) enum Scalar<'a> {
    Unsigned(u128),
    Signed(i128),
    /// A pointer, or an integer of more than 64 bits.
    Hex(u128),
    Bool(bool),
    /// A printable one.
    Char(u8),
    /// Of an enum.
    Name(&'a str),
    Text(&'a str),
    Single(f32),
    Double(f64),
    Bytes(&'a [u8]),
}

pub(super) struct Writer {
    style: Style,
    pretty: bool,
    limit: usize,
    out: String,
    depth: usize,
    /// Whether nothing stands yet in the innermost brackets.
    is_empty: bool,
}

impl Writer {
    pub(super) fn new(style: Style, options: &Options) -> Self {
        Writer {
            style,
            pretty: options.pretty,
            limit: options.limit,
            out: String::new(),
            depth: 0,
            is_empty: true,
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn open_struct(&mut self) -> Result<()> {
        self.open("{")
    }

    pub(super) fn open_array(&mut self) -> Result<()> {
        self.open(match self.style {
            Style::Json => "[",
            Style::C => "{",
        })
    }

    fn open(&mut self, bracket: &str) -> Result<()> {
        self.depth += 1;
        self.is_empty = true;
        self.push(bracket)
    }

    pub(super) fn close_struct(&mut self) -> Result<()> {
        self.close("}")
    }

    pub(super) fn close_array(&mut self) -> Result<()> {
        self.close(match self.style {
            Style::Json => "]",
            Style::C => "}",
        })
    }

    fn close(&mut self, bracket: &str) -> Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            if self.pretty && self.style == Style::C {
                self.push(",")?;
            }
            self.space()?;
        }
        self.is_empty = false;
        self.push(bracket)
    }

    /// Before an element of an array.
    pub(super) fn element(&mut self) -> Result<()> {
        if !self.is_empty {
            self.push(",")?;
        }
        self.is_empty = false;
        self.space()
    }

    /// Before a member.
    pub(super) fn name(&mut self, name: &str) -> Result<()> {
        self.element()?;
        match self.style {
            Style::Json => {
                let name = if name.is_empty() { "(anon)" } else { name };
                self.quote(name)?;
                self.push(if self.pretty { ": " } else { ":" })
            }
            Style::C if name.is_empty() => Ok(()),
            Style::C => self.print(format_args!(".{name} = ")),
        }
    }

    /// What stands between two parts, and between parts and brackets.
    fn space(&mut self) -> Result<()> {
        match (self.pretty, self.style) {
            (true, _) => {
                self.push("\n")?;
                for _ in 0..self.depth {
                    self.push("\t")?;
                }
                Ok(())
            }
            (false, Style::C) => self.push(" "),
            (false, Style::Json) => Ok(()),
        }
    }

    pub(super) fn scalar(&mut self, scalar: &Scalar<'_>) -> Result<()> {
        let json = self.style == Style::Json;
        match *scalar {
            Scalar::Unsigned(n) => self.print(format_args!("{n}")),
            Scalar::Signed(n) => self.print(format_args!("{n}")),
            Scalar::Hex(n) if json => self.print(format_args!("\"{n:#x}\"")),
            Scalar::Hex(n) => self.print(format_args!("{n:#x}")),
            Scalar::Bool(b) => self.print(format_args!("{b}")),
            Scalar::Char(c) if json => self.print(format_args!("{c}")),
            Scalar::Char(c @ (b'\'' | b'\\')) => self.print(format_args!("'\\{}'", char::from(c))),
            Scalar::Char(c) => self.print(format_args!("'{}'", char::from(c))),
            Scalar::Name(name) if !json => self.push(name),
            Scalar::Name(text) | Scalar::Text(text) => self.quote(text),
            Scalar::Single(n) if json && !n.is_finite() => self.print(format_args!("\"{n}\"")),
            Scalar::Single(n) => self.print(format_args!("{n:?}")),
            Scalar::Double(n) if json && !n.is_finite() => self.print(format_args!("\"{n}\"")),
            Scalar::Double(n) => self.print(format_args!("{n:?}")),
            Scalar::Bytes(bytes) => {
                self.push("\"")?;
                for b in bytes {
                    self.print(format_args!("{b:02x}"))?;
                }
                self.push("\"")
            }
        }
    }

    fn quote(&mut self, text: &str) -> Result<()> {
        self.push("\"")?;
        for c in text.chars() {
            match c {
                '"' | '\\' => self.print(format_args!("\\{c}"))?,
                '\0'..=' ' if c != ' ' => self.print(format_args!("\\u{:04x}", u32::from(c)))?,
                _ => self.print(format_args!("{c}"))?,
            }
        }
        self.push("\"")
    }

    fn print(&mut self, what: fmt::Arguments<'_>) -> Result<()> {
        // Writing into a string does not fail.
        let _ = self.out.write_fmt(what);
        self.check()
    }

    fn push(&mut self, text: &str) -> Result<()> {
        self.out.push_str(text);
        self.check()
    }

    fn check(&self) -> Result<()> {
        if self.out.len() > self.limit {
            return Err(too_long());
        }
        Ok(())
    }
}

pub(super) fn too_long() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "its text is longer than the limit (value::Options::limit)",
    )
}
