//! One virtual machine from start to end: qemu without KVM, four serial ports, a deadline. What
//! it runs is `guest`'s business, what its console says `console`'s.

use crate::console::Console;
use crate::guest::Guest;
use crate::kernel::Kernel;
use crate::{Result, disk, program, tool};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Where bytes of the machine come from, in the order of its serial ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Console,
    Out,
    Err,
    Control,
}

/// A port, where the PC has it, and an interrupt that it shares with no other.
const PORTS: [(Port, u32, u32); 4] = [
    (Port::Console, 0x3f8, 4),
    (Port::Out, 0x2f8, 3),
    (Port::Err, 0x3e8, 5),
    (Port::Control, 0x2e8, 7),
];

/// How a machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The program exited.
    Exit(u8),
    /// The program was killed.
    Signal(u8),
    /// `vm-init` could not run it.
    Failed(String),
    /// The kernel went down.
    Kernel(String),
    /// The deadline passed.
    Timeout(String),
    /// qemu ended, and nobody said why.
    Lost(String),
}

/// What came of a boot.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) elapsed: Duration,
    /// What the kernel complained about without going down.
    pub(crate) complaint: Option<String>,
    /// The lines of the console that tell the end.
    pub(crate) tail: String,
}

impl Outcome {
    /// The program's exit status; 128 and the signal as shells have it, 124 for a deadline as
    /// `timeout` has it, 125 where the machine failed and not the program.
    pub(crate) fn status(&self) -> u8 {
        match self.end {
            End::Exit(status) => status,
            End::Signal(signal) => signal.saturating_add(128),
            End::Timeout(_) => 124,
            End::Failed(_) | End::Kernel(_) | End::Lost(_) => 125,
        }
    }

    /// In a few words.
    pub(crate) fn summary(&self) -> String {
        match &self.end {
            End::Exit(0) => "ok".to_owned(),
            End::Exit(status) => format!("exit status {status}"),
            End::Signal(signal) => format!("killed by signal {signal}"),
            End::Failed(reason) | End::Kernel(reason) | End::Timeout(reason) => reason.clone(),
            End::Lost(reason) => reason.clone(),
        }
    }

    /// Whether the console's last lines help to understand the end.
    pub(crate) fn wants_console(&self) -> bool {
        !matches!(self.end, End::Exit(_) | End::Signal(_))
    }
}

/// Boots a kernel, hands what the program writes to `sink`, and returns when the machine is gone.
///
/// # Errors
/// If the machine cannot be put together. How it ends is no error, but the outcome.
pub(crate) fn boot(
    kernel: &Kernel,
    guest: &Guest,
    sink: &mut dyn FnMut(Port, &[u8]),
) -> Result<Outcome> {
    tool::need(tool::VM)?;
    let scratch = Scratch::new()?;
    let initramfs = guest.initramfs(kernel)?;
    let initrd = scratch.0.join("initramfs.cpio");
    disk::write(&initrd, &initramfs)?;
    let (sender, receiver) = channel();
    let mut qemu = qemu(kernel, guest, initramfs.len());
    qemu.arg("-initrd").arg(&initrd);
    for (index, (port, base, irq)) in PORTS.into_iter().enumerate() {
        let socket = scratch.0.join(format!("port{index}"));
        listen(&socket, port, sender.clone())?;
        qemu.args([
            "-chardev",
            &format!("socket,id=port{index},path={}", socket.display()),
        ]);
        let device =
            format!("isa-serial,index={index},iobase={base},irq={irq},chardev=port{index}");
        qemu.args(["-device", &device]);
    }
    drop(sender);
    let started = Instant::now();
    let child = qemu
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut machine = Machine {
        child: child.map_err(|e| format!("cannot run qemu: {e}"))?,
        console: Console::default(),
        control: Vec::new(),
    };
    let late = machine.watch(&receiver, started + guest.timeout, sink);
    machine
        .child
        .kill()
        .map_err(|e| format!("cannot end qemu: {e}"))?;
    let end = machine.end(late, guest.timeout)?;
    Ok(Outcome {
        end,
        elapsed: started.elapsed(),
        complaint: machine.console.passing().map(str::to_owned),
        tail: machine.console.tail(30),
    })
}

struct Machine {
    child: Child,
    console: Console,
    control: Vec<u8>,
}

