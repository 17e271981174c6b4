//! Renewals: a client that renews each half hour would fill the disk with what everybody knows. One record a day stands for
//! those that changed nothing.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::record::{Kind, Record};

const DAY_SECS: u64 = 86_400;
/// Addresses that are remembered, eight octets each. Past this, renewals of others are told each.
const ADDRESSES_MAX: usize = 4 * 1024 * 1024;

/// What was told last of each address.
#[derive(Debug, Default)]
pub struct Coalesce {
    /// Day and fingerprint.
    told: HashMap<Ipv4Addr, (u16, u16)>,
}

impl Coalesce {
    /// Whether a record tells something new. What it tells is known from then on.
    pub fn is_new(&mut self, record: &Record) -> bool {
        let day = (record.at / DAY_SECS) as u16;
        let fingerprint = fingerprint(record);
        if !record.is_bound() {
            self.told.remove(&record.address);
            return true;
        }
        let known = self.told.get(&record.address) == Some(&(day, fingerprint));
        if record.kind == Kind::Renewed && known {
            return false;
        }
        if self.told.len() < ADDRESSES_MAX || self.told.contains_key(&record.address) {
            self.told.insert(record.address, (day, fingerprint));
        }
        true
    }
}

/// Of what a renewal may change.
fn fingerprint(record: &Record) -> u16 {
    let mut hasher = crc32fast::Hasher::new();
    let number = record.started_at.to_le_bytes();
    let parts: [&[u8]; 7] = [
        record.hardware.as_bytes(),
        record.client_id.as_ref().map_or(&[], |id| &id.0),
        &record.hostname,
        record.name.as_ref().map_or(&[], |name| name.as_wire()),
        &record.relay.octets(),
        &record.relay_agent_info,
        &number,
    ];
    for part in parts {
        hasher.update(&(part.len() as u32).to_le_bytes());
        hasher.update(part);
    }
    let sum = hasher.finalize();
    (sum ^ sum >> 16) as u16
}
