#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use super::*;

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
fn rfc3396_parts_apart_from_each_other_are_joined() {
    let bytes = datagram(&[12, 2, b'l', b'o', 53, 1, 1, 12, 2, b'n', b'g', 255]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.hostname(), b"long");
    assert_eq!(message.options.iter().map(|(code, _)| code).collect::<Vec<_>>(), [12, 53]);
}
