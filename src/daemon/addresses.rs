//! What follows from the configuration and the machine's addresses: pure functions of the two.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use config::Config;
use config::settings::Listen;
use ipnet::Ipv4Net;
use resolve::Transport;

use crate::dhcp_sockets::{InterfaceTable, SocketSettings, select_served};

/// Which interfaces and ports a configuration asks for.
#[must_use]
pub fn socket_settings(config: &Config) -> SocketSettings {
    let within: Vec<Ipv4Net> = config.dhcp.subnets.iter().map(|subnet| subnet.prefix).collect();
    let interfaces: Vec<String> = config.interfaces().into_iter().map(str::to_owned).collect();
    // No client is on the loopback's link: it serves relays of this machine, which needs no raw socket.
    // Where one subnet leaves its link open, every interface is a candidate, and those that others name are served.
    let named = config.dhcp.subnets.iter().flat_map(|subnet| config.dhcp.interfaces_of(subnet));
    let besides: std::collections::BTreeSet<String> = named.cloned().collect();
    let only_loopback = interfaces.iter().all(|name| name == "lo") && !interfaces.is_empty();
    SocketSettings {
        server_port: config.daemon.ports.server,
        client_port: config.daemon.ports.client,
        relay_port: config.daemon.ports.relay,
        interfaces,
        within,
        besides: besides.into_iter().collect(),
        closed: !config.serves_dhcp(),
        bind_address: if only_loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED },
    }
}

/// The engine's settings. A subnet's clients are told an address at which our DNS server can be asked: one in their
/// subnet, else any that is not loopback. Without a DNS server of ours, another program on this machine must be meant.
pub(super) fn dhcp_settings(config: &Config, table: &InterfaceTable) -> dhcp::settings::Settings {
    let asked = if config.dns.enabled {
        let v4 = |address| if let IpAddr::V4(address) = address { Some(address) } else { None };
        dns_addresses(config, table).into_iter().filter_map(v4).collect()
    } else {
        own_addresses(table)
    };
    let answered: Vec<Ipv4Addr> = asked.into_iter().filter(|address| !address.is_loopback()).collect();
    config.dhcp_with_own_addresses(|subnet| {
        answered.iter().find(|address| subnet.prefix.contains(*address)).or(answered.first()).copied()
    })
}

/// The machine's IPv4 addresses, on all interfaces.
pub(super) fn own_addresses(table: &InterfaceTable) -> Vec<Ipv4Addr> {
    table.iter().flat_map(|info| &info.addresses).map(Ipv4Net::addr).collect()
}

/// Where the embedded DNS server listens: as configured, or on the addresses of the served interfaces.
pub(super) fn listen_addresses(config: &Config, table: &InterfaceTable) -> Vec<SocketAddr> {
    if !config.dns.enabled {
        return Vec::new();
    }
    listened(config, &config.dns.listen, table)
}

/// Where the embedded DNS server listens for TLS, and where for HTTPS.
pub(super) fn encrypted_addresses(config: &Config, table: &InterfaceTable) -> Vec<(Transport, SocketAddr)> {
    let Some(wanted) = config.dns.encrypted.as_ref().filter(|_| config.dns.enabled) else { return Vec::new() };
    let places = [(Transport::Tls, wanted.tls.as_ref()), (Transport::Https, wanted.https.as_ref())];
    let asked = places.into_iter().filter_map(|(transport, listen)| Some((transport, listen?)));
    asked
        .flat_map(|(transport, listen)| {
            listened(config, listen, table).into_iter().map(move |address| (transport, address))
        })
        .collect()
}

/// Where a server listens: as configured, or on the addresses of the served interfaces.
pub(super) fn listened(config: &Config, listen: &Listen, table: &InterfaceTable) -> Vec<SocketAddr> {
    match listen {
        Listen::Addresses(addresses) => addresses.clone(),
        // DNS alone has no link of its own: it is for all who reach this machine, itself among them.
        Listen::Interfaces { port } if !config.serves_dhcp() => {
            let named = config.interfaces();
            let meant = table.iter().filter(|info| named.is_empty() || named.contains(info.name.as_str()));
            let addresses = meant.flat_map(|info| &info.addresses);
            addresses.map(|net| SocketAddr::new(IpAddr::V4(net.addr()), *port)).collect()
        }
        Listen::Interfaces { port } => {
            let (served, _) = select_served(&socket_settings(config), table);
            let addresses = served.iter().flat_map(|info| &info.addresses);
            addresses.map(|net| SocketAddr::new(IpAddr::V4(net.addr()), *port)).collect()
        }
    }
}

/// Whether an address can be listened on now, as far as the table tells: it knows no IPv6.
pub(super) fn is_here(address: IpAddr, table: &InterfaceTable) -> bool {
    match address {
        IpAddr::V4(address) => address.is_unspecified() || address.is_loopback() || table.is_ours(address),
        IpAddr::V6(_) => true,
    }
}

