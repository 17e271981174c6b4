#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use ddns::hosts::{ByHand, Hosts};
use ddns::settings::{ZoneRoute, ZoneServer};
use ddns::suffixes::ASSIGNMENTS_MAX;
use ddns::wanted::WantedTable;
use dhcp::client::{ClientMessage, ServerMessage};
use dhcp::decision::{CommitOutcome, Ingress};
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::code;
use dhcp::settings::{Naming, Reservation, ReservedFor};
use dns::naming::{ClientUpdates, ConflictOutcome};

use super::super::tests::{settings, subnet};
use super::*;

mod self_kept;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const DAY: u64 = 86_400;

fn fqdn(text: &str) -> Fqdn {
    text.parse().unwrap()
}

/// A core whose commits succeed, and what it stored.
struct Bench {
    core: Core,
    now: Now,
    numbers: Vec<Assignment>,
    /// What the updater has found out, and stored.
    confirmed: Vec<ConfirmedRow>,
}

impl Bench {
    fn new(conflict: ConflictOutcome) -> Self {
        Self::reserving(conflict, &[])
    }

    fn reserving(conflict: ConflictOutcome, reservations: &[(u8, &str)]) -> Self {
        let now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
        let core = core(conflict, reservations, now);
        Self { core, now, numbers: Vec::new(), confirmed: Vec::new() }
    }

    fn later(&mut self, secs: u64) {
        self.now = Now { boot_ms: self.now.boot_ms + secs * 1_000, wall_secs: self.now.wall_secs + secs };
        self.run();
    }

    /// Lets it do what it wants to do by now.
    fn run(&mut self) {
        for _ in 0..100 {
            if self.core.poll_timeout().is_none_or(|at| at > self.now.boot_ms) {
                return;
            }
            for work in self.core.handle_timeout(self.now, 10) {
                self.commit(&work);
            }
        }
        panic!("it never ends");
    }

    fn commit(&mut self, work: &Work) {
        for row in &work.rows {
            match row {
                Row::Suffix(one) => {
                    self.numbers.retain(|other| (&other.base, &other.identity) != (&one.base, &one.identity));
                    self.numbers.push(one.clone());
                }
                Row::SuffixGone(base, identity) => {
                    self.numbers.retain(|other| (&other.base, &other.identity) != (base, identity));
                }
                _ => {}
            }
        }
        if let Some(id) = work.transaction {
            self.core.settle(id, CommitOutcome::Committed);
        }
    }

    fn decide(&mut self, message: &ClientMessage) -> Work {
        let mut datagram = Vec::new();
        message.encode(&mut datagram);
        let addresses = ["192.168.30.1/24".parse().unwrap()];
        let destination = if message.ciaddr.is_unspecified() { Ipv4Addr::BROADCAST } else { SERVER };
        let source = (message.ciaddr, 68);
        let ingress = Ingress { interface: "eth0", addresses: &addresses, source, destination };
        self.core.handle_message(self.now, &ingress, &datagram)
    }

    fn hear(&mut self, message: &ClientMessage) -> Work {
        let work = self.decide(message);
        self.commit(&work);
        self.run();
        work
    }

    /// A new lease by this name: its address.
    fn lease(&mut self, n: u8, hostname: &str) -> Ipv4Addr {
        let discover = message(MessageType::Discover, n).with(code::HOST_NAME, hostname.as_bytes());
        let offered = self.hear(&discover).reply.unwrap().0.yiaddr;
        let request = message(MessageType::Request, n)
            .with(code::REQUESTED_IP_ADDRESS, offered.octets())
            .with(code::SERVER_IDENTIFIER, SERVER.octets())
            .with(code::HOST_NAME, hostname.as_bytes());
        assert_eq!(self.hear(&request).reply.unwrap().0.message_type, MessageType::Ack);
        offered
    }

