//! Messages with records that hickory does not read, though their data is sound: reserved flags that are set, values that a
//! later RFC has given a meaning, and old types that it does not know, whose names others compress all the same (MINFO).
//! A zone transfer must not break off at one. hickory reads what it can; of such a record its data is taken as it is, names
//! uncompressed.

use hickory_proto::ProtoError;
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::tsig::signed_bitmessage_to_buf;
use hickory_proto::rr::rdata::{NULL, TSIG};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType as WireType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use crate::wire::name_from_hickory;
use crate::{Rdata, RdataError, RecordType};

/// Octets of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// Where the parts of a message are.
struct Parts {
    /// Where each record of the answer section begins.
    answers: Vec<usize>,
    /// The end of the questions.
    questions_end: usize,
    /// Where the last record begins.
    last: usize,
    /// Header, questions and, when the last record is a signature, that: a message by itself.
    bare: Vec<u8>,
}

/// The message; `None`: it is none.
pub(super) fn read(octets: &[u8]) -> Option<Message> {
    if let Ok(message) = Message::from_vec(octets)
        && !message.answers.iter().any(is_unread)
    {
        return Some(message);
    }
    let parts = parts(octets)?;
    let mut message = Message::from_vec(&parts.bare).ok()?;
    for at in parts.answers {
        message.answers.push(record(octets, at)?);
    }
    Some(message)
}

/// Whether hickory has left names in the data as they were in the message.
fn is_unread(record: &Record) -> bool {
    matches!(record.data, RData::Unknown { .. }) && Rdata::has_names(RecordType(record.record_type().into()))
}

/// The octets that a signature is made of, and the signature; see [`signed_bitmessage_to_buf`].
pub(super) fn signed_octets(
    octets: &[u8],
    previous_mac: Option<&[u8]>,
    first: bool,
) -> Result<(Vec<u8>, Box<Record<TSIG>>), ProtoError> {
    let signed = signed_bitmessage_to_buf(octets, previous_mac, first);
    let Some(parts) = signed.is_err().then(|| parts(octets)).flatten() else { return signed };
    // What is signed of the message without its records, with the records where they belong.
    let (mut signed, record) = signed_bitmessage_to_buf(&parts.bare, previous_mac, first)?;
    let header_at = previous_mac.map_or(0, |mac| 2 + mac.len());
    let additionals = u16::from_be_bytes([octets[10], octets[11]]) - 1;
    signed[header_at + 6..header_at + 10].copy_from_slice(&octets[6..10]);
    signed[header_at + 10..header_at + HEADER].copy_from_slice(&additionals.to_be_bytes());
    let records_at = header_at + parts.questions_end;
    signed.splice(records_at..records_at, octets[parts.questions_end..parts.last].iter().copied());
    Ok((signed, record))
}

