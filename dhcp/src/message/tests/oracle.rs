//! dhcproto as the oracle: what it encodes, we read equal; what we encode, it reads equal.

use dhcproto::v4::{self, DhcpOption, OptionCode, UnknownOption, relay};
use dhcproto::{Decodable, Encodable};
use proptest::prelude::*;

use super::*;
use crate::reply::Reply;

/// An option as dhcproto types it, and the data we should read.
fn any_option() -> impl Strategy<Value = (DhcpOption, Vec<u8>)> {
    let bytes = |least: usize, most: usize| proptest::collection::vec(any::<u8>(), least..most);
    let address = |make: fn(Ipv4Addr) -> DhcpOption| {
        (1_u32..).prop_map(move |bits| (make(bits.into()), bits.to_be_bytes().to_vec()))
    };
    let number = |make: fn(u32) -> DhcpOption| any::<u32>().prop_map(move |n| (make(n), n.to_be_bytes().to_vec()));
    prop_oneof![
        address(DhcpOption::RequestedIpAddress),
        address(DhcpOption::ServerIdentifier),
        address(DhcpOption::SubnetSelection),
        number(DhcpOption::AddressLeaseTime),
        number(DhcpOption::Renewal),
        (576_u16..).prop_map(|n| (DhcpOption::MaxMessageSize(n), n.to_be_bytes().to_vec())),
        bytes(2, 255).prop_map(|data| (DhcpOption::ClientIdentifier(data.clone()), data)),
        // Over 255 bytes: split after RFC 3396.
        bytes(1, 700).prop_map(|data| (DhcpOption::ClassIdentifier(data.clone()), data)),
        "[a-z0-9-]{1,60}".prop_map(|name| (DhcpOption::Hostname(name.clone()), name.into_bytes())),
        bytes(1, 40).prop_map(|data| {
            (DhcpOption::ParameterRequestList(data.iter().copied().map(OptionCode::from).collect()), data)
        }),
        Just((DhcpOption::RapidCommit, Vec::new())),
        (bytes(1, 20), 1_u32..).prop_map(|(circuit, link)| {
            let mut info = relay::RelayAgentInformation::default();
            info.insert(relay::RelayInfo::AgentCircuitId(circuit.clone()));
            info.insert(relay::RelayInfo::LinkSelection(link.into()));
            let len = u8::try_from(circuit.len()).unwrap();
            let data = [&[1, len][..], &circuit, &[5, 4], &link.to_be_bytes()].concat();
            (DhcpOption::RelayAgentInformation(info), data)
        }),
        (224_u8..=254, bytes(1, 300)).prop_map(|(code, data)| {
            (DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(code), data.clone())), data)
        }),
    ]
}

