//! The embedded DNS server as the configuration wants it.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use config::settings::{
    CertificateFiles, Cookies, DnsProtection, EncryptedDns, Forward, Listen, Primary, Transfers, Upstreams,
};
use dns::{Fqdn, TsigKey};
use ipnet::IpNet;
use resolve::{Over, Transport, Upstream};
use tokio::sync::mpsc;
use tracing::{info, warn};
use zones::Askers;

use super::addresses::{encrypted_addresses, is_here, listen_addresses, own_addresses};
use super::tasks::Tasks;
use crate::block_lists;
use crate::dhcp_sockets::InterfaceTable;
use crate::dns_server::{
    AnswerLimits, Board, Changed, ConnectionLimits, CookieMode, CopyRights, DnsServer, DnsServerHandle,
    DnsServerSettings, Encrypted, Protection, StartError, TransferAccess, TransferSettings, UpdateRights, ZonePast,
    forward, zone_writer,
};
use crate::query_log::SharedLog;
use crate::secondaries::{self, Copies, Secondary, Teller};
use crate::tls::{CertificateSource, Identity, Trust};
use crate::zone_keeper::ZoneKeeper;
use crate::zone_writer::ZoneUpdates;

/// Updates from the network that wait for the zones; more are answered with SERVFAIL.
const ZONE_UPDATES_MAX: usize = 1_024;
/// Claims of secondaries to be ahead of us that wait to be looked at; one that is lost comes again.
const AHEAD_MAX: usize = 16;
/// Such claims: the zone, and whose.
pub(super) type Ahead = mpsc::Receiver<(Fqdn, IpAddr)>;
/// Where in the store's directory a certificate of our own for DNS is kept.
const CERTIFICATE: &str = "dns-tls";
/// Where in the store's directory lists that are fetched are kept.
const BLOCK_LISTS: &str = "block-lists";
/// The machine's own programs may ask for any name too.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Starts the server on the addresses that the machine has now, and returns it with the task that takes updates from
/// the network, and who claims to be ahead of us. `None` when the configuration has none.
///
/// # Errors
/// An address that cannot be had, though the machine has it.
pub(super) fn start(
    config: &Config,
    table: &InterfaceTable,
    keeper: &Arc<ZoneKeeper>,
    (updates, notices): (ZoneUpdates, Arc<Board>),
    log: Option<Arc<SharedLog>>,
) -> anyhow::Result<Option<(DnsServerHandle, impl Future<Output = ()> + Send + 'static, Ahead)>> {
    if !config.dns.enabled {
        return Ok(None);
    }
    let (writer, requests) = zone_writer(ZONE_UPDATES_MAX);
    let (changed, heard) = changed(config, table, keeper, Some(forwarding(config, log)?));
    tell_upstreams(config, &changed.upstreams);
    let snapshot = updates.keeper.published();
    let server = DnsServer::start(DnsServerSettings {
        listen: listen_now(config, table),
        snapshot,
        writer,
        keys: changed.keys,
        transfers: changed.transfers,
        rights: changed.rights,
        copies: changed.copies,
        notices,
        gss_keytab: changed.gss_keytab,
        forward_for: changed.forward_for,
        forward_not_for: changed.forward_not_for,
        upstreams: changed.upstreams,
        forwarding: changed.forwarding.unwrap_or_default(),
        protection: changed.protection,
        encrypted: encrypted(config, table)?,
    });
    let server = server.map_err(|error| match error {
        StartError::Bind(error) => anyhow::Error::new(error),
        StartError::Tls(error) => anyhow::Error::new(error),
    })?;
    Ok(Some((server, updates.run(requests), heard)))
}

/// Where the server can listen now.
pub(super) fn listen_now(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    let mut listen = listen_addresses(config, table);
    listen.retain(|address| is_here(address.ip(), table));
    listen
}

