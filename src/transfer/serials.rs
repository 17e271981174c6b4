//! Serials of zones that are brought in: none may go back, or secondaries would keep what they have.

use std::collections::{BTreeMap, BTreeSet};

use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};
use store::Row;
use store::db::{RawRows, put_row, read_row};
use zones::serial::{is_newer, leap};

/// A zone whose serial is another than in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The zone.
    pub apex: Fqdn,
    /// Its serial in the file.
    pub filed: u32,
    /// What it becomes.
    pub becomes: u32,
}

impl Moved {
    /// As a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { apex, filed, becomes } = self;
        format!(
            "the zone {apex} goes on from the serial {becomes} (it is {filed} in the file), so that no secondary is ahead of it"
        )
    }
}

fn apex_of(row: &Row) -> Option<&Fqdn> {
    match row {
        Row::ZoneSet { zone, .. }
        | Row::ZoneDifference { zone, .. }
        | Row::ZoneStated { zone, .. }
        | Row::ZoneCopy { zone, .. } => Some(zone),
        _ => None,
    }
}

fn read_all(rows: &RawRows) -> impl Iterator<Item = ((u8, Vec<u8>), Row)> + '_ {
    rows.iter().filter_map(|((stream, key), value)| Some(((*stream, key.clone()), read_row(*stream, key, value).ok()?)))
}

/// The start of authority of each zone.
fn soas(rows: &RawRows) -> BTreeMap<Fqdn, (Rrset, Soa)> {
    let sets = read_all(rows).filter_map(|(_, row)| match row {
        Row::ZoneSet { zone, rtype: RecordType::SOA, set: Some(set), .. } => {
            let soa = set.rdata.first()?.to_soa()?;
            Some((zone, (set, soa)))
        }
        _ => None,
    });
    sets.collect()
}

/// Zones that the file does not have stay as they are here.
pub fn keep_other_zones(rows: &mut RawRows, here: &RawRows) {
    let theirs = soas(rows);
    let ours = read_all(here).filter(|(_, row)| apex_of(row).is_some_and(|apex| !theirs.contains_key(apex)));
    let kept: Vec<(u8, Vec<u8>)> = ours.map(|(id, _)| id).collect();
    for id in kept {
        if let Some(value) = here.get(&id) {
            rows.insert(id, value.clone());
        }
    }
}

/// Raises the serials of zones in `rows` that would go back in a store that holds `here`; all of them where `always`. The
/// steps behind a serial that was raised are forgotten, since secondaries may have others. A copy of another server's zone
/// keeps the serial that it came with: beyond its primary's it would not be asked for again.
pub fn carry(rows: &mut RawRows, here: &RawRows, always: bool, now: u64) -> Vec<Moved> {
    let (theirs, ours) = (soas(rows), soas(here));
    let copies: BTreeSet<Fqdn> = read_all(rows)
        .filter_map(|(_, row)| match row {
            Row::ZoneCopy { zone, .. } => Some(zone),
            _ => None,
        })
        .collect();
    let mut moved = Vec::new();
    for (apex, (set, soa)) in theirs.into_iter().filter(|(apex, _)| !copies.contains(apex)) {
        let own = ours.get(&apex).map(|(_, soa)| soa.serial);
        let differs = contents(rows, &apex) != contents(here, &apex);
        let becomes = match own {
            _ if always => leap_beyond(soa.serial, own, now),
            None => soa.serial,
            Some(_) if !differs => soa.serial,
            Some(own) if is_newer(soa.serial, own) => soa.serial,
            own @ Some(_) => leap_beyond(soa.serial, own, now),
        };
        // Steps of one history lead nowhere from a zone that had another.
        if becomes != soa.serial || (own.is_some() && differs) {
            let steps: Vec<(u8, Vec<u8>)> = read_all(rows)
                .filter(|(_, row)| matches!(row, Row::ZoneDifference { zone, .. } if *zone == apex))
                .map(|(id, _)| id)
                .collect();
            steps.iter().for_each(|id| _ = rows.remove(id));
        }
        if becomes != soa.serial {
            let filed = soa.serial;
            let data = Rdata::soa(&Soa { serial: becomes, ..soa });
            let set = Rrset::single(set.name.clone(), set.rtype, set.ttl, data);
            let row =
                Row::ZoneSet { zone: apex.clone(), name: set.name.clone(), rtype: RecordType::SOA, set: Some(set) };
            put_row(rows, &row);
            moved.push(Moved { apex, filed, becomes });
        }
    }
    moved
}

