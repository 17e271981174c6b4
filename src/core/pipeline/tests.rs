//! What the pipeline promises when the store has no room, and by which address it answers.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use ddns::wanted::{WantedRow, WantedTable};
use dhcp::client::ClientMessage;
use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::{Message, MessageType};
use dhcp::options::code;

use dhcp::destination::Destination;
use dhcp::reply::Reply;

use super::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const START: Now = Now { boot_ms: 1_000_000, wall_secs: 1_800_000_000 };
const CONFIG: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                      domain = \"nasir.xyz\"\nlease_time = 600\n\n[[zone]]\nname = \"nasir.xyz\"\n";

fn later(secs: u64) -> Now {
    Now { boot_ms: START.boot_ms + secs * 1_000, wall_secs: START.wall_secs + secs }
}

fn pipeline(leases: Vec<Lease>) -> Pipeline {
    let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
    let config = config::check(CONFIG, "test.toml", &no_secrets).unwrap().config;
    let wanted = WantedTable::load([], &[]);
    Pipeline::new(Core::new(Arc::new(config.dhcp), Arc::new(config.ddns), leases, wanted, START))
}

fn link() -> Arc<Link> {
    let addresses = vec!["192.168.30.1/24".parse().unwrap(), "192.168.31.1/24".parse().unwrap()];
    Arc::new(Link { name: "eth0".to_owned(), index: 2, addresses })
}

fn arrival(client: u8, message_type: MessageType, ciaddr: Ipv4Addr, options: &[(u8, Ipv4Addr)]) -> Arrival {
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, client]).unwrap();
    let mut message = ClientMessage { ciaddr, ..ClientMessage::new(message_type, client.into(), hardware) };
    message = message.with(code::HOST_NAME, format!("host{client}").into_bytes());
    for (code, address) in options {
        message = message.with(*code, address.octets());
    }
    let mut payload = Vec::new();
    message.encode(&mut payload);
    let unicast = !ciaddr.is_unspecified();
    Arrival {
        link: link(),
        source: (ciaddr, 68),
        destination: if unicast { SERVER } else { Ipv4Addr::BROADCAST },
        payload,
    }
}

/// A REQUEST for an address that nobody offered: it is acknowledged when the address is free.
fn request(client: u8, address: Ipv4Addr) -> Arrival {
    let options = [(code::REQUESTED_IP_ADDRESS, address), (code::SERVER_IDENTIFIER, SERVER)];
    arrival(client, MessageType::Request, Ipv4Addr::UNSPECIFIED, &options)
}

fn renewal(client: u8, address: Ipv4Addr) -> Arrival {
    arrival(client, MessageType::Request, address, &[])
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 30, last)
}

fn submit(step: Step) -> Vec<Vec<Row>> {
    match step {
        Step::Submit(transactions, early) => {
            assert!(early.departures.is_empty() && early.events.is_empty());
            transactions
        }
        Step::Finish(output) => panic!("nothing was stored: {output:?}"),
    }
}

/// Type, address and lease time of each reply.
fn told(output: &Output) -> Vec<(MessageType, Ipv4Addr, u32)> {
    let secs = |reply: &Reply| {
        let option = reply.options.get(code::IP_ADDRESS_LEASE_TIME);
        option.map_or(0, |data| u32::from_be_bytes(data.try_into().unwrap()))
    };
    output.departures.iter().map(|d| (d.reply.message_type, d.reply.yiaddr, secs(&d.reply))).collect()
}

fn bound(client: u8, last: u8) -> (Pipeline, Vec<Row>) {
    let mut pipeline = pipeline(Vec::new());
    let rows = submit(pipeline.decide(START, vec![request(client, address(last))])).concat();
    let output = pipeline.complete(START, BatchOutcome::Committed).unwrap();
    assert_eq!(told(&output), [(MessageType::Ack, address(last), 600)]);
    (pipeline, rows)
}

#[test]
fn nothing_leaves_before_its_commit_also_what_stands_upon_an_earlier_one() {
    let mut pipeline = pipeline(Vec::new());
    assert_eq!(submit(pipeline.decide(START, vec![request(1, address(100))])).len(), 1);
    // These store nothing, and are not answered before the one that they came after.
    let inform = arrival(2, MessageType::Inform, address(101), &[]);
    for _ in 1..BATCHES_IN_FLIGHT_MAX {
        assert!(pipeline.has_room());
        assert_eq!(submit(pipeline.decide(START, vec![inform.clone()])).len(), 0);
    }
    assert!(!pipeline.has_room());
    let first = pipeline.complete(START, BatchOutcome::Committed).unwrap();
    assert_eq!(told(&first), [(MessageType::Ack, address(100), 600)]);
    for _ in 1..BATCHES_IN_FLIGHT_MAX {
        let next = pipeline.complete(START, BatchOutcome::Committed).unwrap();
        assert_eq!(told(&next), [(MessageType::Ack, Ipv4Addr::UNSPECIFIED, 0)]);
    }
    assert!(pipeline.is_idle());
}

