//! TSIG (RFC 8945): a client's side ([`sign_request`], [`PendingAnswer`]) and a server's
//! ([`verify_request`], [`AnswerSigner`]).

mod lenient;
mod stream;

use std::fmt;
use std::sync::Arc;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm as WireAlgorithm, TsigError, make_tsig_record, message_tbs};
use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::binary::BinEncoder;

use super::{WireError, name_from_hickory, name_to_hickory};
pub use stream::AnswerStream;

use crate::tsig::FUDGE_SECS;
use crate::{Rcode, SecurityContext, Signing, TsigAlgorithm, TsigKey};

/// What must be remembered of a request to judge its answer.
#[derive(Clone)]
pub struct PendingAnswer {
    id: u16,
    signed: Option<(Signer, Vec<u8>)>,
}

/// Why some bytes are not the answer to a request, or not one to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not a DNS message, or not a response to this request: go on waiting.
    #[error("not an answer to this request")]
    NotOurs,
    /// The request was signed, the answer is not. Somebody else may have sent it: go on waiting, and tell
    /// the operator this code if nothing better comes.
    #[error("the answer is not signed; it says {0}")]
    Unsigned(Rcode),
    /// The signature of the answer is another key's or does not verify: go on waiting.
    #[error("the signature of the answer does not verify")]
    BadSignature,
    /// The signature of the answer verifies, its time is out of bounds.
    #[error("the answer was signed {seconds_off} seconds away from now")]
    Stale {
        /// How far the clocks are apart.
        seconds_off: u64,
    },
    /// The server refused our signature: BADKEY, BADSIG, BADTIME or BADTRUNC. Of these only BADTIME can be
    /// signed by the server, and is only reported when it is.
    #[error("the server refused the signature: {error}")]
    Refused {
        /// The TSIG error.
        error: Rcode,
        /// With BADTIME: the server's clock, in UTC seconds.
        server_time: Option<u64>,
    },
}

/// Encodes `message`, signed when there is a key. `now` is in UTC seconds.
///
/// # Errors
/// [`WireError::Codec`] when the message does not fit 65,535 octets.
pub fn sign_request(message: Message, key: Option<&TsigKey>, now: u64) -> Result<(Vec<u8>, PendingAnswer), WireError> {
    sign_by(message, key.map(Signer::new), now)
}

/// [`sign_request`] by whatever signs.
///
/// # Errors
/// Those of [`sign_request`], and [`WireError::ContextExpired`].
pub fn sign(message: Message, signing: &Signing, now: u64) -> Result<(Vec<u8>, PendingAnswer), WireError> {
    let signer = match signing {
        Signing::Unsigned => None,
        Signing::Shared(key) => Some(Signer::new(key)),
        Signing::Context(context) => Some(Signer::of_context(context)),
    };
    sign_by(message, signer, now)
}

fn sign_by(mut message: Message, signer: Option<Signer>, now: u64) -> Result<(Vec<u8>, PendingAnswer), WireError> {
    let id = message.id;
    let Some(signer) = signer else {
        return Ok((message.to_vec()?, PendingAnswer { id, signed: None }));
    };
    let tsig = TSIG::new(signer.algorithm.clone(), now, FUDGE_SECS, Vec::new(), id, None, Vec::new());
    let mac = signer.mac(&message_tbs(&message, &tsig, &signer.name)?)?;
    message.set_signature(Box::new(make_tsig_record(signer.name.clone(), tsig.set_mac(mac.clone()))));
    Ok((message.to_vec()?, PendingAnswer { id, signed: Some((signer, mac)) }))
}

impl PendingAnswer {
    /// Reads an answer and believes it only if it is signed as the request was. `now` is in UTC seconds.
    ///
    /// # Errors
    /// [`AnswerError`]; its variants say whether to go on waiting.
    pub fn read(&self, bytes: &[u8], now: u64) -> Result<Message, AnswerError> {
        self.judge(Message::from_vec(bytes).map_err(|_| AnswerError::NotOurs)?, bytes, now)
    }

