//! Zones that have several servers.

use dns::{Change, Rdata, Update};
use proptest::prelude::*;

use super::world::{Fate, World, server};
use super::*;

const PUBLISHED: [&str; 2] = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"];

fn sent_to(world: &World, n: u8) -> usize {
    world.sent_to.get(&server(n)).copied().unwrap_or_default()
}

#[test]
fn the_preferred_server_gets_everything_while_it_answers() {
    let mut world = World::with_servers(2);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!((world.server.plain(), sent_to(&world, 2)), (PUBLISHED.map(str::to_owned).to_vec(), 0));
}

/// Whatever keeps the preferred server from its work, the next one does it, and gives it back.
#[test]
fn names_another_server_takes_over_and_the_preferred_one_is_taken_back() {
    for hindrance in [
        Fate::LoseRequest,
        Fate::Garbled,
        Fate::Answers(Rcode::SERV_FAIL),
        Fate::Answers(Rcode::NOT_AUTH),
        Fate::Answers(Rcode::REFUSED),
        Fate::Tsig(Rcode::BAD_KEY),
    ] {
        let mut world = World::with_servers(2);
        world.down_at.insert(server(1), hindrance);
        for n in 1..=100 {
            world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
        }
        world.advance(25_000);
        assert_eq!(world.server.plain().len(), 200, "{hindrance:?}");
        let told = |world: &World, word: &str| world.news.iter().filter(|news| news.to_string().contains(word)).count();
        assert!((1..=2).contains(&told(&world, "from now on")), "{:?}", world.news);
        assert!(world.news.iter().all(|news| !matches!(news, News::ZoneDown { .. })), "{:?}", world.news);
        // It is asked now and then, by what changes nothing; a minute apart in the end.
        world.advance(600_000);
        let (first, second) = (sent_to(&world, 1), sent_to(&world, 2));
        world.advance(600_000);
        assert!(sent_to(&world, 1) - first <= 2 * 10 + 2, "{} probes in ten minutes", sent_to(&world, 1) - first);
        assert!(sent_to(&world, 2) - second <= 40, "what got no answer is written once more, not again and again");
        world.down_at.clear();
        world.advance(130_000);
        assert!(told(&world, "again") >= 1, "{:?}", world.news);
        let second = sent_to(&world, 2);
        world.set(101, Some(claim("late.lan", 101)));
        world.settle();
        assert_eq!((sent_to(&world, 2), world.server.plain().len()), (second, 202), "{hindrance:?}");
        // Nothing is published anew because of it all, after a start neither.
        let sent = world.sent;
        world.restart();
        world.settle();
        assert_eq!(world.sent, sent);
    }
}

#[test]
fn what_one_zone_finds_out_about_a_server_all_its_zones_know() {
    let mut world = World::with_servers(2);
    world.down_at.insert(server(1), Fate::LoseRequest);
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(20_000);
    assert_eq!(world.server.plain(), PUBLISHED);
    // The PTR went to the second one at once.
    let failovers = world.news.iter().filter(|news| matches!(news, News::Failover { .. })).count();
    assert_eq!(failovers, 1, "{:?}", world.news);
    let standing: Vec<Standing> =
        world.reconciler.health(world.now).into_iter().flat_map(|zone| zone.servers).map(|one| one.standing).collect();
    assert_eq!(standing, [Standing::PassedOver, Standing::InUse, Standing::PassedOver, Standing::InUse]);
    let silent = |zone: &ZoneHealth| zone.servers[0].last == LastAnswer::Timeout;
    assert!(world.reconciler.health(world.now).iter().all(silent), "also in the zone that sent nothing there");
}

