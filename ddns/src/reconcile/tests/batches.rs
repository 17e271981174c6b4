//! Changes to one zone travel together, and one hostile name costs little.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::claim;
use super::world::{Fate, World, identity, ip, name};
use super::*;
use crate::wanted::Claim;

fn host(n: u32) -> String {
    format!("pc{n}.lan")
}

/// A row of a name, without its PTR, so that what is counted is one zone's.
fn row(n: u32, generation: u64) -> WantedRow {
    let want = Want {
        name: name(&host(n)),
        identity: identity(1),
        addresses: vec![IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n))],
        ttl_secs: 600,
        after_forward: false,
        guard: dns::ConflictGuard::default(),
    };
    WantedRow {
        key: RowKey::Forward(want.name.clone()),
        generation,
        want: Some(want),
        former: vec![],
        by_configuration: false,
    }
}

/// A world that wants so many names, some of which somebody wrote by hand before.
fn wants(names: u32, guilty: u32) -> World {
    let mut world = World::new();
    for n in 0..guilty {
        // All over the queue: together they would need fewer messages.
        world.server.add_by_hand(&host(n * (names / guilty)), RecordType::A, Rdata::address(ip(99)).1);
    }
    let rows = (0..names).map(|n| row(n, u64::from(n) + 1));
    world.reconciler = Reconciler::load(world.settings.clone(), world.now, rows, []);
    world
}

fn stages(world: &World, wanted: impl Fn(&RowStatus<'_>) -> bool) -> usize {
    world.reconciler.rows().filter(wanted).count()
}

#[test]
fn changes_to_one_zone_travel_together() {
    let mut world = wants(1_000, 0);
    world.run();
    assert_eq!(stages(&world, |row| row.stage == Stage::Done), 1_000);
    assert!(world.sent <= 1_000_usize.div_ceil(10), "{} messages", world.sent);
    // So do their removals, of two steps each.
    let sent = world.sent;
    for n in 0..1_000 {
        let former = vec![row(n, 0).want.unwrap().held()];
        let gone = WantedRow { want: None, former, ..row(n, 2_000 + u64::from(n)) };
        world.reconciler.handle_wanted(world.now, gone);
    }
    world.run();
    assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0));
    assert!(world.sent - sent <= 2 * 1_000_usize.div_ceil(8), "{} messages", world.sent - sent);
}

#[test]
fn no_message_is_longer_than_a_datagram_may_be_nor_has_more_rows_than_is_said() {
    let mut world = wants(200, 0);
    while let Some(send) = world.reconciler.poll_send(world.now) {
        let message = dns::wire::update_to_message(&send.update, 1).unwrap();
        let octets = message.to_vec().unwrap().len();
        assert!(octets <= 1_100, "{octets} octets");
        assert!(send.update.prerequisites.len() <= ROWS_MAX);
        world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Answer(Rcode::NO_ERROR));
    }
    // A row that is longer than that goes all the same, alone.
    let mut long = row(1, 9_000);
    let addresses = (0..60).map(|n| ip(n + 1)).collect();
    long.want = long.want.map(|want| Want { addresses, ..want });
    world.reconciler.handle_wanted(world.now, long);
    world.reconciler.handle_wanted(world.now, row(2_000, 9_001));
    let counts: Vec<usize> = std::iter::from_fn(|| world.reconciler.poll_send(world.now))
        .map(|send| {
            send.update
                .prerequisites
                .iter()
                .filter(|one| matches!(one, dns::Prerequisite::NameInUse(_) | dns::Prerequisite::NameNotInUse(_)))
                .count()
        })
        .collect();
    assert_eq!(counts, [1, 1]);
}