    /// The same of a message that was read from these octets.
    fn judge(&self, message: Message, bytes: &[u8], now: u64) -> Result<Message, AnswerError> {
        if message.id != self.id || message.message_type != MessageType::Response {
            return Err(AnswerError::NotOurs);
        }
        let Some((signer, request_mac)) = &self.signed else { return Ok(message) };
        let Some(signature) = message.signature() else {
            return Err(AnswerError::Unsigned(rcode_of(&message)));
        };
        let tsig = &signature.data;
        // The error is read before the signature: RFC 8945 section 5.2.1 and 5.2.2 forbid a server to sign
        // BADKEY and BADSIG, so that verifying first would hide the very reason.
        match tsig.error {
            Some(TsigError::BadTime) | None => {}
            Some(error) => return Err(AnswerError::Refused { error: Rcode(error.into()), server_time: None }),
        }
        let verified = mac_verifies(signer, bytes, Some(request_mac), true).is_some();
        if !verified {
            return Err(AnswerError::BadSignature);
        }
        if tsig.error == Some(TsigError::BadTime) {
            // Section 5.2.3: "Other Data field contains a 48-bit unsigned integer": the server's clock.
            let server_time = <[u8; 6]>::try_from(tsig.other.as_slice()).ok().map(u48);
            return Err(AnswerError::Refused { error: Rcode::BAD_TIME, server_time });
        }
        let seconds_off = now.abs_diff(tsig.time);
        if seconds_off > u64::from(tsig.fudge) {
            return Err(AnswerError::Stale { seconds_off });
        }
        Ok(message)
    }

    /// The response code of an answer; see [`PendingAnswer::read`].
    ///
    /// # Errors
    /// As [`PendingAnswer::read`].
    pub fn read_rcode(&self, bytes: &[u8], now: u64) -> Result<Rcode, AnswerError> {
        self.read(bytes, now).map(|message| rcode_of(&message))
    }
}

/// A request whose signature is good.
#[derive(Clone, Debug)]
pub struct VerifiedRequest<'k> {
    /// Who signed.
    pub key: &'k TsigKey,
    /// Signs the answer.
    pub signer: Box<AnswerSigner>,
}

/// A request whose signature is not accepted.
#[derive(Clone, Debug)]
pub struct TsigRefusal {
    /// The message's response code: NOTAUTH (RFC 8945 section 5.2), or FORMERR for a signature whose length
    /// no digest has.
    pub rcode: Rcode,
    /// The TSIG error: BADKEY, BADSIG, BADTIME or BADTRUNC; NOERROR beside FORMERR.
    pub error: Rcode,
    /// Makes the answer's TSIG record (unsigned for BADKEY and BADSIG); none beside FORMERR.
    pub signer: Option<Box<AnswerSigner>>,
}

/// Checks the signature of the request that came as the octets `raw`, in the order of RFC 8945 section 5.2:
/// key, MAC, time, truncation. `signature` is its TSIG record. `now` is in UTC seconds.
///
/// # Errors
/// [`TsigRefusal`]: what to answer.
pub fn verify_request<'k>(
    raw: &[u8],
    signature: &Record<TSIG>,
    keys: impl IntoIterator<Item = &'k TsigKey>,
    now: u64,
) -> Result<VerifiedRequest<'k>, TsigRefusal> {
    let tsig = &signature.data;
    let refuse = |error: Rcode, signer: Option<Signer>| TsigRefusal {
        rcode: Rcode::NOT_AUTH,
        error,
        signer: Some(Box::new(AnswerSigner::new(signature, signer, error))),
    };
    let name = name_from_hickory(&signature.name).ok();
    // Section 5.2.1: "If a non-forwarding server does not recognize the key or algorithm ..., the server MUST
    // generate an error response with RCODE 9 (NOTAUTH) and TSIG ERROR 17 (BADKEY)".
    let known = keys.into_iter().find(|key| Some(&key.name) == name.as_ref());
    let Some((key, signer)) = known.map(|key| (key, Signer::new(key))).filter(|(_, signer)| signer.is(&tsig.algorithm))
    else {
        return Err(refuse(Rcode::BAD_KEY, None));
    };
    // Section 5.2.2.1: a MAC longer than the digest, or shorter than 10 octets or half of it, is FORMERR;
    // one that is cut within those bounds is left to policy, and ours accepts none (section 5.2.4).
    let full = key.algorithm.mac_octets();
    if tsig.mac.len() > full || tsig.mac.len() < (full / 2).max(10) {
        return Err(TsigRefusal { rcode: Rcode::FORM_ERR, error: Rcode::NO_ERROR, signer: None });
    }
    if tsig.mac.len() < full {
        return Err(refuse(Rcode::BAD_TRUNC, Some(signer)));
    }
    if mac_verifies(&signer, raw, None, true).is_none() {
        return Err(refuse(Rcode::BAD_SIG, None));
    }
    // Section 5.2.3: "If the server time is outside the time interval specified by the request (which is: Time
    // Signed value plus/minus Fudge value), the server MUST generate an error response with RCODE 9 (NOTAUTH)
    // and TSIG ERROR 18 (BADTIME)".
    if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
        return Err(refuse(Rcode::BAD_TIME, Some(signer)));
    }
    Ok(VerifiedRequest { key, signer: Box::new(AnswerSigner::new(signature, Some(signer), Rcode::NO_ERROR)) })
}

