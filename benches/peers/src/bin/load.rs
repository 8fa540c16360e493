//! Objects opened and loaded in the running kernel, by libbpf and by btf-core: what each makes of every program. Run by
//! `cargo xtask conformance load`, in a booted kernel.
//!
//! A line of the output is `SIDE`, the object's name, a program's (or `-` for the object as a whole) and `ok` or why not,
//! with tabs between them.

#[path = "../libbpf.rs"]
#[expect(
    dead_code,
    reason = "looking at instructions is the business of `peers`"
)]
mod libbpf;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use btf_core::load::OpenObject;

const USAGE: &str = "usage: load FOLDER
       load SIDE OBJECT";

/// An object that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Longest text of an outcome.
const LONGEST: usize = 400;

/// Programs by name, and whether each loads without being asked for.
type Programs = Vec<(String, bool)>;

/// What a side can do.
struct Side {
    name: &'static str,
    /// Opens an object and says which programs it has.
    programs: fn(&Path) -> Result<Programs, String>,
    /// Opens and loads an object, with the programs that load by themselves or with one alone.
    load: fn(&Path, Option<&str>) -> Result<(), String>,
}

const SIDES: &[Side] = &[
    Side {
        name: "libbpf",
        programs: theirs::programs,
        load: theirs::load,
    },
    Side {
        name: "btf-core",
        programs: ours::programs,
        load: ours::load,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [folder] => all(Path::new(folder)),
        [side, object] => match SIDES.iter().find(|s| s.name == side) {
            Some(side) => {
                one(side, Path::new(object));
                Ok(())
            }
            None => Err(USAGE.to_owned()),
        },
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Every object of a folder by every side, each in a process of its own: what one leaves behind does not reach the next.
fn all(folder: &Path) -> Result<(), String> {
    let unreadable = |e| format!("cannot list {}: {e}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut objects: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    objects.sort();
    let exe = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    for object in objects {
        for side in SIDES {
            let mut command = Command::new(&exe);
            command.arg(side.name).arg(&object);
            if let Err(why) = run(&mut command) {
                report(side, &object, "-", Err(why));
            }
        }
    }
    Ok(())
}

/// Passes the output on; an error says how the process ended if not well.
fn run(command: &mut Command) -> Result<(), String> {
    let failed = |e| format!("cannot run this program again: {e}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let reader = child.stdout.take().map(|mut stdout| {
        std::thread::spawn(move || {
            let mut said = Vec::new();
            let read = stdout.read_to_end(&mut said);
            (said, read)
        })
    });
    let started = Instant::now();
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Some(status),
            None if started.elapsed() > TIMEOUT => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    if let Some((said, _)) = reader.and_then(|reader| reader.join().ok()) {
        let mut stdout = std::io::stdout().lock();
        // Whoever reads this has gone away, then.
        let _ = stdout.write_all(&said).and_then(|()| stdout.flush());
    }
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("crashed: {status}")),
        None => Err(format!("took more than {} s", TIMEOUT.as_secs())),
    }
}

/// The object as a whole; and each program alone that this leaves open.
fn one(side: &Side, object: &Path) {
    let programs = match (side.programs)(object) {
        Ok(programs) => programs,
        Err(e) => return report(side, object, "-", Err(format!("open: {e}"))),
    };
    let whole = (side.load)(object, None);
    let loaded = whole.is_ok();
    report(side, object, "-", whole);
    for (name, autoload) in programs {
        let outcome = match loaded && autoload {
            true => Ok(()),
            false => (side.load)(object, Some(&name)),
        };
        report(side, object, &name, outcome);
    }
}

fn report(side: &Side, object: &Path, program: &str, outcome: Result<(), String>) {
    let object = name(object);
    let outcome = match outcome {
        Ok(()) => "ok".to_owned(),
        Err(why) => {
            let words: Vec<&str> = why.split_whitespace().collect();
            words.join(" ").chars().take(LONGEST).collect()
        }
    };
    println!("{}\t{object}\t{program}\t{outcome}", side.name);
}

/// `atomics` of `atomics.bpf.o`.
fn name(object: &Path) -> String {
    let file = object.file_name().unwrap_or_default().to_string_lossy();
    file.trim_end_matches(".bpf.o").to_owned()
}

/// libbpf's side.
mod theirs {
    use super::*;

    pub(super) fn programs(object: &Path) -> Result<Programs, String> {
        let programs = libbpf::Object::open(object, None)?;
        let programs = programs.programs();
        Ok(programs.iter().map(|p| (p.name(), p.autoload())).collect())
    }

    pub(super) fn load(object: &Path, only: Option<&str>) -> Result<(), String> {
        let object = libbpf::Object::open(object, None)?;
        if let Some(only) = only {
            for program in object.programs() {
                program.set_autoload(program.name() == only);
            }
        }
        object.load()
    }
}

/// btf-core's side.
mod ours {
    use super::*;

    fn open(object: &Path) -> Result<OpenObject, String> {
        let elf = std::fs::read(object).map_err(|e| e.to_string())?;
        let name = name(object);
        OpenObject::open(&name, &elf).map_err(text)
    }

    fn text(error: btf_core::Error) -> String {
        format!("{error:#}")
    }

    pub(super) fn programs(object: &Path) -> Result<Programs, String> {
        let open = open(object)?;
        let programs = open.object().programs().iter();
        Ok(programs.map(|p| (p.name.clone(), p.autoload)).collect())
    }

    pub(super) fn load(object: &Path, only: Option<&str>) -> Result<(), String> {
        let mut open = open(object)?;
        if let Some(only) = only {
            for (name, _) in programs(object)? {
                let mut program = open.take_program(&name).map_err(text)?;
                program.set_autoload(name == only);
                open.put_program(program);
            }
        }
        open.load().map(drop).map_err(text)
    }
}
