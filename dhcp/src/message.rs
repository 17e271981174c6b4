//! One datagram, read tolerantly over dhcproto's borrowed view. One malformed option costs that option.

use std::net::Ipv4Addr;

use crate::identity::{ClientId, HardwareAddress};

/// Option 53 (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 table 2")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

/// A client's message. Borrowed from the datagram but for options that RFC 3396 had to join.
///
/// The header fields are those of RFC 2131 section 2. An option that was absent or malformed is `None`
/// (or empty); `malformed` tells which were.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    pub hops: u8,
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hardware: HardwareAddress,
    /// Every option after joining (RFC 3396), in order of first appearance.
    pub options: Options<'a>,
    pub requested_ip_address: Option<Ipv4Addr>,
    pub server_identifier: Option<Ipv4Addr>,
    pub lease_secs: Option<u32>,
    /// Option 55, as sent; empty for none.
    pub parameter_request_list: &'a [u8],
    /// Option 57; `None` when absent or under 576.
    pub maximum_message_size: Option<u16>,
    pub client_id: Option<ClientId>,
    /// Codes of options that were malformed and ignored.
    pub malformed: Vec<u8>,
}

/// The options of a message, joined after RFC 3396 across overload (52): options, then file, then sname.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    entries: Vec<(u8, std::borrow::Cow<'a, [u8]>)>,
}

/// Why a datagram was dropped. Counted by kind; never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "grown by the decoder and the engine, each with a doc where it is not plain")]
pub enum DropReason {
    Truncated,
    BadMagicCookie,
    NotARequest,
    HardwareAddressTooLong,
    NoMessageType,
    /// OFFER, ACK or NAK, which only servers send.
    ServerMessage,
}

impl<'a> Message<'a> {
    /// Reads a datagram (UDP payload).
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let _ = datagram;
        unimplemented!()
    }
}

impl<'a> Options<'a> {
    /// The data of an option, joined.
    #[must_use]
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        self.entries.iter().find(|(c, _)| *c == code).map(|(_, data)| &**data)
    }
}
