//! `leasehold machine`: machines with one name for all their addresses.

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use web::model::{MachineInterface, MachineWrite, Machines};

use super::NOT_FOUND;
use super::edit::Editing;
use crate::control::Request;

/// Machines.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Show the machines of the configuration.
    List(List),
    /// Put a machine, in the place of the one of its name and domain. It is written to the file beside the configuration, and
    /// in force at once.
    Add(Add),
    /// Take out a machine that this command, the API or the page has made.
    Remove(Remove),
}

/// Show machines.
#[derive(Args, Debug)]
pub struct List {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Put a machine.
#[derive(Args, Debug)]
pub struct Add {
    /// Its name: one label, or a full name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// An address that is configured at the machine itself; may be repeated.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "interface")]
    pub address: Vec<IpAddr>,
    /// An interface that has its address by DHCP: a hardware address, `hex:01:52...` or `text:...` for a client identifier,
    /// `duid:hex:...` for a DUID, and behind `=` the address that it gets, else one from the pools; may be repeated.
    #[arg(long, value_name = "CLIENT[=ADDRESS]")]
    pub interface: Vec<String>,
    /// The domain of a name of one label; else that of the subnet of its addresses.
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Time to live of its records, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub ttl: Option<u32>,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

/// Take a machine out.
#[derive(Args, Debug)]
pub struct Remove {
    /// Its name; the full one where several have its label.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

/// Does it. The exit code is 1 when it was refused.
///
/// # Errors
/// When no daemon answers, or there is no such machine.
pub fn run(machine: &Machine) -> anyhow::Result<ExitCode> {
    match machine {
        Machine::List(asked) => list(&asked.daemon),
        Machine::Add(asked) => {
            let machine = MachineWrite {
                domain: asked.domain.clone(),
                addresses: asked.address.iter().map(ToString::to_string).collect(),
                interfaces: asked.interface.iter().map(|text| interface(text)).collect::<anyhow::Result<_>>()?,
                ttl: asked.ttl,
            };
            let name = asked.name.clone();
            asked.editing.make(|dry_run| Request::PutMachine { name, machine, dry_run })
        }
        Machine::Remove(asked) => {
            let name = asked.name.clone();
            asked.editing.make(|dry_run| Request::RemoveMachine { name, dry_run })
        }
    }
}

fn interface(text: &str) -> anyhow::Result<MachineInterface> {
    let (client, address) = match text.rsplit_once('=') {
        // The characters of an identifier may hold one too.
        Some((client, address)) if !client.starts_with("text:") || address.parse::<IpAddr>().is_ok() => {
            (client, Some(address.to_owned()))
        }
        _ => (text, None),
    };
    if client.is_empty() {
        bail!("`--interface {text}` names no client: write --address for an address that is configured at the machine");
    }
    Ok(MachineInterface { clients: vec![client.to_owned()], address })
}

fn list(daemon: &super::Daemon) -> anyhow::Result<ExitCode> {
    let Machines { machines } = daemon.ask(&Request::Machines)?;
    if daemon.json {
        println!("{}", serde_json::to_string_pretty(&machines)?);
    } else if machines.is_empty() {
        println!("the configuration has no machine: `leasehold machine add` makes one");
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["NAME", "BY HAND", "BY DHCP", "WRITTEN IN"]);
        for one in &machines {
            let full = match &one.domain {
                Some(domain) => format!("{}.{domain}", one.name),
                None => one.name.clone(),
            };
            let (leased, by_hand): (Vec<_>, Vec<_>) = one.interfaces.iter().partition(|one| !one.clients.is_empty());
            let by_hand = by_hand.iter().filter_map(|one| one.address.clone());
            let by_hand: Vec<String> = one.addresses.iter().cloned().chain(by_hand).collect();
            let leased = leased.iter().map(|one| {
                let address = one.address.as_deref().unwrap_or("from the pools");
                format!("{address} ({})", one.clients.join(", "))
            });
            let file = if one.made { "the file beside" } else { "the main file" };
            table.add_row([full, by_hand.join("\n"), leased.collect::<Vec<_>>().join("\n"), file.to_owned()]);
        }
        println!("{table}");
    }
    Ok(if machines.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_cut_at_an_address_only_where_its_identifier_may_hold_the_sign() {
        let cut = |text: &str| {
            let MachineInterface { clients, address } = interface(text).unwrap();
            (clients.concat(), address)
        };
        assert_eq!(cut("text:a=b"), ("text:a=b".to_owned(), None));
        assert_eq!(cut("text:a=b=10.0.0.5"), ("text:a=b".to_owned(), Some("10.0.0.5".to_owned())));
        assert_eq!(cut("02:00:00:00:00:01=x").1, Some("x".to_owned()), "told to be none by the daemon");
    }
}
