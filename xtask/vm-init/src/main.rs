//! The first process of a booted kernel: mounts file systems, loads modules, runs one program,
//! reports its end and restarts the machine. `vm::initramfs` of xtask writes `/vm/conf`, which
//! names the program; `vm::qemu` sets up the serial ports.

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Serial ports: the first is the kernel's console, and this program's own.
const OUT: &str = "/dev/ttyS1";
const ERR: &str = "/dev/ttyS2";
const CONTROL: &str = "/dev/ttyS3";

/// File systems and their mount points. One that a kernel does not have is left out: a program that
/// needs it reports that better.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("securityfs", "/sys/kernel/security"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// How long output may take to arrive after the program has ended: a process that it left behind
/// may keep the pipes open.
const DRAIN: Duration = Duration::from_secs(2);

/// How often the files of `open=` are opened while the program runs.
const OPEN_EVERY: Duration = Duration::from_millis(100);

fn main() {
    if std::process::id() != 1 {
        return read_files();
    }
    let report = match start() {
        Ok(status) => match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => format!("exit {}", status.code().unwrap_or(255)),
        },
        Err(e) => format!("failed {e}"),
    };
    if let Err(e) = say(&report) {
        eprintln!("vm-init: cannot report `{report}` on {CONTROL}: {e}");
    }
    // qemu ends at a restart; it is quicker than powering off.
    if let Err(e) = reboot(RebootCommand::Restart) {
        eprintln!("vm-init: cannot restart: {e}");
    }
}

/// As any other process, this program opens the files of its arguments: the events of the demo.
fn read_files() {
    for path in std::env::args_os().skip(1) {
        // A file that is missing is an event too.
        let _ = std::fs::read(path);
    }
}

/// Content of `/vm/conf`: records `key=value`, each ended by a NUL.
#[derive(Default)]
struct Conf {
    command: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    modules: Vec<OsString>,
    open: Vec<OsString>,
    terminal: bool,
}

impl Conf {
    fn read() -> Result<Conf, String> {
        let bytes = std::fs::read("/vm/conf").map_err(|e| format!("cannot read /vm/conf: {e}"))?;
        let mut conf = Conf::default();
        for record in bytes
            .split(|byte| *byte == 0)
            .filter(|record| !record.is_empty())
        {
            let (key, value) = cut(record);
            match key {
                b"arg" => conf.command.push(os(value)),
                b"env" => {
                    let (name, value) = cut(value);
                    conf.env.push((os(name), os(value)));
                }
                b"module" => conf.modules.push(os(value)),
                b"open" => conf.open.push(os(value)),
                b"terminal" => conf.terminal = value == b"1",
                _ => return Err(format!("/vm/conf: {}?", String::from_utf8_lossy(record))),
            }
        }
        Ok(conf)
    }
}

fn cut(record: &[u8]) -> (&[u8], &[u8]) {
    match record.iter().position(|byte| *byte == b'=') {
        Some(at) => (&record[..at], &record[at + 1..]),
        None => (record, b""),
    }
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

fn start() -> Result<ExitStatus, String> {
    for (kind, target) in MOUNTS {
        // Some directories are in the file system mounted before, others in the initramfs.
        let _ = std::fs::create_dir_all(target);
        if let Err(e) = mount(*kind, *target, *kind, MountFlags::empty(), None) {
            eprintln!("vm-init: no {kind} on {target}: {e}");
        }
    }
    say("started").map_err(|e| format!("cannot write to {CONTROL}: {e}"))?;
    // 0x1 is IFF_UP.
    std::fs::write("/sys/class/net/lo/flags", "0x1").map_err(|e| format!("lo is not up: {e}"))?;
    let conf = Conf::read()?;
    for module in &conf.modules {
        let name = Path::new(module).display();
        let file = File::open(module).map_err(|e| format!("cannot open {name}: {e}"))?;
        finit_module(&file, c"", 0).map_err(|e| format!("cannot load {name}: {e}"))?;
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if !conf.open.is_empty() {
            scope.spawn(|| open_files(&conf.open, &over));
        }
        let ended = run(&conf);
        over.store(true, Ordering::Relaxed);
        ended
    })
}

fn open_files(paths: &[OsString], over: &AtomicBool) {
    for path in paths.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        if let Err(e) = Command::new("/vm/reader").arg(path).status() {
            eprintln!("vm-init: cannot run /vm/reader: {e}");
        }
        std::thread::sleep(OPEN_EVERY);
    }
}

/// Runs the program to its end, with its output on the serial ports.
fn run(conf: &Conf) -> Result<ExitStatus, String> {
    let (program, args) = conf
        .command
        .split_first()
        .ok_or("/vm/conf names no program")?;
    let (out, err) = (port(OUT)?, port(ERR)?);
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(conf.env.iter().map(|(k, v)| (k, v)))
        .current_dir("/root");
    command.stdin(Stdio::null());
    if conf.terminal {
        let same = |file: &File| {
            file.try_clone()
                .map_err(|e| format!("cannot share a port: {e}"))
        };
        command.stdout(same(&out)?).stderr(same(&err)?);
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let failed = |e: io::Error| format!("cannot run {}: {e}", Path::new(program).display());
    let mut child = command.spawn().map_err(failed)?;
    let copies = copies(&mut child, &out, &err)?;
    let status = child.wait().map_err(failed)?;
    let deadline = Instant::now() + DRAIN;
    while Instant::now() < deadline && !copies.iter().all(JoinHandle::is_finished) {
        std::thread::sleep(Duration::from_millis(1));
    }
    for port in [&out, &err] {
        tcdrain(port).map_err(|e| format!("cannot drain a serial port: {e}"))?;
    }
    Ok(status)
}

/// Starts a thread for each pipe of the program that copies its bytes to a serial port.
fn copies(child: &mut Child, out: &File, err: &File) -> Result<Vec<JoinHandle<()>>, String> {
    let mut copies = Vec::new();
    let same = |file: &File| {
        file.try_clone()
            .map_err(|e| format!("cannot share a port: {e}"))
    };
    if let Some(mut pipe) = child.stdout.take() {
        let mut port = same(out)?;
        copies.push(std::thread::spawn(move || {
            drop(io::copy(&mut pipe, &mut port))
        }));
    }
    if let Some(mut pipe) = child.stderr.take() {
        let mut port = same(err)?;
        copies.push(std::thread::spawn(move || {
            drop(io::copy(&mut pipe, &mut port))
        }));
    }
    Ok(copies)
}

/// Opens a serial port in raw mode.
fn port(path: &str) -> Result<File, String> {
    let raw = || -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut attributes = tcgetattr(&file)?;
        attributes.make_raw();
        tcsetattr(&file, OptionalActions::Now, &attributes)?;
        Ok(file)
    };
    raw().map_err(|e| format!("cannot set up {path}: {e}"))
}

fn say(text: &str) -> io::Result<()> {
    let mut control = OpenOptions::new().read(true).write(true).open(CONTROL)?;
    writeln!(control, "{text}")?;
    Ok(tcdrain(&control)?)
}
