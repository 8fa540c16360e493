//! What registers and the stack hold of a program's context and of the kernel's pointers, followed through its instructions as
//! the verifier does.
//!
//! Whatever is not certain on every way to an instruction is [`Value::Unknown`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use btf_obj::insn::{Insn, op};
use btf_obj::obj::{CoreSite, ElfReloc, Function, RelocTarget};

use super::reach;

/// What a register or a slot of the stack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Value {
    #[default]
    Unknown,
    /// The address of the context, and so many bytes.
    Context(i64),
    /// The top of the stack frame, and so many bytes.
    Frame(i64),
    /// A number, and whether CO-RE settles it.
    Number(i64, bool),
    /// The address of constants.
    Constants,
    /// What was made of constants alone.
    Settled,
    Pointer(Pointer),
}

/// An address in the kernel, or in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) origin: Origin,
    /// Bytes that were added to it.
    pub(super) offset: i64,
    /// Whether CO-RE settles what was added to it.
    pub(super) is_relocated: bool,
}

/// Where a pointer is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This word of the context.
    Word(u32),
    /// `bpf_get_current_task()`, a number to the verifier.
    CurrentTask,
    /// `bpf_get_current_task_btf()`, a pointer that the verifier knows.
    CurrentTaskBtf,
    /// Eight bytes that a helper read out of memory.
    Read,
}

/// Something that an instruction does with a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    /// The instruction.
    pub(super) insn: usize,
    pub(super) pointer: Pointer,
    /// Whether a helper reads there, and not the program itself.
    pub(super) by_helper: bool,
}

/// `BPF_FUNC_probe_read`, `_probe_read_str`, `_probe_read_kernel`, `_probe_read_kernel_str`.
const READ_KERNEL: [i32; 4] = [4, 45, 113, 115];
/// `BPF_FUNC_probe_read_user`, which leaves something on the stack, too.
const READ_USER: i32 = 112;
const CURRENT_TASK: i32 = 35;
const CURRENT_TASK_BTF: i32 = 158;
/// How often an instruction is looked at, on average, before all is given up.
const STEPS_PER_INSN: usize = 64;

/// A function's instructions and their relocations.
#[derive(Clone, Copy)]
pub(super) struct Code<'a> {
    insns: &'a [Insn],
    relocs: &'a [ElfReloc],
    core: &'a [CoreSite],
}

impl<'a> From<&'a Function> for Code<'a> {
    fn from(function: &'a Function) -> Code<'a> {
        Code {
            insns: &function.insns,
            relocs: &function.relocs,
            core: &function.core,
        }
    }
}

/// What a function certainly does, whatever constants are.
#[derive(Default)]
pub(super) struct Flow {
    /// What it does with pointers.
    pub(super) accesses: Vec<Access>,
    /// The functions that it calls, or has called by a helper.
    pub(super) calls: Vec<usize>,
}

/// What a function does, its context in `r1` if it is a program's. `is_constant` says of what the verifier knows the contents.
pub(super) fn of<'a>(
    function: impl Into<Code<'a>>,
    has_context: bool,
    is_constant: &dyn Fn(RelocTarget) -> bool,
) -> Flow {
    let function = function.into();
    let mut walk = Walk {
        function,
        is_constant,
        decided: BTreeSet::new(),
        states: HashMap::new(),
        accesses: BTreeMap::new(),
        pending: Vec::new(),
        is_unclear: false,
    };
    let mut entry = State::default();
    entry.set(10, Value::Frame(0));
    if has_context {
        entry.set(1, Value::Context(0));
    }
    walk.arrive(Some(0), &entry);
    let mut steps = function.insns.len().saturating_mul(STEPS_PER_INSN);
    while let Some(at) = walk.pending.pop() {
        let Some(left) = steps.checked_sub(1) else {
            return Flow::default();
        };
        steps = left;
        let (Some(insn), Some(state)) = (function.insns.get(at), walk.states.get(&at)) else {
            continue;
        };
        // What was seen on the way that is taken first may be less certain later.
        walk.accesses.remove(&at);
        let state = state.clone();
        walk.step(at, *insn, state);
        if walk.is_unclear {
            return Flow::default();
        }
    }
    let is_certain =
        |insn: usize| reach::is_certain(function.insns, |at| walk.decided.contains(&at), insn);
    let calls = function
        .relocs
        .iter()
        .filter_map(|reloc| match reloc.target {
            RelocTarget::Function(position) if is_certain(reloc.insn) => Some(position),
            _ => None,
        });
    let accesses = walk.accesses.values();
    Flow {
        accesses: accesses
            .filter(|access| is_certain(access.insn))
            .copied()
            .collect(),
        calls: calls.collect(),
    }
}

