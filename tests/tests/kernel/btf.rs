//! The BTF objects of the running kernel: its own, those of modules, and those of programs.

use btf_core::btf::Kind;
use btf_core::load::{btf_objects, kernel_btf};

use crate::support::{open, running};

static MAPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maps.bpf.o"));

#[test]
fn btf_objects_are_listed_and_read() {
    let before = btf_objects().unwrap();
    let loaded = open("maps", MAPS).load().unwrap();
    let objects = btf_objects().unwrap();
    let vmlinux = kernel_btf().unwrap();

    // The object's own types came with it.
    let new: Vec<_> = objects
        .iter()
        .filter(|o| before.iter().all(|b| b.id != o.id))
        .collect();
    let types = new
        .iter()
        .map(|o| (o, o.read(&vmlinux).unwrap()))
        .find(|(_, btf)| btf.find("tally", Kind::STRUCT).is_some());
    let (object, btf) = types.expect("the object has a struct tally");
    assert!(!object.is_kernel && object.name.is_empty());
    assert_eq!(object.size as usize, btf.as_bytes().len());
    drop(loaded);

    // Older kernels list none of their own.
    if running() < (5, 11) {
        assert!(objects.iter().all(|o| !o.is_kernel));
        return;
    }
    let own = objects.iter().find(|o| o.name == "vmlinux").unwrap();
    assert!(own.is_kernel);
    assert!(own.read(&vmlinux).unwrap().as_bytes() == vmlinux.as_bytes());
    for module in objects.iter().filter(|o| o.is_kernel && o.id != own.id) {
        let btf = module.read(&vmlinux).unwrap();
        assert_eq!(btf.first_id(), vmlinux.end_id(), "{}", module.name);
        assert!(btf.find("task_struct", Kind::STRUCT).is_some());
    }
}
