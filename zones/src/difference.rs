//! One zone's step from one serial to the next: what each changed set was before.
//!
//! Only the former contents are kept. What a set became is what the next step found, and after the newest step what the
//! zone holds; so a step that adds names, as nearly all do, is hardly more than these names, and several steps condense
//! into one (RFC 1995 section 5) by taking the oldest word on each set and the zone's own.
//!
//! The sets stand in one piece of memory, in the form in which they are stored:
//! ```text
//! owner in uncompressed wire form; type, 2 octets; number of records, 4; when there are any: TTL, 4;
//! for each record: length, 2; data                                         numbers are big-endian
//! ```

use std::collections::BTreeMap;

use dns::{Fqdn, Rdata, RecordType, Rrset};

use crate::{SetRef, Zone};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The serial before.
    pub serial_before: u32,
    /// The serial after.
    pub serial_after: u32,
    former: Box<[u8]>,
}

/// A difference as it is put together.
#[derive(Debug, Default)]
pub struct DifferenceWriter(Vec<u8>);

impl DifferenceWriter {
    /// Room for a step that adds so many names.
    pub(crate) fn with_room_for(names: usize) -> Self {
        // Two sets of each, which were not there, and the SOA set.
        Self(Vec::with_capacity(names * 64 + 128))
    }

    /// Adds what the set of this name and type was; without records: there was none. Each set is added once.
    pub fn push(&mut self, name: &Fqdn, rtype: RecordType, ttl: u32, rdata: &[Rdata]) {
        self.head(name, rtype, ttl, rdata.len());
        rdata.iter().for_each(|Rdata(data)| self.record(data));
    }

    /// The same, of a zone's set.
    pub fn push_set(&mut self, name: &Fqdn, rtype: RecordType, set: Option<SetRef<'_>>) {
        let (ttl, records) = set.map_or_else(Default::default, |set| (set.ttl, set.rdata));
        self.head(name, rtype, ttl, records.len());
        records.iter().for_each(|data| self.record(data));
    }

    fn head(&mut self, name: &Fqdn, rtype: RecordType, ttl: u32, records: usize) {
        let out = &mut self.0;
        out.extend_from_slice(name.as_wire());
        out.extend_from_slice(&rtype.0.to_be_bytes());
        // Fewer than the records of a zone, which memory bounds far below.
        out.extend_from_slice(&(records as u32).to_be_bytes());
        if records > 0 {
            out.extend_from_slice(&ttl.to_be_bytes());
        }
    }

    fn record(&mut self, data: &[u8]) {
        // At most 65,535 octets: see `Rdata`.
        self.0.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.0.extend_from_slice(data);
    }

    /// The difference between these serials.
    #[must_use]
    pub fn finish(self, serial_before: u32, serial_after: u32) -> Difference {
        Difference { serial_before, serial_after, former: self.0.into() }
    }
}

impl Difference {
    /// What it takes beside its octets, about: itself, its place in a history and what the allocator adds.
    const OVERHEAD: usize = 96;

    /// One that was stored; `None`: the octets are not one.
    #[must_use]
    pub fn from_octets(serial_before: u32, serial_after: u32, octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        while !rest.is_empty() {
            read_set(&mut rest)?;
        }
        Some(Self { serial_before, serial_after, former: octets.into() })
    }

    /// The sets, as they are stored.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.former
    }

    /// What it takes in memory, about.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.former.len() + Self::OVERHEAD
    }

    /// Each changed set as it was before; one without records was not there.
    pub fn former(&self) -> impl Iterator<Item = Former> + '_ {
        let mut rest = &*self.former;
        std::iter::from_fn(move || if rest.is_empty() { None } else { read_set(&mut rest) })
    }
}

/// A set as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its owner.
    pub name: Fqdn,
    /// Its type.
    pub rtype: RecordType,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data, sorted; empty: there was no such set.
    pub rdata: Vec<Rdata>,
}

fn read_set(rest: &mut &[u8]) -> Option<Former> {
    let (name, used) = Fqdn::read_wire(rest).ok()?;
    *rest = rest.get(used..)?;
    let rtype = RecordType(u16::from_be_bytes(take(rest)?));
    let count = u32::from_be_bytes(take(rest)?);
    if count == 0 {
        return Some(Former { name, rtype, ttl: 0, rdata: Vec::new() });
    }
    let ttl = u32::from_be_bytes(take(rest)?);
    // No room is made for a number that damaged octets claim.
    let mut rdata = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes(take(rest)?));
        let (data, after) = rest.split_at_checked(length)?;
        rdata.push(Rdata(data.into()));
        *rest = after;
    }
    Some(Former { name, rtype, ttl, rdata })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

/// Several steps as one: what is to be taken out of a zone of the old serial, and what to be put in, to have the new one.
/// The SOA records stand apart, as an incremental transfer wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condensed {
    /// The SOA record before.
    pub soa_before: Rrset,
    /// Records that go.
    pub removed: Vec<Rrset>,
    /// Records that come.
    pub added: Vec<Rrset>,
}

