//! One datagram, read tolerantly over dhcproto's borrowed view. One malformed option costs that option.
//!
//! dhcproto's borrowed view reads the header. The options are walked in `field`: its iterator joins only adjacent
//! parts, loses an option whose repetition is cut off, and cannot lend the data for as long as the datagram
//! lives. Its owned decoder never faces the wire: there one malformed option silently costs every later one.

mod field;

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;

use dhcproto::v4::{Opcode, borrowed};

pub use self::field::Options;
pub use crate::drop_reason::DropReason;
use crate::identity::{ClientId, ClientKey, HardwareAddress};
use crate::options::{self, RelayAgentInfo, code};

/// Option 53 (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of RFC 2131 table 2")]
pub enum MessageType {
    /// Without option 53: a message of BOOTP (RFC 951), which knows requests and replies alone.
    Bootp = 0,
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
    /// RFC 4388 section 6.1.
    LeaseQuery = 10,
    LeaseUnassigned = 11,
    LeaseUnknown = 12,
    LeaseActive = 13,
    /// RFC 6926 section 6.2.1: by TCP alone.
    BulkLeaseQuery = 14,
    LeaseQueryDone = 15,
}

/// A client's message. Borrowed from the datagram but for options that RFC 3396 had to join.
///
/// The header fields are those of RFC 2131 section 2. An option that was absent or malformed is `None`
/// (or empty); `malformed` tells which were.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "header fields have the names of RFC 2131 section 2")]
pub struct Message<'a> {
    /// Option 53; never one that only servers send.
    pub message_type: MessageType,
    pub xid: u32,
    pub secs: u16,
    pub hops: u8,
    /// The broadcast bit of `flags`.
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    /// `htype`, `hlen` and `chaddr`. Empty for hardware that has none to give (RFC 4390).
    pub hardware: HardwareAddress,
    /// Every option after joining (RFC 3396), in order of first appearance.
    pub options: Options<'a>,
    /// Option 50; `None` also for 0.0.0.0, which asks for nothing.
    pub requested_ip_address: Option<Ipv4Addr>,
    /// Option 54; `None` also for 0.0.0.0, which names no server.
    pub server_identifier: Option<Ipv4Addr>,
    /// Option 51, in seconds.
    pub lease_secs: Option<u32>,
    /// Option 55, as sent; empty for none. Owned only when it came in several parts.
    pub parameter_request_list: Cow<'a, [u8]>,
    /// Option 57; `None` when absent or under 576.
    pub maximum_message_size: Option<u16>,
    /// Option 61.
    pub client_id: Option<ClientId>,
    /// Codes of options that were malformed and ignored, each once, in the order in which they were found.
    pub malformed: Vec<u8>,
}

/// Where the fixed header's fields lie (RFC 2131 section 2).
const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..236;
const COOKIE: Range<usize> = 236..240;

/// 99.130.83.99 (RFC 2131 section 3).
pub(crate) const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

