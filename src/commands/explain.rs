//! `leasehold explain`: why a name is what it is, asked of the running daemon ([`asked`]); with `--packet` what the
//! configuration makes of a packet, without serving.

mod asked;
mod packets;
mod words;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use config::Config;
use ddns::wanted::WantedTable;
use dhcp::decision::Ingress;
use dhcp::engine::Engine;
use dhcp::message::Message;
use dhcp::settings::Settings;
use dhcp::time::Now;
use ipnet::Ipv4Net;

use self::packets::{Packet, Way};
use crate::clock::machine_wall_secs;
use crate::core::{CoreNames, Outcomes};
use crate::dhcp_sockets::InterfaceTable;

/// The ports of relay agents and servers, and of clients.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// Tell why a name is what it is, or is not there; or what a packet would lead to.
///
/// A name, an address or a hardware address is asked of the running daemon: lease or reservation, what the client sent
/// and what became of it, the rules, zone, server and key, what was asked of DNS, its last answer and the next try.
///
/// With --packet and --config a packet is run through a configuration without serving: subnet, classes, reservation,
/// address, each option and where it came from.
#[derive(Args, Debug)]
pub struct Explain {
    /// What to explain.
    #[arg(value_name = "NAME|ADDRESS|MAC", required_unless_present = "packet", conflicts_with_all = ["packet", "config"])]
    pub what: Option<String>,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// A capture (pcap, pcapng), a file with the message, or its bytes in hexadecimal.
    #[arg(long, value_name = "FILE|HEX", requires = "config")]
    pub packet: Option<String>,
    /// The configuration file, for --packet.
    #[arg(long, value_name = "FILE", requires = "packet")]
    pub config: Option<PathBuf>,
    /// The interface that the packet came in on, with the addresses that it has on this machine.
    #[arg(long, value_name = "NAME", requires = "packet")]
    pub interface: Option<String>,
    /// Instead, or where this machine has no such interface: the interface's address, with its prefix's length.
    #[arg(long, value_name = "ADDRESS/LENGTH", requires = "packet")]
    pub on: Vec<Ipv4Net>,
    /// Only the packet with this number, of a capture.
    #[arg(long, value_name = "N", requires = "packet")]
    pub number: Option<usize>,
}

/// Runs it. The packets of a capture are decided one after the other, as a server without leases would have had them.
///
/// # Errors
/// The file has faults, or the packet cannot be read; no daemon answers at the socket.
pub fn run(explain: &Explain) -> anyhow::Result<ExitCode> {
    let (Some(packet), Some(path)) = (&explain.packet, &explain.config) else {
        return asked::run(explain.what.as_deref().unwrap_or_default(), &explain.daemon);
    };
    let config = match super::check::load(path)? {
        Ok(config) => config,
        Err(report) => {
            eprint!("{report}");
            bail!("{} has faults", path.display());
        }
    };
    let packets = packets::read(packet)?;
    let mut bench = Bench::new(explain, config)?;
    let mut told = Vec::new();
    for packet in &packets {
        let one = bench.explain(packet);
        if explain.number.is_none_or(|number| number == packet.number) {
            told.push(one);
        }
    }
    if told.is_empty() {
        bail!("no packet has that number");
    }
    if explain.daemon.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        let several = packets.len() > 1;
        for one in &told {
            print!("{}", one.text(several));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A server that serves nobody: an engine without leases, on one interface.
struct Bench {
    config: Config,
    engine: Engine,
    interface: String,
    addresses: Vec<Ipv4Net>,
    now: Now,
}

impl Bench {
    fn new(explain: &Explain, config: Config) -> anyhow::Result<Self> {
        let (interface, addresses) = where_it_came_in(explain, &config.dhcp)?;
        let now = Now { boot_ms: 0, wall_secs: machine_wall_secs() };
        let own = addresses.iter().map(Ipv4Net::addr).collect::<Vec<_>>();
        let settings = config.dhcp_with_own_addresses(|subnet| {
            own.iter().copied().find(|address| subnet.prefix.contains(address)).or_else(|| own.first().copied())
        });
        let engine = Engine::new(Arc::new(settings), Vec::new(), now);
        Ok(Self { config, engine, interface, addresses, now })
    }

    fn explain(&mut self, packet: &Packet) -> words::Told {
        let message = Message::parse(&packet.payload);
        let way = packet.way.unwrap_or_else(|| self.way_of(message.as_ref().ok()));
        let ingress = Ingress {
            interface: &self.interface,
            addresses: &self.addresses,
            source: way.source,
            destination: way.destination.0,
        };
        let wanted = WantedTable::default();
        let outcomes = Outcomes::new(&self.config.ddns, self.now);
        let names = CoreNames::new(&wanted, &self.config.ddns, &outcomes);
        // A capture's exchanges follow one another; each is given a moment of its own.
        self.now.boot_ms += 1;
        let explanation = self.engine.explain(self.now, &ingress, &packet.payload, &names);
        let switches = &self.config.switches;
        words::Told::new(packet.number, &self.interface, message.as_ref().ok(), switches, explanation)
    }

    /// How a bare message would have come.
    fn way_of(&self, message: Option<&Message<'_>>) -> Way {
        let ours = self.addresses.first().map_or(Ipv4Addr::LOCALHOST, Ipv4Net::addr);
        let (giaddr, ciaddr) =
            message.map_or((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED), |message| (message.giaddr, message.ciaddr));
        match (giaddr.is_unspecified(), ciaddr.is_unspecified()) {
            (false, _) => Way { source: (giaddr, SERVER_PORT), destination: (ours, SERVER_PORT) },
            (true, false) => Way { source: (ciaddr, CLIENT_PORT), destination: (ours, SERVER_PORT) },
            (true, true) => {
                Way { source: (Ipv4Addr::UNSPECIFIED, CLIENT_PORT), destination: (Ipv4Addr::BROADCAST, SERVER_PORT) }
            }
        }
    }
}

/// The interface and its addresses: as told, as this machine has them, or on the only subnet.
fn where_it_came_in(explain: &Explain, settings: &Settings) -> anyhow::Result<(String, Vec<Ipv4Net>)> {
    let name = explain.interface.clone().unwrap_or_else(|| "eth0".to_owned());
    if !explain.on.is_empty() {
        return Ok((name, explain.on.clone()));
    }
    if let Some(interface) = &explain.interface {
        let table = InterfaceTable::snapshot().context("cannot read this machine's interfaces")?;
        if let Some(found) = table.by_name(interface) {
            return Ok((name, found.addresses.clone()));
        }
        let is_named = settings.subnets.iter().any(|subnet| subnet.interfaces.contains(interface))
            || settings.networks.iter().any(|network| network.interfaces.contains(interface));
        if is_named {
            return Ok((name, Vec::new()));
        }
        bail!("this machine has no interface {interface}; say which address it has: --on 192.168.30.1/24");
    }
    // A relayed packet needs no interface; one that came by itself is taken to be on the only subnet there is.
    match &settings.subnets[..] {
        [only] => {
            let prefix = only.prefix;
            let first = Ipv4Addr::from(prefix.network().to_bits() | u32::from(prefix.prefix_len() < 31));
            Ok((name, vec![Ipv4Net::new(first, prefix.prefix_len())?]))
        }
        _ => Ok((name, vec![Ipv4Net::new(Ipv4Addr::new(192, 0, 2, 1), 32)?])),
    }
}
