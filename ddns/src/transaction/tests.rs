#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::{ConflictGuard, Dhcid, HostIdentity, Rdata, RecordType};

use super::*;
use crate::model_server::ModelServer;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn identity(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn a(text: &str) -> Rdata {
    Rdata::address(ip(text)).1
}

fn want(host: &str, who: u8, addresses: &[&str]) -> Want {
    Want {
        name: name(host),
        identity: identity(who),
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        ttl_secs: 600,
        after_forward: false,
        guard: ConflictGuard::default(),
    }
}

fn held(host: &str, who: u8, addresses: &[&str]) -> Held {
    want(host, who, addresses).held()
}

fn forward(host: &str, want: Option<Want>, former: Vec<Held>) -> Plan {
    let key = RowKey::Forward(name(host));
    Plan { zone: name("lan"), key, want, former, held: false, guard: ReverseGuard::Dhcid }
}

fn reverse(address: &str, want: Option<Want>, former: Vec<Held>) -> Plan {
    let key = RowKey::Reverse(ip(address));
    Plan { zone: name("10.in-addr.arpa"), key, want, former, held: false, guard: ReverseGuard::Dhcid }
}

/// Runs a plan against the server: how it ended and how many updates it took.
fn run(server: &mut ModelServer, plan: Plan) -> (Ending, usize) {
    let (mut transaction, mut step) = Transaction::start(plan);
    for sent in 0..20 {
        match step {
            Step::Finished(ending) => return (ending, sent),
            Step::Send(update) => step = transaction.next(server.apply(&update)),
        }
    }
    panic!("the transaction does not end")
}

#[test]
fn rfc4703_5_3_1_a_free_name_takes_one_update() {
    let mut server = ModelServer::default();
    let plan = forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1", "10.0.0.2"])), vec![]);
    assert_eq!(run(&mut server, plan), (Ending::Done, 1));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.1", "pc.lan. A 10.0.0.2"]);
    assert_eq!(server.dhcid_count(), 1);
}

#[test]
fn first_writes_are_the_updates_that_transactions_begin_with_and_end_with_them() {
    let mut writes = FirstWrites::default();
    for (guard, pointers, who) in [
        (ConflictGuard::CheckWithDhcid, ReverseGuard::Dhcid, 1),
        (ConflictGuard::CheckExistsWithDhcid, ReverseGuard::Dhcid, 2),
        (ConflictGuard::NoCheckWithDhcid, ReverseGuard::Rfc4703, 2),
        (ConflictGuard::NoCheckWithoutDhcid, ReverseGuard::Rfc4703, 3),
    ] {
        let wanted = Want { guard, ..want("pc.lan", who, &["10.0.0.1"]) };
        for plan in [forward("pc.lan", Some(wanted.clone()), vec![]), reverse("10.0.0.1", Some(wanted.clone()), vec![])]
        {
            let plan = Plan { guard: pointers, ..plan };
            let (mut transaction, step) = Transaction::start(plan.clone());
            let owner = transaction.owner.clone();
            let update = writes.update(&plan.zone, &plan.key, &owner, &wanted, pointers).unwrap();
            assert_eq!(step, Step::Send(update), "{guard:?} {:?}", plan.key);
            assert_eq!(transaction.next(Rcode::NO_ERROR), Step::Finished(Ending::Done));
        }
    }
    let stated = RowKey::Stated(name("pc.lan"), RecordType::A);
    let wanted = want("pc.lan", 1, &[]);
    assert_eq!(writes.update(&name("lan"), &stated, &name("pc.lan"), &wanted, ReverseGuard::Dhcid), None);
}

/// "After a lost reply the state is unknown: YXDOMAIN followed by a matching DHCID is success, not a conflict."
#[test]
fn rfc4703_5_3_2_yxdomain_followed_by_a_matching_dhcid_is_success() {
    let mut server = ModelServer::default();
    let plan = forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]);
    let (_, Step::Send(update)) = Transaction::start(plan.clone()) else { panic!() };
    // Applied, but the answer never arrives.
    assert_eq!(server.apply(&update), Rcode::NO_ERROR);
    assert_eq!(run(&mut server, plan), (Ending::Done, 2));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.1"]);
}

