//! The raw BTF inside a vmlinuz. On x86: boot header → compressed payload → ELF → `.BTF`. On arm64:
//! an image that may be compressed or wrapped for EFI, in which the BTF is found by its header.

use super::compression;
use crate::{Result, disk};
use object::{Object, ObjectSection};
use std::borrow::Cow;
use std::path::Path;

/// BTF's magic, in little-endian order.
const MAGIC: [u8; 2] = 0xeb9f_u16.to_le_bytes();

/// Extracts the BTF section as the kernel shows it in `/sys/kernel/btf/vmlinux`.
///
/// # Errors
///
/// If the file is neither an x86 bzImage nor an arm64 image, the program that decompresses it is
/// missing, or the kernel was built without BTF.
pub(crate) fn btf(vmlinuz: &Path) -> Result<Vec<u8>> {
    let image = disk::read(vmlinuz)?;
    if let Some(payload) = payload(&image) {
        // gzip data end with their size; the kernel's build appends it to the others.
        let appended = match compression::program(payload) {
            Some("gzip") => 0,
            _ => 4,
        };
        let payload = &payload[..payload.len().saturating_sub(appended)];
        return section(&decompress(payload, vmlinuz)?, vmlinuz);
    }
    let image = bare(&image, vmlinuz)?;
    if image.get(0x38..0x3c) != Some(b"ARM\x64") {
        return Err(format!(
            "{} is neither an x86 bzImage of protocol 2.08 nor an arm64 image",
            vmlinuz.display()
        ));
    }
    match scan(&image) {
        Some(btf) => Ok(btf.to_vec()),
        None => Err(format!(
            "{} has no BTF (built without BTF)",
            vmlinuz.display()
        )),
    }
}

/// The `.BTF` section of an ELF file.
fn section(vmlinux: &[u8], vmlinuz: &Path) -> Result<Vec<u8>> {
    let elf = object::File::parse(vmlinux)
        .map_err(|e| format!("the payload of {} is no ELF file: {e}", vmlinuz.display()))?;
    let section = elf.section_by_name(".BTF").ok_or_else(|| {
        format!(
            "{} has no .BTF section (built without BTF)",
            vmlinuz.display()
        )
    })?;
    let bytes = section
        .data()
        .map_err(|e| format!("the .BTF section of {}: {e}", vmlinuz.display()))?;
    if bytes.starts_with(&MAGIC) {
        Ok(bytes.to_vec())
    } else {
        Err(format!(
            "the .BTF section of {} does not begin with BTF's magic",
            vmlinuz.display()
        ))
    }
}

fn word(image: &[u8], at: usize) -> Option<usize> {
    let bytes = image.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

/// Returns an arm64 image without its wrapper: a compression, or since 6.1 an EFI program that
/// decompresses it (`zimg` at 4, then offset and length of the payload).
fn bare<'a>(image: &'a [u8], vmlinuz: &Path) -> Result<Cow<'a, [u8]>> {
    let wrapped = || {
        let start = word(image, 8)?;
        image.get(start..start.checked_add(word(image, 12)?)?)
    };
    match image.get(4..8) {
        Some(b"zimg") => match wrapped() {
            Some(payload) => decompress(payload, vmlinuz).map(Cow::Owned),
            None => Err(format!("{} is truncated", vmlinuz.display())),
        },
        _ if compression::program(image).is_some() => decompress(image, vmlinuz).map(Cow::Owned),
        _ => Ok(Cow::Borrowed(image)),
    }
}

/// Returns the longest part of an image that begins with a BTF header and has its length.
fn scan(image: &[u8]) -> Option<&[u8]> {
    let starts = image.windows(4).enumerate().step_by(4);
    let found = starts.filter(|(_, bytes)| bytes.starts_with(&MAGIC) && bytes[2..] == [1, 0]);
    let found = found.filter_map(|(start, _)| {
        let field = |n: usize| word(image, start + n * 4);
        let (header, types, type_len, strings, string_len) =
            (field(1)?, field(2)?, field(3)?, field(4)?, field(5)?);
        let plausible = (24..=64).contains(&header)
            && types.is_multiple_of(4)
            && types.checked_add(type_len)? <= strings;
        let length = header.checked_add(strings)?.checked_add(string_len)?;
        let btf = image.get(start..start.checked_add(length)?)?;
        // The strings begin with the empty one, and the last one ends.
        let whole = btf.get(header + strings) == Some(&0) && btf.last() == Some(&0);
        (plausible && whole).then_some(btf)
    });
    found.max_by_key(|btf| btf.len())
}

/// Returns the compressed kernel, as the header of the x86 boot protocol locates it.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at| word(image, at);
    let version = word(0x206)? & 0xffff;
    if image.get(0x202..0x206)? != b"HdrS" || version < 0x208 {
        return None;
    }
    let setup_sectors = match image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(*sectors),
    };
    let start = (setup_sectors + 1) * 512 + word(0x248)?;
    image.get(start..)?.get(..word(0x24c)?)
}

fn decompress(payload: &[u8], vmlinuz: &Path) -> Result<Vec<u8>> {
    let Some(program) = compression::program(payload) else {
        let first = payload.get(..8).unwrap_or(payload);
        return Err(format!(
            "the payload of {} is compressed in an unknown way (it begins with {first:02x?})",
            vmlinuz.display()
        ));
    };
    compression::decompress(program, payload)
        .map_err(|e| format!("cannot unpack {}: {e}", vmlinuz.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_payload_by_the_header() {
        let mut image = vec![0; 4096];
        image[0x1f1] = 1;
        image[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&3_u32.to_le_bytes());
        image[1024 + 16..][..3].copy_from_slice(b"abc");
        assert_eq!(payload(&image), Some(&b"abc"[..]));
        assert_eq!(payload(&image[..1024 + 18]), None);
        image[0x207] = 1;
        assert_eq!(payload(&image), None);
    }

    /// A header, a type section of one word and the strings `"\0a\0"`.
    fn btf() -> Vec<u8> {
        let words = [0x0001_eb9f_u32, 24, 0, 4, 4, 3, 0];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(b"\0a\0");
        bytes
    }

    #[test]
    fn finds_btf_in_a_bare_image() {
        let mut image = vec![0x55; 64];
        image.extend(&btf());
        image.extend([0x55; 64]);
        assert_eq!(scan(&image), Some(&btf()[..]));
        // A header whose lengths lead out of the image is no header.
        image[64 + 20] = 200;
        assert_eq!(scan(&image), None);
        assert_eq!(scan(b"\x9f\xeb\x01\x00"), None);
    }

    #[test]
    fn unwraps_an_arm64_image() {
        let path = Path::new("vmlinuz");
        let mut plain = vec![0; 64];
        plain[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(*bare(&plain, path).expect("nothing is around it"), plain);
        let mut wrapped = b"MZ\0\0zimg".to_vec();
        wrapped.extend(16_u32.to_le_bytes());
        wrapped.extend(400_u32.to_le_bytes());
        let error = bare(&wrapped, path).expect_err("the payload is not there");
        assert_eq!(error, "vmlinuz is truncated");
    }
}
