//! DHCP messages of the load generator, written and read by hand: no code is shared with what is tested.

use std::net::Ipv4Addr;

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;
pub(crate) const RELEASE: u8 = 7;
pub(crate) const INFORM: u8 = 8;

/// What a client says, before it is put on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) hardware: [u8; 6],
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) requested: Option<Ipv4Addr>,
    pub(crate) server: Option<Ipv4Addr>,
    /// Option 61.
    pub(crate) client_id: Option<Vec<u8>>,
    /// Option 12.
    pub(crate) hostname: Option<String>,
    /// Option 81 with S=1 and E=1, as a full name.
    pub(crate) fqdn: Option<String>,
}

impl Said {
    /// A message without addresses or names.
    pub(crate) fn new(kind: u8, xid: u32, hardware: [u8; 6]) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        Self {
            kind,
            xid,
            hardware,
            ciaddr: none,
            giaddr: none,
            requested: None,
            server: None,
            client_id: None,
            hostname: None,
            fqdn: None,
        }
    }

    /// As RFC 2131 section 2 draws it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let hops = u8::from(!self.giaddr.is_unspecified());
        let mut out = vec![1, 1, 6, hops];
        out.extend(self.xid.to_be_bytes());
        out.extend([0; 4]);
        for address in [self.ciaddr, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            out.extend(address.octets());
        }
        out.extend(self.hardware);
        out.resize(236, 0);
        out.extend([99, 130, 83, 99, 53, 1, self.kind]);
        for (code, address) in [(50, self.requested), (54, self.server)] {
            if let Some(address) = address {
                out.extend([code, 4]);
                out.extend(address.octets());
            }
        }
        if let Some(id) = &self.client_id {
            push(&mut out, 61, id);
        }
        if let Some(name) = &self.hostname {
            push(&mut out, 12, name.as_bytes());
        }
        if let Some(name) = &self.fqdn {
            let mut data = vec![0b0101, 0, 0];
            for label in name.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label.as_bytes());
            }
            data.push(0);
            push(&mut out, 81, &data);
        }
        if self.kind != RELEASE {
            out.extend([55, 6, 1, 3, 6, 15, 51, 54]);
        }
        out.push(255);
        // The least that RFC 951 lets a BOOTP message be.
        out.resize(out.len().max(300), 0);
        out
    }
}

fn push(out: &mut Vec<u8>, code: u8, data: &[u8]) {
    out.extend([code, u8::try_from(data.len()).unwrap()]);
    out.extend(data);
}

/// What a server says, as far as the load generator reads it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
    pub(crate) lease_secs: u32,
    /// Option 81: its flags.
    pub(crate) fqdn_flags: Option<u8>,
}

impl Heard {
    /// `None` for what is no reply.
    pub(crate) fn decode(data: &[u8]) -> Option<Self> {
        if *data.first()? != 2 || data.get(236..240)? != [99, 130, 83, 99] {
            return None;
        }
        let word = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let mut heard = Self {
            kind: 0,
            xid: word(4)?,
            yiaddr: Ipv4Addr::from(word(16)?),
            server: Ipv4Addr::UNSPECIFIED,
            lease_secs: 0,
            fqdn_flags: None,
        };
        let mut at = 240;
        while let Some(&code) = data.get(at) {
            match code {
                0 => at += 1,
                255 => break,
                _ => {
                    let length = usize::from(*data.get(at + 1)?);
                    match (code, length) {
                        (53, 1) => heard.kind = *data.get(at + 2)?,
                        (81, 3..) => heard.fqdn_flags = data.get(at + 2).copied(),
                        (51, 4) => heard.lease_secs = word(at + 2)?,
                        (54, 4) => heard.server = Ipv4Addr::from(word(at + 2)?),
                        _ => {}
                    }
                    at += 2 + length;
                }
            }
        }
        Some(heard)
    }
}
