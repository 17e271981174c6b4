//! Leasequery: who has what, for those who may ask (RFC 4388, RFC 6926).

use std::net::Ipv4Addr;

use super::Engine;
use super::exchange::sent_to;
use super::record::{HotState, Kept};
use super::table::Record;
use crate::decision::{Decision, Ingress};
use crate::destination::destination;
use crate::leasequery::{ASSOCIATED_MAX, Binding, Query, query};
use crate::message::{DropReason, Message, MessageType};
use crate::options::{RelayAgentInfo, code};
use crate::reply::Reply;
use crate::time::Now;

/// A part of the answer to a bulk query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was found.
    pub bindings: Vec<Binding>,
    /// The address that was looked at last: the next page begins after it. `None`: there is no more.
    pub next: Option<Ipv4Addr>,
    /// For a query by an address: whether it is in a subnet of ours.
    pub is_ours: bool,
}

impl Engine {
    /// RFC 4388 section 6.4. Nothing is stored, and no lease is touched.
    pub(super) fn handle_leasequery(&self, now: Now, ingress: &Ingress<'_>, message: &Message<'_>) -> Decision {
        let queries = &self.book.plan.settings.leasequery;
        let may_ask = |address: Ipv4Addr| queries.allow.iter().any(|prefix| prefix.contains(&address));
        if !may_ask(ingress.source.0) {
            return Decision::drop(DropReason::LeasequeryRefused);
        }
        // RFC 4388 section 6.2: giaddr is where the answer goes, so that it has to be one that may ask, too.
        if message.giaddr.is_unspecified() {
            return Decision::drop(DropReason::LeasequeryMalformed);
        }
        if !may_ask(message.giaddr) {
            return Decision::drop(DropReason::LeasequeryRefused);
        }
        let Some(server) = sent_to(ingress).or(ingress.addresses.first().map(|net| net.addr())) else {
            return Decision::drop(DropReason::NoServerAddress);
        };
        let answer = match query(message.ciaddr, message.hardware, &message.options) {
            Some(Query::Address(address)) => self.answer_by_address(now, message, address, server),
            Some(asked @ (Query::Hardware(_) | Query::ClientId(_))) => {
                self.answer_by_client(now, message, &asked, server)
            }
            _ => return Decision::drop(DropReason::LeasequeryMalformed),
        };
        let way = destination(message, &answer, ingress.source.1, false);
        Decision { reply: Some((answer, way)), ..Decision::default() }
    }

    fn answer_by_address(&self, now: Now, message: &Message<'_>, address: Ipv4Addr, server: Ipv4Addr) -> Reply {
        // Section 6.4.1: LEASEUNKNOWN when the server knows nothing of the address, LEASEUNASSIGNED when it is one of
        // ours that nobody holds.
        if self.book.plan.holding(address).is_none() {
            return bare(message, MessageType::LeaseUnknown, server);
        }
        let binding = self.book.record(address).map(|record| self.binding(now, record.kept()));
        match binding.filter(Binding::is_active) {
            Some(binding) => {
                let holder = match &binding.lease.client_id {
                    Some(id) => Query::ClientId(id.clone()),
                    None => Query::Hardware(binding.lease.hardware),
                };
                let associated = self.addresses(now, &holder);
                active(now, message, &binding, &associated, server)
            }
            None => bare(message, MessageType::LeaseUnassigned, server),
        }
    }

    fn answer_by_client(&self, now: Now, message: &Message<'_>, asked: &Query, server: Ipv4Addr) -> Reply {
        let bindings = self.bindings_of(now, asked);
        // Section 6.4.1: of several, the one whose client was heard last.
        match bindings.iter().max_by_key(|binding| binding.lease.renewed_at) {
            Some(binding) => {
                let associated: Vec<_> = bindings.iter().map(|binding| binding.lease.address).collect();
                active(now, message, binding, &associated, server)
            }
            None => bare(message, MessageType::LeaseUnknown, server),
        }
    }

