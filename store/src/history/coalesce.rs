//! Renewals: a client that renews each half hour would fill the disk with what everybody knows. One record a day stands for
//! those that changed nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;

use dns::sip::Sip;

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
        if !record.is_bound() {
            self.told.remove(&record.address);
            return true;
        }
        let now = ((record.at / DAY_SECS) as u16, fingerprint(record));
        let has_room = self.told.len() < ADDRESSES_MAX;
        match self.told.entry(record.address) {
            Entry::Occupied(told) if *told.get() == now => record.kind != Kind::Renewed,
            Entry::Occupied(mut told) => {
                told.insert(now);
                true
            }
            Entry::Vacant(place) => {
                if has_room {
                    place.insert(now);
                }
                true
            }
        }
    }
}

/// Of what a renewal may change.
fn fingerprint(record: &Record) -> u16 {
    let sum = Sip::new(0)
        .number(record.started_at)
        .number(record.relay.to_bits().into())
        .bytes(record.hardware.as_bytes())
        .bytes(record.client_id.as_ref().map_or(&[], |id| &id.0))
        .bytes(&record.hostname)
        .bytes(record.name.as_ref().map_or(&[], |name| name.as_wire()))
        .bytes(&record.relay_agent_info)
        .finish();
    (sum ^ sum >> 32) as u16
}
