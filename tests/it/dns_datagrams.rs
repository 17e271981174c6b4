//! How the DNS server takes datagrams: by the dozen, and each answered from the address that was asked.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use leasehold::dns_server::forward::Forwarding;

use crate::embedded_dns::{Options, Server};
use crate::forward_aliases::alias_with_address;
use crate::forwarding::{Strange, forwarding_to};
use crate::process::wait_for;

/// A query for a name of one zone, class IN, type A.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name: dns::Fqdn = name.parse().unwrap();
    octets.extend_from_slice(name.as_wire());
    octets.extend_from_slice(&[0, 1, 0, 1]);
    octets
}

fn asker(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((if to.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    socket.connect(to).unwrap();
    socket
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked_also_where_all_are_listened_on() {
    for (listen, asked) in [("0.0.0.0:0", "127.0.0.77"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")] {
        let server = Server::start(Options { listen: Some(listen.parse().unwrap()), ..Options::default() });
        let asked = SocketAddr::new(asked.parse::<IpAddr>().unwrap(), server.address.port());
        // A connected socket hears nobody else. The second name is refused, by the general way.
        for (name, rcode) in [("client1.nasir.xyz", 0), ("www.elsewhere.test", 5)] {
            let socket = asker(asked);
            socket.send(&query(7, name)).unwrap();
            let mut octets = [0; 512];
            let length = socket.recv(&mut octets).unwrap_or_else(|error| panic!("{listen} {asked} {name}: {error}"));
            assert_eq!((&octets[..2], octets[3] & 15, length > 12), (&[0, 7][..], rcode, true), "{listen} {name}");
        }
        server.stop();
    }
}

#[test]
fn sockets_are_given_back_also_while_requests_are_under_way() {
    let others = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // One of the questions that come here is answered by an alias of a name of ours, which leads back here.
    let upstream = Strange::start(|query| match query[13].to_ascii_lowercase() {
        b'b' => vec![alias_with_address(query, b"\x03www\x05nasir\x03xyz\x00")],
        _ => Vec::new(),
    });
    for round in 0..20 {
        let mut server = forwarding_to(vec![upstream.address], Forwarding::default());
        let (socket, address, before) = (asker(server.address), server.address, upstream.asked());
        for name in ["a.elsewhere.example", "b.elsewhere.example", "www.nasir.xyz"] {
            socket.send(&query(7, name)).unwrap();
        }
        wait_for("they are under way", Duration::from_secs(5), || (upstream.asked() >= before + 3).then_some(()));
        std::thread::sleep(Duration::from_millis(2));
        let begun = Instant::now();
        others.block_on(server.handle.take().unwrap().shutdown());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?} in round {round}", begun.elapsed());
        // A program that another test starts has it too until it is the program.
        let what = format!("the socket is closed in round {round}");
        wait_for(&what, Duration::from_secs(1), || UdpSocket::bind(address).ok());
    }
}

#[test]
fn a_burst_is_answered_each_query_by_its_own_answer() {
    let server = Server::start(Options::default());
    let socket = asker(server.address);
    // Names that are there and that are not, in turns, and now and then one that takes the general way.
    let names = ["client1.nasir.xyz", "missing.nasir.xyz", "100.30.168.192.in-addr.arpa", "www.elsewhere.test"];
    let expected = [(0_u8, 1_u8), (3, 0), (0, 0), (5, 0)];
    let all: BTreeSet<u16> = (0..200).collect();
    for id in &all {
        socket.send(&query(*id, names[usize::from(*id) % 4])).unwrap();
    }
    let mut answered = BTreeSet::new();
    while answered != all {
        let mut octets = [0; 512];
        let length = socket.recv(&mut octets).expect("an answer to each");
        let id = u16::from_be_bytes([octets[0], octets[1]]);
        assert_eq!((octets[3] & 15, octets[7]), expected[usize::from(id) % 4], "{id}");
        assert!(answered.insert(id) && length > 12, "{id} once");
    }
    server.stop();
}
