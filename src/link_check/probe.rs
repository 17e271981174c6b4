//! What is asked and how answers are read. Pure.

use std::fmt;
use std::net::Ipv4Addr;

use dhcp::client::{ClientMessage, ServerMessage};
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::code;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::dhcp_sockets::frame::{Ends, build_frame};

/// What a person who is told of a server wants to know of it.
const ASKED_FOR: [u8; 4] = [code::SUBNET_MASK, code::ROUTER, code::DOMAIN_NAME_SERVER, code::DOMAIN_NAME];

/// A DHCP server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundServer {
    /// The interface on whose link it answered.
    pub interface: String,
    /// Option 54; `None` when it sent none.
    pub identifier: Option<Ipv4Addr>,
    /// Where the answer came from.
    pub source: Ipv4Addr,
    /// The hardware address that the frame came from: the server's, or a relay's.
    pub hardware: [u8; 6],
    /// The address that it would lease to us; `None` when it only answered the INFORM.
    pub offered: Option<Ipv4Addr>,
}

impl fmt::Display for FoundServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.hardware;
        let address = self.identifier.unwrap_or(self.source);
        write!(
            f,
            "DHCP server {address} on {} (hardware {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}",
            self.interface
        )?;
        match self.offered {
            Some(offered) => write!(f, ", it offers {offered})"),
            None => f.write_str(", it answers questions but offered no address)"),
        }
    }
}

/// The ports and the transaction of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) server_port: u16,
    pub(super) client_port: u16,
    /// Random, so that answers to others are not taken for ours.
    pub(super) xid: u32,
}

/// The frames that ask: a DISCOVER from a client without an address and, when the interface has an address,
/// an INFORM from it, for a server that has nothing to lease to strangers.
pub(super) fn build_probes(own: [u8; 6], address: Option<Ipv4Addr>, transaction: Transaction) -> Vec<Vec<u8>> {
    let Some(hardware) = HardwareAddress::new(1, &own) else { return Vec::new() };
    let frame = |message: ClientMessage, source: Ipv4Addr| {
        let mut payload = Vec::new();
        message.with(code::PARAMETER_REQUEST_LIST, ASKED_FOR).encode(&mut payload);
        let ends = Ends {
            source: (source, transaction.client_port),
            destination: (Ipv4Addr::BROADCAST, transaction.server_port),
        };
        build_frame(own, [0xff; 6], ends, &payload)
    };
    // Answered by broadcast, the offer reaches us whatever address it is for.
    let discover =
        ClientMessage { broadcast: true, ..ClientMessage::new(MessageType::Discover, transaction.xid, hardware) };
    let inform = address.map(|ciaddr| {
        let inform = ClientMessage::new(MessageType::Inform, transaction.xid, hardware);
        frame(ClientMessage { ciaddr, broadcast: true, ..inform }, ciaddr)
    });
    [frame(discover, Ipv4Addr::UNSPECIFIED), inform.flatten()].into_iter().flatten().collect()
}

/// The server that sent this frame, when it is an answer to `transaction`.
pub(super) fn read_answer(frame: &[u8], interface: &str, transaction: Transaction) -> Option<FoundServer> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else {
        return None;
    };
    if udp.destination_port() != transaction.client_port {
        return None;
    }
    let message = ServerMessage::parse(udp.payload()).ok()?;
    if message.xid != transaction.xid {
        return None;
    }
    let offered = match message.message_type {
        MessageType::Offer => Some(message.yiaddr),
        // To the INFORM, an ACK; a NAK is an answer as well.
        MessageType::Ack | MessageType::Nak => None,
        _ => return None,
    };
    Some(FoundServer {
        interface: interface.to_owned(),
        identifier: message.server_identifier(),
        source: ip.header().source_addr(),
        hardware: frame.get(6..12)?.try_into().ok()?,
        offered: offered.filter(|address| !address.is_unspecified()),
    })
}

