//! From the macro's argument to its code: find the object, read it, model it, write it down.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use btf_obj::btf::Btf;
use btf_obj::obj::Object;
use btf_obj::private::{did_you_mean, similar};

use crate::docs::Docs;
use crate::input::{Input, Options};
use crate::model::Skeleton;
use crate::tokens::Files;
use crate::{locate, tokens};

pub(crate) fn expand(input: Input) -> syn::Result<TokenStream> {
    let span = input.span();
    let read = read(&input).map_err(|message| syn::Error::new(span, message));
    let (parts, mut errors) = input.apart();
    match read {
        Ok((skeleton, files)) => {
            for unknown in unknown_types(&skeleton, &parts.options) {
                errors.push(unknown);
            }
            errors.result()?;
            tokens::module(&skeleton, &parts, &files)
        }
        Err(error) => {
            errors.push(error);
            errors.result().map(|()| TokenStream::new())
        }
    }
}

/// The object's model, and the paths for `include_bytes!`.
fn read(input: &Input) -> Result<(Skeleton, Files), String> {
    let name = input.name.value();
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let path = match &input.options.path {
        Some(path) => locate::given(&path.value(), variable("CARGO_MANIFEST_DIR").as_deref())?,
        None => locate::object(&name, variable("OUT_DIR").as_deref())?,
    };
    let bytes = std::fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let beside = locate::beside(&path, &name, "target.btf");
    let kernels = locate::beside(&path, &name, "btfs");
    // Comments are no reason to fail.
    let docs = std::fs::read(locate::beside(&path, &name, "docs")).unwrap_or_default();
    let docs = Docs::parse(&String::from_utf8_lossy(&docs));
    let mut skeleton = model(&name, &bytes, read_prototypes(&beside)?.as_ref(), &docs)?;
    skeleton.has_kernels = kernels.is_file();
    let files = Files {
        object: path_text(&path)?,
        prototypes: path_text(&beside)?,
        kernels: path_text(&kernels)?,
    };
    Ok((skeleton, files))
}

