//! Packets to be explained: hexadecimal digits, a file of them, a file of bytes, or a capture (pcap, pcapng).

use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, bail};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};

/// The most that is read of a file: a capture of more is cut by whoever took it.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The ports of DHCP servers and relay agents, and of clients.
const SERVER_PORT: u16 = 67;
/// Where the magic cookie of RFC 2131 section 3 stands.
const COOKIE: std::ops::Range<usize> = 236..240;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// A DHCP message, and how it travelled, where the capture tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Its number in the capture, from 1 on.
    pub(super) number: usize,
    pub(super) payload: Vec<u8>,
    /// Sender and destination of its IP packet.
    pub(super) way: Option<Way>,
}

/// Addresses and ports of a UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) source: (Ipv4Addr, u16),
    pub(super) destination: (Ipv4Addr, u16),
}

/// Reads what was given on the command line: the name of a file that is there, else hexadecimal digits.
///
/// # Errors
/// It is neither, cannot be read, or holds no DHCP message to a server.
pub(super) fn read(given: &str) -> anyhow::Result<Vec<Packet>> {
    let path = Path::new(given);
    let packets = if path.is_file() {
        let length = std::fs::metadata(path)?.len();
        if length > FILE_BYTES_MAX {
            bail!("{given} has {length} bytes; at most {FILE_BYTES_MAX} are read: cut the capture first");
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {given}"))?;
        of_file(&bytes).with_context(|| format!("cannot understand {given}"))?
    } else {
        let bytes = hex(given).with_context(|| format!("{given:.60} is neither a file nor hexadecimal digits"))?;
        vec![of_bytes(&bytes, 1).context("those bytes are no DHCP message, nor a frame or packet that holds one")?]
    };
    if packets.is_empty() {
        bail!("{given} holds no DHCP message to a server (UDP port {SERVER_PORT})");
    }
    Ok(packets)
}

fn of_file(bytes: &[u8]) -> anyhow::Result<Vec<Packet>> {
    match bytes {
        [0x0A, 0x0D, 0x0D, 0x0A, ..] => of_pcapng(bytes),
        // Microseconds and nanoseconds, in either byte order.
        [0xA1, 0xB2, 0xC3 | 0x3C, 0xD4 | 0x4D, ..] | [0xD4 | 0x4D, 0xC3 | 0x3C, 0xB2, 0xA1, ..] => of_pcap(bytes),
        _ => {
            let text = std::str::from_utf8(bytes).ok().and_then(hex);
            let packet = of_bytes(text.as_deref().unwrap_or(bytes), 1);
            Ok(vec![packet.context("it is no capture, and its bytes are no DHCP message")?])
        }
    }
}

fn of_pcap(bytes: &[u8]) -> anyhow::Result<Vec<Packet>> {
    let mut reader = PcapReader::new(Cursor::new(bytes)).context("a damaged capture")?;
    let link = reader.header().datalink;
    let mut packets = Vec::new();
    let mut number = 0;
    while let Some(packet) = reader.next_packet() {
        let packet = packet.with_context(|| format!("a damaged capture, after {number} packets"))?;
        number += 1;
        packets.extend(to_server(link, &packet.data, number));
    }
    Ok(packets)
}

fn of_pcapng(bytes: &[u8]) -> anyhow::Result<Vec<Packet>> {
    let mut reader = PcapNgReader::new(Cursor::new(bytes)).context("a damaged capture")?;
    let mut links: Vec<DataLink> = Vec::new();
    let mut packets = Vec::new();
    let mut number = 0;
    while let Some(block) = reader.next_block() {
        let block = block.with_context(|| format!("a damaged capture, after {number} packets"))?;
        let (interface, data) = match &block {
            Block::SectionHeader(_) => {
                links.clear();
                continue;
            }
            Block::InterfaceDescription(interface) => {
                links.push(interface.linktype);
                continue;
            }
            Block::EnhancedPacket(packet) => (packet.interface_id as usize, &packet.data),
            Block::SimplePacket(packet) => (0, &packet.data),
            _ => continue,
        };
        number += 1;
        packets.extend(links.get(interface).and_then(|link| to_server(*link, data, number)));
    }
    Ok(packets)
}

/// A DHCP message within a captured frame, if it is one that a server takes.
fn to_server(link: DataLink, data: &[u8], number: usize) -> Option<Packet> {
    let sliced = match link {
        DataLink::ETHERNET => SlicedPacket::from_ethernet(data),
        DataLink::RAW | DataLink::IPV4 => SlicedPacket::from_ip(data),
        DataLink::LINUX_SLL => SlicedPacket::from_linux_sll(data),
        // Cooked capture, version 2: 20 bytes, the protocol first.
        DataLink::LINUX_SLL2 => SlicedPacket::from_ip(data.strip_prefix(&[0x08, 0x00])?.get(18..)?),
        // The address family in the byte order of whoever captured.
        DataLink::NULL | DataLink::LOOP => SlicedPacket::from_ip(data.get(4..)?),
        _ => return None,
    };
    datagram(&sliced.ok()?, number).filter(|packet| packet.way.is_some_and(|way| way.destination.1 == SERVER_PORT))
}

/// Bytes without a word about what they are: the message itself, an Ethernet frame or an IP packet.
fn of_bytes(bytes: &[u8], number: usize) -> Option<Packet> {
    if bytes.get(COOKIE) == Some(&MAGIC_COOKIE) {
        return Some(Packet { number, payload: bytes.to_vec(), way: None });
    }
    let ethernet = SlicedPacket::from_ethernet(bytes).ok().and_then(|sliced| datagram(&sliced, number));
    ethernet.or_else(|| datagram(&SlicedPacket::from_ip(bytes).ok()?, number))
}

fn datagram(sliced: &SlicedPacket<'_>, number: usize) -> Option<Packet> {
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else { return None };
    let header = ip.header();
    Some(Packet {
        number,
        payload: udp.payload().to_vec(),
        way: Some(Way {
            source: (header.source_addr(), udp.source_port()),
            destination: (header.destination_addr(), udp.destination_port()),
        }),
    })
}

/// Hexadecimal digits, with whatever spaces, colons and dashes stand between them.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|c| !(c.is_whitespace() || matches!(c, ':' | '-' | '.')));
    let values: Option<Vec<u8>> = digits.map(|c| c.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let values = values.filter(|values| !values.is_empty() && values.len() % 2 == 0)?;
    Some(values.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fmt::Write as _;
    use std::time::Duration;

    use etherparse::PacketBuilder;
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;

    use super::*;

    fn message() -> Vec<u8> {
        let mut message = vec![0; 300];
        message[..4].copy_from_slice(&[1, 1, 6, 0]);
        message[COOKIE].copy_from_slice(&MAGIC_COOKIE);
        message[240..244].copy_from_slice(&[53, 1, 1, 255]);
        message
    }

    fn frame(port: u16) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [255; 6]).ipv4([0; 4], [255; 4], 64).udp(68, port);
        let mut frame = Vec::new();
        builder.write(&mut frame, &message()).unwrap();
        frame
    }

    fn way() -> Way {
        Way { source: (Ipv4Addr::UNSPECIFIED, 68), destination: (Ipv4Addr::BROADCAST, 67) }
    }

    fn digits(bytes: &[u8], between: &str) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}{between}").unwrap();
            text
        })
    }

    #[test]
    fn hexadecimal_digits_are_a_message_a_frame_or_an_ip_packet() {
        let bare = Packet { number: 1, payload: message(), way: None };
        assert_eq!(read(&digits(&message(), "")).unwrap(), std::slice::from_ref(&bare));
        assert_eq!(read(&digits(&message(), ":")).unwrap(), [bare]);
        let travelled = Packet { number: 1, payload: message(), way: Some(way()) };
        assert_eq!(read(&digits(&frame(67), " ")).unwrap(), std::slice::from_ref(&travelled));
        assert_eq!(read(&digits(&frame(67)[14..], "\n")).unwrap(), [travelled]);
    }

    #[test]
    fn what_is_no_packet_is_refused_in_words() {
        for (given, words) in
            [("xyz", "neither a file nor"), ("abc", "neither a file nor"), ("00ff", "no DHCP message")]
        {
            let error = format!("{:#}", read(given).unwrap_err());
            assert!(error.contains(words), "{given}: {error}");
        }
    }

    #[test]
    fn captures_give_their_messages_to_servers_with_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        for port in [67, 68, 67] {
            let frame = frame(port);
            let packet = PcapPacket::new(Duration::ZERO, u32::try_from(frame.len()).unwrap(), &frame);
            writer.write_packet(&packet).unwrap();
        }
        let pcap = directory.path().join("one.pcap");
        std::fs::write(&pcap, writer.into_writer()).unwrap();

        let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
        let interface = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options: Vec::new() };
        writer.write_pcapng_block(interface).unwrap();
        for port in [67, 68, 67] {
            let data = frame(port);
            let packet = EnhancedPacketBlock {
                original_len: u32::try_from(data.len()).unwrap(),
                data: data.into(),
                interface_id: 0,
                timestamp: Duration::ZERO,
                options: Vec::new(),
            };
            writer.write_pcapng_block(packet).unwrap();
        }
        let pcapng = directory.path().join("one.pcapng");
        std::fs::write(&pcapng, writer.into_inner()).unwrap();

        let expected = [1, 3].map(|number| Packet { number, payload: message(), way: Some(way()) });
        for file in [pcap, pcapng] {
            assert_eq!(read(file.to_str().unwrap()).unwrap(), expected);
            let whole = std::fs::read(&file).unwrap();
            std::fs::write(&file, &whole[..whole.len() - 7]).unwrap();
            assert!(format!("{:#}", read(file.to_str().unwrap()).unwrap_err()).contains("damaged"));
        }
    }

    #[test]
    fn a_file_may_hold_the_message_or_its_digits() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("message");
        for content in [message(), digits(&message(), " ").into_bytes()] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(read(file.to_str().unwrap()).unwrap()[0].payload, message());
        }
        std::fs::write(&file, b"words").unwrap();
        assert!(read(file.to_str().unwrap()).is_err());
    }
}
