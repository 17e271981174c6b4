//! The servers that hold copies of our zones: told of changes (RFC 1996), and asked whether they are ahead.
//!
//! Reading order: [`plan`] (who is told when, a value without I/O), [`message`] (what is sent and what an answer says),
//! [`ahead`] (whether a secondary has a newer serial than we do) and here the teller, which owns the sockets.
//!
//! A stream of updates costs each secondary two messages a second and no more: the newest serial is all that one says.

pub mod ahead;
mod message;
pub mod plan;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dns::wire::PendingAnswer;
use dns::{Fqdn, RecordType, TsigKey};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};
use zones::{Zone, ZoneSet, zone_id};

use self::plan::{Plan, Tell};
use crate::ddns_client::random_id;
use crate::quiet::Quiet;
use crate::zone_keeper::ZoneKeeper;

/// The longest answer that is read, in octets: a header, a question and a signature.
const ANSWER_OCTETS_MAX: usize = 1_232;
/// Changes are gathered for so long before anybody is told.
const GATHER: Duration = Duration::from_millis(50);
/// How many name servers of one zone are told beside its secondaries.
const NAME_SERVERS_MAX: usize = 16;

/// A server that holds a copy of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// Where it listens.
    pub address: SocketAddr,
    /// Signs what it is told.
    pub key: Option<Arc<TsigKey>>,
}

/// Who holds copies of one zone.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// As configured.
    pub secondaries: Vec<Secondary>,
    /// The zone's name servers that have addresses in it, too.
    pub name_servers: bool,
}

/// Tells secondaries of changes.
#[derive(Debug)]
pub struct Teller {
    keeper: Arc<ZoneKeeper>,
    copies: HashMap<Fqdn, Copies>,
    plan: Plan,
    /// By the identifier of the message: whom it went to, and what its answer must be.
    under_way: HashMap<u16, (Fqdn, SocketAddr, PendingAnswer)>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    unsent: Quiet,
    disbelieved: Quiet,
    begun: Instant,
}

