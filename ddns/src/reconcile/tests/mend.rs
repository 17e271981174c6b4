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
