//! A datagram from anyone on the link, as the DHCP server reads it.

#![no_main]

use std::collections::BTreeSet;

use dhcp::client::ServerMessage;
use dhcp::message::{Message, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    read(datagram);
    // Once more as what stands behind a good header, so that the options are reached from every input.
    let mut dressed = vec![0; 240];
    dressed[..3].copy_from_slice(&[1, 1, 6]);
    dressed[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    dressed[236..].copy_from_slice(&[99, 130, 83, 99]);
    let (fields, options) = datagram.split_at(datagram.len().min(192));
    dressed[44..44 + fields.len()].copy_from_slice(fields);
    dressed.extend_from_slice(&[53, 1, 1, 52, 1, 3]);
    dressed.extend_from_slice(options);
    read(&dressed);
});

fn read(datagram: &[u8]) {
    if let Ok(message) = Message::parse(datagram) {
        check(&message.options, datagram.len());
        let _ = (message.client_key(true), message.client_key(false), message.hostname(), message.client_fqdn());
        let _ = (message.subnet_selection(), message.rapid_commit(), message.asks_auto_configure());
        let _ = (message.relay_agent_info().link_selection(), message.hardware.to_string());
        assert!(message.client_id.as_ref().is_none_or(|id| (2..=255).contains(&id.0.len())));
        assert!(message.maximum_message_size.is_none_or(|size| size >= 576));
        assert_eq!(message.malformed.iter().collect::<BTreeSet<_>>().len(), message.malformed.len());
    }
    if let Ok(message) = ServerMessage::parse(datagram) {
        check(&message.options, datagram.len());
    }
}

/// Each code stands once, and no more is held than was sent.
fn check(options: &Options<'_>, sent: usize) {
    let codes: BTreeSet<u8> = options.iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), options.len());
    assert!(!codes.contains(&0) && !codes.contains(&255));
    assert!(options.iter().map(|(_, data)| data.len()).sum::<usize>() <= sent);
}
