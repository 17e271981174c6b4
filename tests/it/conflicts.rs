//! Names that somebody has already, at a real BIND: under each of the four guards the zones are compared whole with what
//! they must be, while the name is wanted and after its client has gone; and what becomes of two clients of one name.
//!
//! Needs root, network namespaces, `named`, `dig` and `nsupdate`.

mod dual_stack;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use base64::Engine as _;
use dns::{Dhcid, Fqdn, HostIdentity};

use crate::asker::Asker;
use crate::dns_failures::site::{Records, differences, transfer};
use crate::field::{self, DNS, LEASE_SECS, RELAY, SERVER, ZONES};
use crate::leasehold::Leasehold;
use crate::load::Plan;
use crate::netns::{Host, Lab};
use crate::packet::{self, Said};
use crate::servers::{DnsServer, Kind};

const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for a lease of [`SHORT_SECS`] to run out.
const SETTLE: Duration = Duration::from_secs(30);
/// What is made by hand has it.
const HAND_TTL: u32 = 300;
const SHORT_SECS: u32 = 9;
/// Whose DHCID it is that no client of the test has.
const STRANGER: u32 = 9_999;

/// What stands at a name before its client comes, what a guard lets become of it, and what is left in the end. Of ours
/// there are `ours` (the A record) and `mark` (the DHCID); all else is made by hand: `mine` and `strange` are DHCIDs of
/// the client itself and of a stranger.
struct Case {
    label: &'static str,
    before: &'static [&'static str],
    during: &'static [&'static str],
    after: &'static [&'static str],
}

const fn case(
    label: &'static str,
    before: &'static [&'static str],
    during: &'static [&'static str],
    after: &'static [&'static str],
) -> Case {
    Case { label, before, during, after }
}

const HAND: &[&str] = &["A 10.9.9.9"];
/// The other family, and something else, by hand.
const BESIDE: &[&str] = &["AAAA 2001:db8::9", "TXT \"by hand\""];
/// As another server writes it for a stranger: both families.
const FOREIGN: &[&str] = &["A 10.9.9.9", "AAAA 2001:db8::9", "strange"];
/// The other family of the client itself, as a DHCPv6 server writes it.
const OWN_V6: &[&str] = &["AAAA 2001:db8::1", "mine"];
const CNAME: &[&str] = &["CNAME elsewhere.example."];

const CHECK_WITH_DHCID: &[Case] = &[
    case("free", &[], &["ours", "mark"], &[]),
    case("hand", HAND, HAND, HAND),
    case("beside", BESIDE, BESIDE, BESIDE),
    case("foreign", FOREIGN, FOREIGN, FOREIGN),
    case("own6", OWN_V6, &["AAAA 2001:db8::1", "mine", "ours"], OWN_V6),
    case("alias", CNAME, CNAME, CNAME),
];
const CHECK_EXISTS_WITH_DHCID: &[Case] = &[
    case("free", &[], &["ours", "mark"], &[]),
    case("hand", HAND, HAND, HAND),
    case("beside", BESIDE, BESIDE, BESIDE),
    case("foreign", FOREIGN, &["AAAA 2001:db8::9", "ours", "mark"], &["AAAA 2001:db8::9", "mark"]),
    case("own6", OWN_V6, &["AAAA 2001:db8::1", "ours", "mark"], &["AAAA 2001:db8::1", "mark"]),
    case("alias", CNAME, CNAME, CNAME),
];
const NO_CHECK_WITH_DHCID: &[Case] = &[
    case("free", &[], &["ours", "mark"], &[]),
    case("hand", HAND, &["ours", "mark"], &[]),
    case(
        "beside",
        BESIDE,
        &["AAAA 2001:db8::9", "TXT \"by hand\"", "ours", "mark"],
        &["AAAA 2001:db8::9", "TXT \"by hand\"", "mark"],
    ),
    case("foreign", FOREIGN, &["AAAA 2001:db8::9", "ours", "mark"], &["AAAA 2001:db8::9", "mark"]),
    case("own6", OWN_V6, &["AAAA 2001:db8::1", "ours", "mark"], &["AAAA 2001:db8::1", "mark"]),
    case("alias", CNAME, CNAME, CNAME),
];
const NO_CHECK_WITHOUT_DHCID: &[Case] = &[
    case("free", &[], &["ours"], &[]),
    case("hand", HAND, &["ours"], &[]),
    case("beside", BESIDE, &["AAAA 2001:db8::9", "TXT \"by hand\"", "ours"], BESIDE),
    case("foreign", FOREIGN, &["AAAA 2001:db8::9", "strange", "ours"], &["AAAA 2001:db8::9", "strange"]),
    case("own6", OWN_V6, &["AAAA 2001:db8::1", "mine", "ours"], OWN_V6),
    case("alias", CNAME, CNAME, CNAME),
];

