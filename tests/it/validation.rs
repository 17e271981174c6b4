//! DNSSEC: a made root, zones beneath it that are signed, tampered with and unsigned, in a namespace of its own.
//!
//! Needs `dnssec-keygen`, `dnssec-signzone`, `named` and `dig`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use leasehold::dns_server::forward::{Anchors, Forwarding};

use crate::embedded_dns::{Options, Server, flags, name, status};
use crate::netns::{Host, Lab};
use crate::process::{Running, succeed, wait_for};

/// The beginning of a zone.
pub(crate) const HEAD: &str = "$TTL 300\n@ SOA ns.good. nobody.good. 1 3600 600 86400 60\n@ NS ns.good.\n";

/// Signs a zone file in the host's directory of BIND; returns its DS record and its key-signing DNSKEY record.
pub(crate) fn sign(directory: &Path, zone: &str, nsec3: bool) -> (String, String) {
    signed_by(directory, zone, if nsec3 { &["-3", "-"] } else { &[] })
}

/// The same with words of dnssec-signzone's.
pub(crate) fn signed_by(directory: &Path, zone: &str, words: &[&str]) -> (String, String) {
    let keygen = |words: &[&str]| {
        let mut command = Command::new("dnssec-keygen");
        command.current_dir(directory).args(["-q", "-a", "ECDSAP256SHA256"]).args(words).arg(zone);
        succeed(&mut command).trim().to_owned()
    };
    let key_signing = keygen(&["-f", "KSK"]);
    keygen(&[]);
    let file = if zone == "." { "root" } else { zone };
    let mut command = Command::new("dnssec-signzone");
    command.current_dir(directory).args(["-q", "-S", "-o", zone, "-f", &format!("{file}.signed")]).args(words);
    succeed(command.arg(file));
    let ds = succeed(Command::new("dnssec-dsfromkey").current_dir(directory).args(["-2", &key_signing]));
    let key = fs::read_to_string(directory.join(format!("{key_signing}.key"))).unwrap();
    let key = key.lines().find(|line| line.contains("DNSKEY")).unwrap().to_owned();
    (ds, key)
}

/// The made world: `good` and `third` (NSEC3) are signed, `bad` is signed and then changed, `plain` is unsigned, and `lost`
/// has a DS record that no key of it fits.
fn world(host: &Host) -> (Running, PathBuf) {
    let directory = host.path("/var/lib/bind");
    let records = "ns A 192.0.2.1\nwww A 192.0.2.80\nalias CNAME www\n*.w A 192.0.2.90\nnear.w A 192.0.2.91\n\
                   to-wild CNAME x.w\nto-lost CNAME www.lost.\nto-bad CNAME www.bad.\nto-good CNAME www.good.\n";
    let mut root = HEAD.to_owned();
    for (zone, nsec3) in [("good", false), ("third", true), ("bad", false)] {
        fs::write(directory.join(zone), format!("{HEAD}{records}")).unwrap();
        root += &format!("{zone} NS ns.good.\n{}", sign(&directory, zone, nsec3).0);
    }
    let signed = directory.join("bad.signed");
    let text = fs::read_to_string(&signed).unwrap();
    assert!(text.contains("192.0.2.80"), "{text}");
    fs::write(&signed, text.replace("192.0.2.80", "192.0.2.66")).unwrap();
    for zone in ["plain", "lost"] {
        fs::write(directory.join(zone), format!("{HEAD}{records}")).unwrap();
    }
    root += "plain NS ns.good.\nlost NS ns.good.\n\
             lost DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\nns.good. A 192.0.2.1\n";
    fs::write(directory.join("root"), root).unwrap();
    let (_, anchor) = sign(&directory, ".", false);
    let anchors = host.path("/etc/bind/anchors");
    fs::write(&anchors, format!("{anchor}\n")).unwrap();
    let mut text =
        "options { directory \"/var/lib/bind\"; pid-file none; session-keyfile none; recursion no; notify no; \
                    listen-on port 5300 { 127.0.0.1; }; listen-on-v6 { none; }; dnssec-validation no; };\ncontrols { };\n"
            .to_owned();
    for (zone, file) in [
        (".", "root.signed"),
        ("good", "good.signed"),
        ("third", "third.signed"),
        ("bad", "bad.signed"),
        ("plain", "plain"),
        ("lost", "lost"),
    ] {
        text += &format!("zone \"{zone}\" {{ type primary; file \"{file}\"; }};\n");
    }
    host.write("/etc/bind/named.conf", &text);
    let mut named = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    named.wait_log("running", 1, Duration::from_secs(20));
    (named, anchors)
}

