//! An explanation as a person reads it, and as JSON.

use std::fmt::{Display, Write as _};
use std::net::Ipv4Addr;

use dhcp::engine::explain::{Explanation, Reserved};
use dhcp::message::{DropReason, Message};
use dhcp::options::value::{name_of, show};
use dhcp::options::{RelayAgentInfo, code};
use dhcp::relay_info::{CircuitId, RemoteId, Switches, Whereabouts};
use dhcp::reply::Reply;
use dhcp::settings::ReservedFor;
use ipnet::Ipv4Net;
use serde::Serialize;

/// All that is told of one packet.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    packet: usize,
    interface: String,
    message: Option<Sent>,
    link: Option<Link>,
    classes: Vec<Class>,
    reservation: Option<String>,
    address: Option<Address>,
    outcome: String,
    reply: Option<Answer>,
}

#[derive(Debug, Serialize)]
struct Sent {
    message_type: String,
    xid: String,
    hardware: String,
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Ipv4Addr::is_unspecified")]
    giaddr: Ipv4Addr,
    /// Behind which switch, in which VLAN and at which port the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Ipv4Addr::is_unspecified")]
    ciaddr: Ipv4Addr,
    options: Vec<Shown>,
    /// Codes of options that could not be read.
    malformed: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Link {
    found: String,
    subnets: Vec<Ipv4Net>,
}

#[derive(Debug, Serialize)]
struct Class {
    name: String,
    holds: bool,
    because: String,
}

#[derive(Debug, Serialize)]
struct Address {
    address: Ipv4Addr,
    subnet: Ipv4Net,
    because: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    message_type: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_server: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_file: Option<String>,
    options: Vec<Shown>,
}

/// An option, and, of a reply's, where it came from.
#[derive(Debug, Serialize)]
struct Shown {
    code: u8,
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl Told {
    pub(super) fn new(
        packet: usize,
        interface: &str,
        message: Option<&Message<'_>>,
        switches: &Switches,
        explanation: Result<Explanation, DropReason>,
    ) -> Self {
        let message = message.map(|message| Sent::new(message, switches));
        let explanation = match explanation {
            Ok(explanation) => explanation,
            Err(reason) => {
                return Self {
                    packet,
                    interface: interface.to_owned(),
                    message,
                    link: None,
                    classes: Vec::new(),
                    reservation: None,
                    address: None,
                    outcome: format!("dropped: {reason}"),
                    reply: None,
                };
            }
        };
        let Explanation { link: (by, link), classes, reserved, address, decision, .. } = explanation;
        let outcome = match (&decision.reply, decision.dropped) {
            (Some((reply, _)), _) => format!("answered with {}", reply.message_type),
            (None, Some(reason)) => format!("no answer: {reason}"),
            (None, None) => match decision.events.first() {
                Some(event) => format!("no answer is due; the lease of {} ends", event.lease.address),
                None => "no answer is due".to_owned(),
            },
        };
        let sources = explanation.sources;
        Self {
            packet,
            interface: interface.to_owned(),
            message,
            link: Some(Link { found: by.to_string(), subnets: link.unwrap_or_default() }),
            classes: classes
                .into_iter()
                .map(|class| Class { name: class.name, holds: class.holds, because: class.because })
                .collect(),
            reservation: reserved.as_ref().map(reservation),
            address: address.map(|(address, subnet, by)| Address { address, subnet, because: by.to_string() }),
            outcome,
            reply: decision.reply.map(|(reply, to)| Answer {
                message_type: reply.message_type.to_string(),
                to: to.to_string(),
                next_server: Some(reply.siaddr).filter(|address| !address.is_unspecified()),
                server_name: Some(reply.sname.to_string()).filter(|name| !name.is_empty()),
                boot_file: Some(reply.file.to_string()).filter(|file| !file.is_empty()),
                options: options_of(&reply, &sources),
            }),
        }
    }

    /// A few lines for each part; `several`: the packet's number stands in front.
    pub(super) fn text(&self, several: bool) -> String {
        let mut out = String::new();
        if several {
            line(&mut out, "PACKET", self.packet);
        }
        match &self.message {
            Some(sent) => sent.text(&mut out),
            None => line(&mut out, "MESSAGE", "cannot be read"),
        }
        if let Some(link) = &self.link {
            let subnets: Vec<String> = link.subnets.iter().map(Ipv4Net::to_string).collect();
            let on = if subnets.is_empty() { "no subnet".to_owned() } else { subnets.join(", ") };
            line(&mut out, "SUBNET", format!("{on}, found {}", link.found));
        }
        for class in &self.classes {
            let holds = if class.holds { "is" } else { "is not" };
            line(&mut out, "CLASS", format!("{holds} {}: {}", class.name, class.because));
        }
        if let Some(reservation) = &self.reservation {
            line(&mut out, "RESERVATION", reservation);
        }
        if let Some(Address { address, subnet, because }) = &self.address {
            line(&mut out, "ADDRESS", format!("{address} of {subnet}: {because}"));
        }
        line(&mut out, "OUTCOME", &self.outcome);
        if let Some(reply) = &self.reply {
            line(&mut out, "REPLY", format!("{} {}", reply.message_type, reply.to));
            let next_server = reply.next_server.map(|address| address.to_string());
            let fields =
                [("next_server", &next_server), ("server_name", &reply.server_name), ("boot_file", &reply.boot_file)];
            for (name, value) in fields {
                if let Some(value) = value {
                    line(&mut out, "", format!("    {name} {value:?}"));
                }
            }
            for option in &reply.options {
                line(&mut out, "", option.text());
            }
        }
        out.push('\n');
        out
    }
}

impl Sent {
    fn new(message: &Message<'_>, switches: &Switches) -> Self {
        let marks = message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let place = Whereabouts::read(switches, message.giaddr, marks, &message.hardware);
        let shown =
            |(code, data): (u8, &[u8])| Shown { code, name: name_of(code), value: value(code, data), from: None };
        Self {
            message_type: message.message_type.to_string(),
            xid: format!("{:08x}", message.xid),
            hardware: message.hardware.to_string(),
            client_id: message.client_id.as_ref().map(ToString::to_string),
            giaddr: message.giaddr,
            place: place.map(|place| place.to_string()),
            ciaddr: message.ciaddr,
            options: message.options.iter().filter(|(code, _)| *code != code::DHCP_MESSAGE_TYPE).map(shown).collect(),
            malformed: message.malformed.clone(),
        }
    }