/// "If the name vanished in between, start again."
#[test]
fn rfc4703_5_3_2_a_name_that_vanished_in_between_is_claimed_again() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 2, &["10.0.0.2"])), vec![]));
    let (mut transaction, step) = Transaction::start(forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    let Step::Send(claim) = step else { panic!() };
    let Step::Send(replace) = transaction.next(server.apply(&claim)) else { panic!() };
    // The other host gives its name back just then.
    run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 2, &["10.0.0.2"])]));
    let Step::Send(again) = transaction.next(server.apply(&replace)) else { panic!() };
    assert_eq!(transaction.next(server.apply(&again)), Step::Finished(Ending::Done));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.1"]);
}

#[test]
fn rfc4703_5_3_2_new_addresses_replace_the_old_in_one_update_when_held() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1", "10.0.0.2"])), vec![]));
    let former = vec![held("pc.lan", 1, &["10.0.0.1"])];
    let plan = Plan { held: true, ..forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.2", "10.0.0.3"])), former) };
    assert_eq!(run(&mut server, plan), (Ending::Done, 1));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.2", "pc.lan. A 10.0.0.3"]);
}

#[test]
fn rfc4703_5_3_2_a_foreign_name_is_a_conflict_and_stays() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    let before = server.clone();
    let plan = forward("pc.lan", Some(want("pc.lan", 2, &["10.0.0.2"])), vec![]);
    assert_eq!(run(&mut server, plan), (Ending::Conflict, 2));
    assert_eq!(server, before);
}

/// "A record that someone made by hand is never overwritten and never removed."
#[test]
fn names_a_record_made_by_hand_is_never_overwritten_and_never_removed() {
    let mut server = ModelServer::default();
    server.add_by_hand("pc.lan", RecordType::A, a("10.9.9.9"));
    server.add_by_hand("1.0.0.10.in-addr.arpa", RecordType::PTR, Rdata::ptr(&name("hand.lan")));
    let before = server.clone();
    let taken = run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    assert_eq!(taken.0, Ending::Conflict);
    let pointer = run(&mut server, reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    assert_eq!(pointer.0, Ending::Conflict);
    // Nor by a removal, even of that very address.
    let gone = run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &["10.9.9.9"])]));
    assert_eq!(gone, (Ending::Done, 1));
    let gone = run(&mut server, reverse("10.0.0.1", None, vec![held("hand.lan", 1, &["10.0.0.1"])]));
    assert_eq!(gone, (Ending::Done, 1));
    assert_eq!(server, before);
}

#[test]
fn names_what_was_written_by_hand_beside_ours_survives_our_removal() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    run(&mut server, reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    server.add_by_hand("pc.lan", RecordType::TXT, Rdata::txt(&["note"]));
    server.add_by_hand("1.0.0.10.in-addr.arpa", RecordType::PTR, Rdata::ptr(&name("hand.lan")));
    // Ours is written again without touching the other one.
    run(&mut server, reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    assert_eq!(server.plain().len(), 4);
    assert_eq!(run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &["10.0.0.1"])])), (Ending::Done, 2));
    assert_eq!(run(&mut server, reverse("10.0.0.1", None, vec![held("pc.lan", 1, &["10.0.0.1"])])).0, Ending::Done);
    assert_eq!(server.plain(), ["1.0.0.10.in-addr.arpa. PTR hand.lan.", "pc.lan. TXT ..."]);
    assert_eq!(server.dhcid_count(), 0);
}

