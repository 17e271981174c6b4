//! What is shown: four messages and two records.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context;
use dhcp::client::{ClientMessage, ServerMessage};
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::{code, read_address};
use dns::Fqdn;
use tokio::time::Instant;

use super::client::{Client, Exchanged, Leased};
use super::relay::{Agent, Relay};
use super::resolve::Resolver;

/// The client's name; its domain is the demonstration's.
const CLIENT_NAME: &str = "client1.nasir.xyz";
/// Locally administered, so that no real device has it.
const CLIENT_HARDWARE: [u8; 6] = [0x02, 0x00, 0x5e, 0x10, 0x00, 0x01];
/// The router of the client's subnet, for which the relay stands.
const LINK: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 1);
/// How long the records may take. They take milliseconds.
const RECORDS_WAIT: Duration = Duration::from_secs(5);

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The name that the client asked for.
    pub name: Fqdn,
    /// The address that it got.
    pub address: Ipv4Addr,
    /// The A record came.
    pub forward: bool,
    /// The PTR record came.
    pub reverse: bool,
}

impl Outcome {
    /// Both records resolved.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.forward && self.reverse
    }
}

/// Lets a client behind a relay take a lease at `dhcp` and asks `dns` for its records, and tells all of it in `out`.
///
/// # Errors
/// When the client gets no lease, a socket fails, or nothing can be written.
pub async fn tell_story(dhcp: SocketAddrV4, dns: SocketAddr, out: &mut (dyn Write + Send)) -> anyhow::Result<Outcome> {
    let agent = Agent { address: *dhcp.ip(), link: LINK };
    let relay = Relay::start(agent, dhcp).await.context("cannot start the built-in relay")?;
    let name: Fqdn = CLIENT_NAME.parse().context("the client's name")?;
    let hardware = HardwareAddress::new(1, &CLIENT_HARDWARE).context("the client's hardware address")?;
    writeln!(out, "client1 ({hardware}) asks, by way of a relay that stands for the link of {LINK}:")?;
    let client = Client { hardware, name: name.clone(), relay: relay.clients_at(), xid: super::random_u32() };
    let mut told = Ok(());
    let mut tell = |message: Exchanged<'_>| {
        if told.is_ok() {
            told = match message {
                Exchanged::Sent(message) => tell_sent(out, message),
                Exchanged::Received(message) => tell_received(out, message),
            };
        }
    };
    let leased = client.take_lease(&mut tell).await.context("the built-in client got no lease")?;
    told?;
    writeln!(out, "\nThe DNS server at {dns} is asked:")?;
    let mut resolver = Resolver::new(dns).await.context("cannot ask the DNS server")?;
    let until = Instant::now() + RECORDS_WAIT;
    let forward = resolver.wait_for_address(&name, leased.address, until).await?;
    tell_record(out, "A", &CLIENT_NAME, &leased.address, forward.then_some(&leased))?;
    let reverse = resolver.wait_for_name(leased.address, &name, until).await?;
    tell_record(out, "PTR", &leased.address, &CLIENT_NAME, reverse.then_some(&leased))?;
    Ok(Outcome { name, address: leased.address, forward, reverse })
}

fn tell_sent(out: &mut (dyn Write + Send), message: &ClientMessage) -> io::Result<()> {
    let requested = message.options.iter().find(|(code, _)| *code == code::REQUESTED_IP_ADDRESS);
    match requested.and_then(|(_, data)| read_address(data)) {
        Some(address) => writeln!(out, "  {:<9}->  I take {address}", message.message_type.to_string()),
        None => writeln!(out, "  {:<9}->  who has an address for {CLIENT_NAME}?", message.message_type.to_string()),
    }
}

fn tell_received(out: &mut (dyn Write + Send), message: &ServerMessage<'_>) -> io::Result<()> {
    write!(out, "  {:<9}<-  ", message.message_type.to_string())?;
    if message.message_type == MessageType::Nak {
        return writeln!(out, "no");
    }
    write!(out, "{}", message.yiaddr)?;
    if let Some(secs) = message.lease_secs() {
        write!(out, " for {secs} s")?;
    }
    if let Some(server) = message.server_identifier() {
        write!(out, ", from the server {server}")?;
    }
    // RFC 4702 section 2.1: with S set, the server writes the A record.
    let flags = message.options.get(code::CLIENT_FQDN).and_then(|data| data.first());
    if flags.is_some_and(|flags| flags & 1 == 1) {
        write!(out, ", which keeps the name in DNS")?;
    }
    writeln!(out)
}

fn tell_record(
    out: &mut (dyn Write + Send),
    rtype: &str,
    owner: &dyn std::fmt::Display,
    data: &dyn std::fmt::Display,
    leased: Option<&Leased>,
) -> io::Result<()> {
    match leased {
        Some(leased) => {
            let passed = leased.acknowledged_at.elapsed().as_secs_f64() * 1e3;
            writeln!(out, "  {rtype:<4} {owner} is {data}, {passed:.1} ms after the ACK")
        }
        None => writeln!(out, "  {rtype:<4} {owner}: no such record within {} s", RECORDS_WAIT.as_secs()),
    }
}
