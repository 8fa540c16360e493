//! Where a static probe's arguments are, from the compiler's words to what `<bpf/usdt.bpf.h>` reads.
//!
//! Source: the notations of GNU as for each architecture, the layout of registers in each kernel's `struct pt_regs`, and
//! `struct __bpf_usdt_spec` of libbpf 1.7's `usdt.bpf.h`.

use crate::error::{Context, Error, ErrorKind, Result};

/// Bytes of `struct __bpf_usdt_spec`: twelve arguments, the cookie, and how many arguments there are.
const SPEC_SIZE: usize = MOST * ARG_SIZE + 16;
const MOST: usize = 12;
const ARG_SIZE: usize = 24;

/// An architecture whose notation is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    X86_64,
    Aarch64,
    Riscv64,
    S390x,
}

impl Machine {
    /// The running kernel's.
    pub(crate) fn own() -> Result<Machine> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Machine::X86_64),
            "aarch64" => Ok(Machine::Aarch64),
            "riscv64" => Ok(Machine::Riscv64),
            "s390x" => Ok(Machine::S390x),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("arguments of static probes are not read on {other}"),
            )),
        }
    }

    /// What comes before a register's name.
    fn register_mark(self) -> &'static str {
        match self {
            Machine::X86_64 | Machine::S390x => "%",
            Machine::Aarch64 | Machine::Riscv64 => "",
        }
    }

    /// What comes before a constant.
    fn constant_mark(self) -> &'static str {
        match self {
            Machine::X86_64 => "$",
            _ => "",
        }
    }

    /// Where a register is in `struct pt_regs`.
    fn register(self, name: &str) -> Option<u16> {
        match self {
            Machine::X86_64 => x86_64(name),
            Machine::Aarch64 => match name {
                "sp" => Some(31 * 8),
                _ => numbered(name, "x", 31).map(|n| n * 8),
            },
            Machine::Riscv64 => riscv64(name),
            // Behind an unused word and the program status word.
            Machine::S390x => numbered(name, "r", 16).map(|n| 24 + n * 8),
        }
    }
}

/// The number in `x17`, if it is below `end`.
fn numbered(name: &str, letter: &str, end: u16) -> Option<u16> {
    let digits = name.strip_prefix(letter)?;
    digits.parse().ok().filter(|n| *n < end)
}

/// Registers in the order of `struct pt_regs`; their smaller parts are at the same place.
fn x86_64(name: &str) -> Option<u16> {
    const ORDER: [&[&str]; 20] = [
        &["r15"],
        &["r14"],
        &["r13"],
        &["r12"],
        &["rbp", "ebp", "bp", "bpl"],
        &["rbx", "ebx", "bx", "bl"],
        &["r11"],
        &["r10"],
        &["r9"],
        &["r8"],
        &["rax", "eax", "ax", "al"],
        &["rcx", "ecx", "cx", "cl"],
        &["rdx", "edx", "dx", "dl"],
        &["rsi", "esi", "si", "sil"],
        &["rdi", "edi", "di", "dil"],
        &[], // orig_rax
        &["rip", "eip"],
        &[], // cs
        &[], // flags
        &["rsp", "esp", "sp", "spl"],
    ];
    // `r8d`, `r8w` and `r8b` are parts of `r8`.
    let whole = match name.strip_suffix(['d', 'w', 'b']) {
        Some(whole) if numbered(whole, "r", 16).is_some_and(|n| n >= 8) => whole,
        _ => name,
    };
    let at = ORDER.iter().position(|names| names.contains(&whole))?;
    Some(at as u16 * 8)
}

/// Registers in the order of `struct user_regs_struct`.
fn riscv64(name: &str) -> Option<u16> {
    const ORDER: [&str; 32] = [
        "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4",
        "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4",
        "t5", "t6",
    ];
    let at = ORDER.iter().position(|register| *register == name)?;
    Some(at as u16 * 8)
}

/// Where an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Constant(i64),
    Register(u16),
    /// In memory, at a register and an offset.
    Memory(u16, i64),
    /// In memory, at a register, another one shifted, and an offset.
    Indexed(u16, u16, u8, i64),
}

/// An argument: its size in bytes, negative if it has a sign, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Argument {
    size: i8,
    operand: Operand,
}

/// The bytes of `struct __bpf_usdt_spec` for a probe's arguments.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] naming the argument that is not understood, or that there are more than twelve.
pub(crate) fn spec(machine: Machine, arguments: &str, cookie: u64) -> Result<[u8; SPEC_SIZE]> {
    let arguments = parse(machine, arguments).context(|| format!("arguments `{arguments}`"))?;
    let mut spec = [0; SPEC_SIZE];
    for (bytes, argument) in spec
        .as_chunks_mut::<ARG_SIZE>()
        .0
        .iter_mut()
        .zip(&arguments)
    {
        *bytes = encode(*argument);
    }
    spec[MOST * ARG_SIZE..][..8].copy_from_slice(&cookie.to_ne_bytes());
    let count = (arguments.len() as u16).to_ne_bytes();
    spec[MOST * ARG_SIZE + 8..][..2].copy_from_slice(&count);
    Ok(spec)
}

