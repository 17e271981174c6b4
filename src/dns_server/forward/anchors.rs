//! What is trusted, and where nothing is validated.
//!
//! An anchor is a key (DNSKEY), or the digest of one (DS, RFC 4034 section 5), as registries and zones tell theirs. By a digest
//! the key itself is asked for, and trusted when it fits; again from time to time, since keys are rolled over.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use dns::Fqdn;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{PublicKey as _, TrustAnchors};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType as WireType};
use resolve::blocking::NameSet;
use resolve::blocking::set::Reach;

/// See the module.
#[derive(Clone)]
pub struct Anchors {
    pub(super) keys: Arc<TrustAnchors>,
    pub(super) digests: Arc<[(Name, DS)]>,
    pub(super) not_validated: Arc<NameSet>,
    count: usize,
}

impl std::fmt::Debug for Anchors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Anchors({} of them, {} domains not validated)", self.count, self.not_validated.len())
    }
}

impl Anchors {
    /// The keys of a file of DNSKEY and DS records, or the root's; and the domains that are not validated, with what is
    /// beneath them (RFC 7646).
    ///
    /// # Errors
    /// Why the file cannot be read, in words.
    pub fn read(file: Option<&Path>, not_validated: &[Fqdn]) -> Result<Self, String> {
        let (keys, digests, count) = match file {
            None => (TrustAnchors::default(), Vec::new(), TrustAnchors::default().len()),
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
        Ok(Self { keys: Arc::new(keys), digests: digests.into(), not_validated, count })
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
fn is_of(digest: &DS, name: &Name, key: &DNSKEY) -> bool {
    let is_same = key.calculate_key_tag().is_ok_and(|tag| tag == digest.key_tag())
        && key.public_key().algorithm() == digest.algorithm()
        && !key.revoke();
    is_same && digest.covers(name, key).unwrap_or(false)
}

/// Keys and digests of a text, and how many they are.
type Read = (TrustAnchors, Vec<(Name, DS)>, usize);

/// Reads a text. Records of either type, one a line, keys also over several lines in
/// brackets.
fn of_text(text: &str) -> Result<Read, String> {
    let (mut keys, mut digests) = (String::new(), Vec::new());
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split(';').next().unwrap_or_default().split_whitespace().collect();
        let at = words.iter().take(4).position(|word| word.eq_ignore_ascii_case("DS"));
        match at.filter(|at| *at > 0) {
            Some(at) => {
                let told = |why: String| format!("line {number} is no DS record: {why}");
                let name = Name::from_ascii(words[0]).map_err(|error| told(error.to_string()))?;
                if !name.is_root() {
                    return Err(told("anchors are taken of the root alone".to_owned()));
                }
                digests.push((name.to_lowercase(), digest(&words[at + 1..]).map_err(told)?));
            }
            None => {
                keys.push_str(line);
                keys.push('\n');
            }
        }
    }
    let keys = TrustAnchors::from_str(&keys).map_err(|error| error.to_string())?;
    let count = keys.len() + digests.len();
    Ok((keys, digests, count))
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
    use base64::Engine as _;
    use hickory_proto::dnssec::{Algorithm, PublicKeyBuf};

    use super::*;

    /// The key of RFC 6605 section 6.1 as a root's.
    const KEY: &str = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
    const DS_256: &str = ". 3600 IN DS 55648 13 2 \
                          FF08415D670AD845C621C2CBB8416EC67DECDD583C4D94E79D9E1A60A2902E97";

    fn keys() -> Vec<Record> {
        let octets = base64::engine::general_purpose::STANDARD.decode(KEY).unwrap();
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
            ("corp.example. DS 20326 8 2 E06D\n", "line 1 is no DS record: anchors are taken of the root alone"),
            (". DS 20326 8\n", "line 1 is no DS record"),
        ] {
            let told = anchors(text).unwrap_err();
            assert!(told.contains(words), "{text:?}: {told}");
        }
    }
}
