#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ddns::settings::{ZoneRoute, ZoneServer};
use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::identity::HardwareAddress;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::settings::{AddressRange, LeaseTime, Naming, Reservation, ReservedFor, Scope, Settings, Subnet};
use dns::Fqdn;

use super::pipeline::{Arrival, BatchOutcome, Link, Output, Pipeline, Step};
use ddns::wanted::WantedRow;

use super::*;
use crate::counters::Counters;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 101);

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn forward(text: &str) -> RowKey {
    RowKey::Forward(name(text))
}

/// 192.168.30.0/24 with a hundred addresses from .100 on, an hour each, under nasir.xyz.
pub(super) fn subnet() -> Subnet {
    Subnet {
        pools: vec![AddressRange { first: FIRST, last: Ipv4Addr::new(192, 168, 30, 199) }.into()],
        scope: Scope { lease_secs: LeaseTime { default: 3600, min: 300, max: 86_400 }.into(), ..Scope::default() },
        naming: Some(Naming::of_domain(name("nasir.xyz"))),
        ..Subnet::new("192.168.30.0/24".parse().unwrap())
    }
}

pub(super) fn settings(subnet: Subnet) -> Settings {
    Settings {
        subnets: vec![subnet],
        offer_hold_secs: 60,
        quarantine_secs: 86_400,
        declines_per_client_max: 3,
        ..Settings::default()
    }
}

pub(super) struct Bench {
    pub(super) pipeline: Pipeline,
    link: Arc<Link>,
    now: Now,
}

impl Bench {
    fn new() -> Self {
        Self::with(subnet())
    }

    pub(super) fn with(subnet: Subnet) -> Self {
        let settings = settings(subnet);
        let route = |apex| ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
        let zones = vec![route("nasir.xyz"), route("30.168.192.in-addr.arpa")];
        let ddns = ddns::settings::Settings { zones: zones.into(), ..Default::default() };
        let now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
        let core = Core::new(Arc::new(settings), Arc::new(ddns), Vec::new(), WantedTable::default(), now);
        let addresses = vec!["192.168.30.1/24".parse().unwrap()];
        let link = Arc::new(Link { name: "eth0".to_owned(), index: 2, addresses });
        Self { pipeline: Pipeline::new(core), link, now }
    }

    /// Hears a message, by unicast when it names a ciaddr, and decides.
    fn decide(&mut self, message: &ClientMessage) -> Step {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        let destination = if message.ciaddr.is_unspecified() { Ipv4Addr::BROADCAST } else { SERVER };
        let arrival = Arrival { link: Arc::clone(&self.link), source: (message.ciaddr, 68), destination, payload };
        self.pipeline.decide(self.now, vec![arrival])
    }

    /// Decides and commits: the rows that were stored, and what may be done then.
    pub(super) fn hear(&mut self, message: &ClientMessage) -> (Vec<Row>, Output) {
        match self.decide(message) {
            Step::Finish(output) => (Vec::new(), output),
            Step::Submit(transactions, early) => {
                assert_eq!((early.departures.len(), early.events.len()), (0, 0));
                let output = self.pipeline.complete(self.now, BatchOutcome::Committed).unwrap();
                (transactions.concat(), output)
            }
        }
    }

    /// DISCOVER, OFFER, REQUEST, ACK under this name.
    fn lease(&mut self, n: u8, hostname: &str) -> Ipv4Addr {
        let offered = self.hear(&named(message(MessageType::Discover, n), hostname)).1.departures[0].reply.yiaddr;
        let (_, output) = self.hear(&named(selecting(n, offered), hostname));
        assert_eq!(replies(&output), [(MessageType::Ack, offered)]);
        offered
    }

    fn name_of(&self, address: Ipv4Addr) -> Option<String> {
        self.pipeline.core().engine().lease(address)?.name.map(|name| name.fqdn.to_string())
    }
}

