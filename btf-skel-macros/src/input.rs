//! The macro's argument: `"name"` or `pub mod module = "name"`, and options after it.

use btf_obj::private::{did_you_mean, similar};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token};

use crate::path::{Path, Visibility};

const USAGE: &str = "include_skel! takes the name of an object in quotes: include_skel!(\"hello\"), or with a visibility and a \
                     module name: include_skel!(pub mod greeting = \"hello\")";

/// What was asked for.
pub(crate) struct Input {
    pub(crate) visibility: Visibility,
    pub(crate) module: Option<Ident>,
    pub(crate) name: LitStr,
    pub(crate) options: Options,
    /// What is wrong with options; the rest is looked at all the same, so that all errors are seen at once.
    pub(crate) errors: Errors,
}

/// What follows the name.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) derives: Vec<Derive>,
    /// The object's file, if it is not in `OUT_DIR`.
    pub(crate) path: Option<LitStr>,
    /// Where btf-core is, if not at `::btf_core`.
    pub(crate) core: Option<Path>,
}

/// Traits to derive.
pub(crate) struct Derive {
    pub(crate) traits: Vec<Path>,
    /// The types to derive them for; all if it is empty.
    pub(crate) types: Vec<Ident>,
}

/// Errors so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    /// All of them as one.
    pub(crate) fn result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let usage = |e: Error| Error::new(e.span(), USAGE);
        let visibility = input.parse()?;
        let module = if input.peek(Token![mod]) {
            input.parse::<Token![mod]>()?;
            let module = input.parse().map_err(usage)?;
            input.parse::<Token![=]>().map_err(usage)?;
            Some(module)
        } else {
            None
        };
        let name: LitStr = input.parse().map_err(usage)?;
        let (mut options, mut errors) = (Options::default(), Errors::default());
        while !input.is_empty() {
            if input.parse::<Token![,]>().is_err() {
                return Err(input.error("a comma comes between the object's name and options"));
            }
            let tokens = up_to_comma(input)?;
            if tokens.is_empty() {
                continue;
            }
            let option = |input: ParseStream<'_>| options.parse(input);
            if let Err(e) = option.parse2(tokens) {
                errors.push(e);
            }
        }
        Ok(Input {
            visibility,
            module,
            name,
            options,
            errors,
        })
    }
}

impl Input {
    /// The errors apart from the rest.
    pub(crate) fn apart(mut self) -> (Input, Errors) {
        let errors = std::mem::take(&mut self.errors);
        (self, errors)
    }

    /// Where errors about the object are shown.
    pub(crate) fn span(&self) -> Span {
        match &self.options.path {
            Some(path) => path.span(),
            None => self.name.span(),
        }
    }
}

fn up_to_comma(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// The table of options, with an example of each.
const OPTIONS: [(&str, &str); 3] = [
    (
        "derive",
        "derive(PartialOrd), or for some types only: derive(PartialOrd for Event, Key)",
    ),
    ("path", "path = \"objects/hello.bpf.o\""),
    ("crate", "crate = my_crate::btf_core"),
];

impl Options {
    fn parse(&mut self, input: ParseStream<'_>) -> Result<()> {
        let Ok(key) = Ident::parse_any(input) else {
            return Err(input.error(format!(
                "only options may follow the object's name: {}",
                names()
            )));
        };
        let text = key.to_string();
        let Some((_, example)) = OPTIONS.iter().find(|(name, _)| *name == text) else {
            return Err(Error::new(key.span(), unknown(&text)));
        };
        let value = self.value(&text, input);
        let is_whole = input.is_empty();
        // What is left would be reported as well.
        let _: TokenStream = input.parse()?;
        let message = match value {
            Ok(true) if is_whole => return Ok(()),
            Ok(false) if is_whole => format!("`{text}` is given twice"),
            _ => format!("`{text}` is written {example}"),
        };
        Err(Error::new(key.span(), message))
    }

    /// What follows an option's name; whether it was not set before.
    fn value(&mut self, key: &str, input: ParseStream<'_>) -> Result<bool> {
        if key == "derive" {
            let content;
            syn::parenthesized!(content in input);
            self.derives.push(content.parse()?);
            return Ok(true);
        }
        input.parse::<Token![=]>()?;
        Ok(if key == "path" {
            self.path.replace(input.parse()?).is_none()
        } else {
            self.core.replace(input.parse()?).is_none()
        })
    }
}

fn names() -> String {
    OPTIONS.map(|(name, _)| format!("`{name}`")).join(", ")
}

fn unknown(key: &str) -> String {
    let candidates = OPTIONS.iter().map(|(name, _)| *name);
    match did_you_mean(&similar(key, candidates)) {
        Some(hint) => format!("include_skel! has no option `{key}` ({hint})"),
        None => format!("include_skel! has no option `{key}`; it has {}", names()),
    }
}

impl Parse for Derive {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut traits = Vec::new();
        while !input.is_empty() && !input.peek(Token![for]) {
            traits.push(input.parse()?);
            if !input.is_empty() && !input.peek(Token![for]) {
                input.parse::<Token![,]>()?;
            }
        }
        let types = if input.parse::<Token![for]>().is_ok() {
            let types = Punctuated::<Ident, Token![,]>::parse_terminated(input)?;
            if types.is_empty() {
                return Err(input.error(""));
            }
            types.into_iter().collect()
        } else {
            Vec::new()
        };
        if traits.is_empty() {
            return Err(input.error(""));
        }
        Ok(Derive { traits, types })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn errors(argument: &str) -> Vec<String> {
        let errors = match syn::parse_str::<Input>(argument) {
            Ok(input) => input.errors.result(),
            Err(e) => Err(e),
        };
        let errors = errors.err().into_iter().flatten();
        errors.map(|e| e.to_string()).collect()
    }

    #[test]
    fn options_follow_the_name() {
        let text = "pub(crate) mod m = \"x\", derive(PartialOrd, serde::Serialize for A, B), \
                    derive(Ord,), path = \"a.o\", crate = ::a::b,";
        let input: Input = syn::parse_str(text).unwrap();
        let [first, second] = input.options.derives.as_slice() else {
            panic!("not two derives");
        };
        assert_eq!((first.traits.len(), first.types.len()), (2, 2));
        assert_eq!((second.traits.len(), second.types.len()), (1, 0));
        assert_eq!(input.options.path.unwrap().value(), "a.o");
        let core = input.options.core.unwrap();
        assert_eq!(core.to_token_stream().to_string(), ":: a :: b");
        assert!(input.errors.result().is_ok());
        assert_eq!(input.module.unwrap(), "m");
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let text = "\"x\", drive(Ord), path, crate = a, crate = b, derive(), verbose, derive(for A), path = \"a\" b";
        assert_eq!(
            errors(text),
            [
                "include_skel! has no option `drive` (did you mean `derive`?)",
                "`path` is written path = \"objects/hello.bpf.o\"",
                "`crate` is given twice",
                "`derive` is written derive(PartialOrd), or for some types only: derive(PartialOrd for Event, Key)",
                "include_skel! has no option `verbose`; it has `derive`, `path`, `crate`",
                "`derive` is written derive(PartialOrd), or for some types only: derive(PartialOrd for Event, Key)",
                "`path` is written path = \"objects/hello.bpf.o\"",
            ]
        );
        assert_eq!(
            errors("\"x\", \"y\""),
            ["only options may follow the object's name: `derive`, `path`, `crate`"]
        );
        assert_eq!(
            errors("\"x\" derive(A)"),
            ["a comma comes between the object's name and options"]
        );
    }
}
