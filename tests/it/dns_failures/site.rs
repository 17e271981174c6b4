//! One DNS server, the proxy before it and an updater of a house of hosts; and what both zones must hold, record by
//! record, at each moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use ddns::settings::{Auth, Retry, Settings, ZoneRoute, ZoneServer};
use ddns::wanted::{Claim, RowKey};
use dns::{Dhcid, Fqdn, HostIdentity, TsigKey};
use leasehold::ddns_client::{Timing, UpdateClient};
use tokio::runtime::Runtime;

use super::proxy::Proxy;
use crate::ddns_client::{key, name, wall_secs};
use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::netns::{Host, Lab};
use crate::process::wait_for;
use crate::servers::{DnsServer, Kind};
use crate::updater::{Bench, Dhcp};

pub(super) const ZONES: [&str; 2] = ["forward.example", "10.in-addr.arpa"];
const SERVER: ([u8; 4], u16) = ([127, 0, 0, 1], 5300);
const PROXY: ([u8; 4], u16) = ([127, 0, 0, 1], 5301);
/// A second server of the same zones, and the proxy before it.
const SECOND_PORT: u16 = 5310;
const SECOND_PROXY: ([u8; 4], u16) = ([127, 0, 0, 1], 5311);
/// Within this every name is right, once the trouble is over: the longest pause of a zone that fails is two seconds,
/// the last exchange before it may last as long again, and the servers share a machine with other tests.
pub(super) const SETTLE: Duration = Duration::from_secs(15);
const TTL: u32 = 600;
/// Made by hand, and to be there at every end.
const BY_HAND: [(&str, &str); 4] = [
    ("forward.example", "printer.forward.example. 300 A 10.0.0.250"),
    ("forward.example", "printer.forward.example. 300 TXT \"by hand\""),
    ("forward.example", "*.wild.forward.example. 300 A 10.0.0.252"),
    ("10.in-addr.arpa", "250.0.0.10.in-addr.arpa. 300 PTR printer.forward.example."),
];

/// Records as dig prints them, with one space between the words and without SOA.
pub(crate) type Records = BTreeSet<String>;

/// See the module.
pub(super) struct Site<'lab> {
    pub(super) kind: Kind,
    pub(super) server: DnsServer<'lab>,
    pub(super) proxy: Proxy,
    pub(super) second: Option<Second<'lab>>,
    pub(super) key: TsigKey,
    /// How far the clock by which updates are signed is off.
    pub(super) clock_off_secs: Arc<AtomicI64>,
    bench: Option<Bench>,
    runtime: Runtime,
    claims: BTreeMap<Ipv4Addr, Claim>,
    /// Names that somebody else has, so that claims of them come to nothing.
    pub(super) taken: BTreeSet<Fqdn>,
    by_hand: BTreeSet<(String, String)>,
}

/// Another server of the zones, with a proxy before it too.
pub(super) struct Second<'lab> {
    pub(super) server: DnsServer<'lab>,
    pub(super) proxy: Proxy,
    /// Updates go there first.
    pub(super) preferred: bool,
    /// What the zones hold is asked there.
    pub(super) asked: bool,
}