/// The bytes of `struct __bpf_usdt_arg_spec`.
fn encode(argument: Argument) -> [u8; ARG_SIZE] {
    let (kind, register, index, shift, value) = match argument.operand {
        Operand::Constant(value) => (0u8, 0, 0, 0, value),
        Operand::Register(register) => (1, register, 0, 0, 0),
        Operand::Memory(register, offset) => (2, register, 0, 0, offset),
        Operand::Indexed(register, index, shift, offset) => (3, register, index, shift, offset),
    };
    let mut bytes = [0; ARG_SIZE];
    bytes[..8].copy_from_slice(&value.to_ne_bytes());
    // Twelve bits and four, in the order in which C fills a number with them.
    let scaled = if cfg!(target_endian = "little") {
        bytes[8] = kind;
        index | u16::from(shift) << 12
    } else {
        bytes[12] = kind;
        index << 4 | u16::from(shift)
    };
    bytes[10..12].copy_from_slice(&scaled.to_ne_bytes());
    bytes[14..16].copy_from_slice(&register.to_ne_bytes());
    bytes[16] = u8::from(argument.size < 0);
    bytes[17] = 64 - 8 * argument.size.unsigned_abs();
    bytes
}

fn parse(machine: Machine, text: &str) -> Result<Vec<Argument>> {
    let mut cursor = Cursor(text.trim_ascii_start());
    let mut arguments = Vec::new();
    while !cursor.0.is_empty() {
        let rest = cursor.0;
        if arguments.len() == MOST {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("there are more than {MOST}"),
            ));
        }
        let argument = cursor.argument(machine).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("argument {} (`{rest}`) is not understood", arguments.len()),
            )
        })?;
        arguments.push(argument);
    }
    Ok(arguments)
}

