//! A question's octets: read where it is plain, written for an upstream.

use dns::{Fqdn, RecordType};

/// Octets of a header (RFC 1035 section 4.1.1).
pub const HEADER: usize = 12;
/// Octets of an OPT record without options (RFC 6891 section 6.1.2).
pub(crate) const OPT: usize = 11;
/// The largest datagram without EDNS (RFC 1035 section 4.2.1), in octets.
pub(crate) const OCTETS_PLAIN: u16 = 512;
/// What upstreams may send in a datagram, in octets. DNS flag day 2020: what passes an Ethernet without fragments, of
/// which the second can be forged (RFC 9715).
pub const UPSTREAM_OCTETS_MAX: u16 = 1232;
/// The most octets that a name takes.
const NAME_MAX: usize = 255;
/// The EDNS option of cookies (RFC 7873).
const COOKIE: u16 = 10;

/// What an answer is kept under: the name in lower case, the type, and what the asker wants to see of DNSSEC.
#[derive(Clone, Copy)]
pub struct Key {
    octets: [u8; NAME_MAX + 3],
    len: u16,
}

impl Key {
    /// The key of a name, a type and the bits DO and CD.
    #[must_use]
    pub fn new(name: &Fqdn, rtype: RecordType, dnssec_ok: bool, checking_disabled: bool) -> Self {
        Self::of_wire(name.as_wire(), rtype.0, dnssec_ok, checking_disabled)
    }

    /// `name` is a whole name in wire form, at most 255 octets.
    fn of_wire(name: &[u8], rtype: u16, dnssec_ok: bool, checking_disabled: bool) -> Self {
        let mut octets = [0; NAME_MAX + 3];
        octets[..name.len()].copy_from_slice(name);
        // Length octets are at most 63, so lowering the whole name cannot touch one ('A' is 65).
        octets[..name.len()].make_ascii_lowercase();
        octets[name.len()..name.len() + 2].copy_from_slice(&rtype.to_be_bytes());
        octets[name.len() + 2] = u8::from(dnssec_ok) | u8::from(checking_disabled) << 1;
        Self { octets, len: (name.len() + 3) as u16 }
    }

    /// All of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The name in wire form, lower case.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.octets[..usize::from(self.len) - 3]
    }

    /// The type.
    #[must_use]
    pub fn rtype(&self) -> RecordType {
        let at = usize::from(self.len) - 3;
        RecordType(u16::from_be_bytes([self.octets[at], self.octets[at + 1]]))
    }

    /// DO (RFC 3225).
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.octets[usize::from(self.len) - 1] & 1 != 0
    }

    /// CD (RFC 4035 section 3.2.2).
    #[must_use]
    pub fn checking_disabled(&self) -> bool {
        self.octets[usize::from(self.len) - 1] & 2 != 0
    }

    /// The name as a value.
    #[must_use]
    pub fn fqdn(&self) -> Fqdn {
        // It was read as a name.
        Fqdn::from_wire(self.name()).unwrap_or_else(|_| Fqdn::root())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.fqdn(), self.rtype())
    }
}

/// What an asker said of EDNS (RFC 6891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'q> {
    /// The largest datagram that the asker takes, in octets.
    pub octets_max: u16,
    /// DO (RFC 3225).
    pub dnssec_ok: bool,
    /// The data of the first COOKIE option (RFC 7873), whatever its length.
    pub cookie: Option<&'q [u8]>,
}

/// A query of class IN with one question and at most an OPT record behind it, that asks for recursion.
#[derive(Clone, Debug)]
pub struct PlainQuery<'q> {
    /// The asker's number.
    pub id: [u8; 2],
    /// The question section as it came, case and all.
    pub question: &'q [u8],
    /// What the answer is kept under.
    pub key: Key,
    /// None: no EDNS.
    pub edns: Option<Edns<'q>>,
    /// AD: the asker wants to know whether the answer was validated (RFC 6840 section 5.7).
    pub authentic: bool,
}

impl<'q> PlainQuery<'q> {
    /// Reads one; none: it is something else, or malformed, and another way has to answer.
    #[must_use]
    pub fn read(octets: &'q [u8]) -> Option<Self> {
        let (header, body) = octets.split_at_checked(HEADER)?;
        // A query with RD; AD and CD may be set, nothing else.
        let is_plain = header[2] == 1 && header[3] & !0x30 == 0;
        if !is_plain || header[4..10] != [0, 1, 0, 0, 0, 0] || header[10] != 0 || header[11] > 1 {
            return None;
        }
        let used = uncompressed(body)?;
        let (&[t0, t1, 0, 1], rest) = body.get(used..)?.split_first_chunk::<4>()? else { return None };
        let rtype = RecordType(u16::from_be_bytes([t0, t1]));
        if !rtype.is_data() && rtype != RecordType::ANY {
            return None;
        }
        let edns = match (header[11], rest) {
            (0, []) => None,
            (1, [0, 0, 41, s0, s1, 0, 0, flags, _, l0, l1, options @ ..])
                if options.len() == usize::from(u16::from_be_bytes([*l0, *l1])) =>
            {
                let octets_max = u16::from_be_bytes([*s0, *s1]);
                Some(Edns { octets_max, dnssec_ok: flags & 0x80 != 0, cookie: option(options, COOKIE)? })
            }
            _ => return None,
        };
        let dnssec_ok = edns.is_some_and(|edns| edns.dnssec_ok);
        Some(Self {
            id: [header[0], header[1]],
            question: &body[..used + 4],
            key: Key::of_wire(&body[..used], rtype.0, dnssec_ok, header[3] & 0x10 != 0),
            edns,
            authentic: header[3] & 0x20 != 0 || dnssec_ok,
        })
    }
}

