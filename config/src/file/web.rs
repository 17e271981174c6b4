//! Tables about the page and the HTTP API.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{AskerText, DateText, FilePath, FreeText, HostName, PasswordHash, ServerAddress, TokenHash};
use super::words::{LocalRole, RoleWord};

/// The page and the HTTP API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Whether they are served; they are unless this is false.
    pub enabled: Option<bool>,
    /// Address to listen on; else 127.0.0.1:8067. One that is not of loopback needs TLS, and a user or a token.
    pub listen: Option<At<ServerAddress>>,
    /// Whether TLS is spoken: as a rule where `certificate` is given. With true and without `certificate` the daemon makes a
    /// certificate of its own, which browsers have to be told to trust.
    pub tls: Option<At<bool>>,
    /// The certificate in PEM, with those that lead to its authority behind it.
    pub certificate: Option<At<FilePath>>,
    /// Its key in PEM; else it is in the same file.
    pub certificate_key: Option<At<FilePath>>,
    /// Address that whoever comes without TLS is sent on from, port 80 where none is named.
    pub redirect: Option<At<ServerAddress>>,
    /// Whether browsers are told to come by TLS only, for half a year. As a rule where `certificate` is given.
    pub hsts: Option<At<bool>>,
    /// Names by which the page is asked for. Without them any name will do where one has to sign in, and none but
    /// localhost where not.
    pub names: Option<Vec<At<HostName>>>,
    /// What users of this machine may do without signing in: as a rule all while there are no users and tokens, and nothing
    /// as soon as there are.
    pub loopback_role: Option<LocalRole>,
    /// Who may sign in.
    #[serde(default)]
    pub user: Vec<At<WebUser>>,
    /// Tokens for scripts.
    #[serde(default)]
    pub token: Vec<At<WebToken>>,
}

/// Somebody who may sign in. `leasehold web password` writes such a table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebUser {
    /// Their name.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// What they may do.
    #[schemars(required)]
    pub role: Option<RoleWord>,
    /// Their password, as argon2id has made it.
    #[schemars(required)]
    pub password_hash: Option<At<PasswordHash>>,
}

/// What a script comes with. `leasehold web token` writes such a table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebToken {
    /// What the log calls it.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// What it may be used for.
    #[schemars(required)]
    pub role: Option<RoleWord>,
    /// SHA-256 of the token, in hexadecimal.
    #[schemars(required)]
    pub token_hash: Option<At<TokenHash>>,
    /// The last day on which it is taken, in UTC; else it has no end.
    pub expires: Option<At<DateText>>,
    /// Addresses and prefixes that it may be used from; else from everywhere.
    pub addresses: Option<At<Vec<At<AskerText>>>>,
}
