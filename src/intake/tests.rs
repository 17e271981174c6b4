use std::net::Ipv4Addr;

use super::*;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

fn link(index: u32) -> Arc<Link> {
    Arc::new(Link { name: format!("lan{index}"), index, addresses: Vec::new() })
}

/// A message of this kind; `secs` tells a repetition from the first one.
fn message(link: &Arc<Link>, client: u32, kind: u8, secs: u8) -> Arrival {
    let mut payload = vec![0; OPTIONS];
    payload[..3].copy_from_slice(&[1, 1, 6]);
    payload[XID].copy_from_slice(&client.to_be_bytes());
    payload[9] = secs;
    payload[30..34].copy_from_slice(&client.to_be_bytes());
    payload.extend([55, 1, 3, 0, 53, 1, kind, 255]);
    Arrival {
        link: Arc::clone(link),
        source: (Ipv4Addr::new(10, 0, 0, 2), 67),
        destination: Ipv4Addr::new(10, 0, 0, 1),
        payload,
    }
}

/// Client, kind and seconds.
fn told(arrivals: &[Arrival]) -> Vec<(u32, u8, u8)> {
    let client = |payload: &[u8]| u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
    arrivals.iter().map(|it| (client(&it.payload), it.payload[OPTIONS + 6], it.payload[9])).collect()
}

#[test]
fn a_few_messages_pass_as_they_came() {
    let (mut intake, lan) = (Intake::default(), link(1));
    assert!(intake.is_empty() && intake.take(64).is_empty());
    for client in 0..5 {
        intake.put(message(&lan, client, DISCOVER, 0));
    }
    let clients: Vec<u32> = told(&intake.take(3)).iter().map(|it| it.0).collect();
    assert_eq!(clients, [0, 1, 2]);
    assert!(!intake.is_empty());
    assert_eq!(intake.take(64).len(), 2);
    assert!(intake.is_empty());
    assert_eq!(intake.counts(), IntakeCounts::default());
}

#[test]
fn what_ends_an_exchange_goes_before_what_begins_one_and_leaves_a_share() {
    let (mut intake, lan) = (Intake::default(), link(1));
    for client in 0..1_000 {
        intake.put(message(&lan, client, DISCOVER, 0));
    }
    for client in 2_000..2_100 {
        intake.put(message(&lan, client, REQUEST, 0));
    }
    let kinds = |arrivals: Vec<Arrival>| {
        let told = told(&arrivals);
        (told.iter().filter(|it| it.1 == REQUEST).count(), told.iter().filter(|it| it.1 == DISCOVER).count())
    };
    assert_eq!(kinds(intake.take(64)), (48, 16));
    assert_eq!(kinds(intake.take(64)), (48, 16));
    assert_eq!(kinds(intake.take(64)), (4, 60), "the rest is for those that begin");
}

#[test]
fn what_begins_has_its_share_on_however_many_links() {
    for count in [5, 9, 20] {
        let mut intake = Intake::default();
        // Links on which nothing waits take no share.
        for index in 100..110 {
            intake.put(message(&link(index), index, DISCOVER, 0));
        }
        assert_eq!(intake.take(64).len(), 10);
        let links: Vec<Arc<Link>> = (0..count).map(link).collect();
        for client in 0..100 * count {
            let lan = &links[(client % count) as usize];
            intake.put(message(lan, client, DISCOVER, 0));
            intake.put(message(lan, 100_000 + client, REQUEST, 0));
        }
        let mut by_link = vec![0; links.len()];
        for _ in 0..5 {
            let taken = intake.take(64);
            let beginning = told(&taken).iter().filter(|it| it.1 == DISCOVER).count();
            assert_eq!((taken.len(), beginning), (64, 16), "with {count} links");
            taken.iter().for_each(|arrival| by_link[arrival.link.index as usize] += 1);
        }
        let (least, most) = (by_link.iter().min().copied(), by_link.iter().max().copied());
        assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 4), "{by_link:?}");
    }
}

#[test]
fn a_client_that_asks_again_is_served_once_and_keeps_its_place() {
    let (mut intake, lan) = (Intake::default(), link(1));
    for client in 0..1_000 {
        intake.put(message(&lan, client, DISCOVER, 0));
    }
    // The first ones came before there was a crowd; the others are known.
    for client in 500..600 {
        intake.put(message(&lan, client, DISCOVER, 4));
    }
    // It got an offer for its first DISCOVER meanwhile, or somebody else says so.
    intake.put(message(&lan, 700, REQUEST, 4));
    assert_eq!(intake.counts(), IntakeCounts { repeated: 100, crowded_out: 0 });
    let all = told(
        &std::iter::from_fn(|| Some(intake.take(64)).filter(|taken| !taken.is_empty())).flatten().collect::<Vec<_>>(),
    );
    assert_eq!(all.len(), 1_001);
    assert_eq!(all[0], (700, REQUEST, 4));
    let place = |client| all.iter().position(|it| it.0 == client).expect("it is served");
    assert_eq!((all[place(550)].2, place(550)), (4, 551), "the later message at the earlier one's place");
    assert_eq!(all.iter().filter(|it| it.0 == 700).count(), 2);
}

