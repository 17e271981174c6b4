//! Tables about the embedded DNS server and how it comes by names of others.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::kinds::{
    AskerText, DomainName, Duration, FilePath, FreeText, Prefix, ResolvConf, SameAddresses, ServerAddress,
    UpstreamText, WordOr,
};
use super::protection::{Cookies, DnsLimits};
use super::words::{BlockAnswer, BlockReason, QueryLogWord, UpstreamOrder};

/// The embedded DNS server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// Run it; else it runs when a zone without `server` needs it.
    pub enabled: Option<At<bool>>,
    /// Addresses to listen on; else those of the interfaces that are served.
    pub listen: Option<Vec<At<ServerAddress>>>,
    /// Port to listen on, where `listen` names none.
    pub port: Option<At<u16>>,
    /// Answer for names in no zone of ours, for clients in our own subnets, by asking `upstreams`.
    pub forward: Option<At<bool>>,
    /// Where other names are asked.
    pub upstreams: Option<At<WordOr<ResolvConf, UpstreamText>>>,
    /// Prefixes that may ask for other names, besides the subnets.
    pub forward_for: Option<Vec<At<Prefix>>>,
    /// Who may ask for names of the zones that say nothing else; else everybody.
    pub allow_query: Option<Vec<At<AskerText>>>,
    /// Who may not, even if allowed.
    pub deny_query: Option<Vec<At<AskerText>>>,
    /// From where updates of the zones that say nothing else are taken; else from everywhere. They need a right too.
    pub allow_update: Option<Vec<At<AskerText>>>,
    /// From where they are not, even if allowed.
    pub deny_update: Option<Vec<At<AskerText>>>,
    /// The file with the keys of this server's service, `DNS/` and its name, in a Kerberos realm: clients then sign updates
    /// with tickets (GSS-TSIG).
    pub gss_keytab: Option<At<FilePath>>,
    /// Who may not ask for other names, even if in a subnet.
    pub deny_forward: Option<Vec<At<AskerText>>>,
    /// Where DNS over TLS is served (RFC 7858); else nowhere.
    pub tls_listen: Option<At<WordOr<SameAddresses, ServerAddress>>>,
    /// Where DNS over HTTPS is served (RFC 8484); else nowhere.
    pub https_listen: Option<At<WordOr<SameAddresses, ServerAddress>>>,
    /// The path that it is asked at.
    pub https_path: Option<At<FreeText>>,
    /// The certificate that is shown there, in PEM, with those that lead to its authority behind it; else one that is made
    /// here.
    pub certificate: Option<At<FilePath>>,
    /// Its key, in PEM; else it is in the same file.
    pub certificate_key: Option<At<FilePath>>,
    /// Whether and how DNS cookies are answered.
    pub cookies: Option<Cookies>,
    /// How much anybody gets of it.
    #[serde(default)]
    pub limits: DnsLimits,
}

/// How names of others are resolved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolver {
    /// Which of several upstreams is asked first.
    pub order: Option<UpstreamOrder>,
    /// A PEM file of authorities by which certificates of upstreams are believed, in place of those that this machine knows.
    pub upstream_ca: Option<At<FilePath>>,
    /// Memory for answers, in MiB.
    pub cache_mib: Option<At<u32>>,
    /// The longest time that an answer is believed.
    pub ttl_max: Option<At<Duration>>,
    /// For how long an answer whose time is over is kept for the case that nobody answers (RFC 8767); `"0s"`: not at all.
    pub stale: Option<At<Duration>>,
    /// Validate answers (DNSSEC, RFC 4035).
    pub validate: Option<At<bool>>,
    /// The trust anchors: a file with DNSKEY or DS records of zones, beside the root's keys; of a root, in their place.
    pub trust_anchors: Option<At<FilePath>>,
    /// Domains that are not validated: private ones that nobody signs.
    pub not_validated: Option<Vec<At<DomainName>>>,
    /// What is remembered of questions, for `leasehold queries`.
    pub log: Option<QueryLogWord>,
    /// How many questions are remembered.
    pub log_questions: Option<At<u32>>,
    /// Also write them to this file.
    pub log_file: Option<At<FilePath>>,
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardTo {
    /// The domains; also names beneath them.
    #[schemars(required)]
    pub domains: Option<Vec<At<DomainName>>>,
    /// Who is asked.
    #[schemars(required)]
    pub upstreams: Option<Vec<At<UpstreamText>>>,
    /// Validate their answers, where answers are validated (DNSSEC); `false`: these domains are not (RFC 7646).
    pub validate: Option<At<bool>>,
}

/// A list of names that are not resolved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What it is called in answers and in the log.
    #[schemars(required)]
    pub name: Option<At<FreeText>>,
    /// The file that holds it. Either this or `url`.
    pub file: Option<At<FilePath>>,
    /// Where it is fetched by HTTP. Either this or `file`.
    pub url: Option<At<FreeText>>,
    /// How often it is looked for anew.
    pub refresh: Option<At<Duration>>,
    /// For the clients of these prefixes; else for everybody.
    pub clients: Option<Vec<At<Prefix>>>,
    /// Names that are resolved though they are listed, and those beneath them.
    pub except: Option<Vec<At<DomainName>>>,
    /// What is answered in place of what was asked for.
    pub answer: Option<BlockAnswer>,
    /// The reason that is told with it (RFC 8914).
    pub reason: Option<BlockReason>,
}
