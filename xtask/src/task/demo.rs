//! The task `demo`: opensnoop on the running kernel if it allows it, else in a booted one.

use crate::args::KernelArgs;
use crate::debian::{Kernel, Store};
use crate::tally::Lines;
use crate::vm::{Guest, Port};
use crate::{Result, boot, build, disk, tool};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
#[command(after_help = "Kernel without --kernel: 6.1, else the newest.")]
pub(crate) struct Args {
    /// Do not try the running kernel
    #[arg(long)]
    vm: bool,
    #[command(flatten)]
    kernels: KernelArgs,
}

/// The kernel that boots fastest of those that Debian maintains.
const USUAL: &str = "6.1";

/// How long opensnoop watches.
const SECONDS: u64 = 4;

/// How long it may take on top of that to load, attach and end, before it is killed.
const SPARE: Duration = Duration::from_secs(30);

/// Files that other processes of the guest open: one exists, one does not.
const OPENED: [&str; 2] = ["/etc/os-release", "/etc/no-such-file"];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let (store, names) = (args.kernels.mirror.store()?, &args.kernels.names);
    tool::install(tool::DEMO)?;
    eprintln!("building opensnoop");
    let build = ["build", "--package", "opensnoop"];
    let opensnoop = build::executable(build::cargo(&store)?, &build)?;
    if !args.vm && names.is_empty() {
        match native(&opensnoop) {
            Ok(events) => return Ok(verdict(events, "the running kernel")),
            Err(e) => eprintln!("not on the running kernel: {e}\nbooting a Debian kernel instead"),
        }
    }
    tool::install(tool::VM)?;
    let kernel = kernel(&store, names)?;
    eprintln!("opensnoop in kernel {}:", kernel.release);
    let events = guest(&kernel, &opensnoop)?;
    Ok(verdict(events, &format!("kernel {}", kernel.release)))
}

fn kernel(store: &Store, names: &[String]) -> Result<Kernel> {
    if names.is_empty() {
        return store.kernel(USUAL.parse()?).or_else(|e| {
            eprintln!("note: {e}");
            store.newest()
        });
    }
    let first = store.kernels(names)?.into_iter().next();
    first.ok_or_else(|| "no kernel".to_owned())
}

fn verdict(events: usize, place: &str) -> u8 {
    println!("{events} events of the files that were opened meanwhile, from {place}");
    u8::from(events == 0)
}

/// Runs opensnoop on the running kernel, and shows what this process opens meanwhile.
///
/// # Errors
///
/// The reason in one line if the kernel does not allow it, or opensnoop shows nothing.
fn native(opensnoop: &Path) -> Result<usize> {
    let file = own_file()?;
    let name = disk::name(&file).to_owned();
    let mut command = Command::new(opensnoop);
    command
        .args(["--table", "--duration", &SECONDS.to_string()])
        .args(["--pid", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot run opensnoop: {e}"))?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || show(stdout, &name));
    let status = open_until_end(&mut child, &file)?;
    std::fs::remove_file(&file).map_err(|e| format!("cannot remove {}: {e}", file.display()))?;
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr
            .read_to_string(&mut said)
            .map_err(|e| format!("cannot read from opensnoop: {e}"))?;
    }
    let events = reader
        .join()
        .map_err(|_| "the reader of opensnoop's output panicked")?;
    match (status.success(), events) {
        (true, 1..) => Ok(events),
        (true, 0) => Err("opensnoop runs, but sees no file being opened".to_owned()),
        (false, _) => {
            let reason = said.lines().find(|line| !line.trim().is_empty());
            Err(reason.map_or_else(|| format!("opensnoop failed ({status})"), str::to_owned))
        }
    }
}

/// Prints a pipe's lines, and returns how many contain `name`.
fn show(pipe: Option<impl Read>, name: &str) -> usize {
    let mut events = 0;
    for line in pipe
        .into_iter()
        .flat_map(|pipe| BufReader::new(pipe).lines())
    {
        let Ok(line) = line else { break };
        events += usize::from(line.contains(name));
        println!("{line}");
    }
    events
}

/// Opens a file again and again until opensnoop ends, which is killed if it hangs.
fn open_until_end(child: &mut Child, file: &Path) -> Result<ExitStatus> {
    let failed = |e: std::io::Error| format!("cannot wait for opensnoop: {e}");
    let deadline = Instant::now() + Duration::from_secs(SECONDS) + SPARE;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child
                .kill()
                .map_err(|e| format!("cannot end opensnoop: {e}"))?;
            return child.wait().map_err(failed);
        }
        disk::read(file)?;
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Creates a file that no other process opens.
fn own_file() -> Result<PathBuf> {
    let name = format!("opened-by-the-demo-{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    disk::write(&file, b"hello\n")?;
    Ok(file)
}

/// Runs opensnoop in a booted kernel, where other processes open files.
fn guest(kernel: &Kernel, opensnoop: &Path) -> Result<usize> {
    let mut guest = Guest::new(opensnoop);
    let seconds = SECONDS.to_string();
    guest.args = ["--table", "--duration", &seconds]
        .map(str::to_owned)
        .to_vec();
    guest.opened = OPENED.map(str::to_owned).to_vec();
    let mut events = 0;
    let mut lines = Lines::default();
    let outcome = boot::run(kernel, &guest, &mut |port, bytes| {
        boot::pass_through(port, bytes);
        if port == Port::Out {
            lines.feed(bytes, |line| {
                events += usize::from(OPENED.iter().any(|path| line.contains(path)));
            });
        }
    })?;
    boot::explain(kernel, &outcome);
    match outcome.status() {
        0 => Ok(events),
        _ => Err(format!(
            "opensnoop in kernel {}: {}",
            kernel.release,
            outcome.summary()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_without_events() {
        assert_eq!(verdict(0, "a test"), 1);
        assert_eq!(verdict(3, "a test"), 0);
    }

    #[test]
    fn explains_a_failure_in_one_line() {
        let shell = crate::program::find("false").expect("coreutils are essential");
        let error = native(&shell).expect_err("false fails");
        assert!(
            error.starts_with("opensnoop failed (exit status: 1)"),
            "{error}"
        );
    }
}
