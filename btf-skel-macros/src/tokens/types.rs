//! Types of the object: definitions, layout checks, and what plain data can do.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use crate::model::{Bits, Body, Part, Skeleton, TypeDef, TypeRef, Variant};
use crate::names::ident;

pub(super) fn all(skeleton: &Skeleton) -> TokenStream {
    let types = skeleton.types.iter().map(|def| definition(def, skeleton));
    quote! { #(#types)* }
}

/// A type where it is used.
pub(super) fn reference(ty: &TypeRef, skeleton: &Skeleton) -> TokenStream {
    match ty {
        TypeRef::Number(name, _) => {
            let name = format_ident!("{name}");
            quote! { ::core::primitive::#name }
        }
        TypeRef::Bool => quote! { ::btf_core::pod::Bool },
        TypeRef::Pointer => quote! { ::btf_core::pod::Ptr },
        TypeRef::Chars(n) => {
            let n = Literal::u64_unsuffixed(*n);
            quote! { ::btf_core::pod::Chars<#n> }
        }
        TypeRef::Array(element, n) => {
            let (element, n) = (reference(element, skeleton), Literal::u64_unsuffixed(*n));
            quote! { [#element; #n] }
        }
        TypeRef::Named(index) => {
            let name = skeleton
                .types
                .get(*index)
                .map_or("unknown", |def| def.name.as_str());
            let name = ident(name);
            quote! { #name }
        }
        TypeRef::Bytes(n) => {
            let n = Literal::u64_unsuffixed(*n);
            quote! { [::core::primitive::u8; #n] }
        }
    }
}

fn definition(def: &TypeDef, skeleton: &Skeleton) -> TokenStream {
    let name = ident(&def.name);
    let doc = format!("C: `{}`, {} bytes.", def.c_name, def.size);
    let body = match &def.body {
        Body::Struct { packed, parts, .. } => {
            let form = Struct {
                name: &name,
                size: def.size,
                packed: *packed,
                parts,
            };
            let definition = form.definition(&doc, skeleton);
            let debug = form.debug();
            let compare = form.compare(skeleton);
            let bits = form.bitfields(skeleton);
            quote! { #definition #debug #compare #bits }
        }
        Body::Union(variants) => union(&name, &doc, def.size, variants, skeleton),
        Body::Enum { repr, values } => enumeration(&name, &doc, repr, values),
        Body::Opaque => bytes(&name, &doc, def.size),
    };
    let size = Literal::u64_unsuffixed(def.size);
    quote! {
        #body

        // SAFETY: every part is plain data, there are no bytes between them (padding is a field), and their size is checked.
        unsafe impl ::btf_core::Pod for #name {}

        const _: () = ::core::assert!(::core::mem::size_of::<#name>() == #size, "size of the C type");

        impl ::core::default::Default for #name {
            /// All bytes zero.
            fn default() -> Self {
                ::btf_core::pod::zeroed()
            }
        }
    }
}

/// A struct with C's layout: of a type, or of a section.
pub(super) struct Struct<'a> {
    pub(super) name: &'a proc_macro2::Ident,
    pub(super) size: u64,
    pub(super) packed: bool,
    pub(super) parts: &'a [Part],
}

impl Struct<'_> {
    /// The struct, with checks of its offsets.
    pub(super) fn definition(&self, doc: &str, skeleton: &Skeleton) -> TokenStream {
        let name = self.name;
        let repr = if self.packed {
            quote! { C, packed }
        } else {
            quote! { C }
        };
        let mut checks = Vec::new();
        let fields = self.parts.iter().enumerate().map(|(n, part)| match part {
            Part::Field(field) => {
                let (field_name, ty) = (ident(&field.name), reference(&field.ty, skeleton));
                let doc = format!("C: `{}`, at byte {}.", field.declaration, field.offset);
                let offset = Literal::u64_unsuffixed(field.offset);
                checks.push(quote! {
                    ::core::assert!(::core::mem::offset_of!(#name, #field_name) == #offset, "offset of the C member");
                });
                quote! { #[doc = #doc] pub #field_name: #ty }
            }
            Part::Padding(size) => padding(n, *size),
            Part::Bits { size, fields, .. } => {
                let name = bits_name(fields);
                let size = Literal::u64_unsuffixed(*size);
                quote! {
                    #[doc(hidden)]
                    pub #name: [::core::primitive::u8; #size]
                }
            }
        });
        let fields: Vec<TokenStream> = fields.collect();
        quote! {
            #[doc = #doc]
            #[derive(Clone, Copy)]
            #[repr(#repr)]
            pub struct #name { #(#fields),* }

            const _: () = { #(#checks)* };
        }
    }

    /// Fields by name, bitfields among them, without padding.
    pub(super) fn debug(&self) -> TokenStream {
        let name = self.name;
        let text = name.to_string();
        let fields = self.parts.iter().flat_map(|part| match part {
            Part::Field(field) => {
                let (text, field) = (field.name.clone(), ident(&field.name));
                // A copy, because a field of a packed struct cannot be borrowed.
                vec![quote! { .field(#text, &{ self.#field }) }]
            }
            Part::Padding(_) => Vec::new(),
            Part::Bits { fields, .. } => fields
                .iter()
                .map(|b| {
                    let (text, getter) = (b.name.clone(), ident(&b.name));
                    quote! { .field(#text, &self.#getter()) }
                })
                .collect(),
        });
        quote! {
            impl ::core::fmt::Debug for #name {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#text) #(#fields)* .finish()
                }
            }
        }
    }

    /// Equality and hash of what has a name; none for floats, which have neither.
    fn compare(&self, skeleton: &Skeleton) -> TokenStream {
        if self
            .parts
            .iter()
            .any(|p| matches!(p, Part::Field(f) if has_float(&f.ty, skeleton)))
        {
            return TokenStream::new();
        }
        let name = self.name;
        let fields: Vec<_> = self
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Field(field) => Some(ident(&field.name)),
                Part::Padding(_) => None,
                Part::Bits { fields, .. } => Some(bits_name(fields)),
            })
            .collect();
        quote! {
            impl ::core::cmp::PartialEq for #name {
                fn eq(&self, other: &Self) -> bool {
                    true #(&& { self.#fields } == { other.#fields })*
                }
            }

            impl ::core::cmp::Eq for #name {}

            impl ::core::hash::Hash for #name {
                fn hash<H: ::core::hash::Hasher>(&self, state: &mut H) {
                    #( ::core::hash::Hash::hash(&{ self.#fields }, state); )*
                }
            }
        }
    }

    fn bitfields(&self, skeleton: &Skeleton) -> TokenStream {
        let accessors = self.parts.iter().flat_map(|part| match part {
            Part::Bits { offset, fields, .. } => {
                let storage = bits_name(fields);
                let of = |b: &Bits| accessor(b, &storage, b.offset - offset * 8, skeleton);
                fields.iter().map(of).collect()
            }
            _ => Vec::new(),
        });
        let accessors: Vec<TokenStream> = accessors.collect();
        if accessors.is_empty() {
            return TokenStream::new();
        }
        let name = self.name;
        quote! { impl #name { #(#accessors)* } }
    }
}

/// A padding field.
pub(super) fn padding(n: usize, size: u64) -> TokenStream {
    let (name, size) = (
        format_ident!("__padding_{n}"),
        Literal::u64_unsuffixed(size),
    );
    quote! {
        #[doc(hidden)]
        pub #name: [::core::primitive::u8; #size]
    }
}

/// The field that holds a run of bitfields is named after its first.
fn bits_name(fields: &[Bits]) -> proc_macro2::Ident {
    let first = fields.first().map_or("", |b| b.name.as_str());
    format_ident!("__bits_from_{first}")
}

fn accessor(
    b: &Bits,
    storage: &proc_macro2::Ident,
    offset: u64,
    skeleton: &Skeleton,
) -> TokenStream {
    let (getter, setter) = (ident(&b.name), format_ident!("set_{}", b.name));
    let (offset, bits) = (
        Literal::u64_unsuffixed(offset),
        Literal::u64_unsuffixed(b.bits),
    );
    let signed = b.signed;
    let ty = reference(&b.ty, skeleton);
    let get = format!("C: bitfield `{}`.", b.declaration);
    let set = format!(
        "Sets bitfield `{}`; bits that do not fit are cut off.",
        b.c_name
    );
    let (out, back) = match &b.ty {
        TypeRef::Bool => (
            quote! { (raw != 0).into() },
            quote! { value.get() as ::core::primitive::u64 },
        ),
        TypeRef::Named(_) => (
            quote! { #ty(raw as _) },
            quote! { value.0 as ::core::primitive::u64 },
        ),
        _ => (
            quote! { raw as #ty },
            quote! { value as ::core::primitive::u64 },
        ),
    };
    quote! {
        #[doc = #get]
        pub fn #getter(&self) -> #ty {
            let raw = ::btf_core::pod::bits(&{ self.#storage }, #offset, #bits, #signed);
            #out
        }

        #[doc = #set]
        pub fn #setter(&mut self, value: #ty) {
            let mut bytes = { self.#storage };
            ::btf_core::pod::set_bits(&mut bytes, #offset, #bits, #back);
            self.#storage = bytes;
        }
    }
}

fn has_float(ty: &TypeRef, skeleton: &Skeleton) -> bool {
    match ty {
        TypeRef::Number(name, _) => name.starts_with('f'),
        TypeRef::Array(element, _) => has_float(element, skeleton),
        TypeRef::Named(index) => skeleton
            .types
            .get(*index)
            .is_some_and(|def| match &def.body {
                Body::Struct { parts, .. } => parts
                    .iter()
                    .any(|p| matches!(p, Part::Field(f) if has_float(&f.ty, skeleton))),
                _ => false,
            }),
        _ => false,
    }
}

fn bytes(name: &proc_macro2::Ident, doc: &str, size: u64) -> TokenStream {
    let size = Literal::u64_unsuffixed(size);
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(transparent)]
        pub struct #name(pub [::core::primitive::u8; #size]);
    }
}

fn union(
    name: &proc_macro2::Ident,
    doc: &str,
    size: u64,
    variants: &[Variant],
    skeleton: &Skeleton,
) -> TokenStream {
    let definition = bytes(
        name,
        &format!("{doc} A union: its bytes, with a view for each member."),
        size,
    );
    let accessors = variants.iter().map(|v| {
        let (getter, setter) = (ident(&v.name), format_ident!("set_{}", v.name));
        let ty = reference(&v.ty, skeleton);
        let get = format!("Its first bytes as C's `{}`.", v.declaration);
        let set = format!(
            "Sets its first bytes as C's `{}`; the others stay.",
            v.declaration
        );
        quote! {
            #[doc = #get]
            pub fn #getter(&self) -> #ty {
                ::btf_core::pod::read(&self.0).unwrap_or_else(::btf_core::pod::zeroed)
            }

            #[doc = #set]
            pub fn #setter(&mut self, value: #ty) {
                let bytes = ::btf_core::pod::bytes_of(&value);
                self.0[..bytes.len()].copy_from_slice(bytes);
            }
        }
    });
    quote! {
        #definition
        impl #name { #(#accessors)* }
    }
}

fn enumeration(
    name: &proc_macro2::Ident,
    doc: &str,
    repr: &str,
    values: &[(String, i128)],
) -> TokenStream {
    let repr = format_ident!("{repr}");
    let text = name.to_string();
    let constants = values.iter().map(|(value_name, value)| {
        let (constant, value) = (ident(value_name), Literal::i128_unsuffixed(*value));
        let doc = format!("C: `{value_name}`.");
        quote! {
            #[doc = #doc]
            pub const #constant: Self = #name(#value);
        }
    });
    // Two names may have one value; the first is shown.
    let mut seen = std::collections::HashSet::new();
    let arms = values
        .iter()
        .filter(|(_, value)| seen.insert(*value))
        .map(|(value_name, value)| {
            let value = Literal::i128_unsuffixed(*value);
            quote! { #value => f.write_str(#value_name), }
        });
    quote! {
        #[doc = #doc]
        ///
        /// Any number may turn up; the constants are those with a name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct #name(pub ::core::primitive::#repr);

        impl #name { #(#constants)* }

        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.0 {
                    #(#arms)*
                    other => ::core::write!(f, "{}({other})", #text),
                }
            }
        }
    }
}
