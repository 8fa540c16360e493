//! Values of the kernel's configuration: looked up, given, and read by programs and by the application.

use btf_core::ErrorKind;
use btf_core::attach::RawTracepoint;
use btf_core::prog::Arguments;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::{needs, running};

include_skel!("config");

fn runs<A: Arguments>(program: &RawTracepoint<A>) -> i32 {
    program.test_run(&A::from_words(&[])).unwrap()
}

/// The line of the kernel's configuration that sets this, if any.
fn configured(name: &str) -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let text = std::fs::read_to_string(format!("/boot/config-{}", release.trim()))
        .expect("the test bed puts the configuration there");
    let line = text.lines().find(|l| l.starts_with(&format!("{name}=")))?;
    Some(line[name.len() + 1..].to_owned())
}

fn tristate(value: Option<String>) -> i32 {
    match value.as_deref() {
        Some("y") => 1,
        Some("m") => 2,
        _ => 0,
    }
}

#[test]
fn programs_and_the_application_read_them() {
    let Some(feature) = Feature::since("extern: __kconfig", (5, 10)) else {
        return;
    };
    let mut open = config::Config::open().unwrap();
    open.progs.read_all.set_autoload(true);
    let skel = open.load().unwrap();
    assert!(skel.warnings().is_empty(), "{:?}", skel.warnings());
    runs(&skel.progs.read_all);

    let (major, minor) = running();
    assert_eq!(skel.bss.version.get() >> 8, major << 8 | minor);
    assert_eq!(
        skel.kconfig.linux_kernel_version as u32,
        skel.bss.version.get()
    );
    let has_cookie = (major, minor) >= (5, 15);
    assert_eq!(bool::from(skel.bss.has_cookie.get()), has_cookie);
    assert_eq!(bool::from(skel.kconfig.linux_has_bpf_cookie), has_cookie);
    assert!(bool::from(skel.bss.has_wrapper.get()));

    assert!(bool::from(skel.bss.has_syscall.get()));
    assert!(bool::from(skel.kconfig.config_bpf_syscall));
    assert_eq!(skel.data.net.get(), tristate(configured("CONFIG_NET")));
    assert_eq!(skel.data.xfs.get(), tristate(configured("CONFIG_XFS_FS")));
    assert_eq!(skel.bss.inet.get() as u8, b'y');
    let hz: u32 = configured("CONFIG_HZ").unwrap().parse().unwrap();
    assert_eq!(skel.bss.hz.get(), hz);
    assert_eq!(skel.kconfig.config_hz as u32, hz);
    let pointer = configured("CONFIG_ILLEGAL_POINTER_VALUE").unwrap();
    let pointer = u64::from_str_radix(pointer.trim_start_matches("0x"), 16).unwrap();
    assert_eq!(skel.bss.pointer.get(), pointer);
    assert_eq!(skel.kconfig.config_illegal_pointer_value, pointer);
    let host = configured("CONFIG_DEFAULT_HOSTNAME").unwrap();
    assert_eq!(
        format!("\"{}\"", skel.kconfig.config_default_hostname),
        host
    );
    assert_eq!(skel.bss.host.get(), skel.kconfig.config_default_hostname);
    assert_eq!(skel.data.absent.get(), 0);
    assert_eq!(skel.kconfig.config_no_such_thing, 0);
    feature.works();
}

#[test]
fn a_given_configuration_goes_first() {
    needs(5, 10);
    let mut open = config::Config::open().unwrap();
    open.progs.read_all.set_autoload(true);
    open.progs.read_given.set_autoload(true);
    open.object_mut()
        .set_kconfig("CONFIG_GIVEN=-7\nCONFIG_BYTE=0x7f\nCONFIG_HZ=12\nCONFIG_NO_SUCH_MODULE=m\n");
    let skel = open.load().unwrap();
    assert_eq!(runs(&skel.progs.read_given), 0x7f);
    assert_eq!(skel.bss.given.get(), -7);
    runs(&skel.progs.read_all);
    assert_eq!(skel.bss.hz.get(), 12);
    assert_eq!(skel.data.absent.get(), 2);
    assert_eq!(
        skel.data.net.get(),
        tristate(configured("CONFIG_NET")),
        "not given"
    );
}

fn refusal(kconfig: &str, program: fn(&mut config::OpenProgs)) -> btf_core::Error {
    needs(5, 10);
    let mut open = config::Config::open().unwrap();
    program(&mut open.progs);
    open.object_mut().set_kconfig(kconfig);
    open.load().unwrap_err()
}

#[test]
fn values_that_do_not_fit_are_named() {
    let e = refusal("CONFIG_GIVEN=1\nCONFIG_BYTE=200\n", |p| {
        p.read_given.set_autoload(true)
    });
    assert_eq!(
        e.to_string(),
        "object `config`: program `read_given`: extern `CONFIG_BYTE` (signed char): the configuration given with set_kconfig: it is 200, \
         which does not fit 1 bytes (declare it as a larger integer)"
    );
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_is_not_set_is_named_with_what_comes_close() {
    let e = refusal("", |p| p.read_misnamed.set_autoload(true));
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let text = e.to_string();
    let expected = format!(
        "object `config`: program `read_misnamed`: extern `CONFIG_BPF_SYSCAL`: it is not set in /boot/config-{} (did you mean \
         `CONFIG_BPF_SYSCALL`",
        release.trim()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(e.kind(), ErrorKind::NotFound);
}
