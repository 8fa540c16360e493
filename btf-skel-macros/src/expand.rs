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
