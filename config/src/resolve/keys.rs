//! TSIG keys by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dns::{Fqdn, TsigAlgorithm, TsigKey};

use super::key_file::{self, FileKey};
use super::scalars::name;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{DomainName, FilePath};
use crate::file::v1::{Algorithm, Key};

/// Reads files that the configuration names: the daemon's part, since this crate touches no disk.
pub trait ReadSecret {
    /// The text of the file at `path`: keys, or a zone.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read_secret(&self, path: &Path) -> Result<String, String>;

    /// The text of the master file at `path`, which a file in `within` includes: it lies at or beneath that directory.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read_included(&self, within: &Path, path: &Path) -> Result<String, String> {
        self.read_secret(&within.join(path))
    }

    /// Whether every user of the machine can read the file at `path`.
    fn is_open_to_all(&self, _path: &Path) -> bool {
        false
    }

    /// Whether this program can sign with Kerberos tickets.
    fn has_kerberos(&self) -> bool {
        true
    }

    /// Whether every user of the machine can read the configuration itself.
    fn configuration_is_open_to_all(&self) -> bool {
        false
    }
}

impl<F: Fn(&Path) -> Result<String, String>> ReadSecret for F {
    fn read_secret(&self, path: &Path) -> Result<String, String> {
        self(path)
    }
}

/// The keys of a file, and what is known of what lies outside of it.
pub(super) struct Keys<'s> {
    pub(super) secrets: &'s dyn ReadSecret,
    by_name: BTreeMap<Fqdn, Known>,
    /// Some key's name could not be read, so a name that is not here may have been meant by it.
    unnamed: bool,
}

#[derive(Debug)]
struct Known {
    /// `None`: reported as faulty already.
    key: Option<Arc<TsigKey>>,
    span: Span,
}

pub(super) fn read<'s>(keys: &[At<Key>], secrets: &'s dyn ReadSecret, findings: &mut Findings) -> Keys<'s> {
    let mut out = Keys { secrets, by_name: BTreeMap::new(), unnamed: false };
    for at in keys {
        let Some(written) = &at.value.name else {
            out.unnamed = true;
            continue;
        };
        let Some(key_name) = name(written, findings) else {
            out.unnamed = true;
            continue;
        };
        let key = read_secret(&at.value, at.span, &key_name, secrets, findings).map(Arc::new);
        if let Some(earlier) = out.by_name.get(&key_name) {
            findings
                .fault(
                    written.span,
                    format!("the key `{}` is defined twice", written.value.0),
                    "defined again",
                    "take one of them out, or give it another name",
                )
                .see(earlier.span, "defined here first");
            continue;
        }
        out.by_name.insert(key_name, Known { key, span: written.span });
    }
    out
}

fn read_secret(
    key: &Key,
    span: Span,
    key_name: &Fqdn,
    secrets: &dyn ReadSecret,
    findings: &mut Findings,
) -> Option<TsigKey> {
    let written = key.algorithm.map(algorithm_of);
    let (file_key, span) = secret_of(key, span, key_name, secrets, findings)?;
    let in_file = match file_key.algorithm.as_deref().map(str::parse::<TsigAlgorithm>) {
        None => None,
        Some(Ok(algorithm)) => Some(algorithm),
        Some(Err(_)) => {
            findings.fault(
                span,
                format!(
                    "the algorithm of the key `{}` in the file, {}, is not known",
                    plain(key_name),
                    file_key.algorithm.unwrap_or_default()
                ),
                "not known",
                "make a key with `tsig-keygen -a hmac-sha256`",
            );
            return None;
        }
    };
    if let (Some(here), Some(there)) = (written, in_file)
        && here != there
    {
        findings.fault(
            span,
            format!("the algorithm of the key `{}` is {there} in the file, and {here} here", plain(key_name)),
            "of another algorithm",
            "take `algorithm` out: the file says it",
        );
        return None;
    }
    let algorithm = written.or(in_file).unwrap_or(TsigAlgorithm::HmacSha256);
    if algorithm == TsigAlgorithm::HmacMd5 {
        findings.warn(
            span,
            "hmac-md5 must not be used any more (RFC 8945 section 6)",
            "not safe",
            "make a key with `tsig-keygen -a hmac-sha256`, on both sides, unless the server knows nothing better",
        );
    }
    key_of(key_name, algorithm, &file_key.secret, span, findings)
}

/// The secret as it is written, and where. `None`: reported.
fn secret_of(
    key: &Key,
    span: Span,
    key_name: &Fqdn,
    secrets: &dyn ReadSecret,
    findings: &mut Findings,
) -> Option<(FileKey, Span)> {
    match (&key.secret, &key.secret_file) {
        (Some(secret), None) => {
            if secrets.configuration_is_open_to_all() {
                findings.warn(
                    secret.span,
                    "every user of this machine can read the secret: the configuration is open to all",
                    "open to all",
                    "take away the right (`chmod o-r` on this file), or write `secret_file` and keep it in a file of its own",
                );
            }
            Some((FileKey { name: None, algorithm: None, secret: secret.value.0.clone() }, secret.span))
        }
        (None, Some(file)) => Some((from_file(file, key_name, secrets, findings)?, file.span)),
        (Some(_), Some(file)) => {
            findings.fault(
                file.span,
                "a key has `secret` or `secret_file`, not both",
                "the secret is given already",
                "take one of them out",
            );
            None
        }
        (None, None) => {
            findings.absent(
                span,
                format!("the key `{}` has no secret", plain(key_name)),
                "has neither `secret` nor `secret_file`",
                "add `secret_file = \"/etc/leasehold/dns.key\"`; `tsig-keygen` makes a key",
            );
            None
        }
    }
}

