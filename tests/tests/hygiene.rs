//! Skeletons compile whatever is in scope around them: without a prelude, and beside names that
//! hide those of the standard library.

#![no_implicit_prelude]

macro_rules! skeletons {
    ($($name:literal)*) => { $( ::btf_skel_macros::include_skel!($name); )* };
}

// Between them, all that a skeleton can have.
skeletons! {
    "arena" "attach" "config" "dummy_ops" "linked" "map_kinds" "map_storage" "newer_maps" "opensnoop"
    "public_lock" "resize" "tcptop" "torture" "types" "usdt" "xdp_drop"
    "maps" "progs" "links" "operations" "open_maps" "open_progs" "core" "std" "self"
}

/// Names of the standard library that a user's items hide.
mod hidden {
    #[allow(dead_code)]
    mod names {
        pub(super) struct Option;
        pub(super) struct Result;
        pub(super) struct Box;
        pub(super) struct Vec;
        pub(super) struct String;
        pub(super) struct Some;
        pub(super) fn drop() {}
    }
    #[allow(unused_imports)]
    use self::names::*;
    ::btf_skel_macros::include_skel!(pub(super) mod torture = "torture");
}

/// The names that documentation promises, although maps, programs and links have types of these
/// names as well.
#[test]
fn a_skeleton_is_called_after_its_object() {
    ::core::assert!(maps::Maps::open().is_ok());
    ::core::assert!(progs::Progs::open().is_ok());
    ::core::assert!(links::Links::open().is_ok());
    ::core::assert!(operations::Operations::open().is_ok());
    ::core::assert!(open_maps::OpenMaps::open().is_ok());
    ::core::assert!(open_progs::OpenProgs::open().is_ok());
    ::core::assert!(core::Core::open().is_ok());
    ::core::assert!(std::Std::open().is_ok());
    ::core::assert!(self_::Self_::open().is_ok());
    ::core::assert!(hidden::torture::Torture::open().is_ok());
}
