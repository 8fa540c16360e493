//! The initramfs of a guest: its program with libraries, files and modules around `vm-init`.

use super::cpio::Archive;
use super::guest::Guest;
use super::{module, shared_library};
use crate::debian::Kernel;
use crate::{Result, disk};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Directories that programs expect, and mount points.
const DIRECTORIES: &[&str] = &[
    "bin", "boot", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var", "var/tmp", "vm",
];

/// One entry of the guest's root.
enum Node {
    Directory,
    File(u32, Vec<u8>),
    Link(String),
}

/// Packs everything for one kernel. `init` is the static program `vm-init`; `env` precedes the
/// environment of the guest.
///
/// # Errors
///
/// If a file cannot be read, or a library or module is not found.
pub(super) fn pack(
    init: &Path,
    env: &[(String, String)],
    guest: &Guest,
    kernel: &Kernel,
) -> Result<Vec<u8>> {
    let mut root = Root::default();
    for directory in DIRECTORIES {
        root.insert(directory, Node::Directory);
    }
    root.insert("/init", Node::File(0o755, disk::read(init)?));
    root.insert("/vm/reader", Node::Link("/init".to_owned()));
    if let Some(config) = kernel.config() {
        root.copy(&config, &format!("/boot/config-{}", kernel.release))?;
    }
    let release = b"ID=btf-xtask\n".to_vec();
    root.insert("/etc/os-release", Node::File(0o644, release));
    let command = format!("/bin/{}", disk::name(&guest.program));
    // Fails for a program that cannot run; `copy` accepts it as data.
    shared_library::needed(&guest.program)?;
    root.copy(&guest.program, &command)?;
    for (host, inside) in &guest.files {
        root.copy(host, inside)?;
    }
    let mut conf = conf(&command, env, guest);
    for module in module::load_order(kernel, &guest.modules)? {
        let path = format!("/vm/{}.ko", module.name);
        conf.add("module", &path);
        root.insert(&path, Node::File(0o644, module.bytes));
    }
    root.insert("/vm/conf", Node::File(0o644, conf.0));
    Ok(root.pack())
}

/// Returns the records of everything but modules.
fn conf(command: &str, env: &[(String, String)], guest: &Guest) -> Conf {
    let mut conf = Conf::default();
    conf.add("arg", command);
    for arg in &guest.args {
        conf.add("arg", arg);
    }
    conf.env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin");
    conf.env("HOME", "/root");
    for (name, value) in env.iter().chain(&guest.env) {
        conf.env(name, value);
    }
    for path in &guest.opened {
        conf.add("open", path);
    }
    conf.add("terminal", if guest.terminal { "1" } else { "0" });
    conf
}

/// Records of `/vm/conf`, which `vm-init` reads.
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

/// The guest's root: paths without the leading slash, so that a directory sorts before its content.
#[derive(Default)]
struct Root(BTreeMap<String, Node>);

impl Root {
    fn insert(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.0.contains_key(parent)
        {
            self.insert(parent, Node::Directory);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Copies a file, with the libraries of a dynamically linked program, or a directory with its
    /// content.
    fn copy(&mut self, host: &Path, inside: &str) -> Result<()> {
        if host.is_dir() {
            for file in disk::walk(host)? {
                let path = file.strip_prefix(host).unwrap_or(&file);
                self.copy(&file, &format!("{inside}/{}", path.display()))?;
            }
            return Ok(());
        }
        let bytes = disk::read(host)?;
        let mode = std::fs::metadata(host)
            .map_err(|e| format!("cannot read {}: {e}", host.display()))?
            .permissions()
            .mode();
        if bytes.starts_with(b"\x7fELF") && mode & 0o111 != 0 {
            for file in shared_library::needed(host).unwrap_or_default() {
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
                Node::Directory => archive.dir(&path),
                Node::File(mode, bytes) => archive.file(&path, mode, &bytes),
                Node::Link(target) => archive.symlink(&path, &target),
            }
        }
        // The first process has no output without it.
        archive.device("dev/console", (5, 1));
        archive.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_directories_before_their_content() {
        let mut root = Root::default();
        root.insert("/a/b/c", Node::File(0o644, Vec::new()));
        root.insert("/a-b", Node::Directory);
        let paths: Vec<&str> = root.0.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn ends_records_with_a_nul() {
        let mut conf = Conf::default();
        conf.add("arg", "/bin/true");
        conf.env("A", "b=c");
        assert_eq!(conf.0, b"arg=/bin/true\0env=A=b=c\0");
    }
}
