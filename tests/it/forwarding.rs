//! Names outside our zones, asked of other servers: which answer, who may ask, and what a dead one costs.
//!
//! Needs `dig`; loopback and free ports suffice.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dns::{Rdata, RecordType, Rrset};
use leasehold::dns_server::forward::{Forwarding, Route};
use resolve::blocking::Instead;
use zones::ZoneSet;

use crate::embedded_dns::{LOOPBACK, Options, Server, address, flags, name, size, status, zone};

/// What a question to a server may take that promises an answer within a second: another second is for starting dig on a
/// busy machine. Who waited for a silent upstream to the end would wait longer.
pub(crate) const A_SECOND: Duration = Duration::from_secs(2);

/// A server with a zone of its own, for others to forward to.
fn upstream() -> Server {
    let mut zones = ZoneSet::new();
    let host = Rrset::single(name("host.upstream.example"), RecordType::A, 300, address(200));
    let alias = Rrset::single(name("alias.upstream.example"), RecordType::CNAME, 300, Rdata::cname(&host.name));
    zones.insert(zone("upstream.example", vec![host, alias]));
    Server::start(Options { zones: Some(zones), ..Options::default() })
}

#[test]
fn other_names_are_forwarded_for_our_own_networks() {
    let upstream = upstream();
    let upstreams = vec![upstream.address];
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    let found = server.dig(&["host.upstream.example"]);
    assert_eq!((status(&found), flags(&found)), ("NOERROR", "qr rd ra"), "{found}");
    assert_eq!(server.short(&["host.upstream.example"]), ["192.168.30.200"]);
    assert_eq!(server.short(&["+tcp", "alias.upstream.example"]), ["host.upstream.example.", "192.168.30.200"]);
    // Our own chain goes on there, and stays our answer.
    let chain = server.dig(&["www.nasir.xyz"]);
    assert!(chain.contains("192.168.30.200") && flags(&chain) == "qr aa rd ra", "{chain}");
    let missing = server.dig(&["missing.upstream.example"]);
    assert!(status(&missing) == "NXDOMAIN" && missing.contains("upstream.example."), "{missing}");
    let no_data = server.dig(&["host.upstream.example", "AAAA"]);
    assert!(status(&no_data) == "NOERROR" && no_data.contains("SOA"), "{no_data}");
    assert_eq!(status(&server.dig(&["+norecurse", "host.upstream.example"])), "REFUSED");
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
            let code = status(&server.dig(&["host.upstream.example"])).to_owned();
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
        for asked in ["host.upstream.example", "alias.upstream.example"] {
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
    let many = Rrset::new(name("many.upstream.example"), RecordType::A, 300, (0..=255).map(address).collect()).unwrap();
    zones.insert(zone("upstream.example", vec![many]));
    let upstream = Server::start(Options { zones: Some(zones), ..Options::default() });
    let upstreams = vec![upstream.address];
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, ..Options::default() });
    assert_eq!(server.short(&["many.upstream.example"]).len(), 256);
    for (words, octets) in [(&["+noedns", "+ignore"][..], 512), (&["+bufsize=4096", "+ignore"], 1232)] {
        let cut = server.dig(&[words, &["many.upstream.example"]].concat());
        assert!(flags(&cut).contains("tc") && size(&cut) <= octets, "{cut}");
    }
    server.stop();
    upstream.stop();
}

#[test]
fn upstreams_are_exchanged_while_running() {
    let upstream = upstream();
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], ..Options::default() });
    assert_eq!(status(&server.dig(&["host.upstream.example"])), "REFUSED");
    server.handle.as_ref().unwrap().set_upstreams(&[upstream.address.into()]);
    assert_eq!(server.short(&["host.upstream.example"]), ["192.168.30.200"]);
    server.stop();
    upstream.stop();
}

/// An upstream of the test's own: what it says to each datagram, and how many came.
pub(crate) struct Strange {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// The ports that the last questions came from.
    ports: Arc<Mutex<VecDeque<u16>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// So many ports are remembered.
const PORTS_MAX: usize = 256;

impl Strange {
    pub(crate) fn start(says: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::answering_by(None, says)
    }

