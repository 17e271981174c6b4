//! Names outside our zones, asked of other servers: which answer, who may ask, and what a dead one costs.
//!
//! Needs `dig`; loopback and free ports suffice.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use dns::{Rdata, RecordType, Rrset};
use zones::ZoneSet;

use crate::embedded_dns::{LOOPBACK, Options, Server, address, flags, name, size, status, zone};

/// A server with a zone of its own, for others to forward to.
fn upstream() -> Server {
    let mut zones = ZoneSet::new();
    let host = Rrset::single(name("host.upstream.test"), RecordType::A, 300, address(200));
    let alias = Rrset::single(name("alias.upstream.test"), RecordType::CNAME, 300, Rdata::cname(&host.name));
    zones.insert(zone("upstream.test", vec![host, alias]));
    Server::start(Options { zones: Some(zones), ..Options::default() })
}

#[test]
fn other_names_are_forwarded_for_our_own_networks() {
    let upstream = upstream();
    let upstreams = vec![upstream.address];
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    let found = server.dig(&["host.upstream.test"]);
    assert_eq!((status(&found), flags(&found)), ("NOERROR", "qr rd ra"), "{found}");
    assert_eq!(server.short(&["host.upstream.test"]), ["192.168.30.200"]);
    assert_eq!(server.short(&["+tcp", "alias.upstream.test"]), ["host.upstream.test.", "192.168.30.200"]);
    // Our own chain goes on there, and stays our answer.
    let chain = server.dig(&["www.nasir.xyz"]);
    assert!(chain.contains("192.168.30.200") && flags(&chain) == "qr aa rd ra", "{chain}");
    let missing = server.dig(&["missing.upstream.test"]);
    assert!(status(&missing) == "NXDOMAIN" && missing.contains("upstream.test."), "{missing}");
    let no_data = server.dig(&["host.upstream.test", "AAAA"]);
    assert!(status(&no_data) == "NOERROR" && no_data.contains("SOA"), "{no_data}");
    assert_eq!(status(&server.dig(&["+norecurse", "host.upstream.test"])), "REFUSED");
    server.stop();
    upstream.stop();
}

#[test]
fn a_dead_upstream_is_answered_with_servfail_while_our_names_resolve() {
    let silent = UdpSocket::bind(LOOPBACK).unwrap();
    let upstreams = vec![silent.local_addr().unwrap()];
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let begun = Instant::now();
            let code = status(&server.dig(&["host.upstream.test"])).to_owned();
            (code, begun.elapsed())
        });
        for _ in 0..20 {
            assert_eq!(server.short(&["client1.nasir.xyz"]), ["192.168.30.100"]);
        }
        let (code, took) = asked.join().unwrap();
        assert_eq!(code, "SERVFAIL");
        assert!(took < Duration::from_secs(6), "{took:?}");
    });
    server.stop();
}

#[test]
fn a_dead_or_refusing_upstream_does_not_hide_one_that_answers() {
    let upstream = upstream();
    let silent = UdpSocket::bind(LOOPBACK).unwrap();
    // Serves no zone that is asked for, and forwards nothing.
    let refusing = Server::start(Options::default());
    for first in [silent.local_addr().unwrap(), refusing.address] {
        let upstreams = vec![first, upstream.address];
        let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
        for asked in ["host.upstream.test", "alias.upstream.test"] {
            let begun = Instant::now();
            assert_eq!(server.short(&[asked]).last().map(String::as_str), Some("192.168.30.200"), "{asked} {first}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{asked} {first} took {:?}", begun.elapsed());
        }
        server.stop();
    }
    refusing.stop();
    upstream.stop();
}

#[test]
fn an_answer_too_large_for_a_datagram_comes_whole_from_an_upstream() {
    let mut zones = ZoneSet::new();
    let many = Rrset::new(name("many.upstream.test"), RecordType::A, 300, (0..=255).map(address).collect()).unwrap();
    zones.insert(zone("upstream.test", vec![many]));
    let upstream = Server::start(Options { zones: Some(zones), ..Options::default() });
    let upstreams = vec![upstream.address];
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    assert_eq!(server.short(&["many.upstream.test"]).len(), 256);
    for (words, octets) in [(&["+noedns", "+ignore"][..], 512), (&["+bufsize=4096", "+ignore"], 1232)] {
        let cut = server.dig(&[words, &["many.upstream.test"]].concat());
        assert!(flags(&cut).contains("tc") && size(&cut) <= octets, "{cut}");
    }
    server.stop();
    upstream.stop();
}

#[test]
fn upstreams_are_exchanged_while_running() {
    let upstream = upstream();
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], ..Options::default() });
    assert_eq!(status(&server.dig(&["host.upstream.test"])), "REFUSED");
    server.handle.as_ref().unwrap().set_upstreams(&[upstream.address]);
    assert_eq!(server.short(&["host.upstream.test"]), ["192.168.30.200"]);
    server.stop();
    upstream.stop();
}