/// What is left to read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn argument(&mut self, machine: Machine) -> Option<Argument> {
        let size = i8::try_from(self.number()?).ok()?;
        if !matches!(size.unsigned_abs(), 1 | 2 | 4 | 8) || !self.take("@") {
            return None;
        }
        let operand = match machine {
            Machine::Aarch64 => self.in_brackets(machine),
            _ => self.in_parentheses(machine),
        }?;
        // The next one begins after a space.
        let is_over = self.0.is_empty() || self.0.starts_with(char::is_whitespace);
        self.0 = self.0.trim_ascii_start();
        is_over.then_some(Argument { size, operand })
    }

    /// `[REG]`, `[REG, OFFSET]`, `REG` or `CONSTANT`.
    fn in_brackets(&mut self, machine: Machine) -> Option<Operand> {
        if !self.take("[") {
            return match self.number() {
                Some(value) => Some(Operand::Constant(value)),
                None => self.register(machine).map(Operand::Register),
            };
        }
        let register = self.register(machine)?;
        let offset = if self.take(",") { self.number()? } else { 0 };
        self.take("]").then_some(Operand::Memory(register, offset))
    }

    /// `OFFSET(REG)`, `(REG)`, both with `,REG[,SCALE]` more, `REG` or `CONSTANT`.
    fn in_parentheses(&mut self, machine: Machine) -> Option<Operand> {
        let mark = machine.constant_mark();
        if !mark.is_empty() && self.take(mark) {
            return self.number().map(Operand::Constant);
        }
        let number = self.number();
        if !self.take("(") {
            return match number {
                Some(value) if mark.is_empty() => Some(Operand::Constant(value)),
                Some(_) => None,
                None => self.register(machine).map(Operand::Register),
            };
        }
        let offset = number.unwrap_or(0);
        let register = self.register(machine)?;
        let operand = if machine == Machine::X86_64 && self.take(",") {
            let index = self.register(machine)?;
            let scale = if self.take(",") { self.number()? } else { 1 };
            let shift = matches!(scale, 1 | 2 | 4 | 8).then(|| scale.trailing_zeros() as u8)?;
            Operand::Indexed(register, index, shift, offset)
        } else {
            Operand::Memory(register, offset)
        };
        self.take(")").then_some(operand)
    }

    /// Takes this text, and spaces before and after it within an operand.
    fn take(&mut self, text: &str) -> bool {
        match self.0.trim_ascii_start().strip_prefix(text) {
            Some(rest) => {
                // Spaces are kept where an operand may end.
                let is_end = matches!(text, ")" | "]");
                self.0 = if is_end {
                    rest
                } else {
                    rest.trim_ascii_start()
                };
                true
            }
            None => false,
        }
    }

    fn number(&mut self) -> Option<i64> {
        let text = self.0;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (radix, digits) = match digits.strip_prefix("0x") {
            Some(hex) => (16, hex),
            None => (10, digits),
        };
        let end = digits
            .find(|c: char| !c.is_digit(radix))
            .unwrap_or(digits.len());
        let magnitude = u64::from_str_radix(&digits[..end], radix).ok()?;
        self.0 = &digits[end..];
        // Constants of the upper half are the same bits.
        let value = magnitude.cast_signed();
        Some(if text.starts_with('-') {
            value.wrapping_neg()
        } else {
            value
        })
    }

    fn register(&mut self, machine: Machine) -> Option<u16> {
        let text = self.0.strip_prefix(machine.register_mark())?;
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(text.len());
        self.0 = &text[end..];
        machine.register(&text[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::Operand::*;
    use super::*;

    fn one(machine: Machine, text: &str) -> Option<(i8, Operand)> {
        let arguments = parse(machine, text).ok()?;
        match arguments[..] {
            [Argument { size, operand }] => Some((size, operand)),
            _ => None,
        }
    }

    #[test]
    fn x86_64() {
        for (text, expected) in [
            ("-4@%eax", (-4, Register(80))),
            ("1@%sil", (1, Register(104))),
            ("8@%r8", (8, Register(72))),
            ("2@%r15w", (2, Register(0))),
            ("4@$71", (4, Constant(71))),
            ("-8@$-1", (-8, Constant(-1))),
            ("8@$18446744073709551615", (8, Constant(-1))),
            ("-4@-20(%rbp)", (-4, Memory(32, -20))),
            ("8@(%rsp)", (8, Memory(152, 0))),
            ("1@-96(%rbp,%rax,8)", (1, Indexed(32, 80, 3, -96))),
            ("1@(%rbp,%rax)", (1, Indexed(32, 80, 0, 0))),
            (" 8 @ 16 ( %rsp , %r12 , 4 ) ", (8, Indexed(152, 24, 2, 16))),
            ("8@0x10(%rip)", (8, Memory(128, 16))),
        ] {
            assert_eq!(one(Machine::X86_64, text), Some(expected), "{text}");
        }
        for text in [
            "3@%eax",
            "4@%xmm0",
            "4@71",
            "4@",
            "@%eax",
            "4@(%rax",
            "4@(%rax,%rbx,3)",
            "4@%eaxx",
            "8@nr(%rip)",
        ] {
            assert_eq!(one(Machine::X86_64, text), None, "{text}");
        }
    }

    #[test]
    fn others() {
        for (machine, text, expected) in [
            (Machine::Aarch64, "-4@[sp, 96]", (-4, Memory(248, 96))),
            (Machine::Aarch64, "-4@[x19]", (-4, Memory(152, 0))),
            (Machine::Aarch64, "4@5", (4, Constant(5))),
            (Machine::Aarch64, "-8@x4", (-8, Register(32))),
            (Machine::Riscv64, "-8@-88(s0)", (-8, Memory(64, -88))),
            (Machine::Riscv64, "-8@a1", (-8, Register(88))),
            (Machine::Riscv64, "4@5", (4, Constant(5))),
            (Machine::S390x, "-2@-28(%r15)", (-2, Memory(144, -28))),
            (Machine::S390x, "-8@%r0", (-8, Register(24))),
            (Machine::S390x, "4@71", (4, Constant(71))),
        ] {
            assert_eq!(one(machine, text), Some(expected), "{text}");
        }
        assert_eq!(one(Machine::Aarch64, "4@x31"), None);
        assert_eq!(one(Machine::S390x, "4@%r16"), None);
    }

    #[test]
    fn several() {
        let text = "-4@%esi -4@-24(%rbp) 8@%rdx";
        assert_eq!(parse(Machine::X86_64, text).unwrap().len(), 3);
        let text = "-4@[sp, 96] 8@x0";
        assert_eq!(parse(Machine::Aarch64, text).unwrap().len(), 2);
        assert!(parse(Machine::X86_64, "").unwrap().is_empty());
        let e = spec(Machine::X86_64, "4@%eax 8@%xmm0", 0).unwrap_err();
        assert_eq!(
            e.to_string(),
            "arguments `4@%eax 8@%xmm0`: argument 1 (`8@%xmm0`) is not understood"
        );
        let e = spec(Machine::X86_64, &"4@%eax ".repeat(13), 0).unwrap_err();
        assert!(e.to_string().ends_with("there are more than 12"), "{e}");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_layout_is_that_of_the_header() {
        let spec = spec(Machine::X86_64, "-1@16(%rsp,%r12,4)", 0x77).unwrap();
        let expected = [
            16, 0, 0, 0, 0, 0, 0, 0, 3, 0, 24, 0x20, 0, 0, 152, 0, 1, 56, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(spec[..ARG_SIZE], expected);
        assert_eq!(spec.len(), 304);
        assert_eq!(spec[288], 0x77);
        assert_eq!(spec[296], 1);
    }
}