fn number(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

/// The end of the name at `at`. RFC 1035 section 4.1.4: a pointer ends it.
fn name_end(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length if length < 64 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

fn parts(octets: &[u8]) -> Option<Parts> {
    let [questions, answers, authorities, additionals] =
        [4, 6, 8, 10].map(|at| number(octets, at).map_or(0, usize::from));
    let mut at = HEADER;
    for _ in 0..questions {
        at = name_end(octets, at)? + 4;
    }
    let (questions_end, mut last, mut last_type) = (at, at, 0);
    let mut begins = Vec::new();
    // Each takes eleven octets at least: a count that is larger than the message ends this.
    for place in 0..answers + authorities + additionals {
        if place < answers {
            begins.push(at);
        }
        let fixed = name_end(octets, at)?;
        (last, last_type) = (at, number(octets, fixed)?);
        at = fixed + 10 + usize::from(number(octets, fixed + 8)?);
    }
    if at != octets.len() {
        return None;
    }
    let is_signed = additionals > 0 && last_type == RecordType::TSIG.0;
    let mut bare = octets.get(..questions_end)?.to_vec();
    bare[6..HEADER].copy_from_slice(&[0, 0, 0, 0, 0, u8::from(is_signed)]);
    if is_signed {
        bare.extend_from_slice(&octets[last..]);
    }
    Some(Parts { answers: begins, questions_end, last, bare })
}

fn record(octets: &[u8], at: usize) -> Option<Record> {
    let begin = u16::try_from(at).ok()?;
    let mut decoder = BinDecoder::new(octets).clone(begin);
    if let Ok(record) = Record::read(&mut decoder)
        && !is_unread(&record)
    {
        return Some(record);
    }
    let name = Name::read(&mut BinDecoder::new(octets).clone(begin)).ok()?;
    let fixed = name_end(octets, at)?;
    let (rtype, class) = (number(octets, fixed)?, number(octets, fixed + 2)?);
    let ttl = u32::from_be_bytes(octets.get(fixed + 4..fixed + 8)?.try_into().ok()?);
    let length = usize::from(number(octets, fixed + 8)?);
    let data = octets.get(fixed + 10..fixed + 10 + length)?;
    // RFC 1035 section 4.1.4: a pointer counts from the beginning of the message.
    let end = fixed + 10 + length;
    let data = Rdata::read(RecordType(rtype), data, |rest| {
        let at = end - rest.len();
        let read = || {
            let begin = u16::try_from(at).ok()?;
            let name = Name::read(&mut BinDecoder::new(octets).clone(begin)).ok()?;
            Some((name_from_hickory(&name).ok()?, name_end(octets, at)? - at))
        };
        read().ok_or(RdataError::Length)
    });
    let data = data.ok()?;
    let data = RData::Unknown { code: WireType::from(rtype), rdata: NULL::with(data.0.to_vec()) };
    let mut record = Record::from_rdata(name, ttl, data);
    record.dns_class = DNSClass::from(class);
    Some(record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use hickory_proto::op::{MessageType, OpCode, Query};

    use super::super::*;
    use super::*;
    use crate::wire::rdata_from_hickory;
    use crate::{TsigAlgorithm, TsigKey};

    const NOW: u64 = 1_800_000_000;
    /// RFC 7477 section 2.1.1.2: reserved flags, which hickory refuses.
    const ODD: [u8; 6] = [0, 0, 0, 66, 0, 4];

    fn key() -> TsigKey {
        let (name, secret) = ("transfer".parse().unwrap(), vec![7; 32].into());
        TsigKey { name, algorithm: TsigAlgorithm::HmacSha256, secret }
    }

    /// A message of a transfer that hickory does not read, without a signature.
    fn odd(id: u16) -> Vec<u8> {
        let apex = Name::from_ascii("example.").unwrap();
        let mut message = Message::new(id, MessageType::Response, OpCode::Query);
        message.add_query(Query::query(apex.clone(), WireType::AXFR));
        let csync = RData::Unknown { code: WireType::from(62), rdata: NULL::with(ODD.to_vec()) };
        message.answers.push(Record::from_rdata(apex.clone(), 60, csync));
        message.answers.push(Record::from_rdata(apex, 60, RData::A(hickory_proto::rr::rdata::A::new(192, 0, 2, 1))));
        message.to_vec().unwrap()
    }

    #[test]
    fn a_record_that_hickory_refuses_is_taken_as_it_is() {
        assert!(Message::from_vec(&odd(7)).is_err(), "else there is nothing to be tested");
        let message = read(&odd(7)).unwrap();
        assert_eq!((message.id, message.queries.len(), message.answers.len()), (7, 1, 2));
        let (rtype, rdata) = rdata_from_hickory(&message.answers[0].data).unwrap();
        assert_eq!((rtype, &*rdata.0), (RecordType(62), &ODD[..]));
        for cut in 0..odd(7).len() {
            assert!(read(&odd(7)[..cut]).is_none_or(|message| message.answers.is_empty()), "{cut}");
        }
    }

    #[test]
    fn compressed_names_in_data_that_hickory_does_not_know_are_read() {
        // MINFO of `example.`: the question's name, twice by a pointer.
        let mut octets = vec![0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        octets.extend_from_slice(b"\x07example\0\0\xfc\0\x01");
        octets.extend_from_slice(&[0xc0, 12, 0, 14, 0, 1, 0, 0, 0, 60, 0, 6]);
        octets.extend_from_slice(&[1, b'A', 0xc0, 12, 0xc0, 12]);
        let message = read(&octets).unwrap();
        let (rtype, rdata) = rdata_from_hickory(&message.answers[0].data).unwrap();
        assert_eq!((rtype, &*rdata.0), (RecordType(14), &b"\x01a\x07example\0\x07example\0"[..]));
        // One that leads out of its data.
        let last = octets.len() - 2;
        octets[last..].copy_from_slice(&[3, b'x']);
        assert!(read(&octets).is_none());
    }

    #[test]
    fn such_messages_are_signed_like_others() {
        let question = Message::new(7, MessageType::Query, OpCode::Query);
        let (asked, pending) = sign_request(question, Some(&key()), NOW).unwrap();
        let request = Message::from_vec(&asked).unwrap();
        let key = key();
        let verified = verify_request(&asked, request.signature().unwrap(), [&key], NOW).unwrap();
        let mut signer = verified.signer;
        let mut stream = AnswerStream::new(pending);
        for number in 0..3 {
            let mut octets = odd(7);
            let record = signer.sign(&octets, NOW).unwrap();
            let mut signature = Vec::new();
            let mut encoder = BinEncoder::new(&mut signature);
            hickory_proto::serialize::binary::BinEncodable::emit(&*record, &mut encoder).unwrap();
            octets.extend_from_slice(&signature);
            octets[11] = 1;
            assert!(Message::from_vec(&octets).is_err());
            let mut forged = octets.clone();
            let at = forged.len() - signature.len() - 1;
            forged[at] ^= 1;
            assert!(stream.clone().read(&forged, NOW).is_err(), "{number}");
            assert_eq!(stream.read(&octets, NOW).unwrap().answers.len(), 2, "{number}");
            assert!(stream.is_verified());
        }
    }
}
