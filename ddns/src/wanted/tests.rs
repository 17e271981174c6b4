#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::reconcile::LastAnswer;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn identity(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

fn ip(n: u8) -> IpAddr {
    IpAddr::from([192, 168, 30, n])
}

fn claim(text: &str, who: u8) -> Claim {
    Claim {
        name: name(text),
        identity: identity(who),
        forward: true,
        reverse: true,
        ttl_secs: 600,
        guard: ConflictGuard::default(),
    }
}

fn forward(text: &str) -> RowKey {
    RowKey::Forward(name(text))
}

fn held(text: &str, who: u8, addresses: &[u8]) -> Held {
    let (name, identity, guard) = (name(text), identity(who), ConflictGuard::default());
    Held { name, identity, addresses: addresses.iter().copied().map(ip).collect(), guard }
}

#[test]
fn a_lease_wants_its_name_and_its_address() {
    let mut table = WantedTable::default();
    let applied = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    assert_eq!(applied.rows.len(), 2);
    let row = table.get(&forward("a.lan")).unwrap();
    assert_eq!(row.want.as_ref().unwrap().addresses, [ip(1)]);
    let reverse = table.get(&RowKey::Reverse(ip(1))).unwrap().want.unwrap();
    assert_eq!((&reverse.name, reverse.after_forward), (&name("a.lan"), true));
    assert_eq!(table.owner_of(&name("A.LAN")), Some(identity(1)));
    // A renewal changes nothing.
    assert!(table.apply(ip(1), Some(claim("a.lan", 1)), Some(claim("a.lan", 1))).rows.is_empty());
}

/// RFC 4703 section 5.3.2 replaces the addresses of this family, so the row holds them all.
#[test]
fn rfc4703_5_3_2_two_interfaces_of_one_identity_make_one_whole_set() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(2), None, Some(claim("a.lan", 1)));
    let v6: IpAddr = "2001:db8::2".parse().unwrap();
    let _ = table.apply(v6, None, Some(claim("a.lan", 1)));
    let applied = table.apply(ip(1), None, Some(Claim { ttl_secs: 300, ..claim("a.lan", 1) }));
    let want = applied.rows[0].want.as_ref().unwrap();
    assert_eq!((&want.addresses[..], want.ttl_secs), (&[ip(1), ip(2), v6][..], 300));
    // The longer lease's renewal does not lengthen what the shorter one shortened.
    assert!(table.apply(ip(2), Some(claim("a.lan", 1)), Some(claim("a.lan", 1))).rows.is_empty());

    let applied = table.apply(v6, Some(claim("a.lan", 1)), None);
    let row = &applied.rows[0];
    assert_eq!(row.want.as_ref().unwrap().addresses, [ip(1), ip(2)]);
    assert_eq!(row.former[0].addresses, [v6]);
}

#[test]
fn a_name_whose_last_address_leaves_wants_nothing_until_its_removal_is_confirmed() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), None);
    let row = table.get(&forward("a.lan")).unwrap().clone();
    assert_eq!((row.want, &row.former[..]), (None, &[held("a.lan", 1, &[1])][..]));
    assert_eq!(table.owner_of(&name("a.lan")), None);

    assert!(table.remove_settled(&row.key, row.generation - 1).is_none());
    let undo = table.remove_settled(&row.key, row.generation).unwrap();
    assert_eq!(table.get(&row.key), None);
    table.revert(undo);
    assert!(table.get(&row.key).is_some());
}

