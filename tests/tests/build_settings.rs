//! What the settings of btf-build's `Builder` do, by what a build script leaves behind and tells cargo.

#[path = "support/package.rs"]
mod package;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use btf_core::btf::{Archive, Btf, Builder, IntEncoding, Kind};
use btf_core::obj::Object;
use btf_core::relo::Targets;
use package::Package;

const PROGRAM: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return 0;
}
"#;

/// Of a kernel that [`kernel`] has the types of.
const TYPED: &str = r#"
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct task_struct global;

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	return 0;
}
"#;

/// The types of a kernel whose tasks are of this size, and end in their number.
fn kernel(size: u32) -> Vec<u8> {
    kernel_in(size, true)
}

fn kernel_in(size: u32, little_endian: bool) -> Vec<u8> {
    let mut types = Builder::new();
    types.set_little_endian(little_endian);
    let names = ["__u8", "__u16", "__u32", "__u64", "__s32", "__s64"];
    for (name, size) in names.into_iter().zip([1, 2, 4, 8, 4, 8]) {
        let int = types.int(name.trim_start_matches('_'), size, IntEncoding(0));
        types.typedef(name, int);
    }
    let int = types.int("int", 4, IntEncoding::SIGNED);
    for name in ["__be16", "__be32", "__wsum"] {
        types.typedef(name, int);
    }
    types.structure("task_struct", size, [("pid", int, (size - 4) * 8)]);
    types.enumeration("bpf_map_type", 4, false, [("BPF_MAP_TYPE_HASH", 1)]);
    types.finish().unwrap().to_target_bytes().to_vec()
}

/// What cargo is told to watch.
fn watched(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let stdout = str::from_utf8(&output.stdout).unwrap();
    let lines = stdout.lines();
    lines
        .filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="))
        .filter(|path| !path.starts_with("/usr") && !path.contains("/btf-build/absent/"))
        .map(str::to_owned)
        .collect()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Every file below a directory with its modification time, except links to missing headers.
fn times(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(times(&path));
        } else if path.exists() {
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path, time);
        }
    }
    found
}

/// The files of this name.
fn named<'a>(files: &'a BTreeMap<PathBuf, SystemTime>, name: &str) -> Vec<&'a PathBuf> {
    files.keys().filter(|path| path.ends_with(name)).collect()
}

/// Size of the task that an object was compiled with.
fn size_of_task(object: &Path) -> u64 {
    let object = Object::parse("x", &fs::read(object).unwrap()).unwrap();
    let btf = object.require_btf().unwrap();
    let task = btf.find("task_struct", Kind::STRUCT).unwrap();
    task.byte_size().unwrap()
}

#[test]
fn a_pattern_stands_for_sources_and_their_folder() {
    let package = Package::with_source("pattern", PROGRAM);
    package.write("src/bpf/net/b.bpf.c", PROGRAM);
    package.write("src/bpf/readme.txt", "");
    let mut script = package.script(&["--sources", "src/bpf/**/*.bpf.c", "src/bpf/x.bpf.c"]);
    let output = run(&mut script);
    assert_eq!(
        watched(&output),
        [
            "src/bpf",
            "src/bpf/net",
            "src/bpf/net/b.bpf.c",
            "src/bpf/x.bpf.c"
        ]
    );
    let built = || {
        let out = times(&package.dir.join("out"));
        ["b.bpf.o", "x.bpf.o", "new.bpf.o"].map(|name| named(&out, name).len())
    };
    assert_eq!(built(), [1, 1, 0]);
    package.write("src/bpf/new.bpf.c", PROGRAM);
    run(&mut script);
    assert_eq!(built(), [1, 1, 1]);
}

