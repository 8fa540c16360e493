//! Kernel functions that can be traced, by pattern.

use std::collections::HashSet;
use std::io;

use super::tracefs;
use crate::binary::matches;
use crate::error::{Error, Result};

/// Whether a pattern has a `*` or `?`.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Addresses of the kernel functions that can be traced and match a pattern, in rising order.
pub(super) fn addresses(pattern: &str) -> Result<Vec<u64>> {
    let mut addresses = match tracefs::read("available_filter_functions_addrs")? {
        Some(text) => with_addresses(&text, pattern),
        // Before 6.5 there are names only, and another file has the addresses.
        None => {
            let names = tracefs::read("available_filter_functions")?.unwrap_or_default();
            let names: HashSet<&str> = traceable(&names)
                .filter(|name| matches(pattern, name))
                .collect();
            let symbols = std::fs::read_to_string("/proc/kallsyms")
                .map_err(|e| Error::os("cannot read /proc/kallsyms", e))?;
            of_symbols(&symbols, &names)
        }
    };
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

/// Lines of an address, a name, and perhaps a module in brackets.
fn with_addresses(text: &str, pattern: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (address, name) = (words.next()?, words.next()?);
            if !matches(pattern, name) {
                return None;
            }
            u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()
        })
        .collect()
}

/// Lines of a name, and perhaps a module in brackets.
fn traceable(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split_ascii_whitespace().next())
}

/// Lines of an address, a letter for the kind (`t` and `T` are functions), a name, and perhaps a module.
fn of_symbols(text: &str, names: &HashSet<&str>) -> Vec<u64> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
            if !kind.eq_ignore_ascii_case("t") || !names.contains(name) {
                return None;
            }
            u64::from_str_radix(address, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_functions_are_read() {
        let listed =
            "ffffffff81000010 vfs_read\n0xffffffff81000020 vfs_write [ext4]\nbad\nzz vfs_x\n";
        assert_eq!(
            with_addresses(listed, "vfs_*"),
            [0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020]
        );
        let names: HashSet<&str> = traceable("vfs_read\next4_x [ext4]\n").collect();
        let symbols = "ffffffff81000010 T vfs_read\nffffffff81000020 t vfs_write\nffffffffc0000000 t ext4_x\t[ext4]\n\
                       ffffffff81000030 D vfs_read\nbad\n";
        assert_eq!(
            of_symbols(symbols, &names),
            [0xffff_ffff_8100_0010, 0xffff_ffff_c000_0000]
        );
    }
}
