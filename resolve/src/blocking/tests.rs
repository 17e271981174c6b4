#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::hash::RandomState;

use super::set::Reach;
use super::*;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

const LIST: &str = "\u{feff}# a list\n! another remark\n[Adblock Plus 2.0]\n\
    127.0.0.1 localhost\n0.0.0.0 ads.example tracker.example # two\n::1 six.example\r\n\
    plain.example\n*.wild.example\n||deep.example^\n||UPPER.example^$important\n\
    @@||good.deep.example^\n\n||part.example/path^\n||pattern*.example^\n/banner/\nexample.com##.ad\n||third.example^$third-party\n\
    two words\n.\n192.0.2.1\n";

fn lists(clients: &[&str], instead: Instead) -> BlockLists {
    let (names, _) = lines::read(LIST.as_bytes(), &RandomState::new());
    BlockLists(vec![BlockList {
        name: "ads".to_owned(),
        clients: clients.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        instead,
        code: Reason::BLOCKED,
        names: Arc::new(names),
        trouble: None,
        as_of_secs: None,
        exceptions: Arc::new(NameSet::of([&name("excused.deep.example")], Reach::Beneath)),
    }])
}

fn blocks(lists: &BlockLists, text: &str, client: &str) -> bool {
    lists.blocking(name(text).as_wire(), client.parse().unwrap()).is_some()
}

#[test]
fn each_way_of_writing_a_list_is_read() {
    let (_, read) = lines::read(LIST.as_bytes(), &RandomState::new());
    assert_eq!(read, Read { blocked: 7, allowed: 1, unknown: 7, cut: false });
    let lists = lists(&[], Instead::NxDomain);
    for blocked in [
        "ads.example",
        "tracker.example",
        "six.example",
        "plain.example",
        "a.wild.example",
        "deep.example",
        "a.b.deep.example",
        "x.upper.example",
    ] {
        assert!(blocks(&lists, blocked, "10.0.0.1"), "{blocked}");
    }
    for free in [
        "localhost",
        "example",
        "x.ads.example",
        "x.plain.example",
        "good.deep.example",
        "x.good.deep.example",
        "excused.deep.example",
        "notdeep.example",
        "part.example",
        "third.example",
        "192.0.2.1",
    ] {
        assert!(!blocks(&lists, free, "10.0.0.1"), "{free}");
    }
}

#[test]
fn a_list_counts_for_its_clients_only() {
    let lists = lists(&["10.1.0.0/16", "fd00::/8"], Instead::NxDomain);
    assert!(blocks(&lists, "ads.example", "10.1.2.3") && blocks(&lists, "ads.example", "fd00::1"));
    assert!(!blocks(&lists, "ads.example", "10.2.2.3"));
}

#[test]
fn a_listed_name_is_answered_as_the_list_wants_it_and_named() {
    for (instead, rcode, count) in [
        (Instead::NxDomain, Rcode::NX_DOMAIN, 0),
        (Instead::Nowhere, Rcode::NO_ERROR, 1),
        (Instead::Refused, Rcode::REFUSED, 0),
    ] {
        let lists = lists(&[], instead);
        for rtype in [RecordType::A, RecordType::AAAA, RecordType::MX] {
            let key = Key::new(&name("ads.example"), rtype, false, false);
            let list = lists.blocking(key.name(), "10.0.0.1".parse().unwrap()).unwrap();
            let answer = list.answer(&key, None);
            let count = if rtype == RecordType::MX { 0 } else { count };
            assert_eq!((answer.rcode(), answer.answer_count()), (rcode, count));
            assert_eq!(*answer.reason.unwrap(), Reason::new(15, "listed in ads"));
        }
    }
}

#[test]
fn browsers_that_ask_servers_of_their_own_are_told_that_names_are_filtered() {
    let canary = name("use-application-dns.net");
    for instead in [Instead::NxDomain, Instead::Nowhere, Instead::Refused] {
        let lists = lists(&["10.0.0.0/8"], instead);
        let key = Key::new(&canary, RecordType::A, false, false);
        let list = lists.blocking(key.name(), "10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(list.answer(&key, None).answer_count(), 0, "an address would say the opposite");
        assert!(!blocks(&lists, "use-application-dns.net", "192.0.2.1"), "whom no list is for");
        assert!(!blocks(&lists, "www.use-application-dns.net", "10.0.0.1"));
    }
    let mut excused = lists(&[], Instead::NxDomain);
    excused.0[0].exceptions = Arc::new(NameSet::of([&canary], Reach::Alone));
    assert!(!blocks(&excused, "use-application-dns.net", "10.0.0.1"));
}

#[test]
fn a_name_whose_alias_is_listed_is_blocked_unless_the_list_excuses_it() {
    let lists = lists(&["10.0.0.0/8"], Instead::NxDomain);
    let list = |asked: &str, target: &str, client: &str| {
        let (asked, target) = (name(asked), name(target));
        lists.blocking_alias(asked.as_wire(), target.as_wire(), client.parse().unwrap()).map(|list| list.name.clone())
    };
    assert_eq!(list("www.shop.example", "ads.example", "10.0.0.1").as_deref(), Some("ads"));
    assert_eq!(list("www.shop.example", "ads.example", "192.0.2.1"), None, "for others only");
    assert_eq!(list("www.shop.example", "www.elsewhere.example", "10.0.0.1"), None);
    assert_eq!(list("excused.deep.example", "ads.example", "10.0.0.1"), None, "what is excused may lead anywhere");
    let key = Key::new(&name("www.shop.example"), RecordType::A, false, false);
    let answer = lists.0[0].answer(&key, Some(&name("ads.example")));
    assert_eq!(answer.reason.unwrap().words, "an alias of ads.example., listed in ads");
}

#[test]
fn a_million_names_take_some_nine_megabytes_and_are_all_found() {
    let mut text = String::new();
    for number in 0..1_000_000 {
        text.push_str(&format!("0.0.0.0 host{number}.ads.example\n"));
    }
    let (listed, read) = lines::read(text.as_bytes(), &RandomState::new());
    assert_eq!(read.blocked, 1_000_000);
    assert!(listed.blocked.octets() < 10_000_000, "{} octets", listed.blocked.octets());
    for number in (0..1_000_000).step_by(997) {
        assert!(listed.blocked.contains(name(&format!("host{number}.ads.example")).as_wire()), "{number}");
        assert!(!listed.blocked.contains(name(&format!("other{number}.ads.example")).as_wire()), "{number}");
    }
}

#[test]
fn a_name_that_is_there_both_ways_reaches_beneath() {
    for text in ["both.example\n||both.example^\n", "||both.example^\nboth.example\nboth.example\n"] {
        let (listed, read) = lines::read(text.as_bytes(), &RandomState::new());
        assert_eq!(read.blocked, 1);
        assert!(listed.blocked.contains(name("x.both.example").as_wire()));
    }
}
