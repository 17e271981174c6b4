//! All zones that are served; the longest match decides.

use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use dns::name::quick_hash;
use dns::{Fqdn, Rdata, RecordType, Rrset, Soa};
use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

use crate::audience::{Audiences, Shown, overlaid};
use crate::zone::{Zone, ZoneError};

type ByApex<T> = GenericHashMap<Arc<[u8]>, T, BuildHasherDefault<ApexHasher>, DefaultSharedPtr>;

/// The zones, by apex. Cloning shares everything, so a clone is a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneSet {
    /// By the apex in wire form, so that a name's suffixes are looked up without making names of them. In the set of all
    /// zones by what each is known by ([`crate::zone_id`]).
    zones: ByApex<Entry>,
    /// How long their apexes are: ends of a name that have another length are not looked for.
    lengths: Lengths,
    /// What others see, where not everybody sees the same.
    seen: Option<Box<Seen>>,
}

/// The zones as different askers see them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    audiences: Arc<Audiences>,
    variants: Vec<ZoneSet>,
}

/// A zone as those see it who see a set.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Zone(Arc<Zone>),
    /// They may not ask for it.
    Prohibited,
    Unavailable(Unavailable),
}

/// Why a zone that is a copy of another server's cannot be answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// It has not been transferred yet.
    NotLoaded,
    /// No primary was heard of it for longer than its SOA record allows (RFC 1035 section 3.3.13).
    Expired,
}

impl Entry {
    fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Zone(zone) => Some(zone),
            Self::Prohibited | Self::Unavailable(_) => None,
        }
    }
}

/// Where a name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'z> {
    /// In this zone: the one with the longest apex that the name is within.
    Zone(&'z Zone),
    /// In a zone of ours that the asker may not ask for.
    Prohibited,
    /// In a zone of ours whose contents are not there.
    Unavailable(Unavailable),
    /// In none of ours.
    Elsewhere,
}

/// A hash of an apex.
#[derive(Clone, Copy, Debug, Default)]
struct ApexHasher(u64);

