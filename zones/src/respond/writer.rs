//! Sets as octets of a message, names compressed.

use dns::RecordType;

use super::plain::Lowered;
use crate::Records;

/// Where the question's name begins.
const QUESTION_AT: u16 = 12;
/// How many places of names are remembered; later names are written out.
const PLACES_MAX: usize = 48;
/// The last place that a pointer reaches (RFC 1035 section 4.1.4: fourteen bits).
const POINTER_MAX: usize = 0x3fff;

/// A set to write. Its name is in wire form and lower case.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) name: &'a [u8],
    pub(super) rtype: RecordType,
    pub(super) ttl: u32,
    pub(super) rdata: Records<'a>,
}

/// Writes sets behind what the message holds already: header and question.
pub(super) struct Writer<'m> {
    out: &'m mut Vec<u8>,
    octets_max: usize,
    question: &'m Lowered,
    /// Where labels begin that a name can end with.
    places: [u16; PLACES_MAX],
    place_count: usize,
    counts: [u16; 3],
}

impl<'m> Writer<'m> {
    /// Writes on behind `out`, up to so many octets in all.
    pub(super) fn new(out: &'m mut Vec<u8>, octets_max: usize, question: &'m Lowered) -> Self {
        Self { out, octets_max, question, places: [0; PLACES_MAX], place_count: 0, counts: [0; 3] }
    }

    /// How many records stand in the answer, authority and additional sections.
    pub(super) fn counts(&self) -> [u16; 3] {
        self.counts
    }

    /// Writes a set as a part of a section; false, and nothing written, when it does not fit.
    pub(super) fn set(&mut self, section: usize, set: Written<'_>) -> bool {
        let (before, places) = (self.out.len(), self.place_count);
        let mut count = 0;
        for rdata in set.rdata.iter() {
            self.name(set.name);
            self.out.extend_from_slice(&set.rtype.0.to_be_bytes());
            self.out.extend_from_slice(&[0, 1]);
            self.out.extend_from_slice(&set.ttl.to_be_bytes());
            let length_at = self.out.len();
            self.out.extend_from_slice(&[0, 0]);
            self.data(set.rtype.0, rdata);
            // At most what the data had: see `Rdata`.
            let length = (self.out.len() - length_at - 2) as u16;
            self.out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
            if self.out.len() > self.octets_max {
                self.out.truncate(before);
                self.place_count = places;
                return false;
            }
            count += 1;
        }
        self.counts[section] += count;
        true
    }

    /// RFC 3597 section 4: only names in the data of RFC 1035's own types are compressed.
    fn data(&mut self, rtype: u16, rdata: &[u8]) {
        let (fixed, names) = match rtype {
            // NS, CNAME, PTR; MX; SOA.
            2 | 5 | 12 => (0, 1),
            15 => (2, 1),
            6 => (0, 2),
            _ => (rdata.len(), 0),
        };
        let (start, mut rest) = rdata.split_at(fixed.min(rdata.len()));
        self.out.extend_from_slice(start);
        for _ in 0..names {
            // Data in a zone was checked when it came in; were it not a name, it would go out as it is.
            let Some(length) = name_octets(rest) else { break };
            let (name, behind) = rest.split_at(length);
            self.compressed(name);
            rest = behind;
        }
        self.out.extend_from_slice(rest);
    }

    fn name(&mut self, name: &[u8]) {
        // Most records are the question's own. The pointer also keeps the asker's case.
        if name == self.question.as_wire() && name.len() > 1 {
            self.out.extend_from_slice(&(0xc000 | QUESTION_AT).to_be_bytes());
        } else {
            self.compressed(name);
        }
    }

    /// Writes a name, its longest known end as a pointer (RFC 1035 section 4.1.4).
    fn compressed(&mut self, name: &[u8]) {
        let question_end = self.question.is_as_asked();
        if self.place_count == 0 && !question_end {
            self.remember_question();
        }
        let mut rest = name;
        while rest[0] != 0 {
            // Names of one zone end as the question does.
            if let Some(at) = self.question.position_of(rest).filter(|_| question_end) {
                // A name has 255 octets at most.
                let pointer = 0xc000 | (QUESTION_AT + at as u16);
                self.out.extend_from_slice(&pointer.to_be_bytes());
                return;
            }
            let known = self.places[..self.place_count].iter().find(|place| self.stands_at(usize::from(**place), rest));
            if let Some(place) = known {
                let pointer = 0xc000 | *place;
                self.out.extend_from_slice(&pointer.to_be_bytes());
                return;
            }
            self.remember(self.out.len());
            let (label, behind) = rest.split_at(usize::from(rest[0]) + 1);
            self.out.extend_from_slice(label);
            rest = behind;
        }
        self.out.push(0);
    }

    fn remember(&mut self, at: usize) {
        if self.place_count < PLACES_MAX && at <= POINTER_MAX {
            self.places[self.place_count] = at as u16;
            self.place_count += 1;
        }
    }

    fn remember_question(&mut self) {
        let mut at = usize::from(QUESTION_AT);
        while let Some(length) = self.out.get(at).filter(|length| **length != 0) {
            let next = at + 1 + usize::from(*length);
            self.remember(at);
            at = next;
        }
    }

    /// Whether the name at `at` of the message is `name`, case and all: an asker that mixes cases finds the names in data
    /// as the zone has them.
    fn stands_at(&self, mut at: usize, mut name: &[u8]) -> bool {
        loop {
            match (self.out.get(at).copied(), name[0]) {
                // What was written before ends in pointers to what stands further ahead, so this ends.
                (Some(high), _) if high >= 0xc0 => {
                    let low = self.out.get(at + 1).copied().unwrap_or(0);
                    at = usize::from(high & 0x3f) << 8 | usize::from(low);
                }
                (Some(0), 0) => return true,
                (Some(length), other) if length == other && length != 0 => {
                    let end = usize::from(length) + 1;
                    match self.out.get(at..at + end) {
                        Some(label) if *label == name[..end] => {}
                        _ => return false,
                    }
                    at += end;
                    name = &name[end..];
                }
                _ => return false,
            }
        }
    }
}

/// How many octets the uncompressed name at the start takes.
fn name_octets(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            _ => return None,
        }
    }
}
