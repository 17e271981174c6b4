//! PowerDNS (Debian's, with its SQLite backend) as a secondary of an embedded zone and as the primary of a copy: by NOTIFY,
//! AXFR and IXFR, all signed; both zones compared whole.
//!
//! Needs root, network namespaces, `pdns_server`, `pdnsutil`, `sqlite3`, `dig` and `nsupdate`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET, Record};
use crate::field::{self, SERVER};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{Running, succeed, wait_for};

const ZONE: &str = "nasir.xyz";
const POWERDNS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const PATIENCE: Duration = Duration::from_secs(90);

/// What is in the zone besides what updates bring.
const RECORDS: &str = "www 300 A 192.0.2.80\nwww 300 AAAA 2001:db8::80\n* 60 TXT \"anything\" \"else\"\nalias 60 CNAME www\n\
     @ 300 MX 10 mail\nmail 300 A 192.0.2.25\n_sip._udp 60 SRV 1 2 5060 www\n@ 300 CAA 0 issue \"ca.example\"\n\
     sub 300 NS ns.sub\nns.sub 300 A 192.0.2.54\ndeep.empty.inner 60 A 192.0.2.9\n@ 300 TXT \"v=spf1 -all\"\n\
     host 60 SSHFP 1 1 0123456789abcdef0123456789abcdef01234567\nhost 60 HINFO \"PC\" \"Linux\"\n\
     _443._tcp.www 60 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
     naptr 60 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x@example!\" .\n\
     pc 60 DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=\n";

fn start_powerdns(host: &Host) -> Running {
    host.write(
        "/etc/powerdns/pdns.conf",
        &format!(
            "launch=gsqlite3\ngsqlite3-database=/var/lib/powerdns/pdns.sqlite3\n\
             local-address={POWERDNS}\nlocal-port=53\nquery-local-address={POWERDNS}\nsocket-dir=/run\nsetuid=0\nsetgid=0\n\
             primary=yes\nsecondary=yes\nallow-notify-from={SERVER}/32\nxfr-cycle-interval=600\n\
             only-notify={SERVER}/32\ndnsupdate=yes\nallow-dnsupdate-from=0.0.0.0/0\ndisable-axfr=no\n\
             cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n\
             distributor-threads=1\nreceiver-threads=1\nloglevel=6\n"
        ),
    );
    let running = host.start("pdns_server", &["--config-dir=/etc/powerdns", "--daemon=no", "--guardian=no"]);
    wait_for("PowerDNS answers", PATIENCE, || {
        Dig::new(host, dns(POWERDNS)).raw(&[ZONE, "SOA"]).contains("status:").then_some(())
    });
    running
}

/// An empty database that knows the key, and what `pdnsutil` makes of it by these commands.
fn prepare(host: &Host, commands: &[&[&str]]) {
    let schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";
    host.write("/var/lib/powerdns/.keep", "");
    host.write("/etc/powerdns/pdns.conf", "launch=gsqlite3\ngsqlite3-database=/var/lib/powerdns/pdns.sqlite3\n");
    succeed(host.command("sqlite3").args(["/var/lib/powerdns/pdns.sqlite3", &format!(".read {schema}")]));
    succeed(host.command("pdnsutil").args(["import-tsig-key", KEY_NAME, KEY_ALGORITHM, KEY_SECRET]));
    for words in commands {
        succeed(host.command("pdnsutil").args(*words));
    }
}

fn dns(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::new(address.into(), 53)
}

fn dig(host: &Host, address: Ipv4Addr) -> Dig<'_> {
    Dig::new(host, dns(address))
}

fn serial(host: &Host, address: Ipv4Addr) -> Option<u32> {
    dig(host, address).short(&[ZONE, "SOA"]).first()?.split_whitespace().nth(2)?.parse().ok()
}

/// Waits until both have one serial, and proves that they hold the same zone. Returns it.
fn wait_equal(host: &Host, primary: Ipv4Addr, secondary: Ipv4Addr, log: impl Fn() -> String) -> Vec<Record> {
    wait_for(&format!("{secondary} has the serial of {primary}\n{}", log()), PATIENCE, || {
        let serial = serial(host, primary)?;
        (self::serial(host, secondary) == Some(serial)).then_some(())
    });
    let zone = dig(host, primary).transfer(ZONE);
    let theirs = dig(host, secondary).transfer(ZONE);
    let differ = zone.iter().zip(&theirs).find(|(one, other)| one != other);
    assert!(zone == theirs, "{secondary}: {} records, {} at {primary}; {differ:?}", theirs.len(), zone.len());
    zone
}

fn changes(from: usize, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let (host, last) = (number * 7 % 40, number % 250 + 1);
        let change = match number % 5 {
            0 => format!("update delete h{host}.{ZONE}.\n"),
            1 => format!("update add h{host}.{ZONE}. {} TXT \"number {number}\"\n", 60 + number % 3),
            _ => format!("update delete h{host}.{ZONE}. A\nupdate add h{host}.{ZONE}. 60 A 192.0.2.{last}\n"),
        };
        format!("zone {ZONE}.\n{change}send\n")
    };
    (from..from + count).map(one).collect()
}

const KEY: &str = "[[key]]\nname = \"leasehold-key\"\nsecret = \"bm8gc2VjcmV0IGF0IGFsbCwgb25seSBmb3IgdGVzdHM=\"\n";

