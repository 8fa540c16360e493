//! The two states of an object, its maps, programs and links.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::arguments;
use super::types::reference;
use crate::model::{MapKind, Parameter, Program, Section, Skeleton};
use crate::names::ident;

pub(super) fn all(skeleton: &Skeleton) -> TokenStream {
    let open = open(skeleton);
    let loaded = loaded(skeleton);
    let maps = maps(skeleton);
    let programs = programs(skeleton);
    quote! { #open #loaded #maps #programs }
}

fn section_names(skeleton: &Skeleton) -> Vec<Ident> {
    skeleton.sections.iter().map(|s| ident(&s.name)).collect()
}

/// Identifiers and C names side by side, as `quote!` repeats them.
fn pairs<T>(
    items: &[T],
    name: impl Fn(&T) -> &str,
    c_name: impl Fn(&T) -> &str,
) -> (Vec<Ident>, Vec<String>) {
    items
        .iter()
        .map(|item| (ident(name(item)), c_name(item).to_owned()))
        .unzip()
}

fn map_pairs(skeleton: &Skeleton) -> (Vec<Ident>, Vec<String>) {
    pairs(&skeleton.maps, |m| &m.name, |m| &m.c_name)
}

fn program_pairs(skeleton: &Skeleton) -> (Vec<Ident>, Vec<String>) {
    pairs(&skeleton.programs, |p| &p.name, |p| &p.c_name)
}

fn ops_pairs(skeleton: &Skeleton) -> (Vec<Ident>, Vec<String>) {
    pairs(&skeleton.struct_ops, |o| &o.name, |o| &o.c_name)
}

fn open(skeleton: &Skeleton) -> TokenStream {
    let (open, loaded, name) = (
        ident(&skeleton.open),
        ident(&skeleton.loaded),
        &skeleton.name,
    );
    let (maps, c_maps) = map_pairs(skeleton);
    let (programs, c_programs) = program_pairs(skeleton);
    let (open_maps, open_progs, open_operations) = (
        ident(&skeleton.own.open_maps),
        ident(&skeleton.own.open_progs),
        ident(&skeleton.own.open_operations),
    );
    let initial = || skeleton.sections.iter().filter(|s| s.has_initial);
    let sections: Vec<Ident> = initial().map(|s| ident(&s.name)).collect();
    let c_sections: Vec<&String> = initial().map(|s| &s.c_name).collect();
    let fields = initial().map(|section| {
        let (name, ty) = (ident(&section.name), ident(&section.ty));
        let doc = format!(
            "Variables of `{}`, with the values that they will start with.",
            section.c_name
        );
        quote! { #[doc = #doc] pub #name: ::std::boxed::Box<#ty>, }
    });
    let prototypes = skeleton.has_prototypes.then(|| {
        quote! { object.set_prototypes(::btf_core::btf::Btf::parse(PROTOTYPES)?); }
    });
    let kernels = skeleton.has_kernels.then(|| {
        quote! { object.set_kernel_btfs(KERNELS); }
    });
    let (ops, c_ops) = ops_pairs(skeleton);
    let settings = skeleton.struct_ops.iter().map(|o| ident(&o.ty));
    let operations = (!ops.is_empty()).then(|| {
        quote! {
            /// Settings of structs of operations.
            pub struct_ops: #open_operations,
        }
    });
    let take_operations = (!ops.is_empty()).then(|| {
        quote! {
            struct_ops: #open_operations { #( #ops: #settings(object.take_struct_ops(#c_ops)?), )* },
        }
    });
    let resizers = initial().filter_map(|section| resizer(section, skeleton));
    let doc = format!("The object `{name}`, read but not loaded: what can be set is set here.");
    let load_doc = "Loads the object: relocates it for the running kernel, creates its maps, and has the verifier look at \
                    its programs.";
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        pub struct #open {
            /// Settings of maps.
            pub maps: #open_maps,
            /// Settings of programs.
            pub progs: #open_progs,
            #operations
            #(#fields)*
            object: ::btf_core::load::OpenObject,
        }

        impl #open {
            /// The object without its types, for what has no typed form.
            pub fn object_mut(&mut self) -> &mut ::btf_core::load::OpenObject {
                &mut self.object
            }

            #(#resizers)*

            #[doc = #load_doc]
            ///
            /// # Errors
            ///
            /// Naming the program, map or relocation that fails, with the verifier's log if it was the verifier that refused.
            pub fn load(mut self) -> ::btf_core::Result<#loaded> {
                #( self.object.set_data(#c_sections, ::btf_core::pod::bytes_of(&*self.#sections))?; )*
                #( self.object.put_map(self.maps.#maps); )*
                #( self.object.put_program(self.progs.#programs); )*
                #( self.object.put_struct_ops(self.struct_ops.#ops.0); )*
                ::btf_core::private::load(self.object, #loaded::from_object)
            }
        }

        impl #loaded {
            /// Reads the object. Nothing is asked of the kernel.
            ///
            /// # Errors
            ///
            /// If the object is not well-formed, which btf-build has checked.
            pub fn open() -> ::btf_core::Result<#open> {
                let mut object = ::btf_core::private::open(OBJECT)?;
                #prototypes
                #kernels
                ::core::result::Result::Ok(#open {
                    maps: #open_maps { #( #maps: object.take_map(#c_maps)?, )* },
                    progs: #open_progs { #( #programs: object.take_program(#c_programs)?, )* },
                    #take_operations
                    #( #sections: ::btf_core::pod::boxed(object.data(#c_sections)?), )*
                    object,
                })
            }
        }
    }
}