#[test]
fn an_offer_waits_for_nothing_and_is_made_once() {
    let discover = |client| arrival(client, MessageType::Discover, Ipv4Addr::UNSPECIFIED, &[]);
    let mut pipeline = pipeline(Vec::new());
    submit(pipeline.decide(START, vec![request(1, address(105))]));
    // Alone it takes no place among those in flight.
    let Step::Finish(output) = pipeline.decide(START, vec![discover(2)]) else { panic!("nothing is stored") };
    assert_eq!(told(&output), [(MessageType::Offer, address(100), 600)]);
    assert_eq!(output.done.len(), 1);
    // Beside others it leaves before them.
    let Step::Submit(transactions, early) = pipeline.decide(START, vec![request(3, address(106)), discover(4)]) else {
        panic!("a lease is stored")
    };
    assert_eq!((transactions.len(), early.done.len()), (1, 1));
    assert_eq!(told(&early), [(MessageType::Offer, address(101), 600)]);
    let output = pipeline.complete(START, BatchOutcome::NoSpace).unwrap();
    assert!(told(&output).is_empty(), "who has an offer gets no second one, who asked for a lease silence");
    pipeline.complete(START, BatchOutcome::NoSpace).unwrap();
    assert!(pipeline.is_idle());
    assert!(
        matches!(pipeline.decide(START, vec![request(2, address(100))]), Step::Finish(output) if told(&output).is_empty())
    );
}

#[test]
fn without_room_a_renewal_gets_what_is_left_and_a_new_client_nothing_also_when_decided_beside_it() {
    let (mut pipeline, _) = bound(1, 100);
    submit(pipeline.decide(later(100), vec![renewal(1, address(100)), request(2, address(101))]));
    submit(pipeline.decide(later(100), vec![request(3, address(102))]));
    let before = pipeline.epoch();
    let output = pipeline.complete(later(100), BatchOutcome::NoSpace).unwrap();
    assert_eq!(told(&output), [(MessageType::Ack, address(100), 500)], "what is left of the stored lease, no more");
    assert!(output.events.is_empty());
    assert_eq!(pipeline.epoch(), before + 1);
    // The committer refuses the batch that was decided upon the failed one; it was answered already.
    let refused = pipeline.complete(later(100), BatchOutcome::NoSpace).unwrap();
    assert!(refused.departures.is_empty());
    assert!(pipeline.is_idle());
    let reasons: Vec<DropReason> = pipeline.take_dropped().map(|dropped| dropped.reason).collect();
    assert_eq!(reasons, [DropReason::StorageFull; 2]);
    // From here on nothing is submitted any more.
    let Step::Finish(output) = pipeline.decide(later(200), vec![renewal(1, address(100)), request(2, address(101))])
    else {
        panic!("something was to be stored")
    };
    assert_eq!(told(&output), [(MessageType::Ack, address(100), 400)]);
    pipeline.room_again();
    submit(pipeline.decide(later(200), vec![renewal(1, address(100))]));
    let output = pipeline.complete(later(200), BatchOutcome::Committed).unwrap();
    assert_eq!(told(&output), [(MessageType::Ack, address(100), 600)]);
}

#[test]
fn an_expiry_that_finds_no_room_comes_again() {
    let (mut pipeline, _) = bound(1, 100);
    assert!(pipeline.poll_timeout().is_some_and(|at| at <= later(600).boot_ms));
    assert_eq!(submit(pipeline.expire(later(601), 10)).len(), 1);
    let output = pipeline.complete(later(601), BatchOutcome::NoSpace).unwrap();
    assert!(output.events.is_empty());
    assert_eq!(pipeline.poll_timeout(), None, "nothing runs out while it cannot be stored");
    pipeline.room_again();
    assert!(pipeline.poll_timeout().is_some_and(|at| at <= later(601).boot_ms));
    let rows = submit(pipeline.expire(later(601), 10)).concat();
    assert!(rows.iter().any(|row| matches!(row, Row::Lease(lease) if lease.state == LeaseState::Expired)));
    let output = pipeline.complete(later(601), BatchOutcome::Committed).unwrap();
    assert_eq!(output.events.len(), 1);
}

