//! Macros of the kernel's headers, which are not in BTF.

use std::path::{Path, PathBuf};

/// Directories of the kernel's user-space headers.
const ROOTS: [&str; 2] = ["/usr/include", "/usr/include/ARCH-linux-gnu"];
/// Subdirectories with the kernel's headers.
const FOLDERS: [&str; 3] = ["linux", "asm-generic", "asm"];
/// No header is larger.
const MAX_SIZE: u64 = 1 << 20;

/// A macro's definition, and the header that has it.
pub(super) struct Macro {
    /// As a source includes it: `linux/if_ether.h`.
    pub(super) header: String,
    /// The line that defines it.
    pub(super) line: String,
}

/// Looks for a macro among the headers that are installed.
pub(super) fn find(name: &str) -> Option<Macro> {
    let roots = ROOTS.map(|root| PathBuf::from(root.replace("ARCH", std::env::consts::ARCH)));
    roots.iter().find_map(|root| {
        FOLDERS
            .iter()
            .find_map(|folder| within(root, &root.join(folder), name))
    })
}

fn within(root: &Path, folder: &Path, name: &str) -> Option<Macro> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    // In no other order than the last time.
    paths.sort();
    let (folders, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.iter().partition(|path| path.is_dir());
    let here = files.into_iter().find_map(|path| {
        let is_small = path.metadata().is_ok_and(|meta| meta.len() <= MAX_SIZE);
        let text = std::fs::read(path).ok().filter(|_| is_small)?;
        let line = defined(&String::from_utf8_lossy(&text), name)?;
        let header = path.strip_prefix(root).ok()?.display().to_string();
        Some(Macro { header, line })
    });
    // Links may lead in circles, which those of headers have no use for.
    let own = |folder: &&PathBuf| !folder.is_symlink();
    here.or_else(|| {
        folders
            .into_iter()
            .filter(own)
            .find_map(|folder| within(root, folder, name))
    })
}

/// The line of a header that defines a macro with a value, without what is said about it.
fn defined(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start();
        let rest = rest.strip_prefix("define")?;
        let rest = rest.trim_start().strip_prefix(name)?;
        let value = rest.split("/*").next()?.trim_end();
        let is_whole = !value.ends_with('\\') && !value.trim().is_empty();
        (is_whole && value.starts_with([' ', '\t', '('])).then(|| {
            let words: Vec<&str> = value.split_whitespace().collect();
            let gap = if value.starts_with('(') { "" } else { " " };
            format!("#define {name}{gap}{}", words.join(" "))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_definition_is_taken_out_of_its_header() {
        let text = "#ifndef A\n# define\tETH_P_IPX 1\n#define ETH_P_IP\t0x0800\t\t/* Internet */\n\
                    #define S_ISREG(m)\t(((m) & S_IFMT) == S_IFREG)\n#define GUARD\n#define LONG a \\\n b\n";
        let find = |name: &str| defined(text, name);
        assert_eq!(find("ETH_P_IP").as_deref(), Some("#define ETH_P_IP 0x0800"));
        assert_eq!(
            find("S_ISREG").as_deref(),
            Some("#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)")
        );
        for nothing in ["ETH_P", "GUARD", "LONG", "A"] {
            assert_eq!(find(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn installed_headers_are_searched() {
        if !Path::new("/usr/include/linux/if_ether.h").exists() {
            // Past the harness, which keeps what macros print of a test that passes.
            let _ = writeln!(
                std::io::stderr(),
                "SKIP installed_headers_are_searched: no /usr/include/linux/if_ether.h (linux-libc-dev)"
            );
            return;
        }
        let found = find("ETH_P_ARP").expect("it is as old as the header");
        assert_eq!(found.header, "linux/if_ether.h");
        assert_eq!(found.line, "#define ETH_P_ARP 0x0806");
        assert!(find("NO_SUCH_MACRO_ANYWHERE").is_none());
    }
}