    fn addresses(&self, now: Now, asked: &Query) -> Vec<Ipv4Addr> {
        self.bindings_of(now, asked).iter().map(|binding| binding.lease.address).collect()
    }

    /// What a client holds, in every subnet: at most as much as one answer tells.
    fn bindings_of(&self, now: Now, asked: &Query) -> Vec<Binding> {
        let records = self.book.records_asked_for(asked, ASSOCIATED_MAX);
        records.into_iter().map(|record| self.binding(now, record.kept())).filter(Binding::is_active).collect()
    }

    /// The next part of the answer to a bulk query: `most` records are looked at, those above the address `after`. Told
    /// is what is stored, not what is being decided.
    #[must_use]
    pub fn leases_page(&self, now: Now, asked: &Query, after: Option<Ipv4Addr>, most: usize) -> Page {
        let stored = |record: Record<'_>| match self.pending.stored(record.hot.address) {
            None => Some(record.kept()),
            Some(before) => before.as_ref().map(|before| self.book.saved(before).kept()),
        };
        let told = |record: Record<'_>| stored(record).map(|kept| self.binding(now, kept));
        match asked {
            Query::Address(address) => Page {
                bindings: self.book.record(*address).and_then(told).into_iter().collect(),
                is_ours: self.book.plan.holding(*address).is_some(),
                next: None,
            },
            Query::Hardware(_) | Query::ClientId(_) => {
                let records = self.book.records_asked_for(asked, most);
                Page { bindings: records.into_iter().filter_map(told).collect(), ..Page::default() }
            }
            Query::RemoteId(_) | Query::RelayId(_) | Query::All => {
                let mut page = Page::default();
                let mut looked = 0;
                for record in self.book.records_after(after).take(most) {
                    looked += 1;
                    page.next = Some(record.hot.address);
                    if is_behind(asked, record.cold.relay_agent_info()) {
                        page.bindings.extend(told(record));
                    }
                }
                page.next = page.next.filter(|_| looked == most);
                page
            }
        }
    }

    fn binding(&self, now: Now, kept: Kept) -> Binding {
        let subnet = self.book.plan.holding(kept.lease.address).map(|place| self.book.plan.subnet(place));
        let left = kept.secs_left(now);
        Binding {
            secs_left: (kept.state == HotState::Bound && left > 0).then_some(left),
            is_available: kept.state == HotState::QuarantineOver,
            timers_permille: subnet.map_or((500, 875), |subnet| (subnet.renewal_permille, subnet.rebinding_permille)),
            lease: kept.lease,
        }
    }
}

/// Whether a lease's option 82 is what is asked for.
fn is_behind(asked: &Query, relay_agent_info: &[u8]) -> bool {
    let info = RelayAgentInfo(relay_agent_info);
    match asked {
        Query::RemoteId(id) => info.remote_id() == Some(id),
        Query::RelayId(id) => info.relay_id() == Some(id),
        _ => true,
    }
}

/// An answer that repeats the question's fields.
fn bare(message: &Message<'_>, message_type: MessageType, server: Ipv4Addr) -> Reply {
    Reply {
        ciaddr: message.ciaddr,
        relay_agent_info: dns::Bytes::default(),
        ..Reply::answering(message, message_type, server)
    }
}

/// LEASEACTIVE: "ciaddr" and the hardware fields are the binding's (section 6.4.2).
fn active(now: Now, message: &Message<'_>, binding: &Binding, associated: &[Ipv4Addr], server: Ipv4Addr) -> Reply {
    let requested = &message.parameter_request_list;
    Reply {
        ciaddr: binding.lease.address,
        hardware: binding.lease.hardware,
        options: binding.options(now.wall_secs, requested, associated).into(),
        required: (&[code::CLIENT_IDENTIFIER, code::IP_ADDRESS_LEASE_TIME]).into(),
        relay_agent_info: binding.relay_agent_info(requested).into(),
        ..Reply::answering(message, MessageType::LeaseActive, server)
    }
}
