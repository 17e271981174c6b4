//! How updates to a server are signed: by a shared key, or with the tickets of an account.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ddns::kerberos::Gss;
use ddns::settings::Auth;

use super::keys::Keys;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{DomainName, FilePath, FreeText, OneOrMore};
use crate::file::v1;

/// What `key` or `gss` come to. `None`: neither is written.
pub(super) fn auth(
    key: Option<&At<DomainName>>,
    gss: Option<&At<v1::Gss>>,
    servers: &[SocketAddr],
    keys: &Keys<'_>,
    findings: &mut Findings,
) -> Option<Auth> {
    match (key, gss) {
        (None, None) => None,
        (Some(key), None) => Some(keys.get(key, findings).map_or(Auth::Unsigned, Auth::Tsig)),
        (Some(key), Some(gss)) => {
            findings
                .fault(
                    gss.span,
                    "updates are signed by `key` or by `gss`, not by both",
                    "another",
                    "take one of them out",
                )
                .see(key.span, "signed by this key");
            Some(Auth::Unsigned)
        }
        (None, Some(gss)) => {
            Some(account(gss, servers, keys, findings).map_or(Auth::Unsigned, |gss| Auth::Gss(Arc::new(gss))))
        }
    }
}

fn account(gss: &At<v1::Gss>, servers: &[SocketAddr], keys: &Keys<'_>, findings: &mut Findings) -> Option<Gss> {
    if !keys.secrets.has_kerberos() {
        findings.fault(
            gss.span,
            "this leasehold was built without Kerberos",
            "of no use to it",
            "build it with `--features gss`, or write the `key` of a TSIG key instead",
        );
        return None;
    }
    let v1::Gss { principal, keytab, service } = &gss.value;
    // Where one of them is missing, that was told when the file's shape was looked at.
    let principal = principal.as_ref().and_then(|at| principal_of(at, findings));
    let keytab = keytab.as_ref().and_then(|at| keytab_of(at, keys, findings));
    let realm = principal.as_deref().and_then(|text| text.rsplit_once('@')).map(|(_, realm)| realm.to_owned());
    let services = match service {
        Some(at) => services(at, servers, realm.as_deref().unwrap_or_default(), findings),
        None => Box::default(),
    };
    Some(Gss { principal: principal?.into(), keytab: keytab?.into(), services })
}

/// The keytab of the embedded server.
pub(super) fn own_keytab(at: Option<&At<FilePath>>, keys: &Keys<'_>, findings: &mut Findings) -> Option<PathBuf> {
    let at = at?;
    if !keys.secrets.has_kerberos() {
        findings.fault(
            at.span,
            "this leasehold was built without Kerberos",
            "of no use to it",
            "build it with `--features gss`, or take it out",
        );
        return None;
    }
    keytab_of(at, keys, findings).map(Path::to_path_buf)
}

fn keytab_of<'a>(at: &'a At<FilePath>, keys: &Keys<'_>, findings: &mut Findings) -> Option<&'a Path> {
    let path = Path::new(&at.value.0);
    if !path.is_absolute() {
        let mend = "write the whole path, such as \"/etc/leasehold/leasehold.keytab\"";
        findings.fault(at.span, "the path of a keytab begins with `/`", "not from `/` on", mend);
        return None;
    }
    if keys.secrets.is_open_to_all(path) {
        findings.fault(
            at.span,
            format!("every user of this machine can read the keytab {}", at.value.0),
            "open to all",
            format!("take away the right: `chmod o-r {}`; the daemon's user alone needs it", at.value.0),
        );
    }
    Some(path)
}

fn principal_of(at: &At<FreeText>, findings: &mut Findings) -> Option<String> {
    let text = at.value.0.trim();
    match text.rsplit_once('@') {
        Some((account, realm)) if !account.is_empty() && !realm.is_empty() => {
            if realm.chars().any(|letter| letter.is_ascii_lowercase()) {
                findings.warn(
                    at.span,
                    format!("the realm `{realm}` is not in capitals, as the names of realms are"),
                    "in small letters",
                    format!("write `{account}@{}`, unless the KDC says otherwise", realm.to_ascii_uppercase()),
                );
            }
            Some(text.to_owned())
        }
        _ => {
            findings.fault(
                at.span,
                format!("the principal `{text}` has no realm"),
                "without a realm",
                "write it as `klist -k` shows it, such as \"dhcp/ns1.example.com@EXAMPLE.COM\"",
            );
            None
        }
    }
}

/// The principals of the servers, in their order.
fn services(
    at: &At<OneOrMore<FreeText>>,
    servers: &[SocketAddr],
    realm: &str,
    findings: &mut Findings,
) -> Box<[(SocketAddr, Box<str>)]> {
    let each = at.each();
    if each.len() != servers.len() {
        findings.fault(
            at.span,
            format!("there are {} servers and {} services: each server has a principal of its own", servers.len(), each.len()),
            "not one for each server",
            "write a list with one for each server, in their order; or leave `service` out, and each is asked for its name",
        );
        return Box::default();
    }
    let whole = |at: &At<FreeText>, findings: &mut Findings| service(at.value.0.trim(), at.span, realm, findings);
    servers.iter().zip(&each).filter_map(|(server, at)| Some((*server, whole(at, findings)?))).collect()
}

/// `DNS/host`, with the realm.
fn service(text: &str, span: Span, realm: &str, findings: &mut Findings) -> Option<Box<str>> {
    let (name, realm) = text.rsplit_once('@').unwrap_or((text, realm));
    match name.split_once('/') {
        Some((kind, host)) if !kind.is_empty() && host.contains('.') => Some(format!("{name}@{realm}").into()),
        _ => {
            findings.fault(
                span,
                format!("`{text}` is not the principal of a DNS server"),
                "not a service",
                "write DNS, a slash and the server's whole name, such as \"DNS/dc1.example.com\"",
            );
            None
        }
    }
}
