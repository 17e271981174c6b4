//! Bulk leasequery (RFC 6926): messages in a TCP stream.
//!
//! Each message has its length before it, two bytes (section 6.1). What a requester sends is read by [`Frames`] and
//! [`BulkQuery::parse`]; what it is answered is written by [`found`], [`unknown`] and [`done`].

use std::net::Ipv4Addr;

use dhcproto::v4::Opcode;

use super::{Binding, Query, query};
use crate::identity::HardwareAddress;
use crate::message::{MAGIC_COOKIE, MessageType, Options, read_header};
use crate::options::{code, read_u32, seconds};

/// The longest message that is taken: a query has a header and a few options.
pub const QUERY_BYTES_MAX: usize = 4_096;

/// Why a stream cannot be read on: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Longer than [`QUERY_BYTES_MAX`], or shorter than a header.
    #[error("a message of {0} bytes is no query")]
    Length(usize),
    /// Not a BOOTREQUEST with the magic cookie.
    #[error("the message is not one of DHCP")]
    NotDhcp,
    /// Another message type than 14.
    #[error("the message is not a BULKLEASEQUERY")]
    NotAQuery,
}

/// Takes bytes as they come, and gives whole messages. Holds at most one, of [`QUERY_BYTES_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Takes as many bytes as belong to the message at hand, at least one of a stream that is not empty; how many.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = self.missing().min(bytes.len());
        self.held.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// The message, when it is whole: it is gone from here then.
    ///
    /// # Errors
    /// Its length is none that a query has.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        let Some(len) = self.len() else { return Ok(None) };
        if !(HEADER_BYTES..=QUERY_BYTES_MAX).contains(&len) {
            return Err(StreamError::Length(len));
        }
        if self.held.len() < len + LENGTH_BYTES {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.held);
        message.drain(..LENGTH_BYTES);
        Ok(Some(message))
    }

    /// How many bytes are missing until the length, or the message, is whole.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.wanted().saturating_sub(self.held.len())
    }

    fn len(&self) -> Option<usize> {
        self.held.first_chunk::<LENGTH_BYTES>().map(|len| usize::from(u16::from_be_bytes(*len)))
    }

    fn wanted(&self) -> usize {
        LENGTH_BYTES + self.len().unwrap_or(0).min(QUERY_BYTES_MAX)
    }
}

const LENGTH_BYTES: usize = 2;
const HEADER_BYTES: usize = 240;

/// Option 151 (RFC 6926 section 6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub enum StatusCode {
    Success = 0,
    UnspecFail = 1,
    QueryTerminated = 2,
    MalformedQuery = 3,
    NotAllowed = 4,
}

/// A query that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkQuery {
    /// What ties the answers to it.
    pub xid: u32,
    /// What is asked for.
    pub query: Query,
    /// Option 154: only what changed at or after this time, in UTC seconds.
    pub from: Option<u64>,
    /// Option 155: only what changed at or before this time, in UTC seconds.
    pub until: Option<u64>,
    /// Option 55; empty for none.
    pub requested: Box<[u8]>,
}

/// A query that is answered with a status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadQuery {
    /// What ties the answer to it.
    pub xid: u32,
    /// The status.
    pub status: StatusCode,
    /// The same in words.
    pub words: &'static str,
}

impl BulkQuery {
    /// Reads a message. The inner error is one that the requester is told.
    ///
    /// # Errors
    /// The stream is not one of bulk leasequery.
    pub fn parse(message: &[u8]) -> Result<Result<Self, BadQuery>, StreamError> {
        let (header, hardware) = read_header(message).map_err(|_| StreamError::NotDhcp)?;
        if header.opcode() != Opcode::BootRequest {
            return Err(StreamError::NotDhcp);
        }
        let mut malformed = Vec::new();
        let options = Options::collect(message, &mut malformed);
        match options.message_type(&mut malformed) {
            Ok(MessageType::BulkLeaseQuery) => {}
            _ => return Err(StreamError::NotAQuery),
        }
        let xid = header.xid();
        let bad = |status, words| Ok(Err(BadQuery { xid, status, words }));
        if options.contains(code::VIRTUAL_SUBNET_SELECTION) {
            return bad(StatusCode::UnspecFail, "there are no virtual networks here (option 221)");
        }
        let time = |wanted| match options.get(wanted) {
            None => Ok(None),
            Some(data) => read_u32(data).map(|secs| Some(u64::from(secs))).ok_or(()),
        };
        let (Ok(from), Ok(until)) = (time(code::QUERY_START_TIME), time(code::QUERY_END_TIME)) else {
            return bad(StatusCode::MalformedQuery, "a query time has four bytes (options 154 and 155)");
        };
        if malformed.iter().any(|code| KEYS.contains(code)) {
            return bad(StatusCode::MalformedQuery, "an option that says what is asked for is cut off");
        }
        // RFC 6926 section 7.2: one query, by one key.
        let Some(query) = query(header.ciaddr(), hardware, &options) else {
            return bad(StatusCode::MalformedQuery, "the query asks for several things at once");
        };
        let requested = options.get(code::PARAMETER_REQUEST_LIST).unwrap_or_default().into();
        Ok(Ok(Self { xid, query, from, until, requested }))
    }

