//! Rows of the lease store, from any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::simulated::SimStorage;
use store::{Contents, Options, Row, Store};

const STREAMS: [u8; 7] = [0x81, 0x82, 0x83, 0x84, 0x05, 0x06, 0x07];

fuzz_target!(|input: &[u8]| {
    let [stream, gone, key_len, rest @ ..] = input else { return };
    // Three of four tries are for the streams that there are.
    let stream = if *stream < 0xc0 { STREAMS[usize::from(*stream) % STREAMS.len()] } else { *stream };
    let (key, value) = rest.split_at(usize::from(*key_len).min(rest.len()));
    let value = (*gone != 0).then_some(value);
    if let Ok(row) = Row::read(stream, key, value) {
        comes_back(&row);
    }
});

/// A row that could be read is stored and read as it was.
fn comes_back(row: &Row) {
    let disk = SimStorage::new(1);
    let options = Options { segment_bytes: 16 * 1024, ..Options::default() };
    let (mut store, ..) = Store::open(disk.clone(), &options).expect("an empty disk is a new store");
    store.commit(1, [std::slice::from_ref(row)]).expect("there is room");
    drop(store);
    let (_, contents, report) = Store::open(disk, &options).expect("what was written is read");
    let Contents { leases, wanted, confirmed, zone_sets, suffixes, zone_differences, zone_stated, zone_copies, .. } =
        contents;
    let (is_there, count) = match row {
        Row::Lease(lease) => (leases.contains(lease), 1),
        Row::Wanted(row) => (wanted.contains(row), 1),
        Row::Confirmed(row) => (confirmed.contains(row), 1),
        Row::ZoneSet { zone, set: Some(set), .. } => (zone_sets.contains(&(zone.clone(), set.clone())), 1),
        Row::Suffix(assignment) => (suffixes.contains(assignment), 1),
        Row::ZoneDifference { zone, difference } => (zone_differences.contains(&(zone.clone(), difference.clone())), 1),
        Row::ZoneStated { zone, name, rtype, stated: true } => {
            (zone_stated.contains(&(zone.clone(), name.clone(), *rtype)), 1)
        }
        Row::ZoneCopy { zone, checked_at } => (zone_copies.contains(&(zone.clone(), *checked_at)), 1),
        _ => (true, 0),
    };
    assert!(is_there && report.rows == count, "{row:?}");
}
