//! `leasehold mac`.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::NOT_FOUND;
use crate::control::{self, LeaseView, Request, local_time};
use crate::neighbours;

/// Tell which hardware address has an address, and how that is known.
#[derive(Args, Debug)]
pub struct Mac {
    /// An IPv4 or IPv6 address.
    #[arg(value_name = "ADDRESS")]
    pub address: IpAddr,
    /// Do not ask the network.
    #[arg(long)]
    pub quiet: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

#[derive(Serialize)]
struct Found {
    address: IpAddr,
    hardware: String,
    /// `lease`, `neighbours` or `asked`.
    from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Runs it: 3 when nobody has the address.
///
/// # Errors
/// There is no way to the address.
pub fn run(mac: &Mac) -> anyhow::Result<ExitCode> {
    let (found, words) = match find(mac)? {
        Some(found) => found,
        None => {
            eprintln!("leasehold: nobody is known to have {}", mac.address);
            return Ok(ExitCode::from(NOT_FOUND));
        }
    };
    if mac.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        println!("{}\t{words}", found.hardware);
    }
    Ok(ExitCode::SUCCESS)
}

fn find(mac: &Mac) -> anyhow::Result<Option<(Found, String)>> {
    let address = mac.address;
    if let Some(lease) = leased(mac) {
        let name = lease.name.clone().map(|name| name.trim_end_matches('.').to_owned());
        let called = name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
        let words = match lease.expires_at {
            Some(until) => format!("by its lease{called}, until {}", local_time(until)),
            None => format!("by its lease{called}, without an end"),
        };
        return Ok(Some((Found { address, hardware: lease.hardware, from: "lease", name }, words)));
    }
    let found = |octets: Vec<u8>, from| {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        Found { address, hardware: octets.join(":"), from, name: None }
    };
    if let Some(octets) = neighbours::find(address)? {
        return Ok(Some((found(octets, "neighbours"), "by this machine's table of neighbours".to_owned())));
    }
    if mac.quiet {
        return Ok(None);
    }
    let asked = neighbours::ask(address)?;
    let how = if address.is_ipv4() { "by asking with ARP" } else { "by asking with neighbour discovery" };
    Ok(asked.map(|octets| (found(octets, "asked"), how.to_owned())))
}

/// The running lease; without a daemon the network alone tells.
fn leased(mac: &Mac) -> Option<LeaseView> {
    let IpAddr::V4(address) = mac.address else { return None };
    match control::ask::<Option<LeaseView>>(&mac.daemon.socket, &Request::LeaseAt { address }) {
        Ok(lease) => lease.filter(|lease| lease.state == "bound"),
        Err(error) => {
            eprintln!("leasehold: leases are not known: {error:#}");
            None
        }
    }
}