#[test]
fn check_with_dhcid_until_the_release() {
    guard("check-with-dhcid", CHECK_WITH_DHCID, LEASE_SECS);
}

#[test]
fn check_with_dhcid_until_the_expiry() {
    guard("check-with-dhcid", CHECK_WITH_DHCID, SHORT_SECS);
}

#[test]
fn check_exists_with_dhcid_until_the_release() {
    guard("check-exists-with-dhcid", CHECK_EXISTS_WITH_DHCID, LEASE_SECS);
}

#[test]
fn check_exists_with_dhcid_until_the_expiry() {
    guard("check-exists-with-dhcid", CHECK_EXISTS_WITH_DHCID, SHORT_SECS);
}

#[test]
fn no_check_with_dhcid_until_the_release() {
    guard("no-check-with-dhcid", NO_CHECK_WITH_DHCID, LEASE_SECS);
}

#[test]
fn no_check_with_dhcid_until_the_expiry() {
    guard("no-check-with-dhcid", NO_CHECK_WITH_DHCID, SHORT_SECS);
}

#[test]
fn no_check_without_dhcid_until_the_release() {
    guard("no-check-without-dhcid", NO_CHECK_WITHOUT_DHCID, LEASE_SECS);
}

#[test]
fn no_check_without_dhcid_until_the_expiry() {
    guard("no-check-without-dhcid", NO_CHECK_WITHOUT_DHCID, SHORT_SECS);
}

/// Each case has a client of its own, and a second one wants the free name too.
fn guard(guard: &str, cases: &[Case], lease_secs: u32) {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, &format!("conflict_check = \"{guard}\"\n"), lease_secs);
    let mut by_hand: Vec<Records> = Vec::new();
    for (client, case) in (1..).zip(cases) {
        by_hand.push(case.before.iter().map(|record| site.record(case.label, client, None, record)).collect());
        for record in &by_hand[by_hand.len() - 1] {
            site.dns.dig().nsupdate(&format!("zone {}\nupdate add {record}", ZONES[0]));
        }
    }
    let mut addresses = Vec::new();
    for (client, case) in (1..).zip(cases) {
        addresses.push(site.take(client, case.label));
    }
    let second = u32::try_from(cases.len()).unwrap() + 1;
    let seconds_address = site.take(second, cases[0].label);
    let at = |after: bool, site: &Site<'_>| {
        let mut zones = site.empty();
        for ((client, case), address) in (1..).zip(cases).zip(&addresses) {
            let records = if after { case.after } else { case.during };
            zones[0].extend(records.iter().map(|record| site.record(case.label, client, Some(*address), record)));
            if !after && case.during.contains(&"ours") {
                zones[1].extend(site.pointer(case.label, client, *address));
            }
        }
        zones
    };
    let mut all: BTreeMap<u32, (Ipv4Addr, &str)> =
        (1..).zip(addresses.iter().zip(cases).map(|(address, case)| (*address, case.label))).collect();
    all.insert(second, (seconds_address, cases[0].label));
    let during = at(false, &site);
    let renewing = if lease_secs == SHORT_SECS { all.clone() } else { BTreeMap::new() };
    site.settle(&format!("{guard}: what is wanted"), &during, &renewing);
    if lease_secs == LEASE_SECS {
        for (client, (address, _)) in &all {
            site.release(*client, *address);
        }
    }
    let after = at(true, &site);
    site.settle(&format!("{guard}: what is left"), &after, &BTreeMap::new());
}

/// A DNS server, the daemon and a relay agent's many clients.
struct Site<'lab> {
    dns: DnsServer<'lab>,
    leasehold: Leasehold<'lab>,
    asker: Asker,
    ttl: u32,
}

impl<'lab> Site<'lab> {
    /// `naming` are keys of `[ddns]`.
    fn start(server: &'lab Host, relay: &Host, naming: &str, lease_secs: u32) -> Self {
        let dns = DnsServer::start(Kind::Bind, server, SocketAddr::from(DNS), &ZONES);
        let config = field::config(true)
            .replace("[ddns]\n", &format!("[ddns]\nretry_conflict = \"1s\"\n{naming}"))
            .replace(&format!("lease_time = {LEASE_SECS}"), &format!("lease_time = {lease_secs}"));
        let leasehold = Leasehold::start(server, &config);
        let asker = Asker::new(relay, RELAY, true);
        // RFC 4702 section 5.
        Self { dns, leasehold, asker, ttl: 600.min(lease_secs / 3) }
    }

