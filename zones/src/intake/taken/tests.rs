#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::{Change, Update};
use proptest::prelude::*;

use super::super::reading::tests::{a, name, ns, soa};
use super::*;
use crate::{AllowAll, Condensed, apply};

fn set(record: ZoneRecord) -> Rrset {
    Rrset::single(record.name, record.rtype, record.ttl, record.rdata)
}

fn zone(serial: u32, owners: &[(&str, u8)]) -> Zone {
    let records = [soa(serial), ns()].into_iter().chain(owners.iter().map(|(owner, last)| a(owner, *last)));
    let mut sets: BTreeMap<Key, Rrset> = BTreeMap::new();
    for record in records {
        match sets.entry((record.name.clone(), record.rtype)) {
            std::collections::btree_map::Entry::Occupied(mut there) => _ = there.get_mut().insert(record.rdata),
            std::collections::btree_map::Entry::Vacant(place) => _ = place.insert(set(record)),
        }
    }
    Zone::from_sets(name("example"), sets.into_values()).unwrap()
}

fn whole(zone: &Zone) -> Incoming {
    Incoming::Whole(zone.rrsets().collect())
}

fn step(from: u32, to: u32, removed: Vec<ZoneRecord>, added: Vec<ZoneRecord>) -> Step {
    Step { from, soa: soa(to), to, removed, added }
}

fn taken(before: Option<&Zone>, incoming: Incoming) -> Result<Taken, TransferFault> {
    take(&name("example"), before, incoming).map(Option::unwrap)
}

#[test]
fn a_first_zone_is_stored_whole_and_has_no_past() {
    let coming = zone(7, &[("a.example", 1)]);
    let first = taken(None, whole(&coming)).unwrap();
    assert_eq!((&first.zone, first.sets.len(), first.differences.len(), first.forget), (&coming, 3, 0, true));
    let headless = Incoming::Whole(vec![set(soa(7))]);
    assert_eq!(taken(None, headless).unwrap_err(), TransferFault::NoServers);
    let steps = Incoming::Steps(vec![step(7, 8, vec![], vec![])]);
    assert_eq!(taken(None, steps).unwrap_err(), TransferFault::Start { theirs: 7, ours: 0 });
}

#[test]
fn a_zone_that_comes_whole_again_is_one_step_of_what_is_different() {
    let (before, after) =
        (zone(7, &[("a.example", 1), ("b.example", 2)]), zone(9, &[("a.example", 1), ("c.example", 3)]));
    let next = taken(Some(&before), whole(&after)).unwrap();
    next.zone.check();
    assert_eq!((&next.zone, next.sets.len(), next.forget), (&after, 3, false), "SOA, b and c");
    let condensed = Condensed::new(next.differences.iter().map(|one| &**one), &next.zone).unwrap();
    assert_eq!((condensed.removed.len(), condensed.added.len()), (1, 1));
    // Asked for whatever its serial, an older one is taken too, and nothing leads to it.
    let back = taken(Some(&after), whole(&before)).unwrap();
    assert_eq!((&back.zone, back.differences.len(), back.forget), (&before, 0, true));
    assert!(take(&name("example"), Some(&after), Incoming::Current(9)).unwrap().is_none());
}

#[test]
fn steps_are_made_one_after_the_other_and_each_is_kept() {
    let before = zone(7, &[("a.example", 1)]);
    let steps = vec![
        step(7, 8, vec![a("a.example", 1)], vec![a("b.example", 2), a("b.example", 3)]),
        step(8, 10, vec![a("b.example", 2)], vec![a("c.example", 4)]),
    ];
    let next = taken(Some(&before), Incoming::Steps(steps)).unwrap();
    next.zone.check();
    assert_eq!(next.zone, zone(10, &[("b.example", 3), ("c.example", 4)]));
    let serials: Vec<(u32, u32)> = next.differences.iter().map(|one| (one.serial_before, one.serial_after)).collect();
    assert_eq!(serials, [(7, 8), (8, 10)]);
    let gone = next.sets.iter().find(|(owner, ..)| *owner == name("a.example")).unwrap();
    assert_eq!(gone.2, None);
}

#[test]
fn many_small_steps_of_one_large_set_cost_no_more_than_is_kept() {
    let large =
        |at: u16| ZoneRecord { rdata: Rdata::a([10, 0, (at >> 8) as u8, at as u8].into()), ..a("l.example", 0) };
    let all = Rrset::new(name("l.example"), RecordType::A, 60, (0..2_000).map(|at| large(at).rdata).collect());
    let sets = zone(0, &[]).rrsets().chain(all).collect::<Vec<Rrset>>();
    let before = Zone::from_sets(name("example"), sets).unwrap();
    let steps = || {
        let each = (0..500).map(|at: u16| step(at.into(), u32::from(at) + 1, vec![large(at)], vec![large(2_000 + at)]));
        each.collect::<Vec<Step>>()
    };
    let next = stepped(&before, steps(), WORK_MAX).unwrap();
    assert_eq!((next.zone.serial(), next.sets.len(), next.forget), (500, 2, true));
    let cost: usize = next.differences.iter().map(|one| one.cost()).sum();
    assert!(cost <= History::COST_MAX && cost > History::COST_MAX / 2, "{cost}");
    assert_eq!(next.differences.last().unwrap().serial_after, 500);
    // Fewer of them are all kept, and lead on from the past.
    let few = stepped(&before, steps().into_iter().take(5).collect(), WORK_MAX).unwrap();
    assert_eq!((few.differences.len(), few.forget), (5, false));
    // What would take too long is asked for whole.
    let laborious = stepped(&before, steps(), 100 * 2_000 * 36).unwrap_err();
    assert_eq!((&laborious, laborious.may_be_had_whole()), (&TransferFault::Laborious, true));
}

