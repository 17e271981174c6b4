#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use dns::sip::Sip;
use dns::{Fqdn, Rdata, RecordType};
use proptest::prelude::*;

use super::*;
use crate::Set;
use crate::node::NodeRef;

fn name(number: u32) -> Fqdn {
    format!("h{number}").parse().unwrap()
}

/// Few bits, so that names fall on each other, and whole ones, so that leaves split at every level.
fn hash_of(number: u32) -> u32 {
    if number.is_multiple_of(3) { number % 5 } else { number.wrapping_mul(0x9E37_79B9) }
}

/// Nothing, records that stand with their name, or some that stand by themselves.
fn node(number: u32, below: u32) -> Option<Node> {
    let octets = [None, Some(4), Some(200), Some(260 + number as usize)][below as usize % 4]?;
    let rdata = [Rdata(vec![number as u8; octets].into())].into();
    Node::of(&[Set { rtype: RecordType(65280), ttl: number, rdata }])
}

type Contents = BTreeMap<Vec<u8>, (u32, Option<Node>)>;

fn put(names: &mut Names, number: u32, below: u32) -> bool {
    names.put(hash_of(number), name(number).as_wire(), node(number, below).as_ref(), below)
}

fn put_both(names: &mut Names, model: &mut Contents, number: u32, below: u32) -> bool {
    let known = model.insert(name(number).as_wire().to_vec(), (below, node(number, below)));
    put(names, number, below) == known.is_none()
}

fn remove_both(names: &mut Names, model: &mut Contents, number: u32) {
    names.remove(hash_of(number), name(number).as_wire());
    model.remove(name(number).as_wire());
}

fn found(names: &Names, number: u32) -> Option<(u32, Option<Node>)> {
    let held = names.find(hash_of(number), name(number).as_wire())?;
    Some((held.below, held.node.map(NodeRef::to_node)))
}

fn all(names: &Names) -> Contents {
    names.iter().map(|held| (held.name.to_vec(), (held.below, held.node.map(NodeRef::to_node)))).collect()
}

proptest! {
    #[test]
    fn it_holds_what_a_map_holds_and_so_does_every_snapshot(
        steps in prop::collection::vec((0..200_u32, 0..5_u32), 1..400),
    ) {
        let (mut names, mut model) = (Names::default(), Contents::new());
        let mut snapshots = Vec::new();
        for (at, (number, below)) in steps.into_iter().enumerate() {
            match below {
                0 => remove_both(&mut names, &mut model, number),
                4 => {
                    let counted = names.count_below(hash_of(number), name(number).as_wire(), |below| below + 7);
                    let there = model.get_mut(name(number).as_wire());
                    prop_assert_eq!(counted.is_some(), there.is_some());
                    if let Some((below, _)) = there {
                        *below += 7;
                        prop_assert_eq!(counted, Some(*below));
                    }
                }
                _ => prop_assert!(put_both(&mut names, &mut model, number, below)),
            }
            prop_assert_eq!(found(&names, number), model.get(name(number).as_wire()).cloned());
            prop_assert_eq!(names.len(), model.len());
            if at % 50 == 0 {
                snapshots.push((names.clone(), model.clone()));
            }
        }
        prop_assert_eq!(all(&names), model);
        for (names, model) in snapshots {
            prop_assert_eq!(all(&names), model);
        }
    }

    #[test]
    fn snapshots_that_go_on_apart_do_not_see_each_others_names(
        steps in prop::collection::vec((0..4_usize, 0..200_u32, 0..4_u32), 1..400),
    ) {
        let mut versions: [(Names, Contents); 4] = Default::default();
        for (at, number, what) in steps {
            let (names, model) = &mut versions[at];
            match what {
                0 => remove_both(names, model, number),
                3 => versions[at] = versions[(at + 1) % 4].clone(),
                below => prop_assert!(put_both(names, model, number, below)),
            }
        }
        for (names, model) in versions {
            prop_assert_eq!(all(&names), model);
        }
    }
}

