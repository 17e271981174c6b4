//! The servers that `queries` asks: each with one zone from a master file, on one core.

use std::path::Path;

use crate::hosts::{Hosts, Running};
use crate::names::{DOMAIN, SERVER};

/// The updates' key: dnsperf takes 32 octets at most.
pub(crate) const SECRET: &str = "bGVhc2Vob2xkLWJlbmNoLWtleS0zMi1ieXRlcy1sbw==";

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Bind,
    Knot,
    Nsd,
    Leasehold,
}

pub(crate) const SERVERS: [Server; 4] = [Server::Bind, Server::Knot, Server::Nsd, Server::Leasehold];

impl Server {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bind => "BIND",
            Self::Knot => "Knot",
            Self::Nsd => "NSD",
            Self::Leasehold => "Leasehold",
        }
    }

    /// NSD serves what others change.
    pub(crate) fn takes_updates(self) -> bool {
        self != Self::Nsd
    }

    /// Starts it, bound to a core, with the zone that `dir` holds.
    pub(crate) fn start(self, hosts: &Hosts, dir: &Path, leasehold: &Path, core: u32) -> anyhow::Result<Running> {
        let shown = dir.display().to_string();
        let (conf, text) = match self {
            Self::Bind => ("named.conf", bind_conf(&shown)),
            Self::Knot => ("knot.conf", knot_conf(&shown)),
            Self::Nsd => ("nsd.conf", nsd_conf(&shown)),
            Self::Leasehold => ("leasehold.toml", leasehold_toml(&shown)),
        };
        let conf = dir.join(conf);
        std::fs::write(&conf, text)?;
        let (conf, leasehold, core) = (conf.display().to_string(), leasehold.display().to_string(), core.to_string());
        let words: &[&str] = match self {
            Self::Bind => &["named", "-f", "-n", "1", "-c", &conf],
            Self::Knot => &["knotd", "-c", &conf],
            Self::Nsd => &["nsd", "-d", "-c", &conf],
            Self::Leasehold => &[&leasehold, "run", "--log", "info", "--config", &conf],
        };
        hosts.serve("taskset", &[&["-c", &core], words].concat(), &[], &dir.join("server.log"))
    }
}

fn bind_conf(dir: &str) -> String {
    format!(
        "options {{ directory \"{dir}\"; listen-on {{ {SERVER}; }}; listen-on-v6 {{ none; }}; recursion no; \
         minimal-responses yes; allow-transfer {{ none; }}; pid-file \"{dir}/named.pid\"; \
         session-keyfile \"{dir}/session.key\"; dnssec-validation no; }};\n\
         key bench {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\ncontrols {{ }};\n\
         zone \"{DOMAIN}\" {{ type master; file \"{DOMAIN}.zone\"; allow-update {{ key bench; }}; }};\n"
    )
}

fn knot_conf(dir: &str) -> String {
    format!(
        "server:\n  listen: {SERVER}@53\n  rundir: \"{dir}\"\n  pidfile: \"{dir}/knot.pid\"\n  udp-workers: 1\n  \
         tcp-workers: 1\n  background-workers: 1\nlog:\n  - target: stderr\n    any: info\ndatabase:\n  \
         storage: \"{dir}/knot\"\nkey:\n  - id: bench\n    algorithm: hmac-sha256\n    secret: {SECRET}\nacl:\n  \
         - id: bench\n    key: bench\n    action: update\ntemplate:\n  - id: default\n    storage: \"{dir}\"\n    \
         zonefile-sync: -1\n    journal-content: changes\nzone:\n  - domain: {DOMAIN}\n    file: {DOMAIN}.zone\n    \
         acl: bench\n"
    )
}

fn nsd_conf(dir: &str) -> String {
    format!(
        "server:\n  ip-address: {SERVER}\n  username: \"\"\n  server-count: 1\n  zonesdir: \"{dir}\"\n  \
         pidfile: \"{dir}/nsd.pid\"\n  zonelistfile: \"{dir}/zone.list\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  \
         database: \"\"\nremote-control:\n  control-enable: no\nzone:\n  name: {DOMAIN}\n  zonefile: {DOMAIN}.zone\n"
    )
}

fn leasehold_toml(dir: &str) -> String {
    format!(
        "[server]\nstore = \"{dir}/store\"\ncontrol = \"{dir}/control.sock\"\n\n[[key]]\nname = \"bench\"\n\
         secret = \"{SECRET}\"\n\n[[subnet]]\nprefix = \"10.9.0.0/16\"\npools = [\"10.9.1.0-10.9.2.250\"]\n\n\
         [[zone]]\nname = \"{DOMAIN}\"\nfile = \"{DOMAIN}.zone\"\nupdate_keys = [\"bench\"]\n\n\
         [dns]\nlisten = [\"{SERVER}\"]\nforward = false\n"
    )
}
