//! TKEY (RFC 2930) in mode 3: the tokens by which two sides negotiate a security context (RFC 3645), a client's side
//! ([`tkey_query`], [`read_tkey_answer`], [`verify_last`]) and a server's ([`read_tkey_query`], [`tkey_record`]).

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::rdata::tsig::signed_bitmessage_to_buf;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use super::{AnswerError, WireError, name_from_hickory, name_to_hickory};
use crate::{Fqdn, Rcode, SecurityContext};

/// RFC 2930 section 2: TKEY is type 249.
const TKEY: u16 = 249;
/// RFC 2930 section 2.5: "3  GSS-API negotiation".
const MODE_GSS: u16 = 3;
/// RFC 3645 section 3.1.2: the algorithm, in wire form.
const ALGORITHM: &[u8] = b"\x08gss-tsig\x00";

/// What a server says to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TkeyAnswer {
    /// Its token, empty when it has none.
    pub token: Vec<u8>,
    /// Until when it keeps the context, in UTC seconds.
    pub expires_at: u32,
}

/// Why an answer brings a negotiation no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TkeyError {
    /// Not the answer to this question, or not readable.
    #[error("the answer is not one to this question")]
    NotOurs,
    /// The server refused; its response code, or the record's own error.
    #[error("the server refused: {0}")]
    Refused(Rcode),
    /// An answer without a TKEY record of this key and mode.
    #[error("the answer holds no TKEY record for this key")]
    NoRecord,
}

/// The query that carries `token` to the server. `key_name` is the context's name from now on; no other may have it. The
/// times are UTC seconds.
///
/// # Errors
/// [`WireError::Codec`] when the token is too long for a record.
pub fn tkey_query(key_name: &Fqdn, id: u16, now: u32, until: u32, token: &[u8]) -> Result<Vec<u8>, WireError> {
    let record = tkey_record(key_name, (now, until), Rcode::NO_ERROR, token)?;
    let mut query = Query::query(record.name.clone(), RecordType::Unknown(TKEY));
    query.set_query_class(DNSClass::ANY);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(query);
    // RFC 2930 section 3: the record stands in the additional section of a query.
    message.add_additional(record);
    Ok(message.to_vec()?)
}

/// The record that carries `token`, or `error`, under the context's name. The times are UTC seconds: from when and until when
/// the context is good. A server's stands in the answer section.
///
/// # Errors
/// [`WireError::Codec`] when the token is too long for a record.
pub fn tkey_record(key_name: &Fqdn, (now, until): (u32, u32), error: Rcode, token: &[u8]) -> Result<Record, WireError> {
    let length = u16::try_from(token.len()).map_err(|_| WireError::Codec("the token is too long".to_owned()))?;
    let mut rdata = Vec::with_capacity(ALGORITHM.len() + token.len() + 16);
    rdata.extend_from_slice(ALGORITHM);
    rdata.extend_from_slice(&now.to_be_bytes());
    rdata.extend_from_slice(&until.to_be_bytes());
    rdata.extend_from_slice(&MODE_GSS.to_be_bytes());
    rdata.extend_from_slice(&error.0.to_be_bytes());
    rdata.extend_from_slice(&length.to_be_bytes());
    rdata.extend_from_slice(token);
    rdata.extend_from_slice(&[0, 0]);
    let data = RData::Unknown { code: RecordType::Unknown(TKEY), rdata: NULL::with(rdata) };
    let mut record = Record::from_rdata(name_to_hickory(key_name), 0, data);
    record.dns_class = DNSClass::ANY;
    Ok(record)
}

/// A client's query for a context: its name, and the token; `None` for another mode than that of GSSAPI, and for what
/// cannot be read.
#[must_use]
pub fn read_tkey_query<'r>(records: impl IntoIterator<Item = &'r Record>) -> Option<(Fqdn, Vec<u8>)> {
    records.into_iter().find_map(|record| match &record.data {
        RData::Unknown { code: RecordType::Unknown(TKEY), rdata } => {
            let (_, answer) = read_rdata(&rdata.anything)?;
            Some((name_from_hickory(&record.name).ok()?, answer.token))
        }
        _ => None,
    })
}

/// Reads the answer to a query of [`tkey_query`]. Nothing of it is verified: the token speaks for itself, and
/// [`verify_last`] judges the last one.
///
/// # Errors
/// [`TkeyError`].
pub fn read_tkey_answer(bytes: &[u8], key_name: &Fqdn, id: u16) -> Result<TkeyAnswer, TkeyError> {
    let message = Message::from_vec(bytes).map_err(|_| TkeyError::NotOurs)?;
    if message.id != id || message.message_type != MessageType::Response {
        return Err(TkeyError::NotOurs);
    }
    let code = Rcode(message.response_code.into());
    if code != Rcode::NO_ERROR {
        return Err(TkeyError::Refused(code));
    }
    let of_key = |record: &&Record| name_from_hickory(&record.name).is_ok_and(|name| name == *key_name);
    let read = |record: &Record| match &record.data {
        RData::Unknown { code: RecordType::Unknown(TKEY), rdata } => read_rdata(&rdata.anything),
        _ => None,
    };
    let (error, answer) = message.answers.iter().filter(of_key).find_map(read).ok_or(TkeyError::NoRecord)?;
    if error != Rcode::NO_ERROR {
        return Err(TkeyError::Refused(error));
    }
    Ok(answer)
}

/// RFC 2930 section 2: algorithm, inception, expiration, mode, error, key data, other data.
fn read_rdata(rdata: &[u8]) -> Option<(Rcode, TkeyAnswer)> {
    let rest = after_name(rdata)?;
    let short = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    let expires_at = u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?);
    if short(8)? != MODE_GSS {
        return None;
    }
    let token = rest.get(14..14 + usize::from(short(12)?))?.to_vec();
    Some((Rcode(short(10)?), TkeyAnswer { token, expires_at }))
}

/// What follows a name. Which algorithm it names adds nothing to the mode; it may be compressed.
fn after_name(mut octets: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = octets.split_first()?;
        match length {
            0 => return Some(rest),
            1..=63 => octets = rest.get(usize::from(length)..)?,
            0xc0.. => return rest.get(1..),
            _ => return None,
        }
    }
}

/// Judges the answer that ended a negotiation: it is signed by the context that came of it, and within the time that its
/// signature allows (RFC 3645 section 3.1.3: the client "MUST" verify it). `now` is in UTC seconds.
///
/// The query had no signature, so there is no MAC of a request to be digested. Whether its length, zero, is, servers see
/// differently: Windows leaves it out (MS-GSSA section 3.1.5.1).
///
/// # Errors
/// [`AnswerError::BadSignature`], also without one, and [`AnswerError::Stale`].
pub fn verify_last(bytes: &[u8], context: &dyn SecurityContext, now: u64) -> Result<(), AnswerError> {
    let signature = [None, Some(&[][..])].into_iter().find_map(|request_mac| {
        let (octets, record) = signed_bitmessage_to_buf(bytes, request_mac, true).ok()?;
        let ours = name_from_hickory(&record.name).is_ok_and(|name| name == *context.key_name());
        let whole = ours && record.data.error.is_none() && context.verifies(&octets, &record.data.mac);
        whole.then_some(record.data)
    });
    let tsig = signature.ok_or(AnswerError::BadSignature)?;
    let seconds_off = now.abs_diff(tsig.time);
    if seconds_off > u64::from(tsig.fudge) { Err(AnswerError::Stale { seconds_off }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
