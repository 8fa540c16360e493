//! Programs with more rights than their caller do not believe its environment.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Output};

use btf_core::binary::Binary;
use btf_core::load::OpenObject;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maps.bpf.o"));
/// A name that is in no usual directory.
const PROGRAM: &str = "btf-secure-environment";

/// Runs a copy of this binary with the mode, by root, with an environment that an attacker chose.
fn run(name: &str, mode: u32) -> Output {
    let dir = format!("/tmp/secure-{name}-{}", std::process::id());
    fs::create_dir(&dir).unwrap();
    let found = format!("{dir}/{PROGRAM}");
    fs::copy("/proc/self/exe", &found).unwrap();
    // Another group, so that a process that sets it has more rights than its caller.
    chown(&found, None, Some(1)).unwrap();
    fs::set_permissions(&found, fs::Permissions::from_mode(mode)).unwrap();
    let output = Command::new(&found)
        .args([
            "--exact",
            "secure_environment::believes_its_environment",
            "--ignored",
            "--test-threads=1",
            "--nocapture",
        ])
        .env("PATH", &dir)
        .env("LIBBPF_BPF_TOKEN_PATH", "/no/such/directory")
        .output()
        .unwrap();
    fs::remove_dir_all(&dir).unwrap();
    output
}

#[test]
fn a_set_group_id_program_ignores_its_environment() {
    let ordinary = run("ordinary", 0o755);
    assert!(ordinary.status.success(), "{ordinary:?}");
    let secure = run("secure", 0o2755);
    let text = String::from_utf8_lossy(&secure.stdout);
    assert!(
        text.contains("PATH ignored, token path ignored"),
        "{secure:?}"
    );
}

#[test]
#[ignore = "it is run by the other case"]
fn believes_its_environment() {
    let path = Binary::open(PROGRAM);
    let loaded = OpenObject::open("maps", OBJECT).unwrap().load();
    match (&path, &loaded) {
        (Ok(_), Err(e)) => assert!(e.to_string().contains("/no/such/directory"), "{e}"),
        (Err(e), Ok(_)) => {
            println!("PATH ignored, token path ignored");
            panic!("{e}");
        }
        other => panic!("{:?}", (other.0.is_ok(), other.1.is_ok())),
    }
}
