//! Records that holders of leases wrote by themselves (`self_by_lease`), at the end of what gave them the right.
//!
//! Such a record goes when its lease ends or gets another name, and when the server begins to keep the name itself: it
//! would take the record for somebody else's. It goes in the transaction that says so. Under names that the configuration
//! states nothing goes: what is there is the administrator's, even if it says the same. So is what somebody with a key wrote:
//! only what is marked goes, and its holder changes nothing else.
//!
//! What they wrote is marked in the store, in the transaction that writes it ([`Written`]), for as long as nobody else changes
//! it: so a start finds what should have gone before a crash, whatever was confirmed meanwhile, and what is there by a right
//! that the configuration grants no more (`embedded_zones`).

use std::collections::HashSet;

use ddns::settings::{Settings, ZoneServer};
use ddns::wanted::{RowKey, WantedRow, WantedTable};
use dns::{Change, Fqdn, Rcode, RecordType, Update};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use store::rows::Row;
use zones::by_lease::departure;
use zones::{AllowAll, Settled, Ticket, ZoneChange, ZoneSet};

use super::{Decided, Keeping, ZoneKeeper};
use crate::embedded_zones::{BY_LEASE, ByLease};

/// The names whose A records holders of leases wrote, as it is decided. One for each such record: nobody can have more of them
/// than leases.
#[derive(Debug, Default)]
pub(super) struct Written {
    names: ByLease,
    /// Zones and names that were marked, or unmarked, by what is not settled yet, in the order of deciding.
    unsettled: Vec<(Ticket, Fqdn, Fqdn)>,
}

impl Written {
    /// As they are stored.
    pub(super) fn new(names: ByLease) -> Self {
        Self { names, unsettled: Vec::new() }
    }

    /// As they are decided.
    pub(super) fn names(&self) -> &ByLease {
        &self.names
    }

    /// Whether the holder of a lease wrote the A record of this name in this zone.
    fn has(&self, zone: &Fqdn, name: &Fqdn) -> bool {
        self.names.get(zone).is_some_and(|names| names.contains(name))
    }

    /// Whether holders of leases wrote whatever these changes take away.
    pub(super) fn wrote_all_of(&self, departure: &Update) -> bool {
        let wrote =
            |change: &Change| matches!(change, Change::DeleteRecord(name, ..) if self.has(&departure.zone, name));
        departure.changes.iter().all(wrote)
    }

    /// Follows a change: an address is its holder's for as long as it is as `holder` wrote it. Marks to be stored with it are
    /// added to `rows`.
    pub(super) fn follow(&mut self, ticket: Ticket, change: &ZoneChange, holder: Option<&Fqdn>, rows: &mut Vec<Row>) {
        if holder.is_none() && !self.names.contains_key(&change.zone) {
            return;
        }
        let sets = change.sets.iter().filter(|(_, rtype, _)| matches!(*rtype, RecordType::A | RecordType::DHCID));
        let sets = sets.map(|(name, rtype, set)| (name, *rtype == RecordType::A && set.is_some()));
        let added = change.added.iter().map(|(name, node)| (name, node.set(RecordType::A).is_some()));
        for (name, is_there) in sets.chain(added) {
            self.mark(ticket, &change.zone, name, is_there && holder == Some(name), rows);
        }
    }

    fn mark(&mut self, ticket: Ticket, zone: &Fqdn, name: &Fqdn, is: bool, rows: &mut Vec<Row>) {
        if self.has(zone, name) != is {
            self.toggle(zone, name);
            self.unsettled.push((ticket, zone.clone(), name.clone()));
            rows.push(Row::ZoneStated { zone: zone.clone(), name: name.clone(), rtype: BY_LEASE, stated: is });
        }
    }

    fn toggle(&mut self, zone: &Fqdn, name: &Fqdn) {
        let names = self.names.entry(zone.clone()).or_default();
        if !names.remove(name) {
            names.insert(name.clone());
        }
        if names.is_empty() {
            self.names.remove(zone);
        }
    }

