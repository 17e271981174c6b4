//! A reply as bytes: request-list order, RFC 3396 splitting, maximum message size, overload.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use dns::Bytes;

use crate::identity::HardwareAddress;
use crate::message::{MAGIC_COOKIE, Message, MessageType};
use crate::options::{self, OptionList, code};

mod layout;

use layout::{Piece, append, bytes_of};

/// A reply, decided but not yet bytes. Header fields as in RFC 2131 table 3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 section 2")]
pub struct Reply {
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    /// The flags field's broadcast bit as it is sent; a relayed NAK has it set in any case.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub hardware: HardwareAddress,
    /// At most 63 bytes of it are sent; when it is not empty, the field takes no options.
    pub sname: Box<str>,
    /// At most 127 bytes of it are sent; when it is not empty, the field takes no options.
    pub file: Box<str>,
    /// Option 54.
    pub server_identifier: Ipv4Addr,
    /// Options to send but 53 and 54, in the order in which they are to stand; what does not fit is dropped
    /// from the end, but never those in `required`. Option 82 is kept apart because it is always last.
    pub options: OptionList,
    /// Codes that must not be dropped for want of room (51, 61, 58, 59, ...).
    pub required: Cow<'static, [u8]>,
    /// Option 82 as it came; empty for none (RFC 3046: echoed verbatim, last).
    pub relay_agent_info: Bytes,
    /// The most the client takes, in bytes of the IP datagram (option 57); 576 when it did not say.
    pub maximum_message_size: u16,
    /// How long it is to wait before it is sent, in milliseconds; not a part of the message.
    pub delay_ms: u32,
}

/// Bytes of the IP and UDP headers, which option 57 counts as well.
const IP_AND_UDP_HEADERS: usize = 28;
/// The most that is sent, whatever a client says it takes: an Ethernet frame's worth. Clients that have no
/// address yet read frames by themselves, and put no fragments together.
const DATAGRAM_BYTES_MAX: u16 = 1500;
/// The IP datagram of a BOOTP message with the vendor area of RFC 951, which has 64 bytes.
pub const BOOTP_MESSAGE_SIZE: u16 = 328;
/// RFC 1542 section 2.1: a BOOTP message has 300 bytes at least; some relays and clients drop shorter ones.
const PAYLOAD_BYTES_MIN: usize = 300;
/// The header and the magic cookie.
const HEADER_BYTES: usize = 240;
const SNAME_BYTES: usize = 64;
const FILE_BYTES: usize = 128;
/// Options 53 and 54, and the END of the options field.
const FIXED_BYTES: usize = 3 + 6 + 1;
/// Option 52.
const OVERLOAD_BYTES: usize = 3;

impl Reply {
    /// A reply to `request` without options and addresses: what RFC 2131 table 3 says is copied is copied, and
    /// so are option 82 and what option 57 says. `ciaddr` is copied into an ACK alone.
    #[must_use]
    pub fn answering(request: &Message<'_>, message_type: MessageType, server_identifier: Ipv4Addr) -> Self {
        let is_ack = message_type == MessageType::Ack;
        Self {
            message_type,
            xid: request.xid,
            secs: 0,
            broadcast: request.broadcast,
            ciaddr: if is_ack { request.ciaddr } else { Ipv4Addr::UNSPECIFIED },
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: request.giaddr,
            hardware: request.hardware,
            sname: Box::default(),
            file: Box::default(),
            server_identifier,
            options: OptionList::default(),
            required: Cow::Borrowed(&[]),
            relay_agent_info: request.relay_agent_info().0.into(),
            maximum_message_size: request.maximum_message_size.unwrap_or(options::MINIMUM_MESSAGE_SIZE),
            delay_ms: 0,
        }
    }

    /// Appends the UDP payload to `out`: at least 300 bytes (BOOTP), at most `maximum_message_size - 28`, and
    /// never more than 1,472, which an Ethernet frame holds. A `maximum_message_size` under 576 counts as 576.
    ///
    /// Returns the codes of options that did not fit: from the end of those that are not `required`; only when
    /// no such is left, option 82, then the last of the required ones. 53 and 54 always fit.
    pub fn encode(&self, out: &mut Vec<u8>) -> Vec<u8> {
        if self.message_type == MessageType::Bootp {
            return self.encode_bootp(out);
        }
        let start = out.len();
        let limit = self.maximum_message_size.clamp(options::MINIMUM_MESSAGE_SIZE, DATAGRAM_BYTES_MAX);
        let payload = usize::from(limit) - IP_AND_UDP_HEADERS;
        let room = payload - HEADER_BYTES - FIXED_BYTES;
        self.encode_header(out);

        let fits = |whole: usize| whole + self.echo_bytes() <= room;
        let whole = || self.options.iter().map(|(_, data)| bytes_of(data)).sum();
        let dropped = if let Some(sent) = self.options.as_sent().filter(|sent| fits(sent.len())) {
            self.encode_fixed(out, 0);
            out.extend_from_slice(sent);
            self.encode_echo(out, true);
            Vec::new()
        } else if fits(whole()) {
            self.encode_fixed(out, 0);
            self.options.iter().for_each(|(code, data)| append(code, data, out));
            self.encode_echo(out, true);
            Vec::new()
        } else {
            let (fields, dropped) = layout::fit(self, room);
            self.encode_fixed(out, fields.overload());
            fields.options().for_each(|piece| piece.encode(out));
            self.encode_echo(out, !dropped.contains(&RELAY));
            encode_field(&mut out[start + 108..][..FILE_BYTES], fields.file());
            encode_field(&mut out[start + 44..][..SNAME_BYTES], fields.sname());
            dropped
        };
        out.resize(out.len().max(start + PAYLOAD_BYTES_MIN), code::PAD);
        dropped
    }

