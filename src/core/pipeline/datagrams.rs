//! Datagrams on their way through the pipeline: what arrives, what leaves, and what gets no answer.

use std::net::Ipv4Addr;
use std::sync::Arc;

use dhcp::decision::Ingress;
use dhcp::destination::Destination;
use dhcp::message::DropReason;
use dhcp::reply::Reply;
use ipnet::Ipv4Net;

/// The link by which datagrams arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface's name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Its addresses, the preferred one first.
    pub addresses: Vec<Ipv4Net>,
}

/// One datagram, owned: it is decided again when its batch finds no room.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Where it came in.
    pub link: Arc<Link>,
    /// Who sent it.
    pub source: (Ipv4Addr, u16),
    /// To which address.
    pub destination: Ipv4Addr,
    /// The UDP payload.
    pub payload: Vec<u8>,
}

/// A reply that may leave now.
#[derive(Clone, Debug)]
pub struct Departure {
    /// By which link.
    pub link: Arc<Link>,
    /// The address that the datagram was sent to: the reply's source when it is one of ours.
    pub asked: Ipv4Addr,
    /// The reply.
    pub reply: Reply,
    /// Where it goes.
    pub destination: Destination,
}

/// A datagram that got no answer.
#[derive(Clone, Debug)]
pub struct Dropped {
    /// Why.
    pub reason: DropReason,
    /// Where it came in.
    pub link: Arc<Link>,
    /// The UDP payload, for words about who sent it.
    pub payload: Box<[u8]>,
}

impl Dropped {
    pub(super) fn of(arrival: &Arrival, reason: DropReason) -> Self {
        Self { reason, link: Arc::clone(&arrival.link), payload: arrival.payload.as_slice().into() }
    }
}

impl Arrival {
    pub(super) fn ingress(&self) -> Ingress<'_> {
        Ingress {
            interface: &self.link.name,
            addresses: &self.link.addresses,
            source: self.source,
            destination: self.destination,
        }
    }
}

impl Departure {
    pub(super) fn answering(arrival: &Arrival, reply: Reply, destination: Destination) -> Self {
        Self { link: Arc::clone(&arrival.link), asked: arrival.destination, reply, destination }
    }

    /// The source address of the datagram. What was sent to one address is answered from it, whichever interface has
    /// it: a relay agent or a firewall on the way may know no other. To what was sent to all: the server identifier
    /// when it is an address of the link, else (RFC 5107 makes it a relay agent's) the link's first.
    #[must_use]
    pub fn source(&self) -> Option<Ipv4Addr> {
        let addresses = &self.link.addresses;
        let asked = self.asked;
        let to_network = addresses.iter().any(|net| net.prefix_len() < 31 && net.broadcast() == asked);
        if !(asked.is_unspecified() || asked.is_broadcast() || asked.is_multicast() || to_network) {
            return Some(asked);
        }
        let mut ours = addresses.iter().map(Ipv4Net::addr);
        ours.clone().find(|address| *address == self.reply.server_identifier).or_else(|| ours.next())
    }
}
