//! RFC 4703 as RFC 2136 updates: one function per section. Values in, one [`Update`] out; what an answer means is
//! [`crate::transaction`]'s affair.
//!
//! What must hold before a name is written or removed is the name's [`ConflictGuard`]. Whatever it is: of what stands at
//! a name only the addresses of the families that are written are replaced, and only what we wrote is removed.

use std::net::IpAddr;

use dns::{Change, ConflictGuard, Dhcid, Fqdn, HostIdentity, Prerequisite, Rdata, RecordType, Update};
use faults::{Fault, planted};

use crate::settings::ReverseGuard;
use crate::wanted::{Held, Want};

/// RFC 4703 section 5.3.1: the update has "a prerequisite that the name does not exist", and adds the addresses and
/// the DHCID. YXDOMAIN means that the name is in use, by this host or by another.
#[must_use]
pub fn build_claim(zone: &Fqdn, want: &Want) -> Update {
    build_claim_marked(zone, want, mark_of(want))
}

/// The DHCID of what is wanted.
pub(crate) fn mark_of(want: &Want) -> Rdata {
    dhcid(&want.identity, &want.name)
}

/// [`build_claim`] where the DHCID is known.
pub(crate) fn build_claim_marked(zone: &Fqdn, want: &Want, mark: Rdata) -> Update {
    let mut changes = Vec::with_capacity(want.addresses.len() + 1);
    changes.extend(added_addresses(want));
    changes.push(added(&want.name, RecordType::DHCID, want.ttl_secs, mark));
    Update { zone: zone.clone(), prerequisites: vec![Prerequisite::NameNotInUse(want.name.clone())], changes }
}

/// RFC 4703 section 5.3.2: the name exists and has a DHCID that "matches" the host's; the addresses of this family are
/// deleted and the new ones added. The other family's are another server's, perhaps: of those only what `stale` names
/// (our own of before) is deleted, record by record.
///
/// Under [`ConflictGuard::CheckExistsWithDhcid`] any DHCID will do, and this host's takes its place: a name without one
/// is somebody's own.
///
/// NXDOMAIN means that the name vanished meanwhile, NXRRSET that it belongs to somebody else.
#[must_use]
pub fn build_replace(zone: &Fqdn, want: &Want, stale: &[IpAddr]) -> Update {
    let name = &want.name;
    let any = want.guard == ConflictGuard::CheckExistsWithDhcid;
    let owned = if any {
        Prerequisite::RrsetExists(name.clone(), RecordType::DHCID)
    } else {
        owned_by(name, &want.identity, name)
    };
    let mut changes = replaced_addresses(want, stale);
    if any {
        changes.extend(replaced_dhcid(want));
    }
    Update { zone: zone.clone(), prerequisites: vec![Prerequisite::NameInUse(name.clone()), owned], changes }
}

/// Without a question, as [`ConflictGuard::NoCheckWithDhcid`] and [`ConflictGuard::NoCheckWithoutDhcid`] have it: the
/// addresses of this family and, by the first, the DHCID are replaced, whosever they are. `unmark`: a DHCID that we wrote
/// before, under another guard, goes.
///
/// RFC 2136 section 3.4.2.2 has a server pass over an address beside a CNAME in silence. So that one is asked for:
/// YXRRSET means that it is there, and that nothing was written.
#[must_use]
pub fn build_overwrite(zone: &Fqdn, want: &Want, stale: &[IpAddr], unmark: bool) -> Update {
    let mut changes = replaced_addresses(want, stale);
    if want.guard.writes_dhcid() {
        changes.extend(replaced_dhcid(want));
    } else if unmark {
        let ours = dhcid(&want.identity, &want.name);
        changes.push(Change::DeleteRecord(want.name.clone(), RecordType::DHCID, ours));
    }
    let prerequisites = vec![Prerequisite::RrsetAbsent(want.name.clone(), RecordType::CNAME)];
    Update { zone: zone.clone(), prerequisites, changes }
}

/// RFC 4703 section 5.4, guarded: nobody has written a PTR or a DHCID at the address' name. The PTR gets a DHCID made
/// from the host's name and identity, so that its owner is known later. YXRRSET means that something is there.
#[must_use]
pub fn build_pointer_claim(zone: &Fqdn, reverse: &Fqdn, want: &Want) -> Update {
    build_pointer_claim_marked(zone, reverse, want, mark_of(want))
}

