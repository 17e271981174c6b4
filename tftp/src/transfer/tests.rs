#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use proptest::prelude::*;

use super::*;

const PLAIN: Wanted = Wanted { block_bytes: None, timeout_secs: None, length: false, window_blocks: None };

fn windowed(window_blocks: u16) -> Transfer {
    let wanted = Wanted { window_blocks: Some(window_blocks), ..PLAIN };
    let (mut transfer, next) = Transfer::start(wanted, 512 * 100, 0);
    assert_eq!(next, Next::SendOptions);
    assert_eq!(transfer.handle(&Packet::Ack(0), 0), Next::Send(1..u64::from(window_blocks) + 1));
    transfer
}

#[test]
fn rfc1350_without_options_the_first_block_answers_and_each_is_waited_for() {
    let (mut transfer, next) = Transfer::start(PLAIN, 1100, 0);
    assert_eq!(next, Next::Send(1..2));
    assert_eq!(transfer.place_of(1), (1, 0..512));
    assert_eq!(transfer.handle(&Packet::Ack(1), 5), Next::Send(2..3));
    assert_eq!(transfer.handle(&Packet::Ack(2), 6), Next::Send(3..4));
    assert_eq!(transfer.place_of(3), (3, 1024..1100));
    assert_eq!(transfer.handle(&Packet::Ack(3), 7), Next::Done);
}

#[test]
fn rfc1350_section_6_a_file_of_whole_blocks_ends_with_an_empty_one() {
    let (mut transfer, _) = Transfer::start(PLAIN, 512, 0);
    assert_eq!(transfer.handle(&Packet::Ack(1), 0), Next::Send(2..3));
    assert_eq!(transfer.place_of(2), (2, 512..512));
    assert_eq!(transfer.handle(&Packet::Ack(2), 0), Next::Done);
    // And an empty file is one empty block.
    let (mut empty, next) = Transfer::start(PLAIN, 0, 0);
    assert_eq!((next, empty.place_of(1)), (Next::Send(1..2), (1, 0..0)));
    assert_eq!(empty.handle(&Packet::Ack(1), 0), Next::Done);
}

#[test]
fn rfc2348_and_7440_the_server_may_grant_less_than_is_asked() {
    let wanted = Wanted { block_bytes: Some(32_768), window_blocks: Some(1_000), length: true, timeout_secs: Some(7) };
    let (transfer, next) = Transfer::start(wanted, 9, 100);
    assert_eq!(next, Next::SendOptions);
    let granted = Granted { block_bytes: Some(1468), window_blocks: Some(64), length: Some(9), timeout_secs: Some(7) };
    assert_eq!((transfer.granted(), transfer.deadline_ms()), (&granted, 7_100));
}

#[test]
fn rfc2349_a_time_that_would_keep_the_place_of_a_silent_client_for_long_is_not_granted() {
    let start = |secs| Transfer::start(Wanted { timeout_secs: Some(secs), ..PLAIN }, 9, 0);
    assert_eq!((start(10).0.granted().timeout_secs, start(10).1), (Some(10), Next::SendOptions));
    for secs in [1, 10, 11, 255] {
        let (mut transfer, mut next) = start(secs);
        let mut now = 0;
        while next != Next::Lost {
            now = transfer.deadline_ms();
            next = transfer.handle_timeout(now);
        }
        assert!(now <= 60_000, "{secs} s asked for: given up after {now} ms");
    }
}

#[test]
fn rfc2347_nothing_is_sent_before_the_options_are_acknowledged() {
    let (mut transfer, _) = Transfer::start(Wanted { length: true, ..PLAIN }, 9, 0);
    assert_eq!(transfer.handle(&Packet::Ack(1), 0), Next::Wait);
    // Error 8 refuses them; a boot rom that has heard the length leaves so too.
    assert_eq!(transfer.clone().handle(&Packet::Error(8), 0), Next::Aborted(8));
    assert_eq!(transfer.handle(&Packet::Ack(0), 0), Next::Send(1..2));
}

#[test]
fn rfc1123_section_4_2_3_1_a_doubled_ack_sends_nothing_twice() {
    let (mut transfer, _) = Transfer::start(PLAIN, 5000, 0);
    assert_eq!(transfer.handle(&Packet::Ack(1), 0), Next::Send(2..3));
    assert_eq!(transfer.handle(&Packet::Ack(1), 0), Next::Wait);
    // What was not sent yet cannot be acknowledged.
    assert_eq!(transfer.handle(&Packet::Ack(3), 0), Next::Wait);
    assert_eq!(transfer.handle(&Packet::Ack(2), 0), Next::Send(3..4));
}

