//! What keeps others from using the forwarder up, and what it makes of upstreams that die, forge and go in circles.
//!
//! Needs `dig`; loopback and free ports suffice.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use leasehold::dns_server::forward::Forwarding;
use leasehold::dns_server::{AnswerLimits, CookieMode, Protection};
use resolve::Limits;

use crate::dns_datagrams::query;
use crate::dns_protection::{ask, from, resident};
use crate::embedded_dns::{LOOPBACK, Options, Server, status};
use crate::forwarding::{A_SECOND, Strange, answer_with, forwarding_to};

/// Questions a second of one client, in these tests.
const PER_SECOND: u16 = 20;
/// Questions of the flood.
const FLOOD: u32 = 1_000_000;
/// What the cache may take in it, in octets.
const CACHE: usize = 4 << 20;

fn protected(upstream: &Strange, protection: Protection) -> Server {
    let limits = Limits { octets_max: CACHE, ..Limits::default() };
    Server::start(Options {
        forward_for: vec!["127.0.0.0/8"],
        upstreams: vec![upstream.address],
        forwarding: Forwarding { limits, ..Forwarding::default() },
        protection,
        listen: Some("127.0.0.1:0".parse().unwrap()),
        ..Options::default()
    })
}

fn limited(upstream: &Strange) -> Server {
    let askers = AnswerLimits { per_second: PER_SECOND, slip: 2, exempt: vec!["127.7.0.0/16".parse().unwrap()] };
    protected(upstream, Protection { askers, ..Protection::default() })
}