#[test]
fn a_settled_name_that_finds_no_room_is_settled_once_there_is() {
    let (mut pipeline, _) = bound(1, 100);
    submit(pipeline.expire(later(601), 10));
    let output = pipeline.complete(later(601), BatchOutcome::Committed).unwrap();
    let settled = |row: &WantedRow| Feedback::Settled(row.key.clone(), row.generation);
    let gone: Vec<Feedback> = output.names.rows.iter().map(settled).collect();
    assert_eq!(gone.len(), 2, "forward and reverse");
    assert_eq!(submit(pipeline.settle_names(&gone)).len(), 2);
    pipeline.complete(later(602), BatchOutcome::NoSpace).unwrap();
    assert_eq!(pipeline.core().wanted().len(), 2, "what is not stored is not forgotten");
    assert_eq!(pipeline.poll_timeout(), None);
    pipeline.room_again();
    assert_eq!(pipeline.poll_timeout(), Some(0));
    assert_eq!(submit(pipeline.expire(later(603), 10)).len(), 2);
    pipeline.complete(later(603), BatchOutcome::Committed).unwrap();
    assert!(pipeline.core().wanted().is_empty());
    assert_eq!(pipeline.poll_timeout(), None);
}

#[test]
fn a_failed_store_gives_nothing_out() {
    let mut pipeline = pipeline(Vec::new());
    submit(pipeline.decide(START, vec![request(1, address(100))]));
    assert_eq!(pipeline.complete(START, BatchOutcome::Failed).unwrap_err(), StoreFailed);
}

#[test]
fn while_expiry_is_paused_stored_leases_stay_and_run_out_by_the_right_clock_afterwards() {
    let (_, rows) = bound(1, 100);
    let stored = rows.into_iter().find_map(|row| if let Row::Lease(lease) = row { Some(lease) } else { None }).unwrap();
    let mut pipeline = pipeline(vec![stored]);
    pipeline.pause_expiry();
    // After a start the names of stored leases are looked at, whatever the clock says.
    assert_eq!(pipeline.poll_timeout(), Some(0));
    assert!(matches!(pipeline.expire(later(5_000), 10), Step::Finish(_)));
    assert_eq!(pipeline.poll_timeout(), None);
    // The clock comes right: by wall time 300 s are left.
    let now = Now { boot_ms: later(5_000).boot_ms, wall_secs: later(300).wall_secs };
    pipeline.resume_expiry(now);
    assert_eq!(pipeline.poll_timeout(), Some(now.boot_ms + 300_000));
}

fn source(asked: Ipv4Addr, server_identifier: Ipv4Addr) -> Option<Ipv4Addr> {
    let arrival = request(1, address(100));
    let message = Message::parse(&arrival.payload).unwrap();
    let reply = Reply::answering(&message, MessageType::Ack, server_identifier);
    Departure { link: link(), asked, reply, destination: Destination::Broadcast }.source()
}

#[test]
fn a_reply_comes_from_the_address_that_was_asked_else_from_the_server_identifier() {
    let (second, elsewhere) = (Ipv4Addr::new(192, 168, 31, 1), Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(source(second, SERVER), Some(second));
    assert_eq!(source(elsewhere, SERVER), Some(elsewhere), "an address of ours on another interface");
    for to_all in [Ipv4Addr::BROADCAST, Ipv4Addr::new(192, 168, 31, 255)] {
        assert_eq!(source(to_all, second), Some(second));
        assert_eq!(source(to_all, Ipv4Addr::new(10, 9, 9, 9)), Some(SERVER), "a relay's identifier is not ours");
    }
}

#[test]
fn leases_without_names_and_leases_with_new_ones_share_transactions() {
    let mut pipeline = pipeline(Vec::new());
    let unnamed = |client: u8| {
        let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 1, client]).unwrap();
        let address = Ipv4Addr::new(192, 168, 30, 120 + client);
        let mut payload = Vec::new();
        ClientMessage::new(MessageType::Request, client.into(), hardware)
            .with(code::REQUESTED_IP_ADDRESS, address.octets())
            .with(code::SERVER_IDENTIFIER, SERVER.octets())
            .encode(&mut payload);
        Arrival { payload, ..request(client, address) }
    };
    let mut arrivals: Vec<Arrival> = (0..20).map(unnamed).collect();
    arrivals.push(request(1, Ipv4Addr::new(192, 168, 30, 100)));
    arrivals.extend((20..22).map(unnamed));
    let transactions = submit(pipeline.decide(START, arrivals));
    let leases = |rows: &Vec<Row>| rows.iter().filter(|row| matches!(row, Row::Lease(_))).count();
    assert_eq!(transactions.iter().map(leases).collect::<Vec<_>>(), [16, 7]);
    let at = transactions[1].iter().position(|row| matches!(row, Row::WantedNew(_))).unwrap();
    let is_its = |row: &Row| matches!(row, Row::Lease(lease) if lease.name.is_some());
    assert!(is_its(&transactions[1][at - 1]) && transactions[1].len() == 8, "what DNS should hold, beside its lease");
    let output = pipeline.complete(START, BatchOutcome::Committed).unwrap();
    assert_eq!((output.departures.len(), output.done.len(), pipeline.core().unsettled()), (23, 23, 0));
}
