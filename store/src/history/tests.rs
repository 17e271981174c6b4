#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::net::Ipv4Addr;

use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseState};
use dns::Fqdn;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::simulated::SimStorage;
use crate::storage::{Storage, StorageFile};
use crate::{Options, Row, Store};

const DAY: u64 = 86_400;
const LIMITS: Limits = Limits { keep_secs: 90 * DAY, bytes_max: 1 << 30 };

prop_compose! {
    fn records()(
        kind in select(&Kind::ALL[..]), at in 1_000_000_u64..1_000_400, host in 0_u32..40, mac in 0_u8..12,
        state in select(&[LeaseState::Bound, LeaseState::Released, LeaseState::Expired, LeaseState::Quarantined][..]),
        client_id in option::of(prop_oneof![vec(any::<u8>(), 0..40), (0_u8..12).prop_map(|mac| vec![1, 2, 0, 0, 0, 0, mac])]), hostname in "[a-zA-Z]{0,3}(\\.x)?", name in option::of("[a-c]{1,2}"),
        started_at: u64, ends in option::of(any::<u64>()), relay: u32, info in vec(any::<u8>(), 0..20),
    ) -> Record {
        Record {
            kind, at, state, started_at,
            address: Ipv4Addr::from(0x0a00_0000 + host),
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, mac]).unwrap(),
            client_id: client_id.map(|id| ClientId(id.into())),
            renewed_at: at,
            expires_at: ends.unwrap_or(u64::MAX),
            hostname: hostname.into_bytes().into(),
            name: name.map(|label| Fqdn::from_labels([label.as_bytes(), b"lan"]).unwrap()),
            relay: relay.into(),
            relay_agent_info: info.into(),
        }
    }
}

fn queries() -> impl Strategy<Value = Query> {
    (
        option::of(0_u32..40),
        option::of(0_u8..12),
        option::of("[a-c]{1,2}"),
        option::of("[a-c]{1,2}"),
        option::of(1_000_000_u64..1_000_400),
        option::of(1_000_000_u64..1_000_400),
        option::of(select(&Kind::ALL[..])),
        option::of(0_u8..12),
    )
        .prop_map(|(host, mac, name, label, since, until, kind, client)| Query {
            client_id: client.map(|mac| ClientId([1, 2, 0, 0, 0, 0, mac].into())),
            address: host.map(|host| Ipv4Addr::from(0x0a00_0000 + host)),
            hardware: mac.map(|mac| HardwareAddress::new(1, &[2, 0, 0, 0, 0, mac]).unwrap()),
            name: name.map(|label| Fqdn::from_labels([label.as_bytes(), b"lan"]).unwrap()),
            label: label.map(|label| label.into_bytes().into()),
            since,
            until,
            kinds: kind.into_iter().collect(),
            ..Query::default()
        })
}

/// Everything that a query takes, page by page.
fn all(reader: &Reader<SimStorage>, query: &Query, most: usize) -> Vec<Record> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = reader.newest(query, after, most).unwrap();
        assert_eq!(page.damaged, 0);
        found.extend(page.records.iter().map(|(_, record)| record.clone()));
        match page.records.last() {
            Some((position, _)) if page.more => after = Some(*position),
            _ => return found,
        }
    }
}

