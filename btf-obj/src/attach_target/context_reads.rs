//! Which bytes of its context a program reads, as its instructions tell.
//!
//! The context's address is followed through registers, the stack and calls. Where that leads to what cannot be told, the
//! answer is that nothing is known, and everything must be taken as read.

use crate::insn::{Insn, op, pseudo};

/// Bytes of the context that are read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The first of them.
    pub offset: u32,
    /// How many.
    pub size: u32,
}

/// What an image of linked instructions reads through the context that it is given in `r1`; `None` if that cannot be told.
///
/// Instructions that no path reaches are not counted; both ways of a branch are.
pub fn context_reads(insns: &[Insn]) -> Option<Vec<Read>> {
    let mut walk = Walk {
        insns,
        states: vec![None; insns.len()],
        reads: Vec::new(),
        steps: insns
            .len()
            .saturating_mul(STEPS_PER_INSN)
            .saturating_add(STEPS_PER_INSN),
    };
    let mut entry = State::default();
    entry.set(1, Value::Context(0));
    walk.run(0, entry)?;
    walk.reads.sort_by_key(|read| *read);
    Some(walk.reads)
}

/// How often an instruction is looked at, on average, before it is given up.
const STEPS_PER_INSN: usize = 64;
/// `BPF_FUNC_tail_call`, `_get_func_arg`, `_get_func_ret`: helpers that read arguments, or have others read them.
const READERS: [i32; 3] = [12, 183, 184];

/// What a register or stack slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Value {
    /// Nothing that has to do with the context.
    #[default]
    Other,
    /// The context's address and so many bytes.
    Context(i32),
    /// An address into the context, or not.
    Unclear,
}

impl Value {
    fn join(self, other: Value) -> Value {
        if self == other { self } else { Value::Unclear }
    }
}

/// Registers and spilled registers before an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct State {
    regs: [Value; 11],
    /// By offset from the frame's top, in order; what is not here is [`Value::Other`].
    stack: Vec<(i16, Value)>,
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

    /// Takes in another way to get here; whether that changed anything.
    fn join(&mut self, other: &State) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.regs.iter_mut().zip(other.regs) {
            *mine = mine.join(theirs);
        }
        for (slot, _) in before.stack.iter().chain(&other.stack) {
            self.spill(*slot, self.spilled(*slot).join(other.spilled(*slot)));
        }
        *self != before
    }

    fn place_of(&self, slot: i16) -> Result<usize, usize> {
        self.stack.binary_search_by_key(&slot, |(slot, _)| *slot)
    }

    fn spilled(&self, slot: i16) -> Value {
        let at = self.place_of(slot).ok();
        at.map_or(Value::Other, |at| self.stack[at].1)
    }

    /// Returns what a load from the stack frame finds there.
    fn loaded(&self, insn: Insn) -> Value {
        let (first, end) = bytes_of(insn);
        let mut spilled = self.stack.iter();
        let part = spilled.any(|(slot, _)| i32::from(*slot) < end && first < i32::from(*slot) + 8);
        match (part, self.place_of(insn.off)) {
            (false, _) => Value::Other,
            (true, Ok(at)) if size_of(insn) == 8 => self.stack[at].1,
            (true, _) => Value::Unclear,
        }
    }

    fn set_written(&mut self, insn: Insn, value: Value) {
        let written = insn.written_registers();
        for reg in (0..11).filter(|reg| written & (1 << reg) != 0) {
            self.set(reg, value);
        }
    }

    fn spill(&mut self, slot: i16, value: Value) {
        match (self.place_of(slot), value) {
            (Ok(at), Value::Other) => {
                self.stack.remove(at);
            }
            (Ok(at), _) => self.stack[at].1 = value,
            (Err(_), Value::Other) => {}
            (Err(at), _) => self.stack.insert(at, (slot, value)),
        }
    }
}

struct Walk<'a> {
    insns: &'a [Insn],
    /// What is known before an instruction, over all ways to it.
    states: Vec<Option<Box<State>>>,
    reads: Vec<Read>,
    steps: usize,
}

