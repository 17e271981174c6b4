//! Real DNS servers that take RFC 2136 updates signed by the tests' key, and the ISC relay.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::netns::Host;
use crate::process::{Running, succeed};

const PATIENCE: Duration = Duration::from_secs(20);

/// Which DNS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind,
    Knot,
    PowerDns,
}

/// A primary for some zones, unless it was made otherwise. Its files stay in its host, so that it can be killed and
/// started again.
pub(crate) struct DnsServer<'lab> {
    kind: Kind,
    host: &'lab Host,
    address: SocketAddr,
    zones: Vec<String>,
    /// Where its configuration is, below `/etc`.
    config: &'static str,
    running: Option<Running>,
}

impl<'lab> DnsServer<'lab> {
    /// Starts a server for fresh zones (without final dots), each holding an SOA and an NS, at an address of `host`.
    pub(crate) fn start(kind: Kind, host: &'lab Host, address: SocketAddr, zones: &[&str]) -> Self {
        let config = match kind {
            Kind::Bind => "/etc/bind/named.conf",
            Kind::Knot => "/etc/knot/knot.conf",
            Kind::PowerDns => "/etc/powerdns",
        };
        let mut server = Self::new(kind, host, address, zones, config);
        match kind {
            Kind::Bind => server.configure_bind(),
            Kind::Knot => server.configure_knot(),
            Kind::PowerDns => server.configure_powerdns(),
        }
        server.resume();
        server
    }

    fn new(kind: Kind, host: &'lab Host, address: SocketAddr, zones: &[&str], config: &'static str) -> Self {
        let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        Self { kind, host, address, zones, config, running: None }
    }

    /// A second server of the same zones at another port of the same host. Of BIND it is a secondary that hands updates on
    /// to its primary (RFC 2136 section 6); of PowerDNS another primary over the same database.
    pub(crate) fn start_beside(&self, port: u16) -> Self {
        let address = SocketAddr::new(self.address.ip(), port);
        let zones: Vec<&str> = self.zones.iter().map(String::as_str).collect();
        let config = match self.kind {
            Kind::Bind => "/etc/bind/second.conf",
            Kind::PowerDns => "/etc/powerdns/second",
            Kind::Knot => panic!("Knot is started alone"),
        };
        let mut server = Self::new(self.kind, self.host, address, &zones, config);
        match self.kind {
            Kind::PowerDns => server.write_powerdns("/run/second"),
            _ => server.configure_forwarding_bind(self.address),
        }
        server.resume();
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it, from its own host.
    pub(crate) fn dig(&self) -> Dig<'lab> {
        Dig::new(self.host, self.address)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.running.take().expect("the server runs").kill();
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.running.take().expect("the server runs").stop(PATIENCE);
    }

    /// Starts it (again) with the zones as they are, and waits until it serves them.
    pub(crate) fn resume(&mut self) {
        self.launch(&[]);
    }

    /// Starts it with a clock that is off by so much, such as `+3600`. Its timers run as ever.
    pub(crate) fn resume_with_clock_off(&mut self, offset: &str) {
        let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
        self.launch(&[("LD_PRELOAD", library), ("FAKETIME", offset), ("DONT_FAKE_MONOTONIC", "1")]);
    }

    fn launch(&mut self, environment: &[(&str, &str)]) {
        let directory = format!("--config-dir={}", self.config);
        let (program, words): (&str, &[&str]) = match self.kind {
            Kind::Bind => ("named", &["-g", "-n", "1", "-c", self.config]),
            Kind::Knot => ("knotd", &["-c", self.config]),
            Kind::PowerDns => ("pdns_server", &[&directory, "--daemon=no", "--guardian=no"]),
        };
        let mut command = self.host.command(program);
        command.args(words).envs(environment.iter().copied());
        self.running = Some(Running::start(program, &mut command));
        for zone in &self.zones {
            self.dig().wait_serves(zone);
        }
    }

    fn bind_options(&self, directory: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!(
            "options {{\n\
               directory \"{directory}\"; pid-file none; session-keyfile none; recursion no; notify no;\n\
               listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; dnssec-validation no;\n\
               allow-transfer {{ key {KEY_NAME}; }};\n\
             }};\n\
             controls {{ }};\n\
             key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n"
        )
    }

