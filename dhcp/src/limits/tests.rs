//! Buckets by themselves, and the gate before the decoder.

#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use proptest::prelude::*;

use super::*;
use crate::client::ClientMessage;
use crate::identity::HardwareAddress;
use crate::message::MessageType;

const MINUTE: Rate = Rate { count: 60, per_secs: 60 };

fn ingress(interface: &str) -> Ingress<'_> {
    Ingress { interface, addresses: &[], source: (Ipv4Addr::UNSPECIFIED, 68), destination: Ipv4Addr::BROADCAST }
}

fn packet(client: u32, giaddr: [u8; 4]) -> Vec<u8> {
    let hardware = HardwareAddress::new(1, &[&[2, 0][..], &client.to_be_bytes()].concat()).unwrap();
    let mut bytes = Vec::new();
    ClientMessage { giaddr: giaddr.into(), ..ClientMessage::new(MessageType::Discover, 1, hardware) }
        .encode(&mut bytes);
    bytes
}

fn admitted(gate: &mut PacketGate, from_ms: u64, times: u32, client: u32, giaddr: [u8; 4]) -> usize {
    let bytes = packet(client, giaddr);
    (0..times).filter(|_| gate.admit(from_ms, &ingress("eth0"), &bytes).is_ok()).count()
}

#[test]
fn a_bucket_gives_its_count_at_once_and_then_its_share_as_time_passes() {
    let mut buckets = Buckets::new(MINUTE);
    let took = |buckets: &mut Buckets, at| (0..100).filter(|_| buckets.take(7, at) == Verdict::Within).count();
    assert_eq!(took(&mut buckets, 0), 60);
    assert_eq!(took(&mut buckets, 999), 0);
    assert_eq!(took(&mut buckets, 1_000), 1);
    assert_eq!(took(&mut buckets, 11_000), 10);
    assert_eq!(took(&mut buckets, 10_000_000), 60, "it never holds more than its count");
}

#[test]
fn looking_takes_nothing() {
    let mut buckets = Buckets::new(Rate { count: 1, per_secs: 1 });
    assert_eq!((0..9).map(|_| buckets.would_take(7, 5)).filter(|v| *v == Verdict::Within).count(), 9);
    assert_eq!(buckets.take(7, 5), Verdict::Within);
    assert_eq!(buckets.would_take(7, 5), Verdict::Past);
}

#[test]
fn a_mad_client_is_refused_and_its_neighbour_is_not() {
    let mut gate = PacketGate::new(Limits { packets_per_client: Some(MINUTE), ..Limits::default() });
    assert_eq!(admitted(&mut gate, 0, 10_000, 1, [0; 4]), 60);
    assert_eq!(admitted(&mut gate, 0, 8, 2, [0; 4]), 8);
    let refused = gate.admit(0, &ingress("eth0"), &packet(1, [0; 4]));
    assert_eq!(refused, Err(DropReason::ClientPacketLimit));
    // Who uses its address elsewhere takes nothing from it there.
    assert_eq!(gate.admit(0, &ingress("eth1"), &packet(1, [0; 4])), Ok(()));
    assert_eq!(admitted(&mut gate, 0, 60, 1, [10, 0, 0, 1]), 60);
}

#[test]
fn a_relay_is_refused_past_its_limit_and_another_is_not() {
    let limits = Limits { packets_per_client: Some(MINUTE), packets_per_relay: Some(MINUTE), ..Limits::default() };
    let mut gate = PacketGate::new(limits);
    let made_up: usize = (0..10_000).map(|client| admitted(&mut gate, 0, 1, client, [10, 0, 0, 1])).sum();
    assert_eq!(made_up, 60);
    let refused = gate.admit(0, &ingress("eth0"), &packet(1, [10, 0, 0, 1]));
    assert_eq!(refused, Err(DropReason::RelayPacketLimit));
    assert_eq!(admitted(&mut gate, 0, 5, 1, [10, 0, 0, 2]), 5);
    assert_eq!(admitted(&mut gate, 0, 5, 1, [0; 4]), 5);
}

#[test]
fn who_sends_in_the_name_of_a_relay_from_elsewhere_takes_nothing_from_those_behind_it() {
    let limits = Limits { packets_per_client: Some(MINUTE), packets_per_relay: Some(MINUTE), ..Limits::default() };
    let mut gate = PacketGate::new(limits);
    let stranger = Ingress { source: (Ipv4Addr::new(10, 9, 9, 9), 68), ..ingress("eth0") };
    let forged = packet(1, [10, 0, 0, 1]);
    assert_eq!((0..1_000).filter(|_| gate.admit(0, &stranger, &forged).is_ok()).count(), 60);
    assert_eq!(admitted(&mut gate, 0, 100, 1, [10, 0, 0, 1]), 60, "the client whose address was used, by its relay");
}

