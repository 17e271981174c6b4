//! Leasequery: telling equipment that rebuilds its bindings who has which address.
//!
//! One question, one answer over UDP (RFC 4388); a question and a stream of answers over TCP (RFC 6926). Here is what is
//! asked ([`Query`]), what is found ([`Binding`]) and how that reads as options; [`bulk`] is the form that TCP gives it.
//! The engine looks up, and decides who may ask.

use std::net::Ipv4Addr;

use crate::identity::{ClientId, HardwareAddress};
use crate::lease::{Lease, LeaseState};
use crate::message::Options;
use crate::options::{RelayAgentInfo, code, seconds};

pub mod bulk;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Who has this address.
    Address(Ipv4Addr),
    /// What this hardware address has.
    Hardware(HardwareAddress),
    /// What the client with this identifier has.
    ClientId(ClientId),
    /// What is behind this circuit or subscriber, as its relay names it (RFC 3046 section 3.2). Bulk alone.
    RemoteId(Box<[u8]>),
    /// What is behind this relay (RFC 6925). Bulk alone.
    RelayId(Box<[u8]>),
    /// Every address that there is a record of. Bulk alone.
    All,
}

/// The query that a message asks; `None` when it asks for several things at once. `ciaddr` and `hardware` are the
/// header's.
///
/// RFC 4388 section 6.2 and RFC 6926 section 7.2: a query has one key; the fields of the others are empty.
#[must_use]
pub fn query(ciaddr: Ipv4Addr, hardware: HardwareAddress, options: &Options<'_>) -> Option<Query> {
    let mut asked = Vec::new();
    if !ciaddr.is_unspecified() {
        asked.push(Query::Address(ciaddr));
    }
    if !hardware.as_bytes().is_empty() {
        asked.push(Query::Hardware(hardware));
    }
    if let Some(id) = options.get(code::CLIENT_IDENTIFIER) {
        asked.push(Query::ClientId(ClientId(id.into())));
    }
    let relay = RelayAgentInfo(options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default());
    asked.extend(relay.remote_id().map(|id| Query::RemoteId(id.into())));
    asked.extend(relay.relay_id().map(|id| Query::RelayId(id.into())));
    match asked.pop() {
        None => Some(Query::All),
        Some(query) => asked.is_empty().then_some(query),
    }
}

/// An address, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The record.
    pub lease: Lease,
    /// Seconds that are left of it, `u32::MAX` for one without end; `None`: nobody holds it.
    pub secs_left: Option<u32>,
    /// A quarantine that is over: stored as one, and free again.
    pub is_available: bool,
    /// The subnet's T1 and T2 in thousandths of the lease time.
    pub timers_permille: (u16, u16),
}

/// Option 156 (RFC 6926 section 6.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub enum DhcpState {
    Available = 1,
    Active = 2,
    Expired = 3,
    Released = 4,
    Abandoned = 5,
}

/// What is told to somebody who sent no parameter request list: all that the answers of RFC 4388 section 6.4 can hold.
const ALL_THAT_IS_KNOWN: [u8; 8] = [
    code::IP_ADDRESS_LEASE_TIME,
    code::RENEWAL_TIME_VALUE,
    code::REBINDING_TIME_VALUE,
    code::HOST_NAME,
    code::CLIENT_FQDN,
    code::CLIENT_LAST_TRANSACTION_TIME,
    code::ASSOCIATED_IP,
    code::RELAY_AGENT_INFORMATION,
];

/// How many addresses option 92 lists at most: as many as fit in one option.
pub const ASSOCIATED_MAX: usize = 63;

