//! Records that the configuration states: written where nothing is, changed and removed only as they were written.

use dns::Rrset;

use super::*;

fn txt(text: &str) -> Rdata {
    Rdata::txt(&[text])
}

impl World {
    /// The configuration states this of a name and type, or nothing.
    fn state(&mut self, owner: &str, rtype: RecordType, data: &[Rdata]) {
        self.table.set_configuring(true);
        let applied = match Rrset::new(name(owner), rtype, 600, data.to_vec()) {
            Some(set) => self.table.state(&set),
            None => self.table.unstate(&key(owner, rtype)),
        };
        self.table.set_configuring(false);
        for row in applied.rows {
            self.wanted_stored.insert(row.key.clone(), row.clone());
            self.reconciler.handle_wanted(self.now, row);
        }
    }

    fn stage(&self, owner: &str, rtype: RecordType) -> Option<(Stage, LastAnswer)> {
        self.reconciler.row(&key(owner, rtype)).map(|row| (row.stage, row.last))
    }

    fn is_refused(&self, owner: &str, rtype: RecordType) -> bool {
        matches!(self.stage(owner, rtype), Some((Stage::Waits { .. }, LastAnswer::Conflict)))
    }
}

fn key(owner: &str, rtype: RecordType) -> RowKey {
    RowKey::Stated(name(owner), rtype)
}

const TXT: RecordType = RecordType::TXT;
const CNAME: RecordType = RecordType::CNAME;

#[test]
fn a_stated_record_is_written_changed_and_removed() {
    let mut world = World::new();
    world.state("www.lan", TXT, &[txt("one"), txt("two")]);
    world.state("ftp.lan", CNAME, &[Rdata::cname(&name("www.lan"))]);
    world.settle();
    assert_eq!(world.server.data("www.lan", TXT), [txt("one"), txt("two")]);
    assert_eq!(world.server.data("ftp.lan", CNAME).len(), 1);
    assert_eq!(world.server.dhcid_count(), 0);
    world.state("www.lan", TXT, &[txt("three")]);
    world.settle();
    assert_eq!(world.server.data("www.lan", TXT), [txt("three")]);
    world.state("www.lan", TXT, &[]);
    world.state("ftp.lan", CNAME, &[]);
    world.settle();
    assert!(!world.server.is_in_use("www.lan") && !world.server.is_in_use("ftp.lan"));
    assert!(world.table.is_empty() && world.stored.is_empty() && world.wanted_stored.is_empty());
    assert_eq!(world.table.stated().count(), 0);
}

#[test]
fn somebody_elses_records_are_told_of_and_left_alone() {
    let mut world = World::new();
    world.server.add_by_hand("www.lan", TXT, txt("mine"));
    world.server.add_by_hand("alias.lan", RecordType::A, Rdata::a("10.0.0.9".parse().unwrap()));
    world.server.add_by_hand("taken.lan", CNAME, Rdata::cname(&name("pc.lan")));
    world.state("www.lan", TXT, &[txt("yours")]);
    world.state("alias.lan", CNAME, &[Rdata::cname(&name("pc.lan"))]);
    world.state("taken.lan", TXT, &[txt("beside an alias")]);
    world.run();
    let before = world.server.clone();
    for (owner, rtype) in [("www.lan", TXT), ("alias.lan", CNAME), ("taken.lan", TXT)] {
        assert!(world.is_refused(owner, rtype), "{:?}", world.stage(owner, rtype));
    }
    let words: Vec<String> = world.news.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), 3, "{words:?}");
    assert!(words.iter().any(|words| words.contains("the TXT record of www.lan. is not written: other records")));
    // What is stated then, and no more at last, does not touch them either.
    world.state("www.lan", TXT, &[txt("ours")]);
    world.run();
    world.state("www.lan", TXT, &[]);
    world.state("taken.lan", TXT, &[]);
    world.run();
    assert_eq!(world.server, before);
    // Once the other is gone, it is written at the next try.
    world.server.delete_by_hand("alias.lan", RecordType::A);
    world.advance(Settings::default().retry.conflict_ms + 1);
    world.settle();
    assert_eq!(world.server.data("alias.lan", CNAME).len(), 1);
}

