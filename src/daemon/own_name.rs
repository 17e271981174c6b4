//! The machine's own host name, which no client may take: whoever looks for this server by name must not find a client
//! that calls itself so.

use config::Config;
use ddns::choose::{CleanUp, clean_label};
use dns::Fqdn;

/// Where Linux tells it.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Protects the machine's name under every domain that clients' names are put under. A reservation may have it: there
/// the operator has said whose it is.
pub(super) fn protect(config: &mut Config) {
    let hostname = std::fs::read(HOSTNAME).unwrap_or_default();
    let names = names(config, &hostname);
    protect_names(config, names);
}

/// From clients' names, and from updates that rules or leases give the right to.
fn protect_names(config: &mut Config, names: Vec<Fqdn>) {
    config.ddns.protected.extend(names);
    for zone in &mut config.dns.zones {
        zone.policy.protected = config.ddns.protected.within(&zone.apex);
    }
}

fn names(config: &Config, hostname: &[u8]) -> Vec<Fqdn> {
    let first = hostname.trim_ascii().split(|octet| *octet == b'.').next().unwrap_or_default();
    let Some(label) = clean_label(first, CleanUp::Hyphen) else { return Vec::new() };
    let mut names: Vec<Fqdn> = config.dhcp.domains().filter_map(|domain| domain.prepend_label(&label).ok()).collect();
    names.retain(|name| !config.ddns.reserved.contains(name));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn names_no_client_takes_the_servers_own_but_a_reservation_may() {
        let text = "[[zone]]\nname = \"one.test\"\n[[zone]]\nname = \"two.test\"\n\
                    [[subnet]]\nprefix = \"10.0.1.0/24\"\npools = [\"10.0.1.100-10.0.1.199\"]\ndomain = \"one.test\"\n\
                    [[subnet]]\nprefix = \"10.0.2.0/24\"\npools = [\"10.0.2.100-10.0.2.199\"]\ndomain = \"two.test\"\n\
                    [[subnet.reservation]]\naddress = \"10.0.2.9\"\nhardware = \"52:54:00:12:34:56\"\nhostname = \"gate\"\n";
        let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
        let mut config = config::check(text, "test.toml", &no_secrets).unwrap().config;
        let protected = |hostname: &[u8]| names(&config, hostname).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(protected(b"Gate.one.test\n"), ["gate.one.test."]);
        assert_eq!(protected(b"router\n"), ["router.one.test.", "router.two.test."]);
        assert_eq!(protected(b""), Vec::<String>::new());
        let router = names(&config, b"router");
        protect_names(&mut config, router);
        let one: Fqdn = "router.one.test".parse().unwrap();
        assert!(config.ddns.protected.contains(&one));
        let policies = config.dns.zones.iter().filter(|zone| zone.policy.protected.contains(&one));
        assert_eq!(policies.map(|zone| zone.apex.to_string()).collect::<Vec<_>>(), ["one.test."]);
    }
}