#[test]
fn a_step_may_change_the_ttl_of_a_set() {
    let before = zone(7, &[("a.example", 1)]);
    let longer = ZoneRecord { ttl: 90, ..a("a.example", 1) };
    let steps = Incoming::Steps(vec![step(7, 8, vec![a("a.example", 1)], vec![longer])]);
    let next = taken(Some(&before), steps).unwrap();
    assert_eq!(next.zone.set(&name("a.example"), RecordType::A).unwrap().ttl, 90);
}

#[test]
fn changes_that_do_not_fit_the_copy_are_refused() {
    let before = zone(7, &[("a.example", 1)]);
    let refused = |removed, added| taken(Some(&before), Incoming::Steps(vec![step(7, 8, removed, added)])).unwrap_err();
    let inexact = TransferFault::Inexact(name("a.example"), RecordType::A);
    assert_eq!(refused(vec![a("a.example", 2)], vec![]), inexact);
    assert_eq!(refused(vec![a("a.example", 1), a("a.example", 1)], vec![]), inexact);
    assert_eq!(refused(vec![], vec![a("a.example", 1)]), inexact);
    assert_eq!(refused(vec![ns()], vec![]), TransferFault::NoServers);
    let elsewhere = Incoming::Steps(vec![step(6, 8, vec![], vec![])]);
    assert_eq!(taken(Some(&before), elsewhere).unwrap_err(), TransferFault::Start { theirs: 6, ours: 7 });
}

/// What a primary's update did, as a step of an incremental transfer.
fn as_step(before: &Zone, after: &Zone, difference: &Difference) -> Step {
    let condensed = Condensed::new([difference], after).unwrap();
    let records = |sets: Vec<Rrset>| {
        let each = sets.into_iter().flat_map(|Rrset { name, rtype, ttl, rdata }| {
            rdata.into_iter().map(move |rdata| ZoneRecord { name: name.clone(), rtype, ttl, rdata })
        });
        each.collect()
    };
    let soa = after.rrset(after.apex(), RecordType::SOA).unwrap();
    Step {
        from: before.serial(),
        to: after.serial(),
        soa: ZoneRecord { name: soa.name, rtype: soa.rtype, ttl: soa.ttl, rdata: soa.rdata[0].clone() },
        removed: records(condensed.removed),
        added: records(condensed.added),
    }
}

proptest! {
    #[test]
    fn a_copy_that_follows_by_steps_or_whole_is_what_the_primary_has(
        updates in prop::collection::vec(prop::collection::vec((0_u8..6, 0_u8..4, 0_u8..3, 50_u32..53), 1..6), 1..12),
        whole_at in 0_usize..12,
    ) {
        let mut primary = zone(u32::MAX - 3, &[]);
        let mut copy = taken(None, whole(&primary)).unwrap().zone;
        let mut waiting: Vec<Step> = Vec::new();
        for (at, changes) in updates.into_iter().enumerate() {
            let changes = changes.into_iter().map(|(host, last, kind, ttl)| {
                let owner = name(&format!("h{host}.example"));
                let rdata = Rdata::a([192, 0, 2, last].into());
                match kind {
                    0 => Change::DeleteRecord(owner, RecordType::A, rdata),
                    1 => Change::DeleteName(owner),
                    _ => Change::Add { name: owner, rtype: RecordType::A, ttl, rdata },
                }
            });
            let update = Update { zone: name("example"), prerequisites: vec![], changes: changes.collect() };
            let (next, change) = apply(&primary, &update, &AllowAll).unwrap();
            if let Some(change) = change {
                waiting.push(as_step(&primary, &next, &change.difference));
            }
            primary = next;
            if at % 2 == 0 && !waiting.is_empty() {
                let incoming = match at == whole_at {
                    true => whole(&primary),
                    false => Incoming::Steps(std::mem::take(&mut waiting)),
                };
                waiting.clear();
                let next = taken(Some(&copy), incoming).unwrap();
                next.zone.check();
                prop_assert_eq!(&next.zone, &primary);
                prop_assert_eq!(next.differences.first().unwrap().serial_before, copy.serial());
                // Whoever follows us is led to the same zone.
                let condensed = Condensed::new(next.differences.iter().map(|one| &**one), &next.zone);
                prop_assert!(condensed.is_some());
                // What is stored is what is served.
                let mut stored: BTreeMap<Key, Rrset> =
                    copy.rrsets().map(|set| ((set.name.clone(), set.rtype), set)).collect();
                for (name, rtype, set) in next.sets {
                    match set {
                        Some(set) => _ = stored.insert((name, rtype), set),
                        None => _ = stored.remove(&(name, rtype)),
                    }
                }
                prop_assert_eq!(&Zone::from_sets(name("example"), stored.into_values()).unwrap(), &primary);
                copy = next.zone;
            }
        }
    }
}
