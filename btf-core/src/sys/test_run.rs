//! Running programs by themselves.

use std::io;
use std::os::fd::AsFd;

use super::attr::ProgTestRun;
use super::{Command, address, address_mut, bpf, fd_number, length};

/// What a program is run with.
#[derive(Debug, Default)]
pub(crate) struct TestRun<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) context: &'a mut [u8],
    /// Room for what becomes of the data; none if the kernel is not to hand it back.
    pub(crate) data_out: Vec<u8>,
    /// Whether the kernel writes what becomes of the context into its own place, or to the place for it. `None` if nowhere.
    pub(crate) context_out: Option<Vec<u8>>,
    pub(crate) repeat: u32,
    /// `BPF_F_TEST_…`.
    pub(crate) flags: u32,
    pub(crate) cpu: u32,
    pub(crate) batch_size: u32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: u32,
    /// Nanoseconds of one run.
    pub(crate) duration: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) context: Vec<u8>,
}

/// Runs a program. The context is written to as well by the kinds that have no other place for it.
pub(crate) fn prog_run(prog: impl AsFd, run: TestRun<'_>) -> io::Result<Answer> {
    let TestRun {
        data,
        context,
        mut data_out,
        context_out,
        ..
    } = run;
    let mut context_out = context_out.unwrap_or_default();
    let mut attr = ProgTestRun {
        prog_fd: fd_number(prog),
        data_size_in: length(data)?,
        data_size_out: length(&data_out)?,
        data_in: if data.is_empty() { 0 } else { address(data) },
        data_out: if data_out.is_empty() {
            0
        } else {
            address_mut(&mut data_out)
        },
        repeat: run.repeat,
        ctx_size_in: length(context)?,
        ctx_size_out: length(&context_out)?,
        ctx_in: if context.is_empty() {
            0
        } else {
            address_mut(context)
        },
        ctx_out: if context_out.is_empty() {
            0
        } else {
            address_mut(&mut context_out)
        },
        flags: run.flags,
        cpu: run.cpu,
        batch_size: run.batch_size,
        ..Default::default()
    };
    // SAFETY: data is a borrowed slice that is read; the context, and the places for what becomes of both, are exclusively
    // borrowed or owned slices. `attr` states the length of each, or it is null with length 0.
    unsafe { bpf(Command::PROG_TEST_RUN, &mut attr) }?;
    data_out.truncate(attr.data_size_out as usize);
    context_out.truncate(attr.ctx_size_out as usize);
    Ok(Answer {
        result: attr.retval,
        duration: attr.duration,
        data: data_out,
        context: context_out,
    })
}

/// Bytes of room for a state, of which the kernel's has a few.
const STATE: usize = 4096;

/// Runs an operation with these words for its arguments, of which the first becomes the address of the state.
pub(crate) fn struct_op_run(
    prog: impl AsFd,
    state: Option<&mut [u8]>,
    mut words: Vec<u64>,
) -> io::Result<u32> {
    // The kernel reads and writes as much as its own type for a state has, however long the caller's is.
    let mut room = vec![0; STATE.max(state.as_ref().map_or(0, |state| state.len()))];
    if let Some(state) = &state {
        room[..state.len()].copy_from_slice(state);
    }
    if let Some(first) = words.first_mut() {
        *first = state.as_ref().map_or(0, |_| address_mut(&mut room));
    }
    let mut context: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let run = TestRun {
        context: &mut context,
        ..TestRun::default()
    };
    let answer = prog_run(prog, run)?;
    if let Some(state) = state {
        let length = state.len();
        state.copy_from_slice(&room[..length]);
    }
    Ok(answer.result)
}
