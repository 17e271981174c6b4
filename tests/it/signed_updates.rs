//! Our side of signed updates against real DNS servers: what they answer to a wrong key, secret or clock is told apart,
//! and DHCID prerequisites mean to them what they mean to us.
//!
//! Needs root, network namespaces, `named`, `knotd` and `pdns_server`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use dns::wire::{AnswerError, sign_request, update_to_message};
use dns::{Change, Dhcid, Fqdn, HostIdentity, Prerequisite, Rcode, Rdata, RecordType, TsigAlgorithm, TsigKey, Update};

use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::netns::{Host, Lab};
use crate::servers::{DnsServer, Kind};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn key() -> TsigKey {
    TsigKey::from_base64(name(KEY_NAME), TsigAlgorithm::HmacSha256, KEY_SECRET).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn send(host: &Host, server: SocketAddr, update: &Update, key: &TsigKey, at: u64) -> Result<Rcode, AnswerError> {
    let (octets, pending) = sign_request(update_to_message(update, 4711).unwrap(), Some(key), at).unwrap();
    let socket = host.inside(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&octets, server).unwrap();
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer).unwrap();
    pending.read_rcode(&answer[..length], now())
}

/// The identity's DHCID record for the host name that all of them want.
fn dhcid(last: u8) -> Rdata {
    Rdata::dhcid(&Dhcid::new(&HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, last]), &name("host.nasir.xyz")))
}

fn update(prerequisites: Vec<Prerequisite>, changes: Vec<Change>) -> Update {
    Update { zone: name("nasir.xyz"), prerequisites, changes }
}

/// RFC 4703 section 5.3.1: not in use, then A and DHCID.
fn claim(last: u8) -> Update {
    let add = |rtype, rdata| Change::Add { name: name("host.nasir.xyz"), rtype, ttl: 60, rdata };
    let address = Rdata::a(Ipv4Addr::new(192, 168, 30, last));
    update(
        vec![Prerequisite::NameNotInUse(name("host.nasir.xyz"))],
        vec![add(RecordType::A, address), add(RecordType::DHCID, dhcid(last))],
    )
}

/// RFC 4703 section 5.5: the A record, if the DHCID matches.
fn remove(last: u8) -> Update {
    update(
        vec![Prerequisite::RrsetIs(name("host.nasir.xyz"), RecordType::DHCID, vec![dhcid(last)])],
        vec![Change::DeleteName(name("host.nasir.xyz"))],
    )
}

fn updates_of_ours_are_understood(kind: Kind) {
    let lab = Lab::new();
    let host = lab.host("dns");
    let server = DnsServer::start(kind, &host, "127.0.0.1:53".parse().unwrap(), &["nasir.xyz"]);
    let send = |update: &Update, key: &TsigKey, at| send(&host, server.address(), update, key, at);
    let wrong_secret = send(&claim(1), &TsigKey { secret: b"wrong".as_slice().into(), ..key() }, now());
    let wrong_name = send(&claim(1), &TsigKey { name: name("nobody"), ..key() }, now());
    let wrong_clock = send(&claim(1), &key(), now() - 1000);
    if kind == Kind::PowerDns {
        // It tells no TSIG error and signs none: RFC 8945 section 5.2 is not followed.
        for answer in [wrong_secret, wrong_name, wrong_clock] {
            assert_eq!(answer, Err(AnswerError::Unsigned(Rcode::REFUSED)));
        }
    } else {
        assert_eq!(wrong_secret, Err(AnswerError::Refused { error: Rcode::BAD_SIG, server_time: None }));
        assert_eq!(wrong_name, Err(AnswerError::Refused { error: Rcode::BAD_KEY, server_time: None }));
        let Err(AnswerError::Refused { error: Rcode::BAD_TIME, server_time: Some(clock) }) = wrong_clock else {
            panic!("{wrong_clock:?} is not BADTIME with the server's clock")
        };
        assert!(clock.abs_diff(now()) < 10);
    }

    assert_eq!(send(&claim(1), &key(), now()), Ok(Rcode::NO_ERROR));
    assert_eq!(send(&claim(2), &key(), now()), Ok(Rcode::YX_DOMAIN));
    assert_eq!(server.dig().addresses("host.nasir.xyz"), [Ipv4Addr::new(192, 168, 30, 1)]);
    assert_eq!(send(&remove(2), &key(), now()), Ok(Rcode::NX_RRSET));
    assert_eq!(send(&remove(1), &key(), now()), Ok(Rcode::NO_ERROR));
    assert_eq!(server.dig().rcode("host.nasir.xyz", "A").as_deref(), Some("NXDOMAIN"));
    let elsewhere = update(vec![], vec![Change::DeleteName(name("host.other"))]);
    assert_eq!(send(&elsewhere, &key(), now()), Ok(Rcode::NOT_ZONE));
}

#[test]
fn named_understands_our_signed_updates() {
    updates_of_ours_are_understood(Kind::Bind);
}

#[test]
fn knot_understands_our_signed_updates() {
    updates_of_ours_are_understood(Kind::Knot);
}

#[test]
fn powerdns_understands_our_signed_updates() {
    updates_of_ours_are_understood(Kind::PowerDns);
}