/// "One hostile hostname must not multiply the traffic."
#[test]
fn names_one_hostile_hostname_does_not_multiply_the_traffic() {
    for (names, guilty) in [(1_000, 1), (1_000, 10), (1_000, 50), (1_000, 1_000)] {
        let mut world = wants(names, guilty);
        world.run();
        let conflicts = stages(&world, |row| row.last == LastAnswer::Conflict);
        let done = stages(&world, |row| row.stage == Stage::Done);
        assert_eq!((conflicts, done), (guilty as usize, (names - guilty) as usize));
        // A message for ten; for each guilty one two for each halving, then the one in which RFC 4703 asks whose it is.
        let bound = 100 + guilty as usize * (2 * HALVINGS_MAX + 1);
        println!("{names} names, {guilty} guilty: {} messages", world.sent);
        assert!(world.sent <= bound, "{} messages for {guilty} guilty names, not {bound}", world.sent);
        // And never as much as three times what they would cost one by one.
        assert!(world.sent <= 3 * (names + guilty) as usize, "{} messages", world.sent);
        // From then on each costs what it costs alone, and nobody else anything.
        let sent = world.sent;
        world.advance(3_700_000);
        assert_eq!(world.sent - sent, 2 * guilty as usize, "of {guilty}");
    }
}

/// One by one they would cost two messages each. The store was lost, or another server's zone is taken over with its names: they are all there, and not known to be.
#[test]
fn names_that_are_all_there_and_not_known_to_be_are_not_searched_one_by_one() {
    let mut world = wants(1_000, 0);
    world.run();
    let before = world.server.clone();
    for (names, bound) in [(1_000, 800), (1_100, 800)] {
        let sent = world.sent;
        let rows = (0..names).map(|n| row(n, u64::from(n) + 1));
        world.reconciler = Reconciler::load(world.settings.clone(), world.now, rows, []);
        world.run();
        assert_eq!(stages(&world, |row| row.stage == Stage::Done), names as usize);
        assert!(world.sent - sent <= bound + (names as usize - 1_000) * 3, "{} messages", world.sent - sent);
    }
    assert_eq!(before.dhcid_count() + 100, world.server.dhcid_count());
}

/// A name that was found guilty travels alone also after its row was gone, and in company again once it is done.
#[test]
fn a_guilty_name_is_remembered_until_it_succeeds() {
    let mut world = wants(16, 1);
    world.run();
    let found = world.sent;
    assert!(found <= 2 + 2 * HALVINGS_MAX + 1, "{found} messages");
    let mut generation = 100;
    let mut changed = |world: &mut World, wanted: bool| {
        for n in 0..8 {
            generation += 1;
            let former = vec![row(n, 0).want.unwrap().held()];
            let all = row(n, generation);
            let next = if wanted { WantedRow { former, ..all } } else { WantedRow { want: None, former, ..all } };
            world.reconciler.handle_wanted(world.now, next);
        }
        let sent = world.sent;
        world.run();
        world.sent - sent
    };
    // One message for seven, two steps; one for the guilty one.
    assert_eq!(changed(&mut world, false), 3);
    // One for seven; the guilty one's claim, and whose it is.
    assert_eq!(changed(&mut world, true), 3);
    world.server.delete_by_hand(&host(0), RecordType::A);
    assert_eq!(changed(&mut world, true), 2);
    assert_eq!(stages(&world, |row| row.stage == Stage::Done), 16);
    assert_eq!(changed(&mut world, true), 1, "all together again");
}

/// RFC 4703 section 5.5: NXRRSET to a withdrawal means "not ours", which is told of one name alone.
#[test]
fn rfc4703_5_5_a_name_that_is_not_ours_any_more_does_not_keep_others_from_being_withdrawn() {
    let mut world = wants(10, 0);
    world.run();
    world.server.delete_by_hand(&host(3), RecordType::DHCID);
    for n in 0..10 {
        let former = vec![row(n, 0).want.unwrap().held()];
        world.reconciler.handle_wanted(world.now, WantedRow { want: None, former, ..row(n, 100 + u64::from(n)) });
    }
    world.run();
    assert_eq!(world.server.plain(), ["pc3.lan. A 10.0.0.3"]);
    assert!(world.reconciler.rows().next().is_none());
}

