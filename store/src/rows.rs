//! Rows: what the journal holds, typed.
//!
//! # Streams and keys
//! ```text
//! 0x81 leases      family (4 or 6), address; room behind it: prefix length and IAID of DHCPv6
//! 0x82 wanted      1, owner's name; or 2, family, address
//! 0x83 confirmed   as wanted
//! 0x84 zone sets   apex, owner, type (big-endian, two octets); names in uncompressed wire form
//! 0x05 numbers     the name that a host says, in uncompressed wire form; its identity
//! 0x06 differences apex in uncompressed wire form, the serial after (big-endian, four octets)
//! 0x07 stated      as zone sets; of the types that no set has, with 0 the owner is a digest of views' records, with 253 the
//!                  holder of a lease wrote its A record
//! 0x08 copies      apex in uncompressed wire form
//! ```
//! The first four are critical (bit 7): a program that does not know one must not open the store. What a later version adds
//! and an older one may ignore gets a number below 0x80; compaction carries it along untouched.
//!
//! # Values
//! Tagged fields (`field`). A field that a reader does not know is ignored when its tag is below 0x80, and the row
//! is refused when it is not. An ignored field survives compaction, which copies values as they are; it is lost when
//! the older program itself writes that row again. So a field whose loss would be wrong is given a critical tag.

mod dns_work;
pub(crate) mod field;
pub(crate) mod lease;
mod suffix;
mod zone;
mod zone_copy;
mod zone_past;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(crate) use field::hex;

use ddns::reconcile::ConfirmedRow;
use ddns::settings::Site;
use ddns::suffixes::Assignment;
use ddns::wanted::{NewName, RowKey, WantedRow};
use dhcp::lease::Lease;
use dns::{Fqdn, HostIdentity, RecordType, Rrset};
use zones::{Difference, Node};

use crate::journal::{TransactionWriter, Unreadable};

/// One write. Each replaces what the store held under the same stream and key; several in one transaction are
/// stored all or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Stream of leases, by address.
    Lease(Lease),
    /// The lease record of an address is gone.
    LeaseGone(Ipv4Addr),
    /// Stream of wanted DNS content, by row key. Written by the DHCP side only.
    Wanted(WantedRow),
    /// Both wanted rows of a new name: written as one [`Row::Wanted`] each, and read as these.
    WantedNew(Arc<NewName>),
    /// A wanted row is gone: it wanted nothing, and that is confirmed.
    WantedGone(RowKey),
    /// Stream of confirmed DNS content, by row key. Written by the updater only.
    Confirmed(ConfirmedRow),
    /// Both confirmed rows of a new name that embedded zones hold: written as one [`Row::Confirmed`] each, and read as these.
    ConfirmedNew {
        /// What they hold.
        new: Arc<NewName>,
        /// The zones of the name and of the address.
        sites: [Site; 2],
        /// When they were written, in UTC seconds.
        at: u64,
    },
    /// A confirmed row is gone.
    ConfirmedGone(RowKey),
    /// Stream of the numbers behind names that several hosts say, by name and host. Written by the DHCP side only.
    Suffix(Assignment),
    /// A host's number under a name is free.
    SuffixGone(Fqdn, HostIdentity),
    /// Stream of embedded zone content, by apex, owner and type; `None`: the set is gone.
    ZoneSet {
        /// The apex.
        zone: Fqdn,
        /// The owner.
        name: Fqdn,
        /// The type.
        rtype: RecordType,
        /// The whole set.
        set: Option<Rrset>,
    },
    /// All sets of a name that owned none before: written as one [`Row::ZoneSet`] each, and read as these.
    ZoneName {
        /// The apex.
        zone: Fqdn,
        /// The owner.
        name: Fqdn,
        /// What it owns, shared with the zone.
        node: Node,
    },
    /// Stream of the steps of embedded zones, by apex and the serial after: stored with the sets that they changed.
    ZoneDifference {
        /// The apex.
        zone: Fqdn,
        /// The step.
        difference: Arc<Difference>,
    },
    /// A step of an embedded zone is kept no more.
    ZoneDifferenceGone {
        /// The apex.
        zone: Fqdn,
        /// The serial after it.
        serial_after: u32,
    },
    /// Stream of the sets of embedded zones that the configuration states, so that they go when it does so no more.
    ZoneStated {
        /// The apex.
        zone: Fqdn,
        /// The owner.
        name: Fqdn,
        /// The type.
        rtype: RecordType,
        /// Whether it does.
        stated: bool,
    },
    /// Stream of zones whose sets are a copy of another server's, by apex: stored with the sets.
    ZoneCopy {
        /// The apex.
        zone: Fqdn,
        /// When a primary last was known to have nothing newer, in UTC seconds.
        checked_at: u64,
    },
    /// What is stored of a zone is no copy.
    ZoneCopyGone {
        /// The apex.
        zone: Fqdn,
    },
}

