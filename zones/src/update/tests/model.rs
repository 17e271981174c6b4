//! Random updates against a naive model: a flat list of records, RFC 2136's pseudo-code read off line by line.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Owner, type, data; TTLs beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Flat {
    records: Vec<(Fqdn, RecordType, Rdata)>,
    ttls: BTreeMap<(Fqdn, RecordType), u32>,
}

impl Flat {
    fn of(zone: &Zone) -> Self {
        let mut flat = Self::default();
        for set in zone.rrsets() {
            flat.ttls.insert((set.name.clone(), set.rtype), set.ttl);
            flat.records.extend(set.rdata.into_iter().map(|rdata| (set.name.clone(), set.rtype, rdata)));
        }
        flat.sorted()
    }

    fn sorted(mut self) -> Self {
        self.records.sort();
        let records = &self.records;
        self.ttls.retain(|(name, rtype), _| records.iter().any(|(n, t, _)| (n, t) == (name, rtype)));
        self
    }

    fn any(&self, wanted: impl Fn(&Fqdn, RecordType) -> bool) -> bool {
        self.records.iter().any(|(name, rtype, _)| wanted(name, *rtype))
    }

    fn serial(&self) -> u32 {
        let soa = self.records.iter().find(|(_, rtype, _)| *rtype == SOA).unwrap();
        soa.2.to_soa().unwrap().serial
    }

    fn check(&self, prerequisite: &Prerequisite) -> Result<(), Rcode> {
        let (holds, code) = match prerequisite {
            Prerequisite::RrsetExists(name, rtype) => (self.any(|n, t| n == name && t == *rtype), Rcode::NX_RRSET),
            Prerequisite::RrsetAbsent(name, rtype) => (!self.any(|n, t| n == name && t == *rtype), Rcode::YX_RRSET),
            Prerequisite::NameInUse(name) => (self.any(|n, _| n == name), Rcode::NX_DOMAIN),
            Prerequisite::NameNotInUse(name) => (!self.any(|n, _| n == name), Rcode::YX_DOMAIN),
            Prerequisite::RrsetIs(name, rtype, data) => {
                let mut ours: Vec<_> =
                    self.records.iter().filter(|(n, t, _)| (n, t) == (name, rtype)).map(|(_, _, d)| d).collect();
                let mut theirs: Vec<_> = data.iter().collect();
                ours.sort();
                theirs.sort();
                theirs.dedup();
                (ours == theirs, Rcode::NX_RRSET)
            }
        };
        if holds { Ok(()) } else { Err(code) }
    }

    fn make(&mut self, change: &Change) {
        let apex = name("example");
        match change {
            Change::Add { name, rtype, ttl, rdata } => {
                if *rtype == CNAME && self.any(|n, t| n == name && t != CNAME) {
                    return;
                }
                if *rtype != CNAME && self.any(|n, t| n == name && t == CNAME) {
                    return;
                }
                if *rtype == SOA {
                    let ahead = rdata.to_soa().unwrap().serial.wrapping_sub(self.serial());
                    if *name != apex || ahead == 0 || ahead >= 1 << 31 {
                        return;
                    }
                }
                let single = matches!(*rtype, CNAME | SOA | RecordType::DNAME);
                self.records.retain(|(n, t, d)| !((n, t) == (name, rtype) && (single || d == rdata)));
                self.records.push((name.clone(), *rtype, rdata.clone()));
                self.ttls.insert((name.clone(), *rtype), *ttl);
            }
            Change::DeleteRrset(name, rtype) => {
                if !(*name == apex && matches!(*rtype, SOA | NS)) {
                    self.records.retain(|(n, t, _)| (n, t) != (name, rtype));
                }
            }
            Change::DeleteName(name) => {
                self.records.retain(|(n, t, _)| n != name || (*name == apex && matches!(*t, SOA | NS)));
            }
            Change::DeleteRecord(name, rtype, rdata) => {
                let last = self.records.iter().filter(|(n, t, _)| (n, t) == (name, rtype)).count() == 1;
                if !(*name == apex && (*rtype == SOA || (*rtype == NS && last))) {
                    self.records.retain(|(n, t, d)| (n, t, d) != (name, rtype, rdata));
                }
            }
        }
    }