pub(super) fn message(message_type: MessageType, n: u8) -> ClientMessage {
    ClientMessage::new(message_type, u32::from(n), HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap())
}

fn named(message: ClientMessage, hostname: &str) -> ClientMessage {
    message.with(code::HOST_NAME, hostname.as_bytes())
}

pub(super) fn selecting(n: u8, address: Ipv4Addr) -> ClientMessage {
    message(MessageType::Request, n)
        .with(code::REQUESTED_IP_ADDRESS, address.octets())
        .with(code::SERVER_IDENTIFIER, SERVER.octets())
}

fn with_ciaddr(message_type: MessageType, n: u8, ciaddr: Ipv4Addr) -> ClientMessage {
    ClientMessage { ciaddr, ..message(message_type, n) }
}

fn replies(output: &Output) -> Vec<(MessageType, Ipv4Addr)> {
    output.departures.iter().map(|departure| (departure.reply.message_type, departure.reply.yiaddr)).collect()
}

fn kinds(output: &Output) -> Vec<LeaseEventKind> {
    output.events.iter().map(|event| event.kind).collect()
}

/// The keys of the wanted rows among `rows`.
fn wanted(rows: &[Row]) -> Vec<RowKey> {
    wanted_rows(rows).map(|row| row.key).collect()
}

/// The wanted rows among `rows`, those of new names as the two that they are.
fn wanted_rows(rows: &[Row]) -> impl Iterator<Item = WantedRow> {
    rows.iter().flat_map(|row| match row {
        Row::Wanted(row) => vec![row.clone()],
        Row::WantedNew(new) => vec![new.forward(), new.reverse()],
        _ => Vec::new(),
    })
}

/// A renewal takes a shorter way while all is as it should be, and no other.
#[test]
fn names_a_renewal_brings_back_what_is_wanted_of_a_name_where_that_was_lost() {
    let mut bench = Bench::new();
    let address = bench.lease(1, "pc");
    let renewal = named(with_ciaddr(MessageType::Request, 1, address), "pc");
    assert_eq!(wanted(&bench.hear(&renewal).0), []);
    let before = bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz")).unwrap();
    for key in [forward("pc.nasir.xyz"), RowKey::Reverse(address.into())] {
        let claim = claims::lease_claim(bench.pipeline.core().engine().lease(address)).unwrap();
        assert!(bench.pipeline.core().wanted().stands(address.into(), &claim));
        bench.pipeline.core_mut().wanted.revert_new(&NewName {
            name: name(if key == forward("pc.nasir.xyz") { "pc.nasir.xyz" } else { "other.nasir.xyz" }),
            identity: claim.identity.clone(),
            address: if key == forward("pc.nasir.xyz") { SECOND.into() } else { address.into() },
            ttl_secs: 0,
            guard: claim.guard,
            generation: 0,
        });
        assert!(!bench.pipeline.core().wanted().stands(address.into(), &claim));
        assert_eq!(wanted(&bench.hear(&renewal).0), [key]);
    }
    let after = bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz")).unwrap();
    assert_eq!(after.want, before.want);
    // Another name is another way.
    let (rows, _) = bench.hear(&named(with_ciaddr(MessageType::Request, 1, address), "laptop"));
    assert_eq!(wanted(&rows).len(), 3);
}