fn sorted(mut records: Vec<Record>) -> Vec<String> {
    records.sort_by_key(|record| (record.at, record.address, record.identity(), record.kind));
    records.dedup_by_key(|record| (record.at, record.address, record.identity(), record.kind));
    records.iter().map(|record| format!("{record:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_record_comes_back_whole(record in records()) {
        let mut octets = Vec::new();
        push(&record, &mut octets);
        prop_assert_eq!(super::records(&octets).collect::<Vec<_>>(), [record]);
    }

    #[test]
    fn any_octets_are_records_or_none(octets: Vec<u8>) {
        let _ = super::records(&octets).count();
        let read = open_file::read(1, &octets);
        prop_assert!(read.end + read.torn == octets.len());
    }

    /// The whole file against a plain list: written in pieces, made parts now and then, asked in pages.
    #[test]
    fn what_is_asked_for_is_found_wherever_it_stands(
        pieces in vec(vec(records(), 1..40), 1..12), seals in vec(any::<bool>(), 12), query in queries(), most in 1_usize..50,
    ) {
        let storage = SimStorage::new(1);
        let (mut writer, _) = Writer::open(storage.clone(), LIMITS).unwrap();
        let mut now = 2_000_000;
        for (piece, seal) in pieces.iter().zip(&seals) {
            now += if *seal { 4 * DAY } else { 1 };
            writer.append(now, piece).unwrap();
        }
        let expected: Vec<Record> = pieces.concat().into_iter().filter(|record| query.takes(record)).collect();
        prop_assert_eq!(sorted(all(&Reader::new(storage), &query, most)), sorted(expected));
    }

    /// Whatever the power takes, what was synced is there, and the rest is whole or gone.
    #[test]
    fn a_crash_takes_at_most_what_was_not_synced(
        seed: u64, pieces in vec((vec(records(), 1..20), any::<bool>(), any::<bool>()), 1..12),
    ) {
        let storage = SimStorage::new(seed);
        let (mut writer, _) = Writer::open(storage.clone(), LIMITS).unwrap();
        let (mut now, mut synced, mut written) = (2_000_000, Vec::new(), Vec::new());
        for (piece, seal, sync) in pieces {
            now += if seal { 4 * DAY } else { 1 };
            writer.append(now, &piece).unwrap();
            written.extend(piece);
            if sync {
                writer.sync().unwrap();
                synced = written.clone();
            }
        }
        drop(writer);
        storage.crash();
        let (mut writer, opened) = Writer::open(storage.clone(), LIMITS).unwrap();
        let found = sorted(all(&Reader::new(storage.clone()), &Query::default(), 1_000));
        prop_assert!(sorted(synced).iter().all(|record| found.contains(record)), "torn: {}", opened.torn);
        prop_assert!(found.iter().all(|record| sorted(written.clone()).contains(record)));
        // And it goes on.
        writer.append(now + 1, &[Record { at: 3_000_000, ..written[0].clone() }]).unwrap();
        prop_assert_eq!(all(&Reader::new(storage), &Query { since: Some(3_000_000), ..Query::default() }, 5).len(), 1);
    }

    #[test]
    fn what_is_dropped_is_the_oldest_and_no_more_than_must_be(
        sizes in vec((1_u64..100, 0_u64..50), 0..20), open in 0_u64..100, bytes_max in 1_u64..500, keep_secs in 1_u64..400, now in 0_u64..1_500,
    ) {
        let mut newest = 0;
        let parts: Vec<PartSize> = (1..).zip(&sizes).map(|(number, (bytes, passed))| {
            newest += passed;
            PartSize { number, bytes: *bytes, newest }
        }).collect();
        let (aged, large) = dropped(&parts, open, &Limits { keep_secs, bytes_max }, now);
        prop_assert!(parts[..aged].iter().all(|part| part.newest + keep_secs < now));
        prop_assert!(parts[aged..].iter().all(|part| part.newest + keep_secs >= now));
        let left: u64 = parts[aged + large..].iter().map(|part| part.bytes).sum();
        prop_assert!(left + open <= bytes_max || aged + large == parts.len());
        if large > 0 {
            prop_assert!(left + open + parts[aged + large - 1].bytes > bytes_max);
        }
    }
}

fn lease(last: u8, mac: u8, started_at: u64, renewed_at: u64) -> Lease {
    Lease {
        address: [10, 0, 0, last].into(),
        subnet: "10.0.0.0/24".parse().unwrap(),
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, mac]).unwrap(),
        client_id: None,
        started_at,
        renewed_at,
        expires_at: renewed_at + 3_600,
        hostname: b"nas".as_slice().into(),
        client_fqdn: b"".as_slice().into(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: b"".as_slice().into(),
        server_identifier_override: None,
    }
}

