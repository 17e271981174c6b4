//! A query's octets to an answer's octets, for the plain questions that nearly all are.
//!
//! [`respond`] reads a query of class IN with one question and at most an OPT record behind it, asks [`answer()`] and
//! writes what it gives. Whatever else comes (updates, signatures, transfers, other names, what is malformed) is left to
//! the caller's general way over hickory-proto, which answers plain questions alike; that is the oracle of the tests.
//! Octets are written here because a message built of hickory's records and encoded by it costs several times as much as
//! the answer itself.

use dns::{Fqdn, Rcode, RecordType};

use crate::{Answer, AnswerSet, Question, QuestionMeta, ZoneSet, answer};

mod plain;
mod writer;

use self::plain::{Lowered, Plain};
use self::writer::{Writer, Written};

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
const OPT: usize = 11;
/// The largest datagram without EDNS (RFC 1035 section 4.2.1), in octets.
pub const OCTETS_PLAIN: u16 = 512;

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whether the asker may have other names resolved: RA. Where a chain of aliases leads out of our zones, the caller
    /// then goes on.
    pub recursion: bool,
    /// The largest datagram sent, in octets.
    pub octets_max: u16,
}

/// A query that is a plain question.
struct Query<'q> {
    /// The question section, as it came.
    question: &'q [u8],
    name: Lowered,
    rtype: RecordType,
    /// The asker's payload size and its DO bit (RFC 3225).
    edns: Option<(u16, bool)>,
    recursion_desired: bool,
    /// CD, which is copied (RFC 4035 section 3.1.6).
    checking_disabled: bool,
}

/// Answers a datagram: true when `out` holds the answer; false when the query is not plain, not about our zones, or goes on
/// outside them, and the general way must answer.
#[must_use]
pub fn respond(zones: &ZoneSet, query: &[u8], asked: Asked, out: &mut Vec<u8>) -> bool {
    let Some(read) = read(query) else { return false };
    if let Some(found) = plain::find(zones, read.name.as_wire(), read.rtype) {
        write(&read, query, asked, &found, out);
        return true;
    }
    general(zones, query, &read, asked, out)
}

/// Answers by [`answer()`], whatever the question.
fn general(zones: &ZoneSet, query: &[u8], read: &Query<'_>, asked: Asked, out: &mut Vec<u8>) -> bool {
    let Ok(name) = Fqdn::from_wire(read.name.as_wire()) else { return false };
    let question = Question { name, rtype: read.rtype };
    let found = answer(zones, &question, QuestionMeta { stream: false });
    if !found.ours || (found.continue_at.is_some() && asked.recursion && read.recursion_desired) {
        return false;
    }
    write(read, query, asked, &found, out);
    true
}

/// What is written behind the question.
trait Sections {
    fn rcode(&self) -> Rcode;
    fn is_authoritative(&self) -> bool;
    /// Writes what fits, whole sets; returns whether something is missing that is not mere help.
    fn write(&self, writer: &mut Writer<'_>) -> bool;
}

/// Writes the whole answer.
fn write(read: &Query<'_>, query: &[u8], asked: Asked, found: &impl Sections, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&query[..2]);
    out.extend_from_slice(&[0; HEADER - 2]);
    out.extend_from_slice(read.question);
    let size = read.edns.map_or(OCTETS_PLAIN, |(size, _)| size.clamp(OCTETS_PLAIN, asked.octets_max.max(OCTETS_PLAIN)));
    let kept = if read.edns.is_some() { OPT } else { 0 };
    let mut writer = Writer::new(out, usize::from(size) - kept, &read.name);
    let truncated = found.write(&mut writer);
    let mut counts = writer.counts();
    if let Some((_, dnssec_ok)) = read.edns {
        // RFC 6891 section 6.1.1: an OPT record for an OPT record, with our own payload size and version 0.
        let [high, low] = asked.octets_max.to_be_bytes();
        out.extend_from_slice(&[0, 0, 41, high, low, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        counts[2] += 1;
    }
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    // QR, AA, TC and RD; then RA, CD and the response code, which is below 16.
    out[2] = 0x80 | bit(found.is_authoritative(), 0x04) | bit(truncated, 0x02) | bit(read.recursion_desired, 0x01);
    out[3] = bit(asked.recursion, 0x80) | bit(read.checking_disabled, 0x10) | (found.rcode().0 as u8 & 0x0f);
    out[5] = 1;
    for (at, count) in [6, 8, 10].into_iter().zip(counts) {
        out[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }
}

impl Sections for Answer<'_> {
    fn rcode(&self) -> Rcode {
        self.rcode.unwrap_or(Rcode::NO_ERROR)
    }

    fn is_authoritative(&self) -> bool {
        self.authoritative
    }

    fn write(&self, writer: &mut Writer<'_>) -> bool {
        for (section, sets) in [&self.answers, &self.authorities].into_iter().enumerate() {
            if !sets.iter().all(|set| writer.set(section, written(set))) {
                return true;
            }
        }
        // RFC 9471 section 3.1: where glue of a referral does not fit, TC is set; other addresses can be asked for.
        let is_referral = self.answers.is_empty() && !self.authoritative;
        let fits = self.additionals.iter().all(|set| writer.set(2, written(set)));
        is_referral && !fits
    }
}

impl Sections for Plain<'_> {
    fn rcode(&self) -> Rcode {
        match self {
            Self::Missing(_) => Rcode::NX_DOMAIN,
            Self::Set(..) | Self::Empty(_) => Rcode::NO_ERROR,
        }
    }

    fn is_authoritative(&self) -> bool {
        true
    }

    fn write(&self, writer: &mut Writer<'_>) -> bool {
        let (section, set) = match self {
            Self::Set(set) => (0, Some(*set)),
            Self::Empty(soa) | Self::Missing(soa) => (1, *soa),
        };
        set.is_some_and(|set| !writer.set(section, set))
    }
}

fn written<'a>(set: &'a AnswerSet<'_>) -> Written<'a> {
    Written { name: set.name.as_wire(), rtype: set.rtype, ttl: set.ttl, rdata: &set.rdata }
}

/// A plain question, or none.
fn read(octets: &[u8]) -> Option<Query<'_>> {
    let (header, body) = octets.split_at_checked(HEADER)?;
    let is_plain = matches!(header[2], 0 | 1) && header[3] & !0x30 == 0;
    if !is_plain || header[4..10] != [0, 1, 0, 0, 0, 0] || header[10] != 0 || header[11] > 1 {
        return None;
    }
    let name = Lowered::read(body)?;
    let used = name.as_wire().len();
    let (&[t0, t1, 0, 1], rest) = body.get(used..)?.split_first_chunk::<4>()? else { return None };
    let rtype = RecordType(u16::from_be_bytes([t0, t1]));
    if !rtype.is_data() && rtype != RecordType::ANY {
        return None;
    }
    let edns = match (header[11], rest) {
        (0, []) => None,
        // The root, type 41, a payload size, no extended code, version 0, flags, and options that nothing here reads.
        (1, [0, 0, 41, s0, s1, 0, 0, flags, _, l0, l1, options @ ..])
            if options.len() == usize::from(u16::from_be_bytes([*l0, *l1])) =>
        {
            Some((u16::from_be_bytes([*s0, *s1]), flags & 0x80 != 0))
        }
        _ => return None,
    };
    Some(Query {
        question: &body[..used + 4],
        name,
        rtype,
        edns,
        recursion_desired: header[2] == 1,
        checking_disabled: header[3] & 0x10 != 0,
    })
}

#[cfg(test)]
mod tests;
