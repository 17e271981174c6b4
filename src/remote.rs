//! Another machine's daemon, asked by its API: what `--server` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::control::Request;

/// The longest answer that is read: a million leases fit.
const ANSWER_BYTES_MAX: u64 = 1 << 30;
/// An answer has to be there by then. An audit of many zones takes its time.
const ANSWER_WAIT: Duration = Duration::from_secs(600);
/// And somebody has to be there by then.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How a command finds another machine's daemon.
#[derive(Args, Clone, Debug, Default)]
pub struct Remote {
    /// Ask the daemon of another machine, by its API: such as https://dhcp.home.example:8067.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// The file with the token that is shown to it (`leasehold web token`).
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,
    /// The authority that its certificate is signed by, in PEM, or the certificate itself where it is of its own making; else
    /// those that this machine trusts.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub ca_file: Option<PathBuf>,
}

impl Remote {
    /// Asks it, where it is to be asked; `None`: the daemon of this machine is.
    ///
    /// # Errors
    /// It cannot be reached or does not show a certificate that is trusted, or refuses; in words.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Option<anyhow::Result<T>> {
        self.server.as_ref().map(|server| self.ask_at(server, request))
    }

    fn ask_at<T: DeserializeOwned>(&self, server: &str, request: &Request) -> anyhow::Result<T> {
        let base = base(server)?;
        let url = format!("{base}/api/v1/commands/{}", request.role());
        let mut asking = self.agent(&base)?.post(&url).header("content-type", "application/json");
        if let Some(path) = &self.token_file {
            asking = asking.header("authorization", format!("Bearer {}", token(path)?));
        }
        let body = serde_json::to_vec(request)?;
        let mut response = asking.send(&body[..]).map_err(|error| unreachable(&base, &error))?;
        let status = response.status();
        let answer = crate::block_lists::unpacked(response.body_mut(), ANSWER_BYTES_MAX);
        let answer = answer.with_context(|| format!("the answer of {base} broke off"))?;
        if status.is_success() {
            return serde_json::from_slice(&answer).with_context(|| {
                format!(
                    "the answer of {base} cannot be read: is it a daemon of this version ({})?",
                    env!("CARGO_PKG_VERSION")
                )
            });
        }
        let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let detail = problem["detail"].as_str().map_or_else(|| format!("it answered {status}"), str::to_owned);
        match status.as_u16() {
            401 => {
                bail!("{base} wants to know who asks: {detail} (--token-file; `leasehold web token` on it makes one)")
            }
            404 if problem["detail"].is_null() => bail!("{base} is no Leasehold of this version"),
            _ => bail!("{base}: {detail}"),
        }
    }

    fn agent(&self, base: &str) -> anyhow::Result<ureq::Agent> {
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WAIT))
            .timeout_connect(Some(CONNECT_WAIT))
            .http_status_as_error(false)
            // A token is for this server and for nobody whom it names.
            .max_redirects(0)
            .user_agent(concat!("leasehold/", env!("CARGO_PKG_VERSION")));
        if base.starts_with("https://") {
            config = config.tls_config(self.tls()?);
        }
        Ok(config.build().new_agent())
    }

    fn tls(&self) -> anyhow::Result<TlsConfig> {
        let roots: Vec<Certificate<'static>> = match &self.ca_file {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                let found = ureq::tls::parse_pem(&text).filter_map(|item| match item {
                    Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                });
                let roots: Vec<_> = found.collect();
                if roots.is_empty() {
                    bail!("{} holds no certificate in PEM", path.display());
                }
                roots
            }
            None => {
                let found = rustls_native_certs::load_native_certs().certs;
                found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
            }
        };
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(crate::tls::provider())
            .build())
    }
}

/// The address without a slash at its end, once it can be used.
fn base(server: &str) -> anyhow::Result<String> {
    let uri: Uri =
        server.parse().with_context(|| format!("{server} is no address such as https://dhcp.home.example:8067"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_here => {}
        Some("http") => bail!("a token could be read on its way to {host}: write https:// in front of it"),
        _ => bail!("write the whole address, such as https://{server}"),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        bail!("write no password into an address: others see it (--token-file)");
    }
    Ok(server.trim_end_matches('/').to_owned())
}

fn token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token in {}", path.display()))?;
    let token = text.trim();
    if token.is_empty() || token.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        bail!("{} holds no token: one line, as `leasehold web token` shows it", path.display());
    }
    Ok(token.to_owned())
}

fn unreachable(base: &str, error: &ureq::Error) -> anyhow::Error {
    let words = error.to_string();
    let mend = match words.contains("certificate") || words.contains("UnknownIssuer") {
        true => {
            "; where it is of its own making, copy page-certificate/self-made.pem's certificate from it and name it with --ca-file"
        }
        false => "",
    };
    anyhow::anyhow!("{base} cannot be asked: {words}{mend}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_to_which_a_token_can_be_sent_are_taken() {
        assert_eq!(base("https://dhcp.lan:8067/").unwrap(), "https://dhcp.lan:8067");
        assert_eq!(base("http://127.0.0.1:8067").unwrap(), "http://127.0.0.1:8067");
        for (server, words) in [
            ("http://dhcp.lan", "write https://"),
            ("dhcp.lan:8067", "write the whole address"),
            ("https://anna:secret@dhcp.lan", "no password"),
            ("ftp://dhcp.lan", "write the whole address"),
        ] {
            let told = base(server).unwrap_err().to_string();
            assert!(told.contains(words), "{server}: {told}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for (text, read) in [("lhd_abc\n", Some("lhd_abc")), ("", None), ("a b", None), ("a\nb", None)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(token(&path).ok().as_deref(), read, "{text:?}");
        }
    }
}