pub(crate) fn validating(host: &Host, anchors: &Path, not_validated: &[&str]) -> Server {
    let not_validated: Vec<_> = not_validated.iter().map(|text| name(text)).collect();
    let anchors = Some(Anchors::read(Some(anchors), &not_validated).unwrap());
    host.inside(|| {
        Server::start(Options {
            forward_for: vec!["127.0.0.0/8"],
            upstreams: vec!["127.0.0.1:5300".parse().unwrap()],
            forwarding: Forwarding { anchors, ..Forwarding::default() },
            ..Options::default()
        })
    })
}

#[test]
fn answers_are_validated_from_a_made_root_down() {
    let lab = Lab::new();
    let host = lab.host("v");
    let (mut named, anchors) = world(&host);
    let server = validating(&host, &anchors, &[]);
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    wait_for("the made root answers", Duration::from_secs(10), || {
        (status(&dig(&["+cd", "ns.good"])) == "NOERROR").then_some(())
    });
    for secure in [
        &["www.good"][..],
        &["alias.good"],
        &["www.third"],
        &["+tcp", "www.good"],
        &["www.good", "AAAA"],
        // An alias whose end has no such records.
        &["alias.good", "AAAA"],
        &["alias.third", "AAAA"],
        &["www.third", "AAAA"],
        // What a wildcard stands for (RFC 4035 section 5.3.4).
        &["x.w.good"],
        &["x.w.third"],
        &["deep.x.w.good"],
        &["to-wild.good"],
        &["near.w.good"],
        &["x.w.good", "AAAA"],
        &["missing.good"],
        &["missing.third"],
        &["missing-from-the-root"],
    ] {
        let found = dig(&[secure, &["+adflag"]].concat());
        let code = if secure[0].starts_with("missing") { "NXDOMAIN" } else { "NOERROR" };
        assert!(status(&found) == code && flags(&found).contains(" ad"), "{secure:?} {found}");
        // Signatures are for those who ask for them; and AD is.
        assert!(!found.contains("RRSIG") && !found.contains("NSEC"), "{found}");
        let quiet = dig(&[secure, &["+noadflag"]].concat());
        assert!(status(&quiet) == code && !flags(&quiet).contains(" ad"), "{secure:?} {quiet}");
        let signed = dig(&[secure, &["+dnssec"]].concat());
        assert!(signed.contains("RRSIG") && flags(&signed).contains(" ad"), "{secure:?} {signed}");
    }
    let changed = "EDE: 6 (DNSSEC Bogus): (the signature of www.bad A does not fit: it was changed, or signed wrongly)";
    let lost =
        "EDE: 9 (DNSKEY Missing): (lost has 1 DS records and no DNSKEY: its zone is not signed as its parent says)";
    for (bogus, why) in
        [(&["www.bad"][..], changed), (&["alias.bad"], changed), (&["www.lost"], lost), (&["+tcp", "www.bad"], changed)]
    {
        for again in 0..2 {
            let found = dig(bogus);
            assert_eq!(status(&found), "SERVFAIL", "{bogus:?} {again} {found}");
            assert!(found.contains(why) && !found.contains("192.0.2."), "{bogus:?} {found}");
        }
        // RFC 4035 section 3.2.2: with CD, whoever asks judges by itself.
        let unchecked = dig(&[bogus, &["+cd"]].concat());
        assert!(status(&unchecked) == "NOERROR" && !flags(&unchecked).contains(" ad"), "{bogus:?} {unchecked}");
    }
    let unsigned = dig(&["www.plain", "+adflag"]);
    assert!(status(&unsigned) == "NOERROR" && !flags(&unsigned).contains(" ad"), "{unsigned}");
    assert!(unsigned.contains("192.0.2.80"), "{unsigned}");
    server.stop();
    // RFC 7646: a domain that is not validated, and the others as before.
    let server = validating(&host, &anchors, &["lost"]);
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    let excused = dig(&["www.lost", "+adflag"]);
    assert!(status(&excused) == "NOERROR" && !flags(&excused).contains(" ad"), "{excused}");
    assert_eq!(status(&dig(&["www.bad"])), "SERVFAIL");
    server.stop();
    named.stop(Duration::from_secs(10));
}

