//! Leases as fields.
//!
//! ```text
//!  1 subnet: family, address, prefix length     8 option 12 as sent
//!  2 state: 1 bound, 2 released, 3 expired,     9 option 81 as sent
//!    4 quarantined                             10 name   11 its owner's identity
//!  3 hardware: htype, address                  12 what the server keeps: 1 A, 2 PTR   13 its TTL
//!  4 client identifier                         14 relay (giaddr)
//!  5 started   6 renewed   7 ends; absent:     15 option 82 as sent
//!    never (BOOTP, or a lease without end)     16 server identifier asked for by the relay
//! 17 how its name's conflicts are found         29 when it was stored, see [`Times`]
//! ```
//! Kept free: 18 DUID and IAID, 19 preferred until, 20 to 27 failover (state, potential expiry, start of the state,
//! partner's stamps), 28 flags (BOOTP, multicast).

use std::net::{IpAddr, Ipv4Addr};

use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseName, LeaseState};
use dns::ConflictGuard;
use ipnet::Ipv4Net;

use super::RowFault;
use super::field::{self, put, put_bytes, put_identity, put_name, put_number, put_numbers};

const SUBNET: u8 = 1;
const STATE: u8 = 2;
const HARDWARE: u8 = 3;
const CLIENT_ID: u8 = 4;
const STARTED: u8 = 5;
const RENEWED: u8 = 6;
const ENDS: u8 = 7;
const HOSTNAME: u8 = 8;
const CLIENT_FQDN: u8 = 9;
const NAME: u8 = 10;
const IDENTITY: u8 = 11;
const KEEPS: u8 = 12;
const TTL: u8 = 13;
const RELAY: u8 = 14;
const RELAY_AGENT_INFO: u8 = 15;
const SERVER_IDENTIFIER: u8 = 16;
const GUARD: u8 = 17;
const STORED: u8 = 29;

const KEEPS_FORWARD: u8 = 1;
const KEEPS_REVERSE: u8 = 2;

pub(super) fn encode(lease: &Lease, out: &mut Vec<u8>) {
    // Every lease that changes comes by here, so that what all have is put together first.
    let ([a, b, c, d], prefix_len) = (lease.subnet.addr().octets(), lease.subnet.prefix_len());
    let hardware = lease.hardware.as_bytes();
    // At most 16 octets.
    let type_and_address = 1 + hardware.len() as u8;
    out.extend_from_slice(&[
        SUBNET,
        6,
        field::FAMILY_V4,
        a,
        b,
        c,
        d,
        prefix_len,
        STATE,
        1,
        state_code(lease.state),
        HARDWARE,
        type_and_address,
        lease.hardware.htype,
    ]);
    out.extend_from_slice(hardware);
    if let Some(ClientId(id)) = &lease.client_id {
        put_bytes(out, CLIENT_ID, id);
    }
    let ends = Some(lease.expires_at).filter(|at| *at != u64::MAX).map(|at| (ENDS, at));
    put_numbers(out, [Some((STARTED, lease.started_at)), Some((RENEWED, lease.renewed_at)), ends]);
    for (tag, bytes) in
        [(HOSTNAME, &lease.hostname), (CLIENT_FQDN, &lease.client_fqdn), (RELAY_AGENT_INFO, &lease.relay_agent_info)]
    {
        if !bytes.is_empty() {
            put_bytes(out, tag, bytes);
        }
    }
    if let Some(name) = &lease.name {
        put_name(out, NAME, &name.fqdn);
        put_identity(out, IDENTITY, &name.identity);
        let forward = if name.forward { KEEPS_FORWARD } else { 0 };
        let reverse = if name.reverse { KEEPS_REVERSE } else { 0 };
        put_bytes(out, KEEPS, &[forward | reverse]);
        put_number(out, TTL, name.ttl_secs.into());
        if name.guard != ConflictGuard::default() {
            put_bytes(out, GUARD, &[name.guard.code()]);
        }
    }
    if !lease.relay.is_unspecified() {
        let [a, b, c, d] = lease.relay.octets();
        out.extend_from_slice(&[RELAY, 5, field::FAMILY_V4, a, b, c, d]);
    }
    if let Some(address) = lease.server_identifier_override {
        put(out, SERVER_IDENTIFIER, |out| field::address(out, address.into()));
    }
}

/// The times in a row that tell when something happened to its lease, in UTC seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// The last that the lease itself knows of.
    pub(crate) last: u64,
    /// When the row was stored, where that was so much later that `last` does not tell it: added by a compaction, which takes
    /// the row out of the frame that has the stamp.
    pub(crate) stored: Option<u64>,
}