    /// Renews, with option 81: its flags in the answer, and the name.
    fn renew(&mut self, n: u8, address: Ipv4Addr, hostname: &str) -> (u8, String) {
        let told = [&[0b101, 0, 0][..], fqdn(hostname).as_wire()].concat();
        let request = ClientMessage { ciaddr: address, ..message(MessageType::Request, n) }
            .with(code::HOST_NAME, hostname.as_bytes())
            .with(code::CLIENT_FQDN, told);
        let mut datagram = Vec::new();
        self.hear(&request).reply.unwrap().0.encode(&mut datagram);
        let reply = ServerMessage::parse(&datagram).unwrap();
        let option = reply.options.get(code::CLIENT_FQDN).unwrap();
        (option[0], Fqdn::from_wire(&option[3..]).map_or_else(|_| String::new(), |name| name.to_string()))
    }

    fn release(&mut self, n: u8, address: Ipv4Addr) {
        let release = ClientMessage { ciaddr: address, ..message(MessageType::Release, n) };
        self.hear(&release.with(code::SERVER_IDENTIFIER, SERVER.octets()));
    }

    fn name_at(&self, address: Ipv4Addr) -> String {
        let lease = self.core.engine().lease(address).unwrap();
        lease.name.map_or_else(String::new, |name| name.fqdn.to_string())
    }

    /// DNS says that the name of a lease is somebody else's.
    fn foreign(&mut self, name: &str) {
        let row = self.core.wanted().get(&RowKey::Forward(fqdn(name))).unwrap().clone();
        self.core.handle_foreign_name(&row.key, row.generation);
        self.run();
    }

    /// The updater has stored this of the name of a lease.
    fn stored(&mut self, name: &str, last: LastAnswer) {
        let row = self.core.wanted().get(&RowKey::Forward(fqdn(name))).unwrap();
        let (key, generation) = (row.key.clone(), row.generation);
        let (done, at) = (last == LastAnswer::Done, self.now.wall_secs);
        self.confirmed.retain(|one| one.key != key);
        let (holds, site, unsure) = (None, None, None);
        self.confirmed.push(ConfirmedRow { key, generation, done, holds, site, last, attempts: 1, at, unsure });
    }

    /// DNS holds it now.
    fn settled(&mut self, name: &str) {
        let row = self.core.wanted().get(&RowKey::Forward(fqdn(name))).unwrap().clone();
        let work = self.core.handle_settled_name(&row.key, row.generation);
        self.commit(&work);
    }

    /// A crash: everything in memory is gone.
    fn restart(&mut self, conflict: ConflictOutcome) {
        let leases = self.core.engine().leases().collect();
        let wanted = WantedTable::load(self.core.wanted().iter(), &[]);
        let (dhcp, ddns) = both(conflict, &[]);
        self.core = Core::new(dhcp, ddns, leases, wanted, self.now)
            .with_suffixes(self.numbers.clone())
            .with_refusals(&self.confirmed);
        let mended = self.core.mend_wanted();
        assert_eq!(mended.rows, [], "nothing was lost");
        self.run();
    }
}

fn both(
    conflict: ConflictOutcome,
    reservations: &[(u8, &str)],
) -> (Arc<dhcp::settings::Settings>, Arc<ddns::settings::Settings>) {
    let route = |apex| ZoneRoute { apex: fqdn(apex), server: ZoneServer::Embedded };
    let zones = vec![route("nasir.xyz"), route("30.168.192.in-addr.arpa")];
    let reserved = reservations.iter().map(|(_, name)| fqdn(&format!("{name}.nasir.xyz"))).collect();
    let reserve = |&(n, hostname): &(u8, &str)| Reservation {
        hostname: Some(hostname.to_owned()),
        ..Reservation::new(Ipv4Addr::new(192, 168, 30, n), ReservedFor::Hardware(hardware(n)))
    };
    let mut subnet = subnet();
    subnet.reservations = reservations.iter().map(reserve).collect();
    subnet.naming =
        Some(Naming { conflict, client_updates: ClientUpdates::Allow, ..Naming::of_domain(fqdn("nasir.xyz")) });
    let ddns = ddns::settings::Settings { zones: zones.into(), reserved, ..Default::default() };
    (Arc::new(settings(subnet)), Arc::new(ddns))
}

