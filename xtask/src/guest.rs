//! What a booted kernel runs: one program of this machine with its libraries and files, packed
//! into an initramfs around `vm-init`. Booting it is `machine`'s business.

use crate::cpio::Archive;
use crate::kernel::Kernel;
use crate::{Result, disk, library, module, program};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program and what it needs, on any kernel.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Files and folders of this machine, and where the program finds them.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) modules: Vec<String>,
    /// Files that other processes of the guest open while the program runs.
    pub(crate) opened: Vec<String>,
    /// Whether the program's output is a terminal.
    pub(crate) terminal: bool,
    /// From the start of the machine to the end of the program.
    pub(crate) timeout: Duration,
    /// More for the kernel's command line.
    pub(crate) append: String,
}

const TIMEOUT: Duration = Duration::from_secs(120);

/// Folders that programs expect, and the places of mounts.
const FOLDERS: &[&str] = &[
    "bin", "boot", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var", "var/tmp", "vm",
];

/// One thing of the guest's root.
enum Node {
    Folder,
    File(u32, Vec<u8>),
    Link(String),
}

impl Guest {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Guest {
        Guest {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            modules: Vec::new(),
            opened: Vec::new(),
            terminal: false,
            timeout: TIMEOUT,
            append: String::new(),
        }
    }

    /// Packs everything for one kernel.
    ///
    /// # Errors
    /// If a file cannot be read, a library is not found, or `vm-init` does not build.
    pub(crate) fn initramfs(&self, kernel: &Kernel) -> Result<Vec<u8>> {
        let mut root = Root::default();
        for folder in FOLDERS {
            root.insert(folder, Node::Folder);
        }
        root.insert("/init", Node::File(0o755, disk::read(&init()?)?));
        root.insert("/vm/reader", Node::Link("/init".to_owned()));
        if let Some(config) = kernel.config() {
            let path = format!("/boot/config-{}", kernel.release);
            root.copy(&config, &path)?;
        }
        root.insert(
            "/etc/os-release",
            Node::File(0o644, b"ID=btf-xtask\n".to_vec()),
        );

        let command = format!("/bin/{}", disk::name(&self.program));
        library::needed(&self.program)?; // a program that cannot run is refused, data is not
        root.copy(&self.program, &command)?;
        for (host, inside) in &self.files {
            root.copy(host, inside)?;
        }
        let mut conf = Conf::default();
        conf.add("arg", &command);
        for arg in &self.args {
            conf.add("arg", arg);
        }
        conf.env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin");
        conf.env("HOME", "/root");
        conf.env(
            "TERM",
            &std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()),
        );
        for (name, value) in &self.env {
            conf.env(name, value);
        }
        for module in module::load_order(kernel, &self.modules)? {
            let path = format!("/vm/{}.ko", module.name);
            conf.add("module", &path);
            root.insert(&path, Node::File(0o644, module.bytes));
        }
        for path in &self.opened {
            conf.add("open", path);
        }
        conf.add("terminal", if self.terminal { "1" } else { "0" });
        root.insert("/vm/conf", Node::File(0o644, conf.0));
        Ok(root.pack())
    }
}

/// The records that `vm-init` reads.
#[derive(Default)]
struct Conf(Vec<u8>);

impl Conf {
    fn add(&mut self, key: &str, value: &str) {
        self.0.extend(format!("{key}={value}\0").bytes());
    }

    fn env(&mut self, name: &str, value: &str) {
        self.add("env", &format!("{name}={value}"));
    }
}

/// The guest's root: paths without the leading slash, so that folders sort before what they hold.
#[derive(Default)]
struct Root(BTreeMap<String, Node>);

impl Root {
    fn insert(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/')
            && !self.0.contains_key(folder)
        {
            self.insert(folder, Node::Folder);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Copies a file, and where it is a dynamic program the libraries that it needs, or a folder
    /// with all that it holds.
    fn copy(&mut self, host: &Path, inside: &str) -> Result<()> {
        if host.is_dir() {
            for file in disk::walk(host)? {
                let below = file.strip_prefix(host).unwrap_or(&file);
                self.copy(&file, &format!("{inside}/{}", below.display()))?;
            }
            return Ok(());
        }
        let bytes = disk::read(host)?;
        let mode = std::fs::metadata(host)
            .map_err(|e| format!("cannot read {}: {e}", host.display()))?
            .permissions()
            .mode();
        if bytes.starts_with(b"\x7fELF") && mode & 0o111 != 0 {
            for file in library::needed(host).unwrap_or_default() {
                let library = disk::read(&file)?;
                self.insert(&file.display().to_string(), Node::File(0o755, library));
            }
        }
        self.insert(inside, Node::File(mode & 0o777, bytes));
        Ok(())
    }

    fn pack(self) -> Vec<u8> {
        let mut archive = Archive::default();
        for (path, node) in self.0 {
            match node {
                Node::Folder => archive.dir(&path),
                Node::File(mode, bytes) => archive.file(&path, mode, &bytes),
                Node::Link(target) => archive.symlink(&path, &target),
            }
        }
        // Without it the kernel gives its first process no output.
        archive.device("dev/console", (5, 1));
        archive.finish()
    }
}

/// Builds `vm-init` as a static program: the initramfs then needs no libc of its own.
fn init() -> Result<PathBuf> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let dir = program::target_dir()?.join("vm-init");
    let mut cargo = program::cargo();
    cargo
        .args(["build", "--quiet", "--package", "xtask", "--bin", "vm-init"])
        // Naming the target keeps the flags away from build scripts, which may be dynamic.
        .args(["--target", TARGET, "--target-dir"])
        .arg(&dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env(
            "RUSTFLAGS",
            "-C target-feature=+crt-static -C strip=symbols",
        );
    program::run(&mut cargo)?;
    Ok(dir.join(TARGET).join("debug/vm-init"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_they_hold() {
        let mut root = Root::default();
        root.insert("/a/b/c", Node::File(0o644, Vec::new()));
        root.insert("/a-b", Node::Folder);
        let paths: Vec<&str> = root.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn records_end_with_a_nul() {
        let mut conf = Conf::default();
        conf.add("arg", "/bin/true");
        conf.env("A", "b=c");
        assert_eq!(conf.0, b"arg=/bin/true\0env=A=b=c\0");
    }
}
