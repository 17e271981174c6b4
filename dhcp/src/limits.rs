//! Limits on what one sender may cost: token buckets in a table of fixed size.
//!
//! A [`Rate`] lets a sender do so many things in so long, all at once if it likes. Its bucket is one number, the time at
//! which it would be full again, so that nothing has to be refilled: a thing moves that time on by its share, and is
//! refused when that would put it further off than the rate's span.
//!
//! The table never grows. A bucket that is full again says nothing, and its place is used for the next sender. When a
//! sender finds every place that could be its own in use, it is let through without a bucket, and counted: whoever
//! makes up so many identities that the table is full gains nothing that it had not gained by making them up, and an
//! honest client is never refused because of it. What bounds made-up identities are the limits of their relay and port.

use std::net::Ipv4Addr;

use crate::decision::Ingress;
use crate::identity::HardwareAddress;
use crate::message::{DropReason, Message};
use crate::options::RelayAgentInfo;
use dns::sip::Sip;

/// How many senders a table remembers at once: a mebibyte for each limit that is set.
pub const BUCKETS_MAX: usize = SETS * WAYS;
/// Places that one sender may have: those of its set. More would make a packet dearer, fewer the table full earlier.
const WAYS: usize = 8;
const SETS: usize = 8_192;

/// So many in so many seconds, all at once or spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In how many seconds; at least one.
    pub per_secs: u32,
}

/// What senders may cost. `None`: as much as they like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packets of one hardware address on one link or behind one relay.
    pub packets_per_client: Option<Rate>,
    /// Packets of one relay, or of one of our links, that the limit above let through.
    pub packets_per_relay: Option<Rate>,
    /// New leases of one hardware address, whatever client identifiers it makes up.
    pub new_leases_per_client: Option<Rate>,
    /// New leases of one relay, or of one of our links.
    pub new_leases_per_relay: Option<Rate>,
    /// Leases and offers at once behind one port: one circuit and remote identifier of one relay.
    pub leases_per_port: Option<u32>,
}

/// What a bucket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the limit.
    Within,
    /// It is past the limit.
    Past,
    /// The table has no place for this sender: it is let through.
    NoPlace,
}

/// The buckets of one limit.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// Microseconds in which an empty bucket fills.
    span_us: u64,
    /// What one thing takes out of a bucket, in microseconds.
    share_us: u64,
    sets: Vec<Set>,
}

/// Two lines of a processor's memory, which it fetches as a pair where they begin at a multiple of both: most packets find
/// theirs in neither.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
struct Set([Bucket; WAYS]);

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// The sender's hash.
    key: u64,
    /// Boot microseconds at which it is full again. In the past: the place is free.
    full_at: u64,
}

impl Rate {
    fn span_us(self) -> u64 {
        u64::from(self.per_secs) * 1_000_000
    }

    /// What one thing takes out of the bucket, in microseconds; rounded down, so that `count` fit.
    fn share_us(self) -> u64 {
        self.span_us() / u64::from(self.count.max(1))
    }
}

impl Buckets {
    /// Full buckets for everyone.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { span_us: rate.span_us(), share_us: rate.share_us(), sets: vec![Set::default(); SETS] }
    }

    /// Takes one out of the bucket of the sender `key`, at boot time `now_ms`.
    pub fn take(&mut self, key: u64, now_ms: u64) -> Verdict {
        self.look(key, now_ms, true)
    }

    /// What [`Buckets::take`] would say, without taking.
    pub fn would_take(&mut self, key: u64, now_ms: u64) -> Verdict {
        self.look(key, now_ms, false)
    }

    fn look(&mut self, key: u64, now_ms: u64, takes: bool) -> Verdict {
        // A bucket that was never used is full at 0, so no time may be 0.
        let now = now_ms.saturating_mul(1000).saturating_add(1);
        let set = usize::try_from(key % SETS as u64).unwrap_or(0);
        let Set(set) = &mut self.sets[set];
        // Its own place, else the first that is free; as bits, so that there is nothing to guess on the way.
        let (mut own, mut free) = (0_u32, 0_u32);
        for (at, bucket) in set.iter().enumerate() {
            let is_free = u32::from(bucket.full_at <= now);
            free |= is_free << at;
            own |= (u32::from(bucket.key == key) & !is_free) << at;
        }
        let place = if own == 0 { free } else { own }.trailing_zeros();
        let Some(bucket) = set.get_mut(place as usize) else { return Verdict::NoPlace };
        let full_at = bucket.full_at.max(now).saturating_add(self.share_us);
        if full_at - now > self.span_us {
            return Verdict::Past;
        }
        if takes {
            *bucket = Bucket { key, full_at };
        }
        Verdict::Within
    }
}