    fn apply(&self, update: &Update) -> Result<Self, Rcode> {
        for prerequisite in &update.prerequisites {
            self.check(prerequisite)?;
        }
        let mut next = self.clone();
        for change in &update.changes {
            next.make(change);
        }
        let mut next = next.sorted();
        if next != *self && next.serial() == self.serial() {
            let of_soa = next.records.iter_mut().find(|(_, rtype, _)| *rtype == SOA).unwrap();
            let mut soa = of_soa.2.to_soa().unwrap();
            soa.serial = if soa.serial == u32::MAX { 1 } else { soa.serial + 1 };
            of_soa.2 = Rdata::soa(&soa);
        }
        Ok(next.sorted())
    }
}

fn owner() -> impl Strategy<Value = Fqdn> {
    prop::sample::select(vec!["example", "a.example", "b.example", "c.a.example"]).prop_map(name)
}

fn record() -> impl Strategy<Value = (RecordType, Rdata)> {
    prop_oneof![
        4 => (0_u8..3).prop_map(|last| (A, a(last))),
        2 => (0_u8..3).prop_map(|last| (TXT, Rdata::txt(&[[last]]))),
        1 => (0_u8..2).prop_map(|last| (NS, Rdata::ns(&name(&format!("ns{last}.example"))))),
        1 => (0_u8..2).prop_map(|last| (CNAME, Rdata::cname(&name(&format!("c{last}.example"))))),
        1 => prop::sample::select(vec![0, 1, 2, 5, u32::MAX, 1 << 31]).prop_map(|serial| (SOA, soa(serial))),
    ]
}

fn prerequisite() -> impl Strategy<Value = Prerequisite> {
    (0..5, owner(), record(), record()).prop_map(|(kind, name, (rtype, rdata), (_, other))| match kind {
        0 => Prerequisite::RrsetExists(name, rtype),
        1 => Prerequisite::RrsetIs(name, rtype, vec![rdata, other]),
        2 => Prerequisite::RrsetAbsent(name, rtype),
        3 => Prerequisite::NameInUse(name),
        _ => Prerequisite::NameNotInUse(name),
    })
}

fn one_change() -> impl Strategy<Value = Change> {
    (0..7, owner(), record(), prop::sample::select(vec![60, 300])).prop_map(|(kind, name, (rtype, rdata), ttl)| {
        match kind {
            0 => Change::DeleteRrset(name, rtype),
            1 => Change::DeleteName(name),
            2 => Change::DeleteRecord(name, rtype, rdata),
            _ => Change::Add { name, rtype, ttl, rdata },
        }
    })
}

fn any_update() -> impl Strategy<Value = Update> {
    (prop::collection::vec(prerequisite(), 0..2), prop::collection::vec(one_change(), 0..6))
        .prop_map(|(prerequisites, changes)| Update { zone: name("example"), prerequisites, changes })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn updates_do_what_the_pseudo_code_does(updates in prop::collection::vec(any_update(), 1..12)) {
        let mut zone = zone();
        let mut model = Flat::of(&zone);
        for update in updates {
            let expected = model.apply(&update);
            let result = apply(&zone, &update, &AllowAll);
            prop_assert_eq!(result.as_ref().map(|(next, _)| Flat::of(next)).map_err(|code| *code), expected.clone());
            let (Ok((next, change)), Ok(expected)) = (result, expected) else { continue };
            prop_assert_eq!(change.is_some(), expected != model);
            let mut replayed = zone.clone();
            for (name, rtype, set) in change.into_iter().flat_map(ZoneChange::into_sets) {
                replayed.put(&name, rtype, set);
            }
            prop_assert_eq!(&replayed, &next);
            let rebuilt = Zone::from_sets(name("example"), next.rrsets()).unwrap();
            prop_assert_eq!(&rebuilt, &next);
            next.check();
            (zone, model) = (next, expected);
        }
    }
}
