//! The embedded zones at the start: what was stored, with what the configuration says laid over it.
//!
//! SOA, NS, the server's own names and static records come from the configuration at every start, so a static record that
//! is taken out of the file is gone, and one that an update deleted is back. What was stored where a static record stands
//! now is dropped for good, and with it what a client had at its name: else it would be there again, owned by nobody, when
//! the record is taken out of the file.
//!
//! What is laid over is stored too, and marked as stated, so that the store holds what is served. Where nothing is different
//! from what was served last, the serial stays and nothing is written; else it goes up once, and the step is one of the
//! zone's history.
//!
//! **A serial never goes back.** A zone whose past is not known for certain (new, repaired, or last written by a version
//! that kept no history) goes on from the time in seconds where that is newer, which a zone that changes less than once a
//! second is always behind; and its history begins anew, so that secondaries take it whole.
//!
//! So does a zone in which views have other records than before, or other clients: what a secondary sees of it may have
//! changed, and no step of the zone's own history says so. Those records are not the zone's and are not stored; a digest of
//! them is ([`VIEWS`]).
//!
//! What holders of leases wrote by themselves (`self_by_lease`) is marked too ([`BY_LEASE`]): it goes where they may write no
//! more, and whatever looks like it and has no mark is somebody's own and stays.

pub mod relay;
pub mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use config::settings::{DnsSettings, EmbeddedZone};
use dns::{Change, Fqdn, Rdata, RecordType, Rrset, SetList, Soa, Update};
use store::Contents;
use store::rows::Row;
use zones::{Difference, DifferenceWriter, Histories, History, NewZone, Zone, ZoneSet};

/// What the store holds of embedded zones.
#[derive(Clone, Debug, Default)]
pub struct StoredZones {
    /// What the zone is known by (`zones::zone_id`), and the set.
    pub sets: Vec<(Fqdn, Rrset)>,
    /// The zone, owner and type of the sets that the configuration stated.
    pub stated: Vec<(Fqdn, Fqdn, RecordType)>,
    /// The zone and the step.
    pub differences: Vec<(Fqdn, Arc<Difference>)>,
}

impl StoredZones {
    /// Takes them out of a store's contents.
    #[must_use]
    pub fn take(contents: &mut Contents) -> Self {
        Self {
            sets: std::mem::take(&mut contents.zone_sets),
            stated: std::mem::take(&mut contents.zone_stated),
            differences: std::mem::take(&mut contents.zone_differences),
        }
    }
}

/// The zones to serve.
#[derive(Debug)]
pub struct LoadedZones {
    /// As they are to be published.
    pub zones: ZoneSet,
    /// Their past.
    pub histories: Histories,
    /// By what a zone is known by, the names whose A records holders of leases wrote by themselves.
    pub by_lease: ByLease,
    /// To be stored, all or none, before they are served.
    pub rows: Vec<Row>,
}

/// By what zones are known by, names in them.
pub type ByLease = HashMap<Fqdn, HashSet<Fqdn>>;

type Key = (Fqdn, RecordType);

/// No set has this type. Among what the configuration states it marks the digest of what views have in place of a zone's
/// records, which is its owner's only label. A program that does not know of it takes it for a stated set that is gone.
const VIEWS: RecordType = RecordType(0);

/// No set has this type. Among what the configuration states it marks that the holder of a lease wrote the A record of its
/// owner by itself. A program that does not know of it drops the mark, and leaves the record where it is.
pub const BY_LEASE: RecordType = RecordType(253);

/// The zones, and the rows to store before they are served.
///
/// # Errors
/// When a zone cannot be built, naming it.
pub fn load(
    settings: &DnsSettings,
    stored: StoredZones,
    own_addresses: &[IpAddr],
    now_secs: u64,
) -> anyhow::Result<LoadedZones> {
    let mut by_zone = relay::sorted(stored);
    let mut loaded = LoadedZones {
        zones: ZoneSet::for_audiences(settings.audiences()),
        histories: Histories::new(),
        by_lease: ByLease::new(),
        rows: Vec::new(),
    };
    for zone in &settings.zones {
        let past = by_zone.remove(&zone.sight.id).unwrap_or_default();
        lay_over(zone, relay::stated_of(settings, zone, own_addresses), past, now_secs, &mut loaded)?;
    }
    views::follow_leases(&mut loaded);
    Ok(loaded)
}