#[test]
fn rfc7646_aliases_into_and_out_of_what_is_not_validated_are_judged_where_they_lead() {
    let lab = Lab::new();
    let host = lab.host("n");
    let (mut named, anchors) = world(&host);
    let server = validating(&host, &anchors, &["lost"]);
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    wait_for("the made root answers", Duration::from_secs(10), || {
        (status(&dig(&["+cd", "ns.good"])) == "NOERROR").then_some(())
    });
    // From a signed zone, and by a link of one that is delegated without signatures; and out of what is not validated.
    for asked in ["to-lost.good", "to-lost.plain", "to-good.lost", "to-good.plain"] {
        for transport in ["+notcp", "+tcp"] {
            let found = dig(&[asked, "+adflag", transport]);
            assert!(status(&found) == "NOERROR" && found.contains("192.0.2.80"), "{asked} {found}");
            assert!(!flags(&found).contains(" ad"), "{asked} {found}");
        }
    }
    for asked in ["to-lost.good", "to-lost.plain", "to-good.lost"] {
        let found = dig(&[asked, "AAAA"]);
        assert!(status(&found) == "NOERROR" && found.contains("CNAME"), "{asked} {found}");
    }
    // What is validated stays so, by whatever alias somebody comes to it.
    for asked in ["to-bad.good", "to-bad.plain", "to-bad.lost"] {
        let found = dig(&[asked]);
        assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 6"), "{asked} {found}");
    }
    server.stop();
    named.stop(Duration::from_secs(10));
}

#[test]
fn anchors_may_be_digests_of_the_roots_keys() {
    let lab = Lab::new();
    let host = lab.host("x");
    let (mut named, anchors) = world(&host);
    let directory = host.path("/var/lib/bind");
    let key = fs::read_to_string(&anchors).unwrap();
    let key_file = directory.join("anchor.key");
    fs::write(&key_file, &key).unwrap();
    for digest in ["-1", "-2", "-a SHA-384"] {
        let words: Vec<&str> = digest.split(' ').collect();
        let ds = succeed(Command::new("dnssec-dsfromkey").current_dir(&directory).args(words).arg(&key_file));
        assert!(ds.contains(" DS "), "{ds}");
        fs::write(&anchors, &ds).unwrap();
        let server = validating(&host, &anchors, &[]);
        let dig = |words: &[&str]| host.inside(|| server.dig(words));
        let found = dig(&["www.good", "+adflag"]);
        assert!(status(&found) == "NOERROR" && flags(&found).contains(" ad"), "{digest} {found}");
        assert!(dig(&["www.bad"]).contains("EDE: 6"), "{digest}");
        server.stop();
    }
    // A digest that no key of the root fits.
    let ds = succeed(Command::new("dnssec-dsfromkey").current_dir(&directory).arg("-2").arg(&key_file));
    let digest = ds.split_whitespace().last().unwrap();
    fs::write(&anchors, ds.replace(digest, &"0".repeat(digest.len()))).unwrap();
    let server = validating(&host, &anchors, &[]);
    let found = host.inside(|| server.dig(&["www.good"]));
    assert!(status(&found) == "SERVFAIL" && found.contains("no key of . is a trust anchor"), "{found}");
    server.stop();
    named.stop(Duration::from_secs(10));
}

#[test]
fn with_another_trust_anchor_nothing_is_believed() {
    let lab = Lab::new();
    let host = lab.host("w");
    let (mut named, anchors) = world(&host);
    // A key that signed something, but not this root.
    let directory = host.path("/var/lib/bind");
    let (_, other) = {
        fs::write(directory.join("other"), HEAD).unwrap();
        sign(&directory, "other", false)
    };
    fs::write(&anchors, other.replacen("other.", ".", 1)).unwrap();
    let server = validating(&host, &anchors, &[]);
    for asked in ["www.good", "www.plain", "missing"] {
        let found = host.inside(|| server.dig(&[asked]));
        assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 9"), "{found}");
        assert!(found.contains("no key of . is a trust anchor"), "{found}");
    }
    server.stop();
    named.stop(Duration::from_secs(10));
}
