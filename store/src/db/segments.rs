//! The segments of a damaged store.

use std::ops::Range;

use super::mend::with_one_byte_changed;
use super::survey::{Bytes, Scope, Survey};
use crate::journal::Cut;
use crate::journal::format::{Frame, ReadFault, Rows, SUPERBLOCK, Seed, find_frames};
use crate::journal::names;
use crate::rows::Row;

/// Takes what can be read of the segments, which begin with number `first`. `first_known`: the survey knows the
/// sequence with which they begin.
pub(super) fn survey_segments(
    survey: &mut Survey,
    segments: Vec<Bytes>,
    first: u64,
    first_known: bool,
) -> Result<(), ReadFault> {
    let begins: Vec<Option<u64>> = segments.iter().map(|segment| first_sequence(survey, segment)).collect();
    let mut number = first;
    let mut known = first_known;
    for (index, segment) in segments.iter().enumerate() {
        if let Some(begin) = begins[index] {
            let gap = survey.next_sequence..begin;
            if number < segment.number || (known && !gap.is_empty()) {
                let numbers = (known && !gap.is_empty()).then_some((gap.start, gap.end.saturating_sub(1)));
                let file = names::segment(number.min(segment.number));
                let what = if number < segment.number { "the segment is missing" } else { "transactions are missing" };
                survey.lose(&file, 0, 0, what, numbers, Scope::Unknown);
            }
            survey.next_sequence = if known { survey.next_sequence.max(begin) } else { begin };
            known = true;
        }
        number = segment.number + 1;
        // Where a later segment begins, this one has ended, whatever stands in it.
        let until = begins[index + 1..].iter().flatten().next().copied();
        let last = index + 1 == segments.len();
        survey_segment(survey, segment, until, last)?;
    }
    if segments.is_empty() {
        survey.lose(&names::segment(first), 0, 0, "the segment is missing", None, Scope::Unknown);
    }
    Ok(())
}

/// With which sequence a segment begins: as its superblock says, or else its first valid frame.
fn first_sequence(survey: &Survey, segment: &Bytes) -> Option<u64> {
    let own = segment.superblock.filter(|superblock| superblock.store_id == survey.store_id);
    own.map(|superblock| superblock.sequence).or_else(|| {
        let start = SUPERBLOCK.min(segment.bytes.len());
        let mut frames = find_frames(&segment.bytes, survey.seed(segment), start, 1..=u64::MAX);
        frames.next().map(|(_, frame)| frame.sequence)
    })
}

fn survey_segment(survey: &mut Survey, segment: &Bytes, until: Option<u64>, last: bool) -> Result<(), ReadFault> {
    let seed = survey.seed(segment);
    let bytes = &segment.bytes;
    let most = until.map_or(u64::MAX, |until| until.saturating_sub(1));
    let mut at = SUPERBLOCK.min(bytes.len());
    if let Some(superblock) = segment.superblock {
        survey.newest_stamp = survey.newest_stamp.max(superblock.newest_stamp);
    }
    while until.is_none_or(|until| survey.next_sequence < until) {
        let expected = survey.next_sequence;
        let frame = Frame::read(&bytes[at..], seed).filter(|frame| frame.whole && frame.sequence == expected);
        if let Some(frame) = frame {
            survey.take(frame.body, &segment.name, at as u64, expected)?;
            survey.newest_stamp = survey.newest_stamp.max(frame.stamp);
            survey.transactions += 1;
            survey.next_sequence = survey.next_sequence.saturating_add(1);
            at += frame.stride().min(bytes.len() - at);
            continue;
        }
        let mut later = find_frames(bytes, seed, at, expected.saturating_add(1)..=most).peekable();
        let next = later.peek().map(|(offset, frame)| (*offset, frame.sequence));
        // The same rule as at opening: only a frame of a later batch proves that this one was acknowledged.
        // What cannot be read may have been.
        let readable = segment.unreadable.iter().all(|bad| bad.end <= at);
        if last && readable && !later.any(|(_, frame)| frame.batch_first() > expected) {
            survey.cut = torn(segment, at);
            break;
        }
        let end = next.map_or(bytes.len(), |(offset, _)| offset);
        let begin = next.map_or(until, |(_, sequence)| Some(sequence));
        if begin.is_none() && readable && torn(segment, at).is_none() {
            break;
        }
        lose_frames(survey, segment, seed, at..end, begin)?;
        let Some((offset, sequence)) = next else {
            survey.next_sequence = begin.unwrap_or(expected);
            break;
        };
        at = offset;
        survey.next_sequence = sequence;
    }
    Ok(())
}

/// The bytes of a batch that was never acknowledged.
fn torn(segment: &Bytes, at: usize) -> Option<Cut> {
    let beyond = segment.bytes[at..].iter().rposition(|&byte| byte != 0)?;
    Some(Cut { file: segment.name.clone(), offset: at as u64, bytes: beyond as u64 + 1 })
}

/// The frames from the expected one to that of sequence `begin` do not match their checksums.
fn lose_frames(
    survey: &mut Survey,
    segment: &Bytes,
    seed: Seed,
    place: Range<usize>,
    begin: Option<u64>,
) -> Result<(), ReadFault> {
    let expected = survey.next_sequence;
    let bytes = &segment.bytes[place.clone()];
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1) as u64;
    let offset = place.start as u64;
    let what = "stored transactions do not match their checksum, or are missing";
    let numbers = begin.map(|begin| (expected, begin.saturating_sub(1).max(expected)));
    if let Some(frames) = begin.and_then(|begin| mended_frames(bytes, seed, expected..begin)) {
        survey.lose(&segment.name, offset, used, what, numbers, Scope::Keys(Vec::new()));
        for (sequence, body) in (expected..).zip(&frames) {
            survey.restore(Rows::new(body));
            survey.take(body, &segment.name, offset, sequence)?;
            survey.transactions += 1;
        }
        return Ok(());
    }
    survey.lose(&segment.name, offset, used, what, numbers, Scope::Unknown);
    if let Some(frame) = Frame::read(bytes, seed) {
        survey.guess(Rows::new(frame.body));
    }
    Ok(())
}

/// The bodies of exactly the transactions that are missing, when each has at most one wrong byte: of the right numbers,
/// filled by their rows, each row readable.
fn mended_frames(mut bytes: &[u8], seed: Seed, numbers: Range<u64>) -> Option<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    for sequence in numbers {
        let read = Frame::read(bytes, seed)?;
        let mended = if read.whole { None } else { Some(with_one_byte_changed(&read, bytes, seed)?) };
        let frame = mended.as_ref().map_or(Some(read), |right| Frame::read(right, seed))?;
        let mut rows = Rows::new(frame.body);
        let mut count = 0;
        for row in rows.by_ref() {
            Row::read(row.stream, row.key, row.value).ok()?;
            count += 1;
        }
        if !frame.whole || frame.sequence != sequence || !rows.ended_well() || count != frame.rows {
            return None;
        }
        bodies.push(frame.body.to_vec());
        bytes = bytes.get(read.stride()..).unwrap_or_default();
    }
    bytes.iter().all(|&byte| byte == 0).then_some(bodies)
}