/// Registers, and slots of eight bytes by their offset from the frame's top.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    regs: [Value; 11],
    stack: BTreeMap<i64, Value>,
    /// Whether a part of the stack is written through an address that is not certain.
    stack_is_unclear: bool,
}

impl State {
    fn get(&self, reg: u8) -> Value {
        self.regs.get(usize::from(reg)).copied().unwrap_or_default()
    }

    fn set(&mut self, reg: u8, value: Value) {
        if let Some(slot) = self.regs.get_mut(usize::from(reg)) {
            *slot = value;
        }
    }

    fn forget_written(&mut self, insn: Insn) {
        let written = insn.written_registers();
        for reg in (0..11).filter(|reg| written & (1 << reg) != 0) {
            self.set(reg, Value::Unknown);
        }
    }

    /// Whether the verifier knows what a register holds, as it is made of constants.
    fn is_settled(&self, reg: u8) -> bool {
        matches!(self.get(reg), Value::Settled | Value::Number(..))
    }

    /// Whether it knows both operands of an instruction.
    fn settles(&self, insn: Insn) -> bool {
        // Of a byte swap, the bit is the byte order.
        let is_unary = insn.code & op::X == 0 || is_byte_swap(insn);
        self.is_settled(insn.dst()) && (is_unary || self.is_settled(insn.src()))
    }

    /// Takes in another way to get here; whether that changed anything.
    fn join(&mut self, other: &State) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.regs.iter_mut().zip(other.regs) {
            if *mine != theirs {
                *mine = Value::Unknown;
            }
        }
        self.stack
            .retain(|slot, value| other.stack.get(slot) == Some(value));
        self.stack_is_unclear |= other.stack_is_unclear;
        *self != before
    }

    /// Puts something into bytes of the stack.
    fn put(&mut self, at: i64, size: i64, value: Value) {
        self.stack
            .retain(|slot, _| slot.saturating_add(8) <= at || *slot >= at.saturating_add(size));
        if size == 8 && value != Value::Unknown && !self.stack_is_unclear {
            self.stack.insert(at, value);
        }
    }
}

struct Walk<'a> {
    function: Code<'a>,
    is_constant: &'a dyn Fn(RelocTarget) -> bool,
    /// Branches that constants decide.
    decided: BTreeSet<usize>,
    /// What is certain before an instruction.
    states: HashMap<usize, State>,
    accesses: BTreeMap<usize, Access>,
    pending: Vec<usize>,
    /// Whether it jumps to where nobody can tell.
    is_unclear: bool,
}

