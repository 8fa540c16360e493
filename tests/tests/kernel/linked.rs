//! An object linked from several sources: one skeleton, and everything of one source used by the others.

use btf_core::attach::RawTracepoint;
use btf_core::prog::Arguments;
use btf_skel_macros::include_skel;

use crate::feature::Feature;
use crate::support::running;

include_skel!("linked");

fn runs<A: Arguments>(program: &RawTracepoint<A>) -> i32 {
    program.test_run(&A::from_words(&[])).unwrap()
}

#[test]
fn sources_share_functions_variables_and_maps() {
    let Some(feature) = Feature::since("static linking", (5, 10)) else {
        return;
    };
    let mut open = linked::Linked::open().unwrap();
    assert_eq!(open.rodata.setting, 7);
    open.rodata.setting = 8;
    assert_eq!(open.data.shared, 40);
    open.progs.first.set_autoload(true);
    open.progs.third.set_autoload(true);
    let skel = open.load().unwrap();
    assert!(skel.warnings().is_empty(), "{:?}", skel.warnings());

    assert_eq!(runs(&skel.progs.first), 0);
    assert_eq!(skel.data.shared.get(), 41);
    let pairs = skel.data.pairs.get();
    assert_eq!(pairs[1].second, std::process::id());
    assert_eq!((pairs[0].first, pairs[2].second), (1, 6));
    // Each static variable and function is its source's own.
    let result = (2 * 10 + 1) + 8 + (2 * 1000 + 100);
    assert_eq!(skel.bss.first_result.get(), result);
    assert_eq!(skel.bss.chosen.get(), 20 + 100, "the strong one");
    let pair = skel.maps.counts.get(&1).unwrap().unwrap();
    assert_eq!((pair.first as i32, pair.second), (result, 10000));

    assert_eq!(runs(&skel.progs.third), 0);
    assert_eq!(skel.bss.third_result.get(), 42);
    assert_eq!(
        skel.bss.parent.get() as u32,
        std::os::unix::process::parent_id()
    );
    let (major, minor) = running();
    assert_eq!(skel.bss.version.get() as u32 >> 8, major << 8 | minor);
    assert_eq!(skel.kconfig.linux_kernel_version, skel.bss.version.get());
    feature.works();
}
