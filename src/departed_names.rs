//! Names of ours in embedded zones that no longer hold them, seen to at the start.
//!
//! A zone that was taken out of the configuration, or given to another server, stays stored: what others wrote into it
//! is theirs. Were our names left in it, they would be there again, long over and owned by nobody, on the day on which
//! the zone comes back. So they are taken out of it while it is still known whose they are, by the very updates that
//! the updater would have sent, each guarded by the DHCID.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ddns::builder;
use ddns::reconcile::ConfirmedRow;
use ddns::settings::{Settings, ZoneServer};
use ddns::wanted::{Held, RowKey, Want, WantedRow};
use dns::{Dhcid, Fqdn, Rcode, Rdata, RecordType, Rrset, Update};
use store::rows::Row;
use zones::{AllowAll, Audiences, Zone, ZoneSet, zone_id};

/// Takes our names out of stored zones that are not where they are kept now. Returns the rows to be stored; `stored` is
/// as if they were.
#[must_use]
pub fn withdraw(
    stored: &mut Vec<(Fqdn, Rrset)>,
    settings: &Settings,
    audiences: Option<&Audiences>,
    wanted: &[WantedRow],
    confirmed: &[ConfirmedRow],
) -> Vec<Row> {
    let ids: BTreeSet<&Fqdn> = stored.iter().map(|(id, _)| id).collect();
    let mut by_apex: BTreeMap<Fqdn, Vec<Fqdn>> = BTreeMap::new();
    for id in ids {
        by_apex.entry(zone_id::apex(id)).or_default().push(id.clone());
    }
    let mut removals: BTreeMap<Fqdn, Vec<Update>> = BTreeMap::new();
    for (key, held) in known(wanted, confirmed) {
        let name = settings.owner_of(&key);
        let here = settings.zone_of(&name).filter(|zone| zone.server == ZoneServer::Embedded).map(|zone| &zone.apex);
        // The name itself and what is above it.
        let above = std::iter::successors(Some(name.clone()), Fqdn::parent);
        for (apex, ids) in above.filter_map(|apex| by_apex.get_key_value(&apex)) {
            let has_leases = |id: &&Fqdn| match audiences {
                Some(audiences) => audiences.has_leases(id),
                None => *id == apex,
            };
            for id in ids.iter().filter(|id| Some(apex) != here || !has_leases(id)) {
                removals.entry(id.clone()).or_default().extend(updates_for(apex, &key, &name, &held, settings));
            }
        }
    }
    let mut rows = Vec::new();
    for (id, updates) in removals {
        rows.extend(remove(stored, &id, &updates));
    }
    rows
}

/// What was taken out of which zone, a sentence for each: it must not be done in silence.
#[must_use]
pub fn words(rows: &[Row]) -> Vec<String> {
    let mut names: BTreeMap<&Fqdn, BTreeSet<&Fqdn>> = BTreeMap::new();
    for row in rows {
        if let Row::ZoneSet { zone, name, rtype, .. } = row
            && *rtype != RecordType::SOA
        {
            names.entry(zone).or_default().insert(name);
        }
    }
    let told = names.into_iter().map(|(apex, names)| {
        format!(
            "DNS: {} names and addresses of this server's are taken out of the stored zone {apex}: the configuration keeps \
             them elsewhere or nowhere; what others wrote there stays stored, and is served again when the zone is back",
            names.len()
        )
    });
    told.collect()
}

/// Marks as not done what an embedded zone does not hold though it was seen to: a repair of the store can have lost
/// records and kept what was known of them.
pub fn disprove(confirmed: &mut [ConfirmedRow], settings: &Settings, wanted: &[WantedRow], zones: &ZoneSet) {
    let wanted: HashMap<&RowKey, &WantedRow> = wanted.iter().map(|row| (&row.key, row)).collect();
    for seen in confirmed {
        if let Some(want) = wanted.get(&seen.key).and_then(|row| row.want.as_ref()) {
            disprove_one(seen, settings, want, zones);
        }
    }
}

