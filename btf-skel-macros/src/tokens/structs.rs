//! Structs and unions: definitions, layout checks, and what plain data can do.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::members::{Storage, accessors, tail};
use super::types::{reference, size};
use crate::model::{Accessor, Body, Field, Layout, Part, Skeleton, TypeRef};
use crate::names::ident;

/// A struct with C's layout: of a type, or of a section.
pub(super) struct Struct<'a> {
    pub(super) name: &'a Ident,
    pub(super) layout: &'a Layout,
}

impl Struct<'_> {
    /// The struct, with checks of its offsets.
    pub(super) fn definition(&self, attributes: &TokenStream, skeleton: &Skeleton) -> TokenStream {
        let name = self.name;
        let repr = if self.layout.packed {
            quote! { C, packed }
        } else {
            quote! { C }
        };
        let mut checks = Vec::new();
        let fields = self.layout.parts.iter().map(|part| match part {
            Part::Field(field) => {
                let (field_name, ty) = (ident(&field.name), reference(&field.ty, skeleton));
                let doc = format!(
                    "{}C: `{}`, at byte {}.",
                    field.comment, field.declaration, field.offset
                );
                let offset = Literal::u64_unsuffixed(field.offset);
                checks.push(quote! {
                    ::core::assert!(::core::mem::offset_of!(#name, #field_name) == #offset, "offset of the C member");
                });
                quote! { #[doc = #doc] pub #field_name: #ty }
            }
            Part::Padding { name, size } | Part::Bits { name, size, .. } => padding(name, *size),
            Part::Align { name, align } => alignment(name, *align),
        });
        let fields: Vec<TokenStream> = fields.collect();
        quote! {
            #attributes
            #[derive(Clone, Copy)]
            #[repr(#repr)]
            pub struct #name { #(#fields),* }

            const _: () = { #(#checks)* };
        }
    }

    /// Fields by name, bitfields among them, without padding.
    pub(super) fn debug(&self, skeleton: &Skeleton) -> TokenStream {
        let fields = self.layout.parts.iter().flat_map(|part| match part {
            Part::Field(field) => {
                let text = &field.name;
                let value = self.borrowed(&quote! { self }, field, skeleton);
                vec![quote! { .field(#text, #value) }]
            }
            Part::Padding { .. } | Part::Align { .. } => Vec::new(),
            Part::Bits { fields, .. } => fields.iter().map(debug_member).collect(),
        });
        debug(self.name, fields)
    }

    /// A reference to a field of `owner`. One of a packed struct cannot be borrowed and is copied,
    /// a large one to the heap.
    fn borrowed(&self, owner: &TokenStream, field: &Field, skeleton: &Skeleton) -> TokenStream {
        let name = ident(&field.name);
        if !self.layout.packed {
            return quote! { &#owner.#name };
        }
        if size(&field.ty, skeleton) <= 1024 {
            return quote! { &{ #owner.#name } };
        }
        let ty = reference(&field.ty, skeleton);
        let offset = Literal::u64_unsuffixed(field.offset);
        quote! { &*::btf_core::pod::boxed::<#ty>(&::btf_core::pod::bytes_of(#owner)[#offset..]) }
    }

    /// Equality and hash of what has a name; floats have no hash.
    pub(super) fn compare(&self, skeleton: &Skeleton) -> TokenStream {
        let name = self.name;
        let (mut fields, mut others) = (Vec::new(), Vec::new());
        for part in &self.layout.parts {
            match part {
                Part::Field(field) => {
                    fields.push(self.borrowed(&quote! { self }, field, skeleton));
                    others.push(self.borrowed(&quote! { other }, field, skeleton));
                }
                Part::Padding { .. } | Part::Align { .. } => {}
                Part::Bits { name, .. } => {
                    let name = ident(name);
                    fields.push(quote! { &self.#name });
                    others.push(quote! { &other.#name });
                }
            }
        }
        let hash = if has_float(self.layout, skeleton) {
            TokenStream::new()
        } else {
            quote! {
                impl ::core::cmp::Eq for #name {}

                impl ::core::hash::Hash for #name {
                    fn hash<H: ::core::hash::Hasher>(&self, state: &mut H) {
                        #( ::core::hash::Hash::hash(#fields, state); )*
                    }
                }
            }
        };
        quote! {
            impl ::core::cmp::PartialEq for #name {
                fn eq(&self, other: &Self) -> bool {
                    true #(&& #fields == #others)*
                }
            }

            #hash
        }
    }

    /// Bitfields, members of anonymous unions, and flexible arrays.
    pub(super) fn methods(&self, skeleton: &Skeleton) -> TokenStream {
        let mut methods = TokenStream::new();
        for part in &self.layout.parts {
            let (storage, members) = match part {
                Part::Field(field) => (Storage::Union(ident(&field.name)), &field.members),
                Part::Bits { name, fields, .. } => (Storage::Field(ident(name)), fields),
                Part::Padding { .. } | Part::Align { .. } => continue,
            };
            methods.extend(accessors(&storage, members, skeleton));
        }
        methods.extend(self.layout.tails.iter().map(|t| tail(t, skeleton)));
        if methods.is_empty() {
            return TokenStream::new();
        }
        let name = self.name;
        quote! { impl #name { #methods } }
    }
}

fn debug(name: &Ident, fields: impl Iterator<Item = TokenStream>) -> TokenStream {
    let text = name.to_string();
    quote! {
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text) #(#fields)* .finish()
            }
        }
    }
}

fn debug_member(member: &Accessor) -> TokenStream {
    let (text, getter) = (member.name.clone(), ident(&member.name));
    quote! { .field(#text, &self.#getter()) }
}

/// A field of bytes that nobody needs to see.
fn padding(name: &str, size: u64) -> TokenStream {
    let (name, size) = (ident(name), Literal::u64_unsuffixed(size));
    quote! {
        #[doc(hidden)]
        pub #name: [::core::primitive::u8; #size]
    }
}

/// A field without bytes that aligns its struct. `repr(align)` would not do: packed structs may not contain such.
fn alignment(name: &str, align: u64) -> TokenStream {
    let (name, word) = (ident(name), format_ident!("u{}", align * 8));
    quote! {
        #[doc(hidden)]
        pub #name: [::core::primitive::#word; 0]
    }
}

pub(super) fn has_float(layout: &Layout, skeleton: &Skeleton) -> bool {
    layout
        .parts
        .iter()
        .any(|p| matches!(p, Part::Field(f) if is_float(&f.ty, skeleton)))
}

fn is_float(ty: &TypeRef, skeleton: &Skeleton) -> bool {
    match ty.bare() {
        TypeRef::Number(name, _) => name.starts_with('f'),
        TypeRef::Array(element, _) => is_float(element, skeleton),
        TypeRef::Named(index) => skeleton
            .types
            .get(*index)
            .is_some_and(|def| match &def.body {
                Body::Struct(layout) => has_float(layout, skeleton),
                _ => false,
            }),
        _ => false,
    }
}

/// A type of which only the bytes are known.
pub(super) fn bytes(name: &Ident, attributes: &TokenStream, size: u64) -> TokenStream {
    let size = Literal::u64_unsuffixed(size);
    quote! {
        #attributes
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(transparent)]
        pub struct #name(pub [::core::primitive::u8; #size]);
    }
}

/// A union: all that C may see in its bytes, any of which is defined for any bytes.
pub(super) fn union(
    name: &Ident,
    attributes: &TokenStream,
    (size, align): (u64, u64),
    members: &[Accessor],
    skeleton: &Skeleton,
) -> TokenStream {
    let size = Literal::u64_unsuffixed(size);
    let align = (align > 1).then(|| {
        let field = alignment("__align", align);
        quote! { #field, }
    });
    let debug = debug(name, members.iter().map(debug_member));
    let accessors = accessors(&Storage::Field(ident("bytes")), members, skeleton);
    quote! {
        #attributes
        ///
        /// A union: its bytes, with a view for each member.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(C)]
        pub struct #name {
            #align
            /// All of it.
            pub bytes: [::core::primitive::u8; #size],
        }

        #debug

        impl #name { #(#accessors)* }
    }
}
