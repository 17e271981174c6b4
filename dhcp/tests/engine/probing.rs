//! Conflict detection: what is probed before it is offered, and what follows from an answer.

use std::net::Ipv4Addr;

use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision, Ingress, LeaseEventKind};
use dhcp::identity::HardwareAddress;
use dhcp::lease::LeaseState;
use dhcp::message::DropReason;
use dhcp::names::NoNames;
use dhcp::options::code;
use dhcp::probing::{PastCap, ProbeHow, ProbeId, ProbeNeeded, ProbeOutcome, ProbeRequest, ProbeWhen, Probing};
use dhcp::settings::{ReservedFor, Settings, Subnet};

use crate::network::*;

/// Pool .100 to .109, probed.
fn probed(when: ProbeWhen) -> Settings {
    settings([Subnet { probe: when, ..subnet() }, Subnet { probe: when, ..remote_subnet(7) }])
}

fn server() -> Server {
    Server::new(probed(ProbeWhen::Rested))
}

fn with(probing: Probing) -> Server {
    Server::new(Settings { probing, ..probed(ProbeWhen::Rested) })
}

/// The probe that a DISCOVER begins; nothing else is done.
fn probe(decision: &Decision) -> ProbeRequest {
    assert!(decision.reply.is_none() && decision.events.is_empty() && decision.dropped.is_none());
    match decision.probe {
        Some(ProbeNeeded::Start(request)) => request,
        other => panic!("no probe begins: {other:?}"),
    }
}

fn taken() -> ProbeOutcome {
    ProbeOutcome::Taken(HardwareAddress::new(1, &SQUATTER))
}

impl Server {
    /// Hands in what came of a probe, with the DISCOVER that waits, and commits what is to be stored.
    fn result(&mut self, id: ProbeId, outcome: ProbeOutcome, way: &Way, waiting: &ClientMessage) -> Vec<Decision> {
        let decisions = self.probed(id, outcome, way, waiting);
        for ticket in decisions.iter().filter_map(|decision| decision.ticket) {
            self.engine.settle(ticket, CommitOutcome::Committed);
        }
        decisions
    }

    /// As [`Server::result`], of client `n`'s probe on the link.
    fn answer(&mut self, n: u8, id: ProbeId, outcome: ProbeOutcome) -> Vec<Decision> {
        self.result(id, outcome, &on_link(), &discover(n))
    }

    /// DISCOVER, a probe that nobody answers, OFFER, REQUEST, ACK.
    fn lease_after_probe(&mut self, n: u8) -> Ipv4Addr {
        let request = probe(&self.hear(&discover(n)));
        let [offer] = &self.answer(n, request.id, ProbeOutcome::Free)[..] else { panic!("one decision") };
        assert_eq!(offer.offered(), request.address);
        assert_eq!(self.hear(&selecting(n, request.address)).acked(), request.address);
        request.address
    }
}

#[test]
fn rfc2131_section_3_1_a_new_address_is_probed_before_it_is_offered() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    assert_eq!((request.address, request.how, request.timeout_ms), (FIRST, ProbeHow::Arp, 500));
    let [offer] = &server.answer(1, request.id, ProbeOutcome::Free)[..] else { panic!("one decision") };
    assert_eq!(offer.offered(), FIRST);
    // A DISCOVER that is repeated hears the same, at once.
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
    assert_eq!(server.hear(&selecting(1, FIRST)).acked(), FIRST);
    // What the client has is not probed: it would answer itself.
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
}

#[test]
fn a_relayed_client_s_address_is_probed_by_icmp() {
    let mut server = server();
    let relay = Ipv4Addr::new(10, 7, 0, 1);
    let message = ClientMessage { giaddr: relay, ..discover(1) };
    let request = probe(&server.take(&from_relay(relay), &message));
    assert_eq!((request.address, request.how), (Ipv4Addr::new(10, 7, 0, 100), ProbeHow::Icmp));
    let [offer] = &server.result(request.id, ProbeOutcome::Free, &from_relay(relay), &message)[..] else {
        panic!("one decision")
    };
    assert_eq!(offer.offered(), request.address);
}