/// "One name, two families: the same DHCID. Never delete the other family's record."
#[test]
fn rfc4703_5_2_the_other_familys_record_is_never_deleted() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    // Another server (DHCPv6) with the same identity.
    assert_eq!(run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["2001:db8::1"])), vec![])).0, Ending::Done);
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.2"])), vec![]));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.2", "pc.lan. AAAA 2001:db8::1"]);
    assert_eq!(server.dhcid_count(), 1);
    // Removal of one family: the other stays, and its DHCID.
    assert_eq!(run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &["10.0.0.2"])])), (Ending::Done, 2));
    assert_eq!((server.plain(), server.dhcid_count()), (vec!["pc.lan. AAAA 2001:db8::1".to_owned()], 1));
    run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &["2001:db8::1"])]));
    assert_eq!(server, ModelServer::default());
}

#[test]
fn rfc4703_5_2_our_own_record_of_a_family_that_left_is_deleted() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1", "2001:db8::1"])), vec![]));
    server.add_by_hand("pc.lan", RecordType::AAAA, a("2001:db8::2"));
    let former = vec![held("pc.lan", 1, &["2001:db8::1"])];
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), former));
    assert_eq!(server.plain(), ["pc.lan. A 10.0.0.1", "pc.lan. AAAA 2001:db8::2"]);
}

/// "5.5: delete the A if the DHCID matches": another server's newer address of the same host survives.
#[test]
fn rfc4703_5_5_a_host_that_moved_to_another_server_keeps_its_name() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.7.7.7"])), vec![]));
    assert_eq!(run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &["10.0.0.1"])])), (Ending::Done, 2));
    assert_eq!((server.plain(), server.dhcid_count()), (vec!["pc.lan. A 10.7.7.7".to_owned()], 1));
}

#[test]
fn former_owners_are_removed_before_the_new_one_claims() {
    let mut server = ModelServer::default();
    run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    let former = vec![held("pc.lan", 3, &["10.0.0.3"]), held("pc.lan", 1, &["10.0.0.1"])];
    let plan = forward("pc.lan", Some(want("pc.lan", 2, &["10.0.0.2"])), former);
    // One for the owner who was never written, two for the one who was, one claim.
    assert_eq!(run(&mut server, plan), (Ending::Done, 4));
    assert_eq!((server.plain(), server.dhcid_count()), (vec!["pc.lan. A 10.0.0.2".to_owned()], 1));
}

#[test]
fn rfc4703_5_4_an_address_that_changes_hands_gets_its_new_ptr() {
    let mut server = ModelServer::default();
    run(&mut server, reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    let plan = reverse("10.0.0.1", Some(want("tv.lan", 2, &["10.0.0.1"])), vec![held("pc.lan", 1, &["10.0.0.1"])]);
    assert_eq!(run(&mut server, plan), (Ending::Done, 2));
    assert_eq!((server.plain(), server.dhcid_count()), (vec!["1.0.0.10.in-addr.arpa. PTR tv.lan.".to_owned()], 1));
    // Its own PTR, after a lost answer and when the PTR alone was removed by hand.
    let again = || reverse("10.0.0.1", Some(want("tv.lan", 2, &["10.0.0.1"])), vec![]);
    assert_eq!(run(&mut server, again()), (Ending::Done, 2));
    server.delete_by_hand("1.0.0.10.in-addr.arpa", RecordType::PTR);
    assert_eq!(run(&mut server, again()), (Ending::Done, 2));
    assert_eq!(server.plain().len(), 1);
}

#[test]
fn rfc4703_5_4_to_the_letter_overwrites_and_5_5_still_looks_whose_it_is() {
    let mut server = ModelServer::default();
    server.add_by_hand("1.0.0.10.in-addr.arpa", RecordType::PTR, Rdata::ptr(&name("hand.lan")));
    let letter = |plan: Plan| Plan { guard: ReverseGuard::Rfc4703, ..plan };
    let plan = letter(reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]));
    assert_eq!(run(&mut server, plan), (Ending::Done, 1));
    assert_eq!(server.plain(), ["1.0.0.10.in-addr.arpa. PTR pc.lan."]);
    let other = letter(reverse("10.0.0.1", None, vec![held("tv.lan", 2, &["10.0.0.1"])]));
    run(&mut server, other);
    assert_eq!(server.plain().len(), 1);
    run(&mut server, letter(reverse("10.0.0.1", None, vec![held("pc.lan", 1, &["10.0.0.1"])])));
    assert_eq!(server, ModelServer::default());
}

