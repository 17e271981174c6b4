//! Who sees what: views (another answer for other clients under one name) and who may ask for a zone at all.
//!
//! All that the configuration says of it is worked out once: every address belongs to one range, every range sees one of a
//! few variants of the zones. A question then costs one search among the ranges' beginnings, and none at all where nothing
//! of the kind is configured. The variants are kept with the zones ([`crate::ZoneSet`]): an update of a zone is in each
//! variant that has it, but for the sets that the variant has of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use dns::{Fqdn, Rdata, RecordType, Rrset};
use siphasher::sip::SipHasher24;

use crate::Zone;

/// A prefix of addresses of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// Its length in bits.
    pub length: u8,
}

/// Askers: by address, or by the key that signs what they send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Askers {
    /// Those with an address in one of these.
    pub prefixes: Vec<Prefix>,
    /// The holders of these keys, wherever they are.
    pub keys: Vec<Fqdn>,
}

/// Who may use something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    /// These, and nobody else. `None`: everybody.
    pub allow: Option<Askers>,
    /// Not these, even if they are among the others.
    pub deny: Askers,
}

/// A view: its clients see records of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Who is in it. Whoever is in several is in the first of them.
    pub clients: Askers,
}

/// What the configuration says of who sees a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The zone.
    pub apex: Fqdn,
    /// What it is known by; see [`crate::zone_id`].
    pub id: Fqdn,
    /// The views that have it, by their places in the list of views. `None`: whoever is in none that has another zone of
    /// this apex.
    pub views: Option<Vec<usize>>,
    /// Names of leases are kept in it: it is this server's own, and the configuration does not except it.
    pub leases: bool,
    /// Who may ask for its names.
    pub query: AccessList,
    /// Sets that a view has in place of the zone's own of the same name and type.
    pub overlays: Vec<(usize, Vec<Rrset>)>,
}

impl Sight {
    /// The zone with this apex, for everybody as it is.
    #[must_use]
    pub fn of(apex: Fqdn) -> Self {
        Self { id: apex.clone(), apex, views: None, leases: true, query: AccessList::default(), overlays: Vec::new() }
    }

    /// A digest of what views have in place of the zone's records, and of who is in them; `None`: everybody who sees the
    /// zone sees the same. It is stored: the same contents must have the same digest in later versions.
    #[must_use]
    pub fn digest(&self, views: &[View]) -> Option<u64> {
        let overlays: Vec<&(usize, Vec<Rrset>)> = self.overlays.iter().filter(|(_, sets)| !sets.is_empty()).collect();
        // A view before the others takes askers from them; one behind the last that has records says nothing.
        let last = overlays.iter().map(|(view, _)| *view).max()?;
        let mut octets = Vec::new();
        // Every part says how long it is, so that no two ways of parting are one.
        let mut put = |part: &[u8]| {
            octets.extend_from_slice(&(part.len() as u64).to_be_bytes());
            octets.extend_from_slice(part);
        };
        for view in views.iter().take(last + 1) {
            put(b"view");
            for prefix in &view.clients.prefixes {
                put(&bits(prefix.address).to_be_bytes());
                put(&[u8::from(prefix.address.is_ipv4()), prefix.length]);
            }
            view.clients.keys.iter().for_each(|key| put(key.as_wire()));
        }
        for (view, sets) in overlays {
            put(b"records");
            put(&(*view as u64).to_be_bytes());
            for set in sets {
                put(set.name.as_wire());
                put(&set.rtype.0.to_be_bytes());
                put(&set.ttl.to_be_bytes());
                put(&(set.rdata.len() as u64).to_be_bytes());
                set.rdata.iter().for_each(|Rdata(data)| put(data));
            }
        }
        Some(SipHasher24::new().hash(&octets))
    }
}

/// What some askers see of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is not there for them.
    Hidden,
    /// It is there, and they may not ask for it.
    Prohibited,
    /// It is there, with these sets in place of its own.
    Overlaid(Vec<Rrset>),
}