/// [`build_pointer_claim`] where the DHCID is known.
pub(crate) fn build_pointer_claim_marked(zone: &Fqdn, reverse: &Fqdn, want: &Want, mark: Rdata) -> Update {
    let prerequisites = vec![
        Prerequisite::RrsetAbsent(reverse.clone(), RecordType::PTR),
        Prerequisite::RrsetAbsent(reverse.clone(), RecordType::DHCID),
    ];
    Update { zone: zone.clone(), prerequisites, changes: added_pointer(reverse, want, mark) }
}

/// RFC 4703 section 5.4, guarded: the DHCID there is this host's under this name, so a PTR of ours can only be the one
/// that is wanted. It is added, not put in the place of the set: what an operator wrote beside it stays. NXRRSET means
/// that the DHCID is another's, or that none is there.
#[must_use]
pub fn build_pointer_refresh(zone: &Fqdn, reverse: &Fqdn, want: &Want) -> Update {
    let prerequisites = vec![owned_by(reverse, &want.identity, &want.name)];
    Update { zone: zone.clone(), prerequisites, changes: added_pointer(reverse, want, mark_of(want)) }
}

/// RFC 4703 section 5.4 to the letter: "deletes all of the PTR RRs associated with the client's assigned IP address and
/// adds a PTR RR"; with it the DHCID, which the section allows. No prerequisite.
#[must_use]
pub fn build_pointer_unguarded(zone: &Fqdn, reverse: &Fqdn, want: &Want) -> Update {
    let mut changes = vec![
        Change::DeleteRrset(reverse.clone(), RecordType::PTR),
        Change::DeleteRrset(reverse.clone(), RecordType::DHCID),
    ];
    changes.extend(added_pointer(reverse, want, mark_of(want)));
    Update { zone: zone.clone(), prerequisites: Vec::new(), changes }
}

/// RFC 4703 section 5.5, first update: the DHCID matches; delete the addresses that the host no longer has, one by
/// one, so that an address which another server wrote for the same host stays.
///
/// What was written under a weaker guard is removed under it: where any DHCID lets a host take a name over, one whose
/// other family is another host's by now still has its own address taken away; where none was asked for, none is.
///
/// NXRRSET and NXDOMAIN mean that the name is not this host's (any more): nothing of ours is there.
#[must_use]
pub fn build_withdraw_addresses(zone: &Fqdn, held: &Held) -> Update {
    let changes = held
        .addresses
        .iter()
        .map(|address| {
            let (rtype, rdata) = Rdata::address(*address);
            Change::DeleteRecord(held.name.clone(), rtype, rdata)
        })
        .collect();
    let prerequisites = match held.guard {
        ConflictGuard::CheckWithDhcid => withdraw_guard(held),
        ConflictGuard::CheckExistsWithDhcid => vec![Prerequisite::RrsetExists(held.name.clone(), RecordType::DHCID)],
        ConflictGuard::NoCheckWithDhcid | ConflictGuard::NoCheckWithoutDhcid => Vec::new(),
    };
    Update { zone: zone.clone(), prerequisites, changes }
}

/// RFC 4703 section 5.5, second update: the DHCID matches, and neither an A nor an AAAA record is left; delete the
/// rest. The rest that is ours is the DHCID; what an operator wrote at the name is not ours and stays.
#[must_use]
pub fn build_withdraw_rest(zone: &Fqdn, held: &Held) -> Update {
    let mut prerequisites = withdraw_guard(held);
    prerequisites.push(Prerequisite::RrsetAbsent(held.name.clone(), RecordType::A));
    prerequisites.push(Prerequisite::RrsetAbsent(held.name.clone(), RecordType::AAAA));
    let changes = vec![Change::DeleteRrset(held.name.clone(), RecordType::DHCID)];
    Update { zone: zone.clone(), prerequisites, changes }
}