/// A zone that refuses everything is found to do so by a few messages, not by one for each name.
#[test]
fn a_zone_that_refuses_everything_is_not_asked_for_each_name() {
    for code in [Rcode::REFUSED, Rcode::NOT_AUTH, Rcode::SERV_FAIL] {
        let mut world = World::new();
        world.down = Some(Fate::Answers(code));
        world.reconciler =
            Reconciler::load(world.settings.clone(), world.now, (0..1_000).map(|n| row(n, u64::from(n) + 1)), []);
        world.advance(60_000);
        assert!(world.sent <= 1_000 + 60, "{} messages", world.sent);
        let told = world.news.iter().filter(|news| matches!(news, News::ZoneDown { .. })).count();
        assert!(told == 1 && world.news.len() <= 3, "{:?}", world.news);
        let sent = world.sent;
        world.down = None;
        world.advance(60_000);
        assert_eq!(stages(&world, |row| row.stage == Stage::Done), 1_000);
        assert!(world.sent - sent <= 250, "{} messages", world.sent - sent);
    }
}

/// What the server cannot bear, or what a firewall keeps from it, is tried in smaller and smaller messages.
#[test]
fn a_message_that_is_never_answered_is_tried_again_in_parts() {
    let mut world = wants(64, 0);
    for _ in 0..3_000 {
        while let Some(send) = world.reconciler.poll_send(world.now) {
            let outcome = match send.update.prerequisites.len() {
                0..=2 => Outcome::Answer(world.server.apply(&send.update)),
                _ => Outcome::Timeout,
            };
            world.reconciler.handle_outcome(world.now, send.ticket, outcome);
        }
        world.now.boot_ms += 100;
    }
    assert_eq!(stages(&world, |row| row.stage == Stage::Done), 64);
}

#[derive(Clone, Debug)]
enum Before {
    Nothing,
    Foreign,
    ByHand,
    Ours,
}

fn before() -> impl Strategy<Value = Before> {
    prop_oneof![
        6 => Just(Before::Nothing),
        1 => Just(Before::Foreign),
        1 => Just(Before::ByHand),
        1 => Just(Before::Ours),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Messages of many names leave DNS exactly as messages of one name each.
    #[test]
    fn together_or_one_by_one_dns_is_the_same(
        names in prop::collection::vec((before(), any::<bool>()), 1..60),
        lost in prop::collection::vec(prop_oneof![8 => Just(Fate::Arrives), 1 => Just(Fate::LoseReply), 1 => Just(Fate::LoseRequest)], 0..12),
    ) {
        let end = |together: bool| {
            let mut world = World::new();
            for (n, (before, _)) in (1_u8..).zip(&names) {
                let text = host(n.into());
                let dhcid = |who| Rdata::dhcid(&dns::Dhcid::new(&identity(who), &name(&text)));
                let (owner, address) = match before {
                    Before::Nothing => continue,
                    Before::ByHand => (None, 99),
                    Before::Foreign => (Some(dhcid(77)), 99),
                    Before::Ours => (Some(dhcid(n)), n),
                };
                world.server.add_by_hand(&text, RecordType::A, Rdata::address(ip(address)).1);
                if let Some(owner) = owner {
                    world.server.add_by_hand(&text, RecordType::DHCID, owner);
                }
            }
            world.fates = lost.clone();
            for (n, _) in (1_u8..).zip(&names) {
                let wish = Claim { identity: identity(n), ..claim(&host(n.into()), n) };
                world.set(n, Some(wish));
            }
            if !together {
                world.reconciler.rows.open_rows_mut().for_each(|entry| entry.company = 1);
            }
            world.run();
            for (n, (_, leaves)) in (1_u8..).zip(&names) {
                if *leaves {
                    world.set(n, None);
                }
            }
            world.run();
            let owned: BTreeSet<_> = (1..=names.len()).map(|n| world.server.data(&host(n as u32), RecordType::DHCID)).collect();
            (world.server.plain(), owned)
        };
        prop_assert_eq!(end(true), end(false));
    }
}
