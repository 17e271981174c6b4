//! The embedded zones at the start: what was stored, with what the configuration says laid over it.
//!
//! The store holds what updates made. SOA, NS, the server's own names and static records come from the configuration
//! at every start, so a static record that is taken out of the file is gone, and one that an update deleted is back.
//! The serial is stored and goes up at every start, because the contents may differ from those before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context;
use config::settings::DnsSettings;
use dns::{Fqdn, Rdata, RecordType, Rrset};
use store::rows::Row;
use zones::{NewZone, Zone, ZoneSet};

/// The zones, and the rows to store before they are served: each zone's SOA.
///
/// # Errors
/// When a zone cannot be built, naming it.
pub fn load(
    settings: &DnsSettings,
    stored: Vec<(Fqdn, Rrset)>,
    own_addresses: &[IpAddr],
    now_secs: u64,
) -> anyhow::Result<(ZoneSet, Vec<Row>)> {
    let mut by_zone: BTreeMap<Fqdn, Vec<Rrset>> = BTreeMap::new();
    for (zone, set) in stored {
        by_zone.entry(zone).or_default().push(set);
    }
    let mut zones = ZoneSet::new();
    let mut rows = Vec::new();
    for zone in &settings.zones {
        let mut sets = by_zone.remove(&zone.apex).unwrap_or_default();
        let is_soa = |set: &&Rrset| set.name == zone.apex && set.rtype == RecordType::SOA;
        let serial = match sets.iter().find(is_soa).and_then(|set| set.rdata.first()).and_then(Rdata::to_soa) {
            Some(soa) => zones::serial::next(soa.serial),
            // A new zone begins with the time, so that one made anew after a loss is newer than what secondaries have.
            None => u32::try_from(now_secs).unwrap_or(1),
        };
        let new = NewZone {
            apex: zone.apex.clone(),
            primary: zone.ns.clone(),
            addresses: Vec::new(),
            hostmaster: zone.hostmaster.clone(),
            serial,
            ttl: zone.ttl_secs,
            negative_ttl: zone.negative_ttl_secs,
        };
        sets.extend(new.rrsets());
        sets.extend(zone.records.iter().cloned());
        for name in settings.own_names.iter().filter(|name| is_closest(settings, &zone.apex, name)) {
            sets.extend(address_sets(name, zone.ttl_secs, own_addresses));
        }
        let built = Zone::from_sets(zone.apex.clone(), sets)
            .with_context(|| format!("the embedded zone {} cannot be served", zone.apex))?;
        let set = built.rrset(&zone.apex, RecordType::SOA);
        rows.push(Row::ZoneSet { zone: zone.apex.clone(), name: zone.apex.clone(), rtype: RecordType::SOA, set });
        zones.insert(built);
    }
    Ok((zones, rows))
}

/// Whether `apex` is the longest of our apexes above `name`.
fn is_closest(settings: &DnsSettings, apex: &Fqdn, name: &Fqdn) -> bool {
    let within = settings.zones.iter().filter(|zone| name.is_within(&zone.apex));
    within.max_by_key(|zone| zone.apex.label_count()).is_some_and(|zone| zone.apex == *apex)
}

fn address_sets(name: &Fqdn, ttl: u32, addresses: &[IpAddr]) -> Vec<Rrset> {
    let of = |wanted: RecordType| {
        let data = addresses.iter().map(|address| Rdata::address(*address));
        let rdata = data.filter(|(rtype, _)| *rtype == wanted).map(|(_, rdata)| rdata).collect();
        Rrset::new(name.clone(), wanted, ttl, rdata)
    };
    [RecordType::A, RecordType::AAAA].into_iter().filter_map(of).collect()
}