fn algorithm_of(written: Algorithm) -> TsigAlgorithm {
    match written {
        Algorithm::HmacMd5 => TsigAlgorithm::HmacMd5,
        Algorithm::HmacSha1 => TsigAlgorithm::HmacSha1,
        Algorithm::HmacSha224 => TsigAlgorithm::HmacSha224,
        Algorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
        Algorithm::HmacSha256Half => TsigAlgorithm::HmacSha256Half,
        Algorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
        Algorithm::HmacSha384Half => TsigAlgorithm::HmacSha384Half,
        Algorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
        Algorithm::HmacSha512Half => TsigAlgorithm::HmacSha512Half,
    }
}

/// The key of this name in a file. Of a form that names no key there is one only, which is meant.
fn from_file(
    file: &At<FilePath>,
    key_name: &Fqdn,
    secrets: &dyn ReadSecret,
    findings: &mut Findings,
) -> Option<FileKey> {
    let path = Path::new(&file.value.0);
    let text = match secrets.read_secret(path) {
        Ok(text) => text,
        Err(why) => {
            findings.fault(
                file.span,
                format!("the secret of the key cannot be read from {}: {why}", file.value.0),
                "cannot be read",
                "make the file, and let the daemon's user read it",
            );
            return None;
        }
    };
    if secrets.is_open_to_all(path) {
        findings.fault(
            file.span,
            format!("every user of this machine can read the secret in {}", file.value.0),
            "open to all",
            format!("take away the right: `chmod o-r {}`; the daemon's user alone needs it", file.value.0),
        );
        return None;
    }
    let keys = key_file::read(&text);
    let named: Vec<String> = keys.iter().filter_map(|key| key.name.clone()).collect();
    let is_meant = |key: &FileKey| match &key.name {
        Some(name) => name.parse::<Fqdn>().is_ok_and(|name| name == *key_name),
        None => true,
    };
    let found = keys.into_iter().find(is_meant);
    if found.is_none() {
        findings.fault(
            file.span,
            format!("{} holds no key `{}`", file.value.0, plain(key_name)),
            "not in this file",
            format!("write the name of one that it holds: {}", named.join(", ")),
        );
    }
    found
}

fn key_of(
    key_name: &Fqdn,
    algorithm: TsigAlgorithm,
    text: &str,
    span: Span,
    findings: &mut Findings,
) -> Option<TsigKey> {
    let Ok(key) = TsigKey::from_base64(key_name.clone(), algorithm, text) else {
        findings.fault(
            span,
            "the secret is not base64",
            "not base64",
            "copy what stands in quotes after `secret` in the key that `tsig-keygen` made; it often ends with =",
        );
        return None;
    };
    // RFC 2104 section 3: keys of "less than L bytes", the hash's own length, are "strongly discouraged". Half of the
    // shortest is where it becomes worth a warning.
    if key.secret.len() < 16 {
        findings.warn(
            span,
            format!("the secret has only {} bytes, so it can be guessed", key.secret.len()),
            "short",
            "use one of 32 bytes, as `tsig-keygen` makes it",
        );
    }
    Some(key)
}

impl Keys<'_> {
    /// The key that `at` names; reported when there is none.
    pub(super) fn get(&self, at: &At<DomainName>, findings: &mut Findings) -> Option<Arc<TsigKey>> {
        let wanted = name(at, findings)?;
        match self.by_name.get(&wanted) {
            Some(known) => known.key.clone(),
            None => {
                if !self.unnamed {
                    self.not_defined(at, findings);
                }
                None
            }
        }
    }

    /// The key of this name.
    pub(super) fn known(&self, name: &Fqdn) -> Option<Arc<TsigKey>> {
        self.by_name.get(name)?.key.clone()
    }

    fn not_defined(&self, at: &At<DomainName>, findings: &mut Findings) {
        let names: Vec<String> = self.by_name.keys().map(plain).collect();
        let near = names
            .iter()
            .map(|name| (strsim::damerau_levenshtein(name, &at.value.0), name))
            .filter(|(distance, _)| *distance <= 3)
            .min();
        let mend = match (near, names.is_empty()) {
            (Some((_, name)), _) => format!("did you mean \"{name}\"?"),
            (None, true) => format!("add a [[key]] with `name = \"{}\"` and its secret", at.value.0),
            (None, false) => {
                format!("add a [[key]] with `name = \"{}\"`; the keys defined are: {}", at.value.0, names.join(", "))
            }
        };
        findings.absent(at.span, format!("the key `{}` is not defined", at.value.0), "no such key", mend);
    }
}

/// A name as people write it, without the final dot.
pub(super) fn plain(name: &Fqdn) -> String {
    let text = name.to_string();
    match text.strip_suffix('.') {
        Some(stem) if !stem.is_empty() => stem.to_owned(),
        _ => text,
    }
}
