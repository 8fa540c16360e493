//! BTF, the kernel's type format: read once, validated there, looked at through handles that cannot fail.
//!
//! * [`Btf`] owns the bytes and an index of where each type starts; [`Type`] is a `Copy` handle into it.
//! * A *split* BTF (a kernel module's) continues the ids and strings of its base.
//! * [`Builder`] writes BTF.
//! * [`ext`] reads `.BTF.ext`; [`dump`] writes C; [`value`] shows bytes by their type.
//!
//! Nothing here asks the kernel: bytes come in from the caller.

mod archive;
mod builder;
mod bytes;
pub(crate) mod dedup;
pub mod dump;
mod elements;
pub mod ext;
mod find;
mod hash;
mod parse;
#[doc(hidden)]
pub mod raw;
pub mod sanitize;
mod types;
pub mod value;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Context, Error, Result};

pub use archive::Archive;
pub use builder::{Builder, Field};
#[doc(hidden)]
pub use builder::{Strings, assemble};
pub use bytes::Bytes;
pub use elements::{Enumerator, List, Member, Param, Variable};
pub use raw::{Kind, Linkage};
pub(crate) use raw::{MAGIC, MAX_RESOLVE_DEPTH, VERSION};
pub use types::{Array, Int, IntEncoding, Type};

/// The number of a type within its BTF. 0 is `void`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type that is not there: `void`.
    pub const VOID: TypeId = TypeId(0);
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

/// A parsed and validated BTF. Cloning shares it.
///
/// ```
/// # fn main() -> btf_obj::Result<()> {
/// use btf_obj::btf::{Btf, Kind};
/// # if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() { return Ok(()); }
/// let btf = Btf::from_file("/sys/kernel/btf/vmlinux")?;
/// let task = btf.find("task_struct", Kind::STRUCT).expect("every kernel has tasks");
/// let pid = task.members().iter().find(|m| m.name() == "pid").expect("and tasks have pids");
/// println!("pid is at byte {} of {}", pid.bit_offset() / 8, task.byte_size().unwrap_or(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Btf(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    /// Where the type and string sections lie in `bytes`; the type section starts at `types.start`.
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
    /// For each own type, the byte offset of its record from `types.start`.
    index: Box<[u32]>,
    base: Option<Btf>,
    /// First id and first string offset that are not the base's.
    first_id: u32,
    first_string: u32,
    pointer_size: u8,
    little_endian: bool,
}

/// What every type has.
#[derive(Clone, Copy)]
pub(crate) struct TypeHeader {
    pub(crate) id: TypeId,
    pub(crate) kind: Kind,
    /// Offset of its name.
    pub(crate) name: u32,
}

