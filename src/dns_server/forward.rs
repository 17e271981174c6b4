//! Names outside our zones: asked of other servers through hickory's resolver, with its cache.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dns::{Fqdn, Rcode, RecordType};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType as WireType};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder};
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::net::{DnsError, NetError};
use hickory_server::resolver::TokioResolver;
use hickory_server::resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_server::resolver::lookup::Lookup;
use tokio::sync::Semaphore;

/// How many names are asked for at once; beyond, the answer is SERVFAIL at once.
const IN_FLIGHT_MAX: usize = 512;
/// How long one upstream may take for one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an asker waits at most; stub resolvers give up after five seconds.
const PATIENCE: Duration = Duration::from_millis(4500);
/// How many answers are kept. hickory counts answers, not octets: see [`Large`].
const CACHE_ANSWERS_MAX: u64 = 8192;
/// From so many octets in memory on an answer counts as large; the others take 32 MiB at most.
const LARGE_OCTETS: usize = 4096;
/// How much is kept of large ones, about, in octets.
const CACHE_LARGE_OCTETS_MAX: usize = 32 << 20;
/// What hickory takes in memory for a record beside its data, in octets.
const RECORD_OCTETS: usize = 320;
/// How many upstreams are used; more only delay the news that none answers.
const UPSTREAMS_MAX: usize = 3;
/// The file that names the machine's upstreams.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved lists its upstreams; /etc/resolv.conf then names only resolved itself.
const RESOLVED_CONF: &str = "/run/systemd/resolve/resolv.conf";
/// systemd-resolved's own address.
const RESOLVED_STUB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));

/// What an upstream said.
pub(super) struct Forwarded {
    pub(super) rcode: Rcode,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
}

impl Forwarded {
    fn failed(rcode: Rcode) -> Self {
        Self { rcode, answers: Vec::new(), authorities: Vec::new() }
    }
}

/// A resolver over a list of upstreams.
pub(super) struct Forwarder {
    resolver: TokioResolver,
    /// Each upstream by itself, without a cache. hickory asks two upstreams at once and takes a REFUSED that comes
    /// first for the answer of all; then each is asked in turn. Empty with a single upstream.
    singly: Vec<TokioResolver>,
    slots: Semaphore,
    large: Large,
}

/// Large answers that may be in the cache. Whoever may ask us can own a zone of answers of 64 KiB each, and eight
/// thousand of those are more than a small machine has: the cache is emptied when they come to too much.
#[derive(Default)]
struct Large(AtomicUsize);

impl Large {
    /// Counts an answer of `octets`; true when the cache is to be emptied.
    fn count(&self, octets: usize) -> bool {
        if octets < LARGE_OCTETS {
            return false;
        }
        let sum = self.0.fetch_add(octets, Ordering::Relaxed) + octets;
        let too_much = sum > CACHE_LARGE_OCTETS_MAX;
        if too_much {
            self.0.store(0, Ordering::Relaxed);
        }
        too_much
    }
}

/// What records take in memory, about.
fn octets_of(records: &[Record]) -> usize {
    let data = |record: &Record| match &record.data {
        RData::A(_) | RData::AAAA(_) => 0,
        other => {
            let mut octets = Vec::new();
            // What cannot be encoded cannot be answered either.
            other.emit(&mut BinEncoder::new(&mut octets)).map_or(0, |()| octets.len())
        }
    };
    records.iter().map(|record| RECORD_OCTETS + data(record)).sum()
}

impl Forwarder {
    /// None without upstreams.
    pub(super) fn new(upstreams: &[SocketAddr]) -> Option<Self> {
        if upstreams.is_empty() {
            return None;
        }
        let upstreams = &upstreams[..upstreams.len().min(UPSTREAMS_MAX)];
        let resolver = resolver(upstreams, CACHE_ANSWERS_MAX)?;
        let alone: &[SocketAddr] = if upstreams.len() > 1 { upstreams } else { &[] };
        let singly = alone.iter().filter_map(|upstream| self::resolver(&[*upstream], 0)).collect();
        Some(Self { resolver, singly, slots: Semaphore::new(IN_FLIGHT_MAX), large: Large::default() })
    }

