//! `self-by-lease`: the holder of a live lease keeps its own A record by itself, without a key. It is the third step of
//! the sequence that DHCP began with, in which the client registers its A record and the server the PTR record.
//!
//! Who asks is known by its address alone, so that it has to come over a connection; whoever calls sees to that, and to
//! the lease. Here it is decided what may be asked for: its own name, its own address, type A, and nothing that anybody
//! else has put there. A name that the server keeps (it has a DHCID record) stays as the server keeps it.

use std::net::Ipv4Addr;

use dns::{Change, Fqdn, Prerequisite, Rdata, RecordType, Update};

use crate::{SetRef, Zone};

/// Whoever holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name, by the lease.
    pub name: Fqdn,
    /// Its address.
    pub address: Ipv4Addr,
    /// The longest time to live that its record may have, in seconds: that of the lease's PTR record.
    pub ttl_max_secs: u32,
    /// The server itself keeps the A record of this lease, or is about to.
    pub kept: bool,
}

/// Why a holder of a lease may not have its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOwn {
    /// Another name.
    #[error("it asks for another name than that of its lease")]
    Name,
    /// Another type.
    #[error("it may change its A record alone")]
    Type,
    /// Another address.
    #[error("it asks for another address than that of its lease")]
    Address,
    /// A prerequisite about something that is not its own.
    #[error("a prerequisite is about another name than that of its lease")]
    Prerequisite,
    /// Somebody else has records there.
    #[error("the name has records that are not this client's")]
    Taken,
    /// It would take away what the server keeps for it.
    #[error("the server itself keeps this name's A record while the lease runs")]
    Kept,
}

/// What becomes of the update of a lease's holder, to be applied in its place: prerequisites that keep it true until it is
/// decided are added, the time to live is bounded.
///
/// # Errors
/// [`NotOwn`]: the answer is REFUSED.
pub fn own_update(zone: &Zone, update: &Update, holder: &Holder) -> Result<Update, NotOwn> {
    // Whatever a prerequisite asks of its own name it could ask by a query too.
    if update.prerequisites.iter().any(|prerequisite| *name_of(prerequisite) != holder.name) {
        return Err(NotOwn::Prerequisite);
    }
    let own = Rdata::a(holder.address);
    let wants = wanted(&update.changes, holder, &own)?;
    let sets: Vec<SetRef<'_>> = zone.node(&holder.name).map_or_else(Vec::new, |node| node.sets().collect());
    let is_own = |set: &SetRef<'_>| set.rdata.are(std::slice::from_ref(&own));
    if holder.kept || sets.iter().any(|set| set.rtype == RecordType::DHCID) {
        // The record is there by the server's own hand, or will be: with its time to live, for as long as the lease runs.
        let is_others = sets.iter().any(|set| set.rtype == RecordType::A && !is_own(set));
        return match wants {
            Some(false) => Err(NotOwn::Kept),
            Some(true) if is_others => Err(NotOwn::Taken),
            Some(true) | None => Ok(Update { changes: Vec::new(), ..update.clone() }),
        };
    }
    let prerequisite = match &sets[..] {
        [] => Prerequisite::NameNotInUse(holder.name.clone()),
        [set] if set.rtype == RecordType::A && is_own(set) => {
            Prerequisite::RrsetIs(holder.name.clone(), RecordType::A, vec![own])
        }
        _ => return Err(NotOwn::Taken),
    };
    let mut allowed = update.clone();
    allowed.prerequisites.push(prerequisite);
    for change in &mut allowed.changes {
        if let Change::Add { ttl, .. } = change {
            *ttl = (*ttl).min(holder.ttl_max_secs);
        }
    }
    Ok(allowed)
}

/// The update that takes a former holder's record away when its lease has ended; nothing is done where the server keeps
/// the name, or the record is not there.
#[must_use]
pub fn departure(zone: &Zone, name: &Fqdn, address: Ipv4Addr) -> Option<Update> {
    let rdata = Rdata::a(address);
    let node = zone.node(name)?;
    let is_own =
        node.set(RecordType::DHCID).is_none() && node.set(RecordType::A).is_some_and(|set| set.rdata.contains(&rdata));
    is_own.then(|| Update {
        zone: zone.id().clone(),
        prerequisites: vec![Prerequisite::RrsetAbsent(name.clone(), RecordType::DHCID)],
        changes: vec![Change::DeleteRecord(name.clone(), RecordType::A, rdata)],
    })
}

fn name_of(prerequisite: &Prerequisite) -> &Fqdn {
    match prerequisite {
        Prerequisite::RrsetExists(name, _)
        | Prerequisite::RrsetIs(name, _, _)
        | Prerequisite::RrsetAbsent(name, _)
        | Prerequisite::NameInUse(name)
        | Prerequisite::NameNotInUse(name) => name,
    }
}

