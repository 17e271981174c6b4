#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod cuts;
mod hold;
mod mend;
mod moves;
mod packed;
mod random;
mod restarts;
mod servers;
mod stated;
mod world;

use dns::{Rdata, RecordType};
use world::{Fate, World, identity, ip, name};

use super::*;
use crate::wanted::Claim;

fn claim(text: &str, who: u8) -> Claim {
    Claim {
        name: name(text),
        identity: identity(who),
        forward: true,
        reverse: true,
        ttl_secs: 600,
        guard: dns::ConflictGuard::default(),
    }
}

fn wanted_row(text: &str, generation: u64, who: u8, address: u8) -> WantedRow {
    let want = Want {
        name: name(text),
        identity: identity(who),
        addresses: vec![ip(address)],
        ttl_secs: 600,
        after_forward: false,
        guard: dns::ConflictGuard::default(),
    };
    WantedRow {
        key: RowKey::Forward(name(text)),
        generation,
        want: Some(want),
        former: vec![],
        by_configuration: false,
    }
}

#[test]
fn a_lease_is_published_and_withdrawn() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
    assert_eq!((world.sent, world.stored.len()), (2, 2));
    world.set(1, None);
    world.settle();
    assert_eq!(world.server.plain(), Vec::<String>::new());
    assert_eq!((world.server.dhcid_count(), world.stored.len(), world.table.len()), (0, 0, 0));
}

/// Nothing waits that need not: claim and PTR of one lease take two round trips, without a pause.
#[test]
fn a_name_is_there_after_one_round_trip() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.step();
    assert!(world.server.plain().contains(&"pc.lan. A 10.0.0.1".to_owned()));
    assert_eq!(world.now.boot_ms, 0);
}

#[test]
fn rfc4703_5_3_2_two_interfaces_of_one_identity_both_stay() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    world.set(2, Some(claim("pc.lan", 1)));
    world.settle();
    let both = ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "2.0.0.10.in-addr.arpa. PTR pc.lan."];
    let addresses = ["pc.lan. A 10.0.0.1", "pc.lan. A 10.0.0.2"];
    assert_eq!(world.server.plain(), [both, addresses].concat());
    world.set(1, None);
    world.settle();
    assert_eq!(world.server.plain(), ["2.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.2"]);
}

#[test]
fn rfc4703_5_3_2_a_lost_reply_is_no_conflict() {
    let mut world = World::new();
    world.fates = vec![Fate::LoseReply];
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
    assert!(world.news.is_empty(), "{:?}", world.news);
}

/// "Two clients with one name: DHCID decides, and the loser gets a defined, stable outcome; no log flood."
#[test]
fn names_a_conflict_is_told_once_retried_slowly_and_writes_no_ptr() {
    let mut world = World::new();
    world.server.add_by_hand("pc.lan", RecordType::A, Rdata::address(ip(99)).1);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.99"]);
    assert_eq!(world.news.len(), 1);
    let row = world.reconciler.row(&RowKey::Forward(name("pc.lan"))).unwrap();
    assert_eq!((row.last, row.attempts), (LastAnswer::Conflict, 1));
    assert!(row.words(world.now).contains("somebody else owns the name"), "{}", row.words(world.now));
    let pointer = world.reconciler.row(&RowKey::Reverse(ip(1))).unwrap();
    assert_eq!(pointer.stage, Stage::AfterForward);
    assert!(pointer.words(world.now).contains("would point to"));
    let sent = world.sent;
    world.advance(3_500_000);
    assert_eq!(world.sent, sent);
    world.advance(200_000);
    assert_eq!((world.sent, world.news.len()), (sent + 2, 1));
    // The other record goes: the next try succeeds, and the PTR follows.
    world.server.delete_by_hand("pc.lan", RecordType::A);
    world.advance(3_600_000);
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
    assert!(world.news.last().unwrap().is_good());
}

/// The host wrote the A record itself, and the server only the PTR; now the server is to write both.
#[test]
fn a_ptr_of_ours_does_not_stay_when_its_name_turns_out_to_be_anothers() {
    let mut world = World::new();
    world.set(1, Some(Claim { forward: false, ..claim("pc.lan", 1) }));
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan."]);
    world.server.add_by_hand("pc.lan", RecordType::A, Rdata::address(ip(99)).1);
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.99"]);
    world.server.delete_by_hand("pc.lan", RecordType::A);
    world.advance(3_700_000);
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
}

