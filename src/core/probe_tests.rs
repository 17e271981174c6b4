//! Probes between engine and commit.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::wanted::WantedTable;
use dhcp::client::ClientMessage;
use dhcp::decision::LeaseEventKind;
use dhcp::identity::HardwareAddress;
use dhcp::message::{DropReason, MessageType};
use dhcp::options::code;
use dhcp::probing::{ProbeOutcome, ProbeWhen, Probing};
use dhcp::settings::{Settings, Subnet};
use dhcp::time::Now;
use store::rows::Row;

use super::Core;
use super::pipeline::{Arrival, BatchOutcome, Link, Output, Pipeline, Probe, Step};

const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 101);

struct Bench {
    pipeline: Pipeline,
    link: Arc<Link>,
    now: Now,
}

fn hardware(n: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, n]).unwrap()
}

fn discover(n: u8) -> ClientMessage {
    ClientMessage::new(MessageType::Discover, u32::from(n), hardware(n))
}

fn taken() -> ProbeOutcome {
    ProbeOutcome::Taken(Some(hardware(0xbb)))
}

impl Bench {
    fn new() -> Self {
        let subnet = Subnet { naming: None, probe: ProbeWhen::Rested, ..super::tests::subnet() };
        let settings = Settings { probing: Probing::default(), ..super::tests::settings(subnet) };
        let now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
        let core = Core::new(Arc::new(settings), Arc::default(), Vec::new(), WantedTable::default(), now);
        let addresses = vec!["192.168.30.1/24".parse().unwrap()];
        let link = Arc::new(Link { name: "eth0".to_owned(), index: 2, addresses });
        Self { pipeline: Pipeline::new(core), link, now }
    }

    fn arrival(&self, message: &ClientMessage) -> Arrival {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        Arrival {
            link: Arc::clone(&self.link),
            source: (Ipv4Addr::UNSPECIFIED, 68),
            destination: Ipv4Addr::BROADCAST,
            payload,
        }
    }

    fn decide(&mut self, messages: &[ClientMessage]) -> Step {
        let arrivals = messages.iter().map(|message| self.arrival(message)).collect();
        self.pipeline.decide(self.now, arrivals)
    }

    /// The probes that these DISCOVERs begin, when nothing else comes of them.
    fn probes(&mut self, messages: &[ClientMessage]) -> Vec<Probe> {
        let Step::Finish(output) = self.decide(messages) else { panic!("something is stored") };
        assert!(output.departures.is_empty() && output.events.is_empty());
        self.pipeline.take_probes().collect()
    }

    fn offers(&self, output: &Output) -> Vec<(u32, Ipv4Addr)> {
        output.departures.iter().map(|departure| (departure.reply.xid, departure.reply.yiaddr)).collect()
    }
}

#[test]
fn two_clients_of_one_batch_are_probed_for_apart_and_offered_when_the_time_is_over() {
    let mut bench = Bench::new();
    let probes = bench.probes(&[discover(1), discover(2)]);
    assert_eq!(probes.iter().map(|probe| probe.request.address).collect::<Vec<_>>(), [FIRST, SECOND]);
    assert!(probes.iter().all(|probe| probe.link.index == 2));
    assert_eq!(bench.pipeline.poll_timeout(), Some(bench.now.boot_ms + 500));
    bench.now.boot_ms += 500;
    let Step::Finish(output) = bench.pipeline.expire(bench.now, 256) else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), [(1, FIRST), (2, SECOND)]);
    assert_eq!(bench.pipeline.take_probes().count(), 0);
}

#[test]
fn the_newest_discover_of_a_client_is_the_one_that_is_answered() {
    let mut bench = Bench::new();
    bench.probes(&[discover(1)]);
    assert_eq!(bench.probes(&[ClientMessage { xid: 77, ..discover(1) }]).len(), 0);
    bench.now.boot_ms += 500;
    let Step::Finish(output) = bench.pipeline.expire(bench.now, 256) else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), [(77, FIRST)]);
}

