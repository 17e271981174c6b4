//! Rows told anew, leftovers withdrawn, names taken by another way.

use dns::{Dhcid, Rdata, RecordType, Update};

use super::*;

fn change(world: &mut World, changes: Vec<dns::Change>) {
    let update = Update { zone: name("lan"), prerequisites: vec![], changes };
    assert_eq!(world.server.apply(&update), Rcode::NO_ERROR);
}

fn held(text: &str, who: u8, address: u8) -> Held {
    wanted_row(text, 1, who, address).want.map(|want| want.held()).unwrap()
}

fn dhcid(text: &str, who: u8) -> dns::Change {
    let rdata = Rdata::dhcid(&Dhcid::new(&identity(who), &name(text)));
    dns::Change::Add { name: name(text), rtype: RecordType::DHCID, ttl: 600, rdata }
}

fn a(text: &str, address: u8) -> dns::Change {
    let (rtype, rdata) = Rdata::address(ip(address));
    dns::Change::Add { name: name(text), rtype, ttl: 600, rdata }
}

#[test]
fn a_row_that_is_rechecked_or_resynced_is_there_again() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    let whole = world.server.plain();
    change(&mut world, vec![dns::Change::DeleteName(name("pc.lan"))]);
    assert!(world.reconciler.mend(world.now, Mend::Recheck(RowKey::Forward(name("pc.lan")))));
    world.settle();
    assert_eq!(world.server.plain(), whole);
    assert!(!world.reconciler.mend(world.now, Mend::Recheck(RowKey::Forward(name("nobody.lan")))));
    change(&mut world, vec![dns::Change::DeleteName(name("pc.lan"))]);
    assert_eq!(world.reconciler.resync(world.now, &name("lan")), 1);
    assert_eq!(world.reconciler.resync(world.now, &name("other")), 0);
    world.settle();
    assert_eq!(world.server.plain(), whole);
}

#[test]
fn a_leftover_is_withdrawn_by_its_dhcid_and_a_newer_row_is_not_held_back() {
    let mut world = World::new();
    change(&mut world, vec![a("old.lan", 7), dhcid("old.lan", 1), a("theirs.lan", 8), dhcid("theirs.lan", 2)]);
    for text in ["old.lan", "theirs.lan"] {
        let mend = Mend::Withdraw(RowKey::Forward(name(text)), held(text, 1, 7));
        assert!(world.reconciler.mend(world.now, mend));
    }
    world.settle();
    assert_eq!(world.server.plain(), ["theirs.lan. A 10.0.0.8"], "another host's stays");
    world.set(3, Some(claim("old.lan", 3)));
    world.settle();
    assert!(world.server.plain().contains(&"old.lan. A 10.0.0.3".to_owned()));
    let wanted = Mend::Withdraw(RowKey::Forward(name("old.lan")), held("old.lan", 3, 3));
    assert!(!world.reconciler.mend(world.now, wanted), "what is wanted is no leftover");
}

#[test]
fn a_name_in_conflict_that_was_taken_over_is_done_at_once() {
    let mut world = World::new();
    change(&mut world, vec![a("pc.lan", 9)]);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.9"]);
    change(&mut world, vec![dhcid("pc.lan", 1)]);
    let key = RowKey::Forward(name("pc.lan"));
    assert!(world.reconciler.mend(world.now, Mend::Taken(key.clone(), held("pc.lan", 1, 1))));
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
    assert_eq!(world.reconciler.row(&key).map(|row| row.stage), Some(Stage::Done));
}

#[test]
fn what_was_refused_is_tried_at_once_when_somebody_asks_for_it() {
    let mut world = World::new();
    world.refused = Some(name("bad.lan"));
    world.set(1, Some(claim("bad.lan", 1)));
    world.set(2, Some(claim("good.lan", 2)));
    world.advance(600_000);
    let sent = world.sent;
    assert_eq!(world.reconciler.try_now(world.now, &Again::Name(name("good.lan"))), 0, "it is done");
    assert_eq!(world.reconciler.try_now(world.now, &Again::Name(name("nobody.lan"))), 0);
    world.advance(1);
    assert_eq!(world.sent, sent);
    world.refused = None;
    // Its PTR waits for it, and leads to it.
    assert_eq!(world.reconciler.try_now(world.now, &Again::Address(ip(1))), 1);
    world.advance(10);
    assert!(world.reconciler.is_quiet(), "{:?}", world.server.plain());
    assert!(world.server.plain().contains(&"bad.lan. A 10.0.0.1".to_owned()));
}

#[test]
fn a_zone_that_cannot_be_updated_is_probed_at_once_when_somebody_asks_for_it() {
    let mut world = World::new();
    world.down = Some(Fate::Tsig(Rcode::BAD_KEY));
    for n in 1..=5 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
    }
    world.advance(60_000);
    // Just behind a probe, whose next one is as far away as it gets.
    let before = world.sent;
    while world.sent == before {
        world.advance(1);
    }
    world.advance(5);
    world.down = None;
    assert!(world.reconciler.try_now(world.now, &Again::All) >= 5);
    world.advance(5);
    assert!(world.reconciler.is_quiet(), "{:?}", world.server.plain());
    assert_eq!(world.reconciler.try_now(world.now, &Again::All), 0, "nothing is left to be tried");
}

#[test]
fn somebody_elses_name_is_asked_for_again_and_stays_theirs() {
    let mut world = World::new();
    change(&mut world, vec![a("theirs.lan", 8), dhcid("theirs.lan", 2)]);
    world.set(1, Some(claim("theirs.lan", 1)));
    world.advance(1_000);
    let (sent, row) = (world.sent, RowKey::Forward(name("theirs.lan")));
    assert_eq!(world.reconciler.row(&row).unwrap().last, LastAnswer::Conflict);
    assert_eq!(world.reconciler.try_now(world.now, &Again::Name(name("theirs.lan"))), 1);
    world.advance(10);
    assert!(world.sent > sent);
    assert_eq!(world.server.plain(), ["theirs.lan. A 10.0.0.8"]);
    change(&mut world, vec![dns::Change::DeleteName(name("theirs.lan"))]);
    assert_eq!(world.reconciler.try_now(world.now, &Again::All), 1);
    world.advance(10);
    assert!(world.reconciler.is_quiet() && world.server.plain().contains(&"theirs.lan. A 10.0.0.1".to_owned()));
}
