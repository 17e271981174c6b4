//! What asks for an address, and how answers are read. Pure.

use std::net::Ipv4Addr;

use dhcp::identity::HardwareAddress;
use etherparse::{
    ArpEthIpv4Packet, ArpOperation, EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Header, Icmpv4Type, NetSlice,
    SlicedPacket, TransportSlice,
};

/// The frame that asks the link who has an address.
///
/// RFC 5227 section 2.1.1: "A host probes to see if an address is already in use by broadcasting an ARP Request for the
/// desired address. The client MUST fill in the 'sender hardware address' field of the ARP Request with the hardware
/// address of the interface through which it is sending the packet. The 'sender IP address' field MUST be set to all
/// zeroes". So nobody's ARP cache learns anything from it.
pub(super) fn build_arp_probe(own: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let ethernet = Ethernet2Header { source: own, destination: [0xff; 6], ether_type: EtherType::ARP };
    let arp = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: own,
        sender_ipv4: [0; 4],
        target_mac: [0; 6],
        target_ipv4: address.octets(),
    };
    [&ethernet.to_bytes()[..], &arp.to_bytes()[..]].concat()
}

/// Who uses which address, as an ARP frame tells.
///
/// RFC 5227 section 2.1.1: it counts "any ARP packet (Request *or* Reply) [...] where the packet's 'sender IP address' is
/// the address being probed for".
pub(super) fn read_arp(frame: &[u8]) -> Option<(Ipv4Addr, HardwareAddress)> {
    let Some(NetSlice::Arp(arp)) = SlicedPacket::from_ethernet(frame).ok()?.net else { return None };
    let address: [u8; 4] = arp.sender_protocol_addr().try_into().ok()?;
    let htype = u8::try_from(arp.hw_addr_type().0).ok()?;
    let hardware = HardwareAddress::new(htype, arp.sender_hw_addr())?;
    Some((Ipv4Addr::from(address), hardware)).filter(|(address, _)| !address.is_unspecified())
}

/// An ICMP echo request, without its IP header.
pub(super) fn build_echo(id: u16, seq: u16) -> Vec<u8> {
    Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(IcmpEchoHeader { id, seq }), &[]).to_bytes().to_vec()
}

/// Who answered an echo request of ours, as a datagram with its IP header tells.
pub(super) fn read_echo_reply(datagram: &[u8], id: u16) -> Option<Ipv4Addr> {
    let packet = SlicedPacket::from_ip(datagram).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) = (&packet.net, &packet.transport) else {
        return None;
    };
    match icmp.icmp_type() {
        Icmpv4Type::EchoReply(echo) if echo.id == id => Some(ip.header().source_addr()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);

    /// An ARP packet of somebody who has `ADDRESS`.
    fn arp(operation: ArpOperation) -> Vec<u8> {
        let ethernet = Ethernet2Header { source: THEIRS, destination: OWN, ether_type: EtherType::ARP };
        let packet = ArpEthIpv4Packet {
            operation,
            sender_mac: THEIRS,
            sender_ipv4: ADDRESS.octets(),
            target_mac: OWN,
            target_ipv4: [0; 4],
        };
        // As drivers hand short frames on: padded to what Ethernet wants.
        [&ethernet.to_bytes()[..], &packet.to_bytes()[..], &[0; 18][..]].concat()
    }

    #[test]
    fn rfc5227_section_2_1_1_a_probe_has_no_sender_address_so_that_no_cache_learns_from_it() {
        let frame = build_arp_probe(OWN, ADDRESS);
        assert_eq!((frame.len(), &frame[..6]), (42, &[0xff; 6][..]));
        let Some(NetSlice::Arp(arp)) = SlicedPacket::from_ethernet(&frame).unwrap().net else { panic!("no ARP") };
        assert_eq!((arp.sender_hw_addr(), arp.sender_protocol_addr()), (&OWN[..], &[0; 4][..]));
        assert_eq!(arp.target_protocol_addr(), ADDRESS.octets());
        assert_eq!(read_arp(&frame), None, "our own probe says nothing of who has the address");
    }

    #[test]
    fn rfc5227_section_2_1_1_an_answer_counts_whether_it_is_a_reply_or_a_request() {
        let whose = HardwareAddress::new(1, &THEIRS).unwrap();
        for operation in [ArpOperation::REPLY, ArpOperation::REQUEST] {
            assert_eq!(read_arp(&arp(operation)), Some((ADDRESS, whose)));
        }
        let whole = arp(ArpOperation::REPLY);
        for len in 0..42 {
            assert_eq!(read_arp(&whole[..len]), None, "cut at {len}");
        }
    }

    #[test]
    fn an_echo_reply_counts_when_it_answers_us() {
        let answer = |id| {
            let builder = PacketBuilder::ipv4(ADDRESS.octets(), [10, 7, 0, 1], 64).icmpv4_echo_reply(id, 3);
            let mut datagram = Vec::new();
            builder.write(&mut datagram, &[]).unwrap();
            datagram
        };
        assert_eq!(read_echo_reply(&answer(77), 77), Some(ADDRESS));
        assert_eq!(read_echo_reply(&answer(78), 77), None);
        let (request, _) = Icmpv4Header::from_slice(&build_echo(77, 3)).map(|(h, rest)| (h, rest.len())).unwrap();
        assert_eq!(request.icmp_type, Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 77, seq: 3 }));
        assert_eq!(request.checksum, request.icmp_type.calc_checksum(&[]));
        for len in 0..answer(77).len() {
            assert_eq!(read_echo_reply(&answer(77)[..len], 77), None, "cut at {len}");
        }
    }
}
