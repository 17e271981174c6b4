//! What the engine makes of a message, told step by step. It is the same engine that decides: what is told here is asked
//! of the functions that decide, before they do.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Engine;
use super::admission;
use super::choose::{self, Choice};
use super::client::Client;
use super::exchange::{self, Exchange};
use super::layers::{Layers, Level, Source};
use crate::class::Facts;
use crate::decision::{Decision, Ingress};
use crate::message::{DropReason, Message, MessageType};
use crate::names::NameChooser;
use crate::options::code;
use crate::settings::ReservedFor;
use crate::time::Now;

/// How the client's link was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkBy {
    /// Option 82, sub-option 5 (RFC 3527).
    LinkSelection(Ipv4Addr),
    /// Option 118 (RFC 3011).
    SubnetSelection(Ipv4Addr),
    /// The relay agent's address.
    Giaddr(Ipv4Addr),
    /// The address that the client has, since it turned to us by unicast (RFC 2131 section 4.3.2).
    Ciaddr(Ipv4Addr),
    /// The interface that the message came in on.
    Interface,
}

/// Why an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressBy {
    /// It is reserved for the client.
    Reserved,
    /// The client holds it.
    Current,
    /// The client held it before.
    Previous,
    /// The client asked for it.
    Requested,
    /// It was offered to the client already.
    Offered,
    /// It is the next free one of its pool.
    Fresh,
}

/// A client's reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The subnet that it stands in.
    pub subnet: Ipv4Net,
    /// The address; `None`: a name and options only.
    pub address: Option<Ipv4Addr>,
    /// The name.
    pub hostname: Option<String>,
    /// Whom it is for.
    pub clients: Vec<ReservedFor>,
}

/// A class, and whether the client is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassTold {
    /// Its name.
    pub name: String,
    /// Whether the client is of it.
    pub holds: bool,
    /// The part of its condition that decided, in words.
    pub because: String,
}

/// What the engine made of one message.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// How the link was found, and its subnets in the order in which they are tried.
    ///
    /// # Errors
    /// Why there is none.
    pub link: (LinkBy, Result<Vec<Ipv4Net>, DropReason>),
    /// Every class, in the order of the file.
    pub classes: Vec<ClassTold>,
    /// The client's reservation on the link.
    pub reserved: Option<Reserved>,
    /// The address that a DISCOVER or REQUEST of this client leads to, the subnet it lies in, and why it is this one.
    pub address: Option<(Ipv4Addr, Ipv4Net, AddressBy)>,
    /// Where each option of the reply came from, in words, as far as the settings gave it.
    pub sources: Vec<(u8, String)>,
    /// What comes of it.
    pub decision: Decision,
}

impl Engine {
    /// Decides on one datagram as [`Engine::handle_message`] does, and tells why.
    ///
    /// # Errors
    /// The datagram is no message that a server takes.
    pub fn explain(
        &mut self,
        now: Now,
        ingress: &Ingress<'_>,
        datagram: &[u8],
        names: &dyn NameChooser,
    ) -> Result<Explanation, DropReason> {
        let message = Message::parse(datagram)?;
        self.book.lapse_offers(now.boot_ms);
        self.book.learn_own(ingress.addresses);
        let by = link_by(ingress, &message);
        let link = exchange::link(&self.book, ingress, &message);
        let prefixes = |places: &[usize]| places.iter().map(|&place| self.book.plan.subnet(place).prefix).collect();
        let told = link.as_ref().map(|places| prefixes(places)).map_err(|reason| *reason);
        let mut explanation = Explanation {
            link: (by, told),
            classes: Vec::new(),
            reserved: None,
            address: None,
            sources: Vec::new(),
            decision: Decision::default(),
        };
        if let Ok(link) = link {
            let remembered = exchange::remembered_relay(&self.book, ingress, &message);
            let relay = message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or(&remembered);
            let classes = admission::classes(&self.book, ingress, &message, relay, &link);
            let asker = self.book.asker(Client::of(&message, relay));
            let server_identifier_override = exchange::server_identifier_override(&message);
            let exchange = Exchange {
                now,
                ingress,
                message: &message,
                names,
                link,
                relay,
                asker,
                classes,
                server_identifier_override,
            };
            explanation.reserved = self.told_reserved(&exchange);
            explanation.classes = self.told_classes(&exchange, explanation.reserved.is_some());
            let before = self.candidates(&exchange);
            explanation.decision = self.handle_parsed(now, ingress, &message, names);
            explanation.address = self.told_address(&exchange, &explanation.decision, &before);
            explanation.sources = self.told_sources(&exchange, &explanation.decision);
        } else {
            explanation.decision = self.handle_parsed(now, ingress, &message, names);
        }
        Ok(explanation)
    }

    fn told_classes(&self, exchange: &Exchange<'_>, is_known: bool) -> Vec<ClassTold> {
        let told = self.book.plan.settings.classes.explain(&Facts {
            message: exchange.message,
            relay: exchange.relay,
            giaddr: exchange::relay_address(&self.book, exchange.ingress, exchange.message),
            interface: exchange.ingress.interface,
            is_known,
        });
        let owned = told.into_iter().map(|class| ClassTold {
            name: class.name.to_owned(),
            holds: class.holds,
            because: class.because,
        });
        owned.collect()
    }

