//! A reply of any content, encoded and read back: every option is there or reported, and the size holds.

#![no_main]

use std::collections::BTreeMap;

use dhcp::client::ServerMessage;
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::reply::Reply;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(reply) = reply(&mut Unstructured::new(input)) {
        roundtrip(&reply);
    }
});

fn reply(input: &mut Unstructured<'_>) -> Result<Reply> {
    let chaddr: [u8; 16] = input.arbitrary()?;
    let hlen = input.int_in_range(0..=16)?;
    let mut options: BTreeMap<u8, Box<[u8]>> = BTreeMap::new();
    for _ in 0..input.int_in_range(0..=30)? {
        // The codes that `Reply` writes itself are not among its options.
        let code = input.int_in_range(1..=254)?;
        let len = if input.ratio(1, 5)? { input.int_in_range(0..=1500)? } else { input.int_in_range(0..=60)? };
        if ![52, 53, 54, 82].contains(&code) {
            options.insert(code, vec![code; len].into());
        }
    }
    Ok(Reply {
        message_type: *input.choose(&[MessageType::Offer, MessageType::Ack, MessageType::Nak])?,
        xid: input.arbitrary()?,
        secs: input.arbitrary()?,
        broadcast: input.arbitrary()?,
        ciaddr: input.arbitrary::<u32>()?.into(),
        yiaddr: input.arbitrary::<u32>()?.into(),
        siaddr: input.arbitrary::<u32>()?.into(),
        giaddr: input.arbitrary::<u32>()?.into(),
        hardware: HardwareAddress::new(input.arbitrary()?, &chaddr[..hlen]).expect("16 bytes at most"),
        server_identifier: input.int_in_range(1..=u32::MAX)?.into(),
        options: options.into_iter().collect(),
        required: input.arbitrary::<Vec<u8>>()?.into(),
        relay_agent_info: vec![9; input.int_in_range(0..=600)?].into(),
        maximum_message_size: input.arbitrary()?,
        delay_ms: 0,
        sname: "s".repeat(input.int_in_range(0..=80)?).into(),
        file: "f".repeat(input.int_in_range(0..=140)?).into(),
    })
}

fn roundtrip(reply: &Reply) {
    let mut bytes = Vec::new();
    let dropped = reply.encode(&mut bytes);
    assert!(bytes.len() >= 300);
    assert!(bytes.len() + 28 <= usize::from(reply.maximum_message_size.clamp(576, 1500)));

    let read = ServerMessage::parse(&bytes).expect("our own reply is readable");
    assert!(read.malformed.is_empty());
    assert_eq!((read.message_type, read.xid, read.secs), (reply.message_type, reply.xid, reply.secs));
    assert_eq!((read.ciaddr, read.yiaddr), (reply.ciaddr, reply.yiaddr));
    assert_eq!((read.siaddr, read.giaddr, read.hardware), (reply.siaddr, reply.giaddr, reply.hardware));
    assert_eq!(read.server_identifier(), Some(reply.server_identifier));
    for (code, data) in &reply.options {
        let expected = (!dropped.contains(&code)).then_some(data);
        assert_eq!(read.options.get(code), expected, "option {code}");
    }
    let echoed = !reply.relay_agent_info.is_empty() && !dropped.contains(&82);
    assert_eq!(read.options.get(82), echoed.then_some(&*reply.relay_agent_info));
}
