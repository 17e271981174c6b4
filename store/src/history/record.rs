//! One thing that happened to a lease, and its octets.

use std::net::Ipv4Addr;

use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseState};
use dns::{Bytes, Fqdn};

use crate::rows::RowFault;
use crate::rows::field::{self, put, put_bytes, put_name, put_number};
use crate::rows::lease::{read_hardware, read_state, state_code};

const KIND: u8 = 0x81;
const ADDRESS: u8 = 0x82;
const STATE: u8 = 0x83;
const AT: u8 = 0x84;
const HARDWARE: u8 = 0x05;
const CLIENT_ID: u8 = 0x06;
const STARTED: u8 = 0x07;
const RENEWED: u8 = 0x08;
const ENDS: u8 = 0x09;
const HOSTNAME: u8 = 0x0a;
const NAME: u8 = 0x0b;
const RELAY: u8 = 0x0c;
const RELAY_AGENT_INFO: u8 = 0x0d;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A client got the address.
    Assigned,
    /// It renewed; one record stands for the renewals of a day in which nothing else changed.
    Renewed,
    /// It gave the address back.
    Released,
    /// The lease ran out.
    Expired,
    /// The client found the address in use.
    Declined,
    /// Somebody answered there who was not given it.
    Conflict,
    /// Another name, or none.
    Renamed,
    /// The name that an expired lease had left is given up.
    NameEnded,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Assigned,
        Self::Renewed,
        Self::Released,
        Self::Expired,
        Self::Declined,
        Self::Conflict,
        Self::Renamed,
        Self::NameEnded,
    ];

    /// The word for it, as it is shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Renewed => "renewed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Declined => "declined",
            Self::Conflict => "conflict",
            Self::Renamed => "renamed",
            Self::NameEnded => "name-ended",
        }
    }

    fn code(self) -> u8 {
        self as u8 + 1
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

impl From<LeaseEventKind> for Kind {
    fn from(kind: LeaseEventKind) -> Self {
        match kind {
            LeaseEventKind::Bound => Self::Assigned,
            LeaseEventKind::Renewed => Self::Renewed,
            LeaseEventKind::Released => Self::Released,
            LeaseEventKind::Expired => Self::Expired,
            LeaseEventKind::Declined => Self::Declined,
            LeaseEventKind::Conflict => Self::Conflict,
            LeaseEventKind::Renamed => Self::Renamed,
            LeaseEventKind::NameEnded => Self::NameEnded,
        }
    }
}

/// One thing that happened to a lease. Each tells the whole binding, so that none depends on an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub kind: Kind,
    /// UTC seconds: when.
    pub at: u64,
    /// The address.
    pub address: Ipv4Addr,
    /// What the lease was after it.
    pub state: LeaseState,
    /// The client's hardware address.
    pub hardware: HardwareAddress,
    /// Option 61, when the client sent it.
    pub client_id: Option<ClientId>,
    /// UTC seconds: when this binding was made.
    pub started_at: u64,
    /// UTC seconds: the client's last sign of life.
    pub renewed_at: u64,
    /// UTC seconds: when it ends or ended; `u64::MAX`: never.
    pub expires_at: u64,
    /// Option 12, as sent; empty for none.
    pub hostname: Bytes,
    /// The name that DNS has for it.
    pub name: Option<Fqdn>,
    /// `giaddr`; unspecified for none.
    pub relay: Ipv4Addr,
    /// Option 82, as the relay sent it; empty for none.
    pub relay_agent_info: Bytes,
}

impl Record {
    /// What happened to `lease`; `now` (UTC seconds) for what leaves no time in the lease itself.
    #[must_use]
    pub fn new(kind: Kind, lease: &Lease, now: u64) -> Self {
        let at = match kind {
            Kind::Assigned | Kind::Renewed | Kind::Declined | Kind::Conflict => lease.renewed_at,
            // A lease that ran out while no server ran did so then, not when that was noticed.
            Kind::Released | Kind::Expired => lease.expires_at.min(now),
            Kind::Renamed | Kind::NameEnded => now,
        };
        Self {
            kind,
            at,
            address: lease.address,
            state: lease.state,
            hardware: lease.hardware,
            client_id: lease.client_id.clone(),
            started_at: lease.started_at,
            renewed_at: lease.renewed_at,
            expires_at: lease.expires_at,
            hostname: lease.hostname.clone(),
            name: lease.name.as_ref().map(|name| name.fqdn.clone()),
            relay: lease.relay,
            relay_agent_info: lease.relay_agent_info.clone(),
        }
    }

    /// What an event tells.
    #[must_use]
    pub fn of(event: &LeaseEvent, now: u64) -> Self {
        Self::new(event.kind.into(), &event.lease, now)
    }

