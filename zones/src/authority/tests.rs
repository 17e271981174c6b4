#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use dns::{Change, Fqdn, Prerequisite, Rdata, RecordType};

use super::*;
use crate::{AllowAll, NewZone};

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn authority() -> ZoneAuthority {
    let mut zones = ZoneSet::new();
    zones.insert(NewZone::new(name("example"), name("ns.example"), vec![]).build().unwrap());
    ZoneAuthority::new(zones)
}

/// The claim of RFC 4703 section 5.3.1: the name is not in use, then it is added.
fn claim(owner: &str, last: u8) -> Update {
    Update {
        zone: name("example"),
        prerequisites: vec![Prerequisite::NameNotInUse(name(owner))],
        changes: vec![Change::Add {
            name: name(owner),
            rtype: RecordType::A,
            ttl: 60,
            rdata: Rdata::a([192, 0, 2, last].into()),
        }],
    }
}

fn has(zones: &ZoneSet, owner: &str) -> bool {
    zones.find(&name(owner)).unwrap().node(&name(owner)).is_some()
}

fn decide(authority: &mut ZoneAuthority, update: &Update) -> Decision {
    authority.apply(update, &AllowAll)
}

#[test]
fn a_change_is_published_only_when_it_is_stored() {
    let mut authority = authority();
    let decision = decide(&mut authority, &claim("a.example", 1));
    assert_eq!(decision.rcode, Rcode::NO_ERROR);
    assert!(decision.change.is_some());
    assert!(has(authority.tentative(), "a.example") && !has(authority.committed(), "a.example"));
    let ticket = decision.after.unwrap();
    assert_eq!(authority.settle(ticket, Outcome::Committed), Settled { published: vec![ticket], failed: vec![] });
    assert!(has(authority.committed(), "a.example"));
}

#[test]
fn the_second_claim_of_a_name_loses_before_the_first_is_stored_and_waits_for_it() {
    let mut authority = authority();
    let first = decide(&mut authority, &claim("a.example", 1));
    let second = decide(&mut authority, &claim("a.example", 2));
    assert_eq!(second, Decision { rcode: Rcode::YX_DOMAIN, change: None, followed: vec![], after: first.after });
    // The same words again: no change, but true only once the first is stored.
    let again = Update { prerequisites: vec![], ..claim("a.example", 1) };
    let repeated = decide(&mut authority, &again);
    assert_eq!(repeated, Decision { rcode: Rcode::NO_ERROR, change: None, followed: vec![], after: first.after });
    let _ = authority.settle(first.after.unwrap(), Outcome::Committed);
    assert_eq!(decide(&mut authority, &again).after, None);
}

#[test]
fn a_failure_takes_back_its_change_and_all_after_it() {
    let mut authority = authority();
    let tickets: Vec<Ticket> = ["a.example", "b.example", "c.example"]
        .map(|owner| decide(&mut authority, &claim(owner, 1)).after.unwrap())
        .into();
    assert_eq!(authority.settle(tickets[1], Outcome::Failed).failed, tickets[1..]);
    assert!(has(authority.tentative(), "a.example"));
    assert!(!has(authority.tentative(), "b.example") && !has(authority.tentative(), "c.example"));
    // Their names are free again, and the settled tickets stay settled.
    let retried = decide(&mut authority, &claim("b.example", 2));
    assert_eq!(retried.rcode, Rcode::NO_ERROR);
    assert_eq!(authority.settle(tickets[2], Outcome::Committed), Settled::default());
    assert_eq!(authority.settle(tickets[0], Outcome::Committed).published, tickets[..1]);
    assert_eq!(authority.settle(retried.after.unwrap(), Outcome::Committed).published.len(), 1);
    assert!(has(authority.committed(), "a.example") && has(authority.committed(), "b.example"));
    assert_eq!(authority.committed(), authority.tentative());
}

#[test]
fn publishing_follows_the_order_of_deciding() {
    let mut authority = authority();
    let first = decide(&mut authority, &claim("a.example", 1)).after.unwrap();
    let second = decide(&mut authority, &claim("b.example", 1)).after.unwrap();
    assert_eq!(authority.settle(second, Outcome::Committed), Settled::default());
    assert!(!has(authority.committed(), "b.example"));
    assert_eq!(authority.settle(first, Outcome::Committed).published, [first, second]);
    assert!(has(authority.committed(), "b.example"));
}

#[test]
fn rfc2136_3_1_2_a_zone_that_is_not_ours_is_notauth() {
    let mut authority = authority();
    for zone in ["other", "sub.example", "."] {
        let update = Update { zone: name(zone), ..claim("a.example", 1) };
        assert_eq!(decide(&mut authority, &update).rcode, Rcode::NOT_AUTH);
    }
}