#[test]
fn an_address_whose_new_name_is_in_conflict_loses_its_old_ptr() {
    let mut world = World::new();
    world.set(1, Some(claim("old.lan", 1)));
    world.settle();
    world.server.add_by_hand("new.lan", RecordType::A, Rdata::address(ip(99)).1);
    world.set(1, Some(claim("new.lan", 2)));
    world.settle();
    assert_eq!(world.server.plain(), ["new.lan. A 10.0.0.99"]);
}

#[test]
fn a_newer_generation_replaces_an_older_and_an_older_never_overtakes() {
    let mut world = World::new();
    world.reconciler.handle_wanted(world.now, wanted_row("pc.lan", 5, 1, 5));
    world.reconciler.handle_wanted(world.now, wanted_row("pc.lan", 4, 1, 4));
    world.run();
    assert_eq!(world.server.plain(), ["pc.lan. A 10.0.0.5"]);
    // Nor after the row is gone.
    let former = vec![Held {
        name: name("pc.lan"),
        identity: identity(1),
        addresses: vec![ip(5)],
        guard: dns::ConflictGuard::default(),
    }];
    let nothing = WantedRow { want: None, former, ..wanted_row("pc.lan", 6, 1, 5) };
    world.reconciler.handle_wanted(world.now, nothing);
    world.run();
    world.reconciler.handle_wanted(world.now, wanted_row("pc.lan", 5, 1, 5));
    world.run();
    assert!(world.server.plain().is_empty());
}

#[test]
fn a_change_while_an_update_is_under_way_is_made_afterwards() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    let send = world.reconciler.poll_send(world.now).unwrap();
    assert_eq!(world.reconciler.poll_send(world.now), None, "one transaction a key, and the PTR waits");
    let under_way: Vec<_> = world.reconciler.rows_under_way(send.ticket).cloned().collect();
    assert_eq!(under_way, [RowKey::Forward(name("pc.lan"))]);
    world.set(1, Some(claim("pc.lan", 2)));
    let code = world.server.apply(&send.update);
    world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Answer(code));
    assert_eq!(world.reconciler.rows_under_way(send.ticket).count(), 0, "it has landed");
    world.settle();
    assert_eq!(world.server.dhcid_count(), 2);
    assert_eq!(world.reconciler.row(&RowKey::Forward(name("pc.lan"))).unwrap().stage, Stage::Done);
    // An outcome that nobody waits for any more changes nothing.
    world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Timeout);
    assert!(world.reconciler.take_effects().is_empty());
}

/// "Nothing is lost: a lease whose DNS update could not be made stays wanted until it is made, across restarts."
#[test]
fn names_nothing_is_lost_in_an_outage_nor_by_a_restart_in_the_middle_of_it() {
    let mut world = World::new();
    world.down = Some(Fate::LoseRequest);
    for n in 1..=200 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
        world.advance(20);
    }
    world.advance(20_000);
    // A dead server gets one update at a time, not one per lease.
    assert!(world.most_in_flight <= REMOTE_IN_FLIGHT_MAX as usize);
    let probes = world.sent;
    world.advance(60_000);
    assert!(world.sent - probes <= 2 * 60, "{} updates a minute to two dead zones", world.sent - probes);
    assert!(world.news.len() <= 2, "{:?}", world.news);
    world.restart();
    world.set(200, None);
    world.advance(20_000);
    world.down = None;
    // The transport gives up on what was sent into the outage after 5 s; a probe follows within 2 s.
    world.advance(8_000);
    let names = world.server.plain();
    assert_eq!(names.len(), 2 * 199);
    assert!(names.contains(&"pc77.lan. A 10.0.0.77".to_owned()));
    assert!(world.reconciler.is_quiet());
}

#[test]
fn when_a_server_is_back_all_of_it_goes_out_within_seconds() {
    let mut world = World::new();
    world.down = Some(Fate::LoseRequest);
    for n in 1..=250 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
    }
    world.advance(600_000);
    world.down = None;
    world.advance(7_500);
    assert_eq!(world.server.plain().len(), 500);
    assert!(world.news.iter().any(News::is_good));
}