/// What is worked out of views and access lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences {
    /// Where ranges of addresses begin, ascending; the first at 0. IPv4 as `::ffff:a.b.c.d`.
    starts: Box<[u128]>,
    /// Which variant each range sees when nothing is signed.
    unsigned: Box<[u16]>,
    /// Which variant each range sees with a signature by this key.
    by_key: HashMap<Fqdn, Box<[u16]>>,
    /// Of each variant: the zones that are not as they are, by what each is known by, in wire form.
    variants: Vec<BTreeMap<Box<[u8]>, Shown>>,
    /// The zones of each apex that has several, or one that is known by its views.
    of_apex: BTreeMap<Fqdn, OfApex>,
}

/// The zones of one apex, by what they are known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfApex {
    /// All of them; the one that names of leases are decided in first.
    all: Vec<Fqdn>,
    /// How many of them, from the first, have the names of leases.
    leased: usize,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl Prefix {
    /// The first and the last address.
    fn ends(self) -> (u128, u128) {
        let host_bits = match self.address {
            IpAddr::V4(_) => 32 - u32::from(self.length.min(32)),
            IpAddr::V6(_) => 128 - u32::from(self.length.min(128)),
        };
        let host = if host_bits == 128 { u128::MAX } else { (1 << host_bits) - 1 };
        let first = bits(self.address) & !host;
        (first, first | host)
    }

    /// Whether `address` is in it. `::/0` is all of IPv6 and nothing of IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (first, last) = self.ends();
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && (first..=last).contains(&bits(address))
    }
}

impl Askers {
    /// Whether an asker is among them.
    #[must_use]
    pub fn contain(&self, address: IpAddr, key: Option<&Fqdn>) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(address)) || key.is_some_and(|key| self.keys.contains(key))
    }
}

impl AccessList {
    /// Whether an asker may.
    #[must_use]
    pub fn allows(&self, address: IpAddr, key: Option<&Fqdn>) -> bool {
        !self.deny.contain(address, key) && self.allow.as_ref().is_none_or(|allow| allow.contain(address, key))
    }

    fn askers(&self) -> impl Iterator<Item = &Askers> {
        self.allow.iter().chain([&self.deny])
    }
}

impl Audiences {
    /// Works out what `views` and `sights` say; `None` when everybody sees the same.
    #[must_use]
    pub fn new(views: &[View], sights: &[Sight]) -> Option<Self> {
        let askers = views.iter().map(|view| &view.clients);
        let askers: Vec<&Askers> = askers.chain(sights.iter().flat_map(|sight| sight.query.askers())).collect();
        let all_v4 = Prefix { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), length: 0 };
        let mut starts = BTreeSet::from([0]);
        let prefixes = askers.iter().flat_map(|askers| &askers.prefixes).chain([&all_v4]);
        for (first, last) in prefixes.map(|prefix| prefix.ends()) {
            starts.insert(first);
            starts.extend(last.checked_add(1));
        }
        let mut variants = Vec::new();
        let mut seen_with = |key: Option<&Fqdn>| -> Box<[u16]> {
            let of_range = |start: &u128| {
                let address = IpAddr::from(std::net::Ipv6Addr::from_bits(*start));
                let variant = variant(views, sights, address.to_canonical(), key);
                let known = variants.iter().position(|known| *known == variant);
                let at = known.unwrap_or_else(|| {
                    variants.push(variant);
                    variants.len() - 1
                });
                // The configuration bounds how many there are, far below.
                u16::try_from(at).unwrap_or(0)
            };
            starts.iter().map(of_range).collect()
        };
        let unsigned = seen_with(None);
        let keys: BTreeSet<&Fqdn> = askers.iter().flat_map(|askers| &askers.keys).collect();
        let by_key = keys.into_iter().map(|key| (key.clone(), seen_with(Some(key)))).collect();
        let of_apex = of_apexes(sights);
        let says_nothing = variants.iter().all(BTreeMap::is_empty) && of_apex.is_empty();
        (!says_nothing).then(|| Self { starts: starts.into_iter().collect(), unsigned, by_key, variants, of_apex })
    }

    /// Which variant an asker sees.
    pub(crate) fn variant_of(&self, address: IpAddr, key: Option<&Fqdn>) -> usize {
        let at = self.starts.partition_point(|start| *start <= bits(address)).saturating_sub(1);
        let of_ranges = key.and_then(|key| self.by_key.get(key)).unwrap_or(&self.unsigned);
        of_ranges.get(at).copied().map_or(0, usize::from)
    }

    /// How many variants there are.
    pub(crate) fn variant_count(&self) -> usize {
        self.variants.len()
    }

    /// What a variant shows of the zone that is known by this; `None`: the zone as it is.
    pub(crate) fn shown(&self, variant: usize, id: &[u8]) -> Option<&Shown> {
        self.variants[variant].get(id)
    }

    /// What the zones of an apex are known by, the one that names of leases are decided in first; `None`: it has one at
    /// most, known by its apex.
    pub(crate) fn of_apex(&self, apex: &Fqdn) -> Option<&[Fqdn]> {
        self.of_apex.get(apex).map(|zones| &*zones.all)
    }

    /// The zones that have the names of leases of the one that is known by this beside it.
    pub(crate) fn followers(&self, id: &Fqdn) -> &[Fqdn] {
        if self.of_apex.is_empty() {
            return &[];
        }
        let zones = self.of_apex.get(&crate::zone_id::apex(id)).filter(|zones| zones.all.first() == Some(id));
        zones.and_then(|zones| zones.all.get(1..zones.leased)).unwrap_or_default()
    }

    /// Whether names of leases are kept in the zone that is known by this.
    #[must_use]
    pub fn has_leases(&self, id: &Fqdn) -> bool {
        let zones = self.of_apex.get(&crate::zone_id::apex(id));
        zones.is_none_or(|zones| zones.all.iter().take(zones.leased).any(|one| one == id))
    }
}

