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

/// Messages of relayed clients that differ in number, xid and address only.
#[derive(Debug)]
pub(crate) struct Template {
    start: Vec<u8>,
    /// Options but 50, 53 and 54, END included.
    options: Vec<u8>,
    /// Where the digits of the name begin in `options`; `None`: no name.
    digits: Option<usize>,
    /// Which subnet a client is in, and where the address that says so begins in `options`.
    place: Option<(Place, usize)>,
}

/// Clients take turns in so many subnets, 10.65.0.0/24 and on, as their relay says by link selection (RFC 3527); they
/// are behind a switch's port, and of a vendor class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) subnets: u32,
}

/// Digits of a client's name.
const DIGITS: usize = 9;

impl Template {
    /// Clients behind the relay `giaddr`, with names `c000000001.domain` in option 81 if there is a domain.
    pub(crate) fn new(giaddr: Ipv4Addr, domain: Option<&str>, place: Option<Place>) -> anyhow::Result<Self> {
        let mut start = vec![1, 1, 6, 1];
        start.resize(24, 0);
        start.extend(giaddr.octets());
        start.extend([2, 0]);
        start.resize(236, 0);
        start.extend([99, 130, 83, 99]);
        let mut options = Vec::new();
        let mut digits = None;
        if let Some(domain) = domain {
            let name: Fqdn = format!("c{:0DIGITS$}.{domain}", 0).parse()?;
            let wire = name.as_wire();
            // S=1 (the server writes A), E=1 (the name in wire form).
            options.extend([81, u8::try_from(wire.len() + 3)?, 0b0101, 0, 0]);
            digits = Some(options.len() + 2);
            options.extend(wire);
        }
        options.extend([55, 4, 1, 3, 6, 51]);
        let place = place.map(|place| {
            for (code, text) in [(60, "vendor-000 of this client"), (12, "host-in-room-07-b")] {
                options.extend([code, text.len() as u8]);
                options.extend(text.as_bytes());
            }
            options.extend([82, 24, 1, 10]);
            options.extend(b"port-00001");
            options.extend([2, 4, 1, 2, 3, 4, 5, 4]);
            let at = options.len();
            options.extend([0; 4]);
            (place, at)
        });
        options.push(255);
        Ok(Self { start, options, digits, place })
    }

    pub(crate) fn discover(&self, xid: u32, client: u32) -> Vec<u8> {
        self.message(xid, client, None, &[53, 1, 1])
    }

    pub(crate) fn select(&self, xid: u32, client: u32, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let mut own = vec![53, 1, 3, 50, 4];
        own.extend(address.octets());
        own.extend([54, 4]);
        own.extend(server.octets());
        self.message(xid, client, None, &own)
    }

    pub(crate) fn renew(&self, xid: u32, client: u32, address: Ipv4Addr) -> Vec<u8> {
        self.message(xid, client, Some(address), &[53, 1, 3])
    }

    pub(crate) fn release(&self, xid: u32, client: u32, address: Ipv4Addr, server: Ipv4Addr) -> Vec<u8> {
        let mut own = vec![53, 1, 7, 54, 4];
        own.extend(server.octets());
        self.message(xid, client, Some(address), &own)
    }

    fn message(&self, xid: u32, client: u32, ciaddr: Option<Ipv4Addr>, own: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(320);
        out.extend(&self.start);
        out[4..8].copy_from_slice(&xid.to_be_bytes());
        out[30..34].copy_from_slice(&client.to_be_bytes());
        if let Some(ciaddr) = ciaddr {
            out[12..16].copy_from_slice(&ciaddr.octets());
        }
        out.extend(own);
        let at = out.len();
        out.extend(&self.options);
        if let Some(digits) = self.digits {
            let mut rest = client;
            for place in (0..DIGITS).rev() {
                // One decimal digit.
                out[at + digits + place] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        if let Some((Place { subnets }, within)) = self.place {
            let subnet = 0x0A41_0000 + ((client % subnets) << 8);
            out[at + within..][..4].copy_from_slice(&subnet.to_be_bytes());
        }
        out.resize(out.len().max(300), 0);
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
