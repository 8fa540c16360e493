//! Every C layout: a program writes a value into each member and Rust reads all back, and the other way round.
//!
//! The values are those of `bpf/torture_rows.h`, in its order.

use std::mem::size_of;

use btf_core::pod::{self, Bool, Chars, Ptr};
use btf_skel_macros::include_skel;

use crate::support::{GETPPID, getppid, needs};

include_skel!("torture");

use torture::{
    Color, Negative, Small, Torture, Torture2 as Everything, UnnamedState, Wide, WideNegative,
    Words,
};

/// All bits set, so that a member that is written in part, or beyond its end, shows.
fn all_ones() -> Everything {
    pod::read(&[0xff; size_of::<Everything>()]).unwrap()
}

/// Without whom it counts: nothing but system calls of this process.
fn open() -> torture::OpenTorture {
    let mut open = Torture::open().unwrap();
    open.rodata.target_pid = std::process::id();
    open.rodata.target_nr = GETPPID.cast_unsigned();
    open
}

/// Has one of the programs run once.
fn run(mut open: torture::OpenTorture, prepare: impl FnOnce(&Torture), is_check: bool) -> Torture {
    open.progs.write_all.set_autoload(!is_check);
    open.progs.check_all.set_autoload(is_check);
    let skel = open.load().unwrap();
    prepare(&skel);
    let links = skel.attach().unwrap();
    getppid(1);
    drop(links);
    assert_eq!(skel.bss.outcome.get().runs, 1);
    skel
}

/// Of a packed struct a member can be copied, but not borrowed.
macro_rules! same {
    ($($member:expr => $value:expr;)*) => { $( assert_eq!({ $member }, $value, stringify!($member)); )* };
}

fn read(t: &Everything) {
    same! {
        t.padded.a => 0x11;
        t.padded.b => 0x1213_1415_1617_1819;
        t.padded.c => 0x2122;
        t.padded.d => 0x3132_3334;
        t.padded.e => 0x41;
        t.squeezed.a => 0x51;
        t.squeezed.b => 0x6162_6364_6566_6768;
        t.squeezed.c => 0x7172;
        t.squeezed.inner.a => 0x81;
        t.squeezed.inner.b => 0x9192_9394_9596_9798;
        t.squeezed.inner.e => 0xa1;
        t.squeezed.d[0] => 0xb1b2_b3b4;
        t.squeezed.d[2] => 0xc1c2_c3c4;
        t.squeezed.e => Color::BLUE;
        t.squeezed_even.a => 0x12;
        t.squeezed_even.b => 0x1314_1516;
        t.squeezed_even.c => 0x17;
        t.squeezed_by_name.a => 0x1819_1a1b;
        t.squeezed_by_name.b => 0x1c1d_1e1f;
        t.over_aligned.a => 0x2021_2223;
        t.over_aligned.b => 0x24;
        t.over_member.a => 0x25;
        t.over_member.b => 0x2627_2829;
        t.over_member.c => 0x2a;
        t.over_member.d => 0x2b2c_2d2e_2f30_3132;
        t.around_empty.before => 0x33;
        t.around_empty.after => 0x3435_3637;
    }
    same! {
        t.scalars.c => -3;
        t.scalars.sc => -4;
        t.scalars.uc => 250;
        t.scalars.s => -30_001;
        t.scalars.us => 60_001;
        t.scalars.i => -2_000_000_001;
        t.scalars.ui => 4_000_000_001;
        t.scalars.l => -8_000_000_000_000_000_001;
        t.scalars.ul => 0x8182_8384_8586_8788;
        t.scalars.ll => -7_000_000_000_000_000_001;
        t.scalars.ull => 0x9192_9394_9596_9799;
        t.scalars.i128 => -0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
        t.scalars.u128 => 0xf1f2_f3f4_f5f6_f7f8_f9fa_fbfc_fdfe_ff00;
        t.scalars.yes => true;
        t.scalars.no => false;
        t.scalars.f => 1.5;
        t.scalars.d => -2.5;
        t.scalars.small => Small::SMALL_MOST;
        t.scalars.color => Color::GREEN;
        t.scalars.negative => Negative::NEGATIVE_MOST;
        t.scalars.word => Words::r#yield;
        t.scalars.user => 0x3839_3a3b;
        t.scalars.owner => 0x3c3d_3e3f;
        t.scalars.modified => -77;
        t.wide_enums.unsigned_one => Wide::WIDE_MOST;
        t.wide_enums.signed_one => WideNegative::WIDE_NEGATIVE;
        t.pointers.data => Ptr(0x1111_2222_3333_4444);
        t.pointers.text => Ptr(0x2222_3333_4444_5555);
        t.pointers.function => Ptr(0x3333_4444_5555_6666);
        t.pointers.back => Ptr(0x4444_5555_6666_7777);
        t.pointers.opaque => Ptr(0x5555_6666_7777_8888);
        t.pointers.next.is_null() => true;
        t.pointers.list[1] => Ptr(0x6666_7777_8888_9999);
    }
    read_bits(t);
    read_nested(t);
    read_names(t);
}