/// The first option of this number among these, if there is one; none: one of them runs over the end.
fn option(mut options: &[u8], wanted: u16) -> Option<Option<&[u8]>> {
    let mut found = None;
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let (data, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        if u16::from_be_bytes([*c0, *c1]) == wanted && found.is_none() {
            found = Some(data);
        }
        options = behind;
    }
    options.is_empty().then_some(found)
}

/// How many octets the uncompressed name at the start takes.
pub(crate) fn uncompressed(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += usize::from(length) + 1,
            _ => return None,
        }
        if at >= NAME_MAX {
            return None;
        }
    }
}

/// A question on its way to an upstream, and what its answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub octets: Vec<u8>,
    question_end: usize,
}

impl Outgoing {
    /// Builds a question. `random` gives the number and which letters are in upper case: an answer must repeat both, so
    /// that whoever cannot see the question cannot forge it (RFC 5452 section 9.2, draft-vixie-dnsext-dns0x20).
    #[must_use]
    pub fn build(key: &Key, random: u64, mixed_case: bool) -> Self {
        let mut octets = Vec::with_capacity(HEADER + key.name().len() + 4 + OPT);
        octets.extend_from_slice(&(random as u16).to_be_bytes());
        octets.push(1);
        octets.push(if key.checking_disabled() { 0x10 } else { 0 });
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        let mut bits = random >> 16;
        for octet in key.name() {
            let upper = mixed_case && octet.is_ascii_lowercase() && bits & 1 == 1;
            octets.push(if upper { octet.to_ascii_uppercase() } else { *octet });
            if octet.is_ascii_lowercase() {
                // 48 letters have a bit of their own, later ones share them.
                bits = bits.rotate_right(1);
            }
        }
        octets.extend_from_slice(&key.rtype().0.to_be_bytes());
        octets.extend_from_slice(&[0, 1]);
        let question_end = octets.len();
        let [high, low] = UPSTREAM_OCTETS_MAX.to_be_bytes();
        let dnssec_ok = if key.dnssec_ok() { 0x80 } else { 0 };
        octets.extend_from_slice(&[0, 0, 41, high, low, 0, 0, dnssec_ok, 0, 0, 0]);
        Self { octets, question_end }
    }

    /// The same without EDNS, for servers that do not know it.
    #[must_use]
    pub fn without_edns(&self) -> Self {
        let mut octets = self.octets[..self.question_end].to_vec();
        octets[11] = 0;
        Self { octets, question_end: self.question_end }
    }

    /// The same for a server that has the names itself, and is to ask nobody (RFC 1034 section 4.3.1): without RD.
    #[must_use]
    pub fn without_recursion(mut self) -> Self {
        self.octets[2] &= !1;
        self
    }

    /// Whether it asks for names of others too.
    pub(crate) fn asks_for_recursion(&self) -> bool {
        self.octets[2] & 1 != 0
    }

    /// The same under another number: for a stream that several questions share.
    #[must_use]
    pub fn with_id(mut self, id: u16) -> Self {
        self.octets[..2].copy_from_slice(&id.to_be_bytes());
        self
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.octets[0], self.octets[1]])
    }

    /// The question section as it is sent.
    #[must_use]
    pub fn question(&self) -> &[u8] {
        &self.octets[HEADER..self.question_end]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::op::Message;

    use super::*;

    #[test]
    fn a_question_built_is_one_that_the_message_library_reads() {
        let name: Fqdn = "Some.Long.Name.example".parse().unwrap();
        let key = Key::new(&name, RecordType::AAAA, true, true);
        let outgoing = Outgoing::build(&key, 0x5555_5555_5555_1234, true);
        let read = Message::from_vec(&outgoing.octets).unwrap();
        assert_eq!(read.metadata.id, 0x1234);
        assert!(read.metadata.recursion_desired && read.metadata.checking_disabled);
        assert!(read.edns.as_ref().unwrap().flags().dnssec_ok);
        let asked = read.queries[0].name().to_string();
        assert_eq!(asked.to_ascii_lowercase(), "some.long.name.example.");
        assert_ne!(asked, "some.long.name.example.", "letters are mixed");
        assert!(Message::from_vec(&outgoing.without_edns().octets).unwrap().edns.is_none());
    }

    #[test]
    fn what_is_built_is_read_back_as_the_same_key() {
        for (dnssec_ok, checking_disabled) in [(false, false), (true, false), (false, true), (true, true)] {
            let key = Key::new(&"a.example".parse().unwrap(), RecordType::A, dnssec_ok, checking_disabled);
            let outgoing = Outgoing::build(&key, u64::MAX, true);
            let read = PlainQuery::read(&outgoing.octets).unwrap();
            assert_eq!(read.key, key);
            assert_eq!(read.question, outgoing.question());
        }
    }

    #[test]
    fn what_is_not_plain_is_left_alone() {
        let key = Key::new(&"a.example".parse().unwrap(), RecordType::A, false, false);
        let plain = Outgoing::build(&key, 7, false).octets;
        assert!(PlainQuery::read(&plain).is_some());
        // No RD, an answer, an update, two questions, a transfer, an EDNS version, an option that runs over.
        for (at, value) in [(2, 0), (2, 0x81), (2, 0x29), (5, 2), (24, 252), (33, 1), (37, 9)] {
            let mut other = plain.clone();
            other[at] = value;
            assert!(PlainQuery::read(&other).is_none(), "{at}");
        }
        assert!((0..plain.len()).all(|end| PlainQuery::read(&plain[..end]).is_none()));
    }
}