#[test]
fn rfc7440_section_4_a_gap_is_sent_again_from_where_the_client_is_and_only_once() {
    let mut transfer = windowed(4);
    // Block 3 was lost.
    assert_eq!(transfer.handle(&Packet::Ack(2), 0), Next::Send(3..7));
    // Block 3 again.
    assert_eq!(transfer.handle(&Packet::Ack(2), 0), Next::Send(3..7));
    assert_eq!(transfer.handle(&Packet::Ack(2), 0), Next::Wait);
    assert_eq!(transfer.handle(&Packet::Ack(6), 0), Next::Send(7..11));
}

#[test]
fn silence_is_answered_by_the_same_again_and_after_a_while_by_giving_up() {
    let mut transfer = windowed(2);
    let mut waits = Vec::new();
    let mut now = transfer.deadline_ms();
    assert_eq!(transfer.handle_timeout(now - 1), Next::Wait);
    while transfer.handle_timeout(now) == Next::Send(1..3) {
        waits.push(transfer.deadline_ms() - now);
        now = transfer.deadline_ms();
    }
    assert_eq!(waits, [2_000, 4_000, 8_000, 8_000, 8_000]);
    assert_eq!(transfer.handle_timeout(now), Next::Lost);
}

#[test]
fn block_numbers_go_round_past_65535() {
    let length = 512 * 70_000;
    let (mut transfer, _) = Transfer::start(PLAIN, length, 0);
    for block in 1..=70_000_u64 {
        let next = transfer.handle(&Packet::Ack((block & 0xffff) as u16), 0);
        assert_eq!(next, Next::Send(block + 1..block + 2));
    }
    assert_eq!(transfer.place_of(65_536), (0, 65_535 * 512..65_536 * 512));
    assert_eq!(transfer.handle(&Packet::Ack((70_001 & 0xffff) as u16), 0), Next::Done);
}

/// A client that puts the blocks together, over a wire that loses and doubles packets.
fn fetch(length: u64, wanted: Wanted, fates: &[u8]) -> Vec<u8> {
    let file: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
    let mut fates = fates.iter().copied().cycle();
    let (mut transfer, mut next) = Transfer::start(wanted, length, 0);
    let (mut now, mut got, mut had) = (0, Vec::new(), 0_u64);
    for _ in 0..200_000 {
        let mut said = Vec::new();
        match next {
            Next::Done => return got,
            Next::Lost | Next::Aborted(_) => panic!("{next:?}"),
            Next::Wait => {}
            Next::SendOptions => said.push(0),
            Next::Send(ref blocks) => {
                for block in blocks.clone() {
                    let (wire, place) = transfer.place_of(block);
                    let copies = match fates.next().unwrap() {
                        0..20 => 0,
                        20..40 => 2,
                        _ => 1,
                    };
                    for _ in 0..copies {
                        if wire == ((had + 1) & 0xffff) as u16 {
                            got.extend_from_slice(
                                &file[usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap()],
                            );
                            had += 1;
                        }
                    }
                }
                // One word at the end of what it heard of the window.
                said.push((had & 0xffff) as u16);
            }
        }
        next = Next::Wait;
        for ack in said {
            // Never twice in a row, or the server may rightly give up.
            if !(0..20).contains(&fates.next().unwrap()) {
                next = transfer.handle(&Packet::Ack(ack), now);
            }
        }
        if next == Next::Wait {
            now = transfer.deadline_ms();
            next = transfer.handle_timeout(now);
        }
    }
    panic!("it never ends");
}

proptest! {
    #[test]
    fn a_file_arrives_whole_over_a_wire_that_loses_and_doubles(
        length in 0..20_000_u64,
        block_bytes in prop::option::of(8..2_000_u16),
        window_blocks in prop::option::of(1..100_u16),
        // More often kept than lost, or six losses in a row end it.
        fates in prop::collection::vec(15..=255_u8, 40..200),
    ) {
        let wanted = Wanted { block_bytes, window_blocks, ..PLAIN };
        let file: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
        prop_assert!(fetch(length, wanted, &fates) == file);
    }
}