impl Walk<'_> {
    /// Follows every path; `None` as soon as something cannot be told.
    fn run(&mut self, start: usize, entry: State) -> Option<()> {
        let mut pending = Vec::new();
        self.arrive(start, entry, &mut pending);
        while let Some(at) = pending.pop() {
            self.steps = self.steps.checked_sub(1)?;
            let (Some(&insn), Some(Some(state))) = (self.insns.get(at), self.states.get(at)) else {
                continue;
            };
            let state = State::clone(state);
            self.step(at, insn, state, &mut pending)?;
        }
        Some(())
    }

    fn arrive(&mut self, at: usize, state: State, pending: &mut Vec<usize>) {
        let is_new = match self.states.get_mut(at) {
            Some(Some(known)) => known.join(&state),
            Some(unknown) => {
                *unknown = Some(Box::new(state));
                true
            }
            None => false,
        };
        if is_new {
            pending.push(at);
        }
    }

    fn step(
        &mut self,
        at: usize,
        insn: Insn,
        mut state: State,
        pending: &mut Vec<usize>,
    ) -> Option<()> {
        match insn.class() {
            op::LD => {
                state.set_written(insn, Value::Other);
                let next = at + if insn.is_ldimm64() { 2 } else { 1 };
                self.arrive(next, state, pending);
                return Some(());
            }
            _ if insn.is_load() => self.load(insn, &mut state)?,
            op::ST => store(insn, &mut state, Value::Other)?,
            op::STX if insn.is_store() => {
                let value = state.get(insn.src());
                store(insn, &mut state, value)?;
            }
            op::STX => exchange(insn, &mut state)?,
            op::ALU | op::ALU64 => compute(insn, &mut state),
            _ => return self.jump(at, insn, state, pending),
        }
        self.arrive(at + 1, state, pending);
        Some(())
    }

    fn load(&mut self, insn: Insn, state: &mut State) -> Option<()> {
        let size = size_of(insn);
        let value = match state.get(insn.src()) {
            Value::Context(base) => {
                let offset = base.checked_add(insn.off.into())?;
                let read = Read {
                    offset: u32::try_from(offset).ok()?,
                    size,
                };
                if !self.reads.contains(&read) {
                    self.reads.push(read);
                }
                Value::Other
            }
            Value::Unclear => return None,
            Value::Other if insn.src() == 10 => state.loaded(insn),
            Value::Other => Value::Other,
        };
        state.set(insn.dst(), value);
        Some(())
    }

    fn jump(
        &mut self,
        at: usize,
        insn: Insn,
        mut state: State,
        pending: &mut Vec<usize>,
    ) -> Option<()> {
        let to = |offset: i32| usize::try_from(at as i64 + 1 + i64::from(offset)).ok();
        match insn.code & 0xf0 {
            op::EXIT => {}
            op::CALL => {
                self.call(insn, &state, to, pending)?;
                state.set_written(insn, Value::Other);
                self.arrive(at + 1, state, pending);
            }
            // An indirect jump.
            0 if insn.code & op::X != 0 => return None,
            // BPF_JA has its offset in `imm` if it is of the 32-bit class.
            0 if insn.class() == op::JMP32 => self.arrive(to(insn.imm)?, state, pending),
            0 => self.arrive(to(insn.off.into())?, state, pending),
            _ => {
                self.arrive(to(insn.off.into())?, state.clone(), pending);
                self.arrive(at + 1, state, pending);
            }
        }
        Some(())
    }

    fn call(
        &mut self,
        insn: Insn,
        state: &State,
        to: impl Fn(i32) -> Option<usize>,
        pending: &mut Vec<usize>,
    ) -> Option<()> {
        let passes_context = |reg| state.get(reg) != Value::Other;
        // A call through a register.
        if insn.code & op::X != 0 {
            return None;
        }
        match insn.src() {
            pseudo::CALL => {
                let mut entry = State::default();
                for reg in 1..=5 {
                    entry.set(reg, state.get(reg));
                }
                // What a subprogram returns is taken to be no address of the context.
                self.arrive(to(insn.imm)?, entry, pending);
                Some(())
            }
            // Helpers that take a context have it first and do not look at its words, but for a few.
            0 if !READERS.contains(&insn.imm) => (!(2..=5).any(passes_context)).then_some(()),
            _ => (!(1..=5).any(passes_context)).then_some(()),
        }
    }
}

