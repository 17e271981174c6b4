#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use proptest::prelude::*;

use super::field::USUAL_ENTRIES;
use super::*;

pub(crate) mod golden;
mod oracle;

/// A BOOTREQUEST from an Ethernet client, with these bytes as its options field.
pub(crate) fn datagram(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[4..8].copy_from_slice(&0x1122_3344_u32.to_be_bytes());
    bytes[28..34].copy_from_slice(&[0x02, 0, 0, 0, 0, 1]);
    bytes[COOKIE].copy_from_slice(&MAGIC_COOKIE);
    bytes.extend_from_slice(options);
    bytes
}

/// The same with `file` and `sname` filled from their start.
fn overloaded(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
    let mut bytes = datagram(options);
    bytes[FILE][..file.len()].copy_from_slice(file);
    bytes[SNAME][..sname.len()].copy_from_slice(sname);
    bytes
}

fn codes(message: &Message<'_>) -> Vec<u8> {
    message.options.iter().map(|(code, _)| code).collect()
}

fn drop_reason(datagram: &[u8]) -> DropReason {
    Message::parse(datagram).unwrap_err()
}

#[test]
fn a_plain_discover_is_read() {
    let bytes = datagram(&[53, 1, 1, 50, 4, 192, 168, 30, 100, 55, 3, 1, 3, 6, 57, 2, 5, 220, 12, 2, b'p', b'c', 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.message_type, MessageType::Discover);
    assert_eq!(message.xid, 0x1122_3344);
    assert_eq!(message.requested_ip_address, Some(Ipv4Addr::new(192, 168, 30, 100)));
    assert_eq!(*message.parameter_request_list, [1, 3, 6]);
    assert_eq!(message.maximum_message_size, Some(1500));
    assert_eq!(message.hostname(), b"pc");
    assert_eq!(message.hardware.to_string(), "02:00:00:00:00:01");
    assert!(message.malformed.is_empty());
}

#[test]
fn header_fields_are_those_of_rfc2131_section_2() {
    let mut bytes = datagram(&[53, 1, 3, 255]);
    bytes[3] = 4;
    bytes[8..12].copy_from_slice(&[1, 2, 0x80, 0]);
    bytes[12..16].copy_from_slice(&[10, 0, 0, 5]);
    bytes[24..28].copy_from_slice(&[10, 0, 0, 1]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.hops, message.secs, message.broadcast), (4, 0x0102, true));
    assert_eq!(message.ciaddr, Ipv4Addr::new(10, 0, 0, 5));
    assert_eq!(message.giaddr, Ipv4Addr::new(10, 0, 0, 1));
}

#[test]
fn what_is_no_request_of_a_client_is_dropped_for_its_own_reason() {
    let discover = datagram(&[53, 1, 1, 255]);
    for len in 0..240 {
        assert_eq!(drop_reason(&discover[..len]), DropReason::Truncated, "{len} bytes");
    }
    assert_eq!(drop_reason(&discover[..240]), DropReason::NoMessageType);
    let changed = |index: usize, byte: u8| {
        let mut bytes = discover.clone();
        bytes[index] = byte;
        bytes
    };
    assert_eq!(drop_reason(&changed(0, 2)), DropReason::NotARequest);
    assert_eq!(drop_reason(&changed(0, 0)), DropReason::NotARequest);
    assert_eq!(drop_reason(&changed(2, 17)), DropReason::HardwareAddressTooLong);
    assert_eq!(drop_reason(&changed(2, 255)), DropReason::HardwareAddressTooLong);
    assert_eq!(drop_reason(&changed(239, 0)), DropReason::BadMagicCookie);
    assert_eq!(drop_reason(&changed(240, 12)), DropReason::NoMessageType, "plain BOOTP");
    assert_eq!(drop_reason(&changed(242, 0)), DropReason::UnknownMessageType);
    assert_eq!(drop_reason(&changed(242, 9)), DropReason::UnknownMessageType);
    assert_eq!(drop_reason(&datagram(&[53, 2, 1, 1, 255])), DropReason::NoMessageType);
}

#[test]
fn messages_that_only_servers_send_are_counted_and_dropped() {
    for server_type in [2, 5, 6] {
        assert_eq!(drop_reason(&datagram(&[53, 1, server_type, 255])), DropReason::ServerMessage);
    }
    for client_type in [1, 3, 4, 7, 8] {
        assert!(Message::parse(&datagram(&[53, 1, client_type, 255])).is_ok());
    }
}

#[test]
fn rfc4390_hardware_without_an_address_needs_a_client_identifier() {
    let mut bytes = datagram(&[53, 1, 1, 61, 3, 0, 1, 2, 255]);
    bytes[1..3].copy_from_slice(&[32, 0]);
    let message = Message::parse(&bytes).unwrap();
    assert!(message.hardware.as_bytes().is_empty());
    assert!(matches!(message.client_key(true), ClientKey::ClientId(_)), "even where identifiers are ignored");
    bytes[243] = 60;
    assert_eq!(drop_reason(&bytes), DropReason::NoIdentity);
}