impl Binding {
    /// Whether a client holds it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.secs_left.is_some()
    }

    /// How the address stands.
    #[must_use]
    pub fn state(&self) -> DhcpState {
        match self.lease.state {
            LeaseState::Bound => DhcpState::Active,
            LeaseState::Released => DhcpState::Released,
            LeaseState::Expired => DhcpState::Expired,
            LeaseState::Quarantined if self.is_available => DhcpState::Available,
            LeaseState::Quarantined => DhcpState::Abandoned,
        }
    }

    /// UTC seconds since which it stands so.
    #[must_use]
    pub fn state_since(&self) -> u64 {
        match self.state() {
            DhcpState::Active => self.lease.started_at,
            DhcpState::Abandoned => self.lease.renewed_at,
            DhcpState::Available | DhcpState::Expired | DhcpState::Released => self.lease.expires_at,
        }
    }

    /// UTC seconds of the last change: the state's, or a renewal.
    #[must_use]
    pub fn changed_at(&self) -> u64 {
        self.state_since().max(self.lease.renewed_at)
    }

    /// Options that tell of the binding, but option 82 ([`Binding::relay_agent_info`]), at `wall_secs`. `requested` is
    /// the parameter request list, empty for none; `associated` all addresses of the client.
    #[must_use]
    pub fn options(&self, wall_secs: u64, requested: &[u8], associated: &[Ipv4Addr]) -> Vec<(u8, Box<[u8]>)> {
        let mut options: Vec<(u8, Box<[u8]>)> = Vec::new();
        // RFC 4388 section 6.4.2: the identifier is part of who has the address.
        if let Some(id) = &self.lease.client_id {
            options.push((code::CLIENT_IDENTIFIER, (*id.0).into()));
        }
        let wanted = if requested.is_empty() { &ALL_THAT_IS_KNOWN[..] } else { requested };
        for &code in wanted {
            if let Some(data) = self.option(code, wall_secs, associated)
                && options.iter().all(|(placed, _)| *placed != code)
            {
                options.push((code, data));
            }
        }
        options
    }

    /// Option 82 as the relay sent it with the lease, where the list asks for it.
    #[must_use]
    pub fn relay_agent_info(&self, requested: &[u8]) -> &[u8] {
        let wanted = requested.is_empty() || requested.contains(&code::RELAY_AGENT_INFORMATION);
        if wanted { &self.lease.relay_agent_info } else { &[] }
    }

    fn option(&self, wanted: u8, wall_secs: u64, associated: &[Ipv4Addr]) -> Option<Box<[u8]>> {
        let (t1, t2) = self.timers_permille;
        match wanted {
            // RFC 4388 section 6.4.2: what is left of each time; none of a lease that is over, nor a time that has passed.
            code::IP_ADDRESS_LEASE_TIME => self.secs_left.map(seconds),
            code::RENEWAL_TIME_VALUE => self.secs_until(t1),
            code::REBINDING_TIME_VALUE => self.secs_until(t2),
            code::CLIENT_LAST_TRANSACTION_TIME => {
                let ago = wall_secs.saturating_sub(self.lease.renewed_at);
                Some(seconds(u32::try_from(ago).unwrap_or(u32::MAX)))
            }
            // "associated-ip": of use only to a client that has more than the one.
            code::ASSOCIATED_IP if associated.len() > 1 => {
                Some(associated.iter().take(ASSOCIATED_MAX).flat_map(Ipv4Addr::octets).collect())
            }
            code::HOST_NAME => Some(&*self.lease.hostname).filter(|name| !name.is_empty()).map(Box::from),
            code::CLIENT_FQDN => Some(&*self.lease.client_fqdn).filter(|name| !name.is_empty()).map(Box::from),
            _ => None,
        }
    }

    /// Seconds until so many thousandths of the lease have passed.
    fn secs_until(&self, permille: u16) -> Option<Box<[u8]>> {
        let left = u64::from(self.secs_left.filter(|left| *left != u32::MAX)?);
        let whole = self.lease.expires_at.saturating_sub(self.lease.renewed_at).max(left);
        let after = whole - whole.saturating_mul(permille.min(1000).into()) / 1000;
        let until = left.checked_sub(after).filter(|secs| *secs > 0)?;
        u32::try_from(until).ok().map(seconds)
    }
}

#[cfg(test)]
mod tests;