#[test]
fn a_probe_holds_its_address_and_holds_up_nobody_else() {
    let mut server = server();
    let first = probe(&server.hear(&discover(1)));
    let second = probe(&server.hear(&discover(2)));
    assert_eq!((first.address, second.address), (FIRST, SECOND));
    assert!(server.hear(&selecting(3, FIRST)).is_nak(), "held for the first client");
    // The later one may be answered first.
    assert_eq!(server.answer(2, second.id, ProbeOutcome::Free)[0].offered(), SECOND);
    assert_eq!(server.answer(1, first.id, ProbeOutcome::Free)[0].offered(), FIRST);
}

#[test]
fn a_repeated_discover_starts_no_second_probe_and_is_the_one_that_is_answered() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    for _ in 0..3 {
        assert_eq!(server.hear(&discover(1)).probe, Some(ProbeNeeded::UnderWay(request.id)));
    }
    // Also one that asks for another address meanwhile.
    let wanting = discover(1).with(code::REQUESTED_IP_ADDRESS, [192, 168, 30, 105]);
    assert_eq!(server.hear(&wanting).probe, Some(ProbeNeeded::UnderWay(request.id)));
    let later = ClientMessage { xid: 0xabcd, ..discover(1) };
    let [offer] = &server.result(request.id, ProbeOutcome::Free, &on_link(), &later)[..] else {
        panic!("one decision")
    };
    assert_eq!((offer.offered(), offer.reply().xid), (FIRST, 0xabcd));
}

#[test]
fn an_address_that_somebody_answers_for_is_quarantined_and_another_is_probed() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    let decisions = server.answer(1, request.id, taken());
    let [conflict, next] = &decisions[..] else { panic!("two decisions: {decisions:?}") };
    assert_eq!(kinds(conflict), [(LeaseEventKind::Conflict, FIRST)]);
    let [event] = &conflict.events[..] else { panic!("one record") };
    let record = &event.lease;
    assert_eq!((record.state, record.hardware.as_bytes()), (LeaseState::Quarantined, &SQUATTER[..]));
    assert_eq!((record.expires_at, &record.name), (server.now.wall_secs + 86_400, &None));
    let next = probe(next);
    assert_eq!(next.address, SECOND);
    assert_eq!(server.answer(1, next.id, ProbeOutcome::Free)[0].offered(), SECOND);
    // Nobody gets it, also not by asking for it.
    let wanting = discover(2).with(code::REQUESTED_IP_ADDRESS, FIRST.octets());
    assert_ne!(probe(&server.hear(&wanting)).address, FIRST);
    assert!(server.hear(&selecting(3, FIRST)).is_nak());
}

#[test]
fn an_address_that_comes_back_from_quarantine_is_probed_again() {
    for declined in [false, true] {
        let mut server = server();
        if declined {
            let address = server.lease_after_probe(1);
            assert_eq!(kinds(&server.hear(&decline(1, address))), [(LeaseEventKind::Declined, FIRST)]);
        } else {
            let request = probe(&server.hear(&discover(1)));
            server.answer(1, request.id, taken());
        }
        assert_eq!(server.state(FIRST), Some(LeaseState::Quarantined));
        server.pass(86_400);
        server.tick();
        let wanting = discover(2).with(code::REQUESTED_IP_ADDRESS, FIRST.octets());
        let request = probe(&server.hear(&wanting));
        assert_eq!(request.address, FIRST);
        assert_eq!(server.result(request.id, ProbeOutcome::Free, &on_link(), &wanting)[0].offered(), FIRST);
    }
}

#[test]
fn an_address_declined_beyond_the_client_s_share_is_probed_before_it_is_offered_again() {
    let mut server = Server::new(Settings { declines_per_client_max: 0, ..probed(ProbeWhen::Rested) });
    let address = server.lease_after_probe(1);
    server.hear(&decline(1, address));
    assert_eq!(server.state(address), Some(LeaseState::Released));
    let wanting = discover(2).with(code::REQUESTED_IP_ADDRESS, address.octets());
    assert_eq!(probe(&server.hear(&wanting)).address, address);
}

