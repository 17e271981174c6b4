#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hickory_proto::op::{OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType as WireType;

use super::*;
use crate::Fqdn;

const NOW: u64 = 1_790_000_000;

fn key(name: &str, secret: &[u8]) -> TsigKey {
    TsigKey { name: name.parse().unwrap(), algorithm: TsigAlgorithm::HmacSha256, secret: secret.into() }
}

fn ours() -> TsigKey {
    key("ddns.example", b"0123456789abcdef")
}

fn request() -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name_to_hickory(&"example".parse::<Fqdn>().unwrap()), WireType::SOA));
    message
}

fn signed_request(key: &TsigKey, at: u64) -> (Vec<u8>, PendingAnswer) {
    sign_request(request(), Some(key), at).unwrap()
}

/// What a server that knows `known` answers at `now`.
fn serve(raw: &[u8], known: &TsigKey, now: u64) -> (Rcode, Vec<u8>) {
    let message = Message::from_vec(raw).unwrap();
    let (rcode, error, signer) = match verify_request(raw, message.signature().unwrap(), [known], now) {
        Ok(verified) => (Rcode::NO_ERROR, Rcode::NO_ERROR, Some(verified.signer)),
        Err(refusal) => (refusal.rcode, refusal.error, refusal.signer),
    };
    let mut answer = Message::response(message.id, OpCode::Update);
    answer.metadata.response_code = ResponseCode::from(0, rcode.0 as u8);
    if let Some(mut signer) = signer {
        let record = signer.sign(&answer.to_vec().unwrap(), now).unwrap();
        answer.set_signature(record);
    }
    (error, answer.to_vec().unwrap())
}

#[test]
fn a_good_signature_is_accepted_on_both_sides() {
    let (raw, pending) = signed_request(&ours(), NOW);
    let (error, answer) = serve(&raw, &ours(), NOW + 10);
    assert_eq!(error, Rcode::NO_ERROR);
    assert_eq!(pending.read_rcode(&answer, NOW + 10), Ok(Rcode::NO_ERROR));
}

#[test]
fn rfc8945_5_2_1_badkey_is_told_though_unsigned() {
    let (raw, pending) = signed_request(&key("other.example", b"x"), NOW);
    let (error, answer) = serve(&raw, &ours(), NOW);
    assert_eq!(error, Rcode::BAD_KEY);
    let refused = AnswerError::Refused { error: Rcode::BAD_KEY, server_time: None };
    assert_eq!(pending.read_rcode(&answer, NOW), Err(refused));
    // Another algorithm than the key's is BADKEY too.
    let mut other = ours();
    other.algorithm = TsigAlgorithm::HmacSha512;
    assert_eq!(serve(&signed_request(&other, NOW).0, &ours(), NOW).0, Rcode::BAD_KEY);
}

#[test]
fn rfc8945_5_2_2_badsig_is_told_though_unsigned() {
    let (raw, pending) = signed_request(&key("ddns.example", b"another secret"), NOW);
    let (error, answer) = serve(&raw, &ours(), NOW);
    assert_eq!(error, Rcode::BAD_SIG);
    let refused = AnswerError::Refused { error: Rcode::BAD_SIG, server_time: None };
    assert_eq!(pending.read_rcode(&answer, NOW), Err(refused));
}

#[test]
fn rfc8945_5_2_3_badtime_is_signed_and_tells_the_servers_clock() {
    let (raw, pending) = signed_request(&ours(), NOW);
    assert_eq!(serve(&raw, &ours(), NOW + 300).0, Rcode::NO_ERROR);
    let (error, answer) = serve(&raw, &ours(), NOW + 301);
    assert_eq!(error, Rcode::BAD_TIME);
    let refused = AnswerError::Refused { error: Rcode::BAD_TIME, server_time: Some(NOW + 301) };
    assert_eq!(pending.read_rcode(&answer, NOW), Err(refused));
    // The same words without the signature are not believed.
    let mut forged = Message::from_vec(&answer).unwrap();
    forged.signature.as_mut().unwrap().data.mac = vec![0; 32];
    assert_eq!(pending.read_rcode(&forged.to_vec().unwrap(), NOW), Err(AnswerError::BadSignature));
}

