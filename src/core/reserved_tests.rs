//! What DNS should hold for reservations, and after leases have expired.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use ddns::hosts::Hosts;
use ddns::settings::{ZoneRoute, ZoneServer};
use ddns::wanted::{Want, WantedRow};
use dhcp::client::ClientMessage;
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::LeaseState;
use dhcp::message::MessageType;
use dhcp::options::code;
use dhcp::settings::{
    AddressRange, AfterExpiry, LeaseTime, Naming, Reservation, ReservedFor, ReservedRecords, Scope, Settings, Subnet,
};
use dns::{Fqdn, HostIdentity, Rrset};

use super::*;

mod hosts;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const LEASE_SECS: u32 = 3_600;

fn hardware(n: u8) -> ReservedFor {
    ReservedFor::Hardware(HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap())
}

fn identity(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

fn at(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn reserved(n: u8, hostname: &str, clients: &[u8]) -> Reservation {
    Reservation {
        hostname: Some(hostname.to_owned()),
        clients: clients.iter().map(|n| hardware(*n)).collect(),
        ..Reservation::new(at(n), hardware(0))
    }
}

/// 10.0.0.0/24 with a pool from .100 on, under lan.
fn dhcp(reservations: &[Reservation], naming: impl FnOnce(&mut Naming)) -> Arc<Settings> {
    let mut rules = Naming::of_domain("lan".parse().unwrap());
    naming(&mut rules);
    let mut reservations = reservations.to_vec();
    reservations.sort_by_key(|one| one.address);
    let subnet = Subnet {
        pools: vec![AddressRange { first: at(100), last: at(199) }.into()],
        reservations,
        scope: Scope {
            lease_secs: LeaseTime { default: LEASE_SECS, min: 300, max: 86_400 }.into(),
            ..Scope::default()
        },
        naming: Some(rules),
        ..Subnet::new("10.0.0.0/24".parse().unwrap())
    };
    Arc::new(Settings { subnets: vec![subnet], offer_hold_secs: 60, ..Settings::default() })
}

fn ddns(dhcp: &Settings) -> Arc<ddns::settings::Settings> {
    let route = |apex: &str| ZoneRoute { apex: apex.parse().unwrap(), server: ZoneServer::Embedded };
    let names = dhcp.subnets[0].reservations.iter().filter_map(|one| one.hostname.as_deref());
    Arc::new(ddns::settings::Settings {
        zones: ["lan", "10.in-addr.arpa"].map(route).into_iter().collect(),
        reserved: names.map(|name| format!("{name}.lan").parse().unwrap()).collect(),
        ..ddns::settings::Settings::default()
    })
}

struct Bench {
    core: Core,
    dhcp: Arc<Settings>,
    by_hand: Hosts,
    stated: Vec<Rrset>,
    now: Now,
    /// How many leases and reservations are looked at in one go.
    most: usize,
    rows: usize,
}

impl Bench {
    fn new(dhcp: Arc<Settings>) -> Self {
        let now = Now { boot_ms: 1_000_000, wall_secs: 1_800_000_000 };
        let core = Core::new(Arc::clone(&dhcp), ddns(&dhcp), Vec::new(), WantedTable::default(), now);
        let mut bench = Self { core, dhcp, by_hand: Hosts::default(), stated: Vec::new(), now, most: 100, rows: 0 };
        bench.settle_down();
        bench
    }

    /// Does all that is to be done now; every commit succeeds.
    fn settle_down(&mut self) {
        for _ in 0..1_000 {
            if self.core.poll_timeout().is_none_or(|at| at > self.now.boot_ms) {
                return;
            }
            for work in self.core.handle_timeout(self.now, self.most) {
                self.commit(&work);
            }
        }
        panic!("it never ends");
    }

    fn commit(&mut self, work: &Work) {
        let leases: Vec<_> = work.rows.iter().filter(|row| matches!(row, Row::Lease(_))).collect();
        let wanted: Vec<_> = work.rows.iter().filter(|row| matches!(row, Row::Wanted(_))).collect();
        assert_eq!(leases.len() + wanted.len(), work.rows.len());
        self.rows += wanted.len();
        if let Some(id) = work.transaction {
            self.core.settle(id, CommitOutcome::Committed);
        }
    }

    fn later(&mut self, secs: u32) {
        self.now = Now {
            boot_ms: self.now.boot_ms + u64::from(secs) * 1_000,
            wall_secs: self.now.wall_secs + u64::from(secs),
        };
        self.settle_down();
    }

    fn configure(&mut self, dhcp: Arc<Settings>) {
        self.dhcp = dhcp;
        self.core.reconfigure(Arc::clone(&self.dhcp), self.ddns(), Vec::new(), self.now);
        self.settle_down();
    }

    fn ddns(&self) -> Arc<ddns::settings::Settings> {
        let mut settings = (*ddns(&self.dhcp)).clone();
        settings.reserved.extend(self.by_hand.all().iter().map(|host| host.name.clone()));
        settings.hosts = self.by_hand.clone();
        settings.stated = self.stated.clone().into();
        Arc::new(settings)
    }

    /// Another process over what this one has stored.
    fn restart(&mut self) {
        let leases = self.core.engine().leases().collect();
        let rows: Vec<WantedRow> = self.core.wanted().iter().collect();
        let wanted = WantedTable::load(rows, &[]);
        self.now.boot_ms = 5_000;
        self.core = Core::new(Arc::clone(&self.dhcp), self.ddns(), leases, wanted, self.now);
        assert!(self.core.mend_wanted().rows.is_empty(), "nothing is lost");
        self.settle_down();
    }

    fn hear(&mut self, message: &ClientMessage) -> Option<Ipv4Addr> {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        let ingress = Ingress {
            interface: "eth0",
            addresses: &["10.0.0.1/24".parse().unwrap()],
            source: (message.ciaddr, 68),
            destination: if message.ciaddr.is_unspecified() { Ipv4Addr::BROADCAST } else { SERVER },
        };
        let work = self.core.handle_message(self.now, &ingress, &payload);
        self.commit(&work);
        self.settle_down();
        work.reply.map(|(reply, _)| reply.yiaddr)
    }

    /// DISCOVER to ACK, under a name that the client calls itself.
    fn lease(&mut self, n: u8, hostname: &str) -> Ipv4Addr {
        let offered = self.hear(&message(MessageType::Discover, n, hostname)).unwrap();
        let request = message(MessageType::Request, n, hostname)
            .with(code::REQUESTED_IP_ADDRESS, offered.octets())
            .with(code::SERVER_IDENTIFIER, SERVER.octets());
        assert_eq!(self.hear(&request), Some(offered));
        offered
    }

    fn release(&mut self, n: u8, address: Ipv4Addr) {
        assert_eq!(self.hear(&ClientMessage { ciaddr: address, ..message(MessageType::Release, n, "") }), None);
    }

    fn want(&self, key: &RowKey) -> Option<Want> {
        self.core.wanted().get(key).and_then(|row| row.want.clone())
    }

    /// Everything that is wanted: `name address...`, `address name`, sorted.
    fn wanted(&self) -> Vec<String> {
        let words = |row: WantedRow| {
            let want = row.want.as_ref()?;
            let name = want.name.to_string();
            Some(match &row.key {
                RowKey::Forward(_) => {
                    let addresses: Vec<String> = want.addresses.iter().map(ToString::to_string).collect();
                    format!("{name} {}", addresses.join(" "))
                }
                RowKey::Reverse(address) => format!("{address} {name}"),
                RowKey::Stated(_, rtype) => format!("{name} {}", want.stated_words(*rtype)),
            })
        };
        let mut all: Vec<String> = self.core.wanted().iter().filter_map(words).collect();
        all.sort();
        all
    }
}

fn message(message_type: MessageType, n: u8, hostname: &str) -> ClientMessage {
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap();
    let message = ClientMessage::new(message_type, u32::from(n), hardware);
    if hostname.is_empty() { message } else { message.with(code::HOST_NAME, hostname.as_bytes()) }
}

fn forward(name: &str) -> RowKey {
    RowKey::Forward(name.parse::<Fqdn>().unwrap())
}

#[test]
fn a_reservation_has_its_records_from_the_start_and_while_its_host_comes_and_goes() {
    for most in [1, 2, 100] {
        let mut bench = Bench::new(dhcp(&[reserved(5, "printer", &[1]), reserved(6, "nas", &[2])], |_| {}));
        bench.most = most;
        let all = ["10.0.0.5 printer.lan.", "10.0.0.6 nas.lan.", "nas.lan. 10.0.0.6", "printer.lan. 10.0.0.5"];
        assert_eq!(bench.wanted(), all);
        let rows = bench.rows;
        // It comes, is called what it is called, and goes in whatever way: DNS hears nothing of it.
        let address = bench.lease(1, "HP-4711");
        assert_eq!((address, bench.rows), (at(5), rows));
        bench.release(1, address);
        bench.lease(1, "");
        bench.later(LEASE_SECS + 1);
        assert_eq!(bench.core.engine().lease(at(5)).unwrap().state, LeaseState::Expired);
        bench.restart();
        assert_eq!((bench.wanted(), bench.rows), (all.map(str::to_owned).to_vec(), rows));
    }
}

#[test]
fn a_reservation_is_renamed_moved_and_removed_with_the_settings() {
    for most in [1, 2, 100] {
        let mut bench = Bench::new(dhcp(&[reserved(5, "printer", &[1])], |_| {}));
        bench.most = most;
        bench.configure(dhcp(&[reserved(5, "laser", &[1])], |_| {}));
        assert_eq!(bench.wanted(), ["10.0.0.5 laser.lan.", "laser.lan. 10.0.0.5"]);
        let row = bench.core.wanted().get(&forward("printer.lan")).unwrap();
        assert_eq!((row.want.clone(), row.former.len()), (None, 1), "what is in DNS is to be removed");
        bench.configure(dhcp(&[reserved(7, "laser", &[1])], |_| {}));
        assert_eq!(bench.wanted(), ["10.0.0.7 laser.lan.", "laser.lan. 10.0.0.7"]);
        // Another machine in the old one's place: the name is the new one's.
        bench.configure(dhcp(&[reserved(7, "laser", &[9])], |_| {}));
        assert_eq!(bench.want(&forward("laser.lan")).unwrap().identity, identity(9));
        bench.configure(dhcp(&[], |_| {}));
        assert_eq!(bench.wanted(), Vec::<String>::new());
        // Settings that follow one another before anything is done.
        for hostname in ["one", "two", "three", "four", "five", "six", "seven"] {
            let dhcp = dhcp(&[reserved(5, hostname, &[1])], |_| {});
            bench.core.reconfigure(Arc::clone(&dhcp), ddns(&dhcp), Vec::new(), bench.now);
            for work in bench.core.handle_timeout(bench.now, 2) {
                bench.commit(&work);
            }
        }
        bench.settle_down();
        assert_eq!(bench.wanted(), ["10.0.0.5 seven.lan.", "seven.lan. 10.0.0.5"]);
    }
}

#[test]
fn a_reservation_of_a_name_gets_it_from_whoever_has_it() {
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    let other = bench.lease(3, "printer");
    assert_eq!(bench.want(&forward("printer.lan")).unwrap().identity, identity(3));
    bench.configure(dhcp(&[reserved(5, "printer", &[1])], |_| {}));
    assert_eq!(bench.wanted(), ["10.0.0.5 printer.lan.", "printer.lan. 10.0.0.5"]);
    assert_eq!(bench.core.engine().lease(other).unwrap().name, None);
    // And from one that is there no more.
    let lingering = |naming: &mut Naming| naming.after_expiry = AfterExpiry::Keep;
    bench.configure(dhcp(&[], lingering));
    bench.lease(3, "printer");
    bench.later(LEASE_SECS + 1);
    assert_eq!(bench.want(&forward("printer.lan")).unwrap().identity, identity(3));
    bench.configure(dhcp(&[reserved(5, "printer", &[1])], lingering));
    assert_eq!(bench.wanted(), ["10.0.0.5 printer.lan.", "printer.lan. 10.0.0.5"]);
    assert_eq!(bench.core.engine().lease(other).unwrap().name, None);
    assert_eq!(bench.want(&forward("printer.lan")).unwrap().identity, identity(1));
}

#[test]
fn an_address_that_another_client_holds_is_the_reservations_once_it_is_free() {
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    let address = bench.lease(3, "guest");
    let Ipv4Addr { .. } = address;
    let last = address.octets()[3];
    bench.configure(dhcp(&[reserved(last, "printer", &[1])], |_| {}));
    assert_eq!(bench.wanted(), [format!("{address} guest.lan."), format!("guest.lan. {address}")]);
    // The host gets another address for now, and its name with it.
    let meanwhile = bench.lease(1, "");
    assert_ne!(meanwhile, address);
    assert_eq!(bench.want(&forward("printer.lan")).unwrap().addresses, [IpAddr::V4(meanwhile)]);
    bench.later(LEASE_SECS / 2);
    bench.lease(1, "");
    bench.later(LEASE_SECS / 2 + 1);
    // The guest is gone, and the host is where it is until it leaves.
    assert_eq!(bench.want(&forward("printer.lan")).unwrap().addresses, [IpAddr::V4(meanwhile)]);
    bench.release(1, meanwhile);
    assert_eq!(bench.wanted(), [format!("{address} printer.lan."), format!("printer.lan. {address}")]);
}

#[test]
fn by_policy_a_reservation_has_its_records_while_its_host_has_a_lease() {
    let leased = |naming: &mut Naming| naming.reserved = ReservedRecords::WhileLeased;
    let reservations = [reserved(5, "printer", &[1])];
    let mut bench = Bench::new(dhcp(&reservations, leased));
    assert_eq!(bench.wanted(), Vec::<String>::new());
    let address = bench.lease(1, "");
    assert_eq!(bench.wanted(), ["10.0.0.5 printer.lan.", "printer.lan. 10.0.0.5"]);
    bench.release(1, address);
    assert_eq!(bench.wanted(), Vec::<String>::new());
    // The policy changes while the host is away.
    bench.configure(dhcp(&reservations, |_| {}));
    assert_eq!(bench.wanted(), ["10.0.0.5 printer.lan.", "printer.lan. 10.0.0.5"]);
    bench.configure(dhcp(&reservations, leased));
    assert_eq!(bench.wanted(), Vec::<String>::new());
}

#[test]
fn a_host_with_several_interfaces_has_one_name_wherever_it_is() {
    let mut bench = Bench::new(dhcp(&[reserved(5, "laptop", &[1, 2])], |_| {}));
    let wired = bench.lease(1, "laptop");
    assert_eq!(wired, at(5));
    // Both are up: the name has both addresses, and one owner.
    let wireless = bench.lease(2, "laptop");
    let addresses = |bench: &Bench| bench.want(&forward("laptop.lan")).unwrap().addresses;
    assert_eq!(addresses(&bench), [IpAddr::V4(wired), IpAddr::V4(wireless)]);
    assert_eq!(bench.want(&forward("laptop.lan")).unwrap().identity, identity(1));
    // The cable is pulled: the name follows.
    bench.release(1, wired);
    assert_eq!(addresses(&bench), [IpAddr::V4(wireless)]);
    bench.release(2, wireless);
    assert_eq!(addresses(&bench), [IpAddr::V4(at(5))]);
}

#[test]
fn an_identifier_that_a_client_sends_beside_its_hardware_address_changes_nothing_of_its_reservation() {
    let mut bench = Bench::new(dhcp(&[reserved(5, "printer", &[1])], |_| {}));
    let rows = bench.rows;
    let id = ClientId([1, 2, 0, 0, 0, 0, 1].into());
    let with_id = |message: ClientMessage| message.with(code::CLIENT_IDENTIFIER, id.0.clone());
    let offered = bench.hear(&with_id(message(MessageType::Discover, 1, ""))).unwrap();
    let request = message(MessageType::Request, 1, "")
        .with(code::REQUESTED_IP_ADDRESS, offered.octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets());
    assert_eq!(bench.hear(&with_id(request)), Some(at(5)));
    assert_eq!(bench.rows, rows);
}

#[test]
fn a_name_of_an_older_store_goes_over_to_the_reservations_identity() {
    // The same client as above, by a program that took its identifier for its name.
    let mut bench = Bench::new(dhcp(&[], |_| {}));
    let address = bench.lease(1, "printer");
    let old = bench.want(&forward("printer.lan")).unwrap();
    let stored = Lease {
        name: bench
            .core
            .engine()
            .lease(address)
            .unwrap()
            .name
            .map(|name| dhcp::lease::LeaseName { identity: HostIdentity::ClientId([1, 7, 7].into()), ..name }),
        ..bench.core.engine().lease(address).unwrap()
    };
    let rows = bench.core.wanted().iter().map(|row| WantedRow {
        want: row.want.map(|want| Want { identity: HostIdentity::ClientId([1, 7, 7].into()), ..want }),
        ..row
    });
    let wanted = WantedTable::load(rows, &[]);
    bench.dhcp = dhcp(&[reserved(address.octets()[3], "printer", &[1])], |_| {});
    bench.core = Core::new(Arc::clone(&bench.dhcp), ddns(&bench.dhcp), vec![stored], wanted, bench.now);
    assert!(bench.core.mend_wanted().rows.is_empty());
    bench.settle_down();
    let row = bench.core.wanted().get(&forward("printer.lan")).unwrap();
    let want = row.want.as_ref().unwrap();
    assert_eq!((&want.identity, &want.addresses), (&identity(1), &old.addresses));
    assert_eq!(row.former[0].identity, HostIdentity::ClientId([1, 7, 7].into()), "it is withdrawn by its own DHCID");
}

#[test]
fn after_its_lease_a_name_goes_at_once_after_a_grace_or_never() {
    let with = |policy| dhcp(&[], move |naming| naming.after_expiry = policy);
    let named = ["10.0.0.100 pc.lan.", "pc.lan. 10.0.0.100"];
    let gone = Vec::<String>::new();
    for restarts in [false, true] {
        let restart = |bench: &mut Bench| {
            if restarts {
                bench.restart();
            }
        };
        let mut bench = Bench::new(with(AfterExpiry::AtOnce));
        bench.lease(1, "pc");
        bench.later(LEASE_SECS);
        assert_eq!(bench.wanted(), gone);

        let mut bench = Bench::new(with(AfterExpiry::Grace(600)));
        bench.lease(1, "pc");
        bench.later(LEASE_SECS);
        restart(&mut bench);
        bench.later(598);
        assert_eq!(bench.wanted(), named);
        restart(&mut bench);
        bench.later(3);
        assert_eq!(bench.wanted(), gone);
        assert_eq!(bench.core.engine().lease(at(100)).unwrap().name, None, "it is stored so");

        let mut bench = Bench::new(with(AfterExpiry::Keep));
        let address = bench.lease(1, "pc");
        bench.later(LEASE_SECS * 100);
        restart(&mut bench);
        assert_eq!(bench.wanted(), named);
        // It comes back, and gives its address back.
        bench.lease(1, "pc");
        bench.release(1, address);
        assert_eq!(bench.wanted(), gone, "a released name goes at once");
        // Other rules end what the old ones kept.
        bench.lease(1, "pc");
        bench.later(LEASE_SECS + 300);
        bench.configure(with(AfterExpiry::Grace(301)));
        assert_eq!(bench.wanted(), named);
        bench.later(2);
        assert_eq!(bench.wanted(), gone);
    }
}

#[test]
fn a_name_that_an_expired_lease_left_yields_to_whoever_wants_it_or_its_address() {
    let keep = || dhcp(&[], |naming| naming.after_expiry = AfterExpiry::Keep);
    let mut bench = Bench::new(keep());
    bench.lease(1, "pc");
    // While its lease runs nobody else has it.
    let other = bench.lease(2, "pc");
    assert_eq!(bench.core.engine().lease(other).unwrap().name, None);
    bench.later(LEASE_SECS + 1);
    let third = bench.lease(3, "pc");
    let want = bench.want(&forward("pc.lan")).unwrap();
    assert_eq!((want.identity, want.addresses), (identity(3), vec![IpAddr::V4(third)]));
    assert_eq!(bench.core.engine().lease(at(100)).unwrap().name, None);
    bench.restart();
    assert_eq!(bench.wanted(), [format!("{third} pc.lan."), format!("pc.lan. {third}")]);
    // The address: all others are taken.
    let mut bench = Bench::new(keep());
    for n in 1..=100 {
        bench.lease(n, &format!("pc-{n}"));
    }
    bench.later(LEASE_SECS + 1);
    assert_eq!(bench.lease(101, "new"), at(100));
    assert_eq!(bench.want(&forward("pc-1.lan")), None);
    assert_eq!(bench.want(&forward("new.lan")).unwrap().addresses, [IpAddr::V4(at(100))]);
    // The same host at another address: the name is where the host is.
    let mut bench = Bench::new(keep());
    bench.lease(1, "pc");
    bench.later(LEASE_SECS + 1);
    bench.configure(dhcp(&[reserved(7, "pc", &[1])], |naming| naming.after_expiry = AfterExpiry::Keep));
    assert_eq!(bench.lease(1, "pc"), at(7));
    assert_eq!(bench.wanted(), ["10.0.0.7 pc.lan.", "pc.lan. 10.0.0.7"]);
}

#[test]
fn a_reservation_of_an_address_with_a_name_that_was_left_is_elsewhere_while_its_host_is() {
    let dhcp = |reservations: &[Reservation]| dhcp(reservations, |naming| naming.after_expiry = AfterExpiry::Keep);
    let nameless = Reservation { hostname: None, ..reserved(5, "", &[1]) };
    let mut bench = Bench::new(dhcp(&[nameless]));
    assert_eq!(bench.lease(1, "box"), at(5));
    bench.later(7_200);
    assert_eq!(bench.wanted(), ["10.0.0.5 box.lan.", "box.lan. 10.0.0.5"]);
    bench.configure(dhcp(&[]));
    let elsewhere = bench.lease(1, "pc");
    bench.configure(dhcp(&[reserved(5, "nas", &[1])]));
    assert_eq!(bench.wanted(), [format!("{elsewhere} nas.lan."), format!("nas.lan. {elsewhere}")]);
}

#[test]
fn a_commit_that_failed_undoes_names_that_made_way_and_they_make_way_again() {
    let mut bench = Bench::new(dhcp(&[], |naming| naming.after_expiry = AfterExpiry::Keep));
    bench.lease(1, "pc");
    bench.later(LEASE_SECS + 1);
    let before = bench.wanted();
    let ingress = Ingress {
        interface: "eth0",
        addresses: &["10.0.0.1/24".parse().unwrap()],
        source: (Ipv4Addr::UNSPECIFIED, 68),
        destination: Ipv4Addr::BROADCAST,
    };
    let request = message(MessageType::Request, 2, "pc")
        .with(code::REQUESTED_IP_ADDRESS, at(101).octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets());
    let mut payload = Vec::new();
    request.encode(&mut payload);
    let work = bench.core.handle_message(bench.now, &ingress, &payload);
    assert_eq!(work.rows.iter().filter(|row| matches!(row, Row::Lease(_))).count(), 2, "one transaction: {work:?}");
    bench.core.settle(work.transaction.unwrap(), CommitOutcome::Failed);
    bench.settle_down();
    assert_eq!(bench.wanted(), before);
    bench.lease(2, "pc");
    assert_eq!(bench.want(&forward("pc.lan")).unwrap().identity, identity(2));
}
