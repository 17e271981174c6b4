//! What an upstream said: checked, and kept as the octets that go out again.
//!
//! Everything behind the question is kept as it came but for the OPT record, which is between two neighbours only. Names
//! in it may point into the question, which has the same length with every asker. Where times to live stand is noted, so
//! that they can be counted down.

mod aliases;
mod scan;

use dns::Rcode;

use self::scan::{counted, scan};
use crate::query::{HEADER, OCTETS_PLAIN, OPT, Outgoing, PlainQuery};
use crate::reason::{Reason, ReasonRef, WORDS_OCTETS_MAX};

/// What an OPT record with a [`Reason`] and a cookie of the server's takes at most, in octets.
const OPT_MAX: usize = OPT + 4 + 2 + WORDS_OCTETS_MAX + 4 + 40;
/// Why a datagram is not the answer to a question: forged, or of a server that is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// Not even a header.
    #[error("it has no whole header")]
    Short,
    /// Another number, or no answer at all.
    #[error("it has another number, or is no answer")]
    Id,
    /// Another question.
    #[error("it answers another question")]
    Question,
    /// The same question in other letters.
    #[error("it repeats the question with other letters")]
    Letters,
    /// Something in it runs over its end, or is not what its type says.
    #[error("it is malformed")]
    Malformed,
}

/// What was heard from an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An answer: records, or that there are none.
    Answer(Answer),
    /// It did not fit: to be asked for by a stream.
    Truncated,
    /// It would not or could not answer; with EDNS not understood, FORMERR or NOTIMP.
    Refusal(Rcode),
    /// It names other servers that should be asked (RFC 1034 section 4.3.1): it knows nothing itself, and asks nobody.
    /// Whoever asked us would take it for the news that there is nothing.
    Referral,
}

/// An answer as octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// All behind the question; then where times to live stand in it, two octets each.
    octets: Box<[u8]>,
    body: u16,
    /// Octets of the question that its pointers were made for.
    question: u16,
    counts: [u16; 3],
    rcode: u8,
    /// Whether it was validated (RFC 4035 section 3.2.3): AD.
    pub authentic: bool,
    /// How long it may be kept, in seconds; 0: not at all.
    pub ttl_secs: u32,
    /// Whether it says that something is not there: the name, or the type.
    pub negative: bool,
    /// Whether there is an alias (CNAME) in the answer section.
    pub has_alias: bool,
    /// Whether its aliases lead to a name of which it says nothing: neither what is there, nor, by an SOA record, what is
    /// not. Servers that resolve nothing for others answer so.
    pub is_open: bool,
    /// What askers are told beside it.
    pub reason: Option<Box<Reason>>,
}

/// An answer that is kept elsewhere ([`Answer::view`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerRef<'a> {
    /// As in an [`Answer`]: the places of times to live are as many as records.
    pub(crate) octets: &'a [u8],
    pub(crate) body: u16,
    pub(crate) question: u16,
    pub(crate) counts: [u16; 3],
    pub(crate) rcode: u8,
    /// See [`Answer::authentic`].
    pub authentic: bool,
    /// See [`Answer::negative`].
    pub negative: bool,
    /// See [`Answer::has_alias`].
    pub has_alias: bool,
    /// See [`Answer::reason`].
    pub reason: Option<ReasonRef<'a>>,
}

/// How an answer goes out.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'t> {
    /// How long ago it was heard, in seconds: taken off each time to live.
    pub age_secs: u32,
    /// No time to live is longer than this, in seconds.
    pub ttl_max: u32,
    /// Its time is over: every time to live is this, in seconds (RFC 8767 section 4).
    pub stale_ttl: Option<u32>,
    /// The largest datagram sent, in octets; `None`: a stream, where everything fits.
    pub octets_max: Option<u16>,
    /// What to tell the asker, in place of the answer's own.
    pub reason: Option<&'t Reason>,
    /// Further EDNS options, encoded, at most 44 octets: a cookie.
    pub options: &'t [u8],
}

