#![allow(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::collections::BTreeMap;

use super::merge::Changes;
use super::segment::Segment;
use super::*;
use crate::simulated::SimStorage;

/// Known to this version, critical; and two that a later one might have.
const OURS: u8 = 0x81;
const LATER_CRITICAL: u8 = 0xc0;
const LATER: u8 = 0x40;

type Journal = super::Journal<SimStorage>;
type Held = Vec<(u8, Vec<u8>)>;

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, ..Options::default() }
}

fn open(disk: &SimStorage, known: &[u8]) -> Result<(Journal, JournalReport, Held), OpenError> {
    let mut held = Held::new();
    let (journal, report) = Journal::open(disk.clone(), &options(), known, drop, |stream, key, _| {
        held.push((stream, key.to_vec()));
        Ok(())
    })?;
    Ok((journal, report, held))
}

fn put(journal: &mut Journal, stream: u8, key: &[u8]) {
    let mut batch = Batch::new();
    let mut transaction = batch.transaction();
    transaction.put(stream, |out| out.extend(key), |out| out.extend(b"value"));
    transaction.finish();
    journal.commit(1, &mut batch).unwrap();
}

#[test]
fn an_unknown_critical_stream_refuses_to_open() {
    let disk = SimStorage::new(1);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    put(&mut journal, LATER_CRITICAL, b"k");
    for snapshot in [false, true] {
        if snapshot {
            journal.begin_compaction().unwrap().unwrap().run().unwrap();
        }
        drop(journal);
        let refused = open(&disk, &[OURS]).unwrap_err();
        let text = refused.to_string();
        assert!(matches!(refused, OpenError::UnknownStream { stream: LATER_CRITICAL, .. }), "{text}");
        assert!(text.contains("stream 192"), "{text}");
        journal = open(&disk, &[OURS, LATER_CRITICAL]).unwrap().0;
    }
}

#[test]
fn an_unknown_stream_that_may_be_ignored_survives_compaction() {
    let disk = SimStorage::new(2);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    put(&mut journal, LATER, b"theirs");
    put(&mut journal, OURS, b"ours");
    for _ in 0..2 {
        put(&mut journal, OURS, b"more");
        journal.begin_compaction().unwrap().unwrap().run().unwrap();
        drop(journal);
        let (opened, report, held) = open(&disk, &[OURS]).unwrap();
        journal = opened;
        assert_eq!(held, [(OURS, b"more".to_vec()), (OURS, b"ours".to_vec())]);
        assert_eq!(report.unknown_streams.into_iter().collect::<Vec<_>>(), [(LATER, 1)]);
    }
    drop(journal);
    let (_, _, held) = open(&disk, &[OURS, LATER]).unwrap();
    assert_eq!(held[0], (LATER, b"theirs".to_vec()));
}

#[test]
fn a_torn_end_is_cut_and_its_frames_never_come_back() {
    // The torn batch's second frame is whole and stands just where the next frame will end.
    let disk = SimStorage::new(3);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    put(&mut journal, OURS, b"a");
    let mut batch = Batch::new();
    for key in [b"b", b"c"] {
        let mut transaction = batch.transaction();
        transaction.put(OURS, |out| out.extend(key), |out| out.extend(b"value"));
        transaction.finish();
    }
    journal.commit(1, &mut batch).unwrap();
    drop(journal);
    let second = superblock::SUPERBLOCK + batch.size() / 2;
    disk.damage("segment-0000000001", |bytes| bytes[second + 40] ^= 1);
    let (mut journal, report, held) = open(&disk, &[OURS]).unwrap();
    assert_eq!(report.cut.unwrap().offset, second as u64);
    assert_eq!(held, [(OURS, b"a".to_vec())]);
    put(&mut journal, OURS, b"d");
    drop(journal);
    let (_, report, held) = open(&disk, &[OURS]).unwrap();
    assert_eq!(report.cut, None);
    assert_eq!(held, [(OURS, b"a".to_vec()), (OURS, b"d".to_vec())]);
}

#[test]
fn a_frame_damaged_before_a_later_batch_is_not_a_torn_end() {
    let disk = SimStorage::new(4);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    for key in [b"a", b"b", b"c"] {
        put(&mut journal, OURS, key);
    }
    drop(journal);
    disk.damage("segment-0000000001", |bytes| bytes[superblock::SUPERBLOCK + 40] ^= 1);
    assert!(matches!(open(&disk, &[OURS]), Err(OpenError::Damaged { .. })));
}

