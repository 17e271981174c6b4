//! DHCP and DNS messages as a client writes and reads them.

use std::net::Ipv4Addr;

use dns::Fqdn;

/// A relayed client: its number makes its hardware address and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) number: u32,
    pub(crate) giaddr: Ipv4Addr,
    /// The full name in option 81.
    pub(crate) name: &'a Fqdn,
}

pub(crate) const OFFER: u8 = 2;
pub(crate) const ACK: u8 = 5;

impl Client<'_> {
    /// DISCOVER, or REQUEST for an offer of `server`.
    pub(crate) fn message(&self, offer: Option<(Ipv4Addr, Ipv4Addr)>) -> Vec<u8> {
        let mut out = vec![1, 1, 6, 1];
        out.extend(self.number.to_be_bytes());
        out.resize(24, 0);
        out.extend(self.giaddr.octets());
        out.extend([2, 0]);
        out.extend(self.number.to_be_bytes());
        out.resize(236, 0);
        out.extend([99, 130, 83, 99]);
        out.extend([53, 1, if offer.is_some() { 3 } else { 1 }]);
        if let Some((address, server)) = offer {
            out.extend([50, 4]);
            out.extend(address.octets());
            out.extend([54, 4]);
            out.extend(server.octets());
        }
        // S=1 (the server writes A), E=1 (the name in wire form).
        let wire = self.name.as_wire();
        out.extend([81, u8::try_from(wire.len() + 3).unwrap_or(u8::MAX), 0b0101, 0, 0]);
        out.extend(wire);
        out.extend([55, 4, 1, 3, 6, 51, 255]);
        out
    }
}

/// A reply's xid, type, yiaddr and server identifier.
pub(crate) fn read_reply(bytes: &[u8]) -> Option<(u32, u8, Ipv4Addr, Ipv4Addr)> {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (mut kind, mut server) = (0, Ipv4Addr::UNSPECIFIED);
    let mut at = 240;
    while let Some(&code) = bytes.get(at) {
        if code == 255 {
            break;
        }
        if code == 0 {
            at += 1;
            continue;
        }
        let len = usize::from(*bytes.get(at + 1)?);
        match code {
            53 => kind = *bytes.get(at + 2)?,
            54 => server = Ipv4Addr::from(word(at + 2)?),
            _ => {}
        }
        at += 2 + len;
    }
    Some((word(4)?, kind, Ipv4Addr::from(word(16)?), server))
}

/// A question for the A record of `name`.
pub(crate) fn query(id: u16, name: &Fqdn) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend(name.as_wire());
    out.extend([0, 1, 0, 1]);
    out
}

/// Whether an answer to question `id` holds a record.
pub(crate) fn is_answered(id: u16, bytes: &[u8]) -> bool {
    bytes.get(..2) == Some(&id.to_be_bytes()[..]) && bytes.get(6..8).is_some_and(|count| count != [0, 0])
}
