//! Documentation for skeletons: what the comments of the sources say about the things that an
//! object has.
//!
//! DWARF knows in which line each thing is declared; [`items`] knows which comment belongs to a
//! line. The result is left beside the object as `NAME.docs`: a line each, the thing's C name, a
//! tab, and the comment with its lines joined by `\n`.

mod items;
mod lexer;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use crate::dwarf::{self, Declared, DeclaredKind, DeclaredPart};
use crate::error::Result;
use crate::output::{remove, write_if_changed};
use items::Items;

/// No source that a person wrote is longer.
const MAX_SIZE: u64 = 16 << 20;

/// Leaves `NAME.docs` beside the object `NAME.bpf.o`, or nothing if no comment is at anything.
///
/// `elf` is the object with its DWARF; `is_made` says which files are this crate's and not the
/// user's.
///
/// # Errors
///
/// If the DWARF is not well-formed, or the file cannot be written. A source that cannot be read has
/// no comments.
pub(crate) fn keep(elf: &[u8], place: &Path, is_made: &dyn Fn(&Path) -> bool) -> Result<()> {
    let file = place.with_extension("").with_extension("docs");
    let mut sources = Sources {
        is_made,
        read: HashMap::new(),
    };
    let mut docs = BTreeMap::new();
    for declared in dwarf::declared(elf)? {
        sources.document(&declared, &mut docs);
    }
    if docs.is_empty() {
        return remove(&file);
    }
    let mut text = String::new();
    for (name, comment) in docs {
        let comment = comment
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\t', " ");
        let _ = writeln!(text, "{name}\t{comment}");
    }
    write_if_changed(&file, text.as_bytes())
}

/// The sources that things are declared in, each read once.
struct Sources<'a> {
    is_made: &'a dyn Fn(&Path) -> bool,
    read: HashMap<String, Items>,
}

impl Sources<'_> {
    fn items(&mut self, file: &str) -> &Items {
        let is_made = self.is_made;
        self.read.entry(file.to_owned()).or_insert_with(|| {
            let is_user = !is_made(Path::new(file)) && !file.starts_with("/usr/");
            let is_short = std::fs::metadata(file).is_ok_and(|meta| meta.len() <= MAX_SIZE);
            let text = match is_user && is_short {
                true => std::fs::read(file).unwrap_or_default(),
                false => Vec::new(),
            };
            Items::of(&String::from_utf8_lossy(&text))
        })
    }

    /// Adds what the comments say about a thing and its parts; of several of one name, the first
    /// counts.
    fn document(&mut self, declared: &Declared, docs: &mut BTreeMap<String, String>) {
        let Declared {
            kind,
            name,
            place,
            parts,
        } = declared;
        let Ok(line) = usize::try_from(place.line) else {
            return;
        };
        let items = self.items(&place.file);
        let mut add = |key: String, comment: Option<&str>| {
            if let Some(comment) = comment {
                docs.entry(key).or_insert_with(|| comment.to_owned());
            }
        };
        if !name.is_empty() {
            add(format!("{} {name}", kind.word()), items.comment(line, name));
        }
        for DeclaredPart { of, name, line } in parts {
            if let Ok(line) = usize::try_from(*line) {
                add(format!("member {of}.{name}"), items.comment(line, name));
            }
        }
        if *kind == DeclaredKind::Enum {
            for (enumerator, comment) in items.enumerators(line, name) {
                add(format!("enumerator {enumerator}"), Some(comment));
            }
        }
    }
}
