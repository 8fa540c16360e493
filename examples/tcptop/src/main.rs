//! Shows who sends and receives how many bytes over TCP.
//!
//! The BPF side is `src/bpf/tcptop.bpf.c`; its types, maps and globals appear here as the module
//! [`tcptop`]. It counts; what is new since the last round, and in which order it is shown, is
//! [`ledger`]'s business.

mod ledger;
mod options;
mod output;
mod terminal;

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use btf_core::btf::Kind;
use btf_core::include_skel;
use clap::Parser;

use ledger::{Bytes, Connection, Ledger, Row};
use options::{Options, Sort};
use terminal::{Key, Screen};

include_skel!("tcptop");

/// Address families as the kernel numbers them.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Lines of a table that are no rows.
const HEAD: usize = 2;

fn main() -> anyhow::Result<()> {
    match run(&Options::parse()) {
        // The reader of the output has ended (`tcptop | head`).
        Err(e) if is_broken_pipe(&e) => Ok(()),
        result => result,
    }
}

fn is_broken_pipe(e: &anyhow::Error) -> bool {
    let e = e.downcast_ref::<io::Error>();
    e.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn run(options: &Options) -> anyhow::Result<()> {
    let skel = load(options)?;
    let _links = skel.attach()?;

    let is_live = !options.json && !options.batch;
    let screen = match is_live && io::stdout().is_terminal() && io::stdin().is_terminal() {
        true => Some(Screen::new()?),
        false => None,
    };
    let mut sort = options.sort;
    let mut ledger = Ledger::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut end = Instant::now() + options.interval;
    for round in 1..=options.count.unwrap_or(u64::MAX) {
        match &screen {
            Some(screen) => {
                show(screen, &mut rows, sort, options)?;
                if !live(screen, end, &mut sort, &mut rows, options)? {
                    break;
                }
            }
            None => std::thread::sleep(end.saturating_duration_since(Instant::now())),
        }
        end += options.interval;
        rows = ledger.round(counters(&skel)?, options);
        if screen.is_none() {
            write(round, &mut rows, sort, options)?;
        }
    }
    if let Some(screen) = screen {
        show(&screen, &mut rows, sort, options)?;
    }
    let lost = skel.bss.lost.get();
    if lost > 0 {
        eprintln!("tcptop: {lost} bytes were not counted: too many connections (see --flows)");
    }
    Ok(())
}

fn load(options: &Options) -> btf_core::Result<tcptop::Tcptop> {
    let mut open = tcptop::Tcptop::open()?;
    open.rodata.filter_pid = options.pid.unwrap_or(0);
    open.rodata.filter_family = match (options.ipv4, options.ipv6) {
        (true, _) => AF_INET,
        (_, true) => AF_INET6,
        _ => 0,
    };
    open.maps.flows.set_max_entries(options.flows);
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

/// Waits for the end of the round and sorts the rows again as keys ask for it; `false` if the user
/// quits.
fn live(
    screen: &Screen,
    end: Instant,
    sort: &mut Sort,
    rows: &mut [Row],
    options: &Options,
) -> io::Result<bool> {
    while let Some(key) = screen.key(end)? {
        match key {
            Key::Quit => return Ok(false),
            Key::Letter(letter) => {
                if let Some(by) = Sort::of_letter(letter) {
                    *sort = by;
                    show(screen, rows, by, options)?;
                }
            }
        }
    }
    Ok(true)
}

/// Redraws the screen.
fn show(screen: &Screen, rows: &mut [Row], sort: Sort, options: &Options) -> io::Result<()> {
    ledger::sort(rows, sort);
    let fits = screen
        .height()
        .map_or(usize::MAX, |rows| rows.saturating_sub(HEAD + 1));
    let room = options.top.unwrap_or(usize::MAX).min(fits);
    let mut text = Vec::new();
    output::table(&mut text, rows, sort, room, options)?;
    screen.draw(&String::from_utf8_lossy(&text))
}

/// Writes a round below the others.
fn write(round: u64, rows: &mut Vec<Row>, sort: Sort, options: &Options) -> io::Result<()> {
    ledger::sort(rows, sort);
    let top = options.top.unwrap_or(usize::MAX);
    let mut out = io::stdout().lock();
    if options.json {
        rows.truncate(top);
        output::json(&mut out, round, rows)?;
    } else {
        output::table(&mut out, rows, sort, top, options)?;
        writeln!(out)?;
    }
    out.flush()
}
