//! Clients that claim names, a store that commits, fails and crashes, and a simple model beside them.

use std::collections::{BTreeMap, VecDeque};

use dns::{Change, Fqdn, Prerequisite, Rcode, Rdata, RecordType, Rrset, Update};
use proptest::prelude::*;
use zones::{AllowAll, NewZone, Outcome, Ticket, ZoneAuthority, ZoneChange, ZoneSet};

const APEX: &str = "example";

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A client claims a name that must not be in use.
    Claim { host: u8, client: u8 },
    /// A client gives a name back, if it is its own.
    Release { host: u8, client: u8 },
    /// A client says again what it has said before: its record is there.
    Repeat { host: u8, client: u8 },
    /// The oldest change that waits is stored.
    Commit,
    /// One of those that wait cannot be stored.
    Fail(prop::sample::Index),
    /// The process dies; whatever is stored comes back.
    Crash,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let of_client = || (0_u8..4, 0_u8..4);
    prop_oneof![
        5 => of_client().prop_map(|(host, client)| Step::Claim { host, client }),
        3 => of_client().prop_map(|(host, client)| Step::Release { host, client }),
        2 => of_client().prop_map(|(host, client)| Step::Repeat { host, client }),
        5 => Just(Step::Commit),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        1 => Just(Step::Crash),
    ]
}

/// An answer that waits for its change.
struct Waiting {
    after: Ticket,
    told: Option<(Fqdn, Option<Rdata>)>,
}

struct World {
    authority: ZoneAuthority,
    /// What is on disk.
    rows: BTreeMap<(Fqdn, RecordType), Rrset>,
    /// Changes handed to the store, in order.
    queue: VecDeque<(Ticket, ZoneChange)>,
    waiting: Vec<Waiting>,
    /// What clients were told last of each name: whose it is, or nobody's.
    told: BTreeMap<Fqdn, Option<Rdata>>,
    serial: u32,
}

pub(crate) fn run(steps: &[Step]) {
    let zone = NewZone::new(apex(), "ns.example".parse().unwrap(), vec![]);
    let rows = zone.rrsets().into_iter().map(|set| ((set.name.clone(), set.rtype), set)).collect();
    let mut world = World {
        authority: ZoneAuthority::default(),
        rows,
        queue: VecDeque::new(),
        waiting: Vec::new(),
        told: BTreeMap::new(),
        serial: 0,
    };
    world.restart();
    for step in steps {
        world.take(step);
        world.check();
    }
    while !world.queue.is_empty() {
        world.take(&Step::Commit);
        world.check();
    }
    assert_eq!(world.authority.tentative(), world.authority.committed());
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Claim { host, client } => self.update(*host, *client, |name, rdata| Update {
                zone: apex(),
                prerequisites: vec![Prerequisite::NameNotInUse(name.clone())],
                changes: vec![Change::Add { name, rtype: RecordType::A, ttl: 60, rdata }],
            }),
            Step::Release { host, client } => self.update(*host, *client, |name, rdata| Update {
                zone: apex(),
                prerequisites: vec![Prerequisite::RrsetIs(name.clone(), RecordType::A, vec![rdata])],
                changes: vec![Change::DeleteName(name)],
            }),
            Step::Repeat { host, client } => self.update(*host, *client, |name, rdata| Update {
                zone: apex(),
                prerequisites: vec![Prerequisite::RrsetIs(name.clone(), RecordType::A, vec![rdata.clone()])],
                changes: vec![Change::Add { name, rtype: RecordType::A, ttl: 60, rdata }],
            }),
            Step::Commit => {
                if let Some((ticket, change)) = self.queue.pop_front() {
                    for (name, rtype, set) in change.into_sets() {
                        match set {
                            Some(set) => self.rows.insert((name, rtype), set),
                            None => self.rows.remove(&(name, rtype)),
                        };
                    }
                    self.settle(ticket, Outcome::Committed);
                }
            }
            Step::Fail(index) => {
                if !self.queue.is_empty() {
                    let at = index.index(self.queue.len());
                    let ticket = self.queue[at].0;
                    self.queue.truncate(at);
                    self.settle(ticket, Outcome::Failed);
                }
            }
            Step::Crash => self.restart(),
        }
    }

    fn restart(&mut self) {
        let rows = self.rows.values().map(|set| (apex(), set.clone()));
        self.authority = ZoneAuthority::new(ZoneSet::from_rows(rows).unwrap());
        self.queue.clear();
        self.waiting.clear();
    }

    fn update(&mut self, host: u8, client: u8, build: impl FnOnce(Fqdn, Rdata) -> Update) {
        let name: Fqdn = format!("host{host}.example").parse().unwrap();
        let rdata = Rdata::a([192, 0, 2, client].into());
        let update = build(name.clone(), rdata.clone());
        let deletes = matches!(update.changes[..], [Change::DeleteName(_)]);
        let decision = self.authority.apply(&update, &AllowAll);
        let done = decision.rcode == Rcode::NO_ERROR;
        let told = done.then(|| (name, (!deletes).then_some(rdata)));
        if let Some(change) = decision.change {
            self.queue.push_back((decision.after.unwrap(), change));
        }
        match decision.after {
            Some(after) => self.waiting.push(Waiting { after, told }),
            None => self.tell(told),
        }
    }

    fn settle(&mut self, ticket: Ticket, outcome: Outcome) {
        let settled = self.authority.settle(ticket, outcome);
        for waiting in std::mem::take(&mut self.waiting) {
            if settled.published.contains(&waiting.after) {
                self.tell(waiting.told);
            } else if !settled.failed.contains(&waiting.after) {
                self.waiting.push(waiting);
            }
        }
    }

    fn tell(&mut self, told: Option<(Fqdn, Option<Rdata>)>) {
        if let Some((name, owner)) = told {
            self.told.insert(name, owner);
        }
    }

    /// What is published is what is stored; whoever was told that a name is his finds it so; contents do not change
    /// under one serial, and no serial comes back.
    fn check(&mut self) {
        let zone = self.authority.committed().get(&apex()).unwrap();
        let published: BTreeMap<_, _> = zone.rrsets().map(|set| ((set.name.clone(), set.rtype), set)).collect();
        assert_eq!(published, self.rows);
        for (name, owner) in &self.told {
            let found = zone.set(name, RecordType::A).map(|set| set.rdata.to_vec());
            assert_eq!(found, owner.clone().map(|owner| vec![owner]), "{name}");
        }
        assert!(zone.serial() >= self.serial);
        self.serial = zone.serial();
        let mut before = zone.serial();
        for (_, change) in &self.queue {
            assert_eq!(change.serial_before, before);
            assert!(zones::serial::is_newer(change.serial_after, before));
            before = change.serial_after;
        }
    }
}

fn apex() -> Fqdn {
    APEX.parse().unwrap()
}