pub(crate) fn wall_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Teller {
    /// Tells nobody yet. `copies` are those of each zone, by what it is known by.
    #[must_use]
    pub fn new(keeper: Arc<ZoneKeeper>, copies: HashMap<Fqdn, Copies>) -> Self {
        Self {
            keeper,
            copies,
            plan: Plan::default(),
            under_way: HashMap::new(),
            v4: None,
            v6: None,
            unsent: Quiet::default(),
            disbelieved: Quiet::default(),
            begun: Instant::now(),
        }
    }

    /// Tells everybody once, since a change may have been missed, and then of every change. Never ends.
    pub async fn run(mut self) {
        let mut look_at = Some(Instant::now());
        let mut v4_octets = vec![0; ANSWER_OCTETS_MAX];
        let mut v6_octets = vec![0; ANSWER_OCTETS_MAX];
        let keeper = Arc::clone(&self.keeper);
        loop {
            let tell_at = self.plan.poll_timeout().map(|at| self.begun + Duration::from_millis(at));
            let until = [look_at, tell_at].into_iter().flatten().min();
            tokio::select! {
                () = keeper.changed(), if look_at.is_none() => look_at = Some(Instant::now() + GATHER),
                () = sleep(until) => {}
                received = receive(self.v4.as_ref(), &mut v4_octets) => self.heard(received, &v4_octets),
                received = receive(self.v6.as_ref(), &mut v6_octets) => self.heard(received, &v6_octets),
            }
            if look_at.is_some_and(|at| at <= Instant::now()) {
                look_at = None;
                self.look();
            }
            self.tell().await;
        }
    }

    fn now_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// Takes the serials that are published now.
    fn look(&mut self) {
        let now = self.now_ms();
        let published = self.keeper.published().load_full();
        for (apex, copies) in &self.copies {
            let Some(zone) = published.get(apex) else { continue };
            let mut targets = copies.secondaries.clone();
            if copies.name_servers {
                let known: Vec<SocketAddr> = targets.iter().map(|target| target.address).collect();
                let others = name_servers(zone, &published).filter(|address| !known.contains(address));
                targets.extend(others.map(|address| Secondary { address, key: None }).take(NAME_SERVERS_MAX));
            }
            self.plan.published(now, apex, zone.serial(), &targets);
        }
    }

    /// Tells whoever is to be told now.
    async fn tell(&mut self) {
        for Tell { zone, target, serial, last } in self.plan.due(self.now_ms()) {
            if last {
                warn!(
                    "zone {}: the secondary {} has not answered that it heard of changes; it finds serial {serial} when \
                     it asks by itself",
                    zone_id::words(&zone),
                    target.address
                );
                continue;
            }
            self.under_way.retain(|_, (apex, address, _)| *apex != zone || *address != target.address);
            let mut id = random_id();
            while self.under_way.contains_key(&id) {
                id = random_id();
            }
            let Some((octets, pending)) =
                message::notify(id, &zone_id::apex(&zone), serial, target.key.as_deref(), wall_secs())
            else {
                continue;
            };
            match self.send(&octets, target.address).await {
                Ok(()) => {
                    debug!(%zone, secondary = %target.address, serial, "told of a change");
                    self.under_way.insert(id, (zone, target.address, pending));
                }
                Err(error) => {
                    if let Some(kept_back) = self.unsent.may_tell() {
                        info!("zone {zone}: {} cannot be told of changes: {error}{kept_back}", target.address);
                    }
                }
            }
        }
    }

    async fn send(&mut self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        let socket = if to.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let socket = match socket {
            Some(socket) => socket,
            none => {
                let any: IpAddr =
                    if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                none.insert(UdpSocket::bind((any, 0)).await?)
            }
        };
        socket.send_to(octets, to).await.map(|_| ())
    }

    fn heard(&mut self, received: io::Result<(usize, SocketAddr)>, octets: &[u8]) {
        // "Connection refused" of an earlier message: it is told again in time.
        let Ok((length, source)) = received else { return };
        let octets = &octets[..length];
        let Some(id) = octets.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else { return };
        let Some((zone, address, pending)) = self.under_way.get(&id) else { return };
        if *address != source {
            return;
        }
        match pending.read_rcode(octets, wall_secs()) {
            Ok(rcode) => {
                // RFC 1996 section 4.8: any answer ends the repetition; what it says changes nothing for us.
                debug!(%zone, secondary = %source, %rcode, "a secondary heard of a change");
                let now = self.begun.elapsed().as_millis() as u64;
                self.plan.heard(now, zone, source);
                self.under_way.remove(&id);
            }
            Err(error) => {
                if let Some(kept_back) = self.disbelieved.may_tell() {
                    warn!("zone {zone}: the answer of the secondary {source} is not believed: {error}{kept_back}");
                }
            }
        }
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn receive(socket: Option<&UdpSocket>, octets: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(octets).await,
        None => std::future::pending().await,
    }
}

/// The addresses in the zone of its name servers, but for the primary's own (RFC 1996 section 2.3: "the Notify Set ... all
/// servers named in the NS RRset, except ... SOA MNAME").
fn name_servers<'z>(zone: &'z Zone, zones: &'z ZoneSet) -> impl Iterator<Item = SocketAddr> + 'z {
    let primary = zone.soa().0.mname;
    let names = zone.rrset(zone.apex(), RecordType::NS).map_or_else(Vec::new, |set| set.rdata);
    let names = names.into_iter().filter_map(|rdata| rdata.to_name()).filter(move |name| *name != primary);
    names.flat_map(|name| {
        let holds = zones.find_home(&name);
        let of = |rtype| holds.and_then(|zone| zone.rrset(&name, rtype)).map_or_else(Vec::new, |set| set.rdata);
        let [v4, v6] = [RecordType::A, RecordType::AAAA].map(|rtype| {
            of(rtype).into_iter().filter_map(move |rdata| rdata.to_address(rtype)).collect::<Vec<IpAddr>>()
        });
        v4.into_iter().chain(v6).map(|address| SocketAddr::new(address, 53))
    })
}
