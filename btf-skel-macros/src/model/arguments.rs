//! Arguments of programs: what their targets' prototypes say, and which Rust type stands for each word of the context.

use btf_obj::attach_target::{Arg, Prototype, Target};
use btf_obj::btf::{Btf, IntEncoding, Kind, Type};
use btf_obj::obj::{Attach, Object, ProgramSpec};

use crate::names::Scope;

/// What a program attaches to, where BTF says that.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Name of the struct.
    pub(crate) name: String,
    /// The target's, as C.
    pub(crate) prototype: String,
    /// Empty if there are none: then there is no struct.
    pub(crate) fields: Vec<Argument>,
}

/// An argument, or the result.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) form: Form,
    /// Its first word in the context.
    pub(crate) word: usize,
    pub(crate) words: usize,
    pub(crate) doc: String,
}

/// How it is read from its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// An integer, or an enum as one: size in bytes, and whether it is signed.
    Integer(u64, bool),
    Bool,
    Pointer,
    /// What has no better form: bytes.
    Bytes(u64),
}

/// The arguments of a program: as the BTF beside the object has them, or, of an operation, as its struct in the object does.
pub(super) fn of(
    program: &ProgramSpec,
    object: &Object,
    prototypes: Option<&Btf>,
    scope: &mut Scope,
) -> Option<Arguments> {
    let prototype = match program.def?.attach {
        Attach::StructOps => operation(program, object)?,
        _ => Target::of(program)?.prototype(prototypes?)?,
    };
    let mut names = Scope::default();
    let fields = prototype.args().iter().enumerate();
    let fields = fields.map(|(n, arg)| argument(n, arg, &mut names));
    Some(Arguments {
        name: scope.ty(&format!("{}_args", program.name)),
        fields: fields.collect(),
        prototype: shown(&prototype),
    })
}

/// That of the first struct of operations that the program is in.
fn operation<'a>(program: &ProgramSpec, object: &'a Object) -> Option<Prototype<'a>> {
    let btf = object.btf()?;
    object.struct_ops().iter().find_map(|ops| {
        let (place, _) = ops
            .programs
            .iter()
            .find(|(_, name)| *name == program.name)?;
        let mut members = btf.ty(ops.ty).members().iter();
        Prototype::of_operation(members.find(|m| m.bit_offset() == 8 * place)?)
    })
}

fn shown(prototype: &Prototype<'_>) -> String {
    format!("{prototype};")
}

fn argument(n: usize, arg: &Arg<'_>, names: &mut Scope) -> Argument {
    let name = match arg.name.as_str() {
        "" => format!("arg{n}"),
        name => name.to_owned(),
    };
    let doc = if arg.is_result {
        format!("The result, C: `{}`.", arg.declaration())
    } else {
        format!("C: `{}`.", arg.declaration())
    };
    Argument {
        name: names.value(&name),
        form: form(arg.ty),
        word: arg.word as usize,
        words: arg.words as usize,
        doc,
    }
}

fn form(ty: Type<'_>) -> Form {
    let ty = ty.strip();
    let size = ty.byte_size().unwrap_or(8).min(16);
    match (ty.kind(), size) {
        (Kind::PTR, _) => Form::Pointer,
        (Kind::INT, 1) if has(ty, IntEncoding::BOOL) => Form::Bool,
        (Kind::INT, 1 | 2 | 4 | 8) => Form::Integer(size, has(ty, IntEncoding::SIGNED)),
        (Kind::ENUM | Kind::ENUM64, 1 | 2 | 4 | 8) => Form::Integer(size, ty.flag()),
        _ => Form::Bytes(size),
    }
}

fn has(ty: Type<'_>, encoding: IntEncoding) -> bool {
    ty.int().is_some_and(|int| int.encoding.contains(encoding))
}
