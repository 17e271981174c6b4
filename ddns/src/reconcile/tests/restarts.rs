//! What a start does not know: updates that were under way, and whether they were done.

use dns::ConflictGuard;

use super::world::{Fate, World, server};
use super::*;
use crate::settings::ReverseGuard;

const GUARDS: [ConflictGuard; 4] = [
    ConflictGuard::CheckWithDhcid,
    ConflictGuard::CheckExistsWithDhcid,
    ConflictGuard::NoCheckWithDhcid,
    ConflictGuard::NoCheckWithoutDhcid,
];

fn guarded(text: &str, who: u8, guard: ConflictGuard) -> Claim {
    Claim { guard, ..claim(text, who) }
}

/// What DNS holds of one name at one address, under a guard.
fn published(world: &World, address: u8, guard: ConflictGuard) -> bool {
    let lines = [format!("{address}.0.0.10.in-addr.arpa. PTR pc.lan."), format!("pc.lan. A 10.0.0.{address}")];
    // The PTR record has its DHCID under each of them.
    world.server.plain() == lines && world.server.dhcid_count() == 1 + usize::from(guard.writes_dhcid())
}

/// Runs with every answer lost until so many updates were sent, and is then killed and started again.
fn killed_after(world: &mut World, updates: usize) {
    let before = world.sent;
    world.down = Some(Fate::LoseReply);
    for _ in 0..100 {
        if world.sent >= before + updates {
            break;
        }
        world.advance(500);
    }
    assert!(world.sent >= before + updates, "the test shows nothing");
    world.down = None;
    world.restart();
}

fn conflicts(world: &World) -> Vec<String> {
    let told = world.news.iter().map(ToString::to_string);
    told.filter(|told| told.contains("somebody else")).collect()
}

/// The server has done it, its answer is lost, and who asked is killed: the next one finds its own name, and no other's.
#[test]
fn what_was_under_way_at_a_crash_is_no_conflict_with_ourselves_under_any_guard() {
    for guard in GUARDS {
        for updates in 1..=4 {
            let mut world = World::new();
            world.set(1, Some(guarded("pc.lan", 1, guard)));
            killed_after(&mut world, updates);
            world.settle();
            assert!(published(&world, 1, guard), "{guard:?}, {updates}: {:?}", world.server.plain());

            // It moves, and its host is another interface of the same one; then it goes.
            world.set(1, None);
            world.set(2, Some(guarded("pc.lan", 1, guard)));
            killed_after(&mut world, updates);
            world.settle();
            assert!(published(&world, 2, guard), "{guard:?}, {updates}: {:?}", world.server.plain());

            world.set(2, None);
            killed_after(&mut world, updates);
            world.settle();
            assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0), "{guard:?}, {updates}");
            assert_eq!(conflicts(&world), Vec::<String>::new(), "{guard:?}, {updates}");
        }
    }
}

/// As before, and while the daemon was away the lease went to another name: what nobody has heard of is withdrawn.
#[test]
fn what_was_under_way_at_a_crash_leaves_nothing_when_another_name_is_wanted_by_then() {
    for guard in GUARDS {
        for reverse in [ReverseGuard::Dhcid, ReverseGuard::Rfc4703] {
            let mut world = World::new();
            let settings = Settings { reverse, ..(*world.settings).clone() };
            world.settings = Arc::new(settings);
            world.restart();
            world.set(1, Some(guarded("old.lan", 1, guard)));
            killed_after(&mut world, 2);
            world.set(1, Some(guarded("pc.lan", 1, guard)));
            world.restart();
            world.settle();
            let lines = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"];
            assert_eq!(world.server.plain(), lines, "{guard:?}, {reverse:?}");
            assert_eq!(conflicts(&world), Vec::<String>::new(), "{guard:?}, {reverse:?}");
        }
    }
}

/// Of several servers one has an update that it did not answer, and makes it after the daemon was killed and started again:
/// by then a newer state is in DNS, and stays.
#[test]
fn an_older_state_that_a_silent_server_makes_after_a_restart_does_not_stay() {
    // When it is killed, after the state changed for the last time: before it is sent, after it was sent to
    // the silent server alone, and after the other one has made it.
    for killed_at in [0, 2_000, 30_000] {
        for guard in GUARDS {
            let mut world = World::with_servers(2);
            world.set(1, Some(guarded("pc.lan", 1, guard)));
            world.settle();
            world.down_at.insert(server(1), Fate::Late(60_000));
            world.set(1, None);
            world.set(2, Some(guarded("pc.lan", 1, guard)));
            world.advance(4_000);
            world.set(2, None);
            world.set(3, Some(guarded("pc.lan", 1, guard)));
            world.advance(killed_at);
            world.restart();
            world.advance(75_000 - killed_at);
            world.down_at.clear();
            world.advance(700_000);
            assert!(published(&world, 3, guard), "{guard:?}, {killed_at}: {:?}", world.server.plain());
        }
    }
}

