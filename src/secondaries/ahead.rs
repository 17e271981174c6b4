//! Whether a secondary is ahead of us: then our store is an older one that was put back, and what we publish from now on
//! would not reach whoever has seen the newer serial.
//!
//! Secondaries are asked at the start, and when one says so in asking for a transfer. Where one is ahead, the zone's serial
//! leaps beyond it, and beyond the time in seconds where that is more; its history is forgotten, since the steps that a
//! secondary saw may be others than those that led from the same serial here. So every secondary takes the whole zone.
//!
//! A secondary that answers nobody at the start, and is not listed, is not known of until it asks for a transfer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::Fqdn;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use zones::zone_id;

use super::{Copies, Secondary, message, wall_secs};
use crate::ddns_client::random_id;
use crate::zone_keeper::ZoneKeeper;

/// How long an answer is waited for, each time that a secondary is asked.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Of how many secondaries answers are waited for at once.
const AT_ONCE_MAX: usize = 16;
/// Answers that are looked at in one wait.
const STRAYS_MAX: usize = 16;

/// Asks every secondary once, and then whoever `heard` names. Never ends.
pub async fn watch(keeper: Arc<ZoneKeeper>, copies: HashMap<Fqdn, Copies>, mut heard: mpsc::Receiver<(Fqdn, IpAddr)>) {
    let mut asking = tokio::task::JoinSet::new();
    for (apex, copies) in &copies {
        for secondary in &copies.secondaries {
            while asking.len() >= AT_ONCE_MAX {
                asking.join_next().await;
            }
            asking.spawn(compare(Arc::clone(&keeper), apex.clone(), secondary.clone()));
        }
    }
    while asking.join_next().await.is_some() {}
    while let Some((apex, source)) = heard.recv().await {
        let listed = copies.get(&apex).into_iter().flat_map(|copies| &copies.secondaries);
        if let Some(secondary) = listed.into_iter().find(|one| one.address.ip().to_canonical() == source) {
            compare(Arc::clone(&keeper), apex, secondary.clone()).await;
        }
    }
    // The DNS server has ended, and the daemon with it.
    std::future::pending::<()>().await;
}

async fn compare(keeper: Arc<ZoneKeeper>, apex: Fqdn, secondary: Secondary) {
    let Some(theirs) = serial_of(&secondary, &zone_id::apex(&apex)).await else { return };
    let Some(ours) = keeper.published().load().get(&apex).map(zones::Zone::serial) else { return };
    if !zones::serial::is_newer(theirs, ours) {
        return;
    }
    if let Some(serial) = keeper.leap(&apex, theirs).await {
        warn!(
            "zone {}: the secondary {} has the serial {theirs} and ours was {ours}, as after an older store was put \
             back: it is {serial} now, and every secondary takes the whole zone",
            zone_id::words(&apex),
            secondary.address
        );
    }
}

/// The serial that a secondary has of a zone; none when it does not say.
async fn serial_of(secondary: &Secondary, apex: &Fqdn) -> Option<u32> {
    let any: SocketAddr =
        if secondary.address.is_ipv4() { "0.0.0.0:0".parse().ok()? } else { "[::]:0".parse().ok()? };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(secondary.address).await.ok()?;
    let mut octets = vec![0; super::ANSWER_OCTETS_MAX];
    for wait in WAITS {
        let (question, pending) = message::ask_serial(random_id(), apex, secondary.key.as_deref(), wall_secs())?;
        let deadline = Instant::now() + wait;
        // One that is not there yet may be for the next question.
        let _ = socket.send(&question).await;
        for _ in 0..STRAYS_MAX {
            match timeout_at(deadline, socket.recv(&mut octets)).await {
                Err(_) => break,
                Ok(Err(_)) => {}
                Ok(Ok(length)) => {
                    let said = message::read_serial(&pending, apex, &octets[..length], wall_secs());
                    if said.is_some() {
                        return said;
                    }
                }
            }
        }
        tokio::time::sleep_until(deadline).await;
    }
    None
}
