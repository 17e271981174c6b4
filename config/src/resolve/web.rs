//! The page and the HTTP API: where they are, and for whom.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use argon2::Params;
use argon2::password_hash::PasswordHash;
use ipnet::IpNet;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::ReadSecret;
use super::scalars::{hex, server_address};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::{AskerText, DateText, FilePath, FreeText};
use crate::file::v1::{self, LocalRole, RoleWord};
use crate::settings::{WebRole, WebSettings, WebTls, WebToken, WebUser};

/// Port 80 with DHCP's 67 behind it: no privilege is needed for it, and it can be remembered.
const PORT: u16 = 8_067;
/// Where whoever forgets the `s` of `https` comes to.
const PLAIN_PORT: u16 = 80;
/// The most memory that one password may take: two are hashed at once.
const HASH_KIB_MAX: u32 = 256 * 1_024;
/// The most passes over it.
const PASSES_MAX: u32 = 64;

/// `None`: they are turned off.
pub(super) fn read(written: &v1::Web, secrets: &dyn ReadSecret, findings: &mut Findings) -> Option<WebSettings> {
    let mut names = Names::default();
    let users: Vec<WebUser> =
        written.user.iter().filter_map(|at| user(&at.value, &mut names, secrets, findings)).collect();
    let tokens: Vec<WebToken> = written.token.iter().filter_map(|at| token(&at.value, &mut names, findings)).collect();
    let anybody = !written.user.is_empty() || !written.token.is_empty();
    let tls = tls(written, findings);
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    if let Some(at) = &written.listen
        && let Some(address) = server_address(at, PORT, findings)
    {
        check_reach(at.span, address.ip(), tls.is_some(), anybody, findings);
        listen = address;
    }
    let redirect = written.redirect.as_ref().and_then(|at| redirect(at, tls.is_some(), listen, findings));
    let hsts = hsts(written, tls.as_ref(), findings);
    let served = written.enabled.unwrap_or(true);
    served.then(|| WebSettings {
        listen,
        is_written: written.listen.is_some() || written.enabled == Some(true),
        tls,
        redirect,
        hsts,
        names: written.names.iter().flatten().map(|at| at.value.0.trim_end_matches('.').to_ascii_lowercase()).collect(),
        loopback_role: match written.loopback_role {
            Some(LocalRole::View) => Some(WebRole::View),
            Some(LocalRole::Operate) => Some(WebRole::Operate),
            Some(LocalRole::Administer) => Some(WebRole::Administer),
            Some(LocalRole::Nobody) => None,
            None => (!anybody).then_some(WebRole::Administer),
        },
        users,
        tokens,
        file: Arc::default(),
        text: Arc::default(),
    })
}

fn check_reach(span: Span, ip: IpAddr, tls: bool, anybody: bool, findings: &mut Findings) {
    if ip.to_canonical().is_loopback() {
        return;
    }
    if !anybody {
        findings.fault(
            span,
            format!("the page would be open to whoever can reach {ip}: there is no [[web.user]] and no [[web.token]]"),
            "nobody has to sign in",
            "`leasehold web password --user NAME --role administer` writes a user to put into this file; or keep to \
             \"127.0.0.1\" and come from elsewhere through SSH: `ssh -L 8067:127.0.0.1:8067 SERVER`",
        );
    }
    if !tls {
        findings.fault(
            span,
            format!("passwords and tokens could be read on their way to {ip}: it has no TLS"),
            "without TLS",
            "add `tls = true` for a certificate that the daemon makes, or name yours in `certificate` and `certificate_key`",
        );
    }
}

fn file(at: &At<FilePath>, findings: &mut Findings) -> PathBuf {
    let path = PathBuf::from(at.value.0.trim());
    if !path.is_absolute() {
        findings.fault(
            at.span,
            format!("`{}` is not a path from `/` on", at.value.0),
            "depends on where the daemon is started",
            "write the whole path, such as \"/etc/leasehold/page.pem\"",
        );
    }
    path
}

