//! Names that come close to one that is not there.

use crate::sort;

/// How many names are worth showing.
const MOST: usize = 3;

/// No name that a person wrote is longer; counting edits takes time that grows with the square.
const MAX_LEN: usize = 128;

/// The names among `candidates` that `name` may have been meant to be, or has become, the likeliest first.
///
/// Names in the kernel are mistyped, but also renamed: by underscores (`state` became `__state`), by their first word
/// (`do_unlinkat` became `filename_unlinkat`), by a word at the end (`i_ctime` became `i_ctime_sec`).
pub fn similar<'a>(name: &str, mut candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    similar_of(name, &mut candidates)
}

/// One instance for all iterators.
fn similar_of<'a>(name: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Vec<&'a str> {
    let most = (name.len() / 4).clamp(1, 4);
    let mut found: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| Some((distance(name, candidate, most)?, candidate)))
        .collect();
    sort::by_key(&mut found, |found| *found);
    found.dedup();
    found.truncate(MOST);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Adds to names that are likely for other reasons, the likeliest first, those that come close to `name`; each once, and no
/// more than are worth showing.
pub(crate) fn add_similar<'a>(
    mut likely: Vec<String>,
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    for found in similar(name, candidates) {
        if !likely.iter().any(|l| l == found) {
            likely.push(found.to_owned());
        }
    }
    likely.truncate(MOST);
    likely
}

/// Whether two names differ in nothing but underscores around them.
pub(crate) fn same_core(a: &str, b: &str) -> bool {
    core(a) == core(b) && !core(a).is_empty()
}

fn core(name: &str) -> &str {
    name.trim_matches('_')
}

/// How far two names are apart; `None` if further than `most` edits without being a rename of the first or last word.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    if a == b {
        return Some(0);
    }
    if same_core(a, b) {
        return Some(1);
    }
    let renamed = match (tail(a), tail(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(a), None) => a == b,
        (None, Some(b)) => a == b,
        (None, None) => false,
    };
    let comparable = a.len().abs_diff(b.len()) <= most && a.len() <= MAX_LEN;
    let edits = comparable
        .then(|| edits(a.as_bytes(), b.as_bytes()))
        .filter(|edits| *edits <= most);
    match edits {
        None if renamed => Some(most + 1),
        None if is_longer(a, b) || is_longer(b, a) => Some(most + 2),
        edits => edits,
    }
}

/// What follows the first word of a name, if that is long enough to tell anything.
fn tail(name: &str) -> Option<&str> {
    let (_, tail) = name.trim_start_matches('_').split_once('_')?;
    (tail.len() > 4).then_some(tail)
}

/// Whether the second name is the first and a word more.
fn is_longer(short: &str, long: &str) -> bool {
    let short = core(short);
    let more = core(long).strip_prefix(short);
    short.len() > 4
        && more
            .and_then(|more| more.strip_prefix('_'))
            .is_some_and(|word| !word.contains('_'))
}

/// Insertions, deletions, replacements, and swaps of neighbours.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

/// ``did you mean `a`, `b` or `c`?`` for an error's hint; `None` for no names.
pub fn did_you_mean<N: AsRef<str>>(names: &[N]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{}`", n.as_ref())).collect();
    let (last, first) = quoted.split_last()?;
    Some(if first.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", first.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_and_renames_are_found() {
        let known = [
            "vfs_unlink",
            "vfs_read",
            "filename_unlinkat",
            "do_sys_openat2",
            "x",
        ];
        let near = |name| similar(name, known.into_iter());
        assert_eq!(near("vfs_unlnik"), ["vfs_unlink"]);
        assert_eq!(near("do_unlinkat"), ["filename_unlinkat"]);
        assert_eq!(near("do_sys_openat"), ["do_sys_openat2"]);
        assert!(near("tcp_sendmsg").is_empty());
        assert!(near("y_y").is_empty());
    }

    #[test]
    fn underscores_and_added_words_are_no_distance() {
        let known = [
            "stack",
            "__state",
            "exit_state",
            "i_ctime_sec",
            "i_ctime_nsec",
            "state_of_all",
        ];
        let near = |name| similar(name, known.into_iter());
        assert_eq!(near("state"), ["__state", "exit_state"]);
        assert_eq!(near("__i_ctime"), ["i_ctime_nsec", "i_ctime_sec"]);
        assert_eq!(
            add_similar(
                vec!["stack".into(), "__state".into()],
                "state",
                known.into_iter()
            ),
            ["stack", "__state", "exit_state"]
        );
        // Nothing but underscores says nothing.
        assert!(similar("__", ["____", "___"].into_iter()).len() < 2);
    }

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(edits(b"raw_pt", b"raw_tp"), 1);
        assert_eq!(edits(b"opensnop", b"opensnoop"), 1);
        assert_eq!(edits(b"", b"abc"), 3);
        assert_eq!(edits(b"abc", b""), 3);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }

    #[test]
    fn a_question_reads_like_one() {
        assert_eq!(did_you_mean::<&str>(&[]), None);
        assert_eq!(did_you_mean(&["a"]).as_deref(), Some("did you mean `a`?"));
        assert_eq!(
            did_you_mean(&["a", "b", "c"]).as_deref(),
            Some("did you mean `a`, `b` or `c`?")
        );
    }
}
