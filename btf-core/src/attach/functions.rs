//! Kernel functions that can be traced, by pattern.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::tracefs;
use crate::binary::matches;
use crate::error::{Error, Result};

/// Whether a pattern has a `*` or `?`.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Addresses of the kernel functions that can be traced and match a pattern, in rising order.
pub(super) fn addresses(pattern: &str) -> Result<Vec<u64>> {
    let mut addresses = Vec::new();
    let has_addresses = tracefs::for_each_line("available_filter_functions_addrs", |line| {
        addresses.extend(with_address(line, pattern));
    })?;
    // Before 6.5 there are names only, and another file has the addresses.
    if !has_addresses {
        let mut names = HashSet::new();
        tracefs::for_each_line("available_filter_functions", |line| {
            names.extend(traceable(line, pattern).map(str::to_owned));
        })?;
        tracefs::lines(Path::new("/proc/kallsyms"), |line| {
            addresses.extend(of_symbol(line, &names));
        })
        .map_err(|e| Error::os("cannot read /proc/kallsyms", e))?;
    }
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.contains(&0) {
        return Err(Error::os(
            "the kernel does not tell the addresses of its functions",
            io::Error::from_raw_os_error(libc::EPERM),
        )
        .hint("run as root, or with CAP_SYSLOG and kernel.kptr_restrict below 2"));
    }
    if addresses.is_empty() {
        return Err(Error::not_found(format!(
            "no kernel function that can be traced matches `{pattern}`"
        ))
        .hint("available_filter_functions in tracefs lists those that can be"));
    }
    Ok(addresses)
}

/// The address in a line of an address, a name, and perhaps a module in brackets, if the name
/// matches.
fn with_address(line: &str, pattern: &str) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let (address, name) = (words.next()?, words.next()?);
    if !matches(pattern, name) {
        return None;
    }
    u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()
}

/// The name in a line of a name, and perhaps a module in brackets, if it matches.
fn traceable<'l>(line: &'l str, pattern: &str) -> Option<&'l str> {
    let name = line.split_ascii_whitespace().next()?;
    matches(pattern, name).then_some(name)
}

/// The address in a line of an address, a letter for the kind (`t` and `T` are functions), a name,
/// and perhaps a module, if the name is among `names`.
fn of_symbol(line: &str, names: &HashSet<String>) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    if !kind.eq_ignore_ascii_case("t") || !names.contains(name) {
        return None;
    }
    u64::from_str_radix(address, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_of_functions() {
        let listed =
            "ffffffff81000010 vfs_read\n0xffffffff81000020 vfs_write [ext4]\nbad\nzz vfs_x\n";
        let addresses: Vec<u64> = listed
            .lines()
            .filter_map(|line| with_address(line, "vfs_*"))
            .collect();
        assert_eq!(addresses, [0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020]);
        let names: HashSet<String> = ["vfs_read", "ext4_x [ext4]", "sock_x"]
            .into_iter()
            .filter_map(|line| traceable(line, "ext4_*").or(traceable(line, "vfs_*")))
            .map(str::to_owned)
            .collect();
        let symbols = "ffffffff81000010 T vfs_read\nffffffff81000020 t vfs_write\nffffffffc0000000 t ext4_x\t[ext4]\n\
                       ffffffff81000030 D vfs_read\nbad\n";
        let addresses: Vec<u64> = symbols
            .lines()
            .filter_map(|line| of_symbol(line, &names))
            .collect();
        assert_eq!(addresses, [0xffff_ffff_8100_0010, 0xffff_ffff_c000_0000]);
    }

    #[test]
    fn reads_files_line_by_line() {
        let path = std::env::temp_dir().join(format!("btf-core-lines-{}", std::process::id()));
        std::fs::write(&path, "first\n\nlast").expect("a scratch file");
        let mut seen = Vec::new();
        let read = tracefs::lines(&path, |line| seen.push(line.to_owned()));
        std::fs::remove_file(&path).expect("its removal");
        read.expect("readable");
        assert_eq!(seen, ["first", "", "last"]);
    }
}
