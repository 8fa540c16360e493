//! Compiles BPF sources from build.rs.