/// Sets how long the array is that a section ends with.
fn resizer(section: &Section, skeleton: &Skeleton) -> Option<TokenStream> {
    let (field, element) = section.array()?;
    let (ty, c_name) = (ident(&section.ty), &section.c_name);
    let doc = format!(
        "Gives `{}`, the last variable in `{c_name}`, so many elements, at least those that are declared: `elements` of the \
         loaded section has them all. Those that are added are zeros, unless `set_data` of `object_mut` sets them.",
        field.name
    );
    let method = ident(&format!("resize_{}", section.name.trim_start_matches("r#")));
    let (field, element) = (ident(&field.name), reference(element, skeleton));
    Some(quote! {
        #[doc = #doc]
        ///
        /// # Errors
        ///
        /// If they are more than a map can hold.
        pub fn #method(&mut self, elements: ::core::primitive::usize) -> ::btf_core::Result<()> {
            let elements = elements.saturating_mul(::core::mem::size_of::<#element>());
            let size = elements.saturating_add(::core::mem::offset_of!(#ty, #field));
            self.object.set_data_size(#c_name, size)
        }
    })
}

fn loaded(skeleton: &Skeleton) -> TokenStream {
    let (loaded, name) = (ident(&skeleton.loaded), &skeleton.name);
    let (maps, c_maps) = map_pairs(skeleton);
    let (programs, c_programs) = program_pairs(skeleton);
    let (all_maps, all_progs, all_operations, all_links) = (
        ident(&skeleton.own.maps),
        ident(&skeleton.own.progs),
        ident(&skeleton.own.operations),
        ident(&skeleton.own.links),
    );
    let sections = section_names(skeleton);
    let c_sections: Vec<&String> = skeleton.sections.iter().map(|s| &s.c_name).collect();
    let fields = skeleton.sections.iter().map(section_field);
    let attaching = skeleton.programs.iter().filter(|p| p.attaches);
    let (links, c_links): (Vec<Ident>, Vec<&String>) =
        attaching.map(|p| (ident(&p.name), &p.c_name)).unzip();
    let (ops, c_ops) = ops_pairs(skeleton);
    let count = links.len() + ops.len();
    let operations = (!ops.is_empty()).then(|| {
        quote! {
            /// Its structs of operations.
            pub struct_ops: #all_operations,
        }
    });
    let take_operations = (!ops.is_empty()).then(|| {
        quote! {
            struct_ops: #all_operations { #( #ops: object.take_struct_ops(#c_ops)?, )* },
        }
    });
    let doc = format!("The object `{name}` in the kernel.");
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        pub struct #loaded {
            /// Its maps.
            pub maps: #all_maps,
            /// Its programs.
            pub progs: #all_progs,
            #operations
            #(#fields)*
            warnings: ::std::vec::Vec<::std::string::String>,
        }

        impl #loaded {
            fn from_object(mut object: ::btf_core::load::LoadedObject) -> ::btf_core::Result<Self> {
                ::core::result::Result::Ok(Self {
                    maps: #all_maps {
                        #( #maps: ::core::convert::TryInto::try_into(object.take_map(#c_maps)?)?, )*
                    },
                    progs: #all_progs {
                        #( #programs: ::core::convert::TryInto::try_into(object.take_program(#c_programs)?)?, )*
                    },
                    #take_operations
                    #( #sections: object.data(#c_sections)?, )*
                    warnings: object.warnings().to_vec(),
                })
            }

            /// Non-fatal warnings emitted during load.
            pub fn warnings(&self) -> &[::std::string::String] {
                &self.warnings
            }

            /// Attaches every loaded program by its section; programs that were not loaded, whose section does not say
            /// where to attach, or that are not to be attached (`set_autoattach`), are passed over. All are detached when the
            /// links are dropped.
            ///
            /// # Errors
            ///
            /// Naming the first program that cannot be attached; those before it are detached again.
            pub fn attach(&self) -> ::btf_core::Result<#all_links> {
                ::core::result::Result::Ok(#all_links {
                    #(
                        #links: self.progs.#links.attach_if_wanted()?,
                    )*
                    #(
                        #ops: match &self.struct_ops.#ops {
                            ::core::option::Option::Some(ops) => ::core::option::Option::Some(ops.attach()?),
                            ::core::option::Option::None => ::core::option::Option::None,
                        },
                    )*
                })
            }
        }

        /// A link for each program that was attached by its section; dropping one detaches its program.
        #[derive(Debug)]
        #[must_use = "dropping the links detaches the programs"]
        pub struct #all_links {
            #(
                /// Link of the program of this name; taken out of here, it lives on by itself.
                pub #links: ::core::option::Option<::btf_core::link::Link>,
            )*
            #(
                /// Link of the operations of this name.
                pub #ops: ::core::option::Option<::btf_core::link::Link>,
            )*
        }

        impl #all_links {
            /// The links that are here, with the names of their programs in C.
            pub fn iter(&self) -> impl ::core::iter::Iterator<Item = (&'static ::core::primitive::str, &::btf_core::link::Link)> {
                let all: [(&'static ::core::primitive::str, ::core::option::Option<&::btf_core::link::Link>); #count] =
                    [ #( (#c_links, self.#links.as_ref()), )* #( (#c_ops, self.#ops.as_ref()), )* ];
                ::core::iter::Iterator::filter_map(
                    ::core::iter::IntoIterator::into_iter(all),
                    |(name, link)| ::core::option::Option::Some((name, link?)),
                )
            }
        }
    }
}

