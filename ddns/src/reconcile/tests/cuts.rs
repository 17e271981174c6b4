//! Rows whose zones have yet to be found.

use std::sync::Arc;

use super::claim;
use super::world::{World, name};
use crate::cuts::{Cut, Quest, Seeks};
use crate::reconcile::{Reconciler, Stage};
use crate::settings::{Settings, ZoneRoute, ZoneServer};
use crate::wanted::RowKey;

fn server() -> ZoneServer {
    ZoneServer::remote("192.0.2.1:53".parse().unwrap(), None)
}

/// The domains are known, and that the server has their zones.
fn domains() -> Settings {
    let route = |apex: &str| ZoneRoute { apex: name(apex), server: server() };
    let quest = |seeks| Quest { seeks, server: server(), written: false };
    Settings {
        zones: vec![route("office.lan"), route("0.0.10.in-addr.arpa")].into(),
        quests: vec![
            quest(Seeks::Zone(name("office.lan"))),
            quest(Seeks::Zone(name("0.0.10.in-addr.arpa"))),
            quest(Seeks::Classless("10.0.0.0/28".parse().unwrap())),
        ],
        ..Settings::default()
    }
}

fn found() -> Vec<Option<Cut>> {
    let child = name("0-28.0.0.10.in-addr.arpa");
    let classless = Cut::Classless { apex: child.clone(), parent: child };
    vec![Some(Cut::Zone(name("lan"))), Some(Cut::Zone(name("0.0.10.in-addr.arpa"))), Some(classless)]
}

fn rezone(world: &mut World, cuts: &[Option<Cut>]) {
    world.settings = Arc::new(domains().resolved(cuts));
    let before = std::mem::take(&mut world.reconciler);
    world.reconciler = before.rezoned(world.settings.clone(), world.now);
}

/// Ends the process and starts it: nothing is known of the zones again.
fn restart(world: &mut World) {
    world.settings = Arc::new(domains().resolved(&[None, None, None]));
    world.restart();
}

const PUBLISHED: [&str; 2] = ["1.0-28.0.0.10.in-addr.arpa. PTR pc.office.lan.", "pc.office.lan. A 10.0.0.1"];

#[test]
fn names_wait_until_their_zones_are_found_and_are_not_sent_anew_after_a_start() {
    let mut world = World::new();
    rezone(&mut world, &[None, None, None]);
    world.set(1, Some(claim("pc.office.lan", 1)));
    world.advance(10_000);
    assert_eq!(world.sent, 0);
    let row = |world: &World| {
        let status = world.reconciler.row(&RowKey::Forward(name("pc.office.lan"))).unwrap();
        (status.stage, status.words(world.now))
    };
    assert_eq!(row(&world).0, Stage::Sought);
    assert!(row(&world).1.contains("not known yet"), "{}", row(&world).1);
    assert!(world.reconciler.seeks());

    rezone(&mut world, &found());
    world.settle();
    assert_eq!(world.server.plain(), PUBLISHED);
    assert!(!world.reconciler.seeks());

    let sent = world.sent;
    restart(&mut world);
    world.advance(10_000);
    rezone(&mut world, &found());
    world.settle();
    assert_eq!(world.sent, sent, "what is known to be there is not sent again");
}

#[test]
fn a_lease_that_ends_while_its_zone_is_looked_for_leaves_nothing_behind() {
    let mut world = World::new();
    rezone(&mut world, &found());
    world.set(1, Some(claim("pc.office.lan", 1)));
    world.settle();
    restart(&mut world);
    world.set(1, None);
    world.advance(10_000);
    assert_eq!(world.server.plain(), PUBLISHED);
    rezone(&mut world, &found());
    world.settle();
    assert!(world.server.plain().is_empty(), "{:?}", world.server.plain());
    assert!(world.wanted_stored.is_empty());
}

/// What was under way when the zones were learnt is as a lost answer.
#[test]
fn answers_that_come_after_the_zones_were_learnt_change_nothing() {
    let mut world = World::new();
    rezone(&mut world, &found());
    world.set(1, Some(claim("pc.office.lan", 1)));
    let first = world.reconciler.poll_send(world.now).unwrap();
    let before: Reconciler = std::mem::take(&mut world.reconciler);
    world.reconciler = before.rezoned(world.settings.clone(), world.now);
    let second = world.reconciler.poll_send(world.now).unwrap();
    assert_ne!(first.ticket, second.ticket);
    assert_eq!(first.update, second.update);
}
