//! Conflict detection: an address that has rested is probed before it is offered.
//!
//! ```text
//! DISCOVER ──▶ address held, probe ──nobody answers──▶ the DISCOVER again: OFFER
//!                   ▲                └─somebody does──▶ quarantine, the DISCOVER again ─┐
//!                   └───────────────────────────────────────────── another address ◀────┘
//! ```
//!
//! RFC 2131 section 3.1: "When allocating a new address, servers SHOULD check that the offered network address is not
//! already in use; e.g., the server may probe the offered address with an ICMP Echo Request." The message itself is not
//! kept here: whoever hands it in keeps it, and hands it in again with the result, so that it is decided upon as any
//! other, with the settings of that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use faults::{Fault, planted};

use super::Engine;
use super::choose::{self, Choice};
use super::exchange::Exchange;
use super::offers::{Offer, OfferStanding};
use super::record::{Change, HotState, Kept};
use crate::decision::{Decision, Former, Ingress, LeaseEventKind};
use crate::identity::HardwareAddress;
use crate::lease::{Lease, LeaseState};
use crate::message::DropReason;
use crate::names::NameChooser;
use crate::probing::{PastCap, ProbeHow, ProbeId, ProbeNeeded, ProbeOutcome, ProbeRequest, ProbeWhen};
use crate::time::Now;

/// The probes under way: at most as many as the settings allow.
#[derive(Debug, Default)]
pub(super) struct Probes {
    last: u64,
    under_way: BTreeMap<ProbeId, UnderWay>,
    by_end: BTreeSet<(u64, ProbeId)>,
    /// How many probes the message that is decided upon now has behind it.
    in_a_row: u32,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    address: Ipv4Addr,
    /// The client's: where it has the address itself, that is no conflict.
    hardware: HardwareAddress,
    /// Boot milliseconds.
    until_ms: u64,
    in_a_row: u32,
}

impl Probes {
    fn start(&mut self, under_way: UnderWay) -> ProbeId {
        self.last += 1;
        let id = ProbeId(self.last);
        self.by_end.insert((under_way.until_ms, id));
        self.under_way.insert(id, under_way);
        id
    }

    fn end(&mut self, id: ProbeId) -> Option<UnderWay> {
        let ended = self.under_way.remove(&id)?;
        self.by_end.remove(&(ended.until_ms, id));
        Some(ended)
    }

    /// Boot milliseconds: when the first of them is over.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.by_end.first().map(|(until, _)| *until)
    }
}

