#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::wanted::Held;

fn name(n: u8) -> Fqdn {
    ["a.lan", "b.lan", "a.lab.lan", "b", "c.d.e.lan"][usize::from(n) % 5].parse().unwrap()
}

fn identity(n: u8) -> HostIdentity {
    match n % 3 {
        0 => HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n]),
        1 => HostIdentity::ClientId([1, 2, n].into()),
        _ => HostIdentity::Duid([0, 3, 0, 1, n].into()),
    }
}

fn address(n: u8) -> IpAddr {
    if n < 6 { IpAddr::from([10, 0, 0, n]) } else { format!("2001:db8::{n}").parse().unwrap() }
}

/// Mostly ordinary; by `other` now and then one that is not.
fn row(key: u8, is_forward: bool, host: u8, generation: u64, other: u8) -> WantedRow {
    let at = key % 8;
    // Those of one number often say the same, so that they come together.
    let (name, identity) = (name(at), identity(if other == 7 { host } else { at }));
    let key = if is_forward { RowKey::Forward(name.clone()) } else { RowKey::Reverse(address(at)) };
    let guard = if is_forward && other == 6 { ConflictGuard::NoCheckWithDhcid } else { ConflictGuard::default() };
    let mut want = Want {
        name,
        identity,
        addresses: vec![address(at)],
        ttl_secs: if other == 5 { 300 } else { 600 },
        after_forward: !is_forward && other != 4,
        guard,
    };
    let former = if other == 3 { vec![Held { addresses: vec![address(1)], ..want.held() }] } else { Vec::new() };
    if other == 2 {
        want.addresses = vec![address(0), address(1)];
    }
    let want = (other != 1).then_some(want);
    WantedRow { key, generation, want, former, by_configuration: other == 0 }
}

