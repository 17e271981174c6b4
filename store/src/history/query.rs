//! What is asked of the history, and who had an address.

use std::net::Ipv4Addr;

use dhcp::identity::{ClientId, HardwareAddress};
use dns::Fqdn;
use ipnet::Ipv4Net;

use super::keys;
use super::record::{Kind, Record};

/// Which records are wanted: those that fit all that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this address.
    pub address: Option<Ipv4Addr>,
    /// Of addresses in this subnet.
    pub subnet: Option<Ipv4Net>,
    /// Of this machine.
    pub hardware: Option<HardwareAddress>,
    /// Of the client with this identifier.
    pub client_id: Option<ClientId>,
    /// With this name.
    pub name: Option<Fqdn>,
    /// With a name that begins with this label, in lower case, or of a client that calls itself so.
    pub label: Option<Box<[u8]>>,
    /// Not before, UTC seconds.
    pub since: Option<u64>,
    /// Not after.
    pub until: Option<u64>,
    /// Of these kinds; none: of all.
    pub kinds: Vec<Kind>,
}

impl Query {
    /// Whether a record is wanted.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        self.address.is_none_or(|address| record.address == address)
            && self.subnet.is_none_or(|subnet| subnet.contains(&record.address))
            && self.hardware.is_none_or(|hardware| record.hardware == hardware)
            && self.client_id.as_ref().is_none_or(|id| record.client_id.as_ref() == Some(id))
            && self.name.as_ref().is_none_or(|name| record.name.as_ref() == Some(name))
            && self.label.as_ref().is_none_or(|label| is_called(record, label))
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at <= until)
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
    }

    /// Whether a part with records of these times may hold any.
    #[must_use]
    pub fn may_be_within(&self, earliest: u64, latest: u64) -> bool {
        self.since.is_none_or(|since| latest >= since) && self.until.is_none_or(|until| earliest <= until)
    }

    /// The hashes of keys of which every wanted record has one; none where the query names no key.
    pub(crate) fn keys(&self) -> Option<Vec<u32>> {
        let label = self.name.as_ref().and_then(|name| name.first_label()).or(self.label.as_deref());
        let one = self.hardware.as_ref().map(keys::of_hardware).or_else(|| label.map(keys::of_label));
        // The key of an identifier is left out where it is the hardware address behind a type.
        let of_client =
            |id: &ClientId| vec![keys::of_client_id(id), keys::of_octets(id.0.get(1..).unwrap_or_default())];
        one.map(|key| vec![key]).or_else(|| self.client_id.as_ref().map(of_client))
    }

    /// The addresses that are asked for, the first and the last.
    pub(crate) fn addresses(&self) -> Option<(u32, u32)> {
        let of_subnet = self.subnet.map(|subnet| (subnet.network().into(), subnet.broadcast().into()));
        self.address.map(|address| (address.into(), address.into())).or(of_subnet)
    }
}

fn is_called(record: &Record, label: &[u8]) -> bool {
    let of_name = record.name.as_ref().and_then(|name| name.first_label());
    of_name.is_some_and(|found| found.eq_ignore_ascii_case(label))
        || keys::first_label(&record.hostname).eq_ignore_ascii_case(label)
}

/// Where a page of records ended: the next one holds what comes behind, which is what happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The part.
    pub part: u64,
    /// When it happened.
    pub at: u64,
    /// Which of several at that time.
    pub tie: u64,
}

/// Who had an address at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The record that tells.
    pub record: Record,
    /// UTC seconds: from when on.
    pub from: u64,
    /// Until when; none: it still does, or the lease runs on without an end.
    pub until: Option<u64>,
    /// The last sign of life that is known of the client.
    pub last_seen: u64,
}

/// Who had an address at `moment` (UTC seconds), by the last record up to it and the first after it. `None`: nobody that is
/// known.
#[must_use]
pub fn holder_at(moment: u64, before: Option<&Record>, after: Option<&Record>) -> Option<Holder> {
    // Each record tells when its binding began, so that the one after tells even where the one before was dropped.
    if let Some(after) = after.filter(|after| after.kind != Kind::Conflict && after.started_at <= moment) {
        let ended = matches!(after.kind, Kind::Released | Kind::Expired | Kind::Declined).then_some(after.at);
        let until = ended.or_else(|| (after.expires_at != u64::MAX).then_some(after.expires_at));
        let last_seen = before
            .filter(|before| before.is_bound() && before.started_at == after.started_at)
            .map_or(after.started_at, |before| before.renewed_at);
        // What ran out before was only noticed later.
        let held = until.is_none_or(|until| until > moment);
        let last_seen = if after.renewed_at <= moment { after.renewed_at } else { last_seen };
        return held.then(|| Holder { record: after.clone(), from: after.started_at, until, last_seen });
    }
    let before = before.filter(|before| before.is_bound() && before.expires_at > moment)?;
    let given_away = after.filter(|after| after.started_at < before.expires_at).map(|after| after.started_at);
    let until = given_away.or_else(|| (before.expires_at != u64::MAX).then_some(before.expires_at));
    Some(Holder { record: before.clone(), from: before.started_at, until, last_seen: before.renewed_at })
}
