//! DNS by TLS (RFC 7858) and by HTTPS (RFC 8484), asked by `kdig` and `curl`.
//!
//! Needs both, and for the daemon's own test root and network namespaces; loopback and free ports suffice for the others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasehold::dns_server::{ConnectionLimits, Encrypted, Protection};
use leasehold::tls::{CertificateSource, Identity, Trust, alpn, client_config};
use resolve::Transport;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tempfile::TempDir;

use crate::embedded_dns::{LOOPBACK, Options, Server};
use crate::lan;
use crate::leasehold::{CONTROL, Leasehold, STORE};
use crate::netns::Lab;
use crate::process::{finish, succeed, wait_for};

struct Scene {
    server: Server,
    _directory: TempDir,
    /// The certificate, which signs itself.
    authority: PathBuf,
    tls: SocketAddr,
    https: SocketAddr,
}

impl Scene {
    fn start(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = vec!["dns.nasir.xyz".to_owned(), "127.0.0.1".to_owned()];
        let source = CertificateSource::SelfMade { directory: directory.path().to_owned(), names };
        let identity = Identity::load(source).unwrap();
        let encrypted =
            Encrypted { identity, tls: vec![LOOPBACK], https: vec![LOOPBACK], https_path: "/dns-query".to_owned() };
        let server = Server::start(Options { encrypted: Some(encrypted), ..options });
        let addresses = server.handle.as_ref().unwrap().encrypted_addrs().to_vec();
        let of = |wanted| addresses.iter().find(|place| place.0 == wanted).unwrap().1;
        let authority = directory.path().join("self-made.pem");
        Self { tls: of(Transport::Tls), https: of(Transport::Https), server, _directory: directory, authority }
    }

    fn kdig(&self, place: SocketAddr, words: &[&str]) -> String {
        let mut command = Command::new("kdig");
        command.arg(format!("@{}", place.ip())).args(["-p", &place.port().to_string()]);
        command.args(["+retry=0", "+time=8"]).args(words);
        let output = finish(&mut command);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn tls(&self, words: &[&str]) -> String {
        let authority = format!("+tls-ca={}", self.authority.display());
        self.kdig(self.tls, &[&["+tls", &authority, "+tls-hostname=dns.nasir.xyz"], words].concat())
    }

    /// What curl says, head and body.
    fn curl(&self, words: &[&str]) -> String {
        let mut command = Command::new("curl");
        let place = format!("dns.nasir.xyz:{}:127.0.0.1", self.https.port());
        command.args(["-s", "-i", "--max-time", "8", "--resolve", &place, "--cacert"]).arg(&self.authority);
        let output = finish(command.args(words));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn url(&self, rest: &str) -> String {
        format!("https://dns.nasir.xyz:{}{rest}", self.https.port())
    }

    /// A connection by TLS, shaken hands.
    fn connect(&self, place: SocketAddr, protocol: &[u8]) -> StreamOwned<ClientConnection, TcpStream> {
        let config = client_config(&Trust::File(self.authority.clone()), &[protocol]).unwrap();
        let name = ServerName::try_from("dns.nasir.xyz").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(place).unwrap());
        stream.sock.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    }
}

/// A question for a name's A record, in base64 for a URL.
const CLIENT1: &str = "AAABAAABAAAAAAAAB2NsaWVudDEFbmFzaXIDeHl6AAABAAE";

/// How long it takes until the other side closes.
fn closed_after(stream: &mut impl std::io::Read) -> Duration {
    let begun = Instant::now();
    let mut octets = [0; 512];
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                return begun.elapsed();
            }
            Err(error) => panic!("not closed after {:?}: {error}", begun.elapsed()),
        }
    }
}