    /// What became of changes of the zones: what was not stored is as it was before.
    pub(super) fn settle(&mut self, settled: &Settled) {
        let unsettled = std::mem::take(&mut self.unsettled);
        let (failed, others) = unsettled.into_iter().partition(|(ticket, ..)| settled.failed.contains(ticket));
        self.unsettled = others;
        self.unsettled.retain(|(ticket, ..)| !settled.published.contains(ticket));
        let failed: Vec<(Ticket, Fqdn, Fqdn)> = failed;
        failed.iter().rev().for_each(|(_, zone, name)| self.toggle(zone, name));
    }
}

impl ZoneKeeper {
    /// As [`ZoneKeeper::update`], of the holder of a lease who writes the A record of its own name.
    pub async fn update_by_lease(self: &Arc<Self>, update: &Update, holder: &Fqdn) -> Rcode {
        self.change(|state, to| state.decide_by_lease(update, holder, to)).await
    }

    /// Takes away what the former holder of a lease with this name has just written, where nobody else has changed it.
    pub async fn depart(self: &Arc<Self>, departure: Update, holder: &Fqdn) {
        let decide = |state: &mut Keeping<_>, to| match state.written.has(&departure.zone, holder) {
            true => state.decide(&departure, &AllowAll, to),
            false => Decided::Answered(to, Rcode::NO_ERROR),
        };
        self.change(decide).await;
    }
}

impl<T> Keeping<T> {
    /// A record that somebody else has made stays as it is, though it says the same: as one that the server keeps.
    fn decide_by_lease(&mut self, update: &Update, holder: &Fqdn, to: T) -> Decided<T> {
        let zone = self.authority.tentative().get(&update.zone);
        let is_there = zone.is_some_and(|zone| zone.set(holder, RecordType::A).is_some());
        if !is_there || self.written.has(&update.zone, holder) {
            return self.decide_for(update, &AllowAll, Some(holder), to);
        }
        match update.changes.last() {
            Some(Change::Add { .. }) | None => {
                self.decide(&Update { changes: Vec::new(), ..update.clone() }, &AllowAll, to)
            }
            Some(_) => Decided::Answered(to, Rcode::REFUSED),
        }
    }

    /// What is marked in zones that are open to leases, and whose leases do not hold it any more, by `holds`: the record of
    /// this name and address.
    pub(super) fn left_over(&self, holds: impl Fn(&Fqdn, Ipv4Addr) -> bool) -> Vec<Update> {
        let zones = self.published();
        let marked = self.written.names().iter().filter(|(id, _)| self.by_lease.contains(*id));
        let marked = marked.filter_map(|(id, names)| Some((zones.get(id)?, names)));
        let left = marked.flat_map(|(zone, names)| {
            names.iter().filter_map(|name| {
                let rdata = zone.rrset(name, RecordType::A)?.rdata.into_iter().next()?;
                let address = Ipv4Addr::from(<[u8; 4]>::try_from(&*rdata.0).ok()?);
                if holds(name, address) { None } else { departure(zone, name, address) }
            })
        });
        left.collect()
    }
}

/// What goes with these transactions from the zones that are `open` to leases.
pub(super) fn departures(
    settings: &Settings,
    open: &HashSet<Fqdn>,
    written: &Written,
    zones: &ZoneSet,
    transactions: &[Vec<Row>],
) -> Vec<Update> {
    if open.is_empty() {
        return Vec::new();
    }
    let left = transactions.iter().flatten().flat_map(|row| match row {
        Row::Wanted(row) => left_behind(row),
        // The server keeps the name from now on.
        Row::WantedNew(new) => vec![(new.name.clone(), new.address)],
        _ => Vec::new(),
    });
    updates(settings, open, written, zones, left)
}

