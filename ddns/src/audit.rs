//! A zone compared with what it should hold: what is missing, stale, foreign or changed by hand.
//!
//! A value: the rows of before go in by [`ZoneAudit::new`], each record of the zone by [`ZoneAudit::take`], the rows of
//! afterwards by [`ZoneAudit::conclude`]. A row that was not at rest, or that changed while the zone was read, is told as
//! under way: what was read of it may be of before or of after.
//!
//! ```text
//!   at a name that we want          our DHCID, all as wanted ──► fine
//!                                   our DHCID, something else ─► Changed     nothing there ──► Missing
//!                                   another's, or none ────────► Foreign     (adoptable: no DHCID, and exactly our data)
//!   at any other name               a DHCID of one of our hosts ► Stale      all else is not our business: counted
//! ```
//!
//! Limits: records of other names are kept for [`OTHER_NAMES_MAX`] names (what is beyond is counted as not looked at), a
//! wanted name's up to [`RECORDS_PER_NAME_MAX`]; a DHCID is tried with [`TRIALS_MAX`] identities in all.

mod judge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use dns::{ConflictGuard, Dhcid, Fqdn, HostIdentity, Rdata, RecordType};
use ipnet::Ipv4Net;

use crate::settings::Settings;
use crate::wanted::{Held, RowKey, Want};

/// Names of others whose records are kept while a zone is read, to find what of them is ours.
pub const OTHER_NAMES_MAX: usize = 200_000;
/// Records kept of one name.
pub const RECORDS_PER_NAME_MAX: usize = 256;
/// How many digests are made to find the owners of DHCID records that no address tells.
pub const TRIALS_MAX: usize = 2_000_000;

/// A row as the reconciler has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedRow {
    /// The key.
    pub key: RowKey,
    /// The generation of what is wanted.
    pub generation: u64,
    /// What DNS should hold; `None`: nothing, and something is still to be removed.
    pub want: Option<Want>,
    /// Where it is on its way.
    pub rest: Rest,
}

/// Whether DNS should hold a row's content by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// DNS was told, and answered that it holds it.
    Done,
    /// Somebody else was found to own the name.
    Conflict,
    /// It is on its way.
    UnderWay,
}

/// What is wrong at one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing is there.
    Missing,
    /// It is ours, and not as we wrote it.
    Changed,
    /// It is ours, and nobody wants it any more.
    Stale,
    /// Somebody else's records stand where ours should.
    Foreign,
    /// It is our host's, and another server gave it the address that it has there: that server's name for now. Whether
    /// it is so, only that address' PTR record tells: an audit says [`Finding::may_be_elsewhere`].
    Elsewhere,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Where.
    pub key: RowKey,
    /// What should be there; `None`: nothing of ours.
    pub want: Option<Want>,
    /// The generation of that.
    pub generation: u64,
    /// What is there of the types that we write, and their times to live.
    pub found: Vec<Found>,
    /// What of one of our hosts is there and wanted no more: of a stale name, or of an address that another has by now.
    pub stale: Option<Held>,
    /// Changed: all its addresses are such as this server does not give.
    pub may_be_elsewhere: bool,
    /// Foreign: no DHCID says whose it is, and the addresses (the PTR) are exactly those that are wanted.
    pub adoptable: bool,
}

/// A record that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its type.
    pub rtype: RecordType,
    /// Its time to live, in seconds.
    pub ttl: u32,
    /// Its data.
    pub rdata: Rdata,
}

/// What an audit of one zone found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneFindings {
    /// What is wrong, by kind and name.
    pub findings: Vec<Finding>,
    /// Names and addresses that are as they should be.
    pub right: usize,
    /// Names and addresses that are on their way, or changed while the zone was read.
    pub under_way: usize,
    /// Other names with records: other people's.
    pub others: usize,
    /// Those of them that have a DHCID: another DHCP server's, or of hosts that nothing is known of here.
    pub others_with_dhcid: usize,
    /// Records read.
    pub records: usize,
    /// Records that were not looked at, because there were too many.
    pub left_out: usize,
}