/// Which server is used, which is passed over, since when, what came back, and when it is tried again.
#[test]
fn the_operator_can_ask_how_each_server_of_a_zone_is_doing() {
    let mut world = World::with_servers(2);
    let of_forward = |world: &World| {
        let zones = world.reconciler.health(world.now);
        zones.into_iter().find(|zone| zone.apex.to_string() == "lan.").unwrap().servers
    };
    let words = |world: &World| of_forward(world).iter().map(ServerHealth::words).collect::<Vec<_>>();
    assert_eq!(words(&world), ["in use; nothing was sent yet", "in reserve"]);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(words(&world), ["in use", "in reserve"]);
    world.down_at.insert(server(1), Fate::Answers(Rcode::SERV_FAIL));
    let from = world.now.wall_secs;
    world.set(2, Some(claim("pc2.lan", 2)));
    world.advance(20_000);
    let [first, second] = &of_forward(&world)[..] else { panic!("two servers") };
    assert_eq!((first.standing, second.standing), (Standing::PassedOver, Standing::InUse));
    assert_eq!((first.last, second.last), (LastAnswer::Refused(Rcode::SERV_FAIL), LastAnswer::Done));
    let since = first.failing_since.unwrap();
    assert!((from..from + 3).contains(&since), "{since} is the first failure, not the last one");
    assert!(first.at > since && second.failing_since.is_none());
    assert!(first.next_try_ms.is_some_and(|ms| ms <= world.settings.retry.max_ms), "{first:?}");
    let told = &words(&world)[0];
    for part in ["passed over: ", "SERVFAIL", "; next try in "] {
        assert!(told.contains(part), "{told}");
    }
    // None of them does its work: the zone is down, and its probes take turns.
    world.down_at.insert(server(2), Fate::LoseRequest);
    world.set(3, Some(claim("pc3.lan", 3)));
    world.advance(60_000);
    let standing: Vec<Standing> = of_forward(&world).iter().map(|one| one.standing).collect();
    assert_eq!(standing, [Standing::Failing; 2]);
    assert!(of_forward(&world).iter().all(|one| one.failing_since.is_some()));
    world.down_at.clear();
    world.advance(130_000);
    assert_eq!(words(&world), ["in use", "in reserve"]);
}

#[test]
fn a_zone_whose_servers_are_all_away_is_told_and_written_by_the_first_that_comes_back() {
    let mut world = World::with_servers(3);
    for n in 1..=3 {
        world.down_at.insert(server(n), Fate::LoseRequest);
    }
    for n in 1..=50 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
    }
    world.advance(300_000);
    assert!(world.news.iter().any(|news| matches!(news, News::ZoneDown { .. })), "{:?}", world.news);
    assert!(world.news.len() <= 6, "{:?}", world.news);
    world.down_at.remove(&server(3));
    world.advance(30_000);
    assert_eq!(world.server.plain().len(), 100);
    world.restart();
    world.settle();
    assert_eq!(world.server.plain().len(), 100);
}

/// A server that never answered, and hands on what it got when another has taken the newer state: the newest stays.
#[test]
fn names_an_older_state_that_a_silent_server_makes_later_does_not_stay() {
    let mut world = World::with_servers(2);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    // The name moves to another address, and then to a third one.
    world.down_at.insert(server(1), Fate::Late(60_000));
    world.set(1, None);
    world.set(2, Some(claim("pc.lan", 1)));
    world.advance(4_000);
    world.set(2, None);
    world.set(3, Some(claim("pc.lan", 1)));
    world.advance(50_000);
    assert!(world.server.plain().contains(&"pc.lan. A 10.0.0.3".to_owned()), "{:?}", world.server.plain());
    world.advance(20_000);
    assert!(world.server.plain().contains(&"pc.lan. A 10.0.0.2".to_owned()), "the test shows nothing");
    world.advance(400_000);
    let newest = ["3.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.3"];
    assert_eq!(world.server.plain(), newest);
}

/// The same of a name that was withdrawn meanwhile: a late claim leaves nothing behind.
#[test]
fn names_a_claim_that_a_silent_server_makes_after_the_lease_ended_does_not_stay() {
    let mut world = World::with_servers(2);
    world.down_at.insert(server(1), Fate::Late(60_000));
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(4_000);
    world.set(1, None);
    world.advance(70_000);
    assert!(world.server.plain().contains(&"pc.lan. A 10.0.0.1".to_owned()), "the test shows nothing");
    world.down_at.clear();
    world.advance(700_000);
    assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0));
    assert!(world.reconciler.rows().next().is_none());
}

