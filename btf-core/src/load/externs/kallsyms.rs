//! Addresses of the kernel's symbols, from `/proc/kallsyms`.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::error::{Error, ErrorKind, Result};
use btf_obj::private::{did_you_mean, similar};

const PATH: &str = "/proc/kallsyms";

/// One line: address, type, name.
fn entry(line: &str) -> Option<(u64, char, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?.chars().next()?;
    let name = words.next()?;
    // clang's LTO adds a hash to what was local to a file.
    match name.split_once(".llvm.") {
        Some((name, _)) if kind == 'd' => Some((address, kind, name)),
        _ => Some((address, kind, name)),
    }
}

/// Calls `each` with every symbol of the running kernel and its modules.
fn read(each: impl FnMut(u64, &str)) -> Result<()> {
    let failed = |e| Error::os(format!("cannot read {PATH}"), e);
    read_from(BufReader::new(File::open(PATH).map_err(failed)?), each).map_err(failed)
}

fn read_from(mut lines: impl BufRead, mut each: impl FnMut(u64, &str)) -> std::io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Some((address, _, name)) = std::str::from_utf8(&line).ok().and_then(entry) {
            each(address, name);
        }
        line.clear();
    }
    Ok(())
}

/// The addresses of these symbols, as far as they are there.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`] if a name has two addresses; [`ErrorKind::Permission`] if the kernel hides them; those of
/// reading the file.
pub(super) fn addresses(wanted: &[&str]) -> Result<HashMap<String, u64>> {
    let mut found = Found::new(wanted);
    read(|address, name| found.see(address, name))?;
    found.finish()
}

struct Found<'a> {
    wanted: HashSet<&'a str>,
    addresses: HashMap<String, u64>,
    ambiguous: Option<(String, u64, u64)>,
    /// Whether any symbol at all has an address.
    are_shown: bool,
}

impl<'a> Found<'a> {
    fn new(wanted: &[&'a str]) -> Self {
        Found {
            wanted: wanted.iter().copied().collect(),
            addresses: HashMap::new(),
            ambiguous: None,
            are_shown: false,
        }
    }

    fn see(&mut self, address: u64, name: &str) {
        self.are_shown |= address != 0;
        if !self.wanted.contains(name) {
            return;
        }
        let known = *self.addresses.entry(name.to_owned()).or_insert(address);
        if known != address && self.ambiguous.is_none() {
            self.ambiguous = Some((name.to_owned(), known, address));
        }
    }

    fn finish(self) -> Result<HashMap<String, u64>> {
        if let Some((name, first, second)) = self.ambiguous {
            let why = format!("it is at two addresses: {first:#x} and {second:#x} in {PATH}");
            return Err(Error::new(ErrorKind::InvalidInput, why)
                .hint("it is local to several files of the kernel; refer to another symbol")
                .context(crate::obj::externs::what(&name)));
        }
        if !self.addresses.is_empty() && !self.are_shown {
            let why = format!("{PATH} hides the addresses of the kernel's symbols");
            return Err(Error::new(ErrorKind::Permission, why)
                .hint("run as root, with kernel.kptr_restrict at 0 or 1"));
        }
        Ok(self.addresses)
    }
}

/// What names of the running kernel's symbols come close, as a question.
pub(super) fn near(name: &str) -> Option<String> {
    let mut names = Vec::new();
    read(|_, found| {
        if may_be_near(name, found) {
            names.push(found.to_owned());
        }
    })
    .ok()?;
    did_you_mean(&similar(name, names.iter().map(String::as_str)))
}

/// Whether a name is worth comparing: a kernel has hundreds of thousands, and a comparison takes its time.
fn may_be_near(name: &str, other: &str) -> bool {
    const ENDS: usize = 3;
    let (a, b) = (name.as_bytes(), other.as_bytes());
    let same = |a: Option<&[u8]>, b: Option<&[u8]>| a.is_some() && a == b;
    a.len().abs_diff(b.len()) <= 4
        && (same(a.get(..ENDS), b.get(..ENDS))
            || same(
                a.last_chunk::<ENDS>().map(|e| &e[..]),
                b.last_chunk::<ENDS>().map(|e| &e[..]),
            ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, wanted: &[&str]) -> Result<HashMap<String, u64>> {
        let mut found = Found::new(wanted);
        read_from(text.as_bytes(), |address, name| found.see(address, name)).unwrap();
        found.finish()
    }

    const TEXT: &str = "0000000000000000 A fixed\nffffffff81000000 T _text\nffffffff82000000 d a.llvm.123\n\
                        ffffffff81000010 t twice\nffffffff81000020 t twice\t[m]\nbroken\n\
                        ffffffffc0000000 t in_module\t[m]\nffffffff81000000 T _text\n";

    #[test]
    fn symbols_have_addresses() {
        let addresses = found(TEXT, &["_text", "in_module", "a", "fixed", "absent"]).unwrap();
        assert_eq!(addresses.len(), 4);
        assert_eq!(addresses["_text"], 0xffff_ffff_8100_0000);
        assert_eq!(addresses["in_module"], 0xffff_ffff_c000_0000);
        assert_eq!(addresses["a"], 0xffff_ffff_8200_0000);
        assert_eq!(addresses["fixed"], 0);
    }

    #[test]
    fn names_that_begin_or_end_alike_are_compared() {
        assert!(may_be_near("init_taks", "init_task"));
        assert!(may_be_near("ini_task", "init_task"));
        assert!(!may_be_near("init_taks", "_text"));
        assert!(!may_be_near("init_task", "init_task_of_another"));
        assert!(!may_be_near("a", "a"));
    }

    #[test]
    fn two_addresses_are_an_error_and_so_are_hidden_ones() {
        let e = found(TEXT, &["twice"]).unwrap_err();
        assert!(
            e.to_string().starts_with(
                "extern `twice`: it is at two addresses: 0xffffffff81000010 and 0xffffffff81000020"
            ),
            "{e}"
        );
        let hidden = "0000000000000000 T _text\n0000000000000000 T _etext\n";
        let e = found(hidden, &["_text"]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Permission);
        assert!(found(hidden, &["absent"]).unwrap().is_empty());
    }
}