#[test]
fn rfc7858_kdig_asks_by_tls_and_believes_the_certificate() {
    let scene = Scene::start(Options::default());
    let found = scene.tls(&["client1.nasir.xyz"]);
    assert!(found.contains("192.168.30.100") && found.contains("status: NOERROR"), "{found}");
    assert!(found.contains("TLS session (TLS1.3)"), "{found}");
    assert!(scene.tls(&["missing.nasir.xyz"]).contains("status: NXDOMAIN"));
    assert!(scene.tls(&["many.nasir.xyz"]).matches("192.168.30.").count() >= 256, "no datagram limits it");
    // TLS 1.2 too.
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", &scene.tls.to_string(), "-tls1_2", "-alpn", "dot", "-brief"]);
    let said = finish(&mut openssl);
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.contains("TLSv1.2"), "{said}");
    // A name that it is not for, and an authority that did not sign it.
    let authority = format!("+tls-ca={}", scene.authority.display());
    let wrong = scene.kdig(scene.tls, &["+tls", &authority, "+tls-hostname=other.example", "client1.nasir.xyz"]);
    assert!(!wrong.contains("status:") && wrong.contains("certificate"), "{wrong}");
    let unknown = scene.kdig(scene.tls, &["+tls-ca", "+tls-hostname=dns.nasir.xyz", "client1.nasir.xyz"]);
    assert!(!unknown.contains("status:"), "{unknown}");
    let counts = scene.server.handle.as_ref().unwrap().counts();
    assert_eq!((counts.requests[Transport::Tls as usize], counts.requests[Transport::Https as usize]), (3, 0));
    scene.server.stop();
}

