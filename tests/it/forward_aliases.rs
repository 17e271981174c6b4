//! Names that lead elsewhere: aliases to names that are listed, that are ours, or that an upstream leaves to whoever asks; and
//! zones beneath ours that others hold.
//!
//! Needs `dig`; two tests need root and network namespaces.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dns::{Rdata, RecordType, Rrset};
use leasehold::dns_server::forward::{Anchors, Forwarding, Route};
use resolve::blocking::set::{NameSet, Reach};
use resolve::blocking::{BlockList, BlockLists, Instead, Listed};
use zones::audience::Prefix;
use zones::{Askers, Audiences, Sight, View, ZoneSet};

use crate::embedded_dns::{LOOPBACK, Options, Server, address, flags, name, status, zone};
use crate::forward_protection::alias_of;
use crate::forwarding::{Strange, answer_with, forwarding_to};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::Lab;
use crate::process::finish;

/// A list with one name, which excuses another.
fn list(clients: &[&str]) -> Arc<ArcSwap<BlockLists>> {
    let of = |text: &str| NameSet::of([&name(text)], Reach::Beneath);
    Arc::new(ArcSwap::from_pointee(BlockLists(vec![BlockList {
        name: "ads".to_owned(),
        clients: clients.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        instead: Instead::NxDomain,
        code: resolve::Reason::BLOCKED,
        names: Arc::new(Listed { blocked: of("tracker.example"), ..Listed::default() }),
        exceptions: Arc::new(of("excused.example")),
        trouble: None,
        as_of_secs: None,
    }])))
}

/// The answer to a query: an alias of a name (wire form), and that one's address.
pub(crate) fn alias_with_address(query: &[u8], target: &[u8]) -> Vec<u8> {
    let mut reply = alias_of(query, target);
    let at = (0xc000 | (reply.len() - target.len()) as u16).to_be_bytes();
    reply[7] = 2;
    reply.extend_from_slice(&at);
    reply.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9]);
    reply
}

const TRACKER: &[u8] = b"\x01x\x07TRACKER\x07example\x00";
const HOME: &[u8] = b"\x07client1\x05nasir\x03xyz\x00";

#[test]
fn what_is_listed_is_blocked_behind_an_alias_too() {
    let upstream = Strange::start(|query| vec![alias_with_address(query, TRACKER)]);
    let forwarding = |clients| Forwarding { blocks: list(clients), ..Forwarding::default() };
    let server = forwarding_to(vec![upstream.address], forwarding(&[]));
    // Asked of the upstream, known, by a connection, and by an alias of ours.
    for words in [&["www.shop.example"][..], &["www.shop.example"], &["+tcp", "www.shop.example"], &["www.nasir.xyz"]] {
        let found = server.dig(words);
        assert!(status(&found) == "NXDOMAIN" && !found.contains("192.0.2.9"), "{words:?} {found}");
        assert!(found.contains("EDE: 15 (Blocked): (an alias of x.tracker.example., listed in ads)"), "{found}");
    }
    assert_eq!(server.short(&["www.excused.example"]).last().map(String::as_str), Some("192.0.2.9"));
    let gauge = server.handle.as_ref().unwrap().gauge();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(gauge.explain(&name("www.shop.example"))).unwrap();
    let words = "it is an alias of x.tracker.example., which the block list ads has, for everybody; it is resolved";
    assert!(told.starts_with(words), "{told}");
    server.stop();
    let server = forwarding_to(vec![upstream.address], forwarding(&["10.0.0.0/8"]));
    for _ in 0..2 {
        assert_eq!(
            server.short(&["www.shop.example"]).last().map(String::as_str),
            Some("192.0.2.9"),
            "for others only"
        );
    }
    server.stop();
}

#[test]
fn an_alias_of_others_that_leads_to_a_name_of_ours_is_answered_by_our_zone() {
    // What others say of our name is another address, or that there is no such name.
    for missing in [false, true] {
        let upstream = Strange::start(move |query| {
            let mut reply = alias_with_address(query, HOME);
            if missing {
                reply.truncate(reply.len() - 16);
                (reply[3], reply[7]) = (0x83, 1);
            }
            vec![reply]
        });
        let server = forwarding_to(vec![upstream.address], Forwarding::default());
        for words in [&["vpn.elsewhere.example"][..], &["vpn.elsewhere.example"], &["+tcp", "vpn.elsewhere.example"]] {
            let found = server.dig(words);
            assert_eq!((status(&found), flags(&found)), ("NOERROR", "qr rd ra"), "{found}");
            assert!(found.contains("192.168.30.100") && !found.contains("192.0.2.9"), "{found}");
        }
        let found = server.dig(&["vpn.elsewhere.example", "AAAA"]);
        assert!(status(&found) == "NOERROR" && found.contains("nasir.xyz.") && found.contains("SOA"), "{found}");
        server.stop();
    }
}

