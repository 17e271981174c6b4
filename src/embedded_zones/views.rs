//! Zones that are for certain views alone: several may have one apex, and what each is known by follows from its views
//! (`zones::zone_id`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use config::settings::DnsSettings;
use dns::{Fqdn, RecordType};
use store::rows::Row;
use zones::{Draft, Followed, zone_id};

use super::{LoadedZones, StoredZones};

/// A zone that is known by something else than before (it is for other views now, or for all) keeps what it has, where it is
/// the only one of its apex in the configuration and in the store alike: nobody else can be meant. `stored` is as if the
/// rows that come back were stored. `copies` are the zones that are copies of other servers'.
pub fn rename(settings: &DnsSettings, stored: &mut StoredZones, copies: &mut Vec<(Fqdn, u64)>) -> Vec<Row> {
    let mut served: BTreeMap<&Fqdn, Vec<&Fqdn>> = BTreeMap::new();
    let own = settings.zones.iter().map(|zone| &zone.sight);
    for sight in own.chain(settings.secondary.iter().map(|zone| &zone.sight)) {
        served.entry(&sight.apex).or_default().push(&sight.id);
    }
    let mut held: BTreeMap<Fqdn, BTreeSet<Fqdn>> = BTreeMap::new();
    let ids: BTreeSet<&Fqdn> = stored.sets.iter().map(|(id, _)| id).collect();
    for id in ids {
        held.entry(zone_id::apex(id)).or_default().insert(id.clone());
    }
    let mut rows = Vec::new();
    for (apex, now) in served {
        let before = held.get(apex).into_iter().flatten().collect::<Vec<_>>();
        if let ([now], [before]) = (&now[..], &before[..])
            && now != before
        {
            rename_one(stored, copies, (before, now), &mut rows);
        }
    }
    rows
}

fn rename_one(
    stored: &mut StoredZones,
    copies: &mut Vec<(Fqdn, u64)>,
    (before, now): (&Fqdn, &Fqdn),
    rows: &mut Vec<Row>,
) {
    let moved = |zone: &mut Fqdn| {
        let is_it = zone == before;
        if is_it {
            zone.clone_from(now);
        }
        is_it
    };
    for (zone, set) in &mut stored.sets {
        if moved(zone) {
            let (name, rtype) = (set.name.clone(), set.rtype);
            rows.push(Row::ZoneSet { zone: before.clone(), name: name.clone(), rtype, set: None });
            rows.push(Row::ZoneSet { zone: now.clone(), name, rtype, set: Some(set.clone()) });
        }
    }
    for (zone, name, rtype) in &mut stored.stated {
        if moved(zone) {
            let row =
                |zone: &Fqdn, stated| Row::ZoneStated { zone: zone.clone(), name: name.clone(), rtype: *rtype, stated };
            rows.extend([row(before, false), row(now, true)]);
        }
    }
    for (zone, difference) in &mut stored.differences {
        if moved(zone) {
            rows.push(Row::ZoneDifferenceGone { zone: before.clone(), serial_after: difference.serial_after });
            rows.push(Row::ZoneDifference { zone: now.clone(), difference: Arc::clone(difference) });
        }
    }
    for (zone, checked_at) in copies {
        if moved(zone) {
            rows.push(Row::ZoneCopyGone { zone: before.clone() });
            rows.push(Row::ZoneCopy { zone: now.clone(), checked_at: *checked_at });
        }
    }
}

/// Zones that have the names of leases beside another one of their apex, and are new or had them not before, get them.
pub(super) fn follow_leases(loaded: &mut LoadedZones) {
    let all: Vec<Fqdn> = loaded.zones.zones().into_iter().map(|zone| zone.id().clone()).collect();
    for home in all {
        for id in loaded.zones.followers(&home).to_vec() {
            let (Some(from), Some(to)) = (loaded.zones.get(&home), loaded.zones.get(&id)) else { continue };
            let mut draft = Draft::of(to);
            for (name, node) in from.nodes().filter(|(_, node)| node.set(RecordType::DHCID).is_some()) {
                let now = Some(node.to_node());
                draft.follow(&Followed { name, former: Vec::new(), now });
            }
            let (zone, Some(change)) = draft.finish() else { continue };
            let difference = Arc::clone(&change.difference);
            let cut = loaded.histories.entry(id.clone()).or_default().push(Arc::clone(&difference));
            let is_kept = !cut.contains(&difference.serial_after);
            let gone = |serial_after| Row::ZoneDifferenceGone { zone: id.clone(), serial_after };
            loaded.rows.extend(change.into_sets().map(|(name, rtype, set)| Row::ZoneSet {
                zone: id.clone(),
                name,
                rtype,
                set,
            }));
            loaded.rows.extend(cut.into_iter().map(gone));
            if is_kept {
                loaded.rows.push(Row::ZoneDifference { zone: id.clone(), difference });
            }
            loaded.zones.insert(zone);
        }
    }
}
