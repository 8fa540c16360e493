//! The task `demo`: opensnoop at work, on the running kernel if it allows it, else in a booted one.

use crate::guest::Guest;
use crate::kernel::{Kernel, Selection};
use crate::machine::{self, Port};
use crate::tally::Lines;
use crate::{Result, build, tool, unexpected, vm};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const USAGE: &str = "cargo xtask demo [--vm] [--kernel SERIES] [--refresh] [--offline]

  --vm              do not try the running kernel
  --kernel SERIES   the kernel to boot (6.1, or else the newest)";

/// The kernel that boots quickest of those Debian still maintains.
const USUAL: &str = "6.1";

/// How long opensnoop watches.
const SECONDS: u64 = 4;

/// How long it may take to load, attach and end on top of that, before it is taken for stuck.
const SPARE: Duration = Duration::from_secs(30);

/// What other processes of the guest open: a file that is there, and one that is not.
const OPENED: [&str; 2] = ["/etc/os-release", "/etc/no-such-file"];

pub(crate) fn run(args: &[String]) -> Result<u8> {
    let mut selection = Selection::default();
    let mut boot = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--vm" => boot = true,
            _ if selection.option(arg, &mut rest)? => {}
            _ => return Err(unexpected(arg, USAGE)),
        }
    }
    tool::install(tool::DEMO)?;
    eprintln!("building opensnoop");
    let args = ["build", "--package", "opensnoop"];
    let opensnoop = build::executable(build::cargo(&selection)?, &args)?;
    if !boot && selection.names.is_empty() {
        match native(&opensnoop) {
            Ok(events) => return Ok(verdict(events, "the running kernel")),
            Err(e) => eprintln!("not on the running kernel: {e}\nbooting a Debian kernel instead"),
        }
    }
    tool::install(tool::VM)?;
    let kernel = kernel(&selection)?;
    eprintln!("opensnoop in kernel {}:", kernel.release);
    let events = guest(&kernel, &opensnoop)?;
    Ok(verdict(events, &format!("kernel {}", kernel.release)))
}

fn kernel(selection: &Selection) -> Result<Kernel> {
    let first = |selection: &Selection| {
        selection
            .kernels()?
            .into_iter()
            .next()
            .ok_or_else(|| "no kernel".to_owned())
    };
    if !selection.names.is_empty() {
        return first(selection);
    }
    let usual = Selection {
        names: vec![USUAL.to_owned()],
        ..selection.clone()
    };
    first(&usual).or_else(|e| {
        eprintln!("note: {e}");
        first(selection)
    })
}

fn verdict(events: usize, place: &str) -> u8 {
    println!("{events} events of the files that were opened meanwhile, from {place}");
    u8::from(events == 0)
}

/// Runs opensnoop on the running kernel, and shows what this process opens meanwhile.
///
/// # Errors
/// The reason in one line if the kernel refuses, or shows nothing.
fn native(opensnoop: &Path) -> Result<usize> {
    let file = own_file()?;
    let name = crate::disk::name(&file).to_owned();
    let mut command = Command::new(opensnoop);
    command.args(["--table", "--duration", &SECONDS.to_string()]);
    command.args(["--pid", &std::process::id().to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot run opensnoop: {e}"))?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut events = 0;
        for line in stdout
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
        {
            let Ok(line) = line else { break };
            events += usize::from(line.contains(&name));
            println!("{line}");
        }
        events
    });
    let deadline = Instant::now() + Duration::from_secs(SECONDS) + SPARE;
    let status = loop {
        match child
            .try_wait()
            .map_err(|e| format!("cannot wait for opensnoop: {e}"))?
        {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child
                    .kill()
                    .map_err(|e| format!("cannot end opensnoop: {e}"))?;
                break child
                    .wait()
                    .map_err(|e| format!("cannot wait for opensnoop: {e}"))?;
            }
            None => {}
        }
        crate::disk::read(&file)?;
        std::thread::sleep(Duration::from_millis(250));
    };
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

/// A file that nobody else opens.
fn own_file() -> Result<PathBuf> {
    let name = format!("opened-by-the-demo-{}.txt", std::process::id());
    let file = std::env::temp_dir().join(name);
    crate::disk::write(&file, b"hello\n")?;
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
    let outcome = machine::boot(kernel, &guest, &mut |port, bytes| {
        vm::pass_through(port, bytes);
        if port == Port::Out {
            lines.feed(bytes, |line| {
                events += usize::from(OPENED.iter().any(|path| line.contains(path)));
            });
        }
    })?;
    vm::explain(kernel, &outcome);
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
    fn a_demo_without_events_fails() {
        assert_eq!(verdict(0, "a test"), 1);
        assert_eq!(verdict(3, "a test"), 0);
    }

    #[test]
    fn a_refusal_is_told_in_one_line() {
        let shell = crate::program::find("false").expect("coreutils are essential");
        let error = native(&shell).expect_err("false fails");
        assert!(
            error.starts_with("opensnoop failed (exit status: 1)"),
            "{error}"
        );
    }
}