fn read_bits(t: &Everything) {
    let (packed, huge) = (t.bits_packed, t.bits_huge);
    same! {
        t.bits.a() => 1;
        t.bits.b() => 0x55;
        t.bits.c() => -11;
        t.bits.d() => -12_345;
        t.bits.e() => 0x11_2233_4455;
        t.bits.f() => -33_333_333;
        t.bits.g() => -0x3132_3334_3536_3738;
        t.bits.h() => true;
        t.bits.i() => Color::GREEN;
        t.bits.j() => Negative::NEGATIVE_ONE;
        t.bits.plain => 0x42;
        t.bits.whole() => 0x4344_4546_4748_4950;
        t.bits.last() => 5;
        t.bits.set_last() => 2;
        packed.a() => 5;
        packed.b() => 0x2bcd_ef01;
        packed.c() => -0x0001_0203_0405_0607;
        packed.d() => 0x1a;
        packed.e => 0x5152_5354;
        t.bits_only.flag() => 1;
        huge.a() => 0xa_bcde_f012_0123_4567_89ab_cdef;
        huge.b() => -0x0765_4321;
    }
}

fn read_nested(t: &Everything) {
    same! {
        t.number.both() => [0x6061_6263_6465_6667, 0x6869_6a6b_6c6d_6e6f];
        t.number.byte() => 0x67;
        t.number.half() => 0x6667;
        t.number.word() => 0x6465_6667;
        t.number.user() => 0x6465_6667;
        t.number.ratio() => f32::from_bits(0x6465_6667);
        t.number.parts().b => 0x6869_6a6b_6c6d_6e6f;
        t.number.low() => 7;
        t.number.also_low() => 7;
        t.tight.c()[0] => 0x70;
        t.tight.c()[4] => 0x74;
        t.tight.a() => 0x70;
        t.unnamed.tag => 0x75;
        t.unnamed.left => 0x7677;
        t.unnamed.right => 0x7879;
        t.unnamed.deep => 0x7a;
        t.unnamed.deep_bits() => 0x1a5;
        t.unnamed.low() => 0x7b7c_7d7e;
        t.unnamed.high() => 0x7f80_8182;
        t.unnamed.wide() => 0x7f80_8182_7b7c_7d7e;
        t.unnamed.anon_2.wide() => 0x7f80_8182_7b7c_7d7e;
        t.unnamed.tiny() => 0x7e;
        t.unnamed.small() => 0x7d7e;
        t.unnamed.first_bits() => 0xd7e;
        t.unnamed.inside.x => 0x83;
        t.unnamed.choice.text() => "ok";
        t.unnamed.state => UnnamedState::UNNAMED_ON;
        t.unnamed.last => 0x84;
        t.arrays.grid[0][0] => 1_000_001;
        t.arrays.grid[0][2] => 1_000_002;
        t.arrays.grid[1][0] => 1_000_003;
        t.arrays.grid[1][2] => 1_000_004;
        t.arrays.names[0] => "a";
        t.arrays.names[1] => "bc";
        t.arrays.raw[4] => 0x85;
        t.arrays.flags => [true, false, true].map(Bool::from);
        t.arrays.points[0].x => 0x8687;
        t.arrays.points[1].y => 0x8889;
        t.arrays.corners[0].y => 0x8a8b;
        t.arrays.colors[1] => Color::BLUE;
        t.arrays.pointers[1] => Ptr(0x7777_8888_9999_0000);
        t.arrays.title => "t";
        t.arrays.three[2] => 0x8c8d;
        t.arrays.numbers[1].word() => 0x8e8f_9091;
        t.arrays.pairs[0][1].a => 0x92;
        t.arrays.pairs[1][0].b => 0x9394;
        t.arrays.ratios[1] => 1.5;
        t.arrays.far[1].a => 0x9596_9798;
        t.arrays.even[2].b => 0x999a_9b9c;
        t.flexible.a => 0x9d9e_9fa0_a1a2_a3a4;
        t.flexible.b => 0xa5;
    }
}

