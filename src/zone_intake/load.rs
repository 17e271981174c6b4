//! Copies of other servers' zones at the start: what was stored of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use config::settings::DnsSettings;
use dns::{Fqdn, Rrset};
use store::rows::Row;
use tracing::warn;
use zones::{Histories, History, Zone, zone_id};

use crate::embedded_zones::StoredZones;

/// What is known of the copies.
#[derive(Debug, Default)]
pub struct LoadedCopies {
    /// Each that is there, and when a primary last was known to have nothing newer, in UTC seconds.
    pub zones: BTreeMap<Fqdn, (Zone, u64)>,
    /// Their past.
    pub histories: Histories,
    /// To be stored, all or none, before they are served.
    pub rows: Vec<Row>,
}

/// Takes what was stored of the zones that are copies now out of `stored`. What a zone held while it was this server's own
/// is no copy of anything: it is dropped. A zone that was a copy and is this server's own now keeps what it has.
pub fn load(settings: &DnsSettings, stored: &mut StoredZones, copies: Vec<(Fqdn, u64)>) -> LoadedCopies {
    let ours: HashSet<&Fqdn> = settings.secondary.iter().map(|zone| &zone.sight.id).collect();
    let mut loaded = LoadedCopies::default();
    let mut checked: HashMap<Fqdn, u64> = copies.into_iter().collect();
    for zone in &settings.zones {
        if checked.remove(&zone.sight.id).is_some() {
            loaded.rows.push(Row::ZoneCopyGone { zone: zone.sight.id.clone() });
        }
    }
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
            Some(zone) => {
                loaded.zones.insert(apex.clone(), zone);
                loaded.histories.insert(apex.clone(), history);
            }
            None => {
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
        assert_eq!(loaded.zones.keys().collect::<Vec<_>>(), [&name("a.example")]);
        assert_eq!(loaded.zones[&name("a.example")].1, 1_000);
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
        assert!(loaded.zones.is_empty());
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
}
