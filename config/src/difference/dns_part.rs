//! Zones, keys, records, and the DNS server.

use std::collections::BTreeMap;
use std::sync::Arc;

use ddns::settings::{Auth, ZoneRoute, ZoneServer};
use dns::{Fqdn, Rrset, SetList, TsigKey};
use zones::zone_id;

use super::{Change, Verb, keyed, named, verb};
use crate::Config;
use crate::settings::{EmbeddedZone, Listen};

/// Records of one zone that are told one by one; of more only how many there are.
const TOLD_MAX: usize = 100;

/// What is said of a zone: where its updates go, and what the embedded server has of it.
#[derive(Clone, Copy, Default)]
struct Said<'c> {
    route: Option<&'c ZoneRoute>,
    embedded: Option<&'c EmbeddedZone>,
}

pub(super) fn compare(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    server(old, new, changes);
    let (before, after) = (keys(old), keys(new));
    keyed(
        before.iter().map(|(name, key)| (*name, *key)),
        after.iter().map(|(name, key)| (*name, *key)),
        |name, was, is| {
            let what = was.zip(is).map(|(was, is)| {
                named(&[
                    ("its algorithm", was.algorithm != is.algorithm),
                    ("its secret", was.algorithm == is.algorithm),
                ])
            });
            changes.push(Change::new(verb(was, is), format!("key {name}"), what.unwrap_or_default()));
        },
    );
    let (before, after) = (zones(old), zones(new));
    for (apex, was) in &before {
        match after.get(apex) {
            None => changes.push(Change::new(Verb::Removed, format!("zone {}", zone_id::words(apex)), place(was))),
            Some(is) => zone(apex, *was, *is, changes),
        }
    }
    for (apex, is) in after.iter().filter(|(apex, _)| !before.contains_key(*apex)) {
        changes.push(Change::new(Verb::Added, format!("zone {}", zone_id::words(apex)), place(is)));
    }
    let stated = |config: &Config| -> SetList { config.ddns.stated.iter().cloned().collect() };
    records("at other servers", &stated(old), &stated(new), changes);
    if old.ddns.hosts != new.ddns.hosts {
        let of = |config: &Config| -> Vec<String> {
            config.ddns.hosts.all().iter().map(|host| format!("{} at {}", host.name, host.address)).collect()
        };
        let (before, after) = (of(old), of(new));
        let what = if before == after { String::new() } else { super::listed(&before, &after) };
        changes.push(Change::new(Verb::Changed, "the machines with addresses of their own (`[[host]]`)", what));
    }
    let (was, is) = (&old.ddns, &new.ddns);
    let what = named(&[
        ("how PTR records are guarded", was.reverse != is.reverse),
        ("retries", was.retry != is.retry),
        ("audits and what may be done unasked", was.upkeep != is.upkeep),
        ("names that nobody may take", was.protected != is.protected),
        ("addresses without PTR records", was.without_reverse != is.without_reverse),
        ("reverse zones without classes (RFC 2317)", was.classless != is.classless),
    ]);
    if !what.is_empty() {
        changes.push(Change::new(Verb::Changed, "how names are kept ([ddns])", what));
    }
}

fn server(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let (was, is) = (&old.dns, &new.dns);
    if was.listen != is.listen {
        let what = format!("from {} to {}", listen(&was.listen), listen(&is.listen));
        changes.push(Change::new(Verb::Changed, "where DNS is served (`listen` in [dns])", what));
    }
    let what = named(&[
        ("who may have names of others resolved, and by whom", {
            let without_log = |config: &Config| {
                let mut forward = config.dns.forward.clone();
                if let Some(forward) = &mut forward {
                    forward.resolver.log = crate::settings::QueryLog::default();
                }
                forward
            };
            without_log(old) != without_log(new)
        }),
        ("limits", was.protection != is.protection),
        ("views", was.views != is.views),
        ("the keytab of services", was.gss_keytab != is.gss_keytab),
        ("the server's own names", was.own_names != is.own_names),
    ]);
    if !what.is_empty() {
        changes.push(Change::new(Verb::Changed, "the DNS server ([dns], [resolver], `[[view]]`)", what));
    }
}

