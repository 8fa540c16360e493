//! Objects opened and loaded in the running kernel, by libbpf and by btf-core: what each makes of every program. Run by
//! `cargo xtask conformance load`, in a booted kernel.
//!
//! A line of the output has parts with tabs between them. An outcome is `SIDE`, the object's name, a program's (or `-` for the
//! object as a whole) and `ok`, `ok alone` for a program that does not load with the object by itself, or why not; a later one of
//! the same program takes its place. `told`, a side, the object, a program or `-` and a line say how the kernel describes a program or
//! map that was loaded then. `begin` and `end`, each with a side
//! and an object, stand around the outcomes of an object.

#[path = "../described.rs"]
mod described;
#[path = "../libbpf.rs"]
#[expect(
    dead_code,
    reason = "looking at instructions is the business of `peers`"
)]
mod libbpf;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use btf_core::load::OpenObject;

const USAGE: &str = "usage: load all FOLDER [SIDE]...
       load one SIDE OBJECT
       load link SIDE LINKED OBJECT...";

/// A load that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The outcome of a load that has begun, until there is another.
const UNFINISHED: &str = "does not come to an end";

/// In the environment, if maps whose size the object leaves to its application are given one.
const SIZED: &str = "LOAD_SIZED";

/// Where objects pin their maps.
const BPF_FS: &str = "/sys/fs/bpf";

/// Longest text of an outcome.
const LONGEST: usize = 400;

/// Programs by name.
type Programs = Vec<String>;

/// What was loaded: programs by name, and how the kernel describes them and the maps.
#[derive(Default)]
struct Loaded {
    programs: Programs,
    told: Vec<String>,
}

impl Loaded {
    fn new(programs: Programs) -> Loaded {
        Loaded {
            programs,
            told: described::descriptors(),
        }
    }
}

/// What a side can do.
struct Side {
    name: &'static str,
    /// Opens an object and says which programs it has.
    programs: fn(&Path) -> Result<Programs, String>,
    /// Opens and loads an object, with the programs that load by themselves or with one alone; says which are loaded.
    load: fn(&Path, Option<&str>) -> Result<Loaded, String>,
    /// Links objects into a new one.
    link: fn(&Path, &[&str]) -> Result<(), String>,
}