fn ended(lease: &Lease, state: LeaseState, at: u64) -> Lease {
    Lease { state, expires_at: at, ..lease.clone() }
}

#[test]
fn a_damaged_block_is_told_and_the_others_are_read() {
    let storage = SimStorage::new(1);
    let (mut writer, _) = Writer::open(storage.clone(), LIMITS).unwrap();
    let records: Vec<Record> = (0..2_000_u32)
        .map(|n| Record::new(Kind::Assigned, &lease(n as u8, n as u8, 10 + u64::from(n), 10), 9))
        .collect();
    writer.append(1_000, &records).unwrap();
    writer.append(1_000 + 4 * DAY, &records[..1]).unwrap();
    let mut file = storage.open("part-0000000001", true).unwrap();
    let mut octet = [0];
    file.read_at(20_000, &mut octet).unwrap();
    file.write_at(20_000, &[octet[0] ^ 1]).unwrap();
    let page = Reader::new(storage).newest(&Query::default(), None, 5_000).unwrap();
    assert_eq!(page.damaged, 1);
    assert!((1_500..2_000).contains(&page.records.len()), "{}", page.records.len());
}

#[test]
fn machines_are_known_from_parts_and_from_the_open_file() {
    let storage = SimStorage::new(1);
    let (mut writer, _) = Writer::open(storage.clone(), LIMITS).unwrap();
    writer.append(1_000, &[Record::new(Kind::Assigned, &lease(1, 1, 10, 10), 10)]).unwrap();
    writer.append(1_000 + 4 * DAY, &[Record::new(Kind::Assigned, &lease(2, 2, 20, 20), 20)]).unwrap();
    let names = storage.list().unwrap();
    assert!(names.iter().any(|name| name.starts_with("part-")) && names.iter().any(|name| name.starts_with("open-")));
    let mut since = Vec::new();
    writer.each_since(2_000, |record| since.push(record.at)).unwrap();
    assert_eq!(since, [20], "what was written then, whenever it happened");
    let mut known = Reader::new(storage).known().unwrap();
    let met = [1, 2, 3, 3].map(|mac| known.meet(&lease(9, mac, 1, 1).hardware, None));
    assert_eq!(met, [Sight::Again, Sight::Again, Sight::First, Sight::Again]);
}

#[test]
fn who_had_an_address_is_known_through_renewals_moves_and_ends() {
    let (first, second) = (lease(5, 1, 1_000, 9_000), lease(5, 2, 20_000, 20_000));
    let assigned = Record::new(Kind::Assigned, &lease(5, 1, 1_000, 1_000), 1_000);
    let released = Record::new(Kind::Released, &ended(&first, LeaseState::Released, 9_500), 9_500);
    let next = Record::new(Kind::Assigned, &second, 20_000);
    // The renewals in between are known by the end alone.
    let holder = holder_at(8_000, Some(&assigned), Some(&released)).unwrap();
    assert_eq!((holder.record.hardware, holder.from, holder.until), (first.hardware, 1_000, Some(9_500)));
    assert_eq!(holder_at(9_600, Some(&released), Some(&next)), None);
    assert_eq!(holder_at(20_001, Some(&next), None).unwrap().record.hardware, second.hardware);
    assert_eq!(holder_at(30_000, Some(&next), None), None, "it ran out, and nobody renewed it");
    // What began before the oldest record that is kept is told by a later one.
    assert_eq!(holder_at(2_000, None, Some(&released)).unwrap().record.hardware, first.hardware);
    assert_eq!(holder_at(500, None, Some(&released)), None);
}