/// All of the server's settings that can change while it serves, and who claims to be ahead of us by them.
pub(super) fn changed(
    config: &Config,
    table: &InterfaceTable,
    keeper: &Arc<ZoneKeeper>,
    forwarding: Option<forward::Forwarding>,
) -> (Changed, Ahead) {
    let mut keys: Vec<Arc<TsigKey>> = Vec::new();
    let mut access: HashMap<Fqdn, TransferAccess> = HashMap::new();
    let mut rights: HashMap<Fqdn, Arc<UpdateRights>> = HashMap::new();
    for zone in &config.dns.zones {
        // Whoever may change the zone may have it.
        access.insert(zone.sight.id.clone(), access_by(&zone.transfers, &zone.policy.keys));
        let (policy, from, self_by_lease) = (zone.policy.clone(), zone.update.clone(), zone.self_by_lease);
        rights.insert(zone.sight.id.clone(), Arc::new(UpdateRights { policy, from, self_by_lease }));
        add_keys(&mut keys, zone.keys.iter().chain(&zone.transfers.keys));
    }
    let mut copies: HashMap<Fqdn, Vec<CopyRights>> = HashMap::new();
    for zone in &config.dns.secondary {
        access.insert(zone.sight.id.clone(), access_by(&zone.transfers, &[]));
        let key = |primary: &Primary| primary.key.as_ref().map(|key| key.name.clone());
        let primaries = zone.primaries.iter().map(|primary| (primary.address.ip(), key(primary))).collect();
        let rights = CopyRights { id: zone.sight.id.clone(), primaries, notify: zone.notify.clone() };
        copies.entry(zone.apex.clone()).or_default().push(rights);
        add_keys(&mut keys, zone.keys.iter().chain(&zone.transfers.keys));
    }
    let (ahead, heard) = mpsc::channel(AHEAD_MAX);
    let past: Arc<dyn ZonePast> = Arc::clone(keeper) as Arc<dyn ZonePast>;
    let transfers = TransferSettings { access, past: Some(past), ahead: Some(ahead) };
    let mut forward_for: Vec<IpNet> = Vec::new();
    let mut forward_not_for = Askers::default();
    if let Some(forwarding) = &config.dns.forward {
        forward_not_for = forwarding.denied.clone();
        forward_for.extend(forwarding.allowed.iter().copied().map(IpNet::V4));
        forward_for.extend(LOOPBACK.iter().filter_map(|prefix| prefix.parse::<IpNet>().ok()));
    }
    let changed = Changed {
        keys,
        transfers,
        rights,
        copies,
        gss_keytab: config.dns.gss_keytab.clone(),
        forward_for,
        forward_not_for,
        upstreams: upstreams(config, table),
        forwarding,
        protection: protection(&config.dns.protection),
    };
    (changed, heard)
}

/// Tells those who hold copies of the zones of changes, and hears who is ahead of us; whoever did so before ends.
pub(super) fn follow_copies(tasks: &mut Tasks, config: &Config, keeper: &Arc<ZoneKeeper>, ahead: Ahead) {
    let mut holders = holders(config);
    let any = !holders.is_empty();
    let teller = any.then(|| Teller::new(Arc::clone(keeper), holders.clone()).run());
    tasks.replace("the teller of secondaries", teller);
    // The serial of a copy is its primary's to say.
    holders.retain(|id, _| !config.dns.secondary.iter().any(|zone| zone.sight.id == *id));
    let watch = any.then(|| secondaries::ahead::watch(Arc::clone(keeper), holders, ahead));
    tasks.replace("the watch over secondaries", watch);
}

fn add_keys<'k>(keys: &mut Vec<Arc<TsigKey>>, more: impl Iterator<Item = &'k Arc<TsigKey>>) {
    for key in more {
        if !keys.iter().any(|known| known.name == key.name) {
            keys.push(Arc::clone(key));
        }
    }
}

/// Who holds copies of the zones that are served.
fn holders(config: &Config) -> HashMap<Fqdn, Copies> {
    let own = config.dns.zones.iter().map(|zone| (&zone.sight.id, &zone.transfers));
    let others = config.dns.secondary.iter().map(|zone| (&zone.sight.id, &zone.transfers));
    let held = own.chain(others).filter(|_| config.dns.enabled);
    let copies = held.map(|(id, transfers)| {
        let secondary = |one: &config::settings::Secondary| Secondary { address: one.address, key: one.key.clone() };
        let secondaries = transfers.secondaries.iter().map(secondary).collect();
        (id.clone(), Copies { secondaries, name_servers: transfers.notify_ns })
    });
    copies.filter(|(_, copies)| copies.name_servers || !copies.secondaries.is_empty()).collect()
}

