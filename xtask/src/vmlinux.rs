//! The raw BTF inside a vmlinuz: boot header → compressed payload → ELF → `.BTF`.

use crate::{Result, compression, disk};
use object::{Object, ObjectSection};
use std::path::Path;

/// Extracts the BTF section as the kernel shows it in `/sys/kernel/btf/vmlinux`.
///
/// # Errors
/// If the file is no bzImage, the program that decompresses it is missing, or the kernel was
/// built without BTF.
pub(crate) fn btf(vmlinuz: &Path) -> Result<Vec<u8>> {
    let image = disk::read(vmlinuz)?;
    let payload = payload(&image)
        .ok_or_else(|| format!("{} is no x86 bzImage of protocol 2.08", vmlinuz.display()))?;
    let vmlinux = decompress(payload, vmlinuz)?;
    let elf = object::File::parse(&*vmlinux)
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
    if bytes.starts_with(&0xeb9f_u16.to_le_bytes()) {
        Ok(bytes.to_vec())
    } else {
        Err(format!(
            "the .BTF section of {} does not begin with BTF's magic",
            vmlinuz.display()
        ))
    }
}

/// The compressed kernel, where the x86 boot protocol's header says it is.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| {
        let bytes = image.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
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
    // gzip ends with the size of what it holds; to the others the kernel's build appends it.
    let appended = if program == "gzip" { 0 } else { 4 };
    compression::decompress(program, &payload[..payload.len().saturating_sub(appended)])
        .map_err(|e| format!("cannot unpack {}: {e}", vmlinuz.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_where_the_payload_is() {
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
}