impl Condensed {
    /// What leads from the zone before the first of `differences`, oldest first, to `zone`, which is the one after the last.
    /// `None`: they say nothing about the SOA record, so that they are no steps of this zone.
    #[must_use]
    pub fn new<'d>(differences: impl IntoIterator<Item = &'d Difference>, zone: &Zone) -> Option<Self> {
        let mut oldest: BTreeMap<(Fqdn, RecordType), Former> = BTreeMap::new();
        for former in differences.into_iter().flat_map(Difference::former) {
            oldest.entry((former.name.clone(), former.rtype)).or_insert(former);
        }
        let soa = oldest.remove(&(zone.apex().clone(), RecordType::SOA))?;
        let soa_before = Rrset::new(soa.name, soa.rtype, soa.ttl, soa.rdata)?;
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for ((name, rtype), former) in oldest {
            let now = zone.set(&name, rtype);
            let (now_ttl, now_data) = now.map_or_else(Default::default, |set| (set.ttl, set.rdata.to_vec()));
            // RFC 2181 section 5.2: the records of a set share their TTL, so that another TTL is another record of each.
            let same_ttl = now_ttl == former.ttl;
            let stays = |data: &[Rdata], one: &Rdata| same_ttl && data.binary_search(one).is_ok();
            let gone: Vec<Rdata> = former.rdata.iter().filter(|one| !stays(&now_data, one)).cloned().collect();
            let come: Vec<Rdata> = now_data.iter().filter(|one| !stays(&former.rdata, one)).cloned().collect();
            removed.extend(Rrset::new(name.clone(), rtype, former.ttl, gone));
            added.extend(Rrset::new(name, rtype, now_ttl, come));
        }
        Some(Self { soa_before, removed, added })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Change, Update};

    use super::*;
    use crate::{AllowAll, NewZone, apply};

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn a(last: u8) -> Rdata {
        Rdata::a([192, 0, 2, last].into())
    }

    fn add(owner: &str, ttl: u32, last: u8) -> Change {
        Change::Add { name: name(owner), rtype: RecordType::A, ttl, rdata: a(last) }
    }

    fn changed(zone: &Zone, changes: Vec<Change>) -> (Zone, Difference) {
        let update = Update { zone: zone.apex().clone(), prerequisites: vec![], changes };
        let (zone, change) = apply(zone, &update, &AllowAll).unwrap();
        (zone, (*change.unwrap().difference).clone())
    }

    #[test]
    fn a_difference_holds_what_the_changed_sets_were() {
        let zone = NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap();
        let (zone, first) = changed(&zone, vec![add("h.example", 60, 1), add("h.example", 60, 2)]);
        assert_eq!((first.serial_before, first.serial_after), (1, 2));
        let sets: Vec<Former> = first.former().collect();
        assert_eq!(sets.len(), 2, "the name and the SOA record");
        assert!(sets.contains(&Former { name: name("h.example"), rtype: RecordType::A, ttl: 0, rdata: vec![] }));
        assert!(sets.iter().any(|set| set.rtype == RecordType::SOA && set.rdata[0].to_soa().unwrap().serial == 1));
        let (_, second) = changed(&zone, vec![Change::DeleteRecord(name("h.example"), RecordType::A, a(1))]);
        let of_name = second.former().find(|set| set.rtype == RecordType::A).unwrap();
        assert_eq!((of_name.ttl, of_name.rdata), (60, vec![a(1), a(2)]));
        assert_eq!(Difference::from_octets(2, 3, second.octets()), Some(second));
    }

    fn new_soa() -> dns::Soa {
        NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap().soa().0
    }

    #[test]
    fn octets_that_are_cut_are_no_difference() {
        let zone = NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap();
        let (_, difference) = changed(&zone, vec![add("h.example", 60, 1)]);
        let octets = difference.octets();
        // After the first set, and after both.
        let whole = (1..=octets.len()).filter(|length| Difference::from_octets(1, 2, &octets[..*length]).is_some());
        let first = name("example").as_wire().len() + 2 + 4 + 4 + 2 + Rdata::soa(&new_soa()).0.len();
        let other = name("h.example").as_wire().len() + 2 + 4;
        assert!([vec![first, first + other], vec![other, first + other]].contains(&whole.collect()));
        assert_eq!(Difference::from_octets(1, 2, &octets[1..]), None);
    }

    #[test]
    fn steps_condense_to_what_is_different_in_the_end() {
        let start = NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap();
        let (zone, first) = changed(&start, vec![add("stays.example", 60, 1), add("ttl.example", 60, 2)]);
        let (zone, second) = changed(&zone, vec![add("passing.example", 60, 3), add("stays.example", 60, 4)]);
        let gone = vec![Change::DeleteName(name("passing.example")), add("ttl.example", 90, 2)];
        let (zone, third) = changed(&zone, gone);
        let whole = Condensed::new([&first, &second, &third], &zone).unwrap();
        assert_eq!(whole.soa_before.rdata[0].to_soa().unwrap().serial, 1);
        assert_eq!(whole.removed, []);
        let expected = [
            Rrset::new(name("stays.example"), RecordType::A, 60, vec![a(1), a(4)]).unwrap(),
            Rrset::single(name("ttl.example"), RecordType::A, 90, a(2)),
        ];
        assert_eq!(whole.added, expected);
        let last = Condensed::new([&third], &zone).unwrap();
        assert_eq!(last.removed.len(), 2, "{:?}", last.removed);
        assert_eq!(last.added, [Rrset::single(name("ttl.example"), RecordType::A, 90, a(2))]);
        assert_eq!(Condensed::new([], &zone), None);
    }
}