    /// The same without what a person could be known by: no names, and no word of the relay.
    #[must_use]
    pub fn nameless(mut self) -> Self {
        self.hostname = Bytes::default();
        self.name = None;
        self.relay_agent_info = Bytes::default();
        self
    }

    /// Whether the client held the address after it.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.state == LeaseState::Bound
    }

    /// What tells two records of one happening to be one, whichever way it became known.
    #[must_use]
    pub fn identity(&self) -> u64 {
        let mut octets = Vec::with_capacity(64);
        octets.extend_from_slice(&self.address.octets());
        octets.push(state_code(self.state));
        for number in [self.started_at, self.renewed_at, self.expires_at] {
            octets.extend_from_slice(&number.to_le_bytes());
        }
        octets.extend_from_slice(self.hardware.as_bytes());
        octets.extend_from_slice(self.name.as_ref().map(Fqdn::as_wire).unwrap_or_default());
        let low = crc32fast::hash(&octets);
        octets.push(0x5a);
        u64::from(low) << 32 | u64::from(crc32fast::hash(&octets))
    }

    /// Appends its fields.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, KIND, &[self.kind.code()]);
        put(out, ADDRESS, |out| field::address(out, self.address.into()));
        put_bytes(out, STATE, &[state_code(self.state)]);
        put_number(out, AT, self.at);
        put(out, HARDWARE, |out| {
            out.push(self.hardware.htype);
            out.extend_from_slice(self.hardware.as_bytes());
        });
        if let Some(client_id) = &self.client_id {
            put_bytes(out, CLIENT_ID, &client_id.0);
        }
        put_number(out, STARTED, self.started_at);
        put_number(out, RENEWED, self.renewed_at);
        if self.expires_at != u64::MAX {
            put_number(out, ENDS, self.expires_at);
        }
        if !self.hostname.is_empty() {
            put_bytes(out, HOSTNAME, &self.hostname);
        }
        if let Some(name) = &self.name {
            put_name(out, NAME, name);
        }
        if !self.relay.is_unspecified() {
            put(out, RELAY, |out| field::address(out, self.relay.into()));
        }
        if !self.relay_agent_info.is_empty() {
            put_bytes(out, RELAY_AGENT_INFO, &self.relay_agent_info);
        }
    }

    /// Reads the fields of one record.
    ///
    /// # Errors
    /// See [`RowFault`].
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, RowFault> {
        let (mut kind, mut address, mut state, mut at) = (None, None, None, None);
        let mut record = Self {
            kind: Kind::Assigned,
            at: 0,
            address: Ipv4Addr::UNSPECIFIED,
            state: LeaseState::Bound,
            hardware: HardwareAddress::NONE,
            client_id: None,
            started_at: 0,
            renewed_at: 0,
            expires_at: u64::MAX,
            hostname: Bytes::default(),
            name: None,
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: Bytes::default(),
        };
        field::read(octets, |tag, bytes| {
            match tag {
                KIND => kind = bytes.first().and_then(|&code| Kind::from_code(code)),
                ADDRESS => address = field::read_v4(bytes),
                STATE => state = read_state(bytes),
                AT => at = Some(field::read_number(bytes, "at")?),
                HARDWARE => record.hardware = read_hardware(bytes).ok_or(RowFault::Field("hardware"))?,
                CLIENT_ID => record.client_id = Some(ClientId(bytes.into())),
                STARTED => record.started_at = field::read_number(bytes, "started")?,
                RENEWED => record.renewed_at = field::read_number(bytes, "renewed")?,
                ENDS => record.expires_at = field::read_number(bytes, "ends")?,
                HOSTNAME => record.hostname = bytes.into(),
                NAME => record.name = Some(field::read_name(bytes, "name")?),
                RELAY => record.relay = field::read_v4(bytes).ok_or(RowFault::Field("relay"))?,
                RELAY_AGENT_INFO => record.relay_agent_info = bytes.into(),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        record.kind = kind.ok_or(RowFault::Missing("kind"))?;
        record.address = address.ok_or(RowFault::Missing("address"))?;
        record.state = state.ok_or(RowFault::Missing("state"))?;
        record.at = at.ok_or(RowFault::Missing("at"))?;
        Ok(record)
    }
}

/// Appends a record with its length before it.
pub(crate) fn push(record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    record.encode(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// The records of a body, as far as they can be read.
pub(crate) fn records(mut body: &[u8]) -> impl Iterator<Item = Record> + '_ {
    std::iter::from_fn(move || {
        let (length, rest) = body.split_first_chunk::<4>()?;
        let (octets, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        body = rest;
        // A record of a later kind ends nothing: those behind it are read.
        Some(Record::decode(octets).ok())
    })
    .flatten()
}
