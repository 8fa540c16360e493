//! BTF type deduplication.
//!
//! Two types are equal if nothing tells them apart however far their references are followed. Equality
//! is the coarsest division into classes in which members of one class refer to members of the same
//! classes. `partition` finds it: it starts with the records by themselves and splits classes until
//! nothing changes, so that equal cycles are found without libbpf's graph of assumptions. As in libbpf
//! (`btf__dedup`), a forward declaration is the one struct, union or enum of its name, and variables
//! and sections stay as they are.

mod partition;

use std::collections::{HashMap, HashSet};

use super::raw::{Info, Slot, TYPE_WORDS, slots};
use super::{Btf, Kind, Strings, assemble};
use crate::error::{Error, ErrorKind, Result};

/// Passes that resolve forward declarations. Each may make types equal and so decide what another
/// declaration stands for; libbpf makes one pass.
const PASSES: usize = 16;

/// What became of types.
pub(crate) struct Deduplicated {
    /// The records that are left, with new ids.
    pub(crate) records: Vec<Vec<u32>>,
    /// The new id of each id; that of `void` is first.
    pub(crate) ids: Vec<u32>,
}

impl Btf {
    /// Returns a copy that has every type and every string once, like libbpf's `btf__dedup`.
    ///
    /// The first of several equal types stays. A forward declaration becomes the struct, union or
    /// enum of its name if there is exactly one. Strings that no type uses are dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for split BTF.
    pub fn deduplicate(&self) -> Result<Btf> {
        if self.base().is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "split BTF cannot be deduplicated: its base must keep its types".to_owned(),
            ));
        }
        let mut records: Vec<Vec<u32>> = self.types().map(|t| self.record(t.id())).collect();
        let mut strings = Strings::default();
        rename(&mut records, |offset| {
            strings.offset(self.string_bytes(offset).unwrap_or_default())
        })?;
        let mut records = deduplicate(&records).records;
        let all = strings.own().to_vec();
        let mut strings = Strings::default();
        rename(&mut records, |offset| {
            let text = all.get(offset as usize..).unwrap_or_default();
            strings.offset(text.split(|byte| *byte == 0).next().unwrap_or_default())
        })?;
        let bytes = assemble(&records.concat(), strings.own());
        Btf::parse(Btf::bytes_for(bytes, self.is_little_endian())?)
    }
}

/// Changes the offset of every name.
fn rename(records: &mut [Vec<u32>], mut new: impl FnMut(u32) -> Result<u32, String>) -> Result<()> {
    for record in records {
        for (slot, at) in slots(record) {
            if slot == Slot::Name {
                record[at] = new(record[at]).map_err(Error::malformed)?;
            }
        }
    }
    Ok(())
}

/// Deduplicates records: the first is that of id 1, names are of one string section with each string once, and all ids are
/// of these records.
pub(crate) fn deduplicate(records: &[Vec<u32>]) -> Deduplicated {
    let mut types = Types::new(records);
    let mut classes = types.divide();
    for _ in 0..PASSES {
        if !types.resolve_forward(&classes) {
            break;
        }
        classes = types.divide();
    }
    types.collect(&classes)
}

struct Types<'a> {
    records: &'a [Vec<u32>],
    /// Where each record has ids.
    references: Vec<Vec<usize>>,
    /// The record that a forward declaration stands for.
    resolved: Vec<usize>,
}

fn info(record: &[u32]) -> Info {
    Info(record.get(1).copied().unwrap_or(0))
}

impl<'a> Types<'a> {
    fn new(records: &'a [Vec<u32>]) -> Self {
        let references = |record: &Vec<u32>| {
            let ids = slots(record)
                .into_iter()
                .filter(|(slot, _)| *slot == Slot::Id);
            ids.map(|(_, at)| at).collect()
        };
        Types {
            records,
            references: records.iter().map(references).collect(),
            resolved: (0..records.len()).collect(),
        }
    }

    /// Returns the class of each record.
    fn divide(&self) -> Vec<u32> {
        let own: Vec<Vec<u32>> = self
            .records
            .iter()
            .zip(0..)
            .map(|(record, n)| self.own(record, n))
            .collect();
        let edges: Vec<Vec<u32>> = (0..self.records.len()).map(|n| self.edges(n)).collect();
        let classes = partition::coarsest(&own, &edges);
        self.resolved.iter().map(|n| classes[*n]).collect()
    }

    /// Returns what a record says without its references.
    fn own(&self, record: &[u32], n: u32) -> Vec<u32> {
        let mut own = record.to_vec();
        for at in &self.references[n as usize] {
            // What is not there is like nothing that is.
            own[*at] = match own[*at] {
                0 => 0,
                id if id as usize > self.records.len() => u32::MAX,
                _ => 1,
            };
        }
        if matches!(info(record).kind(), Kind::VAR | Kind::DATASEC) {
            own.push(n);
        }
        own
    }