/// Whether the record is to be there after the changes; `None` when they do not say.
fn wanted(changes: &[Change], holder: &Holder, own: &Rdata) -> Result<Option<bool>, NotOwn> {
    let mut wants = None;
    for change in changes {
        let (name, rtype, rdata) = match change {
            Change::Add { name, rtype, rdata, .. } | Change::DeleteRecord(name, rtype, rdata) => {
                (name, *rtype, Some(rdata))
            }
            Change::DeleteRrset(name, rtype) => (name, *rtype, None),
            // Whatever types the name has.
            Change::DeleteName(name) => (name, RecordType::ANY, None),
        };
        if *name != holder.name {
            return Err(NotOwn::Name);
        }
        if rtype != RecordType::A {
            return Err(NotOwn::Type);
        }
        if rdata.is_some_and(|rdata| rdata != own) {
            return Err(NotOwn::Address);
        }
        wants = Some(matches!(change, Change::Add { .. }));
    }
    Ok(wants)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use dns::{Rcode, Rrset};

    use super::*;
    use crate::{AllowAll, NewZone, apply};

    fn name(text: &str) -> Fqdn {
        text.parse().unwrap()
    }

    fn own() -> Rdata {
        Rdata::a(holder().address)
    }

    fn other() -> Rdata {
        Rdata::a([192, 168, 30, 7].into())
    }

    fn holder() -> Holder {
        Holder { name: name("pc.example"), address: [192, 168, 30, 100].into(), ttl_max_secs: 600, kept: false }
    }

    fn zone(records: &[(&str, RecordType, Rdata)]) -> Zone {
        let mut sets = NewZone::new(name("example"), name("ns.example"), vec![]).rrsets();
        for (owner, rtype, rdata) in records {
            let owner = name(owner);
            match sets.iter_mut().find(|set| set.name == owner && set.rtype == *rtype) {
                Some(set) => _ = set.insert(rdata.clone()),
                None => sets.push(Rrset::single(owner, *rtype, 300, rdata.clone())),
            }
        }
        Zone::from_sets(name("example"), sets).unwrap()
    }

    fn add(owner: &str, rtype: RecordType, rdata: Rdata) -> Change {
        Change::Add { name: name(owner), rtype, ttl: 86_400, rdata }
    }

    fn update(prerequisites: Vec<Prerequisite>, changes: Vec<Change>) -> Update {
        Update { zone: name("example"), prerequisites, changes }
    }

    fn asked(zone: &Zone, changes: Vec<Change>) -> Result<Update, NotOwn> {
        own_update(zone, &update(vec![], changes), &holder())
    }

    const A: RecordType = RecordType::A;
    const DHCID: RecordType = RecordType::DHCID;

    #[test]
    fn the_holder_adds_and_deletes_its_own_record() {
        let before = zone(&[]);
        let allowed = asked(&before, vec![add("pc.example", A, own())]).unwrap();
        let (with, _) = apply(&before, &allowed, &AllowAll).unwrap();
        let set = with.rrset(&name("pc.example"), A).unwrap();
        assert_eq!((set.rdata, set.ttl), (vec![own()], 600), "no longer than the lease");
        for delete in [Change::DeleteRecord(name("pc.example"), A, own()), Change::DeleteRrset(name("pc.example"), A)] {
            let allowed = asked(&with, vec![delete]).unwrap();
            let (without, _) = apply(&with, &allowed, &AllowAll).unwrap();
            assert!(without.node(&name("pc.example")).is_none());
        }
        // As dhclient and Windows do it: away with what was there, and the record anew.
        let again = vec![Change::DeleteRrset(name("pc.example"), A), add("pc.example", A, own())];
        let allowed = asked(&with, again).unwrap();
        assert_eq!(apply(&with, &allowed, &AllowAll).unwrap().1, None, "no change");
    }

    #[test]
    fn another_name_address_or_type_is_refused() {
        let zone = zone(&[("www.example", A, other())]);
        let refused = |change| asked(&zone, vec![change]).unwrap_err();
        assert_eq!(refused(add("www.example", A, own())), NotOwn::Name);
        assert_eq!(refused(add("x.pc.example", A, own())), NotOwn::Name);
        assert_eq!(refused(Change::DeleteRrset(name("www.example"), A)), NotOwn::Name);
        assert_eq!(refused(Change::DeleteName(name("example"))), NotOwn::Name);
        assert_eq!(refused(add("pc.example", A, other())), NotOwn::Address);
        assert_eq!(refused(Change::DeleteRecord(name("pc.example"), A, other())), NotOwn::Address);
        for rtype in [RecordType::AAAA, RecordType::TXT, RecordType::CNAME, RecordType::NS, DHCID, RecordType::MX] {
            assert_eq!(refused(Change::DeleteRrset(name("pc.example"), rtype)), NotOwn::Type);
        }
        assert_eq!(refused(add("pc.example", RecordType::TXT, Rdata::txt(&["t"]))), NotOwn::Type);
        assert_eq!(refused(Change::DeleteName(name("pc.example"))), NotOwn::Type);
        // One bad change refuses the good one before it.
        let both = vec![add("pc.example", A, own()), add("www.example", A, own())];
        assert_eq!(asked(&zone, both), Err(NotOwn::Name));
    }

    #[test]
    fn a_prerequisite_cannot_be_used_to_probe_other_names() {
        let zone = zone(&[]);
        let probes = [
            Prerequisite::NameInUse(name("secret.example")),
            Prerequisite::NameNotInUse(name("secret.example")),
            Prerequisite::RrsetExists(name("secret.example"), A),
            Prerequisite::RrsetAbsent(name("secret.example"), A),
            Prerequisite::RrsetIs(name("secret.example"), A, vec![own()]),
        ];
        for probe in probes {
            for changes in [vec![], vec![add("pc.example", A, own())]] {
                let asked = own_update(&zone, &update(vec![probe.clone()], changes), &holder());
                assert_eq!(asked, Err(NotOwn::Prerequisite), "{probe:?}");
            }
        }
        // About its own name, as Windows asks before it adds.
        let windows = update(
            vec![Prerequisite::RrsetAbsent(name("pc.example"), RecordType::CNAME)],
            vec![add("pc.example", A, own())],
        );
        assert!(own_update(&zone, &windows, &holder()).is_ok());
    }

    #[test]
    fn what_somebody_else_put_under_the_name_stays() {
        for records in [
            vec![("pc.example", A, other())],
            vec![("pc.example", A, own()), ("pc.example", A, other())],
            vec![("pc.example", RecordType::TXT, Rdata::txt(&["by hand"]))],
            vec![("pc.example", RecordType::CNAME, Rdata::cname(&name("www.example")))],
        ] {
            let zone = zone(&records);
            assert_eq!(asked(&zone, vec![add("pc.example", A, own())]), Err(NotOwn::Taken), "{records:?}");
            assert_eq!(asked(&zone, vec![Change::DeleteRrset(name("pc.example"), A)]), Err(NotOwn::Taken));
        }
    }

    #[test]
    fn what_comes_between_looking_and_deciding_is_not_written_over() {
        let seen = zone(&[]);
        let allowed = asked(&seen, vec![add("pc.example", A, own())]).unwrap();
        let meanwhile = zone(&[("pc.example", A, other())]);
        assert_eq!(apply(&meanwhile, &allowed, &AllowAll).unwrap_err(), Rcode::YX_DOMAIN);
    }

    #[test]
    fn a_name_that_the_server_keeps_stays_as_the_server_keeps_it() {
        let dhcid = Rdata([0, 0, 1, 7].into());
        let kept = zone(&[("pc.example", A, own()), ("pc.example", DHCID, dhcid.clone())]);
        let again =
            asked(&kept, vec![Change::DeleteRrset(name("pc.example"), A), add("pc.example", A, own())]).unwrap();
        assert_eq!(again.changes, [], "it is there already, with the server's time to live");
        assert_eq!(asked(&kept, vec![Change::DeleteRrset(name("pc.example"), A)]), Err(NotOwn::Kept));
        let of_another = zone(&[("pc.example", A, other()), ("pc.example", DHCID, dhcid)]);
        assert_eq!(asked(&of_another, vec![add("pc.example", A, own())]), Err(NotOwn::Taken));
        // It is about to be written: nothing may be there before, which would look like somebody else's.
        let soon = Holder { kept: true, ..holder() };
        let add = update(vec![], vec![add("pc.example", A, own())]);
        assert_eq!(own_update(&zone(&[]), &add, &soon).unwrap().changes, []);
    }

    #[test]
    fn a_departed_clients_record_goes_with_its_lease_and_no_other() {
        let with = zone(&[("pc.example", A, own())]);
        let gone = departure(&with, &name("pc.example"), holder().address).unwrap();
        let (without, _) = apply(&with, &gone, &AllowAll).unwrap();
        assert!(without.node(&name("pc.example")).is_none());
        let others = zone(&[("pc.example", A, other())]);
        assert_eq!(departure(&others, &name("pc.example"), holder().address), None);
        let kept = zone(&[("pc.example", A, own()), ("pc.example", DHCID, Rdata([0, 0, 1, 7].into()))]);
        assert_eq!(departure(&kept, &name("pc.example"), holder().address), None);
    }
}