#[test]
fn only_the_same_message_of_the_same_client_is_a_repetition() {
    let (mut intake, lan) = (Intake::default(), link(1));
    for client in 0..200 {
        intake.put(message(&lan, client, DISCOVER, 0));
        intake.put(message(&lan, client, REQUEST, 0));
    }
    let changed = |kind, change: &dyn Fn(&mut Vec<u8>)| {
        let mut arrival = message(&lan, 150, kind, 9);
        let mut payload = arrival.payload.to_vec();
        change(&mut payload);
        arrival.payload = payload;
        arrival
    };
    let identified = |kind, name: u8| {
        changed(kind, &|payload| {
            payload.pop();
            payload.extend([61, 2, 0, name, 255]);
        })
    };
    // Junk with the transaction and address of a client that waits.
    intake.put(changed(REQUEST, &|payload| payload[OPTIONS + 6] = 77));
    intake.put(changed(DISCOVER, &|payload| payload.truncate(OPTIONS)));
    intake.put(changed(DISCOVER, &|payload| payload[OPTIONS - 1] = 1));
    intake.put(changed(REQUEST, &|payload| payload[0] = 2));
    // Two clients with one hardware address.
    for name in [1, 2] {
        intake.put(identified(DISCOVER, name));
        intake.put(identified(REQUEST, name));
    }
    assert_eq!(intake.counts(), IntakeCounts::default());
    intake.put(identified(DISCOVER, 2));
    intake.put(message(&lan, 150, REQUEST, 9));
    assert_eq!(intake.counts(), IntakeCounts { repeated: 2, crowded_out: 0 });
}

#[test]
fn a_flood_on_one_link_does_not_keep_the_others_waiting() {
    let (mut intake, flooded, quiet) = (Intake::default(), link(1), link(2));
    for client in 0..5_000 {
        intake.put(message(&flooded, client, DISCOVER, 0));
    }
    for client in 9_000..9_010 {
        intake.put(message(&quiet, client, DISCOVER, 0));
    }
    let taken = intake.take(64);
    assert_eq!(taken.len(), 64, "what the quiet link leaves is for the other");
    assert_eq!(taken.iter().filter(|arrival| arrival.link.index == 2).count(), 10);
}

#[test]
fn queues_have_an_end_in_messages_and_bytes() {
    let (mut intake, lan) = (Intake::default(), link(1));
    for client in 0..u32::try_from(WAITING_MAX).expect("few") + 10 {
        intake.put(message(&lan, client, DISCOVER, 0));
    }
    assert_eq!(intake.counts().crowded_out, 10);
    // Who ends an exchange has room all the same.
    for client in 5_000..5_010 {
        assert!(intake.put(message(&lan, client, REQUEST, 0)));
    }
    assert!(!intake.put(message(&lan, 90_000, DISCOVER, 0)));
    assert_eq!(intake.counts(), IntakeCounts { repeated: 0, crowded_out: 11 });
    let taken = std::iter::from_fn(|| Some(intake.take(64).len()).filter(|taken| *taken > 0)).sum::<usize>();
    assert_eq!(taken, WAITING_MAX + 10);

    let great = |client| {
        let mut arrival = message(&lan, client, REQUEST, 0);
        let mut payload = arrival.payload.to_vec();
        payload.resize(4_096, 0);
        arrival.payload = payload;
        arrival
    };
    (0..3_000).for_each(|client| _ = intake.put(great(client)));
    assert_eq!(intake.counts().crowded_out, 11 + 3_000 - (WAITING_BYTES_MAX / 4_096) as u64);

    // A repetition that is longer has no more room than another message has: the former one stays.
    let mut longer = great(100);
    longer.payload = [&longer.payload[..], &[0]].concat();
    assert!(!intake.put(longer));
    assert!(intake.put(great(100)));
    let taken: Vec<Arrival> =
        std::iter::from_fn(|| Some(intake.take(64)).filter(|it| !it.is_empty())).flatten().collect();
    assert!(taken.iter().all(|arrival| arrival.payload.len() == 4_096));
}

#[test]
fn what_is_malformed_waits_with_what_begins() {
    assert!(begins_an_exchange(&[]));
    assert!(begins_an_exchange(&[0; OPTIONS]));
    let with = |options: &[u8]| [&[0; OPTIONS], options].concat();
    assert!(begins_an_exchange(&with(&[12, 200, 1])));
    assert!(begins_an_exchange(&with(&[53, 2, 3, 3])));
    assert!(begins_an_exchange(&with(&[53])));
    assert!(!begins_an_exchange(&with(&[0, 0, 12, 2, 53, 1, 53, 1, 7])));
    assert!(begins_an_exchange(&with(&[255, 0, 53, 1, 7])), "what stands behind the end is none");
}
