#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use zones::{AllowAll, Condensed};

use super::relay::{Served, not_served, relay};
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
    let load_with = |filed: u32, sets: Vec<(Fqdn, Rrset)>| {
        let mut settings = settings();
        let text = format!("@ SOA n h {filed} 1 2 3 4\nfiled A 192.0.2.1\n");
        let read = |path: &std::path::Path| {
            if path.ends_with("z") { Ok(text.clone()) } else { Err("none".to_owned()) }
        };
        let toml = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                    domain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\nfile = \"z\"\n";
        settings.zones = config::check(toml, "test.toml", &read).unwrap().config.dns.zones;
        let stored = StoredZones { sets, ..StoredZones::default() };
        let zones = load(&settings, stored, &[], 1_700_000_000).unwrap().zones;
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

fn apex() -> Fqdn {
    "nasir.xyz".parse().unwrap()
}

/// What the store would hold.
#[derive(Default)]
struct Kept {
    sets: BTreeMap<(Fqdn, Fqdn, RecordType), Rrset>,
    stated: BTreeSet<(Fqdn, Fqdn, RecordType)>,
    differences: BTreeMap<(Fqdn, u32), Arc<Difference>>,
    /// How many rows the last start wrote.
    rows: usize,
}

impl Kept {
    fn start(&mut self, settings: &DnsSettings, own: &[IpAddr], now_secs: u64) -> LoadedZones {
        let mut stored = StoredZones {
            sets: self.sets.iter().map(|((zone, ..), set)| (zone.clone(), set.clone())).collect(),
            stated: self.stated.iter().cloned().collect(),
            differences: self.differences.iter().map(|((zone, _), one)| (zone.clone(), Arc::clone(one))).collect(),
        };
        let renamed = views::rename(settings, &mut stored, &mut Vec::new());
        let loaded = load(settings, stored, own, now_secs).unwrap();
        self.rows = renamed.len() + loaded.rows.len();
        self.take(renamed);
        self.take(loaded.rows.clone());
        for zone in loaded.zones.zones() {
            let sets = self.sets.iter().filter(|((id, ..), _)| id == zone.id()).map(|(_, set)| set.clone());
            let stored = Zone::from_sets(zone.apex().clone(), sets).map(|stored| stored.with_id(zone.id()));
            assert_eq!(stored.as_ref(), Ok(zone), "what is served is stored");
        }
        loaded
    }

    fn take(&mut self, rows: Vec<Row>) {
        for row in rows {
            match row {
                Row::ZoneSet { zone, name, rtype, set: Some(set) } => drop(self.sets.insert((zone, name, rtype), set)),
                Row::ZoneSet { zone, name, rtype, set: None } => drop(self.sets.remove(&(zone, name, rtype))),
                Row::ZoneStated { zone, name, rtype, stated: true } => _ = self.stated.insert((zone, name, rtype)),
                Row::ZoneStated { zone, name, rtype, .. } => _ = self.stated.remove(&(zone, name, rtype)),
                Row::ZoneDifference { zone, difference } => {
                    drop(self.differences.insert((zone, difference.serial_after), difference));
                }
                Row::ZoneDifferenceGone { zone, serial_after } => drop(self.differences.remove(&(zone, serial_after))),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The same by the holder of a lease with that name.
    fn update_by_lease(&mut self, loaded: &mut LoadedZones, owner: &str) {
        self.update(loaded, owner);
        self.stated.insert((apex(), owner.parse().unwrap(), BY_LEASE));
        loaded.by_lease.entry(apex()).or_default().insert(owner.parse().unwrap());
    }

    /// An update, stored as the keeper stores it.
    fn update(&mut self, loaded: &mut LoadedZones, owner: &str) {
        let rdata = a("192.168.30.77");
        let change = Change::Add { name: owner.parse().unwrap(), rtype: RecordType::A, ttl: 60, rdata };
        let update = Update { zone: apex(), prerequisites: vec![], changes: vec![change] };
        let (zone, change) = zones::apply(loaded.zones.get(&apex()).unwrap(), &update, &AllowAll).unwrap();
        let change = change.unwrap();
        loaded.zones.insert(zone);
        let difference = Arc::clone(&change.difference);
        let rows = change.into_sets().map(|(name, rtype, set)| Row::ZoneSet { zone: apex(), name, rtype, set });
        self.take(rows.collect());
        self.take(vec![Row::ZoneDifference { zone: apex(), difference }]);
    }
}

fn with_records(records: &str) -> DnsSettings {
    let text = format!(
        "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
         domain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\nrecords = [{records}]\n"
    );
    config::check(&text, "test.toml", &|_: &std::path::Path| Err("none".to_owned())).unwrap().config.dns
}

const WWW: &str = "{ name = \"www\", type = \"A\", data = \"192.168.30.2\" }";

#[test]
fn a_start_that_changes_nothing_keeps_the_serial_and_writes_nothing() {
    let (settings, own) = (with_records(WWW), addresses(&["192.168.30.1"]));
    let mut kept = Kept::default();
    let mut first = kept.start(&settings, &own, 1_800_000_000);
    kept.update(&mut first, "pc.nasir.xyz");
    for now_secs in [1_800_000_050, 1_900_000_000, 5] {
        let again = kept.start(&settings, &own, now_secs);
        assert_eq!((again.zones.get(&apex()).unwrap().serial(), kept.rows), (1_800_000_001, 0));
        assert_eq!(again.zones.get(&apex()), first.zones.get(&apex()));
        assert_eq!(again.histories[&apex()].between(1_800_000_000, 1_800_000_001).unwrap().len(), 1);
    }
}

#[test]
fn what_a_start_changes_is_one_step_of_the_history() {
    let own = addresses(&["192.168.30.1"]);
    let mut kept = Kept::default();
    let mut first = kept.start(&with_records(WWW), &own, 1_800_000_000);
    kept.update(&mut first, "pc.nasir.xyz");
    let mail = "{ name = \"mail\", type = \"A\", data = \"192.168.30.3\" }";
    let loaded = kept.start(&with_records(mail), &addresses(&["192.168.30.8"]), 1_800_000_000);
    let zone = loaded.zones.get(&apex()).unwrap();
    assert_eq!(zone.serial(), 1_800_000_002, "once");
    let steps = loaded.histories[&apex()].between(1_800_000_001, 1_800_000_002).unwrap();
    let condensed = Condensed::new(steps.iter().map(|step| &**step), zone).unwrap();
    let words = |sets: &[Rrset]| sets.iter().map(|set| set.name.to_string()).collect::<Vec<_>>();
    assert_eq!(words(&condensed.removed), ["ns.nasir.xyz.", "www.nasir.xyz."]);
    assert_eq!(words(&condensed.added), ["mail.nasir.xyz.", "ns.nasir.xyz."]);
    assert!(held(&loaded.zones, "www.nasir.xyz").is_empty(), "taken out of the file");
    assert_eq!(held(&loaded.zones, "pc.nasir.xyz"), [a("192.168.30.77")]);
    assert!(loaded.histories[&apex()].between(1_800_000_000, 1_800_000_002).is_some());
}

#[test]
fn a_zone_whose_past_is_unknown_goes_on_from_the_time_with_a_new_history() {
    let (settings, own) = (with_records(WWW), addresses(&["192.168.30.1"]));
    let mut kept = Kept::default();
    let mut first = kept.start(&settings, &own, 1_800_000_000);
    kept.update(&mut first, "pc.nasir.xyz");
    // As a version wrote it that knows no history, or a repair.
    let mut old = Kept { sets: kept.sets.clone(), ..Kept::default() };
    let loaded = old.start(&settings, &own, 1_800_000_500);
    assert_eq!(loaded.zones.get(&apex()).unwrap().serial(), 1_800_000_500);
    assert!(loaded.histories[&apex()].is_empty());
    // An older version ran in between: its steps are not in the history.
    let soa = |serial| {
        let soa = with_serial(&kept.sets[&(apex(), apex(), RecordType::SOA)], serial);
        vec![Row::ZoneSet { zone: apex(), name: apex(), rtype: RecordType::SOA, set: Some(soa) }]
    };
    let rows = soa(1_800_000_003);
    kept.take(rows);
    let loaded = kept.start(&settings, &own, 5);
    assert_eq!(loaded.zones.get(&apex()).unwrap().serial(), 1_800_000_004);
    assert!(loaded.histories[&apex()].is_empty() && kept.differences.is_empty());
}

#[test]
fn a_change_of_a_views_records_or_clients_raises_the_serial_and_ends_the_history() {
    let with_view = |clients: &str, record: &str| {
        let text = format!(
            "[[view]]\nname = \"inside\"\nclients = [\"{clients}\"]\n\
             [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
             domain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\nrecords = [{WWW}, {record}]\n"
        );
        config::check(&text, "test.toml", &|_: &std::path::Path| Err("none".to_owned())).unwrap().config.dns
    };
    let of_view =
        |octet: u8| format!("{{ name = \"www\", type = \"A\", data = \"192.168.30.{octet}\", views = [\"inside\"] }}");
    let own = addresses(&["192.168.30.1"]);
    let mut kept = Kept::default();
    let mut first = kept.start(&with_view("10.0.0.0/8", &of_view(80)), &own, 1_800_000_000);
    kept.update(&mut first, "pc.nasir.xyz");
    let mut start = |settings: &DnsSettings, now_secs| {
        let loaded = kept.start(settings, &own, now_secs);
        (loaded.zones.get(&apex()).unwrap().serial(), loaded.histories[&apex()].len(), kept.rows)
    };
    assert_eq!(start(&with_view("10.0.0.0/8", &of_view(80)), 5), (1_800_000_001, 1, 0), "nothing changed");
    let (serial, steps, _) = start(&with_view("10.0.0.0/8", &of_view(81)), 5);
    assert_eq!((serial, steps), (1_800_000_002, 0), "another record");
    let (serial, steps, _) = start(&with_view("10.1.0.0/16", &of_view(81)), 5);
    assert_eq!((serial, steps), (1_800_000_003, 0), "other clients");
    let (serial, steps, _) = start(&with_view("10.1.0.0/16", ""), 1_800_000_500);
    assert_eq!((serial, steps), (1_800_000_500, 0), "none any more");
    assert_eq!(start(&with_view("10.0.0.0/8", ""), 1_900_000_000), (1_800_000_500, 0, 0), "all see the same");
    let (serial, steps, _) = start(&with_view("10.0.0.0/8", &of_view(80)), 5);
    assert_eq!((serial, steps), (1_800_000_501, 0), "one again");
}

/// Zones were stored by their apexes alone before several could have one.
#[test]
fn a_store_of_before_zones_were_known_by_their_views_opens_with_a_sole_zone_of_some_views() {
    let text = format!(
        "[[view]]\nname = \"inside\"\nclients = [\"192.168.30.0/24\"]\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
         domain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\nviews = [\"inside\"]\nrecords = [{WWW}]\n"
    );
    let of_view = config::check(&text, "test.toml", &|_: &std::path::Path| Err("none".to_owned())).unwrap().config.dns;
    let own = addresses(&["192.168.30.1"]);
    let mut kept = Kept::default();
    let mut old = kept.start(&with_records(WWW), &own, 1_800_000_000);
    kept.update(&mut old, "pc.nasir.xyz");
    let id = zones::zone_id::of_views(&apex(), &["inside"]).unwrap();
    let opened = kept.start(&of_view, &own, 5);
    let zone = opened.zones.get(&id).unwrap();
    assert!(zone.exists(&"pc.nasir.xyz".parse().unwrap()) && zone.exists(&"www.nasir.xyz".parse().unwrap()));
    let serial = zone.serial();
    assert!(serial >= 1_800_000_001, "{serial}");
    assert!(kept.sets.keys().all(|(zone, ..)| *zone != apex()), "nothing is left under its former name");
    assert!(
        kept.stated.iter().all(|(zone, ..)| *zone != apex())
            && kept.differences.keys().all(|(zone, _)| *zone != apex())
    );
    // From then on it is as any other.
    let again = kept.start(&of_view, &own, 1_900_000_000);
    assert_eq!((again.zones.get(&id).map(Zone::serial), kept.rows), (Some(serial), 0));
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
    let mut kept = Kept::default();
    let first = kept.start(&settings, &addresses(&["192.168.30.1"]), 1_800_000_000).zones;
    assert_eq!(first.get(&apex()).unwrap().serial(), 1_800_000_000);
    for (owner, address) in
        [("client1.nasir.xyz", "192.168.30.100"), ("www.nasir.xyz", "192.168.30.99"), ("ns.nasir.xyz", "192.168.29.1")]
    {
        let set = Rrset::single(owner.parse().unwrap(), RecordType::A, 300, a(address));
        kept.take(vec![Row::ZoneSet { zone: apex(), name: set.name.clone(), rtype: set.rtype, set: Some(set) }]);
    }
    let second = kept.start(&settings, &addresses(&["192.168.30.1"]), 5).zones;
    assert_eq!(second.get(&apex()).unwrap().serial(), 1_800_000_001, "whatever the clock says");
    assert_eq!(held(&second, "client1.nasir.xyz"), [a("192.168.30.100")]);
    assert_eq!(held(&second, "www.nasir.xyz"), [a("192.168.30.2")]);
    assert_eq!(held(&second, "ns.nasir.xyz"), [a("192.168.30.1")]);
}

#[test]
fn what_a_client_had_at_a_static_records_name_is_dropped_for_good() {
    let settings = settings();
    let apex: Fqdn = "nasir.xyz".parse().unwrap();
    let stored = |owner: &str, rtype, rdata| (apex.clone(), Rrset::single(owner.parse().unwrap(), rtype, 300, rdata));
    let dhcid = Rdata([0, 0, 1, 7].into());
    let sets = vec![
        stored("www.nasir.xyz", RecordType::A, a("192.168.30.99")),
        stored("www.nasir.xyz", RecordType::DHCID, dhcid.clone()),
        stored("www.nasir.xyz", RecordType::TXT, Rdata::txt(&["by hand"])),
        stored("pc.nasir.xyz", RecordType::A, a("192.168.30.98")),
        stored("pc.nasir.xyz", RecordType::DHCID, dhcid),
    ];
    let stored = StoredZones { sets, ..StoredZones::default() };
    let LoadedZones { zones, rows, .. } = load(&settings, stored, &[], 5).unwrap();
    assert_eq!((held(&zones, "www.nasir.xyz"), held(&zones, "pc.nasir.xyz").len()), (vec![a("192.168.30.2")], 1));
    let dropped: Vec<String> = rows
        .iter()
        .filter_map(|row| match row {
            Row::ZoneSet { name, rtype, set: None, .. } => Some(format!("{name} {rtype}")),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, ["www.nasir.xyz. DHCID"], "its address is another now, which is stored too");
}

#[test]
fn our_own_names_follow_the_addresses() {
    let settings = settings();
    let zones = load(&settings, StoredZones::default(), &addresses(&["192.168.30.1"]), 1).unwrap().zones;
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

/// A file with zones that come, go, and have records of their own.
fn generated(seed: &mut u64) -> config::Config {
    let mut below = |bound: u64| {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed % bound
    };
    let mut text = String::from("[dns]\nenabled = true\n");
    for zone in ["nasir.xyz", "lab.nasir.xyz", "other.test"] {
        if zone != "other.test" && below(4) == 0 {
            continue;
        }
        text.push_str(&format!("[[zone]]\nname = \"{zone}\"\n"));
        if below(3) == 0 {
            text.push_str(&format!("ns = \"ns{}.{zone}\"\n", below(2)));
        }
        text.push_str(&format!("self_by_lease = {}\n", below(3) > 0));
        let names = ["www", "mail", "pc.lab"];
        let records: Vec<String> = (0..below(3))
            .map(|_| {
                format!(
                    "{{ name = \"{}\", type = \"A\", data = \"192.168.30.{}\" }}",
                    names[below(3) as usize],
                    below(9)
                )
            })
            .collect();
        text.push_str(&format!("records = [{}]\n", records.join(", ")));
    }
    text.push_str("[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n");
    match config::check(&text, "test.toml", &|_: &std::path::Path| Err("none".to_owned())) {
        Ok(checked) => checked.config,
        Err(_) => generated(seed),
    }
}

#[test]
fn zones_relaid_while_they_are_served_are_what_a_restart_would_load() {
    for first in 1..=400_u64 {
        let mut seed = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut own = addresses(&["192.168.30.1"]);
        let mut config = generated(&mut seed);
        let mut kept = Kept::default();
        let mut loaded = kept.start(&config.dns, &own, 1_800_000_000);
        let mut asleep = StoredZones::default();
        for step in 0..4 {
            if loaded.zones.get(&apex()).is_some() {
                kept.update(&mut loaded, &format!("pc{step}.nasir.xyz"));
                if of_names(&mut config.dns).self_by_lease {
                    kept.update_by_lease(&mut loaded, &format!("own{step}.nasir.xyz"));
                }
                loaded.histories.clear();
                for ((zone, _), one) in &kept.differences {
                    loaded.histories.entry(zone.clone()).or_default().push(Arc::clone(one));
                }
            }
            let next = generated(&mut seed);
            let own_next = addresses(if seed % 3 == 0 { &["192.168.30.1", "192.168.30.9"] } else { &["192.168.30.1"] });
            let mut restarted = Kept {
                sets: kept.sets.clone(),
                stated: kept.stated.clone(),
                differences: kept.differences.clone(),
                rows: 0,
            };
            let served = Served {
                config: &config,
                own: &own,
                zones: &loaded.zones,
                histories: &loaded.histories,
                by_lease: &loaded.by_lease,
                asleep: &asleep,
            };
            let now_secs = 1_800_000_100 + step;
            let relaid = relay(served, &next, &own_next, &[], now_secs).unwrap();
            kept.take(relaid.loaded.rows.clone());
            let anew = restarted.start(&next.dns, &own_next, now_secs);
            assert_eq!(kept.sets, restarted.sets, "seed {first}, step {step}");
            assert_eq!(kept.stated, restarted.stated, "seed {first}, step {step}");
            let serials = |kept: &Kept| kept.differences.keys().cloned().collect::<Vec<_>>();
            assert_eq!(serials(&kept), serials(&restarted), "seed {first}, step {step}");
            assert_eq!(relaid.loaded.by_lease, anew.by_lease, "seed {first}, step {step}");
            for zone in anew.zones.zones() {
                assert_eq!(relaid.loaded.zones.get(zone.apex()), Some(zone), "seed {first}, step {step}");
            }
            assert_eq!(relaid.loaded.zones.zones().len(), anew.zones.zones().len());
            let stored = StoredZones {
                sets: kept.sets.iter().map(|((zone, ..), set)| (zone.clone(), set.clone())).collect(),
                stated: kept.stated.iter().cloned().collect(),
                differences: kept.differences.iter().map(|((zone, _), one)| (zone.clone(), Arc::clone(one))).collect(),
            };
            let others = not_served(&stored, &next.dns);
            let mut slept = relaid.asleep.sets.clone();
            slept.sort_by_key(|(zone, set)| (zone.clone(), set.name.clone(), set.rtype));
            let mut expected = others.sets;
            expected.sort_by_key(|(zone, set)| (zone.clone(), set.name.clone(), set.rtype));
            assert_eq!(slept, expected, "what is not served is known: seed {first}, step {step}");
            (loaded, asleep, config, own) = (relaid.loaded, relaid.asleep, next, own_next);
        }
    }
}

fn of_names(settings: &mut DnsSettings) -> &mut EmbeddedZone {
    settings.zones.iter_mut().find(|zone| zone.apex == apex()).unwrap()
}

#[test]
fn what_holders_of_leases_wrote_goes_with_the_right_and_records_by_hand_stay() {
    let settings = |open: bool, records: &str| {
        let mut settings = with_records(records);
        of_names(&mut settings).self_by_lease = open;
        settings
    };
    let own = addresses(&["192.168.30.1"]);
    let mut kept = Kept::default();
    let mut loaded = kept.start(&settings(true, ""), &own, 1_800_000_000);
    for owner in ["own.nasir.xyz", "stated.nasir.xyz", "beside.nasir.xyz"] {
        kept.update_by_lease(&mut loaded, owner);
    }
    kept.update(&mut loaded, "hand.nasir.xyz");
    let has = |kept: &Kept, owner: &str| kept.sets.contains_key(&(apex(), owner.parse().unwrap(), RecordType::A));
    let marks = |kept: &Kept| kept.stated.iter().filter(|(.., rtype)| *rtype == BY_LEASE).count();

    // Open, all of it stays, through any number of starts, and no serial changes.
    let loaded = kept.start(&settings(true, ""), &own, 1_800_000_010);
    assert_eq!((kept.rows, marks(&kept), loaded.by_lease[&apex()].len()), (0, 3, 3));
    let serial = loaded.zones.get(&apex()).unwrap().serial();

    // What the configuration states where one wrote is the configuration's: the same record, and another.
    let stated = "{ name = \"stated\", type = \"A\", data = \"192.168.30.77\" }, \
                  { name = \"beside\", type = \"TXT\", data = \"mine\" }";
    let loaded = kept.start(&settings(true, stated), &own, 1_800_000_020);
    assert_eq!((marks(&kept), loaded.by_lease[&apex()].len()), (1, 1));
    assert!(has(&kept, "own.nasir.xyz") && has(&kept, "stated.nasir.xyz") && !has(&kept, "beside.nasir.xyz"));

    // Closed, what is marked goes, in one step.
    let before = loaded.zones.get(&apex()).unwrap().serial();
    let loaded = kept.start(&settings(false, stated), &own, 1_800_000_030);
    assert!(!has(&kept, "own.nasir.xyz") && has(&kept, "hand.nasir.xyz") && has(&kept, "stated.nasir.xyz"));
    assert_eq!((marks(&kept), loaded.by_lease.len()), (0, 0));
    assert!(zones::serial::is_newer(before, serial));
    assert_eq!(loaded.zones.get(&apex()).unwrap().serial(), before + 1);
    kept.start(&settings(false, stated), &own, 1_800_000_040);
    assert_eq!(kept.rows, 0, "once");
}

#[test]
fn a_marked_record_that_the_server_keeps_by_now_stays() {
    let own = addresses(&["192.168.30.1"]);
    let mut kept = Kept::default();
    let mut settings = with_records("");
    of_names(&mut settings).self_by_lease = true;
    let mut loaded = kept.start(&settings, &own, 1_800_000_000);
    kept.update_by_lease(&mut loaded, "own.nasir.xyz");
    let key = (apex(), "own.nasir.xyz".parse().unwrap(), RecordType::DHCID);
    kept.sets.insert(key.clone(), Rrset::single(key.1.clone(), RecordType::DHCID, 60, Rdata([0, 1, 1, 7].into())));
    of_names(&mut settings).self_by_lease = false;
    kept.start(&settings, &own, 1_800_000_010);
    assert!(kept.sets.contains_key(&(key.0, key.1, RecordType::A)));
}