/// What should have gone before a crash, which can lose what goes behind the end of a lease: former names that are not
/// known to be gone. Names that the server keeps there by now are its own.
pub(super) fn missed(
    settings: &Settings,
    open: &HashSet<Fqdn>,
    written: &Written,
    zones: &ZoneSet,
    wanted: &WantedTable,
) -> Vec<Update> {
    if open.is_empty() {
        return Vec::new();
    }
    let is_reverse = |row: &WantedRow| matches!(row.key, RowKey::Reverse(_)) && !row.former.is_empty();
    let left = wanted.iter().filter(is_reverse).flat_map(|row| left_behind(&row));
    let is_kept = |name: &Fqdn, address: &IpAddr| {
        let row = wanted.get(&RowKey::Forward(name.clone()));
        row.and_then(|row| row.want).is_some_and(|want| want.addresses.contains(address))
    };
    updates(settings, open, written, zones, left.filter(|(name, address)| !is_kept(name, address)))
}

fn updates(
    settings: &Settings,
    open: &HashSet<Fqdn>,
    written: &Written,
    zones: &ZoneSet,
    left: impl Iterator<Item = (Fqdn, IpAddr)>,
) -> Vec<Update> {
    let updates = |(name, address): (Fqdn, IpAddr)| -> Vec<Update> {
        // Names of static records, of views too, and name servers are among the protected ones; apexes are not.
        if settings.protected.contains(&name) || zones.ids_of(&name).iter().any(|id| zones.get(id).is_some()) {
            return Vec::new();
        }
        let route = settings.zone_of(&name).filter(|route| route.server == ZoneServer::Embedded);
        let (Some(route), IpAddr::V4(address)) = (route, address) else { return Vec::new() };
        // A client may have written into whichever it sees.
        let ids = zones.ids_of(&route.apex).iter().filter(|id| open.contains(*id) && written.has(id, &name));
        ids.filter_map(|id| departure(zones.get(id)?, &name, address)).collect()
    };
    left.flat_map(updates).collect()
}