#[test]
fn frames_of_an_earlier_use_of_the_disk_are_not_taken_for_this_files() {
    let disk = SimStorage::new(5);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    put(&mut journal, OURS, b"a");
    put(&mut journal, OURS, b"b");
    let old = disk.contents("segment-0000000001").unwrap();
    drop(journal);
    // A new store on the same disk finds the old store's frames in its segment's space.
    let new = SimStorage::new(6);
    let (mut journal, ..) = open(&new, &[OURS]).unwrap();
    put(&mut journal, OURS, b"z");
    drop(journal);
    // All frames here are alike: the old second one stands just behind the new first one.
    let second = superblock::SUPERBLOCK + 48;
    new.damage("segment-0000000001", |bytes| bytes[second..second + 48].copy_from_slice(&old[second..second + 48]));
    let (_, _, held) = open(&new, &[OURS]).unwrap();
    assert_eq!(held, [(OURS, b"z".to_vec())]);
    assert_eq!(old[second + 8], 2, "it has the number that is expected there");
}

#[test]
fn a_row_or_batch_too_long_is_refused_and_changes_nothing() {
    let disk = SimStorage::new(7);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    let mut batch = Batch::new();
    let mut transaction = batch.transaction();
    transaction.put(OURS, |out| out.resize(out.len() + 70_000, 0), |_| ());
    transaction.delete(OURS, |out| out.extend(b"k"));
    transaction.finish();
    assert!(matches!(journal.commit(1, &mut batch), Err(CommitError::TooLarge { .. })));
    batch.clear();
    batch.transaction().finish();
    assert!(batch.is_empty(), "a transaction without rows is none");
    put(&mut journal, OURS, b"a");
    assert_eq!((journal.next_sequence(), journal.newest_stamp()), (2, 1));
}

#[test]
fn stamps_never_go_back() {
    let disk = SimStorage::new(8);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    let mut batch = Batch::new();
    let mut transaction = batch.transaction();
    transaction.put(OURS, |out| out.extend(b"k"), |_| ());
    transaction.finish();
    journal.commit(100, &mut batch).unwrap();
    journal.commit(50, &mut batch).unwrap();
    assert_eq!(journal.newest_stamp(), 100);
    journal.begin_compaction().unwrap().unwrap().run().unwrap();
    drop(journal);
    assert_eq!(open(&disk, &[OURS]).unwrap().0.newest_stamp(), 100);
}

/// Of each key the last row counts, in whichever segment it is; where it stands is told, so that its frame's stamp is found.
#[test]
fn of_rows_in_many_segments_the_last_of_each_key_comes_with_its_place() {
    let disk = SimStorage::new(10);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    let mut expected = BTreeMap::new();
    for stamp in 1_000..2_500_u64 {
        let mut batch = Batch::new();
        for transactions in 0..stamp % 3 + 1 {
            let mut transaction = batch.transaction();
            for row in 0..stamp % 4 + 1 {
                // Written again in the same frame, in the next ones, and many segments later.
                let key = [&[b'k'; 40][..], &(stamp * 7 % 500 + row / 2 + transactions).to_be_bytes()].concat();
                let is_gone = stamp % 5 == row;
                match is_gone {
                    true => transaction.delete(OURS, |out| out.extend(&key)),
                    false => {
                        transaction.put(OURS, |out| out.extend(&key), |out| out.extend((stamp + row).to_be_bytes()))
                    }
                }
                expected.insert(key, (stamp, (!is_gone).then(|| (stamp + row).to_be_bytes().to_vec())));
            }
            transaction.finish();
        }
        journal.commit(stamp, &mut batch).unwrap();
    }
    let segments: Vec<Segment> = (1..).map_while(|number| Segment::read(&disk, number).ok()).collect();
    assert!(segments.len() > 5, "{}", segments.len());
    let mut changes = Changes::default();
    for (at, segment) in segments.iter().enumerate() {
        changes.add(segment, segments.get(at + 1).map(|next| next.superblock.sequence));
    }
    changes.settle().unwrap();
    let found = changes.iter().map(|(row, origin)| {
        let segment = &segments[origin.segment.unwrap()];
        assert_eq!(segment.name, origin.file);
        (row.key.to_vec(), (segment.stamp_at(origin.offset).unwrap(), row.value.map(<[u8]>::to_vec)))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_rush_puts_no_compaction_off_that_a_full_disk_needs() {
    let disk = SimStorage::new(9);
    let (mut journal, ..) = open(&disk, &[OURS]).unwrap();
    // For ten segments, of the twenty-eight that a rush may fill, and some rows.
    disk.set_capacity(Some(10 * 16 * 1024 + 12 * 1024));
    let mut compactions = 0;
    for number in 0..4_000_u32 {
        put(&mut journal, OURS, &[&[b'k'; 80][..], &(number % 8).to_be_bytes()].concat());
        if journal.compaction_due(true) {
            journal.begin_compaction().unwrap().unwrap().run().unwrap();
            compactions += 1;
        }
    }
    assert!((1..10).contains(&compactions), "{compactions}");
}
