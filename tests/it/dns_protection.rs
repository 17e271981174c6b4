//! What keeps others from using the DNS server against somebody, and from using it up: cookies, limits on answers and on
//! connections, and connections that are answered out of order.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use leasehold::dns_server::{AnswerLimits, ConnectionLimits, CookieMode, Protection};

use crate::dns_datagrams::query;
use crate::embedded_dns::{Options, Server, status};

/// Answers a second of one sort, in these tests.
const PER_SECOND: u16 = 20;
/// Queries of the flood.
const FLOOD: u32 = 1_000_000;

fn with_cookies(cookies: CookieMode) -> Server {
    let protection = Protection { cookies, ..Protection::default() };
    Server::start(Options { protection, ..Options::default() })
}

#[test]
fn rfc7873_dig_learns_our_cookie_and_is_answered_also_where_it_is_required() {
    for (mode, first) in [(CookieMode::Offered, "NOERROR"), (CookieMode::Required, "BADCOOKIE")] {
        let server = with_cookies(mode);
        // One question the short way, one the general way (another class), each by a datagram.
        for (words, status_after) in [(&["client1.nasir.xyz"][..], "NOERROR"), (&["-c", "CH", "x.test"], "REFUSED")] {
            let alone = server.dig(&[&["+cookie=0102030405060708", "+nobadcookie", "+qr"], words].concat());
            let expected = if first == "NOERROR" { status_after } else { first };
            assert_eq!(status(alone.split("Got answer").nth(1).unwrap()), expected, "{alone}");
            // Without the word not to, dig tries again with what it has learnt.
            let learnt = server.dig(&[&["+cookie=0102030405060708"], words].concat());
            assert_eq!(status(&learnt), status_after, "{learnt}");
            let cookie = learnt.split_once("; COOKIE: ").unwrap().1.split_whitespace().next().unwrap();
            assert!(cookie.len() == 48 && cookie.starts_with("0102030405060708"), "{cookie}");
            let again = server.dig(&[&[&*format!("+cookie={cookie}"), "+nobadcookie"], words].concat());
            assert_eq!(status(&again), status_after, "{again}");
            assert!(again.contains(&format!("; COOKIE: {cookie} (good)")), "{again}");
            // Who knows no cookies is answered, and so is a connection.
            assert_eq!(status(&server.dig(&[&["+nocookie"], words].concat())), status_after);
            assert_eq!(status(&server.dig(&[&["+cookie=0102030405060708", "+tcp"], words].concat())), status_after);
        }
        server.stop();
    }
    let server = with_cookies(CookieMode::Off);
    assert!(!server.dig(&["+cookie=0102030405060708", "client1.nasir.xyz"]).contains("(good)"));
    server.stop();
}

#[test]
fn rfc7873_5_2_2_a_cookie_of_a_wrong_length_is_a_format_error() {
    let server = with_cookies(CookieMode::Offered);
    for protocol in ["+notcp", "+tcp"] {
        let answered = server.dig(&[protocol, "+nocookie", "+ednsopt=10:0102", "client1.nasir.xyz"]);
        assert_eq!(status(&answered), "FORMERR", "{answered}");
    }
    server.stop();
}

#[test]
fn rfc6891_versions_and_options_that_are_not_known() {
    let server = Server::start(Options::default());
    for protocol in ["+notcp", "+tcp"] {
        let version = server.dig(&[protocol, "+edns=1", "+noednsneg", "client1.nasir.xyz"]);
        assert!(status(&version) == "BADVERS" && version.contains("version: 0"), "{version}");
        let option = server.dig(&[protocol, "+ednsopt=65001:01020304", "client1.nasir.xyz"]);
        assert!(status(&option) == "NOERROR" && !option.contains("OPT=65001"), "{option}");
    }
    server.stop();
}

fn limited(exempt: &[&str]) -> Server {
    let exempt = exempt.iter().map(|prefix| prefix.parse().unwrap()).collect();
    let answers = AnswerLimits { per_second: PER_SECOND, slip: 2, exempt };
    let protection = Protection { answers, ..Protection::default() };
    Server::start(Options { protection, listen: Some("127.0.0.1:0".parse().unwrap()), ..Options::default() })
}