#[test]
fn rfc2131_section_4_2_the_client_identifier_is_the_key_unless_the_subnet_ignores_it() {
    let bytes = datagram(&[53, 1, 1, 61, 3, 0, 1, 2, 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.client_key(false).to_string(), "client id 000102");
    assert_eq!(message.client_key(true).to_string(), "hardware 02:00:00:00:00:01");
    let bytes = datagram(&[53, 1, 1, 255]);
    assert_eq!(Message::parse(&bytes).unwrap().client_key(false).to_string(), "hardware 02:00:00:00:00:01");
}

#[test]
fn rfc3396_parts_apart_from_each_other_are_joined() {
    let bytes = datagram(&[12, 2, b'l', b'o', 53, 1, 1, 12, 2, b'n', b'g', 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.hostname(), b"long");
    assert_eq!(codes(&message), [12, 53], "in the order of first appearance");
}

#[test]
fn rfc3396_a_split_parameter_request_list_is_read_whole() {
    let bytes = datagram(&[53, 1, 1, 55, 2, 1, 3, 12, 1, b'a', 55, 1, 6, 55, 0, 255]);
    assert_eq!(*Message::parse(&bytes).unwrap().parameter_request_list, [1, 3, 6]);
}

#[test]
fn rfc3396_parts_are_joined_across_overloaded_fields_options_then_file_then_sname() {
    let bytes = overloaded(
        &[52, 1, 3, 12, 1, b'a', 53, 1, 1, 255],
        &[61, 2, 1, 9, 12, 1, b'b', 255],
        &[60, 1, b'x', 12, 1, b'c', 255],
    );
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.hostname(), b"abc");
    assert_eq!(codes(&message), [52, 12, 53, 61, 60]);
    assert!(message.malformed.is_empty());
}

#[test]
fn rfc2132_section_9_3_only_the_fields_that_option_52_names_hold_options() {
    let (file, sname) = ([12, 1, b'f', 255], [60, 1, b's', 255]);
    for (overload, expected) in [(0, vec![53]), (1, vec![52, 53, 12]), (2, vec![52, 53, 60]), (4, vec![53])] {
        let with = [52, 1, overload, 53, 1, 1, 255];
        let bytes = overloaded(if overload == 0 { &with[3..] } else { &with }, &file, &sname);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(codes(&message), expected, "overload {overload}");
        assert_eq!(message.malformed, if overload == 4 { vec![52] } else { vec![] });
    }
}

#[test]
fn an_overload_inside_an_overloaded_field_means_nothing() {
    let bytes = overloaded(&[52, 1, 1, 53, 1, 1, 255], &[12, 1, b'f', 255], &[60, 1, b's', 255]);
    assert_eq!(codes(&Message::parse(&bytes).unwrap()), [52, 53, 12]);
}

#[test]
fn a_message_without_end_is_read_to_its_last_byte() {
    let bytes = datagram(&[53, 1, 1, 12, 2, b'p', b'c']);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.hostname(), b"pc");
    assert!(message.malformed.is_empty());
}

#[test]
fn nothing_is_read_after_end() {
    let bytes = datagram(&[53, 1, 1, 0, 0, 255, 12, 2, b'p', b'c']);
    assert_eq!(codes(&Message::parse(&bytes).unwrap()), [53]);
}

#[test]
fn one_malformed_option_costs_that_option_and_no_other() {
    // A name that is not UTF-8, wrong lengths in 50, 51, 54, 57 and 61, an ASCII 81, a bad 116 and a truncated 121:
    // each of them makes dhcproto's owned decoder lose all that follows.
    let options = [
        &[53, 1, 3][..],
        &[12, 2, b'p', 0xE9],
        &[50, 3, 1, 2, 3],
        &[51, 2, 1, 2],
        &[54, 5, 1, 2, 3, 4, 5],
        &[57, 1, 9],
        &[61, 1, 1],
        &[81, 2, 0, 0],
        &[116, 0],
        &[121, 2, 24, 10],
        &[82, 4, 1, 2, 7, 7],
        &[255],
    ]
    .concat();
    let bytes = datagram(&options);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.hostname(), [b'p', 0xE9]);
    assert_eq!(message.relay_agent_info().circuit_id(), Some(&[7, 7][..]));
    assert_eq!(message.malformed, [50, 54, 51, 57, 61]);
    assert_eq!((message.requested_ip_address, message.server_identifier, message.lease_secs), (None, None, None));
    assert_eq!((message.maximum_message_size, message.client_id), (None, None));
}