#[test]
fn what_somebody_changed_by_hand_is_neither_overwritten_nor_removed() {
    let mut world = World::new();
    world.state("www.lan", TXT, &[txt("one")]);
    world.state("old.lan", TXT, &[txt("one")]);
    world.settle();
    world.server.add_by_hand("www.lan", TXT, txt("by hand"));
    world.server.add_by_hand("old.lan", TXT, txt("by hand"));
    world.state("www.lan", TXT, &[txt("two")]);
    world.state("old.lan", TXT, &[]);
    world.run();
    let both = {
        let mut both = [txt("one"), txt("by hand")];
        both.sort();
        both
    };
    assert_eq!(world.server.data("www.lan", TXT), both);
    assert_eq!(world.server.data("old.lan", TXT), both);
    assert!(world.is_refused("www.lan", TXT));
    // A record that was not written because others were there is not ours when the like of it comes to stand there.
    world.server.delete_by_hand("www.lan", TXT);
    world.server.add_by_hand("www.lan", TXT, txt("two"));
    world.state("www.lan", TXT, &[]);
    world.run();
    assert_eq!(world.server.data("www.lan", TXT), [txt("two")]);
}

#[test]
fn what_stands_there_as_it_is_stated_is_as_wanted() {
    let mut world = World::new();
    world.server.add_by_hand("www.lan", TXT, txt("one"));
    world.state("www.lan", TXT, &[txt("one")]);
    world.settle();
    assert_eq!(world.stage("www.lan", TXT).unwrap().0, Stage::Done);
}

#[test]
fn lost_answers_restarts_and_edits_in_between_leave_nothing_behind() {
    for fate in [Fate::LoseReply, Fate::LoseRequest] {
        for restarts in [false, true] {
            let mut world = World::new();
            for text in ["one", "two", "three"] {
                world.fates = vec![fate];
                world.state("www.lan", TXT, &[txt(text)]);
                while world.step() {}
                if restarts {
                    world.restart();
                }
            }
            world.run();
            assert_eq!(world.server.data("www.lan", TXT), [txt("three")], "{fate:?} {restarts}");
            // And back to what it was before.
            world.state("www.lan", TXT, &[txt("one")]);
            world.run();
            world.restart();
            world.fates = vec![fate];
            world.state("www.lan", TXT, &[]);
            world.advance(3_000);
            if restarts {
                world.restart();
            }
            world.advance(60_000);
            world.run();
            assert!(!world.server.is_in_use("www.lan"), "{fate:?} {restarts}");
            assert!(world.stored.is_empty());
        }
    }
}

#[test]
fn another_type_at_the_name_makes_room_first() {
    let mut world = World::new();
    world.state("www.lan", RecordType::A, &[Rdata::a("10.0.0.9".parse().unwrap())]);
    world.settle();
    world.state("www.lan", CNAME, &[Rdata::cname(&name("pc.lan"))]);
    world.state("www.lan", RecordType::A, &[]);
    world.run();
    assert_eq!((world.server.data("www.lan", CNAME).len(), world.server.data("www.lan", RecordType::A).len()), (1, 0));
    world.state("www.lan", CNAME, &[]);
    world.state("www.lan", TXT, &[txt("no alias any more")]);
    world.run();
    assert_eq!((world.server.data("www.lan", CNAME).len(), world.server.data("www.lan", TXT).len()), (0, 1));
}

#[test]
fn a_configuration_that_states_much_less_is_held_back() {
    let mut world = World::new();
    let owner = |n: u8| format!("r{n}.lan");
    (0..30).for_each(|n| world.state(&owner(n), TXT, &[txt("x")]));
    world.settle();
    (0..30).for_each(|n| world.state(&owner(n), TXT, &[]));
    world.run();
    assert_eq!(world.server.data("r7.lan", TXT).len(), 1, "nothing is deleted");
    assert_eq!(world.reconciler.held_back()[0].keys.len(), 30);
    let now = world.now;
    assert_eq!(world.reconciler.confirm_deletions(now, &name("lan")), 30);
    world.run();
    assert!((0..30).all(|n| !world.server.is_in_use(&owner(n))));
}

/// The zone is held here from now on, with what is stated in it: no update is made for that, and none takes it away.
#[test]
fn stated_records_of_a_zone_that_is_embedded_by_now_are_left_to_it() {
    let mut world = World::new();
    world.state("www.lan", TXT, &[txt("one")]);
    world.settle();
    let route = |apex| crate::settings::ZoneRoute { apex: name(apex), server: ZoneServer::Embedded };
    world.settings =
        Arc::new(Settings { zones: vec![route("lan"), route("10.in-addr.arpa")].into(), ..Settings::default() });
    world.restart();
    world.state("www.lan", TXT, &[]);
    world.run();
    assert_eq!(world.server.data("www.lan", TXT), [txt("one")]);
    assert!(world.stored.is_empty() && world.wanted_stored.is_empty());
}

#[test]
fn keys_are_no_larger_for_it() {
    assert_eq!(size_of::<RowKey>(), 24);
}