    fn told_reserved(&self, exchange: &Exchange<'_>) -> Option<Reserved> {
        exchange.link.iter().find_map(|&place| {
            let reservation = self.book.plan.reservation_for(place, exchange.client())?;
            Some(Reserved {
                subnet: self.book.plan.subnet(place).prefix,
                address: reservation.address,
                hostname: reservation.hostname.clone(),
                clients: reservation.clients.clone(),
            })
        })
    }

    /// What each step of the choice has to say, asked before anything changes.
    fn candidates(&self, exchange: &Exchange<'_>) -> Vec<(AddressBy, Choice)> {
        let active = exchange.active(&self.book);
        let steps = [
            (AddressBy::Reserved, choose::reserved(&self.book, exchange, &active)),
            (AddressBy::Current, choose::current(&self.book, exchange, &active)),
            (AddressBy::Previous, choose::previous(&self.book, exchange, &active)),
            (AddressBy::Requested, choose::requested(&self.book, exchange, &active)),
            (AddressBy::Offered, choose::offered(&self.book, exchange, &active)),
        ];
        steps.into_iter().filter_map(|(by, choice)| Some((by, choice?))).collect()
    }

    /// Where the options of an OFFER or ACK came from.
    fn told_sources(&self, exchange: &Exchange<'_>, decision: &Decision) -> Vec<(u8, String)> {
        let Some((reply, _)) = &decision.reply else { return Vec::new() };
        let Some(place) = exchange.subnet_on_link(&self.book, reply.yiaddr) else { return Vec::new() };
        let layers = Layers::of(&self.book, exchange, place, reply.yiaddr);
        // Option 12 is the name that was chosen, unless it is what a scope has.
        let is_name = |(wanted, data): &(u8, &[u8])| {
            *wanted == code::HOST_NAME && layers.find(*wanted).is_none_or(|(_, said)| said != *data)
        };
        let codes = reply.options.iter().filter(|option| !is_name(option)).map(|(code, _)| code);
        codes.filter_map(|code| Some((code, self.source_words(place, layers.find(code)?.0)?))).collect()
    }

    /// In words; `None` for what no scope says.
    fn source_words(&self, place: usize, source: Source) -> Option<String> {
        let settings = &self.book.plan.settings;
        let subnet = self.book.plan.subnet(place);
        Some(match source {
            Source::Class(id) => format!("class {}", settings.classes.get(id)?.name),
            Source::Level(Level::Subnet) => format!("subnet {}", subnet.prefix),
            Source::Level(Level::SharedNetwork) => {
                format!("shared network {}", settings.networks.get(usize::from(subnet.network?.0))?.name)
            }
            Source::Level(level) => level.to_string(),
            Source::Derived => return None,
        })
    }

    fn told_address(
        &self,
        exchange: &Exchange<'_>,
        decision: &Decision,
        before: &[(AddressBy, Choice)],
    ) -> Option<(Ipv4Addr, Ipv4Net, AddressBy)> {
        let (reply, _) = decision.reply.as_ref()?;
        let is_given = matches!(reply.message_type, MessageType::Offer | MessageType::Ack);
        let address = Some(reply.yiaddr).filter(|address| is_given && !address.is_unspecified())?;
        let place = exchange.subnet_on_link(&self.book, address)?;
        let by = before.iter().find(|(_, choice)| choice.address == address).map_or(AddressBy::Fresh, |(by, _)| *by);
        Some((address, self.book.plan.subnet(place).prefix, by))
    }
}

/// As [`exchange::link`] looks for it.
fn link_by(ingress: &Ingress<'_>, message: &Message<'_>) -> LinkBy {
    if !message.giaddr.is_unspecified() {
        let selection = message.relay_agent_info().link_selection().map(LinkBy::LinkSelection);
        return selection
            .or(message.subnet_selection().map(LinkBy::SubnetSelection))
            .unwrap_or(LinkBy::Giaddr(message.giaddr));
    }
    if let Some(selected) = message.subnet_selection() {
        return LinkBy::SubnetSelection(selected);
    }
    if !message.ciaddr.is_unspecified() && exchange::sent_to(ingress).is_some() {
        return LinkBy::Ciaddr(message.ciaddr);
    }
    LinkBy::Interface
}

impl fmt::Display for LinkBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkSelection(address) => write!(f, "by the relay's link selection {address} (RFC 3527)"),
            Self::SubnetSelection(address) => write!(f, "by the client's subnet selection {address} (RFC 3011)"),
            Self::Giaddr(address) => write!(f, "by the relay's address {address} (giaddr)"),
            Self::Ciaddr(address) => write!(f, "by the address {address} that the client has (ciaddr)"),
            Self::Interface => f.write_str("by the interface that the message came in on"),
        }
    }
}

impl fmt::Display for AddressBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "it is reserved for this client",
            Self::Current => "the client holds it",
            Self::Previous => "the client held it before, and it is free",
            Self::Requested => "the client asked for it, and it is free",
            Self::Offered => "it was offered to this client already",
            Self::Fresh => "it is the next free one",
        })
    }
}
