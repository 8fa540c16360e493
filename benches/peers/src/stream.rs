//! Instructions of a program as both sides are compared by.
//!
//! What legitimately differs between two loads is taken out: descriptors of maps (libbpf's instructions hold those of
//! its own process, btf-core's none before the load) become the map's name, and references to symbols of the kernel
//! (`__kconfig`, `__ksym`), which are no matter of CO-RE and need the kernel itself, are left out where btf-core says that they
//! are such references. Everything else is compared to the bit: opcodes, registers, offsets, immediates.

use std::collections::BTreeMap;

/// One program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) insns: Vec<[u8; 8]>,
    /// The maps that instructions refer to; their immediates are zero.
    pub(crate) maps: BTreeMap<usize, String>,
    /// Slots that refer to symbols of the kernel.
    pub(crate) externs: Vec<usize>,
}

pub(crate) const LDIMM64: u8 = 0x18;
pub(crate) const PSEUDO_MAP_FD: u8 = 1;
pub(crate) const PSEUDO_MAP_VALUE: u8 = 2;

/// The name of every jump table's map.
pub(crate) const JUMP_TABLES: &str = ".jumptables";

/// The length of a map's name in the kernel, without its NUL.
const NAME: usize = 15;

impl Stream {
    /// Takes a descriptor out.
    pub(crate) fn set_map(&mut self, at: usize, name: &str) {
        if let Some(insn) = self.insns.get_mut(at) {
            insn[4..].fill(0);
            self.maps.insert(at, name.chars().take(NAME).collect());
        }
    }

    /// Slots in which two streams differ.
    pub(crate) fn differences(&self, other: &Stream) -> Vec<usize> {
        let externs: Vec<usize> = [&self.externs[..], &other.externs].concat();
        let count = self.insns.len().max(other.insns.len());
        (0..count)
            .filter(|at| !externs.contains(at))
            .filter(|at| {
                self.insns.get(*at) != other.insns.get(*at)
                    || self.maps.get(at) != other.maps.get(at)
            })
            .collect()
    }

    /// One instruction as text.
    pub(crate) fn text(&self, at: usize) -> String {
        let Some(insn) = self.insns.get(at) else {
            return "(none)".to_owned();
        };
        let map = self
            .maps
            .get(&at)
            .map_or_else(String::new, |name| format!(" map {name}"));
        format!("{}{map}", hex(insn))
    }

    /// FNV-1a over all bytes and names, in 64 bits.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        for (at, insn) in self.insns.iter().enumerate() {
            feed(insn);
            feed(self.maps.get(&at).map_or(&[], |name| name.as_bytes()));
        }
        hash
    }
}

/// `b7010000 88000000`
pub(crate) fn hex(insn: &[u8; 8]) -> String {
    let half = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    format!("{} {}", half(&insn[..4]), half(&insn[4..]))
}