fn core(conflict: ConflictOutcome, reservations: &[(u8, &str)], now: Now) -> Core {
    let (dhcp, ddns) = both(conflict, reservations);
    Core::new(dhcp, ddns, Vec::new(), WantedTable::default(), now)
}

fn hardware(n: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap()
}

fn message(message_type: MessageType, n: u8) -> ClientMessage {
    ClientMessage::new(message_type, u32::from(n), hardware(n))
}

const SUFFIX: ConflictOutcome = ConflictOutcome::Suffix { keep_secs: 86_400 };

/// "Ten ESP32s send the same one: ... a stable suffix on conflict".
#[test]
fn ten_devices_of_one_name_have_ten_names_that_stay_theirs() {
    let mut bench = Bench::new(SUFFIX);
    let addresses: Vec<Ipv4Addr> = (1..=10).map(|n| bench.lease(n, "espressif")).collect();
    let names = |bench: &Bench| addresses.iter().map(|address| bench.name_at(*address)).collect::<Vec<_>>();
    let first = names(&bench);
    assert_eq!(
        (&*first[0], &*first[1], &*first[9]),
        ("espressif.nasir.xyz.", "espressif-2.nasir.xyz.", "espressif-10.nasir.xyz.")
    );
    // The power fails, and they come back in another order.
    addresses.iter().zip(1..).for_each(|(address, n)| bench.release(n, *address));
    bench.restart(SUFFIX);
    for n in [7, 3, 10, 1, 5, 9, 2, 8, 4, 6] {
        assert_eq!(bench.lease(n, "espressif"), addresses[usize::from(n) - 1]);
    }
    assert_eq!(names(&bench), first);
}

#[test]
fn a_number_is_free_a_set_time_after_the_last_lease_and_not_before() {
    let mut bench = Bench::new(SUFFIX);
    let first = bench.lease(1, "pc");
    bench.release(1, first);
    bench.later(DAY - 1);
    let second = bench.lease(2, "pc");
    assert_eq!(bench.name_at(second), "pc-2.nasir.xyz.");
    bench.later(2);
    assert_eq!(bench.numbers.len(), 1, "the first host's is free");
    let third = bench.lease(3, "pc");
    assert_eq!((bench.name_at(second), bench.name_at(third)), ("pc-2.nasir.xyz.".into(), "pc.nasir.xyz.".into()));
    // An expired lease is an end like a released one.
    bench.later(3_601);
    assert!(bench.numbers.iter().all(|one| one.left_at.is_some()));
    bench.later(DAY + 3_600);
    assert_eq!((bench.numbers.len(), bench.core.poll_timeout()), (0, None));
}

#[test]
fn numbers_hold_through_a_restart_and_a_commit_that_failed_assigns_none() {
    let mut bench = Bench::new(SUFFIX);
    let first = bench.lease(1, "pc");
    let offered = bench.hear(&message(MessageType::Discover, 2)).reply.unwrap().0.yiaddr;
    let request = message(MessageType::Request, 2)
        .with(code::REQUESTED_IP_ADDRESS, offered.octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets())
        .with(code::HOST_NAME, &b"pc"[..]);
    let work = bench.decide(&request);
    assert!(work.rows.iter().any(|row| matches!(row, Row::Suffix(one) if one.number == 2)), "{:?}", work.rows);
    bench.core.settle(work.transaction.unwrap(), CommitOutcome::Failed);
    assert_eq!(bench.core.suffixes().len(), 1);
    let third = bench.lease(3, "pc");
    bench.restart(SUFFIX);
    assert_eq!((bench.name_at(first), bench.name_at(third)), ("pc.nasir.xyz.".into(), "pc-2.nasir.xyz.".into()));
    assert_eq!(bench.core.suffixes().len(), 2);
}