    fn empty(&self) -> [Records; 2] {
        ZONES.map(|zone| Records::from([format!("{zone}. {HAND_TTL} NS ns.tests.example.")]))
    }

    /// A record at a name, as a transfer shows it.
    fn record(&self, label: &str, client: u32, address: Option<Ipv4Addr>, record: &str) -> String {
        let owner = owner(label);
        match record {
            "ours" => format!("{owner} {} A {}", self.ttl, address.unwrap()),
            "mark" => format!("{owner} {} DHCID {}", self.ttl, dhcid(client, &owner)),
            "mine" => format!("{owner} {HAND_TTL} DHCID {}", dhcid(client, &owner)),
            "strange" => format!("{owner} {HAND_TTL} DHCID {}", dhcid(STRANGER, &owner)),
            by_hand => format!("{owner} {HAND_TTL} {by_hand}"),
        }
    }

    fn pointer(&self, label: &str, client: u32, address: Ipv4Addr) -> [String; 2] {
        let (owner, reverse, ttl) = (owner(label), Fqdn::reverse(address.into()), self.ttl);
        [format!("{reverse} {ttl} PTR {owner}"), format!("{reverse} {ttl} DHCID {}", dhcid(client, &owner))]
    }

    /// All that is written for these clients' names.
    fn written(&self, names: &[(&str, u32, Ipv4Addr)]) -> [Records; 2] {
        let mut zones = self.empty();
        for (label, client, address) in names {
            zones[0].extend(["ours", "mark"].map(|record| self.record(label, *client, Some(*address), record)));
            zones[1].extend(self.pointer(label, *client, *address));
        }
        zones
    }

    fn take(&mut self, client: u32, label: &str) -> Ipv4Addr {
        let offer = self.asker.ask(said(packet::DISCOVER, client, label), PATIENCE).expect("an offer");
        let (requested, server) = (Some(offer.yiaddr), Some(offer.server));
        let request = Said { requested, server, ..said(packet::REQUEST, client, label) };
        let heard = self.asker.ask(request, PATIENCE).expect("an answer");
        assert_eq!(heard.kind, packet::ACK);
        heard.yiaddr
    }

    /// Renews; the flags of the answer's option 81.
    fn renew(&mut self, client: u32, address: Ipv4Addr, label: &str) -> u8 {
        let fqdn = Some(format!("{label}.{}", ZONES[0]));
        let renewal = Said { ciaddr: address, fqdn, ..said(packet::REQUEST, client, label) };
        let heard = self.asker.ask(renewal, PATIENCE).expect("an answer");
        assert_eq!((heard.kind, heard.yiaddr), (packet::ACK, address));
        heard.fqdn_flags.unwrap()
    }

    fn release(&mut self, client: u32, address: Ipv4Addr) {
        let release = Said { ciaddr: address, server: Some(SERVER), ..said(packet::RELEASE, client, "") };
        // A release has no answer.
        assert!(self.asker.ask(release, Duration::from_millis(1)).is_none());
    }