/// Who may own what a zone holds: every host of which something is known.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    by_address: HashMap<IpAddr, Vec<HostIdentity>>,
    by_name: HashMap<Fqdn, HostIdentity>,
    all: HashSet<HostIdentity>,
    subnets: Vec<Ipv4Net>,
}

impl Owners {
    /// Nobody yet. `subnets` are those whose addresses this server gives: a host that has gone elsewhere is published by
    /// whoever serves it there, and only names with addresses of these subnets are anybody's leftovers here.
    #[must_use]
    pub fn new(subnets: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self { subnets: subnets.into_iter().collect(), ..Self::default() }
    }

    fn gives(&self, address: &IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if self.subnets.iter().any(|subnet| subnet.contains(v4)))
    }

    /// Takes in a host and an address that it has or had.
    pub fn insert(&mut self, address: IpAddr, identity: HostIdentity) {
        let known = self.by_address.entry(address).or_default();
        if !known.contains(&identity) {
            known.push(identity.clone());
        }
        self.all.insert(identity);
    }

    /// Takes in whom a row is about.
    pub fn insert_row(&mut self, row: &AuditedRow) {
        let Some(want) = &row.want else { return };
        for address in &want.addresses {
            self.insert(*address, want.identity.clone());
        }
        if let RowKey::Forward(name) = &row.key {
            self.by_name.insert(name.clone(), want.identity.clone());
        }
    }
}

/// An audit of one zone under way.
#[derive(Debug)]
pub struct ZoneAudit {
    settings: Arc<Settings>,
    rows: HashMap<RowKey, AuditedRow>,
    known: HashMap<Fqdn, Seen>,
    others: HashMap<Fqdn, Vec<Found>>,
    /// Names of others that had no room.
    records: usize,
    left_out: usize,
}

/// What was read at a name that a row is about.
#[derive(Debug, Default)]
struct Seen {
    found: Vec<Found>,
    /// Records of types that we never write there.
    beside: usize,
    /// The types that the configuration states there.
    stated: Vec<RecordType>,
}

impl ZoneAudit {
    /// Begins: `rows` are those of the zone. `settings` as they are resolved: PTR records stand where they say.
    #[must_use]
    pub fn new(settings: Arc<Settings>, rows: impl IntoIterator<Item = AuditedRow>) -> Self {
        let rows: HashMap<RowKey, AuditedRow> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        let mut known: HashMap<Fqdn, Seen> = HashMap::with_capacity(rows.len());
        for key in rows.keys() {
            let seen = known.entry(settings.owner_of(key)).or_default();
            if let RowKey::Stated(_, rtype) = key {
                seen.stated.push(*rtype);
            }
        }
        Self { settings, rows, known, others: HashMap::new(), records: 0, left_out: 0 }
    }