/// The same for one row, and what is wanted there.
pub fn disprove_one(seen: &mut ConfirmedRow, settings: &Settings, want: &Want, zones: &ZoneSet) {
    if !seen.done || seen.site.is_none_or(|site| site.server.is_some()) {
        return;
    }
    let name = settings.owner_of(&seen.key);
    let holds = |rtype: RecordType, rdata: &Rdata| {
        zones.find_home(&name).and_then(|zone| zone.set(&name, rtype)).is_some_and(|set| set.rdata.contains(rdata))
    };
    let data_is_there = match seen.key {
        RowKey::Forward(_) => want.addresses.iter().all(|address| {
            let (rtype, rdata) = Rdata::address(*address);
            holds(rtype, &rdata)
        }),
        RowKey::Reverse(_) => holds(RecordType::PTR, &Rdata::ptr(&want.name)),
        // Embedded zones hold what is stated without a row.
        RowKey::Stated(..) => return,
    };
    let dhcid = Rdata::dhcid(&Dhcid::new(&want.identity, &want.name));
    seen.done = data_is_there && (!want.guard.writes_dhcid() || holds(RecordType::DHCID, &dhcid));
}

/// All that may be in DNS, with its key.
fn known<'a>(wanted: &'a [WantedRow], confirmed: &'a [ConfirmedRow]) -> impl Iterator<Item = (RowKey, Held)> + 'a {
    let of_wanted = wanted.iter().flat_map(|row| {
        let want = row.want.iter().map(Want::held);
        want.chain(row.former.iter().cloned()).map(|held| (row.key.clone(), held))
    });
    let of_confirmed = confirmed.iter().filter_map(|row| Some((row.key.clone(), row.holds.clone()?)));
    of_wanted.chain(of_confirmed)
}

fn updates_for(apex: &Fqdn, key: &RowKey, name: &Fqdn, held: &Held, settings: &Settings) -> Vec<Update> {
    match key {
        RowKey::Forward(_) => {
            let rest = held.guard.writes_dhcid().then(|| builder::build_withdraw_rest(apex, held));
            std::iter::once(builder::build_withdraw_addresses(apex, held)).chain(rest).collect()
        }
        RowKey::Reverse(_) => vec![builder::build_withdraw_pointer(apex, name, held, settings.reverse)],
        RowKey::Stated(..) => Vec::new(),
    }
}