#[test]
fn a_name_that_is_taken_over_leaves_its_holder_at_every_address_and_comes_back_whole() {
    let mut table = WantedTable::default();
    for address in [1, 2] {
        let _ = table.apply(ip(address), None, Some(claim("pc.lan", 1)));
    }
    let before: BTreeMap<RowKey, WantedRow> = table.iter().map(|row| (row.key.clone(), row.clone())).collect();
    let applied = table.take_over(ip(3), None, claim("pc.lan", 2));
    assert_eq!(applied.displaced, [ip(1), ip(2)]);
    assert_eq!(applied.rows.len(), 4, "the name and three pointers");
    let row = table.get(&RowKey::Forward(name("pc.lan"))).unwrap();
    assert_eq!(row.want.as_ref().map(|want| want.addresses.clone()), Some(vec![ip(3)]));
    assert_eq!(row.former, [held("pc.lan", 1, &[1, 2])]);
    assert!([1, 2].iter().all(|n| table.get(&RowKey::Reverse(ip(*n))).unwrap().want.is_none()));
    // Its own name is nobody's to be taken over.
    let own = table.take_over(ip(4), None, claim("pc.lan", 2));
    assert!(own.displaced.is_empty());
    table.revert(own.undo);
    table.revert(applied.undo);
    let after: BTreeMap<RowKey, WantedRow> = table.iter().map(|row| (row.key.clone(), row.clone())).collect();
    assert_eq!(after, before);
}

#[test]
fn a_name_whose_guard_writes_a_dhcid_no_more_remembers_that_it_did() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("pc.lan", 1)));
    let without = Claim { guard: ConflictGuard::NoCheckWithoutDhcid, ..claim("pc.lan", 1) };
    let applied = table.apply(ip(1), Some(claim("pc.lan", 1)), Some(without.clone()));
    assert_eq!(applied.rows[0].former, [held("pc.lan", 1, &[1])]);
    assert_eq!(table.apply(ip(1), Some(without.clone()), Some(without)).rows, []);
}

#[test]
fn a_new_owner_remembers_the_former_one_until_settled() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), None);
    let applied = table.apply(ip(2), None, Some(claim("a.lan", 2)));
    assert_eq!(applied.rows[0].former, [held("a.lan", 1, &[1])]);
    let (key, generation) = (applied.rows[0].key.clone(), applied.rows[0].generation);
    assert!(table.remove_settled(&key, generation).is_none());
    assert!(table.get(&key).unwrap().former.is_empty());
    // The address gets another name: its PTR's former target is remembered.
    let applied = table.apply(ip(2), Some(claim("a.lan", 2)), Some(claim("b.lan", 2)));
    let reverse = applied.rows.iter().find(|row| row.key == RowKey::Reverse(ip(2))).unwrap();
    assert_eq!(reverse.former, [held("a.lan", 2, &[2])]);
}

#[test]
fn an_owner_that_comes_back_is_not_its_own_former() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), None);
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    assert!(table.iter().all(|row| row.want.is_some() && row.former.is_empty()));
    // By another address: the first one is still to be removed.
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), None);
    let _ = table.apply(ip(2), None, Some(claim("a.lan", 1)));
    assert_eq!(table.get(&forward("a.lan")).unwrap().former, [held("a.lan", 1, &[1])]);
}

#[test]
fn names_a_second_claimant_is_not_granted_and_changes_nothing() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    assert!(table.apply(ip(2), None, Some(claim("a.lan", 2))).rows.is_empty());
    assert_eq!((table.owner_of(&name("a.lan")), table.len()), (Some(identity(1)), 2));
    // The loser leaves: the holder's records stay.
    assert!(table.apply(ip(2), Some(claim("a.lan", 2)), None).rows.is_empty());
    // The holder leaves: the loser's next renewal gets the name.
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), None);
    assert_eq!(table.apply(ip(2), Some(claim("a.lan", 2)), Some(claim("a.lan", 2))).rows.len(), 2);
    assert_eq!(table.owner_of(&name("a.lan")), Some(identity(2)));
}

#[test]
fn one_lease_may_pass_its_name_to_another_identity_in_one_step() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    let applied = table.apply(ip(1), Some(claim("a.lan", 1)), Some(claim("a.lan", 2)));
    assert_eq!(applied.rows.len(), 2);
    assert_eq!(applied.rows[0].former, [held("a.lan", 1, &[1])]);
    table.revert(applied.undo);
    assert_eq!(table.owner_of(&name("a.lan")), Some(identity(1)));
}