    /// Waits until both zones hold what they must, while these clients renew; and then a little longer, in which nothing
    /// may change any more.
    fn settle(&mut self, what: &str, expected: &[Records; 2], renewing: &BTreeMap<u32, (Ipv4Addr, &str)>) {
        let deadline = Instant::now() + SETTLE;
        let mut right = 0;
        while right < 5 {
            for (client, (address, label)) in renewing {
                let renewal = Said { ciaddr: *address, ..said(packet::REQUEST, *client, label) };
                self.asker.ask(renewal, PATIENCE).expect("an answer");
            }
            let found = ZONES.map(|zone| transfer(&self.dns.dig(), zone));
            right = if found == *expected { right + 1 } else { 0 };
            let told = || self.leasehold.names().into_iter().map(|one| format!("{}: {}\n", one.key, one.state));
            assert!(
                Instant::now() < deadline,
                "{what}:\n{}{}",
                differences(expected, &found),
                told().collect::<String>()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn by_hand(&mut self, verb: &str, record: &str) -> String {
        let record = format!("{record} A 10.9.9.9");
        self.dns.dig().nsupdate(&format!("zone {}\nupdate {verb} {record}", ZONES[0]));
        record
    }
}

fn said(kind: u8, client: u32, label: &str) -> Said {
    let hostname = Some(label.to_owned()).filter(|label| !label.is_empty());
    Said { hostname, ..Said::new(kind, 0, Plan::hardware(client)) }
}

fn owner(label: &str) -> Fqdn {
    format!("{label}.{}", ZONES[0]).parse().unwrap()
}

fn dhcid(client: u32, owner: &Fqdn) -> String {
    let identity = HostIdentity::from_hardware(1, &Plan::hardware(client));
    base64::engine::general_purpose::STANDARD.encode(Dhcid::new(&identity, owner).0.0)
}

/// Nothing is to be told apart any more by who came first after a power cut.
#[test]
fn users_ten_esp32s_send_the_same_name() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, "conflict = \"suffix\"\n", LEASE_SECS);
    let label = |client| if client == 1 { "esp32".to_owned() } else { format!("esp32-{client}") };
    let labels: Vec<String> = (1..=10).map(label).collect();
    let addresses: Vec<Ipv4Addr> = (1..=10).map(|client| site.take(client, "esp32")).collect();
    let names: Vec<(&str, u32, Ipv4Addr)> =
        labels.iter().zip(1..).zip(&addresses).map(|((label, client), address)| (&**label, client, *address)).collect();
    let expected = site.written(&names);
    site.settle("ten names", &expected, &BTreeMap::new());
    // The power fails: some say goodbye, and none is there in time; the server is killed, too.
    for (label, client, address) in &names {
        assert!(label.starts_with("esp32"));
        site.release(*client, *address);
    }
    let empty = site.empty();
    site.settle("all have left", &empty, &BTreeMap::new());
    site.leasehold.kill();
    site.leasehold.resume();
    site.leasehold.check_store();
    for client in [7, 2, 10, 1, 4, 9, 3, 8, 5, 6] {
        let address = site.take(client, "esp32");
        assert_eq!(address, addresses[client as usize - 1]);
    }
    site.settle("the same ten names", &expected, &BTreeMap::new());
}

#[test]
fn a_name_made_by_hand_gives_the_client_a_number_at_once_and_stays() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, "conflict = \"suffix\"\n", LEASE_SECS);
    let hand = site.by_hand("add", &format!("{} {HAND_TTL}", owner("nas")));
    let address = site.take(1, "nas");
    let mut expected = site.written(&[("nas-2", 1, address)]);
    expected[0].insert(hand);
    site.settle("a number", &expected, &BTreeMap::new());
    assert_eq!(site.renew(1, address, "nas") & 0b1001, 1, "S, and not N");
    let hand = site.by_hand("delete", &format!("{} {HAND_TTL}", owner("nas")));
    expected[0].remove(&hand);
    site.settle("the number stays", &expected, &BTreeMap::new());
}

#[test]
fn a_refused_client_is_told_so_and_has_the_name_once_it_is_free() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, "conflict = \"refuse\"\n", LEASE_SECS);
    let hand = site.by_hand("add", &format!("{} {HAND_TTL}", owner("nas")));
    let (first, second, third) = (site.take(1, "pc"), site.take(2, "pc"), site.take(3, "nas"));
    let mut expected = site.written(&[("pc", 1, first)]);
    expected[0].insert(hand);
    site.settle("the first has it", &expected, &BTreeMap::new());
    for (client, address, label) in [(2, second, "pc"), (3, third, "nas")] {
        assert_eq!(site.renew(client, address, label) & 0b1001, 0b1000, "N, and not S: {label}");
    }
    site.by_hand("delete", &format!("{} {HAND_TTL}", owner("nas")));
    site.release(1, first);
    assert_eq!(site.renew(2, second, "pc") & 0b1001, 1);
    let expected = site.written(&[("pc", 2, second), ("nas", 3, third)]);
    site.settle("the others have theirs", &expected, &BTreeMap::new());
    assert_eq!(site.renew(3, third, "nas") & 0b1001, 1);
}

#[test]
fn the_client_that_came_last_takes_over_and_renewals_do_not_make_the_name_flip() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut site = Site::start(&server, &relay, "conflict = \"take-over\"\n", LEASE_SECS);
    let first = site.take(1, "pc");
    let expected = site.written(&[("pc", 1, first)]);
    site.settle("the first has it", &expected, &BTreeMap::new());
    let second = site.take(2, "pc");
    let expected = site.written(&[("pc", 2, second)]);
    let both = BTreeMap::from([(1, (first, "pc")), (2, (second, "pc"))]);
    site.settle("the second has it, whoever renews", &expected, &both);
    site.leasehold.kill();
    site.leasehold.resume();
    site.settle("after a restart, too", &expected, &both);
    site.release(1, first);
    let again = site.take(1, "pc");
    let expected = site.written(&[("pc", 1, again)]);
    site.settle("the first comes again, and has it", &expected, &BTreeMap::new());
}
