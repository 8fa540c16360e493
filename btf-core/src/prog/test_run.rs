//! Running programs by themselves, without attaching them (`BPF_PROG_TEST_RUN`).

use std::time::Duration;

use super::Program;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::pod::{self, Pod};
use crate::sys::{self, Capabilities};

/// `BPF_F_TEST_XDP_LIVE_FRAMES`.
const LIVE_FRAMES: u32 = 1 << 1;
/// As much as programs put before or behind a packet, or kernels know of a context, and more.
const ROOM: usize = 4096;

/// What a program is run with by itself.
///
/// ```no_run
/// # fn run(program: btf_core::attach::Xdp) -> btf_core::Result<()> {
/// use btf_core::prog::{TestRun, XdpAction};
///
/// let ran = program.test_run(&TestRun::packet(&[0; 64]).repeat(1000))?;
/// assert_eq!(ran.result, XdpAction::PASS);
/// println!("{:?} a packet", ran.duration);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TestRun<'a> {
    data: &'a [u8],
    context: &'a [u8],
    repeat: u32,
    live_batch: Option<u32>,
}

impl<'a> TestRun<'a> {
    /// With nothing to work on.
    pub fn new() -> TestRun<'a> {
        TestRun::default()
    }

    /// With a packet, from its Ethernet header on (its network header, for [`Lwt`](crate::attach::Lwt) and
    /// [`Netfilter`](crate::attach::Netfilter)).
    pub fn packet(data: &'a [u8]) -> TestRun<'a> {
        TestRun {
            data,
            ..TestRun::default()
        }
    }

    /// With a context (`struct xdp_md`, `struct __sk_buff`, the argument of a `SEC("syscall")` program) of these bytes.
    #[must_use]
    pub fn context_bytes(self, context: &'a [u8]) -> TestRun<'a> {
        TestRun { context, ..self }
    }

    /// With this context.
    #[must_use]
    pub fn context<T: Pod>(self, context: &'a T) -> TestRun<'a> {
        self.context_bytes(pod::bytes_of(context))
    }

    /// So many times; the duration is that of one run on average.
    #[must_use]
    pub fn repeat(self, times: u32) -> TestRun<'a> {
        TestRun {
            repeat: times,
            ..self
        }
    }

    /// As real frames, in batches of so many (0 for the kernel's choice): what the program answers is done to them, and they
    /// are sent, redirected or received (XDP programs, from 5.18 on).
    #[must_use]
    pub fn live_frames(self, batch: u32) -> TestRun<'a> {
        TestRun {
            live_batch: Some(batch),
            ..self
        }
    }
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ran<R = i32> {
    /// What the program returned.
    pub result: R,
    /// How long one run took on average; zero for kinds that are not timed.
    pub duration: Duration,
    /// What became of the packet; for a flow dissector, what it found (`struct bpf_flow_keys`).
    pub data: Vec<u8>,
    /// What became of the context, if there was one: as many bytes as were given.
    pub context: Vec<u8>,
}

impl<R> Ran<R> {
    /// What became of the context, as a value of its type; `None` if it has fewer bytes.
    pub fn context_as<T: Pod>(&self) -> Option<T> {
        read(&self.context)
    }

    /// What became of the packet, or was found in it, as a value of its type; `None` if it has fewer bytes.
    pub fn data_as<T: Pod>(&self) -> Option<T> {
        read(&self.data)
    }

    /// The same with the result as what it means.
    pub(crate) fn map<S>(self, meaning: impl FnOnce(R) -> S) -> Ran<S> {
        Ran {
            result: meaning(self.result),
            duration: self.duration,
            data: self.data,
            context: self.context,
        }
    }
}

fn read<T: Pod>(bytes: &[u8]) -> Option<T> {
    let mut value: T = pod::zeroed();
    let place = pod::bytes_of_mut(&mut value);
    place.copy_from_slice(bytes.get(..place.len())?);
    Some(value)
}

/// What a kind's runs have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Has {
    /// A packet, which comes back, and a context, which does so if it is given.
    Packet,
    /// A packet alone, which does not come back.
    PacketOnly,
    /// A context alone, which comes back.
    Context,
    /// A context alone, which is written to in its own place.
    ContextInPlace,
    /// Neither.
    Nothing,
}

impl Has {
    fn a_packet(self) -> bool {
        matches!(self, Has::Packet | Has::PacketOnly)
    }
}

/// Runs a program as its kind is run.
pub(crate) fn run(program: &Program, run: &TestRun<'_>, has: Has) -> Result<Ran> {
    let fd = program.fd()?;
    let mut context = run.context.to_vec();
    let has_context_out = has != Has::ContextInPlace && !context.is_empty();
    let data_out = match has {
        Has::Packet if run.live_batch.is_none() => run.data.len() + ROOM,
        _ => 0,
    };
    let answer = sys::prog_run(
        fd,
        sys::TestRun {
            data: run.data,
            data_out: vec![0; data_out],
            context_out: has_context_out.then(|| vec![0; context.len() + ROOM]),
            context: &mut context,
            repeat: run.repeat,
            flags: run.live_batch.map_or(0, |_| LIVE_FRAMES),
            cpu: 0,
            batch_size: run.live_batch.unwrap_or(0),
        },
    )
    .map_err(|e| explain(run, has, sys::program_capabilities(program.prog_type()), e))
    .context(|| program.what())?;
    // Kernels know shorter and longer forms of a context.
    let mut context_out = answer.context;
    context_out.resize(run.context.len(), 0);
    Ok(Ran {
        result: answer.result.cast_signed(),
        duration: Duration::from_nanos(answer.duration.into()),
        data: answer.data,
        context: match has {
            Has::ContextInPlace => context,
            _ => context_out,
        },
    })
}

fn explain(run: &TestRun<'_>, has: Has, needs: Capabilities, e: std::io::Error) -> Error {
    let doing = "the kernel refused to run it";
    let errno = e.raw_os_error();
    let error = Error::os(doing, e);
    match errno {
        Some(libc::EPERM | libc::EACCES) => error.hint(sys::privileges_hint(needs)),
        Some(libc::EOPNOTSUPP | sys::ENOTSUPP) => Error::new(
            ErrorKind::Unsupported,
            "this kernel does not run it by itself",
        )
        .hint("attach it, and set it off"),
        Some(libc::EINVAL) if has.a_packet() && run.data.len() < 14 => {
            error.hint("the packet must have an Ethernet header, 14 bytes, at least")
        }
        Some(libc::EINVAL)
            if run.live_batch.is_some()
                && let Some(newer) = sys::newer_kernel((5, 18)) =>
        {
            error.hint(format!("running XDP programs on live frames {newer}"))
        }
        Some(libc::EINVAL) if !has.a_packet() && !run.data.is_empty() => {
            error.hint("such a program has no packet, only a context")
        }
        Some(libc::EINVAL) if !run.context.is_empty() => error.hint(
            "the context may have a size or a field that the kernel takes for no such program",
        ),
        Some(libc::ENOSPC) => {
            error.hint("what became of the packet is longer than there is room for")
        }
        _ => error,
    }
}