    /// Returns the records that a record refers to, in the order of its references.
    fn edges(&self, n: usize) -> Vec<u32> {
        let ids = self.references[n].iter().map(|at| self.records[n][*at]);
        let records = ids.filter_map(|id| self.resolved.get((id as usize).checked_sub(1)?));
        records.map(|record| *record as u32).collect()
    }

    /// Makes forward declarations stand for the one type that they can be of; says whether there were such.
    fn resolve_forward(&mut self, classes: &[u32]) -> bool {
        let mut whole: HashMap<(u32, Kind), HashSet<u32>> = HashMap::new();
        let mut first: HashMap<u32, usize> = HashMap::new();
        for (n, record) in self.records.iter().enumerate() {
            let is_whole = self.resolved[n] == n && forward(record).is_none();
            if let (true, Some(kind)) = (is_whole, target_kind(info(record).kind())) {
                whole
                    .entry((record[0], kind))
                    .or_default()
                    .insert(classes[n]);
                first.entry(classes[n]).or_insert(n);
            }
        }
        let mut changed = false;
        for (n, record) in self.records.iter().enumerate() {
            let (Some(kind), true) = (forward(record), self.resolved[n] == n) else {
                continue;
            };
            let candidates = whole.get(&(record[0], kind)).into_iter().flatten();
            let mut candidates: Vec<usize> = candidates
                .filter_map(|class| first.get(class).copied())
                .collect();
            candidates.sort_unstable();
            // As in libbpf, a forward enum is any enum of its name. No layout depends on it.
            let one = match candidates.as_slice() {
                [one] => Some(*one),
                [one, ..] if kind == Kind::ENUM => Some(*one),
                _ => None,
            };
            if let Some(one) = one {
                self.resolved[n] = one;
                changed = true;
            }
        }
        changed
    }

    /// Keeps the first of each class that is not a resolved forward declaration.
    fn collect(&self, classes: &[u32]) -> Deduplicated {
        let mut new: HashMap<u32, u32> = HashMap::new();
        let mut kept = Vec::new();
        for (n, class) in classes.iter().enumerate() {
            // A definition stays where it is, not where it was first declared.
            if self.resolved[n] == n {
                new.entry(*class).or_insert_with(|| {
                    kept.push(n);
                    kept.len() as u32
                });
            }
        }
        let ids: Vec<u32> = std::iter::once(0)
            .chain(classes.iter().map(|class| new[class]))
            .collect();
        let records = kept.into_iter().map(|n| {
            let mut record = self.records[n].clone();
            for at in &self.references[n] {
                record[*at] = ids
                    .get(record[*at] as usize)
                    .copied()
                    .unwrap_or(record[*at]);
            }
            record
        });
        Deduplicated {
            records: records.collect(),
            ids,
        }
    }
}

/// The kind that a forward declaration is of; `None` for what is none.
fn forward(record: &[u32]) -> Option<Kind> {
    let info = info(record);
    if record.first() == Some(&0) {
        return None;
    }
    match info.kind() {
        Kind::FWD if info.flag() => Some(Kind::UNION),
        Kind::FWD => Some(Kind::STRUCT),
        Kind::ENUM | Kind::ENUM64 if record.len() == TYPE_WORDS => Some(Kind::ENUM),
        _ => None,
    }
}

