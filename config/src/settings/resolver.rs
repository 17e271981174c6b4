//! How names of others are resolved: who may ask, who is asked, what is kept, and what is not resolved.

use std::path::PathBuf;

use dns::Fqdn;
use ipnet::Ipv4Net;
use zones::Askers;

/// How names in no zone of ours are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who is asked.
    pub upstreams: Upstreams,
    /// Who may ask: the subnets, and what the file adds to them.
    pub allowed: Vec<Ipv4Net>,
    /// Who may not, even if among those.
    pub denied: Askers,
    /// How.
    pub resolver: Resolver,
}

/// How names of others are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Domains whose names are asked of upstreams of their own.
    pub routes: Vec<Route>,
    /// Which of several upstreams is asked first.
    pub order: resolve::Order,
    /// What is kept of answers.
    pub limits: resolve::Limits,
    /// The authorities that upstreams' certificates are believed by; `None`: those that the machine knows.
    pub upstream_ca: Option<PathBuf>,
    /// Whether and how answers are validated.
    pub validation: Option<Validation>,
    /// Names that are not resolved.
    pub blocks: Vec<Block>,
    /// What is remembered of questions.
    pub log: QueryLog,
}

/// What is remembered of questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryLog {
    /// How much of each.
    pub keeps: Keeps,
    /// How many.
    pub questions: usize,
    /// Where they are written to as well.
    pub file: Option<PathBuf>,
}

/// How much is remembered of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing.
    #[default]
    Nothing,
    /// All but its name.
    NoNames,
    /// Everything.
    Everything,
}

/// Domains whose names are asked of upstreams of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The domains; also names beneath them.
    pub domains: Vec<Fqdn>,
    /// Who is asked.
    pub upstreams: Vec<resolve::Upstream>,
}

/// How answers are validated (RFC 4035).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// A file with DNSKEY or DS records; `None`: the root's.
    pub trust_anchors: Option<PathBuf>,
    /// Domains that are not validated.
    pub not_validated: Vec<Fqdn>,
}

/// Where a list of names is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockSource {
    /// In this file.
    File(PathBuf),
    /// Fetched from this URL.
    Url(String),
}

/// A list of names that are not resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub source: BlockSource,
    /// How often it is looked for anew, in seconds.
    pub refresh_secs: u32,
    /// For whom; empty: for everybody.
    pub clients: Vec<Ipv4Net>,
    /// What is resolved though it is listed.
    pub except: Vec<Fqdn>,
    /// What is answered.
    pub instead: resolve::blocking::Instead,
    /// The client wants it so, which is another reason to tell.
    pub filtered: bool,
}

/// Who is asked about other names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstreams {
    /// The servers in the machine's resolv.conf, but never ourselves.
    ResolvConf,
    /// These.
    Servers(Vec<resolve::Upstream>),
}
