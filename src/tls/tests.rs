#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate for these names, good from so many days ago for so many, and its key.
fn made(names: &[&str], since: u32, until: u32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = (SystemTime::now() - DAY * since).into();
    params.not_after = (SystemTime::now() - DAY * since + DAY * until).into();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Files(TempDir);

impl Files {
    fn new((certificate, key): &(String, String)) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("cert.pem", certificate);
        files.write("key.pem", key);
        fs::set_permissions(files.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn source(&self) -> CertificateSource {
        CertificateSource::Files { certificate: self.path("cert.pem"), key: self.path("key.pem") }
    }

    fn fault(&self) -> String {
        Identity::load(self.source()).unwrap_err().to_string()
    }

    fn warnings(&self) -> Vec<String> {
        self.source().load(SystemTime::now()).unwrap().warnings
    }
}

fn self_made(directory: &Path, names: &[&str]) -> CertificateSource {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateSource::SelfMade { directory: directory.to_owned(), names }
}

/// A handshake in memory; what the client has against it.
fn shake(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Result<ClientConnection, Error> {
    let mut client = ClientConnection::new(client, ServerName::try_from(name.to_owned()).unwrap())?;
    let mut server = ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).unwrap();
        }
        let mut rest = &octets[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
        }
        // What the server has against it, it tells the client, by an alert.
        let _ = server.process_new_packets();
        let mut octets = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut octets).unwrap();
        }
        let mut rest = &octets[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
        }
        client.process_new_packets()?;
    }
    Ok(client)
}

fn shown(identity: &Identity) -> Vec<u8> {
    identity.shown().cert[0].to_vec()
}

#[test]
fn a_certificate_is_shown_and_believed_by_whoever_trusts_its_authority() {
    let files = Files::new(&made(&["dns.example", "192.0.2.1"], 1, 30));
    let identity = Identity::load(files.source()).unwrap();
    let server = identity.server_config(&[alpn::DOT]).unwrap();
    let trusting = client_config(&Trust::File(files.path("cert.pem")), &[alpn::DOT]).unwrap();
    for name in ["dns.example", "192.0.2.1"] {
        let client = shake(Arc::clone(&trusting), Arc::clone(&server), name).unwrap();
        assert_eq!(client.alpn_protocol(), Some(alpn::DOT));
    }
    let wrong = shake(trusting, Arc::clone(&server), "other.example").unwrap_err();
    assert!(wrong.to_string().contains("not valid for name"), "{wrong}");
    let other = Files::new(&made(&["dns.example"], 1, 30));
    let stranger = client_config(&Trust::File(other.path("cert.pem")), &[alpn::DOT]).unwrap();
    assert!(shake(stranger, server, "dns.example").is_err());
}

