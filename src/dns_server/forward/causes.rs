//! Why an answer is bogus, in plain words (RFC 8914 section 4).
//!
//! hickory's validator says only that an answer is bogus. So the way from the answer to a trust anchor is gone once more,
//! by what is known already, and what is found wrong first is told. It decides nothing: an answer in which nothing wrong is
//! found is as bogus as before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dns::{Fqdn, RecordType};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, PublicKey as _, Verifier as _};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType as WireType};
use resolve::{Key, Reason};

use super::Shared;
use super::validation::{NSEC3_ITERATIONS, response};

/// A chain of keys is not followed further than this.
const STEPS_MAX: usize = 24;
const DS_TYPE: RecordType = RecordType(43);
const DNSKEY_TYPE: RecordType = RecordType(48);
/// Whoever is to be answered with something bogus chooses how much of it there is (CVE-2023-50387). So much of it is looked
/// at: sets of a message, signatures of a set, keys and DS records of a zone, keys of one tag; and signatures checked in all.
const SETS_MAX: usize = 32;
const SIGNATURES_MAX: usize = 8;
const KEYS_MAX: usize = 32;
const KEYS_OF_TAG_MAX: usize = 4;
const CHECKS_MAX: usize = 64;
/// IANA "DNSSEC Delegation Signer (DS) Resource Record (RR) Type Digest Algorithms": those that are looked at.
const DIGESTS: [u8; 3] = [1, 2, 4];

/// Somebody who looks for what is wrong.
pub(super) struct Search<'s> {
    pub(super) shared: &'s Arc<Shared>,
    /// Whether a key is a trust anchor of the zone of this name; none: it has none.
    pub(super) anchored: &'s (dyn Fn(&Name, &DNSKEY) -> Option<bool> + Send + Sync),
    /// UTC, in seconds.
    pub(super) now: u32,
    pub(super) checks: Checks,
}

/// How many signatures may be checked yet.
pub(super) struct Checks(AtomicUsize);

impl Default for Checks {
    fn default() -> Self {
        Self(AtomicUsize::new(CHECKS_MAX))
    }
}

