//! What a browser may do with the page, by which names the server is asked for, and who asks.
//!
//! A page of somebody else's that is open in a browser could ask here: by a name of its own that it has made to lead to
//! this server (DNS rebinding). Where nobody has to sign in, the name that was asked for must be one of loopback's own;
//! where one has to, a browser that is led here under another name brings no cookie along. Requests that a browser says
//! are made by another site are refused.

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::{Access, Accounts, Peer};
use crate::problem::{KIND, problem};

/// Everything from here, nothing from elsewhere; no frame around the page, no form that leaves it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The longest text of a refusal that is not ours.
const WORDS_MAX: usize = 4_096;
/// Half a year of TLS for this name (RFC 6797).
const HSTS: &str = "max-age=15768000";

/// What a guard knows.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) access: Access,
    /// Whether browsers are told to come by TLS only from now on.
    pub(crate) hsts: bool,
}

/// Refuses, or finds out who asks and lets through; adds the headers that every answer carries.
pub(crate) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let of_api = request.uri().path().starts_with("/api/");
    let mut response = match judge(&guard.access, peer, &mut request) {
        Ok(()) => next.run(request).await,
        Err(response) => *response,
    };
    if of_api {
        response = as_problem(response).await;
    }
    let headers = response.headers_mut();
    let mut set = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if guard.hsts && peer.is_some_and(|peer| peer.tls) {
        set(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What the router refuses by itself (a path that is no text, a method that a route has not) as every problem is.
async fn as_problem(response: Response) -> Response {
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == KIND);
    let status = response.status();
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, WORDS_MAX).await.unwrap_or_default();
    let words = match (status, String::from_utf8_lossy(&text).trim()) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => "this is not asked so; `Allow` says how".to_owned(),
        (_, "") => status.canonical_reason().unwrap_or("it is refused").to_owned(),
        (_, words) => words.to_owned(),
    };
    let mut told = problem(status, words);
    let of_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    let others = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    told.headers_mut().extend(others.filter(|(name, _)| !of_body.contains(name)));
    told
}

fn judge(access: &Access, peer: Option<Peer>, request: &mut Request) -> Result<(), Box<Response>> {
    let Some(peer) = peer else {
        return Err(Box::new(problem(StatusCode::INTERNAL_SERVER_ERROR, "it is not known where this comes from")));
    };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| is_answered(host, &access.accounts())) {
        let words = "this server does not answer to that name, so that no other site can lead a browser here; it does to \
                     localhost and 127.0.0.1, and to `names` in [web]";
        return Err(Box::new(problem(StatusCode::MISDIRECTED_REQUEST, words)));
    }
    if is_foreign(request.method(), request.headers()) {
        let words = "a page of another site asks; only this server's own page may";
        return Err(Box::new(problem(StatusCode::FORBIDDEN, words)));
    }
    match access.identify(request.method(), request.headers(), peer) {
        Ok(caller) => drop(request.extensions_mut().insert(caller)),
        Err(refusal) => return Err(Box::new(refusal.into_response())),
    }
    Ok(())
}

/// Whether the server is asked by a name of its own.
fn is_answered(host: &str, accounts: &Accounts) -> bool {
    if is_own_name(host) {
        return true;
    }
    let name = without_port(host);
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok() || name.starts_with('[');
    let is_named = || accounts.names.iter().any(|own| own.eq_ignore_ascii_case(name.trim_end_matches('.')));
    accounts.any() && (accounts.names.is_empty() || is_address || is_named())
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// A name or an address that leads to this machine wherever it is asked, with or without a port.
pub(crate) fn is_own_name(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || name == "[::1]" || is_loopback(name)
}

fn is_loopback(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Browsers say where a request comes from (Fetch Metadata). A link that somebody follows to the page is let through,
/// since what it brings is shown to whoever followed it, and to nobody else.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let elsewhere = matches!(says("sec-fetch-site"), Some("cross-site" | "same-site"));
    elsewhere && !(says("sec-fetch-mode") == Some("navigate") && method.is_safe())
}

#[cfg(test)]
mod tests {
    use super::{Accounts, is_answered, is_own_name};
    use crate::access::{Role, User};

    #[test]
    fn where_one_signs_in_other_names_are_answered_unless_they_are_listed() {
        let user = User { name: "a".into(), role: Role::View, password_hash: String::new() };
        let open = Accounts::open_to_this_machine(Role::View);
        let mut accounts = Accounts { users: vec![user], ..Accounts::default() };
        for host in ["dhcp.lan:8067", "192.168.30.1:8067", "[fd00::1]:8067", "DHCP.lan", "dhcp.lan."] {
            assert!(is_answered(host, &accounts), "{host}");
            assert!(!is_answered(host, &open), "{host}");
        }
        accounts.names = vec!["dhcp.lan".into()];
        for (host, answered) in [
            ("dhcp.lan:8067", true),
            ("DHCP.lan", true),
            ("dhcp.lan.", true),
            ("192.168.30.1", true),
            ("localhost", true),
            ("evil.example", false),
            ("dhcp.lan.evil.example", false),
        ] {
            assert_eq!(is_answered(host, &accounts), answered, "{host}");
        }
    }

    #[test]
    fn only_names_of_loopback_are_answered() {
        for own in ["localhost", "localhost:8067", "LOCALHOST:80", "127.0.0.1:8067", "127.9.9.9", "[::1]", "[::1]:8067"]
        {
            assert!(is_own_name(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8067",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.0.1:8067",
            "[::2]:8067",
            "localhost:x",
            "0x7f.1",
        ] {
            assert!(!is_own_name(foreign), "{foreign}");
        }
    }
}
