//! TSIG keys: the files that they are read from, and who else can read those.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use config::{Faults, ReadSecret, Severity};
use ddns::settings::{Auth, ZoneServer};
use dns::TsigAlgorithm;

/// A disk with a few files.
#[derive(Default)]
struct Disk {
    text: String,
    open_to_all: bool,
    configuration_open: bool,
}

impl ReadSecret for Disk {
    fn read_secret(&self, _path: &Path) -> Result<String, String> {
        Ok(self.text.clone())
    }

    fn is_open_to_all(&self, _path: &Path) -> bool {
        self.open_to_all
    }

    fn configuration_is_open_to_all(&self) -> bool {
        self.configuration_open
    }
}

fn text(key: &str) -> String {
    format!(
        "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"leasehold\"\n[[key]]\nname = \"leasehold\"\n{key}\n\
         [[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]\n"
    )
}

fn key_of(key: &str, disk: &Disk) -> Result<(TsigAlgorithm, Vec<u8>, Faults), Faults> {
    let checked = config::check(&text(key), "test.toml", disk)?;
    let ZoneServer::Remote { auth: Auth::Tsig(key), .. } = &checked.config.ddns.zones[0].server else {
        panic!("a remote zone with a key")
    };
    Ok((key.algorithm, key.secret.to_vec(), checked.warnings))
}

fn file(text: &str) -> Disk {
    Disk { text: text.to_owned(), ..Disk::default() }
}

const FILE: &str = "secret_file = \"k\"";
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[test]
fn a_key_is_read_from_each_kind_of_file_that_bind_has() {
    for (text, algorithm) in [
        (SECRET.to_owned(), TsigAlgorithm::HmacSha256),
        (format!("key \"leasehold\" {{ algorithm hmac-sha1; secret \"{SECRET}\"; }};"), TsigAlgorithm::HmacSha1),
        (
            format!(
                "key rndc {{ algorithm hmac-sha512; secret \"b3RoZXI=\"; }};\n\
                 key \"LEASEHOLD.\" {{ secret \"{SECRET}\"; algorithm \"hmac-sha224\"; }};"
            ),
            TsigAlgorithm::HmacSha224,
        ),
        (
            format!("Private-key-format: v1.3\nAlgorithm: 164 (HMAC_SHA384)\nKey: {SECRET}\nBits: AAA=\n"),
            TsigAlgorithm::HmacSha384,
        ),
        (format!("leasehold. IN KEY 512 3 165 {SECRET}\n"), TsigAlgorithm::HmacSha512),
    ] {
        let (read, secret, _) = key_of(FILE, &file(&text)).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!((read, secret.as_slice()), (algorithm, &b"0123456789abcdef0123456789abcdef"[..]));
    }
}

#[test]
fn every_algorithm_of_rfc8945_can_be_written() {
    for algorithm in TsigAlgorithm::ALL {
        let written = format!("algorithm = \"{algorithm}\"\nsecret = \"{SECRET}\"");
        let (read, _, warnings) = key_of(&written, &Disk::default()).unwrap();
        assert_eq!(read, algorithm);
        let told = warnings.list.iter().any(|fault| fault.message.contains("must not be used any more"));
        assert_eq!(told, algorithm == TsigAlgorithm::HmacMd5, "{warnings:?}");
    }
}

fn refused(key: &str, disk: &Disk, message: &str, mend: &str) {
    let faults = key_of(key, disk).unwrap_err();
    let fault = faults.list.iter().find(|fault| fault.severity == Severity::Fault).unwrap();
    assert!(fault.message.contains(message), "{faults:?}");
    assert!(fault.mend.contains(mend), "{faults:?}");
    assert!(!format!("{faults:?}").contains(SECRET));
}

#[test]
fn a_file_without_the_key_is_told_with_the_keys_that_it_has() {
    let other = format!("key one {{ secret \"{SECRET}\"; }}; key two {{ secret \"{SECRET}\"; }};");
    refused(FILE, &file(&other), "k holds no key `leasehold`", "one, two");
}

#[test]
fn an_algorithm_that_contradicts_the_file_or_is_not_known_is_a_fault() {
    let sha512 = format!("key leasehold {{ algorithm hmac-sha512; secret \"{SECRET}\"; }};");
    refused(
        &format!("algorithm = \"hmac-sha256\"\n{FILE}"),
        &file(&sha512),
        "is hmac-sha512 in the file, and hmac-sha256 here",
        "take `algorithm` out",
    );
    let unknown = format!("leasehold. IN KEY 512 3 13 {SECRET}\n");
    refused(FILE, &file(&unknown), "in the file, 13, is not known", "tsig-keygen");
}

#[test]
fn a_secret_that_every_user_can_read_is_refused_in_a_file_of_its_own_and_told_in_the_configuration() {
    let open = Disk { open_to_all: true, ..file(SECRET) };
    refused(FILE, &open, "every user of this machine can read the secret in k", "chmod o-r k");
    let open = Disk { configuration_open: true, ..Disk::default() };
    let (_, _, warnings) = key_of(&format!("secret = \"{SECRET}\""), &open).unwrap();
    let told = warnings.list.iter().find(|fault| fault.message.contains("the configuration is open to all")).unwrap();
    assert!(told.mend.contains("chmod o-r") && told.mend.contains("secret_file"));
    assert!(!format!("{warnings:?}").contains(SECRET));
}

#[test]
fn a_secret_is_not_drawn_with_the_fault_beside_it() {
    for key in [
        format!("secret = \"{SECRET}\"\nalgorithm = \"hmac-md4\""),
        format!("algorithm = \"hmac-md4\"\n\"secret\"='{SECRET}'"),
        format!("secret = {SECRET}\n"),
        format!("secret = \"\"\"\n{SECRET}\nä\"\"\"\nalgorithm = 5"),
        format!("secret = \"{SECRET}"),
        "secret = \"c2VjcmV0MDEy\"".to_owned(),
    ] {
        let source = text(&key);
        let checked = config::check(&source, "test.toml", &Disk::default());
        let faults = checked.map_or_else(|faults| faults, |checked| checked.warnings);
        assert!(!faults.is_empty());
        let drawn = config::render(&faults, &source, false);
        assert!(!drawn.contains(SECRET) && !drawn.contains("c2VjcmV0MDEy"), "{drawn}");
    }
}
