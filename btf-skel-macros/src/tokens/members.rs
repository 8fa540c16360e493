//! Members that methods read and write in the bytes that hold them, and flexible arrays.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::types::reference;
use crate::model::{Accessor, Place, Skeleton, Tail, TypeRef};
use crate::names::ident;

/// The bytes that members lie in.
pub(super) enum Storage {
    /// A field of bytes.
    Field(Ident),
    /// The bytes of a union that is a field.
    Union(Ident),
}

impl Storage {
    /// It may be borrowed wherever it lies, packed structs included: bytes have no alignment.
    fn expression(&self) -> TokenStream {
        match self {
            Storage::Field(name) => quote! { self.#name },
            Storage::Union(name) => quote! { self.#name.bytes },
        }
    }
}

/// A getter and a setter for each member.
pub(super) fn accessors(
    storage: &Storage,
    members: &[Accessor],
    skeleton: &Skeleton,
) -> Vec<TokenStream> {
    let storage = storage.expression();
    members
        .iter()
        .map(|m| match m.place {
            Place::Byte(offset) => value(&storage, m, offset, skeleton),
            Place::Bits {
                offset,
                width,
                signed,
            } => bitfield(&storage, m, (offset, width, signed), skeleton),
        })
        .collect()
}

fn value(storage: &TokenStream, m: &Accessor, offset: u64, skeleton: &Skeleton) -> TokenStream {
    let (getter, setter) = (ident(&m.name), ident(&m.setter));
    let (ty, offset) = (reference(&m.ty, skeleton), Literal::u64_unsuffixed(offset));
    let get = format!("{}The union's bytes as C's `{}`.", m.comment, m.declaration);
    let set = format!(
        "Sets the union's bytes that are C's `{}`; the others stay.",
        m.declaration
    );
    quote! {
        #[doc = #get]
        pub fn #getter(&self) -> #ty {
            ::btf_core::pod::read_at(&#storage, #offset)
        }

        #[doc = #set]
        pub fn #setter(&mut self, value: #ty) {
            ::btf_core::pod::write_at(&mut #storage, #offset, &value);
        }
    }
}

fn bitfield(
    storage: &TokenStream,
    m: &Accessor,
    (offset, width, signed): (u64, u64, bool),
    skeleton: &Skeleton,
) -> TokenStream {
    let (getter, setter) = (ident(&m.name), ident(&m.setter));
    let (offset, width) = (
        Literal::u64_unsuffixed(offset),
        Literal::u64_unsuffixed(width),
    );
    let ty = reference(&m.ty, skeleton);
    let get = format!("{}C: bitfield `{}`.", m.comment, m.declaration);
    let set = format!(
        "Sets bitfield `{}`; bits that do not fit are cut off.",
        m.declaration
    );
    // An alias is no constructor.
    let bare = reference(m.ty.bare(), skeleton);
    let (out, back) = match m.ty.bare() {
        TypeRef::Bool => (
            quote! { ::core::convert::Into::into(raw != 0) },
            quote! { value.get() },
        ),
        TypeRef::Named(_) => (quote! { #bare(raw as _) }, quote! { value.0 }),
        _ => (quote! { raw as #ty }, quote! { value }),
    };
    quote! {
        #[doc = #get]
        pub fn #getter(&self) -> #ty {
            let raw = ::btf_core::pod::bits(&#storage, #offset, #width, #signed);
            #out
        }

        #[doc = #set]
        pub fn #setter(&mut self, value: #ty) {
            ::btf_core::pod::set_bits(&mut #storage, #offset, #width, #back as ::core::primitive::u128);
        }
    }
}

/// A flexible array's elements, out of the bytes that the struct is the beginning of.
pub(super) fn tail(tail: &Tail, skeleton: &Skeleton) -> TokenStream {
    let name = ident(&tail.name);
    let (element, offset) = (
        reference(&tail.element, skeleton),
        Literal::u64_unsuffixed(tail.offset),
    );
    let doc = format!(
        "The elements of C's flexible array `{}` in bytes that begin with this struct, as many as there are whole ones.",
        tail.declaration
    );
    quote! {
        #[doc = #doc]
        pub fn #name(bytes: &[::core::primitive::u8]) -> impl ::core::iter::ExactSizeIterator<Item = #element> + use<'_> {
            ::btf_core::pod::tail(bytes, #offset)
        }
    }
}
