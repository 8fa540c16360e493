//! How many CPUs there can be: per-CPU maps have a value for each.

use std::sync::OnceLock;

use crate::error::{Error, Result};

const PATH: &str = "/sys/devices/system/cpu/possible";

/// How many CPUs there can be, those that are not plugged in included.
pub(crate) fn possible_cpus() -> Result<usize> {
    static CPUS: OnceLock<usize> = OnceLock::new();
    if let Some(n) = CPUS.get() {
        return Ok(*n);
    }
    let list = std::fs::read_to_string(PATH)
        .map_err(|e| Error::os(format!("cannot read the list of CPUs from {PATH}"), e))?;
    let n = count(&list).ok_or_else(|| {
        Error::malformed(format!("{PATH} says {list:?}, which is no list of CPUs"))
    })?;
    Ok(*CPUS.get_or_init(|| n))
}

/// How many CPUs a list such as `0-3,5` holds. Values are packed, so it is the count and not the highest number.
fn count(list: &str) -> Option<usize> {
    let mut n = 0usize;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        n = n.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(count("0-1\n"), Some(2));
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3,5,8-9\n"), Some(7));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
    }
}