fn tls(written: &v1::Web, findings: &mut Findings) -> Option<WebTls> {
    let certificate = written.certificate.as_ref().map(|at| file(at, findings));
    let key = written.certificate_key.as_ref().map(|at| file(at, findings));
    if let (Some(at), Some(false)) = (&written.tls, written.tls.as_ref().map(|at| at.value))
        && let Some(certificate) = &written.certificate
    {
        findings
            .fault(
                at.span,
                "there is a certificate, and TLS is turned off",
                "nothing is shown it",
                "take `tls = false` out, or the certificate",
            )
            .see(certificate.span, "the certificate");
    }
    match (certificate, key) {
        (Some(certificate), key) => {
            Some(WebTls::Files { key: key.unwrap_or_else(|| certificate.clone()), certificate })
        }
        (None, Some(_)) => {
            if let Some(at) = &written.certificate_key {
                findings.fault(
                    at.span,
                    "the key of a certificate is named, and the certificate is not",
                    "whose key?",
                    "name the certificate's file in `certificate`",
                );
            }
            Some(WebTls::SelfMade)
        }
        (None, None) => written.tls.as_ref().is_some_and(|at| at.value).then_some(WebTls::SelfMade),
    }
}

fn redirect(
    at: &At<crate::file::kinds::ServerAddress>,
    tls: bool,
    listen: SocketAddr,
    findings: &mut Findings,
) -> Option<SocketAddr> {
    let address = server_address(at, PLAIN_PORT, findings)?;
    if !tls {
        findings.fault(
            at.span,
            "there is nowhere to send anybody: the page has no TLS",
            "without TLS",
            "add `tls = true` or a `certificate`, or take `redirect` out",
        );
    }
    let same_ip = address.ip() == listen.ip() || address.ip().is_unspecified() || listen.ip().is_unspecified();
    if same_ip && address.port() == listen.port() {
        findings.fault(
            at.span,
            "this is where the page itself is",
            "taken by `listen`",
            "take `redirect` out: whoever comes to the page's own port without TLS is sent on anyway",
        );
    }
    Some(address)
}

/// Browsers do not let anybody pass a certificate that they do not trust once they were told to insist on TLS: so it is
/// never said of one of our own making.
fn hsts(written: &v1::Web, tls: Option<&WebTls>, findings: &mut Findings) -> bool {
    let has_files = matches!(tls, Some(WebTls::Files { .. }));
    match &written.hsts {
        Some(at) if at.value && !has_files => {
            findings.fault(
                at.span,
                "browsers cannot be told to insist on TLS without a certificate that they trust",
                "locks browsers out",
                "name one in `certificate`, or take `hsts` out",
            );
            false
        }
        Some(at) => at.value,
        None => has_files,
    }
}

/// Names that are taken, and where.
#[derive(Default)]
struct Names<'f>(BTreeMap<&'f str, Span>);

impl<'f> Names<'f> {
    fn take(&mut self, at: &'f At<FreeText>, findings: &mut Findings) -> Option<String> {
        let name = at.value.0.as_str();
        let is_name = !name.is_empty() && name.len() <= 64 && name.trim() == name && !name.contains(char::is_control);
        if !is_name {
            findings.fault(
                at.span,
                "a name has 1 to 64 bytes, and no space at its ends",
                "not a name",
                "write a short name, such as \"anna\"",
            );
            return None;
        }
        if let Some(earlier) = self.0.insert(name, at.span) {
            findings
                .fault(
                    at.span,
                    format!("the name `{name}` is taken: the log could not tell the two apart"),
                    "named again",
                    "give one of them another name",
                )
                .see(earlier, "named here first");
        }
        Some(name.to_owned())
    }
}

fn role(word: RoleWord) -> WebRole {
    match word {
        RoleWord::View => WebRole::View,
        RoleWord::Operate => WebRole::Operate,
        RoleWord::Administer => WebRole::Administer,
    }
}

