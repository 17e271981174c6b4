//! The embedded zones under another configuration, while they are served: as a restart with it would have them.
//!
//! A zone that the two configurations say the same of stays as it is, with its past. What is stored of zones that are not
//! served ([`StoredZones`], nearly always nothing) is kept in memory, so that one that comes back need not be read.

use std::collections::HashMap;
use std::net::IpAddr;

use config::Config;
use config::settings::{DnsSettings, EmbeddedZone};
use ddns::settings::ZoneServer;
use ddns::wanted::WantedRow;
use dns::Fqdn;
use zones::{Histories, History, Place, Zone, ZoneSet};

use super::{
    BY_LEASE, ByLease, Key, LoadedZones, Past, StoredZones, digest_key, is_closest, lay_over, new_zone, views,
};
use crate::departed_names;

/// What is served, and by what it was made.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// By this configuration.
    pub config: &'a Config,
    /// And these addresses of the server.
    pub own: &'a [IpAddr],
    /// The zones.
    pub zones: &'a ZoneSet,
    /// Their past.
    pub histories: &'a Histories,
    /// What holders of leases wrote in them.
    pub by_lease: &'a ByLease,
    /// What is stored of others.
    pub asleep: &'a StoredZones,
}

/// What is to be served in its place.
#[derive(Debug)]
pub struct Relaid {
    /// The zones, their past, and what is to be stored before they are served.
    pub loaded: LoadedZones,
    /// What is stored of others then.
    pub asleep: StoredZones,
    /// What became of names of ours in zones that hold them no more, a sentence for each.
    pub told: Vec<String>,
}

/// The zones of `new`, whose own addresses are `own`. `wanted` are all rows, as they are stored.
///
/// # Errors
/// When a zone cannot be built, naming it.
pub fn relay(
    served: Served<'_>,
    new: &Config,
    own: &[IpAddr],
    wanted: &[WantedRow],
    now_secs: u64,
) -> anyhow::Result<Relaid> {
    let (mut stored, mut stays) = (served.asleep.clone(), HashMap::new());
    for zone in &served.config.dns.zones {
        let Some(held) = served.zones.get(&zone.sight.id) else { continue };
        if same(served, new, own, zone) {
            stays.insert(zone.sight.id.clone(), held.clone());
        } else {
            fall_asleep(&mut stored, zone, served, held);
        }
    }
    let mut rows = views::rename(&new.dns, &mut stored, &mut Vec::new());
    let withdrawn = departed_names::withdraw(&mut stored.sets, &new.ddns, new.dns.audiences().as_ref(), wanted, &[]);
    let told = departed_names::words(&withdrawn);
    rows.extend(withdrawn);
    let (mut pasts, mut asleep) = (sorted(stored), StoredZones::default());
    let mut loaded = LoadedZones {
        zones: ZoneSet::for_audiences(new.dns.audiences()),
        histories: Histories::new(),
        by_lease: ByLease::new(),
        rows: Vec::new(),
    };
    for zone in &new.dns.zones {
        let id = &zone.sight.id;
        match stays.remove(id) {
            Some(held) => {
                loaded.histories.insert(id.clone(), served.histories.get(id).cloned().unwrap_or_default());
                loaded.by_lease.extend(served.by_lease.get(id).map(|names| (id.clone(), names.clone())));
                loaded.zones.insert(held);
            }
            None => {
                let past = pasts.remove(id).unwrap_or_default();
                lay_over(zone, stated_of(&new.dns, zone, own), past, now_secs, &mut loaded)?;
            }
        }
    }
    views::follow_leases(&mut loaded);
    // Copies of other servers' zones are the same in both: a reload refuses what changes them.
    for zone in &new.dns.secondary {
        match served.zones.place(&zone.sight.id) {
            Place::Zone(held) => loaded.zones.insert(held.clone()),
            Place::Unavailable(why) => loaded.zones.withhold(&zone.sight.id, why),
            Place::Prohibited | Place::Elsewhere => {}
        }
        if let Some(history) = served.histories.get(&zone.sight.id) {
            loaded.histories.insert(zone.sight.id.clone(), history.clone());
        }
    }
    for (apex, past) in pasts {
        asleep.sets.extend(past.sets.into_values().map(|set| (apex.clone(), set)));
        asleep.stated.extend(past.stated.into_iter().map(|(name, rtype)| (apex.clone(), name, rtype)));
        asleep.differences.extend(past.differences.into_iter().map(|one| (apex.clone(), one)));
    }
    rows.append(&mut loaded.rows);
    loaded.rows = rows;
    Ok(Relaid { loaded, asleep, told })
}