fn cookie_of(printed: &str) -> String {
    printed.split_once("; COOKIE: ").unwrap().1.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn rfc7873_answers_of_others_carry_our_cookie_and_need_it_where_it_is_required() {
    let upstream = Strange::start(|query| vec![answer_with(query, 7, 60)]);
    for (mode, first) in [(CookieMode::Offered, "NOERROR"), (CookieMode::Required, "BADCOOKIE")] {
        let server = protected(&upstream, Protection { cookies: mode, ..Protection::default() });
        // What is asked of others, what is known, and what is answered here.
        for name in ["www.elsewhere.example", "www.elsewhere.example", "www.localhost"] {
            let alone = server.dig(&["+cookie=0102030405060708", "+nobadcookie", name]);
            assert_eq!(status(&alone), first, "{alone}");
            let cookie = cookie_of(&server.dig(&["+cookie=0102030405060708", name]));
            assert!(cookie.len() == 48 && cookie.starts_with("0102030405060708"), "{cookie}");
            let again = server.dig(&[&format!("+cookie={cookie}"), "+nobadcookie", name]);
            assert_eq!(status(&again), "NOERROR", "{again}");
            assert!(again.contains(&format!("; COOKIE: {cookie} (good)")), "{again}");
            assert_eq!(status(&server.dig(&["+nocookie", name])), "NOERROR", "who knows no cookies is answered");
            let by_connection = server.dig(&["+cookie=0102030405060708", "+tcp", name]);
            assert!(status(&by_connection) == "NOERROR" && cookie_of(&by_connection).len() == 48, "{by_connection}");
            // RFC 7873 section 5.2.2.
            for protocol in ["+notcp", "+tcp"] {
                let answered = server.dig(&[protocol, "+nocookie", "+ednsopt=10:0102", name]);
                assert_eq!(status(&answered), "FORMERR", "{answered}");
            }
        }
        server.stop();
    }
    let server = protected(&upstream, Protection { cookies: CookieMode::Off, ..Protection::default() });
    assert!(!server.dig(&["+cookie=0102030405060708", "www.elsewhere.example"]).contains("(good)"));
    server.stop();
}

#[test]
fn one_client_has_so_many_questions_a_second_and_the_word_to_use_a_connection() {
    let upstream = Strange::start(|query| vec![answer_with(query, 7, 60)]);
    let server = limited(&upstream);
    let name = "www.elsewhere.example";
    assert_eq!(server.short(&["-b", "127.7.1.1", name]), ["192.0.2.7"]);
    let (began, socket) = (Instant::now(), from(Ipv4Addr::new(127, 1, 1, 1)));
    let (whole, truncated) = ask(&socket, server.address, 400, name);
    let most = u32::from(PER_SECOND) * (2 + began.elapsed().as_secs() as u32);
    assert!(whole >= u32::from(PER_SECOND) && whole <= most, "{whole} of at most {most}");
    assert!((400 - whole) / 4 <= truncated, "{truncated} after {whole}");
    // Another client has its own, and one that is exempt has what it asks for.
    assert_eq!(ask(&from(Ipv4Addr::new(127, 1, 1, 2)), server.address, 10, name).0, 10);
    assert_eq!(ask(&from(Ipv4Addr::new(127, 7, 1, 1)), server.address, 200, name).0, 200);
    assert_eq!(upstream.asked(), 1, "all of it by what is known");
    server.stop();
}

#[test]
fn a_million_spoofed_sources_that_may_ask_for_names_of_others_keep_no_honest_client_from_it() {
    // In a process of its own: the memory is to be the server's, and not that of the tests beside it.
    const ALONE: &str = "LEASEHOLD_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "forward_protection::\
                    a_million_spoofed_sources_that_may_ask_for_names_of_others_keep_no_honest_client_from_it";
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
        return;
    }
    let upstream = Strange::start(|query| vec![answer_with(query, 7, 60)]);
    let server = limited(&upstream);
    let address = server.address;
    // An address of loopback is a source that can be made up without a raw socket. Every fourth question is for a name that
    // nobody asked for before, which is asked of the upstream and kept.
    let spoof = |numbers: Range<u32>| {
        let known = query(7, "known.elsewhere.example");
        for number in numbers.step_by(2) {
            let source = Ipv4Addr::from_bits(0x7f10_0001 + number * 13 % 0x00e0_0000);
            let Ok(socket) = UdpSocket::bind((source, 0)) else { continue };
            let _ = match number % 4 {
                0 => socket.send_to(&query(7, &format!("a{number}.elsewhere.example")), address),
                _ => socket.send_to(&known, address),
            };
        }
    };
    let cookie = cookie_of(&server.dig(&["+cookie=0102030405060708", "known.elsewhere.example"]));
    // Whatever has a limit is at it after these.
    spoof(0..FLOOD / 2);
    let before = resident();
    std::thread::scope(|scope| {
        scope.spawn(|| spoof(FLOOD / 2..FLOOD));
        scope.spawn(|| spoof(1..FLOOD));
        // One source is flooded with answers in its name, and asks itself among them.
        let victim = from(Ipv4Addr::new(127, 1, 1, 1));
        let began = Instant::now();
        let mut whole = 0;
        while began.elapsed() < Duration::from_secs(3) {
            whole += ask(&victim, address, 200, "known.elsewhere.example").0;
        }
        let most = u32::from(PER_SECOND) * (2 + began.elapsed().as_secs() as u32);
        assert!(whole <= most, "the victim hears {whole} answers, at most {most}");
        let asked = "known.elsewhere.example";
        let known = server.dig(&["-b", "127.0.0.1", &format!("+cookie={cookie}"), "+tries=5", asked]);
        assert!(status(&known) == "NOERROR" && known.contains("192.0.2.7"), "by its cookie: {known}");
        let last = |words: &[&str]| server.short(words).last().cloned().unwrap_or_default();
        assert_eq!(last(&["-b", "127.1.1.1", "+tries=5", asked]), "192.0.2.7", "by a connection, as it is told");
        assert_eq!(last(&["-b", "127.2.3.4", "+tries=5", asked]), "192.0.2.7", "another client");
        assert_eq!(last(&["-b", "127.2.3.5", "+tries=5", "new.elsewhere.example"]), "192.0.2.7", "and a new name");
        assert_eq!(last(&["-b", "127.2.3.6", "+tries=5", "client1.nasir.xyz"]), "192.168.30.100", "and ours");
    });
    let grown = resident().saturating_sub(before);
    assert!(grown < 12 << 20, "{grown} octets more after {FLOOD} sources");
    server.stop();
}

