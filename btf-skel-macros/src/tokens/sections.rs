//! Sections of global variables: initial values, and shared cells.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::cells;
use super::structs::Struct;
use super::types::reference;
use crate::model::{Part, Section, Skeleton};
use crate::names::ident;

pub(super) fn all(skeleton: &Skeleton) -> TokenStream {
    let sections = skeleton.sections.iter().map(|section| {
        let initial = initial(section, skeleton);
        let shared = shared(section, skeleton);
        let elements = elements(section, skeleton);
        quote! { #initial #shared #elements }
    });
    quote! { #(#sections)* }
}

fn initial(section: &Section, skeleton: &Skeleton) -> TokenStream {
    let name = ident(&section.ty);
    let form = Struct {
        name: &name,
        layout: &section.layout,
    };
    let doc = match section.has_initial {
        true => format!("Initial values of the variables in `{}`.", section.c_name),
        false => "Values of the kernel's configuration.".to_owned(),
    };
    let definition = form.definition(&quote! { #[doc = #doc] }, skeleton);
    let debug = form.debug(skeleton);
    let size = Literal::u64_unsuffixed(section.size);
    quote! {
        #definition
        #debug

        // SAFETY: every variable is plain data, there are no bytes between them (padding is a field), and their size is
        // checked.
        unsafe impl ::btf_core::Pod for #name {}

        const _: () = ::core::assert!(::core::mem::size_of::<#name>() == #size, "size of the section");
    }
}

/// The array at the end of the section that loaded programs have.
fn elements(section: &Section, skeleton: &Skeleton) -> Option<TokenStream> {
    let (field, element) = section.array().filter(|_| section.has_initial)?;
    let (field, element) = (ident(&field.name), reference(element, skeleton));
    let (name, element) = match section.shared.as_deref() {
        Some(shared) => (ident(shared), quote! { ::btf_core::map::Global<#element> }),
        None => (ident(&section.ty), element),
    };
    Some(quote! {
        // SAFETY: the array is the last variable, and is of such elements.
        unsafe impl ::btf_core::map::Elements for #name {
            type Element = #element;
            const OFFSET: usize = ::core::mem::offset_of!(#name, #field);
        }
    })
}

fn shared(section: &Section, skeleton: &Skeleton) -> TokenStream {
    let Some(name) = section.shared.as_deref().map(ident) else {
        return TokenStream::new();
    };
    let doc = format!(
        "The variables in `{}`, as loaded programs see and change them.",
        section.c_name
    );
    let definition = cells::definition(&name, &doc, &section.layout, skeleton);
    let text = name.to_string();
    let debug = section.layout.parts.iter().filter_map(|part| match part {
        Part::Field(field) => {
            let (text, field) = (&field.name, ident(&field.name));
            Some(quote! { .field(#text, &self.#field) })
        }
        _ => None,
    });
    quote! {
        #definition

        // SAFETY: any bytes are a value, and every byte lies in a `Global`.
        unsafe impl ::btf_core::map::Section for #name {
            const SHARED: bool = true;
        }

        impl ::core::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text) #(#debug)* .finish()
            }
        }
    }
}
