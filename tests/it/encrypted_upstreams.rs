//! Upstreams that are asked by TLS and by HTTPS: a server of ours and Unbound behind it, certificates that are not believed,
//! connections that break and fall silent.
//!
//! Needs `dig`, `openssl` and `unbound`; loopback and free ports suffice.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dns::{RecordType, Rrset};
use leasehold::dns_server::Encrypted;
use leasehold::dns_server::forward::{Forwarding, UpstreamTls};
use leasehold::tls::{CertificateSource, Identity, Trust};
use resolve::{Transport, Upstream};
use tempfile::TempDir;
use zones::ZoneSet;

use crate::embedded_dns::{LOOPBACK, Options, Server, address, name, status, zone};
use crate::forwarding::A_SECOND;
use crate::process::{Running, succeed, wait_for};

const NAME: &str = "dns.upstream.example";

fn identity(directory: &Path) -> (Arc<Identity>, PathBuf) {
    let source = CertificateSource::SelfMade { directory: directory.to_owned(), names: vec![NAME.to_owned()] };
    (Identity::load(source).unwrap(), directory.join("self-made.pem"))
}

/// A server of ours with forty names, and the file that its certificate is trusted by.
struct Peer {
    server: Server,
    tls: SocketAddr,
    https: SocketAddr,
    authority: PathBuf,
    _directory: TempDir,
}

impl Peer {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (identity, authority) = identity(directory.path());
        let host = |number: u8| {
            Rrset::single(name(&format!("h{number}.upstream.example")), RecordType::A, 300, address(number))
        };
        let mut zones = ZoneSet::new();
        zones.insert(zone("upstream.example", (0..40).map(host).collect()));
        let encrypted =
            Encrypted { identity, tls: vec![LOOPBACK], https: vec![LOOPBACK], https_path: "/dns-query".to_owned() };
        let server = Server::start(Options { zones: Some(zones), encrypted: Some(encrypted), ..Options::default() });
        let places = server.handle.as_ref().unwrap().encrypted_addrs().to_vec();
        let of = |wanted| places.iter().find(|place| place.0 == wanted).unwrap().1;
        Self { tls: of(Transport::Tls), https: of(Transport::Https), server, authority, _directory: directory }
    }
}

/// A forwarder that believes this authority.
fn forwarder(authority: &Path, upstreams: &[String]) -> Server {
    let tls = UpstreamTls::new(&Trust::File(authority.to_owned())).unwrap();
    let forwarding = Forwarding { tls: Some(tls), ..Forwarding::default() };
    let server = Server::start(Options { forward_for: vec!["127.0.0.0/8"], forwarding, ..Options::default() });
    let upstreams: Vec<Upstream> = upstreams.iter().map(|text| text.parse().unwrap()).collect();
    server.handle.as_ref().unwrap().set_upstreams(&upstreams);
    server
}

fn host(server: &Server, number: u8) {
    let asked = format!("h{number}.upstream.example");
    assert_eq!(server.short(&[&asked]), [format!("192.168.30.{number}")], "{asked}");
}