impl Answer {
    /// An answer without records: a refusal or a failure of our own.
    #[must_use]
    pub fn empty(rcode: Rcode, question_len: usize, reason: Option<Reason>) -> Self {
        Self {
            octets: Box::default(),
            body: 0,
            question: question_len as u16,
            counts: [0; 3],
            rcode: rcode.0 as u8 & 0x0f,
            authentic: false,
            ttl_secs: 0,
            negative: true,
            has_alias: false,
            is_open: false,
            reason: reason.map(Box::new),
        }
    }

    /// An answer made here: `message` holds it whole, with a header, one question and no OPT record.
    ///
    /// # Errors
    /// [`Lie`], when it is not such a message.
    pub fn from_message(message: &[u8]) -> Result<Self, Lie> {
        if message.len() < HEADER {
            return Err(Lie::Short);
        }
        let question = crate::query::uncompressed(&message[HEADER..]).ok_or(Lie::Malformed)? + 4;
        let authentic = message[3] & 0x20 != 0;
        let scan = scan(message, HEADER + question).ok_or(Lie::Malformed)?;
        Ok(Self { authentic, ..scan.into_answer(message, question) })
    }

    /// The response code.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        Rcode(u16::from(self.rcode))
    }

    /// How many records stand in the answer section.
    #[must_use]
    pub fn answer_count(&self) -> u16 {
        self.counts[0]
    }

    /// The same, borrowed.
    #[must_use]
    pub fn view(&self) -> AnswerRef<'_> {
        AnswerRef {
            octets: &self.octets,
            body: self.body,
            question: self.question,
            counts: self.counts,
            rcode: self.rcode,
            authentic: self.authentic,
            negative: self.negative,
            has_alias: self.has_alias,
            reason: self.reason.as_deref().map(Reason::view),
        }
    }

    /// Writes the answer to `query` into `out`.
    pub fn write(&self, query: &PlainQuery<'_>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        self.view().write(query, terms, out);
    }

    /// Writes in place of an answer only that the question is to be asked by a connection (TC), with these EDNS options
    /// (see [`Terms::options`]).
    pub fn write_truncated(query: &PlainQuery<'_>, options: &[u8], out: &mut Vec<u8>) {
        let terms =
            Terms { age_secs: 0, ttl_max: 0, stale_ttl: None, octets_max: Some(OCTETS_PLAIN), reason: None, options };
        Self::empty(Rcode::NO_ERROR, query.question.len(), None).write(query, &terms, out);
        if let Some(flags) = out.get_mut(2) {
            *flags |= 0x02;
        }
    }
}

