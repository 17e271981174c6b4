//! Random packets: what clients in each state of RFC 2131 say, with options at will, by broadcast, by unicast or through
//! a relay; and now and then one with bytes changed.

use std::net::Ipv4Addr;

use dhcp::client::ClientMessage;
use dhcp::decision::Ingress;
use dhcp::message::MessageType;
use dhcp::options::code;
use dhcp::reply::Reply;
use dhcp::settings::Settings;
use ipnet::Ipv4Net;

use crate::random::Random;
use crate::settings::{CLIENTS, CODES, VENDORS, client_id, hardware};

/// What each machine has heard last.
#[derive(Default)]
pub(crate) struct Clients([Option<(Ipv4Addr, Ipv4Addr)>; CLIENTS as usize]);

impl Clients {
    pub(crate) fn hear(&mut self, client: u8, reply: &Reply) {
        if !reply.yiaddr.is_unspecified() {
            self.0[usize::from(client)] = Some((reply.yiaddr, reply.server_identifier));
        }
    }
}

/// A packet under way.
pub(crate) struct Sent {
    pub(crate) client: u8,
    pub(crate) datagram: Vec<u8>,
    /// Bytes of it were changed.
    pub(crate) is_mutated: bool,
    addresses: Vec<Ipv4Net>,
    source: (Ipv4Addr, u16),
    destination: Ipv4Addr,
}

impl Sent {
    pub(crate) fn ingress(&self) -> Ingress<'_> {
        Ingress { interface: "eth0", addresses: &self.addresses, source: self.source, destination: self.destination }
    }

    pub(crate) fn server(&self) -> Ipv4Addr {
        self.addresses[0].addr()
    }
}

/// What relays say of a machine: always the same.
pub(crate) fn relay_agent_info(client: u8) -> [u8; 7] {
    [1, 1, client, 2, 2, 0xab, client]
}

/// The first address of a subnet: the server's on that link, and a relay's on any other.
fn first_address(settings: &Settings, place: usize) -> Ipv4Net {
    let prefix = settings.subnets[place].prefix;
    Ipv4Net::new((u32::from(prefix.network()) + 1).into(), prefix.prefix_len()).unwrap()
}

pub(crate) fn send(random: &mut Random, settings: &Settings, clients: &Clients) -> Sent {
    let client = random.byte() % CLIENTS;
    let place = random.below(settings.subnets.len());
    let addresses = vec![first_address(settings, 0)];
    let server = addresses[0].addr();
    let (known, told) = clients.0[usize::from(client)].unwrap_or((random.address(), server));
    let guessed = first_address(settings, place).addr();
    let address = if random.once_in(4) { (u32::from(guessed) + u32::from(random.byte() % 16)).into() } else { known };

    let mut message =
        ClientMessage::new(MessageType::Discover, u32::try_from(random.next() >> 32).unwrap(), hardware(client));
    message.broadcast = random.once_in(4);
    let (requested, identifier) = (code::REQUESTED_IP_ADDRESS, code::SERVER_IDENTIFIER);
    let mut unicast = false;
    match random.below(12) {
        0..4 => {
            if random.once_in(3) {
                message = message.with(requested, address.octets());
            }
        }
        4..7 => {
            message.message_type = MessageType::Request;
            message = message.with(requested, address.octets()).with(identifier, told.octets());
        }
        7 => {
            message.message_type = MessageType::Request;
            message = message.with(requested, address.octets());
        }
        8 => {
            (message.message_type, message.ciaddr, unicast) = (MessageType::Request, address, random.once_in(2));
        }
        9 => {
            message.message_type = MessageType::Decline;
            message = message.with(requested, address.octets()).with(identifier, told.octets());
        }
        10 => {
            (message.message_type, message.ciaddr, unicast) = (MessageType::Release, address, true);
            message = message.with(identifier, told.octets());
        }
        _ => (message.message_type, message.ciaddr) = (MessageType::Inform, address),
    }
    let mut message = decorate(random, message, client);
    let relayed = !unicast && !random.once_in(3);
    if relayed {
        message.giaddr = if random.once_in(20) { random.address() } else { first_address(settings, place).addr() };
        message.hops = 1;
    }
    if relayed && random.once_in(2) || random.once_in(12) {
        message = message.with(code::RELAY_AGENT_INFORMATION, relay_agent_info(client));
    }
    let mut datagram = Vec::new();
    message.encode(&mut datagram);
    let is_mutated = random.once_in(8);
    if is_mutated {
        mutate(random, &mut datagram);
    }
    Sent {
        client,
        datagram,
        is_mutated,
        source: if relayed { (message.giaddr, 67) } else { (message.ciaddr, 68) },
        destination: if relayed || unicast { server } else { Ipv4Addr::BROADCAST },
        addresses,
    }
}

fn decorate(random: &mut Random, mut message: ClientMessage, client: u8) -> ClientMessage {
    if let Some(client_id) = client_id(client) {
        message = message.with(code::CLIENT_IDENTIFIER, client_id.0);
    }
    if random.once_in(2) {
        let wanted: Vec<u8> =
            (0..random.below(20)).map(|_| *random.pick(&CODES)).chain([1, 3, 28, 51, 66, 67]).collect();
        message = message.with(code::PARAMETER_REQUEST_LIST, wanted);
    }
    if random.once_in(2) {
        let size = *random.pick(&[100_u16, 576, 590, 800, 1200, 1500, 9000]);
        message = message.with(code::MAXIMUM_DHCP_MESSAGE_SIZE, size.to_be_bytes());
    }
    if random.once_in(2) {
        message = message.with(code::VENDOR_CLASS_IDENTIFIER, random.pick(&VENDORS).as_bytes());
    }
    if random.once_in(6) {
        message =
            message.with(code::IP_ADDRESS_LEASE_TIME, u32::try_from(random.below(100_000)).unwrap().to_be_bytes());
    }
    if random.once_in(6) {
        message =
            message.with(code::USER_CLASS, b"\x04iPXE"[..].to_vec()).with(code::CLIENT_SYSTEM_ARCHITECTURE, [0, 7]);
    }
    if random.once_in(6) {
        message = message.with(code::HOST_NAME, format!("pc-{client}").into_bytes());
    }
    if random.once_in(10) {
        message = message.with(code::CLIENT_FQDN, [&[1, 0, 0], &b"pc.example"[..]].concat());
    }
    message
}

/// Any bytes but those by which it is DHCP at all, or its end is cut off.
fn mutate(random: &mut Random, datagram: &mut Vec<u8>) {
    for _ in 0..1 + random.below(6) {
        let at = random.below(datagram.len());
        if !(236..240).contains(&at) {
            datagram[at] = random.byte();
        }
    }
    if random.once_in(3) {
        datagram.truncate(200 + random.below(120));
    }
}