impl Walk<'_> {
    fn arrive(&mut self, at: Option<usize>, state: &State) {
        let Some(at) = at else { return };
        let is_new = match self.states.get_mut(&at) {
            Some(known) => known.join(state),
            None => {
                self.states.insert(at, state.clone());
                true
            }
        };
        if is_new {
            self.pending.push(at);
        }
    }

    fn step(&mut self, at: usize, insn: Insn, mut state: State) {
        match insn.class() {
            op::LD if insn.is_ldimm64() => {
                let value = self.wide(at, insn);
                state.set(insn.dst(), value);
            }
            op::LD => state.forget_written(insn),
            _ if insn.is_load() => self.load(at, insn, &mut state),
            op::STX if insn.is_store() => {
                let value = state.get(insn.src());
                store(insn, &mut state, value);
            }
            op::ST | op::STX => {
                store(insn, &mut state, Value::Unknown);
                // An atomic operation may fetch the old value.
                state.forget_written(insn);
            }
            op::ALU => state.set(insn.dst(), self.narrow(at, insn, &state)),
            op::ALU64 => self.compute(at, insn, &mut state),
            _ => self.jump(at, insn, &mut state),
        }
        for next in reach::successors(at, insn) {
            self.arrive(next, &state);
        }
    }

    /// Whether CO-RE changes an instruction.
    fn is_relocated(&self, at: usize) -> bool {
        self.function.core.iter().any(|site| site.insn == at)
    }

    fn wide(&self, at: usize, insn: Insn) -> Value {
        match self.function.insns.get(at + 1) {
            Some(high) if insn.is_ldimm64() && insn.src() == 0 && !self.refers(at) => {
                let (low, high) = (insn.imm.cast_unsigned(), high.imm.cast_unsigned());
                let value = u64::from(low) | u64::from(high) << 32;
                Value::Number(value.cast_signed(), self.is_relocated(at))
            }
            _ if self.is_of_constants(at) => Value::Constants,
            _ => Value::Unknown,
        }
    }

    fn refers(&self, at: usize) -> bool {
        self.function.relocs.iter().any(|reloc| reloc.insn == at)
    }

    fn is_of_constants(&self, at: usize) -> bool {
        let mut relocs = self.function.relocs.iter();
        relocs.any(|reloc| reloc.insn == at && (self.is_constant)(reloc.target))
    }

    /// A 32-bit operation: a number, if it sets one.
    fn narrow(&self, at: usize, insn: Insn, state: &State) -> Value {
        const MOV_REG: u8 = op::MOV | op::X;
        match insn.code & 0xf8 {
            op::MOV => Value::Number(insn.imm.cast_unsigned().into(), self.is_relocated(at)),
            MOV_REG if state.is_settled(insn.src()) => Value::Settled,
            _ if state.settles(insn) => Value::Settled,
            _ => Value::Unknown,
        }
    }

    fn load(&mut self, at: usize, insn: Insn, state: &mut State) {
        let (offset, is_whole) = (i64::from(insn.off), size_of(insn) == 8);
        let value = match state.get(insn.src()) {
            Value::Context(base) if is_whole => {
                let word = u32::try_from((base + offset) / 8).unwrap_or(u32::MAX);
                Value::Pointer(Pointer {
                    origin: Origin::Word(word),
                    offset: 0,
                    is_relocated: false,
                })
            }
            Value::Frame(base) if is_whole => {
                let slot = state.stack.get(&base.saturating_add(offset));
                slot.copied().unwrap_or_default()
            }
            Value::Pointer(pointer) => {
                let is_relocated = pointer.is_relocated || self.is_relocated(at);
                let offset = pointer.offset.saturating_add(offset);
                self.note(
                    at,
                    Pointer {
                        offset,
                        is_relocated,
                        ..pointer
                    },
                    false,
                );
                Value::Unknown
            }
            Value::Constants => Value::Settled,
            _ => Value::Unknown,
        };
        state.set(insn.dst(), value);
    }

    fn note(&mut self, insn: usize, pointer: Pointer, by_helper: bool) {
        self.accesses.insert(
            insn,
            Access {
                insn,
                pointer,
                by_helper,
            },
        );
    }

    fn compute(&self, at: usize, insn: Insn, state: &mut State) {
        const ADD: u8 = 0x00;
        const SUB: u8 = 0x10;
        let operand = if insn.code & op::X != 0 {
            state.get(insn.src())
        } else {
            Value::Number(insn.imm.into(), self.is_relocated(at))
        };
        let old = state.get(insn.dst());
        let value = match insn.code & 0xf0 {
            // With an offset, it is a sign extension or a change of address space.
            op::MOV if insn.off == 0 => operand,
            ADD => add(old, operand)
                .or_else(|| add(operand, old))
                .unwrap_or_default(),
            SUB => match operand {
                Value::Number(n, relocated) => {
                    add(old, Value::Number(n.wrapping_neg(), relocated)).unwrap_or_default()
                }
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        };
        let value = match value {
            Value::Unknown if state.settles(insn) => Value::Settled,
            value => value,
        };
        // From here on, any store may be one to the stack.
        let is_frame = matches!(old, Value::Frame(_)) || matches!(operand, Value::Frame(_));
        if is_frame && !matches!(value, Value::Frame(_)) {
            state.stack.clear();
            state.stack_is_unclear = true;
        }
        state.set(insn.dst(), value);
    }

    fn jump(&mut self, at: usize, insn: Insn, state: &mut State) {
        match insn.code & 0xf0 {
            // An indirect jump: nobody knows by which way the rest is reached.
            0 if insn.code & op::X != 0 => self.is_unclear = true,
            op::EXIT | 0 => {}
            op::CALL => self.call(at, insn, state),
            // The verifier looks at both ways of `may_goto`, whose register field means nothing.
            op::JCOND => {}
            // What was seen on the way that is taken first may be less certain later.
            _ if state.settles(insn) => _ = self.decided.insert(at),
            _ => _ = self.decided.remove(&at),
        }
    }

    fn call(&mut self, at: usize, insn: Insn, state: &mut State) {
        let is_helper = insn.src() == 0 && insn.code & op::X == 0 && !self.refers(at);
        let helper = is_helper.then_some(insn.imm);
        if helper.is_some_and(|id| READ_KERNEL.contains(&id))
            && let Value::Pointer(pointer) = state.get(3)
        {
            self.note(at, pointer, true);
        }
        let read = helper.filter(|id| READ_KERNEL.contains(id) || *id == READ_USER);
        match (read, state.get(1), state.get(2)) {
            (Some(_), Value::Frame(to), Value::Number(size, _)) => {
                let pointer = pointer(Origin::Read);
                state.put(to, size, pointer);
            }
            _ if (1..=5).any(|reg| matches!(state.get(reg), Value::Frame(_))) => {
                state.stack.clear()
            }
            _ => {}
        }
        state.forget_written(insn);
        let result = match helper {
            Some(CURRENT_TASK) => pointer(Origin::CurrentTask),
            Some(CURRENT_TASK_BTF) => pointer(Origin::CurrentTaskBtf),
            _ => Value::Unknown,
        };
        state.set(0, result);
    }
}