/// Keeps what is stored on the stack; elsewhere the context's address must not go.
fn store(insn: Insn, state: &mut State, value: Value) -> Option<()> {
    if insn.dst() == 10 {
        // A store over a part of a slot, or over two of them, leaves no address in them.
        let (first, end) = bytes_of(insn);
        state.stack.retain(|(slot, _)| {
            let slot = i32::from(*slot);
            slot + 8 <= first || slot >= end
        });
        if value == Value::Other {
            return Some(());
        }
        if size_of(insn) == 8 {
            state.spill(insn.off, value);
            return Some(());
        }
        return None;
    }
    (value == Value::Other).then_some(())
}

/// An atomic read-modify-write: the memory's old value may go into a register.
fn exchange(insn: Insn, state: &mut State) -> Option<()> {
    let may_fetch_context = match insn.dst() {
        10 => state.loaded(insn) != Value::Other,
        // The context's own words are changed.
        reg => state.get(reg) != Value::Other,
    };
    if may_fetch_context {
        return None;
    }
    let value = state.get(insn.src());
    store(insn, state, value)?;
    state.set_written(insn, Value::Other);
    Some(())
}

/// The bytes of memory that a load or store is for, from the register's address.
fn bytes_of(insn: Insn) -> (i32, i32) {
    let first = i32::from(insn.off);
    (first, first + size_of(insn) as i32)
}

fn compute(insn: Insn, state: &mut State) {
    const ADD: u8 = 0x00;
    // Of a byte swap, the bit is the byte order.
    let by_register = insn.code & op::X != 0 && insn.code & 0xf0 != op::END;
    let (old, operand) = (state.get(insn.dst()), state.get(insn.src()));
    let is_64 = insn.class() == op::ALU64;
    let value = match insn.code & 0xf0 {
        op::MOV if !by_register => Value::Other,
        op::MOV if is_64 && insn.off == 0 => operand,
        // A sign extension, a change of address space, or the low half alone.
        op::MOV if operand != Value::Other => Value::Unclear,
        op::MOV => Value::Other,
        ADD if is_64 && !by_register => match old {
            Value::Context(base) => base
                .checked_add(insn.imm)
                .map_or(Value::Unclear, Value::Context),
            other => other,
        },
        _ => {
            let touches = old != Value::Other || (by_register && operand != Value::Other);
            if touches {
                Value::Unclear
            } else {
                Value::Other
            }
        }
    };
    state.set(insn.dst(), value);
}