/// BADSIG, BADKEY and BADTIME concern every row: one probe at a time and one message, not one per row.
#[test]
fn rfc8945_badtime_badkey_and_badsig_each_reach_the_operator_in_words_once_for_the_zone() {
    for (code, words) in [
        (Rcode::BAD_KEY, ["BADKEY", "check the key's name"]),
        (Rcode::BAD_SIG, ["BADSIG", "secret differs"]),
        (Rcode::BAD_TIME, ["BADTIME", "set the time"]),
    ] {
        let mut world = World::new();
        world.down = Some(Fate::Tsig(code));
        for n in 1..=100 {
            world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
        }
        world.advance(120_000);
        // The forward zone; no PTR is tried before its forward row.
        assert_eq!(world.news.len(), 1, "{:?}", world.news);
        let told = world.news[0].to_string();
        assert!(words.iter().all(|word| told.contains(word)) && told.contains("192.0.2.1:53"), "{told}");
        let status = world.reconciler.zones().next().unwrap();
        assert_eq!(status.down.unwrap().1, LastAnswer::Refused(code));
        world.down = None;
        world.advance(3_000);
        assert_eq!(world.server.plain().len(), 200);
    }
}

/// What comes unsigned, or wrongly signed, counts as no answer: nothing is taken as done, and it is tried again.
#[test]
fn rfc8945_5_4_an_answer_that_is_not_believed_confirms_nothing() {
    let mut world = World::new();
    world.down = Some(Fate::Garbled);
    world.set(1, Some(claim("pc.lan", 1)));
    world.advance(60_000);
    let row = world.reconciler.row(&RowKey::Forward(name("pc.lan"))).unwrap();
    assert_eq!(row.last, LastAnswer::BadAnswer);
    assert!(!world.stored.values().any(|row| row.done) && world.sent > 1);
    assert_eq!(world.news.len(), 1);
    assert!(world.news[0].to_string().contains("cannot be believed (unsigned"), "{}", world.news[0]);
    world.down = None;
    world.advance(10_000);
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan.", "pc.lan. A 10.0.0.1"]);
}

/// "Server down, refused, wrong key": whatever keeps an update from being made, it stays wanted, across restarts.
#[test]
fn names_nothing_is_lost_whatever_the_server_answers() {
    let hindrances = [
        Fate::LoseRequest,
        Fate::LoseReply,
        Fate::Garbled,
        Fate::Tsig(Rcode::BAD_KEY),
        Fate::Tsig(Rcode::BAD_SIG),
        Fate::Tsig(Rcode::BAD_TIME),
        Fate::Answers(Rcode::REFUSED),
        Fate::Answers(Rcode::NOT_AUTH),
        Fate::Answers(Rcode::NOT_ZONE),
        Fate::Answers(Rcode::SERV_FAIL),
        Fate::Answers(Rcode::NOT_IMP),
        Fate::Answers(Rcode::FORM_ERR),
    ];
    for hindrance in hindrances {
        let mut world = World::new();
        world.set(1, Some(claim("old.lan", 1)));
        world.settle();
        world.down = Some(hindrance);
        world.set(1, None);
        world.set(2, Some(claim("new.lan", 2)));
        world.advance(100_000);
        world.restart();
        world.advance(86_400_000);
        world.restart();
        world.down = None;
        world.advance(3_600_000);
        let both = ["2.0.0.10.in-addr.arpa. PTR new.lan.", "new.lan. A 10.0.0.2"];
        assert_eq!(world.server.plain(), both, "after {hindrance:?}");
        assert!(world.reconciler.is_quiet());
    }
}

#[test]
fn one_refused_name_does_not_hold_up_the_others() {
    let mut world = World::new();
    world.refused = Some(name("bad.lan"));
    world.set(1, Some(claim("bad.lan", 1)));
    world.advance(1);
    for n in 2..=20 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
        world.advance(10);
        assert_eq!(world.server.plain().len(), 2 * (usize::from(n) - 1));
    }
    let row = world.reconciler.row(&RowKey::Forward(name("bad.lan"))).unwrap();
    assert_eq!(row.last, LastAnswer::Refused(Rcode::REFUSED));
    assert!(matches!(row.stage, Stage::Waits { .. }));
    world.advance(600_000);
    let told = world.news.iter().filter(|news| matches!(news, News::Row { .. })).count();
    assert!(told == 1 && world.news.len() <= 3, "{:?}", world.news);
    world.refused = None;
    world.advance(61_000);
    assert!(world.reconciler.is_quiet());
}