/// What the configuration states in a zone, and the digest of what its views have instead.
pub(super) fn stated_of(settings: &DnsSettings, zone: &EmbeddedZone, own: &[IpAddr]) -> (Vec<dns::Rrset>, Option<Key>) {
    let (besides, views) = stated_besides(settings, zone, own);
    (zone.records.iter().chain(besides).collect(), views)
}

/// The same without the zone's static records.
fn stated_besides(settings: &DnsSettings, zone: &EmbeddedZone, own: &[IpAddr]) -> (Vec<dns::Rrset>, Option<Key>) {
    let names = settings.own_names.iter().filter(|name| is_closest(settings, &zone.apex, name));
    let besides = names.flat_map(|name| super::address_sets(name, zone.ttl_secs, own));
    (besides.collect(), zone.sight.digest(&settings.views).and_then(digest_key))
}

/// Whether nothing that is stored of a zone changes.
fn same(served: Served<'_>, new: &Config, own: &[IpAddr], zone: &EmbeddedZone) -> bool {
    let Some(now) = new.dns.zones.iter().find(|one| one.sight.id == zone.sight.id) else { return false };
    let contents = |zone: &EmbeddedZone| {
        let EmbeddedZone { ns, hostmaster, ttl_secs, negative_ttl_secs, soa, .. } = zone;
        (ns.clone(), hostmaster.clone(), *ttl_secs, *negative_ttl_secs, soa.clone())
    };
    // Names of ours that are kept elsewhere from now on are taken out of it.
    let here = |config: &Config| -> Vec<(Fqdn, bool)> {
        let beneath = config.ddns.zones.iter().filter(|route| route.apex.is_within(&zone.apex));
        beneath.map(|route| (route.apex.clone(), route.server == ZoneServer::Embedded)).collect()
    };
    // Names of leases that are in it no more are taken out of it.
    contents(zone) == contents(now)
        && zone.sight.leases == now.sight.leases
        && zone.self_by_lease == now.self_by_lease
        && stated_besides(&served.config.dns, zone, served.own) == stated_besides(&new.dns, now, own)
        && zone.records == now.records
        && here(served.config) == here(new)
}

/// As if the daemon had ended: what the store holds of the zone.
fn fall_asleep(stored: &mut StoredZones, zone: &EmbeddedZone, served: Served<'_>, held: &Zone) {
    let apex = &zone.sight.id;
    stored.sets.extend(held.rrsets().map(|set| (apex.clone(), set)));
    let (stated, views) = stated_of(&served.config.dns, zone, served.own);
    let marks = served.by_lease.get(apex).into_iter().flatten().map(|name| (name.clone(), BY_LEASE));
    let keys = new_zone(zone, 0).into_iter().chain(stated).map(|set| (set.name, set.rtype)).chain(views).chain(marks);
    // In the order of the keys, each once, as the store has them.
    let keys: std::collections::BTreeSet<Key> = keys.collect();
    stored.stated.extend(keys.into_iter().map(|(name, rtype)| (apex.clone(), name, rtype)));
    let history = served.histories.get(apex).into_iter().flat_map(History::differences);
    stored.differences.extend(history.map(|one| (apex.clone(), one.clone())));
}

pub(super) fn sorted(stored: StoredZones) -> HashMap<Fqdn, Past> {
    let mut by_zone: HashMap<Fqdn, Past> = HashMap::new();
    for (zone, set) in stored.sets {
        by_zone.entry(zone).or_default().sets.insert((set.name.clone(), set.rtype), set);
    }
    for (zone, name, rtype) in stored.stated {
        by_zone.entry(zone).or_default().stated.insert((name, rtype));
    }
    for (zone, difference) in stored.differences {
        by_zone.entry(zone).or_default().differences.push(difference);
    }
    by_zone
}

/// What is stored of zones that `settings` do not serve.
#[must_use]
pub fn not_served(stored: &StoredZones, settings: &DnsSettings) -> StoredZones {
    let served: std::collections::HashSet<&Fqdn> = settings.zones.iter().map(|zone| &zone.sight.id).collect();
    let others = |apex: &Fqdn| !served.contains(apex);
    StoredZones {
        sets: stored.sets.iter().filter(|(apex, _)| others(apex)).cloned().collect(),
        stated: stored.stated.iter().filter(|(apex, ..)| others(apex)).cloned().collect(),
        differences: stored.differences.iter().filter(|(apex, _)| others(apex)).cloned().collect(),
    }
}
