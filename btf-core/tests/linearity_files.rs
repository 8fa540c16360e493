//! Files that were made to take long: time and memory grow with their size at most.
//!
//! Each test writes a file of two sizes and reads it. A name says what there is much of. Run with
//! `--release -- --nocapture` to see the costs.

#[path = "linearity/archives.rs"]
mod archives;
#[path = "linearity/binaries.rs"]
mod binaries;
#[path = "linearity/btf.rs"]
mod btf;
#[path = "linearity/elf.rs"]
mod elf;
#[path = "linearity/linked.rs"]
mod linked;
#[path = "linearity/measure.rs"]
mod measure;
#[path = "linearity/objects.rs"]
mod objects;
#[path = "linearity/relocations.rs"]
mod relocations;
#[path = "linearity/types.rs"]
mod types;
