//! Where DNS is served by TLS (RFC 7858) and by HTTPS (RFC 8484), and with which certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::scalars::server_address;
use crate::fault::Findings;
use crate::file::At;
use crate::file::kinds::{FilePath, SameAddresses, ServerAddress, WordOr};
use crate::file::v1;
use crate::settings::{CertificateFiles, EncryptedDns, Listen};

/// RFC 7858 section 3.1.
const TLS_PORT: u16 = 853;
const HTTPS_PORT: u16 = 443;
/// What RFC 8484 has in its examples, and everybody since.
const PATH: &str = "/dns-query";

/// `None`: nowhere. `plain`: where it is served without.
pub(super) fn read(written: &v1::Dns, plain: &Listen, findings: &mut Findings) -> Option<EncryptedDns> {
    let tls = listen(written.tls_listen.as_ref(), plain, TLS_PORT, findings);
    let https = listen(written.https_listen.as_ref(), plain, HTTPS_PORT, findings);
    let files = files(written, findings);
    let path = path(written, findings);
    if let (Some(Listen::Addresses(tls)), Some(Listen::Addresses(https)), Some(at)) =
        (&tls, &https, &written.https_listen)
        && let Some(both) = tls.iter().find(|address| https.contains(address))
    {
        findings.fault(
            at.span,
            format!("{both} is asked to serve TLS and HTTPS at one port"),
            "taken by `tls_listen`",
            "give them ports of their own, such as 853 and 443",
        );
    }
    if tls.is_none() && https.is_none() {
        let needless = [
            (written.certificate.as_ref().map(|at| at.span), "certificate"),
            (written.certificate_key.as_ref().map(|at| at.span), "certificate_key"),
            (written.https_path.as_ref().map(|at| at.span), "https_path"),
        ];
        for (span, key) in needless {
            if let Some(span) = span {
                findings.fault(
                    span,
                    format!("`{key}` is about DNS by TLS and HTTPS, and neither is served"),
                    "nothing shows it",
                    "add `tls_listen = \"same\"` or `https_listen = \"same\"`, or take this key out",
                );
            }
        }
        return None;
    }
    Some(EncryptedDns { tls, https, https_path: path, certificate: files })
}

fn listen(
    written: Option<&At<WordOr<SameAddresses, ServerAddress>>>,
    plain: &Listen,
    port: u16,
    findings: &mut Findings,
) -> Option<Listen> {
    let At { value, span } = written?;
    match (value, plain) {
        (WordOr::List(list), _) if list.is_empty() => {
            findings.fault(
                *span,
                "this list names no address",
                "empty",
                "write \"same\", or addresses; or take it out",
            );
            None
        }
        (WordOr::List(list), _) => {
            Some(Listen::Addresses(list.iter().filter_map(|at| server_address(at, port, findings)).collect()))
        }
        (WordOr::Word(_), Listen::Interfaces { .. }) => Some(Listen::Interfaces { port }),
        (WordOr::Word(_), Listen::Addresses(list)) => {
            let mut own: Vec<SocketAddr> = list.iter().map(|address| (address.ip(), port).into()).collect();
            own.dedup();
            Some(Listen::Addresses(own))
        }
    }
}

fn files(written: &v1::Dns, findings: &mut Findings) -> Option<CertificateFiles> {
    let read = |at: &At<FilePath>| PathBuf::from(at.value.0.trim());
    match (&written.certificate, &written.certificate_key) {
        (Some(certificate), key) => {
            let certificate = read(certificate);
            let key = key.as_ref().map_or_else(|| certificate.clone(), read);
            Some(CertificateFiles { certificate, key })
        }
        (None, Some(key)) => {
            findings.fault(
                key.span,
                "there is a key, and no certificate that it belongs to",
                "whose key?",
                "add `certificate = \"...\"`, or take this key out: a certificate is made here then",
            );
            None
        }
        (None, None) => None,
    }
}

fn path(written: &v1::Dns, findings: &mut Findings) -> String {
    let Some(at) = &written.https_path else { return PATH.to_owned() };
    let path = at.value.0.trim();
    let is_plain = path.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'?' | b'#' | b'{' | b'%'));
    if !path.starts_with('/') || !is_plain {
        findings.fault(
            at.span,
            format!("`{path}` is no path of a URL"),
            "not a path",
            "write one from `/` on and without a query, such as \"/dns-query\"",
        );
    }
    path.to_owned()
}
