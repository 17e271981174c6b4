//! From ACK received to name answered, in alternation, in one run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

use crate::figures::{Figures, table};
use crate::hosts::{Hosts, Link, Running};

pub(crate) const SERVER: &str = "10.9.0.1";
pub(crate) const CLIENT: &str = "10.9.0.2";
pub(crate) const DOMAIN: &str = "bench.test";
pub(crate) const REVERSE: &str = "9.10.in-addr.arpa";
pub(crate) const SECRET: &str = "bGVhc2Vob2xkLWJlbmNoLWtleS0zMi1ieXRlcy1sb25n";

/// From ACK received to name answered.
#[derive(Args, Debug)]
pub(crate) struct Names {
    /// Leases in each round. Short rounds: the machine's pace changes by the minute, and the servers take turns.
    #[arg(long, default_value_t = 150)]
    count: u32,
    /// Leases a second.
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Rounds; the table shows all of them together, and how far the rounds' own medians lie apart.
    #[arg(long, default_value_t = 6)]
    rounds: u32,
    /// The daemon to measure.
    #[arg(long, default_value = "target/release/leasehold")]
    leasehold: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Kea,
    LeaseholdBind,
    LeaseholdZone,
}

const SERVERS: [(Server, &str); 3] = [
    (Server::Kea, "Kea, D2, BIND"),
    (Server::LeaseholdBind, "Leasehold, BIND"),
    (Server::LeaseholdZone, "Leasehold, own zone"),
];

impl Names {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let leasehold = self
            .leasehold
            .canonicalize()
            .with_context(|| format!("{} is not there: run `cargo build --release` first", self.leasehold.display()))?;
        let mut figures: Vec<Figures> = SERVERS.iter().map(|_| Figures::default()).collect();
        for round in 1..=self.rounds {
            for ((server, title), figures) in SERVERS.iter().zip(&mut figures) {
                eprintln!("round {round} of {}: {title}", self.rounds);
                self.measure(*server, &leasehold, figures)?;
            }
        }
        if let Some(at) = figures.iter().position(|figures| figures.is_empty()) {
            bail!("{}: no name was answered at all; figures would mean nothing", SERVERS[at].1);
        }
        print_versions(&leasehold);
        let rows: Vec<(&str, &Figures)> = SERVERS.iter().map(|(_, title)| *title).zip(&figures).collect();
        println!("{}", table(&rows, self.count * self.rounds));
        Ok(())
    }

    fn measure(&self, server: Server, leasehold: &Path, figures: &mut Figures) -> anyhow::Result<()> {
        let hosts = Hosts::new(Link { server: SERVER, client: CLIENT, length: 16 })?;
        // BIND's and Kea's own users are not needed: everything runs as root in a namespace that ends with the run.
        let dir = std::env::temp_dir().join(format!("leasehold-bench-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir)?;
        let bind = if server == Server::LeaseholdZone { None } else { Some(start_bind(&hosts, &dir)?) };
        let dhcp = match server {
            Server::Kea => start_kea(&hosts, &dir)?,
            Server::LeaseholdBind | Server::LeaseholdZone => {
                vec![start_leasehold(&hosts, &dir, leasehold, bind.is_some())?]
            }
        };
        let this = std::env::current_exe()?;
        let (count, rate) = (self.count.to_string(), self.rate.to_string());
        let printed = hosts.ask(
            &this.to_string_lossy(),
            &[
                "generate", "--relay", CLIENT, "--server", SERVER, "--domain", DOMAIN, "--count", &count, "--rate",
                &rate,
            ],
        );
        let printed = match printed {
            Ok(printed) => printed,
            Err(error) => return Err(error.context(format!("the servers' logs are in {}", dir.display()))),
        };
        drop(dhcp);
        drop(bind);
        std::fs::remove_dir_all(&dir)?;
        let mut round = Figures::default();
        round.extend(printed.lines());
        eprintln!("  {}", round.summary());
        figures.append(round);
        Ok(())
    }
}

fn zone_file(dir: &Path, zone: &str) -> anyhow::Result<()> {
    let text = format!("$TTL 60\n@ SOA ns.{DOMAIN}. root.{DOMAIN}. 1 3600 600 86400 1\n@ NS ns.{DOMAIN}.\n");
    let glue = if zone == DOMAIN { format!("ns A {SERVER}\n") } else { String::new() };
    Ok(std::fs::write(dir.join(format!("{zone}.zone")), text + &glue)?)
}

pub(crate) fn start_bind(hosts: &Hosts, dir: &Path) -> anyhow::Result<Running> {
    zone_file(dir, DOMAIN)?;
    zone_file(dir, REVERSE)?;
    let shown = dir.display();
    let zones: String = [DOMAIN, REVERSE]
        .iter()
        .map(|zone| {
            format!(
                "zone \"{zone}\" {{ type master; file \"{shown}/{zone}.zone\"; allow-update {{ key bench; }}; }};\n"
            )
        })
        .collect();
    let text = format!(
        "options {{ directory \"{shown}\"; listen-on {{ {SERVER}; }}; listen-on-v6 {{ none; }}; recursion no; allow-transfer {{ key bench; }}; \
         pid-file \"{shown}/named.pid\"; session-keyfile \"{shown}/session.key\"; dnssec-validation no; }};\n\
         key bench {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\ncontrols {{ }};\n{zones}"
    );
    let conf = dir.join("named.conf");
    std::fs::write(&conf, text)?;
    let log = dir.join("named.log");
    let mut named = hosts.serve("/usr/sbin/named", &["-g", "-n", "1", "-c", &conf.to_string_lossy()], &[], &log)?;
    named.wait_until("running", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("running")))?;
    Ok(named)
}