#[test]
fn rfc8945_5_4_an_unsigned_reply_to_a_signed_request_is_not_believed() {
    let (_, pending) = signed_request(&ours(), NOW);
    let answer = Message::error_msg(4711, OpCode::Update, ResponseCode::NoError).to_vec().unwrap();
    assert_eq!(pending.read_rcode(&answer, NOW), Err(AnswerError::Unsigned(Rcode::NO_ERROR)));
}

#[test]
fn rfc8945_5_4_a_reply_signed_with_another_key_or_changed_on_the_way_is_not_believed() {
    let (raw, pending) = signed_request(&ours(), NOW);
    let (_, answer) = serve(&raw, &ours(), NOW);
    let mut changed = answer.clone();
    changed[3] = 5;
    assert_eq!(pending.read_rcode(&changed, NOW), Err(AnswerError::BadSignature));
    let stranger = key("ddns.example", b"a stranger");
    let (foreign, _) = signed_request(&stranger, NOW);
    let (_, foreign_answer) = serve(&foreign, &stranger, NOW);
    assert_eq!(pending.read_rcode(&foreign_answer, NOW), Err(AnswerError::BadSignature));
    // An old answer of the right key to another request: its MAC covers that request's.
    let (older, _) = signed_request(&ours(), NOW - 5);
    let (_, older_answer) = serve(&older, &ours(), NOW);
    assert_eq!(pending.read_rcode(&older_answer, NOW), Err(AnswerError::BadSignature));
}

#[test]
fn an_answer_to_another_request_is_not_ours() {
    let (raw, pending) = signed_request(&ours(), NOW);
    let (_, mut answer) = serve(&raw, &ours(), NOW);
    answer[0] ^= 1;
    assert_eq!(pending.read_rcode(&answer, NOW), Err(AnswerError::NotOurs));
    assert_eq!(pending.read_rcode(b"junk", NOW), Err(AnswerError::NotOurs));
    assert_eq!(pending.read_rcode(&raw, NOW), Err(AnswerError::NotOurs));
}

#[test]
fn rfc8945_5_4_3_an_answer_signed_at_another_time_is_stale() {
    let (raw, pending) = signed_request(&ours(), NOW);
    let (_, answer) = serve(&raw, &ours(), NOW);
    assert_eq!(pending.read_rcode(&answer, NOW + 301), Err(AnswerError::Stale { seconds_off: 301 }));
}

#[test]
fn rfc8945_5_2_2_1_lengths_of_the_mac() {
    let (raw, _) = signed_request(&ours(), NOW);
    let with_mac = |octets: usize| {
        let mut message = Message::from_vec(&raw).unwrap();
        message.signature.as_mut().unwrap().data.mac.resize(octets, 0);
        let raw = message.to_vec().unwrap();
        let Err(refusal) = verify_request(&raw, message.signature().unwrap(), [&ours()], NOW) else { panic!() };
        (refusal.rcode, refusal.error, refusal.signer.is_some())
    };
    assert_eq!(with_mac(33), (Rcode::FORM_ERR, Rcode::NO_ERROR, false));
    assert_eq!(with_mac(15), (Rcode::FORM_ERR, Rcode::NO_ERROR, false));
    assert_eq!(with_mac(16), (Rcode::NOT_AUTH, Rcode::BAD_TRUNC, true));
}

#[test]
fn a_time_before_the_fudge_does_not_underflow() {
    let (raw, pending) = signed_request(&ours(), 0);
    let (error, answer) = serve(&raw, &ours(), NOW);
    assert_eq!(error, Rcode::BAD_TIME);
    assert!(pending.read_rcode(&answer, 0).is_err());
}

#[test]
fn rfc8945_5_3_1_later_messages_chain_to_the_former() {
    let (raw, pending) = signed_request(&ours(), NOW);
    let message = Message::from_vec(&raw).unwrap();
    let key = ours();
    let mut signer = verify_request(&raw, message.signature().unwrap(), [&key], NOW).unwrap().signer;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let mut answer = Message::response(4711, OpCode::Query);
        let record = signer.sign(&answer.to_vec().unwrap(), NOW).unwrap();
        answer.set_signature(record);
        sent.push(answer.to_vec().unwrap());
    }
    let (client, mut mac) = pending.signed.clone().unwrap();
    for (place, bytes) in sent.iter().enumerate() {
        mac = mac_verifies(&client, bytes, Some(&mac), place == 0).unwrap();
    }
}

