//! A stream of bulk leasequery from somebody who may ask: its framing, and each message in it.

#![no_main]

use dhcp::leasequery::bulk::{BulkQuery, Frames, QUERY_BYTES_MAX, done, unknown};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says in what pieces the stream comes.
    let Some((step, stream)) = bytes.split_first() else { return };
    let mut frames = Frames::default();
    'stream: for mut piece in stream.chunks(usize::from(*step) + 1) {
        while !piece.is_empty() {
            let taken = frames.take(piece);
            assert!(taken > 0, "it goes on");
            piece = &piece[taken..];
            match frames.next_message() {
                Ok(Some(message)) => {
                    assert!(message.len() <= QUERY_BYTES_MAX);
                    read(&message);
                }
                Ok(None) => assert!(frames.missing() > 0, "a message that is whole was given"),
                Err(_) => break 'stream,
            }
        }
    }
    // Once more as the options of a query, so that they are reached from every input.
    let mut dressed = vec![0; 240];
    dressed[0] = 1;
    dressed[236..].copy_from_slice(&[99, 130, 83, 99]);
    dressed.extend_from_slice(&[53, 1, 14]);
    dressed.extend_from_slice(stream);
    read(&dressed);
});

fn read(message: &[u8]) {
    let server = [192, 168, 30, 1].into();
    let mut out = Vec::new();
    match BulkQuery::parse(message) {
        Ok(Ok(query)) => unknown(&mut out, &query, [10, 0, 0, 1].into(), server),
        Ok(Err(bad)) => done(&mut out, bad.xid, Some((bad.status, bad.words)), server),
        Err(_) => return,
    }
    assert_eq!(usize::from(u16::from_be_bytes([out[0], out[1]])), out.len() - 2);
}