impl AnswerRef<'_> {
    /// The same as a value that may be kept for so many seconds.
    #[must_use]
    pub fn to_answer(self, ttl_secs: u32) -> Answer {
        Answer {
            octets: self.octets.into(),
            body: self.body,
            question: self.question,
            counts: self.counts,
            rcode: self.rcode,
            authentic: self.authentic,
            ttl_secs,
            negative: self.negative,
            has_alias: self.has_alias,
            is_open: false,
            reason: self.reason.map(|reason| Box::new(reason.to_reason())),
        }
    }

    /// The response code.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        Rcode(u16::from(self.rcode))
    }

    /// Writes the answer to `query` into `out`.
    pub fn write(&self, query: &PlainQuery<'_>, terms: &Terms<'_>, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&query.id);
        out.extend_from_slice(&[0; HEADER - 2]);
        out.extend_from_slice(query.question);
        // Pointers of another question's length would lead astray; no caller has such an answer.
        let fits_question = usize::from(self.question) == query.question.len() || self.body == 0;
        let room = terms.octets_max.map_or(usize::from(u16::MAX), |octets_max| {
            let asked = query.edns.map_or(OCTETS_PLAIN, |edns| edns.octets_max);
            usize::from(asked.clamp(OCTETS_PLAIN, octets_max.max(OCTETS_PLAIN)))
        });
        let opt = match query.edns {
            Some(_) if terms.reason.is_some() || self.reason.is_some() || !terms.options.is_empty() => OPT_MAX,
            Some(_) => OPT,
            None => 0,
        };
        let truncated = !fits_question || out.len() + usize::from(self.body) + opt > room;
        let mut counts = self.counts;
        if truncated {
            counts = [0; 3];
        } else {
            self.write_body(terms, out);
        }
        if let Some(edns) = query.edns {
            self.write_opt(edns.dnssec_ok, terms, out);
            counts[2] += 1;
        }
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        // QR, TC and RD; RA, AD and CD.
        out[2] = 0x81 | bit(truncated, 0x02);
        let authentic = self.authentic && query.authentic && terms.stale_ttl.is_none();
        out[3] = 0x80 | bit(authentic, 0x20) | bit(query.key.checking_disabled(), 0x10) | self.rcode;
        out[5] = 1;
        for (at, count) in [6, 8, 10].into_iter().zip(counts) {
            out[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
    }

    fn write_body(&self, terms: &Terms<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let (body, places) = self.octets.split_at(usize::from(self.body));
        out.extend_from_slice(body);
        for place in places.chunks_exact(2) {
            let at = start + usize::from(u16::from_be_bytes([place[0], place[1]]));
            // Both were checked to lie within the body.
            let Some(field) = out.get_mut(at..at + 4) else { continue };
            let ttl = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
            let left =
                terms.stale_ttl.unwrap_or_else(|| counted(ttl).min(terms.ttl_max).saturating_sub(terms.age_secs));
            field.copy_from_slice(&left.to_be_bytes());
        }
    }

    /// RFC 6891 section 6.1.1: an OPT record for an OPT record, with our own payload size and version 0.
    fn write_opt(&self, dnssec_ok: bool, terms: &Terms<'_>, out: &mut Vec<u8>) {
        let [high, low] = terms.octets_max.unwrap_or(crate::query::UPSTREAM_OCTETS_MAX).to_be_bytes();
        out.extend_from_slice(&[0, 0, 41, high, low, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(terms.options);
        if let Some(reason) = terms.reason.map(Reason::view).or(self.reason) {
            reason.write(out);
        }
        let length = (out.len() - length_at - 2) as u16;
        out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }
}

impl Heard {
    /// Reads what came for `sent`.
    ///
    /// # Errors
    /// [`Lie`]: it is not the answer, and whoever waits for that goes on waiting.
    pub fn read(octets: &[u8], sent: &Outgoing) -> Result<Self, Lie> {
        if octets.len() < HEADER {
            return Err(Lie::Short);
        }
        // QR set and the opcode of a query.
        if u16::from_be_bytes([octets[0], octets[1]]) != sent.id() || octets[2] & 0xf8 != 0x80 {
            return Err(Lie::Id);
        }
        let rcode = Rcode(u16::from(octets[3] & 0x0f));
        let question = sent.question();
        if octets[4..6] == [0, 0] && octets[6..8] == [0, 0] && rcode != Rcode::NO_ERROR {
            // Some servers repeat nothing of a question that they do not understand.
            return Ok(Self::Refusal(rcode));
        }
        let end = HEADER + question.len();
        match octets.get(HEADER..end) {
            _ if octets[4..6] != [0, 1] => return Err(Lie::Question),
            Some(repeated) if repeated == question => {}
            Some(repeated) if repeated.eq_ignore_ascii_case(question) => return Err(Lie::Letters),
            _ => return Err(Lie::Question),
        }
        if octets[2] & 0x02 != 0 {
            return Ok(Self::Truncated);
        }
        // RFC 6672 section 2.2: YXDOMAIN is what is said of a name that an alias makes too long.
        if !matches!(rcode, Rcode::NO_ERROR | Rcode::NX_DOMAIN | Rcode::YX_DOMAIN) {
            return Ok(Self::Refusal(rcode));
        }
        let scan = scan(octets, end).ok_or(Lie::Malformed)?;
        if scan.extended != 0 {
            return Ok(Self::Refusal(Rcode(u16::from(scan.extended) << 4 | rcode.0)));
        }
        // Without AA; and who offers recursion (RA) has asked others, if that was wanted.
        let asked_others = sent.asks_for_recursion() && octets[3] & 0x80 != 0;
        if octets[2] & 0x04 == 0 && !asked_others && scan.is_referral() && rcode == Rcode::NO_ERROR {
            return Ok(Self::Referral);
        }
        Ok(Self::Answer(scan.into_answer(octets, question.len())))
    }
}

#[cfg(test)]
mod tests;