#[test]
fn an_option_cut_off_by_the_end_of_its_field_is_lost_with_its_earlier_parts_alone() {
    let bytes = datagram(&[53, 1, 1, 60, 1, b'x', 12, 2, b'p', b'c', 60, 9, b'y']);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(codes(&message), [53, 12]);
    assert_eq!(message.malformed, [60]);
    let bytes = overloaded(&[53, 1, 1, 52, 1, 2, 12], &[], &[60, 1, b's', 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        (codes(&message), message.malformed),
        (vec![53, 52, 60], vec![12]),
        "the next field is read all the same"
    );
}

#[test]
fn addresses_of_zero_ask_for_nothing() {
    let bytes = datagram(&[53, 1, 3, 50, 4, 0, 0, 0, 0, 54, 4, 0, 0, 0, 0, 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.requested_ip_address, message.server_identifier), (None, None));
}

#[test]
fn rfc2132_section_9_10_a_maximum_size_under_576_is_not_legal() {
    for (says, read) in [(0, None), (575, None), (576, Some(576)), (1500, Some(1500)), (65535, Some(65535))] {
        let [high, low] = u16::to_be_bytes(says);
        let bytes = datagram(&[53, 1, 1, 57, 2, high, low, 255]);
        assert_eq!(Message::parse(&bytes).unwrap().maximum_message_size, read);
    }
}

#[test]
fn client_identifiers_have_2_to_255_bytes() {
    for (len, whole) in [(0, false), (1, false), (2, true), (255, true), (256, false)] {
        let mut options = vec![53, 1, 1];
        for part in vec![7; len].chunks(255) {
            options.extend([61, u8::try_from(part.len()).unwrap()]);
            options.extend(part);
        }
        let bytes = datagram(&options);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.client_id.map(|id| id.0.len()), whole.then_some(len));
    }
}

#[test]
fn common_messages_are_borrowed_from_the_datagram() {
    for (name, packet) in golden::ALL {
        let bytes = packet.bytes();
        let message = Message::parse(&bytes).unwrap();
        let borrowed = message.options.joined.is_empty() && matches!(message.parameter_request_list, Cow::Borrowed(_));
        assert!(borrowed && message.options.entries.len() <= USUAL_ENTRIES, "{name}");
    }
}

#[test]
fn real_clients_are_read_without_a_complaint() {
    for (name, packet) in golden::ALL {
        let bytes = packet.bytes();
        let message = Message::parse(&bytes).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert!(message.malformed.is_empty(), "{name}: {:?}", message.malformed);
        assert_eq!((message.xid, message.secs), (packet.xid, packet.secs), "{name}");
        assert_eq!((message.ciaddr, message.broadcast), (packet.ciaddr, packet.flags != 0), "{name}");
        assert_eq!(message.hardware.to_string(), "02:42:ac:11:00:02", "{name}");
    }
}

#[test]
fn real_clients_say_what_they_are_known_to_say() {
    let windows = golden::WINDOWS_REQUEST.bytes();
    let windows = Message::parse(&windows).unwrap();
    assert_eq!(windows.message_type, MessageType::Request);
    assert_eq!(windows.client_fqdn(), Some(&b"\0\0\0DESKTOP-4F7QK2B"[..]));
    assert_eq!(windows.requested_ip_address, Some(Ipv4Addr::new(192, 168, 30, 100)));
    assert_eq!(windows.server_identifier, Some(Ipv4Addr::new(192, 168, 30, 1)));

    let phone = golden::IPHONE_DISCOVER.bytes();
    let phone = Message::parse(&phone).unwrap();
    assert!(phone.parameter_request_list.contains(&code::IPV6_ONLY_PREFERRED));
    assert_eq!((phone.lease_secs, phone.hostname()), (Some(7_776_000), &b"iPhone"[..]));

    let android = golden::ANDROID_DISCOVER.bytes();
    assert!(Message::parse(&android).unwrap().rapid_commit());

    let dhclient = golden::DHCLIENT_DISCOVER.bytes();
    let dhclient = Message::parse(&dhclient).unwrap();
    assert_eq!((&dhclient.client_id, dhclient.parameter_request_list.len()), (&None, 13));

    let udhcpc = golden::UDHCPC_DISCOVER.bytes();
    assert_eq!(Message::parse(&udhcpc).unwrap().maximum_message_size, Some(576));

    let networkd = golden::NETWORKD_DISCOVER.bytes();
    let id = Message::parse(&networkd).unwrap().client_id.unwrap();
    assert_eq!(id.to_string(), "ffafda4b7100020000ab11617740de4242c2ab");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn arbitrary_options_never_panic_and_stay_within_the_datagram(
        options in proptest::collection::vec(prop_oneof![Just(52), Just(82), Just(255), any::<u8>()], 0..300),
        file in proptest::collection::vec(any::<u8>(), 0..128),
        sname in proptest::collection::vec(any::<u8>(), 0..64),
        overload in 0_u8..5,
    ) {
        let options = [&[53, 1, 1, 52, 1, overload][..], &options].concat();
        let bytes = overloaded(&options, &file, &sname);
        if let Ok(message) = Message::parse(&bytes) {
            let held: usize = message.options.iter().map(|(_, data)| data.len()).sum();
            prop_assert!(held <= bytes.len());
            let mut unique = codes(&message);
            unique.sort_unstable();
            unique.dedup();
            prop_assert_eq!(unique.len(), message.options.len());
            let _ = (message.relay_agent_info().iter().count(), message.subnet_selection(), message.client_key(false));
        }
    }
}
