//! A query's octets to an answer's octets, for the plain questions that nearly all are.
//!
//! [`respond`] reads a query of class IN with one question and at most an OPT record behind it, asks [`answer()`] and
//! writes what it gives. Whatever else comes (updates, signatures, transfers, other names, what is malformed) is left to
//! the caller's general way over hickory-proto, which answers plain questions alike; that is the oracle of the tests.
//! Octets are written here because a message built of hickory's records and encoded by it costs several times as much as
//! the answer itself.

use std::net::{IpAddr, Ipv4Addr};

use dns::{Fqdn, Rcode, RecordType};

use crate::cookie::{Answered, Cookies};
use crate::{Answer, AnswerSet, Question, QuestionMeta, ZoneSet, answer};

mod edns;
mod plain;
mod writer;

use self::edns::Edns;
use self::plain::{Lowered, Plain};
use self::writer::{Writer, Written};

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// The largest datagram without EDNS (RFC 1035 section 4.2.1), in octets.
pub const OCTETS_PLAIN: u16 = 512;
/// The largest datagram with EDNS, in octets, unless somebody wants another. DNS flag day 2020: what passes an Ethernet
/// without fragments, which some firewalls drop.
pub const OCTETS_EDNS: u16 = 1232;
/// RFC 7873 section 8: "BADCOOKIE".
pub const BAD_COOKIE: Rcode = Rcode(23);

/// How it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whether the asker may have other names resolved: RA. Where a chain of aliases leads out of our zones, the caller
    /// then goes on.
    pub recursion: bool,
    /// The largest datagram sent, in octets.
    pub octets_max: u16,
    /// Over a connection: an answer may have any size, and the asker's address is no one else's.
    pub stream: bool,
    /// Who asks.
    pub source: IpAddr,
    /// How cookies are handled; none: they are ignored.
    pub cookies: Option<Cookies<'a>>,
}

impl Default for Asked<'_> {
    /// By a datagram of somebody unknown, who may have nothing but our names.
    fn default() -> Self {
        let source = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { recursion: false, octets_max: OCTETS_EDNS, stream: false, source, cookies: None }
    }
}

/// What sort of answer was written. Whoever limits answers counts each sort for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Records.
    Answer,
    /// The name is there, the type is not.
    Empty,
    /// No such name.
    Missing,
    /// Who to ask instead.
    Referral,
    /// A refusal or a failure.
    Error,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responded {
    /// What sort of answer it is.
    pub kind: Kind,
    /// The asker showed a server cookie of ours: the address is its own.
    pub has_good_cookie: bool,
    /// Octets of header and question.
    head: usize,
    /// Octets of the OPT record at the end.
    opt: usize,
}

impl Responded {
    /// Makes the answer that was written one that only says: ask by a connection (TC). It is not larger than the query.
    pub fn truncate(&self, out: &mut Vec<u8>) {
        let opt_at = out.len().saturating_sub(self.opt);
        out.copy_within(opt_at.., self.head);
        out.truncate(self.head + self.opt);
        if let Some([flags, _, _, _, counts @ .., _, _]) = out.get_mut(2..HEADER) {
            // Not authoritative: nothing is said.
            *flags = (*flags & !0x04) | 0x02;
            counts.fill(0);
        }
        // The response code is of what is not told.
        if let Some(place) = out.get_mut(3) {
            *place &= 0xf0;
        }
        if let Some(place) = out.get_mut(10..HEADER) {
            place.copy_from_slice(&[0, u8::from(self.opt > 0)]);
        }
    }

    /// The question's name, type and class in what was written.
    #[must_use]
    pub fn question<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        out.get(HEADER..self.head).unwrap_or_default()
    }
}

/// A query that is a plain question.
struct Query<'q> {
    /// The question section, as it came.
    question: &'q [u8],
    name: Lowered,
    rtype: RecordType,
    edns: Option<Edns>,
    recursion_desired: bool,
    /// CD, which is copied (RFC 4035 section 3.1.6).
    checking_disabled: bool,
}

