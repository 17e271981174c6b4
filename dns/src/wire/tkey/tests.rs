#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hickory_proto::rr::rdata::tsig::{TSIG, TsigAlgorithm as WireAlgorithm, make_tsig_record};
use hickory_proto::serialize::binary::BinEncoder;

use super::*;
use crate::wire::{AnswerSigner, sign, verify_request_of_context};
use crate::{Signing, TsigAlgorithm, TsigKey};

const NOW: u64 = 1_790_000_000;

/// Signs by an HMAC in place of a mechanism, as long as it is not expired.
#[derive(Debug)]
struct Stand {
    key: TsigKey,
    expired: bool,
}

impl SecurityContext for Stand {
    fn key_name(&self) -> &Fqdn {
        &self.key.name
    }

    fn sign(&self, octets: &[u8]) -> Option<Vec<u8>> {
        (!self.expired).then(|| self.key.mac(octets))
    }

    fn verifies(&self, octets: &[u8], token: &[u8]) -> bool {
        self.key.verifies(octets, token)
    }
}

fn name() -> Fqdn {
    "4711.leasehold.example".parse().unwrap()
}

fn context(expired: bool) -> Stand {
    Stand { key: TsigKey { name: name(), algorithm: TsigAlgorithm::HmacSha256, secret: (*b"secret").into() }, expired }
}

/// What a server answers: the query's record with its own token, perhaps signed.
fn answer(query: &[u8], token: &[u8], error: u16, signed: Option<(&Stand, bool)>) -> Vec<u8> {
    let query = Message::from_vec(query).unwrap();
    let mut message = Message::response(query.id, OpCode::Query);
    message.add_query(query.queries[0].clone());
    let RData::Unknown { rdata, .. } = &query.additionals[0].data else { panic!("no TKEY") };
    let mut octets = rdata.anything[..ALGORITHM.len() + 10].to_vec();
    octets.extend_from_slice(&error.to_be_bytes());
    octets.extend_from_slice(&(token.len() as u16).to_be_bytes());
    octets.extend_from_slice(token);
    octets.extend_from_slice(&[0, 0]);
    let mut record = query.additionals[0].clone();
    record.data = RData::Unknown { code: RecordType::Unknown(TKEY), rdata: NULL::with(octets) };
    message.answers.push(record);
    if let Some((stand, with_length)) = signed {
        let tsig = TSIG::new(WireAlgorithm::Gss, NOW, 300, Vec::new(), query.id, None, Vec::new());
        let wire_name = name_to_hickory(&name());
        let mut digested = if with_length { vec![0, 0] } else { Vec::new() };
        digested.extend(message.to_vec().unwrap());
        let mut variables = Vec::new();
        tsig.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), &wire_name).unwrap();
        digested.extend(variables);
        message.set_signature(Box::new(make_tsig_record(wire_name, tsig.set_mac(stand.key.mac(&digested)))));
    }
    message.to_vec().unwrap()
}

fn query() -> Vec<u8> {
    tkey_query(&name(), 7, NOW as u32, NOW as u32 + 3_600, b"first").unwrap()
}

#[test]
fn rfc2930_3_a_token_travels_in_the_additional_section_and_comes_back_in_the_answer() {
    let message = Message::from_vec(&query()).unwrap();
    assert_eq!(message.queries[0].query_type(), RecordType::Unknown(249));
    assert_eq!(message.additionals.len(), 1);
    let got = read_tkey_answer(&answer(&query(), b"second", 0, None), &name(), 7);
    assert_eq!(got, Ok(TkeyAnswer { token: b"second".to_vec(), expires_at: NOW as u32 + 3_600 }));
    assert_eq!(read_tkey_answer(&answer(&query(), b"", 0, None), &name(), 8), Err(TkeyError::NotOurs));
    let other = "other.example".parse().unwrap();
    assert_eq!(read_tkey_answer(&answer(&query(), b"", 0, None), &other, 7), Err(TkeyError::NoRecord));
}

