//! Paths in a source file: its imports, and every path in its code. Tests are left out.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Segments of a path.
pub(super) type Path = Vec<String>;

/// One name of a `use` declaration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) path: Path,
    /// The name that it has in the module; `None` for a glob.
    pub(super) name: Option<String>,
    /// Declared with `pub`, of whatever visibility.
    pub(super) is_reexport: bool,
}

/// One module: a file, or an inline module in it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The inline modules around it, from the file's module on.
    pub(super) inline: Path,
    pub(super) imports: Vec<Import>,
    /// Paths of two segments or more, outside of imports.
    pub(super) paths: BTreeSet<Path>,
    /// Names of items that the module defines.
    pub(super) items: BTreeSet<String>,
    /// Modules in files of their own that are compiled for tests only.
    pub(super) tests: BTreeSet<String>,
}

/// Parses a source file into its module and those inside.
///
/// # Errors
///
/// If the text is not Rust.
pub(super) fn parse(text: &str) -> Result<Vec<Module>, String> {
    let tokens: TokenStream = text.parse().map_err(|e| format!("{e}"))?;
    let mut modules = Vec::new();
    Scanner::module(tokens, Vec::new(), &mut modules);
    Ok(modules)
}

struct Scanner<'a> {
    module: Module,
    /// Modules that are done.
    modules: &'a mut Vec<Module>,
}

impl Scanner<'_> {
    fn module(tokens: TokenStream, inline: Path, modules: &mut Vec<Module>) {
        let module = Module {
            inline,
            ..Module::default()
        };
        let mut scanner = Scanner { module, modules };
        scanner.scan(tokens, true);
        let module = scanner.module;
        modules.push(module);
    }

    /// Reads tokens; `is_top` for those of the module, not of a group in it.
    fn scan(&mut self, tokens: TokenStream, is_top: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += match rest {
                [TokenTree::Punct(p), TokenTree::Group(attribute), ..] if p.as_char() == '#' => {
                    match is_test(attribute) {
                        true => self.skip_test(rest),
                        false => 2,
                    }
                }
                // A visibility such as `pub(in crate::a)` uses nothing.
                [pub_, TokenTree::Group(g), ..]
                    if is_word(pub_, "pub") && g.delimiter() == Delimiter::Parenthesis =>
                {
                    2
                }
                [mod_, TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if is_word(mod_, "mod") && body.delimiter() == Delimiter::Brace =>
                {
                    let mut inline = self.module.inline.clone();
                    inline.push(name.to_string());
                    Scanner::module(body.stream(), inline, self.modules);
                    3
                }
                [use_, ..] if is_word(use_, "use") && is_top => {
                    let end = rest.iter().position(|token| is_punct(token, ';'));
                    let end = end.unwrap_or(rest.len());
                    let is_reexport = is_public(&tokens[..at]);
                    self.import(&rest[1..end], &Vec::new(), is_reexport);
                    end
                }
                [TokenTree::Group(group), ..] => {
                    self.scan(group.stream(), false);
                    1
                }
                [TokenTree::Ident(_), ..] => {
                    if is_top {
                        self.item(rest);
                    }
                    self.path(rest)
                }
                // A path's first segment has no `::` before it, except in a global path.
                [first, second, TokenTree::Ident(_), ..]
                    if is_punct(first, ':') && is_punct(second, ':') =>
                {
                    3
                }
                _ => 1,
            };
        }
    }

    /// Skips an item that is compiled for tests only; returns its length.
    fn skip_test(&mut self, tokens: &[TokenTree]) -> usize {
        let is_use = tokens.iter().find_map(|token| match token {
            TokenTree::Ident(word) if word == "use" => Some(true),
            TokenTree::Ident(word) if word != "pub" => Some(false),
            _ => None,
        });
        for (index, token) in tokens.iter().enumerate().skip(2) {
            if let [mod_, TokenTree::Ident(name), end] = &tokens[index.saturating_sub(2)..=index]
                && is_word(mod_, "mod")
                && is_punct(end, ';')
            {
                self.module.tests.insert(name.to_string());
            }
            let is_body = matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
            if is_punct(token, ';') || is_body && is_use != Some(true) {
                return index + 1;
            }
        }
        tokens.len()
    }

    /// Adds the names of a use tree.
    fn import(&mut self, tokens: &[TokenTree], prefix: &Path, is_reexport: bool) {
        for tree in tokens.split(|token| is_punct(token, ',')) {
            let mut path = prefix.clone();
            let mut alias = None;
            let mut tokens = tree.iter().peekable();
            let mut is_done = tokens.peek().is_none();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(word) if word == "as" => {
                        alias = tokens.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.import(&inner, &path, is_reexport);
                        is_done = true;
                    }
                    TokenTree::Punct(p) if p.as_char() == '*' => {
                        self.module.imports.push(Import {
                            path: path.clone(),
                            name: None,
                            is_reexport,
                        });
                        is_done = true;
                    }
                    _ => {}
                }
            }
            if is_done {
                continue;
            }
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = alias.or_else(|| path.last().cloned());
            self.module.imports.push(Import {
                path,
                name,
                is_reexport,
            });
        }
    }

    /// Adds the name of an item that begins here.
    fn item(&mut self, tokens: &[TokenTree]) {
        const KINDS: &[&str] = &[
            "struct", "enum", "union", "trait", "type", "const", "static", "fn",
        ];
        if let [TokenTree::Ident(kind), TokenTree::Ident(name), ..] = tokens
            && KINDS.contains(&kind.to_string().as_str())
        {
            self.module.items.insert(name.to_string());
        }
        if let [macro_, _, TokenTree::Ident(name), ..] = tokens
            && is_word(macro_, "macro_rules")
        {
            self.module.items.insert(name.to_string());
        }
    }

    /// Adds the path that begins here, if it has two segments; returns its length in tokens.
    fn path(&mut self, tokens: &[TokenTree]) -> usize {
        let mut path = vec![tokens[0].to_string()];
        let mut length = 1;
        while let [first, second, TokenTree::Ident(segment), ..] = &tokens[length..]
            && is_punct(first, ':')
            && is_punct(second, ':')
        {
            path.push(segment.to_string());
            length += 3;
        }
        if path.len() > 1 {
            self.module.paths.insert(path);
        }
        length
    }
}

