//! Archives: of kernels' BTF, and those that Android's libraries are in.

use btf_core::btf::Archive;
use btf_core::private;

use super::measure::check;

/// Entries whose names are the ends of one string.
#[test]
fn kernels_with_overlapping_names() {
    let outcome = check(
        "kernels with overlapping names",
        1,
        |size| {
            let (count, names) = (size / 32, size / 2);
            let start = 12 + 16 * count;
            let entry = |n: usize| [start, names - count + n, start, 0];
            let numbers = [1, count].into_iter().chain((0..count).flat_map(entry));
            let mut archive = b"BTFS".to_vec();
            archive.extend(numbers.flat_map(|n| (n as u32).to_le_bytes()));
            archive.resize(archive.len() + names, b'a');
            archive
        },
        |bytes| match Archive::parse(bytes) {
            Ok(archive) => format!("{} kernels", archive.releases().count()),
            Err(e) => e.to_string(),
        },
    );
    assert!(outcome.contains("longer than 64 bytes"), "{outcome}");
}

/// A zip archive whose entries are all the same bytes.
#[test]
fn files_in_one_place() {
    check(
        "files in one place",
        1,
        |size| {
            let name = "lib/x86_64/libx.so";
            let mut entry = b"PK\x01\x02".to_vec();
            entry.resize(46, 0);
            entry[28] = name.len() as u8;
            entry.extend(name.bytes());
            let count = (size / entry.len()).min(0xffff);
            let mut archive = entry.repeat(count);
            let halves = [0, 0, count, count]
                .map(|n| (n as u16).to_le_bytes())
                .concat();
            let words = [archive.len() as u32, 0].map(u32::to_le_bytes).concat();
            archive.extend(b"PK\x05\x06");
            archive.extend(halves);
            archive.extend(words);
            archive.extend([0, 0]);
            archive
        },
        |bytes| match private::find_in_archive(bytes, "lib/x86_64/liby.so") {
            Ok((start, len)) => format!("{len} bytes at {start}"),
            Err(e) => e.to_string(),
        },
    );
}
