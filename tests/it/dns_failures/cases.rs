//! The cases that the updater alone meets; the leases' side is made up.

use std::sync::atomic::Ordering;

use dns::Rcode;

use super::proxy::Trouble;
use super::site::{SETTLE, Site, ZONES, at};
use crate::ddns_client::key;
use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::servers::Kind;

const OTHER_SECRET: &str = "b3RoZXIgYnl0ZXMgdGhhbiB0aGUgc2VydmVyIGhhcyE=";
const HOUR_SECS: i64 = 3_600;

pub(super) fn add(kind: Kind) {
    at(kind, |site| {
        site.set(2, Some(("second", 2)));
        // A host with two interfaces by one identity, and one name of many labels.
        site.set(3, Some(("third", 3)));
        site.set(4, Some(("third", 3)));
        site.set(5, Some(("deep.down.below", 5)));
        site.settle("names are added");
    });
}

pub(super) fn change(kind: Kind) {
    at(kind, |site| {
        site.set(2, Some(("second", 2)));
        site.set(3, Some(("third", 3)));
        site.settle("names are added");
        // Another name at its address; another address by its name; another host with the name and address of one that
        // went; and changes quicker than they can be sent.
        site.set(1, Some(("renamed", 1)));
        site.set(2, None);
        site.set(7, Some(("second", 2)));
        site.set(3, Some(("third", 33)));
        for label in ["x", "y", "z", "last"] {
            site.set(8, Some((label, 8)));
        }
        site.settle("names changed");
    });
}

/// Somebody else's: an address made by hand, a text made by hand, another host's DHCID, and a pointer made by hand.
pub(super) fn conflict(kind: Kind) {
    at(kind, |site| {
        let by_hand = "taken.forward.example. 300 A 10.0.0.253";
        let foreign = [
            "foreign.forward.example. 300 A 10.0.0.254",
            "foreign.forward.example. 300 DHCID AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY=",
        ];
        let pointer = "5.0.0.10.in-addr.arpa. 300 PTR by-hand.forward.example.";
        site.make_by_hand(ZONES[0], by_hand);
        foreign.iter().for_each(|record| site.make_by_hand(ZONES[0], record));
        site.make_by_hand(ZONES[0], "text.forward.example. 300 TXT \"mine\"");
        site.make_by_hand(ZONES[1], pointer);
        for (last, label) in [(2, "taken"), (3, "foreign"), (4, "text")] {
            site.taken.insert(crate::ddns_client::name(&format!("{label}.{}", ZONES[0])));
            site.set(last, Some((label, last)));
            site.wait_told(label, &["somebody else owns the name"]);
        }
        // Nothing is left of them when they go, and a name that has nothing to do with them is none the worse for it.
        site.set(6, Some(("sixth", 6)));
        site.settle("conflicts change nothing, and hold up nobody");
        site.set(3, None);
        site.set(4, None);
        site.set(7, Some(("seventh", 7)));
        site.settle("conflicts that end change nothing");
        // The name is free again: its host has it with its next change.
        site.unmake_by_hand(ZONES[0], by_hand);
        site.taken.clear();
        site.set(2, None);
        site.set(2, Some(("taken", 2)));
        site.settle("a name that is free again");
    });
}

pub(super) fn release(kind: Kind) {
    at(kind, |site| {
        site.set(2, Some(("second", 2)));
        site.set(3, Some(("third", 3)));
        site.set(4, Some(("third", 3)));
        site.settle("names are added");
        site.set(2, None);
        site.set(3, None);
        site.settle("one of two addresses goes, and a whole name");
        site.set(1, None);
        site.set(4, None);
        site.settle("all go");
    });
}

pub(super) fn outage(kind: Kind) {
    at(kind, |site| {
        site.set(2, Some(("second", 2)));
        site.set(3, Some(("third", 3)));
        site.settle("names are added");
        site.server.kill();
        site.set(2, None);
        site.set(3, Some(("renamed", 3)));
        site.set(4, Some(("fourth", 4)));
        site.set(5, Some(("came-and-went", 5)));
        site.wait_told("fourth", &["does not answer"]);
        site.set(5, None);
        // Nor is anything lost when the updater is killed meanwhile.
        site.restart_updater();
        site.set(6, Some(("sixth", 6)));
        site.server.resume();
        site.settle("the server is back");
    });
}

/// Changes of every kind that are to be made in spite of the trouble.
fn changes(site: &mut Site<'_>) {
    site.set(2, Some(("second", 2)));
    site.set(1, Some(("renamed", 1)));
}

