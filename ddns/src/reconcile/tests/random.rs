//! Whatever claims come and go, whatever operators write in between and whatever the network loses: what was written by
//! hand stays, and once all is quiet, DNS holds what is wanted.

use proptest::prelude::*;

use dns::{Rcode, Rdata, RecordType};

use super::claim;
use super::world::{Fate, World, ip, name};

#[derive(Clone, Debug)]
enum Deed {
    Claim { address: u8, host: u8, who: u8 },
    Leave { address: u8 },
    Pass { ms: u64 },
    Restart,
    ForgetConfirmed,
    Fates(Vec<Fate>),
    AddressByHand { host: u8 },
    PointerByHand { address: u8 },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::LoseRequest),
        3 => Just(Fate::LoseReply),
        1 => Just(Fate::Tsig(Rcode::BAD_TIME)),
        1 => Just(Fate::Answers(Rcode::SERV_FAIL)),
        1 => Just(Fate::Answers(Rcode::REFUSED)),
        1 => Just(Fate::Garbled),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (1_u8..6, 0_u8..4, 0_u8..3).prop_map(|(address, host, who)| Deed::Claim { address, host, who }),
        3 => (1_u8..6).prop_map(|address| Deed::Leave { address }),
        3 => (0_u64..8_000).prop_map(|ms| Deed::Pass { ms }),
        1 => Just(Deed::Restart),
        1 => Just(Deed::ForgetConfirmed),
        3 => prop::collection::vec(fate(), 1..6).prop_map(Deed::Fates),
        1 => (0_u8..4).prop_map(|host| Deed::AddressByHand { host }),
        1 => (1_u8..6).prop_map(|address| Deed::PointerByHand { address }),
    ]
}

/// What the claims that the table granted come to.
fn expected(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for (address, claim) in &world.claims {
        lines.push(format!("{} A 10.0.0.{address}", claim.name));
        lines.push(format!("{address}.0.0.10.in-addr.arpa. PTR {}", claim.name));
    }
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn when_all_is_quiet_dns_holds_what_is_wanted(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        let mut by_hand = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Claim { address, host, who } => {
                    let wish = claim(&format!("h{host}.lan"), who);
                    // As the name choice does: a name that another host holds is not claimed.
                    let free = world.table.owner_of(&wish.name).is_none_or(|owner| owner == wish.identity);
                    world.set(address, free.then_some(wish));
                }
                Deed::Leave { address } => world.set(address, None),
                Deed::Pass { ms } => world.advance(ms),
                Deed::Restart => world.restart(),
                Deed::ForgetConfirmed => {
                    world.stored.clear();
                    world.restart();
                }
                Deed::Fates(fates) => world.fates = fates,
                Deed::AddressByHand { host } => {
                    let record = (format!("h{host}.lan"), RecordType::A, Rdata::address(ip(99)).1);
                    if !world.server.is_in_use(&record.0) {
                        by_hand.push(record);
                    }
                }
                Deed::PointerByHand { address } => {
                    let record =
                        (format!("{address}.0.0.10.in-addr.arpa"), RecordType::PTR, Rdata::ptr(&name("hand.lan")));
                    if !world.server.is_in_use(&record.0) {
                        by_hand.push(record);
                    }
                }
            }
            for (name, rtype, rdata) in &by_hand {
                if !world.server.is_in_use(name) {
                    world.server.add_by_hand(name, *rtype, rdata.clone());
                }
                let same = world.server.data(name, *rtype);
                prop_assert_eq!(same, vec![rdata.clone()]);
            }
        }
        world.fates.clear();
        world.run();
        for (name, rtype, rdata) in &by_hand {
            prop_assert_eq!(world.server.data(name, *rtype), vec![rdata.clone()]);
            world.server.delete_by_hand(name, *rtype);
        }
        // What was in conflict is tried again once an hour.
        world.advance(3_600_000);
        world.settle();
        prop_assert_eq!(world.server.plain(), expected(&world));
        let names: std::collections::BTreeSet<_> = world.claims.values().map(|claim| &claim.name).collect();
        prop_assert_eq!(world.server.dhcid_count(), names.len() + world.claims.len());
        // Whatever the past, a restart finds nothing to do.
        let sent = world.sent;
        world.restart();
        world.settle();
        prop_assert_eq!(world.sent, sent);
    }
}
