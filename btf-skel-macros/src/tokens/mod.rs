//! The model as code. Everything is named by absolute path, so that nothing in the user's scope can stand in the way.

mod arguments;
mod cells;
mod members;
mod sections;
mod skeleton;
mod struct_ops;
mod structs;
mod types;

use heck::ToSnakeCase;
use proc_macro2::{Group, Literal, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::input::{Input, Options};
use crate::model::Skeleton;
use crate::names::ident;

/// The whole module.
pub(crate) fn module(
    skeleton: &Skeleton,
    input: &Input,
    files: &Files,
) -> syn::Result<TokenStream> {
    let module = match &input.module {
        Some(module) => module.clone(),
        None => ident(&crate::names::Scope::default().value(&skeleton.name.to_snake_case())),
    };
    let visibility = &input.visibility;
    let doc = format!("Skeleton of the BPF object `{}`.", skeleton.name);
    let mut content = content(skeleton, &input.options, files);
    if let Some(core) = &input.options.core {
        content = with_core_at(content, &core.to_token_stream());
    }
    Ok(quote! {
        #[doc = #doc]
        #[allow(
            dead_code, unused_variables, // Nobody uses everything that an object declares.
            non_camel_case_types, non_snake_case, non_upper_case_globals, // Names that C chose.
            unsafe_code, // The promises that types are plain data, each with its proof.
            clippy::all, clippy::pedantic
        )]
        #visibility mod #module {
            #content
        }
    })
}

/// Paths of what the module embeds, or is made of.
pub(crate) struct Files {
    pub(crate) object: String,
    pub(crate) prototypes: String,
    pub(crate) kernels: String,
}

/// What the module contains.
pub(crate) fn content(skeleton: &Skeleton, options: &Options, files: &Files) -> TokenStream {
    let Files {
        object,
        prototypes,
        kernels,
    } = files;
    let prototypes = skeleton.has_prototypes.then(|| {
        quote! {
            /// Prototypes of what its programs attach to, as they were where it was built.
            static PROTOTYPES: &[u8] = ::core::include_bytes!(#prototypes);
        }
    });
    let kernels = skeleton.has_kernels.then(|| {
        quote! {
            /// What the object needs of the types of kernels that have no BTF of their own, by their releases.
            static KERNELS: &[u8] = ::core::include_bytes!(#kernels);
        }
    });
    let digest = Literal::byte_string(&skeleton.digest);
    let stages = skeleton.stages.iter().map(|stage| ident(stage.name()));
    let version = env!("CARGO_PKG_VERSION");
    let types = types::all(skeleton, &options.derives);
    let sections = sections::all(skeleton);
    let states = skeleton::all(skeleton);
    let arguments = arguments::all(skeleton);
    let operations = struct_ops::all(skeleton);
    quote! {
        const _: () = ::btf_core::private::check_version(#version);

        /// The object, read already.
        static OBJECT: &[u8] = #digest;
        // It is read again when the file changes.
        const _: &[u8] = ::core::include_bytes!(#object);
        #prototypes
        #kernels

        /// What loading this object takes; what other objects need besides is not linked in.
        const STAGES: ::btf_core::load::Stages = ::btf_core::load::Stages::NONE #(.#stages())*;

        #states
        #arguments
        #operations
        #sections
        #types
    }
}

/// Puts another path where the code says `::btf_core`.
fn with_core_at(tokens: TokenStream, core: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut rest = tokens.as_slice();
    loop {
        match rest {
            [
                TokenTree::Punct(a),
                TokenTree::Punct(b),
                TokenTree::Ident(name),
                after @ ..,
            ] if (a.as_char(), b.as_char()) == (':', ':') && name == "btf_core" => {
                out.extend(core.clone());
                rest = after;
            }
            [TokenTree::Group(group), after @ ..] => {
                let inner = with_core_at(group.stream(), core);
                let mut group_at = Group::new(group.delimiter(), inner);
                group_at.set_span(group.span());
                out.extend([TokenTree::Group(group_at)]);
                rest = after;
            }
            [other, after @ ..] => {
                out.extend([other.clone()]);
                rest = after;
            }
            [] => return out,
        }
    }
}