fn user<'f>(
    written: &'f v1::WebUser,
    names: &mut Names<'f>,
    secrets: &dyn ReadSecret,
    findings: &mut Findings,
) -> Option<WebUser> {
    let name = written.name.as_ref().and_then(|at| names.take(at, findings));
    let at = written.password_hash.as_ref()?;
    if let Err(why) = check_hash(&at.value.0) {
        findings.fault(
            at.span,
            format!("this is not a password's hash that can be used: {why}"),
            "not a hash",
            "let `leasehold web password` make one; the password itself never stands in this file",
        );
    } else if secrets.configuration_is_open_to_all() {
        findings.warn(
            at.span,
            "every user of this machine can read the hash and try passwords on it: the configuration is open to all",
            "open to all",
            "take away the right: `chmod o-r` on this file",
        );
    }
    Some(WebUser { name: name?, role: role(written.role?), password_hash: at.value.0.clone() })
}

fn check_hash(text: &str) -> Result<(), String> {
    let hash = PasswordHash::new(text).map_err(|error| error.to_string())?;
    if hash.algorithm.as_str() != "argon2id" {
        return Err(format!("it is of {}, and argon2id is taken", hash.algorithm));
    }
    if hash.hash.is_none_or(|hash| hash.len() < 16) || hash.salt.is_none() {
        return Err("part of it is missing".to_owned());
    }
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    if params.m_cost() > HASH_KIB_MAX || params.t_cost() > PASSES_MAX {
        return Err(format!("it takes more than {HASH_KIB_MAX} KiB or {PASSES_MAX} passes"));
    }
    Ok(())
}

fn token<'f>(written: &'f v1::WebToken, names: &mut Names<'f>, findings: &mut Findings) -> Option<WebToken> {
    let name = written.name.as_ref().and_then(|at| names.take(at, findings));
    let hash = written.token_hash.as_ref().and_then(|at| {
        let hash = hex(at.value.0.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        if hash.is_none() {
            findings.fault(
                at.span,
                "this is not the SHA-256 of a token: 64 hexadecimal digits",
                "not a hash",
                "let `leasehold web token NAME` make one; the token itself never stands in this file",
            );
        }
        hash
    });
    let expires_at = written.expires.as_ref().and_then(|at| end_of(at, findings));
    let addresses = written.addresses.as_ref().map_or_else(Vec::new, |list| {
        if list.value.is_empty() {
            findings.fault(
                list.span,
                "a token that may be used from nowhere is of no use",
                "empty",
                "name addresses or prefixes, or take `addresses` out for a token that may be used from everywhere",
            );
        }
        list.value.iter().filter_map(|at| block(at, findings)).collect()
    });
    Some(WebToken { name: name?, role: role(written.role?), hash: hash?, expires_at, addresses })
}

/// UTC seconds at which the day is over.
fn end_of(at: &At<DateText>, findings: &mut Findings) -> Option<u64> {
    let day: Option<Date> = at.value.0.trim().parse().ok();
    let end = day.and_then(|day| day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok());
    let secs = end.and_then(|end| u64::try_from(end.timestamp().as_second()).ok());
    if secs.is_none() {
        findings.fault(
            at.span,
            format!("`{}` is not a day", at.value.0),
            "not a date",
            "write year, month and day, such as \"2027-12-31\"",
        );
    }
    secs
}

/// First and last address.
fn block(at: &At<AskerText>, findings: &mut Findings) -> Option<(IpAddr, IpAddr)> {
    let text = at.value.0.trim();
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if net.is_none() {
        findings.fault(
            at.span,
            format!("`{text}` is neither an address nor a prefix"),
            "not an address",
            "write an address or a prefix, such as \"192.168.30.0/24\"",
        );
    }
    net.map(|net| (net.network(), net.broadcast()))
}

/// The text of a file without what is at these places.
pub(crate) fn without_secrets(text: &str, mut secrets: Vec<Span>) -> String {
    secrets.sort();
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for Span { start, end } in secrets {
        shown.push_str(text.get(at..start).unwrap_or_default());
        shown.push_str("\"(left out)\"");
        at = end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_wherever_they_stand() {
        let text = "secret = \"abc\" # one\nother = 1\nsecret = \"def\"";
        let secrets = vec![Span { start: 40, end: 45 }, Span { start: 9, end: 14 }];
        let shown = without_secrets(text, secrets);
        assert_eq!(shown, "secret = \"(left out)\" # one\nother = 1\nsecret = \"(left out)\"");
    }
}