impl Checks {
    /// Whether one more may be; counted.
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// Whether one of these keys made a signature; none: there is too much to check.
    fn is_by(&self, keys: &[&DNSKEY], set: &Signed<'_>, signature: &RRSIG) -> Option<bool> {
        for key in keys.iter().take(KEYS_OF_TAG_MAX) {
            if key.public_key().algorithm() != signature.input().algorithm {
                continue;
            }
            if !self.take() {
                return None;
            }
            if key.verify_rrsig(set.owner, DNSClass::IN, signature, set.records.iter().copied()).is_ok() {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// A set of records and its signatures.
struct Signed<'r> {
    owner: &'r Name,
    rtype: WireType,
    records: Vec<&'r Record>,
    signatures: Vec<&'r RRSIG>,
}

impl Signed<'_> {
    fn shown(&self) -> String {
        format!("{} {}", shown(self.owner), self.rtype)
    }
}

impl Search<'_> {
    /// What is wrong about the answer to this question; none: nothing was found.
    pub(super) async fn cause(&self, key: &Key) -> Option<Reason> {
        let message = match self.ask(&key.fqdn(), key.rtype()).await {
            Ok(message) => message,
            Err(reason) => return Some(reason),
        };
        for set in sets(&message.answers).iter().chain(&sets(&message.authorities)) {
            // What follows may all be known already: others, and whoever limits this, have their turn.
            tokio::task::yield_now().await;
            // Delegations that a resolver adds are not signed.
            let is_added = set.rtype == WireType::NS && set.signatures.is_empty();
            if !is_added && let Some(reason) = self.of_set(set).await {
                return Some(reason);
            }
        }
        of_proof(key, &message)
    }

    /// What others say, for somebody who looks at signatures.
    async fn ask(&self, name: &Fqdn, rtype: RecordType) -> Result<Message, Reason> {
        let key = Key::new(name, rtype, true, true);
        let outcome = self.shared.resolve(&key, None).await;
        let told =
            |error: hickory_client::NetError| Reason::new(Reason::UNREACHABLE, format!("{name} {rtype}: {error}"));
        response(self.shared, &key, &outcome).map(|response| response.into_message()).map_err(told)
    }

    /// What is wrong about a set, and then about whoever signed it, up to a trust anchor.
    async fn of_set(&self, set: &Signed<'_>) -> Option<Reason> {
        match self.of_signatures(set, None).await {
            Ok(zone) => self.of_chain(zone).await,
            Err(reason) => Some(reason),
        }
    }

    /// What is wrong between a zone's keys and the trust anchor that leads to them.
    async fn of_chain(&self, mut zone: Name) -> Option<Reason> {
        for _ in 0..STEPS_MAX {
            tokio::task::yield_now().await;
            let keys = match self.ask_for(&zone, DNSKEY_TYPE).await {
                Ok(keys) => keys,
                Err(reason) => return Some(reason),
            };
            let all: Vec<&DNSKEY> = keys_of(&keys, &zone);
            if all.is_empty() {
                return Some(Reason::new(Reason::DNSKEY_MISSING, format!("{} has no DNSKEY", shown(&zone))));
            }
            let anchored: Vec<(&DNSKEY, Option<bool>)> =
                all.iter().map(|key| (*key, (self.anchored)(&zone, key))).collect();
            let has_anchors = anchored.iter().any(|(_, of_zone)| of_zone.is_some());
            let trusted: Vec<&DNSKEY> =
                anchored.iter().filter(|(_, of_zone)| *of_zone == Some(true)).map(|(key, _)| *key).collect();
            if has_anchors && trusted.is_empty() {
                let words = format!("no key of {} is a trust anchor: its keys are {}", shown(&zone), tags(&all));
                return Some(Reason::new(Reason::DNSKEY_MISSING, words));
            }
            let of_keys = sets(&keys.answers).into_iter().find(|set| set.rtype == WireType::DNSKEY)?;
            if has_anchors {
                return self.of_signatures(&of_keys, Some(&trusted)).await.err();
            }
            let delegation = match self.ask_for(&zone, DS_TYPE).await {
                Ok(delegation) => delegation,
                Err(reason) => return Some(reason),
            };
            if let Some(reason) = self.of_delegation(&zone, &all, &of_keys, &delegation).await {
                return Some(reason);
            }
            let of_parent = sets(&delegation.answers).into_iter().find(|set| set.rtype == WireType::DS)?;
            zone = match self.of_signatures(&of_parent, None).await {
                Ok(parent) => parent,
                Err(reason) => return Some(reason),
            };
        }
        None
    }

    async fn ask_for(&self, zone: &Name, rtype: RecordType) -> Result<Message, Reason> {
        let name = dns::wire::name_from_hickory(zone).map_err(|_| Reason::new(Reason::BOGUS, "a name is none"))?;
        self.ask(&name, rtype).await
    }

    /// What is wrong between a zone's DS records, which its parent has, and its keys.
    async fn of_delegation(
        &self,
        zone: &Name,
        keys: &[&DNSKEY],
        of_keys: &Signed<'_>,
        delegation: &Message,
    ) -> Option<Reason> {
        let digests: Vec<&DS> = digests_of(delegation, zone);
        if digests.is_empty() {
            let words = format!("there is no DS record of {}, and no proof that it needs none", shown(zone));
            return Some(Reason::new(Reason::NSEC_MISSING, words));
        }
        if digests.iter().all(|digest| !DIGESTS.contains(&u8::from(digest.digest_type()))) {
            let words = format!("the DS records of {} have digests that are not known", shown(zone));
            return Some(Reason::new(Reason::DIGEST_UNSUPPORTED, words));
        }
        let fits = |key: &&DNSKEY| digests.iter().any(|digest| digest.covers(zone, key).unwrap_or(false));
        let fitting: Vec<&DNSKEY> = keys.iter().copied().filter(|key| fits(key)).collect();
        if fitting.is_empty() {
            let told: Vec<String> = digests.iter().map(|digest| digest.key_tag().to_string()).collect();
            let words = format!(
                "no DS record of {} fits one of its keys: they are of {}, its keys are {}",
                shown(zone),
                told.join(" and "),
                tags(keys)
            );
            return Some(Reason::new(Reason::DNSKEY_MISSING, words));
        }
        self.of_signatures(of_keys, Some(&fitting)).await.err()
    }

    /// The zone whose key signed a set; or what is wrong about its signatures. `by`: one of these keys has to have signed.
    async fn of_signatures(&self, set: &Signed<'_>, by: Option<&[&DNSKEY]>) -> Result<Name, Reason> {
        let mut wrong = None;
        for signature in set.signatures.iter().take(SIGNATURES_MAX) {
            match self.of_signature(set, signature, by).await {
                Ok(()) => return Ok(signature.input().signer_name.clone()),
                // A signature that is out of date says more than one by a key that is gone.
                Err(reason) => drop(wrong.get_or_insert(reason)),
            }
        }
        match wrong {
            Some(reason) => Err(reason),
            None => Err(self.of_unsigned(set).await),
        }
    }

    async fn of_signature(&self, set: &Signed<'_>, signature: &RRSIG, by: Option<&[&DNSKEY]>) -> Result<(), Reason> {
        let input = signature.input();
        let (what, signer, tag) = (set.shown(), shown(&input.signer_name), input.key_tag);
        let told = |code: u16, words: String| Err(Reason::new(code, words));
        if !input.algorithm.is_supported() {
            let words =
                format!("{what} is signed with an algorithm that is not supported ({})", name_of(input.algorithm));
            return told(Reason::ALGORITHM_UNSUPPORTED, words);
        }
        // RFC 4034 section 3.1.5: as serial numbers.
        let (begins, ends) = (input.sig_inception.get(), input.sig_expiration.get());
        if (ends.wrapping_sub(self.now) as i32) < 0 {
            return told(Reason::SIGNATURE_EXPIRED, format!("the signature of {what} expired on {}", date(ends)));
        }
        if (self.now.wrapping_sub(begins) as i32) < 0 {
            let words = format!("the signature of {what} counts from {} only, or a clock is wrong", date(begins));
            return told(Reason::SIGNATURE_TOO_EARLY, words);
        }
        if !input.signer_name.zone_of(set.owner) {
            return told(Reason::BOGUS, format!("{what} is signed by {signer}, whose it is not"));
        }
        let has_tag = |key: &&DNSKEY| key.calculate_key_tag().is_ok_and(|of_key| of_key == tag);
        let asked;
        let keys: Vec<&DNSKEY> = match by {
            Some(keys) => keys.to_vec(),
            None => {
                asked = self.ask_for(&input.signer_name, DNSKEY_TYPE).await?;
                keys_of(&asked, &input.signer_name)
            }
        };
        let of_tag: Vec<&DNSKEY> = keys.iter().copied().filter(|key| has_tag(key)).collect();
        if of_tag.is_empty() {
            let words = match by {
                Some(_) => format!("{what} is signed by its key {tag}, which nothing above it speaks for"),
                None => format!("{what} is signed by the key {tag}, which {signer} does not have"),
            };
            return told(Reason::DNSKEY_MISSING, words);
        }
        if of_tag.iter().all(|key| !key.zone_key()) {
            return told(Reason::NO_ZONE_KEY, format!("the key {tag} of {signer} is none for zones"));
        }
        match self.checks.is_by(&of_tag, set, signature) {
            Some(true) => Ok(()),
            Some(false) => {
                told(Reason::BOGUS, format!("the signature of {what} does not fit: it was changed, or signed wrongly"))
            }
            None => told(Reason::BOGUS, format!("{what} has more keys and signatures than are looked at")),
        }
    }

    /// What is wrong about a set without signatures.
    async fn of_unsigned(&self, set: &Signed<'_>) -> Reason {
        let mut zone = set.owner.clone();
        // The nearest name above that has a DS record is that of a zone that is to be signed.
        while !zone.is_root() {
            let (Ok(delegation), Ok(keys)) =
                (self.ask_for(&zone, DS_TYPE).await, self.ask_for(&zone, DNSKEY_TYPE).await)
            else {
                break;
            };
            tokio::task::yield_now().await;
            let (digests, all) = (digests_of(&delegation, &zone), keys_of(&keys, &zone));
            let is_anchored = all.iter().any(|key| (self.anchored)(&zone, key).is_some());
            if !digests.is_empty() || is_anchored {
                let (what, zone, of) = (set.shown(), shown(&zone), digests.len());
                if all.is_empty() {
                    let words =
                        format!("{zone} has {of} DS records and no DNSKEY: its zone is not signed as its parent says");
                    return Reason::new(Reason::DNSKEY_MISSING, words);
                }
                let words = format!("{what} has no signature (RRSIG), and {zone} is a signed zone");
                return Reason::new(Reason::SIGNATURES_MISSING, words);
            }
            // That it has none has to be proven, by signatures as good as others.
            for proof in sets(&delegation.authorities) {
                for signature in proof.signatures.iter().take(SIGNATURES_MAX) {
                    if let Err(reason) = self.of_signature(&proof, signature, None).await {
                        return reason;
                    }
                }
            }
            zone = zone.base_name();
        }
        // The root's own keys come here by that way.
        if !set.owner.is_root()
            && let Some(reason) = Box::pin(self.of_chain(Name::root())).await
        {
            return reason;
        }
        let words = format!("{} has no signature (RRSIG), and nothing proves that it needs none", set.shown());
        Reason::new(Reason::SIGNATURES_MISSING, words)
    }
}

/// What is wrong where all that is there is signed well: what is said not to be there is not proven to be.
fn of_proof(key: &Key, message: &Message) -> Option<Reason> {
    let name = shown_fqdn(&key.fqdn());
    let data = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some(Some(nsec3.iterations())),
        RData::DNSSEC(DNSSECRData::NSEC(_)) => Some(None),
        _ => None,
    };
    let proofs: Vec<Option<u16>> = message.authorities.iter().filter_map(data).collect();
    let what = match message.answers.is_empty() {
        true => format!("{name} {} is not there", key.rtype()),
        false => format!("a wildcard stands for {name}"),
    };
    if proofs.is_empty() {
        // An answer with records needs none, but for a wildcard's.
        let is_needed = message.answers.is_empty() || message.answers.iter().any(is_of_wildcard);
        return is_needed.then(|| Reason::new(Reason::NSEC_MISSING, format!("there is no proof (NSEC) that {what}")));
    }
    if let Some(iterations) = proofs.iter().flatten().find(|iterations| **iterations > NSEC3_ITERATIONS.1) {
        let words = format!("the proofs for {name} (NSEC3) ask for {iterations} rounds, more than is done");
        return Some(Reason::new(Reason::NSEC3_ITERATIONS, words));
    }
    let kind = if proofs.iter().any(Option::is_some) { "NSEC3" } else { "NSEC" };
    Some(Reason::new(Reason::BOGUS, format!("the {kind} records do not prove that {what}")))
}

