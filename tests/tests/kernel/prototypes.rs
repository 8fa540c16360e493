//! Functions whose arguments differ between kernels: a program runs where they are what it is built for, and is refused, with
//! both prototypes, where they are not.

use std::fs;

use btf_core::ErrorKind;
use btf_core::btf::Btf;
use btf_core::load::OpenObject;
use btf_core::map::{Global, Mapped, Section};
use btf_core::pod::Chars;

use crate::support::{load_only, needs, running, set};

/// An object that was built for one form of `vfs_unlink`, and the kernels that have it.
struct Built {
    elf: &'static [u8],
    prototypes: &'static [u8],
    /// First kernel, and the first that has another form again.
    kernels: [(u32, u32); 2],
    /// How many arguments there are before the `dentry`, which most programs read.
    before: usize,
    prototype: &'static str,
}

macro_rules! built {
    ($kernel:literal, $kernels:expr, $before:literal, $prototype:literal) => {
        Built {
            elf: include_bytes!(concat!(
                env!("OUT_DIR"),
                "/",
                $kernel,
                "/unlink_",
                $kernel,
                ".bpf.o"
            )),
            prototypes: include_bytes!(concat!(
                env!("OUT_DIR"),
                "/",
                $kernel,
                "/unlink_",
                $kernel,
                ".target.btf"
            )),
            kernels: $kernels,
            before: $before,
            prototype: $prototype,
        }
    };
}

static BUILT: [Built; 3] = [
    built!(
        "5_10",
        [(5, 0), (5, 12)],
        1,
        "int vfs_unlink(struct inode *dir, struct dentry *dentry, struct inode **delegated_inode)"
    ),
    built!(
        "6_1",
        [(5, 12), (6, 3)],
        2,
        "int vfs_unlink(struct user_namespace *mnt_userns, struct inode *dir, struct dentry *dentry, struct inode **delegated_inode)"
    ),
    built!(
        "6_12",
        [(6, 3), (99, 0)],
        2,
        "int vfs_unlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, struct inode **delegated_inode)"
    ),
];

impl Built {
    fn open(&self) -> OpenObject {
        needs(5, 10);
        let mut open = OpenObject::open("unlink", self.elf).unwrap();
        open.set_prototypes(Btf::parse(self.prototypes).unwrap());
        set(&mut open, ".rodata", "target_pid", &std::process::id());
        open
    }

    /// Of the programs that read arguments, those that read others here than what they are built for.
    fn refused(&self, here: &Built) -> &'static [&'static str] {
        if self.before == here.before {
            &["on_first"]
        } else {
            &["on_first", "on_unlink", "on_unlinked"]
        }
    }

    fn is_for_this_kernel(&self) -> bool {
        (self.kernels[0]..self.kernels[1]).contains(&running())
    }
}

#[repr(C)]
struct Bss {
    hits: Global<u64>,
    name: Global<Chars<16>>,
}
// SAFETY: numbers and text in cells, so any bytes are a value, and they may change.
unsafe impl Section for Bss {
    const SHARED: bool = true;
}

/// Removes a file that is there, while `program` is attached, and returns what it saw.
fn fires(open: OpenObject, program: &str) -> Mapped<Bss> {
    let (loaded, program) = load_only(open, program).unwrap();
    let bss: Mapped<Bss> = loaded.data(".bss").unwrap();
    let link = program.attach().unwrap();
    let file = std::env::temp_dir().join("btf-unlinked");
    fs::write(&file, "x").unwrap();
    fs::remove_file(&file).unwrap();
    drop(link);
    bss
}

#[test]
fn the_program_for_this_kernel_fires() {
    let mut fired = 0;
    for built in BUILT.iter().filter(|b| b.is_for_this_kernel()) {
        let bss = fires(built.open(), "on_unlink");
        assert_eq!(bss.hits.get(), 1);
        assert_eq!(
            bss.name.get(),
            "btf-unlinked",
            "it is the dentry that was read"
        );
        for program in ["on_unlinked", "on_first"] {
            assert_eq!(fires(built.open(), program).hits.get(), 1, "{program}");
        }
        fired += 1;
    }
    assert_eq!(fired, 1);
}

#[test]
fn a_program_for_another_kernel_is_told_with_both_prototypes() {
    let here = BUILT.iter().find(|b| b.is_for_this_kernel()).unwrap();
    // The last argument is of another type from 6.18 on; nothing reads it.
    let (prototype, _) = here.prototype.rsplit_once(',').unwrap();
    for built in BUILT.iter().filter(|b| !b.is_for_this_kernel()) {
        for program in built.refused(here) {
            let e = load_only(built.open(), program).map(|_| ()).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Prototype, "{e}");
            let text = e.to_string();
            let start = format!(
                "object `unlink`: program `{program}`: this kernel has another `vfs_unlink` than it is built for: "
            );
            assert!(text.starts_with(&start), "{text}");
            let was = format!(
                "it is built for `{}`, and this kernel has `{prototype}, ",
                built.prototype
            );
            assert!(text.contains(&was), "{text}");
            assert!(text.contains("set_check_prototype(false)"), "{text}");
        }
        if !built.refused(here).contains(&"on_unlink") {
            assert_eq!(fires(built.open(), "on_unlink").name.get(), "btf-unlinked");
        }
    }
}

#[test]
fn a_program_may_opt_out() {
    for built in BUILT.iter().filter(|b| !b.is_for_this_kernel()) {
        let mut open = built.open();
        let program = open.program_mut("on_unlink").unwrap();
        assert!(program.check_prototype());
        program.set_check_prototype(false);
        // The verifier has its own opinion of what is read then, but that is another error.
        if let Err(e) = load_only(open, "on_unlink") {
            assert_eq!(e.kind(), ErrorKind::Verifier, "{e}");
        }
    }
}

#[test]
fn what_is_not_read_does_not_matter() {
    for built in &BUILT {
        assert_eq!(fires(built.open(), "on_any_unlink").hits.get(), 1);
    }
}