/// Answers a query into `out`; `None` when it is not plain, not about our zones, or goes on outside them: then the
/// general way must answer.
#[must_use]
pub fn respond(zones: &ZoneSet, query: &[u8], asked: Asked<'_>, out: &mut Vec<u8>) -> Option<Responded> {
    let read = read(query)?;
    let presented = read.edns.and_then(|edns| edns.cookie);
    let cookie = presented.zip(asked.cookies).map(|(presented, cookies)| presented.answer(cookies, asked.source));
    let writing = Writing { query, read: &read, asked, cookie };
    let is_required = asked.cookies.is_some_and(|cookies| cookies.required) && !asked.stream;
    if is_required && cookie.is_some_and(|cookie| !cookie.good) {
        return Some(writing.write(&BadCookie, out));
    }
    match plain::find(zones, read.name.as_wire(), read.rtype) {
        Some(found) => Some(writing.write(&found, out)),
        None => general(zones, writing, out),
    }
}

/// Answers by [`answer()`], whatever the question.
fn general(zones: &ZoneSet, writing: Writing<'_>, out: &mut Vec<u8>) -> Option<Responded> {
    let Writing { read, asked, .. } = writing;
    let question = Question { name: Fqdn::from_wire(read.name.as_wire()).ok()?, rtype: read.rtype };
    let found = answer(zones, &question, QuestionMeta { stream: asked.stream });
    let goes_on = found.continue_at.is_some() && asked.recursion && read.recursion_desired;
    (found.ours && !goes_on).then(|| writing.write(&found, out))
}

/// All that an answer is written from, but what was found.
#[derive(Clone, Copy)]
struct Writing<'a> {
    query: &'a [u8],
    read: &'a Query<'a>,
    asked: Asked<'a>,
    cookie: Option<Answered>,
}

impl Writing<'_> {
    /// Writes the whole answer.
    fn write(&self, found: &impl Sections, out: &mut Vec<u8>) -> Responded {
        let Self { query, read, asked, cookie } = self;
        out.clear();
        out.extend_from_slice(&query[..2]);
        out.extend_from_slice(&[0; HEADER - 2]);
        out.extend_from_slice(read.question);
        let head = out.len();
        let size = match read.edns {
            _ if asked.stream => u16::MAX,
            Some(edns) => edns.size.clamp(OCTETS_PLAIN, asked.octets_max.max(OCTETS_PLAIN)),
            None => OCTETS_PLAIN,
        };
        let opt = read.edns.map_or(0, |_| Edns::octets(cookie.as_ref()));
        let mut writer = Writer::new(out, usize::from(size) - opt, &read.name);
        let truncated = found.write(&mut writer);
        let mut counts = writer.counts();
        let rcode = found.rcode().0;
        // RFC 6891 section 6.1.1: an OPT record for an OPT record.
        if let Some(edns) = read.edns {
            edns.write(asked.octets_max, rcode, cookie.as_ref(), out);
            counts[2] += 1;
        }
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        // QR, AA, TC and RD; then RA, CD and the low bits of the response code.
        out[2] = 0x80 | bit(found.is_authoritative(), 0x04) | bit(truncated, 0x02) | bit(read.recursion_desired, 0x01);
        out[3] = bit(asked.recursion, 0x80) | bit(read.checking_disabled, 0x10) | (rcode as u8 & 0x0f);
        out[5] = 1;
        for (at, count) in [6, 8, 10].into_iter().zip(counts) {
            out[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
        let kind = match found.rcode() {
            Rcode::NO_ERROR if counts[0] == 0 && counts[1] > 0 && !found.is_authoritative() => Kind::Referral,
            Rcode::NO_ERROR if counts[0] == 0 && !truncated => Kind::Empty,
            Rcode::NO_ERROR => Kind::Answer,
            Rcode::NX_DOMAIN => Kind::Missing,
            _ => Kind::Error,
        };
        Responded { kind, has_good_cookie: cookie.is_some_and(|cookie| cookie.good), head, opt }
    }
}

/// BADCOOKIE alone.
struct BadCookie;

impl Sections for BadCookie {
    fn rcode(&self) -> Rcode {
        BAD_COOKIE
    }

    fn is_authoritative(&self) -> bool {
        false
    }

    fn write(&self, _writer: &mut Writer<'_>) -> bool {
        false
    }
}

/// What is written behind the question.
trait Sections {
    fn rcode(&self) -> Rcode;
    fn is_authoritative(&self) -> bool;
    /// Writes what fits, whole sets; returns whether something is missing that is not mere help.
    fn write(&self, writer: &mut Writer<'_>) -> bool;
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
    Written { name: set.name.as_wire(), rtype: set.rtype, ttl: set.ttl, rdata: set.rdata.records() }
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
        (1, rest) => Some(Edns::read(rest)?),
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
