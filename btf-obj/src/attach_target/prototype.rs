//! The prototype of an attach target: its arguments as they lie in a program's context, and as C.

use std::fmt;

use super::naming;
use crate::btf::{Kind, Member, Type, dump};
use crate::obj::AttachType;

/// What a program's context holds: 64-bit words with the arguments of the target, and behind them its result where a
/// program runs after the target or in its stead.
#[derive(Debug, Clone)]
pub struct Prototype<'a> {
    name: String,
    returns: Type<'a>,
    args: Vec<Arg<'a>>,
    /// How many of `args` are arguments; what follows is the result.
    params: usize,
    is_variadic: bool,
    is_extended: bool,
}

/// An argument, or the result.
#[derive(Debug, Clone)]
pub struct Arg<'a> {
    /// Its name; empty if BTF does not have it.
    pub name: String,
    /// Its type.
    pub ty: Type<'a>,
    /// The first of its words in the context.
    pub word: u32,
    /// How many words it takes: two for a struct of more than eight bytes.
    pub words: u32,
    /// Whether it is the result.
    pub is_result: bool,
}

impl<'a> Prototype<'a> {
    /// Reads a target of this attach type: a FUNC, or a tracepoint's `btf_trace_…` typedef, whose first parameter no program
    /// sees. `None` if it is something else.
    pub fn of(attach_type: AttachType, target: Type<'a>) -> Option<Prototype<'a>> {
        let is_tracepoint = attach_type == AttachType::TRACE_RAW_TP;
        let proto = if is_tracepoint {
            target.strip().target()?.strip().func_proto()?
        } else {
            target.func_proto()?
        };
        let naming = naming(attach_type);
        let name = target.name();
        let mut prototype = Prototype::new(
            name.strip_prefix(naming.prefix).unwrap_or(name),
            proto,
            is_tracepoint.into(),
        );
        prototype.is_extended = is_tracepoint;
        let sees_result = matches!(
            attach_type,
            AttachType::TRACE_FEXIT
                | AttachType::TRACE_FSESSION
                | AttachType::MODIFY_RETURN
                | AttachType::LSM_MAC
                | AttachType::LSM_CGROUP
        );
        if sees_result && !prototype.returns.strip().is_void() {
            prototype.push("ret".to_owned(), prototype.returns, true);
        }
        Some(prototype)
    }

    /// Reads a declaration of a program's own, as `BPF_PROG` makes it: what follows its first parameter, the context.
    pub fn of_body(name: &str, func: Type<'a>) -> Option<Prototype<'a>> {
        Some(Prototype::new(name, func.func_proto()?, 1))
    }

    /// Reads an operation: a member of a struct that is a pointer to a function.
    pub fn of_operation(member: Member<'a>) -> Option<Prototype<'a>> {
        let proto = member.ty().strip().target()?.strip().func_proto()?;
        Some(Prototype::new(member.name(), proto, 0))
    }

    fn new(name: &str, proto: Type<'a>, skip: usize) -> Prototype<'a> {
        let mut prototype = Prototype {
            name: name.to_owned(),
            returns: proto.target().unwrap_or(proto),
            args: Vec::new(),
            params: 0,
            is_variadic: false,
            is_extended: false,
        };
        for param in proto.params().iter().skip(skip) {
            if param.is_variadic() {
                prototype.is_variadic = true;
            } else {
                prototype.push(param.name().to_owned(), param.ty(), false);
                prototype.params += 1;
            }
        }
        prototype
    }

    fn push(&mut self, name: String, ty: Type<'a>, is_result: bool) {
        let word = self.words();
        let bytes = ty.byte_size().unwrap_or(8).clamp(1, 16);
        self.args.push(Arg {
            name,
            ty,
            word,
            words: bytes.div_ceil(8) as u32,
            is_result,
        });
    }

    /// With names where they lie elsewhere: the typedef of a tracepoint has none, but the function that calls its probes does.
    #[must_use]
    pub fn with_names(mut self) -> Prototype<'a> {
        if self.args.iter().any(|arg| !arg.name.is_empty()) {
            return self;
        }
        let caller = format!("__traceiter_{}", self.name);
        let func = self.returns.btf().find(&caller, Kind::FUNC);
        let params = func
            .map(Type::params)
            .filter(|params| params.len() == self.params + 1);
        for (arg, param) in self
            .args
            .iter_mut()
            .zip(params.iter().flat_map(|p| p.iter().skip(1)))
        {
            param.name().clone_into(&mut arg.name);
        }
        self
    }

    /// The target's name, without the prefix that it has in BTF.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether arguments that are narrower than their words are followed by zeros: those of tracepoints are (`__CAST_TO_U64` of the
    /// kernel's `bpf_probe.h`), those of functions are registers, of which the rest may be anything.
    pub(super) fn is_extended(&self) -> bool {
        self.is_extended
    }

    /// What it returns, whether a program sees that or not.
    pub fn returns(&self) -> Type<'a> {
        self.returns
    }

    /// The arguments, and the result if a program sees it.
    pub fn args(&self) -> &[Arg<'a>] {
        &self.args
    }

    /// The argument that a word of the context belongs to, and its position in [`Prototype::args`].
    pub fn at_word(&self, word: u32) -> Option<(usize, &Arg<'a>)> {
        let n = self
            .args
            .partition_point(|arg| arg.word + arg.words <= word);
        Some((n, self.args.get(n)?))
    }

    /// Words of the context.
    pub fn words(&self) -> u32 {
        self.args.last().map_or(0, |arg| arg.word + arg.words)
    }

    /// Whether it has more arguments than it says.
    pub fn is_variadic(&self) -> bool {
        self.is_variadic
    }
}

impl Arg<'_> {
    /// As C: `struct dentry *dentry`; the result as its type alone.
    pub fn declaration(&self) -> String {
        let name = if self.is_result { "" } else { &self.name };
        dump::declaration(self.ty, name)
    }
}

/// As C: `int vfs_unlink(struct inode *dir, struct dentry *dentry)`.
impl fmt::Display for Prototype<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut params: Vec<String> = self.args[..self.params]
            .iter()
            .map(Arg::declaration)
            .collect();
        if self.is_variadic {
            params.push("...".to_owned());
        }
        if params.is_empty() {
            params.push("void".to_owned());
        }
        // What stands around a name in C takes a name, not a name with parameters.
        const NAME: &str = "___the_target";
        let declarator = format!("{}({})", self.name, params.join(", "));
        f.write_str(&dump::declaration(self.returns, NAME).replacen(NAME, &declarator, 1))
    }
}
