//! Who is refused, and what a browser may do with the page.
//!
//! There is no login yet, so the server is reached by this machine's loopback only. A page of somebody else's that is
//! open in a browser on this machine could still ask here: by a name of its own that it has made to lead to 127.0.0.1 (DNS
//! rebinding). So the name that was asked for must be one of loopback's own, and requests that a browser says are made
//! by another site are refused.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Everything from here, nothing from elsewhere; no frame around the page, no form that leaves it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Refuses, or lets through and adds the headers that every answer carries.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let mut response = if !host.is_some_and(is_own_name) {
        refused(
            StatusCode::MISDIRECTED_REQUEST,
            "this server answers to localhost, 127.0.0.1 and [::1] only, so that no other site can lead a browser here",
        )
    } else if is_foreign(&request) {
        refused(StatusCode::FORBIDDEN, "a page of another site asks; only this server's own page may")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    let mut set = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A name or an address that leads to this machine wherever it is asked, with or without a port.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "[::1]" || is_loopback(name)
}

fn is_loopback(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Browsers say where a request comes from (Fetch Metadata). A link that somebody follows to the page is let through,
/// since what it brings is shown to whoever followed it, and to nobody else.
fn is_foreign(request: &Request) -> bool {
    let says = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let elsewhere = matches!(says("sec-fetch-site"), Some("cross-site" | "same-site"));
    elsewhere && says("sec-fetch-mode") != Some("navigate")
}

fn refused(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

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
