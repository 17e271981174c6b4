#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};

use ddns::settings::ZoneRoute;
use ddns::wanted::{Claim, WantedTable};
use dns::{Change, HostIdentity, Rdata, RecordType, Update};
use store::{FileStorage, Options, Store};
use zones::{NewZone, ZoneSet};

use super::*;
use crate::clock::Clock;
use crate::committer::{Committer, Lane, Submission};
use crate::zone_keeper::{Decided, ZoneKeeper};

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
        Row::ZoneName { node, .. } => node.sets().count(),
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

/// A client that is alone is not kept waiting by another thread, and updates go on once its name is stored.
#[tokio::test]
async fn a_new_name_of_a_client_that_is_alone_is_committed_before_the_submission_returns() {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
    let directory = tempfile::tempdir().unwrap();
    let (store, _, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    let (committer, thread) = Committer::start(store).unwrap();
    let zones = keeping().published().clone();
    let keeper = ZoneKeeper::new(zones, Default::default(), committer.clone(), Clock::new(0));
    let settings = settings(ZoneServer::Embedded);
    let mut table = WantedTable::default();
    let hosts: Vec<(String, u8)> = (1..20).map(|octet| (format!("pc{octet}.nasir.xyz"), octet)).collect();
    let mut at_once = 0;
    for (host, octet) in &hosts {
        let address = IpAddr::from([192, 168, 30, *octet]);
        let new = Arc::new(table.begin(address, &claim(host, *octet)).unwrap());
        let (told, outcome) = std::sync::mpsc::channel();
        let submission = Submission {
            lane: Lane::Dhcp,
            epoch: 0,
            zones_epoch: None,
            stamp: AT,
            transactions: vec![vec![Row::WantedNew(new)]],
            done: Box::new(move |result| _ = told.send((result, std::thread::current().id()))),
        };
        committer.take_for_quick();
        assert_eq!(keeper.submit_leases(&settings, submission, true).unwrap().len(), 2);
        // The committer's thread may have the store for a moment, to prepare its next segment: then it commits this too.
        let (result, by) = outcome.try_recv().or_else(|_| outcome.recv_timeout(PATIENCE)).unwrap();
        assert_eq!(result, CommitResult::Committed);
        at_once += usize::from(by == std::thread::current().id());
        let served = keeper.published().load_full();
        assert!(served.find(&name(host)).unwrap().exists(&name(host)));
        // Zones are not held back any longer.
        let add = Change::Add {
            name: name(&format!("by-hand-{octet}.nasir.xyz")),
            rtype: RecordType::A,
            ttl: 60,
            rdata: Rdata::address(address).1,
        };
        let update = Update { zone: name("nasir.xyz"), prerequisites: vec![], changes: vec![add] };
        assert_eq!(keeper.update(&update, &AllowAll).await, Rcode::NO_ERROR);
    }
    assert!(at_once > 0, "none was committed before its submission returned");
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    let (_, contents, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    // Each step of the zone follows on the one before.
    let steps = contents.zone_differences.iter().filter(|(zone, _)| *zone == name("nasir.xyz"));
    let serials: Vec<(u32, u32)> = steps.map(|(_, step)| (step.serial_before, step.serial_after)).collect();
    assert_eq!(serials, (1..39).map(|serial| (serial, serial + 1)).collect::<Vec<_>>());
}

/// The same name as one value and as two rows.
#[test]
fn a_new_name_as_one_value_comes_to_what_its_rows_come_to() {
    let settings = settings(ZoneServer::Embedded);
    let new = Arc::new(WantedTable::default().begin(ADDRESS, &claim("pc.nasir.xyz", 1)).unwrap());
    let decide = |keeping: &mut Keeping<u32>, rows: Vec<Row>| {
        let mut rows = vec![rows];
        let decided = keeping.decide_with_leases(&settings, AT, &mut rows)?;
        keeping.settle_with_leases(decided.clone(), CommitResult::Committed);
        Some((decided.written, rows.pop().unwrap()))
    };
    let as_rows = || [new.forward(), new.reverse()].map(Row::Wanted).to_vec();
    let as_one = || vec![Row::WantedNew(Arc::clone(&new))];
    let (mut one, mut two) = (keeping(), keeping());
    let ((written, rows), (written_apart, rows_apart)) =
        (decide(&mut one, as_one()).unwrap(), decide(&mut two, as_rows()).unwrap());
    assert_eq!((&written, written.len()), (&written_apart, 2));
    assert_eq!(one.published(), two.published());
    let others = |rows: &[Row]| -> Vec<Row> {
        let is_confirmed = |row: &&Row| matches!(row, Row::Confirmed(_) | Row::ConfirmedNew { .. });
        rows.iter().filter(|row| !is_confirmed(row)).cloned().collect()
    };
    assert_eq!(others(&rows), others(&rows_apart));
    // Where somebody else has the name, nothing comes of either; where he has the pointer alone, the name is written.
    for (owner, reverse_zone, written) in
        [(name("pc.nasir.xyz"), false, None), (Fqdn::reverse(ADDRESS), true, Some(vec![new.generation]))]
    {
        let apex = name(if reverse_zone { "30.168.192.in-addr.arpa" } else { "nasir.xyz" });
        let add = Change::Add { name: owner, rtype: RecordType::TXT, ttl: 60, rdata: Rdata::txt(&["by hand"]) };
        let ptr = Rdata::ptr(&name("other.nasir.xyz"));
        let add_ptr = Change::Add { name: Fqdn::reverse(ADDRESS), rtype: RecordType::PTR, ttl: 60, rdata: ptr };
        let changes = if reverse_zone { vec![add, add_ptr] } else { vec![add] };
        for rows in [as_one(), as_rows()] {
            let mut keeping = keeping();
            let by_hand = Update { zone: apex.clone(), prerequisites: vec![], changes: changes.clone() };
            let Decided::Waits(Some(stored)) = keeping.decide(&by_hand, &AllowAll, 7) else { panic!("a change") };
            keeping.settle(stored.ticket, CommitResult::Committed);
            assert_eq!(decide(&mut keeping, rows).map(|(written, _)| written), written);
        }
    }
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
    let holder = name("pc.nasir.xyz");
    let decided = keeping.decide_for(&update, &AllowAll, Some(&holder), 1);
    let Decided::Waits(Some(to_store)) = decided else { panic!("a change") };
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
    let stated = Settings { protected: [name("pc.nasir.xyz")].into_iter().collect(), ..settings.clone() };
    assert_eq!(keeping.decide_with_leases(&stated, AT, &mut rows.clone()), None);
    let decided = keeping.decide_with_leases(&settings, AT, &mut rows).unwrap();
    keeping.settle_with_leases(decided, CommitResult::Committed);
    assert_eq!(served(&keeping, &name("pc.nasir.xyz"), RecordType::A), None, "else it goes");
}