    /// Asks for one name. Never longer than [`PATIENCE`].
    pub(super) async fn resolve(&self, name: &Fqdn, rtype: RecordType) -> Forwarded {
        let Ok(_slot) = self.slots.try_acquire() else { return Forwarded::failed(Rcode::SERV_FAIL) };
        match tokio::time::timeout(PATIENCE, self.look_up(name, rtype)).await {
            Ok(Ok(lookup)) => {
                let (answers, authorities) = (lookup.answers().to_vec(), lookup.authorities().to_vec());
                if self.large.count(octets_of(&answers) + octets_of(&authorities) + octets_of(lookup.additionals())) {
                    self.resolver.clear_cache();
                }
                Forwarded { rcode: Rcode::NO_ERROR, answers, authorities }
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => Forwarded {
                rcode: Rcode(none.response_code.into()),
                answers: Vec::new(),
                authorities: none.soa.into_iter().map(|soa| soa.into_record_of_rdata()).collect(),
            },
            Ok(Err(NetError::Dns(DnsError::ResponseCode(code)))) => Forwarded::failed(Rcode(code.into())),
            Ok(Err(error)) => {
                tracing::debug!(%error, %name, "no upstream answered");
                Forwarded::failed(Rcode::SERV_FAIL)
            }
            Err(_) => Forwarded::failed(Rcode::SERV_FAIL),
        }
    }
}

impl Forwarder {
    /// What the upstreams say; one that refuses or fails does not hide another that answers.
    async fn look_up(&self, name: &Fqdn, rtype: RecordType) -> Result<Lookup, NetError> {
        let (name, rtype) = (dns::wire::name_to_hickory(name), WireType::from(rtype.0));
        let first = self.resolver.lookup(name.clone(), rtype).await;
        if !is_refusal(&first) {
            return first;
        }
        for upstream in &self.singly {
            let next = upstream.lookup(name.clone(), rtype).await;
            let is_answer = matches!(next, Ok(_) | Err(NetError::Dns(DnsError::NoRecordsFound(_))));
            if is_answer && !is_refusal(&next) {
                return next;
            }
        }
        first
    }
}

/// Whether an upstream answered that it would or could not answer.
fn is_refusal(answer: &Result<Lookup, NetError>) -> bool {
    match answer {
        Err(NetError::Dns(DnsError::ResponseCode(_))) => true,
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            !matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}

/// A resolver over these upstreams that keeps so many answers.
fn resolver(upstreams: &[SocketAddr], answers_max: u64) -> Option<TokioResolver> {
    let servers = upstreams.iter().map(|address| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = address.port();
        }
        // An upstream's NXDOMAIN is believed: it is a resolver, not one guess among several.
        NameServerConfig::new(address.ip(), true, connections)
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = TRY_TIMEOUT;
    options.attempts = 2;
    options.cache_size = answers_max;
    // The machine's hosts file is the machine's own matter.
    options.use_hosts_file = ResolveHosts::Never;
    // CNAME records on the way belong into the answer (RFC 1034 section 4.3.2).
    options.preserve_intermediates = true;
    // Clients of ours should not be able to predict what another of them asks.
    options.case_randomization = true;
    match builder.build() {
        Ok(resolver) => Some(resolver),
        Err(error) => {
            tracing::error!(%error, "names outside our zones cannot be forwarded");
            None
        }
    }
}

/// The upstreams that this machine is configured with, without ourselves: what `/etc/resolv.conf` names, or, where
/// that is systemd-resolved's own address, what systemd-resolved asks. `listen` are the addresses we serve on,
/// `own_addresses` all of the machine's (they matter when `listen` holds an unspecified address).
#[must_use]
pub fn system_upstreams(listen: &[SocketAddr], own_addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let text = read(RESOLV_CONF);
    let found = upstreams_of(&text, listen, own_addresses);
    if found.iter().all(|upstream| upstream.ip() == RESOLVED_STUB) && !found.is_empty() {
        // Resolved may in turn ask us; its own list is looked through for us, its stub cannot be.
        let behind = upstreams_of(&read(RESOLVED_CONF), listen, own_addresses);
        return if behind.is_empty() { found } else { behind };
    }
    found
}

/// The `nameserver` lines of a resolv.conf, each once, without the addresses that we serve on: forwarding to
/// ourselves would go round in circles. Link-local addresses are left out, since they mean nothing without an
/// interface.
#[must_use]
pub fn upstreams_of(resolv_conf: &str, listen: &[SocketAddr], own_addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for line in resolv_conf.lines() {
        let mut words = line.split_whitespace();
        let (Some("nameserver"), Some(Ok(ip))) = (words.next(), words.next().map(str::parse)) else { continue };
        let upstream = SocketAddr::new(ip, 53);
        let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if !link_local && !is_ourselves(upstream, listen, own_addresses) && !found.contains(&upstream) {
            found.push(upstream);
        }
    }
    found
}

/// Whether an upstream is this server: forwarding to it would go round in circles. `listen` and `own_addresses` as for
/// [`system_upstreams`].
#[must_use]
pub fn is_ourselves(upstream: SocketAddr, listen: &[SocketAddr], own_addresses: &[IpAddr]) -> bool {
    listen.iter().filter(|own| own.port() == upstream.port()).any(|own| {
        let everywhere = own.ip().is_unspecified() && own.is_ipv4() == upstream.is_ipv4();
        let local = upstream.ip().is_loopback() || own_addresses.contains(&upstream.ip());
        // A server "0.0.0.0" is this machine (resolv.conf(5) of glibc).
        own.ip() == upstream.ip() || (everywhere && local) || upstream.ip().is_unspecified()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const CONF: &str = "# by hand\nsearch example\nnameserver 192.168.30.1\nnameserver 9.9.9.9 # quad\n\
                        nameserver 9.9.9.9\nnameserver fe80::1%eth0\nnameserver 2620:fe::fe\nnameserver nonsense\n";

    #[test]
    fn upstreams_are_read_without_ourselves() {
        let listen = addresses(&["192.168.30.1:53"]);
        assert_eq!(upstreams_of(CONF, &listen, &[]), addresses(&["9.9.9.9:53", "[2620:fe::fe]:53"]));
        // On another port we are somebody else.
        let listen = addresses(&["192.168.30.1:5353"]);
        assert_eq!(upstreams_of(CONF, &listen, &[])[0], "192.168.30.1:53".parse().unwrap());
    }

    #[test]
    fn large_answers_empty_the_cache_before_they_fill_the_memory() {
        let large = Large::default();
        assert!((0..100_000).all(|_| !large.count(LARGE_OCTETS - 1)), "small ones are bounded by their number");
        let emptied = (0..2_000).filter(|_| large.count(64 << 10)).count();
        assert_eq!(emptied, 2_000 / (CACHE_LARGE_OCTETS_MAX / (64 << 10) + 1));
        let txt = hickory_proto::rr::rdata::TXT::new(vec!["x".repeat(255); 200]);
        let record = Record::from_rdata(hickory_proto::rr::Name::root(), 1, RData::TXT(txt));
        assert!(octets_of(&[record]) > 200 * 255);
    }

    #[test]
    fn whoever_listens_everywhere_is_every_own_address() {
        let listen = addresses(&["0.0.0.0:53"]);
        let own = ["192.168.30.1".parse().unwrap()];
        let conf = format!("{CONF}nameserver 127.0.0.1\nnameserver 0.0.0.0\n");
        assert_eq!(upstreams_of(&conf, &listen, &own), addresses(&["9.9.9.9:53", "[2620:fe::fe]:53"]));
    }
}
