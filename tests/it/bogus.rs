//! Why answers are bogus, told in words, and zones with trust anchors of their own: in a namespace, below a made root.
//!
//! Needs `dnssec-keygen`, `dnssec-signzone`, `named` and `dig`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::embedded_dns::{flags, name, status};
use crate::netns::{Host, Lab};
use crate::process::{Running, wait_for};
use crate::validation::{HEAD, sign, signed_by, validating};

const RECORDS: &str = "ns A 192.0.2.1\nwww A 192.0.2.80\n";

/// Writes a zone and signs it; `words` are dnssec-signzone's. Returns its DS record and its key-signing DNSKEY record.
fn signed(directory: &Path, zone: &str, records: &str, words: &[&str]) -> (String, String) {
    fs::write(directory.join(zone), format!("{HEAD}{RECORDS}{records}")).unwrap();
    signed_by(directory, zone, words)
}

/// Takes lines out of a zone that is signed.
fn strip(directory: &Path, zone: &str, is_gone: impl Fn(&str) -> bool) {
    let file = directory.join(format!("{zone}.signed"));
    let text = fs::read_to_string(&file).unwrap();
    let left: Vec<&str> = text.lines().filter(|line| !is_gone(line)).collect();
    assert!(left.len() < text.lines().count(), "nothing of it is gone: {text}");
    fs::write(&file, left.join("\n") + "\n").unwrap();
}

/// BIND with these zones and a signed root that delegates some of them; the file of the root's anchor.
fn serve(host: &Host, root: &str, zones: &[(&str, &str)]) -> (Running, PathBuf) {
    let directory = host.path("/var/lib/bind");
    fs::write(directory.join("root"), format!("{HEAD}ns.good. A 192.0.2.1\n{root}")).unwrap();
    let (_, anchor) = sign(&directory, ".", false);
    let anchors = host.path("/etc/bind/anchors");
    fs::write(&anchors, format!("{anchor}\n")).unwrap();
    let mut text =
        "options { directory \"/var/lib/bind\"; pid-file none; session-keyfile none; recursion no; notify no; \
                    listen-on port 5300 { 127.0.0.1; }; listen-on-v6 { none; }; dnssec-validation no; \
                    check-integrity no; };\ncontrols { };\nzone \".\" { type primary; file \"root.signed\"; };\n"
            .to_owned();
    for (zone, file) in zones {
        text += &format!("zone \"{zone}\" {{ type primary; file \"{file}\"; }};\n");
    }
    host.write("/etc/bind/named.conf", &text);
    let mut named = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    named.wait_log("running", 1, Duration::from_secs(20));
    (named, anchors)
}