#[test]
fn a_zone_of_the_configuration_is_published_like_any_change() {
    let mut authority = authority();
    let ticket = authority.put(NewZone::new(name("other"), name("ns.other"), vec![]).build().unwrap());
    assert!(authority.committed().get(&name("other")).is_none());
    let _ = authority.settle(ticket, Outcome::Committed);
    assert_eq!(authority.committed().zones().len(), 2);
}

#[test]
fn rows_give_the_zones_back() {
    let mut authority = authority();
    let ticket = decide(&mut authority, &claim("a.example", 1)).after.unwrap();
    let _ = authority.settle(ticket, Outcome::Committed);
    let zones = authority.committed().zones();
    let rows = zones.iter().flat_map(|zone| zone.rrsets().map(|set| (zone.apex().clone(), set)));
    assert_eq!(&ZoneSet::from_rows(rows).unwrap(), authority.committed());
}

#[test]
fn several_updates_decided_together_are_one_change_and_fail_together() {
    let mut authority = authority();
    let serial = authority.tentative().get(&name("example")).unwrap().serial();
    let mut together = authority.together();
    assert_eq!(together.apply(&claim("a.example", 1), &AllowAll), Ok(()));
    assert_eq!(together.apply(&claim("a.example", 2), &AllowAll), Err(Rcode::YX_DOMAIN), "it sees those before it");
    assert_eq!(together.apply(&claim("b.example", 3), &AllowAll), Ok(()));
    let elsewhere = Update { zone: name("other"), ..claim("a.example", 1) };
    assert_eq!(together.apply(&elsewhere, &AllowAll), Err(Rcode::NOT_AUTH));
    let (ticket, changes) = together.finish().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].serial_before, changes[0].serial_after), (serial, serial + 1));
    // Both names and the SOA.
    assert_eq!(changes[0].clone().into_sets().count(), 3);
    let a = |authority: &ZoneAuthority| {
        let zone = authority.tentative().get(&name("example")).unwrap();
        zone.set(&name("a.example"), RecordType::A).map(|set| set.rdata.to_vec())
    };
    assert_eq!(a(&authority), Some(vec![Rdata::a([192, 0, 2, 1].into())]));
    assert!(!has(authority.committed(), "b.example"));
    let later = decide(&mut authority, &claim("c.example", 4));
    let settled = authority.settle(ticket, Outcome::Failed);
    assert_eq!(settled.failed, vec![ticket, later.after.unwrap()]);
    assert!(["a.example", "b.example", "c.example"].iter().all(|owner| !has(authority.tentative(), owner)));

    let mut together = authority.together();
    assert_eq!(together.apply(&claim("a.example", 1), &AllowAll), Ok(()));
    let (ticket, _) = together.finish().unwrap();
    assert_eq!(authority.settle(ticket, Outcome::Committed).published, vec![ticket]);
    assert!(has(authority.committed(), "a.example"));
    let unchanging = Update { prerequisites: vec![], ..claim("a.example", 1) };
    let mut together = authority.together();
    assert_eq!(together.apply(&unchanging, &AllowAll), Ok(()));
    assert_eq!(together.finish(), None, "nothing changed: nothing to store");
}

fn transferred(serial: u32) -> Zone {
    NewZone { serial, ..NewZone::new(name("copy.example"), name("ns.copy.example"), vec![]) }.build().unwrap()
}

fn taken(before: Option<&Zone>, zone: &Zone) -> Taken {
    let incoming = crate::intake::Incoming::Whole(zone.rrsets().collect());
    crate::intake::take(zone.apex(), before, incoming).unwrap().unwrap()
}

#[test]
fn a_transferred_zone_is_published_once_it_is_stored_and_may_be_withheld() {
    let mut zones = ZoneSet::new();
    let apex = name("copy.example");
    zones.withhold(&apex, Unavailable::NotLoaded);
    let mut authority = ZoneAuthority::new(zones);
    let (first, second) = (transferred(5), transferred(6));
    let (ticket, cut) = authority.take_in(&taken(None, &first)).unwrap();
    assert!(authority.committed().get(&apex).is_none() && cut.is_empty());
    let _ = authority.settle(ticket, Outcome::Committed);
    assert_eq!(authority.committed().get(&apex), Some(&first));
    let (ticket, _) = authority.take_in(&taken(Some(&first), &second)).unwrap();
    // What failed is as if it had not come; its step too.
    let _ = authority.settle(ticket, Outcome::Failed);
    assert!(authority.history(&apex).unwrap().is_empty());
    let (ticket, _) = authority.take_in(&taken(Some(&first), &second)).unwrap();
    authority.withhold(&apex, Unavailable::Expired);
    assert!(authority.committed().get(&apex).is_none());
    let _ = authority.settle(ticket, Outcome::Committed);
    assert!(authority.committed().get(&apex).is_none(), "what was under way is withheld too");
    authority.show(&second);
    assert_eq!(authority.committed().get(&apex), Some(&second));
    assert!(authority.history(&apex).unwrap().between(5, 6).is_some());
}