/// `more` are names of keys.
fn access_by(transfers: &Transfers, more: &[Fqdn]) -> TransferAccess {
    let Transfers { secondaries, allowed, .. } = transfers;
    // A secondary that has a key is known by it, and one that has none by its address.
    let keyless = secondaries.iter().filter(|secondary| secondary.key.is_none());
    let known = secondaries.iter().filter_map(|secondary| Some(secondary.key.as_ref()?.name.clone()));
    let keys = more.iter().cloned().chain(known).chain(allowed.keys.iter().cloned());
    let ranges = allowed.prefixes.iter().filter_map(|one| IpNet::new(one.address, one.length).ok());
    let addresses = ranges.chain(keyless.map(|secondary| IpNet::from(secondary.address.ip())));
    TransferAccess { keys: keys.collect(), addresses: addresses.collect() }
}

/// Where DNS is served by TLS and HTTPS on the addresses that the machine has now, and with which certificate.
fn encrypted(config: &Config, table: &InterfaceTable) -> anyhow::Result<Option<Encrypted>> {
    let Some(wanted) = config.dns.encrypted.as_ref().filter(|_| config.dns.enabled) else { return Ok(None) };
    let identity = Identity::load(certificate_source(config, wanted))?;
    let mut places = encrypted_addresses(config, table);
    places.retain(|(_, address)| is_here(address.ip(), table));
    let of = |transport| places.iter().filter(move |place| place.0 == transport).map(|place| place.1).collect();
    Ok(Some(Encrypted {
        tls: of(Transport::Tls),
        https: of(Transport::Https),
        https_path: wanted.https_path.clone(),
        identity,
    }))
}

/// The certificate that DNS is served with: that of the configuration, or one of our own beside the store.
pub(crate) fn certificate_source(config: &Config, wanted: &EncryptedDns) -> CertificateSource {
    if let Some(CertificateFiles { certificate, key }) = wanted.certificate.clone() {
        return CertificateSource::Files { certificate, key };
    }
    // What clients may know this server by. Addresses only where the file names them: others come and go.
    let servers = config.dns.zones.iter().map(|zone| zone.ns.to_string().trim_end_matches('.').to_owned());
    let lists = [Some(&config.dns.listen), wanted.tls.as_ref(), wanted.https.as_ref()].into_iter().flatten();
    let listed = lists.flat_map(|listen| match listen {
        Listen::Addresses(list) => list.iter().map(SocketAddr::ip).collect::<Vec<_>>(),
        Listen::Interfaces { .. } => Vec::new(),
    });
    let addresses = listed.filter(|address| !address.is_unspecified()).map(|address| address.to_string());
    let names: BTreeSet<String> = servers.chain(addresses).chain(["localhost".to_owned()]).collect();
    CertificateSource::SelfMade { directory: config.daemon.store.join(CERTIFICATE), names: names.into_iter().collect() }
}

/// What the configuration says of protection. This machine itself is never limited.
fn protection(settings: &DnsProtection) -> Protection {
    let mut exempt: Vec<IpNet> = settings.exempt.iter().copied().map(IpNet::V4).collect();
    exempt.extend(LOOPBACK.iter().filter_map(|prefix| prefix.parse::<IpNet>().ok()));
    Protection {
        cookies: match settings.cookies {
            Cookies::Offered => CookieMode::Offered,
            Cookies::Required => CookieMode::Required,
            Cookies::Off => CookieMode::Off,
        },
        askers: AnswerLimits {
            per_second: settings.questions_per_client,
            slip: settings.slip,
            exempt: exempt_askers(settings),
        },
        answers: AnswerLimits { per_second: settings.answers_per_second, slip: settings.slip, exempt },
        connections: ConnectionLimits {
            all: usize::from(settings.connections),
            each: usize::from(settings.connections_per_client),
            idle: Duration::from_secs(u64::from(settings.idle_secs)),
        },
    }
}