    /// The same audit before any record was taken.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self::new(Arc::clone(&self.settings), self.rows.values().cloned())
    }

    /// The names and addresses to be asked for, where the zone cannot be read whole, and where their records stand.
    pub fn keys(&self) -> impl Iterator<Item = (&RowKey, Fqdn)> {
        self.rows.keys().map(|key| (key, self.settings.owner_of(key)))
    }

    /// Takes a record of the zone. The same one twice counts once.
    pub fn take(&mut self, name: &Fqdn, rtype: RecordType, ttl: u32, rdata: Rdata) {
        self.records += 1;
        let ours = matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::PTR | RecordType::DHCID);
        let found = Found { rtype, ttl, rdata };
        if let Some(seen) = self.known.get_mut(name) {
            if !ours && !seen.stated.contains(&rtype) {
                seen.beside += 1;
            } else if seen.found.len() >= RECORDS_PER_NAME_MAX {
                self.left_out += 1;
            } else if !seen.found.contains(&found) {
                seen.found.push(found);
            }
        } else if let Some(kept) = self.others.get_mut(name) {
            if ours && kept.len() < RECORDS_PER_NAME_MAX && !kept.contains(&found) {
                kept.push(found);
            }
        } else if self.others.len() < OTHER_NAMES_MAX {
            self.others.insert(name.clone(), if ours { vec![found] } else { Vec::new() });
        } else {
            self.left_out += 1;
        }
    }

    /// Ends: `after` are the zone's rows as they are now that all of it is read.
    #[must_use]
    pub fn conclude(mut self, after: &[AuditedRow], owners: &Owners) -> ZoneFindings {
        let mut report = ZoneFindings { records: self.records, left_out: self.left_out, ..ZoneFindings::default() };
        let after: HashMap<&RowKey, &AuditedRow> = after.iter().map(|row| (&row.key, row)).collect();
        report.under_way = after.keys().filter(|key| !self.rows.contains_key(*key)).count();
        // A name that came to be wanted while the zone was read is nobody's leftover.
        for key in after.keys() {
            self.others.remove(&self.settings.owner_of(key));
        }
        let mut trials = TRIALS_MAX;
        let rows: BTreeMap<RowKey, AuditedRow> = std::mem::take(&mut self.rows).into_iter().collect();
        for (key, row) in rows {
            let now = after.get(&key);
            let same = now.is_some_and(|now| now.generation == row.generation && now.rest == row.rest);
            let Some(want) = row.want.filter(|_| same && row.rest != Rest::UnderWay) else {
                report.under_way += 1;
                continue;
            };
            let nothing = Seen::default();
            let seen = self.known.get(&self.settings.owner_of(&key)).unwrap_or(&nothing);
            match judge::judge(&key, &want, seen, self.settings.reverse) {
                None => report.right += 1,
                Some((kind, adoptable)) => {
                    let stale = self.left_at_address(&key, &seen.found, owners, &mut trials);
                    let may_be_elsewhere = kind == Kind::Changed && is_elsewhere(&key, &want, &seen.found, owners);
                    let rtype = if let RowKey::Stated(_, rtype) = key { Some(rtype) } else { None };
                    report.findings.push(Finding {
                        may_be_elsewhere,
                        kind: if stale.is_some() { Kind::Changed } else { kind },
                        key,
                        want: Some(want),
                        generation: row.generation,
                        found: sorted(of_key(seen.found.clone(), rtype)),
                        stale,
                        adoptable,
                    });
                }
            }
        }
        self.find_stale(owners, &mut trials, &mut report);
        report.findings.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        report
    }

    /// Of the names that nobody wants, those whose DHCID one of our hosts makes.
    fn find_stale(&mut self, owners: &Owners, trials: &mut usize, report: &mut ZoneFindings) {
        report.others = self.others.len();
        let others: BTreeMap<Fqdn, Vec<Found>> = std::mem::take(&mut self.others).into_iter().collect();
        for (name, found) in others {
            let [dhcid] = &data_of(&found, RecordType::DHCID)[..] else { continue };
            report.others_with_dhcid += 1;
            let Some(key) = self.settings.key_of(&name) else { continue };
            let Some((key, held)) = stale_at(key, dhcid, &found, owners, trials) else { continue };
            report.others -= 1;
            report.others_with_dhcid -= 1;
            report.findings.push(Finding {
                kind: Kind::Stale,
                key,
                want: None,
                generation: 0,
                found: sorted(found),
                stale: Some(held),
                may_be_elsewhere: false,
                adoptable: false,
            });
        }
    }

    /// A PTR record of one of our hosts where another of ours is wanted by now: an address is nobody else's to give.
    fn left_at_address(&self, key: &RowKey, found: &[Found], owners: &Owners, trials: &mut usize) -> Option<Held> {
        let (RowKey::Reverse(_), [dhcid]) = (key, &data_of(found, RecordType::DHCID)[..]) else { return None };
        stale_at(key.clone(), dhcid, found, owners, trials).map(|(_, held)| held)
    }
}

