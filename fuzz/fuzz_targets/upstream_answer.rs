//! What an upstream sends, in any bytes: checked, kept, and written for another asker.

#![no_main]

use dns::{Fqdn, RecordType};
use hickory_proto::op::Message;
use libfuzzer_sys::fuzz_target;
use resolve::answer::Terms;
use resolve::query::Outgoing;
use resolve::{Answer, Heard, Key, PlainQuery};

fuzz_target!(|input: &[u8]| {
    let name: Fqdn = "www.example".parse().expect("a name");
    let key = Key::new(&name, RecordType::A, false, false);
    let sent = Outgoing::build(&key, 0x1234_5678_9abc_def0, true);
    hear(input, &sent);
    // The same bytes as the counts and the records behind the right header and question.
    let [c0, c1, c2, rcode, records @ ..] = input else { return };
    let mut reply = sent.octets[..12].to_vec();
    (reply[2], reply[3]) = (0x81, 0x80 | (rcode & 0x0f));
    reply[4..12].copy_from_slice(&[0, 1, 0, c0 & 7, 0, c1 & 7, 0, c2 & 7]);
    reply.extend_from_slice(sent.question());
    reply.extend_from_slice(records);
    hear(&reply, &sent);
    drop(Answer::from_message(&reply));
    drop(PlainQuery::read(input));
});

fn hear(octets: &[u8], sent: &Outgoing) {
    let Ok(Heard::Answer(answer)) = Heard::read(octets, sent) else { return };
    let query = PlainQuery::read(&sent.octets).expect("what is built is plain");
    drop(answer.view().end_of_aliases(query.key.name()));
    for octets_max in [Some(512), Some(1232), None] {
        for age_secs in [0, u32::MAX] {
            let terms = Terms { age_secs, ttl_max: 86_400, stale_ttl: None, octets_max, reason: None, options: &[] };
            let mut out = Vec::new();
            answer.write(&query, &terms, &mut out);
            assert!(octets_max.is_none_or(|most| out.len() <= usize::from(most)), "no answer is over the limit");
            assert_eq!(out[..2], sent.octets[..2], "the identifier is the question's");
            assert_eq!(&out[12..12 + sent.question().len()], sent.question());
            // Our own OPT record, of eleven octets, stands behind what was heard.
            let body = &out[12 + sent.question().len()..out.len() - 11];
            let is_as_it_came = octets[12 + sent.question().len()..].starts_with(body);
            if is_as_it_came && Message::from_vec(octets).is_ok_and(|message| is_judged(&message)) {
                assert!(Message::from_vec(&out).is_ok(), "what could be read can be read");
            }
        }
    }
}

/// Whether all data in `message` is looked into. What other types hold is passed on as it is, and its asker's to judge:
/// a name in it may point into the header, which is not the same in what is written.
fn is_judged(message: &Message) -> bool {
    use hickory_proto::rr::RecordType as T;
    let looked_into = [T::A, T::AAAA, T::NS, T::CNAME, T::PTR, T::MX, T::SRV, T::SOA, T::TXT];
    [&message.answers, &message.authorities, &message.additionals]
        .into_iter()
        .flatten()
        .all(|record| looked_into.contains(&record.record_type()))
}