/// [`verify_request`] for a request that a security context signed. Truncated signatures are not known of contexts.
///
/// # Errors
/// [`TsigRefusal`]: what to answer.
pub fn verify_request_of_context(
    raw: &[u8],
    signature: &Record<TSIG>,
    context: &Arc<dyn SecurityContext>,
    now: u64,
) -> Result<Box<AnswerSigner>, TsigRefusal> {
    let tsig = &signature.data;
    let signer = Signer::of_context(context);
    let refuse = |error: Rcode, signer: Option<Signer>| TsigRefusal {
        rcode: Rcode::NOT_AUTH,
        error,
        signer: Some(Box::new(AnswerSigner::new(signature, signer, error))),
    };
    if !signer.is(&tsig.algorithm) {
        return Err(refuse(Rcode::BAD_KEY, None));
    }
    if mac_verifies(&signer, raw, None, true).is_none() {
        return Err(refuse(Rcode::BAD_SIG, None));
    }
    if now.abs_diff(tsig.time) > u64::from(tsig.fudge) {
        return Err(refuse(Rcode::BAD_TIME, Some(signer)));
    }
    Ok(Box::new(AnswerSigner::new(signature, Some(signer), Rcode::NO_ERROR)))
}

/// Signs the answer to a request, or the several messages of one (a zone transfer), in order.
#[derive(Clone)]
pub struct AnswerSigner {
    /// None: the answer carries a TSIG record without a MAC.
    signer: Option<Signer>,
    key_name: Name,
    algorithm: WireAlgorithm,
    request_time: u64,
    original_id: u16,
    error: Rcode,
    /// `None`: the request had no signature.
    previous_mac: Option<Vec<u8>>,
    first: bool,
}

impl fmt::Debug for AnswerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerSigner").field("error", &self.error).finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAnswer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl AnswerSigner {
    fn new(signature: &Record<TSIG>, signer: Option<Signer>, error: Rcode) -> Self {
        Self {
            signer,
            key_name: signature.name.clone(),
            algorithm: signature.data.algorithm.clone(),
            request_time: signature.data.time,
            original_id: signature.data.oid,
            error,
            previous_mac: Some(signature.data.mac.clone()),
            first: true,
        }
    }

    /// For the answer, of this number, that ends the negotiation of `context`: its query had no signature. `now` is in UTC
    /// seconds.
    #[must_use]
    pub fn of_context(context: &Arc<dyn SecurityContext>, id: u16, now: u64) -> Self {
        let signer = Signer::of_context(context);
        Self {
            key_name: signer.name.clone(),
            algorithm: signer.algorithm.clone(),
            signer: Some(signer),
            request_time: now,
            original_id: id,
            error: Rcode::NO_ERROR,
            previous_mac: None,
            first: true,
        }
    }

    /// The TSIG record to append to the encoded answer `unsigned`. `now` is in UTC seconds.
    ///
    /// # Errors
    /// [`WireError::Codec`].
    pub fn sign(&mut self, unsigned: &[u8], now: u64) -> Result<Box<Record<TSIG>>, WireError> {
        // Section 5.2.3: with BADTIME "Time Signed" is the request's, and Other Data holds our clock.
        let (time, other) = if self.error == Rcode::BAD_TIME {
            (self.request_time, now.to_be_bytes()[2..].to_vec())
        } else {
            (now, Vec::new())
        };
        let error = (self.error != Rcode::NO_ERROR).then(|| TsigError::from(self.error.0));
        let mut tsig = TSIG::new(self.algorithm.clone(), time, FUDGE_SECS, Vec::new(), self.original_id, error, other);
        if let Some(signer) = &self.signer {
            let signed_octets = if self.first {
                signer.response_octets(self.previous_mac.as_deref(), unsigned, &tsig)?
            } else {
                // Section 5.3.1: the later messages of one answer digest "Prior MAC", "DNS Messages", and of
                // the TSIG variables the timers alone.
                let previous = self.previous_mac.as_deref().unwrap_or_default();
                let mut octets = Vec::with_capacity(previous.len() + unsigned.len() + 10);
                octets.extend_from_slice(&(previous.len() as u16).to_be_bytes());
                octets.extend_from_slice(previous);
                octets.extend_from_slice(unsigned);
                octets.extend_from_slice(&time.to_be_bytes()[2..]);
                octets.extend_from_slice(&FUDGE_SECS.to_be_bytes());
                octets
            };
            let mac = signer.mac(&signed_octets)?;
            self.previous_mac = Some(mac.clone());
            self.first = false;
            tsig = tsig.set_mac(mac);
        }
        Ok(Box::new(make_tsig_record(self.key_name.clone(), tsig)))
    }
}

