//! Zones that move to another server, go and come back, between two starts.

use std::sync::Arc;

use super::claim;
use super::world::{Fate, World, name};
use crate::model_server::ModelServer;
use crate::reconcile::{News, Stage};
use crate::settings::{Settings, ZoneRoute, ZoneServer};
use crate::wanted::RowKey;

const PUBLISHED: [&str; 2] = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"];

fn remote(address: &str) -> ZoneServer {
    ZoneServer::remote(address.parse().unwrap(), None)
}

fn kept_at(server: &ZoneServer, apexes: &[&str]) -> Arc<Settings> {
    let route = |apex: &&str| ZoneRoute { apex: name(apex), server: server.clone() };
    Arc::new(Settings { zones: apexes.iter().map(route).collect(), ..Settings::default() })
}

/// Ends the process and starts it with other settings, at a server that holds what `server` does.
fn restart_at(world: &mut World, settings: Arc<Settings>, server: ModelServer) -> ModelServer {
    world.settings = settings;
    let before = std::mem::replace(&mut world.server, server);
    world.restart();
    before
}

const BOTH: [&str; 2] = ["lan", "10.in-addr.arpa"];

#[test]
fn names_are_published_at_the_server_that_their_zone_has_moved_to() {
    for (from, to) in [
        (ZoneServer::Embedded, remote("192.0.2.1:53")),
        (remote("192.0.2.1:53"), ZoneServer::Embedded),
        (remote("192.0.2.1:53"), remote("192.0.2.2:53")),
    ] {
        let mut world = World::new();
        restart_at(&mut world, kept_at(&from, &BOTH), ModelServer::default());
        world.set(1, Some(claim("pc.lan", 1)));
        world.settle();
        assert_eq!(world.server.plain(), PUBLISHED);
        restart_at(&mut world, kept_at(&to, &BOTH), ModelServer::default());
        world.settle();
        assert_eq!(world.server.plain(), PUBLISHED, "from {from:?} to {to:?}");
        // And then it is known.
        let sent = world.sent;
        world.restart();
        world.settle();
        assert_eq!(world.sent, sent);
    }
}

/// The server has another address and holds all that it held: nothing is in conflict with ourselves.
#[test]
fn names_at_a_server_that_got_another_address_are_found_there() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    let there = world.server.clone();
    restart_at(&mut world, kept_at(&remote("192.0.2.9:53"), &BOTH), there);
    world.set(1, Some(claim("mac.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR mac.lan.", "mac.lan. A 10.0.0.1"]);
    assert!(world.news.is_empty(), "{:?}", world.news);
}

#[test]
fn names_move_into_a_zone_that_was_made_beneath_the_one_they_were_in() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lab.lan", 1)));
    world.settle();
    let deeper = kept_at(&remote("192.0.2.1:53"), &["lan", "lab.lan", "10.in-addr.arpa"]);
    restart_at(&mut world, deeper, ModelServer::default());
    world.settle();
    assert!(world.server.plain().contains(&"pc.lab.lan. A 10.0.0.1".to_owned()));
}

#[test]
fn names_left_where_their_zone_was_taken_out_wait_for_its_return_and_are_told_once() {
    let mut world = World::new();
    for n in 1..=9 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
    }
    world.settle();
    let left = world.server.clone();
    restart_at(&mut world, kept_at(&ZoneServer::Embedded, &["other"]), ModelServer::default());
    for n in 1..=9 {
        world.set(n, None);
    }
    world.run();
    let told: Vec<String> = world.news.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(world.news[0], News::NoZone { rows: 18, .. }) && told[0].contains("and 17 more"), "{told:?}");
    let status = world.reconciler.row(&RowKey::Forward(name("pc1.lan"))).unwrap();
    assert_eq!(status.stage, Stage::NoZone);
    assert!(status.words(world.now).contains("left at its DNS server"));
    // However often it starts, they are remembered; and the zone comes back.
    world.restart();
    world.run();
    restart_at(&mut world, kept_at(&remote("192.0.2.1:53"), &BOTH), left);
    world.settle();
    assert_eq!((world.server.plain(), world.server.dhcid_count()), (Vec::<String>::new(), 0));
    assert_eq!((world.table.len(), world.stored.len()), (0, 0));
}

/// What an embedded zone held is taken out of it when it goes, so that nothing is left to wait for.
#[test]
fn names_of_an_embedded_zone_that_went_are_not_waited_for() {
    let mut world = World::new();
    restart_at(&mut world, kept_at(&ZoneServer::Embedded, &BOTH), ModelServer::default());
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    restart_at(&mut world, kept_at(&ZoneServer::Embedded, &["other"]), ModelServer::default());
    world.set(1, None);
    world.settle();
    assert_eq!((world.table.len(), world.stored.len()), (0, 0));
}

/// A change that was on its way when the process ended, and then the zone moves.
#[test]
fn names_under_way_when_their_zone_moves_are_published_where_it_is() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    world.fates = vec![Fate::LoseReply; 2];
    world.set(2, Some(claim("pc.lan", 1)));
    world.step();
    restart_at(&mut world, kept_at(&remote("192.0.2.7:53"), &BOTH), ModelServer::default());
    world.fates.clear();
    world.settle();
    let both = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "2.0.0.10.in-addr.arpa. PTR pc.lan."];
    assert_eq!(world.server.plain(), [both, ["pc.lan. A 10.0.0.1", "pc.lan. A 10.0.0.2"]].concat());
}
