//! Renewals: a client that renews each half hour would fill the disk with what everybody knows. One record a day stands for
//! those that changed nothing.

use dhcp::decision::{LeaseEvent, LeaseEventKind};
use dns::sip::Sip;

use super::record::{Kind, Record};
use super::told::Told;

const DAY_SECS: u64 = 86_400;

/// What was told last of each address: day and fingerprint. Of what there is no room for, all renewals are told.
#[derive(Debug, Default)]
pub struct Coalesce {
    told: Told,
}

impl Coalesce {
    /// Whether a record tells something new. What it tells is known from then on.
    pub fn is_new(&mut self, record: &Record) -> bool {
        if !record.is_bound() {
            self.told.forget(record.address);
            return true;
        }
        let now = ((record.at / DAY_SECS) as u16, fingerprint(record));
        self.told.tell(record.address, now) || record.kind != Kind::Renewed
    }
}

/// Whether an event tells a history nothing that it does not have, whatever it has: a renewal that changed nothing, of a
/// lease that was renewed or made on the same day. So whoever hands events on can leave it out.
#[must_use]
pub fn is_told_already(event: &LeaseEvent) -> bool {
    let since = event.previous.as_ref().and_then(|former| former.same_since);
    event.kind == LeaseEventKind::Renewed
        && since.is_some_and(|since| since / DAY_SECS == event.lease.renewed_at / DAY_SECS)
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
