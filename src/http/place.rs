//! Where the page is served, how TLS is spoken there, and for whom.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use config::settings::{WebRole, WebSettings, WebTls};
use tokio::net::TcpListener;
use tracing::warn;
use web::Tls;
use web::access::{Accounts, Role, Token, User};

use crate::port_holder::find_address_holder;
use crate::tls::{CertificateSource, Identity, alpn};

/// What a certificate of our own is kept in, in the directory of the lease store.
const MADE_DIRECTORY: &str = "page-certificate";

/// A bound socket, or an address that is to be had later.
#[derive(Debug)]
pub struct Place {
    pub(super) listener: Option<TcpListener>,
    pub(super) address: SocketAddr,
    /// Where whoever comes without TLS is sent on from.
    pub(super) redirect: Option<TcpListener>,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) tls: Option<Tls>,
}

impl Place {
    /// Binds the address. One that nobody has asked for and that is taken, or that the machine does not have, is tried
    /// again later: addresses and names are worth more than the page. `store` is where a certificate of our own is kept.
    ///
    /// # Errors
    /// An address that the configuration names cannot be had, or a certificate.
    pub async fn bind(settings: &WebSettings, store: &Path) -> anyhow::Result<Self> {
        let (identity, tls) = match &settings.tls {
            None => (None, None),
            Some(written) => {
                let (identity, tls) = speak(written, settings, store)?;
                (Some(identity), Some(tls))
            }
        };
        let redirect = match settings.redirect {
            Some(address) => Some(listen(address, "redirect").await?),
            None => None,
        };
        let address = settings.listen;
        let mut place = Self { listener: None, address, redirect, identity, tls };
        if settings.is_written {
            let listener = listen(address, "listen").await?;
            place.address = listener.local_addr().unwrap_or(address);
            place.listener = Some(listener);
            return Ok(place);
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                place.address = listener.local_addr().unwrap_or(address);
                place.listener = Some(listener);
            }
            Err(error) => {
                warn!("the page is not served: {address} cannot be had ({error}); `listen` in [web] names another one");
            }
        }
        Ok(place)
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let held = match error.kind() {
            ErrorKind::AddrInUse => format!(": {} has it", find_address_holder(address)),
            _ => String::new(),
        };
        anyhow::Error::new(error).context(format!("cannot serve the page on {address} (`{key}` in [web]){held}"))
    })
}

fn speak(written: &WebTls, settings: &WebSettings, store: &Path) -> anyhow::Result<(Arc<Identity>, Tls)> {
    let source = match written {
        WebTls::Files { certificate, key } => {
            CertificateSource::Files { certificate: certificate.clone(), key: key.clone() }
        }
        WebTls::SelfMade => {
            CertificateSource::SelfMade { directory: store.join(MADE_DIRECTORY), names: own_names(settings) }
        }
    };
    let identity = Identity::load(source).context("the page has no certificate (`certificate` in [web])")?;
    let config = identity.server_config(&[alpn::HTTP_1]).context("the page has no TLS")?;
    Ok((identity, Tls { config, hsts: settings.hsts }))
}

/// What a certificate of our own is for: how the page is asked for, as far as it is known.
fn own_names(settings: &WebSettings) -> Vec<String> {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names = settings.names.clone();
    names.extend(["localhost".to_owned(), machine.trim().to_ascii_lowercase()]);
    if !settings.listen.ip().is_unspecified() {
        names.push(settings.listen.ip().to_string());
    }
    names.retain(|name| !name.is_empty() && name != "(none)");
    names.sort();
    names.dedup();
    names
}

/// Who may come, as the configuration says.
#[must_use]
pub fn accounts(settings: &WebSettings) -> Accounts {
    let role = |role| match role {
        WebRole::View => Role::View,
        WebRole::Operate => Role::Operate,
        WebRole::Administer => Role::Administer,
    };
    let user = |user: &config::settings::WebUser| User {
        name: user.name.clone(),
        role: role(user.role),
        password_hash: user.password_hash.clone(),
    };
    let token = |token: &config::settings::WebToken| Token {
        name: token.name.clone(),
        role: role(token.role),
        hash: token.hash,
        expires_at: token.expires_at,
        addresses: token.addresses.clone(),
    };
    Accounts {
        users: settings.users.iter().map(user).collect(),
        tokens: settings.tokens.iter().map(token).collect(),
        loopback_role: settings.loopback_role.map(role),
        names: settings.names.clone(),
    }
}
