//! What is wrong at one name that is wanted.

use dns::{ConflictGuard, Dhcid, Rdata, RecordType};

use super::{Found, Kind, Seen, data_of};
use crate::settings::ReverseGuard;
use crate::wanted::{RowKey, Want};

/// `None`: nothing; else what, and whether it can be adopted.
pub(super) fn judge(key: &RowKey, want: &Want, seen: &Seen, guard: ReverseGuard) -> Option<(Kind, bool)> {
    match key {
        RowKey::Forward(_) => judge_forward(want, seen),
        RowKey::Reverse(_) => judge_reverse(want, &seen.found, guard),
        RowKey::Stated(_, rtype) => judge_stated(*rtype, want, seen),
    }
}

/// Records that the configuration states: only exactly as they were written are they ours.
fn judge_stated(rtype: RecordType, want: &Want, seen: &Seen) -> Option<(Kind, bool)> {
    let data = data_of(&seen.found, rtype);
    let alone = rtype == RecordType::CNAME && (seen.beside > 0 || seen.found.iter().any(|one| one.rtype != rtype));
    if data.is_empty() {
        return Some((if alone { Kind::Foreign } else { Kind::Missing }, false));
    }
    if Some(&data[..]) != want.identity.stated() {
        return Some((Kind::Foreign, false));
    }
    let same_ttl = seen.found.iter().filter(|one| one.rtype == rtype).all(|one| one.ttl == want.ttl_secs);
    (!same_ttl).then_some((Kind::Changed, false))
}

fn judge_forward(want: &Want, seen: &Seen) -> Option<(Kind, bool)> {
    let found = &seen.found;
    let dhcids = data_of(found, RecordType::DHCID);
    let ours = dhcids == [Rdata::dhcid(&Dhcid::new(&want.identity, &want.name))];
    if found.is_empty() && (seen.beside == 0 || !asks_first(want.guard)) {
        return Some((Kind::Missing, false));
    }
    let (same, same_ttl) = compare(want, found);
    let as_written = if want.guard.writes_dhcid() { ours } else { dhcids.is_empty() };
    if as_written {
        let changed = !(same && same_ttl);
        return changed.then_some((Kind::Changed, false));
    }
    match want.guard {
        // RFC 4703 section 5.3.2: another's DHCID, or none, is somebody else's name.
        ConflictGuard::CheckWithDhcid => Some((Kind::Foreign, dhcids.is_empty() && same)),
        ConflictGuard::CheckExistsWithDhcid if dhcids.is_empty() => Some((Kind::Foreign, same)),
        // The policy asks nobody, so that the next writing mends it.
        _ => Some((Kind::Changed, false)),
    }
}

/// Whether the policy leaves a name alone that holds records of other types only.
fn asks_first(guard: ConflictGuard) -> bool {
    matches!(guard, ConflictGuard::CheckWithDhcid | ConflictGuard::CheckExistsWithDhcid)
}

/// Whether the addresses are those that are wanted, and their times to live. A family of which none is wanted is another
/// server's (RFC 4703 section 5.2).
fn compare(want: &Want, found: &[Found]) -> (bool, bool) {
    let (mut same, mut same_ttl) = (true, true);
    for family in [RecordType::A, RecordType::AAAA] {
        let mut wanted: Vec<Rdata> = want
            .addresses
            .iter()
            .map(|address| Rdata::address(*address))
            .filter(|(rtype, _)| *rtype == family)
            .map(|(_, rdata)| rdata)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        wanted.sort_unstable();
        same &= data_of(found, family) == wanted;
        same_ttl &= found.iter().filter(|one| one.rtype == family).all(|one| one.ttl == want.ttl_secs);
    }
    (same, same_ttl)
}

fn judge_reverse(want: &Want, found: &[Found], guard: ReverseGuard) -> Option<(Kind, bool)> {
    let (pointers, dhcids) = (data_of(found, RecordType::PTR), data_of(found, RecordType::DHCID));
    if found.is_empty() {
        return Some((Kind::Missing, false));
    }
    let target = Rdata::ptr(&want.name);
    if dhcids == [Rdata::dhcid(&Dhcid::new(&want.identity, &want.name))] {
        // What an operator wrote beside it stays.
        let there = |one: &Found| one.rtype == RecordType::PTR && one.rdata == target && one.ttl == want.ttl_secs;
        return (!found.iter().any(there)).then_some((Kind::Changed, false));
    }
    match guard {
        ReverseGuard::Rfc4703 => Some((Kind::Changed, false)),
        ReverseGuard::Dhcid => Some((Kind::Foreign, dhcids.is_empty() && pointers == [target])),
    }
}