/// Adds `server` to what was found: each server once, with its offer when it made one.
pub(super) fn note(found: &mut Vec<FoundServer>, server: FoundServer) {
    let same = |other: &&mut FoundServer| {
        other.interface == server.interface
            && other.identifier == server.identifier
            && other.hardware == server.hardware
    };
    match found.iter_mut().find(same) {
        Some(known) => known.offered = known.offered.or(server.offered),
        None => found.push(server),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use dhcp::message::Message;
    use dhcp::reply::Reply;

    use super::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
    const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 254);
    const OFFERED: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 57);
    const TRANSACTION: Transaction = Transaction { server_port: 67, client_port: 68, xid: 0xfeed_beef };

    fn udp_payload(frame: &[u8]) -> (Ipv4Addr, Vec<u8>) {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else {
            panic!("not UDP over IPv4");
        };
        assert_eq!((udp.source_port(), udp.destination_port()), (68, 67));
        assert_eq!(ip.header().destination_addr(), Ipv4Addr::BROADCAST);
        (ip.header().source_addr(), udp.payload().to_vec())
    }

    /// The answer of another server to a probe.
    fn answer(probe: &[u8], message_type: MessageType, yiaddr: Ipv4Addr) -> Vec<u8> {
        let (_, payload) = udp_payload(probe);
        let request = Message::parse(&payload).unwrap();
        let mut reply = Reply::answering(&request, message_type, OTHER_SERVER);
        reply.yiaddr = yiaddr;
        let mut payload = Vec::new();
        reply.encode(&mut payload);
        let ends = Ends { source: (OTHER_SERVER, 67), destination: (Ipv4Addr::BROADCAST, 68) };
        build_frame(THEIRS, [0xff; 6], ends, &payload).unwrap()
    }

    fn probes() -> [Vec<u8>; 2] {
        build_probes(OWN, Some(ADDRESS), TRANSACTION).try_into().unwrap()
    }

    #[test]
    fn the_link_is_asked_by_discover_and_by_inform() {
        let [discover, inform] = probes();
        let (source, payload) = udp_payload(&discover);
        let message = Message::parse(&payload).unwrap();
        assert_eq!((source, message.message_type), (Ipv4Addr::UNSPECIFIED, MessageType::Discover));
        assert!(message.broadcast);
        assert_eq!(message.hardware.as_bytes(), OWN);
        let (source, payload) = udp_payload(&inform);
        let message = Message::parse(&payload).unwrap();
        assert_eq!((source, message.message_type, message.ciaddr), (ADDRESS, MessageType::Inform, ADDRESS));
        assert_eq!(message.xid, TRANSACTION.xid);
    }

    #[test]
    fn an_interface_without_an_address_asks_by_discover_alone() {
        assert_eq!(build_probes(OWN, None, TRANSACTION).len(), 1);
    }

    #[test]
    fn an_offer_names_its_server() {
        let found = read_answer(&answer(&probes()[0], MessageType::Offer, OFFERED), "eth0", TRANSACTION).unwrap();
        let expected = FoundServer {
            interface: "eth0".into(),
            identifier: Some(OTHER_SERVER),
            source: OTHER_SERVER,
            hardware: THEIRS,
            offered: Some(OFFERED),
        };
        assert_eq!(found, expected);
        assert_eq!(
            found.to_string(),
            "DHCP server 192.168.30.254 on eth0 (hardware 02:00:00:00:00:fe, it offers 192.168.30.57)"
        );
    }

    #[test]
    fn answers_to_others_and_noise_are_not_taken_for_ours() {
        let offer = answer(&probes()[0], MessageType::Offer, OFFERED);
        assert_eq!(read_answer(&offer, "eth0", Transaction { xid: 1, ..TRANSACTION }), None);
        assert_eq!(read_answer(&offer, "eth0", Transaction { client_port: 6868, ..TRANSACTION }), None);
        assert_eq!(read_answer(&probes()[0], "eth0", TRANSACTION), None);
        for len in 0..offer.len() {
            // A frame cut anywhere is read or refused, and no more; its options may have been whole.
            let _ = read_answer(&offer[..len], "eth0", TRANSACTION);
        }
    }

    #[test]
    fn each_server_is_found_once_with_its_offer() {
        let [discover, inform] = probes();
        let ack = answer(&inform, MessageType::Ack, Ipv4Addr::UNSPECIFIED);
        let offer = answer(&discover, MessageType::Offer, OFFERED);
        let mut found = Vec::new();
        for frame in [&ack, &offer, &ack] {
            note(&mut found, read_answer(frame, "eth0", TRANSACTION).unwrap());
        }
        note(&mut found, read_answer(&offer, "eth1", TRANSACTION).unwrap());
        let by: Vec<(&str, Option<Ipv4Addr>)> = found.iter().map(|s| (s.interface.as_str(), s.offered)).collect();
        assert_eq!(by, [("eth0", Some(OFFERED)), ("eth1", Some(OFFERED))]);
    }
}
