//! Clients of the field that are asked one after another, each answer looked at.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::field::SERVER;
use crate::load::Plan;
use crate::netns::Host;
use crate::packet::{self, Heard, Said};

/// After so long without an answer a client says it again. RFC 2131, section 4.1, has it wait 4 seconds.
const ASKED_AGAIN: Duration = Duration::from_secs(4);
/// How long a renewal may take, with what a busy kernel drops.
const RENEWED: Duration = Duration::from_secs(20);

/// One client at a time, from a socket of its own.
pub(crate) struct Asker {
    socket: UdpSocket,
    giaddr: Ipv4Addr,
    server: Ipv4Addr,
    exchange: u32,
}

impl Asker {
    /// As a relay agent (port 67), or with `relayed` unset as a client that has this address (port 68).
    pub(crate) fn new(host: &Host, address: Ipv4Addr, relayed: bool) -> Self {
        let socket = host.inside(|| UdpSocket::bind((address, if relayed { 67 } else { 68 })).expect("a port"));
        let giaddr = if relayed { address } else { Ipv4Addr::UNSPECIFIED };
        Self { socket, giaddr, server: SERVER, exchange: 0 }
    }

    /// Of another server than the field's.
    pub(crate) fn of(self, server: Ipv4Addr) -> Self {
        Self { server, ..self }
    }

    /// Says it and waits for the answer. Like a client it says it again while none comes, since a busy kernel may drop it.
    pub(crate) fn ask(&mut self, mut said: Said, patience: Duration) -> Option<Heard> {
        self.exchange += 1;
        (said.xid, said.giaddr) = (0x7000_0000 + self.exchange, self.giaddr);
        let deadline = Instant::now() + patience;
        let mut again = Instant::now();
        let mut buffer = [0; 1500];
        loop {
            if Instant::now() >= again {
                self.socket.send_to(&said.encode(), (self.server, 67)).unwrap();
                again = Instant::now() + ASKED_AGAIN;
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            let until_again = again.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(left.min(until_again))).unwrap();
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer)
                && let Some(heard) = Heard::decode(&buffer[..length])
                && heard.xid == said.xid
            {
                return Some(heard);
            }
        }
    }

    /// The answer to a renewal.
    pub(crate) fn renew(&mut self, client: u32, address: Ipv4Addr) -> Option<Heard> {
        let mut said = Said::new(packet::REQUEST, 0, Plan::hardware(client));
        said.ciaddr = address;
        self.ask(said, RENEWED)
    }

    /// DISCOVER and, when there is an offer, REQUEST: the last answer that came.
    pub(crate) fn take(&mut self, client: u32, patience: Duration) -> Option<Heard> {
        let offer = self.ask(Said::new(packet::DISCOVER, 0, Plan::hardware(client)), patience)?;
        assert_eq!(offer.kind, packet::OFFER);
        let mut said = Said::new(packet::REQUEST, 0, Plan::hardware(client));
        (said.requested, said.server) = (Some(offer.yiaddr), Some(offer.server));
        self.ask(said, patience)
    }
}
