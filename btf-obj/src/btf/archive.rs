//! The types of several kernels in one file, by the kernels' releases: for applications that carry them along, to run on
//! kernels that have none.
//!
//! The file, all of whose numbers are little-endian: the bytes `BTFS`, a version of 1, and the number of kernels; for each,
//! sorted by name, where its name and its BTF are, as offset and length; then names and BTF, where the same
//! bytes stand once. btf-build writes one beside an object (`Builder::kernel_btfs`), and the skeleton embeds it.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 4] = *b"BTFS";
const VERSION: u32 = 1;
/// Magic, version, number of kernels.
const HEADER: usize = 12;
/// Offset and length, twice.
const ENTRY: usize = 16;
/// Longest release that `uname -r` tells (`__NEW_UTS_LEN`). Entries may share their names' bytes.
const LONGEST: usize = 64;

/// An archive, borrowed from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Archive<'a> {
    /// Reads what [`Archive::write`] makes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Malformed`] if it is nothing of the kind or damaged; [`ErrorKind::Unsupported`] for a later version.
    pub fn parse(bytes: &'a [u8]) -> Result<Archive<'a>> {
        let bad =
            |what: &str| Error::malformed(format!("it is no archive of kernels' BTF: {what}"));
        if !bytes.starts_with(&MAGIC) {
            return Err(bad("it does not begin with `BTFS`"));
        }
        let (Some(version), Some(count)) = (number(bytes, 4), number(bytes, 8)) else {
            return Err(bad("it is shorter than its header"));
        };
        if version != VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("an archive of kernels' BTF of version {version} is not known"),
            ));
        }
        let count = count as usize;
        if bytes.len().saturating_sub(HEADER) / ENTRY < count {
            return Err(bad("it is shorter than its table"));
        }
        let archive = Archive { bytes, count };
        let mut last = None;
        for n in 0..count {
            let outside = || bad(&format!("its entry {n} lies outside of it"));
            let (name, _) = archive.entry(n).ok_or_else(outside)?;
            if name.len() > LONGEST {
                return Err(bad(&format!(
                    "the name of its entry {n} is longer than {LONGEST} bytes"
                )));
            }
            let name = std::str::from_utf8(name).map_err(|_| outside())?;
            if last.is_some_and(|last| last >= name) {
                return Err(bad(&format!("its entry {n} is out of order")));
            }
            last = Some(name);
        }
        Ok(archive)
    }

    /// Puts kernels' BTF together, by the releases that `uname -r` tells.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a release that no kernel can have, and if the archive would
    /// have 4 GiB or more.
    pub fn write(kernels: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
        let mut out = Vec::from(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let mut contents: Vec<u8> = Vec::new();
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let start = HEADER + kernels.len() * ENTRY;
        let mut fields = vec![kernels.len()];
        for (name, btf) in kernels {
            if name.len() > LONGEST {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("kernel release `{name}` is longer than {LONGEST} bytes"),
                ));
            }
            for part in [name.as_bytes(), btf] {
                let at = *known.entry(part).or_insert_with(|| {
                    contents.resize(contents.len().next_multiple_of(4), 0);
                    contents.extend_from_slice(part);
                    start + contents.len() - part.len()
                });
                fields.extend([at, part.len()]);
            }
        }
        for field in fields {
            let field = u32::try_from(field).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidInput,
                    "the kernels' BTF is larger than 4 GiB",
                )
            })?;
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend(contents);
        Ok(out)
    }

    /// The BTF of the kernel of this release.
    pub fn get(&self, release: &str) -> Option<&'a [u8]> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let (name, btf) = self.entry(middle)?;
            match name.cmp(release.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(btf),
            }
        }
        None
    }

    /// The releases of the kernels, sorted.
    pub fn releases(&self) -> impl Iterator<Item = &'a str> {
        let archive = *self;
        (0..self.count).filter_map(move |n| std::str::from_utf8(archive.entry(n)?.0).ok())
    }

    /// Name and BTF, if they lie within the file.
    fn entry(&self, n: usize) -> Option<(&'a [u8], &'a [u8])> {
        let at = HEADER + n * ENTRY;
        let part = |at: usize| {
            let start = number(self.bytes, at)? as usize;
            let len = number(self.bytes, at + 4)? as usize;
            self.bytes.get(start..start.checked_add(len)?)
        };
        Some((part(at)?, part(at + 8)?))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u32::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels() -> BTreeMap<String, Vec<u8>> {
        let names = ["6.1.0-13-amd64", "5.10.0-26-amd64", "5.4.0-150-generic"];
        let contents = [b"first".to_vec(), b"second".to_vec(), b"first".to_vec()];
        names.map(str::to_owned).into_iter().zip(contents).collect()
    }

    #[test]
    fn each_kernel_is_found_by_its_release() {
        let kernels = kernels();
        let bytes = Archive::write(&kernels).unwrap();
        let archive = Archive::parse(&bytes).unwrap();
        assert!(archive.releases().eq(kernels.keys()));
        for (name, btf) in &kernels {
            assert_eq!(archive.get(name), Some(btf.as_slice()));
        }
        for other in ["", "6.1.0-13", "6.1.0-13-amd64+", "4.19", "7"] {
            assert_eq!(archive.get(other), None, "{other}");
        }
        assert_eq!(bytes.windows(5).filter(|w| w == b"first").count(), 1);
        let none = Archive::write(&BTreeMap::new()).unwrap();
        assert_eq!(Archive::parse(&none).unwrap().releases().count(), 0);
    }

    #[test]
    fn damage_is_an_error_or_harmless() {
        let bytes = Archive::write(&kernels()).unwrap();
        for len in 0..bytes.len() {
            if let Ok(archive) = Archive::parse(&bytes[..len]) {
                panic!(
                    "{len} bytes have {:?}",
                    archive.releases().collect::<Vec<_>>()
                );
            }
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Ok(archive) = Archive::parse(&damaged) {
                    assert!(archive.releases().count() <= 3);
                    let _ = archive.get("6.1.0-13-amd64");
                }
            }
        }
        let long = BTreeMap::from([("x".repeat(LONGEST + 1), Vec::new())]);
        assert_eq!(
            Archive::write(&long).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        // An entry whose name is all of what follows it.
        let mut bytes = Archive::write(&BTreeMap::from([("6.1".into(), vec![b'x'; 80])])).unwrap();
        bytes[HEADER + 4] = 70;
        let error = Archive::parse(&bytes).unwrap_err();
        insta::assert_snapshot!(error, @"it is no archive of kernels' BTF: the name of its entry 0 is longer than 64 bytes");
        let error = Archive::parse(b"\x9f\xeb\x01\x00").unwrap_err();
        insta::assert_snapshot!(error, @"it is no archive of kernels' BTF: it does not begin with `BTFS`");
    }
}
