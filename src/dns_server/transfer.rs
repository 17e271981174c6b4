//! Zones given away: whole (RFC 5936), or by what was changed since the asker's serial (RFC 1995), in as many messages as it
//! takes, each signed where the question was.
//!
//! The steps since a serial are sent as one difference: RFC 1995 section 5 lets a server "condense a number of difference
//! sequences". Where the history does not reach so far back, the answer to an IXFR question is the whole zone (section 4).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dns::wire::{AnswerSigner, rrset_to_records};
use dns::{Fqdn, Rcode, RecordType, Rrset};
use hickory_proto::rr::{RData, Record};
use hickory_server::net::NetError;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use ipnet::IpNet;
use tokio::sync::{Semaphore, mpsc};
use web::model::PastFigures;
use zones::{Condensed, Difference, Zone};

use super::reply::{self, Reply, UDP_OCTETS_MAX, UDP_OCTETS_PLAIN};
use crate::quiet::Quiet;

/// About how many octets of records go into one message; one more set may follow, and 65,535 is the end.
const MESSAGE_OCTETS: usize = 16_384;
/// What a record takes beside its name and data.
const RECORD_OCTETS: usize = 10;
/// Header, question, EDNS and a signature, at most about.
const MESSAGE_OVERHEAD: usize = 512;
/// Transfers under way at once, over all connections; more are answered with SERVFAIL, and secondaries ask again.
const AT_ONCE_MAX: usize = 16;
/// Steps that are looked for and put together for a datagram: an address is easily forged, most such differences do not fit,
/// and leases wait while the past is looked through.
const DATAGRAM_STEPS_MAX: usize = 32;

/// Who may have the zones whole, and where their past is.
#[derive(Default)]
pub struct TransferSettings {
    /// By what the zone is known by; who is named nowhere may not, this machine's own users neither: a zone whole is every
    /// name and address in it, which is more than one can ask for, and not each of them has a say in this server.
    pub access: HashMap<Fqdn, TransferAccess>,
    /// Leads from one serial to another; none: every transfer is whole.
    pub past: Option<Arc<dyn ZonePast>>,
    /// Takes the zones of which somebody who may transfer them claims to have a newer serial than ours, and from where.
    /// Filled up, it loses some: they ask again.
    pub ahead: Option<mpsc::Sender<(Fqdn, IpAddr)>>,
}

/// Who may transfer one zone.
#[derive(Clone, Debug, Default)]
pub struct TransferAccess {
    /// Names of keys.
    pub keys: Vec<Fqdn>,
    /// Without a key.
    pub addresses: Vec<IpNet>,
}

/// The past of the zones.
pub trait ZonePast: Send + Sync {
    /// The steps from one serial of a zone to another, `most` of them at most, oldest first; else the oldest serial that is
    /// known, if any is.
    ///
    /// # Errors
    /// It does not reach so far back, or there are more.
    fn between(&self, id: &Fqdn, from: u32, to: u32, most: usize) -> Result<Vec<Arc<Difference>>, Option<u32>>;

    /// What is kept of it.
    fn figures(&self) -> PastFigures;
}

/// Shared by all transfers.
pub(super) struct Transfers {
    settings: TransferSettings,
    slots: Semaphore,
    busy: Quiet,
    refused: Quiet,
    newer: Quiet,
}

/// One question for a zone.
pub(super) struct Asked<'r> {
    pub(super) request: &'r Request,
    pub(super) incremental: bool,
    /// Whether the zone that it is answered from is the one that the history is of.
    pub(super) has_history: bool,
    pub(super) signer: Option<Box<AnswerSigner>>,
    /// Tells UTC seconds. A long transfer takes minutes, and each of its messages is signed with its own time: an asker
    /// takes no message that was signed more than five minutes ago (RFC 8945 section 5.3.1).
    pub(super) clock: fn() -> u64,
}

impl Transfers {
    pub(super) fn new(settings: TransferSettings) -> Self {
        let [busy, refused, newer] = std::array::from_fn(|_| Quiet::default());
        Self { settings, slots: Semaphore::new(AT_ONCE_MAX), busy, refused, newer }
    }

    /// Whether whoever signed with `key`, or asks from `source`, may have the zone that is known by `id`.
    pub(super) fn allows(&self, id: &Fqdn, key: Option<&Fqdn>, source: IpAddr) -> bool {
        let source = source.to_canonical();
        let access = self.settings.access.get(id);
        let by_key = || key.is_some_and(|key| access.is_some_and(|access| access.keys.contains(key)));
        let by_address = || access.is_some_and(|access| access.addresses.iter().any(|net| net.contains(&source)));
        by_key() || by_address()
    }