/// Leases, by address.
pub(crate) const LEASES: u8 = 0x81;
/// Wanted DNS content, by row key.
pub(crate) const WANTED: u8 = 0x82;
/// Confirmed DNS content, by row key.
pub(crate) const CONFIRMED: u8 = 0x83;
/// Sets of embedded zones, by apex, owner and type.
pub(crate) const ZONE_SETS: u8 = 0x84;

/// Numbers behind names, by name and host. A program that does not know them gives none, and loses nothing else by it.
pub(crate) const SUFFIXES: u8 = 0x05;

/// Steps of embedded zones, by apex and serial. A program that does not know them makes none either, and the chain that ends
/// before what it changed tells so.
pub(crate) const ZONE_DIFFERENCES: u8 = 0x06;
/// Which sets of embedded zones the configuration states, by apex, owner and type. A program that does not know them takes
/// what the configuration stated last for what updates made.
pub(crate) const ZONE_STATED: u8 = 0x07;

/// Which zones are copies of other servers', by apex. A program that does not know them does not serve such zones.
pub(crate) const ZONE_COPIES: u8 = 0x08;

/// Every stream that this version knows.
pub(crate) const STREAMS: [u8; 8] =
    [LEASES, WANTED, CONFIRMED, ZONE_SETS, SUFFIXES, ZONE_DIFFERENCES, ZONE_STATED, ZONE_COPIES];

