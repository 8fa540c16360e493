//! What may be sent to other threads and shared with them, and what may not; that this compiles is most of the test.
//!
//! Descriptors belong to the process, and every operation on one is a system call that the kernel orders: maps, programs and
//! links may be used from any thread. What is copied out of them is bytes, whatever type sees them.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use btf_core::btf::Btf;
use btf_core::link::Link;
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::map::{Array, Consumer, Global, Hash, LpmTrie, Map, Mapped, PerCpuArray, RingBuf};
use btf_core::obj::Object;
use btf_core::prog::Program;
use btf_core::{Error, Pod};
use btf_skel_macros::include_skel;

include_skel!("torture");
include_skel!("untyped");

/// Holds that a type is of a trait.
macro_rules! is {
    ($trait:path: $($ty:ty),* $(,)?) => { $(
        const _: fn() = || {
            fn check<T: ?Sized + $trait>() {}
            check::<$ty>();
        };
    )* };
}

/// Holds that a type is not of a trait: if it were, there would be two functions to choose from, and no way to tell which.
macro_rules! is_not {
    ($trait:path: $($ty:ty),* $(,)?) => { $(
        const _: fn() = || {
            trait Either<Which> {
                fn choose() {}
            }
            struct Such;
            impl<T: ?Sized> Either<()> for T {}
            impl<T: ?Sized + $trait> Either<Such> for T {}
            <$ty as Either<_>>::choose();
        };
    )* };
}

/// Plain data that is only for the thread that has it, whatever it means by that.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct OfOneThread(u32, PhantomData<*const ()>);
// SAFETY: a number; the marker has no bytes.
unsafe impl Pod for OfOneThread {}

is!(Send: Error, Btf, Object, OpenObject, LoadedObject, Map, Program, Link);
is!(Sync: Error, Btf, Object, OpenObject, LoadedObject, Map, Program, Link);

// Skeletons in both states, with all that is in them: errors may be returned from threads, maps read by several.
is!(Send: torture::OpenTorture, torture::Torture, torture::Maps, torture::Progs, torture::Links);
is!(Sync: torture::OpenTorture, torture::Torture, torture::Maps, torture::Progs, torture::Links);
is!(Send: untyped::OpenUntyped, untyped::Untyped);
is!(Sync: untyped::OpenUntyped, untyped::Untyped);

// A map holds no key and no value: they are copied from and to the kernel.
is!(Send: Hash<OfOneThread, OfOneThread>, Array<OfOneThread>, PerCpuArray<OfOneThread>, LpmTrie<u64, OfOneThread>);
is!(Sync: Hash<OfOneThread, OfOneThread>, Array<OfOneThread>, PerCpuArray<OfOneThread>, LpmTrie<u64, OfOneThread>);
is!(Send: RingBuf<OfOneThread>, RingBuf<[u8]>);
is!(Sync: RingBuf<OfOneThread>, RingBuf<[u8]>);

// Memory shared with programs is read and written by atomic operations. A section of them is shared, as a reference is.
is!(Sync: Global<u64>, Mapped<Global<u64>>, Mapped<u64>);
is!(Send: Global<u64>, Mapped<Global<u64>>, Mapped<u64>);
is_not!(Sync: Global<OfOneThread>, Mapped<Global<OfOneThread>>, Mapped<OfOneThread>);
is_not!(Send: Global<OfOneThread>, Mapped<Global<OfOneThread>>, Mapped<OfOneThread>);

// A consumer is what its function is: it calls it on the thread that polls. Polling wants it alone (`&mut`), so that sharing
// it lets nobody call.
type Calls<F> = Consumer<u64, F>;
is!(Send: Calls<fn(&u64)>, Calls<Box<dyn FnMut(&u64) + Send>>);
is!(Sync: Calls<fn(&u64)>, Calls<Box<dyn FnMut(&u64) + Sync>>);
is_not!(Send: Calls<Box<dyn FnMut(&u64)>>);
is_not!(Sync: Calls<Box<dyn FnMut(&u64)>>, Calls<Box<dyn FnMut(&u64) + Send>>);

/// The macros themselves tell what is from what is not.
#[test]
fn the_checks_check() {
    is!(Send: Cell<u8>);
    is_not!(Sync: Cell<u8>);
    is_not!(Send: Rc<u8>);
}

/// An object with nothing that has a type of its own has a skeleton, too.
#[test]
fn what_is_not_known_is_untyped() {
    let open = untyped::Untyped::open().unwrap();
    assert_eq!(open.maps.unheard_of.name(), "unheard_of");
    assert!(!open.progs.unknown.autoload());
    let _: fn(&untyped::Maps) -> &Map = |maps| &maps.unheard_of;
    let _: fn(&untyped::Progs) -> &Program = |progs| &progs.unknown;
    let _: fn(&untyped::Links) -> usize = |links| links.iter().count();
}