/// The limits on packets, asked before a datagram is decoded.
#[derive(Clone, Debug, Default)]
pub struct PacketGate {
    limits: Limits,
    clients: Option<Buckets>,
    relays: Option<Buckets>,
    last_relay: LastRelay,
    unlimited: u64,
}

/// The relay of the message before, and its key: a crowd comes by few.
#[derive(Clone, Copy, Debug, Default)]
struct LastRelay(Option<((Ipv4Addr, Ipv4Addr), u64)>);

impl LastRelay {
    /// See [`relay_key`].
    fn key(&mut self, giaddr: Ipv4Addr, ingress: &Ingress<'_>) -> u64 {
        // Without a relay it is the link, whose name would have to be compared.
        let relay = Some((giaddr, ingress.source.0)).filter(|(giaddr, _)| !giaddr.is_unspecified());
        match self.0.zip(relay) {
            Some(((last, key), relay)) if last == relay => key,
            _ => {
                let key = relay_key(giaddr, ingress);
                self.0 = relay.map(|relay| (relay, key)).or(self.0);
                key
            }
        }
    }
}

impl PacketGate {
    /// A gate with everybody's buckets full.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            clients: limits.packets_per_client.map(Buckets::new),
            relays: limits.packets_per_relay.map(Buckets::new),
            last_relay: LastRelay::default(),
            limits,
            unlimited: 0,
        }
    }

    /// Takes other limits; buckets stay where the limits are as before.
    pub fn reconfigure(&mut self, limits: Limits) {
        if limits != self.limits {
            *self = Self { unlimited: self.unlimited, ..Self::new(limits) };
        }
    }

    /// Whether a datagram may be looked at, at boot time `now_ms`. Reads three fields at fixed places and decodes nothing.
    ///
    /// # Errors
    /// Which limit it is past. The client's goes first, so that what one client sends too much of is not taken out of
    /// its relay's.
    pub fn admit(&mut self, now_ms: u64, ingress: &Ingress<'_>, datagram: &[u8]) -> Result<(), DropReason> {
        // The decoder says what is wrong with a datagram without a whole header.
        let Some(header) = datagram.get(..HEADER_BYTES) else { return Ok(()) };
        let relay = self.last_relay.key(giaddr(header), ingress);
        if let Some(clients) = &mut self.clients {
            let hlen = usize::from(header[2]).min(16);
            // RFC 4390: hardware without an address is told apart by its client identifier, which is not read yet.
            if hlen > 0 {
                let key = Sip::new(relay).number(header[1].into()).bytes(&header[28..28 + hlen]).finish();
                self.unlimited += verdict(clients.take(key, now_ms), DropReason::ClientPacketLimit)?;
            }
        }
        if let Some(relays) = &mut self.relays {
            self.unlimited += verdict(relays.take(relay, now_ms), DropReason::RelayPacketLimit)?;
        }
        Ok(())
    }

    /// How many packets found the table full, and were let through without a bucket.
    #[must_use]
    pub fn unlimited(&self) -> u64 {
        self.unlimited
    }
}

/// The limits on new leases, asked before one is offered and before one is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeaseGate {
    limits: Limits,
    clients: Option<Buckets>,
    relays: Option<Buckets>,
    last_relay: LastRelay,
}

