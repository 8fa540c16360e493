//! Structs of cells: the variables of a section and the members of a struct in shared memory.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::types::reference;
use crate::model::{Layout, Part, Skeleton, TypeDef};
use crate::names::ident;

/// A struct with a `Global` for each field of a layout, and checks of their offsets. All bytes lie
/// in a `Global`, padding too: programs write the words that it is part of.
pub(super) fn definition(
    name: &Ident,
    doc: &str,
    layout: &Layout,
    skeleton: &Skeleton,
) -> TokenStream {
    let mut checks = Vec::new();
    let fields = layout.parts.iter().filter_map(|part| match part {
        Part::Field(field) => {
            let (field_name, ty) = (ident(&field.name), reference(&field.ty, skeleton));
            let doc = format!("{}C: `{}`.", field.comment, field.declaration);
            let offset = Literal::u64_unsuffixed(field.offset);
            checks.push(quote! {
                ::core::assert!(::core::mem::offset_of!(#name, #field_name) == #offset, "offset of the variable");
            });
            Some(quote! { #[doc = #doc] pub #field_name: ::btf_core::map::Global<#ty> })
        }
        Part::Padding { name, size } | Part::Bits { name, size, .. } => Some(bytes(name, *size)),
        // Cells have no alignment.
        Part::Align { .. } => None,
    });
    let fields: Vec<TokenStream> = fields.collect();
    quote! {
        #[doc = #doc]
        #[repr(C)]
        pub struct #name { #(#fields),* }

        const _: () = { #(#checks)* };
    }
}

fn bytes(name: &str, size: u64) -> TokenStream {
    let (name, size) = (ident(name), Literal::u64_unsuffixed(size));
    quote! {
        #[doc(hidden)]
        pub #name: ::btf_core::map::Global<[::core::primitive::u8; #size]>
    }
}

/// The members of a struct in place; nothing for one that lies in no shared memory.
pub(super) fn parts(def: &TypeDef, layout: &Layout, skeleton: &Skeleton) -> Option<TokenStream> {
    let (name, parts) = (ident(&def.name), ident(def.parts.as_deref()?));
    let doc = format!(
        "Members of [`{}`] in memory shared with programs, each accessed without the others.",
        def.name
    );
    let definition = definition(&parts, &doc, layout, skeleton);
    Some(quote! {
        #definition

        // SAFETY: the parts are cells of the fields, at their offsets (checked), without bytes in
        // between (padding is a cell).
        unsafe impl ::btf_core::map::InPlace for #name {
            type Parts = #parts;
        }
    })
}