/// What a server says of an update that it, or its primary, makes all the same: it said so of the message as it was sent
/// again, or because its primary was slow.
const SAYS: [Option<Rcode>; 4] = [None, Some(Rcode::SERV_FAIL), Some(Rcode::REFUSED), Some(Rcode::NOT_AUTH)];

/// 10.0.0.5 is `pc5`'s, and its PTR record is left to a server that will make it behind so many other updates.
fn with_a_pointer_to_come(says: Option<Rcode>, others: usize) -> World {
    let mut world = World::with_servers(2);
    world.set(5, Some(claim("pc5.lan", 5)));
    world.fates = vec![Fate::Behind(says, others), Fate::Arrives];
    world.step();
    world.step();
    assert_eq!((world.server.plain(), world.fates.len()), (vec!["pc5.lan. A 10.0.0.5".to_owned()], 0));
    world
}

/// It is `z5`'s by now: soon as far as DNS servers tell it, and in the end whatever they make.
fn assert_is_z5s(world: &mut World, case: &str) {
    world.advance(20_000);
    let pointers: Vec<String> = world.server.plain().into_iter().filter(|line| line.contains("PTR")).collect();
    assert_eq!(pointers, ["5.0.0.10.in-addr.arpa. PTR z5.lan."], "{case}");
    world.advance(700_000);
    assert_eq!(world.server.plain(), ["5.0.0.10.in-addr.arpa. PTR z5.lan.", "z5.lan. A 10.0.0.5"], "{case}");
}

fn told_of_others(world: &World) -> usize {
    world.news.iter().filter(|news| news.to_string().contains("somebody else")).count()
}

/// An address goes to another name while its first PTR record is still to be made by a server that has said no: wherever
/// that comes in between, it is ours, and nobody else's.
#[test]
fn names_a_pointer_that_a_server_makes_late_is_no_conflict_with_ourselves() {
    for says in SAYS {
        for others in 1..12 {
            let mut world = with_a_pointer_to_come(says, others);
            world.set(5, Some(claim("z5.lan", 5)));
            assert_is_z5s(&mut world, &format!("{says:?}, {others}"));
            assert_eq!(told_of_others(&world), 0, "{says:?}, {others}: {:?}", world.news);
        }
    }
}

/// The same of two, of which each comes right behind the look for it: what is taken for somebody else's then is looked at
/// again soon.
#[test]
fn names_what_was_ours_and_is_taken_for_anothers_is_looked_at_again_soon() {
    let writes = |update: &Update| update.changes.iter().any(|change| matches!(change, Change::Add { .. }));
    let of_pointers = |update: &Update| update.zone == name("10.in-addr.arpa");
    let mut world = World::with_servers(2);
    // The pointers to the first two names are refused.
    let mut to_come = Vec::new();
    for label in ["pc5.lan", "x5.lan"] {
        world.set(5, Some(claim(label, 5)));
        while let Some(send) = world.reconciler.poll_send(world.now) {
            let refuses = of_pointers(&send.update) && writes(&send.update);
            let code = if refuses { Rcode::REFUSED } else { world.server.apply(&send.update) };
            to_come.extend(refuses.then_some(send.update));
            world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Answer(code));
        }
    }
    assert_eq!(to_come.len(), 2);
    world.set(5, Some(claim("z5.lan", 5)));
    let mut removals = 0;
    while let Some(send) = world.reconciler.poll_send(world.now) {
        let code = world.server.apply(&send.update);
        removals += usize::from(of_pointers(&send.update) && !writes(&send.update));
        if removals == 2 && !to_come.is_empty() {
            world.server.apply(&to_come.remove(0));
            removals = 0;
        }
        world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Answer(code));
    }
    world.advance(1);
    let is_another = world.server.plain().iter().any(|line| line.contains("PTR") && !line.contains("z5"));
    assert!(to_come.is_empty() && is_another, "the test shows nothing: {:?}", world.server.plain());
    assert_is_z5s(&mut world, "two");
    // What was a conflict with ourselves is nobody's affair.
    assert_eq!(told_of_others(&world), 0, "{:?}", world.news);
}

