//! The embedded DNS server as the configuration wants it.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config::Config;
use config::settings::Upstreams;
use dns::{Fqdn, TsigKey};
use ipnet::IpNet;
use tracing::{info, warn};
use zones::Askers;

use super::addresses::{is_here, listen_addresses, own_addresses};
use crate::dhcp_sockets::InterfaceTable;
use crate::dns_server::{BindError, DnsServer, DnsServerHandle, DnsServerSettings, UpdateRights, forward, zone_writer};
use crate::zone_writer::ZoneUpdates;

/// Updates from the network that wait for the zones; more are answered with SERVFAIL.
const ZONE_UPDATES_MAX: usize = 1_024;
/// The machine's own programs may ask for any name too.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// Starts the server on the addresses that the machine has now, and returns it with the task that takes updates from
/// the network. `None` when the configuration has none.
///
/// # Errors
/// An address that cannot be had, though the machine has it.
pub(super) fn start(
    config: &Config,
    table: &InterfaceTable,
    updates: ZoneUpdates,
) -> Result<Option<(DnsServerHandle, impl Future<Output = ()> + Send + 'static)>, BindError> {
    if !config.dns.enabled {
        return Ok(None);
    }
    let (writer, requests) = zone_writer(ZONE_UPDATES_MAX);
    let mut keys: Vec<Arc<TsigKey>> = Vec::new();
    let mut keys_of: HashMap<Fqdn, Vec<Fqdn>> = HashMap::new();
    let mut rights: HashMap<Fqdn, Arc<UpdateRights>> = HashMap::new();
    for zone in &config.dns.zones {
        keys_of.insert(zone.apex.clone(), zone.policy.keys.clone());
        let (policy, from, self_by_lease) = (zone.policy.clone(), zone.update.clone(), zone.self_by_lease);
        rights.insert(zone.apex.clone(), Arc::new(UpdateRights { policy, from, self_by_lease }));
        for key in &zone.keys {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(Arc::clone(key));
            }
        }
    }
    let mut listen = listen_addresses(config, table);
    listen.retain(|address| is_here(address.ip(), table));
    let mut forward_for: Vec<IpNet> = Vec::new();
    let mut forward_not_for = Askers::default();
    if let Some(forwarding) = &config.dns.forward {
        forward_not_for = forwarding.denied.clone();
        forward_for.extend(forwarding.allowed.iter().copied().map(IpNet::V4));
        forward_for.extend(LOOPBACK.iter().filter_map(|prefix| prefix.parse::<IpNet>().ok()));
    }
    let upstreams = upstreams(config, table);
    tell_upstreams(config, &upstreams);
    let snapshot = updates.keeper.published();
    let server = DnsServer::start(DnsServerSettings {
        listen,
        snapshot,
        writer,
        keys,
        keys_of,
        rights,
        gss_keytab: config.dns.gss_keytab.clone(),
        forward_for,
        forward_not_for,
        upstreams,
        forwarding: forward::Forwarding::default(),
    })?;
    Ok(Some((server, updates.run(requests))))
}

/// Who is asked about names outside our zones, as of now. Never ourselves: the question would go round in circles.
pub(super) fn upstreams(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    let Some(forwarding) = &config.dns.forward else { return Vec::new() };
    let listen = listen_addresses(config, table);
    let own: Vec<IpAddr> = own_addresses(table).into_iter().map(IpAddr::V4).collect();
    match &forwarding.upstreams {
        Upstreams::ResolvConf => forward::system_upstreams(&listen, &own),
        Upstreams::Servers(servers) => {
            let others = servers.iter().filter(|server| !forward::is_ourselves(**server, &listen, &own));
            others.copied().collect()
        }
    }
}

/// Says who is asked, when other names are answered at all.
pub(super) fn tell_upstreams(config: &Config, upstreams: &[SocketAddr]) {
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