fn is_ordinary(row: &WantedRow) -> bool {
    let one = row.want.as_ref().is_some_and(|want| want.addresses.len() == 1);
    one && row.former.is_empty() && !row.by_configuration
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is put and taken, one by one, is what a plain map would hold.
    #[test]
    fn packed_rows_are_those_of_a_plain_map(
        steps in prop::collection::vec((any::<u8>(), any::<bool>(), 0..4_u8, 0..40_u8, 0..3_u64), 0..60),
    ) {
        let (mut packed, mut plain) = (PackedRows::default(), BTreeMap::<RowKey, (WantedRow, Note)>::new());
        for (number, (key, is_forward, host, other, note)) in steps.into_iter().enumerate() {
            let row = row(key, is_forward, host, 1_000 + number as u64, other);
            let note = Note { lane: note as u32, done: note > 1, at: note * 1_800_000_000 };
            let before = packed.take(&row.key);
            prop_assert_eq!(&before, &plain.remove(&row.key));
            // A key that was there stays away every other time.
            if before.is_none() || number % 2 == 0 {
                let is_put = packed.put(&row, note);
                prop_assert_eq!(is_put, is_ordinary(&row));
                if is_put {
                    plain.insert(row.key.clone(), (row, note));
                }
            }
            if number % 16 == 15 {
                packed.compact();
            }
            let found: BTreeMap<RowKey, (WantedRow, Note)> =
                packed.iter().map(|row| (row.key(), (row.to_row(), row.note()))).collect();
            prop_assert_eq!(&found, &plain);
            prop_assert_eq!(packed.len(), plain.len());
            for (key, (row, _)) in &plain {
                let found = packed.get(key).unwrap();
                let want = row.want.as_ref().unwrap();
                prop_assert!(found.is_named(&want.name) && found.is_of(&want.identity));
                prop_assert_eq!(found.generation(), row.generation);
                prop_assert_eq!((found.address(), found.ttl_secs()), (want.addresses[0], want.ttl_secs));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// New names, put both rows at once, beside rows put, taken and noted one by one; no domain outlives its names.
    #[test]
    fn new_names_are_those_of_a_plain_map(
        steps in prop::collection::vec((0..6_u8, 0..8_u8, 0..8_u8, 0..4_u8, any::<u64>()), 0..60),
    ) {
        let (mut packed, mut plain) = (PackedRows::default(), BTreeMap::<RowKey, (WantedRow, Note)>::new());
        for (number, (kind, at, of, host, seconds)) in steps.into_iter().enumerate() {
            let new = NewName {
                name: if host == 3 { format!("x.d{of}.lan").parse().unwrap() } else { name(at) },
                identity: identity(host),
                address: address(of),
                ttl_secs: 600,
                guard: ConflictGuard::from_code(host).unwrap(),
                generation: 1_000 + 2 * number as u64,
            };
            let rows = [new.forward(), new.reverse()];
            let row = &rows[usize::from(kind % 2)];
            let note = Note { lane: u32::from(host) << 30, done: true, at: seconds };
            match kind {
                0 | 1 => prop_assert_eq!(packed.take(&row.key), plain.remove(&row.key)),
                2 | 3 if !plain.contains_key(&row.key) => {
                    prop_assert!(packed.put(row, note));
                    plain.insert(row.key.clone(), (row.clone(), note));
                }
                2 | 3 => {
                    packed.annotate(&row.key, |before| Note { at: seconds, ..before });
                    plain.entry(row.key.clone()).and_modify(|(_, note)| note.at = seconds);
                }
                _ => {
                    let is_known = rows.iter().any(|row| plain.contains_key(&row.key));
                    let expected = if is_known { NewPut::Known } else { NewPut::Packed };
                    prop_assert_eq!(packed.put_new(&new, [note, Note::default()]), expected);
                    if !is_known {
                        plain.extend(rows.into_iter().zip([note, Note::default()]).map(|(row, note)| (row.key.clone(), (row, note))));
                    }
                }
            }
            let found: BTreeMap<RowKey, (WantedRow, Note)> =
                packed.iter().map(|row| (row.key(), (row.to_row(), row.note()))).collect();
            prop_assert_eq!(&found, &plain);
            let said = |row: &(WantedRow, Note)| row.0.want.clone().map(|want| (want.name, want.identity, want.ttl_secs));
            let both = plain.get(&RowKey::Forward(new.name.clone())).zip(plain.get(&RowKey::Reverse(new.address)));
            let stands = both.is_some_and(|(name, address)| {
                said(name) == said(address)
                    && said(name) == Some((new.name.clone(), new.identity.clone(), 600))
                    && name.0.want.as_ref().is_some_and(|want| want.addresses == [new.address] && want.guard == new.guard)
            });
            let (name, identity) = (&new.name, &new.identity);
            let claim = ClaimRef { name, identity, forward: true, reverse: true, ttl_secs: 600, guard: new.guard };
            prop_assert_eq!(packed.stands(new.address, claim), stands);
        }
        for key in plain.keys() {
            prop_assert!(packed.take(key).is_some());
        }
        prop_assert!((0..100).all(|number| packed.domains.at(number).is_none()), "a domain is left");
        prop_assert_eq!((packed.len(), packed.pieces().len()), (0, 0));
    }
}

#[test]
fn a_name_and_its_address_are_one_record_until_one_of_them_changes() {
    let mut packed = PackedRows::default();
    let (forward, reverse) = (row(1, true, 0, 1, 9), row(1, false, 0, 2, 9));
    assert!(packed.put(&reverse, Note::default()) && packed.put(&forward, Note::default()));
    assert_eq!(packed.pieces().len(), 1);
    assert_eq!(packed.take(&forward.key), Some((forward.clone(), Note::default())));
    assert_eq!(packed.get(&reverse.key).map(PackedRow::to_row), Some(reverse));
    // With another TTL it is a record of its own.
    assert!(packed.put(&row(1, true, 0, 3, 5), Note::default()));
    assert_eq!((packed.pieces().len(), packed.len()), (2, 2));
}

#[test]
fn rows_that_say_more_than_a_record_holds_are_not_taken() {
    let ordinary = row(1, true, 0, 1, 9);
    let change = |change: &dyn Fn(&mut WantedRow)| {
        let mut row = ordinary.clone();
        change(&mut row);
        PackedRows::default().put(&row, Note::default())
    };
    assert!(change(&|_| {}));
    let want = |row: &mut WantedRow, change: &dyn Fn(&mut Want)| row.want.iter_mut().for_each(change);
    assert!(!change(&|row| want(row, &|want| want.name = name(0))), "not the key's");
    assert!(!change(&|row| want(row, &|want| want.after_forward = true)));
    assert!(!change(&|row| want(row, &|want| want.addresses.clear())));
    assert!(!change(&|row| want(row, &|want| want.identity = HostIdentity::ClientId([0; 256].into()))));
    assert!(!change(&|row| {
        row.key = RowKey::Forward(Fqdn::root());
        want(row, &|want| want.name = Fqdn::root());
    }));
}

/// A million leases with names have to fit: what a row takes, with its places in both tables.
#[test]
fn a_name_with_its_address_takes_little() {
    let mut packed = PackedRows::default();
    for n in 0..10_000_u32 {
        let name: Fqdn = format!("host{n:08}.bench.example").parse().unwrap();
        let [_, b, c, d] = n.to_be_bytes();
        let address = IpAddr::from([10, b, c, d]);
        let identity = HostIdentity::ClientId([1, 2, 0, 0, b, c, d].into());
        let want = Want {
            name: name.clone(),
            identity,
            addresses: vec![address],
            ttl_secs: 1_200,
            after_forward: false,
            guard: ConflictGuard::default(),
        };
        let note = Note { lane: 1, done: true, at: 1_800_000_000 };
        let generation = 2_000_000 + u64::from(n) * 2;
        let (former, by_configuration) = (Vec::new(), false);
        let reverse = Want { after_forward: true, ..want.clone() };
        let forward = WantedRow { key: RowKey::Forward(name), generation, want: Some(want), former, by_configuration };
        let key = RowKey::Reverse(address);
        let reverse = WantedRow { key, generation: generation + 1, want: Some(reverse), ..forward.clone() };
        assert!(packed.put(&forward, note) && packed.put(&reverse, note));
    }
    let octets: usize = packed.pieces().iter().map(|piece| Record::read(packed.arena.from(*piece)).1).sum();
    assert!(octets / 10_000 <= 46, "{octets} octets");
}
