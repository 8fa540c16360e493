//! `include_skel!`: a typed Rust skeleton of an eBPF object that btf-build compiled.
//!
//! btf-core re-exports the macro, so that an application names two crates: btf-core in
//! `[dependencies]` and btf-build in `[build-dependencies]`. Its `build.rs` compiles
//! `src/bpf/hello.bpf.c`, and one line of its code asks for the skeleton:
//!
//! ```text
//! btf_build::build("src/bpf/hello.bpf.c");     // build.rs
//!
//! btf_core::include_skel!("hello");            // src/main.rs: a module `hello`
//! ```
//!
//! [`include_skel!`] says what the module has. It contains `unsafe impl`s, the promises that types are plain data, each
//! checked at compile time: a crate may `deny(unsafe_code)` but not `forbid` it.
//!
//! # How it works
//!
//! The macro reads `OUT_DIR/NAME.bpf.o`, turns what it says into a model (plain data, `model`), and the model into code
//! (`tokens`). It runs nothing and looks at no kernel, so that it behaves the same in an editor, in docs and in cross builds.

mod docs;
mod expand;
mod input;
mod locate;
mod model;
mod names;
mod path;
mod tokens;

use proc_macro::TokenStream;

/// Expands to a module with everything that an object declares, typed.
///
/// ```text
/// include_skel!("hello");                      // mod hello
/// include_skel!(pub mod greeting = "hello");   // another visibility and name
/// ```
///
/// A crate may have any number of skeletons, each a module. Options may follow the name:
///
/// | option | does |
/// |---|---|
/// | `derive(PartialOrd, my::Trait)` | derives traits for the types of the object, or for some: `derive(PartialOrd for Event, Key)`. Padding is a field for them |
/// | `path = "objects/hello.bpf.o"` | takes the object from this file, relative to the package's folder, rather than from `OUT_DIR` |
/// | `crate = my_crate::btf_core` | names btf-core where it is not `::btf_core` |
///
/// For `src/bpf/hello.bpf.c`, compiled with `btf_build::build`, the module has
///
/// * `Hello::open()`, which reads the object and returns `OpenHello`: settings of maps (`open.maps.events`) and
///   programs (`open.progs.on_exec`), and initial values of globals (`open.rodata.only_pid`), all typed;
/// * `OpenHello::load()`, which returns `Hello`: the same maps and programs in the kernel, and globals in shared memory;
/// * `Hello::attach()`, which attaches every loaded program by its section and returns `Links`;
/// * the types that maps and globals mention, with C's layout, checked at compile time; others by `BPF_EXPORT_TYPE` in the source;
/// * the arguments of each program that attaches by type (`OnExecArgs`), from the prototype that its target had in the BTF that
///   `vmlinux.h` comes from. Loading compares that with the running kernel's.
///
/// Names follow Rust's habits; each item's documentation has the C name.
#[proc_macro]
pub fn include_skel(input: TokenStream) -> TokenStream {
    match syn::parse::<input::Input>(input).and_then(expand::expand) {
        Ok(tokens) => tokens.into(),
        Err(error) => error.into_compile_error().into(),
    }
}
