//! The page and the HTTP API.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::scalars::server_address;
use crate::fault::{Findings, Span};
use crate::file::v1;
use crate::settings::WebSettings;

/// Port 80 with DHCP's 67 behind it: no privilege is needed for it, and it can be remembered.
const PORT: u16 = 8_067;

/// `None`: they are turned off.
pub(super) fn read(written: &v1::Web, findings: &mut Findings) -> Option<WebSettings> {
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    if let Some(at) = &written.listen
        && let Some(address) = server_address(at, PORT, findings)
    {
        if !address.ip().is_loopback() {
            findings.fault(
                at.span,
                format!(
                    "the page would be open to whoever can reach {}: it has neither a login nor TLS yet",
                    address.ip()
                ),
                "not of loopback",
                "write an address such as \"127.0.0.1\", and come from elsewhere through SSH: `ssh -L 8067:127.0.0.1:8067 SERVER`",
            );
        }
        listen = address;
    }
    let is_written = written.listen.is_some() || written.enabled == Some(true);
    let served = written.enabled.unwrap_or(true);
    served.then(|| WebSettings { listen, is_written, file: Arc::default(), text: Arc::default() })
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
