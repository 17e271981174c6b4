//! The client's side of the protocol: what the demonstration and the question whether another server answers
//! here send and read.

use std::net::Ipv4Addr;

use dhcproto::v4::Opcode;

use crate::identity::HardwareAddress;
use crate::message::{DropReason, MAGIC_COOKIE, MessageType, Options, read_header};
use crate::options::{code, read_specified_address, read_u32};

/// A message from a client, or from a relay on its behalf. Header fields as in RFC 2131 table 5.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 section 2")]
pub struct ClientMessage {
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    pub hops: u8,
    /// The flags field's broadcast bit.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hardware: HardwareAddress,
    /// Options but 53, in the order in which they are to stand; each at most 255 bytes, and cut there.
    pub options: Vec<(u8, Box<[u8]>)>,
}

impl ClientMessage {
    /// A message without options, addresses and relay.
    #[must_use]
    pub fn new(message_type: MessageType, xid: u32, hardware: HardwareAddress) -> Self {
        Self {
            message_type,
            xid,
            secs: 0,
            hops: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            hardware,
            options: Vec::new(),
        }
    }

    /// The same with one more option.
    #[must_use]
    pub fn with(mut self, code: u8, data: impl Into<Box<[u8]>>) -> Self {
        self.options.push((code, data.into()));
        self
    }

    /// Appends the UDP payload to `out`: 300 bytes at least (RFC 1542 section 2.1).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let address = self.hardware.as_bytes();
        let hlen = u8::try_from(address.len()).unwrap_or(16);
        let flags: u16 = if self.broadcast { 0x8000 } else { 0 };
        out.extend_from_slice(&[1, self.hardware.htype, hlen, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        for field in [self.ciaddr, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            out.extend_from_slice(&field.octets());
        }
        out.extend_from_slice(address);
        out.resize(start + 236, 0);
        out.extend_from_slice(&MAGIC_COOKIE);
        if self.message_type != MessageType::Bootp {
            out.extend_from_slice(&[code::DHCP_MESSAGE_TYPE, 1, self.message_type as u8]);
        }
        for (code, data) in &self.options {
            let len = u8::try_from(data.len()).unwrap_or(u8::MAX);
            out.extend_from_slice(&[*code, len]);
            out.extend_from_slice(&data[..usize::from(len)]);
        }
        out.push(code::END);
        out.resize(out.len().max(start + 300), code::PAD);
    }
}

/// A server's message, read as tolerantly as [`crate::message::Message`].
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 section 2")]
pub struct ServerMessage<'a> {
    /// Option 53: OFFER, ACK or NAK from a server that keeps the rules.
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    /// The broadcast bit of `flags`.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hardware: HardwareAddress,
    /// Every option after joining (RFC 3396), in order of first appearance.
    pub options: Options<'a>,
    /// Codes of options that were cut off and ignored.
    pub malformed: Vec<u8>,
}

impl<'a> ServerMessage<'a> {
    /// Reads a datagram (UDP payload).
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let (header, hardware) = read_header(datagram)?;
        if header.opcode() != Opcode::BootReply {
            return Err(DropReason::NotAReply);
        }
        let mut malformed = Vec::new();
        let options = Options::collect(datagram, &mut malformed);
        Ok(Self {
            message_type: options.message_type(&mut malformed)?,
            xid: header.xid(),
            secs: header.secs(),
            broadcast: header.flags().broadcast(),
            ciaddr: header.ciaddr(),
            yiaddr: header.yiaddr(),
            siaddr: header.siaddr(),
            giaddr: header.giaddr(),
            hardware,
            options,
            malformed,
        })
    }

    /// Option 54.
    #[must_use]
    pub fn server_identifier(&self) -> Option<Ipv4Addr> {
        self.options.get(code::SERVER_IDENTIFIER).and_then(read_specified_address)
    }

    /// Option 51, in seconds.
    #[must_use]
    pub fn lease_secs(&self) -> Option<u32> {
        self.options.get(code::IP_ADDRESS_LEASE_TIME).and_then(read_u32)
    }
}