/// Names of one message that was refused and is halved then: made late, it leaves nothing of them behind either.
#[test]
fn names_of_one_refused_message_do_not_stay_when_it_is_made_late() {
    for says in [Rcode::REFUSED, Rcode::SERV_FAIL, Rcode::FORM_ERR] {
        let mut stayed = 0;
        for others in 1..16 {
            let mut world = World::with_servers(2);
            world.set(1, Some(claim("a.lan", 1)));
            world.set(2, Some(claim("b.lan", 2)));
            world.fates = vec![Fate::Behind(Some(says), others)];
            world.step();
            world.advance(2_000);
            world.set(1, None);
            world.set(2, None);
            world.advance(1_000);
            // Others of the zone, so that its turn comes.
            for host in 10..30 {
                world.set(host, Some(claim(&format!("o{host}.lan"), host)));
                world.advance(100);
                stayed += world.server.plain().iter().filter(|line| line.starts_with("a.lan")).count();
            }
            world.advance(700_000);
            let left: Vec<String> = world.server.plain().into_iter().filter(|line| !line.contains("o")).collect();
            assert_eq!(left, [""; 0], "{says:?}, {others}");
        }
        assert!(stayed > 0, "the test shows nothing: {says:?}");
    }
}

/// A name that is somebody else's is tried at its long pause, also where a server may yet make what is wanted itself.
#[test]
fn names_of_others_are_not_asked_for_soon_again_for_what_is_wanted_itself() {
    let mut world = World::with_servers(2);
    let (rtype, data) = Rdata::address(ip(99));
    world.server.add_by_hand("pc.lan", rtype, data);
    world.fates = vec![Fate::Behind(Some(Rcode::SERV_FAIL), 1_000), Fate::Arrives];
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(60_000);
    assert_eq!(told_of_others(&world), 1);
    let before = world.sent;
    world.advance(300_000);
    assert_eq!(world.sent, before, "tried again within the hour");
}

/// A PTR of ours leads to nobody else's name, not even while that may be taken for another's by mistake.
#[test]
fn names_a_ptr_does_not_lead_to_a_name_that_may_be_anothers() {
    let mut world = World::with_servers(2);
    world.set(1, Some(Claim { forward: false, ..claim("pc.lan", 1) }));
    world.advance(1_000);
    // Somebody else's claim of the name may be made late.
    world.fates = vec![Fate::Answers(Rcode::SERV_FAIL)];
    world.set(2, Some(Claim { reverse: false, ..claim("pc.lan", 2) }));
    world.step();
    world.set(2, None);
    world.advance(10_000);
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan."]);
    let (rtype, data) = Rdata::address(ip(99));
    world.server.add_by_hand("pc.lan", rtype, data);
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(10_000);
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.99"]);
    assert!(!world.reconciler.is_quiet() && told_of_others(&world) == 0, "{:?}", world.news);
    // Nor is it stored, whatever else is: after a start the host would be taken for one whose name is refused.
    world.fates = vec![Fate::Answers(Rcode::SERV_FAIL), Fate::Answers(Rcode::SERV_FAIL)];
    world.advance(10_000);
    assert!(world.stored.values().all(|row| row.last != LastAnswer::Conflict), "{:?}", world.stored);
    world.server.delete_by_hand("pc.lan", rtype);
    world.advance(320_000);
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
    assert!(world.reconciler.is_quiet());
}