#[test]
fn rfc2930_2_6_the_records_own_error_is_told() {
    let refused = answer(&query(), b"", 17, None);
    assert_eq!(read_tkey_answer(&refused, &name(), 7), Err(TkeyError::Refused(Rcode::BAD_KEY)));
}

#[test]
fn a_record_that_ends_early_is_no_answer() {
    for length in 0..ALGORITHM.len() + 16 {
        assert_eq!(read_rdata(&[ALGORITHM, &[0; 16]].concat()[..length]), None, "{length}");
    }
    assert_eq!(after_name(&[0xc0, 12, 1]), Some(&[1][..]), "a compressed name");
    assert_eq!(after_name(&[0x40, 12, 1]), None);
}

#[test]
fn rfc3645_3_1_3_the_last_answer_is_believed_only_if_the_new_context_signed_it() {
    let stand = context(false);
    for with_length in [false, true] {
        let signed = answer(&query(), b"last", 0, Some((&stand, with_length)));
        assert_eq!(verify_last(&signed, &stand, NOW + 300), Ok(()), "{with_length}");
        assert_eq!(verify_last(&signed, &stand, NOW + 301), Err(AnswerError::Stale { seconds_off: 301 }));
        let mut changed = signed.clone();
        changed[12] ^= 1;
        assert_eq!(verify_last(&changed, &stand, NOW), Err(AnswerError::BadSignature));
    }
    let bare = answer(&query(), b"last", 0, None);
    assert_eq!(verify_last(&bare, &stand, NOW), Err(AnswerError::BadSignature), "not signed");
    let other = Stand { key: TsigKey { secret: (*b"other").into(), ..stand.key.clone() }, expired: false };
    let by_other = answer(&query(), b"last", 0, Some((&other, false)));
    assert_eq!(verify_last(&by_other, &stand, NOW), Err(AnswerError::BadSignature));
}

/// An answer to an update that is signed over the request's MAC, with or without its length.
fn answer_to(request: &[u8], stand: &Stand, with_length: bool) -> Vec<u8> {
    let request_mac = Message::from_vec(request).unwrap().signature.unwrap().data.mac;
    let mut message = Message::response(4711, OpCode::Update);
    let tsig = TSIG::new(WireAlgorithm::Gss, NOW, 300, Vec::new(), 4711, None, Vec::new());
    let wire_name = name_to_hickory(&name());
    let mut digested = if with_length { (request_mac.len() as u16).to_be_bytes().to_vec() } else { Vec::new() };
    digested.extend(request_mac);
    digested.extend(message.to_vec().unwrap());
    let mut variables = Vec::new();
    tsig.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), &wire_name).unwrap();
    digested.extend(variables);
    message.set_signature(Box::new(make_tsig_record(wire_name, tsig.set_mac(stand.key.mac(&digested)))));
    message.to_vec().unwrap()
}

#[test]
fn rfc3645_5_a_context_signs_requests_and_judges_their_answers() {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name_to_hickory(&"example".parse::<Fqdn>().unwrap()), RecordType::SOA));
    let signing = Signing::Context(Arc::new(context(false)));
    let (octets, pending) = sign(message.clone(), &signing, NOW).unwrap();
    let signature = Message::from_vec(&octets).unwrap().signature.unwrap();
    assert_eq!(signature.data.algorithm, WireAlgorithm::Gss);
    assert_eq!(signature.name, name_to_hickory(&name()));
    let bare = Message::response(4711, OpCode::Update).to_vec().unwrap();
    assert_eq!(pending.read_rcode(&bare, NOW), Err(AnswerError::Unsigned(Rcode::NO_ERROR)));
    for with_length in [true, false] {
        let answer = answer_to(&octets, &context(false), with_length);
        assert_eq!(
            pending.read_rcode(&answer, NOW),
            Ok(Rcode::NO_ERROR),
            "the length of the request's MAC: {with_length}"
        );
    }
    let other = Stand { key: TsigKey { secret: (*b"other").into(), ..context(false).key }, expired: false };
    assert_eq!(pending.read_rcode(&answer_to(&octets, &other, true), NOW), Err(AnswerError::BadSignature));
    let expired = Signing::Context(Arc::new(context(true)));
    assert!(matches!(sign(message, &expired, NOW), Err(WireError::ContextExpired)));
}