impl Engine {
    /// What came of a probe. Returns what follows for the address, when its quarantine does, and what is now decided on
    /// the client's newest DISCOVER, which is handed in `again`; in this order. Nothing comes of a probe that is not under
    /// way (any more), nor of the client's own answer, upon which the probe goes on.
    pub fn handle_probe_result(
        &mut self,
        now: Now,
        (id, outcome): (ProbeId, ProbeOutcome),
        again: Option<(&Ingress<'_>, &[u8])>,
        names: &dyn NameChooser,
    ) -> Vec<Decision> {
        if !self.takes_probe_result(id, outcome) {
            return Vec::new();
        }
        let Some(ended) = self.probes.end(id) else { return Vec::new() };
        self.book.lapse_offers(now.boot_ms);
        let taken_by = match outcome {
            ProbeOutcome::Taken(by) if !planted(Fault::ProbeAnswerIgnored) => Some(by),
            _ => None,
        };
        let mut decisions = Vec::new();
        match taken_by {
            Some(by) => decisions.extend(self.quarantine(now, ended.address, by)),
            None => self.book.probe_ended(ended.address, id),
        }
        if let Some((ingress, datagram)) = again {
            self.probes.in_a_row = ended.in_a_row;
            decisions.push(self.handle_message(now, ingress, datagram, names));
            self.probes.in_a_row = 0;
        }
        decisions
    }

    /// Whether a result ends a probe: it is under way, and it is not the client that answers, which may use its address
    /// while it asks for it.
    #[must_use]
    pub fn takes_probe_result(&self, id: ProbeId, outcome: ProbeOutcome) -> bool {
        self.probes.under_way.get(&id).is_some_and(|probe| match outcome {
            ProbeOutcome::Taken(Some(by)) => by.as_bytes() != probe.hardware.as_bytes(),
            _ => true,
        })
    }

    /// Boot milliseconds: when the first of the probes under way is over.
    #[must_use]
    pub fn next_probe_end(&self) -> Option<u64> {
        self.probes.next_end()
    }

    /// A probe whose time is over by now, if there is one: nobody answered it.
    #[must_use]
    pub fn overdue_probe(&self, now: Now) -> Option<ProbeId> {
        self.probes.by_end.first().filter(|(until, _)| *until <= now.boot_ms).map(|(_, id)| *id)
    }

    /// The probe that this client's offer waits for.
    pub(super) fn probe_under_way(&self, exchange: &Exchange<'_>, active: &[usize]) -> Option<ProbeId> {
        let offers = active
            .iter()
            .flat_map(|&place| self.book.offers_to(place, &exchange.asker).map(move |offer| (place, offer)));
        offers
            .filter(|(place, offer)| {
                choose::is_usable(&self.book, exchange, Choice { place: *place, address: offer.address })
            })
            .filter_map(|(_, offer)| match offer.standing {
                OfferStanding::Probed(id) => Some(id),
                OfferStanding::Made => None,
            })
            .find(|id| self.probes.under_way.contains_key(id))
    }

    /// Begins the probe that must go before an offer of `choice`, and holds the address meanwhile. `None`: it may be
    /// offered at once.
    pub(super) fn probe_before_offer(
        &mut self,
        exchange: &Exchange<'_>,
        choice: Choice,
        offer: &Offer,
    ) -> Option<Decision> {
        if !self.needs_probe(exchange, choice) {
            return None;
        }
        let probing = self.book.plan.settings.probing;
        if self.probes.in_a_row >= probing.in_a_row_max.max(1) {
            return Some(Decision::drop(DropReason::ConflictsInARow));
        }
        if self.probes.under_way.len() >= probing.at_once_max as usize {
            return match probing.past_cap {
                PastCap::Offer => None,
                PastCap::Silence => Some(Decision::drop(DropReason::ProbesAtOnce)),
            };
        }
        let id = self.probes.start(UnderWay {
            address: choice.address,
            hardware: exchange.message.hardware,
            until_ms: exchange.now.boot_ms.saturating_add(probing.timeout_ms.into()),
            in_a_row: self.probes.in_a_row + 1,
        });
        self.book.put_offer(Offer { standing: OfferStanding::Probed(id), ..offer.clone() }, &exchange.asker);
        let on_link = !exchange.is_relayed() && exchange.message.subnet_selection().is_none();
        let request = ProbeRequest {
            id,
            address: choice.address,
            how: if on_link { ProbeHow::Arp } else { ProbeHow::Icmp },
            timeout_ms: probing.timeout_ms,
        };
        Some(Decision { probe: Some(ProbeNeeded::Start(request)), ..Decision::default() })
    }

    /// Whether an address has to be probed before it is offered to this client: not one that the client has or was
    /// offered, and as a rule not one that a client of ours was heard of a moment ago. One that came back from
    /// quarantine always.
    fn needs_probe(&self, exchange: &Exchange<'_>, Choice { place, address }: Choice) -> bool {
        let when = self.book.plan.subnet(place).probe;
        if when == ProbeWhen::Off || self.book.offer(address).is_some() {
            return false;
        }
        let Some(record) = self.book.record(address) else { return true };
        let heard_at = match record.hot.state() {
            HotState::Bound => return false,
            HotState::Quarantined | HotState::QuarantineOver => return true,
            _ if record.hot.marks().shunned => return true,
            // A RELEASE is a word of the client; that time runs out is none.
            HotState::Released => record.hot.expires_at().max(record.hot.renewed_at()),
            HotState::Expired => record.hot.renewed_at(),
        };
        let rested_secs = self.book.plan.settings.probing.rested_secs;
        when == ProbeWhen::Always || exchange.now.wall_secs.saturating_sub(heard_at) >= rested_secs.into()
    }

    /// Somebody has the address without a lease: nobody gets it for a while, and the event tells the operator. Without
    /// room to store that it only is not offered this time.
    fn quarantine(&mut self, now: Now, address: Ipv4Addr, by: Option<HardwareAddress>) -> Option<Decision> {
        self.book.withdraw(address);
        let place = self.book.plan.holding(address)?;
        let previous = self.book.record(address).map(|record| record.kept());
        let is_held =
            previous.as_ref().is_some_and(|kept| matches!(kept.state, HotState::Bound | HotState::Quarantined));
        if is_held || self.storage_full {
            return None;
        }
        let secs = self.book.plan.settings.quarantine_secs;
        let lease = Lease {
            address,
            subnet: self.book.plan.subnet(place).prefix,
            state: LeaseState::Quarantined,
            hardware: by.unwrap_or(HardwareAddress::NONE),
            client_id: None,
            started_at: now.wall_secs,
            renewed_at: now.wall_secs,
            expires_at: now.wall_secs.saturating_add(secs.into()),
            hostname: dns::Bytes::default(),
            client_fqdn: dns::Bytes::default(),
            name: None,
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: dns::Bytes::default(),
            server_identifier_override: None,
        };
        let previous = previous.map(|kept| Former::from(&kept.lease));
        let kept = Kept::made_now(lease, Some(secs), now);
        Some(self.write([Change { kept, kind: LeaseEventKind::Conflict, previous }]))
    }
}
