//! Access strings: `0:1:2` as a path through the types of the object.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Relo;
use crate::btf::ext::CoreKind;
use crate::btf::{Array, Btf, Kind, Type};
use crate::error::{Error, ErrorKind, Result};

/// As many steps as libbpf follows (`BPF_CORE_SPEC_MAX_LEN`).
pub(super) const MAX_LEN: usize = 64;

/// Characters of a name, an access string or a path that messages show.
const MAX_TEXT: usize = 128;

/// A step that names something: a member of a composite, or an element of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accessor<'a> {
    /// The composite that has the member, the element's type, or the enum.
    pub ty: Type<'a>,
    /// Index of the member, element or enumerator.
    pub index: u32,
    /// The member's or enumerator's name; `None` for an element.
    pub name: Option<&'a str>,
}

/// A path through types, in the object or in the target.
#[derive(Clone, Debug)]
pub(super) struct Spec<'a> {
    /// Where it starts.
    pub root: Type<'a>,
    /// The steps, without those into anonymous members.
    pub steps: Vec<Accessor<'a>>,
    /// How many steps there are with those.
    pub raw_len: usize,
    /// Bits from the start of the root.
    pub bit_offset: u64,
}

fn malformed(why: String) -> Error {
    Error::new(ErrorKind::Relocation, why)
}

impl<'a> Spec<'a> {
    pub(super) fn new(root: Type<'a>) -> Self {
        Spec {
            root,
            steps: Vec::new(),
            raw_len: 0,
            bit_offset: 0,
        }
    }

    /// Reads the access of a relocation (libbpf's `bpf_core_parse_spec`).
    pub(super) fn parse(local: &'a Btf, relo: &Relo<'_>) -> Result<Self> {
        let root = local.ty(relo.root);
        let mut spec = Spec::new(root);
        let mut indexes = relo.access.split(':').map(|part| {
            part.parse::<u32>().map_err(|_| {
                malformed(format!(
                    "access `{}` is not a list of indexes",
                    short(relo.access)
                ))
            })
        });
        let first = indexes.next().unwrap_or(Ok(0))?;
        if relo.kind.is_type() {
            return match relo.access {
                "0" => Ok(spec),
                other => Err(malformed(format!(
                    "a relocation of a type has access `{}`, not `0`",
                    short(other)
                ))),
            };
        }
        if relo.kind.is_enumval() {
            return spec.parse_enumerator(first, relo.access);
        }
        if !relo.kind.is_field() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} is not known to this version", relo.kind),
            ));
        }
        spec.push_element(root.strip(), first)?;
        spec.raw_len = 1;
        let mut ty = root;
        for index in indexes {
            let index = index?;
            if spec.raw_len == MAX_LEN {
                return Err(malformed(format!(
                    "the access has more than {MAX_LEN} steps"
                )));
            }
            spec.raw_len += 1;
            ty = spec.step(ty.strip(), index)?;
        }
        Ok(spec)
    }

    fn parse_enumerator(mut self, index: u32, access: &str) -> Result<Self> {
        let ty = self.root.strip();
        let enumerator = ty.enumerators().get(index as usize);
        match enumerator {
            Some(e) if !access.contains(':') => {
                self.steps.push(Accessor {
                    ty,
                    index,
                    name: Some(e.name()),
                });
                self.raw_len = 1;
                Ok(self)
            }
            _ => Err(malformed(format!(
                "access `{}` is not an enumerator of {ty:?}",
                short(access)
            ))),
        }
    }

    /// Follows one index into `ty`, and returns the type that it leads to.
    fn step(&mut self, ty: Type<'a>, index: u32) -> Result<Type<'a>> {
        if ty.kind().is_composite() {
            let member = ty.members().get(index as usize).ok_or_else(|| {
                malformed(format!(
                    "the access asks for member {index} of {ty:?}, which has {}",
                    ty.vlen()
                ))
            })?;
            self.bit_offset += u64::from(member.bit_offset());
            // Steps into anonymous members have no name to be found by in the target.
            if !member.name_bytes().is_empty() {
                self.steps.push(Accessor {
                    ty,
                    index,
                    name: Some(member.name()),
                });
            }
            return Ok(member.ty());
        }
        let Some(array) = ty.array() else {
            return Err(malformed(format!(
                "the access asks for part {index} of {ty:?}, which has no parts"
            )));
        };
        if index >= array.len && !is_flexible(self.steps.last(), array) {
            return Err(malformed(format!(
                "the access asks for element {index} of an array of {}",
                array.len
            )));
        }
        let element = array.element.strip();
        self.push_element(element, index)?;
        Ok(element)
    }

    /// Adds a step to element `index` of an array of `ty`.
    pub(super) fn push_element(&mut self, ty: Type<'a>, index: u32) -> Result<()> {
        // Even the first element must have a size, as in libbpf.
        let size = ty
            .byte_size()
            .ok_or_else(|| malformed(format!("{ty:?} has no size")))?;
        let offset = size
            .checked_mul(8)
            .and_then(|bits| bits.checked_mul(index.into()))
            .and_then(|bits| self.bit_offset.checked_add(bits));
        self.bit_offset =
            offset.ok_or_else(|| malformed(format!("element {index} of {ty:?} lies too far")))?;
        self.steps.push(Accessor {
            ty,
            index,
            name: None,
        });
        Ok(())
    }
}

/// Whether an array may be indexed past its length: it is the last member of a struct and has length 0.
pub(super) fn is_flexible(holder: Option<&Accessor<'_>>, array: Array<'_>) -> bool {
    holder.is_some_and(|holder| {
        holder.name.is_some() && array.len == 0 && holder.index as usize + 1 == holder.ty.vlen()
    })
}

/// The access as the C programmer wrote it: `task_struct.__state`, `field_exists(sock.sk_flags)`.
pub fn describe(local: &Btf, relo: &Relo<'_>) -> String {
    let path = path(local, relo);
    match relo.kind {
        CoreKind::FIELD_BYTE_OFFSET => path,
        kind => format!("{kind}({path})"),
    }
}

fn path(local: &Btf, relo: &Relo<'_>) -> String {
    let root = local.ty(relo.root);
    let mut out = match root.name() {
        "" => format!("{root:?}"),
        name => short(name).into_owned(),
    };
    if relo.kind.is_type() {
        return out;
    }
    let mut ty = root.strip();
    for (n, part) in relo.access.split(':').enumerate() {
        if n > MAX_LEN || out.len() > MAX_TEXT {
            out.push('…');
            break;
        }
        let Ok(index) = part.parse::<u32>() else {
            let _ = write!(out, ":{}", short(part));
            break;
        };
        if relo.kind.is_enumval() {
            match ty.enumerators().get(index as usize) {
                Some(e) => _ = write!(out, "::{}", short(e.name())),
                None => _ = write!(out, ":{index}"),
            }
            break;
        }
        if n == 0 {
            if index > 0 {
                let _ = write!(out, "[{index}]");
            }
        } else if let Some(member) = ty.members().get(index as usize) {
            if !member.name_bytes().is_empty() {
                let _ = write!(out, ".{}", short(member.name()));
            }
            ty = member.ty().strip();
        } else if ty.kind() == Kind::ARRAY {
            let _ = write!(out, "[{index}]");
            ty = ty.target().map_or(ty, Type::strip);
        } else {
            let _ = write!(out, ":{index}");
            break;
        }
    }
    out
}

/// Cuts what an object's author may have made long, for a message.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
