//! What a server answers in a scenario, as bytes, field by field.

use std::net::Ipv4Addr;

use dhcp::client::ServerMessage;
use dhcp::decision::Decision;
use dhcp::destination::Destination;
use dhcp::message::MessageType;
use dhcp::reply::Reply;

use super::value;
use crate::network::kinds;

/// A reply as it goes out.
pub(super) struct Heard {
    datagram: Vec<u8>,
    to: String,
}

/// `OFFER 192.168.30.100`, `NAK`, `silence: no_free_address`, `Released 192.168.30.100`.
pub(super) fn outcome(decision: &Decision) -> String {
    match (&decision.reply, decision.dropped) {
        (Some((reply, _)), _) if reply.message_type == MessageType::Nak => "NAK".into(),
        (Some((reply, _)), _) => format!("{} {}", reply.message_type, reply.yiaddr),
        (None, Some(reason)) => format!("silence: {}", reason.label()),
        (None, None) => kinds(decision).iter().map(|(kind, address)| format!("{kind:?} {address}")).collect(),
    }
}

impl Heard {
    pub(super) fn new(reply: &Reply, to: Destination) -> Self {
        let to = match to {
            Destination::Relay { address, port } => format!("relay {address}:{port}"),
            Destination::Client(address) => format!("unicast {address}"),
            Destination::Frame { yiaddr, hardware } => format!("frame {yiaddr} at {hardware}"),
            Destination::Broadcast => "broadcast".into(),
        };
        let mut datagram = Vec::new();
        reply.encode(&mut datagram);
        Self { datagram, to }
    }

    /// Whether `field` is as it is told; the error is what it is.
    pub(super) fn check(&self, field: &str, told: &str) -> Result<(), String> {
        let words: Vec<&str> = field.split_whitespace().collect();
        let is = match words[..] {
            ["option", code] => return self.check_option(code.parse().map_err(|_| "not a code")?, told),
            ["order"] => self.order(),
            [field] => self.header(field).ok_or_else(|| format!("no such field: {field}"))?,
            _ => return Err("no such field".into()),
        };
        if is == told { Ok(()) } else { Err(is) }
    }

    fn check_option(&self, code: u8, told: &str) -> Result<(), String> {
        let message = self.message();
        match (message.options.get(code), told) {
            (None, "absent") | (Some(_), "there") => Ok(()),
            (None, _) => Err("absent".into()),
            (Some(data), "absent") => Err(value::write(data, told)),
            (Some(data), _) if data == value::read(told)? => Ok(()),
            (Some(data), _) => Err(value::write(data, told)),
        }
    }

    fn message(&self) -> ServerMessage<'_> {
        ServerMessage::parse(&self.datagram).expect("a reply can be read")
    }

    /// The codes of the options as they stand, but for 53 and 54, which every reply has in front.
    fn order(&self) -> String {
        let message = self.message();
        let codes = message.options.iter().map(|(code, _)| code).filter(|code| ![53, 54].contains(code));
        codes.map(|code| code.to_string()).collect::<Vec<_>>().join(" ")
    }

    /// A field of RFC 2131 section 2, read at its place in the datagram.
    fn header(&self, field: &str) -> Option<String> {
        let at = |range: std::ops::Range<usize>| &self.datagram[range];
        let address = |start: usize| {
            let octets: [u8; 4] = at(start..start + 4).try_into().expect("four bytes");
            Ipv4Addr::from(octets).to_string()
        };
        let text = |range| {
            let bytes: &[u8] = at(range);
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            if end == 0 { "empty".to_owned() } else { format!("\"{}\"", bytes[..end].escape_ascii()) }
        };
        let flags = u16::from_be_bytes([self.datagram[10], self.datagram[11]]);
        Some(match field {
            "op" => self.datagram[0].to_string(),
            "htype" => self.datagram[1].to_string(),
            "hlen" => self.datagram[2].to_string(),
            "hops" => self.datagram[3].to_string(),
            "xid" => u32::from_be_bytes(at(4..8).try_into().expect("four bytes")).to_string(),
            "secs" => u16::from_be_bytes([self.datagram[8], self.datagram[9]]).to_string(),
            "flags" if flags == 0x8000 => "broadcast".into(),
            "flags" => flags.to_string(),
            "ciaddr" => address(12),
            "yiaddr" => address(16),
            "siaddr" => address(20),
            "giaddr" => address(24),
            "chaddr" => self.message().hardware.to_string(),
            "sname" => text(44..108),
            "file" => text(108..236),
            "to" => self.to.clone(),
            _ => return None,
        })
    }
}