    /// What is kept of the zones' past.
    pub(super) fn past_figures(&self) -> PastFigures {
        self.settings.past.as_ref().map(|past| past.figures()).unwrap_or_default()
    }

    pub(super) fn tell_refused(&self, apex: &Fqdn, source: IpAddr) {
        if let Some(kept_back) = self.refused.may_tell() {
            tracing::info!(
                "a transfer of zone {apex} to {source} was refused: neither its `secondaries` nor `allow_transfer` \
                 name it{kept_back}"
            );
        }
    }

    /// Answers somebody who may have the zone.
    pub(super) async fn answer(
        &self,
        mut asked: Asked<'_>,
        zone: &Zone,
        handle: &mut impl ResponseHandler,
    ) -> ResponseInfo {
        let theirs = if asked.incremental { asked.their_serial() } else { None };
        let soa = zone.rrset(zone.apex(), RecordType::SOA);
        if let Some(theirs) = theirs {
            if zones::serial::is_newer(theirs, zone.serial()) {
                self.tell_newer(&asked, zone, theirs);
            }
            // RFC 1995 section 2: "If an IXFR query with the same or newer version number than that of the server is
            // received, it is replied to with a single SOA record of the server's current version".
            if !zones::serial::is_newer(zone.serial(), theirs) {
                return asked.send(soa, handle).await.1;
            }
        }
        let over_udp = asked.request.protocol() == Protocol::Udp;
        let condensed = theirs.and_then(|theirs| self.condensed(&asked, zone, theirs, over_udp));
        if over_udp {
            // "If the UDP reply does not fit, the query is responded to with a single SOA record of the server's current
            // version to inform the client that a TCP query should be initiated."
            let fits = condensed.filter(|condensed| asked.fits(incremental(condensed, soa.as_ref())));
            return match &fits {
                Some(condensed) => asked.send(incremental(condensed, soa.as_ref()).cloned(), handle).await.1,
                None => asked.send(soa, handle).await.1,
            };
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            if let Some(kept_back) = self.busy.may_tell() {
                let (apex, source) = (zone.apex(), asked.request.src());
                tracing::warn!(
                    "{AT_ONCE_MAX} zone transfers are under way: that of {apex} to {source} was put off{kept_back}"
                );
            }
            let reply = Reply::empty(asked.request, Rcode::SERV_FAIL);
            return reply::send(asked.request, reply, asked.signer.as_deref_mut(), (asked.clock)(), handle).await;
        };
        let (sent, info) = match &condensed {
            Some(condensed) => asked.send(incremental(condensed, soa.as_ref()).cloned(), handle).await,
            None => {
                // RFC 5936 section 2.2: "the first and last records are the zone's SOA".
                let is_soa = |set: &Rrset| set.rtype == RecordType::SOA && set.name == *zone.apex();
                let others = zone.rrsets_unsorted().filter(|set| !is_soa(set));
                asked.send(soa.clone().into_iter().chain(others).chain(soa), handle).await
            }
        };
        let (source, apex, serial) = (asked.request.src(), zone.apex(), zone.serial());
        match (sent, theirs.filter(|_| condensed.is_some())) {
            (false, _) => tracing::info!(%source, zone = %apex, serial, "a zone transfer broke off"),
            (true, Some(from)) => tracing::info!(%source, zone = %apex, from, serial, "what was changed transferred"),
            (true, None) => tracing::info!(%source, zone = %apex, serial, "zone transferred"),
        }
        info
    }

    fn condensed(&self, asked: &Asked<'_>, zone: &Zone, theirs: u32, over_udp: bool) -> Option<Condensed> {
        let past = self.settings.past.as_ref().filter(|_| asked.has_history)?;
        let most = if over_udp { DATAGRAM_STEPS_MAX } else { usize::MAX };
        let steps = match past.between(zone.id(), theirs, zone.serial(), most) {
            Ok(steps) => steps,
            // It asks over TCP next, and is told of then.
            Err(_) if over_udp => return None,
            Err(reaches) => {
                let (source, apex) = (asked.request.src(), zone.apex());
                match reaches {
                    Some(oldest) => tracing::info!(
                        "zone {apex}: {source} has the serial {theirs}; what is kept of the changes reaches back to \
                         {oldest}, so that it is given the whole zone"
                    ),
                    None => tracing::info!("zone {apex}: {source} has the serial {theirs}, of which nothing is known"),
                }
                return None;
            }
        };
        Condensed::new(steps.iter().map(|step| &**step), zone)
    }