/// The addresses at which our DNS server can be asked: those that it listens on and that the machine has now, loopback
/// only where there is no other.
pub(super) fn dns_addresses(config: &Config, table: &InterfaceTable) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for listened in listen_addresses(config, table).iter().map(SocketAddr::ip) {
        if listened.is_unspecified() {
            // An IPv6 socket of ours takes no IPv4, and which IPv6 addresses there are is not known.
            let every = if listened.is_ipv4() { own_addresses(table) } else { Vec::new() };
            found.extend(every.into_iter().map(IpAddr::V4));
        } else if is_here(listened, table) {
            found.push(listened);
        }
    }
    if found.iter().any(|address| !address.is_loopback()) {
        found.retain(|address| !address.is_loopback());
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|address| seen.insert(*address));
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {

    use super::*;
    use crate::dhcp_sockets::{InterfaceInfo, LinkKind};

    fn config(text: &str) -> Config {
        let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
        config::check(text, "test.toml", &no_secrets).unwrap().config
    }

    fn table(interfaces: &[(&str, &str)]) -> InterfaceTable {
        let info = |(at, (name, address)): (usize, &(&str, &str))| {
            let kind = if *name == "lo" { LinkKind::Loopback } else { LinkKind::Ethernet([2, 0, 0, 0, 0, 1]) };
            InterfaceInfo::made_by_hand(u32::try_from(at).unwrap() + 1, name, kind, vec![address.parse().unwrap()])
        };
        interfaces.iter().enumerate().map(info).collect()
    }

    const MACHINE: [(&str, &str); 4] =
        [("lo", "127.0.0.1/8"), ("docker0", "172.17.0.1/16"), ("eth0", "192.168.30.1/24"), ("eth1", "192.168.40.1/24")];
    const SUBNETS: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
                           [[subnet]]\nprefix = \"10.7.0.0/24\"\npools = [\"10.7.0.100-10.7.0.199\"]\n\
                           [[zone]]\nname = \"nasir.xyz\"\n";

    fn told(config: &Config, table: &InterfaceTable) -> Vec<Option<[u8; 4]>> {
        let settings = dhcp_settings(config, table);
        let own = |subnet: &dhcp::settings::Subnet| subnet.own_dns_address.filter(|_| config.tells_own_dns(subnet));
        settings.subnets.iter().map(|subnet| own(subnet).map(|address| address.octets())).collect()
    }

    fn data(address: [u8; 4]) -> Option<[u8; 4]> {
        Some(address)
    }

    #[test]
    fn an_interface_that_a_subnet_names_is_served_also_beside_a_subnet_that_names_none() {
        let text = SUBNETS.replacen("prefix = \"10", "interfaces = [\"docker0\"]\nprefix = \"10", 1);
        let (served, _) = select_served(&socket_settings(&config(&text)), &table(&MACHINE));
        let names: Vec<&str> = served.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names, ["eth0", "docker0"]);
    }

    #[test]
    fn dns_is_served_on_the_served_interfaces_and_clients_are_told_an_address_of_those() {
        let (config, table) = (config(SUBNETS), table(&MACHINE));
        assert_eq!(listen_addresses(&config, &table), ["192.168.30.1:53".parse().unwrap()]);
        // The relayed subnet too: nobody listens on docker0.
        assert_eq!(told(&config, &table), [data([192, 168, 30, 1]), data([192, 168, 30, 1])]);
    }

    #[test]
    fn clients_are_told_an_address_that_is_listened_on_also_where_the_file_says_which() {
        let (config, table) = (config(&format!("[dns]\nlisten = [\"192.168.40.1\"]\n{SUBNETS}")), table(&MACHINE));
        assert_eq!(told(&config, &table), [data([192, 168, 40, 1]), data([192, 168, 40, 1])]);
    }

    #[test]
    fn who_listens_everywhere_can_be_asked_at_every_address_but_loopback() {
        let (config, table) = (config(&format!("[dns]\nlisten = [\"0.0.0.0\"]\n{SUBNETS}")), table(&MACHINE));
        let expected: [IpAddr; 3] = ["172.17.0.1", "192.168.30.1", "192.168.40.1"].map(|text| text.parse().unwrap());
        assert_eq!(dns_addresses(&config, &table), expected);
        // In the order of the prefixes: 10.7.0.0/24 has no address of ours in it.
        assert_eq!(told(&config, &table), [data([172, 17, 0, 1]), data([192, 168, 30, 1])]);
    }

    #[test]
    fn an_address_that_the_machine_has_not_yet_is_told_to_nobody() {
        let (config, table) = (config(&format!("[dns]\nlisten = [\"192.168.50.1\"]\n{SUBNETS}")), table(&MACHINE));
        assert!(!is_here("192.168.50.1".parse().unwrap(), &table));
        assert_eq!(dns_addresses(&config, &table), [IpAddr::V4(Ipv4Addr::LOCALHOST); 0]);
        assert_eq!(told(&config, &table), [None, None]);
    }

    #[test]
    fn dns_alone_is_served_on_every_address_or_on_those_of_the_named_interfaces_and_opens_no_dhcp_socket() {
        let alone = config("[[zone]]\nname = \"nasir.xyz\"\n");
        let every = ["127.0.0.1:53", "172.17.0.1:53", "192.168.30.1:53", "192.168.40.1:53"];
        let every: Vec<SocketAddr> = every.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(listen_addresses(&alone, &table(&MACHINE)), every);
        let named = config("[server]\ninterfaces = [\"eth1\"]\n[[zone]]\nname = \"nasir.xyz\"\n");
        assert_eq!(listen_addresses(&named, &table(&MACHINE)), every[3..]);
        assert!(socket_settings(&alone).closed && socket_settings(&named).closed);
        assert!(!socket_settings(&config(SUBNETS)).closed);
        // Its own name has the addresses that others reach it by.
        assert_eq!(dns_addresses(&alone, &table(&MACHINE)).len(), 3);
    }

    #[test]
    fn loopback_is_an_answer_only_where_there_is_no_other() {
        let (config, table) = (config(&format!("[dns]\nlisten = [\"127.0.0.1:5300\"]\n{SUBNETS}")), table(&MACHINE));
        assert_eq!(dns_addresses(&config, &table), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert_eq!(told(&config, &table), [None, None]);
    }
}