impl Btf {
    /// Reads BTF from bytes. A foreign byte order is swapped once, into an allocation.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Malformed`] naming the header field, type or string that breaks the format;
    /// [`crate::ErrorKind::Unsupported`] for a version or kind that this crate does not know.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Btf> {
        parse::parse(bytes.into(), None)
    }

    /// Reads split BTF, a kernel module's for instance, whose ids and strings continue those of `base`.
    ///
    /// # Errors
    ///
    /// As [`Btf::parse`].
    pub fn parse_split(bytes: impl Into<Bytes>, base: &Btf) -> Result<Btf> {
        parse::parse(bytes.into(), Some(base.clone()))
    }

    /// Reads BTF from a file of raw BTF, as `/sys/kernel/btf/vmlinux` is.
    ///
    /// # Errors
    ///
    /// Those of reading the file and of [`Btf::parse`], with the path.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Btf> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|e| Error::os(format!("cannot read BTF from {}", path.display()), e))?;
        Btf::parse(bytes).context(|| format!("BTF file {}", path.display()))
    }

    /// The type with this id; `void` for an id that the BTF does not have.
    pub fn ty(&self, id: TypeId) -> Type<'_> {
        Type::at(self, id)
    }

    /// The type with this id, if there is one. `void` (id 0) is not in the BTF but counts.
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        (id.0 < self.end_id()).then(|| self.ty(id))
    }

    /// One more than the highest id, the base's included.
    pub fn end_id(&self) -> u32 {
        self.0.first_id + self.0.index.len() as u32
    }

    /// The first id that is this BTF's own: 1, or where the base ends.
    pub fn first_id(&self) -> u32 {
        self.0.first_id
    }

    /// All own types in order of id; those of the base are not repeated.
    pub fn types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> + ExactSizeIterator + '_ {
        (self.0.first_id as usize..self.end_id() as usize).map(|id| self.ty(TypeId(id as u32)))
    }

    /// The base of a split BTF.
    pub fn base(&self) -> Option<&Btf> {
        self.0.base.as_ref()
    }

    /// Size of a pointer in bytes, as the `long` types of this BTF tell; 8 if they don't.
    pub fn pointer_size(&self) -> u8 {
        self.0.pointer_size
    }

    /// Whether the bytes were written little-endian, whatever this machine is.
    pub fn is_little_endian(&self) -> bool {
        self.0.little_endian
    }

    /// The raw bytes, header included, in this machine's byte order; what `BPF_BTF_LOAD` takes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The raw bytes in the byte order of the machine whose types these are; what to put into a file.
    ///
    /// On a machine of that order these are [`Btf::as_bytes`].
    pub fn to_target_bytes(&self) -> Bytes {
        if self.0.little_endian == cfg!(target_endian = "little") {
            return self.0.bytes.clone();
        }
        // What was parsed has a header that can be read.
        parse::in_other_order(&self.0.bytes).map_or_else(|_| self.0.bytes.clone(), Bytes::from)
    }

    /// Bytes in this machine's order as a machine of this byte order has them, for [`Btf::parse`] to know it by.
    pub(crate) fn bytes_for(native: Vec<u8>, little_endian: bool) -> Result<Vec<u8>> {
        if little_endian == cfg!(target_endian = "little") {
            return Ok(native);
        }
        parse::in_other_order(&native)
    }

    /// The bytes of the string at this offset, without its terminator; `None` if it is out of the section.
    pub fn string_bytes(&self, offset: u32) -> Option<&[u8]> {
        let tail = self.string_tail(offset)?;
        // Names are short: a plain loop ends before a clever search has begun.
        Some(&tail[..tail.iter().position(|b| *b == 0)?])
    }

    /// The string section from this offset on: the string, its terminator, and what follows.
    pub(crate) fn string_tail(&self, offset: u32) -> Option<&[u8]> {
        match &self.0.base {
            Some(base) if offset < self.0.first_string => base.string_tail(offset),
            _ => {
                let (first, strings) = self.own_strings();
                strings.get(offset.checked_sub(first)? as usize..)
            }
        }
    }

    /// The string section, and the offset that it starts at: not 0 if there is a base.
    #[doc(hidden)]
    pub fn own_strings(&self) -> (u32, &[u8]) {
        let strings = self.0.bytes.get(self.0.strings.clone());
        (self.0.first_string, strings.unwrap_or_default())
    }

    /// Whether this string stands at this offset. It is compared where it stands: its end need not be looked for.
    pub(crate) fn has_string(&self, offset: u32, string: &[u8]) -> bool {
        self.string_tail(offset)
            .and_then(|tail| tail.strip_prefix(string))
            .is_some_and(|after| after.first() == Some(&0))
    }

    /// What all own types begin with, in order of id; for passes over a whole kernel.
    pub(crate) fn headers(&self) -> impl Iterator<Item = TypeHeader> + '_ {
        let types = self.0.bytes.get(self.0.types.clone()).unwrap_or_default();
        let words = types.as_chunks::<4>().0;
        (self.0.first_id..)
            .zip(&self.0.index)
            .filter_map(move |(id, record)| {
                let [name, info] = words.get(*record as usize / 4..)?.first_chunk::<2>()?;
                Some(TypeHeader {
                    id: TypeId(id),
                    name: u32::from_ne_bytes(*name),
                    kind: raw::Info(u32::from_ne_bytes(*info)).kind(),
                })
            })
    }

    /// The string at this offset, up to the first byte that is not UTF-8; `None` if it is out of the section.
    pub fn string(&self, offset: u32) -> Option<&str> {
        self.string_bytes(offset).map(utf8_prefix)
    }

    /// All own strings with their offsets, in order; those of the base are not repeated.
    pub fn strings(&self) -> impl Iterator<Item = (u32, &[u8])> + '_ {
        let section = self.string_section();
        // The section ends in a NUL byte, behind which there is no further string.
        let section = section.strip_suffix(&[0]);
        let mut offset = self.0.first_string;
        section
            .into_iter()
            .flat_map(|strings| strings.split(|b| *b == 0))
            .map(move |text| {
                let at = offset;
                offset += text.len() as u32 + 1;
                (at, text)
            })
    }

    /// The words of a type's record; none for `void`.
    #[doc(hidden)]
    pub fn record(&self, id: TypeId) -> Vec<u32> {
        let Some((home, _)) = self.locate(id) else {
            return Vec::new();
        };
        let range = home.record_range(id).unwrap_or_default();
        let (words, _) = home.0.bytes[range].as_chunks::<4>();
        words.iter().map(|w| u32::from_ne_bytes(*w)).collect()
    }

    /// Words of the record that starts at `record`, from the one at `first` (counted in fours of bytes); zeros past the end.
    fn words<const N: usize>(&self, record: u32, first: usize) -> [u32; N] {
        let start = self.0.types.start + record as usize + first * 4;
        let bytes = self.0.bytes.get(start..).unwrap_or_default();
        match bytes.as_chunks::<4>().0.first_chunk::<N>() {
            Some(words) => words.map(u32::from_ne_bytes),
            None => [0; N],
        }
    }

    /// The BTF that holds `id` and the offset of its record there.
    fn locate(&self, id: TypeId) -> Option<(&Btf, u32)> {
        let mut btf = self;
        while id.0 < btf.0.first_id {
            btf = btf.0.base.as_ref()?;
        }
        let record = *btf.0.index.get((id.0 - btf.0.first_id) as usize)?;
        Some((btf, record))
    }

    /// The bytes of its own strings.
    pub(crate) fn string_section(&self) -> &[u8] {
        self.0.bytes.get(self.0.strings.clone()).unwrap_or_default()
    }

    /// Where an own type's record lies in [`Btf::as_bytes`].
    pub(crate) fn record_range(&self, id: TypeId) -> Option<std::ops::Range<usize>> {
        let own = id.0.checked_sub(self.0.first_id)? as usize;
        let start = self.0.types.start + *self.0.index.get(own)? as usize;
        let end = match self.0.index.get(own + 1) {
            Some(next) => self.0.types.start + *next as usize,
            None => self.0.types.end,
        };
        Some(start..end)
    }

    /// One more than the last string offset, the base's included.
    fn end_string(&self) -> u32 {
        self.0.first_string + self.0.strings.len() as u32
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("types", &(self.0.first_id..self.end_id()))
            .field("strings", &self.0.strings.len())
            .field("bytes", &self.0.bytes.len())
            .finish()
    }
}

/// The longest prefix that is UTF-8; names of kernel and C types are ASCII.
#[doc(hidden)]
pub fn utf8_prefix(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(s) => s,
        Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(),
    }
}