    fn tell_newer(&self, asked: &Asked<'_>, zone: &Zone, theirs: u32) {
        let (source, apex, ours) = (asked.request.src(), zone.apex(), zone.serial());
        if let Some(kept_back) = self.newer.may_tell() {
            tracing::warn!("zone {apex}: {source} says that it has the serial {theirs}, and ours is {ours}{kept_back}");
        }
        if let Some(ahead) = &self.settings.ahead {
            // A queue that is full has enough to look at.
            let _ = ahead.try_send((zone.id().clone(), source.ip().to_canonical()));
        }
    }
}

/// RFC 1995 section 4: the new SOA record, the old one and what goes, the new one and what comes, the new one.
fn incremental<'c>(condensed: &'c Condensed, soa: Option<&'c Rrset>) -> impl Iterator<Item = &'c Rrset> {
    let Condensed { soa_before, removed, added } = condensed;
    let removed = std::iter::once(soa_before).chain(removed);
    soa.into_iter().chain(removed).chain(soa).chain(added).chain(soa)
}

fn octets_of(set: &Rrset) -> usize {
    let each = set.name.as_wire().len() + RECORD_OCTETS;
    set.rdata.iter().map(|rdata| each + rdata.0.len()).sum()
}

impl Asked<'_> {
    /// RFC 1995 section 3: "the authority section containing the SOA record of client's version of the zone".
    fn their_serial(&self) -> Option<u32> {
        self.request.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        })
    }

    /// Whether these fit a datagram, names uncompressed.
    fn fits<'s>(&self, sets: impl Iterator<Item = &'s Rrset>) -> bool {
        let most = self.request.edns.as_ref().map_or(UDP_OCTETS_PLAIN, |edns| edns.max_payload().min(UDP_OCTETS_MAX));
        let mut left = usize::from(most).saturating_sub(if self.signer.is_some() { MESSAGE_OVERHEAD } else { 300 });
        sets.map(octets_of).all(|octets| match left.checked_sub(octets) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
    }

    /// Sends the sets in order, in as many messages as they take; false: it broke off.
    async fn send(
        &mut self,
        sets: impl IntoIterator<Item = Rrset>,
        handle: &mut impl ResponseHandler,
    ) -> (bool, ResponseInfo) {
        let mut watched = Watched { inner: handle.clone(), broken: Arc::default() };
        let mut records: Vec<Record> = Vec::new();
        let mut octets = 0;
        for set in sets {
            let Ok(more) = rrset_to_records(&set) else {
                tracing::error!(name = %set.name, rtype = %set.rtype, "a stored record cannot be put on the wire");
                let reply = Reply::empty(self.request, Rcode::SERV_FAIL);
                let info = reply::send(self.request, reply, self.signer.as_deref_mut(), (self.clock)(), handle).await;
                return (false, info);
            };
            for (record, rdata) in more.into_iter().zip(&set.rdata) {
                let record_octets = set.name.as_wire().len() + RECORD_OCTETS + rdata.0.len();
                if octets + record_octets > MESSAGE_OCTETS && !records.is_empty() {
                    let info = self.send_part(std::mem::take(&mut records), &mut watched).await;
                    if watched.is_broken() {
                        return (false, info);
                    }
                    octets = 0;
                }
                octets += record_octets;
                records.push(record);
            }
        }
        let info = self.send_part(records, &mut watched).await;
        (!watched.is_broken(), info)
    }

    async fn send_part(&mut self, answers: Vec<Record>, handle: &mut impl ResponseHandler) -> ResponseInfo {
        let mut reply = Reply { answers, ..Reply::empty(self.request, Rcode::NO_ERROR) };
        reply.metadata.authoritative = true;
        reply::send(self.request, reply, self.signer.as_deref_mut(), (self.clock)(), handle).await
    }
}

/// Notices that a message did not leave: the rest of a large zone would be put together for nobody.
#[derive(Clone)]
struct Watched<H> {
    inner: H,
    broken: Arc<AtomicBool>,
}

impl<H> Watched<H> {
    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl<H: ResponseHandler> ResponseHandler for Watched<H> {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let sent = self.inner.send_response(response).await;
        if sent.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        sent
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use dns::wire::{name_to_hickory, sign_request, verify_request};
    use dns::{Rdata, TsigAlgorithm, TsigKey};
    use hickory_proto::op::{Message, MessageType, OpCode, Query};
    use hickory_proto::serialize::binary::BinEncoder;
    use zones::NewZone;

    use super::*;

    const BEGAN: u64 = 1_800_000_000;

    /// Minutes pass between one message and the next.
    fn clock() -> u64 {
        static NOW: AtomicU64 = AtomicU64::new(BEGAN);
        NOW.fetch_add(400, Ordering::Relaxed)
    }

    /// Keeps what is sent.
    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<Vec<u8>>>>);