pub(crate) fn from(source: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket
}

/// Sends so many queries, a little at a time so that none is lost on the way; counts whole answers and those that only
/// say to use a connection.
pub(crate) fn ask(socket: &UdpSocket, server: SocketAddr, count: u16, name: &str) -> (u32, u32) {
    let (mut whole, mut truncated) = (0, 0);
    for first in (0..count).step_by(50) {
        for id in first..count.min(first + 50) {
            socket.send_to(&query(id, name), server).unwrap();
        }
        let mut octets = [0; 512];
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while let Ok(length) = socket.recv(&mut octets) {
            let is_truncated = octets[2] & 2 != 0;
            assert!(!is_truncated || length <= query(0, name).len(), "nothing is amplified");
            *(if is_truncated { &mut truncated } else { &mut whole }) += 1;
        }
    }
    (whole, truncated)
}

#[test]
fn one_prefix_has_so_many_answers_a_second_and_the_word_to_use_a_connection() {
    let server = limited(&["127.7.0.0/16"]);
    for name in ["client1.nasir.xyz", "missing.nasir.xyz", "www.elsewhere.test"] {
        let (began, socket) = (Instant::now(), from(Ipv4Addr::new(127, 1, 1, 1)));
        let (whole, truncated) = ask(&socket, server.address, 400, name);
        let most = u32::from(PER_SECOND) * (2 + began.elapsed().as_secs() as u32);
        assert!(whole >= u32::from(PER_SECOND) && whole <= most, "{name}: {whole} of at most {most}");
        // Names of others are refused by the general way, which says nothing of connections.
        let told = if name.ends_with("nasir.xyz") { (400 - whole) / 4..=400 - whole } else { 0..=0 };
        assert!(told.contains(&truncated), "{name}: {truncated} after {whole}");
        // Another host of that prefix has no more than this one; another prefix and one that is exempt have their own.
        assert!(ask(&from(Ipv4Addr::new(127, 1, 1, 2)), server.address, 50, name).0 < 20, "{name}");
        assert_eq!(ask(&from(Ipv4Addr::new(127, 1, 2, 1)), server.address, 10, name).0, 10, "{name}");
        assert_eq!(ask(&from(Ipv4Addr::new(127, 7, 1, 1)), server.address, 200, name).0, 200, "{name}");
    }
    server.stop();
}

/// Resident memory of this process, which the server runs in, in octets.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_million_spoofed_sources_cost_no_memory_and_honest_clients_are_served() {
    // In a process of its own: the memory is to be the server's, and not that of the tests beside it.
    const ALONE: &str = "LEASEHOLD_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "dns_protection::a_million_spoofed_sources_cost_no_memory_and_honest_clients_are_served";
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
        return;
    }
    let server = limited(&[]);
    let address = server.address;
    // An address of loopback is a source that can be made up without a raw socket: each thread binds as many as it can.
    let spoof = |first: u32| {
        let query = query(7, "missing.nasir.xyz");
        for number in (first..FLOOD).step_by(2) {
            // Spread over all of 127/8; a network's own address and its broadcast are no sources.
            let source = Ipv4Addr::from_bits(0x7f10_0001 + number * 13 % 0x00e0_0000);
            if let Ok(socket) = UdpSocket::bind((source, 0)) {
                let _ = socket.send_to(&query, address);
            }
        }
    };
    let cookie = {
        let learnt = server.dig(&["+cookie=0102030405060708", "client1.nasir.xyz"]);
        learnt.split_once("; COOKIE: ").unwrap().1.split_whitespace().next().unwrap().to_owned()
    };
    let before = resident();
    std::thread::scope(|scope| {
        scope.spawn(|| spoof(0));
        scope.spawn(|| spoof(1));
        // One source is flooded with answers in another's name, and the host itself asks among them: by a cookie it is
        // known, and without one it is told to use a connection.
        let victim = from(Ipv4Addr::new(127, 1, 1, 1));
        let began = Instant::now();
        let mut whole = 0;
        while began.elapsed() < Duration::from_secs(3) {
            whole += ask(&victim, address, 200, "client1.nasir.xyz").0;
        }
        let most = u32::from(PER_SECOND) * (2 + began.elapsed().as_secs() as u32);
        assert!(whole <= most, "the victim hears {whole} answers, at most {most}");
        let known = server.dig(&["-b", "127.0.0.1", &format!("+cookie={cookie}"), "+tries=5", "client1.nasir.xyz"]);
        assert!(status(&known) == "NOERROR" && known.contains("192.168.30.100"), "{known}");
        let by_connection = server.short(&["-b", "127.1.1.1", "+tries=5", "client1.nasir.xyz"]);
        // On a busy machine the flood leaves no room for a query now and then, and dig tells that it tries again.
        let answer = |printed: Vec<String>| printed.last().cloned().unwrap_or_default();
        assert_eq!(answer(by_connection), "192.168.30.100", "the word to use a connection is followed");
        let elsewhere = server.short(&["-b", "127.2.3.4", "+tries=5", "client1.nasir.xyz"]);
        assert_eq!(answer(elsewhere), "192.168.30.100", "another prefix is not limited");
    });
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} octets more after {FLOOD} sources");
    server.stop();
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], query].concat()
}

fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).ok()?;
    Some(octets)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream
}

#[test]
fn rfc7766_6_2_1_1_a_slow_answer_holds_up_no_other_and_their_number_is_bounded() {
    // An upstream that takes queries and never answers.
    let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    let options = Options {
        forward_for: vec!["127.0.0.0/8"],
        upstreams: vec![upstream.local_addr().unwrap()],
        ..Options::default()
    };
    let server = Server::start(options);
    let mut stream = connect(server.address);
    let began = Instant::now();
    let slow: Vec<u8> = (100..105_u16).flat_map(|id| framed(&query(id, "slow.elsewhere.example"))).collect();
    stream.write_all(&[slow, framed(&query(1, "client1.nasir.xyz"))].concat()).unwrap();
    let first = read_message(&mut stream).unwrap();
    assert_eq!((&first[..2], first[7]), (&[0, 1][..], 1), "ours comes first");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // With as many as may wait, the next is read when one of them is done, and every one is answered in the end.
    let many: Vec<u8> = (200..240_u16).flat_map(|id| framed(&query(id, "slow.elsewhere.example"))).collect();
    stream.write_all(&many).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answered: Vec<u16> =
        std::iter::from_fn(|| read_message(&mut stream)).map(|it| u16::from_be_bytes([it[0], it[1]])).collect();
    answered.sort_unstable();
    let asked: Vec<u16> = (100..105).chain(200..240).collect();
    assert_eq!(answered, asked, "also for one who has no more to ask");
    server.stop();
}

#[test]
fn rfc7766_6_2_3_those_who_only_hold_connections_lose_them_when_few_are_left() {
    let connections = ConnectionLimits { all: 8, each: 8, idle: Duration::from_secs(60) };
    let protection = Protection { connections, ..Protection::default() };
    let server = Server::start(Options { protection, ..Options::default() });
    let held: Vec<TcpStream> = (0..8).map(|_| connect(server.address)).collect();
    // All places are taken by those who say nothing; the next is served all the same.
    let mut honest = connect(server.address);
    honest.write_all(&framed(&query(1, "client1.nasir.xyz"))).unwrap();
    assert!(read_message(&mut honest).is_some(), "served");
    drop(held);
    server.stop();
}

#[test]
fn no_asker_has_more_connections_than_its_share() {
    let connections = ConnectionLimits { all: 64, each: 3, idle: Duration::from_secs(60) };
    let protection = Protection { connections, ..Protection::default() };
    let server = Server::start(Options { protection, ..Options::default() });
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(server.address)).collect();
    for stream in &mut held {
        stream.write_all(&framed(&query(1, "client1.nasir.xyz"))).unwrap();
        assert!(read_message(stream).is_some(), "served");
    }
    let mut fourth = connect(server.address);
    let _ = fourth.write_all(&framed(&query(1, "client1.nasir.xyz")));
    assert!(read_message(&mut fourth).is_none(), "closed");
    let other = server.short(&["+tcp", "-b", "127.0.0.9", "client1.nasir.xyz"]);
    assert_eq!(other, ["192.168.30.100"], "another asker is served");
    server.stop();
}
