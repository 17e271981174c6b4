//! A TFTP request and whatever a client says after it: the transfer ends, its windows are within the file, and it
//! sends nothing that the client did not ask for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tftp::name::path_below_root;
use tftp::packet::{Packet, netascii};
use tftp::transfer::{BLOCK_BYTES_MAX, Next, Transfer, WINDOW_BLOCKS_MAX};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split_inclusive(|byte| *byte == 0xfe);
    let Some(first) = parts.next() else { return };
    let _ = netascii(first);
    let Ok(Packet::Read(request)) = Packet::parse(first) else { return };
    if let Ok(path) = path_below_root(request.name) {
        assert!(path.is_relative() && path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
    }
    let length = u64::from(first.last().copied().unwrap_or(0)) * 700;
    let (mut transfer, mut next) = Transfer::start(request.wanted, length, 0);
    let mut steps = 0;
    loop {
        match next {
            Next::Done | Next::Aborted(_) | Next::Lost => return,
            Next::Wait => {}
            Next::SendOptions => assert!(!transfer.granted().is_empty()),
            Next::Send(blocks) => {
                assert!(blocks.end - blocks.start <= u64::from(WINDOW_BLOCKS_MAX));
                for block in blocks {
                    let (_, place) = transfer.place_of(block);
                    assert!(place.end <= length && place.end - place.start <= u64::from(BLOCK_BYTES_MAX.max(512)));
                }
            }
        }
        steps += 1;
        assert!(steps < 100_000, "it never ends");
        // Once the client has no more to say, silence ends it.
        next = match parts.next().map(Packet::parse) {
            Some(Ok(packet)) => transfer.handle(&packet, steps),
            Some(Err(_)) => Next::Wait,
            None => transfer.handle_timeout(transfer.deadline_ms()),
        };
    }
});
