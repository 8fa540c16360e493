//! Structs of operations: their settings before the load, and what attaches them after.

use proc_macro2::TokenStream;
use quote::quote;

use super::types::reference;
use crate::model::{Operation, Operations, Skeleton};
use crate::names::ident;

/// The structs that hold settings and operations; nothing if the object has none.
pub(super) fn all(skeleton: &Skeleton) -> TokenStream {
    if skeleton.struct_ops.is_empty() {
        return TokenStream::new();
    }
    let settings = skeleton
        .struct_ops
        .iter()
        .map(|ops| settings(ops, skeleton));
    let open = skeleton.struct_ops.iter().map(|ops| {
        let (name, ty, doc) = (ident(&ops.name), ident(&ops.ty), doc(ops));
        quote! { #[doc = #doc] pub #name: #ty, }
    });
    let loaded = skeleton.struct_ops.iter().map(|ops| {
        let (name, doc) = (
            ident(&ops.name),
            format!("{} `None` if they were not created.", doc(ops)),
        );
        quote! { #[doc = #doc] pub #name: ::core::option::Option<::btf_core::struct_ops::StructOps>, }
    });
    let (open_operations, operations) = (
        ident(&skeleton.own.open_operations),
        ident(&skeleton.own.operations),
    );
    quote! {
        /// Settings of the object's structs of operations.
        #[derive(Debug)]
        pub struct #open_operations { #(#open)* }

        /// The object's structs of operations.
        #[derive(Debug)]
        pub struct #operations { #(#loaded)* }

        #(#settings)*
    }
}

fn doc(ops: &Operations) -> String {
    format!(
        "{}Operations `{}`, a `struct {}`.",
        ops.comment, ops.c_name, ops.c_type
    )
}

fn settings(ops: &Operations, skeleton: &Skeleton) -> TokenStream {
    let ty = ident(&ops.ty);
    let doc = format!(
        "{}Settings of operations `{}`, a `struct {}`.",
        ops.comment, ops.c_name, ops.c_type
    );
    let members = ops.members.iter().map(|member| accessors(member, skeleton));
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        pub struct #ty(::btf_core::struct_ops::OpenStructOps);

        impl #ty {
            /// Returns the settings without the members' types: `autocreate`, members by their C names.
            pub fn struct_ops(&self) -> &::btf_core::struct_ops::OpenStructOps {
                &self.0
            }

            /// Returns the settings without the members' types, to be changed.
            pub fn struct_ops_mut(&mut self) -> &mut ::btf_core::struct_ops::OpenStructOps {
                &mut self.0
            }

            #(#members)*
        }
    }
}

fn accessors(member: &Operation, skeleton: &Skeleton) -> TokenStream {
    let (c_name, get) = (&member.c_name, ident(&member.name));
    let set = ident(&member.setter);
    let (comment, c) = (&member.comment, format!("C: `{}`.", member.declaration));
    match &member.value {
        None => {
            let get_doc = format!("{comment}The program that `{c_name}` is. {c}");
            let set_doc = format!(
                "{comment}Sets the program that `{c_name}` is, by name; `None` for null. {c}"
            );
            quote! {
                #[doc = #get_doc]
                pub fn #get(&self) -> ::btf_core::Result<::core::option::Option<&::core::primitive::str>> {
                    self.0.program(#c_name)
                }

                #[doc = #set_doc]
                pub fn #set(&mut self, program: ::core::option::Option<&::core::primitive::str>) -> ::btf_core::Result<()> {
                    self.0.set_program(#c_name, program)
                }
            }
        }
        Some(ty) => {
            let ty = reference(ty, skeleton);
            let get_doc = format!("{comment}The value of `{c_name}`. {c}");
            let set_doc = format!("{comment}Sets `{c_name}`. {c}");
            quote! {
                #[doc = #get_doc]
                pub fn #get(&self) -> ::btf_core::Result<#ty> {
                    self.0.get(#c_name)
                }

                #[doc = #set_doc]
                pub fn #set(&mut self, value: #ty) -> ::btf_core::Result<()> {
                    self.0.set(#c_name, &value)
                }
            }
        }
    }
}