#[test]
fn powerdns_as_a_secondary_follows_by_signed_notify_and_differences_and_holds_the_same_zone() {
    assert!(KEY.contains(KEY_SECRET) && KEY.contains(KEY_NAME));
    let lab = Lab::new();
    let (server, other) = field::hosts(&lab);
    server.write("/run/records.zone", RECORDS);
    let config = format!(
        "{KEY}[dns]\nlisten = [\"{SERVER}\"]\nforward = false\n\n\
         [[zone]]\nname = \"{ZONE}\"\nupdate_keys = [\"{KEY_NAME}\"]\nfile = \"/run/records.zone\"\n\
         secondaries = [{{ address = \"{POWERDNS}\", key = \"{KEY_NAME}\" }}]\n"
    );
    let mut leasehold = Leasehold::start(&server, &config);
    let (primary, key) = (SERVER.to_string(), KEY_NAME);
    prepare(
        &other,
        &[
            &["create-secondary-zone", ZONE, &primary],
            &["activate-tsig-key", ZONE, key, "secondary"],
            &["set-meta", ZONE, "TSIG-ALLOW-AXFR", key],
            &["set-meta", ZONE, "IXFR", "1"],
        ],
    );
    let mut powerdns = start_powerdns(&other);
    // Nobody has told it of the zone yet: it looks itself at its start.
    let zone = wait_equal(&other, SERVER, POWERDNS, || leasehold.log() + &powerdns.log());
    assert!(zone.len() > 17, "{zone:?}");
    for from in [0, 20, 40] {
        assert_eq!(dig(&other, SERVER).nsupdate_each(&changes(from, 20)), "");
        wait_equal(&other, SERVER, POWERDNS, || leasehold.log() + &powerdns.log());
        leasehold.kill();
        leasehold.resume();
    }
    // It looks every ten minutes by itself: NOTIFY has led to all of this.
    assert_eq!(dig(&other, SERVER).nsupdate_each(&changes(60, 10)), "");
    let zone = wait_equal(&other, SERVER, POWERDNS, || leasehold.log() + &powerdns.log());
    assert!(zone.iter().any(|record| record.owner.starts_with('h') && record.rtype == "A"), "{zone:?}");
    let (changed, whole) = (powerdns.count("starting IXFR"), powerdns.count("starting AXFR"));
    assert!(changed > whole && whole > 0, "{changed} differences, {whole} whole: {}", powerdns.log());
    // Away while much changes, it takes up where it was.
    powerdns.kill();
    assert_eq!(dig(&other, SERVER).nsupdate_each(&changes(70, 20)), "");
    let powerdns = start_powerdns(&other);
    wait_equal(&other, SERVER, POWERDNS, || leasehold.log() + &powerdns.log());
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_copy_of_powerdns_zone_follows_by_its_signed_notify_and_holds_the_same_zone() {
    let lab = Lab::new();
    let (server, other) = field::hosts(&lab);
    let head = format!("$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns hostmaster 7 3600 60 86400 60\n@ NS ns\nns A 192.0.2.53\n");
    other.write("/var/lib/powerdns/primary.zone", &(head + RECORDS));
    let (secondary, key) = (format!("{SERVER}:53"), KEY_NAME);
    prepare(
        &other,
        &[
            &["load-zone", ZONE, "/var/lib/powerdns/primary.zone"],
            &["set-kind", ZONE, "primary"],
            &["activate-tsig-key", ZONE, key, "primary"],
            &["set-meta", ZONE, "TSIG-ALLOW-DNSUPDATE", key],
            &["set-meta", ZONE, "ALSO-NOTIFY", &secondary],
            &["set-meta", ZONE, "NOTIFY-DNSUPDATE", "1"],
            &["set-meta", ZONE, "SOA-EDIT-DNSUPDATE", "INCREASE"],
        ],
    );
    let powerdns = start_powerdns(&other);
    let config = format!(
        "{KEY}[dns]\nlisten = [\"{SERVER}\"]\nforward = false\n\n\
         [[zone]]\nname = \"{ZONE}\"\nkind = \"secondary\"\nallow_transfer = [\"key:{KEY_NAME}\"]\n\
         primaries = [{{ address = \"{POWERDNS}\", key = \"{KEY_NAME}\" }}]\n"
    );
    let mut leasehold = Leasehold::start(&server, &config);
    let zone = wait_equal(&other, POWERDNS, SERVER, || leasehold.log() + &powerdns.log());
    assert!(zone.len() > 17, "{zone:?}");
    for from in [0, 10] {
        assert_eq!(dig(&other, POWERDNS).nsupdate_each(&changes(from, 10)), "");
        // The SOA record says to ask once an hour: NOTIFY leads to it.
        wait_equal(&other, POWERDNS, SERVER, || leasehold.log() + &powerdns.log());
        leasehold.kill();
        leasehold.resume();
    }
    assert_eq!(dig(&other, POWERDNS).nsupdate_each(&changes(20, 5)), "");
    let zone = wait_equal(&other, POWERDNS, SERVER, || leasehold.log() + &powerdns.log());
    assert!(zone.iter().any(|record| record.owner.starts_with('h')), "{zone:?}");
    let shown = succeed(&mut leasehold.command(&["dns", "copies", "--socket", CONTROL]));
    assert!(shown.contains(&format!("zone {ZONE}.: fresh, copy of {POWERDNS}:53")), "{shown}");
    leasehold.stop();
    leasehold.check_store();
}