/// Why the bytes of a row are not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// The key is not one of its stream.
    #[error("the key of a row cannot be read")]
    Key,
    /// The fields do not fill the value.
    #[error("the fields of a row do not fill it")]
    Fields,
    /// A field holds what it cannot.
    #[error("the field {0:?} of a row cannot be read")]
    Field(&'static str),
    /// A field that must be there is not.
    #[error("the field {0:?} of a row is missing")]
    Missing(&'static str),
    /// A field that must not be ignored is of a later version.
    #[error("a row has the field {0}, which only a later version knows and which must not be ignored")]
    Later(u8),
    /// The stream is none of ours.
    #[error("a row belongs to the unknown stream {0}")]
    Stream(u8),
}

impl From<RowFault> for Unreadable {
    fn from(fault: RowFault) -> Self {
        match fault {
            RowFault::Later(_) => Self::Later(fault.to_string()),
            _ => Self::Damaged(fault.to_string()),
        }
    }
}

impl Row {
    /// Appends the row to a transaction.
    pub(crate) fn write(&self, to: &mut TransactionWriter<'_>) {
        match self {
            Self::Lease(lease) => {
                to.put(LEASES, |out| address_key(out, lease.address.into()), |out| lease::encode(lease, out));
            }
            Self::LeaseGone(address) => to.delete(LEASES, |out| address_key(out, (*address).into())),
            Self::Wanted(row) => {
                to.put(WANTED, |out| dns_work::key(&row.key, out), |out| dns_work::encode_wanted(row, out));
            }
            Self::WantedNew(new) => {
                for half in dns_work::halves(new) {
                    to.put(WANTED, |out| half.key(out), |out| half.encode_wanted(out));
                }
            }
            Self::ConfirmedNew { new, sites, at } => {
                for (half, site) in dns_work::halves(new).into_iter().zip(sites) {
                    to.put(CONFIRMED, |out| half.key(out), |out| half.encode_confirmed(*site, *at, out));
                }
            }
            Self::WantedGone(key) => to.delete(WANTED, |out| dns_work::key(key, out)),
            Self::Confirmed(row) => {
                to.put(CONFIRMED, |out| dns_work::key(&row.key, out), |out| dns_work::encode_confirmed(row, out));
            }
            Self::ConfirmedGone(key) => to.delete(CONFIRMED, |out| dns_work::key(key, out)),
            Self::Suffix(assignment) => {
                let (base, identity) = (&assignment.base, &assignment.identity);
                to.put(SUFFIXES, |out| suffix::key(base, identity, out), |out| suffix::encode(assignment, out));
            }
            Self::SuffixGone(base, identity) => to.delete(SUFFIXES, |out| suffix::key(base, identity, out)),
            Self::ZoneSet { zone, name, rtype, set: Some(set) } => {
                let rdata = || set.rdata.iter().map(|data| &*data.0);
                let value = |out: &mut Vec<u8>| zone::encode(set.ttl, rdata(), out);
                to.put(ZONE_SETS, |out| zone::key(zone, name, *rtype, out), value);
            }
            Self::ZoneName { zone, name, node } => {
                for set in node.sets() {
                    let value = |out: &mut Vec<u8>| zone::encode(set.ttl, set.rdata.iter(), out);
                    to.put(ZONE_SETS, |out| zone::key(zone, name, set.rtype, out), value);
                }
            }
            Self::ZoneSet { zone, name, rtype, set: None } => {
                to.delete(ZONE_SETS, |out| zone::key(zone, name, *rtype, out));
            }
            Self::ZoneDifference { zone, difference } => {
                let key = |out: &mut Vec<u8>| zone_past::key(zone, difference.serial_after, out);
                to.put(ZONE_DIFFERENCES, key, |out| zone_past::encode(difference, out));
            }
            Self::ZoneDifferenceGone { zone, serial_after } => {
                to.delete(ZONE_DIFFERENCES, |out| zone_past::key(zone, *serial_after, out));
            }
            Self::ZoneStated { zone, name, rtype, stated: true } => {
                to.put(ZONE_STATED, |out| zone::key(zone, name, *rtype, out), |_| ());
            }
            Self::ZoneStated { zone, name, rtype, stated: false } => {
                to.delete(ZONE_STATED, |out| zone::key(zone, name, *rtype, out));
            }
            Self::ZoneCopy { zone, checked_at } => {
                to.put(ZONE_COPIES, |out| zone_copy::key(zone, out), |out| zone_copy::encode(*checked_at, out));
            }
            Self::ZoneCopyGone { zone } => to.delete(ZONE_COPIES, |out| zone_copy::key(zone, out)),
        }
    }

    /// Reads a row from the bytes of its key and value; `value` is `None` for one that is gone.
    ///
    /// # Errors
    /// See [`RowFault`]; any bytes are a row or a fault.
    pub fn read(stream: u8, key: &[u8], value: Option<&[u8]>) -> Result<Self, RowFault> {
        Ok(match (stream, value) {
            (LEASES, Some(value)) => Self::Lease(lease::decode(key, value)?),
            (LEASES, None) => Self::LeaseGone(lease::address(key)?),
            (WANTED, Some(value)) => Self::Wanted(dns_work::decode_wanted(key, value)?),
            (WANTED, None) => Self::WantedGone(dns_work::read_key(key)?),
            (CONFIRMED, Some(value)) => Self::Confirmed(dns_work::decode_confirmed(key, value)?),
            (CONFIRMED, None) => Self::ConfirmedGone(dns_work::read_key(key)?),
            (ZONE_SETS, value) => {
                let (zone, name, rtype) = zone::read_key(key)?;
                let set = value.map(|value| zone::decode(&name, rtype, value)).transpose()?;
                Self::ZoneSet { zone, name, rtype, set }
            }
            (SUFFIXES, Some(value)) => Self::Suffix(suffix::decode(key, value)?),
            (SUFFIXES, None) => {
                let (base, identity) = suffix::read_key(key)?;
                Self::SuffixGone(base, identity)
            }
            (ZONE_DIFFERENCES, Some(value)) => {
                let (zone, difference) = zone_past::decode(key, value)?;
                Self::ZoneDifference { zone, difference: Arc::new(difference) }
            }
            (ZONE_DIFFERENCES, None) => {
                let (zone, serial_after) = zone_past::read_key(key)?;
                Self::ZoneDifferenceGone { zone, serial_after }
            }
            (ZONE_STATED, value) => {
                let (zone, name, rtype) = zone::read_key(key)?;
                value.map_or(Ok(()), zone_past::check_stated)?;
                Self::ZoneStated { zone, name, rtype, stated: value.is_some() }
            }
            (ZONE_COPIES, Some(value)) => {
                Self::ZoneCopy { zone: zone_copy::read_key(key)?, checked_at: zone_copy::decode(value)? }
            }
            (ZONE_COPIES, None) => Self::ZoneCopyGone { zone: zone_copy::read_key(key)? },
            (other, _) => return Err(RowFault::Stream(other)),
        })
    }
}

/// What a key concerns, for people; for keys that cannot be read, their bytes.
pub(crate) fn describe_key(stream: u8, key: &[u8]) -> String {
    match Row::read(stream, key, None) {
        Ok(Row::LeaseGone(address)) => format!("the lease of {address}"),
        Ok(Row::WantedGone(key)) => format!("the wanted DNS content of {}", describe_row_key(&key)),
        Ok(Row::ConfirmedGone(key)) => format!("the confirmed DNS content of {}", describe_row_key(&key)),
        Ok(Row::ZoneSet { zone, name, rtype, .. }) => format!("the {rtype} records of {name} in the zone {zone}"),
        Ok(Row::SuffixGone(base, _)) => format!("a host's number under {base}"),
        Ok(Row::ZoneDifferenceGone { zone, serial_after }) => {
            format!("the step of the zone {zone} to the serial {serial_after}")
        }
        Ok(Row::ZoneStated { zone, name, rtype: RecordType(253), .. }) => {
            format!("that the holder of a lease wrote the A record of {name} in the zone {zone}")
        }
        Ok(Row::ZoneStated { zone, name, rtype, .. }) => {
            format!("that the configuration states the {rtype} records of {name} in the zone {zone}")
        }
        Ok(Row::ZoneCopyGone { zone }) => format!("that the zone {zone} is a copy"),
        _ => format!("the row {} of stream {stream}", hex(key)),
    }
}

fn describe_row_key(key: &RowKey) -> String {
    match key {
        RowKey::Forward(name) => name.to_string(),
        RowKey::Reverse(address) => address.to_string(),
        RowKey::Stated(name, rtype) => format!("the {rtype} records of {name}"),
    }
}

/// Family, address.
fn address_key(out: &mut Vec<u8>, address: IpAddr) {
    field::address(out, address);
}

#[cfg(test)]
mod tests;
