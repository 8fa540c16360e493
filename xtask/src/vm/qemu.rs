//! The command line of qemu: one emulated CPU, four serial ports.

use super::guest::Guest;
use crate::debian::Kernel;
use crate::program;
use std::path::Path;
use std::process::Command;

/// Serial ports of the machine, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Console,
    Out,
    Err,
    Control,
}

/// A port with its I/O base, and an interrupt that it shares with no other.
pub(super) const PORTS: [(Port, u32, u32); 4] = [
    (Port::Console, 0x3f8, 4),
    (Port::Out, 0x2f8, 3),
    (Port::Err, 0x3e8, 5),
    (Port::Control, 0x2e8, 7),
];

/// Returns the command that boots a kernel with an initramfs of a size in bytes.
pub(super) fn command(kernel: &Kernel, guest: &Guest, initramfs: usize) -> Command {
    // The archive and its content are in memory at the same time.
    let memory = 512 + 3 * initramfs.div_ceil(1 << 20);
    let mut command = match program::find("setpriv") {
        // qemu is killed with this process.
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

/// Returns the kernel's command line.
///
/// An oops panics and a panic ends the machine: nothing continues in a broken kernel. Without `bpf`
/// in `lsm=`, programs of type lsm attach on 5.10 but never run. An emulated timer that is late on
/// a busy machine must not panic at boot.
fn command_line(append: &str) -> String {
    format!(
        "console=ttyS0 8250.nr_uarts=4 panic=-1 oops=panic no_timer_check quiet loglevel=5 \
         lsm=lockdown,yama,apparmor,bpf {append}"
    )
}

/// Adds a serial port whose bytes go to a socket.
pub(super) fn add_port(command: &mut Command, index: usize, socket: &Path) {
    let (_, base, irq) = PORTS[index];
    let chardev = format!("socket,id=port{index},path={}", socket.display());
    let device = format!("isa-serial,index={index},iobase={base},irq={irq},chardev=port{index}");
    command.args(["-chardev", &chardev, "-device", &device]);
}
