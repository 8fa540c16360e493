//! The BTF that is left beside an object: the prototypes of its targets, and nothing that they do not mention.

use std::collections::HashMap;

use super::{Prototype, Target};
use crate::btf::{Btf, Builder, Kind, Linkage, Type, TypeId};
use crate::error::Result;
use crate::obj::AttachType;

/// What `BPF_PROG` and its like put before a program's name to name its body, which has the parameters that were declared.
pub const BODY_PREFIX: &str = "____";

/// As many levels of types as a parameter may have; what is deeper is left out.
const MAX_DEPTH: usize = 32;

/// What a program was declared with, if that was kept beside its target's prototype.
pub fn body_prototype<'a>(btf: &'a Btf, program: &str) -> Option<Prototype<'a>> {
    let func = btf.find(&format!("{BODY_PREFIX}{program}"), Kind::FUNC)?;
    Prototype::of_body(program, func)
}

/// Makes a BTF with the prototypes of these targets as a kernel's BTF has them, under the same names. Structs, unions and
/// enums keep name and size alone, which is all that comparing prototypes and typing arguments asks for. What the kernel
/// does not have is left out.
///
/// `bodies` are FUNCs of another BTF, to be kept as they are named; other types among them are left out.
///
/// # Errors
///
/// Those of [`Builder::finish`], which types that were read do not cause.
pub fn subset<'a>(
    kernel: &'a Btf,
    targets: impl IntoIterator<Item = Target<'a>>,
    bodies: impl IntoIterator<Item = Type<'a>>,
) -> Result<Btf> {
    let mut subset = Subset::new(kernel.is_little_endian());
    let mut seen = Vec::new();
    for target in targets {
        let Some(ty) = target.find(kernel) else {
            continue;
        };
        if seen.contains(&ty.id()) {
            continue;
        }
        seen.push(ty.id());
        match Prototype::of(target.attach_type, ty) {
            Some(prototype) if target.attach_type == AttachType::TRACE_RAW_TP => {
                subset.tracepoint(ty, &prototype.with_names());
            }
            Some(_) => subset.function(ty),
            None => {}
        }
    }
    // Ids of the other BTF are other types.
    subset.known.clear();
    for func in bodies {
        if func.kind() == Kind::FUNC {
            subset.function(func);
        }
    }
    subset.builder.finish()
}

struct Subset {
    builder: Builder,
    known: HashMap<TypeId, TypeId>,
}

impl Subset {
    fn new(little_endian: bool) -> Subset {
        let mut builder = Builder::new();
        builder.set_little_endian(little_endian);
        Subset {
            builder,
            known: HashMap::new(),
        }
    }

    fn tracepoint(&mut self, ty: Type<'_>, prototype: &Prototype<'_>) {
        let mut params = vec![("__data".to_owned(), self.builder.pointer(TypeId::VOID))];
        for arg in prototype.args() {
            params.push((arg.name.clone(), self.copy(arg.ty, 0)));
        }
        let returns = self.copy(prototype.returns(), 0);
        let params = params.iter().map(|(name, id)| (name.as_str(), *id));
        let proto = self.builder.prototype(returns, params);
        let pointer = self.builder.pointer(proto);
        self.builder.typedef(ty.name(), pointer);
    }

    fn function(&mut self, func: Type<'_>) {
        let Some(proto) = func.func_proto() else {
            return;
        };
        let proto = self.prototype(proto, 0);
        let linkage = func.linkage().unwrap_or(Linkage::STATIC);
        self.builder.function(func.name(), proto, linkage);
    }

    fn prototype(&mut self, proto: Type<'_>, depth: usize) -> TypeId {
        let mut params = Vec::new();
        for param in proto.params().iter() {
            params.push((param.name(), self.copy(param.ty(), depth)));
        }
        let returns = proto
            .target()
            .map_or(TypeId::VOID, |ty| self.copy(ty, depth));
        self.builder.prototype(returns, params)
    }

    /// Copies a type without what structs, unions and enums consist of.
    fn copy(&mut self, ty: Type<'_>, depth: usize) -> TypeId {
        if ty.is_void() || depth > MAX_DEPTH {
            return TypeId::VOID;
        }
        if let Some(known) = self.known.get(&ty.id()) {
            return *known;
        }
        let id = self.copy_new(ty, depth + 1);
        self.known.insert(ty.id(), id);
        id
    }

    fn copy_new(&mut self, ty: Type<'_>, depth: usize) -> TypeId {
        let size = ty.own_size().unwrap_or(0);
        let name = ty.name();
        let target =
            |subset: &mut Subset| ty.target().map_or(TypeId::VOID, |t| subset.copy(t, depth));
        match ty.kind() {
            Kind::STRUCT | Kind::UNION => self.builder.composite(
                ty.kind(),
                name,
                size,
                std::iter::empty::<(&str, TypeId, u32)>(),
            ),
            Kind::FWD if ty.flag() => self.builder.forward_union(name),
            Kind::FWD => self.builder.forward_struct(name),
            Kind::ENUM => self.builder.enumeration(name, size, ty.flag(), []),
            Kind::ENUM64 => self.builder.enumeration64(name, size, ty.flag(), []),
            Kind::FLOAT => self.builder.float(name, size),
            Kind::INT => match ty.int() {
                Some(int) => self.builder.int(name, size, int.encoding),
                None => TypeId::VOID,
            },
            Kind::PTR => {
                let to = target(self);
                self.builder.pointer(to)
            }
            Kind::TYPEDEF => {
                let to = target(self);
                self.builder.typedef(name, to)
            }
            Kind::CONST => {
                let of = target(self);
                self.builder.const_(of)
            }
            Kind::VOLATILE => {
                let of = target(self);
                self.builder.volatile(of)
            }
            Kind::RESTRICT => {
                let of = target(self);
                self.builder.restrict(of)
            }
            // Kernels and compilers differ in which pointers they tag; arguments are the same without.
            Kind::TYPE_TAG => target(self),
            Kind::ARRAY => match ty.array() {
                Some(array) => {
                    let (element, index) = (
                        self.copy(array.element, depth),
                        self.copy(array.index, depth),
                    );
                    self.builder.array(element, index, array.len)
                }
                None => TypeId::VOID,
            },
            Kind::FUNC_PROTO => self.prototype(ty, depth),
            _ => TypeId::VOID,
        }
    }
}
