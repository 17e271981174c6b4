//! Zones with trust anchors of their own: "islands of security" (RFC 4033 section 2), as private zones are that no parent
//! speaks for.
//!
//! hickory's validator asks the parent for the DS records of every zone some of whose keys are no anchors. So the keys of such
//! a zone are looked at here: its DNSKEY set has to be signed by a key that an anchor speaks for, and all of it is trusted
//! then. What the parent says of it is never asked: it would prove that nothing there needs to be signed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use dns::Fqdn;
use hickory_client::dnssec::DnssecDnsHandle;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{PublicKey as _, TrustAnchors, Verifier as _};
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType as WireType};
use resolve::Key;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Shared;
use super::anchors::is_of;
use super::validation::{DNSKEY as DNSKEY_TYPE, LEARNT_AGAIN_AFTER, Upward, handle_by, response};

/// Keys that are learnt are not looked at again for a bogus answer before this.
const LEARNT_AGAIN_MIN: Duration = Duration::from_secs(5);

/// The anchors of one zone other than the root.
#[derive(Clone, Debug)]
pub(super) struct ZoneAnchors {
    pub(super) name: Name,
    pub(super) keys: Vec<DNSKEY>,
    pub(super) digests: Vec<DS>,
}

impl ZoneAnchors {
    /// Whether an anchor speaks for this key.
    pub(super) fn fit(&self, key: &DNSKEY) -> bool {
        let is_same = |anchor: &DNSKEY| {
            anchor.public_key().algorithm() == key.public_key().algorithm()
                && anchor.public_key().public_bytes() == key.public_key().public_bytes()
        };
        key.zone_key()
            && !key.revoke()
            && (self.keys.iter().any(is_same) || self.digests.iter().any(|digest| is_of(digest, &self.name, key)))
    }

    /// The keys of a zone's DNSKEY set, when one that an anchor speaks for has signed it (RFC 4035 section 5.2), at `now` in
    /// UTC seconds, and until when that counts (section 5.3.3: no longer than the signature, nor than the time to live); none:
    /// they are not to be trusted.
    fn trusted<'r>(&self, records: &'r [Record], now: u32) -> Option<(Vec<&'r DNSKEY>, u32)> {
        let of_set: Vec<&Record> = records
            .iter()
            .filter(|record| record.name == self.name && record.record_type() == WireType::DNSKEY)
            .collect();
        let all: Vec<&DNSKEY> = of_set.iter().filter_map(|record| key_of(record)).collect();
        let is_good = |signature: &&RRSIG| {
            let input = signature.input();
            let is_of_now = (now.wrapping_sub(input.sig_inception.get()) as i32) >= 0
                && (input.sig_expiration.get().wrapping_sub(now) as i32) >= 0;
            let by = |key: &&&DNSKEY| {
                self.fit(key)
                    && key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag)
                    && key.verify_rrsig(&self.name, DNSClass::IN, signature, of_set.iter().copied()).is_ok()
            };
            input.type_covered == WireType::DNSKEY
                && input.signer_name == self.name
                && is_of_now
                && all.iter().any(|key| by(&key))
        };
        records
            .iter()
            .filter_map(signature_of)
            // Keys and signatures without end would keep us busy.
            .take(SIGNATURES_MAX)
            .find(is_good)
            .map(|signature| {
                // As a serial number it may be of the next round: what is left of it counts.
                let signed = signature.input().sig_expiration.get().wrapping_sub(now);
                let lives = of_set.iter().map(|record| record.ttl).min().unwrap_or(0);
                let left = signed.min(lives).min(TRUSTED_SECS_MAX);
                let keys = all.iter().copied().filter(|key| key.zone_key() && !key.revoke()).collect();
                (keys, now.saturating_add(left))
            })
    }
}

/// Keys are trusted no longer than this, however long they live.
const TRUSTED_SECS_MAX: u32 = 86_400;
/// So many signatures of a set are looked at.
const SIGNATURES_MAX: usize = 8;

