//! System calls made to fail, one at a time: nothing is left in the kernel, nothing panics, and the
//! error is the call's.
//!
//! Run in a booted kernel by `cargo xtask conformance faults`, which keeps the tables that this
//! prints. A process is forked for each run; a tracer makes one of its calls fail, or kills it.

fn main() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    suite::main();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    println!("SKIP the tracer knows the registers of x86_64 only");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod calls;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod left;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod place;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod report;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod scenarios;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod suite;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tracer;