impl LeaseGate {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            clients: limits.new_leases_per_client.map(Buckets::new),
            relays: limits.new_leases_per_relay.map(Buckets::new),
            last_relay: LastRelay::default(),
            limits,
        }
    }

    /// Takes other limits; buckets stay where the limits are as before.
    pub(crate) fn reconfigure(&mut self, limits: Limits) {
        if limits != self.limits {
            *self = Self::new(limits);
        }
    }

    /// Whether the sender of `message` may take a new lease; `takes` says that it does. The client's limit goes first, so
    /// that a client past its own takes nothing out of its relay's.
    ///
    /// # Errors
    /// Which limit it is past.
    pub(crate) fn admit(
        &mut self,
        now_ms: u64,
        ingress: &Ingress<'_>,
        message: &Message<'_>,
        takes: bool,
    ) -> Result<(), DropReason> {
        if self.clients.is_none() && self.relays.is_none() {
            return Ok(());
        }
        let relay = self.last_relay.key(message.giaddr, ingress);
        let hardware = Some(message.hardware).filter(|hardware| !hardware.as_bytes().is_empty());
        let key = |hardware: HardwareAddress| {
            Sip::new(relay).number(hardware.htype.into()).bytes(hardware.as_bytes()).finish()
        };
        let mut client = self.clients.as_mut().zip(hardware.map(key));
        let Some(relays) = &mut self.relays else {
            return match client {
                Some((clients, key)) => {
                    verdict(clients.look(key, now_ms, takes), DropReason::ClientLeaseLimit).map(drop)
                }
                None => Ok(()),
            };
        };
        // The relay's bucket is looked into before the client's is taken from: what is refused takes nothing.
        if let Some((clients, key)) = &mut client {
            verdict(clients.would_take(*key, now_ms), DropReason::ClientLeaseLimit)?;
        }
        verdict(relays.look(relay, now_ms, takes), DropReason::RelayLeaseLimit)?;
        if let (Some((clients, key)), true) = (client, takes) {
            clients.take(key, now_ms);
        }
        Ok(())
    }
}

/// The port of a switch that a client is behind: its relay, with the circuit and the remote identifier. `None`: its relay
/// names no circuit.
pub(crate) fn port_key(giaddr: Ipv4Addr, relay_agent_info: &[u8]) -> Option<u64> {
    let info = RelayAgentInfo(relay_agent_info);
    let remote = info.remote_id();
    info.circuit_id().map(|circuit| {
        let port = Sip::new(giaddr.to_bits().into()).bytes(circuit).number(remote.is_some().into());
        port.bytes(remote.unwrap_or_default()).finish()
    })
}

/// The fixed header of RFC 2131 section 2 up to and with `chaddr`.
const HEADER_BYTES: usize = 44;

fn giaddr(header: &[u8]) -> Ipv4Addr {
    header.get(24..28).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from)
}

/// 1 for a sender that the table had no place for.
fn verdict(verdict: Verdict, past: DropReason) -> Result<u64, DropReason> {
    match verdict {
        Verdict::Within => Ok(0),
        Verdict::Past => Err(past),
        Verdict::NoPlace => Ok(1),
    }
}

/// The relay of a message, or the link that it came by when there is none.
///
/// Anybody can write anybody's `giaddr`, so that the sender's address counts as well: who sends in the name of a relay
/// from elsewhere takes nothing from those behind it.
pub(crate) fn relay_key(giaddr: Ipv4Addr, ingress: &Ingress<'_>) -> u64 {
    match giaddr.is_unspecified() {
        true => Sip::new(0).bytes(ingress.interface.as_bytes()).finish(),
        false => {
            let both = u64::from(giaddr.to_bits()) << 32 | u64::from(ingress.source.0.to_bits());
            Sip::new(1).number(both).finish()
        }
    }
}

#[cfg(test)]
mod tests;
