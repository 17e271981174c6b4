//! Names of addresses, in `in-addr.arpa` and `ip6.arpa`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::Fqdn;

impl Fqdn {
    /// The name under which the PTR record of `address` stands: in `in-addr.arpa` (RFC 1035
    /// section 3.5) or `ip6.arpa` (RFC 3596 section 2.5).
    #[must_use]
    pub fn reverse(address: IpAddr) -> Self {
        let v6 = match address {
            IpAddr::V4(v4) => return Self(ReverseName::of(v4)[..].into()),
            IpAddr::V6(v6) => v6,
        };
        // 32 labels of one hexadecimal digit, and 10 octets behind them.
        let mut wire = Vec::with_capacity(74);
        for octet in v6.octets().iter().rev() {
            for nibble in [octet & 0x0f, octet >> 4] {
                wire.extend_from_slice(&[1, b"0123456789abcdef"[usize::from(nibble)]]);
            }
        }
        wire.extend_from_slice(b"\x03ip6\x04arpa\x00");
        Self(wire.into())
    }

    /// The address whose reverse name this is; `None` for any other name.
    #[must_use]
    pub fn to_reverse_address(&self) -> Option<IpAddr> {
        let labels: Vec<&[u8]> = self.labels().collect();
        match labels.as_slice() {
            [host @ .., b"in-addr", b"arpa"] if host.len() == 4 => {
                let mut octets = [0; 4];
                for (octet, label) in octets.iter_mut().rev().zip(host) {
                    *octet = decimal_octet(label)?;
                }
                Some(IpAddr::V4(Ipv4Addr::from(octets)))
            }
            [host @ .., b"ip6", b"arpa"] if host.len() == 32 => {
                let mut bits = 0_u128;
                for label in host.iter().rev() {
                    let [digit] = label else { return None };
                    bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
                }
                Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
            }
            _ => None,
        }
    }

    /// Whether this is a name of addresses, in `in-addr.arpa` or `ip6.arpa`. Not every name under `arpa` is one:
    /// `home.arpa` (RFC 8375) is a domain of hosts.
    #[must_use]
    pub fn is_reverse(&self) -> bool {
        [&b"\x07in-addr\x04arpa\x00"[..], b"\x03ip6\x04arpa\x00"].iter().any(|tail| {
            let start = self.0.len().checked_sub(tail.len());
            start.is_some_and(|start| self.0[start..] == **tail && self.label_starts_at(start))
        })
    }
}

/// The name that [`Fqdn::reverse`] makes of an IPv4 address, in wire form and without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct ReverseName {
    /// Four labels of three digits at most, and 14 octets behind them.
    wire: [u8; 30],
    length: usize,
}

impl ReverseName {
    /// That of this address.
    #[must_use]
    pub fn of(address: Ipv4Addr) -> Self {
        let (mut wire, mut length) = ([0; 30], 0);
        let mut push = |octets: &[u8]| {
            if let Some(place) = wire.get_mut(length..length + octets.len()) {
                place.copy_from_slice(octets);
                length += octets.len();
            }
        };
        for octet in address.octets().into_iter().rev() {
            let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
            match octet {
                100.. => push(&[3, hundreds, tens, ones]),
                10.. => push(&[2, tens, ones]),
                _ => push(&[1, ones]),
            }
        }
        push(b"\x07in-addr\x04arpa\x00");
        Self { wire, length }
    }
}

impl Deref for ReverseName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.wire[..self.length]
    }
}

/// A decimal octet as it stands in a reverse name: no leading zero, at most 255.
fn decimal_octet(label: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(label).ok()?;
    let octet: u8 = text.parse().ok()?;
    (octet.to_string() == text).then_some(octet)
}
