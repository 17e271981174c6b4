#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use proptest::prelude::*;

use super::*;
use crate::client::ServerMessage;

fn reply() -> Reply {
    Reply {
        message_type: MessageType::Ack,
        xid: 0x1122_3344,
        secs: 0,
        broadcast: false,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::new(192, 168, 30, 100),
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
        sname: Box::default(),
        file: Box::default(),
        server_identifier: Ipv4Addr::new(192, 168, 30, 1),
        options: vec![(51, options::seconds(3600))].into(),
        required: vec![51].into(),
        relay_agent_info: Bytes::default(),
        maximum_message_size: 576,
        delay_ms: 0,
    }
}

fn encode(reply: &Reply) -> (Vec<u8>, Vec<u8>) {
    let mut out = Vec::new();
    let dropped = reply.encode(&mut out);
    (out, dropped)
}

fn filler(code: u8, len: usize) -> (u8, Box<[u8]>) {
    (code, (0..len).map(|index| index.to_le_bytes()[0] ^ code).collect())
}

fn codes(bytes: &[u8]) -> Vec<u8> {
    ServerMessage::parse(bytes).unwrap().options.iter().map(|(code, _)| code).collect()
}

#[test]
fn a_reply_has_the_header_of_rfc2131_table_3() {
    let (bytes, dropped) = encode(&Reply { broadcast: true, secs: 7, ..reply() });
    assert!(dropped.is_empty());
    assert_eq!(bytes[..12], [2, 1, 6, 0, 0x11, 0x22, 0x33, 0x44, 0, 7, 0x80, 0]);
    assert_eq!(bytes[12..28], [0, 0, 0, 0, 192, 168, 30, 100, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[28..44], [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(bytes[44..236].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[236..256], [99, 130, 83, 99, 53, 1, 5, 54, 4, 192, 168, 30, 1, 51, 4, 0, 0, 14, 16, 255]);
}

#[test]
fn a_reply_is_padded_to_the_300_bytes_of_bootp() {
    let mut out = vec![0xAA; 10];
    reply().encode(&mut out);
    assert_eq!(out.len(), 310, "what stood in the buffer stays");
    assert!(out[10 + 256..].iter().all(|byte| *byte == 0));
}

#[test]
fn rfc2131_section_4_3_2_a_relayed_nak_has_the_broadcast_flag_set() {
    let nak = Reply { message_type: MessageType::Nak, options: OptionList::default(), ..reply() };
    assert!(!ServerMessage::parse(&encode(&nak).0).unwrap().broadcast);
    let relayed = Reply { giaddr: Ipv4Addr::new(192, 168, 40, 1), ..nak };
    assert!(ServerMessage::parse(&encode(&relayed).0).unwrap().broadcast);
    let ack = Reply { message_type: MessageType::Ack, ..relayed };
    assert!(!ServerMessage::parse(&encode(&ack).0).unwrap().broadcast, "an ACK keeps the client's flag");
}

#[test]
fn rfc2131_section_3_5_options_stand_in_the_order_given() {
    let options = [28, 3, 121, 6, 15].map(|code| filler(code, 4)).to_vec().into();
    let (bytes, _) = encode(&Reply { options, ..reply() });
    assert_eq!(codes(&bytes), [53, 54, 28, 3, 121, 6, 15]);
}

#[test]
fn rfc3396_an_option_over_255_bytes_is_split_and_joined_again() {
    let long = filler(119, 600);
    let (bytes, dropped) = encode(&Reply { options: vec![long.clone()].into(), maximum_message_size: 1500, ..reply() });
    assert!(dropped.is_empty());
    assert_eq!(bytes[249..251], [119, 255]);
    assert_eq!(bytes[249 + 257..][..2], [119, 255]);
    assert_eq!(bytes[249 + 2 * 257..][..2], [119, 90]);
    assert_eq!(ServerMessage::parse(&bytes).unwrap().options.get(119), Some(&*long.1));
}

#[test]
fn rfc2132_section_9_10_no_reply_exceeds_what_the_client_takes() {
    let options: OptionList = (60..=79).map(|code| filler(code, 100)).collect();
    for (says, payload) in [(0, 548), (576, 548), (1000, 972), (1500, 1472), (65535, 1472)] {
        let (bytes, dropped) = encode(&Reply { options: options.clone(), maximum_message_size: says, ..reply() });
        assert!(bytes.len() <= payload, "{} bytes for {says}", bytes.len());
        assert!(!dropped.is_empty());
    }
}

#[test]
fn rfc2131_section_4_1_overload_fills_options_then_file_then_sname_each_with_its_end() {
    // 548 - 240 - 53, 52, 54 and END leave 295 bytes; file holds 127 and sname 63.
    let options = vec![filler(60, 200), filler(67, 80), filler(43, 100), filler(66, 20), filler(15, 50)].into();
    let (bytes, dropped) = encode(&Reply { options, required: Cow::default(), ..reply() });
    assert!(dropped.is_empty());
    assert_eq!(bytes[243..246], [52, 1, 3], "option 52 stands in the options field");
    assert_eq!(bytes[108..110], [43, 100]);
    assert_eq!(bytes[108 + 102..][..3], [66, 20, 66], "then the next as far as file goes");
    assert_eq!(bytes[108 + 124], 255);
    assert_eq!(bytes[44..46], [15, 50]);
    assert_eq!(bytes[44 + 52], 255);
    assert_eq!(codes(&bytes), [53, 52, 54, 60, 67, 43, 66, 15]);
}

#[test]
fn overload_takes_file_alone_when_that_is_enough() {
    let (bytes, dropped) = encode(&Reply { options: vec![filler(60, 250), filler(67, 80)].into(), ..reply() });
    assert!(dropped.is_empty());
    assert_eq!(bytes[243..246], [52, 1, 1]);
    assert!(bytes[44..108].iter().all(|byte| *byte == 0));
}

#[test]
fn rfc2132_section_9_10_what_does_not_fit_is_dropped_from_the_end_but_never_what_is_required() {
    let mut options: Vec<_> = (1..=9).map(|code| filler(code, 90)).collect();
    options.push((51, options::seconds(3600)));
    options.push(filler(61, 7));
    let (bytes, dropped) = encode(&Reply { options: options.into(), required: vec![61].into(), ..reply() });
    assert_eq!(dropped, [9, 8, 7, 6, 5]);
    let codes = codes(&bytes);
    assert!([53, 54, 1, 2, 3, 4, 51, 61].iter().all(|code| codes.contains(code)), "{codes:?}");
}

#[test]
fn an_option_that_fits_nowhere_whole_is_split_only_when_it_is_required() {
    let options = vec![filler(61, 255), filler(43, 210)];
    let (bytes, dropped) = encode(&Reply { options: options.clone().into(), required: vec![61].into(), ..reply() });
    assert_eq!((codes(&bytes), dropped), (vec![53, 54, 61], vec![43]));

    let (bytes, dropped) = encode(&Reply { options: options.clone().into(), required: vec![61, 43].into(), ..reply() });
    assert!(dropped.is_empty());
    let read = ServerMessage::parse(&bytes).unwrap();
    assert_eq!((read.options.get(61), read.options.get(43)), (Some(&*options[0].1), Some(&*options[1].1)));
}

#[test]
fn rfc3046_option_82_is_echoed_verbatim_and_last_in_the_options_field() {
    let echo: Box<[u8]> = [1, 4, 0, 1, 0, 7, 2, 0, 9, 9].into();
    let options = vec![filler(60, 200), filler(67, 100), filler(43, 120), filler(15, 50)].into();
    let (bytes, _) = encode(&Reply { options, relay_agent_info: echo.clone().into(), ..reply() });
    let field = &bytes[240..];
    let end = field.iter().rposition(|byte| *byte == 255).unwrap();
    assert_eq!(field[end - 12..end - 10], [82, 10]);
    assert_eq!(field[end - 10..end], *echo);
    assert!(field[end..].iter().skip(1).all(|byte| *byte == 0));
}

#[test]
fn rfc3046_room_is_kept_for_option_82_of_any_length() {
    for len in [1, 100, 255, 256, 290] {
        let echo = filler(82, len).1;
        let options = vec![filler(60, 200), filler(67, 100), filler(43, 120), filler(15, 50)].into();
        let (bytes, dropped) = encode(&Reply { options, relay_agent_info: echo.clone().into(), ..reply() });
        let read = ServerMessage::parse(&bytes).unwrap();
        assert_eq!(read.options.get(82), Some(&*echo), "of {len} bytes");
        assert!(!dropped.contains(&82));
    }
}

#[test]
fn rfc3046_an_option_82_too_long_to_echo_whole_is_left_out_and_told() {
    let (bytes, dropped) = encode(&Reply { relay_agent_info: filler(82, 5000).1.into(), ..reply() });
    assert_eq!((codes(&bytes), dropped), (vec![53, 54, 51], vec![82]));
}

#[test]
fn rfc6842_the_client_identifier_is_echoed_unaltered_however_little_room_there_is() {
    let id = filler(61, 255);
    for message_type in [MessageType::Offer, MessageType::Ack, MessageType::Nak] {
        let mut options: Vec<_> = (1..=9).map(|code| filler(code, 90)).collect();
        options.push(id.clone());
        let (bytes, _) = encode(&Reply { message_type, options: options.into(), required: vec![61].into(), ..reply() });
        assert_eq!(ServerMessage::parse(&bytes).unwrap().options.get(61), Some(&*id.1));
    }
}

prop_compose! {
    fn options_and_required()(
        lengths in proptest::collection::btree_map(1_u8..=254, prop_oneof![4 => 0_usize..40, 1 => 0_usize..700], 0..24),
        required in proptest::collection::vec(1_u8..=254, 0..4),
    ) -> (Vec<(u8, Box<[u8]>)>, Vec<u8>) {
        let own = [52, 53, 54, 82];
        (lengths.into_iter().filter(|(code, _)| !own.contains(code)).map(|(code, len)| filler(code, len)).collect(), required)
    }
}

proptest! {
    #[test]
    fn every_option_is_either_read_back_equal_or_reported_as_dropped(
        (options, required) in options_and_required(),
        echo in prop_oneof![Just(0), 1_usize..300],
        size in prop_oneof![Just(576_u16), 0_u16..2000],
    ) {
        let reply = Reply {
            options: options.into(), required: required.into(), relay_agent_info: filler(82, echo).1.into(), maximum_message_size: size, ..reply()
        };
        let (bytes, dropped) = encode(&reply);
        prop_assert!(bytes.len() >= 300 && bytes.len() + 28 <= usize::from(size.clamp(576, 1500)));
        let read = ServerMessage::parse(&bytes).unwrap();
        prop_assert!(read.malformed.is_empty());
        prop_assert_eq!(read.server_identifier(), Some(reply.server_identifier));
        for (code, data) in reply.options.iter().chain([(82, &*reply.relay_agent_info)]) {
            let expected = (!dropped.contains(&code) && (code != 82 || echo != 0)).then_some(data);
            prop_assert_eq!(read.options.get(code), expected, "option {}", code);
        }
        let optional = |code: &u8| *code != 51 && *code != 82 && !reply.required.contains(code);
        if !dropped.iter().all(optional) {
            let read = read.options.iter().map(|(code, _)| code);
            prop_assert_eq!(read.filter(|code| ![52, 53, 54].contains(code)).find(optional), None);
        }
    }
}

#[test]
fn rfc2131_section_2_the_server_name_and_the_boot_file_stand_in_their_fields_and_no_options_beside_them() {
    let boot = Reply { sname: "boot".into(), file: "pxelinux.0".into(), siaddr: [10, 0, 0, 7].into(), ..reply() };
    let (bytes, _) = encode(&boot);
    assert_eq!(
        (&bytes[20..24], &bytes[44..49], &bytes[108..119]),
        (&[10, 0, 0, 7][..], &b"boot\0"[..], &b"pxelinux.0\0"[..])
    );
    assert!(bytes[49..108].iter().chain(&bytes[119..236]).all(|byte| *byte == 0));
    // The second option fits in `file` alone.
    let options = vec![filler(60, 200), filler(67, 120)].into();
    let crowded = Reply { options, required: Cow::default(), ..reply() };
    let (bytes, dropped) = encode(&crowded);
    assert!(dropped.is_empty() && bytes[108] == 67, "{dropped:?}");
    let (bytes, dropped) = encode(&Reply { file: "pxelinux.0".into(), ..crowded.clone() });
    assert_eq!((dropped, &bytes[108..119]), (vec![67], &b"pxelinux.0\0"[..]), "the file's name keeps its field");
    let (bytes, _) = encode(&Reply { sname: "boot".into(), ..crowded });
    assert_eq!((&bytes[44..49], bytes[108]), (&b"boot\0"[..], 67), "and the one field is used beside the other's name");
}

#[test]
fn names_that_are_too_long_for_their_fields_are_cut_and_still_end_with_a_null() {
    let long: Box<str> = "x".repeat(300).into();
    let (bytes, _) = encode(&Reply { sname: long.clone(), file: long, ..reply() });
    assert_eq!((&bytes[106..108], &bytes[234..236]), (&b"x\0"[..], &b"x\0"[..]));
    assert_eq!(bytes[236..240], MAGIC_COOKIE);
}
