//! The page and the HTTP API: where they are served, and who may do what there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// The page and the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// Where they are served.
    pub listen: SocketAddr,
    /// How TLS is spoken there; `None`: it is not.
    pub tls: Option<WebTls>,
    /// Where whoever comes without TLS is sent on from.
    pub redirect: Option<SocketAddr>,
    /// Whether browsers are told to come by TLS only from now on.
    pub hsts: bool,
    /// Names by which they are asked for; empty: see [`web`](crate::file::v1::Web::names).
    pub names: Vec<String>,
    /// What users of this machine may do without signing in; `None`: nothing.
    pub loopback_role: Option<WebRole>,
    /// Who may sign in.
    pub users: Vec<WebUser>,
    /// What scripts come with.
    pub tokens: Vec<WebToken>,
    /// The file asks for them: then it is a fault when they cannot be served. Else they are there where they can be.
    pub is_written: bool,
    /// The configuration file's name.
    pub file: Arc<str>,
    /// Its text as it is shown there: without secrets.
    pub text: Arc<str>,
}

/// Where the page's certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebTls {
    /// PEM files.
    Files {
        /// The certificate, and those that lead to its authority.
        certificate: PathBuf,
        /// Its key; the same file where it holds both.
        key: PathBuf,
    },
    /// The daemon makes it.
    SelfMade,
}

/// What somebody may do over HTTP; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebRole {
    /// See everything but secrets.
    View,
    /// Also change what comes and goes.
    Operate,
    /// Also change the server itself.
    Administer,
}

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUser {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: WebRole,
    /// Their password as argon2id has made it: a PHC string that can be verified.
    pub password_hash: String,
}

/// What a script comes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebToken {
    /// What the log calls it.
    pub name: String,
    /// What it may be used for.
    pub role: WebRole,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it ends, in UTC seconds; `None`: never.
    pub expires_at: Option<u64>,
    /// Where it may be used from, first and last address of each block; empty: from everywhere.
    pub addresses: Vec<(IpAddr, IpAddr)>,
}