/// RFC 4703 section 5.5, of the PTR: deleted only while it still names this host. Guarded, the DHCID says that it is
/// ours, and exactly our two records go; unguarded, the PTR must be the one that this host's name makes, and the DHCID
/// beside it goes whosever it is, as it does when the PTR is set: two hosts in turn may have had the name.
#[must_use]
pub fn build_withdraw_pointer(zone: &Fqdn, reverse: &Fqdn, held: &Held, guard: ReverseGuard) -> Update {
    let target = Rdata::ptr(&held.name);
    let (prerequisite, beside) = match guard {
        ReverseGuard::Dhcid => (
            owned_by(reverse, &held.identity, &held.name),
            Change::DeleteRecord(reverse.clone(), RecordType::DHCID, dhcid(&held.identity, &held.name)),
        ),
        ReverseGuard::Rfc4703 => (
            Prerequisite::RrsetIs(reverse.clone(), RecordType::PTR, vec![target.clone()]),
            Change::DeleteRrset(reverse.clone(), RecordType::DHCID),
        ),
    };
    let changes = vec![Change::DeleteRecord(reverse.clone(), RecordType::PTR, target), beside];
    Update { zone: zone.clone(), prerequisites: vec![prerequisite], changes }
}

/// Records that the configuration states, where nothing of their name and type is: RFC 2136 section 2.4.3. A CNAME stands
/// alone (RFC 1034 section 3.6.2), so that nothing at all may be there; and beside one, nothing else is written, since
/// RFC 2136 section 3.4.2.2 has a server pass over that in silence. YXDOMAIN and YXRRSET mean that something is there.
#[must_use]
pub fn build_stated_claim(zone: &Fqdn, rtype: RecordType, want: &Want) -> Update {
    let name = &want.name;
    let prerequisites = if rtype == RecordType::CNAME {
        vec![Prerequisite::NameNotInUse(name.clone())]
    } else {
        let absent = |rtype| Prerequisite::RrsetAbsent(name.clone(), rtype);
        vec![absent(rtype), absent(RecordType::CNAME)]
    };
    Update { zone: zone.clone(), prerequisites, changes: added_stated(rtype, want) }
}

/// Such records in the place of `former`, which must be there and nothing else of their name and type: RFC 2136 section
/// 2.4.2, by value. NXRRSET means that something else, or nothing, is there.
#[must_use]
pub fn build_stated_replace(zone: &Fqdn, rtype: RecordType, want: &Want, former: &[Rdata]) -> Update {
    let mut changes = vec![Change::DeleteRrset(want.name.clone(), rtype)];
    changes.extend(added_stated(rtype, want));
    let prerequisites = vec![Prerequisite::RrsetIs(want.name.clone(), rtype, former.to_vec())];
    Update { zone: zone.clone(), prerequisites, changes }
}

/// The removal of such records, while they are exactly as they were written. NXRRSET and NXDOMAIN mean that they are not.
#[must_use]
pub fn build_stated_withdraw(zone: &Fqdn, rtype: RecordType, held: &Held) -> Update {
    let former = held.identity.stated().unwrap_or_default().to_vec();
    let prerequisites = match planted(Fault::StatedRemovedUnasked) {
        true => Vec::new(),
        false => vec![Prerequisite::RrsetIs(held.name.clone(), rtype, former)],
    };
    Update { zone: zone.clone(), prerequisites, changes: vec![Change::DeleteRrset(held.name.clone(), rtype)] }
}

fn added_stated(rtype: RecordType, want: &Want) -> Vec<Change> {
    let data = want.identity.stated().unwrap_or_default().iter().cloned();
    data.map(|rdata| added(&want.name, rtype, want.ttl_secs, rdata)).collect()
}

/// "The DHCID RR matches": exactly one, made from this identity and this host name, stands at `at`.
fn owned_by(at: &Fqdn, identity: &HostIdentity, host: &Fqdn) -> Prerequisite {
    Prerequisite::RrsetIs(at.clone(), RecordType::DHCID, vec![dhcid(identity, host)])
}

fn withdraw_guard(held: &Held) -> Vec<Prerequisite> {
    if planted(Fault::DeleteForeignName) {
        return Vec::new();
    }
    vec![owned_by(&held.name, &held.identity, &held.name)]
}

pub(crate) fn dhcid(identity: &HostIdentity, host: &Fqdn) -> Rdata {
    Dhcid::new(identity, host).0
}

fn family_of(address: &IpAddr) -> RecordType {
    if address.is_ipv4() { RecordType::A } else { RecordType::AAAA }
}

fn added(name: &Fqdn, rtype: RecordType, ttl: u32, rdata: Rdata) -> Change {
    Change::Add { name: name.clone(), rtype, ttl, rdata }
}