#[test]
fn rfc4703_5_5_unguarded_leaves_no_dhcid_behind_of_hosts_that_had_one_name_in_turn() {
    let mut server = ModelServer::default();
    let letter = |plan: Plan| Plan { guard: ReverseGuard::Rfc4703, ..plan };
    run(&mut server, letter(reverse("10.0.0.1", Some(want("pc.lan", 2, &["10.0.0.1"])), vec![])));
    let both = vec![held("pc.lan", 1, &["10.0.0.1"]), held("pc.lan", 2, &["10.0.0.1"])];
    run(&mut server, letter(reverse("10.0.0.1", None, both)));
    assert_eq!(server, ModelServer::default());
}

/// A name under each guard, and what stands there before: whether it is written, and what is there then and after its
/// release. `D` is a host's DHCID, with its number.
#[test]
fn each_guard_writes_and_removes_what_it_says() {
    use ConflictGuard::{CheckExistsWithDhcid, CheckWithDhcid, NoCheckWithDhcid, NoCheckWithoutDhcid};
    let hand_a: &[&str] = &["A 10.9.9.9"];
    let beside: &[&str] = &["AAAA 2001:db8::9", "TXT"];
    let other: &[&str] = &["A 10.0.0.2", "AAAA 2001:db8::2", "D2"];
    let own_v6: &[&str] = &["AAAA 2001:db8::1", "D1"];
    let cname: &[&str] = &["CNAME"];
    let ours = "A 10.0.0.1";
    // Guard, before, ours is written, with it, after the release.
    type Case<'a> = (ConflictGuard, &'a [&'a str], bool, Vec<&'a str>, Vec<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        (CheckWithDhcid, &[], true, vec![ours, "D1"], vec![]),
        (CheckWithDhcid, hand_a, false, hand_a.to_vec(), hand_a.to_vec()),
        (CheckWithDhcid, beside, false, beside.to_vec(), beside.to_vec()),
        (CheckWithDhcid, other, false, other.to_vec(), other.to_vec()),
        (CheckWithDhcid, own_v6, true, vec![ours, "AAAA 2001:db8::1", "D1"], own_v6.to_vec()),
        (CheckExistsWithDhcid, &[], true, vec![ours, "D1"], vec![]),
        (CheckExistsWithDhcid, hand_a, false, hand_a.to_vec(), hand_a.to_vec()),
        (CheckExistsWithDhcid, beside, false, beside.to_vec(), beside.to_vec()),
        (CheckExistsWithDhcid, other, true, vec![ours, "AAAA 2001:db8::2", "D1"], vec!["AAAA 2001:db8::2", "D1"]),
        (CheckExistsWithDhcid, own_v6, true, vec![ours, "AAAA 2001:db8::1", "D1"], own_v6.to_vec()),
        (NoCheckWithDhcid, &[], true, vec![ours, "D1"], vec![]),
        (NoCheckWithDhcid, hand_a, true, vec![ours, "D1"], vec![]),
        (
            NoCheckWithDhcid,
            beside,
            true,
            vec![ours, "AAAA 2001:db8::9", "D1", "TXT"],
            vec!["AAAA 2001:db8::9", "D1", "TXT"],
        ),
        (NoCheckWithDhcid, other, true, vec![ours, "AAAA 2001:db8::2", "D1"], vec!["AAAA 2001:db8::2", "D1"]),
        (NoCheckWithDhcid, cname, false, cname.to_vec(), cname.to_vec()),
        (NoCheckWithoutDhcid, &[], true, vec![ours], vec![]),
        (NoCheckWithoutDhcid, hand_a, true, vec![ours], vec![]),
        (NoCheckWithoutDhcid, beside, true, vec![ours, "AAAA 2001:db8::9", "TXT"], beside.to_vec()),
        (NoCheckWithoutDhcid, other, true, vec![ours, "AAAA 2001:db8::2", "D2"], other[1..].to_vec()),
        (NoCheckWithoutDhcid, cname, false, cname.to_vec(), cname.to_vec()),
    ];
    for (guard, before, written, then, after) in cases {
        let told = format!("{guard:?} {before:?}");
        let mut server = standing(before);
        let want = Want { guard, ..want("pc.lan", 1, &["10.0.0.1"]) };
        let plan = || forward("pc.lan", Some(want.clone()), vec![]);
        for again in 0..2 {
            // The second time as after a lost answer.
            let ending = if written { Ending::Done } else { Ending::Conflict };
            assert_eq!(run(&mut server, plan()).0, ending, "{told}, {again}");
            assert_eq!(server, standing(&then), "{told}, {again}");
        }
        if written {
            assert_eq!(run(&mut server, forward("pc.lan", None, vec![want.held()])).0, Ending::Done, "{told}");
        }
        assert_eq!(server, standing(&after), "{told}");
    }
}

