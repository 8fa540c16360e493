//! Help for clang's messages, from the kernel's types, the table of helpers and the installed
//! headers.

use std::path::Path;

use btf_obj::btf::{Btf, Kind, Type, dump};
use btf_obj::helper;
use btf_obj::private::{did_you_mean, similar};

use super::macros;
use crate::headers;
use crate::types::Kernel;

/// What the kernel's build marks functions with that programs may call. Before 6.10 it does not.
const KFUNC: &str = "bpf_kfunc";

/// How many members of one type are looked at, those of anonymous members included. A hostile type
/// may contain itself.
const MAX_MEMBERS: usize = 1 << 14;

/// What a message is about, by its words. The first that a message begins with counts; `@` is the
/// name that is asked for.
const TOPICS: &[(&str, Topic)] = &[
    ("no member named '@' in '", Topic::Member),
    ("incomplete definition of type '@'", Topic::Whole),
    ("variable has incomplete type '@'", Topic::Whole),
    ("field has incomplete type '@'", Topic::Whole),
    ("member access into incomplete type '@'", Topic::Whole),
    (
        "invalid application of 'sizeof' to an incomplete type '@'",
        Topic::Whole,
    ),
    ("use of undeclared identifier '@'", Topic::Name),
    ("call to undeclared function '@'", Topic::Call),
    ("implicit declaration of function '@'", Topic::Call),
    ("unknown type name '@'", Topic::Name),
    ("'@' file not found", Topic::Header),
];

#[derive(Clone, Copy)]
enum Topic {
    /// A member that a type does not have.
    Member,
    /// A struct that is not defined.
    Whole,
    /// A name that is not declared.
    Name,
    /// A function that is not declared.
    Call,
    /// A header that no directory has.
    Header,
}

pub(super) struct Advisor<'a> {
    kernel: &'a Kernel<'a>,
}

