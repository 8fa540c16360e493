//! In what order types are written, so that each is declared, or complete, before the first that needs it so.
//!
//! A member or array element needs its type complete; behind a pointer, or in a function's prototype, a struct need
//! only be declared, which a forward declaration does. Layouts are computed on the way, because a type is done when
//! all that it consists of are. The walk keeps its own stack: a chain of types may be as long as the file.

use super::forwards::Forwards;
use super::layout::Layouts;
use super::scalar;
use crate::btf::{Btf, Kind, Type, TypeId};
use crate::error::{Error, Result};

/// One thing to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) what: What,
    pub(super) id: TypeId,
}

/// What to write of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// `struct name;`
    Forward,
    /// A struct, union or enum with its body.
    Definition,
    /// A typedef; of an INT whose name is not C's, a typedef of one whose name is.
    Typedef,
}

/// How much of a type is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Its name.
    Declared,
    /// Its size.
    Complete,
}

/// The walk so far: the steps in order, and the layouts of all complete types.
pub(super) struct Order<'a> {
    btf: &'a Btf,
    forwards: Forwards,
    pub(super) steps: Vec<Step>,
    /// The functions that were visited.
    pub(super) functions: Vec<Type<'a>>,
    pub(super) layouts: Layouts,
    state: Vec<State>,
    stack: Vec<Frame<'a>>,
}

/// Bits that say what became of a type. A forward declaration is enough to be declared.
#[derive(Clone, Copy, Default)]
struct State(u8);

impl State {
    const DONE: State = State(State::done(Need::Declared) | State::done(Need::Complete));

    const fn done(need: Need) -> u8 {
        match need {
            Need::Declared => 1,
            Need::Complete => 2,
        }
    }

    const fn open(need: Need) -> u8 {
        State::done(need) << 2
    }

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// A type whose parts are being visited.
struct Frame<'a> {
    ty: Type<'a>,
    need: Need,
    /// The part to visit next.
    next: usize,
}