    /// Whether a binding is among the answers.
    ///
    /// An address that nobody holds is told of when it is asked for itself, or among all, or among what changed.
    #[must_use]
    pub fn wants(&self, binding: &Binding) -> bool {
        let within = self.from.is_none_or(|from| binding.changed_at() >= from)
            && self.until.is_none_or(|until| binding.changed_at() <= until);
        let times = self.from.is_some() || self.until.is_some();
        within && (binding.is_active() || times || matches!(self.query, Query::All | Query::Address(_)))
    }
}

/// Options that say what is asked for.
const KEYS: [u8; 2] = [code::CLIENT_IDENTIFIER, code::RELAY_AGENT_INFORMATION];

/// Appends the answer that tells of a binding: LEASEACTIVE, or LEASEUNASSIGNED. `wall_secs` is the base time.
pub fn found(out: &mut Vec<u8>, asked: &BulkQuery, binding: &Binding, wall_secs: u64, server: Ipv4Addr) {
    let message_type = if binding.is_active() { MessageType::LeaseActive } else { MessageType::LeaseUnassigned };
    let base = u32::try_from(wall_secs).unwrap_or(u32::MAX);
    let since = u32::try_from(wall_secs.saturating_sub(binding.state_since())).unwrap_or(u32::MAX);
    let mut options = vec![
        (code::SERVER_IDENTIFIER, server.octets().into()),
        // Sections 6.2.3 and 6.2.4: relative times count from the base time.
        (code::BASE_TIME, seconds(base)),
        (code::START_TIME_OF_STATE, seconds(since)),
        (code::DHCP_STATE, [binding.state() as u8].into()),
        // Section 6.2.8: bit 0 is "remote", data that another server told; ours is our own.
        (code::DATA_SOURCE, [0].into()),
    ];
    options.extend(binding.options(wall_secs, &asked.requested, &[]));
    let relay = binding.relay_agent_info(&asked.requested);
    if !relay.is_empty() {
        options.push((code::RELAY_AGENT_INFORMATION, relay.into()));
    }
    encode(out, message_type, asked.xid, binding.lease.address, Some(&binding.lease.hardware), &options);
}

/// Appends the answer to a query by an address that is in no subnet of ours: LEASEUNKNOWN.
pub fn unknown(out: &mut Vec<u8>, asked: &BulkQuery, address: Ipv4Addr, server: Ipv4Addr) {
    let options = [(code::SERVER_IDENTIFIER, server.octets().into())];
    encode(out, MessageType::LeaseUnknown, asked.xid, address, None, &options);
}

/// Appends the answer to a query by an address of ours that there is no record of: LEASEUNASSIGNED.
pub fn unassigned(out: &mut Vec<u8>, asked: &BulkQuery, address: Ipv4Addr, wall_secs: u64, server: Ipv4Addr) {
    let options = [
        (code::SERVER_IDENTIFIER, server.octets().into()),
        (code::BASE_TIME, seconds(u32::try_from(wall_secs).unwrap_or(u32::MAX))),
        (code::DHCP_STATE, [super::DhcpState::Available as u8].into()),
        (code::DATA_SOURCE, [0].into()),
    ];
    encode(out, MessageType::LeaseUnassigned, asked.xid, address, None, &options);
}

/// Appends the end of the answers: LEASEQUERYDONE, with a status where it was not all well.
pub fn done(out: &mut Vec<u8>, xid: u32, status: Option<(StatusCode, &str)>, server: Ipv4Addr) {
    let mut options: Vec<(u8, Box<[u8]>)> = vec![(code::SERVER_IDENTIFIER, server.octets().into())];
    if let Some((status, words)) = status {
        options.push((code::STATUS_CODE, [&[status as u8], words.as_bytes()].concat().into()));
    }
    encode(out, MessageType::LeaseQueryDone, xid, Ipv4Addr::UNSPECIFIED, None, &options);
}

/// One message with its length. Options of more than 255 bytes are split (RFC 3396).
fn encode(
    out: &mut Vec<u8>,
    message_type: MessageType,
    xid: u32,
    ciaddr: Ipv4Addr,
    hardware: Option<&HardwareAddress>,
    options: &[(u8, Box<[u8]>)],
) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let address = hardware.map_or(&[][..], HardwareAddress::as_bytes);
    let hlen = u8::try_from(address.len()).unwrap_or(16);
    out.extend_from_slice(&[2, hardware.map_or(0, |hardware| hardware.htype), hlen, 0]);
    out.extend_from_slice(&xid.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&ciaddr.octets());
    out.extend_from_slice(&[0; 12]);
    out.extend_from_slice(address);
    out.resize(start + LENGTH_BYTES + 236, 0);
    out.extend_from_slice(&MAGIC_COOKIE);
    out.extend_from_slice(&[code::DHCP_MESSAGE_TYPE, 1, message_type as u8]);
    for (code, data) in options {
        for piece in data.chunks(255) {
            out.extend_from_slice(&[*code, u8::try_from(piece.len()).unwrap_or(u8::MAX)]);
            out.extend_from_slice(piece);
        }
    }
    out.push(code::END);
    // What a lease holds comes from datagrams: a few of them at most.
    let len = u16::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u16::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests;