/// Names and addresses that a row says are no longer their client's own to keep.
fn left_behind(row: &WantedRow) -> Vec<(Fqdn, IpAddr)> {
    match (&row.key, &row.want) {
        // The lease has ended, or has another name now.
        (RowKey::Reverse(address), want) => {
            let now = want.as_ref().map(|want| &want.name);
            let former = row.former.iter().map(|held| &held.name).filter(|name| Some(*name) != now);
            former.map(|name| (name.clone(), *address)).collect()
        }
        // The server keeps the name from now on.
        (RowKey::Forward(name), Some(want)) => want.addresses.iter().map(|address| (name.clone(), *address)).collect(),
        (RowKey::Forward(_) | RowKey::Stated(..), _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use dns::{Change, Rdata};
    use zones::NewZone;

    use super::*;
    use crate::committer::CommitResult;
    use crate::zone_keeper::{Decided, ToStore};

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn keeping() -> Keeping<u32> {
        let mut zones = ZoneSet::new();
        zones.insert(NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap());
        Keeping::new(zones)
    }

    fn add(rtype: RecordType, ttl: u32, rdata: Rdata) -> Change {
        Change::Add { name: name("pc.example"), rtype, ttl, rdata }
    }

    fn own() -> Rdata {
        Rdata::a([192, 0, 2, 7].into())
    }

    fn marks(rows: &[Row]) -> Vec<bool> {
        let marks = rows.iter().filter_map(|row| match row {
            Row::ZoneStated { rtype: BY_LEASE, stated, .. } => Some(*stated),
            _ => None,
        });
        marks.collect()
    }

    /// Decides; what is stored.
    fn decide(keeping: &mut Keeping<u32>, holder: bool, changes: Vec<Change>) -> ToStore {
        let update = Update { zone: name("example"), prerequisites: Vec::new(), changes };
        let holder = holder.then(|| name("pc.example"));
        match keeping.decide_for(&update, &AllowAll, holder.as_ref(), 1) {
            Decided::Waits(Some(to_store)) => to_store,
            other => panic!("a change: {other:?}"),
        }
    }

    fn is_marked(keeping: &Keeping<u32>) -> bool {
        keeping.written.names().get(&name("example")).is_some_and(|names| names.contains(&name("pc.example")))
    }

    #[test]
    fn a_record_is_its_holders_until_somebody_else_changes_it() {
        let mut keeping = keeping();
        let mut step = |holder, changes| {
            let to_store = decide(&mut keeping, holder, changes);
            keeping.settle(to_store.ticket, CommitResult::Committed);
            (marks(&to_store.rows), is_marked(&keeping))
        };
        let gone = || Change::DeleteRrset(name("pc.example"), RecordType::A);
        assert_eq!(step(true, vec![add(RecordType::A, 60, own())]), (vec![true], true));
        assert_eq!(step(true, vec![add(RecordType::A, 50, own())]), (vec![], true), "it is marked");
        assert_eq!(step(true, vec![gone()]), (vec![false], false), "its holder takes it away");
        assert_eq!(step(true, vec![add(RecordType::A, 60, own())]), (vec![true], true));
        assert_eq!(step(false, vec![add(RecordType::TXT, 60, Rdata::txt(&["by hand"]))]), (vec![], true), "beside it");
        assert_eq!(step(false, vec![add(RecordType::A, 300, own())]), (vec![false], false), "by hand from now on");
        assert_eq!(step(false, vec![gone()]), (vec![], false));
        assert_eq!(step(false, vec![add(RecordType::A, 60, own())]), (vec![], false), "never its own");
        step(false, vec![gone()]);
        assert_eq!(step(true, vec![add(RecordType::A, 60, own())]), (vec![true], true));
        let dhcid = add(RecordType::DHCID, 60, Rdata([0, 1, 1, 7].into()));
        assert_eq!(step(false, vec![dhcid]), (vec![false], false), "the server keeps it from now on");
    }

    #[test]
    fn what_was_made_by_hand_is_not_its_holders_though_it_says_the_same() {
        let mut keeping = keeping();
        let made = decide(&mut keeping, false, vec![add(RecordType::A, 3_600, own())]);
        keeping.settle(made.ticket, CommitResult::Committed);
        let mut asked = |changes| {
            let update = Update { zone: name("example"), prerequisites: Vec::new(), changes };
            match keeping.decide_by_lease(&update, &name("pc.example"), 2) {
                Decided::Answered(_, rcode) => rcode,
                other => panic!("no change: {other:?}"),
            }
        };
        let gone = || Change::DeleteRrset(name("pc.example"), RecordType::A);
        assert_eq!(asked(vec![gone(), add(RecordType::A, 60, own())]), Rcode::NO_ERROR);
        assert_eq!(asked(vec![add(RecordType::A, 60, own())]), Rcode::NO_ERROR);
        assert_eq!(asked(vec![gone()]), Rcode::REFUSED);
        assert_eq!(asked(Vec::new()), Rcode::NO_ERROR);
        assert!(!is_marked(&keeping));
        let zone = keeping.published().get(&name("example")).unwrap();
        assert_eq!(zone.set(&name("pc.example"), RecordType::A).unwrap().ttl, 3_600);
    }

    #[test]
    fn marks_of_what_was_not_stored_are_as_before() {
        let mut keeping = keeping();
        let first = decide(&mut keeping, true, vec![add(RecordType::A, 60, own())]);
        let second = decide(&mut keeping, false, vec![add(RecordType::A, 300, own())]);
        assert!(!is_marked(&keeping));
        keeping.settle(first.ticket, CommitResult::Committed);
        keeping.settle(second.ticket, CommitResult::NoSpace);
        assert!(is_marked(&keeping), "it is as its holder wrote it");
        let third = decide(&mut keeping, false, vec![Change::DeleteName(name("pc.example"))]);
        let fourth = decide(&mut keeping, true, vec![add(RecordType::A, 60, own())]);
        keeping.settle(third.ticket, CommitResult::NoSpace);
        assert!(is_marked(&keeping) && keeping.written.unsettled.is_empty(), "the fourth failed with it");
        assert_eq!(keeping.settle(fourth.ticket, CommitResult::NoSpace), []);
        let fifth = decide(&mut keeping, true, vec![Change::DeleteName(name("pc.example"))]);
        keeping.settle(fifth.ticket, CommitResult::Committed);
        assert!(keeping.written.names().is_empty());
    }
}
