//! What a changed configuration withdraws is counted before anything is deleted.

use super::*;

fn named(n: u8) -> Option<Claim> {
    Some(claim(&format!("pc{n}.lan"), n))
}

/// `names` names in DNS, of which the configuration then withdraws so many.
fn withdrawn(names: u8, by_configuration: u8) -> World {
    let mut world = World::new();
    (1..=names).for_each(|n| world.set(n, named(n)));
    world.settle();
    withdraw(&mut world, 1..=by_configuration);
    world
}

fn withdraw(world: &mut World, which: std::ops::RangeInclusive<u8>) {
    world.table.set_configuring(true);
    which.for_each(|n| world.set(n, None));
    world.table.set_configuring(false);
}

fn names_in_dns(world: &World) -> usize {
    world.server.plain().iter().filter(|record| record.contains(" A ")).count()
}

fn held(world: &World) -> Vec<(String, usize, usize)> {
    let told = |held: HeldBack| (held.apex.to_string(), held.keys.len(), held.names);
    world.reconciler.held_back().into_iter().map(told).collect()
}

fn told(world: &World) -> usize {
    world.news.iter().filter(|news| matches!(news, News::HeldBack { .. })).count()
}

#[test]
fn a_configuration_that_would_empty_a_zone_deletes_nothing_and_is_told() {
    let mut world = withdrawn(30, 30);
    let sent = world.sent;
    world.settle();
    assert_eq!((names_in_dns(&world), world.sent), (30, sent), "nothing is sent");
    let both =
        [("lan.", 30, 30), ("10.in-addr.arpa.", 30, 30)].map(|(zone, held, of)| (name(zone).to_string(), held, of));
    assert_eq!(held(&world), both);
    assert_eq!(told(&world), 2);
    let words = world.news.last().unwrap().to_string();
    assert!(words.contains("30 of 30 names") && words.contains("confirm-deletions"), "{words}");
    assert_eq!(world.reconciler.row(&RowKey::Forward(name("pc1.lan"))).unwrap().stage, Stage::Held);
}

#[test]
fn a_share_that_is_small_enough_goes_by_itself() {
    // Of 100 names 20 may go, and of any zone ten.
    for (names, gone) in [(100, 20), (10, 10)] {
        let mut world = withdrawn(names, gone);
        assert_eq!(names_in_dns(&world), usize::from(names), "nothing before it is counted");
        world.settle();
        assert_eq!(names_in_dns(&world), usize::from(names - gone));
        assert!(held(&world).is_empty() && told(&world) == 0);
    }
    let mut world = withdrawn(100, 21);
    world.settle();
    assert_eq!(names_in_dns(&world), 100);
}

/// A pass that stalls comes in parts: they count together.
#[test]
fn parts_that_come_late_count_with_those_that_went() {
    let mut world = withdrawn(100, 20);
    world.settle();
    withdraw(&mut world, 21..=21);
    world.settle();
    assert_eq!((names_in_dns(&world), held(&world).len()), (80, 2));
}

#[test]
fn ordinary_releases_and_new_names_go_on_beside_what_is_held_back() {
    let mut world = withdrawn(30, 20);
    world.settle();
    (21..=30).for_each(|n| world.set(n, None));
    world.set(99, named(99));
    world.settle();
    assert_eq!(names_in_dns(&world), 21);
    assert!(world.server.plain().contains(&"pc99.lan. A 10.0.0.99".to_owned()));
    assert_eq!(held(&world)[0].1, 20);
}

#[test]
fn what_is_held_back_goes_when_it_is_confirmed_a_zone_at_a_time() {
    let mut world = withdrawn(30, 30);
    assert_eq!(world.reconciler.confirm_deletions(world.now, &name("lan")), 0, "not counted yet");
    world.settle();
    assert_eq!(world.reconciler.confirm_deletions(world.now, &name("nowhere")), 0);
    assert_eq!(world.reconciler.confirm_deletions(world.now, &name("lan")), 30);
    world.settle();
    assert_eq!((names_in_dns(&world), world.server.plain().len()), (0, 30));
    assert_eq!(world.reconciler.confirm_deletions(world.now, &name("10.in-addr.arpa")), 30);
    world.settle();
    assert_eq!((world.server.plain().len(), world.table.len(), held(&world).len()), (0, 0, 0));
}

#[test]
fn what_is_held_back_stays_so_over_a_restart_and_is_kept_when_it_is_wanted_again() {
    let mut world = withdrawn(30, 30);
    world.settle();
    world.restart();
    let sent = world.sent;
    world.settle();
    assert_eq!((names_in_dns(&world), world.sent), (30, sent));
    assert_eq!(held(&world)[0].1, 30);
    // The operator puts the former file back.
    world.restart();
    (1..=30).for_each(|n| world.set(n, named(n)));
    world.settle();
    assert_eq!((names_in_dns(&world), world.server.plain().len()), (30, 60));
    assert!(held(&world).is_empty());
    let all_done = world.reconciler.rows().all(|row| row.stage == Stage::Done);
    assert!(all_done);
}