fn read_names(t: &Everything) {
    let t = &t.names;
    same! {
        t.r#type.r#match => 2001;
        t.r#type.self_ => 2002;
        t.r#type.self__2 => 2003;
        t.r#type.self__3 => 2004;
        t.r#type.r#fn => 2005;
        t.r#type.r#gen => 2006;
        t.r#type.r#async => 2007;
        t.r#type._0 => 2008;
        t.r#type.nr_events => 2009;
        t.r#type.nr_events_2 => 2010;
        t.r#type.__padding_1 => 2011;
        t.r#type.narrow => 0xa6;
        t.r#type.r_type => 0xa7a8_a9aa_abac_adae;
        t.two_words.a => 0xaf;
        t.two_words_2.a => 0xb0b1;
        t.two_words_3.a => 0xb2b3_b4b5;
        t.two_words_4 => 0xb6b7_b8b9_babb_bcbd;
        t.maps.links => 0xbe;
        t.option.some => 0xbf;
        t.result.ok => 0xc0;
    }
}

fn write(t: &mut Everything) {
    t.padded.a = 0x11;
    t.padded.b = 0x1213_1415_1617_1819;
    t.padded.c = 0x2122;
    t.padded.d = 0x3132_3334;
    t.padded.e = 0x41;
    t.squeezed.a = 0x51;
    t.squeezed.b = 0x6162_6364_6566_6768;
    t.squeezed.c = 0x7172;
    t.squeezed.inner.a = 0x81;
    t.squeezed.inner.b = 0x9192_9394_9596_9798;
    t.squeezed.inner.e = 0xa1;
    t.squeezed.d[0] = 0xb1b2_b3b4;
    t.squeezed.d[2] = 0xc1c2_c3c4;
    t.squeezed.e = Color::BLUE;
    t.squeezed_even.a = 0x12;
    t.squeezed_even.b = 0x1314_1516;
    t.squeezed_even.c = 0x17;
    t.squeezed_by_name.a = 0x1819_1a1b;
    t.squeezed_by_name.b = 0x1c1d_1e1f;
    t.over_aligned.a = 0x2021_2223;
    t.over_aligned.b = 0x24;
    t.over_member.a = 0x25;
    t.over_member.b = 0x2627_2829;
    t.over_member.c = 0x2a;
    t.over_member.d = 0x2b2c_2d2e_2f30_3132;
    t.around_empty.before = 0x33;
    t.around_empty.after = 0x3435_3637;

    t.scalars.c = -3;
    t.scalars.sc = -4;
    t.scalars.uc = 250;
    t.scalars.s = -30_001;
    t.scalars.us = 60_001;
    t.scalars.i = -2_000_000_001;
    t.scalars.ui = 4_000_000_001;
    t.scalars.l = -8_000_000_000_000_000_001;
    t.scalars.ul = 0x8182_8384_8586_8788;
    t.scalars.ll = -7_000_000_000_000_000_001;
    t.scalars.ull = 0x9192_9394_9596_9799;
    t.scalars.i128 = -0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
    t.scalars.u128 = 0xf1f2_f3f4_f5f6_f7f8_f9fa_fbfc_fdfe_ff00;
    t.scalars.yes = true.into();
    t.scalars.no = false.into();
    t.scalars.f = 1.5;
    t.scalars.d = -2.5;
    t.scalars.small = Small::SMALL_MOST;
    t.scalars.color = Color::GREEN;
    t.scalars.negative = Negative::NEGATIVE_MOST;
    t.scalars.word = Words::r#yield;
    t.scalars.user = 0x3839_3a3b;
    t.scalars.owner = 0x3c3d_3e3f;
    t.scalars.modified = -77;
    t.wide_enums.unsigned_one = Wide::WIDE_MOST;
    t.wide_enums.signed_one = WideNegative::WIDE_NEGATIVE;
    t.pointers.data = Ptr(0x1111_2222_3333_4444);
    t.pointers.text = Ptr(0x2222_3333_4444_5555);
    t.pointers.function = Ptr(0x3333_4444_5555_6666);
    t.pointers.back = Ptr(0x4444_5555_6666_7777);
    t.pointers.opaque = Ptr(0x5555_6666_7777_8888);
    t.pointers.next = Ptr::default();
    t.pointers.list[1] = Ptr(0x6666_7777_8888_9999);

    write_bits(t);
    write_nested(t);
    write_names(t);
}

