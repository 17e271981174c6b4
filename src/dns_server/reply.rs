//! What goes out: EDNS, size, signature.

use dns::Rcode;
use dns::wire::AnswerSigner;
use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use resolve::Reason;
use zones::cookie::{Answered, OPTION};

/// The largest datagram sent, in octets.
pub(super) const UDP_OCTETS_MAX: u16 = zones::respond::OCTETS_EDNS;
/// Without EDNS (RFC 1035 section 4.2.1), in octets.
pub(super) const UDP_OCTETS_PLAIN: u16 = zones::respond::OCTETS_PLAIN;
/// RFC 6891 section 9: "BADVERS, Bad OPT Version".
pub(super) const BAD_VERS: Rcode = Rcode(16);

/// A reply before it is encoded.
pub(super) struct Reply {
    pub(super) metadata: Metadata,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) additionals: Vec<Record>,
    /// What the asker is told beside it (RFC 8914), when it knows EDNS.
    pub(super) reason: Option<Reason>,
    /// What goes into the COOKIE option (RFC 7873).
    pub(super) cookie: Option<Answered>,
}

impl Reply {
    /// A reply without records.
    pub(super) fn empty(request: &Request, rcode: Rcode) -> Self {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = rcode.0.into();
        Self {
            metadata,
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            reason: None,
            cookie: None,
        }
    }

    /// The same, told to be a matter of who asks.
    pub(super) fn prohibited_if(mut self, refused: bool) -> Self {
        if refused {
            self.reason = Some(Reason::new(Reason::PROHIBITED, "not for this client"));
        }
        self
    }

    fn clear(&mut self) {
        self.answers.clear();
        self.authorities.clear();
        self.additionals.clear();
    }
}

/// Encodes and sends `reply`, signed when there is a signer. `now` is in UTC seconds.
pub(super) async fn send(
    request: &Request,
    mut reply: Reply,
    signer: Option<&mut AnswerSigner>,
    now: u64,
    handle: &mut impl ResponseHandler,
) -> ResponseInfo {
    let edns = edns_for(request, &reply);
    let signature = match signer {
        None => None,
        Some(signer) => match sign(request, &mut reply, edns.as_ref(), signer, now) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(%error, source = %request.src(), "a DNS reply could not be signed");
                return unsent(&reply);
            }
        },
    };
    let mut response = MessageResponseBuilder::new(&request.queries, edns.as_ref()).build(
        reply.metadata,
        &reply.answers,
        &reply.authorities,
        [],
        &reply.additionals,
    );
    if let Some(signature) = signature {
        response.set_signature(signature);
    }
    match handle.send_response(response).await {
        Ok(info) => info,
        Err(error) => {
            tracing::debug!(%error, source = %request.src(), "a DNS reply could not be sent");
            unsent(&reply)
        }
    }
}

/// RFC 6891 section 6.1.1: "If an OPT record is present in a received request, compliant responders MUST include an
/// OPT record in their respective responses." Its payload size bounds what hickory-server encodes, so that it is the
/// smaller of the asker's and ours.
fn edns_for(request: &Request, reply: &Reply) -> Option<Edns> {
    let asked = request.edns.as_ref()?;
    let mut edns = Edns::new();
    edns.set_max_payload(asked.max_payload().clamp(UDP_OCTETS_PLAIN, UDP_OCTETS_MAX));
    // RFC 3225 section 3: the DO bit is copied.
    edns.set_dnssec_ok(asked.flags().dnssec_ok);
    if let Some(reason) = &reply.reason {
        let mut option = Vec::new();
        reason.view().write(&mut option);
        // Its code and its length are written by hickory.
        edns.options_mut().insert(EdnsOption::Unknown(Reason::OPTION, option.split_off(4)));
    }
    if let Some(cookie) = &reply.cookie {
        edns.options_mut().insert(EdnsOption::Unknown(OPTION, cookie.octets.to_vec()));
    }
    Some(edns)
}

/// The TSIG record over what hickory-server is going to encode. RFC 8945 section 5.3: where reply and signature do
/// not fit, the reply is truncated to nothing and that is signed.
fn sign(
    request: &Request,
    reply: &mut Reply,
    edns: Option<&Edns>,
    signer: &mut AnswerSigner,
    now: u64,
) -> Result<Box<Record<hickory_proto::rr::rdata::TSIG>>, dns::wire::WireError> {
    // Key and algorithm name, MAC (64 octets at most) and the fixed fields of a TSIG record.
    let signature_octets = request.signature.as_ref().map_or(0, |record| record.name.len() as u16 + 64 + 64 + 26);
    let size = match (request.protocol(), edns) {
        (Protocol::Udp, Some(edns)) => edns.max_payload(),
        (Protocol::Udp, None) => UDP_OCTETS_PLAIN,
        _ => u16::MAX,
    };
    let (mut octets, truncated) = encode(request, reply, edns, size.saturating_sub(signature_octets))?;
    if truncated {
        reply.clear();
        reply.metadata.truncation = true;
        octets = encode(request, reply, edns, size)?.0;
    }
    signer.sign(&octets, now)
}

fn encode(
    request: &Request,
    reply: &Reply,
    edns: Option<&Edns>,
    octets_max: u16,
) -> Result<(Vec<u8>, bool), dns::wire::WireError> {
    let response = MessageResponseBuilder::new(&request.queries, edns).build(
        reply.metadata,
        &reply.answers,
        &reply.authorities,
        [],
        &reply.additionals,
    );
    let mut octets = Vec::with_capacity(usize::from(UDP_OCTETS_PLAIN));
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_max_size(octets_max);
    let info = response.destructive_emit(&mut encoder)?;
    Ok((octets, info.truncation))
}

/// What hickory-server is told of a reply that did not leave.
pub(super) fn unsent(reply: &Reply) -> ResponseInfo {
    ResponseInfo::from(Header { metadata: reply.metadata, counts: HeaderCounts::default() })
}
