//! Copies of other servers' zones at the start: what was stored of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use config::settings::DnsSettings;
use dns::{Fqdn, RecordType, Rrset};
use store::rows::Row;
use tracing::warn;
use zones::{Histories, History, Zone, zone_id};

use crate::embedded_zones::StoredZones;

/// What is stored of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredCopy {
    /// All of it, and when a primary last was known to have nothing newer, in UTC seconds.
    Whole(Zone, u64),
    /// Sets that count for nothing. [`LoadedCopies::rows`] take them away, and a full disk may keep them from that: they must
    /// be gone before a copy stands in their place.
    Strewn(Vec<(Fqdn, RecordType)>),
}

/// What is known of the copies.
#[derive(Debug, Default)]
pub struct LoadedCopies {
    /// Each of which anything is there.
    pub zones: BTreeMap<Fqdn, StoredCopy>,
    /// Their past.
    pub histories: Histories,
    /// To be stored, all or none, before they are served.
    pub rows: Vec<Row>,
}

/// Takes what was stored of the zones that are copies now out of `stored`. What a zone held while it was this server's own
/// is no copy of anything: it is dropped. A zone that was a copy and is this server's own now keeps what it has; but not what
/// was stored of one that never was whole (see [`disown`]).
pub fn load(settings: &DnsSettings, stored: &mut StoredZones, copies: Vec<(Fqdn, u64)>) -> LoadedCopies {
    let ours: HashSet<&Fqdn> = settings.secondary.iter().map(|zone| &zone.sight.id).collect();
    let mut loaded = LoadedCopies::default();
    let mut checked: HashMap<Fqdn, u64> = copies.into_iter().collect();
    for zone in &settings.zones {
        if checked.remove(&zone.sight.id).is_some() {
            loaded.rows.push(Row::ZoneCopyGone { zone: zone.sight.id.clone() });
        }
    }
    disown(stored, &ours);
    let mut sets: HashMap<Fqdn, Vec<Rrset>> = HashMap::new();
    for (zone, set) in stored.sets.extract_if(.., |(zone, _)| ours.contains(zone)) {
        sets.entry(zone).or_default().push(set);
    }
    let mut differences: HashMap<Fqdn, Vec<_>> = HashMap::new();
    for (zone, difference) in stored.differences.extract_if(.., |(zone, _)| ours.contains(zone)) {
        differences.entry(zone).or_default().push(difference);
    }
    let stated = stored.stated.extract_if(.., |(zone, ..)| ours.contains(zone));
    loaded.rows.extend(stated.map(|(zone, name, rtype)| Row::ZoneStated { zone, name, rtype, stated: false }));
    for apex in ours {
        let sets = sets.remove(apex).unwrap_or_default();
        let steps = differences.remove(apex).unwrap_or_default();
        let zone = checked.get(apex).and_then(|checked| Some((read(apex, &sets)?, *checked)));
        let steps = steps.into_iter().map(std::sync::Arc::unwrap_or_clone).collect();
        let (history, unused) = History::load(steps, zone.as_ref().map_or(0, |(zone, _)| zone.serial()));
        let gone = |serial_after| Row::ZoneDifferenceGone { zone: apex.clone(), serial_after };
        loaded.rows.extend(unused.into_iter().map(gone));
        match zone {
            Some((zone, checked_at)) => {
                loaded.zones.insert(apex.clone(), StoredCopy::Whole(zone, checked_at));
                loaded.histories.insert(apex.clone(), history);
            }
            None => {
                if !sets.is_empty() {
                    let keys = sets.iter().map(|set| (set.name.clone(), set.rtype)).collect();
                    loaded.zones.insert(apex.clone(), StoredCopy::Strewn(keys));
                }
                let gone =
                    |set: Rrset| Row::ZoneSet { zone: apex.clone(), name: set.name, rtype: set.rtype, set: None };
                loaded.rows.extend(sets.into_iter().map(gone));
                loaded.rows.extend(
                    history.serials().map(|serial_after| Row::ZoneDifferenceGone { zone: apex.clone(), serial_after }),
                );
            }
        }
    }
    loaded
}

/// Pieces of a first copy that was never whole, in zones that are none of `ours`: whoever has such a zone as its own now, or
/// later, would serve half of it. They count as what a former configuration stated, which goes with the next one. A piece is
/// known by the want of a SOA record, which only the last brings: this server stores none of its own zones without one.
fn disown(stored: &mut StoredZones, ours: &HashSet<&Fqdn>) {
    let with_soa = stored.sets.iter().filter(|(_, set)| set.rtype == RecordType::SOA).map(|(zone, _)| zone);
    let whole: HashSet<&Fqdn> = with_soa.chain(stored.stated.iter().map(|(zone, ..)| zone)).collect();
    let strewn = stored.sets.iter().filter(|(zone, _)| !whole.contains(zone) && !ours.contains(zone));
    let strewn: Vec<_> = strewn.map(|(zone, set)| (zone.clone(), set.name.clone(), set.rtype)).collect();
    stored.stated.extend(strewn);
}