/// A server with these records at `pc.lan`.
fn standing(records: &[&str]) -> ModelServer {
    let mut server = ModelServer::default();
    for record in records {
        let (rtype, rdata) = match record.split_once(' ') {
            Some((_, address)) => Rdata::address(ip(address)),
            None if *record == "TXT" => (RecordType::TXT, Rdata::txt(&["by hand"])),
            None if *record == "CNAME" => (RecordType::CNAME, Rdata::ptr(&name("other.lan"))),
            None => {
                let who = identity(record[1..].parse().unwrap());
                (RecordType::DHCID, Rdata::dhcid(&Dhcid::new(&who, &name("pc.lan"))))
            }
        };
        server.add_by_hand("pc.lan", rtype, rdata);
    }
    server
}

/// What was written under one guard is what the same host's name is under another: nothing is left of the first.
#[test]
fn a_name_whose_guard_changes_is_as_if_it_had_been_written_so_from_the_start() {
    let guards = [0, 1, 2, 3].map(|code| ConflictGuard::from_code(code).unwrap());
    for (from, to) in guards.into_iter().flat_map(|from| guards.map(|to| (from, to))) {
        let under = |guard| Want { guard, ..want("pc.lan", 1, &["10.0.0.1"]) };
        let (mut server, mut fresh) = (ModelServer::default(), ModelServer::default());
        run(&mut fresh, forward("pc.lan", Some(under(to)), vec![]));
        run(&mut server, forward("pc.lan", Some(under(from)), vec![]));
        let former = if under(from).held().is_as_of(&under(to)) { vec![] } else { vec![under(from).held()] };
        let plan = forward("pc.lan", Some(under(to)), former);
        assert_eq!(run(&mut server, plan).0, Ending::Done, "{from:?} {to:?}");
        assert_eq!(server, fresh, "{from:?} {to:?}");
    }
}

/// Whoever held the name before under a guard that asks nothing leaves by his own address alone, and an answer that got
/// lost does not take the new holder's away.
#[test]
fn a_former_holder_under_no_check_leaves_by_his_own_address_alone() {
    let guard = ConflictGuard::NoCheckWithoutDhcid;
    let under = |who, address: &str| Want { guard, ..want("pc.lan", who, &[address]) };
    let mut server = standing(&["TXT"]);
    run(&mut server, forward("pc.lan", Some(under(2, "10.0.0.1")), vec![]));
    let handed = || forward("pc.lan", Some(under(1, "10.0.0.1")), vec![under(2, "10.0.0.1").held()]);
    assert_eq!(run(&mut server, handed()), (Ending::Done, 1));
    assert_eq!(run(&mut server, handed()), (Ending::Done, 1));
    let moved = forward("pc.lan", Some(under(3, "10.0.0.3")), vec![under(1, "10.0.0.1").held()]);
    assert_eq!(run(&mut server, moved), (Ending::Done, 2));
    assert_eq!(server, standing(&["A 10.0.0.3", "TXT"]));
}