#[test]
fn names_that_were_given_before_the_policy_keep_their_hosts() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let (first, second) = (bench.lease(1, "pc"), bench.lease(2, "pc"));
    assert_eq!((bench.name_at(first), bench.name_at(second)), ("pc.nasir.xyz.".into(), String::new()));
    bench.restart(SUFFIX);
    assert_eq!((bench.name_at(first), bench.name_at(second)), ("pc.nasir.xyz.".into(), "pc-2.nasir.xyz.".into()));
    assert_eq!(bench.numbers.len(), 2);
    // Back again: who has a name keeps it, and who is away has none kept for it.
    bench.restart(ConflictOutcome::Refuse);
    assert_eq!(bench.name_at(first), "pc.nasir.xyz.");
}

#[test]
fn a_number_ends_with_the_lease_of_a_host_that_has_the_name_by_hand_too() {
    let (named, ddns) = both(ConflictOutcome::Suffix { keep_secs: DAY as u32 }, &[]);
    let by_hand = ByHand {
        address: Ipv4Addr::new(192, 168, 30, 9).into(),
        name: fqdn("pc.nasir.xyz"),
        identity: HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, 1]),
        ttl_secs: 60,
        guard: dns::ConflictGuard::default(),
    };
    let ddns = Arc::new(ddns::settings::Settings { hosts: Hosts::new(vec![by_hand]), ..(*ddns).clone() });
    let mut subnet = named.subnets[0].clone();
    subnet.naming = None;
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    bench.core =
        Core::new(Arc::new(settings(subnet)), Arc::clone(&ddns), Vec::new(), WantedTable::default(), bench.now);
    bench.run();
    let address = bench.lease(1, "pc");
    // From now on leases have names, and those that run get theirs.
    bench.core.reconfigure(named, ddns, Vec::new(), bench.now);
    bench.run();
    assert_eq!(bench.name_at(address), "pc.nasir.xyz.");
    assert_eq!(bench.numbers.iter().map(|one| (one.number, one.left_at)).collect::<Vec<_>>(), [(1, None)]);
    bench.release(1, address);
    assert_eq!(bench.numbers[0].left_at, Some(bench.now.wall_secs));
}

#[test]
fn a_numbered_name_that_a_client_was_told_and_says_itself_is_the_same_name() {
    let mut bench = Bench::new(SUFFIX);
    bench.lease(1, "pc");
    let second = bench.lease(2, "pc");
    let (flags, told) = bench.renew(2, second, "pc-2.nasir.xyz");
    assert_eq!((flags, &*told), (0b101, "pc-2.nasir.xyz."));
    assert_eq!((bench.name_at(second), bench.numbers.len()), ("pc-2.nasir.xyz.".into(), 2));
    let third = bench.lease(3, "pc-2");
    assert_eq!(bench.name_at(third), "pc-2-2.nasir.xyz.");
}

#[test]
fn a_reservations_name_is_never_suffixed_and_never_given_in_the_place_of_another() {
    let mut bench = Bench::reserving(SUFFIX, &[(50, "pc-2"), (51, "nas")]);
    bench.lease(1, "pc");
    let second = bench.lease(2, "pc");
    assert_eq!(bench.name_at(second), "pc-3.nasir.xyz.");
    let nas = bench.lease(51, "whatever");
    assert_eq!(bench.name_at(nas), "nas.nasir.xyz.");
    assert!(bench.numbers.iter().all(|one| one.base != fqdn("nas.nasir.xyz")));
}