#[test]
fn an_address_has_rested_when_nobody_has_said_a_word_of_it_for_a_while() {
    let wanting = |n| discover(n).with(code::REQUESTED_IP_ADDRESS, FIRST.octets());
    let released = |server: &mut Server| {
        assert_eq!(server.lease_after_probe(1), FIRST);
        server.pass(3_000);
        server.hear(&release(1, FIRST));
    };
    let mut server = server();
    released(&mut server);
    server.pass(599);
    assert_eq!(server.hear(&wanting(2)).offered(), FIRST, "its holder was heard of ten minutes ago");
    let mut server = self::server();
    released(&mut server);
    server.pass(600);
    assert_eq!(probe(&server.hear(&wanting(2))).address, FIRST);
    // That a lease ran out is no word of its holder, which may use it still.
    let mut server = self::server();
    assert_eq!(server.lease_after_probe(1), FIRST);
    server.pass(3_600);
    server.tick();
    assert_eq!(probe(&server.hear(&wanting(2))).address, FIRST);
    assert_eq!(probe(&server.hear(&discover(1))).address, SECOND, "it is held for the other");
    // And `always` knows no rest.
    let mut server = Server::new(probed(ProbeWhen::Always));
    released(&mut server);
    assert_eq!(probe(&server.hear(&wanting(2))).address, FIRST);
}

#[test]
fn a_reserved_address_that_somebody_else_uses_is_not_offered_either() {
    let reserved = Ipv4Addr::new(192, 168, 30, 20);
    let reservations = vec![reservation(reserved, ReservedFor::Hardware(mac(1)))];
    let mut server = Server::new(settings([Subnet { probe: ProbeWhen::Rested, reservations, ..subnet() }]));
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(request.address, reserved);
    let decisions = server.answer(1, request.id, taken());
    assert_eq!(
        (kinds(&decisions[0]), probe(&decisions[1]).address),
        (vec![(LeaseEventKind::Conflict, reserved)], FIRST)
    );
}

#[test]
fn after_some_conflicts_in_a_row_the_client_gets_silence_and_may_try_again() {
    let mut server = with(Probing { in_a_row_max: 3, ..Probing::default() });
    let mut request = probe(&server.hear(&discover(1)));
    for _ in 0..2 {
        request = probe(server.answer(1, request.id, taken()).last().unwrap());
    }
    let last = server.answer(1, request.id, taken());
    assert_eq!(kinds(&last[0]).len(), 1);
    assert_eq!(last[1].silence(), DropReason::ConflictsInARow);
    assert_eq!(server.engine.subnet_counts().last().unwrap().quarantined, 3);
    assert!(probe(&server.hear(&discover(1))).address > Ipv4Addr::new(192, 168, 30, 102));
}

#[test]
fn past_the_cap_an_address_is_offered_unprobed_or_not_at_all() {
    let at_most_one = |past_cap| with(Probing { at_once_max: 1, past_cap, ..Probing::default() });
    let mut server = at_most_one(PastCap::Offer);
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(server.hear(&discover(2)).offered(), SECOND);
    server.answer(1, request.id, ProbeOutcome::Free);
    probe(&server.hear(&discover(3)));

    let mut server = at_most_one(PastCap::Silence);
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(server.hear(&discover(2)).silence(), DropReason::ProbesAtOnce);
    server.answer(1, request.id, ProbeOutcome::Free);
    probe(&server.hear(&discover(2)));
}

#[test]
fn the_client_s_own_answer_is_no_conflict() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(server.answer(1, request.id, ProbeOutcome::Taken(Some(mac(1)))), []);
    // The probe goes on.
    assert_eq!(server.answer(1, request.id, ProbeOutcome::Free)[0].offered(), FIRST);
}

#[test]
fn what_could_not_be_asked_is_offered() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(server.answer(1, request.id, ProbeOutcome::Unknown)[0].offered(), FIRST);
}

