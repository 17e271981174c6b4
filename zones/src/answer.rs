//! A question to an answer: a pure function of a snapshot.

use std::borrow::Cow;

use dns::{Fqdn, Rcode, Rdata, RecordType};

use crate::node::packed;
use crate::{NodeRef, Place, Records, Redirect, SetRef, Standing, Unavailable, Zone, ZoneSet};

/// How many aliases (CNAME and DNAME records) are followed for one question.
pub const CNAME_HOPS_MAX: usize = 8;
/// DS (RFC 4034): the one type that stands above its name's zone cut.
const DS: RecordType = RecordType(43);

/// What is asked, class IN. Meta types other than ANY (AXFR and their likes) are for the caller to sort out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name.
    pub name: Fqdn,
    /// The type; [`RecordType::ANY`] for whatever there is.
    pub rtype: RecordType,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionMeta {
    /// Over a connection, so that the asker's address is no one else's: ANY is then answered in full.
    pub stream: bool,
}

/// One set in an answer, borrowed from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSet<'z> {
    /// The owner; the name that was asked for, when a wildcard answered.
    pub name: Cow<'z, Fqdn>,
    /// The type.
    pub rtype: RecordType,
    /// The time to live in seconds.
    pub ttl: u32,
    /// The data, never empty.
    pub rdata: Data<'z>,
}

/// The data of a set in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'z> {
    /// As the zone has it.
    Held(Records<'z>),
    /// Made for the question: the target of a CNAME record that a DNAME record implies.
    Made(Box<[u8]>),
}

impl Data<'_> {
    /// The records.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        match self {
            Self::Held(records) => *records,
            Self::Made(octets) => Records::from_octets(octets),
        }
    }

    /// The data of each.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.records().iter()
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer<'z> {
    /// False: the name is in no zone of ours, and nothing else here means anything.
    pub ours: bool,
    /// The name is in a zone of ours that the asker may not ask for; nothing else here means anything.
    pub prohibited: bool,
    /// The name is in a zone of ours whose contents are not there: SERVFAIL, and nothing else here means anything.
    pub unavailable: Option<Unavailable>,
    /// NOERROR, or NXDOMAIN; YXDOMAIN where a DNAME record leads to a name that is too long, SERVFAIL for aliases that
    /// lead to each other.
    pub rcode: Option<Rcode>,
    /// The AA bit: whether the data of the first owner name is our own (RFC 1035 section 4.1.1).
    pub authoritative: bool,
    /// The answer section.
    pub answers: Vec<AnswerSet<'z>>,
    /// The authority section: SOA of a negative answer, NS of a referral.
    pub authorities: Vec<AnswerSet<'z>>,
    /// The additional section: addresses of the names in NS, MX and SRV records.
    pub additionals: Vec<AnswerSet<'z>>,
    /// Where a resolver may go on: where a chain of CNAME records leaves our zones, or meets a cut, whose referral is then in the
    /// authority section.
    pub continue_at: Option<Fqdn>,
}

/// Answers from a snapshot.
#[must_use]
pub fn answer<'z>(zones: &'z ZoneSet, question: &'z Question, meta: QuestionMeta) -> Answer<'z> {
    let mut answer = Answer::default();
    let mut name: Cow<'z, Fqdn> = Cow::Borrowed(&question.name);
    for hop in 0..=CNAME_HOPS_MAX {
        let zone = match zone_for(zones, &name, question.rtype) {
            Place::Zone(zone) => zone,
            // Of a chain that leads there the beginning is an answer by itself. Nobody else is asked for the rest.
            Place::Prohibited => {
                answer.prohibited = hop == 0;
                return answer;
            }
            // The same of a zone whose contents are not there.
            Place::Unavailable(why) => {
                answer.unavailable = (hop == 0).then_some(why);
                return answer;
            }
            Place::Elsewhere => {
                if hop > 0 {
                    answer.continue_at = Some(name.into_owned());
                }
                return answer;
            }
        };
        answer.ours = true;
        // RFC 6604 section 3: the response code is that of the last name of the chain.
        answer.rcode = Some(Rcode::NO_ERROR);
        let target = match find(zone, &name, question.rtype) {
            Found::Cut(cut, set) => {
                // RFC 1034 section 4.3.2 step 3b: a referral is not authoritative, except for a CNAME before it.
                answer.authoritative = hop > 0;
                answer.authorities.push(section_set(Cow::Borrowed(cut), set));
                add_addresses(zones, &mut answer);
                answer.continue_at = Some(name.into_owned());
                return answer;
            }
            Found::Missing => {
                answer.rcode = Some(Rcode::NX_DOMAIN);
                add_negative(zone, &mut answer);
                return answer;
            }
            Found::Empty => {
                add_negative(zone, &mut answer);
                return answer;
            }
            Found::Dname(owner, set) => {
                let target = add_dname(name, owner, set, &mut answer);
                // The CNAME record that was made is what such a question asks for.
                target.filter(|_| !matches!(question.rtype, RecordType::CNAME | RecordType::ANY))
            }
            Found::Node(node) => {
                answer.authoritative = true;
                let target = add_answers(zone, name, node, question.rtype, meta, &mut answer);
                if target.is_none() && question.rtype != RecordType::ANY {
                    add_addresses(zones, &mut answer);
                }
                target
            }
        };
        let Some(target) = target else { return answer };
        // RFC 1034 section 3.6.2: "CNAME chains should be followed and CNAME loops signalled as an error".
        if answer.answers.iter().any(|set| set.rtype == RecordType::CNAME && *set.name == target) {
            answer.rcode = Some(Rcode::SERV_FAIL);
            return answer;
        }
        name = Cow::Owned(target);
    }
    answer
}

