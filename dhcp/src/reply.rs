//! A reply as bytes: request-list order, RFC 3396 splitting, maximum message size, overload.

use std::net::Ipv4Addr;

use crate::identity::HardwareAddress;
use crate::message::MessageType;

/// A reply, decided but not yet bytes. Header fields as in RFC 2131 table 3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 section 2")]
pub struct Reply {
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    /// The flags field's broadcast bit as it is sent.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hardware: HardwareAddress,
    /// Option 54.
    pub server_identifier: Ipv4Addr,
    /// Options to send but 53 and 54, in the order in which they are to stand; what does not fit is dropped
    /// from the end, but never those in `required`. Option 82 is kept apart because it is always last.
    pub options: Vec<(u8, Box<[u8]>)>,
    /// Codes that must not be dropped for want of room (51, 61, 58, 59, ...).
    pub required: Vec<u8>,
    /// Option 82 as it came; empty for none (RFC 3046: echoed verbatim, last).
    pub relay_agent_info: Box<[u8]>,
    /// The most the client takes, in bytes of the IP datagram (option 57); 576 when it did not say.
    pub maximum_message_size: u16,
}

impl Reply {
    /// Appends the UDP payload to `out`: at least 300 bytes (BOOTP), at most `maximum_message_size - 28`.
    /// Returns the codes of options that did not fit.
    pub fn encode(&self, out: &mut Vec<u8>) -> Vec<u8> {
        let _ = out;
        unimplemented!()
    }
}