/// What came from another server stands behind what was written here since, however long ago it happened.
#[test]
fn an_older_record_that_was_imported_hides_nobody() {
    let storage = SimStorage::new(1);
    let (mut writer, _) = Writer::open(storage.clone(), LIMITS).unwrap();
    let record = |mac, at| Record::new(Kind::Assigned, &lease(5, mac, at, at), at);
    writer.append(5_000, &[record(1, 5_000), record(2, 9_000)]).unwrap();
    // So much later that what is there becomes a part, and the imported ones stand in the next file.
    writer.append(5_000 + 4 * DAY, &[record(3, 1_000), record(4, 12_000)]).unwrap();
    let around = |moment| {
        let (before, after) = Reader::new(storage.clone()).around([10, 0, 0, 5].into(), moment).unwrap();
        (before.map(|record| record.at), after.map(|record| record.at))
    };
    assert_eq!(around(500), (None, Some(1_000)));
    assert_eq!(around(1_000), (Some(1_000), Some(5_000)));
    assert_eq!(around(6_000), (Some(5_000), Some(9_000)));
    assert_eq!(around(10_000), (Some(9_000), Some(12_000)));
    assert_eq!(around(20_000), (Some(12_000), None));
    let mut since = Vec::new();
    writer.each_since(6_000, |record| since.push(record.at)).unwrap();
    assert_eq!(since, [1_000, 12_000], "what was written then, whenever it happened");
    let mut all = 0;
    assert_eq!(Reader::new(storage).each(|_| all += 1).unwrap(), 0);
    assert_eq!(all, 4);
}

#[test]
fn renewals_of_a_day_are_one_record_unless_something_changed() {
    let mut coalesce = Coalesce::default();
    let mut told = 0;
    for half_hour in 0..96 {
        let at = 10 * DAY + half_hour * 1_800;
        let renewed = Record::new(Kind::Renewed, &lease(5, 1, 100, at), at);
        told += usize::from(coalesce.is_new(&renewed));
    }
    assert_eq!(told, 2, "one a day");
    let at = 11 * DAY + 86_000;
    let moved = Lease { relay: [10, 9, 9, 9].into(), ..lease(5, 1, 100, at) };
    assert!(coalesce.is_new(&Record::new(Kind::Renewed, &moved, at)), "it came by another relay");
    assert!(!coalesce.is_new(&Record::new(Kind::Renewed, &moved, at)));
    assert!(coalesce.is_new(&Record::new(Kind::Released, &ended(&moved, LeaseState::Released, at), at)));
}

#[test]
fn old_history_goes_and_so_does_what_there_is_no_room_for() {
    let storage = SimStorage::new(1);
    let limits = Limits { keep_secs: 30 * DAY, bytes_max: 1 << 30 };
    let (mut writer, _) = Writer::open(storage.clone(), limits).unwrap();
    for day in 0..100 {
        writer.append(day * DAY, &[Record::new(Kind::Assigned, &lease(1, 1, day * DAY, day * DAY), 0)]).unwrap();
    }
    let swept = writer.sweep(100 * DAY).unwrap();
    assert_eq!(swept, Swept { aged: 35, large: 0 }, "two days a part");
    let left = Reader::new(storage.clone()).newest(&Query::default(), None, 1_000).unwrap().records;
    assert!((30..=33).contains(&left.len()), "{}", left.len());
    writer.set_limits(Limits { bytes_max: writer.bytes() / 2, ..limits });
    assert!(writer.sweep(100 * DAY).unwrap().large > 3);
    let fewer = Reader::new(storage).newest(&Query::default(), None, 1_000).unwrap().records;
    assert!(fewer.len() < left.len() && fewer[0] == left[0], "the newest stay");
}