impl<'a> Message<'a> {
    /// Reads a datagram (UDP payload).
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let mut message = Self::unread(datagram);
        message.read(datagram, false).map(|()| message)
    }

    /// Reads a datagram of a BOOTP client: one that has the magic cookie (RFC 1497) and no option 53.
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn parse_bootp(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let mut message = Self::unread(datagram);
        message.read(datagram, true).map(|()| message)
    }

    /// Room for what [`Message::read`] finds. A message takes most of a kilobyte, and is read where it stays.
    pub(crate) fn unread(datagram: &'a [u8]) -> Self {
        Self {
            message_type: MessageType::Bootp,
            xid: 0,
            secs: 0,
            hops: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            hardware: HardwareAddress::NONE,
            options: Options::none_of(datagram),
            requested_ip_address: None,
            server_identifier: None,
            lease_secs: None,
            parameter_request_list: Cow::Borrowed(&[]),
            maximum_message_size: None,
            client_id: None,
            malformed: Vec::new(),
        }
    }

    /// Reads a datagram into a message of which nothing was read yet; of BOOTP, where `is_bootp`, that has no option 53.
    ///
    /// # Errors
    /// The reason to drop it; then the message is none.
    pub(crate) fn read(&mut self, datagram: &'a [u8], is_bootp: bool) -> Result<(), DropReason> {
        let header = borrowed::Message::new(datagram).map_err(|_| DropReason::Truncated)?;
        if header.opcode() != Opcode::BootRequest {
            return Err(DropReason::NotARequest);
        }
        // `header.chaddr()` would panic beyond a short datagram's end, so it is asked only after this.
        if header.hlen() > 16 {
            return Err(DropReason::HardwareAddressTooLong);
        }
        let hardware =
            HardwareAddress::new(header.htype().into(), header.chaddr()).ok_or(DropReason::HardwareAddressTooLong)?;
        if datagram[COOKIE] != MAGIC_COOKIE {
            return Err(DropReason::BadMagicCookie);
        }

        let Self { options, malformed, .. } = self;
        options.fill(malformed);
        let told = match is_bootp && !options.contains(code::DHCP_MESSAGE_TYPE) {
            true => MessageType::Bootp,
            false => options.message_type(malformed)?,
        };
        let message_type = match told {
            from_server if from_server.is_servers() => return Err(DropReason::ServerMessage),
            // RFC 6926 section 6.1: bulk leasequery is spoken over TCP.
            MessageType::BulkLeaseQuery => return Err(DropReason::UnknownMessageType),
            from_client => from_client,
        };

        let parameter_request_list = options.cow(code::PARAMETER_REQUEST_LIST);
        let mut read = Reader { options, malformed };
        let requested_ip_address = read.specified_address(code::REQUESTED_IP_ADDRESS);
        let server_identifier = read.specified_address(code::SERVER_IDENTIFIER);
        let lease_secs = read.with(code::IP_ADDRESS_LEASE_TIME, options::read_u32);
        // RFC 2132 section 9.10: "The minimum legal value is 576 octets."
        let maximum_message_size = read.with(code::MAXIMUM_DHCP_MESSAGE_SIZE, |data| {
            options::read_u16(data).filter(|&size| size >= options::MINIMUM_MESSAGE_SIZE)
        });
        // RFC 2132 section 9.14: "its minimum length is 2". More than 255 bytes would not fit a lease's record.
        let client_id =
            read.with(code::CLIENT_IDENTIFIER, |data| (2..=255).contains(&data.len()).then(|| ClientId(data.into())));
        // RFC 4390 section 2.1: hardware without an address of its own sends hlen 0, and MUST send a client
        // identifier. Without either, all such clients would share one lease.
        // RFC 4388 section 6.2: a leasequery by address names no client at all.
        let names_client = client_id.is_some() || !hardware.as_bytes().is_empty();
        if !names_client && message_type != MessageType::LeaseQuery {
            return Err(DropReason::NoIdentity);
        }
        self.message_type = message_type;
        self.xid = header.xid();
        self.secs = header.secs();
        self.hops = header.hops();
        self.broadcast = header.flags().broadcast();
        self.ciaddr = header.ciaddr();
        self.giaddr = header.giaddr();
        self.hardware = hardware;
        self.requested_ip_address = requested_ip_address;
        self.server_identifier = server_identifier;
        self.lease_secs = lease_secs;
        self.parameter_request_list = parameter_request_list;
        self.maximum_message_size = maximum_message_size;
        self.client_id = client_id;
        Ok(())
    }

    /// The key of this client's leases: the client identifier, or the hardware address when there is none or
    /// when the subnet ignores identifiers. Hardware without an address is keyed on its identifier in any case.
    #[must_use]
    pub fn client_key(&self, ignore_client_id: bool) -> ClientKey {
        // RFC 2131 section 4.2: "If the client supplies a 'client identifier', the client MUST use the same
        // 'client identifier' in all subsequent messages, and the server MUST use that identifier to identify
        // the client."
        match &self.client_id {
            Some(id) if !ignore_client_id || self.hardware.as_bytes().is_empty() => ClientKey::ClientId(id.clone()),
            _ => ClientKey::Hardware(self.hardware),
        }
    }

    /// Option 82, to be read by sub-option; empty when absent.
    #[must_use]
    pub fn relay_agent_info(&self) -> RelayAgentInfo<'_> {
        RelayAgentInfo(self.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default())
    }

    /// Option 118 (RFC 3011): the subnet in which the client wants its address.
    #[must_use]
    pub fn subnet_selection(&self) -> Option<Ipv4Addr> {
        self.options.get(code::SUBNET_SELECTION).and_then(options::read_specified_address)
    }

    /// Whether option 80 was sent (RFC 4039).
    #[must_use]
    pub fn rapid_commit(&self) -> bool {
        self.options.contains(code::RAPID_COMMIT)
    }

    /// Whether option 116 was sent (RFC 2563): the client asks whether it may take an address of 169.254/16.
    #[must_use]
    pub fn asks_auto_configure(&self) -> bool {
        self.options.contains(code::AUTO_CONFIGURE)
    }

    /// Option 12 as sent; empty for none.
    #[must_use]
    pub fn hostname(&self) -> &[u8] {
        self.options.get(code::HOST_NAME).unwrap_or_default()
    }

    /// Option 81 as sent; `None` when absent.
    #[must_use]
    pub fn client_fqdn(&self) -> Option<&[u8]> {
        self.options.get(code::CLIENT_FQDN)
    }
}

