#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use ddns::wanted::{Claim, RowKey, WantedTable};
use dns::{Change, Fqdn, HostIdentity, Rdata, RecordType};
use store::rows::Row;
use store::{FileStorage, Options, Store};
use zones::{NewZone, ZoneSet};

use super::*;
use crate::clock::Clock;
use crate::committer::{CommitResult, Committer, Lane, NotTaken, Submission};
use crate::embedded_zones::{BY_LEASE, ByLease};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 30, 7));

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn settings() -> Settings {
    let route = |apex| ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
    let zones = vec![route("nasir.xyz"), route("30.168.192.in-addr.arpa")];
    Settings { zones: zones.into(), ..Settings::default() }
}

fn claim() -> Claim {
    Claim {
        name: name("pc.nasir.xyz"),
        identity: HostIdentity::ClientId(vec![1, 7].into()),
        forward: false,
        reverse: true,
        ttl_secs: 600,
        guard: dns::ConflictGuard::default(),
    }
}

fn add() -> Update {
    let (rtype, rdata) = Rdata::address(ADDRESS);
    let add = Change::Add { name: name("pc.nasir.xyz"), rtype, ttl: 600, rdata };
    Update { zone: name("nasir.xyz"), prerequisites: Vec::new(), changes: vec![add] }
}

/// Zones that leases may write into, with their committer.
fn keeper(directory: &Path) -> (Arc<ZoneKeeper>, Committer, JoinHandle<()>) {
    let (store, contents, _) = Store::open(FileStorage::new(directory), &Options::default()).unwrap();
    let (committer, thread) = Committer::start(store).unwrap();
    let mut zones = ZoneSet::new();
    for apex in ["nasir.xyz", "30.168.192.in-addr.arpa"].map(name) {
        let stored = contents.zone_sets.iter().filter(|(zone, _)| *zone == apex).map(|(_, set)| set.clone());
        let mut sets: Vec<_> = NewZone::new(apex.clone(), name("ns.nasir.xyz"), vec![]).rrsets();
        sets.retain(|set| {
            !contents
                .zone_sets
                .iter()
                .any(|(zone, known)| *zone == apex && known.rtype == set.rtype && known.name == set.name)
        });
        zones.insert(zones::Zone::from_sets(apex.clone(), sets.into_iter().chain(stored)).unwrap());
    }
    let keeper = ZoneKeeper::new(zones, zones::Histories::new(), committer.clone(), Clock::new(0));
    let marked = contents.zone_stated.into_iter().filter(|(.., rtype)| *rtype == BY_LEASE);
    let mut written = ByLease::new();
    marked.for_each(|(zone, name, _)| _ = written.entry(zone).or_default().insert(name));
    keeper.open_to_leases([name("nasir.xyz")].into(), written);
    (keeper, committer, thread)
}

fn has_name(keeper: &ZoneKeeper) -> bool {
    let zones = keeper.published().load_full();
    zones.find(&name("pc.nasir.xyz")).unwrap().rrset(&name("pc.nasir.xyz"), RecordType::A).is_some()
}

fn submission(transactions: Vec<Vec<Row>>, done: impl FnOnce(CommitResult) + Send + 'static) -> Submission {
    Submission { lane: Lane::Dhcp, epoch: 0, zones_epoch: None, stamp: 1, transactions, done: Box::new(done) }
}

/// Has the committer's queue full until the sender is dropped.
fn fill(committer: &Committer) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let filled = committer.clone();
    let holder = std::thread::spawn(move || {
        let hold = || {
            begun.send(()).unwrap();
            // Ends with the sender.
            _ = held.recv();
        };
        filled.hold(hold).unwrap();
    });
    begins.recv().unwrap();
    // The committer's thread takes one more while it waits for the store.
    let mut refusals = 0;
    while refusals < 50 {
        match committer.try_submit(submission(Vec::new(), |_| ())) {
            Ok(()) => refusals = 0,
            Err(_) => {
                refusals += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    (release, holder)
}

/// The lease's holder wrote its record itself; then the lease ends.
fn ending(table: &mut WantedTable) -> Vec<Vec<Row>> {
    let _ = table.apply(ADDRESS, None, Some(claim()));
    vec![table.apply(ADDRESS, Some(claim()), None).rows.into_iter().map(Row::Wanted).collect()]
}

fn missed(keeper: &ZoneKeeper, table: &WantedTable) -> Vec<Update> {
    let (state, open) = (keeper.lock(), [name("nasir.xyz")].into());
    super::super::by_lease::missed(&settings(), &open, &state.written, state.published(), table)
}

async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn a_departure_that_finds_the_stores_queue_full_is_made_once_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, committer, thread) = keeper(directory.path());
    let paying = tokio::spawn(Arc::clone(&keeper).pay_debts());
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    assert!(has_name(&keeper));
    let (full, holder) = fill(&committer);
    let (told, outcome) = mpsc::channel();
    let ends = submission(ending(&mut WantedTable::default()), move |result| told.send(result).unwrap());
    let Err(NotTaken(ends)) = keeper.submit_leases(&settings(), ends, false) else { panic!("the queue is full") };
    assert_eq!(ends.transactions.len(), 1, "the lease's rows alone are left");
    assert!(!keeper.lock().owes(), "not before the lease has ended in the store");
    drop(full);
    holder.join().unwrap();
    committer.submit(ends).await.unwrap();
    wait_until("the record goes", || !has_name(&keeper)).await;
    assert_eq!(outcome.recv().unwrap(), CommitResult::Committed);
    paying.abort();
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    // It is stored, not only served.
    let (again, committer, thread) = self::keeper(directory.path());
    assert!(!has_name(&again));
    drop(again);
    committer.stop();
    thread.join().unwrap();
}

