//! The macro's argument: `"name"`, or `pub mod module = "name"`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Result, Token, Visibility};

const USAGE: &str = "include_skel! takes the name of an object in quotes: include_skel!(\"hello\"), or with a visibility and a \
                     module name: include_skel!(pub mod greeting = \"hello\")";

/// What was asked for.
pub(crate) struct Input {
    pub(crate) visibility: Visibility,
    pub(crate) module: Option<Ident>,
    pub(crate) name: LitStr,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let usage = |e: syn::Error| syn::Error::new(e.span(), USAGE);
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
        if !input.is_empty() {
            return Err(input.error("nothing may follow the object's name"));
        }
        Ok(Input {
            visibility,
            module,
            name,
        })
    }
}

impl Input {
    /// Where errors about the object are shown.
    pub(crate) fn span(&self) -> Span {
        self.name.span()
    }
}