impl<'a> Advisor<'a> {
    pub(super) fn new(kernel: &'a Kernel<'a>) -> Advisor<'a> {
        Advisor { kernel }
    }

    /// What to try, in a few lines.
    pub(super) fn advise(&self, text: &str) -> Option<String> {
        let (topic, name, rest) = TOPICS.iter().find_map(|(words, topic)| {
            let (before, after) = words.split_once('@')?;
            let (name, rest) = text.strip_prefix(before)?.split_once('\'')?;
            let rest = rest.strip_prefix(after.strip_prefix('\'')?)?;
            Some((*topic, name, rest))
        })?;
        match topic {
            // clang's own guess is among what the type has.
            Topic::Member if rest.contains("did you mean") => None,
            Topic::Member => self.member(name, rest.split('\'').next()?),
            Topic::Whole => self.whole(name),
            Topic::Name => self.name(name),
            Topic::Call => self.name(name).or_else(|| self.function(name)),
            Topic::Header => self.package(name),
        }
    }

    /// The packages that have a header of the kernel or of the C library.
    fn package(&self, header: &str) -> Option<String> {
        let target = self.kernel.target();
        let (first, rest) = header.split_once('/')?;
        let is_native = target.is_host();
        let cross = format!("-{}-cross", target.debian());
        let (debian, fedora) = match first {
            // The same on all architectures.
            "linux" | "asm-generic" => ("linux-libc-dev".to_owned(), "kernel-headers"),
            "asm" if is_native => ("linux-libc-dev".to_owned(), "kernel-headers"),
            "asm" => (format!("linux-libc-dev{cross}"), "kernel-cross-headers"),
            "bits" | "gnu" | "sys" | "arpa" | "net" | "netinet" if is_native => {
                ("libc6-dev".to_owned(), "glibc-devel")
            }
            "bits" | "gnu" => (
                format!("libc6-dev{cross}"),
                "glibc-devel of that architecture",
            ),
            _ => return None,
        };
        // The directories of headers are there, so that only the name is wrong.
        let is_installed = Path::new("/usr/include").join(first).is_dir();
        if is_installed && (is_native || first != "asm" && first != "bits" && first != "gnu") {
            return None;
        }
        let of = match is_native || first == "linux" || first == "asm-generic" {
            true => String::new(),
            false => format!(" of {}", target.arch),
        };
        Some(format!(
            "<{first}/{rest}>{of} is in the package {debian} of Debian and Ubuntu, {fedora} of Fedora\n\
             vmlinux.h in place of <linux/…> needs no headers of the system"
        ))
    }

    /// The types, if there are any to be read; why there are none is said where they are needed.
    fn types(&self) -> Option<&Btf> {
        self.kernel.btf().ok().flatten()
    }

    fn member(&self, name: &str, of: &str) -> Option<String> {
        let types = self.types()?;
        let ty = composite(types, of)?;
        let members = members(ty);
        // Another type of this name, the source's own.
        if members.contains(&name) {
            return None;
        }
        let near = similar(name, members.iter().copied());
        let near = did_you_mean(&near).map_or_else(String::new, |near| format!("; {near}"));
        let (keyword, of) = (keyword(ty), ty.name());
        Some(format!(
            "`{keyword} {of}` has no `{name}` in {}{near}\n\
             what only other kernels have is read by a type of its own, which CO-RE takes for `{of}`, after bpf_core_field_exists:\n\
             {keyword} {of}___other {{ TYPE {name}; }} __attribute__((preserve_access_index));",
            self.kernel
        ))
    }

    fn whole(&self, name: &str) -> Option<String> {
        let types = self.types()?;
        if composite(types, name).is_some() {
            return Some(format!("`{name}` is in vmlinux.h: include that"));
        }
        let plain = name.rsplit(' ').next()?;
        let place = match self.kernel.module_with(plain) {
            Some(module) => format!("but module {module} has"),
            None => "but may be a module's, or another configuration's".to_owned(),
        };
        Some(format!(
            "`{name}` is not in {}, {place}; declare what the program reads of it, and CO-RE finds the rest:\n\
             {name} {{ … }} __attribute__((preserve_access_index));",
            self.kernel
        ))
    }

    fn name(&self, name: &str) -> Option<String> {
        self.helper(name)
            .or_else(|| header(name))
            .or_else(|| self.declared(name))
            .or_else(|| self.constant(name))
            // The kernel has functions of every name, which variables have, too.
            .or_else(|| self.function(name).filter(|_| name.starts_with("bpf_")))
    }

    /// `BPF_FUNC_check_mtu`, for kernel types that are older than the helper, and helpers without
    /// their header.
    fn helper(&self, name: &str) -> Option<String> {
        if helper::by_name(name).is_some() {
            return Some("helpers are declared in <bpf/bpf_helpers.h>".to_owned());
        }
        let short = name.strip_prefix("BPF_FUNC_")?;
        let helper = helper::by_name(&format!("bpf_{short}"))?;
        let (major, minor) = helper.since;
        Some(format!(
            "bpf_{short} is in kernels from {major}.{minor} on, and not in {}; for bpf_core_enum_value_exists, declare\n\
             enum bpf_func_id___new {{ {name}___new = {} }};",
            self.kernel, helper.id
        ))
    }

    /// A function that could be declared as the kernel has it.
    fn function(&self, name: &str) -> Option<String> {
        let types = self.types()?;
        let function = types.find(name, Kind::FUNC)?;
        let is_kfunc = |ty: Type<'_>| ty.name() == KFUNC;
        let all = types.types();
        let are_told = all
            .rev()
            .any(|ty| ty.kind() == Kind::DECL_TAG && is_kfunc(ty));
        if are_told && !types.decl_tags(function.id()).any(is_kfunc) {
            return Some(format!(
                "`{name}` is a function in {}, but not one that programs may call (a kfunc)",
                self.kernel
            ));
        }
        let proto = dump::prototype(function);
        Some(format!(
            "`{name}` is a function in {}; if it is one that programs may call (a kfunc), declare it:\n\
             extern {proto} __ksym;",
            self.kernel
        ))
    }

    /// What is in `vmlinux.h`.
    fn declared(&self, name: &str) -> Option<String> {
        let types = self.types()?;
        let is_value = |ty: Type<'_>| {
            ty.kind().is_any_enum() && ty.enumerators().iter().any(|e| e.name() == name)
        };
        let kind = match types.find(name, Kind::TYPEDEF) {
            Some(_) => "type",
            None => types.types().any(is_value).then_some("constant")?,
        };
        let exported = format!("__{name}");
        let or = match types.find(&exported, Kind::TYPEDEF) {
            Some(_) => format!("; in headers for user space it is `{exported}`"),
            None => String::new(),
        };
        Some(format!(
            "vmlinux.h has a {kind} of this name: #include \"vmlinux.h\", in front of <bpf/…>{or}"
        ))
    }

    /// Constants that are macros.
    fn constant(&self, name: &str) -> Option<String> {
        let found = macros::find(name)?;
        Some(format!(
            "`{name}` is a macro of <{}>; BTF, of which vmlinux.h is made, has none: write it into the source\n{}",
            found.header, found.line
        ))
    }
}

/// The header of ours that defines a macro.
fn header(name: &str) -> Option<String> {
    let path = headers::with_macro(name)?;
    Some(format!("`{name}` is in <{path}>"))
}

/// The struct or union that clang names: `struct file`, or a typedef's name with the type after it.
fn composite<'a>(types: &'a Btf, name: &str) -> Option<Type<'a>> {
    match name.split_once(' ') {
        Some(("struct", name)) => types.find(name, Kind::STRUCT),
        Some(("union", name)) => types.find(name, Kind::UNION),
        Some(_) => None,
        None => {
            let ty = types.find(name, Kind::TYPEDEF)?.strip();
            (ty.kind().is_composite() && !ty.name().is_empty()).then_some(ty)
        }
    }
}

fn keyword(ty: Type<'_>) -> &'static str {
    match ty.kind() == Kind::UNION {
        true => "union",
        false => "struct",
    }
}

/// The names that C reaches in a type, those in anonymous members among them.
fn members(ty: Type<'_>) -> Vec<&str> {
    let (mut names, mut open, mut seen) = (Vec::new(), vec![ty], 0);
    while let Some(ty) = open.pop() {
        for member in ty.members().iter() {
            seen += 1;
            if seen > MAX_MEMBERS {
                return names;
            }
            match member.is_anonymous() {
                false => names.push(member.name()),
                true => open.push(member.ty().strip()),
            }
        }
    }
    names
}