fn leap_beyond(filed: u32, own: Option<u32>, now: u64) -> u32 {
    let newest = own.filter(|own| is_newer(*own, filed)).unwrap_or(filed);
    leap(newest, &[filed, own.unwrap_or(filed)], now as u32)
}

/// The sets of a zone.
fn contents(rows: &RawRows, apex: &Fqdn) -> Vec<((u8, Vec<u8>), Row)> {
    read_all(rows).filter(|(_, row)| matches!(row, Row::ZoneSet { zone, .. } if zone == apex)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn zone(apex: &str, serial: u32, www: u8) -> RawRows {
        let apex: Fqdn = apex.parse().unwrap();
        let soa = Soa { mname: apex.clone(), rname: apex.clone(), serial, refresh: 1, retry: 1, expire: 1, minimum: 1 };
        let mut rows = RawRows::new();
        let name = apex.prepend_label(b"www").unwrap();
        for set in [
            Rrset::single(apex.clone(), RecordType::SOA, 60, Rdata::soa(&soa)),
            Rrset::single(name, RecordType::A, 60, Rdata([192, 0, 2, www].into())),
        ] {
            put_row(
                &mut rows,
                &Row::ZoneSet { zone: apex.clone(), name: set.name.clone(), rtype: set.rtype, set: Some(set) },
            );
        }
        rows
    }

    fn serial(rows: &RawRows, apex: &str) -> u32 {
        soas(rows)[&apex.parse().unwrap()].1.serial
    }

    #[test]
    fn a_zone_keeps_its_serial_where_nobody_can_be_ahead_of_it() {
        let theirs = zone("a.test", 70, 1);
        for here in [RawRows::new(), zone("a.test", 70, 1), zone("a.test", 60, 2)] {
            let mut rows = theirs.clone();
            assert_eq!(carry(&mut rows, &here, false, NOW), []);
            assert_eq!(serial(&rows, "a.test"), 70);
        }
    }

    #[test]
    fn no_serial_goes_back_and_none_stays_under_other_contents() {
        for own in [70, 71, 1_800_000_000] {
            let mut rows = zone("a.test", 70, 1);
            let moved = carry(&mut rows, &zone("a.test", own, 2), false, NOW);
            assert_eq!(moved.len(), 1);
            assert!(is_newer(serial(&rows, "a.test"), own) && is_newer(serial(&rows, "a.test"), 70), "{moved:?}");
        }
    }

    #[test]
    fn every_serial_leaps_when_an_earlier_time_is_restored() {
        let mut rows = zone("a.test", 70, 1);
        carry(&mut rows, &RawRows::new(), true, NOW);
        assert_eq!(u64::from(serial(&rows, "a.test")), NOW, "the store that is gone may have been far ahead");
        let mut rows = zone("a.test", 70, 1);
        carry(&mut rows, &zone("a.test", 1_800_000_000, 1), true, NOW);
        assert_eq!(serial(&rows, "a.test"), 1_800_000_001);
    }

    #[test]
    fn a_zone_that_the_file_lacks_stays() {
        let mut rows = zone("a.test", 70, 1);
        let here = zone("b.test", 5, 1);
        keep_other_zones(&mut rows, &here);
        assert_eq!((serial(&rows, "a.test"), serial(&rows, "b.test")), (70, 5));
    }

    fn copy(apex: &str, serial: u32, www: u8) -> RawRows {
        let mut rows = zone(apex, serial, www);
        put_row(&mut rows, &Row::ZoneCopy { zone: apex.parse().unwrap(), checked_at: NOW });
        rows
    }

    #[test]
    fn a_copy_of_another_servers_zone_keeps_its_serial_on_restore() {
        for always in [false, true] {
            let mut rows = copy("a.test", 70, 1);
            assert_eq!(carry(&mut rows, &copy("a.test", 71, 2), always, NOW), []);
            assert_eq!(serial(&rows, "a.test"), 70, "its primary would be behind it");
        }
    }

    #[test]
    fn a_copy_that_the_file_lacks_stays_a_copy() {
        let mut rows = zone("a.test", 70, 1);
        let here = copy("b.test", 5, 1);
        keep_other_zones(&mut rows, &here);
        assert!(here.iter().all(|(id, value)| rows.get(id) == Some(value)));
        assert_eq!(carry(&mut rows, &here, true, NOW).len(), 1, "the other one alone");
        assert_eq!(serial(&rows, "b.test"), 5);
    }
}