#[test]
fn rfc3645_4_a_server_reads_the_token_and_signs_its_last_answer_by_what_came_of_it() {
    let asked = Message::from_vec(&query()).unwrap();
    assert_eq!(read_tkey_query(&asked.additionals), Some((name(), b"first".to_vec())));
    assert_eq!(read_tkey_query(&asked.answers), None, "no record");
    let mut cut = asked.additionals.clone();
    for length in 1..ALGORITHM.len() + 14 {
        cut[0].data = RData::Unknown { code: RecordType::Unknown(TKEY), rdata: NULL::with(vec![0; length]) };
        assert_eq!(read_tkey_query(&cut), None, "{length} octets");
    }

    let context: Arc<dyn SecurityContext> = Arc::new(context(false));
    let mut reply = Message::response(7, OpCode::Query);
    reply.add_query(asked.queries[0].clone());
    let times = (NOW as u32, NOW as u32 + 60);
    reply.answers.push(tkey_record(&name(), times, Rcode::NO_ERROR, b"second").unwrap());
    let unsigned = reply.to_vec().unwrap();
    let signature = AnswerSigner::of_context(&context, 7, NOW).sign(&unsigned, NOW).unwrap();
    reply.set_signature(signature);
    let octets = reply.to_vec().unwrap();
    assert_eq!(read_tkey_answer(&octets, &name(), 7).unwrap().token, b"second");
    assert_eq!(verify_last(&octets, &*context, NOW), Ok(()));
    // An error travels in the record, not in the header.
    let mut refused = Message::response(7, OpCode::Query);
    refused.answers.push(tkey_record(&name(), times, Rcode::BAD_KEY, b"").unwrap());
    let told = read_tkey_answer(&refused.to_vec().unwrap(), &name(), 7);
    assert_eq!(told, Err(TkeyError::Refused(Rcode::BAD_KEY)));
}

#[test]
fn rfc3645_5_a_server_verifies_requests_by_the_context_and_signs_their_answers() {
    let context: Arc<dyn SecurityContext> = Arc::new(context(false));
    let mut message = Message::new(4711, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name_to_hickory(&"example".parse::<Fqdn>().unwrap()), RecordType::SOA));
    let (octets, pending) = sign(message, &Signing::Context(Arc::clone(&context)), NOW).unwrap();
    let signature = Message::from_vec(&octets).unwrap().signature.unwrap();
    let mut signer = verify_request_of_context(&octets, &signature, &context, NOW).unwrap();
    let mut reply = Message::response(4711, OpCode::Update);
    let signed = signer.sign(&reply.to_vec().unwrap(), NOW).unwrap();
    reply.set_signature(signed);
    assert_eq!(pending.read_rcode(&reply.to_vec().unwrap(), NOW), Ok(Rcode::NO_ERROR));

    let refusal = |octets: &[u8], now| verify_request_of_context(octets, &signature, &context, now).unwrap_err();
    let mut changed = octets.clone();
    changed[2] ^= 0x80;
    assert_eq!(refusal(&changed, NOW).error, Rcode::BAD_SIG);
    assert_eq!(refusal(&octets, NOW + 301).error, Rcode::BAD_TIME);
    let other: Arc<dyn SecurityContext> =
        Arc::new(Stand { key: TsigKey { secret: (*b"other").into(), ..self::context(false).key }, expired: false });
    assert_eq!(verify_request_of_context(&octets, &signature, &other, NOW).unwrap_err().error, Rcode::BAD_SIG);
}