/// Reads them, and nothing else.
pub(crate) fn times(value: &[u8]) -> Result<Times, RowFault> {
    let (mut state, mut renewed, mut ends, mut stored) = (None, 0, u64::MAX, None);
    field::read(value, |tag, bytes| {
        match tag {
            STATE => state = Some(read_state(bytes).ok_or(RowFault::Field("state"))?),
            RENEWED => renewed = field::read_number(bytes, "renewed")?,
            ENDS => ends = field::read_number(bytes, "ends")?,
            STORED => stored = Some(field::read_number(bytes, "stored")?),
            _ => {}
        }
        Ok(true)
    })?;
    let last = match state.ok_or(RowFault::Missing("state"))? {
        LeaseState::Bound | LeaseState::Quarantined => renewed,
        LeaseState::Released | LeaseState::Expired => ends.max(renewed),
    };
    Ok(Times { last, stored })
}

/// The same row, which also tells when it was stored.
pub(crate) fn with_stored(value: &[u8], stamp: u64) -> Vec<u8> {
    let mut with = value.to_vec();
    put_number(&mut with, STORED, stamp);
    with
}

pub(super) fn address(key: &[u8]) -> Result<Ipv4Addr, RowFault> {
    field::read_v4(key).ok_or(RowFault::Key)
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Lease, RowFault> {
    let mut subnet = None;
    let mut state = None;
    let mut hardware = None;
    let (mut name, mut identity, mut keeps, mut ttl_secs) = (None, None, 0, 0);
    let mut guard = ConflictGuard::default();
    let mut lease = blank(address(key)?)?;
    field::read(value, |tag, bytes| {
        match tag {
            SUBNET => subnet = Some(read_subnet(bytes).ok_or(RowFault::Field("subnet"))?),
            STATE => state = Some(read_state(bytes).ok_or(RowFault::Field("state"))?),
            HARDWARE => hardware = Some(read_hardware(bytes).ok_or(RowFault::Field("hardware"))?),
            CLIENT_ID => lease.client_id = Some(ClientId(bytes.into())),
            STARTED => lease.started_at = field::read_number(bytes, "started")?,
            RENEWED => lease.renewed_at = field::read_number(bytes, "renewed")?,
            ENDS => lease.expires_at = field::read_number(bytes, "ends")?,
            HOSTNAME => lease.hostname = bytes.into(),
            CLIENT_FQDN => lease.client_fqdn = bytes.into(),
            NAME => name = Some(field::read_name(bytes, "name")?),
            IDENTITY => identity = Some(field::read_identity(bytes, "identity")?),
            KEEPS => keeps = *bytes.first().ok_or(RowFault::Field("keeps"))?,
            TTL => ttl_secs = field::read_u32(bytes, "ttl")?,
            GUARD => guard = field::read_guard(bytes)?,
            RELAY => lease.relay = field::read_v4(bytes).ok_or(RowFault::Field("relay"))?,
            RELAY_AGENT_INFO => lease.relay_agent_info = bytes.into(),
            SERVER_IDENTIFIER => {
                let address = field::read_v4(bytes).ok_or(RowFault::Field("server identifier"))?;
                lease.server_identifier_override = Some(address);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    lease.subnet = subnet.ok_or(RowFault::Missing("subnet"))?;
    lease.state = state.ok_or(RowFault::Missing("state"))?;
    lease.hardware = hardware.ok_or(RowFault::Missing("hardware"))?;
    lease.name = match (name, identity) {
        (Some(fqdn), Some(identity)) => {
            let (forward, reverse) = (keeps & KEEPS_FORWARD != 0, keeps & KEEPS_REVERSE != 0);
            Some(LeaseName { fqdn, identity, forward, reverse, ttl_secs, guard })
        }
        (Some(_), None) => return Err(RowFault::Missing("identity")),
        (None, _) => None,
    };
    Ok(lease)
}

/// Before its fields are read: no client, and no end, as of a row without the field.
fn blank(address: Ipv4Addr) -> Result<Lease, RowFault> {
    Ok(Lease {
        address,
        subnet: Ipv4Net::from(address),
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(0, &[]).ok_or(RowFault::Missing("hardware"))?,
        client_id: None,
        started_at: 0,
        renewed_at: 0,
        expires_at: u64::MAX,
        hostname: dns::Bytes::default(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    })
}

pub(crate) fn state_code(state: LeaseState) -> u8 {
    match state {
        LeaseState::Bound => 1,
        LeaseState::Released => 2,
        LeaseState::Expired => 3,
        LeaseState::Quarantined => 4,
    }
}

pub(crate) fn read_state(bytes: &[u8]) -> Option<LeaseState> {
    Some(match bytes {
        [1] => LeaseState::Bound,
        [2] => LeaseState::Released,
        [3] => LeaseState::Expired,
        [4] => LeaseState::Quarantined,
        _ => return None,
    })
}

fn read_subnet(bytes: &[u8]) -> Option<Ipv4Net> {
    match field::split_address(bytes)? {
        (IpAddr::V4(address), &[prefix_len]) => Ipv4Net::new(address, prefix_len).ok(),
        _ => None,
    }
}

pub(crate) fn read_hardware(bytes: &[u8]) -> Option<HardwareAddress> {
    let (&htype, address) = bytes.split_first()?;
    HardwareAddress::new(htype, address)
}