#[test]
fn names_of_one_hash_are_all_kept() {
    let mut names = Names::default();
    for number in (0..300).map(|number| number * 15) {
        assert!(put(&mut names, number, number + 1), "the same hash each");
    }
    assert!((0..300).all(|number| found(&names, number * 15).is_some_and(|(below, _)| below == number * 15 + 1)));
    assert_eq!(names.iter().count(), 300);
}

#[test]
fn leaves_are_half_full_at_least_and_go_with_their_names() {
    let mut names = Names::default();
    let numbers = || (0..30_000_u32).filter(|number| !number.is_multiple_of(3));
    numbers().for_each(|number| assert!(put(&mut names, number, 1)));
    let fill = names.len() / names.leaves;
    assert!((LEAF_MAX / 2..LEAF_MAX).contains(&fill), "{fill} of {LEAF_MAX} names a leaf");
    for number in numbers().skip(10) {
        names.remove(hash_of(number), name(number).as_wire());
    }
    assert_eq!(names.len(), 10);
    assert!(names.leaves <= names.len(), "{} leaves", names.leaves);
    assert!(numbers().take(10).all(|number| found(&names, number).is_some_and(|(below, _)| below == 1)));
}

#[test]
fn large_records_are_shared_by_the_leaves_that_a_change_of_others_makes() {
    let mut names = Names::default();
    // The fewest bits, so that all are in one leaf.
    (0..20).map(|number| number * 15).for_each(|number| assert!(put(&mut names, number, 3)));
    let octets = |names: &Names, number| {
        let held = names.find(hash_of(number), name(number).as_wire()).unwrap();
        held.node.unwrap().octets().as_ptr()
    };
    let before = names.clone();
    assert!(!put(&mut names, 15, 2) && put(&mut names, 900, 3));
    names.remove(hash_of(30), name(30).as_wire());
    assert!([0, 45, 60].into_iter().all(|number| octets(&names, number) == octets(&before, number)));
    assert_eq!(found(&names, 900), Some((3, node(900, 3))));
}

fn hash_of_text(text: &str) -> u32 {
    let name: Fqdn = text.parse().unwrap();
    let wire = name.as_wire();
    super::hash_of(Sip::new(7), &wire[..wire.len() - 1])
}

#[test]
fn names_and_addresses_in_a_row_lie_beside_each_other() {
    let rows: [fn(u32) -> String; 3] =
        [|at| format!("pc{at:02}"), |at| format!("host-10-0-7-1{at:02}"), |at| format!("1{at:02}.7.0.10.in-addr.arpa")];
    for row in rows {
        let hashes: BTreeSet<u32> = (0..100).map(|at| hash_of_text(&row(at))).collect();
        let places: BTreeSet<u32> = hashes.iter().map(|hash| hash >> 20).collect();
        assert_eq!((hashes.len(), places.len()), (100, 1), "{}", row(0));
    }
    // One digit has its place too.
    let places: BTreeSet<u32> = (0..10).map(|at| hash_of_text(&format!("pc-{at}")) >> 16).collect();
    assert_eq!(places.len(), 1);
    // Names that have nothing in common are scattered.
    let places: BTreeSet<u32> = (0..1_000).map(|at| hash_of_text(&format!("{at}-desk")) >> 20).collect();
    assert!(places.len() > 800, "{}", places.len());
}

/// Names of one shape and none, whole or cut within a label: of few alike have the same hash.
#[test]
fn every_name_has_a_hash_and_few_have_the_same() {
    let mut hashes = BTreeMap::new();
    for at in 0..100_000_u32 {
        let text = match at % 4 {
            0 => format!("desktop-{at:07}"),
            1 => format!("{:x}", at.wrapping_mul(0x9E37_79B9)),
            2 => format!("{}.{}.{}", at % 256, at / 256 % 256, at / 65_536),
            _ => format!("{}.rack{}", at % 7, at / 7),
        };
        *hashes.entry(hash_of_text(&text)).or_insert(0_u32) += 1;
    }
    assert!(hashes.len() > 99_000, "{}", hashes.len());
    assert!(hashes.values().all(|alike| *alike < 8));
    for wire in [&b""[..], b"\0", b"\x01", b"\x01a", b"\x02ab", b"\x03", b"\x3fabc", b"\x02ab\x01c"] {
        super::hash_of(Sip::new(7), wire);
    }
}
