//! From the macro's argument to its code: find the object, read it, model it, write it down.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use btf_core::obj::Object;

use crate::input::Input;
use crate::model::Skeleton;
use crate::{locate, tokens};

pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let error = |message: String| syn::Error::new(input.span(), message);
    let name = input.name.value();
    let out_dir = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let path = locate::object(&name, out_dir.as_deref()).map_err(error)?;
    let bytes =
        std::fs::read(&path).map_err(|e| error(format!("cannot read {}: {e}", path.display())))?;
    let skeleton = model(&name, &bytes).map_err(error)?;
    tokens::module(&skeleton, input, &path_text(&path).map_err(error)?)
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
        let tokens = tokens::content(&skeleton, "[OUT_DIR]/NAME.bpf.o");
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