impl<'a> Order<'a> {
    pub(super) fn new(btf: &'a Btf) -> Order<'a> {
        let mut state = vec![State::default(); btf.end_id() as usize];
        if let Some(void) = state.first_mut() {
            *void = State::DONE;
        }
        Order {
            btf,
            forwards: Forwards::new(btf),
            steps: Vec::with_capacity(btf.end_id() as usize / 8),
            functions: Vec::new(),
            layouts: Layouts::new(btf.end_id()),
            state,
            stack: Vec::new(),
        }
    }

    /// An order of nothing, in which every type is itself.
    pub(super) fn none(btf: &'a Btf) -> Order<'a> {
        Order {
            btf,
            forwards: Forwards::none(),
            steps: Vec::new(),
            functions: Vec::new(),
            layouts: Layouts::new(0),
            state: Vec::new(),
            stack: Vec::new(),
        }
    }

    /// The type that is written for `ty`: another one only for a forward declaration.
    pub(super) fn resolve(&self, ty: Type<'a>) -> Type<'a> {
        self.forwards.resolve(ty)
    }

    /// Whether `ty` was visited.
    pub(super) fn has_visited(&self, ty: Type<'a>) -> bool {
        self.state(ty.id()).0 != 0
    }

    /// Adds the steps after which there is as much of `ty` as is needed.
    ///
    /// # Errors
    ///
    /// If a type consists of itself, or of something that is no type.
    pub(super) fn visit(&mut self, ty: Type<'a>, need: Need) -> Result<()> {
        self.enter(ty.id(), need)?;
        while let Some(frame) = self.stack.last_mut() {
            let part = part(frame.ty, frame.need, frame.next);
            frame.next += 1;
            match part {
                Some((id, need)) => self.enter(id, need)?,
                None => self.leave()?,
            }
        }
        Ok(())
    }

    fn state(&self, id: TypeId) -> State {
        self.state.get(id.0 as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, id: TypeId, bits: u8) {
        if let Some(state) = self.state.get_mut(id.0 as usize) {
            state.0 |= bits;
        }
    }

    fn enter(&mut self, id: TypeId, need: Need) -> Result<()> {
        if self.state(id).has(State::done(need)) {
            return Ok(());
        }
        let declared = self.btf.ty(id);
        let ty = self.resolve(declared);
        if ty != declared && ty.kind().is_any_enum() {
            // An enum consists of nothing else, so its definition can follow at once.
            self.layouts.compute_as(id, ty)?;
            self.set(id, State::DONE.0);
            self.forward(ty.id());
        }
        let id = ty.id();
        let need = match ty.kind() {
            Kind::STRUCT | Kind::UNION if need == Need::Declared && !ty.is_anonymous() => {
                self.forward(id);
                return Ok(());
            }
            Kind::FWD => {
                self.forward(id);
                return Ok(());
            }
            Kind::VAR | Kind::DATASEC | Kind::DECL_TAG => return Err(self.no_type(ty)),
            Kind::FUNC if !self.stack.is_empty() => return Err(self.no_type(ty)),
            Kind::TYPEDEF | Kind::CONST | Kind::VOLATILE | Kind::RESTRICT | Kind::TYPE_TAG => need,
            Kind::PTR | Kind::FUNC_PROTO | Kind::FUNC => Need::Declared,
            _ => Need::Complete,
        };
        let state = self.state(id);
        if state.has(State::done(need)) {
            return Ok(());
        }
        if state.has(State::open(need)) {
            return Err(self.cycle(ty));
        }
        self.set(id, State::open(need));
        self.stack.push(Frame { ty, need, next: 0 });
        Ok(())
    }

    /// Declares a struct or union unless it already is.
    fn forward(&mut self, id: TypeId) {
        if !self.state(id).has(State::done(Need::Declared)) {
            self.set(id, State::done(Need::Declared));
            let what = What::Forward;
            self.steps.push(Step { what, id });
        }
    }

    /// All parts of the type on top of the stack are there: writes it, if it is one to be written.
    fn leave(&mut self) -> Result<()> {
        let Some(Frame { ty, need, .. }) = self.stack.pop() else {
            return Ok(());
        };
        let id = ty.id();
        // To be declared is all there is to these.
        let is_whole = matches!(ty.kind(), Kind::PTR | Kind::FUNC_PROTO | Kind::FUNC);
        if need == Need::Complete || is_whole {
            self.set(id, State::DONE.0);
            self.layouts.compute(ty)?;
        } else {
            self.set(id, State::done(need));
        }
        let what = match ty.kind() {
            Kind::TYPEDEF if need == Need::Declared && !is_builtin_typedef(ty) => What::Typedef,
            Kind::INT if scalar::is_named_anew(ty) => What::Typedef,
            Kind::STRUCT | Kind::UNION | Kind::ENUM | Kind::ENUM64 if !ty.is_anonymous() => {
                What::Definition
            }
            Kind::FUNC => {
                self.functions.push(ty);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.steps.push(Step { what, id });
        Ok(())
    }

    fn no_type(&self, ty: Type<'a>) -> Error {
        let user = self.stack.last().map(|frame| frame.ty);
        Error::malformed(match user {
            Some(user) => format!("BTF type {user:?} refers to {ty:?}, which is no C type"),
            None => format!("BTF type {ty:?} is no C type"),
        })
    }

    fn cycle(&self, ty: Type<'a>) -> Error {
        let through: Vec<String> = self
            .stack
            .iter()
            .skip_while(|frame| frame.ty != ty)
            .take(8)
            .map(|frame| format!("{:?}", frame.ty))
            .collect();
        Error::malformed(format!(
            "BTF type {ty:?} is part of itself ({})",
            through.join(" > ")
        ))
    }
}

/// The part of `ty` with this number, and how much of it is needed.
fn part(ty: Type<'_>, need: Need, number: usize) -> Option<(TypeId, Need)> {
    let target = |need| Some((ty.target()?.id(), need));
    match ty.kind() {
        Kind::STRUCT | Kind::UNION => {
            let member = ty.members().get(number)?;
            Some((member.type_id(), Need::Complete))
        }
        Kind::FUNC_PROTO if number > 0 => {
            let param = ty.params().get(number - 1)?;
            Some((param.ty().id(), Need::Declared))
        }
        // A complete typedef is first a typedef; its target completes after it or before, as it comes.
        Kind::TYPEDEF if need == Need::Complete => match number {
            0 => Some((ty.id(), Need::Declared)),
            1 => target(Need::Complete),
            _ => None,
        },
        _ if number > 0 => None,
        Kind::ARRAY => target(Need::Complete),
        Kind::PTR | Kind::TYPEDEF | Kind::FUNC_PROTO | Kind::FUNC => target(Need::Declared),
        kind if kind.is_modifier() => target(need),
        _ => None,
    }
}

/// `__builtin_va_list` is a type of the compiler's own and another one for each target: uses of the typedef are
/// written as what it stands for in BTF.
pub(super) fn is_builtin_typedef(ty: Type<'_>) -> bool {
    ty.kind() == Kind::TYPEDEF && ty.name_bytes() == b"__builtin_va_list"
}