/// Runs a case with two servers ([`DnsServer::start_beside`]), of which the second one may be the preferred.
pub(super) fn at_two(kind: Kind, second_preferred: bool, case: impl FnOnce(&mut Site<'_>)) {
    let lab = Lab::new();
    let host = lab.host("dns");
    let mut site = Site::start(kind, &host);
    let server = site.server.start_beside(SECOND_PORT);
    let proxy = Proxy::start(&site.runtime, SocketAddr::from(SECOND_PROXY), server.address());
    site.second = Some(Second { server, proxy, preferred: second_preferred, asked: false });
    site.restart_updater();
    site.set(1, Some(("first", 1)));
    site.settle("the first name");
    case(&mut site);
}

/// Runs a case at a server that holds what was made by hand, and one host's name.
pub(super) fn at(kind: Kind, case: impl FnOnce(&mut Site<'_>)) {
    let lab = Lab::new();
    let host = lab.host("dns");
    let mut site = Site::start(kind, &host);
    site.set(1, Some(("first", 1)));
    site.settle("the first name");
    case(&mut site);
}

impl<'lab> Site<'lab> {
    fn start(kind: Kind, host: &'lab Host) -> Self {
        let server = DnsServer::start(kind, host, SocketAddr::from(SERVER), &ZONES);
        // Its threads are born in the host's network, and so are the sockets that they open.
        let runtime =
            host.inside(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
        let proxy = Proxy::start(&runtime, SocketAddr::from(PROXY), server.address());
        let mut site = Self {
            kind,
            server,
            proxy,
            second: None,
            key: key(KEY_NAME, KEY_SECRET),
            clock_off_secs: Arc::default(),
            bench: None,
            runtime,
            claims: BTreeMap::new(),
            taken: BTreeSet::new(),
            by_hand: BTreeSet::new(),
        };
        for (zone, record) in BY_HAND {
            site.make_by_hand(zone, record);
        }
        site.launch(Arc::default());
        site
    }

    /// Starts the updater on what is stored.
    fn launch(&mut self, dhcp: Arc<Dhcp>) {
        let mut servers = vec![self.proxy.address()];
        if let Some(second) = &self.second {
            servers.insert(usize::from(!second.preferred), second.proxy.address());
        }
        let auth = Auth::Tsig(Arc::new(self.key.clone()));
        let server = ZoneServer::Remote { servers: servers.into(), auth };
        let zones = ZONES.iter().map(|apex| ZoneRoute { apex: name(apex), server: server.clone() }).collect();
        let retry = Retry { first_ms: 100, max_ms: 400, conflict_ms: 3_600_000 };
        let settings = Arc::new(Settings { zones, retry, ..Settings::default() });
        let off = Arc::clone(&self.clock_off_secs);
        let clock = Arc::new(move || wall_secs().saturating_add_signed(off.load(Ordering::Relaxed)));
        let timing = Timing { waits: vec![Duration::from_millis(300); 3], tcp: Duration::from_secs(2) };
        let entered = self.runtime.enter();
        self.bench = Some(Bench::sending(settings, dhcp, UpdateClient::new(clock, timing)));
        drop(entered);
    }

    /// The updater is killed and started anew, with what it had stored and the key as it is now.
    pub(super) fn restart_updater(&mut self) {
        let dhcp = self.bench.take().expect("the updater runs").kill();
        self.launch(dhcp);
    }

    /// The lease of `10.0.0.last` is now one of `host` by this name below `forward.example`, or none.
    pub(super) fn set(&mut self, last: u8, lease: Option<(&str, u8)>) {
        let address = Ipv4Addr::new(10, 0, 0, last);
        let before = self.claims.remove(&address);
        let after = lease.map(|(label, host)| Claim {
            name: name(&format!("{label}.{}", ZONES[0])),
            identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, host]),
            forward: true,
            reverse: true,
            ttl_secs: TTL,
            guard: dns::ConflictGuard::default(),
        });
        if let Some(after) = &after {
            self.claims.insert(address, after.clone());
        }
        self.bench.as_ref().expect("the updater runs").change(address, before, after);
    }

    /// An operator adds a record: `owner ttl type data`.
    pub(super) fn make_by_hand(&mut self, zone: &str, record: &str) {
        self.server.dig().nsupdate(&format!("zone {zone}\nupdate add {record}"));
        self.by_hand.insert((zone.to_owned(), record.to_owned()));
    }

    /// An operator takes such a record away.
    pub(super) fn unmake_by_hand(&mut self, zone: &str, record: &str) {
        self.server.dig().nsupdate(&format!("zone {zone}\nupdate delete {record}"));
        self.by_hand.remove(&(zone.to_owned(), record.to_owned()));
    }

    /// What both zones must hold, and nothing else.
    pub(super) fn expected(&self) -> [Records; 2] {
        let mut zones = ZONES.map(|zone| {
            let by_hand = self.by_hand.iter().filter(|(of, _)| of == zone).map(|(_, record)| record.clone());
            by_hand.chain([format!("{zone}. 300 NS ns.tests.example.")]).collect::<Records>()
        });
        for (address, claim) in self.claims.iter().filter(|(_, claim)| !self.taken.contains(&claim.name)) {
            let data = Dhcid::new(&claim.identity, &claim.name).0.0;
            let dhcid = base64::engine::general_purpose::STANDARD.encode(data);
            let (owner, reverse) = (&claim.name, Fqdn::reverse(IpAddr::V4(*address)));
            zones[0].insert(format!("{owner} {TTL} A {address}"));
            zones[0].insert(format!("{owner} {TTL} DHCID {dhcid}"));
            zones[1].insert(format!("{reverse} {TTL} PTR {owner}"));
            zones[1].insert(format!("{reverse} {TTL} DHCID {dhcid}"));
        }
        zones
    }

    /// What both zones hold, by transfers.
    pub(super) fn zones(&self) -> [Records; 2] {
        let asked = self.second.as_ref().filter(|second| second.asked).map_or(&self.server, |second| &second.server);
        ZONES.map(|zone| transfer(&asked.dig(), zone))
    }

    /// Waits until both zones hold what they must; see [`SETTLE`].
    pub(super) fn settle(&self, what: &str) {
        let deadline = Instant::now() + SETTLE;
        let expected = self.expected();
        loop {
            let found = self.zones();
            if found == expected {
                return;
            }
            if Instant::now() > deadline {
                panic!(
                    "{what}, at {:?}: not within {SETTLE:?}:\n{}{}",
                    self.kind,
                    differences(&expected, &found),
                    self.told()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Both zones hold what they must, now.
    pub(super) fn assert_right(&self, what: &str) {
        let (expected, found) = (self.expected(), self.zones());
        assert!(found == expected, "{what}, at {:?}:\n{}{}", self.kind, differences(&expected, &found), self.told());
    }

    /// How every name stands, a line each.
    fn told(&self) -> String {
        let names = self.bench.as_ref().map(Bench::names).unwrap_or_default();
        names.iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{:?}: {}", one.key, one.words);
            text
        })
    }

    /// Waits until an operator who asks after a name is told one of these words.
    pub(super) fn wait_told(&self, label: &str, words: &[&str]) {
        let key = RowKey::Forward(name(&format!("{label}.{}", ZONES[0])));
        let bench = self.bench.as_ref().expect("the updater runs");
        wait_for(&format!("of {label} {words:?} is told, at {:?}", self.kind), SETTLE, || {
            let names = bench.names();
            let one = names.iter().find(|one| one.key == key)?;
            words.iter().any(|word| one.words.contains(word)).then_some(())
        });
    }
}

/// Every record of a zone but its SOA, with its TTL.
pub(crate) fn transfer(dig: &Dig<'_>, zone: &str) -> Records {
    let key = format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}");
    let printed = dig.raw(&["-y", &key, "+noall", "+answer", "+onesoa", zone, "AXFR"]);
    let mut records = Records::new();
    for line in printed.lines().filter(|line| !line.starts_with(';') && !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [owner, ttl, _class, rtype, data @ ..] = &words[..] else { panic!("{line} is no record") };
        // dig parts long base64 by spaces.
        let data = if *rtype == "DHCID" { data.concat() } else { data.join(" ") };
        if *rtype != "SOA" {
            records.insert(format!("{} {ttl} {rtype} {data}", owner.to_ascii_lowercase()));
        }
    }
    records
}

/// What is missing and what is too much, a line each.
pub(crate) fn differences(expected: &[Records; 2], found: &[Records; 2]) -> String {
    let mut text = String::new();
    for (expected, found) in expected.iter().zip(found) {
        for missing in expected.difference(found) {
            let _ = writeln!(text, "missing:  {missing}");
        }
        for extra in found.difference(expected) {
            let _ = writeln!(text, "too much: {extra}");
        }
    }
    text
}