pub(super) fn wrong_key(kind: Kind) {
    at(kind, |site| {
        site.key = key(KEY_NAME, OTHER_SECRET);
        site.restart_updater();
        let before = site.expected();
        changes(site);
        // PowerDNS tells no TSIG error, and its refusal is not signed.
        site.wait_told("second", &["BADSIG", "cannot be believed"]);
        assert_eq!(site.zones(), before, "nothing is changed by a wrong key");
        site.key = key("nobodys-key", KEY_SECRET);
        site.restart_updater();
        site.wait_told("second", &["BADKEY", "cannot be believed"]);
        assert_eq!(site.zones(), before, "nothing is changed by an unknown key");
        site.key = key(KEY_NAME, KEY_SECRET);
        site.restart_updater();
        site.settle("the key is the right one");
    });
}

pub(super) fn our_clock_off_by_an_hour(kind: Kind) {
    at(kind, |site| {
        for off in [HOUR_SECS, -HOUR_SECS] {
            let before = site.expected();
            site.clock_off_secs.store(off, Ordering::Relaxed);
            let label = if off > 0 { "early" } else { "late" };
            site.set(if off > 0 { 2 } else { 3 }, Some((label, 2)));
            site.wait_told(label, &["BADTIME", "cannot be believed"]);
            assert_eq!(site.zones(), before, "nothing is changed by a clock that is off");
            site.clock_off_secs.store(0, Ordering::Relaxed);
            site.settle("the clock is right again");
        }
    });
}

pub(super) fn their_clock_off_by_an_hour(kind: Kind) {
    at(kind, |site| {
        site.server.stop();
        site.server.resume_with_clock_off(&format!("+{HOUR_SECS}"));
        changes(site);
        site.wait_told("second", &["BADTIME", "cannot be believed"]);
        site.server.stop();
        site.server.resume();
        site.settle("the server's clock is right again");
    });
}

pub(super) fn truncated_answer(kind: Kind) {
    at(kind, |site| {
        site.proxy.set(Trouble::Truncate);
        changes(site);
        site.proxy.wait_met(2, SETTLE);
        site.settle("every answer is cut short");
        site.set(1, None);
        site.settle("and so they go");
    });
}

pub(super) fn lost_answer(kind: Kind) {
    at(kind, |site| {
        site.proxy.set(Trouble::LoseAnswers);
        changes(site);
        site.set(3, Some(("came-and-went", 3)));
        // So often that each of them was given up and begun again.
        site.proxy.wait_met(8, SETTLE);
        site.set(3, None);
        site.proxy.set(Trouble::None);
        site.settle("answers come again");
        // The other way round: all that is lost is the word that something is gone.
        site.proxy.set(Trouble::LoseAnswers);
        site.set(2, None);
        site.proxy.wait_met(4, SETTLE);
        site.proxy.set(Trouble::None);
        site.settle("answers come again, of what went");
    });
}

/// The server answers this for a while, and does not do what it is asked.
fn answers_for_a_while(kind: Kind, code: Rcode, word: &str) {
    at(kind, |site| {
        let before = site.expected();
        site.proxy.set(Trouble::Answer(code));
        changes(site);
        site.set(3, Some(("third", 3)));
        site.proxy.wait_met(6, SETTLE);
        site.wait_told("second", &[word]);
        assert_eq!(site.zones(), before);
        // A start meanwhile finds the same, and loses nothing.
        site.restart_updater();
        site.wait_told("third", &[word]);
        site.set(3, None);
        site.proxy.set(Trouble::None);
        site.settle("the server does its work again");
    });
}

pub(super) fn refused_for_a_while(kind: Kind) {
    answers_for_a_while(kind, Rcode::REFUSED, "REFUSED");
}

pub(super) fn notzone_for_a_while(kind: Kind) {
    answers_for_a_while(kind, Rcode::NOT_ZONE, "NOTZONE");
}

pub(super) fn servfail_for_a_while(kind: Kind) {
    answers_for_a_while(kind, Rcode::SERV_FAIL, "SERVFAIL");
}

/// By UDP: it has the request, and is killed before its answer is heard.
pub(super) fn killed_between_request_and_answer(kind: Kind) {
    at(kind, |site| {
        for round in 0..2 {
            site.proxy.set(Trouble::LoseAnswers);
            site.set(2, (round == 0).then_some(("second", 2)));
            site.set(1, Some((["renamed", "again"][round], 1)));
            site.proxy.wait_met(1, SETTLE);
            site.server.kill();
            site.proxy.set(Trouble::None);
            site.server.resume();
            site.settle("the server is back");
        }
    });
}

/// By TCP: half of the request is there when it is killed.
pub(super) fn killed_in_the_middle_of_a_message(kind: Kind) {
    at(kind, |site| {
        site.proxy.set(Trouble::CutTcp);
        changes(site);
        site.proxy.wait_met(1, SETTLE);
        site.server.kill();
        site.proxy.set(Trouble::None);
        site.server.resume();
        site.settle("the server is back");
        site.assert_right("and stays so");
    });
}