/// Applies the updates to one stored zone; those whose prerequisites do not hold change nothing.
fn remove(stored: &mut Vec<(Fqdn, Rrset)>, id: &Fqdn, updates: &[Update]) -> Vec<Row> {
    let sets = stored.iter().filter(|(zone, _)| zone == id).map(|(_, set)| set.clone());
    // A zone without its SOA was never served as it stands, and is put together anew if it ever is again.
    let Ok(mut zone) = Zone::from_sets(zone_id::apex(id), sets) else { return Vec::new() };
    let mut touched: BTreeSet<(Fqdn, RecordType)> = BTreeSet::new();
    for update in updates {
        let applied: Result<_, Rcode> = zones::apply(&zone, update, &AllowAll);
        if let Ok((next, Some(change))) = applied {
            touched.extend(change.into_sets().map(|(name, rtype, _)| (name, rtype)));
            zone = next;
        }
    }
    if touched.is_empty() {
        return Vec::new();
    }
    stored.retain(|(zone, _)| zone != id);
    stored.extend(zone.rrsets().map(|set| (id.clone(), set)));
    let row = |(name, rtype): (Fqdn, RecordType)| {
        let set = zone.rrset(&name, rtype);
        Row::ZoneSet { zone: id.clone(), name, rtype, set }
    };
    touched.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::IpAddr;

    use ddns::reconcile::LastAnswer;
    use ddns::settings::{Site, ZoneRoute};
    use ddns::wanted::{Claim, WantedTable};
    use dns::HostIdentity;
    use zones::NewZone;

    use super::*;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn settings(apexes: &[&str]) -> Settings {
        let route = |apex: &&str| ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
        Settings { zones: apexes.iter().map(route).collect(), ..Settings::default() }
    }

    fn table() -> Vec<WantedRow> {
        let mut table = WantedTable::default();
        let claim = Claim {
            name: name("pc.lan"),
            identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, 1]),
            forward: true,
            reverse: true,
            ttl_secs: 600,
            guard: dns::ConflictGuard::default(),
        };
        let _ = table.apply(IpAddr::from([10, 0, 0, 1]), None, Some(claim));
        table.iter().collect()
    }

    /// `lan` and its reverse zone, with what the rows want and a record by hand.
    fn zones(wanted: &[WantedRow]) -> ZoneSet {
        let mut zones = ZoneSet::new();
        for apex in ["lan", "10.in-addr.arpa"].map(name) {
            let mut zone =
                Zone::from_sets(apex.clone(), NewZone::new(apex.clone(), name("ns.lan"), vec![]).rrsets()).unwrap();
            for row in wanted.iter().filter(|row| Settings::default().owner_of(&row.key).is_within(&apex)) {
                let want = row.want.as_ref().unwrap();
                let update = match &row.key {
                    RowKey::Forward(_) => builder::build_claim(&apex, want),
                    RowKey::Reverse(_) => {
                        builder::build_pointer_claim(&apex, &Settings::default().owner_of(&row.key), want)
                    }
                    RowKey::Stated(..) => unreachable!("none is stated"),
                };
                zone = zones::apply(&zone, &update, &AllowAll).unwrap().0;
            }
            zones.insert(zone);
        }
        zones
    }

    fn sets(zones: &ZoneSet) -> Vec<(Fqdn, Rrset)> {
        let hand = Rrset::single(name("hand.lan"), RecordType::A, 60, Rdata::a([10, 0, 0, 99].into()));
        let all = zones.zones().into_iter().flat_map(|zone| zone.rrsets().map(|set| (zone.apex().clone(), set)));
        all.chain([(name("lan"), hand)]).collect()
    }

    fn dynamic(stored: &[(Fqdn, Rrset)]) -> Vec<String> {
        let of_zone = [RecordType::SOA, RecordType::NS];
        let sets = stored.iter().filter(|(_, set)| !of_zone.contains(&set.rtype));
        sets.map(|(_, set)| format!("{} {}", set.name, set.rtype)).collect()
    }

    #[test]
    fn names_are_taken_out_of_a_zone_that_is_gone_and_what_others_wrote_stays() {
        let wanted = table();
        let mut stored = sets(&zones(&wanted));
        assert_eq!(withdraw(&mut stored.clone(), &settings(&["lan", "10.in-addr.arpa"]), None, &wanted, &[]), []);
        let rows = withdraw(&mut stored, &settings(&["10.in-addr.arpa"]), None, &wanted, &[]);
        let kept = ["1.0.0.10.in-addr.arpa. PTR", "1.0.0.10.in-addr.arpa. DHCID", "hand.lan. A"];
        let mut left = dynamic(&stored);
        left.sort();
        let mut expected = kept.map(str::to_owned);
        expected.sort();
        assert_eq!(left, expected);
        let gone = rows.iter().filter(|row| matches!(row, Row::ZoneSet { set: None, .. })).count();
        assert_eq!((gone, rows.len()), (2, 3), "A and DHCID, and the SOA with its serial");
        // Once is enough.
        assert_eq!(withdraw(&mut stored, &settings(&["10.in-addr.arpa"]), None, &wanted, &[]), []);
    }

    #[test]
    fn names_are_taken_out_of_the_zone_above_one_that_is_new() {
        let wanted = table();
        let mut stored = sets(&zones(&wanted));
        let _ = withdraw(
            &mut stored,
            &settings(&["lan", "pc.lan", "10.in-addr.arpa", "0.10.in-addr.arpa"]),
            None,
            &wanted,
            &[],
        );
        assert_eq!(dynamic(&stored), ["hand.lan. A"]);
    }

    #[test]
    fn what_a_zone_does_not_hold_is_not_done() {
        let wanted = table();
        let seen = |row: &WantedRow| ConfirmedRow {
            key: row.key.clone(),
            generation: row.generation,
            done: true,
            holds: None,
            site: Some(Site { apex_labels: 1, server: None }),
            last: LastAnswer::Done,
            attempts: 0,
            at: 0,
            unsure: None,
        };
        let after = |zones: &ZoneSet| {
            let mut confirmed: Vec<ConfirmedRow> = wanted.iter().map(seen).collect();
            disprove(&mut confirmed, &Settings::default(), &wanted, zones);
            confirmed.iter().filter(|row| row.done).count()
        };
        assert_eq!((after(&zones(&wanted)), after(&zones(&[]))), (2, 0));
        // At a server that can be asked nobody has to guess.
        let mut remote = vec![ConfirmedRow {
            site: Some(Site { apex_labels: 1, server: Some("192.0.2.1:53".parse().unwrap()) }),
            ..seen(&wanted[0])
        }];
        disprove(&mut remote, &Settings::default(), &wanted, &zones(&[]));
        assert!(remote[0].done);
    }
}