/// Cargo watches for missing headers by links to paths that do not exist.
#[test]
fn headers_that_do_not_exist_are_watched() {
    let source = format!("#include <shape.h>\n#if __has_include(\"local.h\")\n#endif\n{PROGRAM}");
    let package = Package::with_source("absent", &source);
    package.write("second/shape.h", "");
    let args = [
        "--include",
        "first",
        "--include",
        "second",
        "src/bpf/x.bpf.c",
    ];
    let watch = package.dir.join("out/btf-build/absent/x");
    let links = || {
        let links = fs::read_dir(&watch)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let links = links.map(|link| (fs::read_link(&link).unwrap(), link.exists()));
        let own = links.filter_map(|(to, is_there)| {
            Some((to.strip_prefix(&package.dir).ok()?.to_owned(), is_there))
        });
        own.collect::<BTreeMap<PathBuf, bool>>()
    };
    let output = run(&mut package.script(&args));
    let told = format!("cargo::rerun-if-changed={}\n", watch.display());
    assert!(str::from_utf8(&output.stdout).unwrap().contains(&told));
    // It is older than any build, so that only what appears below it counts.
    let age = fs::metadata(&watch).unwrap().modified().unwrap();
    assert!(age < SystemTime::now() - Duration::from_secs(1_000_000));
    let there = links();
    for path in [
        "first/shape.h",
        "src/bpf/local.h",
        "first/bpf/bpf_helpers.h",
        "second/local.h",
    ] {
        assert_eq!(
            there.get(Path::new(path)),
            Some(&false),
            "{path}: {there:?}"
        );
    }
    assert!(
        !there.contains_key(Path::new("src/bpf/shape.h")),
        "{there:?}"
    );
    package.write("first/shape.h", "");
    assert!(links()[Path::new("first/shape.h")]);
    run(&mut package.script(&args));
    assert!(!links().contains_key(Path::new("first/shape.h")));
}

#[test]
fn one_source_becomes_several_objects() {
    let source = PROGRAM.replace("return 0;", "return RESULT;");
    let package = Package::with_source("variants", &source);
    let build = |name: &str, result: u8| {
        let link = format!("{name}=src/bpf/x.bpf.c");
        run(&mut package.script(&["--flag", &format!("-DRESULT={result}"), "--link", &link]));
        fs::read(package.dir.join(format!("out/{name}.bpf.o"))).unwrap()
    };
    let (one, two) = (build("one", 1), build("two", 2));
    assert_ne!(one, two);
    assert_eq!(build("one", 1), one);
    assert_eq!(fs::read(package.dir.join("out/two.bpf.o")).unwrap(), two);
}

#[test]
fn a_link_names_the_second_of_two_sources_of_one_name() {
    let package = Package::with_source("one_name", PROGRAM);
    package.write("src/net/x.bpf.c", PROGRAM);
    let link = ["--link", "net_x=src/net/x.bpf.c", "src/bpf/x.bpf.c"];
    run(&mut package.script(&link));
    assert!(package.dir.join("out/net_x.bpf.o").exists());
}