#[test]
fn one_lost_packet_is_tried_again_at_once_and_is_no_news() {
    let mut world = World::new();
    world.set(1, Some(claim("a.lan", 1)));
    world.settle();
    world.fates = vec![Fate::LoseRequest];
    world.set(2, Some(claim("b.lan", 2)));
    world.advance(5_600);
    assert_eq!(world.server.plain().len(), 4);
    assert!(world.news.is_empty());
}

#[test]
fn a_name_outside_every_zone_is_told_and_not_tried() {
    let mut world = World::new();
    world.reconciler.handle_wanted(world.now, wanted_row("pc.elsewhere", 1, 1, 1));
    world.run();
    assert_eq!((world.sent, world.news.len()), (0, 1));
    assert!(world.news[0].to_string().contains("add the zone"));
    // Its removal is nobody's work.
    world.reconciler.handle_wanted(world.now, WantedRow { want: None, ..wanted_row("pc.elsewhere", 2, 1, 1) });
    world.run();
    assert!(world.reconciler.rows().next().is_none());
}

#[test]
fn after_a_restart_done_rows_are_not_sent_again_and_orphans_are_removed() {
    let mut world = World::new();
    for n in 1..=20 {
        world.set(n, Some(claim(&format!("pc{n}.lan"), n)));
    }
    world.settle();
    let sent = world.sent;
    // The wanted rows of one lease are lost (a repaired store); what it had in DNS is not wanted any more.
    world.wanted_stored.remove(&RowKey::Forward(name("pc7.lan")));
    world.wanted_stored.remove(&RowKey::Reverse(ip(7)));
    world.restart();
    world.run();
    assert_eq!(world.server.plain().len(), 38);
    assert_eq!(world.sent - sent, 3);
    assert_eq!(world.stored.len(), 38);
}

#[test]
fn a_confirmation_that_was_not_stored_costs_a_repeated_update_and_nothing_else() {
    let mut world = World::new();
    world.set(1, Some(claim("pc.lan", 1)));
    world.settle();
    world.set(2, Some(claim("tv.lan", 2)));
    world.settle();
    world.set(2, None);
    world.settle();
    let before = world.server.clone();
    world.stored.clear();
    world.restart();
    world.run();
    assert_eq!(world.server, before);
    assert!(world.reconciler.is_quiet());
}

/// 100,000 rows: loading, publishing and withdrawing them all stays near linear.
#[test]
fn many_rows_cost_no_scans() {
    let mut world = World::new();
    let address = |n: u32| std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
    let rows = (1..=50_000_u32).flat_map(|n| {
        let host = name(&format!("pc{n}.lan"));
        let want = Want {
            name: host.clone(),
            identity: identity(1),
            addresses: vec![address(n)],
            ttl_secs: 600,
            after_forward: false,
            guard: dns::ConflictGuard::default(),
        };
        let pointer = Want { after_forward: true, ..want.clone() };
        let row = |key, generation, want| WantedRow {
            key,
            generation,
            want: Some(want),
            former: vec![],
            by_configuration: false,
        };
        let generation = u64::from(n) * 2;
        [row(RowKey::Forward(host), generation, want), row(RowKey::Reverse(address(n)), generation + 1, pointer)]
    });
    world.reconciler = Reconciler::load(world.settings.clone(), world.now, rows, []);
    let mut done = 0;
    while let Some(send) = world.reconciler.poll_send(world.now) {
        // The A or PTR of each, and its DHCID.
        done += send.update.changes.len() / 2;
        world.reconciler.handle_outcome(world.now, send.ticket, Outcome::Answer(Rcode::NO_ERROR));
    }
    assert_eq!(done, 100_000);
    assert!(world.reconciler.is_quiet());
}

/// A client that says another name with each renewal, faster than its names can be written, costs no memory.
#[test]
fn names_that_never_were_written_are_not_remembered() {
    let mut world = World::new();
    // The forward zone takes no updates, the reverse zone does.
    world.refused = Some(name("lan"));
    for n in 0..200 {
        world.set(1, Some(claim(&format!("pc{n}.lan"), 1)));
        world.advance(2_500);
    }
    assert!(world.reconciler.waiters.len() <= 1, "{} names are waited for", world.reconciler.waiters.len());
    world.refused = None;
    world.settle();
    assert_eq!(world.server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc199.lan.", "pc199.lan. A 10.0.0.1"]);
    world.set(1, None);
    world.settle();
    assert_eq!((world.reconciler.waiters.len(), world.reconciler.rows().count()), (0, 0));
}
