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
    let runtime = match &input.options.core {
        Some(path) => path.to_token_stream(),
        None => quote! { ::btf_core },
    };
    let content = with_crates_at(content(skeleton, &input.options, files), &runtime);
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

        #states
        #arguments
        #operations
        #sections
        #types
    }
}

/// Puts the path of btf-core in place of `::btf_core`, and paths through it in place of `::core`
/// and `::std`, which may be other crates for the user's.
fn with_crates_at(tokens: TokenStream, runtime: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut rest = tokens.as_slice();
    let mut is_within_path = false;
    loop {
        match rest {
            [
                TokenTree::Punct(a),
                TokenTree::Punct(b),
                TokenTree::Ident(name),
                after @ ..,
            ] if (a.as_char(), b.as_char()) == (':', ':')
                && !is_within_path
                && (name == "btf_core" || name == "core" || name == "std") =>
            {
                out.extend(runtime.clone());
                if name != "btf_core" {
                    out.extend(quote! { ::private::#name });
                }
                is_within_path = true;
                rest = after;
            }
            [TokenTree::Group(group), after @ ..] => {
                let inner = with_crates_at(group.stream(), runtime);
                let mut group_at = Group::new(group.delimiter(), inner);
                group_at.set_span(group.span());
                out.extend([TokenTree::Group(group_at)]);
                is_within_path = false;
                rest = after;
            }
            [other, after @ ..] => {
                out.extend([other.clone()]);
                // `a::core` is no crate, while `impl ::core::…` is.
                is_within_path = match other {
                    TokenTree::Ident(name) => !KEYWORDS.iter().any(|word| name == word),
                    _ => false,
                };
                rest = after;
            }
            [] => return out,
        }
    }
}

/// Words after which a path may start.
const KEYWORDS: [&str; 18] = [
    "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "match", "move",
    "mut", "ref", "return", "static", "where", "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_crates_go_through_the_runtime() {
        let code = quote! {
            impl ::core::A for B { fn f(x: &mut ::core::C, y: &'static ::std::D) -> a::core::E { ::btf_core::g::<::core::H>() } }
        };
        let expected = quote! {
            impl ::r::private::core::A for B {
                fn f(x: &mut ::r::private::core::C, y: &'static ::r::private::std::D) -> a::core::E {
                    ::r::g::<::r::private::core::H>()
                }
            }
        };
        let made = with_crates_at(code, &quote! { ::r });
        assert_eq!(made.to_string(), expected.to_string());
    }
}