fn key_of(record: &Record) -> Option<&DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    }
}

fn signature_of(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// UTC, in seconds.
fn now_secs() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(u32::MAX)
}

/// A zone with anchors of its own, and what is trusted by them.
pub(super) struct Island {
    pub(super) anchors: ZoneAnchors,
    name: Fqdn,
    shared: Weak<Shared>,
    handle: ArcSwap<DnssecDnsHandle<Upward>>,
    learnt: Mutex<Learnt>,
}

#[derive(Default)]
struct Learnt {
    /// The octets of the keys.
    keys: Vec<Vec<u8>>,
    /// When they were asked for; none: there are none.
    at: Option<Instant>,
    /// Until when they are trusted, in UTC seconds.
    until: u32,
}

impl Island {
    /// None: its name is none.
    pub(super) fn new(anchors: &ZoneAnchors, shared: &Weak<Shared>) -> Option<Self> {
        let way = Upward::within(Weak::clone(shared), Some(anchors.name.clone()));
        Some(Self {
            name: dns::wire::name_from_hickory(&anchors.name).ok()?,
            anchors: anchors.clone(),
            shared: Weak::clone(shared),
            handle: ArcSwap::from_pointee(handle_by(Arc::new(TrustAnchors::empty()), way)),
            learnt: Mutex::default(),
        })
    }

    /// Whether a name (wire form, lower case) is in it; and how long its own is.
    pub(super) fn holds(&self, name: &[u8]) -> Option<usize> {
        let own = self.name.as_wire();
        let begins = name.len().checked_sub(own.len())?;
        // A label's end is where one begins.
        let is_label = resolve::routes::suffixes(name).any(|suffix| suffix.len() == own.len());
        (is_label && name[begins..] == *own).then_some(own.len())
    }

    /// What validates its names now.
    pub(super) async fn handle(&self, is_bogus: bool) -> Option<Arc<DnssecDnsHandle<Upward>>> {
        // Whoever comes meanwhile waits, since nothing can be validated without.
        let mut learnt = self.learnt.lock().await;
        let after = if is_bogus { LEARNT_AGAIN_MIN } else { LEARNT_AGAIN_AFTER };
        if learnt.at.is_some_and(|at| at.elapsed() < after) && now_secs() <= learnt.until {
            return (!is_bogus).then(|| self.handle.load_full());
        }
        let shared = self.shared.upgrade()?;
        let key = Key::new(&self.name, DNSKEY_TYPE, true, true);
        let found = response(&shared, &key, &shared.resolve(&key, None).await).ok();
        let message = found.map(|response| response.into_message());
        let now = now_secs();
        let trusted = message.as_ref().and_then(|message| self.anchors.trusted(&message.answers, now));
        let Some((trusted, until)) = trusted else {
            // Asked for again with the next question. What was trusted before still is, until its time is over.
            if now > learnt.until && !learnt.keys.is_empty() {
                *learnt = Learnt::default();
                let way = Upward::within(Weak::clone(&self.shared), Some(self.anchors.name.clone()));
                self.handle.store(Arc::new(handle_by(Arc::new(TrustAnchors::empty()), way)));
            }
            return (!is_bogus).then(|| self.handle.load_full());
        };
        let mut keys: Vec<Vec<u8>> = trusted.iter().map(|key| key.public_key().public_bytes().to_vec()).collect();
        keys.sort();
        (learnt.at, learnt.until) = (Some(Instant::now()), until);
        if keys == learnt.keys {
            return (!is_bogus).then(|| self.handle.load_full());
        }
        learnt.keys = keys;
        let mut anchors = TrustAnchors::empty();
        for key in trusted {
            anchors.insert_with_name(key.public_key(), LowerName::from(&self.anchors.name));
        }
        let way = Upward::within(Weak::clone(&self.shared), Some(self.anchors.name.clone()));
        self.handle.store(Arc::new(handle_by(Arc::new(anchors), way)));
        Some(self.handle.load_full())
    }
}