#[test]
fn a_conflict_is_committed_and_told_and_the_next_address_is_probed_meanwhile() {
    let mut bench = Bench::new();
    let probe = bench.probes(&[discover(1)]).remove(0);
    let step = bench.pipeline.take_probe_results(bench.now, &[(probe.request.id, taken())]);
    let Step::Submit(transactions, early) = step else { panic!("nothing is stored") };
    let [rows] = &transactions[..] else { panic!("one transaction") };
    assert!(matches!(&rows[..], [Row::Lease(lease)] if lease.address == FIRST), "{rows:?}");
    assert!(early.events.is_empty());
    let next: Vec<_> = bench.pipeline.take_probes().collect();
    assert_eq!(next[0].request.address, SECOND);
    let output = bench.pipeline.complete(bench.now, BatchOutcome::Committed).unwrap();
    let event = &output.events[0];
    assert_eq!((event.kind, event.lease.hardware), (LeaseEventKind::Conflict, hardware(0xbb)));
    bench.now.boot_ms += 500;
    let Step::Finish(output) = bench.pipeline.expire(bench.now, 256) else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), [(1, SECOND)]);
}

#[test]
fn an_offer_after_a_probe_waits_for_no_commit() {
    let mut bench = Bench::new();
    let probe = bench.probes(&[discover(1)]).remove(0);
    let server = bench.link.addresses[0].addr();
    let request = ClientMessage { message_type: MessageType::Request, ..discover(2) }
        .with(code::REQUESTED_IP_ADDRESS, SECOND.octets())
        .with(code::SERVER_IDENTIFIER, server.octets());
    assert!(matches!(bench.decide(&[request]), Step::Submit(..)));
    let step = bench.pipeline.take_probe_results(bench.now, &[(probe.request.id, ProbeOutcome::Free)]);
    let Step::Finish(output) = step else { panic!("something is stored") };
    assert_eq!((bench.offers(&output), output.done.len()), (vec![(1, FIRST)], 1));
    assert!(bench.pipeline.has_room() && !bench.pipeline.is_idle());
}

#[test]
fn without_room_for_the_quarantine_the_client_gets_silence() {
    let mut bench = Bench::new();
    let probe = bench.probes(&[discover(1)]).remove(0);
    let step = bench.pipeline.take_probe_results(bench.now, &[(probe.request.id, taken())]);
    assert!(matches!(step, Step::Submit(..)));
    bench.pipeline.take_probes().for_each(drop);
    bench.pipeline.take_dropped().for_each(drop);
    let output = bench.pipeline.complete(bench.now, BatchOutcome::NoSpace).unwrap();
    assert!(output.departures.is_empty() && output.events.is_empty());
    let dropped: Vec<_> = bench.pipeline.take_dropped().map(|dropped| dropped.reason).collect();
    assert_eq!(dropped, [DropReason::StorageFull]);
    assert_eq!(bench.pipeline.core().engine().lease(FIRST), None);
    // The second address's probe is still under way, and ends in silence too.
    assert_eq!(bench.pipeline.poll_timeout(), Some(bench.now.boot_ms + 500));
    bench.now.boot_ms += 500;
    let Step::Finish(output) = bench.pipeline.expire(bench.now, 256) else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), []);
    assert_eq!(bench.pipeline.poll_timeout(), None);
    // With room again there is an address that nobody answered for.
    bench.pipeline.room_again();
    let Step::Finish(output) = bench.decide(&[discover(1)]) else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), [(1, SECOND)]);
}

#[test]
fn an_ack_waits_for_no_probe() {
    let mut bench = Bench::new();
    let probe = bench.probes(&[discover(1)]).remove(0);
    let step = bench.pipeline.take_probe_results(bench.now, &[(probe.request.id, ProbeOutcome::Free)]);
    let Step::Finish(output) = step else { panic!("something is stored") };
    assert_eq!(bench.offers(&output), [(1, FIRST)]);
    let server = bench.link.addresses[0].addr();
    let request = ClientMessage { message_type: MessageType::Request, ..discover(1) }
        .with(code::REQUESTED_IP_ADDRESS, FIRST.octets())
        .with(code::SERVER_IDENTIFIER, server.octets());
    assert!(matches!(bench.decide(&[request, discover(2)]), Step::Submit(..)));
    let output = bench.pipeline.complete(bench.now, BatchOutcome::Committed).unwrap();
    assert_eq!(bench.offers(&output), [(1, FIRST)]);
    assert_eq!(bench.pipeline.take_probes().count(), 1);
}