/// Every arrow of the diagram: from a state reached by `path`, what an answer leads to.
#[test]
fn every_arrow_of_the_diagram_is_true() {
    use Ending::{Conflict, Done, Refused};
    let claim = || forward("pc.lan", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]);
    let replace = || Plan { held: true, ..claim() };
    let withdraw = || forward("pc.lan", None, vec![held("pc.lan", 2, &["10.0.0.2"])]);
    let unchecked = |who| Want { guard: ConflictGuard::NoCheckWithoutDhcid, ..want("pc.lan", who, &["10.0.0.1"]) };
    let overwrite = || forward("pc.lan", Some(unchecked(1)), vec![]);
    let withdraw_unmarked = || forward("pc.lan", None, vec![unchecked(1).held()]);
    let marked_now = || Plan { former: vec![unchecked(1).held()], ..claim() };
    let ptr = || reverse("10.0.0.1", Some(want("pc.lan", 1, &["10.0.0.1"])), vec![]);
    let moved_ptr = || Plan { former: vec![held("old.lan", 2, &["10.0.0.1"])], ..ptr() };
    let taken = || Plan { former: vec![held("pc.lan", 2, &["10.0.0.2"])], ..claim() };
    let refresh = || Plan { held: true, ..ptr() };
    let letter = || Plan { guard: ReverseGuard::Rfc4703, ..ptr() };
    let withdraw_ptr = || reverse("10.0.0.1", None, vec![held("pc.lan", 2, &["10.0.0.1"])]);
    const OK: Rcode = Rcode::NO_ERROR;
    const YXD: Rcode = Rcode::YX_DOMAIN;
    const NXD: Rcode = Rcode::NX_DOMAIN;
    const YXS: Rcode = Rcode::YX_RRSET;
    const NXS: Rcode = Rcode::NX_RRSET;
    const NO: Rcode = Rcode::REFUSED;
    let arrows: Vec<(Plan, Vec<Rcode>, Ending)> = vec![
        (claim(), vec![OK], Done),
        (claim(), vec![YXD, OK], Done),
        (claim(), vec![YXD, NXS], Conflict),
        (claim(), vec![YXD, NXD, OK], Done),
        (claim(), vec![YXD, NXD, YXD, NXD, YXD, NXD], Refused(NXD)),
        (claim(), vec![NO], Refused(NO)),
        (claim(), vec![NXS], Refused(NXS)),
        (replace(), vec![OK], Done),
        (replace(), vec![NXD, OK], Done),
        (replace(), vec![NXS], Conflict),
        (replace(), vec![YXD], Refused(YXD)),
        (overwrite(), vec![OK], Done),
        (overwrite(), vec![YXS], Conflict),
        (overwrite(), vec![NXD], Refused(NXD)),
        (overwrite(), vec![NO], Refused(NO)),
        (withdraw_unmarked(), vec![OK], Done),
        (withdraw_unmarked(), vec![NO], Refused(NO)),
        (marked_now(), vec![OK, OK], Done),
        (withdraw(), vec![OK, OK], Done),
        (withdraw(), vec![OK, NXS], Done),
        (withdraw(), vec![OK, NXD], Done),
        (withdraw(), vec![OK, YXS], Done),
        (withdraw(), vec![OK, NO], Refused(NO)),
        (withdraw(), vec![NXS], Done),
        (withdraw(), vec![NXD], Done),
        (withdraw(), vec![NO], Refused(NO)),
        (ptr(), vec![OK], Done),
        (ptr(), vec![YXS, OK], Done),
        (ptr(), vec![YXS, NXS, OK], Done),
        (ptr(), vec![YXS, NXS, YXS, NXS], Conflict),
        (ptr(), vec![YXS, NXD, YXS, NXD], Conflict),
        (ptr(), vec![NO], Refused(NO)),
        (moved_ptr(), vec![NXS, YXS, NXS, YXS, NXS, NXS], Conflict),
        (moved_ptr(), vec![NXS, YXS, NXS, YXS, NXS, OK, OK], Done),
        (moved_ptr(), vec![NXS, YXS, NXS, YXS, NXS, OK, YXS, NXS, YXS, NXS], Conflict),
        (moved_ptr(), vec![NXS, YXS, NXS, YXS, NXS, NO], Refused(NO)),
        (taken(), vec![NXS, YXD, NXS, NXS], Conflict),
        (taken(), vec![NXS, YXD, NXS, OK, OK, OK], Done),
        (taken(), vec![NXS, YXD, NXS, OK, NXS, YXD, NXS], Conflict),
        (refresh(), vec![OK], Done),
        (refresh(), vec![NXS, OK], Done),
        (refresh(), vec![NO], Refused(NO)),
        (letter(), vec![OK], Done),
        (letter(), vec![NO], Refused(NO)),
        (withdraw_ptr(), vec![OK], Done),
        (withdraw_ptr(), vec![NXS], Done),
        (withdraw_ptr(), vec![NXD], Done),
        (withdraw_ptr(), vec![NO], Refused(NO)),
        (forward("pc.lan", None, vec![]), vec![], Done),
    ];
    for (plan, answers, ending) in arrows {
        let told = format!("{plan:?} {answers:?}");
        let (mut transaction, mut step) = Transaction::start(plan);
        for answer in answers {
            assert!(matches!(step, Step::Send(_)), "{told}: over too early");
            step = transaction.next(answer);
        }
        assert_eq!(step, Step::Finished(ending), "{told}");
    }
}