/// See [`Audiences::of_apex`].
fn of_apexes(sights: &[Sight]) -> BTreeMap<Fqdn, OfApex> {
    let mut by_apex: BTreeMap<&Fqdn, Vec<&Sight>> = BTreeMap::new();
    for sight in sights {
        by_apex.entry(&sight.apex).or_default().push(sight);
    }
    by_apex.retain(|apex, sights| sights.len() > 1 || sights.iter().any(|sight| sight.id != **apex));
    let of_apex = |(apex, mut sights): (&Fqdn, Vec<&Sight>)| {
        // Whatever their order in the configuration, names of leases are decided in the same one: that for all, if it has
        // them.
        sights.sort_by_key(|sight| (!sight.leases, sight.views.is_some(), &sight.id));
        let leased = sights.iter().filter(|sight| sight.leases).count();
        (apex.clone(), OfApex { all: sights.into_iter().map(|sight| sight.id.clone()).collect(), leased })
    };
    by_apex.into_iter().map(of_apex).collect()
}

/// What one asker sees: the zones that are not as they are.
fn variant(views: &[View], sights: &[Sight], address: IpAddr, key: Option<&Fqdn>) -> BTreeMap<Box<[u8]>, Shown> {
    let view = views.iter().position(|view| view.clients.contain(address, key));
    let mut variant = BTreeMap::new();
    for sight in sights {
        let is_of = |sight: &Sight| sight.views.as_ref().zip(view).is_some_and(|(views, view)| views.contains(&view));
        // Of several zones of one apex the one for all is for those whom no other is for.
        let is_others = || sights.iter().any(|other| other.apex == sight.apex && is_of(other));
        let has_it = if sight.views.is_some() { is_of(sight) } else { !is_others() };
        let overlay = sight.overlays.iter().find(|(of, _)| Some(*of) == view);
        let shown = match overlay {
            _ if !has_it => Shown::Hidden,
            _ if !sight.query.allows(address, key) => Shown::Prohibited,
            Some((_, sets)) if !sets.is_empty() => Shown::Overlaid(sets.clone()),
            _ => continue,
        };
        variant.insert(sight.id.as_wire().into(), shown);
    }
    variant
}

/// A zone with these sets in place of its own. An alias stands alone (RFC 1034 section 3.6.2), whichever side has it.
pub(crate) fn overlaid(zone: &Zone, sets: &[Rrset]) -> Zone {
    let mut seen = zone.clone();
    for set in sets {
        let is_alias = set.rtype == RecordType::CNAME;
        let types = seen.node(&set.name).map_or_else(Vec::new, |node| {
            let replaced = |rtype: RecordType| is_alias || rtype == RecordType::CNAME;
            node.sets().map(|set| set.rtype).filter(|rtype| replaced(*rtype)).collect()
        });
        for rtype in types {
            seen.put(&set.name, rtype, None);
        }
        seen.put(&set.name, set.rtype, Some(set.clone()));
    }
    seen
}

#[cfg(test)]
mod tests;
