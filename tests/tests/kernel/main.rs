//! Cases that need a kernel, and root on it: they load, attach and read real programs.
//!
//! Run in a booted kernel by `cargo xtask test` (or `cargo xtask vm`), with `--test-threads=1`: the cases count system calls
//! of this process. Everything they need is in the binary; files that they open lie in the folder for temporary files.

mod af_xdp;
mod apk;
mod arena;
mod asked;
mod attach;
mod attach_modes;
mod btf;
mod callbacks;
mod cgroup;
mod data_path;
mod detach;
mod errors;
mod feature;
mod handles;
mod iters;
mod kconfig;
mod ksyms;
mod link_update;
mod linked;
mod lockdown;
mod lpm_trie;
mod map_events;
mod map_kinds;
mod map_many;
mod map_net;
mod map_storage;
mod mapped_array;
mod maps;
mod module_functions;
mod net;
mod netns;
mod newer_maps;
mod no_btf;
mod old;
mod opensnoop;
mod optional;
mod own_types;
mod packets;
mod private;
mod probes;
mod program_types;
mod programs;
mod prototypes;
mod refused;
mod resize;
mod routes;
mod sections;
mod secure_environment;
mod sock_redirect;
mod sockets;
mod streams;
mod struct_ops;
mod support;
mod tc;
mod tcptop;
mod token;
mod torture;
mod uprobes;
// Its probes are made of this architecture's instructions.
#[cfg(target_arch = "x86_64")]
mod usdt;
mod writable_tracepoint;
mod xdp_drop;
mod xdp_redirect;