#[test]
fn rfc8914_what_is_wrong_about_a_bogus_answer_is_told_in_words() {
    let lab = Lab::new();
    let host = lab.host("b");
    let directory = host.path("/var/lib/bind");
    // All records of one line each, so that single ones can be taken out.
    let of = |zone: &str, words: &[&str]| signed(&directory, zone, "", &[&["-O", "full"], words].concat()).0;
    let mut root = String::new();
    let mut delegate = |zone: &str, ds: &str| root += &format!("{zone} NS ns.good.\n{ds}");
    delegate("good", &of("good", &[]));
    delegate("expired", &of("expired", &["-P", "-s", "20200101000000", "-e", "20200201000000"]));
    delegate("early", &of("early", &["-P", "-s", "20350101000000", "-e", "20350201000000"]));
    delegate("stripped", &of("stripped", &[]));
    delegate("unproven", &of("unproven", &[]));
    delegate("unproven3", &of("unproven3", &["-3", "-"]));
    // The DS record of another zone's key.
    let other = of("rekeyed", &[]);
    let foreign = of("good2", &[]).replace("good2.", "rekeyed.");
    assert_ne!(other, foreign);
    delegate("rekeyed", &foreign);
    strip(&directory, "stripped", |line| line.starts_with("www.stripped.") && line.contains("RRSIG\tA "));
    // BIND takes it for one that is not signed then, and gives no signatures where something is not there.
    strip(&directory, "unproven", |line| line.contains("NSEC\t") || line.contains("RRSIG\tNSEC "));
    // Those that are left cover nothing that is asked for.
    strip(&directory, "unproven3", |line| {
        (line.contains("NSEC3\t") || line.contains("RRSIG\tNSEC3 ")) && !is_first_half(line)
    });
    let names = ["good", "expired", "early", "stripped", "unproven", "unproven3", "rekeyed"];
    let files: Vec<(String, String)> =
        names.iter().map(|name| ((*name).to_owned(), format!("{name}.signed"))).collect();
    let zones: Vec<(&str, &str)> = files.iter().map(|(name, file)| (name.as_str(), file.as_str())).collect();
    let (mut named, anchors) = serve(&host, &root, &zones);
    let server = validating(&host, &anchors, &[]);
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    wait_for("the made root answers", Duration::from_secs(10), || {
        (status(&dig(&["www.good"])) == "NOERROR").then_some(())
    });
    for (asked, why) in [
        ("www.expired", "EDE: 7 (Signature Expired): (the signature of www.expired A expired on 2020-02-01 00:00 UTC)"),
        (
            "www.early",
            "EDE: 8 (Signature Not Yet Valid): (the signature of www.early A counts from 2035-01-01 00:00 UTC only",
        ),
        (
            "www.stripped",
            "EDE: 10 (RRSIGs Missing): (www.stripped A has no signature (RRSIG), and stripped is a signed zone)",
        ),
        ("www.rekeyed", "EDE: 9 (DNSKEY Missing): (no DS record of rekeyed fits one of its keys: they are of "),
    ] {
        let found = dig(&[asked]);
        assert!(status(&found) == "SERVFAIL" && found.contains(why), "{asked}: {found}");
        // A client that judges by itself gets what there is.
        assert_ne!(status(&dig(&["+cd", asked])), "SERVFAIL", "{asked}");
    }
    let found = dig(&["missing.unproven"]);
    let is_told = ["EDE: 10 (RRSIGs Missing)", "EDE: 12 (NSEC Missing)"].iter().any(|code| found.contains(code));
    assert!(
        status(&found) == "SERVFAIL" && is_told && found.contains(": (unproven SOA has") == found.contains("EDE: 10"),
        "{found}"
    );
    // Of some names the proof is there yet, of others not.
    let told = (0..20).find_map(|number| {
        let found = dig(&[&format!("missing{number}.unproven3")]);
        (status(&found) == "SERVFAIL").then_some(found)
    });
    let told = told.expect("half of the NSEC3 records prove everything");
    assert!(told.contains("EDE: 6 (DNSSEC Bogus)") || told.contains("EDE: 12 (NSEC Missing)"), "{told}");
    assert!(told.contains(".unproven3 A is not there)"), "{told}");
    // `leasehold explain` tells the same.
    let gauge = server.handle.as_ref().unwrap().gauge();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let explain = |asked: &str| runtime.block_on(gauge.explain(&name(asked)));
    let told = explain("www.expired").unwrap();
    assert!(told.starts_with("it cannot be resolved (SERVFAIL): the signature of www.expired A expired on"), "{told}");
    let told = explain("www.good").unwrap();
    assert!(told.starts_with("it is resolved, with one record, and validated; "), "{told}");
    let told = explain("missing.good").unwrap();
    assert!(told.starts_with("there is no such name (NXDOMAIN), and validated; asked of 127.0.0.1:5300"), "{told}");
    assert_eq!(explain("www.nasir.xyz"), None, "a name of ours");
    let figures = server.handle.as_ref().unwrap().forward_counts().unwrap();
    assert!(figures.bogus >= 6, "each is counted as bogus: {figures:?}");
    server.stop();
    named.stop(Duration::from_secs(10));
}

#[test]
fn rfc4035_5_3_3_learnt_keys_are_trusted_no_longer_than_their_signature_counts() {
    let lab = Lab::new();
    let host = lab.host("t");
    let directory = host.path("/var/lib/bind");
    // The signatures over the keys end, those over all else go on.
    let words = ["-O", "full", "-s", "now-3600", "-X", "now+30"];
    let (digest, _) = signed(&directory, "island", "", &words);
    let ends = std::time::Instant::now() + Duration::from_secs(30);
    let (mut named, anchors) = serve(&host, "", &[("island", "island.signed")]);
    let of_root = fs::read_to_string(&anchors).unwrap();
    fs::write(&anchors, format!("{of_root}{digest}")).unwrap();
    let server = validating(&host, &anchors, &[]);
    let dig = |words: &[&str]| host.inside(|| server.dig(words));
    let found = wait_for("the zone answers", Duration::from_secs(10), || {
        let found = dig(&["+adflag", "www.island"]);
        (status(&found) == "NOERROR").then_some(found)
    });
    assert!(flags(&found).contains(" ad"), "{found}");
    // Another second, since times of signatures are seconds.
    std::thread::sleep(ends.saturating_duration_since(std::time::Instant::now()) + Duration::from_secs(2));
    let found = dig(&["ns.island"]);
    assert!(status(&found) == "SERVFAIL", "{found}");
    assert!(found.contains("EDE: 7 (Signature Expired): (the signature of island DNSKEY expired"), "{found}");
    server.stop();
    named.stop(Duration::from_secs(10));
}