#[test]
fn without_a_key_an_answer_is_read_as_it_is() {
    let (_, pending) = sign_request(request(), None, NOW).unwrap();
    let answer = Message::error_msg(4711, OpCode::Update, ResponseCode::YXDomain).to_vec().unwrap();
    assert_eq!(pending.read_rcode(&answer, NOW), Ok(Rcode::YX_DOMAIN));
}

/// Three messages of one answer, the second without a signature.
fn stream_of(signer: &mut AnswerSigner, signed: [bool; 3]) -> [Vec<u8>; 3] {
    let id = 4711;
    let mut number = 0;
    signed.map(|signed| {
        number += 1;
        let mut message = Message::response(id, OpCode::Query);
        message.metadata.authoritative = number == 2;
        if signed {
            let record = signer.sign(&message.to_vec().unwrap(), NOW).unwrap();
            message.set_signature(record);
        }
        message.to_vec().unwrap()
    })
}

fn streams(signed: [bool; 3]) -> (AnswerStream, [Vec<u8>; 3]) {
    let (raw, pending) = signed_request(&ours(), NOW);
    let message = Message::from_vec(&raw).unwrap();
    let known = [ours()];
    let verified = verify_request(&raw, message.signature().unwrap(), &known, NOW).unwrap();
    let mut signer = verified.signer;
    (AnswerStream::new(pending), stream_of(&mut signer, signed))
}

#[test]
fn rfc8945_5_3_1_each_message_of_an_answer_signs_the_one_before() {
    let (mut stream, messages) = streams([true, true, true]);
    for message in &messages {
        assert!(stream.read(message, NOW).is_ok());
        assert!(stream.is_verified());
    }
    let (mut stream, messages) = streams([true, true, true]);
    stream.read(&messages[0], NOW).unwrap();
    // One that was left out.
    assert_eq!(stream.read(&messages[2], NOW).map(drop), Err(AnswerError::BadSignature));
}

#[test]
fn rfc8945_5_3_1_unsigned_messages_count_only_with_the_signature_after_them() {
    let (mut stream, messages) = streams([true, false, true]);
    stream.read(&messages[0], NOW).unwrap();
    stream.read(&messages[1], NOW).unwrap();
    assert!(!stream.is_verified());
    // Our own signer signs every message, so that its third does not cover the second.
    assert_eq!(stream.read(&messages[2], NOW).map(drop), Err(AnswerError::BadSignature));
    // A server that leaves signatures out covers them with the next (section 5.3.1).
    let (mut stream, messages) = streams([true, false, false]);
    stream.read(&messages[0], NOW).unwrap();
    stream.read(&messages[1], NOW).unwrap();
    let last = sparsely_signed(&messages);
    stream.read(&last, NOW).unwrap();
    assert!(stream.is_verified());
    // The first must be signed, and no more than 99 may follow without.
    let (mut stream, messages) = streams([false, false, false]);
    assert!(matches!(stream.read(&messages[0], NOW), Err(AnswerError::Unsigned(_))));
    let (mut stream, messages) = streams([true, false, false]);
    stream.read(&messages[0], NOW).unwrap();
    let read = (0..100).map(|_| stream.read(&messages[1], NOW).is_ok()).filter(|good| *good).count();
    assert_eq!(read, 99);
}

/// The third message, signed over the second and itself.
fn sparsely_signed(messages: &[Vec<u8>; 3]) -> Vec<u8> {
    let first = Message::from_vec(&messages[0]).unwrap();
    let previous = first.signature().unwrap().data.mac.clone();
    let mut octets = (previous.len() as u16).to_be_bytes().to_vec();
    octets.extend_from_slice(&previous);
    octets.extend_from_slice(&messages[1]);
    octets.extend_from_slice(&messages[2]);
    octets.extend_from_slice(&NOW.to_be_bytes()[2..]);
    octets.extend_from_slice(&FUDGE_SECS.to_be_bytes());
    let mac = ours().mac(&octets);
    let mut last = Message::from_vec(&messages[2]).unwrap();
    let tsig = TSIG::new(WireAlgorithm::HmacSha256, NOW, FUDGE_SECS, Vec::new(), last.id, None, Vec::new());
    last.set_signature(Box::new(make_tsig_record(name_to_hickory(&ours().name), tsig.set_mac(mac))));
    last.to_vec().unwrap()
}
