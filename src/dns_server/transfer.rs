//! Zone transfer (RFC 5936): the whole zone, in as many messages as it takes.
//!
//! An IXFR question is answered the same way: RFC 1995 section 4 allows "the full zone" where no differences are
//! kept.

use dns::Rcode;
use dns::wire::{AnswerSigner, rrset_to_records};
use hickory_proto::rr::{RData, Record};
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use zones::Zone;

use super::reply::{self, Reply};

/// About how many octets of records go into one message; one more set may follow, and 65,535 is the end.
const MESSAGE_OCTETS: usize = 16_384;
/// What a record takes beside its name and data.
const RECORD_OCTETS: usize = 10;

pub(super) async fn send(
    request: &Request,
    zone: &Zone,
    mut signer: Option<&mut AnswerSigner>,
    now: u64,
    handle: &mut impl ResponseHandler,
) -> ResponseInfo {
    // RFC 5936 section 2.2: "the first and last records are the zone's SOA".
    let soa = zone.rrset(zone.apex(), dns::RecordType::SOA);
    let others = zone.rrsets().filter(|set| set.rtype != dns::RecordType::SOA || set.name != *zone.apex());
    let mut records: Vec<Record> = Vec::new();
    let mut octets = 0;
    for set in soa.clone().into_iter().chain(others).chain(soa) {
        let Ok(more) = rrset_to_records(&set) else {
            tracing::error!(name = %set.name, rtype = %set.rtype, "a stored record cannot be put on the wire");
            return reply::send(request, Reply::empty(request, Rcode::SERV_FAIL), signer, now, handle).await;
        };
        for (record, rdata) in more.into_iter().zip(&set.rdata) {
            let record_octets = set.name.as_wire().len() + RECORD_OCTETS + rdata.0.len();
            if octets + record_octets > MESSAGE_OCTETS && !records.is_empty() {
                let full = std::mem::take(&mut records);
                send_part(request, full, signer.as_deref_mut(), now, handle).await;
                octets = 0;
            }
            octets += record_octets;
            records.push(record);
        }
    }
    tracing::info!(source = %request.src(), zone = %zone.apex(), serial = zone.serial(), "zone transferred");
    send_part(request, records, signer, now, handle).await
}

/// The SOA record alone.
pub(super) async fn send_soa(
    request: &Request,
    zone: &Zone,
    signer: Option<&mut AnswerSigner>,
    now: u64,
    handle: &mut impl ResponseHandler,
) -> ResponseInfo {
    let soa = zone.rrset(zone.apex(), dns::RecordType::SOA);
    let records = soa.and_then(|set| rrset_to_records(&set).ok()).unwrap_or_default();
    send_part(request, records, signer, now, handle).await
}

/// Whether the serial in an IXFR question's authority section (RFC 1995 section 3) is not behind ours.
pub(super) fn is_current(request: &Request, zone: &Zone) -> bool {
    let theirs = request.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    theirs.is_some_and(|theirs| !zones::serial::is_newer(zone.serial(), theirs))
}

async fn send_part(
    request: &Request,
    answers: Vec<Record>,
    signer: Option<&mut AnswerSigner>,
    now: u64,
    handle: &mut impl ResponseHandler,
) -> ResponseInfo {
    let mut reply = Reply { answers, ..Reply::empty(request, Rcode::NO_ERROR) };
    reply.metadata.authoritative = true;
    reply::send(request, reply, signer, now, handle).await
}