/// RFC 4035 section 5.3.4.
fn is_of_wildcard(record: &Record) -> bool {
    let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data else { return false };
    signature.input().num_labels < record.name.num_labels()
}

fn keys_of<'r>(message: &'r Message, zone: &Name) -> Vec<&'r DNSKEY> {
    message.answers.iter().filter_map(|record| key_of(record, zone)).take(KEYS_MAX).collect()
}

fn digests_of<'r>(message: &'r Message, zone: &Name) -> Vec<&'r DS> {
    message.answers.iter().filter_map(|record| digest_of(record, zone)).take(KEYS_MAX).collect()
}

/// The first sets of a section, in its order.
fn sets(records: &[Record]) -> Vec<Signed<'_>> {
    let mut sets: Vec<Signed<'_>> = Vec::new();
    for record in records.iter().filter(|record| record.record_type() != WireType::RRSIG) {
        let of = |set: &&mut Signed<'_>| *set.owner == record.name && set.rtype == record.record_type();
        let is_full = sets.len() >= SETS_MAX;
        match sets.iter_mut().find(of) {
            Some(set) => set.records.push(record),
            None if is_full => {}
            None => {
                let rtype = record.record_type();
                sets.push(Signed { owner: &record.name, rtype, records: vec![record], signatures: Vec::new() });
            }
        }
    }
    for record in records {
        let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &record.data else { continue };
        let of = |set: &&mut Signed<'_>| *set.owner == record.name && set.rtype == signature.input().type_covered;
        if let Some(set) = sets.iter_mut().find(of) {
            set.signatures.push(signature);
        }
    }
    sets
}

