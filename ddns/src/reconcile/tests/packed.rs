//! Packed rows are as good as open ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use dns::{Rdata, RecordType};

use super::claim;
use super::world::{World, ip};
use crate::reconcile::{ANY_COMPANY, Entry, LastAnswer, Mend, Phase, Reconciler, Stage};
use crate::wanted::{RowKey, WantedRow};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Claim { address: u8, host: u8, who: u8 },
    Leave { address: u8 },
    Pass { ms: u64 },
    Restart,
    Rezone,
    Resync,
    Recheck { host: u8 },
    AddressByHand { host: u8 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (1_u8..6, 0_u8..4, 0_u8..3).prop_map(|(address, host, who)| Deed::Claim { address, host, who }),
        3 => (1_u8..6).prop_map(|address| Deed::Leave { address }),
        3 => (0_u64..8_000).prop_map(|ms| Deed::Pass { ms }),
        1 => Just(Deed::Restart),
        1 => Just(Deed::Rezone),
        1 => Just(Deed::Resync),
        1 => (0_u8..4).prop_map(|host| Deed::Recheck { host }),
        1 => (0_u8..4).prop_map(|host| Deed::AddressByHand { host }),
    ]
}

fn host(host: u8) -> String {
    format!("h{host}.lan")
}

fn do_it(world: &mut World, deed: Deed) {
    match deed {
        Deed::Claim { address, host: named, who } => {
            let wish = claim(&host(named), who);
            let free = world.table.owner_of(&wish.name).is_none_or(|owner| owner == wish.identity);
            world.set(address, free.then_some(wish));
        }
        Deed::Leave { address } => world.set(address, None),
        Deed::Pass { ms } => world.advance(ms),
        Deed::Restart => world.restart(),
        Deed::Rezone => {
            let (before, now) = (std::mem::take(&mut world.reconciler), world.now);
            let settings = std::sync::Arc::clone(&before.settings);
            world.reconciler = before.rezoned(settings, now);
        }
        Deed::Resync => {
            let now = world.now;
            world.reconciler.resync(now, &"lan".parse().unwrap());
        }
        Deed::Recheck { host: named } => {
            let (key, now) = (RowKey::Forward(host(named).parse().unwrap()), world.now);
            world.reconciler.mend(now, Mend::Recheck(key));
        }
        Deed::AddressByHand { host: named } => {
            if !world.server.is_in_use(&host(named)) {
                world.server.add_by_hand(&host(named), RecordType::A, Rdata::address(ip(99)).1);
            }
        }
    }
}

fn shown(reconciler: &Reconciler) -> BTreeMap<RowKey, (WantedRow, Stage, LastAnswer, u32, u64)> {
    let rows = reconciler.rows();
    rows.map(|row| (row.row.key.clone(), (row.row.into_owned(), row.stage, row.last, row.attempts, row.at))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A reconciler that packs its rows shows after every step what one does that packs none.
    #[test]
    fn packed_rows_are_those_of_a_plain_reconciler(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut worlds = [World::new(), World::new()];
        for deed in deeds {
            for (world, packs) in worlds.iter_mut().zip([true, false]) {
                do_it(world, deed);
                if !packs {
                    world.reconciler.rows.open_all();
                }
                world.run();
            }
            let [packed, plain] = &worlds;
            prop_assert_eq!(shown(&packed.reconciler), shown(&plain.reconciler));
            prop_assert_eq!(&packed.stored, &plain.stored);
            prop_assert_eq!(packed.server.plain(), plain.server.plain());
            prop_assert_eq!(plain.reconciler.rows.packed_rows().count(), 0);
            // What has nothing left to do is packed; a row that failed before is known for it as long as it is open.
            let at_rest = |entry: &&Entry| {
                let want = entry.row.want.as_ref();
                let is_ordinary = entry.row.former.is_empty() && want.is_some_and(|want| want.addresses.len() == 1);
                is_ordinary && entry.phase == Phase::Done && entry.company == ANY_COMPANY
            };
            prop_assert_eq!(packed.reconciler.rows.open_rows().filter(at_rest).count(), 0);
        }
    }
}