fn size_of(insn: Insn) -> u32 {
    match insn.code & 0x18 {
        op::W => 4,
        op::H => 2,
        op::B => 1,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insn::atomic;

    const MOV: u8 = op::ALU64 | op::MOV | op::X;
    const LOAD: u8 = op::LDX | op::MEM | op::DW;
    const STORE: u8 = op::STX | op::MEM | op::DW;
    const CALL: u8 = op::JMP | op::CALL;
    const EXIT: Insn = Insn::new(op::JMP | op::EXIT, 0, 0, 0, 0);

    fn load(dst: u8, src: u8, off: i16) -> Insn {
        Insn::new(LOAD, dst, src, off, 0)
    }

    fn words(insns: &[Insn]) -> Option<Vec<u32>> {
        let reads = context_reads(insns)?;
        Some(reads.iter().map(|read| read.offset / 8).collect())
    }

    #[test]
    fn loads_are_found_through_copies_spills_and_sums() {
        let insns = [
            Insn::new(MOV, 6, 1, 0, 0),
            Insn::new(STORE, 10, 1, -8, 0),
            Insn::new(CALL, 0, 0, 0, 14),
            load(2, 6, 8),
            load(3, 10, -8),
            Insn::new(op::ALU64 | op::K, 3, 0, 0, 16),
            load(3, 3, 8),
            // Through what was loaded, not the context.
            load(4, 3, 40),
            EXIT,
        ];
        assert_eq!(words(&insns), Some(vec![1, 3]));
        let narrow = Insn::new(op::LDX | op::MEM | op::W, 0, 1, 24, 0);
        assert_eq!(
            context_reads(&[narrow, EXIT]),
            Some(vec![Read {
                offset: 24,
                size: 4
            }])
        );
    }

    #[test]
    fn both_ways_of_a_branch_count() {
        let branch = Insn::new(op::JMP | 0x10 | op::K, 2, 0, 2, 0);
        assert_eq!(
            words(&[branch, load(0, 1, 0), EXIT, load(0, 1, 8), EXIT]),
            Some(vec![0, 1])
        );
        // A loop that moves the address through the context.
        let step = Insn::new(op::ALU64 | op::K, 1, 0, 0, 8);
        let back = Insn::new(op::JMP | 0x10 | op::K, 0, 0, -3, 0);
        assert_eq!(words(&[load(0, 1, 0), step, back, EXIT]), None);
    }

    #[test]
    fn subprograms_are_followed() {
        let call = Insn::new(CALL, 0, pseudo::CALL, 0, 1);
        assert_eq!(words(&[call, EXIT, load(0, 1, 16), EXIT]), Some(vec![2]));
    }

    #[test]
    fn what_cannot_be_followed_is_not_known() {
        // bpf_get_func_arg(ctx, …) reads any; bpf_perf_event_output(ctx, …) none.
        assert_eq!(words(&[Insn::new(CALL, 0, 0, 0, 183), EXIT]), None);
        assert_eq!(words(&[Insn::new(CALL, 0, 0, 0, 25), EXIT]), Some(vec![]));
        let as_source = [
            Insn::new(MOV, 3, 1, 0, 0),
            Insn::new(CALL, 0, 0, 0, 113),
            EXIT,
        ];
        assert_eq!(words(&as_source), None);
        let to_a_map = [Insn::new(STORE, 2, 1, 0, 0), EXIT];
        assert_eq!(words(&to_a_map), None);
        let indexed = [
            Insn::new(op::ALU64 | op::X, 1, 2, 0, 0),
            load(0, 1, 0),
            EXIT,
        ];
        assert_eq!(words(&indexed), None);
    }

    fn atomic(dst: u8, src: u8, off: i16, operation: i32) -> Insn {
        Insn::new(op::STX | op::ATOMIC | op::DW, dst, src, off, operation)
    }

    #[test]
    fn load_acquire_is_a_load() {
        let acquire = |dst, src, off| atomic(dst, src, off, atomic::LOAD_ACQ);
        assert_eq!(words(&[acquire(0, 1, 16), EXIT]), Some(vec![2]));
        // The register is the loaded value afterwards, not the context.
        let insns = [acquire(1, 1, 8), load(0, 1, 40), EXIT];
        assert_eq!(words(&insns), Some(vec![1]));
        let spilled = [
            Insn::new(STORE, 10, 1, -8, 0),
            acquire(3, 10, -8),
            load(0, 3, 24),
            EXIT,
        ];
        assert_eq!(words(&spilled), Some(vec![3]));
    }

    #[test]
    fn store_release_is_a_store() {
        let release = |dst, src, off| atomic(dst, src, off, atomic::STORE_REL);
        let spilled = [release(10, 1, -8), load(3, 10, -8), load(0, 3, 24), EXIT];
        assert_eq!(words(&spilled), Some(vec![3]));
        assert_eq!(words(&[release(2, 1, 0), EXIT]), None, "the address leaves");
    }

    #[test]
    fn fetched_values_replace_the_context_in_a_register() {
        let context_in = |reg| Insn::new(MOV, reg, 1, 0, 0);
        for (operation, reg) in [(atomic::FETCH, 3), (atomic::XCHG, 3), (atomic::CMPXCHG, 0)] {
            // The exchanged register must not be the context: its address would leave.
            let other = Insn::new(op::ALU64 | op::MOV, 3, 0, 0, 0);
            let insns = [
                context_in(0),
                other,
                atomic(2, 3, 0, operation),
                load(4, reg, 8),
                EXIT,
            ];
            assert_eq!(words(&insns), Some(vec![]), "{operation:#x}");
        }
        // An addition without fetch writes no register.
        let insns = [context_in(0), atomic(2, 3, 0, 0), load(4, 0, 8), EXIT];
        assert_eq!(words(&insns), Some(vec![1]));
        // An exchange with a stack slot that holds the context may load the context.
        let insns = [
            Insn::new(STORE, 10, 1, -8, 0),
            atomic(10, 3, -8, atomic::XCHG),
            load(4, 3, 8),
            EXIT,
        ];
        assert_eq!(words(&insns), None);
        assert_eq!(words(&[atomic(1, 3, 0, atomic::XCHG), EXIT]), None);
    }

    #[test]
    fn moves_of_every_width_replace_the_context_in_a_register() {
        let context = Insn::new(MOV, 2, 1, 0, 0);
        for (code, off) in [
            (op::ALU | op::MOV | op::X, 0),
            (op::ALU | op::MOV | op::X, 8),
            (op::ALU64 | op::MOV | op::X, 16),
            (op::ALU64 | op::MOV | op::X, 1),
        ] {
            let helper = Insn::new(CALL, 0, 0, 0, 25);
            let moved = |src| [context, Insn::new(code, 2, src, off, 0), helper, EXIT];
            assert_eq!(words(&moved(7)), Some(vec![]), "{code:#x} {off}");
            assert_eq!(words(&moved(1)), None, "{code:#x} {off}");
        }
        let sign_extended = [
            Insn::new(op::LDX | op::MEMSX | op::W, 1, 1, 8, 0),
            load(0, 1, 0),
            EXIT,
        ];
        assert_eq!(words(&sign_extended), Some(vec![1]));
    }

    #[test]
    fn packet_loads_leave_no_context_in_caller_saved_registers() {
        let packet = Insn::new(op::LD | op::ABS | op::W, 0, 0, 0, 12);
        assert_eq!(words(&[packet, load(0, 1, 8), EXIT]), Some(vec![]));
        let kept = [Insn::new(MOV, 6, 1, 0, 0), packet, load(0, 6, 8), EXIT];
        assert_eq!(words(&kept), Some(vec![1]));
    }

    #[test]
    fn a_part_of_a_spilled_context_is_not_known() {
        let half = Insn::new(op::LDX | op::MEM | op::W, 3, 10, -4, 0);
        let insns = [Insn::new(STORE, 10, 1, -8, 0), half, load(0, 3, 0), EXIT];
        assert_eq!(words(&insns), None);
    }

    #[test]
    fn may_goto_goes_both_ways() {
        let may_goto = Insn::new(op::JMP | op::JCOND, 0, 0, 2, 0);
        let insns = [may_goto, load(0, 1, 0), EXIT, load(0, 1, 8), EXIT];
        assert_eq!(words(&insns), Some(vec![0, 1]));
    }

    #[test]
    fn anything_ends() {
        let jump = |off| Insn::new(op::JMP, 0, 0, off, 0);
        assert_eq!(words(&[jump(-1)]), Some(vec![]));
        assert_eq!(words(&[jump(30_000)]), Some(vec![]));
        let indirect = Insn::new(op::JMP | op::X, 2, 0, 0, 0);
        assert_eq!(words(&[indirect]), None, "it may go anywhere");
        assert_eq!(words(&[]), Some(vec![]));
        let recursion = Insn::new(CALL, 0, pseudo::CALL, 0, -1);
        assert_eq!(words(&[recursion]), Some(vec![]));
    }
}
