//! What stands behind the question of an answer: every record's bounds, and what is to be known of them.

use dns::Rcode;

use super::Answer;
use crate::query::HEADER;

/// RFC 1035 section 3.2.2 and later ones: types that are looked into.
const A: u16 = 1;
const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
const SOA: u16 = 6;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT_TYPE: u16 = 41;
/// RFC 6895 section 3.1: the types of a transaction or of a question, of which no zone holds data: TKEY, TSIG, IXFR, AXFR,
/// MAILB, MAILA and ANY.
const META: std::ops::RangeInclusive<u16> = 249..=ANY;
const ANY: u16 = 255;

/// What stands behind a question.
pub(super) struct Scan {
    /// Where the records that are kept end.
    end: usize,
    counts: [u16; 3],
    /// Where times to live stand.
    ttls: Vec<usize>,
    /// The shortest time to live of the answer section.
    answer_ttl: u32,
    /// Whether a record of the asked type is there.
    has_data: bool,
    has_alias: bool,
    /// Whether there are NS records in the authority section.
    refers: bool,
    /// RFC 2308 section 5: the smaller of the SOA record's TTL and of its MINIMUM field.
    negative_ttl: Option<u32>,
    /// The upper eight bits of the response code (RFC 6891 section 6.1.3).
    pub(super) extended: u8,
}

impl Scan {
    /// RFC 2308 section 2.2: what tells a referral from a negative answer, which a server gives that has the zone, or one
    /// that has asked it.
    pub(super) fn is_referral(&self) -> bool {
        self.counts[0] == 0 && self.refers && self.negative_ttl.is_none()
    }

    pub(super) fn into_answer(self, message: &[u8], question: usize) -> Answer {
        let start = HEADER + question;
        let rcode = message[3] & 0x0f;
        let negative = rcode == Rcode::NX_DOMAIN.0 as u8 || !self.has_data;
        let ttl_secs = match (negative, self.negative_ttl) {
            (false, _) => self.answer_ttl,
            // RFC 2308 section 5: "Negative responses without SOA records SHOULD NOT be cached".
            (true, None) => 0,
            (true, Some(ttl)) => ttl.min(self.answer_ttl),
        };
        let mut octets = message[start..self.end].to_vec();
        octets.reserve_exact(self.ttls.len() * 2);
        for at in &self.ttls {
            octets.extend_from_slice(&((at - start) as u16).to_be_bytes());
        }
        Answer {
            octets: octets.into(),
            // A message has 65,535 octets at most.
            body: (self.end - start) as u16,
            question: question as u16,
            counts: self.counts,
            rcode,
            authentic: false,
            ttl_secs,
            negative,
            has_alias: self.has_alias,
            is_open: self.has_alias
                && !self.has_data
                && self.negative_ttl.is_none()
                && rcode == Rcode::NO_ERROR.0 as u8,
            reason: None,
        }
    }
}

/// Reads every record behind the question, which ends at `at`; none: it is malformed.
pub(super) fn scan(message: &[u8], at: usize) -> Option<Scan> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    if message.len() > usize::from(u16::MAX) {
        return None;
    }
    let asked_at = at - 4;
    let asked = number(asked_at)?;
    let mut scan = Scan {
        end: at,
        counts: [0; 3],
        ttls: Vec::new(),
        answer_ttl: i32::MAX as u32,
        has_data: false,
        has_alias: false,
        refers: false,
        negative_ttl: None,
        extended: 0,
    };
    let (mut at, mut kept) = (at, true);
    for section in 0..3 {
        for _ in 0..number(6 + 2 * section)? {
            let fixed = name_end(message, at, asked_at)?;
            let (rtype, class, length) = (number(fixed)?, number(fixed + 2)?, usize::from(number(fixed + 8)?));
            let ttl = u32::from(number(fixed + 4)?) << 16 | u32::from(number(fixed + 6)?);
            let data = fixed + 10;
            let end = data + length;
            if end > message.len() {
                return None;
            }
            if rtype == OPT_TYPE {
                if section != 2 || message[at] != 0 {
                    return None;
                }
                scan.extended = (ttl >> 24) as u8;
                // Between neighbours only. What may stand behind it is dropped with it: it is a help, and its names may
                // point across it.
                kept = false;
            } else if kept {
                // No question of ours is signed, so that a TSIG record answers nothing; passed on, it would stand in front
                // of our own OPT record, and RFC 8945 section 5.1 lets nothing stand behind it.
                if class != 1 || META.contains(&rtype) || !is_well_formed(message, (rtype, asked_at), data, end) {
                    return None;
                }
                scan.ttls.push(fixed + 4);
                scan.counts[section] += 1;
                scan.end = end;
                if section == 0 {
                    scan.answer_ttl = scan.answer_ttl.min(counted(ttl));
                    scan.has_data |= rtype == asked || asked == ANY;
                    scan.has_alias |= rtype == CNAME;
                } else if section == 1 && rtype == SOA {
                    let minimum = u32::from(number(end - 4)?) << 16 | u32::from(number(end - 2)?);
                    scan.negative_ttl = Some(counted(ttl).min(counted(minimum)));
                } else if section == 1 {
                    scan.refers |= rtype == NS;
                }
            }
            at = end;
        }
    }
    (at == message.len()).then_some(scan)
}

/// Whether data is what its type says, for the types whose data others read without asking.
fn is_well_formed(message: &[u8], (rtype, asked_at): (u16, usize), data: usize, end: usize) -> bool {
    let length = end - data;
    let name_fills = |at: usize| name_end(message, at, asked_at) == Some(end);
    match rtype {
        A => length == 4,
        AAAA => length == 16,
        // NS, CNAME, PTR, DNAME.
        2 | CNAME | 12 | 39 => name_fills(data),
        // MX, and SRV.
        15 => length > 2 && name_fills(data + 2),
        33 => length > 6 && name_fills(data + 6),
        SOA => name_end(message, data, asked_at)
            .filter(|at| *at < end)
            .and_then(|at| name_end(message, at, asked_at))
            .is_some_and(|at| at + 20 == end),
        TXT => {
            let mut at = data;
            while at < end {
                at += 1 + usize::from(message[at]);
            }
            at == end && length > 0
        }
        _ => true,
    }
}

/// Where the name at `at` ends, when it is one: its pointers lead backwards only (RFC 1035 section 4.1.4), so that
/// reading it ends, never into the header, nor to the question's type and class at `asked_at`, and it is not longer than a name
/// may be.
fn name_end(message: &[u8], mut at: usize, asked_at: usize) -> Option<usize> {
    let (mut end, mut length, mut limit) = (None, 1, at);
    loop {
        match *message.get(at)? {
            0 => return Some(end.unwrap_or(at + 1)),
            label @ 1..=63 => {
                length += usize::from(label) + 1;
                at += usize::from(label) + 1;
            }
            high @ 0xc0.. => {
                let target = usize::from(high & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                end = end.or(Some(at + 2));
                let is_name = target >= HEADER && !(asked_at..asked_at + 4).contains(&target);
                if target >= limit || !is_name {
                    return None;
                }
                (at, limit) = (target, target);
            }
            _ => return None,
        }
        if length > 255 {
            return None;
        }
    }
}

/// RFC 2181 section 8: a time to live with its first bit set "should be treated as if the entire value received was
/// zero".
pub(super) fn counted(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}