fn listen(listen: &Listen) -> String {
    match listen {
        Listen::Interfaces { port } => format!("port {port} of the served interfaces"),
        Listen::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn zones(config: &Config) -> BTreeMap<&Fqdn, Said<'_>> {
    let mut zones: BTreeMap<&Fqdn, Said<'_>> = BTreeMap::new();
    for route in &config.ddns.zones {
        // Where a route's zone is this server's own, all that is said is said of that.
        let is_own = config.dns.zones.iter().any(|zone| zone.apex == route.apex && zone.sight.id != zone.apex);
        if !is_own {
            zones.entry(&route.apex).or_default().route = Some(route);
        }
    }
    for zone in &config.dns.zones {
        zones.entry(&zone.sight.id).or_default().embedded = Some(zone);
    }
    zones
}

fn place(said: &Said<'_>) -> String {
    match said.route.map(|route| &route.server) {
        Some(ZoneServer::Remote { servers, .. }) => {
            let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
            format!("at {}", servers.join(", "))
        }
        Some(ZoneServer::Embedded) | None => match said.embedded.filter(|zone| zone.derived) {
            Some(_) => "embedded, made for a subnet".to_owned(),
            None => "embedded".to_owned(),
        },
    }
}

fn zone(apex: &Fqdn, old: Said<'_>, new: Said<'_>, changes: &mut Vec<Change>) {
    let part = format!("zone {}", zone_id::words(apex));
    let (was, is) = (place(&old), place(&new));
    if was != is {
        changes.push(Change::new(Verb::Changed, &*part, format!("from {was} to {is}")));
    } else if let (Some(one), Some(other)) = (old.route, new.route)
        && one != other
    {
        changes.push(Change::new(Verb::Changed, &*part, "how its updates are signed"));
    }
    let (Some(one), Some(other)) = (old.embedded, new.embedded) else { return };
    let what = named(&[
        ("SOA and NS", soa(one) != soa(other)),
        (
            "who may update it",
            (&one.policy, &one.update, one.self_by_lease) != (&other.policy, &other.update, other.self_by_lease),
        ),
        ("who may transfer it, and its secondaries", one.transfers != other.transfers),
        ("who sees what of it", one.sight != other.sight),
    ]);
    if !what.is_empty() {
        changes.push(Change::new(Verb::Changed, &*part, what));
    }
    records(&format!("in {part}"), &one.records, &other.records, changes);
}

fn soa(zone: &EmbeddedZone) -> impl PartialEq + '_ {
    (&zone.ns, &zone.hostmaster, zone.ttl_secs, zone.negative_ttl_secs, &zone.soa)
}

fn records(place: &str, old: &SetList, new: &SetList, changes: &mut Vec<Change>) {
    // Nearly always, and of a large zone each would be read for nothing.
    if old == new {
        return;
    }
    let [old, new] = [old, new].map(|sets| sets.iter().collect::<Vec<Rrset>>());
    let by_key = |sets: &[Rrset]| sets.iter().map(|set| (set.name.clone(), set.rtype)).collect::<Vec<_>>();
    let mut found = Vec::new();
    keyed(by_key(&old).into_iter().zip(&old), by_key(&new).into_iter().zip(&new), |(name, rtype), was, is| {
        found.push(Change::new(verb(was, is), format!("static record {name} {rtype} {place}"), ""));
    });
    if found.len() > TOLD_MAX {
        let count = |verb: Verb| found.iter().filter(|change| change.verb == verb).count();
        let (added, removed, changed) = (count(Verb::Added), count(Verb::Removed), count(Verb::Changed));
        let what = format!("{added} added, {removed} removed, {changed} changed");
        changes.push(Change::new(Verb::Changed, format!("the static records {place}"), what));
    } else {
        changes.extend(found);
    }
}

/// Every key that anything is signed with, by its name.
fn keys(config: &Config) -> BTreeMap<&Fqdn, &TsigKey> {
    let of_routes = config.ddns.zones.iter().filter_map(|route| match &route.server {
        ZoneServer::Remote { auth: Auth::Tsig(key), .. } => Some(key),
        _ => None,
    });
    let of_zones = config.dns.zones.iter().flat_map(|zone| zone.keys.iter().chain(&zone.transfers.keys));
    of_routes.chain(of_zones).map(|key: &Arc<TsigKey>| (&key.name, &**key)).collect()
}