/// The BTF beside the object; there is none if no program attaches by type, or the kernel's was not at hand.
fn read_prototypes(path: &Path) -> Result<Option<Btf>, String> {
    if !path.is_file() {
        return Ok(None);
    }
    Btf::from_file(path).map(Some).map_err(|e| e.to_string())
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
pub(crate) fn model(
    name: &str,
    bytes: &[u8],
    prototypes: Option<&Btf>,
    docs: &Docs,
) -> Result<Skeleton, String> {
    let object = Object::parse(name, bytes).map_err(|e| e.to_string())?;
    Skeleton::of(&object, prototypes, docs).map_err(|e| e.to_string())
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
    use btf_obj::btf::{Builder, IntEncoding, Kind, Linkage, TypeId};

    const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    /// Compiles a source of the workspace.
    fn compile(source: &str) -> (String, Vec<u8>, Docs) {
        let name = Path::new(source).file_stem().unwrap().to_string_lossy();
        let dir = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut built = btf_build::Builder::new()
            .source(Path::new(WORKSPACE).join(source))
            .target_arch(std::env::consts::ARCH)
            .out_dir(&dir)
            .try_build()
            .unwrap();
        let artifact = built.remove(0);
        let bytes = std::fs::read(&artifact.object).unwrap();
        let docs =
            std::fs::read_to_string(locate::beside(&artifact.object, &artifact.name, "docs"));
        std::fs::remove_dir_all(dir).unwrap();
        (artifact.name, bytes, Docs::parse(&docs.unwrap_or_default()))
    }

    fn skeleton((name, bytes, docs): &(String, Vec<u8>, Docs), prototypes: Option<&Btf>) -> String {
        let mut skeleton = model(name, bytes, prototypes, docs).unwrap();
        skeleton.digest = b"[what NAME.bpf.o says]".to_vec();
        let files = Files {
            object: "[OUT_DIR]/NAME.bpf.o".to_owned(),
            prototypes: "[OUT_DIR]/NAME.target.btf".to_owned(),
            kernels: "[OUT_DIR]/NAME.btfs".to_owned(),
        };
        let tokens = tokens::content(&skeleton, &Options::default(), &files);
        prettyplease::unparse(&syn::parse2(tokens).unwrap())
    }

    /// What the objects' programs attach to, as some kernel might have it.
    fn prototypes() -> Btf {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let long = b.int("long", 8, IntEncoding::SIGNED);
        let (char, boolean) = (
            b.int("char", 1, IntEncoding::SIGNED),
            b.int("_Bool", 1, IntEncoding::BOOL),
        );
        let text = b.const_(char);
        let [text, how, file, regs] = [
            text,
            b.forward_struct("open_how"),
            b.forward_struct("file"),
            b.forward_struct("pt_regs"),
        ]
        .map(|to| b.pointer(to));
        let open = b.prototype(long, [("dfd", int), ("filename", text), ("how", how)]);
        b.function("do_sys_openat2", open, Linkage::STATIC);
        let nothing: [(&str, TypeId, u32); 0] = [];
        let (pair, state) = (
            b.structure("pair", 16, nothing),
            b.enumeration("state", 4, false, []),
        );
        let hook = [
            ("file", file),
            ("type", pair),
            ("state", state),
            ("last", boolean),
        ];
        let hook = b.prototype(int, hook);
        b.function("security_file_open", hook, Linkage::STATIC);
        b.function("bpf_lsm_file_open", hook, Linkage::STATIC);
        let [meta, task] = ["bpf_iter_meta", "task_struct"].map(|name| {
            let to = b.forward_struct(name);
            b.pointer(to)
        });
        let each = b.prototype(int, [("meta", meta), ("task", task)]);
        b.function("bpf_iter_task", each, Linkage::GLOBAL);
        let data = b.pointer(TypeId::VOID);
        let probe = b.prototype(
            TypeId::VOID,
            [("__data", data), ("regs", regs), ("id", long)],
        );
        let probe = b.pointer(probe);
        b.typedef("btf_trace_sys_enter", probe);
        b.finish().unwrap()
    }

    /// What tcptop's programs attach to.
    fn tcp_prototypes() -> Btf {
        let mut b = Builder::new();
        let int = b.int("int", 4, IntEncoding::SIGNED);
        let long = b.int("long", 8, IntEncoding::SIGNED);
        let (size, flags) = (
            b.int("unsigned long", 8, IntEncoding(0)),
            b.int("unsigned int", 4, IntEncoding(0)),
        );
        let [sock, msg, page, socket, pipe] =
            ["sock", "msghdr", "page", "socket", "pipe_inode_info"].map(|name| {
                let to = b.forward_struct(name);
                b.pointer(to)
            });
        let position = b.pointer(long);
        let send = b.prototype(int, [("sk", sock), ("msg", msg), ("size", size)]);
        b.function("tcp_sendmsg_locked", send, Linkage::STATIC);
        let pages = [
            ("sk", sock),
            ("page", page),
            ("offset", int),
            ("size", size),
            ("flags", int),
        ];
        let pages = b.prototype(long, pages);
        b.function("do_tcp_sendpages", pages, Linkage::STATIC);
        let receive = [
            ("sock", socket),
            ("msg", msg),
            ("size", size),
            ("flags", int),
        ];
        let receive = b.prototype(int, receive);
        b.function("inet_recvmsg", receive, Linkage::STATIC);
        b.function("inet6_recvmsg", receive, Linkage::STATIC);
        let splice = [
            ("sock", socket),
            ("ppos", position),
            ("pipe", pipe),
            ("len", size),
            ("flags", flags),
        ];
        let splice = b.prototype(long, splice);
        b.function("tcp_splice_read", splice, Linkage::STATIC);
        b.finish().unwrap()
    }

    #[test]
    fn opensnoop() {
        let compiled = compile("examples/opensnoop/src/bpf/opensnoop.bpf.c");
        insta::assert_snapshot!("opensnoop", skeleton(&compiled, Some(&prototypes())));
    }

    #[test]
    fn meters() {
        let compiled = compile("tests/bpf/meters.bpf.c");
        insta::assert_snapshot!("meters", skeleton(&compiled, None));
    }

    #[test]
    fn resize() {
        let compiled = compile("tests/bpf/resize.bpf.c");
        insta::assert_snapshot!("resize", skeleton(&compiled, None));
    }

    #[test]
    fn tcptop() {
        let compiled = compile("examples/tcptop/src/bpf/tcptop.bpf.c");
        insta::assert_snapshot!("tcptop", skeleton(&compiled, Some(&tcp_prototypes())));
    }

    #[test]
    fn xdp_drop() {
        let compiled = compile("examples/xdp-drop/src/bpf/xdp_drop.bpf.c");
        insta::assert_snapshot!("xdp_drop", skeleton(&compiled, None));
    }

    /// Each form of argument, and each kind of target: of a function, a result, a hook, a tracepoint.
    #[test]
    fn arguments() {
        let compiled = compile("tests/bpf/attach.bpf.c");
        insta::assert_snapshot!("attach", skeleton(&compiled, Some(&prototypes())));
    }

    /// clang 14 has no ENUM64 and cuts such values to 32 bits.
    fn snapshot_with_wide_enums(source: &str, snapshot: &str) {
        let compiled = compile(source);
        let object = Object::parse(&compiled.0, &compiled.1).unwrap();
        let btf = object.require_btf().unwrap();
        let snapshot = if btf.find("wide", Kind::ENUM64).is_some() {
            snapshot.to_owned()
        } else {
            format!("{snapshot}_without_enum64")
        };
        insta::assert_snapshot!(snapshot, skeleton(&compiled, None));
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
