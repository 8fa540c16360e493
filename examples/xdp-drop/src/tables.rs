//! The maps of the BPF side: the block list that goes in, and what was counted, which comes out.

use std::net::IpAddr;

use btf_core::Result;

use crate::prefix::Prefix;
use crate::xdp_drop::{Blocked, Counter, Prefix4, Prefix6, Protocol, XdpDrop};

/// Names of protocols, in their order in the map.
const PROTOCOLS: [(Protocol, &str); 8] = [
    (Protocol::PROTOCOL_TCP, "TCP"),
    (Protocol::PROTOCOL_UDP, "UDP"),
    (Protocol::PROTOCOL_ICMP, "ICMP"),
    (Protocol::PROTOCOL_ICMP6, "ICMPv6"),
    (Protocol::PROTOCOL_IP_OTHER, "other IP"),
    (Protocol::PROTOCOL_ARP, "ARP"),
    (Protocol::PROTOCOL_OTHER, "other"),
    (Protocol::PROTOCOL_MALFORMED, "malformed"),
];

/// What was counted up to now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    /// Each protocol's name, and the sum of all CPUs.
    pub(crate) protocols: Vec<(&'static str, Count)>,
    /// Each blocked prefix, and what came from it.
    pub(crate) blocked: Vec<(Prefix, Count)>,
}

/// Packets and their bytes; those of blocked prefixes are all to be dropped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
}

/// Puts a prefix on the block list.
pub(crate) fn block(skel: &XdpDrop, prefix: Prefix) -> Result<()> {
    let (bits, nothing) = (prefix.bits, Blocked::default());
    match prefix.address {
        IpAddr::V4(address) => {
            let address = address.octets();
            skel.maps
                .blocked4
                .insert(&Prefix4 { bits, address }, &nothing)
        }
        IpAddr::V6(address) => {
            let address = address.octets();
            skel.maps
                .blocked6
                .insert(&Prefix6 { bits, address }, &nothing)
        }
    }
}

/// Reads all counters.
pub(crate) fn counts(skel: &XdpDrop) -> Result<Counts> {
    let protocols = PROTOCOLS.iter().map(|(protocol, name)| {
        let cpus = skel.maps.counters.get(protocol.0)?.unwrap_or_default();
        Ok((*name, sum(&cpus)))
    });
    let of = |blocked: Blocked| Count {
        packets: blocked.packets,
        bytes: blocked.bytes,
        dropped: blocked.packets,
    };
    let v4 = skel.maps.blocked4.try_iter().map(|entry| {
        let (Prefix4 { bits, address }, blocked) = entry?;
        let address = address.into();
        Ok((Prefix { address, bits }, of(blocked)))
    });
    let v6 = skel.maps.blocked6.try_iter().map(|entry| {
        let (Prefix6 { bits, address }, blocked) = entry?;
        let address = address.into();
        Ok((Prefix { address, bits }, of(blocked)))
    });
    let mut blocked = v4.chain(v6).collect::<Result<Vec<_>>>()?;
    blocked.sort_unstable_by_key(|(prefix, _)| *prefix);
    Ok(Counts {
        protocols: protocols.collect::<Result<_>>()?,
        blocked,
    })
}

fn sum(cpus: &[Counter]) -> Count {
    cpus.iter().fold(Count::default(), |sum, cpu| Count {
        packets: sum.packets + cpu.packets,
        bytes: sum.bytes + cpu.bytes,
        dropped: sum.dropped + cpu.dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_a_name_in_its_place() {
        assert_eq!(PROTOCOLS.len(), Protocol::PROTOCOLS.0 as usize);
        for (index, (protocol, _)) in PROTOCOLS.iter().enumerate() {
            assert_eq!(protocol.0 as usize, index);
        }
    }

    #[test]
    fn cpus_are_summed() {
        let cpu = Counter {
            packets: 2,
            bytes: 100,
            dropped: 1,
        };
        let expected = Count {
            packets: 6,
            bytes: 300,
            dropped: 3,
        };
        assert_eq!(sum(&[cpu; 3]), expected);
    }
}