    #[async_trait::async_trait]
    impl ResponseHandler for Sent {
        async fn send_response<'a>(
            &mut self,
            response: MessageResponse<
                '_,
                'a,
                impl Iterator<Item = &'a Record> + Send + 'a,
                impl Iterator<Item = &'a Record> + Send + 'a,
                impl Iterator<Item = &'a Record> + Send + 'a,
                impl Iterator<Item = &'a Record> + Send + 'a,
            >,
        ) -> Result<ResponseInfo, NetError> {
            let mut octets = Vec::new();
            let info = response.destructive_emit(&mut BinEncoder::new(&mut octets))?;
            self.0.lock().unwrap().push(octets);
            Ok(info)
        }
    }

    /// Has nothing, and keeps how much it was asked for.
    #[derive(Default)]
    struct Counted(Mutex<Vec<usize>>);

    impl ZonePast for Counted {
        fn between(&self, _: &Fqdn, _: u32, _: u32, most: usize) -> Result<Vec<Arc<Difference>>, Option<u32>> {
            self.0.lock().unwrap().push(most);
            Err(Some(1))
        }

        fn figures(&self) -> PastFigures {
            PastFigures::default()
        }
    }

    #[tokio::test]
    async fn a_datagram_whose_address_may_be_forged_has_little_of_the_past_looked_through() {
        let apex: Fqdn = "a.example".parse().unwrap();
        let new = NewZone::new(apex.clone(), apex.clone(), vec!["192.0.2.53".parse().unwrap()]);
        let zone = NewZone { serial: 1_000, ..new }.build().unwrap();
        let theirs = NewZone { serial: 1, ..NewZone::new(apex.clone(), apex.clone(), vec![]) }.build().unwrap();
        let soa = rrset_to_records(&theirs.rrset(&apex, RecordType::SOA).unwrap()).unwrap();
        let past = Arc::new(Counted::default());
        let settings = TransferSettings { past: Some(past.clone() as Arc<dyn ZonePast>), ..Default::default() };
        let transfers = Transfers::new(settings);
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let mut question = Message::new(7, MessageType::Query, OpCode::Query);
            question.add_query(Query::query(name_to_hickory(&apex), hickory_proto::rr::RecordType::IXFR));
            question.authorities.extend(soa.iter().cloned());
            let request =
                Request::from_bytes(question.to_vec().unwrap(), "192.0.2.7:5353".parse().unwrap(), protocol).unwrap();
            let asked =
                Asked { request: &request, incremental: true, has_history: true, signer: None, clock: || BEGAN };
            let mut sent = Sent::default();
            transfers.answer(asked, &zone, &mut sent).await;
            assert_eq!(sent.0.lock().unwrap().len(), 1);
        }
        assert_eq!(*past.0.lock().unwrap(), [DATAGRAM_STEPS_MAX, usize::MAX]);
    }

    #[tokio::test]
    async fn each_message_of_a_signed_transfer_carries_its_own_time() {
        let apex: Fqdn = "a.example".parse().unwrap();
        let text = Rdata::txt(&["x".repeat(200).as_str()]);
        let sets = NewZone::new(apex.clone(), apex.clone(), vec!["192.0.2.53".parse().unwrap()]).rrsets();
        let many = (0..200).map(|number| {
            let owner = format!("n{number}.a.example").parse().unwrap();
            Rrset::single(owner, RecordType::TXT, 60, text.clone())
        });
        let zone = Zone::from_sets(apex.clone(), sets.into_iter().chain(many)).unwrap();

        let secret = vec![7; 32].into();
        let key = TsigKey { name: "transfer".parse().unwrap(), algorithm: TsigAlgorithm::HmacSha256, secret };
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(name_to_hickory(&apex), hickory_proto::rr::RecordType::AXFR));
        let (octets, _) = sign_request(question, Some(&key), BEGAN).unwrap();
        let request = Request::from_bytes(octets, "192.0.2.7:5353".parse().unwrap(), Protocol::Tcp).unwrap();
        let signature = request.signature.as_deref().unwrap();
        let signer = Some(verify_request(request.as_slice(), signature, [&key], BEGAN).unwrap().signer);

        let mut sent = Sent::default();
        let asked = Asked { request: &request, incremental: false, has_history: false, signer, clock };
        Transfers::new(TransferSettings::default()).answer(asked, &zone, &mut sent).await;
        let messages = sent.0.lock().unwrap();
        let time_of = |octets: &Vec<u8>| Message::from_vec(octets).unwrap().signature().unwrap().data.time;
        let times: Vec<u64> = messages.iter().map(time_of).collect();
        assert!(times.len() > 2, "{times:?}");
        assert!(times.iter().zip(0..).all(|(time, number)| *time == BEGAN + 400 * number), "{times:?}");
    }
}