#[test]
fn what_a_crash_took_is_read_again_from_the_journal() {
    let storage = SimStorage::new(1);
    let (mut store, ..) = Store::open(storage, &Options::default()).unwrap();
    let storage = SimStorage::new(2);
    let (mut own, ..) = Store::open(storage.clone(), &Options::default()).unwrap();
    store.commit(1, [[Row::Lease(lease(9, 9, 1, 1))]]).unwrap();
    own.commit(300, [[Row::Lease(lease(1, 1, 300, 300))]]).unwrap();
    own.commit(1_010, [[Row::Lease(lease(2, 2, 1_010, 1_010))]]).unwrap();
    own.commit(1_020, [[Row::Lease(lease(2, 2, 1_010, 1_020))]]).unwrap();
    // One that had run out some minutes before that was noticed.
    let late = ended(&lease(3, 3, 200, 200), LeaseState::Expired, 900);
    own.commit(1_020, [[Row::Lease(late)]]).unwrap();
    let told = |since| {
        let mut told = Vec::new();
        journal_leases(&storage, since, |stamp, record| told.push((stamp, record.kind, record.address.octets()[3])))
            .unwrap();
        told
    };
    assert_eq!(told(1_005), [(1_010, Kind::Assigned, 2), (1_020, Kind::Renewed, 2), (1_020, Kind::Expired, 3)]);
    // What was compacted is told as it stands.
    own.begin_compaction().unwrap().unwrap().run().unwrap();
    own.commit(1_030, [[Row::Lease(ended(&lease(1, 1, 300, 300), LeaseState::Released, 1_030))]]).unwrap();
    assert_eq!(told(1_005), [(1_020, Kind::Renewed, 2), (1_020, Kind::Expired, 3), (1_030, Kind::Released, 1)]);
    assert_eq!(told(0).len(), 4, "a history that begins finds what stands");
}

#[test]
fn what_was_noticed_long_after_it_happened_is_told_also_by_a_compacted_journal() {
    let storage = SimStorage::new(1);
    let (mut store, ..) = Store::open(storage.clone(), &Options::default()).unwrap();
    let told = |since| {
        let mut told = Vec::new();
        journal_leases(&storage, since, |_, record| told.push((record.kind, record.address.octets()[3], record.at)))
            .unwrap();
        told
    };
    // These ran out while a server ran.
    store.commit(500, [[Row::Lease(ended(&lease(1, 1, 100, 100), LeaseState::Expired, 500))]]).unwrap();
    // These, a day before it ran again; and an address was declined long after its client had renewed.
    let expired = ended(&lease(2, 2, 200, 200), LeaseState::Expired, 600);
    let declined = Lease { state: LeaseState::Quarantined, ..lease(3, 3, 300, 300) };
    store.commit(DAY, [[Row::Lease(expired.clone())], [Row::Lease(declined)]]).unwrap();
    let late = [(Kind::Expired, 2, 600), (Kind::Declined, 3, 300)];
    assert_eq!(told(DAY - SLACK_SECS), late, "from its segment");
    // A snapshot carries it on to the next.
    for round in 0..2 {
        store.begin_compaction().unwrap().unwrap().run().unwrap();
        assert_eq!(told(DAY - SLACK_SECS), late, "compacted {round}");
        assert_eq!(told(DAY), late);
        assert_eq!(told(DAY + 1), [], "it was stored before");
        store.commit(DAY + 1 + round, [[Row::LeaseGone([10, 0, 0, 99].into())]]).unwrap();
    }
    // Whoever opens the store finds the lease as it was.
    drop(store);
    let (_, contents, _) = Store::open(storage.clone(), &Options::default()).unwrap();
    assert!(contents.leases.contains(&expired), "{:?}", contents.leases);
}

#[test]
fn a_reading_of_the_journal_that_was_cut_off_begins_again_where_it_began() {
    let storage = SimStorage::new(1);
    let open = || Writer::open(storage.clone(), LIMITS).unwrap();
    let (mut writer, _) = open();
    assert_eq!(writer.begin_reading(100).unwrap(), 100);
    writer.append(5_000, &[Record::new(Kind::Assigned, &lease(1, 1, 10, 10), 10)]).unwrap();
    drop(writer);
    let (mut writer, opened) = open();
    assert_eq!(opened.newest, Some(5_000));
    assert_eq!(writer.begin_reading(4_400).unwrap(), 100, "what was written tells nothing of what was not reached");
    assert_eq!(writer.begin_reading(50).unwrap(), 50);
    drop(writer);
    let (mut writer, _) = open();
    assert_eq!(writer.begin_reading(4_400).unwrap(), 50);
    writer.end_reading().unwrap();
    drop(writer);
    assert_eq!(open().0.begin_reading(4_400).unwrap(), 4_400);
}