#[test]
fn former_owners_are_bounded() {
    let mut table = WantedTable::default();
    for who in 1..=20 {
        let _ = table.apply(ip(who), None, Some(claim("a.lan", who)));
        let _ = table.apply(ip(who), Some(claim("a.lan", who)), None);
    }
    assert_eq!(table.get(&forward("a.lan")).unwrap().former.len(), FORMER_MAX);
    for address in 1..=200 {
        let _ = table.apply(ip(address), None, Some(claim("b.lan", 1)));
        let _ = table.apply(ip(address), Some(claim("b.lan", 1)), None);
    }
    assert_eq!(table.get(&forward("b.lan")).unwrap().former[0].addresses.len(), FORMER_ADDRESSES_MAX);
}

#[test]
fn generations_start_above_everything_loaded() {
    let want = Want {
        name: name("a.lan"),
        identity: identity(1),
        addresses: vec![ip(1)],
        ttl_secs: 1,
        after_forward: false,
        guard: ConflictGuard::default(),
    };
    let row = |key: &str, generation| WantedRow {
        key: forward(key),
        generation,
        want: Some(want.clone()),
        former: vec![held("a.lan", 2, &[2])],
        by_configuration: false,
    };
    let seen = |key: &str, generation, done| ConfirmedRow {
        key: forward(key),
        generation,
        done,
        holds: None,
        site: None,
        last: LastAnswer::Done,
        attempts: 0,
        at: 0,
        unsure: None,
    };
    let rows = [row("a.lan", 5), row("b.lan", 7), row("c.lan", 8)];
    let mut table = WantedTable::load(rows, &[seen("a.lan", 5, true), seen("b.lan", 6, true), seen("c.lan", 8, false)]);
    let former_of = |key: &str| table.get(&forward(key)).unwrap().former.len();
    assert_eq!([former_of("a.lan"), former_of("b.lan"), former_of("c.lan")], [0, 1, 1]);
    let mut table2 = WantedTable::load([row("a.lan", 5)], &[seen("gone.lan", 90, true)]);
    assert!(table2.apply(ip(9), None, Some(claim("x.lan", 9))).rows.iter().all(|row| row.generation > 90));
    assert!(table.apply(ip(9), None, Some(claim("x.lan", 9))).rows.iter().all(|row| row.generation > 8));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any sequence of claims, some taken back newest first, equals a plain map from address to claim.
    #[test]
    fn the_table_equals_a_map_of_granted_claims(
        steps in prop::collection::vec((0_u8..6, prop::option::of((0_u8..4, 0_u8..3)), any::<bool>()), 1..60)
    ) {
        let mut table = WantedTable::default();
        let mut claims: BTreeMap<u8, Claim> = BTreeMap::new();
        let mut newest = 0;
        for (address, wish, fails) in steps {
            let before = claims.get(&address).cloned();
            let after = wish.map(|(n, who)| claim(&format!("n{n}.lan"), who)).filter(|after| {
                table.owner_of(&after.name).is_none_or(|owner| owner == after.identity)
            });
            let applied = table.apply(ip(address), before, after.clone());
            for row in &applied.rows {
                prop_assert!(row.generation > newest);
            }
            newest = applied.rows.iter().map(|row| row.generation).fold(newest, u64::max);
            if fails {
                table.revert(applied.undo);
                continue;
            }
            match after {
                Some(after) => claims.insert(address, after),
                None => claims.remove(&address),
            };
        }
        for (address, claim) in &claims {
            let row = table.get(&RowKey::Forward(claim.name.clone())).unwrap();
            let want = row.want.as_ref().unwrap();
            prop_assert!(want.identity == claim.identity && want.addresses.contains(&ip(*address)));
            let target = table.get(&RowKey::Reverse(ip(*address))).unwrap().want.unwrap().name;
            prop_assert_eq!(&target, &claim.name);
        }
        let wanted: usize = table.iter().filter(|row| matches!(row.key, RowKey::Forward(_)))
            .filter_map(|row| row.want).map(|want| want.addresses.len()).sum();
        prop_assert_eq!(wanted, claims.len());
        // What left without being confirmed is remembered.
        for row in table.iter().filter(|row| row.want.is_none()) {
            prop_assert!(!row.former.is_empty());
        }
    }
}

