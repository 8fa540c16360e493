//! From the macro's argument to its code: find the object, read it, model it, write it down.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use btf_core::obj::Object;
use btf_core::private::{did_you_mean, similar};

use crate::input::{Input, Options};
use crate::model::Skeleton;
use crate::{locate, tokens};

pub(crate) fn expand(input: Input) -> syn::Result<TokenStream> {
    let span = input.span();
    let read = read(&input).map_err(|message| syn::Error::new(span, message));
    let (parts, mut errors) = input.apart();
    match read {
        Ok((skeleton, path)) => {
            for unknown in unknown_types(&skeleton, &parts.options) {
                errors.push(unknown);
            }
            errors.result()?;
            tokens::module(&skeleton, &parts, &path)
        }
        Err(error) => {
            errors.push(error);
            errors.result().map(|()| TokenStream::new())
        }
    }
}

/// The object's model, and its path for `include_bytes!`.
fn read(input: &Input) -> Result<(Skeleton, String), String> {
    let name = input.name.value();
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let path = match &input.options.path {
        Some(path) => locate::given(&path.value(), variable("CARGO_MANIFEST_DIR").as_deref())?,
        None => locate::object(&name, variable("OUT_DIR").as_deref())?,
    };
    let bytes = std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok((model(&name, &bytes)?, path_text(&path)?))
}

/// Types that traits are to be derived for, and that are not there.
fn unknown_types(skeleton: &Skeleton, options: &Options) -> Vec<syn::Error> {
    let names = || skeleton.types.iter().map(|def| def.name.as_str());
    let asked = options.derives.iter().flat_map(|derive| &derive.types);
    asked
        .filter(|ty| !names().any(|name| *ty == name))
        .map(|ty| {
            let missing = format!("the object `{}` has no type `{ty}`", skeleton.name);
            let message = match did_you_mean(&similar(&ty.to_string(), names())) {
                Some(hint) => format!("{missing} ({hint})"),
                None => missing,
            };
            syn::Error::new(ty.span(), message)
        })
        .collect()
}

/// What the object says.
pub(crate) fn model(name: &str, bytes: &[u8]) -> Result<Skeleton, String> {
    let object = Object::parse(name, bytes).map_err(|e| e.to_string())?;
    Skeleton::of(&object).map_err(|e| e.to_string())
}

/// `include_bytes!` takes text.
fn path_text(path: &Path) -> Result<String, String> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("the path {} is not UTF-8", path.display()))
}

/// Generated code is reviewed as code: the skeletons of a few objects, formatted.
#[cfg(test)]
mod tests {
    use super::*;
    use btf_core::btf::Kind;

    const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    /// Compiles a source of the workspace.
    fn compile(source: &str) -> (String, Vec<u8>) {
        let name = Path::new(source).file_stem().unwrap().to_string_lossy();
        let dir = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut built = btf_build::Builder::new()
            .source(Path::new(WORKSPACE).join(source))
            .target_arch(std::env::consts::ARCH)
            .out_dir(&dir)
            .try_build()
            .unwrap();
        let artifact = built.remove(0);
        let bytes = std::fs::read(artifact.object).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
        (artifact.name, bytes)
    }

    fn skeleton(name: &str, bytes: &[u8]) -> String {
        let skeleton = model(name, bytes).unwrap();
        let tokens = tokens::content(&skeleton, &Options::default(), "[OUT_DIR]/NAME.bpf.o");
        prettyplease::unparse(&syn::parse2(tokens).unwrap())
    }

    #[test]
    fn opensnoop() {
        let (name, bytes) = compile("examples/opensnoop/src/bpf/opensnoop.bpf.c");
        insta::assert_snapshot!("opensnoop", skeleton(&name, &bytes));
    }

    /// clang 14 has no ENUM64 and cuts such values to 32 bits.
    fn snapshot_with_wide_enums(source: &str, snapshot: &str) {
        let (name, bytes) = compile(source);
        let object = Object::parse(&name, &bytes).unwrap();
        let btf = object.require_btf().unwrap();
        let snapshot = if btf.find("wide", Kind::ENUM64).is_some() {
            snapshot.to_owned()
        } else {
            format!("{snapshot}_without_enum64")
        };
        insta::assert_snapshot!(snapshot, skeleton(&name, &bytes));
    }

    #[test]
    fn types() {
        snapshot_with_wide_enums("tests/bpf/types.bpf.c", "types");
    }

    #[test]
    fn torture() {
        snapshot_with_wide_enums("tests/bpf/torture.bpf.c", "torture");
    }
}