    /// One whose answers leave by another socket.
    pub(crate) fn answering_by(
        other: Option<UdpSocket>,
        says: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(LOOPBACK).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (address, asked, ends) =
            (socket.local_addr().unwrap(), Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, ended) = (Arc::clone(&asked), Arc::clone(&ends));
        let ports = Arc::<Mutex<VecDeque<u16>>>::default();
        let seen = Arc::clone(&ports);
        let thread = std::thread::spawn(move || {
            let mut octets = [0; 2048];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
                // Only what clients asked for counts, not the search for loops.
                if !octets[..length].windows(14).any(|window| window == b"leasehold-loop") {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut seen = seen.lock().unwrap();
                    seen.push_back(from.port());
                    if seen.len() > PORTS_MAX {
                        seen.pop_front();
                    }
                }
                for reply in says(&octets[..length]) {
                    other.as_ref().unwrap_or(&socket).send_to(&reply, from).unwrap();
                }
            }
        });
        Self { address, asked, ports, ends, thread: Some(thread) }
    }

    /// The ports that the last questions came from, and none of them any more.
    pub(crate) fn take_ports(&self) -> Vec<u16> {
        self.ports.lock().unwrap().drain(..).collect()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Strange {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The answer to a query: one address, of this time to live.
pub(crate) fn answer_with(query: &[u8], last: u8, ttl: u8) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    let mut reply = query[..end].to_vec();
    (reply[2], reply[3]) = (0x81, 0x80);
    reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 192, 0, 2, last]);
    reply
}

pub(crate) fn forwarding_to(upstreams: Vec<SocketAddr>, forwarding: Forwarding) -> Server {
    Server::start(Options { forward_for: vec!["127.0.0.0/8"], upstreams, forwarding, ..Options::default() })
}

#[test]
fn what_was_asked_is_answered_from_the_cache_and_counted_and_goes_stale_when_nobody_answers() {
    let silent = Arc::new(AtomicBool::default());
    let falls_silent = Arc::clone(&silent);
    let upstream =
        Strange::start(
            move |query| {
                if falls_silent.load(Ordering::Relaxed) { Vec::new() } else { vec![answer_with(query, 7, 3)] }
            },
        );
    let server = forwarding_to(vec![upstream.address], Forwarding::default());
    for _ in 0..5 {
        assert_eq!(server.short(&["a.elsewhere.example"]), ["192.0.2.7"]);
    }
    let counts = server.handle.as_ref().unwrap().forward_counts().unwrap();
    assert_eq!((counts.hits, counts.misses, upstream.asked()), (4, 1, 1));
    silent.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_secs(4));
    // RFC 8767 section 5: after 1.8 seconds; then at once, since nobody answers.
    for bound in [(1_500, 3_500), (0, 4_000), (0, 1_000), (0, 1_000)] {
        let begun = Instant::now();
        let stale = server.dig(&["a.elsewhere.example"]);
        let took = begun.elapsed().as_millis();
        assert!(stale.contains("EDE: 3 (Stale Answer)") && stale.contains("192.0.2.7"), "{stale}");
        assert!(stale.contains("\t30\tIN"), "{stale}");
        assert!((bound.0..bound.1).contains(&took), "{took} ms\n{stale}");
        std::thread::sleep(Duration::from_secs(2));
    }
    server.stop();
}

#[test]
fn the_same_question_of_many_is_asked_once() {
    let upstream = Strange::start(|query| {
        std::thread::sleep(Duration::from_millis(200));
        vec![answer_with(query, 9, 60)]
    });
    let server = forwarding_to(vec![upstream.address], Forwarding::default());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(server.short(&["b.elsewhere.example"]), ["192.0.2.9"]));
        }
    });
    // A datagram that a busy machine answers late is sent again; that is the same question.
    assert_eq!(server.handle.as_ref().unwrap().forward_counts().unwrap().misses, 1);
    server.stop();
}

