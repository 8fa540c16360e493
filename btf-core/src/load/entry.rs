//! Parts of an object by name: maps, programs, struct_ops.

use crate::error::{Error, ErrorKind, Result};
use btf_obj::private::{did_you_mean, similar};

/// A part of an object. A skeleton moves it out into a field of its own.
#[derive(Debug)]
pub(super) struct Entry<T> {
    pub(super) name: String,
    /// `None` while it is moved out.
    pub(super) item: Option<T>,
}

fn missing<T>(entries: &[Entry<T>], noun: &str, name: &str) -> Error {
    let error = Error::not_found(format!("it has no {noun} `{name}`"));
    let names = entries.iter().map(|entry| entry.name.as_str());
    match did_you_mean(&similar(name, names)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn moved_out(noun: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{noun} `{name}` was moved out of the object"),
    )
    .hint("use the field of the skeleton that has it")
}

/// Returns the part of this name.
pub(super) fn get<'a, T>(entries: &'a [Entry<T>], noun: &str, name: &str) -> Result<&'a T> {
    match entries.iter().find(|entry| entry.name == name) {
        Some(entry) => entry.item.as_ref().ok_or_else(|| moved_out(noun, name)),
        None => Err(missing(entries, noun, name)),
    }
}

/// Returns the part of this name, to be changed.
pub(super) fn get_mut<'a, T>(
    entries: &'a mut [Entry<T>],
    noun: &str,
    name: &str,
) -> Result<&'a mut T> {
    match entries.iter().position(|entry| entry.name == name) {
        Some(at) => entries[at]
            .item
            .as_mut()
            .ok_or_else(|| moved_out(noun, name)),
        None => Err(missing(entries, noun, name)),
    }
}

/// Moves the part of this name out.
pub(super) fn take<T>(entries: &mut [Entry<T>], noun: &str, name: &str) -> Result<T> {
    match entries.iter().position(|entry| entry.name == name) {
        Some(at) => entries[at].item.take().ok_or_else(|| moved_out(noun, name)),
        None => Err(missing(entries, noun, name)),
    }
}

/// Moves a part back in. A part that is not of this object is dropped.
pub(super) fn put<T>(entries: &mut [Entry<T>], name: &str, item: T) {
    if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
        entry.item = Some(item);
    }
}
