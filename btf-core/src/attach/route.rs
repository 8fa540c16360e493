//! Routes, as programs are attached to them.

use std::net::IpAddr;

use super::{Interface, Lwt};
use crate::error::{Error, ErrorKind, Result};

/// A route to be added for programs that see its packets.
///
/// ```no_run
/// # fn attach(program: btf_core::attach::Lwt, on_input: btf_core::attach::Lwt) -> btf_core::Result<()> {
/// use std::net::{IpAddr, Ipv4Addr};
/// use btf_core::attach::Route;
///
/// let there = IpAddr::from(Ipv4Addr::new(10, 1, 0, 0));
/// let gateway = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
/// let route = Route::new(there, 16, "eth0").gateway(gateway).metric(50);
/// let link = program.attach_to(&route.beside(&[&on_input]))?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    pub(crate) destination: IpAddr,
    pub(crate) bits: u8,
    pub(crate) interface: Interface<'a>,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) table: u32,
    pub(crate) metric: u32,
    pub(crate) headroom: u32,
    pub(crate) beside: &'a [&'a Lwt],
}

impl<'a> Route<'a> {
    /// To the network of which so many bits of an address are the prefix, through a device.
    pub fn new(destination: IpAddr, bits: u8, interface: impl Into<Interface<'a>>) -> Route<'a> {
        Route {
            destination,
            bits,
            interface: interface.into(),
            gateway: None,
            table: 0,
            metric: 0,
            headroom: 0,
            beside: &[],
        }
    }

    /// By way of a neighbour. Without, the destination itself is a neighbour.
    #[must_use]
    pub fn gateway(self, gateway: IpAddr) -> Route<'a> {
        Route {
            gateway: Some(gateway),
            ..self
        }
    }

    /// In this table of routes; 0, as without it, is the main one.
    #[must_use]
    pub fn table(self, table: u32) -> Route<'a> {
        Route { table, ..self }
    }

    /// Of routes to the same network, that with the lowest metric is taken. 0, as without it, is the kernel's choice: the best
    /// for IPv4, and 1024 for IPv6.
    #[must_use]
    pub fn metric(self, metric: u32) -> Route<'a> {
        Route { metric, ..self }
    }

    /// Bytes, 256 at most, that are kept free before packets for headers that a program in `SEC("lwt_xmit")` puts there.
    #[must_use]
    pub fn headroom(self, bytes: u32) -> Route<'a> {
        Route {
            headroom: bytes,
            ..self
        }
    }

    /// With these programs besides: a route has one in `SEC("lwt_in")`, one in `SEC("lwt_out")` and one in `SEC("lwt_xmit")`
    /// at most, all from the moment that it is there.
    #[must_use]
    pub fn beside(self, programs: &'a [&'a Lwt]) -> Route<'a> {
        Route {
            beside: programs,
            ..self
        }
    }

    /// Refuses what no kernel can mean.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |sentence: String| Err(Error::new(ErrorKind::InvalidInput, sentence));
        let (destination, bits) = (self.destination, self.bits);
        let (width, beyond) = match destination {
            IpAddr::V4(v4) => (32, v4.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0),
            IpAddr::V6(v6) => (128, v6.to_bits().checked_shl(bits.into()).unwrap_or(0) != 0),
        };
        if bits > width {
            return wrong(format!(
                "{self} has a longer prefix than the {width} bits of the address"
            ));
        }
        if beyond {
            return wrong(format!(
                "{destination} is no network of {bits} bits: further bits of it are set"
            ));
        }
        match self.gateway {
            Some(gateway) if gateway.is_ipv4() != destination.is_ipv4() => wrong(format!(
                "gateway {gateway} and destination {destination} are of different protocols"
            )),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "route to {}/{} through {}",
            self.destination, self.bits, self.interface
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(destination: &str, bits: u8) -> Result<()> {
        Route::new(destination.parse().unwrap(), bits, "eth0").check()
    }

    #[test]
    fn networks_end_with_their_prefix() {
        for (destination, bits) in [("10.1.0.0", 16), ("0.0.0.0", 0), ("10.1.2.3", 32)] {
            checked(destination, bits).unwrap();
        }
        for (destination, bits) in [("fd00::", 64), ("::", 0), ("fd00::1", 128)] {
            checked(destination, bits).unwrap();
        }
        assert_eq!(
            checked("10.1.0.0", 33).unwrap_err().to_string(),
            "route to 10.1.0.0/33 through network device `eth0` has a longer prefix than the 32 bits of the address"
        );
        assert_eq!(
            checked("10.1.2.3", 24).unwrap_err().to_string(),
            "10.1.2.3 is no network of 24 bits: further bits of it are set"
        );
        assert!(checked("10.1.2.3", 0).is_err() && checked("fd00::1", 127).is_err());
        assert!(checked("fd00::", 129).is_err());
    }

    #[test]
    fn gateways_speak_the_same_protocol() {
        let route = Route::new("10.1.0.0".parse().unwrap(), 16, 2);
        route.gateway("192.0.2.1".parse().unwrap()).check().unwrap();
        let e = route
            .gateway("fd00::1".parse().unwrap())
            .check()
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        assert!(e.to_string().contains("of different protocols"), "{e}");
    }
}
