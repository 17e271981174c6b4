//! New clients at a steady rate; for each, the time from its ACK to the first answer with its name.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use dns::Fqdn;

use crate::packet::{ACK, Client, OFFER, is_answered, query, read_reply};

/// A name that takes longer than this counts as missing.
const NAME_WAIT: Duration = Duration::from_secs(2);
const REPLY_WAIT: Duration = Duration::from_secs(2);

/// Generates new clients.
#[derive(Args, Debug)]
pub(crate) struct Generate {
    /// Our own address, the relay's: `giaddr`.
    #[arg(long)]
    relay: Ipv4Addr,
    /// The DHCP and DNS server's address.
    #[arg(long)]
    server: Ipv4Addr,
    /// The domain of the names.
    #[arg(long)]
    domain: String,
    /// How many clients.
    #[arg(long)]
    count: u32,
    /// How many a second.
    #[arg(long)]
    rate: u32,
}

impl Generate {
    /// Prints one line a client: microseconds from ACK to name, how many questions that took, and microseconds for one
    /// more question; or `missing`.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let dhcp = UdpSocket::bind(SocketAddrV4::new(self.relay, 67)).context("binding the relay's port 67")?;
        dhcp.set_read_timeout(Some(REPLY_WAIT))?;
        let dns = UdpSocket::bind(SocketAddrV4::new(self.relay, 0))?;
        dns.connect((self.server, 53))?;
        dns.set_read_timeout(Some(Duration::from_millis(500)))?;
        let pause = Duration::from_secs(1) / self.rate;
        let started = Instant::now();
        for number in 0..self.count {
            let due = started + pause * number;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let name: Fqdn = format!("h{number}.{}", self.domain).parse().context("the domain")?;
            self.take_lease(&dhcp, &Client { number: number + 1, giaddr: self.relay, name: &name })?;
            match wait_for_name(&dns, number, &name)? {
                Some((taken, questions)) => {
                    let again = wait_for_name(&dns, number, &name)?.map_or(0, |(taken, _)| taken.as_micros());
                    println!("{} {questions} {again}", taken.as_micros());
                }
                None => println!("missing"),
            }
        }
        Ok(())
    }

    fn take_lease(&self, socket: &UdpSocket, client: &Client<'_>) -> anyhow::Result<()> {
        for _ in 0..3 {
            socket.send_to(&client.message(None), (self.server, 67))?;
            let Some((address, server)) = await_reply(socket, client.number, OFFER) else { continue };
            socket.send_to(&client.message(Some((address, server))), (self.server, 67))?;
            if await_reply(socket, client.number, ACK).is_some() {
                return Ok(());
            }
        }
        bail!("client {} got no lease in three tries", client.number)
    }
}

fn await_reply(socket: &UdpSocket, xid: u32, wanted: u8) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let mut buffer = [0; 1_500];
    let until = Instant::now() + REPLY_WAIT;
    while Instant::now() < until {
        let len = socket.recv(&mut buffer).ok()?;
        match read_reply(&buffer[..len]) {
            Some((of, kind, address, server)) if of == xid && kind == wanted => return Some((address, server)),
            _ => {}
        }
    }
    None
}

/// Asks back to back until the name is answered; how long that took, and how many questions.
fn wait_for_name(socket: &UdpSocket, number: u32, name: &Fqdn) -> anyhow::Result<Option<(Duration, u32)>> {
    let acked = Instant::now();
    let mut buffer = [0; 1_500];
    let mut id = u16::try_from(number & 0xFF).unwrap_or(0) << 8;
    let mut questions = 0;
    while acked.elapsed() < NAME_WAIT {
        questions += 1;
        id = id.wrapping_add(1);
        socket.send(&query(id, name))?;
        let Ok(len) = socket.recv(&mut buffer) else { continue };
        if is_answered(id, &buffer[..len]) {
            return Ok(Some((acked.elapsed(), questions)));
        }
    }
    Ok(None)
}
