//! `leasehold check --online` against real servers: what would keep names out of DNS is told beforehand, at once.
//!
//! Needs root, network namespaces, `named`, `knotd`, `pdns_server`, `dig` and libfaketime.

use std::net::SocketAddr;

use crate::dig::{KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::field::{self, DNS, ZONES};
use crate::leasehold::{Leasehold, PROGRAM};
use crate::netns::{Host, Lab};
use crate::process::{finish, succeed};
use crate::servers::{DnsServer, Kind};

const OTHER_SECRET: &str = "b3RoZXIgYnl0ZXMgdGhhbiB0aGUgc2VydmVyIGhhcyE=";
const NO_RIGHT: &str = "without-right";
const FILE: &str = "/run/leasehold.toml";

/// The exit code, and all that was printed.
fn check(host: &Host, config: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    Leasehold::rewrite(host, config);
    let mut command = host.command(PROGRAM);
    command.args(["check", "--online", FILE]).envs(environment.iter().copied());
    let output = finish(&mut command);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn is_told(host: &Host, config: &str, code: i32, words: &[&str]) {
    let (got, told) = check(host, config, &[]);
    assert_eq!(got, Some(code), "{told}");
    assert!(words.iter().any(|word| told.contains(word)), "{words:?} in:\n{told}");
}

/// Gives the server a key that may change nothing.
fn add_key_without_right(kind: Kind, host: &Host, dns: &mut DnsServer<'_>) {
    let (path, key) = match kind {
        Kind::Bind => (
            "/etc/bind/named.conf",
            format!("key {NO_RIGHT} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n"),
        ),
        Kind::Knot => (
            "/etc/knot/knot.conf",
            format!("key:\n  - id: {NO_RIGHT}\n    algorithm: {KEY_ALGORITHM}\n    secret: {KEY_SECRET}\n"),
        ),
        Kind::PowerDns => {
            succeed(host.command("pdnsutil").args(["import-tsig-key", NO_RIGHT, KEY_ALGORITHM, KEY_SECRET]));
            return;
        }
    };
    dns.stop();
    let text = std::fs::read_to_string(host.path(path)).unwrap();
    let text = if kind == Kind::Knot { text.replacen("key:\n", &key, 1) } else { text + &key };
    host.write(path, &text);
    dns.resume();
}

fn shows_beforehand(kind: Kind) {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    let mut dns = DnsServer::start(kind, &server, SocketAddr::from(DNS), &ZONES);
    add_key_without_right(kind, &server, &mut dns);
    let good = field::config(true);
    let before = ZONES.map(|zone| (dns.dig().serial(zone), dns.dig().transfer(zone).len()));

    let (code, told) = check(&server, &good, &[]);
    assert_eq!(code, Some(0), "{told}");
    for zone in ZONES {
        assert!(told.contains(&format!("\nready: zone {zone}.: 127.0.0.1:5300 takes updates")), "{told}");
    }
    is_told(&server, &good.replace(KEY_SECRET, OTHER_SECRET), 1, &["BADSIG", "cannot be believed"]);
    is_told(&server, &good.replace(KEY_NAME, "nobodys-key"), 1, &["BADKEY", "cannot be believed"]);
    // To Knot a key that no ACL of the zone names is an unknown one.
    let refusal = if kind == Kind::Knot { "BADKEY" } else { "a trial update that changes nothing" };
    is_told(&server, &good.replace(KEY_NAME, NO_RIGHT), 1, &[refusal]);
    is_told(&server, &good.replace("nasir.xyz", "missing.example"), 1, &["serves no zone that holds missing.example."]);

    // Our clock, an hour off either way.
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    for off in ["+3600", "-3600"] {
        let (code, told) =
            check(&server, &good, &[("LD_PRELOAD", library), ("FAKETIME", off), ("DONT_FAKE_MONOTONIC", "1")]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("BADTIME") || told.contains("cannot be believed"), "{told}");
    }

    // A second server that is not there.
    let address = SocketAddr::from(DNS).to_string();
    let two =
        good.replace(&format!("server = \"{address}\""), &format!("server = [\"{address}\", \"127.0.0.1:5399\"]"));
    let (code, told) = check(&server, &two, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("ready: zone nasir.xyz.: 127.0.0.1:5300 takes updates"), "{told}");
    assert!(told.contains("not ready: zone nasir.xyz.: 127.0.0.1:5399 gave no answer"), "{told}");

    // Nothing was changed by any of that.
    let after = ZONES.map(|zone| (dns.dig().serial(zone), dns.dig().transfer(zone).len()));
    assert_eq!(after, before);

    // A name of the trial that somebody holds proves nothing, and is no fault.
    dns.dig().nsupdate("update add leasehold-trial.nasir.xyz. 300 A 10.77.0.9");
    is_told(&server, &good, 0, &["unknown: zone nasir.xyz."]);

    dns.kill();
    is_told(&server, &good, 1, &["not ready: zone nasir.xyz.: 127.0.0.1:5300 gave no answer"]);
}

#[test]
fn users_a_wrong_key_or_an_unknown_zone_shows_only_with_the_first_name_bind() {
    shows_beforehand(Kind::Bind);
}

#[test]
fn users_a_wrong_key_or_an_unknown_zone_shows_only_with_the_first_name_knot() {
    shows_beforehand(Kind::Knot);
}

#[test]
fn users_a_wrong_key_or_an_unknown_zone_shows_only_with_the_first_name_powerdns() {
    shows_beforehand(Kind::PowerDns);
}

/// The file knows only a server, and a wider zone than the server's own.
#[test]
fn check_online_finds_zones_by_the_server_alone_and_rfc_2317() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    let zones = ["nasir.xyz", "2.0.192.in-addr.arpa", "128-25.2.0.192.in-addr.arpa"];
    let dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &zones);
    let aliases: String = (129..=254)
        .map(|n| format!("update add {n}.2.0.192.in-addr.arpa. 300 CNAME {n}.128-25.2.0.192.in-addr.arpa.\n"))
        .collect();
    dns.dig().nsupdate(aliases.trim_end());
    let config = |domain: &str| {
        format!(
            "[ddns]\nserver = \"127.0.0.1:5300\"\nkey = \"{KEY_NAME}\"\n\
             [[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\
             [[subnet]]\nprefix = \"192.0.2.128/25\"\npools = [\"192.0.2.140-192.0.2.149\"]\ndomain = \"{domain}\"\n"
        )
    };
    let (code, told) = check(&server, &config("office.nasir.xyz"), &[]);
    assert_eq!(code, Some(0), "{told}");
    for words in [
        "ready: office.nasir.xyz. is held by the zone nasir.xyz.: its updates go there",
        "the PTR records of 192.0.2.128/25 stand beneath 128-25.2.0.192.in-addr.arpa. (RFC 2317)",
        "ready: zone nasir.xyz.: 127.0.0.1:5300 takes updates",
        "ready: zone 128-25.2.0.192.in-addr.arpa.: 127.0.0.1:5300 takes updates",
    ] {
        assert!(told.contains(words), "{words} in:\n{told}");
    }
    is_told(&server, &config("missing.example"), 1, &["no zone of the server holds missing.example."]);
}
