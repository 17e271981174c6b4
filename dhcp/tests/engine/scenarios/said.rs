//! What a client says in a scenario, and how it reaches a server.

use std::net::Ipv4Addr;

use dhcp::client::ClientMessage;
use dhcp::message::MessageType;
use dhcp::options::code;

use super::value;
use crate::network::*;

/// A message under way.
pub(super) struct Said {
    pub(super) message: ClientMessage,
    /// Who sends the datagram: the client, or its relay.
    source: (Ipv4Addr, u16),
    /// `None`: everyone on the link; with a relay, every server.
    to: Option<Ipv4Addr>,
    relayed: bool,
}

impl Said {
    pub(super) fn reaches(&self, server: Ipv4Addr) -> bool {
        self.to.is_none_or(|to| to == server)
    }

    pub(super) fn way_to(&self, server: Ipv4Addr) -> Way {
        let destination = if self.relayed { server } else { self.to.unwrap_or(ALL) };
        let addresses = vec![ipnet::Ipv4Net::new(server, 24).expect("a prefix length")];
        Way { interface: "eth0", addresses, source: self.source, destination }
    }
}

/// `CLIENT MESSAGE [ADDRESS] [WORD..]`.
pub(super) fn read(said: &[&str]) -> Result<Said, String> {
    let [client, kind, rest @ ..] = said else { return Err("not CLIENT MESSAGE".into()) };
    let (address, words) = match rest.split_first() {
        Some((first, words)) if first.parse::<Ipv4Addr>().is_ok() => (first.parse().ok(), words),
        _ => (None, rest),
    };
    let mut said = message(client.as_bytes()[0], kind, address)?;
    for word in words {
        said.apply(word)?;
    }
    Ok(said)
}

/// The message as RFC 2131 table 5 has it, before the scenario changes anything.
fn message(client: u8, kind: &str, address: Option<Ipv4Addr>) -> Result<Said, String> {
    let given = address.unwrap_or(ZERO);
    let raw = |message_type| ClientMessage { message_type, ..discover(client) };
    let unicast = matches!(kind, "RENEWING" | "RELEASE");
    let message = match kind {
        "DISCOVER" => match address {
            Some(wanted) => discover(client).with(code::REQUESTED_IP_ADDRESS, wanted.octets()),
            None => discover(client),
        },
        "SELECTING" => selecting(client, given),
        "CHOOSES-ANOTHER" => init_reboot(client, given).with(code::SERVER_IDENTIFIER, [192, 168, 30, 2]),
        "INIT-REBOOT" => init_reboot(client, given),
        "RENEWING" | "REBINDING" => extending(client, given),
        "RELEASE" => release(client, given),
        "DECLINE" => decline(client, given),
        "INFORM" => inform(client, given),
        // Bare: the scenario fills it in.
        "REQUEST" => raw(MessageType::Request),
        "OFFER" => raw(MessageType::Offer),
        "ACK" => raw(MessageType::Ack),
        "NAK" => raw(MessageType::Nak),
        other => return Err(format!("no such message: {other}")),
    };
    // Who has an address sends from it.
    let source = (message.ciaddr, 68);
    Ok(Said { message, source, to: unicast.then_some(SERVER), relayed: false })
}

impl Said {
    fn apply(&mut self, word: &str) -> Result<(), String> {
        let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| format!("not an address: {text}"));
        let number = |text: &str| text.parse::<u32>().map_err(|_| format!("not a number: {text}"));
        match word.split_once('=').unwrap_or((word, "")) {
            ("broadcast", "") => self.message.broadcast = true,
            ("via", relay) => {
                let relay = address(relay)?;
                self.message.giaddr = relay;
                self.message.hops = 1;
                self.source = (relay, 67);
                self.relayed = true;
            }
            ("to", "all") => self.to = None,
            ("to", server) => self.to = Some(address(server)?),
            ("ciaddr", ciaddr) => {
                self.message.ciaddr = address(ciaddr)?;
                if !self.relayed {
                    self.source.0 = self.message.ciaddr;
                }
            }
            ("xid", xid) => self.message.xid = number(xid)?,
            ("secs", secs) => self.message.secs = u16::try_from(number(secs)?).map_err(|_| "secs is 16 bits")?,
            (code, data) => {
                let code: u8 = code.parse().map_err(|_| format!("no such word: {word}"))?;
                self.message.options.retain(|(given, _)| *given != code);
                if data != "absent" {
                    self.message.options.push((code, value::read(data)?.into()));
                }
            }
        }
        Ok(())
    }
}