#[test]
fn a_lying_upstream_reaches_neither_the_client_nor_the_cache() {
    type Lie = fn(&[u8]) -> Vec<Vec<u8>>;
    let lies: [(&str, Lie); 6] = [
        ("another number", |query| {
            let mut reply = answer_with(query, 66, 60);
            reply[0] ^= 0xff;
            vec![reply; 20]
        }),
        ("another question", |query| {
            let mut reply = answer_with(query, 66, 60);
            reply[13] = b'x';
            vec![reply; 20]
        }),
        ("garbage", |query| vec![[&query[..2], &[0xff; 90]].concat(); 20]),
        ("too large", |query| vec![[answer_with(query, 66, 60), vec![0; 5000]].concat(); 20]),
        ("cut short", |query| {
            let mut reply = answer_with(query, 66, 60);
            reply.truncate(reply.len() - 2);
            vec![reply; 20]
        }),
        ("its own question", |query| vec![query.to_vec(); 20]),
    ];
    for (what, lie) in lies {
        let liar = Strange::start(lie);
        let honest = Strange::start(|query| vec![answer_with(query, 1, 60)]);
        let server = forwarding_to(vec![liar.address], Forwarding::default());
        let begun = Instant::now();
        let refused = server.dig(&["c.elsewhere.example"]);
        assert_eq!(status(&refused), "SERVFAIL", "{what}: {refused}");
        assert!(refused.contains("EDE: 23 (Network Error)"), "{what}: {refused}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{what} took {:?}", begun.elapsed());
        server.stop();
        let server = forwarding_to(vec![liar.address, honest.address], Forwarding::default());
        for _ in 0..2 {
            let begun = Instant::now();
            assert_eq!(server.short(&["c.elsewhere.example"]), ["192.0.2.1"], "{what}");
            assert!(begun.elapsed() < A_SECOND, "{what} took {:?}", begun.elapsed());
        }
        server.stop();
    }
}

#[test]
fn a_dead_or_slow_upstream_costs_no_client_more_than_a_second() {
    for slow in [None, Some(Duration::from_millis(1_500))] {
        let first = Strange::start(move |query| {
            let Some(slow) = slow else { return Vec::new() };
            std::thread::sleep(slow);
            vec![answer_with(query, 2, 60)]
        });
        let second = Strange::start(|query| vec![answer_with(query, 1, 60)]);
        let server = forwarding_to(vec![first.address, second.address], Forwarding::default());
        for number in 0..6 {
            let begun = Instant::now();
            assert_eq!(server.short(&[&format!("d{number}.elsewhere.example")]), ["192.0.2.1"]);
            assert!(begun.elapsed() < A_SECOND, "question {number} took {:?}", begun.elapsed());
        }
        server.stop();
    }
}

#[test]
fn forwarders_that_ask_each_other_are_found_out() {
    let one = forwarding_to(Vec::new(), Forwarding::default());
    let other = forwarding_to(vec![one.address], Forwarding::default());
    one.handle.as_ref().unwrap().set_upstreams(&[other.address.into()]);
    // The one that finds out first asks no more, and then nothing comes back to the other. When that is depends on how busy
    // the machine is; a new name each time, since a failure is kept.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut number = 0;
    let told = loop {
        number += 1;
        let name = format!("e{number}.elsewhere.example");
        let told = [&one, &other].map(|server| server.dig(&["+tries=1", &name]));
        if told.iter().any(|found| found.contains("comes back to this server")) {
            break told;
        }
        assert!(Instant::now() < deadline, "{told:?}");
    };
    assert!(told.iter().any(|found| found.contains("EDE: 22")), "{told:?}");
    // Nobody waits any more from then on.
    for server in [&one, &other] {
        let begun = Instant::now();
        let found = server.dig(&["after.elsewhere.example"]);
        assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 22"), "{found}");
        assert!(begun.elapsed() < A_SECOND, "{:?}", begun.elapsed());
    }
    one.stop();
    other.stop();
}

