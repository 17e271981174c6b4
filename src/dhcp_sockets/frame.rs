//! Packets made by hand: a frame for a client that cannot answer ARP yet, and an IP datagram whose way the
//! kernel's routes decide. Pure.

use std::net::Ipv4Addr;

use etherparse::PacketBuilder;

/// As any datagram of ours would have.
const TIME_TO_LIVE: u8 = 64;

/// Ends of a UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Source address and port.
    pub(crate) source: (Ipv4Addr, u16),
    /// Destination address and port.
    pub(crate) destination: (Ipv4Addr, u16),
}

/// Bytes before the payload of a frame, which are more than those of a datagram.
pub(super) const FRAME_HEADERS: usize = 14 + 20 + 8;

/// Ethernet header, IP header, UDP header, payload. `None` when the payload is more than a datagram can hold.
pub(crate) fn build_frame(from: [u8; 6], to: [u8; 6], ends: Ends, payload: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::with_capacity(FRAME_HEADERS + payload.len());
    append_frame(from, to, ends, payload, &mut frame)?;
    Some(frame)
}

/// Appends what [`build_frame`] makes; nothing, where that is `None`.
///
/// RFC 2131 section 4.1: "the client's hardware address from the 'chaddr' field [is used] as the link-layer
/// destination address", for a client that "may not be able to receive unicast" by way of ARP.
pub(super) fn append_frame(from: [u8; 6], to: [u8; 6], ends: Ends, payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let builder = PacketBuilder::ethernet2(from, to)
        .ipv4(ends.source.0.octets(), ends.destination.0.octets(), TIME_TO_LIVE)
        .udp(ends.source.1, ends.destination.1);
    let written = builder.write(out, payload);
    if written.is_err() {
        out.truncate(start);
    }
    written.ok()
}

/// Appends IP header, UDP header, payload. `None`, and nothing appended, when the payload is more than a datagram can
/// hold.
pub(super) fn append_datagram(ends: Ends, payload: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let builder = PacketBuilder::ipv4(ends.source.0.octets(), ends.destination.0.octets(), TIME_TO_LIVE)
        .udp(ends.source.1, ends.destination.1);
    let written = builder.write(out, payload);
    if written.is_err() {
        out.truncate(start);
    }
    written.ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    const ENDS: Ends =
        Ends { source: (Ipv4Addr::new(192, 168, 30, 1), 67), destination: (Ipv4Addr::new(192, 168, 30, 100), 68) };

    #[test]
    fn a_frame_goes_to_chaddr_and_yiaddr_with_true_checksums() {
        let frame = build_frame([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9], ENDS, &[7; 301]).unwrap();
        assert_eq!(frame[..6], [2, 0, 0, 0, 0, 9]);
        assert_eq!(frame[6..12], [2, 0, 0, 0, 0, 1]);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("no IPv4") };
        let header = ip.header().to_header();
        assert_eq!(header.source, [192, 168, 30, 1]);
        assert_eq!(header.destination, [192, 168, 30, 100]);
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP") };
        assert_eq!((udp.source_port(), udp.destination_port()), (67, 68));
        let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
        assert_eq!(udp.checksum(), sum);
        assert_eq!(udp.payload(), [7; 301]);
    }

    #[test]
    fn a_payload_that_no_datagram_holds_is_refused() {
        let mut out = vec![1, 2];
        assert_eq!(append_datagram(ENDS, &vec![0; 65_536], &mut out), None);
        assert_eq!(out, [1, 2], "nothing is left of it");
        assert_eq!(append_datagram(ENDS, &[0; 300], &mut out), Some(()));
        assert_eq!(out.len(), 2 + 20 + 8 + 300);
    }
}
