//! Leasequery by UDP and by TCP, asked by hand and read by dhcproto.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use dhcproto::v4::{self, DhcpOption, OptionCode};
use dhcproto::{Decodable as _, Decoder};

use crate::asker::Asker;
use crate::field::{self, RELAY, SERVER};
use crate::leasehold::Leasehold;
use crate::load::Plan;
use crate::netns::{Host, Lab};
use crate::packet::{ACK, OFFER, Said};
use crate::process::wait_for;

const LEASEQUERY: u8 = 10;
const BULK: u8 = 14;
const PATIENCE: Duration = Duration::from_secs(30);
/// An address of the relay's machine that may not ask.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);

fn config() -> String {
    format!("{}\n[leasequery]\nallow = [\"{RELAY}/32\"]\nbulk = true\n", field::config(false))
}

/// A query without a key: header, cookie, message type.
fn query(kind: u8, xid: u32, from: Ipv4Addr, options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0];
    bytes.extend(xid.to_be_bytes());
    bytes.resize(24, 0);
    bytes.extend(from.octets());
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, kind]);
    bytes.extend(options);
    bytes.push(255);
    bytes
}

fn by_address(mut query: Vec<u8>, address: Ipv4Addr) -> Vec<u8> {
    query[12..16].copy_from_slice(&address.octets());
    query
}

fn decoded(bytes: &[u8]) -> v4::Message {
    v4::Message::decode(&mut Decoder::new(bytes)).expect("a message")
}

/// The answer by UDP, or silence.
fn ask(host: &Host, from: Ipv4Addr, query: &[u8], patience: Duration) -> Option<v4::Message> {
    host.inside(|| {
        // Another test's program may hold the one before, until it has begun.
        let socket = wait_for("the port", PATIENCE, || UdpSocket::bind((from, 67)).ok());
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send_to(query, (SERVER, 67)).unwrap();
        let mut buffer = [0; 1500];
        socket.recv_from(&mut buffer).ok().map(|(length, _)| decoded(&buffer[..length]))
    })
}

fn connect(host: &Host) -> TcpStream {
    let stream = host.inside(|| TcpStream::connect((SERVER, 67)).expect("a connection"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn say(stream: &mut TcpStream, query: &[u8]) {
    let length = u16::try_from(query.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], query].concat()).unwrap();
}

fn hear(stream: &mut TcpStream) -> v4::Message {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut bytes).expect("a message");
    decoded(&bytes)
}

/// All answers to a bulk query up to the one that ends them.
fn hear_all(stream: &mut TcpStream) -> (Vec<v4::Message>, v4::Message) {
    let mut found = Vec::new();
    loop {
        let message = hear(stream);
        if message.opts().msg_type() == Some(v4::MessageType::LeaseQueryDone) {
            return (found, message);
        }
        found.push(message);
    }
}

fn leased(relay: &Host, clients: u32) -> Vec<Ipv4Addr> {
    let mut asker = Asker::new(relay, RELAY, true);
    (0..clients)
        .map(|client| {
            let acked = asker.take(client, PATIENCE).expect("a lease");
            assert_eq!(acked.kind, ACK);
            acked.yiaddr
        })
        .collect()
}

#[test]
fn rfc4388_a_relay_asks_who_has_an_address_and_a_stranger_hears_nothing() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    relay.ip(&format!("address add {STRANGER}/16 dev eth0"));
    let leasehold = Leasehold::start(&server, &config());
    let addresses = leased(&relay, 2);

    let asked = by_address(query(LEASEQUERY, 1, RELAY, &[55, 3, 51, 91, 54]), addresses[1]);
    let answer = ask(&relay, RELAY, &asked, PATIENCE).expect("an answer");
    assert_eq!(answer.opts().msg_type(), Some(v4::MessageType::LeaseActive));
    assert_eq!((answer.ciaddr(), answer.chaddr()), (addresses[1], &Plan::hardware(1)[..]));
    let Some(DhcpOption::AddressLeaseTime(left)) = answer.opts().get(OptionCode::AddressLeaseTime) else {
        panic!("no lease time: {answer}");
    };
    assert!((1..=field::LEASE_SECS).contains(left), "{left}");
    assert_eq!(answer.opts().get(OptionCode::ServerIdentifier), Some(&DhcpOption::ServerIdentifier(SERVER)));

    let free = by_address(query(LEASEQUERY, 2, RELAY, &[]), Ipv4Addr::new(10, 77, 200, 200));
    let answer = ask(&relay, RELAY, &free, PATIENCE).expect("an answer");
    assert_eq!(answer.opts().msg_type(), Some(v4::MessageType::LeaseUnassigned));

    let refused = by_address(query(LEASEQUERY, 3, STRANGER, &[]), addresses[1]);
    assert!(ask(&relay, STRANGER, &refused, Duration::from_secs(1)).is_none());
    drop(leasehold);
}