#[test]
fn rfc8467_answers_are_padded_where_the_question_was() {
    let scene = Scene::start(Options::default());
    let octets = |printed: &str| -> usize {
        let line = printed.lines().find_map(|line| line.strip_prefix(";; Received ")).expect(printed);
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    for asked in
        [&["client1.nasir.xyz"][..], &["missing.nasir.xyz"], &["+norec", "nasir.xyz", "SOA"], &["nasir.xyz", "ANY"]]
    {
        let padded = scene.tls(asked);
        assert!(octets(&padded).is_multiple_of(468), "{asked:?}: {padded}");
        assert!(padded.contains("PADDING"), "{padded}");
        let bare = scene.tls(&[&["+nopadding"], asked].concat());
        assert!(!bare.contains("PADDING") && octets(&bare) < octets(&padded), "{bare}");
    }
    let https = scene.kdig(scene.https, &["+https", "client1.nasir.xyz"]);
    assert!(octets(&https).is_multiple_of(468), "{https}");
    // By a connection that everybody can read it would be of no use.
    let tcp = scene.kdig(scene.server.address, &["+tcp", "+padding", "client1.nasir.xyz"]);
    assert!(!octets(&tcp).is_multiple_of(468), "{tcp}");
    scene.server.stop();
}

#[test]
fn rfc8484_kdig_and_curl_ask_by_https_with_get_and_post_in_both_versions() {
    let scene = Scene::start(Options::default());
    for words in [&["+https"][..], &["+https", "+https-get"]] {
        let found = scene.kdig(scene.https, &[words, &["client1.nasir.xyz"]].concat());
        assert!(found.contains("192.168.30.100") && found.contains("HTTP/2-"), "{found}");
    }
    for version in ["--http1.1", "--http2"] {
        let found = scene.curl(&[version, &scene.url(&format!("/dns-query?dns={CLIENT1}"))]);
        let found = found.to_ascii_lowercase();
        let head = found.lines().next().unwrap_or_default().trim();
        assert!(head.ends_with(" 200") || head.ends_with(" 200 ok"), "{version}: {found}");
        // RFC 8484 section 5.1: as long as the record's time to live.
        assert!(found.contains("content-type: application/dns-message\r\n"), "{found}");
        assert!(found.contains("cache-control: max-age=300\r\n"), "{found}");
    }
    scene.server.stop();
}

#[test]
fn rfc8484_what_is_no_message_is_told_by_its_status_and_no_answer_is_kept_longer_than_it_says() {
    let scene = Scene::start(Options::default());
    let status = |words: &[&str]| -> u16 {
        let said = scene.curl(words);
        said.split_whitespace().nth(1).unwrap_or_default().parse().unwrap_or_else(|_| panic!("{words:?}: {said}"))
    };
    let place = scene.url("/dns-query");
    let large = "x".repeat(66_000);
    let file = scene.authority.with_file_name("large");
    std::fs::write(&file, large).unwrap();
    let large = format!("@{}", file.display());
    let message = ["-H", "content-type: application/dns-message"];
    for version in ["--http1.1", "--http2"] {
        assert_eq!(status(&[version, &scene.url("/")]), 404);
        assert_eq!(status(&[version, &place]), 400);
        assert_eq!(status(&[version, &scene.url("/dns-query?dns=%%%")]), 400);
        assert_eq!(status(&[version, &scene.url("/dns-query?dns=AAAA")]), 400, "shorter than a header");
        assert_eq!(status(&[version, "-X", "DELETE", &place]), 405);
        assert_eq!(status(&[version, "-d", "x", &place]), 415);
        assert_eq!(status(&[&[version, "--data-binary", &large, &place][..], &message].concat()), 413);
        let chunked = ["-H", "transfer-encoding: chunked", "-H", "expect:", "--data-binary", &large, &place];
        assert_eq!(status(&[&[version][..], &chunked, &message].concat()), 413, "{version}");
    }
    // NXDOMAIN is kept as long as the SOA record says, a refusal not at all.
    let age = |name: &str| {
        let mut question = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        name.split('.').for_each(|label| {
            question.push(label.len() as u8);
            question.extend_from_slice(label.as_bytes());
        });
        question.extend_from_slice(&[0, 0, 1, 0, 1]);
        std::fs::write(&file, &question).unwrap();
        let said = scene.curl(&[&["--data-binary", &large, &place][..], &message].concat()).to_ascii_lowercase();
        let line = said.lines().find_map(|line| line.strip_prefix("cache-control: max-age=")).expect(&said);
        line.trim().parse::<u32>().unwrap()
    };
    assert_eq!(age("client1.nasir.xyz"), 300);
    assert!((1..=3_600).contains(&age("missing.nasir.xyz")));
    assert_eq!(age("www.elsewhere.example"), 0);
    assert!(scene.server.handle.as_ref().unwrap().counts().http_refused >= 16);
    scene.server.stop();
}

#[test]
fn who_may_ask_is_as_without_tls_and_no_zone_is_transferred_by_https() {
    let upstream = Server::start(Options::default());
    let allowed = Options { forward_for: vec!["127.0.0.0/8"], upstreams: vec![upstream.address], ..Options::default() };
    let scene = Scene::start(allowed);
    // The chain of an alias of ours goes on at the upstream, which has no such name for others.
    for words in [&["+tls"][..], &["+https"]] {
        let place = if words == ["+tls"] { scene.tls } else { scene.https };
        let failed = scene.kdig(place, &[words, &["host.upstream.example"]].concat());
        assert!(failed.contains("status: SERVFAIL"), "{failed}");
    }
    let transfer = scene.kdig(scene.https, &["+https", "nasir.xyz", "AXFR"]);
    assert!(!transfer.contains("client1"), "{transfer}");
    scene.server.stop();
    let stranger = Scene::start(Options { upstreams: vec![upstream.address], ..Options::default() });
    for (place, by) in [(stranger.tls, "+tls"), (stranger.https, "+https")] {
        let refused = stranger.kdig(place, &[by, "host.upstream.example"]);
        assert!(refused.contains("status: REFUSED"), "{refused}");
    }
    stranger.server.stop();
    upstream.stop();
}

/// A request about nasir.xyz with this operation and type, and with the addition of `evil.nasir.xyz A 192.0.2.66` where it
/// is an update (RFC 2136).
fn request(opcode: u8, rtype: u16) -> Vec<u8> {
    let update = u8::from(opcode == 5);
    let mut octets = vec![0x12, 0x34, opcode << 3, 0, 0, 1, 0, 0, 0, update, 0, 0];
    octets.extend(b"\x05nasir\x03xyz\0");
    octets.extend(rtype.to_be_bytes());
    octets.extend([0, 1]);
    if update == 1 {
        octets.extend(b"\x04evil\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x42");
    }
    octets
}

/// What RFC 8484 carries is questions: another operation, or a transfer, is answered with NOTIMP in a message of its own.
#[test]
fn rfc8484_updates_notifies_and_transfers_are_answered_with_notimp_and_change_nothing() {
    const SOA: u16 = 6;
    let scene = Scene::start(Options::default());
    let before = scene.server.dig(&["+short", "nasir.xyz", "SOA"]);
    assert!(before.contains("nasir.xyz"), "{before}");
    let mut stream = scene.connect(scene.https, b"http/1.1");
    let mut ask = |octets: &[u8]| -> Vec<u8> {
        let head = format!(
            "POST /dns-query HTTP/1.1\r\nHost: dns.nasir.xyz\r\nContent-Type: application/dns-message\r\n\
             Content-Length: {}\r\n\r\n",
            octets.len()
        );
        stream.write_all(&[head.as_bytes(), octets].concat()).unwrap();
        let mut told = Vec::new();
        loop {
            if let Some(at) = told.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&told[..at]).to_ascii_lowercase();
                assert!(head.starts_with("http/1.1 200") && head.contains("application/dns-message"), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect(&head);
                if told.len() - at - 4 >= length.trim().parse().unwrap() {
                    return told.split_off(at + 4);
                }
            }
            let mut octets = [0; 4_096];
            let read = stream.read(&mut octets).unwrap();
            assert!(read > 0, "closed after {told:?}");
            told.extend_from_slice(&octets[..read]);
        }
    };
    let (status, notify, update, unassigned) = (2, 4, 5, 15);
    let cases = [status, notify, update, unassigned].map(|opcode| (opcode, SOA));
    let transfers = [(0, 252), (0, 251)];
    for (opcode, rtype) in cases.into_iter().chain(transfers) {
        let told = ask(&request(opcode, rtype));
        assert!(told.len() >= 12, "{opcode} {rtype}: {told:?}");
        assert_eq!(told[..2], [0x12, 0x34], "{opcode} {rtype}: its number");
        assert_eq!((told[2] & 0x80, (told[2] >> 3) & 0xf), (0x80, opcode), "{opcode} {rtype}: an answer to it");
        assert_eq!(told[3] & 0xf, 4, "{opcode} {rtype}: NOTIMP");
        assert_eq!(told[6..8], [0, 0], "{opcode} {rtype}: no record");
    }
    // The connection goes on, and the zone is as it was.
    let told = ask(&request(0, SOA));
    assert_eq!((told[3] & 0xf, &told[6..8]), (0, &[0, 1][..]));
    assert_eq!(scene.server.dig(&["+short", "nasir.xyz", "SOA"]), before);
    assert!(scene.server.dig(&["evil.nasir.xyz", "A"]).contains("status: NXDOMAIN"));
    scene.server.stop();
}

