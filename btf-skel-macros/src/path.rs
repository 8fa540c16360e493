//! Paths and visibilities as the macro's argument has them. syn reads both with its feature `derive`, which takes longer to
//! compile than the rest that is used of it.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, Result, Token};

/// A path without generics: `PartialOrd`, `::serde::Serialize`.
pub(crate) struct Path {
    tokens: TokenStream,
    /// What it is, if it is one name alone.
    name: Option<Ident>,
}

impl Path {
    /// What it is, if it is one name alone.
    pub(crate) fn name(&self) -> Option<&Ident> {
        self.name.as_ref()
    }
}

impl Parse for Path {
    fn parse(input: ParseStream<'_>) -> Result<Path> {
        let mut tokens = TokenStream::new();
        if let Some(start) = input.parse::<Option<Token![::]>>()? {
            start.to_tokens(&mut tokens);
        }
        let mut is_first = tokens.is_empty();
        loop {
            // `crate` and `super` are names here.
            let name = Ident::parse_any(input)?;
            name.to_tokens(&mut tokens);
            let Some(separator) = input.parse::<Option<Token![::]>>()? else {
                let name = is_first.then_some(name);
                return Ok(Path { tokens, name });
            };
            separator.to_tokens(&mut tokens);
            is_first = false;
        }
    }
}

impl ToTokens for Path {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.tokens.clone());
    }
}

/// Nothing, `pub`, or `pub` with whom it is for in parentheses, of which rustc says what is wrong with it.
pub(crate) struct Visibility(TokenStream);

impl Parse for Visibility {
    fn parse(input: ParseStream<'_>) -> Result<Visibility> {
        let mut tokens = TokenStream::new();
        if let Some(public) = input.parse::<Option<Token![pub]>>()? {
            public.to_tokens(&mut tokens);
            let restricted = input.step(|cursor| match cursor.group(Delimiter::Parenthesis) {
                Some((content, _, rest)) => Ok((Some(content.token_stream()), rest)),
                None => Ok((None, *cursor)),
            })?;
            tokens.extend(
                restricted.map(|to| Group::new(Delimiter::Parenthesis, to).into_token_stream()),
            );
        }
        Ok(Visibility(tokens))
    }
}

impl ToTokens for Visibility {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_rust_does() {
        let path: Path = syn::parse_str("::serde::Serialize").unwrap();
        assert!(path.name().is_none());
        assert_eq!(path.to_token_stream().to_string(), ":: serde :: Serialize");
        let path: Path = syn::parse_str("crate::a").unwrap();
        assert_eq!(path.to_token_stream().to_string(), "crate :: a");
        let path: Path = syn::parse_str("Ord").unwrap();
        assert_eq!(path.name().unwrap(), "Ord");
        for wrong in ["", "::", "a::", "a b", "a::<u8>", "1"] {
            assert!(syn::parse_str::<Path>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn visibilities_are_handed_on() {
        for text in ["", "pub", "pub (crate)", "pub (in crate :: a)"] {
            let visibility: Visibility = syn::parse_str(text).unwrap();
            assert_eq!(visibility.to_token_stream().to_string(), text);
        }
        assert!(syn::parse_str::<Visibility>("pub [x]").is_err());
    }
}
