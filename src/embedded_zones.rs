//! The embedded zones at the start: what was stored, with what the configuration says laid over it.
//!
//! The store holds what updates made. SOA, NS, the server's own names and static records come from the configuration
//! at every start, so a static record that is taken out of the file is gone, and one that an update deleted is back.
//! What was stored where a static record stands now is dropped for good, and with it what a client had at its name: else
//! it would be there again, owned by nobody, when the record is taken out of the file.
//! The serial is stored and goes up at every start, because the contents may differ from those before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context;
use config::settings::DnsSettings;
use dns::{Change, Fqdn, Rdata, RecordType, Rrset, Soa, Update};
use store::rows::Row;
use zones::{NewZone, Zone, ZoneSet};

/// The zones, and the rows to store before they are served: each zone's SOA, and what is dropped of what was stored.
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
        // A zone that comes from another server goes on from the serial that secondaries have of it.
        let filed = zone.soa.as_ref().map(|(soa, _)| soa.serial);
        let serial = filed.filter(|filed| zones::serial::is_newer(*filed, serial)).unwrap_or(serial);
        let new = NewZone {
            apex: zone.apex.clone(),
            primary: zone.ns.clone(),
            addresses: Vec::new(),
            hostmaster: zone.hostmaster.clone(),
            serial,
            ttl: zone.ttl_secs,
            negative_ttl: zone.negative_ttl_secs,
        };
        for set in drop_beneath(&mut sets, &zone.records) {
            rows.push(Row::ZoneSet { zone: zone.apex.clone(), name: set.name, rtype: set.rtype, set: None });
        }
        sets.extend(new.rrsets());
        if let Some((filed, ttl)) = &zone.soa {
            let soa = Soa { mname: zone.ns.clone(), rname: zone.hostmaster.clone(), serial, ..filed.clone() };
            sets.push(Rrset::single(zone.apex.clone(), RecordType::SOA, *ttl, Rdata::soa(&soa)));
        }
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

/// The updates that bring our own names to these addresses: one for each name.
pub fn own_name_updates<'a>(settings: &'a DnsSettings, addresses: &'a [IpAddr]) -> impl Iterator<Item = Update> + 'a {
    settings.own_names.iter().filter_map(|name| {
        let zone = settings.zones.iter().find(|zone| is_closest(settings, &zone.apex, name))?;
        let mut changes: Vec<Change> =
            [RecordType::A, RecordType::AAAA].map(|rtype| Change::DeleteRrset(name.clone(), rtype)).into();
        changes.extend(addresses.iter().map(|address| {
            let (rtype, rdata) = Rdata::address(*address);
            Change::Add { name: name.clone(), rtype, ttl: zone.ttl_secs, rdata }
        }));
        Some(Update { zone: zone.apex.clone(), prerequisites: Vec::new(), changes })
    })
}