/// Somebody with a key makes the record its own, before its holder's lease ends or after.
#[tokio::test]
async fn a_record_that_was_made_by_hand_outlives_the_lease_that_says_the_same() {
    for late in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (keeper, committer, thread) = keeper(directory.path());
        assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
        let by_hand = |ttl| {
            let (rtype, rdata) = Rdata::address(ADDRESS);
            Update { changes: vec![Change::Add { name: name("pc.nasir.xyz"), rtype, ttl, rdata }], ..add() }
        };
        if !late {
            assert_eq!(keeper.update(&by_hand(300), &AllowAll).await, Rcode::NO_ERROR);
        }
        let (full, holder) = fill(&committer);
        let (told, outcome) = mpsc::channel();
        let ends = submission(ending(&mut WantedTable::default()), move |result| told.send(result).unwrap());
        let ends = keeper.submit_leases(&settings(), ends, false).map_err(|NotTaken(ends)| ends).unwrap_err();
        drop(full);
        holder.join().unwrap();
        // The queue is emptied in its time.
        while late && keeper.update(&by_hand(300), &AllowAll).await != Rcode::NO_ERROR {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        committer.submit(ends).await.unwrap();
        wait_until("the lease ends", || outcome.try_recv() == Ok(CommitResult::Committed)).await;
        assert!(!keeper.lock().owes() && keeper.lock().owed.under_way.is_empty() && has_name(&keeper), "late: {late}");
        keeper.make_up_departures(&settings(), &WantedTable::default(), |_, _| false);
        let gone =
            keeper.published().load().get(&name("nasir.xyz")).and_then(|zone| {
                zones::by_lease::departure(zone, &name("pc.nasir.xyz"), Ipv4Addr::new(192, 168, 30, 7))
            });
        keeper.depart(gone.unwrap(), &name("pc.nasir.xyz")).await;
        assert!(has_name(&keeper));
        drop(keeper);
        committer.stop();
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn what_is_owed_is_tried_until_the_queue_has_room_and_nobody_writes_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, committer, thread) = keeper(directory.path());
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    let mut table = WantedTable::default();
    ending(&mut table);
    let owed = missed(&keeper, &table);
    assert_eq!(owed.len(), 1);
    let (full, holder) = fill(&committer);
    keeper.owe(owed);
    assert!(keeper.lock().owes());
    let paying = tokio::spawn(Arc::clone(&keeper).pay_debts());
    // Were this taken, the payment after it would take the new holder's record away.
    assert_eq!(keeper.update(&add(), &AllowAll).await, Rcode::SERV_FAIL);
    assert!(has_name(&keeper) && keeper.lock().owes());
    drop(full);
    holder.join().unwrap();
    wait_until("the record goes", || !has_name(&keeper)).await;
    assert_eq!(keeper.update(&add(), &AllowAll).await, Rcode::NO_ERROR);
    assert!(has_name(&keeper), "its next holder's stays");
    paying.abort();
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
}