/// As what a digest of views' records is stored.
fn digest_key(digest: u64) -> Option<Key> {
    // Sixteen octets are a label.
    Fqdn::root().prepend_label(format!("{digest:016x}").as_bytes()).ok().map(|name| (name, VIEWS))
}

/// What is stored of one zone.
#[derive(Debug, Default)]
struct Past {
    sets: BTreeMap<Key, Rrset>,
    stated: BTreeSet<Key>,
    differences: Vec<Arc<Difference>>,
}

/// Adds one zone with its history, and what is to be stored for it. `views` is the digest of what they have in place of its
/// records.
fn lay_over(
    zone: &EmbeddedZone,
    (stated, views): (Vec<Rrset>, Option<Key>),
    past: Past,
    now_secs: u64,
    loaded: &mut LoadedZones,
) -> anyhow::Result<()> {
    let rows = &mut loaded.rows;
    let Past { mut sets, stated: stated_before, differences } = past;
    let (apex, id) = (&zone.apex, &zone.sight.id);
    let soa_key = (apex.clone(), RecordType::SOA);
    let soa_before = sets.get(&soa_key).and_then(|set| set.rdata.first()).and_then(Rdata::to_soa);
    let serial_before = soa_before.map(|soa| soa.serial);
    let history = PastSteps::read(differences, serial_before);

    let mut laid = BTreeMap::new();
    for set in new_zone(zone, serial_before.unwrap_or(0)).into_iter().chain(stated) {
        laid.insert((set.name.clone(), set.rtype), set);
    }
    let mut gone: BTreeSet<Key> = stated_before.iter().filter(|key| !laid.contains_key(*key)).cloned().collect();
    gone.extend(beneath(&sets, &zone.records).filter(|key| !laid.contains_key(key)));
    let (by_lease, closed) = written_by_leases(zone.self_by_lease, &stated_before, &sets, &laid);
    gone.extend(closed);
    let changed: Vec<(Key, Option<Rrset>)> = gone
        .into_iter()
        .filter(|key| sets.contains_key(key))
        .map(|key| (key, None))
        .chain(
            laid.iter()
                .filter(|(key, set)| sets.get(key) != Some(set))
                .map(|(key, set)| (key.clone(), Some(set.clone()))),
        )
        .collect();

    let same_views = stated_before.iter().filter(|(_, rtype)| *rtype == VIEWS).eq(&views);
    let known = history.known && !stated_before.is_empty() && same_views;
    let serial = serial_after(zone, serial_before, !changed.is_empty(), known, now_secs);
    let (mut history, unused) = history.into_parts(known);
    let mut cut = unused;
    if Some(serial) != serial_before {
        let (mut put, mut has_soa) = (changed, false);
        for (key, set) in &mut put {
            if *key == soa_key
                && let Some(set) = set
            {
                (*set, has_soa) = (with_serial(set, serial), true);
            }
        }
        if !has_soa && let Some(set) = laid.get(&soa_key) {
            put.push((soa_key, Some(with_serial(set, serial))));
        }
        let former = put_sets(id, put, &mut sets, rows);
        if let Some(before) = serial_before.filter(|_| known) {
            let difference = Arc::new(former.finish(before, serial));
            cut.extend(history.push(Arc::clone(&difference)));
            rows.push(Row::ZoneDifference { zone: id.clone(), difference });
        }
    }
    let marks = by_lease.iter().map(|name| (name.clone(), BY_LEASE));
    let stated_now: BTreeSet<Key> = laid.into_keys().chain(views).chain(marks).collect();
    let mark =
        |(name, rtype): &Key, stated| Row::ZoneStated { zone: id.clone(), name: name.clone(), rtype: *rtype, stated };
    rows.extend(stated_before.difference(&stated_now).map(|key| mark(key, false)));
    rows.extend(stated_now.difference(&stated_before).map(|key| mark(key, true)));
    rows.extend(cut.into_iter().map(|serial_after| Row::ZoneDifferenceGone { zone: id.clone(), serial_after }));
    let built = Zone::from_sets(apex.clone(), sets.into_values())
        .with_context(|| format!("the embedded zone {apex} cannot be served"))?;
    loaded.histories.insert(id.clone(), history);
    loaded.zones.insert(built.with_id(id));
    if !by_lease.is_empty() {
        loaded.by_lease.insert(id.clone(), by_lease);
    }
    Ok(())
}