/// A key as the messages name it.
#[derive(Clone)]
struct Signer {
    by: By,
    name: Name,
    algorithm: WireAlgorithm,
}

/// What makes a MAC.
#[derive(Clone)]
enum By {
    Key(TsigKey),
    Context(Arc<dyn SecurityContext>),
}

impl Signer {
    fn new(key: &TsigKey) -> Self {
        let (name, algorithm) = (name_to_hickory(&key.name), wire_algorithm(key.algorithm));
        Self { by: By::Key(key.clone()), name, algorithm }
    }

    /// RFC 3645 section 3.1.2: the algorithm is "gss-tsig".
    fn of_context(context: &Arc<dyn SecurityContext>) -> Self {
        let name = name_to_hickory(context.key_name());
        Self { by: By::Context(Arc::clone(context)), name, algorithm: WireAlgorithm::Gss }
    }

    fn mac(&self, octets: &[u8]) -> Result<Vec<u8>, WireError> {
        match &self.by {
            By::Key(key) => Ok(key.mac(octets)),
            By::Context(context) => context.sign(octets).ok_or(WireError::ContextExpired),
        }
    }

    fn verifies(&self, octets: &[u8], mac: &[u8]) -> bool {
        match &self.by {
            By::Key(key) => key.verifies(octets, mac),
            By::Context(context) => context.verifies(octets, mac),
        }
    }

    /// Whether this is the key's algorithm: its name is one of the DNS, and so of any case.
    fn is(&self, algorithm: &WireAlgorithm) -> bool {
        self.algorithm.to_name() == algorithm.to_name()
    }

    /// RFC 8945 section 5.3.2: what the MAC of an answer, or of the first message of one, is made of: "Request MAC", "DNS
    /// Message (response)", "TSIG Variables (response)".
    fn response_octets(&self, request_mac: Option<&[u8]>, unsigned: &[u8], tsig: &TSIG) -> Result<Vec<u8>, WireError> {
        let mut octets = Vec::with_capacity(unsigned.len() + 256);
        if let Some(request_mac) = request_mac {
            octets.extend_from_slice(&(request_mac.len() as u16).to_be_bytes());
            octets.extend_from_slice(request_mac);
        }
        octets.extend_from_slice(unsigned);
        let mut variables = Vec::with_capacity(128);
        tsig.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), &self.name)?;
        octets.append(&mut variables);
        Ok(octets)
    }
}

fn wire_algorithm(algorithm: TsigAlgorithm) -> WireAlgorithm {
    match algorithm {
        TsigAlgorithm::HmacMd5 => WireAlgorithm::HmacMd5,
        TsigAlgorithm::HmacSha1 => WireAlgorithm::HmacSha1,
        TsigAlgorithm::HmacSha224 => WireAlgorithm::HmacSha224,
        TsigAlgorithm::HmacSha256 => WireAlgorithm::HmacSha256,
        TsigAlgorithm::HmacSha256Half => WireAlgorithm::HmacSha256_128,
        TsigAlgorithm::HmacSha384 => WireAlgorithm::HmacSha384,
        TsigAlgorithm::HmacSha384Half => WireAlgorithm::HmacSha384_192,
        TsigAlgorithm::HmacSha512 => WireAlgorithm::HmacSha512,
        TsigAlgorithm::HmacSha512Half => WireAlgorithm::HmacSha512_256,
    }
}

/// The MAC of a signed message when it is whole and verifies. `previous_mac` is the request's, for an answer,
/// or the former message's when `first` is false.
fn mac_verifies(signer: &Signer, raw: &[u8], previous_mac: Option<&[u8]>, first: bool) -> Option<Vec<u8>> {
    let (signed_octets, record) = lenient::signed_octets(raw, previous_mac, first).ok()?;
    let whole = record.name == signer.name && signer.is(&record.data.algorithm);
    let verified = whole && signer.verifies(&signed_octets, &record.data.mac);
    // Samba up to 4.17 at least digests the request's MAC without its length in front. That still binds the answer to the
    // request, and nobody else can make such a token; so it is believed of a context, which only its server has.
    let as_samba = || {
        let unprefixed = signed_octets.get(2..).filter(|_| previous_mac.is_some());
        whole
            && matches!(signer.by, By::Context(_))
            && unprefixed.is_some_and(|it| signer.verifies(it, &record.data.mac))
    };
    (verified || as_samba()).then_some(record.data.mac)
}

fn rcode_of(message: &Message) -> Rcode {
    Rcode(message.response_code.into())
}

fn u48(octets: [u8; 6]) -> u64 {
    octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))
}

#[cfg(test)]
mod tests;