impl Hasher for ApexHasher {
    fn write(&mut self, octets: &[u8]) {
        // Before the octets their number is written, which tells little.
        self.0 = quick_hash(octets);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A bit for each length of a name, in octets of wire form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths([u64; 4]);

impl Lengths {
    fn add(&mut self, length: usize) {
        if let Some(word) = self.0.get_mut(length / 64) {
            *word |= 1 << (length % 64);
        }
    }

    fn has(&self, length: usize) -> bool {
        self.0.get(length / 64).is_some_and(|word| word >> (length % 64) & 1 == 1)
    }
}

impl ZoneSet {
    /// No zone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No zone yet, and what is known of who sees which.
    #[must_use]
    pub fn for_audiences(audiences: Option<Audiences>) -> Self {
        let seen = audiences.map(|audiences| {
            let variants = vec![Self::new(); audiences.variant_count()];
            Box::new(Seen { audiences: Arc::new(audiences), variants })
        });
        Self { seen, ..Self::default() }
    }

    /// The zones as they are for an asker at this address, who signs with this key.
    #[must_use]
    pub fn seen_by(&self, address: IpAddr, key: Option<&Fqdn>) -> &Self {
        match &self.seen {
            None => self,
            Some(seen) => &seen.variants[seen.audiences.variant_of(address.to_canonical(), key)],
        }
    }

    /// Zones from what the store kept: every set with its zone's apex.
    ///
    /// # Errors
    /// [`ZoneError`] for the first zone that is none.
    pub fn from_rows(rows: impl IntoIterator<Item = (Fqdn, Rrset)>) -> Result<Self, ZoneError> {
        let mut by_apex: std::collections::BTreeMap<Fqdn, Vec<Rrset>> = std::collections::BTreeMap::new();
        for (apex, set) in rows {
            by_apex.entry(apex).or_default().push(set);
        }
        let mut zones = Self::new();
        for (apex, sets) in by_apex {
            zones.insert(Zone::from_sets(crate::zone_id::apex(&apex), sets)?.with_id(&apex));
        }
        Ok(zones)
    }

    /// Puts a zone in place of the one that is known by the same.
    pub fn insert(&mut self, zone: Zone) {
        let zone = Arc::new(zone);
        if let Some(Seen { audiences, variants }) = self.seen.as_deref_mut() {
            for (at, variant) in variants.iter_mut().enumerate() {
                let shown = match audiences.shown(at, zone.id().as_wire()) {
                    None => Entry::Zone(Arc::clone(&zone)),
                    Some(Shown::Hidden) => continue,
                    Some(Shown::Prohibited) => Entry::Prohibited,
                    Some(Shown::Overlaid(sets)) => Entry::Zone(Arc::new(overlaid(&zone, sets))),
                };
                variant.put(zone.apex(), shown);
            }
        }
        self.put(&Fqdn::clone(zone.id()), Entry::Zone(zone));
    }

    /// The zone that is known by this is served, and cannot be answered from, until one is put in its place.
    pub fn withhold(&mut self, id: &Fqdn, why: Unavailable) {
        let apex = &crate::zone_id::apex(id);
        if let Some(Seen { audiences, variants }) = self.seen.as_deref_mut() {
            for (at, variant) in variants.iter_mut().enumerate() {
                match audiences.shown(at, id.as_wire()) {
                    Some(Shown::Hidden) => {}
                    Some(Shown::Prohibited) => variant.put(apex, Entry::Prohibited),
                    Some(Shown::Overlaid(_)) | None => variant.put(apex, Entry::Unavailable(why)),
                }
            }
        }
        self.put(id, Entry::Unavailable(why));
    }

    fn put(&mut self, apex: &Fqdn, shown: Entry) {
        self.lengths.add(apex.as_wire().len());
        self.zones.insert(apex.as_wire().into(), shown);
    }

    /// Takes a zone away.
    pub fn remove(&mut self, apex: &Fqdn) {
        for variant in self.seen.iter_mut().flat_map(|seen| &mut seen.variants) {
            variant.remove(apex);
        }
        self.zones.remove(apex.as_wire());
        self.lengths = Lengths::default();
        self.zones.keys().for_each(|apex| self.lengths.add(apex.len()));
    }

    /// The zone with this very apex; in the set of all zones, the one that is known by this.
    #[must_use]
    pub fn get(&self, apex: &Fqdn) -> Option<&Zone> {
        self.zones.get(apex.as_wire())?.zone()
    }

    fn audiences(&self) -> Option<&Audiences> {
        self.seen.as_deref().map(|seen| &*seen.audiences)
    }

    /// What the zones with this apex are known by, the one first that names of leases are decided in: in the set of all
    /// zones.
    #[must_use]
    pub fn ids_of<'a>(&'a self, apex: &'a Fqdn) -> &'a [Fqdn] {
        self.audiences().and_then(|audiences| audiences.of_apex(apex)).unwrap_or(std::slice::from_ref(apex))
    }

    /// What the zone is known by that names of leases with this apex are decided in.
    #[must_use]
    pub fn home<'a>(&'a self, apex: &'a Fqdn) -> &'a Fqdn {
        self.ids_of(apex).first().unwrap_or(apex)
    }

    /// The zone that a name of a lease is decided in: of those with the longest apex that it is within.
    #[must_use]
    pub fn find_home(&self, name: &Fqdn) -> Option<&Zone> {
        let mut above = std::iter::successors(Some(name.clone()), Fqdn::parent);
        above.find_map(|apex| {
            let mut held = self.ids_of(&apex).iter();
            held.find_map(|id| self.get(id))
        })
    }

    /// The zones that have the names of leases of this one beside it.
    #[must_use]
    pub fn followers(&self, id: &Fqdn) -> &[Fqdn] {
        self.audiences().map_or(&[], |audiences| audiences.followers(id))
    }

    /// What the zones with this apex are known by that have the names of leases, the one first that they are decided in: in
    /// the set of all zones.
    #[must_use]
    pub fn leased(&self, apex: &Fqdn) -> Vec<Fqdn> {
        let home = self.home(apex);
        std::iter::once(home).chain(self.followers(home)).cloned().collect()
    }

    /// The zone that `name` belongs to: the one with the longest apex that it is within.
    #[must_use]
    pub fn find(&self, name: &Fqdn) -> Option<&Zone> {
        self.find_wire(name.as_wire())
    }

    /// The same for a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn find_wire(&self, name: &[u8]) -> Option<&Zone> {
        match self.place_wire(name) {
            Place::Zone(zone) => Some(zone),
            Place::Prohibited | Place::Unavailable(_) | Place::Elsewhere => None,
        }
    }

    /// Where `name` belongs.
    #[must_use]
    pub fn place(&self, name: &Fqdn) -> Place<'_> {
        self.place_wire(name.as_wire())
    }