#[test]
fn an_alias_whose_end_an_upstream_leaves_to_others_is_followed() {
    // Servers that resolve nothing for others know the names of their own domain alone.
    let corp = Strange::start(|query| vec![alias_of(query, b"\x03www\x09elsewhere\x07example\x00")]);
    let general = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let route = Route { domains: vec![name("corp.example")], upstreams: vec![corp.address.into()] };
    let server = forwarding_to(vec![general.address], Forwarding { routes: vec![route], ..Forwarding::default() });
    for words in [&["a.corp.example"][..], &["a.corp.example"], &["+tcp", "b.corp.example"]] {
        assert_eq!(server.short(words), ["www.elsewhere.example.", "192.0.2.1"], "{words:?}");
    }
    assert_eq!(server.short(&["c.corp.example", "CNAME"]), ["www.elsewhere.example."]);
    assert_eq!(general.asked(), 1, "what it leads to is known then");
    server.stop();
}

#[test]
fn an_alias_that_is_asked_for_itself_is_not_followed_into_our_zones() {
    // Our zone has no such name: that is said of nobody else's alias.
    let upstream = Strange::start(|query| vec![alias_of(query, b"\x07missing\x05nasir\x03xyz\x00")]);
    let server = forwarding_to(vec![upstream.address], Forwarding::default());
    for words in [&["CNAME"][..], &["CNAME"], &["+tcp", "CNAME"], &["+notcp", "ANY"], &["+tcp", "ANY"]] {
        let found = server.dig(&[words, &["vpn.elsewhere.example"]].concat());
        assert!(status(&found) == "NOERROR" && found.contains("missing.nasir.xyz."), "{words:?} {found}");
        assert!(!found.contains("SOA"), "{words:?} {found}");
    }
    assert_eq!(status(&server.dig(&["vpn.elsewhere.example"])), "NXDOMAIN", "who asks for an address is told");
    server.stop();
}

#[test]
fn the_links_of_a_chain_are_asked_for_whole_by_whoever_asks_for_them() {
    // An alias of an alias, each left open; such answers are kept where the configuration says for how long.
    let corp = Strange::start(|query| {
        let to: &[u8] = if query[13].eq_ignore_ascii_case(&b'a') {
            b"\x01b\x04corp\x07example\x00"
        } else {
            b"\x03www\x07outside\x00"
        };
        vec![alias_of(query, to)]
    });
    let general = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let route = Route { domains: vec![name("corp.example")], upstreams: vec![corp.address.into()] };
    let limits = resolve::Limits { ttl_min: 30, ..resolve::Limits::default() };
    let forwarding = Forwarding { routes: vec![route], limits, ..Forwarding::default() };
    let server = forwarding_to(vec![general.address], forwarding);
    for (asked, records) in [("a", 3), ("b", 2), ("a", 3)] {
        let found = server.short(&[&format!("{asked}.corp.example")]);
        assert!(found.len() == records && found.last().is_some_and(|last| last == "192.0.2.1"), "{asked} {found:?}");
    }
    server.stop();
}

#[test]
fn what_an_alias_out_of_what_is_not_validated_leads_to_is_not_kept_as_if_it_were() {
    // It is left open, or not.
    let target = b"\x03www\x09elsewhere\x07example\x00";
    let corp = Strange::start(|query| match query[13].to_ascii_lowercase() {
        b'w' => vec![alias_with_address(query, target)],
        _ => vec![alias_of(query, target)],
    });
    // Whoever forges has no signatures.
    let general = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let route = Route { domains: vec![name("corp.example")], upstreams: vec![corp.address.into()] };
    let anchors = Anchors::read(None, &[name("corp.example")]).unwrap();
    let forwarding = Forwarding { routes: vec![route], anchors: Some(anchors), ..Forwarding::default() };
    let server = forwarding_to(vec![general.address], forwarding);
    for asked in ["a.corp.example", "www.elsewhere.example", "b.corp.example", "whole.corp.example"] {
        let found = server.dig(&[asked]);
        assert!(status(&found) == "SERVFAIL" && !found.contains("192.0.2."), "{asked} {found}");
    }
    server.stop();
}

