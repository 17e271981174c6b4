//! TSIG keys by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dns::{Fqdn, TsigAlgorithm, TsigKey};

use super::scalars::name;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::DomainName;
use crate::file::v1::{Algorithm, Key};

/// Reads files that the configuration names: the daemon's part, since this crate touches no disk.
pub trait ReadSecret {
    /// The text of the file at `path`.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read_secret(&self, path: &Path) -> Result<String, String>;
}

impl<F: Fn(&Path) -> Result<String, String>> ReadSecret for F {
    fn read_secret(&self, path: &Path) -> Result<String, String> {
        self(path)
    }
}

/// The keys of a file.
#[derive(Debug, Default)]
pub(super) struct Keys {
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

pub(super) fn read(keys: &[At<Key>], secrets: &dyn ReadSecret, findings: &mut Findings) -> Keys {
    let mut out = Keys::default();
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
    let mut algorithm = match key.algorithm {
        Some(Algorithm::HmacSha256) | None => TsigAlgorithm::HmacSha256,
        Some(Algorithm::HmacSha384) => TsigAlgorithm::HmacSha384,
        Some(Algorithm::HmacSha512) => TsigAlgorithm::HmacSha512,
    };
    let (text, span) = match (&key.secret, &key.secret_file) {
        (Some(secret), None) => (secret.value.0.clone(), secret.span),
        (None, Some(file)) => match secrets.read_secret(Path::new(&file.value.0)) {
            Ok(text) => {
                if key.algorithm.is_none() {
                    algorithm = algorithm_in(&text).unwrap_or(algorithm);
                }
                (secret_in(&text).to_owned(), file.span)
            }
            Err(why) => {
                findings.fault(
                    file.span,
                    format!("the secret of the key cannot be read from {}: {why}", file.value.0),
                    "cannot be read",
                    "make the file, and let the daemon's user read it",
                );
                return None;
            }
        },
        (Some(_), Some(file)) => {
            findings.fault(
                file.span,
                "a key has `secret` or `secret_file`, not both",
                "the secret is given already",
                "take one of them out",
            );
            return None;
        }
        (None, None) => {
            findings.absent(
                span,
                format!("the key `{}` has no secret", plain(key_name)),
                "has neither `secret` nor `secret_file`",
                "add `secret_file = \"/etc/leasehold/dns.key\"`; `tsig-keygen` makes a key",
            );
            return None;
        }
    };
    key_of(key_name, algorithm, &text, span, findings)
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

/// The secret in a file: what stands in quotes after `secret` in a key as `tsig-keygen` writes it, else all of it.
fn secret_in(text: &str) -> &str {
    words_after(text, "secret").find_map(|rest| rest.strip_prefix('"')?.split_once('"')).map_or(text, |(it, _)| it)
}

/// The algorithm that a key as `tsig-keygen` writes it names.
fn algorithm_in(text: &str) -> Option<TsigAlgorithm> {
    words_after(text, "algorithm").find_map(|rest| rest.split([';', ' ', '\n']).next()?.trim_matches('"').parse().ok())
}

/// What follows each `word` and white space.
fn words_after<'t>(text: &'t str, word: &str) -> impl Iterator<Item = &'t str> {
    text.match_indices(word).map(move |(at, word)| &text[at + word.len()..]).filter_map(|rest| {
        let trimmed = rest.trim_start();
        (trimmed.len() < rest.len()).then_some(trimmed)
    })
}

impl Keys {
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
