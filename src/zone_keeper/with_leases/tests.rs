#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};

use ddns::settings::ZoneRoute;
use ddns::wanted::{Claim, WantedTable};
use dns::{Change, HostIdentity, Rdata, RecordType, Update};
use zones::{NewZone, ZoneSet};

use super::*;
use crate::zone_keeper::Decided;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 30, 7));

/// UTC seconds.
const AT: u64 = 1_800_000_000;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn settings(forward: ZoneServer) -> Settings {
    let zones = vec![
        ZoneRoute { apex: name("nasir.xyz"), server: forward },
        ZoneRoute { apex: name("30.168.192.in-addr.arpa"), server: ZoneServer::Embedded },
    ];
    Settings { zones: zones.into(), ..Settings::default() }
}

fn keeping() -> Keeping<u32> {
    let mut zones = ZoneSet::new();
    for apex in ["nasir.xyz", "30.168.192.in-addr.arpa"] {
        let new = NewZone {
            apex: name(apex),
            primary: name("ns.nasir.xyz"),
            addresses: Vec::new(),
            hostmaster: name("hostmaster.nasir.xyz"),
            serial: 1,
            ttl: 3_600,
            negative_ttl: 60,
        };
        zones.insert(zones::Zone::from_sets(new.apex.clone(), new.rrsets()).unwrap());
    }
    Keeping::new(zones)
}

fn claim(host: &str, octet: u8) -> Claim {
    let identity = HostIdentity::ClientId(vec![1, octet].into());
    Claim {
        name: name(host),
        identity,
        forward: true,
        reverse: true,
        ttl_secs: 600,
        guard: dns::ConflictGuard::default(),
    }
}

/// The rows of a lease that takes this name.
fn transaction(table: &mut WantedTable, claim: &Claim) -> Vec<Row> {
    table.apply(ADDRESS, None, Some(claim.clone())).rows.into_iter().map(Row::Wanted).collect()
}

fn served(keeping: &Keeping<u32>, owner: &Fqdn, rtype: RecordType) -> Option<Vec<Rdata>> {
    keeping.published().find(owner)?.rrset(owner, rtype).map(|set| set.rdata)
}

fn zone_sets(transaction: &[Row]) -> usize {
    let sets_of = |row: &Row| match row {
        Row::ZoneSet { .. } => 1,
        Row::ZoneName { node, .. } => node.sets().len(),
        _ => 0,
    };
    transaction.iter().map(sets_of).sum()
}

#[test]
fn a_new_name_is_stored_with_its_lease_and_served_once_that_is() {
    let mut keeping = keeping();
    let mut rows = vec![transaction(&mut WantedTable::default(), &claim("pc.nasir.xyz", 1))];
    let decided = keeping.decide_with_leases(&settings(ZoneServer::Embedded), AT, &mut rows).unwrap();
    // A, DHCID and SOA; PTR, DHCID and SOA: behind the rows of the lease, and confirmed with them.
    assert_eq!((rows.len(), zone_sets(&rows[0]), zone_sets(&rows[1])), (2, 0, 6));
    let wanted = |row: &Row| if let Row::Wanted(row) = row { Some((row.key.clone(), row.generation)) } else { None };
    let confirmed = |row: &Row| match row {
        Row::Confirmed(row) => Some((row.key.clone(), row.generation)).filter(|_| row.done && row.site.is_some()),
        _ => None,
    };
    let [wanted, confirmed] =
        [rows[0].iter().filter_map(wanted).collect(), rows[1].iter().filter_map(confirmed).collect()]
            .map(|rows: Vec<(RowKey, u64)>| rows);
    assert_eq!(wanted, confirmed);
    assert_eq!(decided.written, wanted.iter().map(|(_, generation)| *generation).collect::<Vec<_>>());
    assert_eq!(served(&keeping, &name("pc.nasir.xyz"), RecordType::A), None);
    assert!(keeping.settle_with_leases(decided, CommitResult::Committed).is_empty());
    assert_eq!(served(&keeping, &name("pc.nasir.xyz"), RecordType::A), Some(vec![Rdata::address(ADDRESS).1]));
    let pointer = served(&keeping, &Fqdn::reverse(ADDRESS), RecordType::PTR);
    assert_eq!(pointer, Some(vec![Rdata::ptr(&name("pc.nasir.xyz"))]));
}