/// Whether a name has addresses, and none that this server gives. One that is wanted is not another server's: a machine
/// that is configured by hand can have it in no subnet of ours.
fn is_elsewhere(key: &RowKey, want: &Want, found: &[Found], owners: &Owners) -> bool {
    let mut addresses =
        found.iter().filter_map(|one| one.rdata.to_address(one.rtype)).filter(IpAddr::is_ipv4).peekable();
    let is_ours = |address: IpAddr| owners.gives(&address) || want.addresses.contains(&address);
    matches!(key, RowKey::Forward(_)) && addresses.peek().is_some() && !addresses.any(is_ours)
}

/// What of one of our hosts stands where a row would have its records, and is not wanted.
fn stale_at(
    key: RowKey,
    dhcid: &Rdata,
    found: &[Found],
    owners: &Owners,
    trials: &mut usize,
) -> Option<(RowKey, Held)> {
    // Whoever wrote it, it goes only while its DHCID says that it is ours.
    let guard = ConflictGuard::CheckWithDhcid;
    let name = match key {
        RowKey::Forward(name) => name,
        RowKey::Reverse(address) => return stale_pointer(address, dhcid, found, owners, trials),
        RowKey::Stated(..) => return None,
    };
    let mut addresses: Vec<IpAddr> = found.iter().filter_map(|one| one.rdata.to_address(one.rtype)).collect();
    addresses.sort_unstable();
    if addresses.is_empty() || !addresses.iter().all(|address| owners.gives(address)) {
        return None;
    }
    let near = addresses.iter().filter_map(|address| owners.by_address.get(address)).flatten();
    let identity = owner(dhcid, &name, near, owners, trials)?;
    Some((RowKey::Forward(name.clone()), Held { name, identity, addresses, guard }))
}

fn stale_pointer(
    address: IpAddr,
    dhcid: &Rdata,
    found: &[Found],
    owners: &Owners,
    trials: &mut usize,
) -> Option<(RowKey, Held)> {
    if !owners.gives(&address) {
        return None;
    }
    let guard = ConflictGuard::CheckWithDhcid;
    // Only one target can have made the DHCID; an operator may have written others beside it.
    data_of(found, RecordType::PTR).into_iter().find_map(|ptr| {
        let target = ptr.to_name()?;
        let near = owners.by_address.get(&address).into_iter().flatten().chain(owners.by_name.get(&target));
        let identity = owner(dhcid, &target, near, owners, trials)?;
        Some((RowKey::Reverse(address), Held { name: target, identity, addresses: vec![address], guard }))
    })
}

/// Who made a DHCID for `host`: tried are those near first, then all others as far as the trials reach.
fn owner<'a>(
    dhcid: &Rdata,
    host: &Fqdn,
    near: impl Iterator<Item = &'a HostIdentity>,
    owners: &'a Owners,
    trials: &mut usize,
) -> Option<HostIdentity> {
    let code = dhcid.0.get(..2)?;
    let made_by = |identity: &&HostIdentity| {
        code == identity.type_code().to_be_bytes() && Rdata::dhcid(&Dhcid::new(identity, host)) == *dhcid
    };
    if let Some(identity) = near.into_iter().find(made_by) {
        return Some(identity.clone());
    }
    if *trials < owners.all.len() {
        return None;
    }
    *trials -= owners.all.len();
    owners.all.iter().find(made_by).cloned()
}

fn data_of(found: &[Found], rtype: RecordType) -> Vec<Rdata> {
    let mut data: Vec<Rdata> = found.iter().filter(|one| one.rtype == rtype).map(|one| one.rdata.clone()).collect();
    data.sort_unstable();
    data.dedup();
    data
}

/// What is there of the type that a row is about, if it is about one.
fn of_key(mut found: Vec<Found>, rtype: Option<RecordType>) -> Vec<Found> {
    found.retain(|one| rtype.is_none_or(|rtype| one.rtype == rtype || one.rtype == RecordType::CNAME));
    found
}

fn sorted(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable();
    found
}