const SIDES: &[Side] = &[
    Side {
        name: "libbpf",
        programs: theirs::programs,
        load: theirs::load,
        link: theirs::link,
    },
    Side {
        name: "btf-core",
        programs: ours::programs,
        load: ours::load,
        link: ours::link,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match work(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn work(args: &[&str]) -> Result<(), String> {
    let side = |name: &str| SIDES.iter().find(|s| s.name == name).ok_or(USAGE);
    match args {
        ["one", name, object] => one(side(name)?, Path::new(object)),
        ["link", name, linked, objects @ ..] => (side(name)?.link)(Path::new(linked), objects)?,
        ["all", folder] => all(Path::new(folder), &SIDES.iter().collect::<Vec<_>>())?,
        ["all", folder, names @ ..] => {
            let sides: Result<Vec<_>, _> = names.iter().map(|name| side(name)).collect();
            all(Path::new(folder), &sides?)?;
        }
        _ => return Err(USAGE.to_owned()),
    }
    Ok(())
}

/// Every object of a folder by these sides, the smallest first, each in a process of its own: what one leaves behind does not
/// reach the next.
fn all(folder: &Path, sides: &[&Side]) -> Result<(), String> {
    let unreadable = |e| format!("cannot list {}: {e}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    let mut objects: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    objects.sort_by_cached_key(|path| (size(path), path.clone()));
    let exe = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    for object in objects {
        for side in sides {
            println!("begin\t{}\t{}", side.name, name(&object));
            let mut command = Command::new(&exe);
            command.arg("one").arg(side.name).arg(&object);
            if let Err(why) = run(&mut command) {
                report(side, &object, "(process)", Err(why));
            }
            remove_pins(Path::new(BPF_FS));
            println!("end\t{}\t{}", side.name, name(&object));
        }
    }
    Ok(())
}

/// Removes what an object has pinned: the next one is not to find it.
fn remove_pins(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // What the kernel itself has there stays.
        if path.is_dir() {
            remove_pins(&path);
            let _ = std::fs::remove_dir(&path);
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Passes the output on, line by line; an error says how the process ended if not well.
fn run(command: &mut Command) -> Result<(), String> {
    let failed = |e| format!("cannot run this program again: {e}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let (sender, lines) = channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more after a timeout.
                let _ = sender.send(line);
            }
        });
    }
    loop {
        match lines.recv_timeout(TIMEOUT) {
            Ok(line) => println!("{line}"),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("a load took more than {} s", TIMEOUT.as_secs()));
            }
        }
    }
    let _ = std::io::stdout().flush();
    match child.wait().map_err(failed)? {
        status if status.success() => Ok(()),
        status => Err(format!("crashed: {status}")),
    }
}

/// The object as a whole; and each program alone that this leaves open.
fn one(side: &Side, object: &Path) {
    let programs = match (side.programs)(object) {
        Ok(programs) => programs,
        Err(e) => return report(side, object, "-", Err(format!("open: {e}"))),
    };
    let unfinished = |program: &str| report(side, object, program, Err(UNFINISHED.to_owned()));
    unfinished("-");
    let whole = (side.load)(object, None).map(|loaded| {
        tell(side, object, "-", &loaded);
        loaded.programs
    });
    let done = whole.as_ref().map(|_| "ok").map_err(String::clone);
    report(side, object, "-", done);
    let loaded = match whole {
        // The only program alone is the object as a whole.
        Err(why) if programs.len() == 1 => return report(side, object, &programs[0], Err(why)),
        whole => whole.unwrap_or_default(),
    };
    for name in programs {
        if loaded.contains(&name) {
            report(side, object, &name, Ok("ok"));
            continue;
        }
        unfinished(&name);
        let outcome = match (side.load)(object, Some(&name)) {
            Ok(loaded) if loaded.programs.contains(&name) => {
                tell(side, object, &name, &loaded);
                Ok("ok alone")
            }
            Ok(_) => Err("it is left out".to_owned()),
            Err(why) => Err(why),
        };
        report(side, object, &name, outcome);
    }
}

fn tell(side: &Side, object: &Path, program: &str, loaded: &Loaded) {
    let object = name(object);
    for line in &loaded.told {
        println!("told\t{}\t{object}\t{program}\t{line}", side.name);
    }
}

fn report(side: &Side, object: &Path, program: &str, outcome: Result<&str, String>) {
    let object = name(object);
    let outcome = match outcome {
        Ok(how) => how.to_owned(),
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

/// What an application would set of a map, by its type, where the object does not say: how many entries.
fn entries(map_type: u32) -> Option<u32> {
    const RING_BUFFERS: [u32; 2] = [27, 31];
    // Storage of sockets, tasks and the like, struct_ops, arenas; and perf buffers, which have one for each CPU.
    const OF_THEMSELVES: [u32; 9] = [4, 19, 21, 24, 26, 28, 29, 32, 33];
    match map_type {
        _ if OF_THEMSELVES.contains(&map_type) => None,
        _ if RING_BUFFERS.contains(&map_type) => Some(1 << 16),
        _ => Some(1 << 10),
    }
}

/// The same, of the size of values: that of a stack trace is how deep it may be.
fn value_size(map_type: u32) -> Option<u32> {
    const STACK_TRACE: u32 = 7;
    (map_type == STACK_TRACE).then_some(127 * 8)
}

fn is_sized() -> bool {
    std::env::var_os(SIZED).is_some()
}

/// libbpf's side.
mod theirs {
    use super::*;
    use libbpf_sys as sys;

    pub(super) fn programs(object: &Path) -> Result<Programs, String> {
        let programs = libbpf::Object::open(object, None)?;
        let programs = programs.programs();
        Ok(programs.iter().map(|p| p.name()).collect())
    }

    pub(super) fn load(object: &Path, only: Option<&str>) -> Result<Loaded, String> {
        let object = libbpf::Object::open(object, None)?;
        if let Some(only) = only {
            for program in object.programs() {
                program.set_autoload(program.name() == only);
            }
        }
        if is_sized() {
            size_maps(&object);
        }
        object.load()?;
        let programs = object.programs();
        let loaded = programs.iter().filter(|p| p.is_loaded());
        Ok(Loaded::new(loaded.map(|p| p.name()).collect()))
    }

    fn size_maps(object: &libbpf::Object) {
        for map in object.each_map() {
            // SAFETY: it is one of the open object's maps.
            let map_type = unsafe { sys::bpf_map__type(map) };
            // SAFETY: the same.
            let size = unsafe { sys::bpf_map__value_size(map) };
            if let (0, Some(size)) = (size, value_size(map_type)) {
                // SAFETY: the same, and it is not created yet.
                unsafe { sys::bpf_map__set_value_size(map, size) };
            }
            // SAFETY: the same.
            let present = unsafe { sys::bpf_map__max_entries(map) };
            if let (0, Some(entries)) = (present, entries(map_type)) {
                // SAFETY: the same, and it is not created yet.
                unsafe { sys::bpf_map__set_max_entries(map, entries) };
            }
        }
    }

    pub(super) fn link(linked: &Path, objects: &[&str]) -> Result<(), String> {
        libbpf::link(linked, objects)
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
        Ok(programs.map(|p| p.name.clone()).collect())
    }

    pub(super) fn load(object: &Path, only: Option<&str>) -> Result<Loaded, String> {
        let programs = programs(object)?;
        let mut open = open(object)?;
        if let Some(only) = only {
            for name in &programs {
                let program = open.program_mut(name).map_err(text)?;
                program.set_autoload(name == only);
            }
        }
        if is_sized() {
            size_maps(&mut open)?;
        }
        let mut object = open.load().map_err(text)?;
        let take = |name: &String| object.program(name).ok();
        let taken: Vec<_> = programs.iter().filter_map(take).collect();
        let loaded = taken.iter().filter(|p| p.is_loaded());
        Ok(Loaded::new(loaded.map(|p| p.name().to_owned()).collect()))
    }

    fn size_maps(open: &mut OpenObject) -> Result<(), String> {
        let maps = open.object().maps().iter();
        let names: Vec<String> = maps.map(|map| map.name.clone()).collect();
        for name in names {
            let map = open.map_mut(&name).map_err(text)?;
            let map_type = map.map_type().0;
            if let (0, Some(size)) = (map.value_size(), value_size(map_type)) {
                map.set_value_size(size);
            }
            if let (0, Some(entries)) = (map.max_entries(), entries(map_type)) {
                map.set_max_entries(entries);
            }
        }
        Ok(())
    }

    pub(super) fn link(linked: &Path, objects: &[&str]) -> Result<(), String> {
        let read = |path: &&str| std::fs::read(path).map_err(|e| format!("{path}: {e}"));
        let bytes: Vec<Vec<u8>> = objects.iter().map(read).collect::<Result<_, _>>()?;
        let objects = objects.iter().copied().zip(bytes.iter().map(Vec::as_slice));
        let objects: Vec<(&str, &[u8])> = objects.collect();
        let elf = btf_core::obj::link_objects(&objects).map_err(text)?;
        std::fs::write(linked, elf).map_err(|e| format!("{}: {e}", linked.display()))
    }
}
