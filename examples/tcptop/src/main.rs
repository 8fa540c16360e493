//! tcptop: who sends and receives how many bytes over TCP.
//!
//! The BPF side is `src/bpf/tcptop.bpf.c`; its types, maps and globals appear here as the module [`tcptop`]. It counts; what
//! is new since the last round, and in which order it is shown, is [`ledger`]'s business.

mod ledger;
mod options;
mod output;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Instant;

use btf_core::btf::Kind;
use btf_core::include_skel;

use ledger::{Bytes, Connection, Ledger, Row};
use options::{Format, Options, Sort};
use terminal::{Key, Keys};

include_skel!("tcptop");

/// Address families as the kernel numbers them.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Lines of a table that are no rows.
const HEAD: usize = 2;

/// Moves to the terminal's first line and wipes what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("tcptop: {why}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if options.help {
        print!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has seen enough (`tcptop | head`).
        Err(Failure::Terminal(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Terminal(e)) => {
            eprintln!("tcptop: cannot use the terminal: {e}");
            ExitCode::FAILURE
        }
        Err(Failure::Bpf(e)) => {
            eprintln!("tcptop: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// What can go wrong once the arguments are understood.
enum Failure {
    Bpf(btf_core::Error),
    Terminal(io::Error),
}

impl From<btf_core::Error> for Failure {
    fn from(e: btf_core::Error) -> Self {
        Failure::Bpf(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Terminal(e)
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let skel = load(options)?;
    let _links = skel.attach()?;

    let is_live = options.format.is_none() && io::stdout().is_terminal();
    let keys = if is_live { Some(Keys::new()?) } else { None };
    let mut sort = options.sort;
    let mut ledger = Ledger::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut end = Instant::now() + options.interval;
    for round in 1..=options.count.unwrap_or(u64::MAX) {
        match &keys {
            Some(keys) => {
                show(&mut rows, sort, options)?;
                if !live(keys, end, &mut sort, &mut rows, options)? {
                    break;
                }
            }
            None => std::thread::sleep(end.saturating_duration_since(Instant::now())),
        }
        end += options.interval;
        rows = ledger.round(counters(&skel)?, options);
        if keys.is_none() {
            write(round, &mut rows, sort, options)?;
        }
    }
    if keys.is_some() {
        show(&mut rows, sort, options)?;
    }
    let lost = skel.bss.lost.get();
    if lost > 0 {
        eprintln!("tcptop: {lost} bytes were not counted, because there was no room (see --flows)");
    }
    Ok(())
}

fn load(options: &Options) -> btf_core::Result<tcptop::Tcptop> {
    let mut open = tcptop::Tcptop::open()?;
    open.rodata.filter_pid = options.pid.unwrap_or(0);
    open.rodata.filter_family = match options.version {
        None => 0,
        Some(4) => AF_INET,
        Some(_) => AF_INET6,
    };
    if let Some(flows) = options.flows {
        open.maps.flows.set_max_entries(flows);
    }
    // Sending pages went by a way of its own up to 6.4.
    let pages = &mut open.progs.on_send_pages;
    let target = pages.attach_target().unwrap_or_default();
    let is_there = btf_core::load::kernel_btf()?
        .find(target, Kind::FUNC)
        .is_some();
    pages.set_autoload(is_there);
    open.load()
}

/// What has been counted so far.
fn counters(skel: &tcptop::Tcptop) -> btf_core::Result<Vec<(Connection, Bytes, String)>> {
    let all = skel.maps.flows.try_iter().map(|entry| {
        let (flow, traffic) = entry?;
        let connection = Connection {
            pid: flow.pid,
            local: address(flow.family, &flow.local),
            peer: address(flow.family, &flow.peer),
        };
        let bytes = Bytes {
            sent: traffic.sent,
            received: traffic.received,
        };
        Ok((connection, bytes, traffic.comm.to_string()))
    });
    all.collect()
}

/// IPv4 over an IPv6 socket is IPv4.
fn address(family: u16, end: &tcptop::Endpoint) -> SocketAddr {
    let ip = match (family, &end.address) {
        (AF_INET, &[a, b, c, d, ..]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        (_, bytes) => Ipv6Addr::from(*bytes).to_canonical(),
    };
    SocketAddr::new(ip, end.port)
}

/// Waits for the end of the round, and sorts anew as keys ask for it; `false` if the user wants no more.
fn live(
    keys: &Keys,
    end: Instant,
    sort: &mut Sort,
    rows: &mut [Row],
    options: &Options,
) -> io::Result<bool> {
    while Instant::now() < end {
        match keys.wait(end)? {
            Some(Key::Quit) => return Ok(false),
            Some(Key::Letter(letter)) => {
                if let Some(by) = Sort::of_letter(letter) {
                    *sort = by;
                    show(rows, by, options)?;
                }
            }
            None => {}
        }
    }
    Ok(true)
}

/// Fills the terminal.
fn show(rows: &mut [Row], sort: Sort, options: &Options) -> io::Result<()> {
    ledger::sort(rows, sort);
    let fits = terminal::height().map_or(usize::MAX, |rows| rows.saturating_sub(HEAD + 1));
    let room = options.top.unwrap_or(usize::MAX).min(fits);
    let mut text = CLEAR.as_bytes().to_vec();
    output::table(&mut text, rows, sort, room, options)?;
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}

/// Writes a round below the others.
fn write(round: u64, rows: &mut Vec<Row>, sort: Sort, options: &Options) -> io::Result<()> {
    ledger::sort(rows, sort);
    let top = options.top.unwrap_or(usize::MAX);
    let mut out = io::stdout().lock();
    match options.format {
        Some(Format::Json) => {
            rows.truncate(top);
            output::json(&mut out, round, rows)?;
        }
        _ => {
            output::table(&mut out, rows, sort, top, options)?;
            writeln!(out)?;
        }
    }
    out.flush()
}
