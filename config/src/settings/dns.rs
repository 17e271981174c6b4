//! The embedded DNS server: where it answers, what it holds, what it keeps others from, and who has copies of its zones.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dns::{Fqdn, SetList, Soa, TsigKey};
use ipnet::Ipv4Net;
use zones::intake::Limits;
use zones::{AccessList, Askers, Audiences, Sight, UpdatePolicy, View};

use super::{Forward, Listen};
use crate::file::v1::Cookies;

/// The embedded DNS server.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DnsSettings {
    /// Whether it runs.
    pub enabled: bool,
    /// Where it listens.
    pub listen: Listen,
    /// The zones that it holds, sorted by apex.
    pub zones: Vec<EmbeddedZone>,
    /// The zones of other servers that it holds a copy of, sorted by apex.
    pub secondary: Vec<SecondaryZone>,
    /// The keys of our services in a Kerberos realm, with whose tickets clients sign; none: tickets are not taken.
    pub gss_keytab: Option<PathBuf>,
    /// The views, in their order.
    pub views: Vec<View>,
    /// Names of our own (name servers of embedded zones) that no static record gives an address: the daemon adds the
    /// addresses that it listens on.
    pub own_names: Vec<Fqdn>,
    /// Answering for other names; `None`: such questions are refused.
    pub forward: Option<Forward>,
    /// What keeps others from using it against somebody, and from using it up.
    pub protection: DnsProtection,
    /// Where it is served by TLS and HTTPS too; `None`: nowhere.
    pub encrypted: Option<EncryptedDns>,
}

/// DNS by TLS and by HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedDns {
    /// Where DNS over TLS is served.
    pub tls: Option<Listen>,
    /// Where DNS over HTTPS is.
    pub https: Option<Listen>,
    /// The path that it is asked at.
    pub https_path: String,
    /// The certificate; `None`: one is made.
    pub certificate: Option<CertificateFiles>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key; the same file where it holds both.
    pub key: PathBuf,
}

/// What keeps others from using the DNS server against somebody, and from using it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsProtection {
    /// Whether and how cookies are answered.
    pub cookies: Cookies,
    /// Answers a second over UDP of one sort, for one question, to one prefix; 0: as many as are asked for.
    pub answers_per_second: u16,
    /// Every so manieth answer beyond says to ask over TCP; 0: none.
    pub slip: u16,
    /// Questions a second over UDP of one client about names of others; 0: as many as it asks.
    pub questions_per_client: u16,
    /// Prefixes that are not limited, our own subnets among them; sorted.
    pub exempt: Vec<Ipv4Net>,
    /// Those of them that the file names.
    pub exempt_written: Vec<Ipv4Net>,
    /// TCP connections at once.
    pub connections: u16,
    /// TCP connections of one client at once.
    pub connections_per_client: u16,
    /// How long a TCP connection may be silent, in seconds.
    pub idle_secs: u32,
}

impl Default for DnsProtection {
    /// What no honest client meets: a resolver keeps what it has been told for as long as its TTL.
    fn default() -> Self {
        Self {
            cookies: Cookies::Offered,
            answers_per_second: 100,
            slip: 2,
            questions_per_client: 0,
            exempt: Vec::new(),
            exempt_written: Vec::new(),
            connections: 256,
            connections_per_client: 32,
            idle_secs: 10,
        }
    }
}

impl DnsSettings {
    /// Who sees what of the zones; `None`: everybody the same.
    #[must_use]
    pub fn audiences(&self) -> Option<Audiences> {
        let copies = self.secondary.iter().map(|zone| &zone.sight);
        let sights: Vec<Sight> = self.zones.iter().map(|zone| &zone.sight).chain(copies).cloned().collect();
        Audiences::new(&self.views, &sights)
    }
}

/// A zone that the embedded server holds. Its contents are stored; this is what the file says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedZone {
    /// The apex.
    pub apex: Fqdn,
    /// The primary's name: the SOA's MNAME and the NS record's target.
    pub ns: Fqdn,
    /// The SOA's RNAME.
    pub hostmaster: Fqdn,
    /// Time to live of SOA and NS in seconds.
    pub ttl_secs: u32,
    /// For how long a "no such name" may be remembered, in seconds (RFC 2308 section 5). Short, so that a name that
    /// somebody asked for just before its lease began is not missed for long.
    pub negative_ttl_secs: u32,
    /// The SOA record of the zone's file, with its TTL in seconds; its serial and names are the file's.
    pub soa: Option<(Soa, u32)>,
    /// Static records, without the SOA record; every owner is within the zone. NS records of the apex stand for the one
    /// above.
    pub records: SetList,
    /// Every key that its tables name: signatures by others are not known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who may update it from outside (RFC 2136), signed.
    pub policy: UpdatePolicy,
    /// From where updates are taken at all.
    pub update: AccessList,
    /// Who sees it, and what views have in place of its records.
    pub sight: Sight,
    /// The holder of a lease may keep its own A record by itself.
    pub self_by_lease: bool,
    /// Who may transfer it, and who is told of changes.
    pub transfers: Transfers,
    /// Made for a subnet's PTR records, not written in the file.
    pub derived: bool,
}

/// A zone of other servers that this one holds a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryZone {
    /// The apex.
    pub apex: Fqdn,
    /// The servers that it is transferred from, the preferred one first; never empty.
    pub primaries: Vec<Primary>,
    /// Who may say that it has changed, beside them.
    pub notify: Askers,
    /// How much of a transfer is taken.
    pub limits: Limits,
    /// Every key that its tables name: signatures by others are not known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who sees it.
    pub sight: Sight,
    /// Who may transfer it from here, and who is told of changes.
    pub transfers: Transfers,
}

/// A server that a zone is transferred from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Where it answers.
    pub address: SocketAddr,
    /// What signs questions, answers and notifications.
    pub key: Option<Arc<TsigKey>>,
}

/// Who has copies of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Transfers {
    /// Servers that hold one.
    pub secondaries: Vec<Secondary>,
    /// Whether the zone's name servers that have addresses in it are told of changes too.
    pub notify_ns: bool,
    /// Who may transfer it beside them.
    pub allowed: Askers,
    /// Every key that these name.
    pub keys: Vec<Arc<TsigKey>>,
}

/// A server that holds a copy of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// Where it is told of changes.
    pub address: SocketAddr,
    /// The key that it has.
    pub key: Option<Arc<TsigKey>>,
}