#[test]
fn a_name_that_is_somebody_elses_in_dns_gets_a_number_at_once_and_keeps_it() {
    let mut bench = Bench::new(SUFFIX);
    let first = bench.lease(1, "pc");
    bench.foreign("pc.nasir.xyz");
    assert_eq!(bench.name_at(first), "pc-2.nasir.xyz.");
    let pointer = bench.core.wanted().get(&RowKey::Reverse(first.into())).unwrap();
    assert_eq!(pointer.want.as_ref().map(|want| want.name.to_string()), Some("pc-2.nasir.xyz.".into()));
    assert_eq!(bench.core.wanted().get(&RowKey::Forward(fqdn("pc.nasir.xyz"))).unwrap().want, None);
    // The foreign record goes: what was dealt stays dealt.
    bench.later(DAY);
    assert_eq!(bench.lease(1, "pc"), first);
    assert_eq!(bench.name_at(first), "pc-2.nasir.xyz.");
}

#[test]
fn rfc4702_option_81_says_that_nothing_is_written_while_dns_refuses_the_name() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let first = bench.lease(1, "pc.nasir.xyz");
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b0101, "E, S");
    bench.foreign("pc.nasir.xyz");
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b1110, "N, E, O");
    // It is still wanted, so that it is there soon after the other one is gone.
    assert_eq!(bench.name_at(first), "pc.nasir.xyz.");
    bench.settled("pc.nasir.xyz");
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b0101);
    // Who leaves and comes again is told the truth of then, not of before.
    bench.foreign("pc.nasir.xyz");
    bench.release(1, first);
    assert_eq!(bench.lease(1, "pc.nasir.xyz"), first);
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b0101);
}

#[test]
fn rfc4702_option_81_says_after_a_start_too_that_dns_refuses_the_name() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let (first, second) = (bench.lease(1, "pc.nasir.xyz"), bench.lease(2, "nas.nasir.xyz"));
    bench.foreign("pc.nasir.xyz");
    bench.stored("pc.nasir.xyz", LastAnswer::Conflict);
    bench.stored("nas.nasir.xyz", LastAnswer::Timeout);
    // Whether a server can be asked or not.
    bench.now = Now { boot_ms: 1_000, wall_secs: bench.now.wall_secs + 60 };
    bench.restart(ConflictOutcome::Refuse);
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b1110, "N, E, O");
    assert_eq!(bench.renew(2, second, "nas.nasir.xyz").0, 0b0101, "E, S");
    bench.settled("pc.nasir.xyz");
    bench.stored("pc.nasir.xyz", LastAnswer::Done);
    bench.restart(ConflictOutcome::Refuse);
    assert_eq!(bench.renew(1, first, "pc.nasir.xyz").0, 0b0101);
}

/// Its name is tried while its host is away, and refused: the host is told so when it comes again.
#[test]
fn a_reservation_that_dns_refuses_is_known_to_be_refused_when_its_host_comes_again() {
    let mut bench = Bench::reserving(ConflictOutcome::Refuse, &[(50, "nas")]);
    let first = bench.lease(50, "nas");
    bench.foreign("nas.nasir.xyz");
    assert_eq!(bench.renew(50, first, "nas.nasir.xyz").0 & 0b1001, 0b1000, "N");
    bench.release(50, first);
    assert_eq!(bench.lease(50, "nas"), first);
    assert_eq!(bench.renew(50, first, "nas.nasir.xyz").0 & 0b1001, 0b1000, "N still");
}

/// Who has the name by then is not who was refused it.
#[test]
fn a_refusal_of_before_is_not_held_against_another_host_after_a_start() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let first = bench.lease(1, "pc.nasir.xyz");
    bench.foreign("pc.nasir.xyz");
    bench.stored("pc.nasir.xyz", LastAnswer::Conflict);
    bench.release(1, first);
    let second = bench.lease(2, "pc.nasir.xyz");
    bench.restart(ConflictOutcome::Refuse);
    assert_eq!(bench.renew(2, second, "pc.nasir.xyz").0, 0b0101);
}