fn write_bits(t: &mut Everything) {
    t.bits.set_a(1);
    t.bits.set_b(0x55);
    t.bits.set_c(-11);
    t.bits.set_d(-12_345);
    t.bits.set_e(0x11_2233_4455);
    t.bits.set_f(-33_333_333);
    t.bits.set_g(-0x3132_3334_3536_3738);
    t.bits.set_h(Bool::TRUE);
    t.bits.set_i(Color::GREEN);
    t.bits.set_j(Negative::NEGATIVE_ONE);
    t.bits.plain = 0x42;
    t.bits.set_whole(0x4344_4546_4748_4950);
    // What does not fit is cut off.
    t.bits.set_last_2(0xf5);
    t.bits.set_set_last(2);
    t.bits_packed.set_a(5);
    t.bits_packed.set_b(0x2bcd_ef01);
    t.bits_packed.set_c(-0x0001_0203_0405_0607);
    t.bits_packed.set_d(0x1a);
    t.bits_packed.e = 0x5152_5354;
    t.bits_only.set_flag(1);
    t.bits_huge.set_a(0xa_bcde_f012_0123_4567_89ab_cdef);
    t.bits_huge.set_b(-0x0765_4321);
}

fn write_nested(t: &mut Everything) {
    t.number.set_parts(torture::Padded {
        b: 0x6869_6a6b_6c6d_6e6f,
        ..Default::default()
    });
    t.number
        .set_both([0x6061_6263_6465_6667, 0x6869_6a6b_6c6d_6e00]);
    t.number.bytes[8] = 0x6f;
    t.tight.set_c([0, 1, 2, 3, 0x74]);
    t.tight.set_a(0x70);
    t.unnamed.tag = 0x75;
    t.unnamed.left = 0x7677;
    t.unnamed.right = 0x7879;
    t.unnamed.deep = 0x7a;
    t.unnamed.set_deep_bits(0x1a5);
    t.unnamed.set_low(0x7b7c_7d7e);
    t.unnamed.set_high(0x7f80_8182);
    t.unnamed.inside.x = 0x83;
    t.unnamed.choice.set_text("ok".into());
    t.unnamed.state = UnnamedState::UNNAMED_ON;
    t.unnamed.last = 0x84;
    t.arrays.grid[0][0] = 1_000_001;
    t.arrays.grid[0][2] = 1_000_002;
    t.arrays.grid[1][0] = 1_000_003;
    t.arrays.grid[1][2] = 1_000_004;
    t.arrays.names = ["a".into(), Chars::from("bc")];
    t.arrays.raw[4] = 0x85;
    t.arrays.flags = [true, false, true].map(Bool::from);
    t.arrays.points[0].x = 0x8687;
    t.arrays.points[1].y = 0x8889;
    t.arrays.corners[0].y = 0x8a8b;
    t.arrays.colors[1] = Color::BLUE;
    t.arrays.pointers[1] = Ptr(0x7777_8888_9999_0000);
    t.arrays.title = "t".into();
    t.arrays.three[2] = 0x8c8d;
    t.arrays.numbers[1].set_word(0x8e8f_9091);
    t.arrays.pairs[0][1].a = 0x92;
    t.arrays.pairs[1][0].b = 0x9394;
    t.arrays.ratios[1] = 1.5;
    t.arrays.far[1].a = 0x9596_9798;
    t.arrays.even[2].b = 0x999a_9b9c;
    t.flexible.a = 0x9d9e_9fa0_a1a2_a3a4;
    t.flexible.b = 0xa5;
}