/// Of the names whose A records holders of leases wrote by themselves those that they keep, where that is open to them still,
/// and the records that go with the right. Where the configuration states something under such a name, whatever it is, they
/// have no right any more; where a DHCID record came beside it, the record is the server's own by now.
fn written_by_leases(
    open: bool,
    stated_before: &BTreeSet<Key>,
    sets: &BTreeMap<Key, Rrset>,
    laid: &BTreeMap<Key, Rrset>,
) -> (HashSet<Fqdn>, Vec<Key>) {
    let (mut kept, mut closed) = (HashSet::new(), Vec::new());
    for (name, _) in stated_before.iter().filter(|(_, rtype)| *rtype == BY_LEASE) {
        let key = (name.clone(), RecordType::A);
        let is_stated = laid.range((name.clone(), RecordType(0))..).next().is_some_and(|((owner, _), _)| owner == name);
        if !sets.contains_key(&key) || sets.contains_key(&(name.clone(), RecordType::DHCID)) {
            continue;
        }
        match open && !is_stated {
            true => _ = kept.insert(key.0),
            false if laid.contains_key(&key) => {}
            false => closed.push(key),
        }
    }
    (kept, closed)
}

/// Changes the sets of the zone `id`; what they were before.
fn put_sets(
    id: &Fqdn,
    put: Vec<(Key, Option<Rrset>)>,
    sets: &mut BTreeMap<Key, Rrset>,
    rows: &mut Vec<Row>,
) -> DifferenceWriter {
    let mut former = DifferenceWriter::default();
    for ((name, rtype), set) in put {
        let was = match set.clone() {
            Some(set) => sets.insert((name.clone(), rtype), set),
            None => sets.remove(&(name.clone(), rtype)),
        };
        match was {
            Some(was) => former.push(&name, rtype, was.ttl, &was.rdata),
            None => former.push(&name, rtype, 0, &[]),
        }
        rows.push(Row::ZoneSet { zone: id.clone(), name, rtype, set });
    }
    former
}

/// The serial to serve.
fn serial_after(zone: &EmbeddedZone, before: Option<u32>, changed: bool, known: bool, now_secs: u64) -> u32 {
    // A new zone begins with the time, so that one made anew after a loss is newer than what secondaries have.
    let now = u32::try_from(now_secs).unwrap_or(1).max(1);
    let serial = match before {
        None => now,
        Some(before) if !known => zones::serial::leap(before, &[before], now),
        Some(before) if changed => zones::serial::next(before),
        Some(before) => before,
    };
    // A zone that comes from another server goes on from the serial that secondaries have of it.
    let filed = zone.soa.as_ref().map(|(soa, _)| soa.serial);
    filed.map_or(serial, |filed| newest(serial, filed))
}

fn newest(one: u32, other: u32) -> u32 {
    if zones::serial::is_newer(other, one) { other } else { one }
}

/// The stored steps of a zone.
struct PastSteps {
    history: History,
    unused: Vec<u32>,
    /// Whether they end where the zone is: else something was written that they do not know.
    known: bool,
}

impl PastSteps {
    fn read(differences: Vec<Arc<Difference>>, serial: Option<u32>) -> Self {
        let any = !differences.is_empty();
        let differences = differences.into_iter().map(Arc::unwrap_or_clone).collect();
        // A zone without a serial has no steps: none ends at 0.
        let (history, unused) = History::load(differences, serial.unwrap_or(0));
        let known = serial.is_some() && !(any && history.is_empty());
        Self { history, unused, known }
    }