/// The same of a name that nobody wants any more, whether the silent server speaks again by the start or not.
#[test]
fn a_claim_that_a_silent_server_makes_after_the_lease_and_a_restart_does_not_stay() {
    for (killed_at, speaks) in [0, 2_000, 30_000].into_iter().flat_map(|at| [(at, true), (at, false)]) {
        let mut world = World::with_servers(2);
        world.down_at.insert(server(1), Fate::Late(60_000));
        world.set(1, Some(claim("pc.lan", 1)));
        world.advance(4_000);
        world.set(1, None);
        world.advance(killed_at);
        if speaks {
            world.down_at.clear();
        }
        world.restart();
        world.advance(75_000 - killed_at);
        world.down_at.clear();
        world.advance(700_000);
        assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0), "{killed_at}, {speaks}");
        assert!(world.reconciler.rows().next().is_none() && world.stored.is_empty(), "{killed_at}, {speaks}");
    }
}

/// What is stored of it is stored once, not with every try, and is gone when its time is over.
#[test]
fn what_may_still_be_done_is_stored_once_and_not_for_ever() {
    let mut world = World::with_servers(2);
    world.down_at.insert(server(1), Fate::LoseRequest);
    world.down_at.insert(server(2), Fate::LoseRequest);
    world.set(1, Some(claim("pc.lan", 1)));
    let mut stored = 0;
    for _ in 0..120 {
        world.advance(500);
        let unsure = world.stored.get(&RowKey::Forward(name("pc.lan"))).and_then(|row| row.unsure.clone());
        stored += usize::from(unsure.is_some());
    }
    assert!(stored > 100, "the test shows nothing");
    world.down_at.clear();
    world.advance(400_000);
    assert!(world.stored.values().all(|row| row.done && row.unsure.is_none()), "{:?}", world.stored);
    let sent = world.sent;
    world.restart();
    world.advance(700_000);
    assert_eq!(world.sent, sent, "a start finds nothing to do");
}

/// Which state was refused is known after a start, whatever was refused before it.
#[test]
fn a_refusal_is_stored_with_the_state_that_it_is_about() {
    let mut world = World::new();
    world.server.add_by_hand("pc.lan", RecordType::A, Rdata::address(ip(99)).1);
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(1_000);
    let refused = |world: &World| {
        let row = &world.stored[&RowKey::Forward(name("pc.lan"))];
        (row.last == LastAnswer::Conflict, row.generation == world.table.get(&row.key).unwrap().generation)
    };
    assert_eq!(refused(&world), (true, true));
    // Another address of the same host.
    world.set(2, Some(claim("pc.lan", 1)));
    world.advance(1_000);
    assert_eq!(refused(&world), (true, true));
    assert_eq!(conflicts(&world).len(), 1, "told once");
}

/// A host with many interfaces: what got no answer must not push out what is known to be there.
#[test]
fn a_host_with_many_addresses_leaves_none_behind_after_a_lost_answer() {
    let mut world = World::with_servers(2);
    (1..=40).for_each(|n| world.set(n, Some(claim("pc.lan", 1))));
    world.settle();
    world.down_at.insert(server(1), Fate::LoseReply);
    world.set(41, Some(claim("pc.lan", 1)));
    world.advance(20_000);
    assert_eq!(world.server.plain().len(), 2 * 41);
    (1..=41).for_each(|n| world.set(n, None));
    world.advance(700_000);
    assert_eq!((world.server.plain(), world.server.dhcid_count()), (Vec::<String>::new(), 0));
}

/// A confirmed row whose wanted row is gone is removed from DNS at the start. The DHCP side knows nothing of it, and may store
/// the same name with its lease before: the removal, made later, takes that away, though its row is younger.
#[test]
fn a_name_that_was_stored_with_its_lease_is_written_again_when_a_removal_at_the_start_was_later() {
    let row = wanted_row("pc.lan", 7, 1, 1);
    let held = row.want.as_ref().map(Want::held);
    let settings = World::new().settings;
    let seen = ConfirmedRow {
        key: row.key.clone(),
        generation: 3,
        done: true,
        holds: held,
        site: settings.zone_of(&name("pc.lan")).map(crate::settings::ZoneRoute::site),
        last: LastAnswer::Done,
        attempts: 0,
        at: 1,
        unsure: None,
    };
    let now = Now { boot_ms: 1_000, wall_secs: 100 };
    let mut reconciler = Reconciler::load(settings, now, [], [seen]);
    while let Some(removal) = reconciler.poll_send(now) {
        reconciler.handle_outcome(now, removal.ticket, Outcome::Answer(Rcode::NO_ERROR));
    }
    assert!(reconciler.row(&row.key).is_none(), "the removal is over");
    reconciler.handle_written(now, row);
    let again = reconciler.poll_send(now).expect("it is seen to");
    assert!(again.update.changes.iter().any(|change| matches!(change, dns::Change::Add { .. })));
}
