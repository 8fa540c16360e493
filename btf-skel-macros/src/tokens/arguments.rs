//! Structs of programs' arguments.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use crate::model::{Argument, Arguments, Form, Program, Skeleton};
use crate::names::ident;

pub(super) fn all(skeleton: &Skeleton) -> TokenStream {
    let structs = skeleton.programs.iter().filter_map(|program| {
        let arguments = program.arguments.as_ref()?;
        (!arguments.fields.is_empty()).then(|| definition(program, arguments))
    });
    quote! { #(#structs)* }
}

/// What the documentation of a program says of its target.
pub(super) fn doc(arguments: &Arguments) -> String {
    let (prototype, name) = (&arguments.prototype, &arguments.name);
    let target = format!("What it attaches to:\n\n```c\n{prototype}\n```");
    if arguments.fields.is_empty() {
        target
    } else {
        format!("{target}\n\nIts arguments are [`{name}`].")
    }
}

/// The parameter of a program's type that stands for its arguments, of those that have one.
pub(super) fn parameter(program: &Program) -> Option<TokenStream> {
    let arguments = program.arguments.as_ref()?;
    let name = ident(&arguments.name);
    let is_run = matches!(program.ty, "RawTracepoint" | "StructOp");
    let is_used = is_run && !arguments.fields.is_empty();
    is_used.then(|| quote! { <#name> })
}

fn definition(program: &Program, arguments: &Arguments) -> TokenStream {
    let name = ident(&arguments.name);
    let doc = format!(
        "Arguments of program `{}`, as its context has them:\n\n```c\n{}\n```",
        program.c_name, arguments.prototype
    );
    let fields = arguments.fields.iter().map(|field| {
        let (name, doc, ty) = (ident(&field.name), &field.doc, ty(field.form));
        quote! { #[doc = #doc] pub #name: #ty }
    });
    let names = arguments.fields.iter().map(|field| ident(&field.name));
    let reads = arguments.fields.iter().map(read);
    let writes = arguments.fields.iter().map(write);
    let words = arguments.fields.iter().map(|f| f.word + f.words).max();
    let words = Literal::usize_unsuffixed(words.unwrap_or(0));
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct #name { #(#fields),* }

        impl ::btf_core::prog::Arguments for #name {
            fn to_words(&self) -> ::std::vec::Vec<::core::primitive::u64> {
                let mut words = ::std::vec![0; #words];
                #(#writes)*
                words
            }

            fn from_words(words: &[::core::primitive::u64]) -> Self {
                #[allow(unused_variables)]
                let word = |n: ::core::primitive::usize| words.get(n).copied().unwrap_or(0);
                Self { #(#names: #reads),* }
            }
        }
    }
}

fn ty(form: Form) -> TokenStream {
    match form {
        Form::Integer(size, signed) => {
            let name = integer(size, signed);
            quote! { ::core::primitive::#name }
        }
        Form::Bool => quote! { ::core::primitive::bool },
        Form::Pointer => quote! { ::btf_core::pod::Ptr },
        Form::Bytes(size) => {
            let size = Literal::u64_unsuffixed(size);
            quote! { [::core::primitive::u8; #size] }
        }
    }
}

fn integer(size: u64, signed: bool) -> proc_macro2::Ident {
    format_ident!("{}{}", if signed { "i" } else { "u" }, size * 8)
}

fn read(field: &Argument) -> TokenStream {
    let word = Literal::usize_unsuffixed(field.word);
    match field.form {
        Form::Integer(size, signed) => {
            let name = integer(size, signed);
            quote! { word(#word) as ::core::primitive::#name }
        }
        Form::Bool => quote! { word(#word) as ::core::primitive::u8 != 0 },
        Form::Pointer => quote! { ::btf_core::pod::Ptr(word(#word)) },
        Form::Bytes(_) => {
            let words = (field.word..field.word + field.words).map(Literal::usize_unsuffixed);
            quote! { ::btf_core::private::bytes_of_words(&[#(word(#words)),*]) }
        }
    }
}

fn write(field: &Argument) -> TokenStream {
    let (name, word) = (ident(&field.name), Literal::usize_unsuffixed(field.word));
    let value = match field.form {
        // Not extended by the sign: as the kernel passes what is narrower than a word.
        Form::Integer(size, _) => {
            let unsigned = integer(size, false);
            quote! { self.#name as ::core::primitive::#unsigned as ::core::primitive::u64 }
        }
        Form::Bool => quote! { ::core::primitive::u64::from(self.#name) },
        Form::Pointer => quote! { self.#name.0 },
        Form::Bytes(_) => {
            return quote! { ::btf_core::private::words_of_bytes(&mut words[#word..], &self.#name); };
        }
    };
    quote! { words[#word] = #value; }
}