    fn text(&self, out: &mut String) {
        let mut words = format!("{} of {}, xid {}", self.message_type, self.hardware, self.xid);
        if !self.giaddr.is_unspecified() {
            _ = write!(words, ", relayed by {}", self.giaddr);
        }
        if !self.ciaddr.is_unspecified() {
            _ = write!(words, ", has {}", self.ciaddr);
        }
        line(out, "MESSAGE", words);
        if let Some(place) = &self.place {
            line(out, "BEHIND", place);
        }
        for option in &self.options {
            line(out, "", option.text());
        }
        if !self.malformed.is_empty() {
            line(out, "", format!("ignored, because they cannot be read: options {:?}", self.malformed));
        }
    }
}

impl Shown {
    fn text(&self) -> String {
        let from = self.from.as_ref().map_or_else(String::new, |from| format!("   ({from})"));
        format!("{:>3} {} {}{from}", self.code, self.name, self.value)
    }
}

/// Option 82 is told as a switch means it.
fn value(code: u8, data: &[u8]) -> String {
    if code == code::RELAY_AGENT_INFORMATION { RelayAgentInfo(data).to_string() } else { show(code, data) }
}

fn options_of(reply: &Reply, sources: &[(u8, String)]) -> Vec<Shown> {
    let from = |code: u8| sources.iter().find(|(of, _)| *of == code).map(|(_, from)| from.clone());
    let server_identifier = reply.server_identifier.octets();
    let own = [(code::SERVER_IDENTIFIER, &server_identifier[..])];
    let echoed = Some((code::RELAY_AGENT_INFORMATION, &*reply.relay_agent_info)).filter(|(_, data)| !data.is_empty());
    let all = own.into_iter().chain(&reply.options).chain(echoed);
    all.map(|(code, data)| Shown { code, name: name_of(code), value: value(code, data), from: from(code) }).collect()
}

fn reservation(reserved: &Reserved) -> String {
    let clients: Vec<String> = reserved.clients.iter().map(client).collect();
    let mut words = match reserved.address {
        Some(address) => format!("{address} in {}", reserved.subnet),
        None => format!("in {}, without an address", reserved.subnet),
    };
    if let Some(hostname) = &reserved.hostname {
        _ = write!(words, ", as {hostname}");
    }
    _ = write!(words, ", for {}", clients.join(" or "));
    words
}

fn client(client: &ReservedFor) -> String {
    let bytes = |data: &[u8]| show(code::VENDOR_SPECIFIC_INFORMATION, data);
    match client {
        ReservedFor::Hardware(hardware) => format!("hardware address {hardware}"),
        ReservedFor::ClientId(id) => format!("client identifier {id}"),
        ReservedFor::Duid(duid) => format!("DUID {}", bytes(duid)),
        ReservedFor::CircuitId(id) => format!("circuit identifier {}", CircuitId::read(id)),
        ReservedFor::RemoteId(id) => format!("remote identifier {}", RemoteId::read(id)),
        ReservedFor::Port { circuit_id, remote_id } => {
            format!("{} at {}", CircuitId::read(circuit_id), RemoteId::read(remote_id))
        }
        ReservedFor::SubscriberId(id) => format!("subscriber identifier {}", bytes(id)),
    }
}

fn line(out: &mut String, title: &str, words: impl Display) {
    _ = writeln!(out, "{title:<12} {words}");
}