fn write_names(t: &mut Everything) {
    let t = &mut t.names;
    t.r#type.r#match = 2001;
    t.r#type.self_ = 2002;
    t.r#type.self__2 = 2003;
    t.r#type.self__3 = 2004;
    t.r#type.r#fn = 2005;
    t.r#type.r#gen = 2006;
    t.r#type.r#async = 2007;
    t.r#type._0 = 2008;
    t.r#type.nr_events = 2009;
    t.r#type.nr_events_2 = 2010;
    t.r#type.__padding_1 = 2011;
    t.r#type.narrow = 0xa6;
    t.r#type.r_type = 0xa7a8_a9aa_abac_adae;
    t.two_words.a = 0xaf;
    t.two_words_2.a = 0xb0b1;
    t.two_words_3.a = 0xb2b3_b4b5;
    t.two_words_4 = 0xb6b7_b8b9_babb_bcbd;
    t.maps.links = 0xbe;
    t.option.some = 0xbf;
    t.result.ok = 0xc0;
}

#[test]
fn what_a_program_writes_is_read_member_by_member() {
    needs(5, 10);
    let mut open = open();
    *open.bss = torture::Bss {
        from_bpf: all_ones(),
        ..*open.bss
    };
    let fill = |skel: &Torture| skel.maps.values.set(0, &all_ones()).unwrap();
    let skel = run(open, fill, false);
    read(&skel.bss.from_bpf.get());
    read(&skel.maps.values.get(0).unwrap().unwrap());

    let mut samples = Vec::new();
    let on_sample = |sample: &torture::Scalars| samples.push(*sample);
    let mut consumer = skel.maps.samples.consumer(on_sample).unwrap();
    assert_eq!(consumer.consume().unwrap(), 2);
    drop(consumer);
    assert_eq!(samples, [skel.bss.from_bpf.get().scalars; 2]);
}

#[test]
fn what_is_written_member_by_member_a_program_reads() {
    needs(5, 10);
    let mut from_rust = all_ones();
    write(&mut from_rust);
    read(&from_rust);
    let mut open = open();
    open.bss.from_rust = from_rust;
    open.rodata.constant.b = 15;
    open.rodata.odd_constant = 16;
    open.rodata.squeezed_constant.b = 17;
    open.data.odd = 11;
    let fill = |skel: &Torture| {
        skel.maps.values.set(1, &from_rust).unwrap();
        let before = skel.data.squeezed_variable.get();
        skel.data
            .squeezed_variable
            .set(torture::SqueezedByName { b: 12, ..before });
        skel.data.loose_variable.set(13);
        skel.data.another_odd.set(14);
    };
    let skel = run(open, fill, true);
    // The line of the first that differs, in torture_rows.h.
    assert_eq!(skel.bss.outcome.get().failed_row, 0);
    assert_eq!({ skel.rodata.squeezed_constant.b }, 17);
    assert_eq!(skel.data.squeezed_variable.get().a, 1);
}
