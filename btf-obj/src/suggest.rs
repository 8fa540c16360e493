//! Names that come close to one that is not there.

/// How many names are worth showing.
const MOST: usize = 3;

/// No name that a person wrote is longer; counting edits takes time that grows with the square.
const MAX_LEN: usize = 127;

/// Cells of a row of that count: one for each letter, and one before them.
const ROW: usize = MAX_LEN + 1;

/// The names among `candidates` that `name` may have been meant to be, or has become, the likeliest first.
///
/// Names in the kernel are mistyped, but also renamed: by underscores (`state` became `__state`), by their first word
/// (`do_unlinkat` became `filename_unlinkat`), by a word at the end (`i_ctime` became `i_ctime_sec`).
pub fn similar<'a>(name: &str, mut candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    similar_of(name, &mut candidates)
}

/// Returns how far a name is from the one that may be meant; `None` if it is too far to be
/// suggested.
pub fn closeness(name: &str, candidate: &str) -> Option<usize> {
    distance(name, candidate, (name.len() / 4).clamp(1, 4))
}

/// One instance for all iterators.
fn similar_of<'a>(name: &str, candidates: &mut dyn Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| Some((closeness(name, candidate)?, candidate)))
        .collect();
    found.sort_by_key(|found| *found);
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
    match edits(a.as_bytes(), b.as_bytes(), most) {
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

/// Insertions, deletions, replacements, and swaps of neighbours that make `b` out of `a`; `None` if that takes more than `most`.
///
/// Nearly all of a kernel's names are given up after a few letters, and no cell is looked at that is further than `most` from
/// the diagonal: an error about a name is made out of tens of thousands of them.
fn edits(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    if a.len().max(b.len()) > MAX_LEN || a.len().abs_diff(b.len()) > most {
        return None;
    }
    // Cells that are not looked at are too far.
    let far = most + 1;
    let (mut before, mut row, mut next) = ([far; ROW], [far; ROW], [far; ROW]);
    for (j, cell) in row.iter_mut().enumerate().take(far) {
        *cell = j;
    }
    let mut nearest_before = far;
    for (i, x) in a.iter().enumerate() {
        let (from, to) = (i.saturating_sub(most), (i + 1 + most).min(b.len()));
        next[from] = if from == 0 { i + 1 } else { far };
        let mut nearest = next[from];
        for j in from..to {
            let replaced = row[j] + usize::from(*x != b[j]);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            next[j + 1] = best.min(far);
            nearest = nearest.min(best);
        }
        if nearest > most && nearest_before > most {
            return None;
        }
        nearest_before = nearest;
        // The next row reaches one cell further than this one.
        if let Some(beyond) = next.get_mut(to + 1) {
            *beyond = far;
        }
        (before, row, next) = (row, next, before);
    }
    Some(row[b.len()]).filter(|edits| *edits <= most)
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

    /// The same count without a bound.
    fn all_edits(a: &[u8], b: &[u8]) -> usize {
        let mut cells = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                cells[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let replaced = cells[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let moved = cells[i - 1][j].min(cells[i][j - 1]) + 1;
                    let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if is_swap {
                        cells[i - 2][j - 2] + 1
                    } else {
                        usize::MAX
                    };
                    replaced.min(moved).min(swapped)
                };
            }
        }
        cells[a.len()][b.len()]
    }

    #[test]
    fn bounded_edits_are_all_edits_within_the_bound() {
        // All words of up to five letters out of two, and each with each: every form of edit is among them.
        let words: Vec<Vec<u8>> = (0..6u32)
            .flat_map(|len| (0..1 << len).map(move |bits: u32| (len, bits)))
            .map(|(len, bits)| (0..len).map(|n| b'a' + (bits >> n & 1) as u8).collect())
            .collect();
        for a in &words {
            for b in &words {
                let all = all_edits(a, b);
                for most in 1..=4 {
                    let within = Some(all).filter(|all| *all <= most);
                    assert_eq!(edits(a, b, most), within, "{a:?} {b:?} {most}");
                }
            }
        }
        assert_eq!(edits(&[b'a'; 128], &[b'a'; 128], 4), None);
        assert_eq!(edits(&[b'a'; 127], &[b'a'; 126], 4), Some(1));
    }

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
        assert_eq!(edits(b"raw_pt", b"raw_tp", 4), Some(1));
        assert_eq!(edits(b"opensnop", b"opensnoop", 4), Some(1));
        assert_eq!(edits(b"", b"abc", 4), Some(3));
        assert_eq!(edits(b"abc", b"", 4), Some(3));
        assert_eq!(edits(b"kitten", b"sitting", 4), Some(3));
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