/// A name that nobody had takes a shorter way when it comes in a batch.
#[test]
fn names_a_new_name_in_a_batch_is_what_it_is_by_itself() {
    let request = named(selecting(1, FIRST), "pc");
    let mut payload = Vec::new();
    request.encode(&mut payload);
    let mut alone = Bench::new();
    let addresses = alone.link.addresses.clone();
    let (source, destination) = ((Ipv4Addr::UNSPECIFIED, 68), Ipv4Addr::BROADCAST);
    let ingress = Ingress { interface: "eth0", addresses: &addresses, source, destination };
    let work = alone.pipeline.core_mut().handle_message(alone.now, &ingress, &payload);
    let mut batched = Bench::new();
    let Step::Submit(transactions, _) = batched.decide(&request) else { panic!("a lease is stored") };
    let rows = transactions.concat();
    assert!(rows.iter().any(|row| matches!(row, Row::WantedNew(_))), "the shorter way");
    assert_eq!(wanted_rows(&rows).collect::<Vec<_>>(), wanted_rows(&work.rows).collect::<Vec<_>>());
    let table = |bench: &Bench| {
        let mut rows: Vec<WantedRow> = bench.pipeline.core().wanted().iter().collect();
        rows.sort_by_key(|row| row.generation);
        rows
    };
    assert_eq!(table(&batched), table(&alone));
    // The next generation is nobody's.
    assert!(batched.pipeline.core().unsettled() == 1 && table(&batched).len() == 2);
    let output = batched.pipeline.complete(batched.now, BatchOutcome::NoSpace).unwrap();
    assert!(table(&batched).is_empty() && output.departures.is_empty(), "what was not stored is taken back");
}

#[test]
fn rfc2131_section_3_1_no_ack_leaves_before_its_binding_is_on_stable_storage() {
    let mut bench = Bench::new();
    // An offer is no commitment: it leaves at once.
    let Step::Finish(offer) = bench.decide(&message(MessageType::Discover, 1)) else { panic!("nothing to store") };
    assert_eq!(replies(&offer), [(MessageType::Offer, FIRST)]);
    let Step::Submit(transactions, early) = bench.decide(&named(selecting(1, FIRST), "pc")) else { panic!() };
    assert_eq!((early.departures.len(), early.events.len()), (0, 0));
    // The lease and the DNS work that it causes are one transaction.
    let [rows] = &transactions[..] else { panic!("one transaction") };
    assert!(matches!(&rows[0], Row::Lease(lease) if lease.address == FIRST));
    assert_eq!(wanted(rows), [forward("pc.nasir.xyz"), RowKey::Reverse(FIRST.into())]);
    // What needs no commit waits all the same: an ACK that repeats this one would stand on it.
    let Step::Submit(nothing, early) = bench.decide(&with_ciaddr(MessageType::Inform, 2, SECOND)) else { panic!() };
    assert!(nothing.is_empty() && early.departures.is_empty());
    let output = bench.pipeline.complete(bench.now, BatchOutcome::Committed).unwrap();
    assert_eq!((replies(&output), kinds(&output)), (vec![(MessageType::Ack, FIRST)], vec![LeaseEventKind::Bound]));
    let output = bench.pipeline.complete(bench.now, BatchOutcome::Committed).unwrap();
    assert_eq!(replies(&output), [(MessageType::Ack, Ipv4Addr::UNSPECIFIED)]);
}

#[test]
fn rfc2131_section_3_1_a_commit_that_failed_or_found_no_room_acknowledges_nothing() {
    let mut bench = Bench::new();
    let Step::Submit(..) = bench.decide(&named(selecting(1, FIRST), "pc")) else { panic!() };
    let output = bench.pipeline.complete(bench.now, BatchOutcome::NoSpace).unwrap();
    assert_eq!((output.departures.len(), output.events.len()), (0, 0));
    assert_eq!(bench.pipeline.core().engine().leases().len(), 0);
    assert!(bench.pipeline.core().wanted().is_empty());
    bench.pipeline.room_again();
    let Step::Submit(..) = bench.decide(&selecting(1, FIRST)) else { panic!() };
    assert!(bench.pipeline.complete(bench.now, BatchOutcome::Failed).is_err());
}

#[test]
fn rfc2131_section_3_1_a_request_that_names_another_server_writes_no_dns() {
    let mut bench = Bench::new();
    bench.hear(&named(message(MessageType::Discover, 1), "pc"));
    let other = message(MessageType::Request, 1)
        .with(code::REQUESTED_IP_ADDRESS, FIRST.octets())
        .with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    let (rows, output) = bench.hear(&named(other, "pc"));
    assert!(rows.is_empty() && output.departures.is_empty() && output.events.is_empty());
    assert!(bench.pipeline.core().wanted().is_empty());
}

