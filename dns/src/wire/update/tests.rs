#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn address(last: u8) -> Rdata {
    Rdata::a([192, 0, 2, last].into())
}

fn read(message: &Message) -> Result<Update, Rcode> {
    // Through the octets, as it comes off a socket.
    let message = Message::from_vec(&message.to_vec().unwrap()).unwrap();
    update_from_sections(
        message.queries.iter().map(|query| (query.name(), query.query_type(), query.query_class())),
        &message.answers,
        &message.authorities,
    )
}

fn every_kind() -> Update {
    let host = name("a.example");
    Update {
        zone: name("example"),
        prerequisites: vec![
            Prerequisite::RrsetExists(host.clone(), RecordType::A),
            Prerequisite::RrsetIs(host.clone(), RecordType::A, vec![address(1), address(2)]),
            Prerequisite::RrsetAbsent(host.clone(), RecordType::DHCID),
            Prerequisite::NameInUse(host.clone()),
            Prerequisite::NameNotInUse(name("b.example")),
        ],
        changes: vec![
            Change::Add { name: host.clone(), rtype: RecordType::A, ttl: 600, rdata: address(3) },
            Change::DeleteRrset(host.clone(), RecordType::AAAA),
            Change::DeleteName(name("b.example")),
            Change::DeleteRecord(host, RecordType::A, address(1)),
        ],
    }
}

fn change(edit: impl FnOnce(&mut Message)) -> Result<Update, Rcode> {
    let mut message = update_to_message(&every_kind(), 1).unwrap();
    edit(&mut message);
    read(&message)
}

#[test]
fn every_prerequisite_and_change_goes_both_ways() {
    assert_eq!(change(|_| ()), Ok(every_kind()));
}

#[test]
fn rfc2136_2_4_and_2_5_classes_on_the_wire() {
    let message = update_to_message(&every_kind(), 7).unwrap();
    let classes = |records: &[Record]| records.iter().map(|record| record.dns_class).collect::<Vec<_>>();
    use DNSClass::{ANY, IN, NONE};
    assert_eq!(classes(&message.answers), [ANY, IN, IN, NONE, ANY, NONE]);
    assert!(message.answers.iter().all(|record| record.ttl == 0));
    assert_eq!(classes(&message.authorities), [IN, ANY, ANY, NONE]);
    assert_eq!(message.authorities.iter().map(|record| record.ttl).collect::<Vec<_>>(), [600, 0, 0, 0]);
    assert_eq!((message.id, message.op_code), (7, OpCode::Update));
}

#[test]
fn rfc2136_3_1_1_one_zone_record_of_type_soa() {
    assert_eq!(change(|message| message.queries.clear()), Err(Rcode::FORM_ERR));
    assert_eq!(change(|message| message.queries.push(message.queries[0].clone())), Err(Rcode::FORM_ERR));
    let of_type_a = |message: &mut Message| {
        message.queries[0].set_query_type(WireType::A);
    };
    assert_eq!(change(of_type_a), Err(Rcode::FORM_ERR));
    let of_class_chaos = |message: &mut Message| {
        message.queries[0].set_query_class(DNSClass::CH);
    };
    assert_eq!(change(of_class_chaos), Err(Rcode::NOT_AUTH));
}

#[test]
fn rfc2136_3_2_a_prerequisite_with_ttl_data_or_class_amiss_is_formerr() {
    for place in 0..5 {
        assert_eq!(change(|message| message.answers[place].ttl = 1), Err(Rcode::FORM_ERR));
    }
    assert_eq!(change(|message| message.answers[0].dns_class = DNSClass::CH), Err(Rcode::FORM_ERR));
    // Data in classes ANY and NONE, none in class IN.
    assert_eq!(change(|message| message.answers[1].dns_class = DNSClass::ANY), Err(Rcode::FORM_ERR));
    assert_eq!(change(|message| message.answers[1].dns_class = DNSClass::NONE), Err(Rcode::FORM_ERR));
    assert_eq!(change(|message| message.answers[0].dns_class = DNSClass::IN), Err(Rcode::FORM_ERR));
}

#[test]
fn rfc2136_3_4_1_a_change_with_ttl_data_class_or_type_amiss_is_formerr() {
    for place in 1..4 {
        assert_eq!(change(|message| message.authorities[place].ttl = 1), Err(Rcode::FORM_ERR));
    }
    assert_eq!(change(|message| message.authorities[0].dns_class = DNSClass::CH), Err(Rcode::FORM_ERR));
    assert_eq!(change(|message| message.authorities[3].dns_class = DNSClass::ANY), Err(Rcode::FORM_ERR));
    assert_eq!(change(|message| message.authorities[1].dns_class = DNSClass::NONE), Err(Rcode::FORM_ERR));
    for class in [DNSClass::IN, DNSClass::ANY, DNSClass::NONE] {
        let of_meta_type = |message: &mut Message| {
            message.authorities[1] = without_data(&name("a.example"), RecordType(253), class);
        };
        assert_eq!(change(of_meta_type), Err(Rcode::FORM_ERR));
    }
}

#[test]
fn rfc2136_3_4_1_a_ptr_delete_of_class_in_is_formerr() {
    let of_class_in = |message: &mut Message| {
        message.authorities[1] = without_data(&name("1.2.0.192.in-addr.arpa"), RecordType::PTR, DNSClass::IN);
    };
    assert_eq!(change(of_class_in), Err(Rcode::FORM_ERR));
}

#[test]
fn a_set_prerequisite_without_records_has_no_wire_form() {
    let update = Update {
        zone: name("example"),
        prerequisites: vec![Prerequisite::RrsetIs(name("a.example"), RecordType::A, vec![])],
        changes: vec![],
    };
    assert_eq!(update_to_message(&update, 1).unwrap_err(), WireError::EmptySet);
}