    fn configure_forwarding_bind(&self, primary: SocketAddr) {
        let directory = "/var/cache/bind/second";
        std::fs::create_dir_all(self.host.path(directory)).unwrap();
        let mut text = self.bind_options(directory);
        for zone in &self.zones {
            text += &format!(
                "zone \"{zone}\" {{ type secondary; file \"{zone}.zone\"; allow-update-forwarding {{ any; }}; \
                 primaries {{ {} port {} key {KEY_NAME}; }}; }};\n",
                primary.ip(),
                primary.port()
            );
        }
        self.host.write(self.config, &text);
    }

    fn configure_bind(&self) {
        let mut text = self.bind_options("/var/cache/bind");
        for zone in &self.zones {
            self.host.write(&format!("/var/lib/bind/{zone}.zone"), &zone_file(zone));
            text += &format!(
                "zone \"{zone}\" {{ type primary; file \"/var/lib/bind/{zone}.zone\"; \
                 allow-update {{ key {KEY_NAME}; }}; }};\n"
            );
        }
        self.host.write(self.config, &text);
    }

    fn configure_knot(&self) {
        let (ip, port) = (self.address.ip(), self.address.port());
        let mut text = format!(
            "server:\n  listen: {ip}@{port}\n  rundir: /run\n  user: root:root\n  \
             udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: /var/lib/knot\n\
             key:\n  - id: {KEY_NAME}\n    algorithm: {KEY_ALGORITHM}\n    secret: {KEY_SECRET}\n\
             acl:\n  - id: keyed\n    key: {KEY_NAME}\n    action: [update, transfer]\n\
             zone:\n"
        );
        for zone in &self.zones {
            self.host.write(&format!("/var/lib/knot/{zone}.zone"), &zone_file(zone));
            text += &format!(
                "  - domain: {zone}\n    storage: /var/lib/knot\n    file: {zone}.zone\n    acl: keyed\n    \
                 zonefile-sync: -1\n    journal-content: changes\n"
            );
        }
        self.host.write(self.config, &text);
    }

    fn write_powerdns(&self, run: &str) {
        let (ip, port) = (self.address.ip(), self.address.port());
        std::fs::create_dir_all(self.host.path(run)).unwrap();
        self.host.write(
            &format!("{}/pdns.conf", self.config),
            &format!(
                "launch=gsqlite3\ngsqlite3-database=/var/lib/powerdns/pdns.sqlite3\n\
                 local-address={ip}\nlocal-port={port}\nsocket-dir={run}\nsetuid=0\nsetgid=0\n\
                 dnsupdate=yes\nallow-dnsupdate-from=0.0.0.0/0\ndisable-axfr=no\n\
                 cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\n\
                 distributor-threads=1\nreceiver-threads=1\nloglevel=5\n"
            ),
        );
    }

    fn configure_powerdns(&self) {
        self.write_powerdns("/run");
        let schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql";
        let database = "/var/lib/powerdns/pdns.sqlite3";
        succeed(self.host.command("sqlite3").args([database, &format!(".read {schema}")]));
        let pdnsutil = |words: &[&str]| succeed(self.host.command("pdnsutil").args(words));
        pdnsutil(&["import-tsig-key", KEY_NAME, KEY_ALGORITHM, KEY_SECRET]);
        for zone in &self.zones {
            let file = format!("/var/lib/powerdns/{zone}.zone");
            self.host.write(&file, &zone_file(zone));
            pdnsutil(&["load-zone", zone, &file]);
            pdnsutil(&["set-kind", zone, "primary"]);
            pdnsutil(&["set-meta", zone, "TSIG-ALLOW-DNSUPDATE", KEY_NAME]);
            pdnsutil(&["set-meta", zone, "TSIG-ALLOW-AXFR", KEY_NAME]);
        }
    }
}

fn zone_file(zone: &str) -> String {
    format!(
        "$ORIGIN {zone}.\n$TTL 300\n\
         @ IN SOA ns.tests.example. admin.tests.example. 1 3600 600 86400 60\n\
         @ IN NS ns.tests.example.\n"
    )
}

/// Starts `dhcrelay` on a host: clients on `down`, the server behind `up`.
pub(crate) fn start_relay(host: &Host, down: &str, up: &str, server: Ipv4Addr) -> Running {
    let server = server.to_string();
    let mut relay = host.start("dhcrelay", &["-4", "-d", "--no-pid", "-a", "-id", down, "-iu", up, &server]);
    relay.wait_log("Sending on   Socket/fallback", 1, PATIENCE);
    relay
}