    /// The same for a name that is borrowed as octets: wire form, in lower case.
    #[must_use]
    pub fn place_wire(&self, mut name: &[u8]) -> Place<'_> {
        loop {
            if self.lengths.has(name.len())
                && let Some(zone) = self.zones.get(name)
            {
                return match zone {
                    Entry::Zone(zone) => Place::Zone(zone),
                    Entry::Prohibited => Place::Prohibited,
                    Entry::Unavailable(why) => Place::Unavailable(*why),
                };
            }
            let Some((&length, _)) = name.split_first().filter(|(length, _)| **length != 0) else {
                return Place::Elsewhere;
            };
            let Some(rest) = name.get(usize::from(length) + 1..) else { return Place::Elsewhere };
            name = rest;
        }
    }

    /// All zones, by apex and by what they are known by.
    #[must_use]
    pub fn zones(&self) -> Vec<&Zone> {
        let mut zones: Vec<&Zone> = self.zones.values().filter_map(Entry::zone).collect();
        zones.sort_by(|a, b| (a.apex(), a.id()).cmp(&(b.apex(), b.id())));
        zones
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }
}

/// What a zone that is new to the store begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewZone {
    /// The apex.
    pub apex: Fqdn,
    /// The primary server's name (SOA MNAME and the NS record).
    pub primary: Fqdn,
    /// The primary's addresses, published when its name lies within the zone.
    pub addresses: Vec<IpAddr>,
    /// The mailbox of who is responsible (SOA RNAME).
    pub hostmaster: Fqdn,
    /// The first serial.
    pub serial: u32,
    /// The TTL of the records made here, in seconds.
    pub ttl: u32,
    /// How long a negative answer is cached, in seconds: SOA minimum (RFC 2308 section 4).
    pub negative_ttl: u32,
}

impl NewZone {
    /// How often a secondary asks, in seconds.
    pub const REFRESH_SECS: u32 = 3600;
    /// How soon it asks again.
    pub const RETRY_SECS: u32 = 900;
    /// When it stops to answer.
    pub const EXPIRE_SECS: u32 = 1_209_600;

    /// A new zone with a TTL of an hour and negative answers of a minute: a host that comes up is then seen
    /// within a minute by those who asked for it too early.
    #[must_use]
    pub fn new(apex: Fqdn, primary: Fqdn, addresses: Vec<IpAddr>) -> Self {
        // A label of ten octets does not fit before a name of 245 and more; the apex stands in.
        let hostmaster = apex.prepend_label(b"hostmaster").unwrap_or_else(|_| apex.clone());
        Self { apex, primary, addresses, hostmaster, serial: 1, ttl: 3600, negative_ttl: 60 }
    }

    /// The records: SOA, NS, and the primary's addresses.
    #[must_use]
    pub fn rrsets(&self) -> Vec<Rrset> {
        let soa = Soa {
            mname: self.primary.clone(),
            rname: self.hostmaster.clone(),
            serial: self.serial,
            refresh: Self::REFRESH_SECS,
            retry: Self::RETRY_SECS,
            expire: Self::EXPIRE_SECS,
            minimum: self.negative_ttl,
        };
        let apex = || self.apex.clone();
        let mut sets = vec![
            Rrset::single(apex(), RecordType::SOA, self.ttl, Rdata::soa(&soa)),
            Rrset::single(apex(), RecordType::NS, self.ttl, Rdata::ns(&self.primary)),
        ];
        if self.primary.is_within(&self.apex) {
            for wanted in [RecordType::A, RecordType::AAAA] {
                let of_type = self.addresses.iter().map(|address| Rdata::address(*address));
                let rdata = of_type.filter(|(rtype, _)| *rtype == wanted).map(|(_, rdata)| rdata).collect();
                sets.extend(Rrset::new(self.primary.clone(), wanted, self.ttl, rdata));
            }
        }
        sets
    }

    /// The zone.
    ///
    /// # Errors
    /// None in practice; [`ZoneError`] as [`Zone::from_sets`].
    pub fn build(&self) -> Result<Zone, ZoneError> {
        Zone::from_sets(self.apex.clone(), self.rrsets())
    }
}
