//! Types of the object: which kind of definition each gets, what all have in common, and enums.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::cells;
use super::structs::{self, Struct};
use crate::input::Derive;
use crate::model::{Alias, Body, Skeleton, TypeDef, TypeRef, Value};
use crate::names::ident;

pub(super) fn all(skeleton: &Skeleton, derives: &[Derive]) -> TokenStream {
    let types = skeleton
        .types
        .iter()
        .map(|def| definition(def, derives, skeleton));
    let aliases = skeleton.aliases.iter().map(|def| alias(def, skeleton));
    quote! { #(#types)* #(#aliases)* }
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
        TypeRef::Named(index) => defined(skeleton.types.get(*index).map(|def| &def.name)),
        TypeRef::Alias(index, _) => defined(skeleton.aliases.get(*index).map(|def| &def.name)),
        TypeRef::Bytes(n) => {
            let n = Literal::u64_unsuffixed(*n);
            quote! { [::core::primitive::u8; #n] }
        }
    }
}

/// Bytes of a type.
pub(super) fn size(ty: &TypeRef, skeleton: &Skeleton) -> u64 {
    match ty {
        TypeRef::Number(_, size) | TypeRef::Chars(size) | TypeRef::Bytes(size) => *size,
        TypeRef::Bool => 1,
        TypeRef::Pointer => 8,
        TypeRef::Array(element, n) => size(element, skeleton).saturating_mul(*n),
        TypeRef::Named(index) => skeleton.types.get(*index).map_or(0, |def| def.size),
        TypeRef::Alias(_, ty) => size(ty, skeleton),
    }
}

fn defined(name: Option<&String>) -> TokenStream {
    let name = ident(name.map_or("unknown", String::as_str));
    quote! { #name }
}

fn alias(alias: &Alias, skeleton: &Skeleton) -> TokenStream {
    let (name, ty) = (ident(&alias.name), reference(&alias.ty, skeleton));
    let doc = format!("{}C: `{}`.", alias.comment, alias.declaration);
    quote! { #[doc = #doc] pub type #name = #ty; }
}

/// Traits that a type has without being asked for them.
fn own_traits(def: &TypeDef, skeleton: &Skeleton) -> &'static [&'static str] {
    match &def.body {
        Body::Struct(layout) if structs::has_float(layout, skeleton) => {
            &["Clone", "Copy", "Debug", "Default", "PartialEq"]
        }
        Body::Enum { .. } => &[
            "Clone",
            "Copy",
            "Debug",
            "Default",
            "PartialEq",
            "Eq",
            "Hash",
            "PartialOrd",
            "Ord",
        ],
        _ => &[
            "Clone",
            "Copy",
            "Debug",
            "Default",
            "PartialEq",
            "Eq",
            "Hash",
        ],
    }
}

/// The traits that the macro's argument asks to derive for a type, but for those that it has.
fn extra_traits(def: &TypeDef, derives: &[Derive], skeleton: &Skeleton) -> TokenStream {
    let own = own_traits(def, skeleton);
    let traits: Vec<_> = derives
        .iter()
        .filter(|derive| derive.types.is_empty() || derive.types.iter().any(|ty| *ty == def.name))
        .flat_map(|derive| &derive.traits)
        .filter(|path| {
            path.name()
                .is_none_or(|name| own.iter().all(|own| name != own))
        })
        .collect();
    if traits.is_empty() {
        TokenStream::new()
    } else {
        quote! { #[derive(#(#traits),*)] }
    }
}

fn definition(def: &TypeDef, derives: &[Derive], skeleton: &Skeleton) -> TokenStream {
    let name = ident(&def.name);
    let unit = if def.size == 1 { "byte" } else { "bytes" };
    let doc = format!("{}C: {}, {} {unit}.", def.comment, def.phrase, def.size);
    let extra = extra_traits(def, derives, skeleton);
    let attributes = quote! { #extra #[doc = #doc] };
    let body = match &def.body {
        Body::Struct(layout) => {
            let form = Struct {
                name: &name,
                layout,
            };
            let definition = form.definition(&attributes, skeleton);
            let debug = form.debug(skeleton);
            let compare = form.compare(skeleton);
            let methods = form.methods(skeleton);
            let parts = cells::parts(def, layout, skeleton);
            quote! { #definition #debug #compare #methods #parts }
        }
        Body::Union { align, members } => {
            structs::union(&name, &attributes, (def.size, *align), members, skeleton)
        }
        Body::Enum { repr, values } => enumeration(&name, &attributes, repr, values),
        Body::Opaque => structs::bytes(&name, &attributes, def.size),
    };
    let (size, align) = (
        Literal::u64_unsuffixed(def.size),
        Literal::u64_unsuffixed(def.align()),
    );
    quote! {
        #body

        // SAFETY: every part is plain data, there are no bytes between them (padding is a field), and their size is checked.
        unsafe impl ::btf_core::Pod for #name {}

        const _: () = {
            ::core::assert!(::core::mem::size_of::<#name>() == #size, "size of the C type");
            // Machines of 32 bits ask for less.
            ::core::assert!(::core::mem::align_of::<#name>() <= #align, "alignment of the C type");
        };

        impl ::core::default::Default for #name {
            /// All bytes zero.
            fn default() -> Self {
                ::btf_core::pod::zeroed()
            }
        }
    }
}

fn enumeration(
    name: &proc_macro2::Ident,
    attributes: &TokenStream,
    repr: &str,
    values: &[Value],
) -> TokenStream {
    let repr = format_ident!("{repr}");
    let text = name.to_string();
    let constants = values.iter().map(|v| {
        let (constant, value) = (ident(&v.name), Literal::i128_unsuffixed(v.value));
        let doc = format!("{}C: `{}`.", v.comment, v.c_name);
        quote! {
            #[doc = #doc]
            pub const #constant: Self = #name(#value);
        }
    });
    // Two names may have one value; the first is shown.
    let mut seen = std::collections::HashSet::new();
    let arms = values.iter().filter(|v| seen.insert(v.value)).map(|v| {
        let (value, c_name) = (Literal::i128_unsuffixed(v.value), &v.c_name);
        quote! { #value => f.write_str(#c_name), }
    });
    quote! {
        #attributes
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