/// The rows of the lease's end were stored, and a crash tore off the transaction behind them.
#[tokio::test]
async fn a_departure_that_a_crash_lost_is_made_up_for_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, committer, thread) = keeper(directory.path());
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    let mut table = WantedTable::default();
    let _ = table.apply(ADDRESS, None, Some(claim()));
    keeper.make_up_departures(&settings(), &table, |_, _| true);
    assert!(!keeper.lock().owes() && keeper.lock().owed.under_way.is_empty() && has_name(&keeper), "the lease runs");
    let rows = table.apply(ADDRESS, Some(claim()), None).rows;
    let key = RowKey::Reverse(ADDRESS);
    assert!(rows.iter().any(|row| row.key == key && row.want.is_none()));
    let stored = WantedTable::load(table.iter(), &[]);
    keeper.make_up_departures(&settings(), &stored, |_, _| true);
    wait_until("the record goes", || !has_name(&keeper)).await;
    // Where the server keeps the name by now, its records are no former holder's.
    let identity = HostIdentity::ClientId(vec![1, 8].into());
    let kept =
        Claim { identity, forward: true, reverse: false, guard: dns::ConflictGuard::NoCheckWithoutDhcid, ..claim() };
    let _ = table.apply(ADDRESS, None, Some(kept));
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    keeper.make_up_departures(&settings(), &table, |_, _| true);
    assert!(!keeper.lock().owes() && keeper.lock().owed.under_way.is_empty() && has_name(&keeper));
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
}

/// Written without a DHCID, the server's own record looks as its former holder's did.
#[tokio::test]
async fn what_is_owed_never_takes_away_what_the_server_writes_for_the_same_name() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, committer, thread) = keeper(directory.path());
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    let mut table = WantedTable::default();
    let _ = table.apply(ADDRESS, None, Some(claim()));
    let _ = table.apply(ADDRESS, Some(claim()), None);
    let owed = missed(&keeper, &table);
    assert_eq!(owed.len(), 1);
    // Not tried yet when its host comes back, and leaves the record to the server.
    keeper.lock().owe(owed);
    let kept = Claim { forward: true, guard: dns::ConflictGuard::NoCheckWithoutDhcid, ..claim() };
    let new = WantedTable::default().begin(ADDRESS, &kept).unwrap();
    let (told, outcome) = mpsc::channel();
    let comes = submission(vec![vec![Row::WantedNew(Arc::new(new))]], move |result| told.send(result).unwrap());
    keeper.submit_leases(&settings(), comes, false).unwrap();
    let outcome = tokio::task::spawn_blocking(move || outcome.recv().unwrap()).await.unwrap();
    assert_eq!(outcome, CommitResult::Committed);
    assert!(!keeper.lock().owes() && keeper.lock().owed.under_way.is_empty(), "the debt is paid");
    assert!(keeper.lock().pay().is_none() && has_name(&keeper), "and what the server wrote stays");
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
}

/// The pointer was another server's, who confirmed that it is gone: nothing is wanted any more that would tell of the record.
#[tokio::test]
async fn a_debt_that_no_row_tells_of_any_more_is_found_by_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    let (keeper, committer, thread) = keeper(directory.path());
    assert_eq!(keeper.update_by_lease(&add(), &name("pc.nasir.xyz")).await, Rcode::NO_ERROR);
    let by_hand =
        Change::Add { name: name("hand.nasir.xyz"), rtype: RecordType::A, ttl: 600, rdata: Rdata::address(ADDRESS).1 };
    let by_hand = Update { changes: vec![by_hand], ..add() };
    assert_eq!(keeper.update(&by_hand, &AllowAll).await, Rcode::NO_ERROR);
    let (full, holder) = fill(&committer);
    let ends = submission(ending(&mut WantedTable::default()), |_| ());
    let Err(NotTaken(ends)) = keeper.submit_leases(&settings(), ends, false) else { panic!("the queue is full") };
    drop(full);
    holder.join().unwrap();
    // The lease has ended in the store, and the process is killed before the debt is paid.
    let mut ends = ends;
    ends.done = Box::new(|_| ());
    committer.submit(ends).await.unwrap();
    drop(keeper);
    committer.stop();
    thread.join().unwrap();

    let (keeper, committer, thread) = self::keeper(directory.path());
    let departed = || keeper.lock().owed.under_way.is_empty() && !keeper.lock().owes();
    assert!(has_name(&keeper));
    let held = (name("pc.nasir.xyz"), ADDRESS);
    let nothing = WantedTable::default();
    keeper.make_up_departures(&settings(), &nothing, |name, address| (name, IpAddr::V4(address)) == (&held.0, held.1));
    assert!(has_name(&keeper) && departed(), "its lease runs");
    keeper.make_up_departures(&settings(), &nothing, |_, _| false);
    wait_until("the record goes", || !has_name(&keeper)).await;
    let zones = keeper.published().load_full();
    assert!(zones.find(&by_hand.zone).unwrap().set(&name("hand.nasir.xyz"), RecordType::A).is_some(), "by hand");
    wait_until("it is paid", departed).await;
    assert!(keeper.lock().written.names().is_empty(), "and the mark went with it");
    drop(keeper);
    committer.stop();
    thread.join().unwrap();
    let (_, contents, _) = Store::open(FileStorage::new(directory.path()), &Options::default()).unwrap();
    assert_eq!(contents.zone_stated, []);
}
