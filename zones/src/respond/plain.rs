//! What nearly every question gets: one set, or the news that there is none. Found without memory of its own.
//!
//! [`find`] decides nothing that [`answer()`](crate::answer()) decides otherwise; where one of its rules might matter
//! (redirects, aliases, wildcards, names without records, additional addresses) it finds nothing, and that is asked.

use dns::name::NAME_OCTETS_MAX;
use dns::{LABEL_OCTETS_MAX, RecordType};

use super::writer::Written;
use crate::answer::target_offset;
use crate::{Standing, Zone, ZoneSet};

/// DS (RFC 4034), which the zone above an apex answers for.
const DS: RecordType = RecordType(43);

/// A name of a question in lower case, uncompressed.
pub(super) struct Lowered {
    octets: [u8; NAME_OCTETS_MAX],
    length: usize,
    /// A bit for each octet at which a label begins.
    labels: [u64; 4],
    as_asked: bool,
}

impl Lowered {
    /// The name at the start of a question section; `None` for what is no uncompressed name.
    pub(super) fn read(question: &[u8]) -> Option<Self> {
        let (mut length, mut labels) = (0, [0; 4]);
        loop {
            let label = usize::from(*question.get(length)?);
            length += 1;
            if label == 0 {
                break;
            }
            // Room for the root label is left.
            if label > LABEL_OCTETS_MAX || length + label >= NAME_OCTETS_MAX {
                return None;
            }
            labels[(length - 1) / 64] |= 1 << ((length - 1) % 64);
            length += label;
        }
        let mut octets = [0; NAME_OCTETS_MAX];
        let (name, asked) = (&mut octets[..length], question.get(..length)?);
        name.copy_from_slice(asked);
        // Length octets are at most 63, so that they are no letters.
        name.make_ascii_lowercase();
        let as_asked = *name == *asked;
        Some(Self { octets, length, labels, as_asked })
    }

    /// Wire form.
    pub(super) fn as_wire(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// Whether it was asked for in lower case.
    pub(super) fn is_as_asked(&self) -> bool {
        self.as_asked
    }

    /// At which octet the labels begin that are `end`, a name in wire form and lower case that is not the root.
    pub(super) fn position_of(&self, end: &[u8]) -> Option<usize> {
        let at = self.length.checked_sub(end.len())?;
        let is_label = self.labels[at / 64] >> (at % 64) & 1 == 1;
        (is_label && self.octets[at..self.length] == *end).then_some(at)
    }
}

/// An answer of one set.
pub(super) enum Plain<'a> {
    /// The set that was asked for.
    Set(Written<'a>),
    /// The name is there, the type is not; with the zone's SOA set.
    Empty(Option<Written<'a>>),
    /// There is no such name; with the zone's SOA set.
    Missing(Option<Written<'a>>),
}

/// Finds what a name in wire form and lower case has of a type; `None`: ask for it the general way.
pub(super) fn find<'a>(zones: &'a ZoneSet, name: &'a [u8], rtype: RecordType) -> Option<Plain<'a>> {
    if matches!(rtype, RecordType::ANY | DS) || target_offset(rtype).is_some() {
        return None;
    }
    let zone = zones.find_wire(name)?;
    if zone.has_redirects() {
        return None;
    }
    let node = match zone.standing(name) {
        Standing::Owner(node) => node,
        Standing::Above => return Some(Plain::Empty(negative(zone))),
        // A wildcard may stand for it.
        Standing::Missing if zone.has_wildcards() => return None,
        Standing::Missing => return Some(Plain::Missing(negative(zone))),
    };
    match node.set(rtype) {
        Some(set) => Some(Plain::Set(Written { name, rtype, ttl: set.ttl, rdata: set.rdata })),
        None if node.set(RecordType::CNAME).is_some() => None,
        None => Some(Plain::Empty(negative(zone))),
    }
}

fn negative(zone: &Zone) -> Option<Written<'_>> {
    let (set, ttl) = zone.negative()?;
    Some(Written { name: zone.apex().as_wire(), rtype: RecordType::SOA, ttl, rdata: set.rdata })
}