/// Whether an owner is in the first half of all hashes.
fn is_first_half(line: &str) -> bool {
    line.starts_with(|letter: char| matches!(letter.to_ascii_lowercase(), '0'..='9' | 'a'..='f'))
}

#[test]
fn zones_that_the_root_knows_nothing_of_are_validated_by_anchors_of_their_own() {
    let lab = Lab::new();
    let host = lab.host("i");
    let directory = host.path("/var/lib/bind");
    let words = ["-O", "full"];
    let (good, _) = signed(&directory, "good", "inward CNAME www.island.\n", &words);
    let island = "out CNAME www.good.\nplainly CNAME www.plain.\nin CNAME www\nchild NS ns.good.\n*.w A 192.0.2.90\n";
    let (digest, key) = signed(&directory, "island", island, &words);
    let (foreign, _) = signed(&directory, "stranger", "", &words);
    for zone in ["plain", "child.island"] {
        fs::write(directory.join(zone), format!("{HEAD}{RECORDS}")).unwrap();
    }
    let zones =
        [("good", "good.signed"), ("plain", "plain"), ("island", "island.signed"), ("child.island", "child.island")];
    let (mut named, anchors) = serve(&host, &format!("good NS ns.good.\n{good}plain NS ns.good.\n"), &zones);
    let of_root = fs::read_to_string(&anchors).unwrap();
    let with = |more: &str| {
        fs::write(&anchors, format!("{of_root}{more}")).unwrap();
        validating(&host, &anchors, &[])
    };
    // Without an anchor the root proves that there is no such zone.
    let server = with("");
    let dig = |server: &crate::embedded_dns::Server, words: &[&str]| host.inside(|| server.dig(words));
    wait_for("the made root answers", Duration::from_secs(10), || {
        (status(&dig(&server, &["www.good"])) == "NOERROR").then_some(())
    });
    assert_eq!(status(&dig(&server, &["www.island"])), "SERVFAIL");
    server.stop();
    for anchor in [&digest, &format!("{key}\n")] {
        let server = with(anchor);
        for (asked, is_secure) in [
            (&["www.island"][..], true),
            (&["in.island"], true),
            (&["out.island"], true),
            (&["x.w.island"], true),
            (&["missing.island"], true),
            (&["www.island", "AAAA"], true),
            (&["www.good"], true),
            (&["inward.good"], true),
            (&["inward.good", "AAAA"], true),
            // What an anchored zone says is not signed need not be.
            (&["www.child.island"], false),
            (&["plainly.island"], false),
            (&["www.plain"], false),
        ] {
            let found = dig(&server, &[asked, &["+adflag"]].concat());
            let code = if asked[0].starts_with("missing") { "NXDOMAIN" } else { "NOERROR" };
            assert!(status(&found) == code, "{asked:?} {found}");
            assert_eq!(flags(&found).contains(" ad"), is_secure, "{asked:?} {found}");
        }
        for asked in ["out.island", "plainly.island"] {
            let found = dig(&server, &[asked]);
            assert!(found.contains("CNAME") && found.contains("192.0.2.80"), "{found}");
        }
        server.stop();
    }
    // A digest of somebody else's key.
    let server = with(&foreign.replace("stranger.", "island."));
    let found = dig(&server, &["www.island"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("no key of island is a trust anchor"), "{found}");
    server.stop();
    // Signatures that somebody has taken out are missed, though nothing above asks for them.
    strip(&directory, "island", |line| line.starts_with("www.island.") && line.contains("RRSIG\tA "));
    named.stop(Duration::from_secs(10));
    let mut named = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    named.wait_log("running", 1, Duration::from_secs(20));
    let server = with(&digest);
    let found = dig(&server, &["www.island"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 10 (RRSIGs Missing)"), "{found}");
    assert_eq!(status(&dig(&server, &["ns.island"])), "NOERROR");
    // Also by an alias from outside.
    let found = dig(&server, &["inward.good"]);
    assert!(status(&found) == "SERVFAIL" && found.contains("EDE: 10 (RRSIGs Missing)"), "{found}");
    server.stop();
    named.stop(Duration::from_secs(10));
}
