//! Names that somebody else wrote for a host of ours, made ours: adopted on request, or inherited from the DHCP server
//! that was there before.
//!
//! Each is one update whose prerequisites say exactly what must be there, so that nothing is taken that changed
//! meanwhile. Afterwards the name stands as RFC 4703 section 5.3.1 would have written it.

use std::net::IpAddr;

use dns::{Change, Dhcid, Fqdn, HostIdentity, Prerequisite, Rdata, RecordType, Update};
use md5::{Digest as _, Md5};

use crate::audit::Found;
use crate::wanted::Want;

/// From which servers names are inherited without being asked each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inherit {
    /// Kea's D2: DHCID records made from another of the client's identities.
    pub kea: bool,
    /// ISC dhcpd: the same, the TXT records of its `interim` style, and PTR records without a guard.
    pub isc_dhcpd: bool,
}

impl Inherit {
    /// Whether there is anything to be inherited.
    #[must_use]
    pub fn any(self) -> bool {
        self.kea || self.isc_dhcpd
    }
}

/// How a former server marked that a name is one client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A DHCID record made from this identity, which is the same client's.
    Dhcid(HostIdentity),
    /// The text of dhcpd's `interim` style.
    InterimTxt(String),
}

/// The marks that former servers can have left for the client with these identities, where `ours` is the one that we
/// use. Most likely first; at most five.
///
/// Both take the client identifier and, without one, the hardware address; dhcpd told to ignore client identifiers
/// takes the hardware address of all. Of a client identifier of type 255, `standard` and Kea take the DUID, `interim` all
/// of it.
#[must_use]
pub fn marks(inherit: Inherit, hardware: (u8, &[u8]), client_id: Option<&[u8]>, ours: &HostIdentity) -> Vec<Mark> {
    let by_hardware = HostIdentity::from_hardware(hardware.0, hardware.1);
    let mut identities: Vec<HostIdentity> = Vec::new();
    if let Some(data) = client_id {
        identities.push(HostIdentity::from_client_id(data));
        identities.push(HostIdentity::ClientId(data.into()));
    }
    identities.push(by_hardware);
    let mut marks = Vec::new();
    if inherit.isc_dhcpd {
        if let Some(data) = client_id {
            marks.push(Mark::InterimTxt(interim_text(CLIENT_IDENTIFIER, data)));
        }
        let octets: Vec<u8> = std::iter::once(hardware.0).chain(hardware.1.iter().copied()).collect();
        marks.push(Mark::InterimTxt(interim_text(HARDWARE, &octets)));
    }
    if inherit.any() {
        for identity in identities {
            let mark = Mark::Dhcid(identity.clone());
            if identity != *ours && !marks.contains(&mark) {
                marks.push(mark);
            }
        }
    }
    marks
}

/// The type number that `interim` gives a client identifier: the option's code.
const CLIENT_IDENTIFIER: u8 = 61;
/// The type number that `interim` gives a hardware address.
const HARDWARE: u8 = 0;

/// What dhcpd's `interim` style writes into its TXT record: the type in two digits, then the MD5 digest of the
/// identifier, all in hexadecimal. The second digit is the type modulo 15, an old fault of dhcpd's that it keeps for the
/// sake of records that are there: a client identifier has "31", not "3d".
fn interim_text(type_number: u8, identifier: &[u8]) -> String {
    let digest = Md5::digest(identifier);
    let mut text = format!("{:x}{:x}", type_number >> 4, type_number % 15);
    for octet in digest {
        text.push_str(&format!("{octet:02x}"));
    }
    text
}

/// Takes a forward name from the server that left this mark: the mark must be there as it would have made it, with no
/// other beside it. Mark and addresses of the wanted families go, ours come. NXRRSET, NXDOMAIN or YXRRSET: it is not
/// there, and nothing changed.
#[must_use]
pub fn build_inherit(zone: &Fqdn, want: &Want, mark: &Mark) -> Update {
    let name = &want.name;
    let (prerequisites, gone) = match mark {
        Mark::Dhcid(identity) => {
            let theirs = Rdata::dhcid(&Dhcid::new(identity, name));
            (
                vec![Prerequisite::RrsetIs(name.clone(), RecordType::DHCID, vec![theirs])],
                Change::DeleteRrset(name.clone(), RecordType::DHCID),
            )
        }
        Mark::InterimTxt(text) => {
            let theirs = Rdata::txt(&[text.as_bytes()]);
            (
                vec![
                    Prerequisite::RrsetAbsent(name.clone(), RecordType::DHCID),
                    Prerequisite::RrsetIs(name.clone(), RecordType::TXT, vec![theirs]),
                ],
                Change::DeleteRrset(name.clone(), RecordType::TXT),
            )
        }
    };
    let mut changes = vec![gone];
    changes.extend(replaced_addresses(want));
    changes.push(our_dhcid(name, want));
    Update { zone: zone.clone(), prerequisites, changes }
}

/// Guards a PTR record that the former server left without a DHCID: it must be exactly the one that is wanted.
#[must_use]
pub fn build_inherit_pointer(zone: &Fqdn, reverse: &Fqdn, want: &Want) -> Update {
    let target = Rdata::ptr(&want.name);
    let prerequisites = vec![
        Prerequisite::RrsetAbsent(reverse.clone(), RecordType::DHCID),
        Prerequisite::RrsetIs(reverse.clone(), RecordType::PTR, vec![target]),
    ];
    Update { zone: zone.clone(), prerequisites, changes: our_pointer(reverse, want) }
}

