//! Devices that were never seen before: told when they come, of a crowd some by name and the rest by their number.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dhcp::identity::HardwareAddress;
use dhcp::lease::Lease;
use dhcp::relay_info::Switches;
use store::FileStorage;
use store::history::{Known, Query, Reader, Sight};
use web::Feed;

use crate::http::news::{of_new_device, of_new_devices};

/// How much of each second goes into looking whether machines are new, where more are known than there is room for in
/// memory: a look reads some blocks of each part. Of a crowd, the rest is not told to be new.
const LOOKING: Duration = Duration::from_millis(20);
/// New devices told one by one in a second; of what comes beyond that, how many there were.
const NEW_DEVICES_MAX: usize = 128;

/// Whom it is told when a device comes that was never seen before, and what is known without a history.
#[derive(Debug)]
pub struct NewDevices {
    /// Where it is told.
    pub feed: Arc<Feed>,
    /// Machines with a reservation.
    pub reserved: HashSet<HardwareAddress>,
    /// Names for relay agents.
    pub switches: Arc<Switches>,
}

/// Notices them among new leases, within what each second may cost.
pub(super) struct Noticing<'d> {
    devices: &'d NewDevices,
    reader: Reader<FileStorage>,
    looks: Looks,
    telling: Telling,
}

impl<'d> Noticing<'d> {
    pub(super) fn new(devices: &'d NewDevices, reader: Reader<FileStorage>) -> Self {
        let looks = Looks { second: Instant::now(), spent: Duration::ZERO };
        Self { devices, reader, looks, telling: Telling::default() }
    }

    /// Tells of the machine of a lease that began at `now` (UTC seconds), if it is new. Of a crowd only so many are told one
    /// by one: to put one into words costs more than its lease did.
    pub(super) fn notice(&mut self, known: &mut Known, lease: &Lease, now: u64) {
        if self.is_new(known, lease) && self.telling.may_tell(Instant::now()) {
            self.devices.feed.push([of_new_device(lease, now, &self.devices.switches)]);
        }
    }

    /// Tells how many were left out since the last call, if any.
    pub(super) fn tell_rest(&mut self) {
        if let Some(rest) = self.telling.rest() {
            self.devices.feed.push([of_new_devices(rest, crate::clock::machine_wall_secs())]);
        }
    }

    /// Whether a machine is in no lease that the history knows of, and has no reservation. It is known from then on.
    fn is_new(&mut self, known: &mut Known, lease: &Lease) -> bool {
        if lease.hardware.as_bytes().is_empty() {
            return false;
        }
        match known.meet(&lease.hardware, lease.client_id.as_ref()) {
            Sight::Again => false,
            _ if self.devices.reserved.contains(&lease.hardware) => false,
            Sight::First => true,
            Sight::Unknown => self.is_in_no_part(lease),
        }
    }

    fn is_in_no_part(&mut self, lease: &Lease) -> bool {
        let Some(began) = self.looks.begin(Instant::now()) else { return false };
        let by_hardware = Query { hardware: Some(lease.hardware), ..Query::default() };
        let by_client = lease.client_id.clone().map(|id| Query { client_id: Some(id), ..Query::default() });
        // What cannot be read is not said to be new.
        let known = |query: &Query| self.reader.knows(query).unwrap_or(true);
        let is_new = !known(&by_hardware) && !by_client.is_some_and(|query| known(&query));
        self.looks.spent += began.elapsed();
        is_new
    }
}

/// What looking for new machines has cost in this second.
struct Looks {
    second: Instant,
    spent: Duration,
}

impl Looks {
    /// When a look begins, or none while this second's share is used up.
    fn begin(&mut self, now: Instant) -> Option<Instant> {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            *self = Self { second: now, spent: Duration::ZERO };
        }
        (self.spent < LOOKING).then_some(now)
    }
}

/// How many were told in this second, and how many were not.
#[derive(Debug, Default)]
struct Telling {
    second: Option<Instant>,
    told: usize,
    left_out: usize,
}

impl Telling {
    /// Whether one more may be told by itself; else it is counted.
    fn may_tell(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.told) = (Some(now), 0);
        }
        let may = self.told < NEW_DEVICES_MAX;
        if may {
            self.told += 1
        } else {
            self.left_out += 1
        }
        may
    }

    /// How many were left out since the last call, if any.
    fn rest(&mut self) -> Option<usize> {
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_crowd_of_new_devices_some_are_told_and_the_rest_are_counted() {
        let (mut telling, now) = (Telling::default(), Instant::now());
        let told = |telling: &mut Telling, now| (0..1_000).filter(|_| telling.may_tell(now)).count();
        assert_eq!((told(&mut telling, now), telling.rest()), (NEW_DEVICES_MAX, Some(1_000 - NEW_DEVICES_MAX)));
        assert_eq!(telling.rest(), None);
        assert!(!telling.may_tell(now + Duration::from_millis(900)));
        assert!(telling.may_tell(now + Duration::from_secs(1)));
        assert_eq!(telling.rest(), Some(1));
    }

    #[test]
    fn a_crowd_of_new_machines_costs_a_share_of_each_second_and_no_more() {
        let start = Instant::now();
        let mut looks = Looks { second: start, spent: Duration::ZERO };
        assert_eq!(looks.begin(start), Some(start));
        looks.spent += LOOKING;
        assert_eq!(looks.begin(start + Duration::from_millis(999)), None);
        let next = start + Duration::from_secs(1);
        assert_eq!(looks.begin(next), Some(next));
    }
}