#[test]
fn who_only_names_other_servers_is_passed_over() {
    let referring = Strange::start(|query| {
        let mut reply = answer_with(query, 0, 60);
        reply.truncate(reply.len() - 16);
        (reply[3], reply[7], reply[9]) = (0, 0, 1);
        reply.extend_from_slice(&[0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12]);
        vec![reply]
    });
    let other = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let server = forwarding_to(vec![referring.address, other.address], Forwarding::default());
    assert_eq!(server.short(&["a.elsewhere.example"]), ["192.0.2.1"]);
    server.stop();
    let server = forwarding_to(vec![referring.address], Forwarding::default());
    let found = server.dig(&["a.elsewhere.example"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("names other servers, and asks none of them"), "{found}");
    server.stop();
}

#[test]
fn names_beneath_a_zone_of_ours_are_asked_where_a_route_says_so() {
    let inside = Strange::start(|query| vec![answer_with(query, 5, 60)]);
    let domains = vec![name("lab.nasir.xyz"), name("nasir.xyz")];
    let route = Route { domains, upstreams: vec![inside.address.into()] };
    let server = forwarding_to(Vec::new(), Forwarding { routes: vec![route], ..Forwarding::default() });
    for words in [&["bench.lab.nasir.xyz"][..], &["lab.nasir.xyz"], &["+tcp", "bench.lab.nasir.xyz"]] {
        let found = server.dig(words);
        assert!(found.contains("192.0.2.5") && flags(&found) == "qr rd ra", "{words:?} {found}");
    }
    assert_eq!(server.short(&["client1.nasir.xyz"]), ["192.168.30.100"], "the zone itself is ours");
    assert_eq!(status(&server.dig(&["other.nasir.xyz"])), "NXDOMAIN");
    assert!(flags(&server.dig(&["lab.nasir.xyz", "DS"])).contains(" aa"), "the DS set is the zone's above");
    server.stop();
}

#[test]
fn rfc1034_4_3_2_names_beneath_a_delegation_of_ours_are_asked_of_its_servers() {
    let lab = Lab::new();
    let host = lab.host("d");
    let one = |owner: &str, rtype, rdata| Rrset::single(name(owner), rtype, 300, rdata);
    let listen: SocketAddr = "127.0.0.9:53".parse().unwrap();
    let mut child = ZoneSet::new();
    child.insert(zone("lab.nasir.xyz", vec![one("bench.lab.nasir.xyz", RecordType::A, address(90))]));
    let mut parent = ZoneSet::new();
    let servers = vec![
        one("lab.nasir.xyz", RecordType::NS, Rdata::ns(&name("ns.lab.nasir.xyz"))),
        one("ns.lab.nasir.xyz", RecordType::A, Rdata::a("127.0.0.9".parse().unwrap())),
        // One whose server delegates it in turn: to nobody that answers.
        one("lame.nasir.xyz", RecordType::NS, Rdata::ns(&name("ns.lame.nasir.xyz"))),
        one("ns.lame.nasir.xyz", RecordType::A, Rdata::a("127.0.0.8".parse().unwrap())),
        one("www.nasir.xyz", RecordType::CNAME, Rdata::cname(&name("bench.lab.nasir.xyz"))),
    ];
    parent.insert(zone("nasir.xyz", servers));
    // The general upstream knows nothing of it.
    let general = host.inside(|| {
        Strange::start(|query| {
            let mut reply = answer_with(query, 0, 60);
            reply.truncate(reply.len() - 16);
            (reply[3], reply[7]) = (0x83, 0);
            vec![reply]
        })
    });
    let child =
        host.inside(|| Server::start(Options { zones: Some(child), listen: Some(listen), ..Options::default() }));
    let upstreams = vec![general.address];
    let parents = || parent.clone();
    let start = |listen: Option<SocketAddr>| {
        host.inside(|| {
            let upstreams = upstreams.clone();
            let zones = Some(parents());
            Server::start(Options { zones, listen, forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() })
        })
    };
    let server = start(Some("127.0.0.8:53".parse().unwrap()));
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    for words in
        [&["bench.lab.nasir.xyz"][..], &["bench.lab.nasir.xyz"], &["+tcp", "bench.lab.nasir.xyz"], &["www.nasir.xyz"]]
    {
        let found = dig(words);
        assert!(status(&found) == "NOERROR" && found.contains("192.168.30.90"), "{words:?} {found}");
    }
    let missing = dig(&["missing.lab.nasir.xyz"]);
    assert!(
        status(&missing) == "NXDOMAIN" && missing.contains("lab.nasir.xyz.") && missing.contains("SOA"),
        "{missing}"
    );
    // Who does not want that is told whom to ask.
    let referral = dig(&["+norecurse", "bench.lab.nasir.xyz"]);
    assert!(status(&referral) == "NOERROR" && referral.contains("ANSWER: 0, AUTHORITY: 1"), "{referral}");
    // A delegation to ourselves ends at once.
    let begun = Instant::now();
    let lame = dig(&["www.lame.nasir.xyz"]);
    assert!(status(&lame) == "SERVFAIL" && lame.contains("names other servers"), "{lame}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(general.asked(), 0, "nothing of it left");
    server.stop();
    child.stop();
}

#[test]
fn a_delegation_of_a_zone_that_is_for_certain_views_is_followed_by_nobody() {
    // What is known of others' names is known to all askers, whatever they see of our zones.
    let id = zones::zone_id::of_views(&name("nasir.xyz"), &["inside"]).unwrap();
    let prefixes = vec![Prefix { address: "127.0.0.0".parse().unwrap(), length: 8 }];
    let inside = View { clients: Askers { prefixes, keys: Vec::new() } };
    let sight = Sight { id: id.clone(), views: Some(vec![0]), ..Sight::of(name("nasir.xyz")) };
    let mut zones = ZoneSet::for_audiences(Audiences::new(&[inside], &[sight]));
    let servers = vec![
        Rrset::single(name("lab.nasir.xyz"), RecordType::NS, 300, Rdata::ns(&name("ns.lab.nasir.xyz"))),
        Rrset::single(name("ns.lab.nasir.xyz"), RecordType::A, 300, Rdata::a("127.0.0.9".parse().unwrap())),
    ];
    zones.insert(zone("nasir.xyz", servers).with_id(&id));
    let general = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let upstreams = vec![general.address];
    let zones = Some(zones);
    let server = Server::start(Options { zones, forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    let referral = server.dig(&["bench.lab.nasir.xyz"]);
    assert!(status(&referral) == "NOERROR" && referral.contains("ANSWER: 0, AUTHORITY: 1"), "{referral}");
    server.stop();
}

#[test]
fn explain_waits_five_seconds_for_others_and_says_that_they_are_still_asked() {
    let lab = Lab::new();
    let host = lab.host("e");
    // Each answer is an alias of another name, and takes its time.
    let upstream = host.inside(|| UdpSocket::bind(LOOPBACK).unwrap());
    let address = upstream.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut octets = [0; 512];
        // Until the test ends.
        while let Ok((length, from)) = upstream.recv_from(&mut octets) {
            let (query, upstream) = (octets[..length].to_vec(), upstream.try_clone().unwrap());
            if query.windows(14).any(|window| window == b"leasehold-loop") {
                continue;
            }
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(1_700));
                let mut target = query[12..].to_vec();
                target.truncate(target.iter().position(|octet| *octet == 0).unwrap() + 1);
                target[1] = target[1].to_ascii_lowercase() + 1;
                let _ = upstream.send_to(&alias_of(&query, &target), from);
            });
        }
    });
    let config = format!(
        "[dns]\nlisten = [\"127.0.0.1\"]\nupstreams = [\"{}\"]\nforward_for = [\"127.0.0.0/8\"]\n\
         [[zone]]\nname = \"nasir.xyz\"\n",
        address
    );
    let mut leasehold = Leasehold::start(&host, &config);
    let begun = Instant::now();
    let output = finish(&mut leasehold.command(&["explain", "a.slow.example", "--socket", CONTROL]));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("others are still being asked: ask again"),
        "{told} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Another two are for programs that start on a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    leasehold.stop();
}