/// The same with a DHCID record of another identity of the same client, as Kea writes one beside its PTR records.
#[must_use]
pub fn build_inherit_marked_pointer(zone: &Fqdn, reverse: &Fqdn, want: &Want, identity: &HostIdentity) -> Update {
    let theirs = Rdata::dhcid(&Dhcid::new(identity, &want.name));
    let prerequisites = vec![Prerequisite::RrsetIs(reverse.clone(), RecordType::DHCID, vec![theirs])];
    let mut changes = vec![Change::DeleteRrset(reverse.clone(), RecordType::DHCID)];
    changes.extend(our_pointer(reverse, want));
    Update { zone: zone.clone(), prerequisites, changes }
}

/// Adopts a forward name without DHCID whose addresses are exactly `found`.
#[must_use]
pub fn build_adopt(zone: &Fqdn, want: &Want, found: &[Found]) -> Update {
    let name = &want.name;
    let mut prerequisites = vec![Prerequisite::RrsetAbsent(name.clone(), RecordType::DHCID)];
    for family in families_of(want) {
        prerequisites.push(exactly(name, family, found));
    }
    let mut changes = replaced_addresses(want);
    changes.push(our_dhcid(name, want));
    Update { zone: zone.clone(), prerequisites, changes }
}

/// Adopts the PTR records of an address that has no DHCID and exactly what was found; they give way to ours.
#[must_use]
pub fn build_adopt_pointer(zone: &Fqdn, reverse: &Fqdn, want: &Want, found: &[Found]) -> Update {
    let prerequisites =
        vec![Prerequisite::RrsetAbsent(reverse.clone(), RecordType::DHCID), exactly(reverse, RecordType::PTR, found)];
    let mut changes = vec![Change::DeleteRrset(reverse.clone(), RecordType::PTR)];
    changes.extend(our_pointer(reverse, want));
    Update { zone: zone.clone(), prerequisites, changes }
}

fn exactly(name: &Fqdn, rtype: RecordType, found: &[Found]) -> Prerequisite {
    let data: Vec<Rdata> = found.iter().filter(|one| one.rtype == rtype).map(|one| one.rdata.clone()).collect();
    if data.is_empty() {
        Prerequisite::RrsetAbsent(name.clone(), rtype)
    } else {
        Prerequisite::RrsetIs(name.clone(), rtype, data)
    }
}

fn families_of(want: &Want) -> Vec<RecordType> {
    let family = |address: &IpAddr| if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    let mut families: Vec<RecordType> = want.addresses.iter().map(family).collect();
    families.sort_unstable();
    families.dedup();
    families
}

fn replaced_addresses(want: &Want) -> Vec<Change> {
    let name = &want.name;
    let gone = families_of(want).into_iter().map(|family| Change::DeleteRrset(name.clone(), family));
    let come = want.addresses.iter().map(|address| {
        let (rtype, rdata) = Rdata::address(*address);
        Change::Add { name: name.clone(), rtype, ttl: want.ttl_secs, rdata }
    });
    gone.chain(come).collect()
}

fn our_dhcid(at: &Fqdn, want: &Want) -> Change {
    let rdata = Rdata::dhcid(&Dhcid::new(&want.identity, &want.name));
    Change::Add { name: at.clone(), rtype: RecordType::DHCID, ttl: want.ttl_secs, rdata }
}

fn our_pointer(reverse: &Fqdn, want: &Want) -> Vec<Change> {
    let (name, rtype, ttl) = (reverse.clone(), RecordType::PTR, want.ttl_secs);
    vec![Change::Add { name, rtype, ttl, rdata: Rdata::ptr(&want.name) }, our_dhcid(reverse, want)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const BOTH: Inherit = Inherit { kea: true, isc_dhcpd: true };

    #[test]
    fn interim_texts_are_those_that_dhcpd_writes() {
        // RFC 1321 appendix A.5: MD5 of "abc".
        assert_eq!(interim_text(CLIENT_IDENTIFIER, b"abc"), "31900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(interim_text(HARDWARE, b"abc"), "00900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn only_identities_of_the_same_client_are_tried_and_never_our_own() {
        let hardware: (u8, &[u8]) = (1, &[2, 0, 0, 0, 0, 1]);
        let by_hardware = HostIdentity::from_hardware(1, hardware.1);
        let id = [1, 2, 0, 0, 0, 0, 1];
        let ours = HostIdentity::from_client_id(&id);
        assert_eq!(marks(Inherit::default(), hardware, Some(&id), &ours), []);
        let kea = Inherit { kea: true, isc_dhcpd: false };
        assert_eq!(marks(kea, hardware, Some(&id), &ours), [Mark::Dhcid(by_hardware.clone())]);
        assert_eq!(marks(kea, hardware, None, &by_hardware), []);
        let texts = marks(BOTH, hardware, None, &by_hardware);
        assert_eq!(texts, [Mark::InterimTxt(interim_text(HARDWARE, &[1, 2, 0, 0, 0, 0, 1]))]);
        let duid = [255, 9, 9, 9, 9, 0, 3, 0, 1, 2, 2, 2, 2, 2, 2];
        let ours = HostIdentity::from_client_id(&duid);
        let all = marks(BOTH, hardware, Some(&duid), &ours);
        let dhcids = [Mark::Dhcid(HostIdentity::ClientId(duid.into())), Mark::Dhcid(by_hardware)];
        assert_eq!(all[0], Mark::InterimTxt(interim_text(CLIENT_IDENTIFIER, &duid)), "IAID and all");
        assert_eq!(all[2..], dhcids);
    }
}
