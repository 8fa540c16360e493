//! What the cases share: objects, the running kernel's version, globals by name, and what sets programs off.

use std::io::Write;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};

use btf_core::Pod;
use btf_core::btf::Kind;
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::pod;
use btf_core::prog::Program;

/// Number of the system call that [`getppid`] makes.
pub(crate) const GETPPID: i64 = if cfg!(target_arch = "x86_64") {
    110
} else {
    173
};

/// Makes the system call that programs count, so many times; nothing else in this binary makes it.
pub(crate) fn getppid(times: usize) {
    for _ in 0..times {
        // glibc does not remember the answer.
        assert!(parent_id() < u32::MAX);
    }
}

/// The running kernel's version.
pub(crate) fn running() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    let mut numbers = release
        .split(['.', '-'])
        .map(|n| n.trim().parse().expect("a version"));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The first kernel that a case is for. On an older one it fails: no case here is for kernels that it is not run on.
pub(crate) fn needs(major: u32, minor: u32) {
    let running = running();
    assert!(
        running >= (major, minor),
        "this case needs kernel {major}.{minor}, but {}.{} is running",
        running.0,
        running.1
    );
}

/// Opens an object and aims it at the system calls of this process.
pub(crate) fn open(name: &str, elf: &[u8]) -> OpenObject {
    let mut open = OpenObject::open(name, elf).unwrap();
    set(&mut open, ".rodata", "target_pid", &std::process::id());
    set(&mut open, ".rodata", "target_nr", &GETPPID);
    open
}

/// Sets a global of an opened object.
pub(crate) fn set<T: Pod>(open: &mut OpenObject, section: &str, name: &str, value: &T) {
    let btf = open.object().require_btf().unwrap();
    let datasec = btf.find(section, Kind::DATASEC).unwrap();
    let variable = datasec
        .variables()
        .iter()
        .find(|v| v.name() == name)
        .unwrap_or_else(|| panic!("{section} has no variable {name}"));
    assert_eq!(variable.size() as usize, size_of::<T>(), "{name}");
    let offset = variable.offset() as usize;
    let mut data = open.data(section).unwrap().to_vec();
    data[offset..offset + size_of::<T>()].copy_from_slice(pod::bytes_of(value));
    open.set_data(section, &data).unwrap();
}

/// Loads one program of those that are not loaded by themselves.
pub(crate) fn load_only(
    mut open: OpenObject,
    program: &str,
) -> btf_core::Result<(LoadedObject, Program)> {
    let chosen = open.program_mut(program)?;
    chosen.set_autoload(true);
    let loaded = open.load()?;
    let program = loaded.program(program)?.try_clone()?;
    Ok((loaded, program))
}

/// A tool of the workspace that `cargo xtask test` brings along. In a machine that was booted without it (`cargo xtask vm`), its
/// case is skipped.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = Path::new("/bin").join(name);
    if path.exists() {
        return Some(path);
    }
    skip(
        &format!("the tool {name}"),
        &format!("there is no {}", path.display()),
    );
    None
}

/// Reports that a case, or a part of it, does not run. `cargo xtask test` prints and counts it.
fn skip(case: &str, reason: &str) {
    // Past the harness, which keeps what macros print of a case that passes.
    writeln!(std::io::stderr(), "SKIP {case}: {reason}").expect("standard error is open");
}

/// Returns `true` if the running kernel is older than `since`, and reports the case as skipped.
pub(crate) fn skips_before(case: &str, since: (u32, u32)) -> bool {
    let skips = running() < since;
    if skips {
        skip(
            case,
            &format!("requires Linux {}.{} or newer", since.0, since.1),
        );
    }
    skips
}

/// Returns `true` if the running kernel is `since` or newer, and reports the case, which is about
/// older ones, as skipped.
pub(crate) fn skips_since(case: &str, since: (u32, u32)) -> bool {
    let skips = running() >= since;
    if skips {
        skip(
            case,
            &format!("requires a kernel before Linux {}.{}", since.0, since.1),
        );
    }
    skips
}
