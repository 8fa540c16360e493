//! Kernel series, and the order of Debian versions.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The first two numbers of a kernel's version: `6.12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series(u32, u32);

impl Series {
    /// Returns the series of a release such as `6.12.117+deb13-cloud-amd64`.
    ///
    /// A name with fewer than three numbers (`6.1-cloud-amd64`) is a metapackage's, not a release.
    pub(crate) fn of_release(release: &str) -> Option<Series> {
        let mut parts = release.splitn(3, '.');
        let series = Series(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts
            .next()?
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(series)
    }
}

impl FromStr for Series {
    type Err = String;

    fn from_str(text: &str) -> Result<Series, String> {
        text.split_once('.')
            .and_then(|(major, minor)| Some(Series(major.parse().ok()?, minor.parse().ok()?)))
            .ok_or_else(|| {
                format!("`{text}` is not a kernel series; use 6.1, newest or all, for example")
            })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Orders two Debian versions (without epochs: kernels have none): by what comes before the last
/// `-`, then by what comes after.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let parts = |version| str::rsplit_once(version, '-').unwrap_or((version, ""));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (parts(a), parts(b));
    compare_part(upstream_a, upstream_b).then_with(|| compare_part(revision_a, revision_b))
}

/// Runs of digits compare as numbers; between them `~` sorts before the end, the end before
/// letters, and letters before everything else.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !(a.is_empty() && b.is_empty()) {
        let (text_a, rest_a) = split(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = split(b, |c| !c.is_ascii_digit());
        let mut ranks = (text_a.chars().map(rank)).chain([0]);
        let mut others = (text_b.chars().map(rank)).chain([0]);
        for _ in 0..=text_a.len().max(text_b.len()) {
            let order = ranks.next().unwrap_or(0).cmp(&others.next().unwrap_or(0));
            if order.is_ne() {
                return order;
            }
        }
        let (digits_a, tail_a) = split(rest_a, |c| c.is_ascii_digit());
        let (digits_b, tail_b) = split(rest_b, |c| c.is_ascii_digit());
        let (digits_a, digits_b) = (
            digits_a.trim_start_matches('0'),
            digits_b.trim_start_matches('0'),
        );
        let order = digits_a
            .len()
            .cmp(&digits_b.len())
            .then(digits_a.cmp(digits_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (tail_a, tail_b);
    }
    Ordering::Equal
}

fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

fn rank(c: char) -> i32 {
    match c {
        '~' => -1,
        c if c.is_ascii_alphabetic() => c as i32,
        c => c as i32 + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_releases() {
        let series = |release| Series::of_release(release).map(|series| series.to_string());
        assert_eq!(
            series("6.12.117+deb13-cloud-amd64").as_deref(),
            Some("6.12")
        );
        assert_eq!(series("5.10.0-46-cloud-amd64").as_deref(), Some("5.10"));
        assert_eq!(series("6.1-cloud-amd64"), None);
        assert_eq!(series("cloud-amd64"), None);
        assert!("6.9".parse::<Series>() < "6.12".parse::<Series>());
        assert!("six".parse::<Series>().is_err());
    }

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        let ascending = [
            "5.10.259-1",
            "5.10.262-1",
            "6.1.180-1~deb11u1",
            "6.1.180-1",
            "6.1.192-1",
            "6.1.192-2",
            "6.12.115-2~deb12u1",
            "6.12.115-2",
            "6.19.6-2~bpo13+1",
            "6.19.10-1~bpo13+1",
            "7.0~rc1-1",
            "7.0-1",
            "7.0+b1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.02-1", "1.2-1"), Ordering::Equal);
    }
}