#[test]
fn what_is_not_stored_is_taken_back_with_all_that_was_decided_upon_it() {
    let (mut keeping, mut table) = (keeping(), WantedTable::default());
    let settings = settings(ZoneServer::Embedded);
    let mut rows = vec![transaction(&mut table, &claim("pc.nasir.xyz", 1))];
    let decided = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    let add = Change::Add {
        name: name("by-hand.nasir.xyz"),
        rtype: RecordType::A,
        ttl: 60,
        rdata: Rdata::address(ADDRESS).1,
    };
    let update = Update { zone: name("nasir.xyz"), prerequisites: Vec::new(), changes: vec![add] };
    assert!(matches!(keeping.decide(&update, &AllowAll, 7), Decided::Waits(Some(_))));
    assert_eq!(keeping.settle_with_leases(decided.clone(), CommitResult::NoSpace), [(7, Rcode::SERV_FAIL)]);
    take_back(&mut rows);
    assert_eq!((rows.len(), zone_sets(&rows[0])), (1, 0));
    // What is left of the submission may be stored later: that says nothing of the zones.
    assert!(keeping.settle_with_leases(decided, CommitResult::Committed).is_empty());
    assert_eq!(served(&keeping, &name("pc.nasir.xyz"), RecordType::A), None);
    let again = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    assert_eq!(again.epoch, 1, "nothing of the epochs that failed may be stored");
}

#[test]
fn what_is_not_plain_is_left_to_the_updater() {
    let (mut keeping, settings) = (keeping(), settings(ZoneServer::Embedded));
    let mut table = WantedTable::default();
    let mut rows = vec![transaction(&mut table, &claim("pc.nasir.xyz", 1))];
    let decided = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    keeping.settle_with_leases(decided, CommitResult::Committed);
    // Renamed: what is left of before goes first.
    let (before, after) = (claim("pc.nasir.xyz", 1), claim("tv.nasir.xyz", 1));
    let renamed = table.apply(ADDRESS, Some(before), Some(after)).rows;
    let mut rows = vec![renamed.into_iter().map(Row::Wanted).collect::<Vec<_>>()];
    let decided = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    assert_eq!(zone_sets(&rows[1]), 3, "the new name is new; the address has a PTR already");
    keeping.settle_with_leases(decided, CommitResult::Committed);
    // A name that is in use, by whomever, and with it its PTR.
    let mut table = WantedTable::default();
    let mut rows = vec![transaction(&mut table, &claim("pc.nasir.xyz", 2))];
    assert_eq!(keeping.decide_with_leases(&settings, AT, &mut rows), None);
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_pointer_does_not_come_before_the_name_that_another_server_holds() {
    let remote = ZoneServer::remote("192.0.2.53:53".parse().unwrap(), None);
    let mut rows = vec![transaction(&mut WantedTable::default(), &claim("pc.nasir.xyz", 1))];
    assert_eq!(keeping().decide_with_leases(&settings(remote), AT, &mut rows), None);
}

/// The address's lease has ended, whose holder wrote `pc.nasir.xyz A` by itself.
fn departing(keeping: &mut Keeping<u32>) -> Vec<Vec<Row>> {
    keeping.by_lease = [name("nasir.xyz")].into();
    let (rtype, rdata) = Rdata::address(ADDRESS);
    let add = Change::Add { name: name("pc.nasir.xyz"), rtype, ttl: 600, rdata };
    let update = Update { zone: name("nasir.xyz"), prerequisites: Vec::new(), changes: vec![add] };
    let Decided::Waits(Some(to_store)) = keeping.decide(&update, &AllowAll, 1) else { panic!("a change") };
    keeping.settle(to_store.ticket, CommitResult::Committed);
    let mut table = WantedTable::default();
    let by_itself = Claim { forward: false, ..claim("pc.nasir.xyz", 1) };
    let _ = table.apply(ADDRESS, None, Some(by_itself.clone()));
    vec![table.apply(ADDRESS, Some(by_itself), None).rows.into_iter().map(Row::Wanted).collect()]
}

#[test]
fn a_static_record_does_not_go_with_the_lease_whose_holder_wrote_the_same() {
    let (mut keeping, settings) = (keeping(), settings(ZoneServer::Embedded));
    let mut rows = departing(&mut keeping);
    let stated = Settings { protected: vec![name("pc.nasir.xyz")], ..settings.clone() };
    assert_eq!(keeping.decide_with_leases(&stated, AT, &mut rows.clone()), None);
    let decided = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    keeping.settle_with_leases(decided, CommitResult::Committed);
    assert_eq!(served(&keeping, &name("pc.nasir.xyz"), RecordType::A), None, "else it goes");
}
