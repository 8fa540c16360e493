//! One virtual machine from start to end.

use super::console::Console;
use super::guest::Guest;
use super::initramfs;
use super::outcome::{End, Outcome, report};
use super::qemu::{self, PORTS, Port};
use crate::debian::Kernel;
use crate::{Result, disk};
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Everything that all booted kernels share.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The static program `vm-init`, the first process of the guest.
    pub(crate) init: PathBuf,
    /// A directory for sockets and initramfs while a machine runs.
    pub(crate) scratch: PathBuf,
    /// Environment variables of every program.
    pub(crate) env: Vec<(String, String)>,
}

impl Machine {
    /// Boots a kernel, passes the program's output to `sink`, and returns when the machine has
    /// ended.
    ///
    /// # Errors
    ///
    /// If the machine cannot be set up. A crash or a deadline is not an error but an outcome.
    pub(crate) fn boot(
        &self,
        kernel: &Kernel,
        guest: &Guest,
        sink: &mut dyn FnMut(Port, &[u8]),
    ) -> Result<Outcome> {
        let scratch = tempfile::Builder::new()
            .prefix("btf-vm-")
            .tempdir_in(&self.scratch)
            .map_err(|e| format!("no directory in {}: {e}", self.scratch.display()))?;
        let initramfs = initramfs::pack(&self.init, &self.env, guest, kernel)?;
        let initrd = scratch.path().join("initramfs.cpio");
        disk::write(&initrd, &initramfs)?;
        let mut qemu = qemu::command(kernel, guest, initramfs.len());
        qemu.arg("-initrd").arg(&initrd);
        let (sender, receiver) = channel();
        for (index, (port, ..)) in PORTS.into_iter().enumerate() {
            let socket = scratch.path().join(format!("port{index}"));
            listen(&socket, port, sender.clone())?;
            qemu::add_port(&mut qemu, index, &socket);
        }
        drop(sender);
        let started = Instant::now();
        let child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut running = Running {
            child: child.map_err(|e| format!("cannot run qemu-system-x86_64: {e}"))?,
            console: Console::default(),
            control: Vec::new(),
        };
        let late = running.watch(&receiver, started + guest.timeout, sink);
        running
            .child
            .kill()
            .map_err(|e| format!("cannot end qemu: {e}"))?;
        let end = running.end(late, guest.timeout)?;
        Ok(Outcome {
            end,
            elapsed: started.elapsed(),
            complaint: running.console.passing().map(str::to_owned),
            tail: running.console.tail(30),
        })
    }
}

/// A qemu process and its output.
struct Running {
    child: Child,
    console: Console,
    control: Vec<u8>,
}

impl Running {
    /// Reads from the ports until qemu has ended. Returns `true` if the deadline came first.
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
                // Every port is closed: qemu has ended or is about to.
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

/// Accepts qemu's connection of one port and forwards its output.
fn listen(socket: &Path, port: Port, sender: Sender<(Port, Vec<u8>)>) -> Result<()> {
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
