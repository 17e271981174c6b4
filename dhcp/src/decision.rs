//! What the engine decided: data, never deeds.

use std::net::Ipv4Addr;
use std::ops::Deref;

use crate::destination::Destination;
use crate::lease::{Lease, LeaseName, LeaseState};
use crate::message::DropReason;
use crate::probing::ProbeNeeded;
use crate::reply::Reply;

/// How a datagram came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress<'a> {
    /// The interface's name.
    pub interface: &'a str,
    /// The interface's IPv4 addresses with their prefixes; the first is the preferred one.
    pub addresses: &'a [ipnet::Ipv4Net],
    /// The sender (a relay, or a client with an address), and its port.
    pub source: (Ipv4Addr, u16),
    /// The destination address it was sent to: 255.255.255.255, or one of ours.
    pub destination: Ipv4Addr,
}

/// Everything that follows from one message. The order is the order of execution: the leases of `events` are committed,
/// and only then `reply` is sent and `events` are published. A failed commit sends and publishes nothing.
/// An OFFER stores nothing and commits to nothing, so that it may be sent at once; an ACK that repeats an earlier one waits
/// for that one's commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The reply and where it goes.
    pub reply: Option<(Reply, Destination)>,
    /// What happened, for the store, the DNS updater, the log and history. The lease of each is to be stored, and replaces
    /// the record of its address.
    pub events: Events,
    /// Set when the message was dropped, answered by silence or by an OFFER without an address, and why.
    pub dropped: Option<DropReason>,
    /// The reply waits for a probe: whoever hands messages in keeps this one, and hands it in again with what came of it
    /// ([`crate::engine::Engine::handle_probe_result`]).
    pub probe: Option<ProbeNeeded>,
    /// Names this decision to [`crate::engine::Engine::settle`]; `None` when nothing is to be stored.
    pub ticket: Option<Ticket>,
}

/// What happened to leases by one message, in its order: to one of them as a rule, which takes no allocation.
#[derive(Clone, Debug, Default)]
pub struct Events(Held);

#[derive(Clone, Debug, Default)]
#[allow(clippy::large_enum_variant, reason = "one is what there is as a rule, and is to take no allocation")]
enum Held {
    #[default]
    None,
    One(LeaseEvent),
    Many(Vec<LeaseEvent>),
}

impl Events {
    /// Adds one as the last.
    #[inline]
    pub fn push(&mut self, event: LeaseEvent) {
        match &mut self.0 {
            Held::None => self.0 = Held::One(event),
            Held::Many(all) => all.push(event),
            Held::One(_) => {
                let first = std::mem::take(self).into_iter();
                self.0 = Held::Many(first.chain([event]).collect());
            }
        }
    }

    /// Moves them behind those of `all`.
    #[inline]
    pub fn append_to(self, all: &mut Vec<LeaseEvent>) {
        match self.0 {
            Held::None => {}
            Held::One(event) => all.push(event),
            Held::Many(events) => all.extend(events),
        }
    }
}

impl Deref for Events {
    type Target = [LeaseEvent];

    fn deref(&self) -> &[LeaseEvent] {
        match &self.0 {
            Held::None => &[],
            Held::One(event) => std::slice::from_ref(event),
            Held::Many(all) => all,
        }
    }
}

impl PartialEq for Events {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Events {}

impl Extend<LeaseEvent> for Events {
    fn extend<I: IntoIterator<Item = LeaseEvent>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.push(event));
    }
}

impl IntoIterator for Events {
    type Item = LeaseEvent;
    type IntoIter = std::iter::Chain<std::option::IntoIter<LeaseEvent>, std::vec::IntoIter<LeaseEvent>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self.0 {
            Held::None => (None, Vec::new()),
            Held::One(event) => (Some(event), Vec::new()),
            Held::Many(all) => (None, all),
        };
        one.into_iter().chain(many)
    }
}

impl Decision {
    /// Nothing is done, for this reason.
    #[must_use]
    pub fn drop(reason: DropReason) -> Self {
        Self { dropped: Some(reason), ..Self::default() }
    }
}

/// Ties a decision's stored records to the outcome of their commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// How a commit ended. A store that several servers share will answer "another has it, and this is its record" too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitOutcome {
    /// On stable storage.
    Committed,
    /// Not stored, surely: the engine's memory returns to what is stored.
    Failed,
}

/// Something that happened to a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseEvent {
    /// What happened.
    pub kind: LeaseEventKind,
    /// The record after it.
    pub lease: Lease,
    /// What the record that it replaced says of DNS, when there was one: what DNS should no longer hold is seen by
    /// comparing.
    pub previous: Option<Former>,
}

/// What is left to be known of a record that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// What it said.
    pub state: LeaseState,
    /// The name that it had.
    pub name: Option<LeaseName>,
    /// UTC seconds: the client's transaction before, where the record that replaces it says all that it said, but for its
    /// times: a renewal, as a rule. `None`: it says something else.
    pub same_since: Option<u64>,
}

impl From<&Lease> for Former {
    fn from(lease: &Lease) -> Self {
        Self { state: lease.state, name: lease.name.clone(), same_since: None }
    }
}

/// The kinds of lease event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseEventKind {
    /// A client got the address: a new binding.
    Bound,
    /// A client extended its binding.
    Renewed,
    /// The client gave it back.
    Released,
    /// It ran out.
    Expired,
    /// The client found it in use: it is in quarantine.
    Declined,
    /// Somebody answered when it was probed: it is in quarantine, and the record's hardware address is theirs, where it
    /// is known.
    Conflict,
    /// The settings, or another client's leaving, give it another name, or none; the binding is as before.
    Renamed,
    /// The name that an expired lease had left is given up: its grace is over, or another host wants it.
    NameEnded,
}