impl Machine {
    /// Takes in what the ports say until qemu is gone; `true` if the deadline came first.
    fn watch(
        &mut self,
        receiver: &Receiver<(Port, Vec<u8>)>,
        deadline: Instant,
        sink: &mut dyn FnMut(Port, &[u8]),
    ) -> bool {
        const STEP: Duration = Duration::from_millis(50);
        const REST: Duration = Duration::from_secs(1);
        let mut gone: Option<Instant> = None;
        loop {
            match receiver.recv_timeout(STEP) {
                Ok((Port::Console, bytes)) => self.console.feed(&bytes),
                Ok((Port::Control, bytes)) => self.control.extend(bytes),
                Ok((port, bytes)) => sink(port, &bytes),
                // Every port is closed: qemu is gone, or going.
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if gone.is_none() && !matches!(self.child.try_wait(), Ok(None)) {
                gone = Some(Instant::now());
            }
            // A qemu that could not start never connects to the ports, and none is ever closed.
            if gone.is_some_and(|when| when.elapsed() > REST) {
                return false;
            }
            if gone.is_none() && Instant::now() > deadline {
                return true;
            }
        }
    }

    fn end(&mut self, late: bool, timeout: Duration) -> Result<End> {
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr
                .read_to_string(&mut said)
                .map_err(|e| format!("cannot read from qemu: {e}"))?;
        }
        self.child
            .wait()
            .map_err(|e| format!("cannot wait for qemu: {e}"))?;
        let control = String::from_utf8_lossy(&self.control).into_owned();
        if let Some(end) = control.lines().find_map(report) {
            return Ok(end);
        }
        if let Some(trouble) = self.console.fatal() {
            return Ok(End::Kernel(trouble.to_owned()));
        }
        let phase = match (
            control.lines().any(|line| line == "started"),
            self.console.passing(),
        ) {
            (_, Some(trouble)) => format!("after {trouble}"),
            (true, None) => "while the program was running".to_owned(),
            (false, None) => "before the kernel had started its first process".to_owned(),
        };
        if late {
            let seconds = timeout.as_secs();
            return Ok(End::Timeout(format!(
                "timed out after {seconds} s, {phase}"
            )));
        }
        let said = said.trim();
        let qemu = if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        };
        Ok(End::Lost(format!("the machine was gone {phase}{qemu}")))
    }
}

/// What `vm-init` says at the end.
fn report(line: &str) -> Option<End> {
    let (word, rest) = line.trim_end().split_once(' ')?;
    match word {
        "exit" => Some(End::Exit(rest.parse().ok()?)),
        "signal" => Some(End::Signal(rest.parse().ok()?)),
        "failed" => Some(End::Failed(rest.to_owned())),
        _ => None,
    }
}

fn qemu(kernel: &Kernel, guest: &Guest, initramfs: usize) -> Command {
    // The archive and what is unpacked from it are in memory at the same time.
    let memory = 512 + 3 * initramfs.div_ceil(1 << 20);
    let mut command = match program::find("setpriv") {
        // Where this process is killed, qemu goes with it.
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
            command
        }
        None => Command::new("qemu-system-x86_64"),
    };
    command
        .args([
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-smp",
            "1",
            "-m",
            &memory.to_string(),
        ])
        .args([
            "-display",
            "none",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
        ])
        .arg("-kernel")
        .arg(kernel.vmlinuz())
        .args(["-append", &command_line(&guest.append)]);
    command
}

/// An oops is a panic, and a panic the end: nothing goes on in a broken kernel. Without `bpf`
/// among the security modules, programs of type lsm would attach on 5.10 and never fire. An emulated timer that comes late
/// on a busy machine is no reason to panic at boot.
fn command_line(append: &str) -> String {
    format!(
        "console=ttyS0 8250.nr_uarts=4 panic=-1 oops=panic no_timer_check quiet loglevel=5 \
         lsm=lockdown,yama,apparmor,bpf {append}"
    )
}

/// Accepts qemu's connection of one port and passes on what it writes.
fn listen(socket: &std::path::Path, port: Port, sender: Sender<(Port, Vec<u8>)>) -> Result<()> {
    let listener = UnixListener::bind(socket)
        .map_err(|e| format!("cannot listen on {}: {e}", socket.display()))?;
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else {
            return;
        };
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut bytes) {
            if sender.send((port, bytes[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// A folder that goes away with the machine.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("btf-xtask-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        disk::empty_dir(&dir)?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = disk::remove_dir(&self.0) {
            eprintln!("note: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_the_first_process() {
        assert_eq!(report("exit 7\r"), Some(End::Exit(7)));
        assert_eq!(report("signal 11"), Some(End::Signal(11)));
        assert_eq!(
            report("failed no such file"),
            Some(End::Failed("no such file".to_owned()))
        );
        assert_eq!(report("started"), None);
        assert_eq!(report("exit 300"), None);
    }

    #[test]
    fn statuses() {
        let status = |end| {
            let elapsed = Duration::ZERO;
            Outcome {
                end,
                elapsed,
                complaint: None,
                tail: String::new(),
            }
            .status()
        };
        assert_eq!(status(End::Exit(7)), 7);
        assert_eq!(status(End::Signal(9)), 137);
        assert_eq!(status(End::Timeout(String::new())), 124);
        assert_eq!(status(End::Kernel(String::new())), 125);
    }
}
