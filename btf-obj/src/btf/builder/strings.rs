//! The string section of a BTF in the making: each string once, and those of the base not at all.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::super::Btf;

/// Strings by what they are.
pub struct Strings {
    own: Vec<u8>,
    offsets: HashMap<Box<[u8]>, u32>,
    /// The first offset that is not the base's.
    first: u32,
    base: Option<Base>,
}

impl Default for Strings {
    /// Returns a section with the empty string alone.
    fn default() -> Self {
        Strings {
            // The empty string is at 0.
            own: vec![0],
            offsets: HashMap::new(),
            first: 0,
            base: None,
        }
    }
}

impl Strings {
    pub(super) fn on(base: &Btf) -> Self {
        Strings {
            own: Vec::new(),
            offsets: HashMap::new(),
            first: base.end_string(),
            base: Some(Base {
                btf: base.clone(),
                index: None,
            }),
        }
    }

    /// The strings of `btf`, each where it is.
    pub(super) fn of(btf: &Btf) -> Self {
        let (first, own) = btf.own_strings();
        let mut strings = Strings {
            own: own.to_vec(),
            offsets: HashMap::new(),
            first,
            base: btf.base().map(|base| Base {
                btf: base.clone(),
                index: None,
            }),
        };
        let mut at = 0;
        for text in own.split(|byte| *byte == 0) {
            let offset = first + at as u32;
            strings.offsets.entry(text.into()).or_insert(offset);
            at += text.len() + 1;
        }
        strings
    }

    /// The section's bytes.
    pub fn own(&self) -> &[u8] {
        &self.own
    }

    /// Where a string lies, adding it if it is new.
    pub fn offset(&mut self, text: &[u8]) -> Result<u32, String> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(&known) = self.offsets.get(text) {
            return Ok(known);
        }
        if text.contains(&0) {
            return Err(format!(
                "the name {:?} has a NUL byte within",
                String::from_utf8_lossy(text)
            ));
        }
        if let Some(known) = self.base.as_mut().and_then(|base| base.find(text)) {
            return Ok(known);
        }
        let at = u32::try_from(self.own.len())
            .ok()
            .and_then(|at| at.checked_add(self.first))
            .ok_or("the names of this BTF are longer than 4 GiB together")?;
        self.own.extend_from_slice(text);
        self.own.push(0);
        self.offsets.insert(text.into(), at);
        Ok(at)
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} strings", self.offsets.len())
    }
}

/// The strings of the base, by hash; made when the first string is asked for.
struct Base {
    btf: Btf,
    index: Option<(RandomState, HashMap<u64, u32>)>,
}

impl Base {
    fn find(&mut self, text: &[u8]) -> Option<u32> {
        let Base { btf, index } = self;
        let (state, offsets) = index.get_or_insert_with(|| {
            let state = RandomState::new();
            let mut offsets = HashMap::new();
            let mut next = Some(&*btf);
            while let Some(btf) = next {
                for (offset, text) in btf.strings() {
                    offsets.entry(state.hash_one(text)).or_insert(offset);
                }
                next = btf.base();
            }
            (state, offsets)
        });
        // Of two strings with one hash the second is written again, which is allowed.
        let offset = *offsets.get(&state.hash_one(text))?;
        (btf.string_bytes(offset) == Some(text)).then_some(offset)
    }
}