fn pointer(origin: Origin) -> Value {
    Value::Pointer(Pointer {
        origin,
        offset: 0,
        is_relocated: false,
    })
}

fn add(to: Value, n: Value) -> Option<Value> {
    let Value::Number(n, relocated) = n else {
        return None;
    };
    Some(match to {
        Value::Context(base) if !relocated => Value::Context(base.checked_add(n)?),
        Value::Frame(base) => Value::Frame(base.checked_add(n)?),
        Value::Constants => Value::Constants,
        Value::Number(base, also) => Value::Number(base.wrapping_add(n), relocated || also),
        Value::Pointer(p) => Value::Pointer(Pointer {
            offset: p.offset.checked_add(n)?,
            is_relocated: p.is_relocated || relocated,
            ..p
        }),
        _ => return None,
    })
}

fn store(insn: Insn, state: &mut State, value: Value) {
    if let Value::Frame(base) = state.get(insn.dst()) {
        state.put(base.saturating_add(insn.off.into()), size_of(insn), value);
    }
}

fn is_byte_swap(insn: Insn) -> bool {
    matches!(insn.class(), op::ALU | op::ALU64) && insn.code & 0xf0 == op::END
}

fn size_of(insn: Insn) -> i64 {
    match insn.code & 0x18 {
        op::W => 4,
        op::H => 2,
        op::B => 1,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use btf_obj::insn::atomic;

    use super::*;

    const LOAD: u8 = op::LDX | op::MEM | op::DW;
    const MOV: u8 = op::ALU64 | op::MOV;
    const CALL: Insn = Insn::new(op::JMP | op::CALL, 0, 0, 0, 14);
    const EXIT: Insn = Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0);

    fn load(dst: u8, src: u8, off: i16) -> Insn {
        Insn::new(LOAD, dst, src, off, 0)
    }

    fn atomic(dst: u8, src: u8, off: i16, operation: i32) -> Insn {
        Insn::new(op::STX | op::ATOMIC | op::DW, dst, src, off, operation)
    }

    /// The instructions that read through a pointer, and at which offsets.
    fn accesses(insns: &[Insn]) -> Vec<(usize, i64)> {
        let code = Code {
            insns,
            relocs: &[],
            core: &[],
        };
        let flow = of(code, true, &|_| false);
        let accesses = flow.accesses.iter();
        accesses
            .map(|access| (access.insn, access.pointer.offset))
            .collect()
    }

    #[test]
    fn loads_through_an_argument_are_found() {
        let insns = [load(6, 1, 8), CALL, load(0, 6, 40), EXIT];
        assert_eq!(accesses(&insns), [(2, 40)]);
    }

    #[test]
    fn load_acquire_reads_and_replaces_a_register() {
        let acquire = |dst, src, off| atomic(dst, src, off, atomic::LOAD_ACQ);
        let insns = [load(6, 1, 0), acquire(0, 6, 24), EXIT];
        assert_eq!(accesses(&insns), [(1, 24)]);
        // The argument in r6 is gone.
        let insns = [load(6, 1, 0), acquire(6, 7, 0), load(0, 6, 40), EXIT];
        assert_eq!(accesses(&insns), []);
        // The context's second word is an argument like any other.
        let insns = [acquire(6, 1, 8), load(0, 6, 40), EXIT];
        assert_eq!(accesses(&insns), [(1, 40)]);
    }

    #[test]
    fn store_release_writes_no_register() {
        let release = |dst, src, off| atomic(dst, src, off, atomic::STORE_REL);
        let insns = [load(6, 1, 0), release(7, 6, 0), load(0, 6, 40), EXIT];
        assert_eq!(accesses(&insns), [(2, 40)]);
        let spilled = [
            load(6, 1, 0),
            release(10, 6, -8),
            load(7, 10, -8),
            load(0, 7, 40),
            EXIT,
        ];
        assert_eq!(accesses(&spilled), [(3, 40)]);
    }

    #[test]
    fn fetches_replace_the_register_that_they_write() {
        for (operation, reads_by) in [
            (0x00, [true, true]),
            (atomic::FETCH, [true, false]),
            (atomic::XCHG, [true, false]),
            (atomic::CMPXCHG, [false, true]),
        ] {
            for (reg, reads) in [0, 6].into_iter().zip(reads_by) {
                let insns = [
                    load(reg, 1, 0),
                    atomic(7, 6, 0, operation),
                    load(2, reg, 40),
                    EXIT,
                ];
                let expected: &[_] = if reads { &[(2, 40)] } else { &[] };
                assert_eq!(accesses(&insns), expected, "{operation:#x} r{reg}");
            }
        }
        let slot = [
            load(6, 1, 0),
            Insn::new(op::STX | op::MEM | op::DW, 10, 6, -8, 0),
            atomic(10, 7, -8, 0),
            load(6, 10, -8),
            load(0, 6, 40),
            EXIT,
        ];
        assert_eq!(accesses(&slot), []);
    }

    #[test]
    fn packet_loads_and_calls_replace_caller_saved_registers() {
        let packet = Insn::new(op::LD | op::ABS | op::W, 0, 0, 0, 12);
        let kfunc = Insn::new(op::JMP | op::CALL, 0, 2, 0, 35);
        let indirect = Insn::new(op::JMP | op::CALL | op::X, 0, 0, 0, 35);
        for clobbering in [packet, CALL, kfunc, indirect] {
            for reg in 0..=5 {
                let insns = [load(reg, 1, 0), clobbering, load(7, reg, 40), EXIT];
                assert_eq!(accesses(&insns), [], "{clobbering:?} r{reg}");
            }
            let insns = [load(6, 1, 0), clobbering, load(7, 6, 40), EXIT];
            assert_eq!(accesses(&insns), [(2, 40)], "{clobbering:?}");
        }
    }

    #[test]
    fn moves_that_are_not_copies_replace_a_register() {
        for (code, off) in [
            (op::ALU | op::MOV | op::X, 0),
            (op::ALU | op::MOV | op::X, 8),
            (MOV | op::X, 32),
            (MOV | op::X, 1),
            (op::ALU64 | op::END, 0),
            (op::ALU64 | op::NEG, 0),
            (op::LDX | op::MEMSX | op::W, 0),
        ] {
            let insns = [
                load(6, 1, 0),
                Insn::new(code, 6, 7, off, 64),
                load(0, 6, 40),
                EXIT,
            ];
            assert_eq!(accesses(&insns), [], "{code:#x} {off}");
        }
        let copied = [
            load(6, 1, 0),
            Insn::new(MOV | op::X, 7, 6, 0, 0),
            load(0, 7, 40),
            EXIT,
        ];
        assert_eq!(accesses(&copied), [(2, 40)]);
    }

    #[test]
    fn may_goto_is_decided_by_no_constant() {
        let zero = Insn::new(MOV, 0, 0, 0, 0);
        let may_goto = Insn::new(op::JMP | op::JCOND, 0, 0, 1, 0);
        let insns = [load(6, 1, 0), zero, may_goto, load(7, 6, 40), EXIT];
        assert_eq!(accesses(&insns), [(3, 40)]);
        // A branch on the same constant is.
        let branch = Insn::new(op::JMP | 0x10, 0, 0, 1, 0);
        let insns = [load(6, 1, 0), zero, branch, load(7, 6, 40), EXIT];
        assert_eq!(accesses(&insns), []);
    }
}
