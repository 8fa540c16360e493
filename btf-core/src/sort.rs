//! Sorting lists of any type by one function: an instance of the standard library's sort is four to ten kilobytes of code for each type
//! that it is used with.

use std::cmp::Ordering;

/// Sorts by a key; what has equal keys stays in order.
pub(crate) fn by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts by comparing; what is equal stays in order.
pub(crate) fn by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if items.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let mut ranks = ranks(items.len(), &|a, b| compare(&items[a], &items[b]));
    for at in 0..items.len() {
        // Each swap puts one item where it belongs.
        while ranks[at] != at {
            let to = ranks[at];
            items.swap(at, to);
            ranks.swap(at, to);
        }
    }
}

/// Where each of so many items belongs.
fn ranks(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    let mut merged = vec![0; len];
    let mut run = 1;
    while run < len {
        for (from, to) in order.chunks(2 * run).zip(merged.chunks_mut(2 * run)) {
            merge(from.split_at(run.min(from.len())), to, compare);
        }
        std::mem::swap(&mut order, &mut merged);
        run *= 2;
    }
    for (rank, at) in order.into_iter().enumerate() {
        merged[at] = rank;
    }
    merged
}

/// Merges two sorted runs; of what is equal, the first run's comes first.
fn merge(
    (mut first, mut second): (&[usize], &[usize]),
    to: &mut [usize],
    compare: &dyn Fn(usize, usize) -> Ordering,
) {
    for slot in to {
        let run = match (first, second) {
            ([a, ..], [b, ..]) if compare(*b, *a).is_lt() => &mut second,
            ([], _) => &mut second,
            _ => &mut first,
        };
        if let [next, rest @ ..] = *run {
            (*slot, *run) = (*next, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::by_key;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        for len in [0, 1, 2, 3, 50, 1000] {
            let mut items: Vec<(u32, usize)> = (0..len).map(|at| (next(), at)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            by_key(&mut items, |item| item.0);
            assert_eq!(items, expected);
        }
    }

    #[test]
    fn keys_may_be_borrowed_and_composed() {
        let mut names = ["b", "a", "b", "c", "aa"].map(str::to_owned);
        by_key(&mut names, |name| (name.len(), name.clone()));
        assert_eq!(names, ["a", "b", "b", "c", "aa"]);
    }
}