fn key_of<'r>(record: &'r Record, zone: &Name) -> Option<&'r DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) if record.name == *zone => Some(key),
        _ => None,
    }
}

fn digest_of<'r>(record: &'r Record, zone: &Name) -> Option<&'r DS> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DS(digest)) if record.name == *zone => Some(digest),
        _ => None,
    }
}

fn tags(keys: &[&DNSKEY]) -> String {
    let tags: Vec<String> =
        keys.iter().filter_map(|key| key.calculate_key_tag().ok()).map(|tag| tag.to_string()).collect();
    tags.join(" and ")
}

fn name_of(algorithm: Algorithm) -> String {
    format!("number {}", u8::from(algorithm))
}

/// A name without the dot at its end, but for the root.
fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    if name.is_root() { text } else { text.trim_end_matches('.').to_owned() }
}

fn shown_fqdn(name: &Fqdn) -> String {
    let text = name.to_string();
    if name.is_root() { text } else { text.trim_end_matches('.').to_owned() }
}

/// A time of a signature, for people.
fn date(secs: u32) -> String {
    jiff::Timestamp::from_second(i64::from(secs))
        .map_or_else(|_| secs.to_string(), |at| at.strftime("%F %H:%M UTC").to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use hickory_proto::dnssec::rdata::{NSEC, NSEC3, SigInput};
    use hickory_proto::dnssec::{Nsec3HashAlgorithm, PublicKeyBuf};
    use hickory_proto::rr::SerialNumber;

    use super::*;

    fn told(records: Vec<DNSSECRData>) -> Option<(u16, String)> {
        let mut message = Message::query();
        let owner = Name::from_ascii("a.example.").unwrap();
        message.authorities =
            records.into_iter().map(|data| Record::from_rdata(owner.clone(), 60, RData::DNSSEC(data))).collect();
        let key = Key::new(&"www.example".parse().unwrap(), RecordType::A, true, true);
        of_proof(&key, &message).map(|reason| (reason.code, reason.words))
    }

    #[test]
    fn rfc8914_what_is_said_not_to_be_there_has_to_be_proven() {
        let nsec = DNSSECRData::NSEC(NSEC::new(Name::from_ascii("b.example.").unwrap(), [WireType::A]));
        let nsec3 = |rounds| {
            let next = vec![1; 20];
            DNSSECRData::NSEC3(NSEC3::new(Nsec3HashAlgorithm::SHA1, false, rounds, Vec::new(), next, [WireType::A]))
        };
        for (records, code, words) in [
            (vec![], Reason::NSEC_MISSING, "there is no proof (NSEC) that www.example A is not there"),
            (vec![nsec], Reason::BOGUS, "the NSEC records do not prove that www.example A is not there"),
            (vec![nsec3(5)], Reason::BOGUS, "the NSEC3 records do not prove that www.example A is not there"),
            (
                vec![nsec3(501)],
                Reason::NSEC3_ITERATIONS,
                "the proofs for www.example (NSEC3) ask for 501 rounds, more than is done",
            ),
        ] {
            assert_eq!(told(records), Some((code, words.to_owned())));
        }
    }

    #[test]
    fn words_fit_the_option_that_they_go_out_in() {
        let name = Name::from_ascii(format!("{0}.{0}.{0}.example.", "a".repeat(60))).unwrap();
        let reason = Reason::new(Reason::BOGUS, format!("{} has no DNSKEY", shown(&name)));
        let mut out = Vec::new();
        reason.view().write(&mut out);
        assert!(out.len() <= 4 + 2 + resolve::reason::WORDS_OCTETS_MAX, "{}", out.len());
    }

    #[test]
    fn cve_2023_50387_so_many_signatures_are_checked_and_no_more() {
        let key = DNSKEY::with_flags(257, PublicKeyBuf::new(vec![7; 64], Algorithm::ECDSAP256SHA256));
        let owner = Name::from_ascii("www.example.").unwrap();
        let input = SigInput {
            type_covered: WireType::A,
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: 2,
            original_ttl: 60,
            sig_expiration: SerialNumber::new(2),
            sig_inception: SerialNumber::new(1),
            key_tag: key.calculate_key_tag().unwrap(),
            signer_name: owner.clone(),
        };
        let signature = RRSIG::from_sig(input, vec![1; 64]);
        let record = Record::from_rdata(owner.clone(), 60, RData::A("192.0.2.1".parse().unwrap()));
        let set = Signed { owner: &owner, rtype: WireType::A, records: vec![&record], signatures: Vec::new() };
        let (keys, checks) = (vec![&key; 600], Checks::default());
        for _ in 0..CHECKS_MAX / KEYS_OF_TAG_MAX {
            assert_eq!(checks.is_by(&keys, &set, &signature), Some(false));
        }
        assert_eq!(checks.is_by(&keys, &set, &signature), None);
        let many: Vec<Record> = (0..3_000)
            .map(|number| {
                let owner = Name::from_ascii(format!("n{number}.example.")).unwrap();
                Record::from_rdata(owner, 60, RData::A("192.0.2.1".parse().unwrap()))
            })
            .collect();
        assert_eq!(sets(&many).len(), SETS_MAX);
    }
}