pub(crate) fn start_kea(hosts: &Hosts, dir: &Path) -> anyhow::Result<Vec<Running>> {
    let shown = dir.display();
    let d2 = format!(
        r#"{{"DhcpDdns": {{"ip-address": "127.0.0.1", "port": 53001,
        "tsig-keys": [{{"name": "bench", "algorithm": "HMAC-SHA256", "secret": "{SECRET}"}}],
        "forward-ddns": {{"ddns-domains": [{{"name": "{DOMAIN}.", "key-name": "bench", "dns-servers": [{{"ip-address": "{SERVER}"}}]}}]}},
        "reverse-ddns": {{"ddns-domains": [{{"name": "{REVERSE}.", "key-name": "bench", "dns-servers": [{{"ip-address": "{SERVER}"}}]}}]}},
        "loggers": [{{"name": "kea-dhcp-ddns", "severity": "WARN", "output_options": [{{"output": "stdout"}}]}}]}}}}"#
    );
    let dhcp4 = format!(
        r#"{{"Dhcp4": {{"interfaces-config": {{"interfaces": ["srv0/{SERVER}"], "dhcp-socket-type": "udp"}},
        "lease-database": {{"type": "memfile", "persist": true, "name": "{shown}/leases.csv", "lfc-interval": 0}},
        "valid-lifetime": 3600, "dhcp-ddns": {{"enable-updates": true, "server-ip": "127.0.0.1", "server-port": 53001,
        "max-queue-size": 65536}},
        "ddns-send-updates": true, "ddns-qualifying-suffix": "{DOMAIN}.", "ddns-override-no-update": true,
        "subnet4": [{{"subnet": "10.9.0.0/16", "pools": [{{"pool": "10.9.1.0 - 10.9.250.255"}}]}}],
        "loggers": [{{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{{"output": "stdout"}}]}}]}}}}"#
    );
    std::fs::write(dir.join("d2.conf"), d2)?;
    std::fs::write(dir.join("dhcp4.conf"), dhcp4)?;
    let place = shown.to_string();
    let env = [
        ("KEA_PIDFILE_DIR", place.as_str()),
        ("KEA_LOCKFILE_DIR", place.as_str()),
        ("KEA_LOGGER_DESTINATION", "stdout"),
    ];
    let mut running = Vec::new();
    for (program, conf, port) in [("kea-dhcp-ddns", "d2.conf", 53_001), ("kea-dhcp4", "dhcp4.conf", 67)] {
        let (conf, log) = (dir.join(conf), dir.join(format!("{program}.log")));
        let mut started = hosts.serve(&format!("/usr/sbin/{program}"), &["-c", &conf.to_string_lossy()], &env, &log)?;
        let listens = || {
            let found = Command::new("ip")
                .args(["netns", "exec", hosts.server_name(), "ss", "-Hlun", &format!("sport = :{port}")])
                .output();
            found.is_ok_and(|output| !output.stdout.is_empty())
        };
        started.wait_until("socket", listens)?;
        running.push(started);
    }
    Ok(running)
}

pub(crate) fn start_leasehold(hosts: &Hosts, dir: &Path, leasehold: &Path, to_bind: bool) -> anyhow::Result<Running> {
    let shown = dir.display();
    let zones = if to_bind {
        format!(
            "[[key]]\nname = \"bench\"\nsecret = \"{SECRET}\"\n\n\
             [[zone]]\nname = \"{DOMAIN}\"\nserver = \"{SERVER}\"\nkey = \"bench\"\n\n\
             [[zone]]\nname = \"{REVERSE}\"\nserver = \"{SERVER}\"\nkey = \"bench\"\n"
        )
    } else {
        format!("[[zone]]\nname = \"{DOMAIN}\"\n")
    };
    let text = format!(
        "[server]\nstore = \"{shown}/store\"\ncontrol = \"{shown}/control.sock\"\n\n\
         [dhcp.limits]\npackets_per_client = \"unlimited\"\n\n[[subnet]]\nprefix = \"10.9.0.0/16\"\npools = [\"10.9.1.0-10.9.250.255\"]\nlease_time = \"1h\"\ndomain = \"{DOMAIN}\"\n\n{zones}"
    );
    let conf = dir.join("leasehold.toml");
    std::fs::write(&conf, text)?;
    let log = dir.join("leasehold.log");
    let args = ["run", "--log", "info", "--config", &conf.to_string_lossy()];
    let mut started = hosts.serve(&leasehold.to_string_lossy(), &args, &[], &log)?;
    started.wait_until("ready", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains(": ready: ")))?;
    Ok(started)
}

pub(crate) fn first_line(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "not found".to_owned(),
        |output| {
            let text = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout })
                .into_owned();
            text.lines().next().unwrap_or_default().to_owned()
        },
    )
}

pub(crate) fn print_versions(leasehold: &Path) {
    println!("{}", first_line(leasehold, &["--version"]));
    println!("Kea {}", first_line(Path::new("/usr/sbin/kea-dhcp4"), &["-v"]));
    println!("{}", first_line(Path::new("/usr/sbin/named"), &["-v"]));
}