/// The families of the wanted addresses, replaced as sets; of the others the stale addresses, taken away one by one.
fn replaced_addresses(want: &Want, stale: &[IpAddr]) -> Vec<Change> {
    let name = &want.name;
    let families: Vec<RecordType> = [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter(|family| want.addresses.iter().any(|address| family_of(address) == *family))
        .collect();
    let mut changes: Vec<Change> = families.iter().map(|family| Change::DeleteRrset(name.clone(), *family)).collect();
    changes.extend(stale.iter().filter(|address| !families.contains(&family_of(address))).map(|address| {
        let (rtype, rdata) = Rdata::address(*address);
        Change::DeleteRecord(name.clone(), rtype, rdata)
    }));
    changes.extend(added_addresses(want));
    changes
}

fn replaced_dhcid(want: &Want) -> [Change; 2] {
    let name = &want.name;
    let ours = dhcid(&want.identity, name);
    [Change::DeleteRrset(name.clone(), RecordType::DHCID), added(name, RecordType::DHCID, want.ttl_secs, ours)]
}

fn added_addresses(want: &Want) -> impl Iterator<Item = Change> {
    let record = move |address: &IpAddr| {
        let (rtype, rdata) = Rdata::address(*address);
        added(&want.name, rtype, want.ttl_secs, rdata)
    };
    want.addresses.iter().map(record)
}

fn added_pointer(reverse: &Fqdn, want: &Want, mark: Rdata) -> Vec<Change> {
    vec![
        added(reverse, RecordType::PTR, want.ttl_secs, Rdata::ptr(&want.name)),
        added(reverse, RecordType::DHCID, want.ttl_secs, mark),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn want(addresses: &[&str]) -> Want {
        Want {
            name: name("chi.example.com"),
            identity: HostIdentity::from_hardware(1, &[1, 2, 3, 4, 5, 6]),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ttl_secs: 600,
            after_forward: false,
            guard: ConflictGuard::default(),
        }
    }

    fn held(addresses: &[&str]) -> Held {
        want(addresses).held()
    }

    fn deletes(update: &Update) -> Vec<(&Fqdn, RecordType, bool)> {
        let one = |change: &'_ Change| matches!(change, Change::DeleteRecord(..));
        update
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::DeleteRrset(name, rtype) | Change::DeleteRecord(name, rtype, _) => {
                    Some((name, *rtype, one(change)))
                }
                Change::DeleteName(name) => Some((name, RecordType::ANY, false)),
                Change::Add { .. } => None,
            })
            .collect()
    }

    #[test]
    fn rfc4703_5_3_1_requires_a_free_name_and_adds_addresses_and_dhcid() {
        let update = build_claim(&name("example.com"), &want(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]));
        assert_eq!(update.prerequisites, [Prerequisite::NameNotInUse(name("chi.example.com"))]);
        let types: Vec<RecordType> = update
            .changes
            .iter()
            .map(|change| match change {
                Change::Add { rtype, ttl: 600, .. } => *rtype,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(types, [RecordType::A, RecordType::A, RecordType::AAAA, RecordType::DHCID]);
    }

    #[test]
    fn rfc4703_5_3_2_replaces_this_family_and_never_the_other() {
        let update = build_replace(&name("example.com"), &want(&["10.0.0.1", "10.0.0.2"]), &[]);
        assert!(matches!(&update.prerequisites[..],
            [Prerequisite::NameInUse(_), Prerequisite::RrsetIs(_, RecordType::DHCID, data)] if data.len() == 1));
        assert_eq!(deletes(&update), [(&name("chi.example.com"), RecordType::A, false)]);
        assert_eq!(update.changes.len(), 3);
    }

    #[test]
    fn the_weaker_the_guard_the_less_is_asked() {
        use ConflictGuard::{CheckExistsWithDhcid, NoCheckWithDhcid, NoCheckWithoutDhcid};
        let (zone, chi) = (name("example.com"), name("chi.example.com"));
        let guarded = |guard| Want { guard, ..want(&["10.0.0.1"]) };
        let exists = build_replace(&zone, &guarded(CheckExistsWithDhcid), &[]);
        assert_eq!(exists.prerequisites[1], Prerequisite::RrsetExists(chi.clone(), RecordType::DHCID));
        assert_eq!(deletes(&exists), [(&chi, RecordType::A, false), (&chi, RecordType::DHCID, false)]);
        let no_cname = [Prerequisite::RrsetAbsent(chi.clone(), RecordType::CNAME)];
        for (guard, unmark, gone) in [
            (NoCheckWithDhcid, false, vec![(&chi, RecordType::A, false), (&chi, RecordType::DHCID, false)]),
            (NoCheckWithoutDhcid, false, vec![(&chi, RecordType::A, false)]),
            (NoCheckWithoutDhcid, true, vec![(&chi, RecordType::A, false), (&chi, RecordType::DHCID, true)]),
        ] {
            let update = build_overwrite(&zone, &guarded(guard), &[], unmark);
            assert_eq!((&update.prerequisites[..], deletes(&update)), (&no_cname[..], gone), "{guard:?}");
            let marked =
                update.changes.iter().any(|change| matches!(change, Change::Add { rtype: RecordType::DHCID, .. }));
            assert_eq!(marked, guard.writes_dhcid());
            let withdraw = build_withdraw_addresses(&zone, &guarded(guard).held());
            assert_eq!((withdraw.prerequisites.len(), deletes(&withdraw)), (0, vec![(&chi, RecordType::A, true)]));
        }
    }

    #[test]
    fn rfc4703_5_2_of_the_other_family_only_our_own_stale_record_goes() {
        let stale = ["10.0.0.9".parse().unwrap(), "2001:db8::9".parse().unwrap()];
        let update = build_replace(&name("example.com"), &want(&["10.0.0.1"]), &stale);
        let chi = name("chi.example.com");
        assert_eq!(deletes(&update), [(&chi, RecordType::A, false), (&chi, RecordType::AAAA, true)]);
    }

    #[test]
    fn rfc4703_5_4_pointer_carries_a_guarding_dhcid_or_is_unconditional() {
        let (zone, reverse) = (name("10.in-addr.arpa"), Fqdn::reverse("10.0.0.1".parse().unwrap()));
        let claim = build_pointer_claim(&zone, &reverse, &want(&["10.0.0.1"]));
        assert_eq!(claim.prerequisites[0], Prerequisite::RrsetAbsent(reverse.clone(), RecordType::PTR));
        let refresh = build_pointer_refresh(&zone, &reverse, &want(&["10.0.0.1"]));
        assert!(matches!(refresh.prerequisites[..], [Prerequisite::RrsetIs(_, RecordType::DHCID, _)]));
        assert_eq!((deletes(&claim), deletes(&refresh)), (vec![], vec![]));
        let letter = build_pointer_unguarded(&zone, &reverse, &want(&["10.0.0.1"]));
        assert!(letter.prerequisites.is_empty());
        assert_eq!(deletes(&letter), [(&reverse, RecordType::PTR, false), (&reverse, RecordType::DHCID, false)]);
    }

    #[test]
    fn rfc4703_5_5_removes_address_by_address_then_the_rest() {
        let zone = name("example.com");
        let first = build_withdraw_addresses(&zone, &held(&["10.0.0.1", "2001:db8::1"]));
        let chi = name("chi.example.com");
        assert_eq!(deletes(&first), [(&chi, RecordType::A, true), (&chi, RecordType::AAAA, true)]);
        assert!(matches!(first.prerequisites[..], [Prerequisite::RrsetIs(_, RecordType::DHCID, _)]));
        let rest = build_withdraw_rest(&zone, &held(&[]));
        assert_eq!(rest.prerequisites[1], Prerequisite::RrsetAbsent(chi.clone(), RecordType::A));
        assert_eq!(rest.prerequisites[2], Prerequisite::RrsetAbsent(chi.clone(), RecordType::AAAA));
        assert_eq!(deletes(&rest), [(&chi, RecordType::DHCID, false)]);
    }

    #[test]
    fn rfc4703_5_5_removes_a_pointer_only_while_it_names_this_host() {
        let (zone, reverse) = (name("10.in-addr.arpa"), Fqdn::reverse("10.0.0.1".parse().unwrap()));
        for (guard, rtype) in [(ReverseGuard::Dhcid, RecordType::DHCID), (ReverseGuard::Rfc4703, RecordType::PTR)] {
            let update = build_withdraw_pointer(&zone, &reverse, &held(&["10.0.0.1"]), guard);
            assert!(matches!(&update.prerequisites[..],
                [Prerequisite::RrsetIs(at, required, data)] if *at == reverse && *required == rtype && data.len() == 1));
            let one = guard == ReverseGuard::Dhcid;
            assert_eq!(deletes(&update), [(&reverse, RecordType::PTR, true), (&reverse, RecordType::DHCID, one)]);
        }
    }
}
