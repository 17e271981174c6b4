//! Framing and messages, the written ones read by another decoder.

#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

use dhcproto::v4::{self, DhcpOption, OptionCode};
use dhcproto::{Decodable as _, Decoder};
use proptest::prelude::*;

use super::super::tests::binding;
use super::*;
use crate::client::ClientMessage;
use crate::identity::ClientId;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
const NOW: u64 = 1_790_000_000;

fn message(options: &[(u8, &[u8])]) -> ClientMessage {
    let base = ClientMessage::new(MessageType::BulkLeaseQuery, 0xABCD, HardwareAddress::NONE);
    options.iter().fold(base, |message, (code, data)| message.with(*code, *data))
}

fn bytes(message: &ClientMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

fn parsed(message: &ClientMessage) -> Result<BulkQuery, BadQuery> {
    BulkQuery::parse(&bytes(message)).unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// Feeds a stream in pieces of `step` bytes; the messages in it.
fn read(stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, StreamError> {
    let (mut frames, mut messages) = (Frames::default(), Vec::new());
    for mut piece in stream.chunks(step) {
        while !piece.is_empty() {
            let taken = frames.take(piece);
            piece = &piece[taken..];
            messages.extend(frames.next_message()?);
        }
    }
    Ok(messages)
}

#[test]
fn rfc6926_section_6_1_messages_are_cut_out_of_the_stream_by_their_length() {
    let (one, two) = (bytes(&message(&[])), bytes(&message(&[(61, &[0; 200])])));
    let stream = [framed(&one), framed(&two), framed(&one)].concat();
    for step in [1, 2, 3, 241, 5_000] {
        assert_eq!(read(&stream, step).unwrap(), [one.clone(), two.clone(), one.clone()], "in steps of {step}");
    }
}

#[test]
fn a_length_that_no_query_has_ends_the_stream_before_it_is_read() {
    assert_eq!(read(&[0xFF, 0xFF], 1), Err(StreamError::Length(65_535)));
    assert_eq!(read(&[0, 239], 1), Err(StreamError::Length(239)));
    assert_eq!(read(&[0, 0], 2), Err(StreamError::Length(0)));
}

#[test]
fn rfc6926_section_7_2_a_query_has_one_key() {
    let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap();
    let remote: &[u8] = &[2, 1, b'r'];
    let relay: &[u8] = &[12, 1, b'x'];
    let address = Ipv4Addr::new(192, 168, 30, 100);
    let cases = [
        (message(&[]), Query::All),
        (message(&[(61, &[0, 7, 7])]), Query::ClientId(ClientId([0, 7, 7].into()))),
        (message(&[(82, remote)]), Query::RemoteId(b"r"[..].into())),
        (message(&[(82, relay)]), Query::RelayId(b"x"[..].into())),
        (ClientMessage { ciaddr: address, ..message(&[]) }, Query::Address(address)),
        (ClientMessage { hardware, ..message(&[]) }, Query::Hardware(hardware)),
    ];
    for (message, query) in cases {
        assert_eq!(parsed(&message).unwrap().query, query);
    }
    let several = [
        message(&[(82, &[2, 1, b'r', 12, 1, b'x'])]),
        ClientMessage { ciaddr: address, ..message(&[(61, &[0, 7])]) },
        ClientMessage { ciaddr: address, hardware, ..message(&[]) },
    ];
    for message in several {
        assert_eq!(parsed(&message).unwrap_err().status, StatusCode::MalformedQuery);
    }
}

#[test]
fn rfc6926_what_cannot_be_answered_gets_a_status() {
    let status = |options: &[(u8, &[u8])]| parsed(&message(options)).unwrap_err();
    assert_eq!(status(&[(221, &[255])]).status, StatusCode::UnspecFail);
    assert_eq!(status(&[(154, &[1, 2])]).status, StatusCode::MalformedQuery);
    assert_eq!(status(&[(155, &[])]).status, StatusCode::MalformedQuery);
    assert_eq!(status(&[(221, &[255])]).xid, 0xABCD);
    let other = ClientMessage { message_type: MessageType::Discover, ..message(&[]) };
    assert_eq!(BulkQuery::parse(&bytes(&other)), Err(StreamError::NotAQuery));
    assert_eq!(BulkQuery::parse(&[0; 300]), Err(StreamError::NotDhcp));
}

#[test]
fn rfc6926_only_what_changed_between_the_query_times_is_told() {
    // The binding was renewed ten minutes ago.
    let wants = |options: &[(u8, &[u8])]| parsed(&message(options)).unwrap().wants(&binding());
    let at = |ago: u64| u32::try_from(NOW - ago).unwrap().to_be_bytes();
    assert!(wants(&[]));
    assert!(wants(&[(154, &at(600))]) && !wants(&[(154, &at(599))]));
    assert!(wants(&[(155, &at(600))]) && !wants(&[(155, &at(601))]));
    assert!(wants(&[(154, &at(700)), (155, &at(500))]));
    let released = Binding { secs_left: None, ..binding() };
    let remote: (u8, &[u8]) = (82, &[2, 1, b'r']);
    let asked = |options: &[(u8, &[u8])]| parsed(&message(options)).unwrap().wants(&released);
    assert!(asked(&[]) && !asked(&[remote]), "what ended is told among all");
    assert!(asked(&[remote, (154, &at(601))]), "and among what changed");
}

/// A message as dhcproto reads it, whole and with nothing behind it.
fn decoded(framed: &[u8]) -> v4::Message {
    let (len, message) = framed.split_first_chunk::<2>().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes(*len)), message.len());
    v4::Message::decode(&mut Decoder::new(message)).unwrap()
}

#[test]
fn rfc6926_section_8_an_active_lease_reads_in_another_decoder() {
    let asked = parsed(&message(&[(55, &[51, 82])])).unwrap();
    let mut out = Vec::new();
    found(&mut out, &asked, &binding(), NOW, SERVER);
    let message = decoded(&out);
    assert_eq!((message.xid(), message.ciaddr()), (0xABCD, [192, 168, 30, 100].into()));
    assert_eq!(message.chaddr(), [2, 0, 0, 0, 0, 1]);
    let opts = message.opts();
    assert_eq!(opts.msg_type(), Some(v4::MessageType::LeaseActive));
    let base = u32::try_from(NOW).unwrap();
    for (code, option) in [
        (OptionCode::ServerIdentifier, DhcpOption::ServerIdentifier(SERVER)),
        (OptionCode::AddressLeaseTime, DhcpOption::AddressLeaseTime(3_000)),
        (OptionCode::BulkLeaseQueryBaseTime, DhcpOption::BulkLeaseQueryBaseTime(base)),
        (OptionCode::BulkLeasQueryStartTimeOfState, DhcpOption::BulkLeasQueryStartTimeOfState(5_000)),
        (OptionCode::BulkLeaseQueryDhcpState, DhcpOption::BulkLeaseQueryDhcpState(v4::bulk_query::QueryState::Active)),
        (OptionCode::ClientIdentifier, DhcpOption::ClientIdentifier(vec![0, 7, 7])),
    ] {
        assert_eq!(opts.get(code), Some(&option));
    }
    assert!(opts.get(OptionCode::RelayAgentInformation).is_some());
    assert!(opts.get(OptionCode::Renewal).is_none(), "not asked for");
}

#[test]
fn rfc6926_the_other_answers_read_in_another_decoder() {
    let asked = parsed(&message(&[])).unwrap();
    let address = Ipv4Addr::new(192, 168, 30, 100);
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        decoded(&out)
    };
    let released = Binding { secs_left: None, ..binding() };
    for (message, expected, ciaddr) in [
        (written(&|out| found(out, &asked, &released, NOW, SERVER)), v4::MessageType::LeaseUnassigned, address),
        (written(&|out| unassigned(out, &asked, address, NOW, SERVER)), v4::MessageType::LeaseUnassigned, address),
        (written(&|out| unknown(out, &asked, address, SERVER)), v4::MessageType::LeaseUnknown, address),
        (written(&|out| done(out, 0xABCD, None, SERVER)), v4::MessageType::LeaseQueryDone, Ipv4Addr::UNSPECIFIED),
    ] {
        assert_eq!((message.opts().msg_type(), message.ciaddr()), (Some(expected), ciaddr));
        assert_eq!(message.xid(), 0xABCD);
    }
    let refused = written(&|out| done(out, 1, Some((StatusCode::NotAllowed, "no")), SERVER));
    let status = refused.opts().get(OptionCode::BulkLeaseQueryStatusCode);
    let expected = DhcpOption::BulkLeaseQueryStatusCode(v4::bulk_query::Code::NotAllowed, "no".into());
    assert_eq!(status, Some(&expected));
}

proptest! {
    #[test]
    fn arbitrary_streams_never_panic_and_hold_no_more_than_a_query(
        stream in proptest::collection::vec(any::<u8>(), 0..6_000),
        step in 1..700_usize,
    ) {
        let mut frames = Frames::default();
        'stream: for mut piece in stream.chunks(step) {
            while !piece.is_empty() {
                let taken = frames.take(piece);
                prop_assert!(taken > 0, "it goes on");
                prop_assert!(frames.held.len() <= QUERY_BYTES_MAX + 2);
                piece = &piece[taken..];
                match frames.next_message() {
                    Ok(Some(message)) => drop(BulkQuery::parse(&message)),
                    Ok(None) => {}
                    Err(_) => break 'stream,
                }
            }
        }
    }

    #[test]
    fn arbitrary_options_never_panic(options in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut message = bytes(&message(&[]));
        message.truncate(243);
        message.extend_from_slice(&options);
        if let Ok(Ok(asked)) = BulkQuery::parse(&message) {
            let mut out = Vec::new();
            found(&mut out, &asked, &binding(), NOW, SERVER);
            prop_assert_eq!(decoded(&out).xid(), 0xABCD);
        }
    }
}