#[test]
fn what_a_client_sends_too_much_of_is_not_taken_from_its_relay() {
    let relay = Rate { count: 61, per_secs: 60 };
    let limits = Limits { packets_per_client: Some(MINUTE), packets_per_relay: Some(relay), ..Limits::default() };
    let mut gate = PacketGate::new(limits);
    assert_eq!(admitted(&mut gate, 0, 10_000, 1, [10, 0, 0, 1]), 60);
    assert_eq!(admitted(&mut gate, 0, 1, 2, [10, 0, 0, 1]), 1);
}

#[test]
fn a_full_table_lets_newcomers_through_and_says_how_many() {
    let mut gate = PacketGate::new(Limits { packets_per_client: Some(MINUTE), ..Limits::default() });
    assert_eq!(admitted(&mut gate, 0, 100, 0, [0; 4]), 60);
    let made_up = 200_000;
    let through: usize = (1..=made_up).map(|client| admitted(&mut gate, 0, 1, client, [0; 4])).sum();
    assert_eq!(through, 200_000, "nobody is refused for want of a place");
    assert!(gate.unlimited() >= 200_000 - BUCKETS_MAX as u64, "{}", gate.unlimited());
    assert_eq!(admitted(&mut gate, 0, 100, 0, [0; 4]), 0, "who has a bucket keeps it");
    // A minute later all buckets are full, and every place is free again.
    let before = gate.unlimited();
    assert_eq!(admitted(&mut gate, 61_000, 100, 300_000, [0; 4]), 60);
    assert_eq!(gate.unlimited(), before);
}

#[test]
fn new_limits_start_with_full_buckets_and_the_same_ones_change_nothing() {
    let limits = Limits { packets_per_client: Some(MINUTE), ..Limits::default() };
    let mut gate = PacketGate::new(limits);
    assert_eq!(admitted(&mut gate, 0, 100, 1, [0; 4]), 60);
    gate.reconfigure(limits);
    assert_eq!(admitted(&mut gate, 0, 100, 1, [0; 4]), 0);
    gate.reconfigure(Limits::default());
    assert_eq!(admitted(&mut gate, 0, 100, 1, [0; 4]), 100);
}

proptest! {
    /// Whatever others send, a client that keeps the limit is never refused.
    #[test]
    fn an_honest_client_is_never_refused_because_of_others(
        count in 1..50_u32,
        per_secs in 1..120_u32,
        others in proptest::collection::vec((1..u32::MAX, 0..3_u8), 0..400),
    ) {
        let rate = Rate { count, per_secs };
        let mut gate = PacketGate::new(Limits { packets_per_client: Some(rate), ..Limits::default() });
        // As fast as the limit lets it, for some spans, while the others send in between.
        let step_ms = (u64::from(per_secs) * 1000).div_ceil(u64::from(count));
        let mut others = others.into_iter().cycle();
        for turn in 0..u64::from(count) * 3 {
            for (client, relay) in others.by_ref().take(3) {
                let _ = gate.admit(turn * step_ms, &ingress("eth0"), &packet(client, [10, 0, 0, relay]));
            }
            prop_assert_eq!(gate.admit(turn * step_ms, &ingress("eth0"), &packet(0, [10, 0, 0, 1])), Ok(()));
        }
    }

    /// In any span no sender does more than its count, and what it had left over from before.
    #[test]
    fn no_sender_passes_its_rate(
        count in 1..50_u32,
        per_secs in 1..60_u32,
        gaps_ms in proptest::collection::vec(0..2_000_u64, 1..300),
    ) {
        let mut buckets = Buckets::new(Rate { count, per_secs });
        let (mut now, mut taken) = (1_000_000_u64, Vec::new());
        for gap in gaps_ms {
            now += gap;
            if buckets.take(9, now) == Verdict::Within {
                taken.push(now);
            }
        }
        for (first, at) in taken.iter().enumerate() {
            let within = taken[first..].iter().filter(|time| **time < at + u64::from(per_secs) * 1000).count();
            prop_assert!(within <= 2 * count as usize, "{} in one span", within);
        }
    }

    #[test]
    fn the_gate_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let limits = Limits { packets_per_client: Some(MINUTE), packets_per_relay: Some(MINUTE), ..Limits::default() };
        prop_assert_eq!(PacketGate::new(limits).admit(0, &ingress("eth0"), &bytes), Ok(()));
    }
}