#[test]
fn a_result_that_comes_too_late_or_twice_or_of_nothing_changes_nothing() {
    let mut server = server();
    assert_eq!(server.answer(1, ProbeId(77), taken()), []);
    let request = probe(&server.hear(&discover(1)));
    assert_eq!(server.answer(1, request.id, ProbeOutcome::Free)[0].offered(), FIRST);
    assert_eq!(server.answer(1, request.id, taken()), []);
    assert_eq!(server.hear(&selecting(1, FIRST)).acked(), FIRST);
    assert_eq!(server.state(FIRST), Some(LeaseState::Bound));
    // The client turned to another server while its address was probed: what was heard is true all the same.
    let request = probe(&server.hear(&discover(2)));
    let elsewhere = init_reboot(2, SECOND).with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]);
    assert_eq!(server.hear(&elsewhere).silence(), DropReason::OtherServer);
    assert_eq!(kinds(&server.answer(2, request.id, taken())[0]), [(LeaseEventKind::Conflict, SECOND)]);
}

#[test]
fn a_lease_made_while_its_address_was_probed_stands() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    // A client that remembers the offer of a server that has forgotten it.
    assert_eq!(server.hear(&selecting(1, FIRST)).acked(), FIRST);
    let decisions = server.answer(1, request.id, taken());
    assert!(decisions.iter().all(|decision| decision.events.is_empty()), "{decisions:?}");
    assert_eq!(server.state(FIRST), Some(LeaseState::Bound));
}

#[test]
fn time_tells_when_a_probe_is_over() {
    let mut server = server();
    assert_eq!(server.engine.next_probe_end(), None);
    let request = probe(&server.hear(&discover(1)));
    let end = server.now.boot_ms + 500;
    assert_eq!((server.engine.next_probe_end(), server.engine.poll_timeout()), (Some(end), Some(end)));
    assert_eq!(server.engine.overdue_probe(server.now), None);
    server.now.boot_ms = end;
    assert_eq!(server.engine.overdue_probe(server.now), Some(request.id));
    server.answer(1, request.id, ProbeOutcome::Free);
    assert_eq!(server.engine.overdue_probe(server.now), None);
}

#[test]
fn without_room_to_store_no_quarantine_is_made_and_the_client_gets_silence() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    server.engine.set_storage_full(true);
    let [decision] = &server.answer(1, request.id, taken())[..] else { panic!("one decision") };
    assert_eq!(decision.silence(), DropReason::StorageFull);
    assert_eq!(server.state(FIRST), None);
}

#[test]
fn a_quarantine_that_could_not_be_stored_is_undone() {
    let mut server = server();
    let request = probe(&server.hear(&discover(1)));
    let mut datagram = Vec::new();
    discover(1).encode(&mut datagram);
    let way = on_link();
    let ingress =
        Ingress { interface: "eth0", addresses: &way.addresses, source: way.source, destination: way.destination };
    let again = Some((&ingress, &datagram[..]));
    let decisions = server.engine.handle_probe_result(server.now, (request.id, taken()), again, &NoNames);
    server.engine.settle(decisions[0].ticket.unwrap(), CommitOutcome::Failed);
    assert_eq!(server.state(FIRST), None);
}

#[test]
fn rfc4039_an_address_is_probed_before_it_is_committed_at_once_too() {
    let mut server = Server::new(settings([Subnet { probe: ProbeWhen::Rested, rapid_commit: true, ..subnet() }]));
    let message = discover(1).with(code::RAPID_COMMIT, []);
    let request = probe(&server.hear(&message));
    let [decision] = &server.result(request.id, ProbeOutcome::Free, &on_link(), &message)[..] else {
        panic!("one decision")
    };
    assert_eq!((decision.acked(), kinds(decision)), (FIRST, vec![(LeaseEventKind::Bound, FIRST)]));
}

#[test]
fn without_probing_nothing_waits() {
    let mut server = Server::plain();
    assert_eq!(server.hear(&discover(1)).offered(), FIRST);
}