/// What stands at a name.
enum Found<'z> {
    /// Records: the name's own, or a wildcard's.
    Node(NodeRef<'z>),
    /// The name exists without records: an empty non-terminal (RFC 4592 section 2.2.2).
    Empty,
    /// The name is at or beneath a zone cut.
    Cut(&'z Fqdn, SetRef<'z>),
    /// The name is beneath the owner of a DNAME record.
    Dname(&'z Fqdn, SetRef<'z>),
    /// No such name.
    Missing,
}

fn zone_for<'z>(zones: &'z ZoneSet, name: &Fqdn, rtype: RecordType) -> Place<'z> {
    let place = zones.place(name);
    let Place::Zone(zone) = place else { return place };
    // RFC 4035 section 3.1.4.1: the DS set of an apex is the parent zone's to answer.
    if rtype == DS && zone.apex() == name {
        return name.parent().and_then(|parent| zones.find(&parent)).map_or(place, Place::Zone);
    }
    place
}

fn find<'z>(zone: &'z Zone, name: &Fqdn, rtype: RecordType) -> Found<'z> {
    match zone.redirect_above(name) {
        // RFC 4035 section 3.1.4.1: the DS set of a cut is the parent's.
        Some(Redirect::Cut(cut, set)) if !(rtype == DS && cut == name) => return Found::Cut(cut, set),
        Some(Redirect::Dname(owner, set)) => return Found::Dname(owner, set),
        Some(Redirect::Cut(..)) | None => {}
    }
    match zone.standing(name.as_wire()) {
        Standing::Owner(node) => return Found::Node(node),
        Standing::Above => return Found::Empty,
        Standing::Missing => {}
    }
    let Some(source) = zone.source_of_synthesis(name) else { return Found::Missing };
    // RFC 4592 section 2.2.2: an asterisk that only has names beneath it exists too, and has no data.
    zone.node(&source).map_or(Found::Empty, Found::Node)
}

/// RFC 6672 section 3.2 step 3c: the DNAME record, and the CNAME record that it implies; returns that one's target.
fn add_dname<'z>(name: Cow<'z, Fqdn>, owner: &'z Fqdn, set: SetRef<'z>, answer: &mut Answer<'z>) -> Option<Fqdn> {
    answer.authoritative = true;
    answer.answers.push(section_set(Cow::Borrowed(owner), set));
    let target = target_of(set)?;
    let Ok(target) = name.replace_suffix(owner, &target) else {
        // Section 2.2: a substitution that overflows is answered with YXDOMAIN.
        answer.rcode = Some(Rcode::YX_DOMAIN);
        return None;
    };
    // Section 3.1: "The TTL of the synthesized CNAME RR is set to the TTL of the DNAME RR".
    let rdata = Data::Made(packed(&Rdata::cname(&target)));
    answer.answers.push(AnswerSet { name, rtype: RecordType::CNAME, ttl: set.ttl, rdata });
    Some(target)
}