proptest! {
    #[test]
    fn what_dhcproto_encodes_is_read_equal(
        xid in any::<u32>(),
        secs in any::<u16>(),
        broadcast in any::<bool>(),
        (ciaddr, giaddr) in (any::<u32>(), any::<u32>()),
        chaddr in proptest::collection::vec(any::<u8>(), 1..=16),
        message_type in prop_oneof![
            Just(v4::MessageType::Discover), Just(v4::MessageType::Request), Just(v4::MessageType::Decline),
            Just(v4::MessageType::Release), Just(v4::MessageType::Inform),
        ],
        options in proptest::collection::vec(any_option(), 0..12),
    ) {
        let unspecified = Ipv4Addr::UNSPECIFIED;
        let mut theirs =
            v4::Message::new_with_id(xid, ciaddr.into(), unspecified, unspecified, giaddr.into(), &chaddr);
        theirs.set_secs(secs);
        theirs.set_flags(v4::Flags::new(if broadcast { 0x8000 } else { 0 }));
        theirs.opts_mut().insert(DhcpOption::MessageType(message_type));
        let mut expected = std::collections::BTreeMap::new();
        for (option, data) in options {
            expected.insert(u8::from(OptionCode::from(&option)), data);
            theirs.opts_mut().insert(option);
        }

        let bytes = theirs.to_vec().unwrap();
        let ours = Message::parse(&bytes).unwrap();
        prop_assert_eq!((ours.xid, ours.secs, ours.broadcast), (xid, secs, broadcast));
        prop_assert_eq!((u32::from(ours.ciaddr), u32::from(ours.giaddr)), (ciaddr, giaddr));
        prop_assert_eq!(ours.hardware.as_bytes(), &chaddr[..]);
        prop_assert_eq!(ours.message_type as u8, u8::from(message_type));
        prop_assert!(ours.malformed.is_empty());
        let read: std::collections::BTreeMap<_, _> =
            ours.options.iter().filter(|(code, _)| *code != 53).map(|(code, data)| (code, data.to_vec())).collect();
        prop_assert_eq!(&read, &expected);
        let four = |code| expected.get(&code).and_then(|data| options::read_u32(data));
        prop_assert_eq!(ours.requested_ip_address.map(u32::from), four(50));
        prop_assert_eq!(ours.server_identifier.map(u32::from), four(54));
        prop_assert_eq!(ours.lease_secs, four(51));
        prop_assert_eq!(ours.subnet_selection().map(u32::from), four(118));
        prop_assert_eq!(ours.client_id.map(|id| id.0.to_vec()), expected.get(&61).cloned());
        prop_assert_eq!(&ours.parameter_request_list[..], expected.get(&55).map_or(&[][..], Vec::as_slice));
    }

    #[test]
    fn what_we_encode_is_read_equal_by_dhcproto(
        xid in any::<u32>(),
        (yiaddr, server, giaddr) in (any::<u32>(), 1_u32.., any::<u32>()),
        chaddr in proptest::collection::vec(any::<u8>(), 0..=16),
        message_type in prop_oneof![Just(MessageType::Offer), Just(MessageType::Ack), Just(MessageType::Nak)],
        options in proptest::collection::btree_map(
            // Codes that dhcproto keeps as bytes: 60, 61, 77 and what it does not know.
            prop_oneof![Just(60_u8), Just(61), Just(77), 224_u8..=254], proptest::collection::vec(any::<u8>(), 1..300), 0..5,
        ),
    ) {
        let ours = Reply {
            message_type,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: yiaddr.into(),
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: giaddr.into(),
            hardware: HardwareAddress::new(1, &chaddr).unwrap(),
            sname: Box::default(),
            file: Box::default(),
            server_identifier: server.into(),
            options: options.iter().map(|(code, data)| (*code, &data[..])).collect(),
            required: Cow::default(),
            relay_agent_info: dns::Bytes::default(),
            maximum_message_size: 1500,
            delay_ms: 0,
        };
        let mut bytes = Vec::new();
        let dropped = ours.encode(&mut bytes);
        let theirs = v4::Message::from_bytes(&bytes).unwrap();
        // dhcproto reads no overloaded field.
        prop_assume!(theirs.opts().get(OptionCode::OptionOverload).is_none());
        prop_assert!(dropped.is_empty());
        prop_assert_eq!((theirs.opcode(), theirs.xid()), (Opcode::BootReply, xid));
        prop_assert_eq!((u32::from(theirs.yiaddr()), u32::from(theirs.giaddr())), (yiaddr, giaddr));
        prop_assert_eq!(theirs.chaddr(), &chaddr[..]);
        prop_assert_eq!(theirs.flags().broadcast(), message_type == MessageType::Nak && giaddr != 0);
        let their_type = theirs.opts().msg_type().map(u8::from);
        prop_assert_eq!(their_type, Some(message_type as u8));
        prop_assert_eq!(
            theirs.opts().get(OptionCode::ServerIdentifier), Some(&DhcpOption::ServerIdentifier(server.into()))
        );
        for (code, data) in options {
            let read = match theirs.opts().get(OptionCode::from(code)) {
                Some(DhcpOption::ClassIdentifier(data) | DhcpOption::ClientIdentifier(data)) => Some(data.clone()),
                Some(DhcpOption::UserClass(data)) => Some(data.clone()),
                Some(DhcpOption::Unknown(unknown)) => Some(unknown.data().to_vec()),
                _ => None,
            };
            prop_assert_eq!(read, Some(data), "option {}", code);
        }
    }
}

#[test]
fn hardware_types_survive_dhcproto() {
    for htype in 0..=255 {
        assert_eq!(u8::from(v4::HType::from(htype)), htype);
        assert_eq!(u8::from(OptionCode::from(htype)), htype, "option codes as well");
    }
}