/// Connections pass through it: counted, and broken or silenced when the test says so.
struct Wire {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    silent: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(LOOPBACK).unwrap();
        let wire = Self {
            address: listener.local_addr().unwrap(),
            accepted: Arc::default(),
            silent: Arc::default(),
            streams: Arc::default(),
        };
        let (accepted, silent, streams) =
            (Arc::clone(&wire.accepted), Arc::clone(&wire.silent), Arc::clone(&wire.streams));
        // It ends with the process; nobody connects once the test is over.
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                accepted.fetch_add(1, Ordering::Relaxed);
                let Ok(far) = TcpStream::connect(server) else { continue };
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far.try_clone().unwrap(), near.try_clone().unwrap()),
                ] {
                    let silent = Arc::clone(&silent);
                    std::thread::spawn(move || {
                        let mut octets = [0; 4096];
                        while let Ok(count @ 1..) = from.read(&mut octets) {
                            if !silent.load(Ordering::Relaxed) && to.write_all(&octets[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                streams.lock().unwrap().push(near);
            }
        });
        wire
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn questions_share_one_connection_by_tls_and_by_https_and_one_that_was_closed_costs_nothing() {
    let peer = Peer::start();
    for (scheme, place, path) in [("tls", peer.tls, ""), ("https", peer.https, "/dns-query")] {
        let wire = Wire::to(place);
        let server = forwarder(&peer.authority, &[format!("{scheme}://{}{path}#{NAME}", wire.address)]);
        host(&server, 0);
        std::thread::scope(|scope| {
            for number in 1..20 {
                let server = &server;
                scope.spawn(move || host(server, number));
            }
        });
        assert_eq!(status(&server.dig(&["missing.upstream.example"])), "NXDOMAIN");
        assert_eq!(wire.accepted(), 1, "{scheme}");
        for number in 20..24 {
            wire.cut();
            let begun = Instant::now();
            host(&server, number);
            assert!(begun.elapsed() < A_SECOND, "{scheme}: {:?}", begun.elapsed());
        }
        assert_eq!(wire.accepted(), 5, "{scheme}");
        server.stop();
    }
    let counts = peer.server.handle.as_ref().unwrap().counts();
    assert!(counts.requests[Transport::Tls as usize] >= 25 && counts.requests[Transport::Https as usize] >= 25);
    assert_eq!(counts.requests[Transport::Udp as usize] + counts.requests[Transport::Tcp as usize], 0, "{counts:?}");
    peer.server.stop();
}

#[test]
fn a_certificate_for_another_name_or_of_another_authority_is_not_spoken_to() {
    let peer = Peer::start();
    let other = tempfile::tempdir().unwrap();
    let (_, stranger) = identity(other.path());
    for (scheme, place) in [("tls", peer.tls), ("https", peer.https)] {
        for (authority, upstream) in [
            (&peer.authority, format!("{scheme}://{place}#other.example")),
            (&peer.authority, format!("{scheme}://{place}")),
            (&stranger, format!("{scheme}://{place}#{NAME}")),
        ] {
            let server = forwarder(authority, std::slice::from_ref(&upstream));
            let begun = Instant::now();
            let refused = server.dig(&["h1.upstream.example"]);
            assert!(status(&refused) == "SERVFAIL" && refused.contains("EDE: 22"), "{upstream}: {refused}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{upstream}: {:?}", begun.elapsed());
            server.stop();
        }
    }
    let counts = peer.server.handle.as_ref().unwrap().counts();
    assert_eq!(counts.requests, [0; 4], "nothing was asked, and nothing in the clear");
    peer.server.stop();
}

#[test]
fn an_upstream_that_falls_silent_or_is_gone_costs_a_client_less_than_a_second() {
    let peer = Peer::start();
    for (scheme, place) in [("tls", peer.tls), ("https", peer.https)] {
        let wire = Wire::to(place);
        let upstreams = [format!("{scheme}://{}#{NAME}", wire.address), format!("{scheme}://{place}#{NAME}")];
        let server = forwarder(&peer.authority, &upstreams);
        host(&server, 1);
        assert_eq!(wire.accepted(), 1);
        wire.silent.store(true, Ordering::Relaxed);
        for number in 2..8 {
            let begun = Instant::now();
            host(&server, number);
            assert!(begun.elapsed() < A_SECOND, "{scheme}: {:?}", begun.elapsed());
        }
        wire.silent.store(false, Ordering::Relaxed);
        // It is asked in the background, and then first again.
        let before = wire.accepted();
        let mut number = 8;
        wait_for("it is spoken to again", Duration::from_secs(20), || {
            number += 1;
            host(&server, 8 + number % 30);
            std::thread::sleep(Duration::from_millis(200));
            (wire.accepted() > before).then_some(())
        });
        server.stop();
    }
    // One that refuses connections.
    let gone = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let server = forwarder(&peer.authority, &[format!("tls://{gone}#{NAME}"), format!("tls://{}#{NAME}", peer.tls)]);
    let begun = Instant::now();
    host(&server, 1);
    assert!(begun.elapsed() < A_SECOND, "{:?}", begun.elapsed());
    server.stop();
    peer.server.stop();
}

/// The pin of a certificate's key, as other tools make it.
fn pin_of(certificate: &Path) -> String {
    let pipe = "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";
    succeed(Command::new("sh").args(["-c", pipe]).arg(certificate)).trim().to_owned()
}

#[test]
fn rfc7858_4_2_a_pinned_key_is_asked_for_beside_the_name_or_in_its_place() {
    let peer = Peer::start();
    let other = tempfile::tempdir().unwrap();
    let (_, stranger) = identity(other.path());
    let (pin, wrong) = (pin_of(&peer.authority), pin_of(&stranger));
    assert_ne!(pin, wrong);
    for (scheme, place) in [("tls", peer.tls), ("https", peer.https)] {
        // The key alone: neither its authority nor its name counts.
        for (authority, behind) in
            [(&peer.authority, format!("{NAME},sha256/{pin}")), (&stranger, format!("sha256/{pin}"))]
        {
            let server = forwarder(authority, &[format!("{scheme}://{place}#{behind}")]);
            host(&server, 1);
            server.stop();
        }
        for (authority, behind) in [
            (&peer.authority, format!("sha256/{wrong}")),
            (&peer.authority, format!("{NAME},sha256/{wrong}")),
            (&peer.authority, format!("other.example,sha256/{pin}")),
            (&stranger, format!("{NAME},sha256/{pin}")),
        ] {
            let before = peer.server.handle.as_ref().unwrap().counts().requests;
            let server = forwarder(authority, &[format!("{scheme}://{place}#{behind}")]);
            let refused = server.dig(&["h1.upstream.example"]);
            assert!(status(&refused) == "SERVFAIL" && refused.contains("EDE: 22"), "{behind}: {refused}");
            server.stop();
            assert_eq!(peer.server.handle.as_ref().unwrap().counts().requests, before, "nothing was asked");
        }
    }
    peer.server.stop();
}

#[test]
fn unbound_is_asked_by_tls_and_by_https() {
    let directory = tempfile::tempdir().unwrap();
    let (_, authority) = identity(directory.path());
    let free = || TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap().port();
    let (tls, https) = (free(), free());
    let file = directory.path().join("unbound.conf");
    let (place, pem) = (directory.path().display(), authority.display());
    let config = format!(
        "server:\n  directory: \"{place}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  do-daemonize: no\n  \
         use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n  \
         interface: 127.0.0.1@{tls}\n  interface: 127.0.0.1@{https}\n  tls-port: {tls}\n  https-port: {https}\n  \
         tls-service-key: \"{pem}\"\n  tls-service-pem: \"{pem}\"\n  access-control: 127.0.0.0/8 allow\n  \
         module-config: \"iterator\"\n  local-zone: \"upstream.example.\" static\n  \
         local-data: \"h1.upstream.example. 300 IN A 192.168.30.1\"\n  \
         local-data: \"h2.upstream.example. 300 IN A 192.168.30.2\"\nremote-control:\n  control-enable: no\n"
    );
    std::fs::write(&file, config).unwrap();
    let mut unbound = Running::start("unbound", Command::new("unbound").args(["-d", "-p", "-c"]).arg(&file));
    unbound.wait_log("start of service", 1, Duration::from_secs(20));
    let pin = pin_of(&authority);
    for upstream in [
        format!("tls://127.0.0.1:{tls}#{NAME}"),
        format!("https://127.0.0.1:{https}/dns-query#{NAME}"),
        format!("tls://127.0.0.1:{tls}#{NAME},sha256/{pin}"),
        format!("tls://127.0.0.1:{tls}#sha256/{pin}"),
        format!("https://127.0.0.1:{https}/dns-query#sha256/{pin}"),
    ] {
        let server = forwarder(&authority, std::slice::from_ref(&upstream));
        host(&server, 1);
        host(&server, 2);
        assert_eq!(status(&server.dig(&["missing.upstream.example"])), "NXDOMAIN", "{upstream}");
        server.stop();
    }
}