/// The header of a datagram that is long enough and has the magic cookie, and its hardware address.
pub(crate) fn read_header(datagram: &[u8]) -> Result<(borrowed::Message<'_>, HardwareAddress), DropReason> {
    let header = borrowed::Message::new(datagram).map_err(|_| DropReason::Truncated)?;
    // `header.chaddr()` panics when `hlen` points past the datagram, so it is asked only after this.
    if header.hlen() > 16 {
        return Err(DropReason::HardwareAddressTooLong);
    }
    let hardware =
        HardwareAddress::new(header.htype().into(), header.chaddr()).ok_or(DropReason::HardwareAddressTooLong)?;
    if datagram.get(COOKIE) != Some(&MAGIC_COOKIE) {
        return Err(DropReason::BadMagicCookie);
    }
    Ok((header, hardware))
}

/// Reads single options, and notes those that are malformed.
struct Reader<'m, 'a> {
    options: &'m Options<'a>,
    malformed: &'m mut Vec<u8>,
}

impl Reader<'_, '_> {
    fn with<T>(&mut self, code: u8, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let value = read(self.options.get(code)?);
        if value.is_none() {
            note(self.malformed, code);
        }
        value
    }

    fn specified_address(&mut self, code: u8) -> Option<Ipv4Addr> {
        self.with(code, options::read_specified_address)
    }
}

fn note(malformed: &mut Vec<u8>, code: u8) {
    if !malformed.contains(&code) {
        malformed.push(code);
    }
}

impl MessageType {
    /// Whether only servers send it.
    #[must_use]
    pub fn is_servers(self) -> bool {
        use MessageType::{Ack, LeaseActive, LeaseQueryDone, LeaseUnassigned, LeaseUnknown, Nak, Offer};
        matches!(self, Offer | Ack | Nak | LeaseUnassigned | LeaseUnknown | LeaseActive | LeaseQueryDone)
    }
}

impl TryFrom<u8> for MessageType {
    type Error = DropReason;

    fn try_from(byte: u8) -> Result<Self, DropReason> {
        Ok(match byte {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            10 => Self::LeaseQuery,
            11 => Self::LeaseUnassigned,
            12 => Self::LeaseUnknown,
            13 => Self::LeaseActive,
            14 => Self::BulkLeaseQuery,
            15 => Self::LeaseQueryDone,
            _ => return Err(DropReason::UnknownMessageType),
        })
    }
}

impl fmt::Display for MessageType {
    /// As in RFC 2131, without its prefix: `DISCOVER`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bootp => "BOOTP",
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Request => "REQUEST",
            Self::Decline => "DECLINE",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::Release => "RELEASE",
            Self::Inform => "INFORM",
            Self::LeaseQuery => "LEASEQUERY",
            Self::LeaseUnassigned => "LEASEUNASSIGNED",
            Self::LeaseUnknown => "LEASEUNKNOWN",
            Self::LeaseActive => "LEASEACTIVE",
            Self::BulkLeaseQuery => "BULKLEASEQUERY",
            Self::LeaseQueryDone => "LEASEQUERYDONE",
        })
    }
}

#[cfg(test)]
mod tests;
