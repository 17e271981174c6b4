//! `leasehold reserve`, `unreserve` and `release`.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use clap::Args;
use ipnet::Ipv4Net;

use super::edit::Editing;
use crate::control::{LeaseView, Request, ReserveRequest};

/// Reserve an address for a client. It is written to the file beside the configuration, and in force at once.
#[derive(Args, Debug)]
pub struct Reserve {
    /// Whom for: a hardware address, `hex:01:52...` or `text:...` for a client identifier, `duid:hex:...` for a DUID.
    #[arg(value_name = "CLIENT", required_unless_present = "from_lease")]
    pub client: Option<String>,
    /// Which address; without one, the client gets one from the pools of --subnet.
    #[arg(value_name = "ADDRESS", required_unless_present_any = ["from_lease", "subnet"])]
    pub address: Option<Ipv4Addr>,
    /// For whoever has this address by a lease now, under the name that the lease has.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["client", "address", "subnet"])]
    pub from_lease: Option<Ipv4Addr>,
    /// The name that the client gets.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// In this subnet; else the one that the address is in.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Option<Ipv4Net>,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

/// Take out a reservation that `leasehold reserve`, the API or the page has made.
#[derive(Args, Debug)]
pub struct Unreserve {
    /// Whose, as for `reserve`.
    #[arg(value_name = "CLIENT")]
    pub client: String,
    /// Only in this subnet.
    #[arg(long, value_name = "PREFIX")]
    pub subnet: Option<Ipv4Net>,
    /// How it is made.
    #[command(flatten)]
    pub editing: Editing,
}

/// End a lease, as its client's RELEASE would: the address is free, and its DNS records go.
#[derive(Args, Debug)]
pub struct Release {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
    /// The address.
    #[arg(value_name = "ADDRESS")]
    pub address: Ipv4Addr,
    /// Only while the client of this hardware address has it.
    #[arg(long, value_name = "MAC")]
    pub client: Option<String>,
}

/// Reserves. The exit code is 1 when it was refused.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn reserve(asked: &Reserve) -> anyhow::Result<ExitCode> {
    let reserve = ReserveRequest {
        client: asked.client.clone(),
        address: asked.address,
        subnet: asked.subnet,
        hostname: asked.name.clone(),
        from_lease: asked.from_lease,
    };
    asked.editing.make(|dry_run| Request::Reserve { reserve, dry_run })
}

/// Takes a reservation out. The exit code is 1 when it was refused.
///
/// # Errors
/// When no daemon answers at the socket, or there is no such reservation.
pub fn unreserve(asked: &Unreserve) -> anyhow::Result<ExitCode> {
    let (client, subnet) = (asked.client.clone(), asked.subnet);
    asked.editing.make(|dry_run| Request::Unreserve { client, subnet, dry_run })
}

/// Ends a lease.
///
/// # Errors
/// When no daemon answers at the socket, or nobody holds the address.
pub fn release(asked: &Release) -> anyhow::Result<ExitCode> {
    let (address, client) = (asked.address, asked.client.clone());
    let view: LeaseView = asked.daemon.ask(&Request::Release { address, client })?;
    if asked.daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        let name = view.name.map_or_else(String::new, |name| format!(", known as {name}"));
        println!("{} was leased to {}{name}: the lease has ended", view.address, view.hardware);
    }
    Ok(ExitCode::SUCCESS)
}