/// Returns `true` for `[cfg(test)]` and `[cfg(all(test, …))]`.
fn is_test(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == punct)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Returns `true` if tokens end with `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    matches!(before, [.., pub_, TokenTree::Group(_)] | [.., pub_] if is_word(pub_, "pub"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn reads_imports() {
        let text = "use crate::{a::B, c::{self, D as E}}; pub(crate) use super::f::*;";
        let modules = parse(text).expect("Rust");
        let import = |text, name: &str, is_reexport| Import {
            path: path(text),
            name: (!name.is_empty()).then(|| name.to_owned()),
            is_reexport,
        };
        assert_eq!(
            modules[0].imports,
            [
                import("crate::a::B", "B", false),
                import("crate::c", "c", false),
                import("crate::c::D", "E", false),
                import("super::f", "", true),
            ]
        );
    }

    #[test]
    fn reads_paths_in_code_macros_and_inline_modules() {
        let text = r#"
            /// crate::doc::X
            fn f(a: crate::a::A) -> String { format!("crate::no::X {}", super::b::c()) }
            mod inner { fn g() { crate::d::e::<u8>(); } }
            pub(in crate::visible) struct S;
        "#;
        let modules = parse(text).expect("Rust");
        let paths = |index: usize| modules[index].paths.iter().cloned().collect::<Vec<_>>();
        assert_eq!(modules[0].inline, ["inner"]);
        assert_eq!(paths(0), [path("crate::d::e")]);
        assert_eq!(paths(1), [path("crate::a::A"), path("super::b::c")]);
        assert!(modules[1].items.contains("f") && modules[1].items.contains("S"));
    }

    #[test]
    fn leaves_out_tests() {
        let text = "
            #[cfg(test)] use crate::a::{B, C};
            #[cfg(test)] mod cases;
            #[cfg(all(test, unix))] fn f() { crate::d::e(); }
            #[cfg(test)] mod tests { use crate::f::G; }
            #[cfg(not(test))] fn g() { crate::h::i(); }
        ";
        let modules = parse(text).expect("Rust");
        assert_eq!(modules.len(), 1);
        assert!(modules[0].imports.is_empty());
        assert_eq!(modules[0].paths.iter().next(), Some(&path("crate::h::i")));
        assert!(modules[0].tests.contains("cases"));
    }
}