#[test]
fn a_pattern_that_nothing_matches() {
    let package = Package::with_source("no_match", PROGRAM);
    let mut script = package.script(&["--sources", "src/bpf/*.bpf.cc"]);
    insta::assert_snapshot!(package.error(&script.output().unwrap()), @r"
    error: no source matches src/bpf/*.bpf.cc
      help: src/bpf has x.bpf.c
    ");
}

#[test]
fn errors_of_all_sources_are_shown() {
    let package = Package::with_source("errors", "int x = wrong;\n");
    package.write("src/bpf/right.bpf.c", PROGRAM);
    package.write("src/bpf/y.bpf.c", "int y = wrong, z = wrong;\n");
    let mut script = package.script(&["--sources", "src/bpf/*.bpf.c"]);
    let output = script.env("NUM_JOBS", "2").output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    src/bpf/x.bpf.c:1:9: error: use of undeclared identifier 'wrong'
    int x = wrong;
            ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    src/bpf/y.bpf.c:1:9: error: use of undeclared identifier 'wrong'
    int y = wrong, z = wrong;
            ^
    src/bpf/y.bpf.c:1:20: error: use of undeclared identifier 'wrong'
    int y = wrong, z = wrong;
                       ^
    2 errors generated.
    error: cannot compile src/bpf/y.bpf.c
    ");
}

#[test]
fn warnings_can_be_errors() {
    let unused = PROGRAM.replace("return 0;", "int i; return 0;");
    let package = Package::with_source("deny", &unused);
    let args = ["--deny-warnings", "--warn", "all", "src/bpf/x.bpf.c"];
    insta::assert_snapshot!(package.error(&package.script(&args).output().unwrap()), @r"
    src/bpf/x.bpf.c:10:6: error: unused variable 'i' [-Werror,-Wunused-variable]
            int i; return 0;
                ^
    1 error generated.
    error: cannot compile src/bpf/x.bpf.c
    ");
    // One that is this crate's.
    package.write("src/bpf/x.bpf.c", &PROGRAM.replace("raw_tp", "raw_tpp"));
    let error = package.error(&package.script(&args).output().unwrap());
    let (warning, error) = error.rsplit_once('\n').unwrap();
    assert!(warning.contains("raw_tpp/sys_enter"), "{warning}");
    insta::assert_snapshot!(error, @"error: there are warnings, which Builder::deny_warnings makes errors");
    package.write("src/bpf/x.bpf.c", PROGRAM);
    assert_eq!(
        package.warnings(&package.script(&args).output().unwrap()),
        ""
    );
}

#[test]
fn dwarf_can_be_kept_beside_the_object() {
    let package = Package::with_source("dwarf", PROGRAM);
    let kept = package.dir.join("out/x.bpf.debug.o");
    let has_dwarf = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(11).any(|part| part == b".debug_info")
    };
    run(&mut package.script(&["--keep-dwarf", "src/bpf/x.bpf.c"]));
    assert!(has_dwarf(&kept));
    assert!(!has_dwarf(&package.dir.join("out/x.bpf.o")));
    run(&mut package.script(&["src/bpf/x.bpf.c"]));
    assert!(!kept.exists());
}

#[test]
fn a_folder_has_kernel_types_by_architecture() {
    let package = Package::with_source("architectures", TYPED);
    fs::create_dir_all(package.dir.join("kernels/s390x")).unwrap();
    fs::write(package.dir.join("kernels/x86_64.btf"), kernel(64)).unwrap();
    fs::write(package.dir.join("kernels/arm64.btf"), kernel(128)).unwrap();
    fs::write(
        package.dir.join("kernels/s390x/vmlinux.btf"),
        kernel_in(256, false),
    )
    .unwrap();
    let script = |arch: &str, endian: &str| {
        let mut script = package.script(&["--vmlinux", "kernels", "src/bpf/x.bpf.c"]);
        script.env("CARGO_CFG_TARGET_ARCH", arch);
        script.env("CARGO_CFG_TARGET_ENDIAN", endian);
        script
    };
    for (arch, endian, file, size) in [
        ("aarch64", "little", "kernels/arm64.btf", 128),
        ("x86_64", "little", "kernels/x86_64.btf", 64),
        ("s390x", "big", "kernels/s390x/vmlinux.btf", 256),
    ] {
        let output = run(&mut script(arch, endian));
        assert_eq!(watched(&output), [file, "src/bpf/x.bpf.c"]);
        assert_eq!(size_of_task(&package.dir.join("out/x.bpf.o")), size);
    }
    let output = script("riscv64", "little").output().unwrap();
    insta::assert_snapshot!(package.error(&output), @r"
    error: the folder kernels has no kernel types for riscv64: it has arm64.btf, s390x, x86_64.btf
      help: put the BTF of a kernel of the target there as riscv64.btf or riscv.btf
    ");
}

#[test]
fn nothing_is_written_that_did_not_change() {
    let package = Package::with_source("unchanged", TYPED);
    package.write("src/bpf/y.bpf.c", PROGRAM);
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    let args = [
        "--vmlinux",
        "kernel.btf",
        "--keep-dwarf",
        "--sources",
        "src/bpf/*.bpf.c",
    ];
    run(&mut package.script(&args));
    let out = package.dir.join("out");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for path in times(&out).into_keys() {
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(old).unwrap();
    }
    let before: Vec<PathBuf> = times(&out).into_keys().collect();
    run(&mut package.script(&args));
    let after = times(&out);
    assert!(after.keys().eq(&before), "{after:#?}");
    for (path, time) in &after {
        assert_eq!(*time, old, "{}", path.display());
    }
    assert_eq!(named(&after, "vmlinux.h").len(), 1);

    // Of one source, only its object.
    package.write("src/bpf/y.bpf.c", &PROGRAM.replace("return 0", "return 1"));
    run(&mut package.script(&args));
    let written = times(&out).into_iter().filter(|(_, time)| *time != old);
    let written: Vec<PathBuf> = written.map(|(path, _)| path).collect();
    assert_eq!(written, [out.join("y.bpf.debug.o"), out.join("y.bpf.o")]);

    // Other types make another header.
    fs::write(package.dir.join("kernel.btf"), kernel(96)).unwrap();
    run(&mut package.script(&args));
    assert_eq!(size_of_task(&out.join("x.bpf.o")), 96);
}

#[test]
fn crates_of_one_build_share_vmlinux_h() {
    let package = Package::with_source("shared", TYPED);
    let profile = package.dir.join("target/debug");
    fs::create_dir_all(profile.join(".fingerprint")).unwrap();
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    fs::write(package.dir.join("other.btf"), kernel(96)).unwrap();
    let script = |name: &str, types: &str| {
        let out = profile.join("build").join(name).join("out");
        fs::create_dir_all(&out).unwrap();
        let mut script = package.script(&["--vmlinux", types, "src/bpf/x.bpf.c"]);
        script.env("OUT_DIR", &out);
        (script, out)
    };
    // All at once, as cargo does.
    let names = ["a-1", "b-2", "c-3"];
    std::thread::scope(|scope| {
        for name in names {
            scope.spawn(move || run(&mut script(name, "kernel.btf").0));
        }
    });
    let files = times(&profile);
    let headers = named(&files, "vmlinux.h");
    assert_eq!(headers.len(), 1, "{headers:?}");
    assert!(headers[0].starts_with(profile.join("btf-build")));
    for name in names {
        assert_eq!(size_of_task(&script(name, "").1.join("x.bpf.o")), 64);
    }
    // One that changed is another, and the first stays as it was.
    let (mut changed, out) = script("a-1", "other.btf");
    run(&mut changed);
    assert_eq!(size_of_task(&out.join("x.bpf.o")), 96);
    let after = times(&profile);
    assert_eq!(named(&after, "vmlinux.h").len(), 2);
    assert_eq!(after[headers[0]], files[headers[0]]);
    assert!(Btf::parse(kernel(96)).is_ok());
}

#[test]
fn objects_do_not_depend_on_how_many_are_compiled_at_once() {
    let package = Package::with_source("jobs", TYPED);
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    for n in 0..6 {
        let text = TYPED.replace("return 0", &format!("return {n}"));
        package.write(&format!("src/bpf/x{n}.bpf.c"), &text);
    }
    let built = |jobs: &str| {
        let _ = fs::remove_dir_all(package.dir.join("out"));
        fs::create_dir_all(package.dir.join("out")).unwrap();
        let args = ["--vmlinux", "kernel.btf", "--sources", "src/bpf/*.bpf.c"];
        run(package.script(&args).env("NUM_JOBS", jobs));
        let files = times(&package.dir.join("out"));
        let objects = files
            .into_keys()
            .filter(|path| path.to_string_lossy().ends_with(".bpf.o"));
        let objects = objects.map(|path| (path.clone(), fs::read(path).unwrap()));
        objects.collect::<BTreeMap<_, _>>()
    };
    let one = built("1");
    assert_eq!(one.len(), 7);
    assert!(one == built("4"));
}

/// The strings of a line of `compile_commands.json`, in which none needs quoting.
fn strings(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn an_editor_sees_what_clang_sees() {
    let package = Package::with_source("editor", TYPED);
    package.write("src/bpf/wrong.bpf.c", "int x = wrong;\n");
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    let commands = package.dir.join("compile_commands.json");
    let args = ["--vmlinux", "kernel.btf", "--flag", "-DX=1"];
    let args = [
        &args[..],
        &["--compile-commands", "--sources", "src/bpf/*.bpf.c"],
    ]
    .concat();
    let mut script = package.script(&args);
    // One with an error is there as well.
    assert!(!script.output().unwrap().status.success());
    let text = fs::read_to_string(&commands).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"file\""))
        .collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, source, sound) in [
        (lines[0], "src/bpf/wrong.bpf.c", false),
        (lines[1], "src/bpf/x.bpf.c", true),
    ] {
        let strings = strings(line);
        assert_eq!(
            strings[..4],
            ["file", source, "directory", package.dir.to_str().unwrap()]
        );
        assert_eq!(strings[4], "arguments");
        assert!(strings.contains(&"-DX=1"));
        let output = Command::new(strings[5])
            .args(&strings[6..])
            .arg("-fsyntax-only")
            .current_dir(strings[3])
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), sound, "{stderr}");
        assert_eq!(
            stderr.contains("undeclared identifier 'wrong'"),
            !sound,
            "{stderr}"
        );
    }

    // What is gone is not there any more, what another builder has written stays, and nothing is written anew.
    fs::remove_file(package.dir.join("src/bpf/wrong.bpf.c")).unwrap();
    package.write("other/y.bpf.c", PROGRAM);
    run(&mut package.script(&["--compile-commands", "other/y.bpf.c"]));
    let files = || {
        let text = fs::read_to_string(&commands).unwrap();
        let lines = text.lines().filter(|line| line.contains("\"file\""));
        lines
            .map(|line| strings(line)[1].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(files(), ["other/y.bpf.c", "src/bpf/x.bpf.c"]);
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = fs::File::options().write(true).open(&commands).unwrap();
    file.set_modified(old).unwrap();
    run(&mut script);
    assert_eq!(fs::metadata(&commands).unwrap().modified().unwrap(), old);

    // Another's file.
    fs::write(&commands, "[]\n").unwrap();
    insta::assert_snapshot!(package.warnings(&script.output().unwrap()), @"compile_commands.json is not written, because something else has written it: remove it, or do without Builder::compile_commands");
    assert_eq!(fs::read_to_string(&commands).unwrap(), "[]\n");

    // Nothing of the kind without being asked.
    fs::remove_file(&commands).unwrap();
    run(&mut package.script(&["other/y.bpf.c"]));
    assert!(!commands.exists());
}

const READS: &str = r#"
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, pid);
}
"#;

#[test]
fn types_of_kernels_are_carried_along() {
    let package = Package::with_source("carried", READS);
    package.write("src/bpf/y.bpf.c", PROGRAM);
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = package.dir.join("kernels").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("ubuntu/20.04/x86_64/5.4.0-1-generic.btf", &kernel(96));
    write("ubuntu/20.04/arm64/5.4.0-2-generic.btf", &kernel(128));
    write("debian/11/x86_64/5.10.0-3-amd64.btf", &kernel(160));
    write("debian/11/x86_64/readme.txt", b"");
    let args = [
        "--vmlinux",
        "kernel.btf",
        "--kernel-btfs",
        "kernels",
        "--sources",
        "src/bpf/*.bpf.c",
    ];
    let mut script = package.script(&args);
    let output = run(&mut script);
    assert!(watched(&output).contains(&"kernels".to_owned()));

    let path = package.dir.join("out/x.btfs");
    let bytes = fs::read(&path).unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    assert!(archive.releases().eq(["5.10.0-3-amd64", "5.4.0-1-generic"]));
    let elf = fs::read(package.dir.join("out/x.bpf.o")).unwrap();
    let object = Object::parse("x", &elf).unwrap();
    for (release, offset) in [("5.4.0-1-generic", 92), ("5.10.0-3-amd64", 156)] {
        let btf = Btf::parse(archive.get(release).unwrap().to_vec()).unwrap();
        let relocated = object
            .relocate(object.programs(), &Targets::new(&btf))
            .unwrap();
        let offsets: Vec<u64> = relocated.answers().map(|a| a.fixup.target).collect();
        assert_eq!(offsets, [offset], "{release}");
        assert!(btf.as_bytes().len() < kernel(96).len() / 2);
    }
    // Of an object that asks for no types, nothing.
    assert!(!package.dir.join("out/y.btfs").exists());

    // Not made anew while object and kernels are the same.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(old).unwrap();
    run(&mut script);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), old);

    // Two of one release.
    write("ubuntu/22.04/x86_64/5.4.0-1-generic.btf", &kernel(92));
    insta::assert_snapshot!(package.error(&script.output().unwrap()), @r"
    error: kernels/ubuntu/20.04/x86_64/5.4.0-1-generic.btf and kernels/ubuntu/22.04/x86_64/5.4.0-1-generic.btf are both of a kernel 5.4.0-1-generic
      help: name only one of them: the running kernel is known by its release alone
    ");
    fs::remove_dir_all(package.dir.join("kernels/ubuntu")).unwrap();
    fs::remove_dir_all(package.dir.join("kernels/debian")).unwrap();
    insta::assert_snapshot!(package.error(&script.output().unwrap()), @r"
    error: the folder kernels has no kernel types for x86_64
      help: a file is called by the release of its kernel, as `uname -r` tells it: 5.4.0-150-generic.btf
    ");
    // And without the setting, what is left is gone.
    run(&mut package.script(&["--vmlinux", "kernel.btf", "src/bpf/x.bpf.c"]));
    assert!(!path.exists());
}

#[test]
fn headers_can_be_made_alone() {
    let package = Package::with_source("headers", TYPED);
    fs::write(package.dir.join("kernel.btf"), kernel(64)).unwrap();
    let output = run(&mut package.script(&["--vmlinux", "kernel.btf", "--headers"]));
    let stdout = str::from_utf8(&output.stdout).unwrap();
    let folders: Vec<&str> = stdout
        .lines()
        .filter(|l| !l.starts_with("cargo::"))
        .collect();
    assert_eq!(folders.len(), 2, "{stdout}");
    assert!(Path::new(folders[0]).join("bpf/bpf_helpers.h").is_file());
    assert!(Path::new(folders[1]).join("vmlinux.h").is_file());
    assert!(!package.dir.join("out/x.bpf.o").exists());
    // They are all that a source needs.
    let mut clang = Command::new("clang");
    clang.args(["--target=bpf", "-fsyntax-only", "src/bpf/x.bpf.c"]);
    for folder in folders {
        clang.args(["-I", folder]);
    }
    run(clang.current_dir(&package.dir));
}