#[test]
fn an_upstream_that_is_killed_costs_less_than_a_second_and_is_named() {
    let killed = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let other = Strange::start(|query| vec![answer_with(query, 2, 60)]);
    let alone = forwarding_to(vec![killed.address], Forwarding::default());
    let two = forwarding_to(vec![killed.address, other.address], Forwarding::default());
    for server in [&alone, &two] {
        assert_eq!(server.short(&["before.elsewhere.example"]), ["192.0.2.1"]);
    }
    let address = killed.address;
    drop(killed);
    let begun = Instant::now();
    let found = alone.dig(&["after.elsewhere.example"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 22"), "{found}");
    assert!(found.contains(&address.to_string()), "{found}");
    assert!(begun.elapsed() < A_SECOND, "{:?}", begun.elapsed());
    for number in 0..5 {
        let begun = Instant::now();
        assert_eq!(two.short(&[&format!("after{number}.elsewhere.example")]), ["192.0.2.2"]);
        assert!(begun.elapsed() < A_SECOND, "{number}: {:?}", begun.elapsed());
    }
    alone.stop();
    two.stop();
}

#[test]
fn rfc5452_what_comes_from_another_port_is_not_the_upstreams_answer() {
    let other = UdpSocket::bind(LOOPBACK).unwrap();
    // It knows the number, the question and its letters; only where it comes from is wrong.
    let forger = Strange::answering_by(Some(other), |query| vec![answer_with(query, 66, 60); 4]);
    let honest = Strange::start(|query| vec![answer_with(query, 1, 60)]);
    let server = forwarding_to(vec![forger.address], Forwarding::default());
    let begun = Instant::now();
    let found = server.dig(&["+tries=1", "+time=6", "f.elsewhere.example"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 22"), "{found}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stop();
    let server = forwarding_to(vec![forger.address, honest.address], Forwarding::default());
    let begun = Instant::now();
    assert_eq!(server.short(&["g.elsewhere.example"]), ["192.0.2.1"]);
    assert!(begun.elapsed() < A_SECOND, "{:?}", begun.elapsed());
    server.stop();
}

/// Answers by TCP what comes to the address of `upstream`, until it is dropped.
struct ByTcp {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ByTcp {
    fn start(upstream: &Strange, last: u8) -> Self {
        let listener = TcpListener::bind(upstream.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let ends = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let reply = answer_with(&query, last, 60);
                stream.write_all(&[&(reply.len() as u16).to_be_bytes()[..], &reply].concat()).unwrap();
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for ByTcp {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Asks for so many names at once, and waits until all are answered.
fn ask_for_names(server: &Server, beginning: &str, count: u16) {
    let socket = from(Ipv4Addr::new(127, 1, 1, 1));
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut waiting: HashSet<u16> = (0..count).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !waiting.is_empty() {
        // A datagram may be lost where there are many.
        for id in &waiting {
            socket.send_to(&query(*id, &format!("{beginning}{id}.elsewhere.example")), server.address).unwrap();
        }
        let mut octets = [0; 512];
        while !waiting.is_empty() && socket.recv(&mut octets).is_ok() {
            waiting.remove(&u16::from_be_bytes([octets[0], octets[1]]));
        }
        assert!(Instant::now() < deadline, "{} are not answered", waiting.len());
    }
}

#[test]
fn rfc5452_what_is_guessed_at_goes_by_tcp_and_no_two_questions_share_a_port_then() {
    let forges = Arc::<AtomicBool>::default();
    let forging = Arc::clone(&forges);
    let upstream = Strange::start(move |query| {
        if !forging.load(Ordering::Relaxed) {
            return vec![answer_with(query, 1, 60)];
        }
        // As somebody who has found the port and tries numbers, and then has the right one.
        let guessed = |number: u16| {
            let mut reply = answer_with(query, 66, 60);
            let id = u16::from_be_bytes([reply[0], reply[1]]).wrapping_add(number);
            reply[..2].copy_from_slice(&id.to_be_bytes());
            reply
        };
        (1..=3).chain([0]).map(guessed).collect()
    });
    let _by_tcp = ByTcp::start(&upstream, 1);
    let server = forwarding_to(vec![upstream.address], Forwarding::default());
    let figures = || server.handle.as_ref().unwrap().gauge().figures().forwarder.unwrap().upstreams[0].clone();
    // Questions share ports, and there are many.
    ask_for_names(&server, "before", 200);
    let ports = upstream.take_ports();
    let different = ports.iter().collect::<HashSet<_>>().len();
    assert!(different >= 32 && different < ports.len(), "{different} ports of {} questions", ports.len());
    assert!((figures().forged, figures().guarded) == (0, false), "{:?}", figures());
    forges.store(true, Ordering::Relaxed);
    for number in 0..3 {
        assert_eq!(server.short(&[&format!("forged{number}.elsewhere.example")]), ["192.0.2.1"]);
    }
    forges.store(false, Ordering::Relaxed);
    let told = figures();
    assert!(told.forged >= 3 && told.guarded && told.state == "well", "{told:?}");
    upstream.take_ports();
    ask_for_names(&server, "after", 100);
    let ports = upstream.take_ports();
    let different = ports.iter().collect::<HashSet<_>>().len();
    // The system may choose a port again that was given back.
    assert!(different * 100 >= ports.len() * 95, "{different} ports of {} questions", ports.len());
    server.stop();
}

/// The answer to a query: an alias of this name (wire form).
pub(crate) fn alias_of(query: &[u8], target: &[u8]) -> Vec<u8> {
    let mut reply = answer_with(query, 0, 60);
    reply.truncate(reply.len() - 16);
    reply.extend_from_slice(&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, target.len() as u8]);
    reply.extend_from_slice(target);
    reply
}

#[test]
fn aliases_that_go_in_circles_end_at_once() {
    // At the upstream, and from our zone to it and back: `www.nasir.xyz` is an alias of a name there.
    let there = Strange::start(|query| vec![alias_of(query, b"\x01x\x09elsewhere\x07example\x00")]);
    let back = Strange::start(|query| vec![alias_of(query, b"\x03www\x05nasir\x03xyz\x00")]);
    for (upstream, name) in [(&there, "x.elsewhere.example"), (&there, "y.elsewhere.example"), (&back, "www.nasir.xyz")]
    {
        for transport in ["+notcp", "+tcp"] {
            let server = forwarding_to(vec![upstream.address], Forwarding::default());
            let (begun, before) = (Instant::now(), upstream.asked());
            let found = server.dig(&[transport, name]);
            assert!(status(&found) == "NOERROR" && found.contains("CNAME"), "{name} {found}");
            assert!(begun.elapsed() < A_SECOND, "{name} {:?}", begun.elapsed());
            // A datagram that a busy machine answers late is sent again.
            assert!(
                (1..=3).contains(&(upstream.asked() - before)),
                "{name}: asked {} times",
                upstream.asked() - before
            );
            server.stop();
        }
    }
}

#[test]
fn a_server_that_is_its_own_upstream_finds_that_out() {
    let server = forwarding_to(Vec::new(), Forwarding::default());
    server.handle.as_ref().unwrap().set_upstreams(&[server.address.into()]);
    let (deadline, mut number) = (Instant::now() + Duration::from_secs(20), 0);
    loop {
        number += 1;
        let begun = Instant::now();
        let found = server.dig(&["+tries=1", "+time=6", &format!("h{number}.elsewhere.example")]);
        assert!(status(&found) == "SERVFAIL" && begun.elapsed() < Duration::from_secs(6), "{found}");
        if found.contains("EDE: 22") && found.contains("comes back to this server") {
            break;
        }
        assert!(Instant::now() < deadline, "{found}");
    }
    let begun = Instant::now();
    assert_eq!(status(&server.dig(&["after.elsewhere.example"])), "SERVFAIL");
    assert!(begun.elapsed() < A_SECOND, "{:?}", begun.elapsed());
    server.stop();
}
