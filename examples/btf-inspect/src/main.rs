//! Shows types of kernels and objects, what differs between kernels, and what the CO-RE relocations
//! of an object come to on each.

mod check;
mod diff;
mod layout;
mod source;

use std::process::ExitCode;

use btf_core::btf::{TypeId, dump};

const USAGE: &str = "usage: btf-inspect types FILE NAME...        types as C, with all that they need
       btf-inspect layout FILE NAME...       offsets, sizes and holes of structs
       btf-inspect diff OLD NEW NAME...      what differs between two kernels in structs, enums and functions
       btf-inspect check OBJECT KERNEL...    what an object's relocations come to on kernels; 1 if one is refused

A FILE is raw BTF (/sys/kernel/btf/vmlinux, of a module, too), or a BPF object.";

/// What a command prints, and whether all is well.
struct Outcome {
    text: String,
    is_fine: bool,
}

impl Outcome {
    fn fine(text: String) -> Outcome {
        Outcome {
            text,
            is_fine: true,
        }
    }
}

/// Errors are sentences for the reader.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(outcome) => {
            print!("{}", outcome.text);
            ExitCode::from(u8::from(!outcome.is_fine))
        }
        Err(e) => {
            eprintln!("btf-inspect: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[&str]) -> Result<Outcome> {
    match args {
        ["types", file, names @ ..] if !names.is_empty() => types(file, names),
        ["layout", file, names @ ..] if !names.is_empty() => {
            let btf = source::btf(file)?;
            let texts = names.iter().map(|name| {
                let ty = source::composite(&btf, name)
                    .ok_or_else(|| format!("{file} has no struct or union `{name}`"))?;
                Ok(layout::text(ty))
            });
            let texts: Result<Vec<String>> = texts.collect();
            Ok(Outcome::fine(texts?.join("\n")))
        }
        ["diff", old, new, names @ ..] if !names.is_empty() => {
            let (old, new) = (source::btf(old)?, source::btf(new)?);
            let texts: Result<Vec<String>> = names
                .iter()
                .map(|name| diff::text(&old, &new, name))
                .collect();
            Ok(Outcome::fine(texts?.concat()))
        }
        ["check", object, kernels @ ..] if !kernels.is_empty() => check::run(object, kernels),
        _ => Err(format!("this is not understood\n{USAGE}")),
    }
}

fn types(file: &str, names: &[&str]) -> Result<Outcome> {
    let btf = source::btf(file)?;
    let mut roots: Vec<TypeId> = Vec::new();
    for name in names {
        let before = roots.len();
        roots.extend(source::named(&btf, name).map(|ty| ty.id()));
        if roots.len() == before {
            return Err(format!("{file} has nothing named `{name}`"));
        }
    }
    let mut options = dump::Options::default();
    options.guard = None;
    options.preserve_access_index = false;
    let text = dump::types(&btf, &roots, &options).map_err(|e| e.to_string())?;
    Ok(Outcome::fine(text))
}