#[test]
fn private_names_are_not_asked_of_others_unless_a_route_says_so() {
    let general = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let inside = Strange::start(|query| vec![answer_with(query, 5, 60)]);
    let domains = vec![name("2.10.in-addr.arpa"), name("corp.example")];
    let forwarding =
        Forwarding { routes: vec![Route { domains, upstreams: vec![inside.address.into()] }], ..Forwarding::default() };
    let server = forwarding_to(vec![general.address], forwarding);
    for private in
        ["1.1.168.192.in-addr.arpa", "1.3.10.in-addr.arpa", "nas.home.arpa", "x.onion", "y.invalid", "pc.local"]
    {
        let found = server.dig(&[private, "A"]);
        assert!(status(&found) == "NXDOMAIN" && found.contains("nobody.invalid."), "{found}");
    }
    assert_eq!(server.short(&["localhost"]), ["127.0.0.1"]);
    assert_eq!((general.asked(), inside.asked()), (0, 0), "nothing of it left");
    assert_eq!(server.short(&["1.2.10.in-addr.arpa", "A"]), ["192.0.2.5"]);
    assert_eq!(server.short(&["www.corp.example"]), ["192.0.2.5"]);
    assert_eq!(server.short(&["www.elsewhere.example"]), ["192.0.2.1"]);
    assert_eq!((general.asked(), inside.asked()), (1, 2));
    server.stop();
}

#[test]
fn listed_names_are_blocked_for_their_clients_and_lists_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ads.txt");
    std::fs::write(&file, "0.0.0.0 ads.example\n||deep.example^\n@@||good.deep.example^\n").unwrap();
    let upstream = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let block = |instead, clients: &[&str]| config::settings::Block {
        name: "ads".to_owned(),
        source: config::settings::BlockSource::File(file.clone()),
        refresh_secs: 1,
        clients: clients.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        except: vec![name("excused.deep.example")],
        instead,
        filtered: false,
    };
    for (instead, answer, code) in [
        (Instead::NxDomain, None, "NXDOMAIN"),
        (Instead::Nowhere, Some("0.0.0.0"), "NOERROR"),
        (Instead::Refused, None, "REFUSED"),
    ] {
        let start = |clients: &[&str]| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let blocks = runtime
                .block_on(async { leasehold::block_lists::follow(&[block(instead, clients)], directory.path()) });
            (forwarding_to(vec![upstream.address], Forwarding { blocks, ..Forwarding::default() }), runtime)
        };
        let (server, _runtime) = start(&["127.0.0.0/8"]);
        for blocked in [&["ads.example"][..], &["a.deep.example"], &["+tcp", "a.deep.example"]] {
            let found = server.dig(blocked);
            assert_eq!(status(&found), code, "{found}");
            assert!(found.contains("EDE: 15 (Blocked): (listed in ads)"), "{found}");
            assert!(answer.is_none_or(|address| found.contains(address)), "{found}");
        }
        for free in ["good.deep.example", "excused.deep.example", "x.ads.example"] {
            assert_eq!(server.short(&[free]), ["192.0.2.1"], "{free}");
        }
        server.stop();
        let (server, _runtime) = start(&["10.0.0.0/8"]);
        assert_eq!(server.short(&["ads.example"]), ["192.0.2.1"], "for others only");
        server.stop();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let blocks =
        runtime.block_on(async { leasehold::block_lists::follow(&[block(Instead::NxDomain, &[])], directory.path()) });
    let server = forwarding_to(vec![upstream.address], Forwarding { blocks, ..Forwarding::default() });
    assert_eq!(status(&server.dig(&["ads.example"])), "NXDOMAIN");
    std::fs::write(&file, "new.example\n").unwrap();
    crate::process::wait_for("the list is read again", Duration::from_secs(10), || {
        (status(&server.dig(&["new.example"])) == "NXDOMAIN").then_some(())
    });
    assert_eq!(server.short(&["ads.example"]), ["192.0.2.1"]);
    // What cannot be read changes nothing.
    std::fs::remove_file(&file).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(status(&server.dig(&["new.example"])), "NXDOMAIN");
    server.stop();
}

#[test]
fn whoever_may_not_is_refused_and_told_so() {
    let upstream = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let upstreams = vec![upstream.address];
    let server = Server::start(Options { forward_for: vec!["192.0.2.0/24"], upstreams, ..Options::default() });
    for words in [&["www.elsewhere.example"][..], &["+tcp", "www.elsewhere.example"], &["localhost"]] {
        let found = server.dig(words);
        assert_eq!((status(&found), flags(&found)), ("REFUSED", "qr rd"), "{found}");
        assert!(found.contains("EDE: 18 (Prohibited)"), "{found}");
    }
    assert_eq!(upstream.asked(), 0);
    server.stop();
}