/// What is done to two tables.
#[derive(Clone, Debug)]
enum Step {
    Apply {
        address: u8,
        wish: Option<(u8, u8, u8)>,
        takes_over: bool,
    },
    /// The newest changes that are not settled are taken back.
    Revert,
    Settle {
        key: u8,
        is_forward: bool,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let wish = prop::option::weighted(0.8, (0_u8..5, 0_u8..3, 0_u8..12));
    prop_oneof![
        8 => (0_u8..6, wish, prop::bool::weighted(0.1))
            .prop_map(|(address, wish, takes_over)| Step::Apply { address, wish, takes_over }),
        1 => Just(Step::Revert),
        4 => (0_u8..6, any::<bool>()).prop_map(|(key, is_forward)| Step::Settle { key, is_forward }),
        1 => Just(Step::Restart),
    ]
}

/// Mostly as others claim; by `other` now and then in another way.
fn varied(name: u8, who: u8, other: u8) -> Claim {
    let claim = claim(&format!("n{name}.lan"), who);
    match other {
        0 => Claim { forward: false, ..claim },
        1 => Claim { reverse: false, ..claim },
        2 => Claim { ttl_secs: 300, ..claim },
        3 => Claim { guard: ConflictGuard::NoCheckWithoutDhcid, ..claim },
        _ => claim,
    }
}

fn sorted(table: &WantedTable) -> BTreeMap<RowKey, WantedRow> {
    table.iter().map(|row| (row.key.clone(), row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A table that packs its rows does in every step what one does that packs none.
    #[test]
    fn packed_rows_are_those_of_a_plain_table(steps in prop::collection::vec(step(), 1..60)) {
        let plain = || WantedTable { rows: Rows::all_odd(), ..WantedTable::default() };
        let mut tables = [WantedTable::default(), plain()];
        let mut claims: BTreeMap<u8, Claim> = BTreeMap::new();
        let mut undone: Vec<([Undo; 2], BTreeMap<u8, Claim>)> = Vec::new();
        for step in steps {
            match step {
                Step::Apply { address, wish, takes_over } => {
                    let (at, before) = (ip(address), claims.get(&address).cloned());
                    let after = wish.map(|(n, who, other)| varied(n, who, other));
                    if let Some(after) = &after {
                        let granted = tables.each_ref().map(|table| table.grants(&after.name, &after.identity, at));
                        prop_assert_eq!(granted[0], granted[1]);
                        let owners = tables.each_ref().map(|table| table.owner_of(&after.name));
                        prop_assert_eq!(&owners[0], &owners[1]);
                    }
                    let applied = tables.each_mut().map(|table| match (&after, takes_over) {
                        (Some(after), true) => table.take_over(at, before.clone(), after.clone()),
                        _ => table.apply(at, before.clone(), after.clone()),
                    });
                    prop_assert_eq!(&applied[0].rows, &applied[1].rows);
                    prop_assert_eq!(&applied[0].displaced, &applied[1].displaced);
                    undone.push((applied.map(|applied| applied.undo), claims.clone()));
                    match after {
                        Some(after) => claims.insert(address, after),
                        None => claims.remove(&address),
                    };
                }
                Step::Revert => {
                    for (undos, before) in undone.drain(undone.len() / 2..).rev() {
                        tables.iter_mut().zip(undos).for_each(|(table, undo)| table.revert(undo));
                        claims = before;
                    }
                }
                Step::Settle { key, is_forward } => {
                    let key = if is_forward { forward(&format!("n{key}.lan")) } else { RowKey::Reverse(ip(key)) };
                    let generation = tables[1].get(&key).map_or(0, |row| row.generation);
                    let [one, other] = tables.each_mut().map(|table| table.remove_settled(&key, generation));
                    prop_assert_eq!(one.is_some(), other.is_some());
                    undone.extend(one.zip(other).map(|(one, other)| ([one, other], claims.clone())));
                }
                Step::Restart => {
                    undone.clear();
                    let rows = sorted(&tables[0]);
                    tables = [WantedTable::default(), plain()];
                    for table in &mut tables {
                        table.generation = rows.values().map(|row| row.generation).max().unwrap_or_default();
                        rows.iter().for_each(|(key, row)| drop(table.set(key, Some(row))));
                    }
                }
            }
            prop_assert_eq!(sorted(&tables[0]), sorted(&tables[1]));
            for (n, who) in (0..5).flat_map(|n| (0..3).map(move |who| (name(&format!("n{n}.lan")), identity(who)))) {
                let found = tables.each_ref().map(|table| table.self_kept_by_others(&n, &who).collect::<Vec<_>>());
                let by_itself = |row: WantedRow| match (row.key, row.want) {
                    (RowKey::Reverse(at), Some(want)) => {
                        (!want.after_forward && want.name == n && want.identity != who).then_some(at)
                    }
                    _ => None,
                };
                let mut expected: Vec<IpAddr> = tables[1].iter().filter_map(by_itself).collect();
                expected.sort_unstable();
                prop_assert_eq!(&found, &[expected.clone(), expected]);
            }
            prop_assert_eq!((tables[0].len(), tables[0].leaving), (tables[1].len(), tables[1].leaving));
        }
    }
}

#[test]
fn a_name_has_no_more_addresses_than_its_row_may_hold() {
    let mut table = WantedTable::default();
    let nth = |n: usize| IpAddr::from(std::net::Ipv4Addr::from(0x0A00_0000 + u32::try_from(n).unwrap()));
    for n in 0..ADDRESSES_MAX {
        assert!(table.grants(&name("a.lan"), &identity(1), nth(n)));
        assert_eq!(table.apply(nth(n), None, Some(claim("a.lan", 1))).rows.len(), 2);
    }
    let more = nth(ADDRESSES_MAX);
    assert!(!table.grants(&name("a.lan"), &identity(1), more));
    assert!(table.apply(more, None, Some(claim("a.lan", 1))).rows.is_empty());
    assert!(table.grants(&name("a.lan"), &identity(1), nth(0)), "it has this one");
    let _ = table.apply(nth(0), Some(claim("a.lan", 1)), None);
    assert!(table.grants(&name("a.lan"), &identity(1), more));
}

#[test]
fn an_address_that_changes_hands_takes_its_name_along() {
    let mut table = WantedTable::default();
    let _ = table.apply(ip(1), None, Some(claim("a.lan", 1)));
    assert!(!table.grants(&name("a.lan"), &identity(2), ip(2)), "another host has it");
    assert!(table.grants(&name("a.lan"), &identity(2), ip(1)), "its holder has this address alone");
    let _ = table.apply(ip(2), None, Some(claim("a.lan", 1)));
    assert!(!table.grants(&name("a.lan"), &identity(2), ip(1)), "its holder keeps it at another address");
    let _ = table.apply(ip(2), Some(claim("a.lan", 1)), None);
    let _ = table.apply(ip(1), Some(claim("a.lan", 1)), Some(claim("a.lan", 2)));
    assert_eq!(table.owner_of(&name("a.lan")), Some(identity(2)));
    let row = table.get(&forward("a.lan")).unwrap();
    assert!(row.former.iter().any(|held| held.identity == identity(1)), "what DNS may hold is replaced");
}

#[test]
fn while_very_many_names_wait_for_their_removal_no_further_ones_are_taken_in() {
    let mut table = WantedTable::default();
    let nth = |n: usize| claim(&format!("n{n}.lan"), 1);
    let mut taken = 0;
    // One client takes one name after the other, and no DNS server answers.
    while table.grants(&nth(taken).name, &identity(1), ip(1)) {
        let before = taken.checked_sub(1).map(nth);
        let _ = table.apply(ip(1), before, Some(nth(taken)));
        taken += 1;
        assert!(taken < 2 * LEAVING_MAX, "without end");
    }
    assert!(taken > LEAVING_MAX);
    assert!(table.grants(&nth(0).name, &identity(1), ip(1)), "a name that is known anyway");
    // Once some are gone there is room again; taking the removal back takes the room.
    let settled: Vec<Undo> = (0..3)
        .map(|n| {
            let key = RowKey::Forward(nth(n).name);
            let generation = table.get(&key).unwrap().generation;
            table.remove_settled(&key, generation).unwrap()
        })
        .collect();
    assert!(table.grants(&nth(taken).name, &identity(1), ip(1)));
    settled.into_iter().rev().for_each(|undo| table.revert(undo));
    assert!(!table.grants(&nth(taken).name, &identity(1), ip(1)));
}