/// "One family's update removes the other's, flip-flopping at each renewal": another server keeps the host's AAAA under
/// the same identity. Neither what we write anew with each lease nor our removal at its end touches it.
#[test]
fn users_dual_stack_one_familys_update_removes_the_others() {
    let mut server = ModelServer::default();
    let v6 = || Some(want("pc.lan", 1, &["2001:db8::1"]));
    assert_eq!(run(&mut server, forward("pc.lan", v6(), vec![])).0, Ending::Done);
    let mut address = "10.0.0.1".to_owned();
    assert_eq!(run(&mut server, forward("pc.lan", Some(want("pc.lan", 1, &[&address])), vec![])).0, Ending::Done);
    for renewal in 2..8 {
        let former = vec![held("pc.lan", 1, &[&address])];
        address = format!("10.0.0.{renewal}");
        let plan = Plan { held: true, ..forward("pc.lan", Some(want("pc.lan", 1, &[&address])), former) };
        assert_eq!(run(&mut server, plan).0, Ending::Done);
        assert_eq!(server.plain(), [format!("pc.lan. A {address}"), "pc.lan. AAAA 2001:db8::1".to_owned()]);
        // The other server renews its own as well.
        assert_eq!(run(&mut server, Plan { held: true, ..forward("pc.lan", v6(), vec![]) }).0, Ending::Done);
        assert_eq!(server.plain(), [format!("pc.lan. A {address}"), "pc.lan. AAAA 2001:db8::1".to_owned()]);
    }
    assert_eq!(run(&mut server, forward("pc.lan", None, vec![held("pc.lan", 1, &[&address])])).0, Ending::Done);
    assert_eq!((server.plain(), server.dhcid_count()), (vec!["pc.lan. AAAA 2001:db8::1".to_owned()], 1));
}