/// A PTR that was given up is written again after a restart too, once its name is ours.
#[test]
fn names_a_ptr_that_was_given_up_is_not_taken_for_there_after_a_start() {
    let mut world = World::with_servers(2);
    world.fates = vec![Fate::Answers(Rcode::SERV_FAIL)];
    world.set(2, Some(Claim { reverse: false, ..claim("pc.lan", 2) }));
    world.step();
    world.set(2, None);
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(10_000);
    let ours = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"];
    assert_eq!(world.server.plain(), ours);
    let (rtype, data) = Rdata::address(ip(99));
    for rtype in [rtype, RecordType::DHCID] {
        world.server.delete_by_hand("pc.lan", rtype);
    }
    world.server.add_by_hand("pc.lan", rtype, data);
    for apex in ["lan", "10.in-addr.arpa"] {
        world.reconciler.resync(world.now, &name(apex));
    }
    world.advance(1_000);
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.99"]);
    assert_eq!(told_of_others(&world), 0, "the test shows nothing: {:?}", world.news);
    world.restart();
    world.server.delete_by_hand("pc.lan", rtype);
    world.advance(400_000);
    assert_eq!(world.server.plain(), ours);
}

/// A name that was withdrawn meanwhile: what a server refused and makes late leaves nothing behind.
#[test]
fn names_a_claim_that_a_server_refuses_and_makes_after_the_lease_ended_does_not_stay() {
    for says in SAYS {
        let mut stayed = 0;
        for others in 1..4 {
            let mut world = World::with_servers(2);
            world.set(1, Some(claim("pc.lan", 1)));
            world.fates = vec![Fate::Behind(says, others)];
            world.step();
            world.set(1, None);
            for _ in 0..9 {
                world.advance(1_000);
                stayed += world.server.plain().len();
            }
            // It is found soon, and not only when nothing can come any more.
            world.advance(40_000);
            assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0), "{says:?}, {others}");
            world.advance(700_000);
            assert_eq!((world.server.plain(), world.server.dhcid_count()), (vec![], 0), "{says:?}, {others}");
            assert!(world.reconciler.rows().next().is_none());
        }
        assert!(stayed > 0, "the test shows nothing: {says:?}");
    }
}

fn fate() -> impl Strategy<Value = Option<Fate>> {
    prop_oneof![
        6 => Just(None),
        2 => Just(Some(Fate::LoseRequest)),
        2 => Just(Some(Fate::LoseReply)),
        2 => (5_000_u64..250_000).prop_map(|ms| Some(Fate::Late(ms))),
        1 => Just(Some(Fate::Answers(Rcode::REFUSED))),
        1 => Just(Some(Fate::Answers(Rcode::SERV_FAIL))),
        2 => (prop::sample::select(&SAYS[..]), 1_usize..12).prop_map(|(says, others)| Some(Fate::Behind(says, others))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever two servers do, answer or not, now or later: once all is quiet, DNS holds what is wanted.
    #[test]
    fn with_several_servers_too_dns_holds_in_the_end_what_is_wanted(
        deeds in prop::collection::vec((1_u8..6, prop::option::of(0_u8..4), 0_u64..20_000, 1_u8..3, fate()), 1..40),
    ) {
        let mut world = World::with_servers(2);
        for (address, host, pause, at, fate) in deeds {
            let wish = host.map(|host| claim(&format!("h{host}.lan"), host));
            world.set(address, wish);
            match fate {
                Some(fate) => world.down_at.insert(server(at), fate),
                None => world.down_at.remove(&server(at)),
            };
            world.advance(pause);
        }
        world.down_at.clear();
        world.advance(700_000);
        world.settle();
        let mut wanted: Vec<String> = world
            .claims
            .iter()
            .flat_map(|(address, claim)| {
                [format!("{} A 10.0.0.{address}", claim.name), format!("{address}.0.0.10.in-addr.arpa. PTR {}", claim.name)]
            })
            .collect();
        wanted.sort();
        prop_assert_eq!(world.server.plain(), wanted);
    }
}
