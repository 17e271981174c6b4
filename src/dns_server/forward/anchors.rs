//! What is trusted, and where nothing is validated.
//!
//! An anchor is a key (DNSKEY), or the digest of one (DS, RFC 4034 section 5), as registries and zones tell theirs. By a digest
//! the key itself is asked for, and trusted when it fits; again from time to time, since keys are rolled over.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dns::Fqdn;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{Algorithm, PublicKey as _, PublicKeyBuf, TrustAnchors};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType as WireType};
use resolve::blocking::NameSet;
use resolve::blocking::set::Reach;

use super::islands::ZoneAnchors;

/// See the module.
#[derive(Clone)]
pub struct Anchors {
    pub(super) keys: Arc<TrustAnchors>,
    pub(super) digests: Arc<[(Name, DS)]>,
    /// Of zones other than the root, each zone once.
    pub(super) zones: Arc<[ZoneAnchors]>,
    pub(super) not_validated: Arc<NameSet>,
    count: usize,
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Anchors({} of them, {} domains not validated)", self.count, self.not_validated.len())
    }
}

impl Anchors {
    /// The keys of a file of DNSKEY and DS records, beside the root's where it has none of a root; and the domains that are not
    /// validated, with what is beneath them (RFC 7646).
    ///
    /// # Errors
    /// Why the file cannot be read, in words.
    pub fn read(file: Option<&Path>, not_validated: &[Fqdn]) -> Result<Self, String> {
        let Read { keys, digests, zones, count } = match file {
            None => {
                let keys = TrustAnchors::default();
                Read { count: keys.len(), keys, digests: Vec::new(), zones: Vec::new() }
            }
            Some(path) => {
                let told = |why: String| format!("the trust anchors in {} cannot be read: {why}", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
                of_text(&text).map_err(told)?
            }
        };
        if count == 0 {
            return Err("there is neither a DNSKEY nor a DS record among the trust anchors".to_owned());
        }
        let not_validated = Arc::new(NameSet::of(not_validated, Reach::Beneath));
        Ok(Self { keys: Arc::new(keys), digests: digests.into(), zones: zones.into(), not_validated, count })
    }

    /// Whether an anchor speaks for a key of this zone; none: the zone has no anchors.
    pub(super) fn fit(&self, zone: &Name, key: &DNSKEY) -> Option<bool> {
        if zone.is_root() {
            let is_key = self.keys.contains_with_name(key.public_key(), &LowerName::from(zone));
            return Some(is_key || self.digests.iter().any(|(_, digest)| is_of(digest, zone, key)));
        }
        self.zones.iter().find(|anchors| anchors.name == *zone).map(|anchors| anchors.fit(key))
    }

    /// The anchors with those keys of `found` that fit a digest; and their names and octets, to be compared.
    pub(super) fn with_keys(&self, found: &[Record]) -> (TrustAnchors, Vec<(Name, Vec<u8>)>) {
        let (mut keys, mut fitting) = ((*self.keys).clone(), Vec::new());
        for record in found {
            let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &record.data else { continue };
            let fits = |(name, digest): &(Name, DS)| *name == record.name && is_of(digest, name, key);
            if self.digests.iter().any(fits) {
                keys.insert_with_name(key.public_key(), LowerName::from(&record.name));
                fitting.push((record.name.clone(), key.public_key().public_bytes().to_vec()));
            }
        }
        fitting.sort();
        (keys, fitting)
    }
}

/// RFC 4034 section 5.2: a DS record "refers to a DNSKEY RR by including a digest of that DNSKEY RR"; RFC 5011 section 2.1: a
/// key that is revoked is not to be trusted.
pub(super) fn is_of(digest: &DS, name: &Name, key: &DNSKEY) -> bool {
    let is_same = key.calculate_key_tag().is_ok_and(|tag| tag == digest.key_tag())
        && key.public_key().algorithm() == digest.algorithm()
        && !key.revoke();
    is_same && digest.covers(name, key).unwrap_or(false)
}

/// Anchors of a text: those of the root apart, and how many there are.
struct Read {
    keys: TrustAnchors,
    digests: Vec<(Name, DS)>,
    zones: Vec<ZoneAnchors>,
    count: usize,
}

/// Reads a text. Records of either type, one a line, or over several lines in brackets.
fn of_text(text: &str) -> Result<Read, String> {
    let mut read = Read { keys: TrustAnchors::empty(), digests: Vec::new(), zones: Vec::new(), count: 0 };
    let mut of_root = 0;
    for (number, line) in records(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at_type = |rtype: &str| words.iter().take(4).position(|word| word.eq_ignore_ascii_case(rtype));
        let (rtype, at) = match (at_type("DS"), at_type("DNSKEY")) {
            (Some(at), _) => ("DS", at),
            (None, Some(at)) => ("DNSKEY", at),
            (None, None) => return Err(format!("line {number} is neither a DNSKEY nor a DS record")),
        };
        let told = |why: String| format!("line {number} is no {rtype} record: {why}");
        if at == 0 {
            return Err(told("it begins with no name".to_owned()));
        }
        let name = Name::from_ascii(words[0]).map_err(|error| told(error.to_string()))?;
        let mut name = name.to_lowercase();
        name.set_fqdn(true);
        let (is_root, data) = (name.is_root(), &words[at + 1..]);
        let zone = match read.zones.iter().position(|zone| zone.name == name) {
            Some(at) => Some(at),
            None if is_root => None,
            None => {
                read.zones.push(ZoneAnchors { name: name.clone(), keys: Vec::new(), digests: Vec::new() });
                Some(read.zones.len() - 1)
            }
        };
        match (rtype, zone) {
            ("DS", Some(zone)) => read.zones[zone].digests.push(digest(data).map_err(told)?),
            ("DS", None) => read.digests.push((name, digest(data).map_err(told)?)),
            (_, Some(zone)) => read.zones[zone].keys.push(key(data).map_err(told)?),
            (_, None) => {
                let key = key(data).map_err(told)?;
                read.keys.insert_with_name(key.public_key(), LowerName::from(&name));
            }
        }
        of_root += usize::from(is_root);
        read.count += 1;
    }
    // Anchors of zones are there beside the root's; those of a root are in the place of the built-in ones.
    if of_root == 0 && read.count > 0 {
        read.keys = TrustAnchors::default();
        read.count += read.keys.len();
    }
    Ok(read)
}

/// The records of a text without remarks, each with the number of its first line: what stands in brackets is one line.
fn records(text: &str) -> Vec<(usize, String)> {
    let mut records: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (line, number) in text.lines().zip(1..) {
        let line = line.split(';').next().unwrap_or_default();
        let plain = line.replace(['(', ')'], " ");
        match records.last_mut() {
            Some((_, record)) if is_open => *record = format!("{record} {plain}"),
            _ if plain.trim().is_empty() => {}
            _ => records.push((number, plain)),
        }
        is_open = line.rfind('(').map_or(is_open, |open| line.rfind(')').is_none_or(|close| close < open))
            && !(is_open && line.contains(')') && !line.contains('('));
    }
    records
}

/// The data of a DNSKEY record: flags, protocol, algorithm, and the key.
fn key(words: &[&str]) -> Result<DNSKEY, String> {
    let [flags, protocol, algorithm, octets @ ..] = words else {
        return Err("it has flags, protocol, algorithm and a key".to_owned());
    };
    let number = |word: &str, what: &str| word.parse::<u16>().map_err(|_| format!("its {what} is no number: {word}"));
    let flags = number(flags, "flags")?;
    let algorithm =
        u8::try_from(number(algorithm, "algorithm")?).map_err(|_| "there is no such algorithm".to_owned())?;
    // RFC 4034 section 2.1.2: "The Protocol Field MUST have value 3".
    if number(protocol, "protocol")? != 3 {
        return Err("its protocol is not 3".to_owned());
    }
    let octets = STANDARD.decode(octets.concat()).map_err(|error| format!("its key is no base64: {error}"))?;
    let algorithm = Algorithm::from_u8(algorithm);
    if !algorithm.is_supported() {
        return Err(format!("keys of algorithm {} are not supported", u8::from(algorithm)));
    }
    let key = DNSKEY::with_flags(flags, PublicKeyBuf::new(octets, algorithm));
    match key.zone_key() {
        true => Ok(key),
        false => Err("it is no key of a zone (flag 256)".to_owned()),
    }
}

/// The data of a DS record: tag, algorithm, type of the digest, and the digest.
fn digest(words: &[&str]) -> Result<DS, String> {
    let read = RData::try_from_str(WireType::DS, &words.join(" ")).map_err(|error| error.to_string())?;
    let RData::DNSSEC(DNSSECRData::DS(digest)) = read else { return Err("its data is another type's".to_owned()) };
    let octets = match u8::from(digest.digest_type()) {
        1 => 20,
        2 => 32,
        4 => 48,
        other => return Err(format!("digests of type {other} are not known; 1, 2 and 4 are")),
    };
    match digest.digest().len() == octets {
        true => Ok(digest),
        false => Err(format!("a digest of that type has {octets} octets, and not {}", digest.digest().len())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    /// The key of RFC 6605 section 6.1 as a root's.
    const KEY: &str = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
    const DS_256: &str = ". 3600 IN DS 55648 13 2 \
                          FF08415D670AD845C621C2CBB8416EC67DECDD583C4D94E79D9E1A60A2902E97";

    fn keys() -> Vec<Record> {
        let octets = STANDARD.decode(KEY).unwrap();
        let key = DNSKEY::with_flags(257, PublicKeyBuf::new(octets, Algorithm::ECDSAP256SHA256));
        vec![Record::from_rdata(Name::root(), 60, RData::DNSSEC(DNSSECRData::DNSKEY(key)))]
    }

    fn anchors(text: &str) -> Result<Anchors, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Anchors::read(Some(file.path()), &[])
    }

    #[test]
    fn a_key_is_trusted_whose_digest_is_an_anchor_and_no_other() {
        let fits = |text: &str| !anchors(text).unwrap().with_keys(&keys()).1.is_empty();
        assert!(fits(DS_256));
        assert!(fits(&format!(
            "; the root's\n{}\n",
            DS_256.replace(" IN", "").to_lowercase().replace("02e97", "0 2e97")
        )));
        assert!(!fits(&DS_256.replace("FF08", "FF00")), "another digest");
        assert!(!fits(&DS_256.replace("55648", "55649")), "another tag");
        let both = anchors(&format!(". IN DNSKEY 257 3 13 {KEY}\n{DS_256}\n")).unwrap();
        assert_eq!((both.count, both.keys.len()), (2, 1));
    }

    #[test]
    fn what_is_no_anchor_is_told_with_its_line() {
        for (text, words) in [
            ("", "neither a DNSKEY nor a DS record"),
            ("; nothing\n", "neither a DNSKEY nor a DS record"),
            ("; one\n. DS 20326 8 2 E06D\n", "line 2 is no DS record: a digest of that type has 32 octets, and not 2"),
            (". DS 20326 8 3 E06D\n", "line 1 is no DS record: digests of type 3 are not known"),
            (". DS 20326 8\n", "line 1 is no DS record"),
            ("\ncorp.example. DNSKEY 257 3\n", "line 2 is no DNSKEY record"),
            ("corp.example. DNSKEY 1 3 13 AAAA\n", "line 1 is no DNSKEY record: it is no key of a zone"),
            (". A 192.0.2.1\n", "line 1 is neither a DNSKEY nor a DS record"),
            ("DS 20326 8 2 E06D\n", "line 1 is no DS record: it begins with no name"),
        ] {
            let told = anchors(text).unwrap_err();
            assert!(told.contains(words), "{text:?}: {told}");
        }
    }

    #[test]
    fn anchors_of_zones_stand_beside_the_roots_own_and_a_roots_in_their_place() {
        let read =
            anchors(&format!("corp.example DNSKEY 257 3 13 (\n  {KEY} ) ; ours\n{}", DS_256.replacen('.', "LAB.", 1)));
        let read = read.unwrap();
        let names: Vec<String> = read.zones.iter().map(|zone| zone.name.to_ascii()).collect();
        assert_eq!(names, ["corp.example.", "lab."]);
        assert_eq!((read.zones[0].keys.len(), read.zones[1].digests.len()), (1, 1));
        assert_eq!((read.keys.len(), read.count), (TrustAnchors::default().len(), TrustAnchors::default().len() + 2));
        let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = &keys()[0].data else { panic!() };
        let name = |text: &str| Name::from_ascii(text).unwrap();
        assert_eq!(read.fit(&name("corp.example."), key), Some(true));
        // A digest is of a key under its name.
        assert_eq!(read.fit(&name("lab."), key), Some(false));
        assert_eq!((read.fit(&name("other."), key), read.fit(&Name::root(), key)), (None, Some(false)));
        let made = anchors(&format!(". IN DNSKEY 257 3 13 {KEY}\nlab. DNSKEY 257 3 13 {KEY}\n")).unwrap();
        assert_eq!((made.keys.len(), made.fit(&Name::root(), key)), (1, Some(true)));
    }
}
