//! Prefixes of addresses, as people write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Prefix {
    pub(crate) address: IpAddr,
    pub(crate) bits: u32,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address, self.bits))
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// `10.0.0.0/8`, `2001:db8::/32`, or an address, which is a prefix of all its bits.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{text}`: `{address}` is not an IPv4 or IPv6 address"))?;
        let (version, most) = match address {
            IpAddr::V4(_) => (4, 32),
            IpAddr::V6(_) => (6, 128),
        };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| {
                    format!("`{text}`: a prefix of an IPv{version} address has 0 to {most} bits")
                })?,
        };
        let masked = masked(address, bits);
        if masked != address {
            return Err(format!(
                "`{text}` says more than {bits} bits of the address; write {masked}/{bits}"
            ));
        }
        Ok(Prefix { address, bits })
    }
}

/// The address with zeros after its first `bits` bits.
fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::from((v4.to_bits() & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::from((v6.to_bits() & mask).to_be_bytes())
        }
    }
}

/// The prefixes of a block list: one a line, blank lines and what follows a `#` left out.
///
/// # Errors
///
/// The number of the first line that is no prefix, and why it is none.
pub(crate) fn list(text: &str) -> Result<Vec<Prefix>, String> {
    let lines = text.lines().enumerate();
    let content = lines.map(|(n, line)| (n + 1, line.split('#').next().unwrap_or("").trim()));
    content
        .filter(|(_, line)| !line.is_empty())
        .map(|(n, line)| line.parse().map_err(|e| format!("line {n}: {e}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_both_versions() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "1.2.3.4/32",
            "::/0",
            "2001:db8::/32",
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("::1".parse::<Prefix>().unwrap().bits, 128);
    }

    #[test]
    fn what_is_no_prefix_is_said_why() {
        let why = |text: &str| text.parse::<Prefix>().unwrap_err();
        assert_eq!(
            why("10.1.0.0/8"),
            "`10.1.0.0/8` says more than 8 bits of the address; write 10.0.0.0/8"
        );
        assert_eq!(
            why("::1/129"),
            "`::1/129`: a prefix of an IPv6 address has 0 to 128 bits"
        );
        assert_eq!(
            why("here/8"),
            "`here/8`: `here` is not an IPv4 or IPv6 address"
        );
    }

    #[test]
    fn lists_have_comments() {
        let prefixes = list("# all of it\n10.0.0.0/8 # private\n\n::1\n").unwrap();
        let texts: Vec<String> = prefixes.iter().map(Prefix::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(
            list("::1\nx\n").unwrap_err(),
            "line 2: `x`: `x` is not an IPv4 or IPv6 address"
        );
    }
}