fn read(apex: &Fqdn, sets: &[Rrset]) -> Option<Zone> {
    match Zone::from_sets(zone_id::apex(apex), sets.iter().cloned()) {
        Ok(zone) => Some(zone.with_id(apex)),
        Err(error) => {
            warn!("zone {apex}: the copy that is stored is none, and is taken anew: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use config::settings::{SecondaryZone, Transfers};
    use dns::RecordType;
    use zones::intake::Limits;
    use zones::{Askers, NewZone, Sight};

    use super::*;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn settings() -> DnsSettings {
        let secondary = |text: &str| SecondaryZone {
            apex: name(text),
            primaries: Vec::new(),
            notify: Askers::default(),
            limits: Limits::default(),
            keys: Vec::new(),
            sight: Sight::of(name(text)),
            transfers: Transfers::default(),
        };
        DnsSettings { secondary: vec![secondary("a.example"), secondary("b.example")], ..DnsSettings::default() }
    }

    fn stored(apexes: &[&str]) -> StoredZones {
        let sets = apexes.iter().flat_map(|apex| {
            let zone = NewZone::new(name(apex), name("ns.example"), vec![]);
            zone.rrsets().into_iter().map(|set| (name(apex), set))
        });
        StoredZones { sets: sets.collect(), ..StoredZones::default() }
    }

    #[test]
    fn a_stored_copy_is_served_and_what_was_our_own_zone_is_dropped() {
        let mut zones = stored(&["a.example", "b.example", "own.example"]);
        zones.stated.push((name("b.example"), name("b.example"), RecordType::NS));
        let loaded = load(&settings(), &mut zones, vec![(name("a.example"), 1_000)]);
        assert!(matches!(loaded.zones[&name("a.example")], StoredCopy::Whole(_, 1_000)));
        assert!(matches!(&loaded.zones[&name("b.example")], StoredCopy::Strewn(keys) if keys.len() == 2));
        let of_b = |row: &&Row| match row {
            Row::ZoneSet { zone, set: None, .. } | Row::ZoneStated { zone, stated: false, .. } => {
                *zone == name("b.example")
            }
            _ => false,
        };
        assert_eq!((loaded.rows.iter().filter(of_b).count(), loaded.rows.len()), (3, 3), "{:?}", loaded.rows);
        assert!(zones.sets.iter().all(|(zone, _)| *zone == name("own.example")) && zones.stated.is_empty());
    }

    #[test]
    fn a_copy_that_is_damaged_is_taken_anew() {
        let mut zones = stored(&["a.example"]);
        zones.sets.retain(|(_, set)| set.rtype != RecordType::SOA);
        let loaded = load(&settings(), &mut zones, vec![(name("a.example"), 1_000)]);
        let strewn = StoredCopy::Strewn(vec![(name("a.example"), RecordType::NS)]);
        assert_eq!(loaded.zones, [(name("a.example"), strewn)].into());
        assert_eq!(loaded.rows.len(), 1, "its NS records go");
    }

    #[test]
    fn a_copy_that_becomes_our_own_zone_is_a_copy_no_more() {
        let apex = name("own.example");
        let mut zones = stored(&["own.example"]);
        let checked =
            config::check("[[zone]]\nname = \"own.example\"\n", "test.toml", &|_: &std::path::Path| Err(String::new()));
        let settings = checked.unwrap().config.dns;
        let loaded = load(&settings, &mut zones, vec![(apex.clone(), 1_000)]);
        assert_eq!(loaded.rows, [Row::ZoneCopyGone { zone: apex }]);
        assert_eq!(zones.sets.len(), 2, "and it keeps what it has");
    }

    /// The first copy was being stored when the process was killed, and the zone is this server's own from then on, or later.
    #[test]
    fn half_a_copy_is_no_part_of_a_zone_of_our_own() {
        let apex = name("own.example");
        let text =
            "[[zone]]\nname = \"own.example\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.0.2.1\" }]\n";
        let checked = config::check(text, "test.toml", &|_: &std::path::Path| Err(String::new()));
        let settings = checked.unwrap().config.dns;
        let a = |owner: &str| Rrset::single(name(owner), RecordType::A, 300, dns::Rdata::a([192, 0, 2, 9].into()));
        let mut zones = stored(&["own.example", "other.example"]);
        zones.sets.retain(|(zone, set)| *zone != apex || set.rtype != RecordType::SOA);
        zones.sets.extend(["host.own.example", "www.own.example"].map(|owner| (apex.clone(), a(owner))));
        zones.sets.push((name("other.example"), a("host.other.example")));
        assert!(load(&settings, &mut zones, Vec::new()).zones.is_empty());
        assert!(zones.stated.iter().all(|(zone, ..)| *zone == apex), "a zone that has a SOA record is whole");
        let laid = crate::embedded_zones::load(&settings, zones, &[], 1_800_000_000).unwrap();
        let zone = laid.zones.get(&apex).unwrap();
        assert!(zone.node(&name("host.own.example")).is_none(), "what was stored of the copy goes");
        let www = zone.rrset(&name("www.own.example"), RecordType::A).unwrap();
        assert_eq!(www.rdata, [dns::Rdata::a([192, 0, 2, 1].into())]);
        let gone = |row: &Row| matches!(row, Row::ZoneSet { name: owner, set: None, .. } if *owner == name("host.own.example"));
        assert!(laid.rows.iter().any(gone), "{:?}", laid.rows);
    }
}