fn section_field(section: &Section) -> TokenStream {
    let name = ident(&section.name);
    let ty = ident(section.shared.as_deref().unwrap_or(&section.ty));
    let doc = match section.shared {
        Some(_) => format!(
            "Variables of `{}`, shared with the programs.",
            section.c_name
        ),
        None if !section.has_initial => {
            "Values of the kernel's configuration, as they were when the object was loaded."
                .to_owned()
        }
        None => format!(
            "Constants of `{}`, as they were when the object was loaded.",
            section.c_name
        ),
    };
    quote! { #[doc = #doc] pub #name: ::btf_core::map::Mapped<#ty>, }
}

fn maps(skeleton: &Skeleton) -> TokenStream {
    let open = skeleton.maps.iter().map(|map| {
        let (name, doc) = (ident(&map.name), &map.doc);
        quote! { #[doc = #doc] pub #name: ::btf_core::load::OpenMap, }
    });
    let loaded = skeleton.maps.iter().map(|map| {
        let (name, doc, ty) = (ident(&map.name), &map.doc, map_type(&map.kind, skeleton));
        quote! { #[doc = #doc] pub #name: #ty, }
    });
    let (open_maps, all_maps) = (ident(&skeleton.own.open_maps), ident(&skeleton.own.maps));
    quote! {
        /// Settings of the object's maps.
        #[derive(Debug)]
        pub struct #open_maps { #(#open)* }

        /// The object's maps.
        #[derive(Debug)]
        pub struct #all_maps { #(#loaded)* }
    }
}

fn map_type(kind: &MapKind, skeleton: &Skeleton) -> TokenStream {
    let name = ident(kind.name);
    let parameters = kind.parameters.iter().map(|parameter| match parameter {
        Parameter::Type(ty) => reference(ty, skeleton),
        Parameter::Bytes => quote! { [::core::primitive::u8] },
        Parameter::Map(inner) => map_type(inner, skeleton),
    });
    match kind.parameters.is_empty() {
        true => quote! { ::btf_core::map::#name },
        false => quote! { ::btf_core::map::#name<#(#parameters),*> },
    }
}

fn programs(skeleton: &Skeleton) -> TokenStream {
    let doc = |p: &Program| {
        let what = format!(
            "{}Program `{}`, `SEC(\"{}\")`.",
            p.comment, p.c_name, p.section
        );
        match &p.arguments {
            Some(arguments) => format!("{what} {}", arguments::doc(arguments)),
            None => what,
        }
    };
    let open = skeleton.programs.iter().map(|p| {
        let (name, doc) = (ident(&p.name), doc(p));
        quote! { #[doc = #doc] pub #name: ::btf_core::load::OpenProgram, }
    });
    let loaded = skeleton.programs.iter().map(|p| {
        let (name, doc) = (ident(&p.name), doc(p));
        let (module, ty) = (ident(p.module), ident(p.ty));
        let arguments = arguments::parameter(p);
        quote! { #[doc = #doc] pub #name: ::btf_core::#module::#ty #arguments, }
    });
    let (open_progs, all_progs) = (ident(&skeleton.own.open_progs), ident(&skeleton.own.progs));
    quote! {
        /// Settings of the object's programs.
        #[derive(Debug)]
        pub struct #open_progs { #(#open)* }

        /// The object's programs.
        #[derive(Debug)]
        pub struct #all_progs { #(#loaded)* }
    }
}