/// Who may ask for names of others as often as it likes: this machine, and what the file exempts.
fn exempt_askers(settings: &DnsProtection) -> Vec<IpNet> {
    let written = settings.exempt_written.iter().copied().map(IpNet::V4);
    written.chain(LOOPBACK.iter().filter_map(|prefix| prefix.parse().ok())).collect()
}

/// How names of others are resolved.
pub(super) fn forwarding(config: &Config, log: Option<Arc<SharedLog>>) -> anyhow::Result<forward::Forwarding> {
    let Some(forwarding) = &config.dns.forward else { return Ok(forward::Forwarding::default()) };
    let resolver = &forwarding.resolver;
    let anchors = resolver.validation.as_ref().map(|validation| {
        let (file, not_validated) = (validation.trust_anchors.as_deref(), &validation.not_validated);
        forward::Anchors::read(file, not_validated).map_err(anyhow::Error::msg)
    });
    let routes = resolver.routes.iter().map(|route| {
        let (domains, upstreams) = (route.domains.clone(), route.upstreams.clone());
        forward::Route { domains, upstreams }
    });
    Ok(forward::Forwarding {
        routes: routes.collect(),
        order: resolver.order,
        limits: resolver.limits,
        tls: upstream_tls(forwarding)?,
        anchors: anchors.transpose()?,
        blocks: block_lists::follow(&resolver.blocks, &config.daemon.store.join(BLOCK_LISTS)),
        log,
    })
}

/// Whom upstreams' certificates are believed by, where any is asked by TLS or HTTPS.
fn upstream_tls(forward: &Forward) -> anyhow::Result<Option<forward::UpstreamTls>> {
    let general = match &forward.upstreams {
        Upstreams::ResolvConf => &[][..],
        Upstreams::Servers(servers) => servers,
    };
    let all = general.iter().chain(forward.resolver.routes.iter().flat_map(|route| &route.upstreams));
    let mut by_tls = all.filter(|upstream| matches!(upstream.over, Over::Tls { .. } | Over::Https { .. })).peekable();
    if by_tls.peek().is_none() {
        return Ok(None);
    }
    if by_tls.all(|upstream| upstream.pin.is_some() && !upstream.has_name()) {
        return Ok(Some(forward::UpstreamTls::of_pins()));
    }
    let trust = forward.resolver.upstream_ca.clone().map_or(Trust::System, Trust::File);
    let tls =
        forward::UpstreamTls::new(&trust).context("upstreams cannot be asked by TLS (`upstream_ca` in [resolver])")?;
    Ok(Some(tls))
}

/// Who is asked about names outside our zones, as of now. Never ourselves: the question would go round in circles.
pub(super) fn upstreams(config: &Config, table: &InterfaceTable) -> Vec<Upstream> {
    let Some(forwarding) = &config.dns.forward else { return Vec::new() };
    let listen = listen_addresses(config, table);
    let own: Vec<IpAddr> = own_addresses(table).into_iter().map(IpAddr::V4).collect();
    match &forwarding.upstreams {
        Upstreams::ResolvConf => forward::system_upstreams(&listen, &own).into_iter().map(Upstream::from).collect(),
        Upstreams::Servers(servers) => {
            let others = servers.iter().filter(|server| !forward::is_ourselves(server.address, &listen, &own));
            others.cloned().collect()
        }
    }
}

/// Says who is asked, when other names are answered at all.
pub(super) fn tell_upstreams(config: &Config, upstreams: &[Upstream]) {
    let Some(forwarding) = &config.dns.forward else { return };
    if upstreams.is_empty() {
        let why = match forwarding.upstreams {
            Upstreams::ResolvConf => {
                "the machine's resolv.conf names none but ourselves (`upstreams` in [dns] names some)"
            }
            Upstreams::Servers(_) => "`upstreams` in [dns] names none but ourselves",
        };
        warn!("no DNS server is known for names outside of the zones: {why}");
        return;
    }
    let shown: Vec<String> = upstreams.iter().map(ToString::to_string).collect();
    info!("names outside of the zones are asked of {}", shown.join(", "));
}