/// The kind by which a forward declaration finds this.
fn target_kind(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::STRUCT | Kind::UNION | Kind::ENUM => Some(kind),
        Kind::ENUM64 => Some(Kind::ENUM),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Btf, Builder, IntEncoding, TypeId};
    use super::*;

    fn records(btf: &Btf) -> Vec<Vec<u32>> {
        btf.types().map(|t| btf.record(t.id())).collect()
    }

    fn ids(btf: &Btf) -> Vec<u32> {
        deduplicate(&records(btf)).ids
    }

    #[test]
    fn keeps_definitions_in_place_of_forward_declarations() {
        let mut b = Builder::new();
        let forward = b.forward_struct("x");
        b.pointer(forward);
        b.structure("x", 0, [] as [(&str, TypeId, u32); 0]);
        let unique = b.finish().and_then(|btf| btf.deduplicate()).expect("valid");
        let kinds: Vec<_> = unique.types().map(|t| t.kind()).collect();
        assert_eq!(kinds, [Kind::PTR, Kind::STRUCT]);
    }

    #[test]
    fn keeps_each_type_and_used_string_once() {
        let mut b = Builder::new();
        let first = b.int("int", 4, IntEncoding::SIGNED);
        let second = b.int("int", 4, IntEncoding::SIGNED);
        let unsigned = b.int("unsigned int", 4, IntEncoding(0));
        b.pointer(first);
        b.pointer(second);
        b.pointer(unsigned);
        let btf = b.finish().expect("valid");
        let unique = btf.deduplicate().expect("valid");
        assert_eq!(unique.types().len(), 4);
        let strings: Vec<_> = unique.strings().map(|(_, text)| text.to_vec()).collect();
        assert_eq!(
            strings,
            [b"".to_vec(), b"int".into(), b"unsigned int".into()]
        );
        let split = Builder::split(&btf).finish().expect("valid");
        let error = split.deduplicate().expect_err("split");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    /// `struct a { struct b *b; }; struct b { struct a *a; T x; };` with a type of its own for `T`.
    fn cycle(b: &mut Builder, size: u32) -> [TypeId; 2] {
        let int = b.int("T", size, IntEncoding::SIGNED);
        let (first, second) = (b.reserve(), b.reserve());
        let (to_first, to_second) = (b.pointer(first), b.pointer(second));
        b.at(first).structure("a", 8, [("b", to_second, 0)]);
        b.at(second)
            .structure("b", 16, [("a", to_first, 0), ("x", int, 64)]);
        [first, second]
    }

    #[test]
    fn equal_cycles_are_one_and_others_are_not() {
        let mut b = Builder::new();
        let [a, _] = cycle(&mut b, 4);
        let [same, _] = cycle(&mut b, 4);
        let [other, _] = cycle(&mut b, 2);
        let btf = b.finish().unwrap();
        let ids = ids(&btf);
        let new = |id: TypeId| ids[id.0 as usize];
        assert_eq!(new(a), new(same));
        assert_ne!(new(a), new(other), "they differ three references on");
        let deduplicated = deduplicate(&records(&btf));
        assert_eq!(deduplicated.records.len(), 10);
        // Nothing more comes of it a second time.
        assert_eq!(
            deduplicate(&deduplicated.records).records,
            deduplicated.records
        );
    }

    #[test]
    fn forward_declarations_are_what_they_declare() {
        let mut b = Builder::new();
        let forward = b.forward_struct("b");
        let pointer = b.pointer(forward);
        let partial = b.structure("a", 8, [("b", pointer, 0)]);
        let [a, whole] = cycle(&mut b, 4);
        let elsewhere = b.forward_struct("elsewhere");
        let union = b.forward_union("b");
        let declared = b.enumeration("e", 4, false, []);
        let e = b.enumeration("e", 4, false, [("A", 1)]);
        let ids = ids(&b.finish().unwrap());
        let new = |id: TypeId| ids[id.0 as usize];
        assert_eq!(new(forward), new(whole));
        assert_eq!(
            new(partial),
            new(a),
            "they are the same once the declaration is resolved"
        );
        assert_eq!(new(declared), new(e));
        assert_ne!(new(union), new(whole));
        assert_ne!(new(elsewhere), new(whole));
    }

    #[test]
    fn a_declaration_that_may_be_either_stays() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let forward = b.forward_struct("s");
        let one = b.structure("s", 4, [("x", int, 0)]);
        let other = b.structure("s", 4, [("y", int, 0)]);
        let ids = ids(&b.finish().unwrap());
        let new = [forward, one, other].map(|id| ids[id.0 as usize]);
        assert_eq!(HashSet::from(new).len(), 3);
    }

    #[test]
    fn forward_enum_is_the_first_enum_of_its_name() {
        let none = [("", 0i64); 0];
        for is_wide in [false, true] {
            let mut b = Builder::new();
            let mut add = |name, values: &[(&str, i64)]| match is_wide {
                true => b.enumeration64(name, 8, false, values.iter().copied()),
                false => b.enumeration(name, 4, false, values.iter().copied()),
            };
            let forward = add("e1", &[]);
            let one = add("e1", &[("e1_val", 123)]);
            let two = add("e2", &[("e2_val", 456)]);
            let after = add("e2", &[]);
            let other = add("e1", &[("e1_val", 321)]);
            let ids = ids(&b.finish().unwrap());
            let new = [forward, one, two, after, other].map(|id| ids[id.0 as usize]);
            assert_eq!(new, [1, 1, 2, 2, 3]);
        }
        let mut b = Builder::new();
        let narrow = b.enumeration("e1", 4, false, [("e1_val", 1)]);
        let forward = b.enumeration64("e1", 8, false, none);
        let typedef = b.typedef("td", forward);
        let wide = b.enumeration64("e2", 8, false, [("e2_val", 1)]);
        let wide_forward = b.enumeration("e2", 4, false, none);
        let ids = ids(&b.finish().unwrap());
        let new = [narrow, forward, typedef, wide, wide_forward].map(|id| ids[id.0 as usize]);
        assert_eq!(new, [1, 1, 2, 3, 3]);
    }

    #[test]
    fn variables_and_sections_stay() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let same = b.int("int", 4, IntEncoding::SIGNED);
        let one = b.variable("x", int, super::super::Linkage::STATIC);
        let two = b.variable("x", same, super::super::Linkage::STATIC);
        b.section(".bss", 8, [(one, 0, 4), (two, 4, 4)]);
        assert_eq!(ids(&b.finish().unwrap()), [0, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn long_chains_are_deduplicated() {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        for _ in 0..2 {
            let mut last = int;
            for _ in 0..3000 {
                last = b.pointer(last);
            }
        }
        let btf = b.finish().unwrap();
        assert_eq!(ids(&btf).last(), Some(&3001));
    }
}
