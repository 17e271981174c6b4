//! Who this machine asks, without ourselves.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The file that names the machine's upstreams.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved lists its upstreams; /etc/resolv.conf then names only resolved itself.
const RESOLVED_CONF: &str = "/run/systemd/resolve/resolv.conf";
/// systemd-resolved's own address.
const RESOLVED_STUB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));

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
    fn whoever_listens_everywhere_is_every_own_address() {
        let listen = addresses(&["0.0.0.0:53"]);
        let own = ["192.168.30.1".parse().unwrap()];
        let conf = format!("{CONF}nameserver 127.0.0.1\nnameserver 0.0.0.0\n");
        assert_eq!(upstreams_of(&conf, &listen, &own), addresses(&["9.9.9.9:53", "[2620:fe::fe]:53"]));
    }
}