#[test]
fn rfc7828_who_asks_is_told_by_connections_how_long_they_may_be_silent() {
    let idle = Duration::from_millis(7_500);
    let protection =
        Protection { connections: ConnectionLimits { idle, ..ConnectionLimits::default() }, ..Protection::default() };
    let scene = Scene::start(Options { protection, ..Options::default() });
    let dig = |place: SocketAddr, words: &[&str]| {
        let mut command = Command::new("dig");
        command
            .arg(format!("@{}", place.ip()))
            .args(["-p", &place.port().to_string(), "+tries=1", "+time=8"])
            .args(words);
        let output = finish(&mut command);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let place = scene.server.address;
    for name in ["client1.nasir.xyz", "missing.nasir.xyz"] {
        for told in [dig(place, &["+tcp", "+keepalive", name]), dig(scene.tls, &["+tls", "+keepalive", name])] {
            assert!(told.contains("TCP-KEEPALIVE: 7.5 secs") || told.contains("TCP KEEPALIVE: 7.5 secs"), "{told}");
        }
        // Padded to whole blocks with it.
        let told = dig(scene.tls, &["+tls", "+keepalive", "+padding=128", name]);
        let size = told.lines().find_map(|line| line.strip_prefix(";; MSG SIZE  rcvd: ")).expect(&told);
        assert!(told.contains("KEEPALIVE: 7.5") && size.parse::<usize>().unwrap().is_multiple_of(468), "{told}");
        for told in [dig(place, &["+tcp", name]), dig(place, &["+tcp", "+noedns", "+keepalive", name])] {
            assert!(!told.contains("KEEPALIVE:") && told.contains("status: N"), "{told}");
        }
        // RFC 7828 section 3.3.2: not in an answer by a datagram.
        let told = dig(place, &["+notcp", "+keepalive", name]);
        assert!(!told.contains("KEEPALIVE:") && told.contains("status: N"), "{told}");
    }
    scene.server.stop();
}

#[test]
fn half_open_connections_are_bounded_and_closed_and_others_are_served_meanwhile() {
    let scene = Scene::start(Options::default());
    for place in [scene.tls, scene.https] {
        let mut silent: Vec<TcpStream> = (0..24)
            .map(|_| {
                let stream = TcpStream::connect(place).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                stream
            })
            .collect();
        // Sixteen handshakes of one asker may be under way; the others are closed at once.
        let refused = |silent: &[TcpStream]| {
            silent
                .iter()
                .filter(|stream| {
                    stream.set_nonblocking(true).unwrap();
                    let ended = matches!((&mut &**stream).read(&mut [0; 8]), Ok(0) | Err(_))
                        && (&mut &**stream).read(&mut [0; 8]).is_ok_and(|count| count == 0);
                    stream.set_nonblocking(false).unwrap();
                    ended
                })
                .count()
        };
        wait_for("the ones beyond are closed", Duration::from_secs(3), || (refused(&silent) == 8).then_some(()));
        // A hello that comes octet by octet ends with its time too.
        let begun = Instant::now();
        let mut slow = silent.remove(0);
        let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].into_iter().chain(std::iter::repeat(7));
        for octet in hello.take(50) {
            if slow.write_all(&[octet]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        assert!((3..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        wait_for("all are closed", Duration::from_secs(5), || (refused(&silent) == 23).then_some(()));
        assert!(scene.tls(&["client1.nasir.xyz"]).contains("192.168.30.100"));
    }
    let counts = scene.server.handle.as_ref().unwrap().counts();
    assert!(counts.connections_refused >= 16 && counts.handshakes_failed >= 32, "{counts:?}");
    scene.server.stop();
}

#[test]
fn a_silent_connection_is_closed_and_a_busy_one_is_not() {
    let limits = ConnectionLimits { idle: Duration::from_secs(1), ..ConnectionLimits::default() };
    let protection = Protection { connections: limits, ..Protection::default() };
    let scene = Scene::start(Options { protection, ..Options::default() });
    for (place, protocol) in [(scene.tls, alpn::DOT), (scene.https, alpn::HTTP_2), (scene.https, alpn::HTTP_1)] {
        let mut stream = scene.connect(place, protocol);
        let took = closed_after(&mut stream);
        assert!(took < Duration::from_secs(5), "{protocol:?}: {took:?}");
    }
    // Questions in a row, each within the time: one connection for all.
    let mut stream = scene.connect(scene.tls, alpn::DOT);
    let question =
        [&[0, 35, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x07client1\x05nasir\x03xyz\0\0\x01\0\x01"].concat();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(500));
        stream.write_all(&question).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(&[192, 168, 30, 100]), "{answer:?}");
    }
    scene.server.stop();
}

#[test]
fn a_client_with_another_protocol_is_refused() {
    let scene = Scene::start(Options::default());
    let config = client_config(&Trust::File(scene.authority.clone()), &[alpn::HTTP_2]).unwrap();
    let name = ServerName::try_from("dns.nasir.xyz").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut stream = TcpStream::connect(scene.tls).unwrap();
    let refused = loop {
        match connection.complete_io(&mut stream) {
            Ok(_) if !connection.is_handshaking() => panic!("it was taken"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    scene.server.stop();
}

#[test]
fn the_daemon_makes_its_own_certificate_serves_where_dns_is_and_tells_how_it_was_asked() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let host = lan::client_host(&lab, &server, "pc");
    host.ip("address add 192.168.30.9/24 dev eth0");
    host.ip("link set dev eth0 up");
    let config = "[[zone]]\nname = \"nasir.xyz\"\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
                  pools = [\"192.168.30.100-192.168.30.199\"]\ndomain = \"nasir.xyz\"\n\
                  [dns]\nupstreams = [\"192.168.30.9\"]\ntls_listen = \"same\"\nhttps_listen = \"same\"\n\
                  [resolver]\nlog = \"whole\"\n";
    let mut daemon = Leasehold::start(&server, config);
    let log = daemon.log();
    assert!(log.contains("dns-tls/self-made.pem is signed by itself; its SHA-256 is "), "{log}");
    let kept = server.path(STORE).join("dns-tls/self-made.pem");
    let kdig = |by: &str, name: &str| {
        let authority = [&format!("+tls-ca={}", kept.display()), "+tls-hostname=ns.nasir.xyz"];
        let mut command = host.tool("kdig");
        let output = finish(command.args(["@192.168.30.1", "+retry=0", "+time=8", by]).args(authority).arg(name));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    for by in ["+tls", "+https"] {
        let found = kdig(by, "ns.nasir.xyz");
        assert!(found.contains("192.168.30.1") && found.contains("status: NOERROR"), "{found}");
        assert!(kdig(by, "localhost").contains("127.0.0.1"));
    }
    let told = succeed(&mut daemon.command(&["queries", "--json", "--socket", CONTROL]));
    let told: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
    let transports: Vec<&str> = told.iter().map(|query| query["transport"].as_str().unwrap()).collect();
    assert_eq!(transports, ["tls", "https"], "{told:?}");
    daemon.stop();
    // A certificate that cannot be shown is told by `check`, and the daemon does not start without it.
    let named = config.replace("tls_listen", "certificate = \"/run/none.pem\"\ntls_listen");
    Leasehold::rewrite(&server, &named);
    let checked = finish(&mut daemon.command(&["check", crate::leasehold::CONFIG]));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(!checked.status.success() && said.contains("/run/none.pem cannot be read"), "{said}");
}