#[test]
fn rfc2131_section_4_3_5_an_inform_rewrites_no_dns() {
    let mut bench = Bench::new();
    let address = bench.lease(1, "pc");
    let before = bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz"));
    let inform = named(with_ciaddr(MessageType::Inform, 1, address), "other");
    let inform = inform.with(code::CLIENT_FQDN, *b"\x01\0\0other");
    let (rows, output) = bench.hear(&inform);
    assert!(rows.is_empty() && output.events.is_empty());
    assert_eq!(replies(&output), [(MessageType::Ack, Ipv4Addr::UNSPECIFIED)]);
    assert_eq!(bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz")), before);
    assert_eq!((bench.pipeline.core().wanted().len(), bench.name_of(address)), (2, Some("pc.nasir.xyz.".into())));
}

#[test]
fn rfc2131_what_is_dropped_is_counted_by_its_reason() {
    let mut bench = Bench::new();
    let counters = Counters::default();
    for message_type in [MessageType::Offer, MessageType::Ack, MessageType::Nak, MessageType::Request] {
        let (rows, output) = bench.hear(&message(message_type, 1));
        assert!(rows.is_empty() && output.departures.is_empty());
    }
    for dropped in bench.pipeline.take_dropped() {
        assert_eq!(dropped.link.name, "eth0");
        counters.dropped(dropped.reason);
    }
    let counted = counters.values().dropped;
    assert_eq!(counted.values().sum::<u64>(), 4);
    assert_eq!(counted.get(&DropReason::ServerMessage.to_string()), Some(&3));
    assert_eq!(counted.get(&DropReason::NoAddressNamed.to_string()), Some(&1), "a REQUEST that names no address");
}

#[test]
fn rfc4702_what_option_81_tells_the_client_is_what_dns_is_to_hold() {
    let mut bench = Bench::new();
    // Windows' default: S=0, N=0, in ASCII.
    let windows = |message: ClientMessage| message.with(code::CLIENT_FQDN, *b"\0\0\0DESKTOP-7");
    let (rows, output) = bench.hear(&windows(selecting(1, FIRST)));
    assert_eq!(wanted(&rows), [forward("desktop-7.nasir.xyz"), RowKey::Reverse(FIRST.into())]);
    let told = |output: &Output| {
        let options = &output.departures[0].reply.options;
        options.get(code::CLIENT_FQDN).map(<[u8]>::to_vec)
    };
    // S and O: the server writes the A record, against what the client said.
    assert_eq!(told(&output), Some(b"\x03\xff\xffdesktop-7.nasir.xyz".to_vec()));
    // Another host asks for the same name: it gets the lease, no record, and N=1.
    let (rows, output) = bench.hear(&windows(selecting(2, SECOND)));
    assert_eq!((replies(&output), wanted(&rows)), (vec![(MessageType::Ack, SECOND)], vec![]));
    assert_eq!(told(&output), Some(b"\x08\xff\xffDESKTOP-7".to_vec()));
}

/// The loser's outcome is the same at every renewal, touches nothing of the winner's, and ends when the winner leaves.
#[test]
fn names_two_clients_with_one_name_the_loser_stays_nameless_until_the_holder_leaves() {
    let mut bench = Bench::new();
    let (winner, loser) = (bench.lease(1, "pc"), bench.lease(2, "pc"));
    let held = bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz"));
    for _ in 0..20 {
        for (n, address) in [(1, winner), (2, loser)] {
            let (rows, output) = bench.hear(&named(with_ciaddr(MessageType::Request, n, address), "pc"));
            assert_eq!((wanted(&rows), output.events.len()), (vec![], 1), "no DNS work, and one line in the log");
        }
        assert_eq!((bench.name_of(winner), bench.name_of(loser)), (Some("pc.nasir.xyz.".into()), None));
    }
    assert_eq!(bench.pipeline.core().wanted().get(&forward("pc.nasir.xyz")), held);
    // The loser's leaving changes nothing; the winner's gives the name to who asks next.
    let release = |n, address| with_ciaddr(MessageType::Release, n, address);
    assert_eq!(wanted(&bench.hear(&release(2, loser)).0), []);
    let again = bench.lease(2, "pc");
    assert_eq!(bench.name_of(again), None);
    assert_eq!(wanted(&bench.hear(&release(1, winner)).0).len(), 2);
    bench.hear(&named(with_ciaddr(MessageType::Request, 2, again), "pc"));
    assert_eq!(bench.name_of(again), Some("pc.nasir.xyz.".into()));
}

/// A reservation by hardware address counts whatever identifier is sent, and so does its name.
#[test]
fn names_a_machine_with_a_reservation_keeps_its_name_when_its_system_has_another_identifier_than_its_boot_loader() {
    let reserved = Reservation {
        hostname: Some("dean".to_owned()),
        ..Reservation::new(SECOND, ReservedFor::Hardware(HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap()))
    };
    let mut bench = Bench::with(Subnet { reservations: vec![reserved], ..subnet() });
    for (id, changed) in [(&b"\0pxe"[..], 2), (b"\0os", 0), (b"\0pxe", 0)] {
        let (rows, output) = bench.hear(&selecting(1, SECOND).with(code::CLIENT_IDENTIFIER, id));
        assert_eq!(replies(&output), [(MessageType::Ack, SECOND)]);
        assert_eq!(bench.name_of(SECOND), Some("dean.nasir.xyz.".into()));
        assert_eq!(wanted(&rows).len(), changed, "its owner is the reservation's host");
    }
}

/// What a name's owner is follows from what a subnet keys on: a change of that must not cost the names.
#[test]
fn names_stay_with_their_clients_when_a_subnet_begins_to_ignore_client_identifiers() {
    let mut bench = Bench::new();
    let identified = |message: ClientMessage| named(message, "pc").with(code::CLIENT_IDENTIFIER, *b"\0pc1");
    bench.hear(&identified(selecting(1, FIRST)));
    for ignore_client_id in [true, false] {
        let flipped = settings(Subnet { ignore_client_id, ..subnet() });
        let ddns = Arc::clone(bench.pipeline.core().ddns_settings());
        bench.pipeline.reconfigure(Arc::new(flipped), ddns, vec![SERVER], bench.now);
        let (rows, output) = bench.hear(&identified(with_ciaddr(MessageType::Request, 1, FIRST)));
        assert_eq!(replies(&output), [(MessageType::Ack, FIRST)]);
        assert_eq!((bench.name_of(FIRST), wanted(&rows).len()), (Some("pc.nasir.xyz.".into()), 2));
    }
}

/// RFC 4361 lets a host have many interfaces with one DUID: it may make up as many as it likes.
#[test]
fn names_a_host_of_very_many_interfaces_has_one_name_with_a_bounded_number_of_addresses() {
    let mut bench = Bench::new();
    let mut largest = 0;
    for n in 0..90 {
        let address = Ipv4Addr::from(u32::from(FIRST) + n);
        let id = [&[255, 0, 0, 0, n as u8][..], b"\0\x03\0\x01duid"].concat();
        let (rows, output) = bench.hear(&named(selecting(1, address), "pc").with(code::CLIENT_IDENTIFIER, id));
        assert_eq!(replies(&output), [(MessageType::Ack, address)]);
        largest = largest.max(rows.iter().map(addresses_of).max().unwrap_or(0));
    }
    assert_eq!(largest, ddns::wanted::ADDRESSES_MAX);
}

fn addresses_of(row: &Row) -> usize {
    match row {
        Row::Wanted(row) => row.want.as_ref().map_or(0, |want| want.addresses.len()),
        _ => 0,
    }
}
