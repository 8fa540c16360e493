//! Generated types without a kernel: alignment, printing, comparison, flexible arrays, exported types.
//!
//! Sizes and offsets are checked in the expansion itself: that this compiles is their test.

use std::collections::HashMap;

use btf_core::pod::{self, Bool, Ptr};
use btf_skel_macros::include_skel;

include_skel!("torture");

use torture::*;

#[test]
#[cfg(target_pointer_width = "64")]
fn alignment_is_that_of_c() {
    macro_rules! aligned {
        ($($ty:ty: $align:expr),* $(,)?) => { $( assert_eq!(align_of::<$ty>(), $align, stringify!($ty)); )* };
    }
    aligned! {
        Padded: 8, Squeezed: 1, SqueezedEven: 1, SqueezedByName: 4, Scalars: 16, Bits: 8, BitsPacked: 1, BitsOnly: 4,
        BitsHuge: 16, Number: 8, Tight: 1, Unnamed: 8, UnnamedChoice: 4, Arrays: 8, Flexible: 8, Wide: 8, Small: 1,
        UserId: 4, LooseU64: 8, OverMember: 1, Torture2: 16,
    }
}

#[test]
fn types_print_as_c_knows_them() {
    let mut bits = Bits::default();
    bits.set_c(-2);
    bits.set_h(Bool::TRUE);
    bits.set_i(Color(3));
    bits.set_j(Negative::NEGATIVE_ONE);
    assert_eq!(
        format!("{bits:?}"),
        "Bits { a: 0, b: 0, c: -2, d: 0, e: 0, f: 0, g: 0, h: true, i: Color(3), j: NEGATIVE_ONE, plain: 0, whole: 0, \
         last: 0, set_last: 0 }"
    );
    let mut tight = Tight::default();
    tight.set_b(0x0102_0304_u32.to_le());
    assert_eq!(
        format!("{tight:?}"),
        "Tight { a: 4, b: 16909060, c: [4, 3, 2, 1, 0] }"
    );
    let pointers = Pointers {
        back: Ptr(0xffff_0000_1234),
        ..Default::default()
    };
    assert!(format!("{pointers:?}").contains("back: 0xffff00001234,"));
    // The first of two names for a value is shown.
    assert_eq!(
        format!("{:?} {:?}", Color::LIME, Words::Self_),
        "GREEN Self"
    );
}

#[test]
fn structs_are_keys_and_their_padding_does_not_count() {
    let one: Padded = pod::read(&[0xff; 32]).unwrap();
    let mut bytes = [0xff; 32];
    bytes[1] = 0;
    let other: Padded = pod::read(&bytes).unwrap();
    assert_eq!(one, other);
    let counts = HashMap::from([(one, 1)]);
    assert_eq!(counts.get(&other), Some(&1));
    // Floats compare, but are no keys.
    assert_eq!(Arrays::default(), Arrays::default());
}

#[test]
fn flexible_arrays_follow_their_struct() {
    let sample = [
        pod::bytes_of(&Flexible {
            len: 2,
            ..Default::default()
        }),
        pod::bytes_of(&[7u64, 8]),
        &[1, 2, 3],
    ]
    .concat();
    let flexible: Flexible = pod::read(&sample).unwrap();
    let data: Vec<u64> = Flexible::data_in(&sample)
        .take(flexible.len as usize)
        .collect();
    assert_eq!(data, [7, 8]);
    let halves = FlexibleUnion::halves_in(&sample[..7]);
    assert_eq!(halves.len(), 2);
    assert_eq!(FlexibleOdd::text_in(&sample).count(), 27 - 9);
}

#[test]
fn exported_types_are_there() {
    let exported = Exported {
        part: ExportedPart { a: 1 },
    };
    assert_eq!(exported.part.a, 1);
    assert_eq!(ExportedKind::EXPORTED_ONE.0, 1);
    let id: ExportedId = 5u32;
    assert_eq!(id, 5);
    assert_eq!(ExportedByPointer { a: 1 }.a, ExportedByDummy { a: 1 }.a);
}

#[test]
fn typedefs_name_what_has_no_other_name() {
    let corner: Corner = Point { x: 1, y: 2 };
    assert_eq!(corner, Point { x: 1, y: 2 });
    let title: Label = "text".into();
    assert_eq!(title, "text");
    let value = AnonymousValuesValue {
        owner: 1,
        ..Default::default()
    };
    let owner: OwnerId = value.owner;
    assert_eq!((owner, Outcome::default().runs), (1, 0));
}
