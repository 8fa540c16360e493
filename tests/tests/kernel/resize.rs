//! Sections of variables that are larger than declared.

use btf_core::ErrorKind;
use btf_core::pod;
use btf_core::prog::MAX_WORDS;
use btf_skel_macros::include_skel;

use crate::feature::Feature;

include_skel!("resize");

use resize::{Resize, Sample};

#[test]
fn arrays_at_the_end_of_sections() {
    let feature = Feature::since("data: resized", (5, 10)).unwrap();
    const COUNT: usize = 100;
    let mut open = Resize::open().unwrap();
    open.rodata.count = COUNT as u32;
    open.resize_data_samples(COUNT).unwrap();
    open.resize_rodata_factors(COUNT).unwrap();
    let factors: Vec<u32> = (1..=COUNT as u32).collect();
    let object = open.object_mut();
    object
        .set_data(".rodata.factors", pod::bytes_of_all(&factors))
        .unwrap();
    // What the skeleton has itself, it sets itself.
    open.rodata_factors.factors = [1, 2];
    let e = open
        .object_mut()
        .set_data_size(".data.samples", 17)
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "object `resize`: section .data.samples: its last variable, `struct sample samples[100]`, cannot end at 17 bytes (the \
         last variable must be an array, which then has as many elements as fit; what is before it stays)"
    );
    assert_eq!(e.kind(), ErrorKind::InvalidInput);

    let skel = open.load().unwrap();
    assert_eq!(skel.warnings(), [""; 0]);
    let samples = skel.data_samples.elements();
    assert_eq!(samples.len(), COUNT);
    assert_eq!(skel.rodata_factors.elements(), factors);
    assert_eq!(samples[0].get().value, 7);
    for (n, sample) in samples.iter().enumerate().skip(1) {
        let value = n as u32;
        sample.set(Sample { value, seen: 0 });
    }
    skel.progs.add_up.test_run(&[0; MAX_WORDS]).unwrap();
    let added: u64 = (1..COUNT as u64).map(|n| n * (n + 1)).sum();
    assert_eq!(skel.data_samples.total.get(), 5 + 7 + added);
    assert!((1..).zip(samples).all(|(n, sample)| sample.get().seen == n));
    feature.works();
}
