//! The store's file system is full: a renewal is answered with what is left of the stored lease, a new client gets
//! no answer, INFORM goes on, no ACK is sent for what is not stored, and nothing that was stored is lost.

use std::fs::{self, File};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use crate::asker::Asker;
use crate::field::{self, LEASE_SECS, RELAY, SERVER};
use crate::leasehold::{Leasehold, STORE};
use crate::load::{History, Load, Plan, utc_secs};
use crate::netns::{Host, Lab};
use crate::packet::{self, Said};
use crate::process::wait_for;

const CLIENTS: u32 = 50;
/// Leases are renewed over and over until what was preallocated is used up.
const FILL_UP: Duration = Duration::from_secs(90);
/// The relay agent of the clients that use it up.
const SECOND_RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
/// A client that configured its address by hand.
const INFORMED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 4);

/// Takes every block that is left.
pub(crate) fn fill(place: &Path) {
    let mut file = File::create(place.join("filler")).unwrap();
    for size in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![0; size]).and_then(|()| file.sync_data()).is_ok() {}
    }
}

/// Renews until the answer is less than a whole lease, which is how a full disk shows itself, while many others renew
/// as fast as they can.
fn renew_until_full(relay: &Host, asker: &mut Asker, history: &History) {
    let plan = Plan {
        starts_per_sec: None,
        in_flight: 64,
        renew_after: Some(Duration::ZERO),
        first: CLIENTS,
        ..Plan::arrivals(64, 0.0)
    };
    let others = Load::new(relay, SECOND_RELAY, SERVER, plan);
    let (client, ack) = history.held().into_iter().next().expect("a client");
    others.alongside(Duration::ZERO, || {
        wait_for("the store notices that its disk is full", FILL_UP, || {
            let answer = asker.renew(client, ack.address).expect("a renewal is answered, full disk or not");
            assert_eq!(answer.kind, packet::ACK);
            (answer.lease_secs < LEASE_SECS).then_some(())
        });
    });
}

#[test]
fn with_a_full_disk_renewals_get_what_is_left_new_clients_nothing_and_nothing_is_lost() {
    let lab = Lab::alone();
    let (server, relay) = field::hosts(&lab);
    for address in [SECOND_RELAY, INFORMED] {
        relay.ip(&format!("address add {address}/16 dev eth0"));
    }
    let place = lab.disk(&server, STORE, 96);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let history = {
        let plan = Plan { starts_per_sec: None, in_flight: 8, ..Plan::arrivals(CLIENTS, 0.0) };
        Load::new(&relay, RELAY, SERVER, plan).finish(Duration::from_secs(30))
    };
    assert_eq!(history.held().len(), CLIENTS as usize);

    fill(&place);
    let mut asker = Asker::new(&relay, RELAY, true);
    renew_until_full(&relay, &mut asker, &history);
    for (client, ack) in history.held() {
        let stored = leasehold.leases().into_iter().find(|lease| lease.address == ack.address).unwrap();
        // Counted as a client counts it (RFC 2131 section 4.4.5): from when it asked, however late the answer is.
        let asked_at = utc_secs();
        let answer = asker.renew(client, ack.address).expect("a renewal is answered");
        assert_eq!((answer.kind, answer.yiaddr), (packet::ACK, ack.address));
        let promised = asked_at + u64::from(answer.lease_secs);
        assert!(promised <= stored.expires_at + 1, "{promised} was promised and {} is stored", stored.expires_at);
    }
    let newcomer = asker.take(9_000, Duration::from_secs(2));
    assert!(newcomer.is_none(), "a new client got {newcomer:?}, which cannot have been stored");
    let mut inform = Said::new(packet::INFORM, 0, Plan::hardware(9_001));
    inform.ciaddr = INFORMED;
    let mut informed = Asker::new(&relay, INFORMED, false);
    assert_eq!(informed.ask(inform, Duration::from_secs(20)).map(|heard| heard.kind), Some(packet::ACK));

    leasehold.kill();
    leasehold.check_store();
    fs::remove_file(place.join("filler")).unwrap();
    leasehold.resume();
    let stored = leasehold.leases();
    for (client, ack) in history.held() {
        assert!(
            stored.iter().any(|lease| lease.address == ack.address && lease.expires_at >= ack.until),
            "{} of client {client} is lost",
            ack.address
        );
    }
    let answer = asker.take(9_000, Duration::from_secs(20));
    assert_eq!(answer.map(|heard| heard.kind), Some(packet::ACK), "with room again, new clients are served");
    leasehold.stop();
    leasehold.check_store();
}
