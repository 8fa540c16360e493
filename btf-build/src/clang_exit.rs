//! Ends of clang other than an ordinary refusal: crashes, signals, silence.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use crate::error::Error;

/// Frames of clang's stack that are shown.
const MAX_FRAMES: usize = 6;

/// Signals by their numbers on Linux, on the architectures that build.
const SIGNALS: [(i32, &str); 9] = [
    (2, "SIGINT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
];

/// Signals that come from outside the process.
const SENT: [i32; 4] = [2, 9, 15, 24];

const BUG: &str = "this is a bug in clang: name another version with Builder::clang or the \
                   environment variable BTF_BUILD_CLANG, or rewrite what it was working on";

/// The error for a source on which clang ended without an error message of its own.
pub(crate) fn unusual(
    source: &Path,
    major: u32,
    status: ExitStatus,
    stderr: &str,
) -> Option<Error> {
    let source = source.display();
    let has_dump = stderr.lines().any(|line| line == "Stack dump:");
    let has_error = stderr
        .lines()
        .any(|line| line.contains("error: ") && !is_of_driver(line));
    // A shell that runs clang reports a signal as 128 plus the signal number.
    let signal = status.signal().or_else(|| {
        status
            .code()
            .filter(|code| (129..160).contains(code))
            .map(|code| code - 128)
    });
    let shown = signal.map(name);
    match signal {
        Some(signal) if SENT.contains(&signal) => {
            let error = Error::new(format!(
                "clang was killed by {} while compiling {source}",
                name(signal)
            ));
            Some(match signal {
                9 => error.help(
                    "the kernel kills processes when memory runs out (see `dmesg`): build with fewer jobs, \
                     `cargo build -j1`",
                ),
                _ => error,
            })
        }
        _ if signal.is_some() || has_dump && !has_error => {
            let by = shown.map_or_else(String::new, |signal| format!(" ({signal})"));
            let error = Error::new(format!(
                "clang {major} crashed{by} while compiling {source}"
            ));
            Some(error.compiler_output(dump(stderr)).help(BUG))
        }
        _ if !has_error => {
            let code = status.code().unwrap_or_default();
            let error = Error::new(format!(
                "clang ended with exit status {code} and without an error message while compiling {source}"
            ));
            let error = error.compiler_output(stderr.trim_end());
            Some(error.help("check what runs as clang: it may be a wrapper that fails"))
        }
        _ => None,
    }
}

/// `signal 11, SIGSEGV`.
fn name(signal: i32) -> String {
    let known = SIGNALS.iter().find(|(number, _)| *number == signal);
    known.map_or_else(
        || format!("signal {signal}"),
        |(number, name)| format!("signal {number}, {name}"),
    )
}

/// Returns `true` for the driver's remark that the compiler proper has failed.
pub(crate) fn is_of_driver(line: &str) -> bool {
    line.contains(": error: clang frontend command failed")
        || line.contains(": error: unable to execute command")
        || line.contains(": note: diagnostic msg:")
}

/// The start of clang's report of its crash: what came before it, what clang was doing, and where.
fn dump(stderr: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut frames = 0;
    let mut is_dump = false;
    for line in stderr.lines().filter(|line| !is_of_driver(line)) {
        is_dump |= line == "Stack dump:";
        match () {
            () if line.starts_with("PLEASE submit a bug report") => {}
            () if !is_dump => lines.push(line.to_owned()),
            // The command line says nothing that the build does not know.
            () if line.starts_with("0.\t") => {}
            () if line.trim_start().starts_with('#') => {
                if let Some(function) = function(line).filter(|_| frames < MAX_FRAMES) {
                    lines.push(format!("  {function}"));
                    frames += 1;
                }
            }
            () if frames == 0 => lines.push(line.replace('\t', " ")),
            () => {}
        }
    }
    lines.join("\n")
}

/// The function of a frame, `#4 0x0000 NAME (LIBRARY+OFFSET)`; `None` for frames that report the
/// crash, and those without a name.
fn function(frame: &str) -> Option<&str> {
    let (_, rest) = frame.trim_start().split_once(" 0x")?;
    let (_, rest) = rest.split_once(' ')?;
    let (name, _) = rest.rsplit_once(" (")?;
    let is_reporting = [
        "llvm::sys::",
        "llvm::CrashRecovery",
        "SignalHandler",
        "raise",
        "abort",
    ];
    (!name.is_empty() && !is_reporting.iter().any(|start| name.starts_with(start))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "x.c:1:1: warning: odd [-Wodd]\n\
        PLEASE submit a bug report to https://example.org\nStack dump:\n\
        0.\tProgram arguments: clang -c x.c\n1.\t<eof> parser at end of file\n\
        \x20#0 0x00007f01 llvm::sys::PrintStackTrace(llvm::raw_ostream&, int) (/lib/libLLVM.so+0x1)\n\
        \x20#1 0x00007f02 (/lib/libc.so.6+0x2)\n\
        \x20#2 0x00007f03 llvm::Function::getSubprogram() const (/lib/libLLVM.so+0x3)\n\
        clang-19: error: clang frontend command failed with exit code 139 (use -v to see invocation)\n\
        Debian clang version 19.1.7\n";

    fn shown(raw: i32, stderr: &str) -> Option<String> {
        let error = unusual(Path::new("x.c"), 19, ExitStatus::from_raw(raw), stderr);
        error.map(|error| error.to_string())
    }

    #[test]
    fn shows_the_signal_and_the_head_of_the_stack_of_a_crash() {
        let expected = format!(
            "x.c:1:1: warning: odd [-Wodd]\nStack dump:\n1. <eof> parser at end of file\n  \
             llvm::Function::getSubprogram() const\n\
             clang 19 crashed (signal 11, SIGSEGV) while compiling x.c\n  help: {BUG}"
        );
        assert_eq!(shown(139 << 8, DUMP), Some(expected.clone()));
        assert_eq!(shown(11, DUMP), Some(expected.clone()));
        let unknown = expected.replace(" (signal 11, SIGSEGV)", "");
        assert_eq!(shown(1 << 8, DUMP), Some(unknown));
    }

    #[test]
    fn names_a_signal_from_outside() {
        for raw in [9, 137 << 8] {
            let text = shown(raw, "").unwrap();
            assert!(
                text.starts_with(
                    "clang was killed by signal 9, SIGKILL while compiling x.c\n  help: "
                ),
                "{text}"
            );
        }
        assert_eq!(
            shown(15, "").unwrap(),
            "clang was killed by signal 15, SIGTERM while compiling x.c"
        );
    }

    #[test]
    fn reports_silence_and_leaves_refusals_alone() {
        let text = shown(3 << 8, "odd\n").unwrap();
        assert!(
            text.starts_with("odd\nclang ended with exit status 3 and without"),
            "{text}"
        );
        assert_eq!(
            shown(1 << 8, "x.c:1:1: error: no\n1 error generated.\n"),
            None
        );
        // A backend error states its reason before the stack dump.
        assert_eq!(
            shown(
                70 << 8,
                &format!("fatal error: error in backend: no\n{DUMP}")
            ),
            None
        );
        assert_eq!(
            shown(
                1 << 8,
                "clang: error: unsupported option '-x' for target 'bpfel'\n"
            ),
            None
        );
    }
}