    /// The history to go on with, and which steps are to be forgotten.
    fn into_parts(self, known: bool) -> (History, Vec<u32>) {
        if known {
            return (self.history, self.unused);
        }
        let mut unused = self.unused;
        unused.extend(self.history.serials());
        (History::default(), unused)
    }
}

/// SOA, NS and what else a zone has by itself.
fn new_zone(zone: &EmbeddedZone, serial: u32) -> Vec<Rrset> {
    let new = NewZone {
        apex: zone.apex.clone(),
        primary: zone.ns.clone(),
        addresses: Vec::new(),
        hostmaster: zone.hostmaster.clone(),
        serial,
        ttl: zone.ttl_secs,
        negative_ttl: zone.negative_ttl_secs,
    };
    let mut sets = new.rrsets();
    if let Some((filed, ttl)) = &zone.soa {
        let soa = Soa { mname: zone.ns.clone(), rname: zone.hostmaster.clone(), serial, ..filed.clone() };
        sets.push(Rrset::single(zone.apex.clone(), RecordType::SOA, *ttl, Rdata::soa(&soa)));
    }
    sets
}

fn with_serial(soa: &Rrset, serial: u32) -> Rrset {
    let read = soa.rdata.first().and_then(Rdata::to_soa);
    read.map_or_else(
        || soa.clone(),
        |read| Rrset::single(soa.name.clone(), soa.rtype, soa.ttl, Rdata::soa(&Soa { serial, ..read })),
    )
}

/// The updates that bring our own names to these addresses: one for each name in each zone that holds it.
pub fn own_name_updates<'a>(settings: &'a DnsSettings, addresses: &'a [IpAddr]) -> impl Iterator<Item = Update> + 'a {
    let of_name = move |name: &'a Fqdn| {
        let holding = settings.zones.iter().filter(move |zone| is_closest(settings, &zone.apex, name));
        holding.map(move |zone| (name, zone))
    };
    settings.own_names.iter().flat_map(of_name).map(|(name, zone)| {
        let mut changes: Vec<Change> =
            [RecordType::A, RecordType::AAAA].map(|rtype| Change::DeleteRrset(name.clone(), rtype)).into();
        changes.extend(addresses.iter().map(|address| {
            let (rtype, rdata) = Rdata::address(*address);
            Change::Add { name: name.clone(), rtype, ttl: zone.ttl_secs, rdata }
        }));
        Update { zone: zone.sight.id.clone(), prerequisites: Vec::new(), changes }
    })
}

/// What static records put an end to beside the sets that they replace: at a name that has a DHCID, what its client has.
fn beneath<'s>(stored: &'s BTreeMap<Key, Rrset>, records: &'s SetList) -> impl Iterator<Item = Key> + 's {
    // A name's sets stand beside each other.
    let mut last = None;
    let names = records.names().filter(move |name| last.replace(name.clone()).as_ref() != Some(name));
    let of_clients = names.filter(|name| stored.contains_key(&(name.clone(), RecordType::DHCID)));
    of_clients.flat_map(|name| [RecordType::A, RecordType::AAAA, RecordType::DHCID].map(|rtype| (name.clone(), rtype)))
}

/// Whether `apex` is the longest of our apexes above `name`.
fn is_closest(settings: &DnsSettings, apex: &Fqdn, name: &Fqdn) -> bool {
    let within = settings.zones.iter().filter(|zone| name.is_within(&zone.apex));
    within.max_by_key(|zone| zone.apex.label_count()).is_some_and(|zone| zone.apex == *apex)
}

fn address_sets(name: &Fqdn, ttl: u32, addresses: &[IpAddr]) -> Vec<Rrset> {
    let of = |wanted: RecordType| {
        let data = addresses.iter().map(|address| Rdata::address(*address));
        let rdata = data.filter(|(rtype, _)| *rtype == wanted).map(|(_, rdata)| rdata).collect();
        Rrset::new(name.clone(), wanted, ttl, rdata)
    };
    [RecordType::A, RecordType::AAAA].into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;