#[test]
fn a_client_that_speaks_another_protocol_is_refused_and_one_that_names_none_is_not() {
    let files = Files::new(&made(&["dns.example"], 1, 30));
    let server = Identity::load(files.source()).unwrap().server_config(&[alpn::HTTP_2, alpn::HTTP_1]).unwrap();
    let trust = Trust::File(files.path("cert.pem"));
    let shake = |protocols: &[&[u8]]| {
        shake(client_config(&trust, protocols).unwrap(), Arc::clone(&server), "dns.example")
            .map(|client| client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(shake(&[alpn::HTTP_1]).unwrap(), Some(alpn::HTTP_1.to_vec()));
    assert_eq!(shake(&[alpn::HTTP_1, alpn::HTTP_2]).unwrap(), Some(alpn::HTTP_2.to_vec()));
    assert_eq!(shake(&[]).unwrap(), None);
    assert!(shake(&[alpn::DOT]).is_err());
}

#[test]
fn a_pinned_key_is_believed_whatever_the_certificate_says() {
    use sha2::Digest as _;
    let (certificate, key) = made(&["elsewhere.example"], 30, 10);
    let files = Files::new(&(certificate, key.clone()));
    let server = Identity::load(files.source()).unwrap().server_config(&[]).unwrap();
    use rcgen::PublicKeyData as _;
    let pin: Pin = sha2::Sha256::digest(KeyPair::from_pem(&key).unwrap().subject_public_key_info()).into();
    let pinned = |pins: Vec<Pin>| client_config(&Trust::Pins(pins), &[]).unwrap();
    shake(pinned(vec![[7; 32], pin]), Arc::clone(&server), "dns.example").unwrap();
    assert!(shake(pinned(vec![[7; 32]]), server, "dns.example").is_err());
}

#[test]
fn what_is_wrong_with_files_is_told_with_their_names_and_the_mend() {
    let (certificate, key) = made(&["dns.example"], 1, 30);
    let files = Files::new(&(certificate.clone(), key.clone()));
    let path = |name: &str| files.path(name).display().to_string();
    files.write("key.pem", &made(&["dns.example"], 1, 30).1);
    let words = files.fault();
    assert!(
        words.starts_with(&format!("the key in {} does not belong to the certificate in", path("key.pem"))),
        "{words}"
    );
    files.write("key.pem", &certificate);
    assert!(files.fault().starts_with(&format!("{} holds no private key", path("key.pem"))));
    files.write("key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert!(files.fault().contains("is encrypted: `openssl pkey -in"));
    files.write("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(files.fault().starts_with(&format!("{} cannot be used", path("key.pem"))));
    files.write("key.pem", &key);
    files.write("cert.pem", "no certificate");
    assert!(files.fault().starts_with(&format!("{} holds no certificate", path("cert.pem"))));
    files.write("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(files.fault().starts_with(&format!("{} cannot be used", path("cert.pem"))));
    files.write("cert.pem", &"x".repeat(2 << 20));
    assert!(files.fault().contains("is longer than"));
    fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(files.fault().starts_with(&format!("{} cannot be read", path("cert.pem"))));
    assert!(matches!(client_config(&Trust::File(files.path("cert.pem")), &[]), Err(TlsFault::Unreadable { .. })));
    assert!(matches!(client_config(&Trust::File(files.path("key.pem")), &[]), Err(TlsFault::NoCertificate(_))));
}

#[test]
fn an_expired_certificate_and_an_open_key_are_told_and_used() {
    for (since, until, words) in [(10, 9, "has expired on"), (10, 12, "expires on")] {
        let warnings = Files::new(&made(&["dns.example"], since, until)).warnings();
        assert!(warnings.len() == 1 && warnings[0].contains(words), "{warnings:?}");
    }
    let files = Files::new(&made(&["dns.example"], 1, 90));
    assert_eq!(files.warnings(), Vec::<String>::new());
    fs::set_permissions(files.path("key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(files.warnings(), Vec::<String>::new());
    fs::set_permissions(files.path("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = files.warnings();
    assert!(warnings[0].starts_with("every user of this machine can read the key in"), "{warnings:?}");
    let early = files.source().load(SystemTime::now() - DAY * 5).unwrap().warnings;
    assert!(early.iter().any(|words| words.contains("is this machine's clock right?")), "{early:?}");
}

#[test]
fn a_renewed_file_is_shown_to_connections_from_then_on_and_a_bad_one_is_not() {
    let files = Files::new(&made(&["dns.example"], 1, 30));
    let identity = Identity::load(files.source()).unwrap();
    let server = identity.server_config(&[]).unwrap();
    let before = shown(&identity);
    let (certificate, key) = made(&["dns.example"], 1, 60);
    files.write("cert.pem", &certificate);
    identity.look_at(SystemTime::now());
    assert_eq!(shown(&identity), before, "the key was not there yet");
    files.write("key.pem", &key);
    identity.look_at(SystemTime::now());
    assert_ne!(shown(&identity), before);
    assert!(identity.not_after() > SystemTime::now() + DAY * 50);
    // By the same configuration.
    let trusting = client_config(&Trust::File(files.path("cert.pem")), &[]).unwrap();
    shake(trusting, server, "dns.example").unwrap();
    let after = shown(&identity);
    fs::remove_file(files.path("cert.pem")).unwrap();
    identity.look_at(SystemTime::now());
    assert_eq!(shown(&identity), after);
}

#[test]
fn one_of_our_own_is_kept_for_us_alone_and_made_anew_before_its_end_with_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("tls");
    let identity = Identity::load(self_made(&kept, &["dns.example", "192.0.2.1"])).unwrap();
    let path = kept.join("self-made.pem");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&kept), mode(&path)), (0o700, 0o600));
    let first = shown(&identity);
    assert_eq!(identity.fingerprint().len(), 95);
    // The next start has the same one.
    let again = Identity::load(self_made(&kept, &["dns.example"])).unwrap();
    assert_eq!((shown(&again), again.fingerprint()), (first.clone(), identity.fingerprint()));
    // It is trusted by its file.
    let trusting = client_config(&Trust::File(path.clone()), &[]).unwrap();
    let server = identity.server_config(&[]).unwrap();
    shake(Arc::clone(&trusting), Arc::clone(&server), "192.0.2.1").unwrap();
    // A year later.
    identity.look_at(SystemTime::now() + DAY * 360);
    assert_eq!(shown(&identity), first);
    identity.look_at(SystemTime::now() + DAY * 370);
    assert_ne!(shown(&identity), first);
    assert!(identity.not_after() > SystemTime::now() + DAY * 700);
    let key = |text: &str| KeyPair::from_pem(text).unwrap().serialize_der();
    let renewed = fs::read_to_string(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    let named = Identity::load(self_made(&kept, &["other.example"])).unwrap();
    assert_ne!(shown(&named), shown(&identity));
    assert_eq!(key(&renewed), key(&fs::read_to_string(&path).unwrap()));
    let trusting = client_config(&Trust::File(path), &[]).unwrap();
    shake(trusting, named.server_config(&[]).unwrap(), "other.example").unwrap();
}

#[test]
fn a_damaged_file_of_our_own_is_made_anew_and_a_place_that_cannot_be_written_is_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("self-made.pem"), "damaged").unwrap();
    Identity::load(self_made(directory.path(), &["localhost"])).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let fault = Identity::load(self_made(&file.join("beneath"), &["localhost"])).unwrap_err().to_string();
    assert!(fault.starts_with("no certificate of our own can be kept in"), "{fault}");
}