#[test]
fn rfc6926_every_lease_comes_in_one_stream_and_a_slow_reader_holds_up_nobody() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &config());
    let addresses = leased(&relay, 40);

    let mut stream = connect(&relay);
    // Two queries at once, the second by an address.
    say(&mut stream, &query(BULK, 7, Ipv4Addr::UNSPECIFIED, &[]));
    say(&mut stream, &by_address(query(BULK, 8, Ipv4Addr::UNSPECIFIED, &[]), addresses[3]));
    let (found, done) = hear_all(&mut stream);
    let mut told: Vec<Ipv4Addr> = found.iter().map(v4::Message::ciaddr).collect();
    told.sort();
    let mut expected = addresses.clone();
    expected.sort();
    assert_eq!(told, expected);
    assert!(found.iter().all(|message| message.opts().msg_type() == Some(v4::MessageType::LeaseActive)));
    assert!(found.iter().all(|message| message.opts().get(OptionCode::BulkLeaseQueryBaseTime).is_some()));
    assert_eq!((done.xid(), done.opts().get(OptionCode::BulkLeaseQueryStatusCode)), (7, None));
    let (found, done) = hear_all(&mut stream);
    assert_eq!((found.len(), found[0].ciaddr(), done.xid()), (1, addresses[3], 8));

    // Two keys at once are refused in words, and the connection goes on.
    let two = by_address(query(BULK, 9, Ipv4Addr::UNSPECIFIED, &[61, 2, 0, 1]), addresses[3]);
    say(&mut stream, &two);
    let (found, done) = hear_all(&mut stream);
    assert!(found.is_empty());
    let status = done.opts().get(OptionCode::BulkLeaseQueryStatusCode);
    let malformed = v4::bulk_query::Code::MalformedQuery;
    assert!(matches!(status, Some(DhcpOption::BulkLeaseQueryStatusCode(code, _)) if *code == malformed), "{status:?}");

    // One that asks again and again and reads nothing: clients are served all the same.
    let mut deaf = connect(&relay);
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let asked = query(BULK, 10, Ipv4Addr::UNSPECIFIED, &[]);
    let framed = [&u16::try_from(asked.len()).unwrap().to_be_bytes()[..], &asked].concat();
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until && deaf.write_all(&framed).is_ok() {}
    let mut asker = Asker::new(&relay, RELAY, true);
    let offered = asker.ask(Said::new(1, 0, Plan::hardware(500)), PATIENCE).expect("an offer");
    assert_eq!(offered.kind, OFFER);
    say(&mut stream, &query(BULK, 11, Ipv4Addr::UNSPECIFIED, &[]));
    assert_eq!(hear_all(&mut stream).0.len(), 40);
    drop(leasehold);
}

#[test]
fn rfc6926_a_stranger_and_who_speaks_nonsense_are_cut_off() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &config());
    let ends = |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = stream.read_to_end(&mut bytes);
        bytes.is_empty()
    };
    let stranger = server.inside(|| TcpStream::connect((SERVER, 67)).expect("a connection"));
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(ends(stranger), "the server's own machine is not allowed");
    let mut nonsense = connect(&relay);
    nonsense.write_all(&[0xFF; 64]).unwrap();
    assert!(ends(nonsense));
    let mut discover = connect(&relay);
    say(&mut discover, &query(1, 1, Ipv4Addr::UNSPECIFIED, &[]));
    assert!(ends(discover));
    drop(leasehold);
}