    /// A BOOTREPLY: its options stand in the vendor area alone, without those of DHCP; what does not fit is left out.
    fn encode_bootp(&self, out: &mut Vec<u8>) -> Vec<u8> {
        let start = out.len();
        let limit = self.maximum_message_size.clamp(BOOTP_MESSAGE_SIZE, DATAGRAM_BYTES_MAX);
        let mut room = usize::from(limit) - IP_AND_UDP_HEADERS - HEADER_BYTES - 1;
        let mut dropped = Vec::new();
        self.encode_header(out);
        let echo = Some((RELAY, &*self.relay_agent_info)).filter(|(_, data)| !data.is_empty());
        for (code, data) in self.options.iter().chain(echo) {
            match room.checked_sub(bytes_of(data)) {
                Some(left) => {
                    room = left;
                    append(code, data, out);
                }
                None => dropped.push(code),
            }
        }
        out.push(code::END);
        out.resize(out.len().max(start + PAYLOAD_BYTES_MIN), code::PAD);
        dropped
    }

    /// The 236 bytes of RFC 2131 section 2, and the magic cookie.
    fn encode_header(&self, out: &mut Vec<u8>) {
        let address = self.hardware.as_bytes();
        // At most 16, by its type.
        let hlen = u8::try_from(address.len()).unwrap_or(16);
        // RFC 2131 section 4.3.2: "If 'giaddr' is set in the DHCPREQUEST message, the client is on a different
        // subnet. The server MUST set the broadcast bit in the DHCPNAK, so that the relay agent will broadcast
        // the DHCPNAK to the client, because the client may not have a correct network address or subnet mask".
        let relayed_nak = self.message_type == MessageType::Nak && !self.giaddr.is_unspecified();
        let flags: u16 = if self.broadcast || relayed_nak { 0x8000 } else { 0 };
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        let header = &mut out[start..];
        header[..4].copy_from_slice(&[2, self.hardware.htype, hlen, 0]);
        header[4..8].copy_from_slice(&self.xid.to_be_bytes());
        header[8..10].copy_from_slice(&self.secs.to_be_bytes());
        header[10..12].copy_from_slice(&flags.to_be_bytes());
        header[12..16].copy_from_slice(&self.ciaddr.octets());
        header[16..20].copy_from_slice(&self.yiaddr.octets());
        header[20..24].copy_from_slice(&self.siaddr.octets());
        header[24..28].copy_from_slice(&self.giaddr.octets());
        header[28..28 + address.len()].copy_from_slice(address);
        // RFC 2131 section 2: a "null terminated string".
        for (at, text, bytes) in [(44, &self.sname, SNAME_BYTES), (108, &self.file, FILE_BYTES)] {
            if !text.is_empty() {
                let text = &text.as_bytes()[..text.len().min(bytes - 1)];
                header[at..at + text.len()].copy_from_slice(text);
            }
        }
        header[236..].copy_from_slice(&MAGIC_COOKIE);
    }

    /// The options field begins with the message type, overload and the server identifier.
    fn encode_fixed(&self, out: &mut Vec<u8>, overload: u8) {
        out.extend_from_slice(&[code::DHCP_MESSAGE_TYPE, 1, self.message_type as u8]);
        if overload != 0 {
            out.extend_from_slice(&[code::OPTION_OVERLOAD, 1, overload]);
        }
        let [a, b, c, d] = self.server_identifier.octets();
        out.extend_from_slice(&[code::SERVER_IDENTIFIER, 4, a, b, c, d]);
    }

    /// And it ends with option 82 and END.
    fn encode_echo(&self, out: &mut Vec<u8>, echo_relay_agent_info: bool) {
        // RFC 3046 section 2.2: "Servers SHOULD copy the Relay Agent Information option as the last DHCP option in
        // the response. Servers SHALL NOT place the echoed Relay Agent Information option in the overloaded sname
        // or file fields."
        if echo_relay_agent_info && !self.relay_agent_info.is_empty() {
            append(RELAY, &self.relay_agent_info, out);
        }
        out.push(code::END);
    }

    /// What option 82 takes; nothing when there is none to echo.
    fn echo_bytes(&self) -> usize {
        if self.relay_agent_info.is_empty() { 0 } else { bytes_of(&self.relay_agent_info) }
    }
}

const RELAY: u8 = code::RELAY_AGENT_INFORMATION;

/// `file` or `sname` as a field of options. RFC 2131 section 4.1: "The options in the 'sname' and 'file' fields [...]
/// MUST begin with the first octet of the field, MUST be terminated by an 'end' option, and MUST be followed by 'pad'
/// options to fill the remainder of the field." It is empty yet, so that the padding is there; a field that holds a name gets no options.
fn encode_field<'p>(field: &mut [u8], pieces: impl Iterator<Item = Piece<'p>>) {
    let mut bytes = Vec::with_capacity(field.len());
    pieces.for_each(|piece| piece.encode(&mut bytes));
    if bytes.is_empty() {
        return;
    }
    bytes.push(code::END);
    // The layout never gives a field more than it holds.
    if let Some(start) = field.get_mut(..bytes.len()) {
        start.copy_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests;