/// Adds what `node` holds for the question; returns the target of a CNAME record to follow.
fn add_answers<'z>(
    zone: &'z Zone,
    name: Cow<'z, Fqdn>,
    node: NodeRef<'z>,
    rtype: RecordType,
    meta: QuestionMeta,
    answer: &mut Answer<'z>,
) -> Option<Fqdn> {
    if rtype == RecordType::ANY {
        // RFC 8482 section 4.1: "a DNS responder ... MAY decide to answer with a single RRset": ANY is asked mostly
        // to have somebody else flooded. A connection proves the asker, and gets all.
        let shown = if meta.stream { usize::MAX } else { 1 };
        answer.answers.extend(node.sets().take(shown).map(|set| section_set(name.clone(), set)));
        return None;
    }
    if let Some(set) = node.set(rtype) {
        answer.answers.push(section_set(name, set));
        return None;
    }
    // RFC 4035 section 2.5: a name that owns a CNAME record owns its signature and its proof by itself.
    let is_followed = !matches!(rtype.0, 24 | 25 | 30 | 46 | 47);
    let Some(set) = node.set(RecordType::CNAME).filter(|_| is_followed) else {
        add_negative(zone, answer);
        return None;
    };
    let target = target_of(set);
    answer.answers.push(section_set(name, set));
    target
}

/// RFC 2308 section 3: a negative answer carries the SOA record.
fn add_negative<'z>(zone: &'z Zone, answer: &mut Answer<'z>) {
    answer.authoritative = true;
    if let Some((set, ttl)) = zone.negative() {
        answer.authorities.push(AnswerSet { ttl, ..section_set(Cow::Borrowed(zone.apex()), set) });
    }
}

/// RFC 1035 section 3.3: NS, MX and SRV (RFC 2782) "cause additional section processing", and so do their likes: the
/// addresses of the names in them, as far as our zones know them. RFC 1034 section 4.2.1: glue "is only used as part of
/// a referral response".
fn add_addresses<'z>(zones: &'z ZoneSet, answer: &mut Answer<'z>) {
    let mut added = Vec::new();
    let is_referral = !answer.authorities.is_empty();
    for set in answer.answers.iter().chain(&answer.authorities) {
        let Some(name_at) = target_offset(set.rtype) else { continue };
        for rdata in set.rdata.iter() {
            let octets = rdata.get(name_at..);
            let Some((target, _)) = octets.and_then(|octets| Fqdn::read_wire(octets).ok()) else { continue };
            // RFC 9460 section 2.5.2: of SVCB "." stands for the owner.
            let target = if target.is_root() { set.name.clone().into_owned() } else { target };
            let Some(node) = addressed(zones, &target, is_referral) else { continue };
            for set in [RecordType::A, RecordType::AAAA].into_iter().filter_map(|rtype| node.set(rtype)) {
                added.push(section_set(Cow::Owned(target.clone()), set));
            }
        }
    }
    for set in added {
        if !answer.additionals.contains(&set) {
            answer.additionals.push(set);
        }
    }
}

/// At which octet of the data the name begins whose addresses are added.
pub(crate) fn target_offset(rtype: RecordType) -> Option<usize> {
    match rtype.0 {
        // NS, MD, MF, MB.
        2 | 3 | 4 | 7 => Some(0),
        // MX, AFSDB and RT (RFC 1183), KX (RFC 2230), SVCB and HTTPS (RFC 9460 section 4.1).
        15 | 18 | 21 | 36 | 64 | 65 => Some(2),
        // SRV.
        33 => Some(6),
        _ => None,
    }
}

/// What holds the addresses of `target`: its own records, glue in a referral, or a wildcard's.
fn addressed<'z>(zones: &'z ZoneSet, target: &Fqdn, is_referral: bool) -> Option<NodeRef<'z>> {
    let zone = zones.find(target)?;
    let own = zone.node(target);
    match zone.redirect_above(target) {
        Some(Redirect::Cut(..)) if is_referral => own,
        Some(_) => None,
        None => own.or_else(|| zone.node(&zone.source_of_synthesis(target)?)),
    }
}

/// The name in the data of a CNAME or DNAME record.
fn target_of(set: SetRef<'_>) -> Option<Fqdn> {
    set.rdata.first().and_then(|data| Fqdn::from_wire(data).ok())
}

fn section_set<'z>(name: Cow<'z, Fqdn>, set: SetRef<'z>) -> AnswerSet<'z> {
    AnswerSet { name, rtype: set.rtype, ttl: set.ttl, rdata: Data::Held(set.rdata) }
}

#[cfg(test)]
mod tests;