#[test]
fn leases_for_which_no_number_is_left_are_counted_and_the_name_is_the_first_ones() {
    let mut bench = Bench::new(SUFFIX);
    let whose = |n: usize| HostIdentity::from_hardware(1, &n.to_be_bytes());
    let given = |n: usize| Assignment {
        base: fqdn(&format!("h{n}.nasir.xyz")),
        identity: whose(n),
        number: 1,
        keep_secs: 1_000_000_000,
        left_at: Some(bench.now.wall_secs),
    };
    bench.numbers = (0..ASSIGNMENTS_MAX).map(given).collect();
    bench.restart(SUFFIX);
    assert!(bench.core.suffixes().is_full());
    let (first, second) = (bench.lease(1, "pc"), bench.lease(2, "pc"));
    assert_eq!((bench.name_at(first), bench.name_at(second)), ("pc.nasir.xyz.".to_owned(), String::new()));
    assert_eq!(bench.core.unnumbered(), 2);
}

#[test]
fn refused_the_second_client_has_no_name_until_the_first_has_left() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let (first, second) = (bench.lease(1, "pc"), bench.lease(2, "pc"));
    assert_eq!(bench.renew(2, second, "pc.nasir.xyz").0, 0b1110, "N, E, O");
    bench.release(1, first);
    assert_eq!(bench.renew(2, second, "pc.nasir.xyz"), (0b101, "pc.nasir.xyz.".into()));
}

#[test]
fn the_client_that_came_last_takes_the_name_over_and_renewals_do_not_take_it_back() {
    let mut bench = Bench::new(ConflictOutcome::TakeOver);
    let first = bench.lease(1, "pc");
    let second = bench.lease(2, "pc");
    let names = |bench: &Bench| (bench.name_at(first), bench.name_at(second));
    let taken = (String::new(), "pc.nasir.xyz.".to_owned());
    assert_eq!(names(&bench), taken);
    let row = bench.core.wanted().get(&RowKey::Forward(fqdn("pc.nasir.xyz"))).unwrap();
    assert_eq!(row.want.as_ref().unwrap().addresses, [IpAddr::from(second)]);
    assert_eq!(row.former.iter().map(|held| held.addresses.clone()).collect::<Vec<_>>(), [[IpAddr::from(first)]]);
    assert_eq!(bench.core.wanted().get(&RowKey::Reverse(first.into())).unwrap().want, None);
    // It begins to send option 81 with the very name: its first word of that kind, but no other one.
    for _ in 0..3 {
        bench.later(600);
        bench.renew(2, second, "pc");
        let request =
            ClientMessage { ciaddr: first, ..message(MessageType::Request, 1) }.with(code::HOST_NAME, &b"pc"[..]);
        bench.hear(&request);
        assert_eq!(names(&bench), taken);
    }
    bench.restart(ConflictOutcome::TakeOver);
    assert_eq!(names(&bench), taken);
    // A new lease is an arrival.
    bench.release(1, first);
    assert_eq!(bench.lease(1, "pc"), first);
    assert_eq!(names(&bench), ("pc.nasir.xyz.".into(), String::new()));
}

#[test]
fn a_take_over_that_could_not_be_stored_takes_nothing() {
    let mut bench = Bench::new(ConflictOutcome::TakeOver);
    let first = bench.lease(1, "pc");
    let offered = bench.hear(&message(MessageType::Discover, 2)).reply.unwrap().0.yiaddr;
    let request = message(MessageType::Request, 2)
        .with(code::REQUESTED_IP_ADDRESS, offered.octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets())
        .with(code::HOST_NAME, &b"pc"[..]);
    let work = bench.decide(&request);
    bench.core.settle(work.transaction.unwrap(), CommitOutcome::Failed);
    bench.run();
    assert_eq!(bench.name_at(first), "pc.nasir.xyz.");
    let row = bench.core.wanted().get(&RowKey::Forward(fqdn("pc.nasir.xyz"))).unwrap();
    assert_eq!((row.want.as_ref().unwrap().addresses.len(), row.former.len()), (1, 0));
}
