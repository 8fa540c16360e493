//! A program for a booted kernel, with its files, modules and settings.

use std::path::PathBuf;
use std::time::Duration;

/// A program with its files, modules and settings, for any kernel.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Files and directories of this machine, each with its path in the guest.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// Kernel modules that are loaded before the program runs.
    pub(crate) modules: Vec<String>,
    /// Files that other processes of the guest open while the program runs.
    pub(crate) opened: Vec<String>,
    /// The program's output is a terminal.
    pub(crate) terminal: bool,
    /// From the start of the machine to the end of the program.
    pub(crate) timeout: Duration,
    /// Additional arguments of the kernel's command line.
    pub(crate) append: String,
}

const TIMEOUT: Duration = Duration::from_secs(120);

impl Guest {
    /// A program without arguments, with two minutes to run.
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
}
