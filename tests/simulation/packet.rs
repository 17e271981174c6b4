//! DHCP messages as a client writes and reads them: apart from the server's codec on purpose.

use std::net::Ipv4Addr;

#[derive(Clone, Debug, Default)]
pub(crate) struct Packet {
    pub(crate) op: u8,
    pub(crate) xid: u32,
    pub(crate) ciaddr: u32,
    pub(crate) yiaddr: u32,
    pub(crate) giaddr: u32,
    pub(crate) broadcast: bool,
    pub(crate) mac: [u8; 6],
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const DECLINE: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;
pub(crate) const RELEASE: u8 = 7;
pub(crate) const INFORM: u8 = 8;

impl Packet {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.op, 1, 6, 0];
        out.extend(self.xid.to_be_bytes());
        out.extend([0, 0, if self.broadcast { 0x80 } else { 0 }, 0]);
        for address in [self.ciaddr, self.yiaddr, 0, self.giaddr] {
            out.extend(address.to_be_bytes());
        }
        out.extend(self.mac);
        out.resize(236, 0);
        out.extend([99, 130, 83, 99]);
        for (code, data) in &self.options {
            out.push(*code);
            out.push(u8::try_from(data.len()).unwrap());
            out.extend(data);
        }
        out.push(255);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let mut packet = Self {
            op: *bytes.first()?,
            xid: word(4)?,
            ciaddr: word(12)?,
            yiaddr: word(16)?,
            giaddr: word(24)?,
            broadcast: bytes.get(10)? & 0x80 != 0,
            mac: bytes.get(28..34)?.try_into().ok()?,
            options: Vec::new(),
        };
        let mut at = 240;
        while let Some(&code) = bytes.get(at) {
            match code {
                0 => at += 1,
                255 => break,
                _ => {
                    let len = usize::from(*bytes.get(at + 1)?);
                    packet.options.push((code, bytes.get(at + 2..at + 2 + len)?.to_vec()));
                    at += 2 + len;
                }
            }
        }
        Some(packet)
    }

    pub(crate) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(c, _)| *c == code).map(|(_, data)| data.as_slice())
    }

    pub(crate) fn kind(&self) -> u8 {
        self.option(53).and_then(|data| data.first().copied()).unwrap_or(0)
    }

    pub(crate) fn word(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(code)?.try_into().ok()?))
    }

    pub(crate) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.word(code).map(Ipv4Addr::from)
    }
}