/// Takes out of `stored` what static records replace: the sets of the same type, and at a name that has a DHCID the
/// addresses of its client.
fn drop_beneath(stored: &mut Vec<Rrset>, records: &[Rrset]) -> Vec<Rrset> {
    // By name, because a zone's file may have as many records as there are clients.
    let with_dhcid = stored.iter().filter(|set| set.rtype == RecordType::DHCID);
    let with_dhcid: BTreeSet<Fqdn> = with_dhcid.map(|set| set.name.clone()).collect();
    let of_clients: BTreeSet<&Fqdn> =
        records.iter().map(|set| &set.name).filter(|name| with_dhcid.contains(name)).collect();
    let replacing: BTreeSet<(&Fqdn, RecordType)> = records.iter().map(|set| (&set.name, set.rtype)).collect();
    let of_client = [RecordType::A, RecordType::AAAA, RecordType::DHCID];
    let replaced = |set: &mut Rrset| {
        replacing.contains(&(&set.name, set.rtype))
            || (of_client.contains(&set.rtype) && of_clients.contains(&set.name))
    };
    stored.extract_if(.., replaced).collect()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use zones::AllowAll;

    use super::*;

    fn settings() -> DnsSettings {
        let text = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                    domain = \"nasir.xyz\"\n\
                    [[zone]]\nname = \"nasir.xyz\"\nrecords = [{ name = \"www\", type = \"A\", data = \"192.168.30.2\" }]\n";
        let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
        config::check(text, "test.toml", &no_secrets).unwrap().config.dns
    }

    #[test]
    fn a_zones_file_gives_the_soa_and_the_serial_to_begin_with_and_never_goes_back() {
        let load_with = |filed: u32, stored: Vec<(Fqdn, Rrset)>| {
            let mut settings = settings();
            let text = format!("@ SOA n h {filed} 1 2 3 4\nfiled A 192.0.2.1\n");
            let read = |path: &std::path::Path| {
                if path.ends_with("z") { Ok(text.clone()) } else { Err("none".to_owned()) }
            };
            let toml = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                        domain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\nfile = \"z\"\n";
            settings.zones = config::check(toml, "test.toml", &read).unwrap().config.dns.zones;
            let (zones, _) = load(&settings, stored, &[], 1_700_000_000).unwrap();
            zones.get(&"nasir.xyz".parse().unwrap()).unwrap().clone()
        };
        let first = load_with(2_026_112_201, vec![]);
        let (soa, _) = first.soa();
        assert_eq!((soa.serial, soa.minimum, soa.mname.to_string()), (2_026_112_201, 4, "n.nasir.xyz.".to_owned()));
        assert!(first.node(&"filed.nasir.xyz".parse().unwrap()).is_some());
        let stored = || first.rrsets().map(|set| (first.apex().clone(), set)).collect();
        assert_eq!(load_with(1, stored()).serial(), 2_026_112_202, "the file is behind");
        assert_eq!(load_with(2_026_112_301, stored()).serial(), 2_026_112_301);
        assert_eq!(load_with(1, vec![]).serial(), 1_700_000_000);
    }

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn held(zones: &ZoneSet, name: &str) -> Vec<Rdata> {
        let zone = zones.get(&"nasir.xyz".parse().unwrap()).unwrap();
        zone.rrset(&name.parse().unwrap(), RecordType::A).map_or_else(Vec::new, |set| set.rdata)
    }

    fn a(address: &str) -> Rdata {
        Rdata::a(address.parse().unwrap())
    }

    #[test]
    fn what_the_file_says_lies_over_what_was_stored_and_the_serial_goes_up() {
        let settings = settings();
        let apex: Fqdn = "nasir.xyz".parse().unwrap();
        let (first, rows) = load(&settings, Vec::new(), &addresses(&["192.168.30.1"]), 1_800_000_000).unwrap();
        assert_eq!(rows.len(), 2, "the SOA of the zone, and of the subnet's reverse zone");
        assert_eq!(first.get(&apex).unwrap().serial(), 1_800_000_000);
        let soa = rows.into_iter().find_map(|row| match row {
            Row::ZoneSet { zone, set, .. } if zone == apex => set,
            _ => None,
        });
        let stored = |owner: &str, address: &str| {
            (apex.clone(), Rrset::single(owner.parse().unwrap(), RecordType::A, 300, a(address)))
        };
        let sets = vec![
            (apex.clone(), soa.unwrap()),
            stored("client1.nasir.xyz", "192.168.30.100"),
            stored("www.nasir.xyz", "192.168.30.99"),
            stored("ns.nasir.xyz", "192.168.29.1"),
        ];
        let (second, _) = load(&settings, sets, &addresses(&["192.168.30.1"]), 5).unwrap();
        assert_eq!(second.get(&apex).unwrap().serial(), 1_800_000_001, "whatever the clock says");
        assert_eq!(held(&second, "client1.nasir.xyz"), [a("192.168.30.100")]);
        assert_eq!(held(&second, "www.nasir.xyz"), [a("192.168.30.2")]);
        assert_eq!(held(&second, "ns.nasir.xyz"), [a("192.168.30.1")]);
    }

    #[test]
    fn what_a_client_had_at_a_static_records_name_is_dropped_for_good() {
        let settings = settings();
        let apex: Fqdn = "nasir.xyz".parse().unwrap();
        let stored =
            |owner: &str, rtype, rdata| (apex.clone(), Rrset::single(owner.parse().unwrap(), rtype, 300, rdata));
        let dhcid = Rdata([0, 0, 1, 7].into());
        let sets = vec![
            stored("www.nasir.xyz", RecordType::A, a("192.168.30.99")),
            stored("www.nasir.xyz", RecordType::DHCID, dhcid.clone()),
            stored("www.nasir.xyz", RecordType::TXT, Rdata::txt(&["by hand"])),
            stored("pc.nasir.xyz", RecordType::A, a("192.168.30.98")),
            stored("pc.nasir.xyz", RecordType::DHCID, dhcid),
        ];
        let (zones, rows) = load(&settings, sets, &[], 5).unwrap();
        assert_eq!((held(&zones, "www.nasir.xyz"), held(&zones, "pc.nasir.xyz").len()), (vec![a("192.168.30.2")], 1));
        let dropped: Vec<String> = rows
            .iter()
            .filter_map(|row| match row {
                Row::ZoneSet { name, rtype, set: None, .. } => Some(format!("{name} {rtype}")),
                _ => None,
            })
            .collect();
        assert_eq!(dropped, ["www.nasir.xyz. A", "www.nasir.xyz. DHCID"]);
    }

    #[test]
    fn our_own_names_follow_the_addresses() {
        let settings = settings();
        let (zones, _) = load(&settings, Vec::new(), &addresses(&["192.168.30.1"]), 1).unwrap();
        let now = addresses(&["192.168.30.7", "10.0.0.1", "2001:db8::1"]);
        let updates: Vec<Update> = own_name_updates(&settings, &now).collect();
        assert_eq!(updates.len(), 1);
        let (zone, _) = zones::apply(zones.get(&updates[0].zone).unwrap(), &updates[0], &AllowAll).unwrap();
        let ns: Fqdn = "ns.nasir.xyz".parse().unwrap();
        assert_eq!(zone.rrset(&ns, RecordType::A).unwrap().rdata, [a("10.0.0.1"), a("192.168.30.7")]);
        assert_eq!(zone.rrset(&ns, RecordType::AAAA).unwrap().rdata.len(), 1);
        let again = own_name_updates(&settings, &now).next().unwrap();
        assert!(zones::apply(&zone, &again, &AllowAll).unwrap().1.is_none(), "nothing changes, nothing is stored");
    }
}
