//! A client after RFC 2131 figure 5, with moods: it renews, reboots, releases, declines, vanishes and comes back.

use std::net::Ipv4Addr;

use crate::packet::{ACK, DECLINE, DISCOVER, INFORM, NAK, OFFER, Packet, RELEASE, REQUEST};
use crate::rng::Rng;

/// What the client believes. Times are milliseconds of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Off,
    Selecting,
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
    },
    /// Takes another server's offer of the same address.
    Elsewhere {
        address: Ipv4Addr,
    },
    Rebooting {
        address: Ipv4Addr,
    },
    Bound {
        address: Ipv4Addr,
        server: Ipv4Addr,
        renew_at: u64,
        until: u64,
    },
}

/// Another DHCP server of the same network, which nobody hears.
pub(crate) const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Relays: one beside the server on its own network, one of another network.
const RELAYS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 14), Ipv4Addr::new(10, 0, 1, 14)];

/// Few names for many clients: conflicts are the rule.
const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "Alpha", "b\u{e4}d", ""];

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) mac: [u8; 6],
    pub(crate) client_id: Option<Vec<u8>>,
    pub(crate) hostname: Option<String>,
    /// The flags of option 81, which it sends in place of option 12.
    pub(crate) fqdn: Option<u8>,
    pub(crate) state: State,
    /// Remembered for INIT-REBOOT.
    pub(crate) last_address: Option<Ipv4Addr>,
    /// The relay of its network; `None`: it is on the server's link.
    pub(crate) relay: Option<Ipv4Addr>,
    /// Goes from network to network.
    pub(crate) roams: bool,
    /// How much faster than usual it changes its mind.
    pub(crate) haste: u64,
    /// Has no moods: takes a lease and renews it.
    steady: bool,
    xid: u32,
    /// When it acts next.
    pub(crate) wakes_at: u64,
    tries: u32,
    requested_at: u64,
}

/// What a client's turn brings forth.
pub(crate) struct Said {
    pub(crate) packet: Packet,
    /// The address that the client gives up by saying it.
    pub(crate) gives_up: Option<Ipv4Addr>,
}

impl Client {
    pub(crate) fn new(index: usize, rng: &mut Rng) -> Self {
        let id = u8::try_from(index).unwrap();
        Self {
            mac: [2, 0, 0, 0, 0, id],
            client_id: rng.permille(500).then(|| vec![1, 2, 0, 0, 0, 0, id]),
            hostname: rng.permille(850).then(|| (*rng.pick(&NAMES)).to_owned()),
            fqdn: rng.permille(400).then(|| *rng.pick(&[0b0100, 0b0101, 0b1100])),
            state: State::Off,
            last_address: None,
            relay: rng.permille(300).then_some(RELAYS[0]),
            roams: false,
            haste: 1,
            steady: false,
            xid: 0,
            wakes_at: rng.below(20_000),
            tries: 0,
            requested_at: 0,
        }
    }

    /// Another interface of the same host (RFC 4361: one DUID, another IAID), under the same name.
    pub(crate) fn interface_of_host(index: usize, rng: &mut Rng) -> Self {
        let mut client = Self::new(index, rng);
        let iaid = u8::try_from(index).unwrap();
        client.client_id = Some(vec![255, 0, 0, 0, iaid, 0, 2, 1, 2, 3, 4]);
        client.hostname = Some("twin".to_owned());
        client
    }

    /// Comes once all is quiet, to see whether the server still serves.
    pub(crate) fn newcomer(index: usize, now: u64, rng: &mut Rng) -> Self {
        let hostname = Some("newcomer".to_owned());
        Self { hostname, fqdn: None, steady: true, relay: None, wakes_at: now + 1, ..Self::new(index, rng) }
    }

    fn message(&self, kind: u8) -> Packet {
        let mut options = vec![(53, vec![kind])];
        if let Some(id) = &self.client_id {
            options.push((61, id.clone()));
        }
        if let Some(name) = &self.hostname {
            if let Some(flags) = self.fqdn {
                let mut data = vec![flags, 0, 0];
                data.push(u8::try_from(name.len()).unwrap());
                data.extend(name.as_bytes());
                if !name.is_empty() {
                    data.push(0);
                }
                options.push((81, data));
            } else {
                options.push((12, name.clone().into_bytes()));
            }
        }
        options.push((55, vec![1, 3, 6, 51]));
        Packet { op: 1, xid: self.xid, mac: self.mac, options, ..Packet::default() }
    }

    /// Its turn: says something or nothing, and sets when it wakes again.
    pub(crate) fn turn(&mut self, now: u64, rng: &mut Rng) -> Option<Said> {
        let broadcast = |packet| Some(Said { packet, gives_up: None });
        match self.state {
            State::Off => {
                self.xid = u32::try_from(rng.next() & 0xFFFF_FFFF).unwrap();
                self.tries = 0;
                if self.hostname.is_some() && !self.steady && rng.permille(100) {
                    self.hostname = Some((*rng.pick(&NAMES)).to_owned());
                }
                if self.roams && rng.permille(250) {
                    self.relay = *rng.pick(&[None, Some(RELAYS[0]), Some(RELAYS[1])]);
                }
                if let Some(address) = self.last_address.filter(|_| rng.permille(400)) {
                    self.state = State::Rebooting { address };
                } else {
                    self.state = State::Selecting;
                }
                self.wakes_at = now;
                None
            }
            State::Selecting => {
                if self.gives_up_trying(now, rng) {
                    return None;
                }
                let mut packet = self.message(DISCOVER);
                if let Some(address) = self.last_address.filter(|_| rng.permille(500)) {
                    packet.options.push((50, address.octets().to_vec()));
                }
                broadcast(packet)
            }
            State::Requesting { address, server } => {
                if self.gives_up_trying(now, rng) {
                    return None;
                }
                let mut packet = self.message(REQUEST);
                packet.options.push((50, address.octets().to_vec()));
                packet.options.push((54, server.octets().to_vec()));
                self.requested_at = now;
                broadcast(packet)
            }
            State::Elsewhere { address } => {
                self.xid = u32::try_from(rng.next() & 0xFFFF_FFFF).unwrap();
                let mut packet = self.message(REQUEST);
                packet.options.push((50, address.octets().to_vec()));
                packet.options.push((54, OTHER_SERVER.octets().to_vec()));
                self.leave(now, rng);
                broadcast(packet)
            }
            State::Rebooting { address } => {
                if self.tries >= 2 {
                    self.state = State::Selecting;
                    self.tries = 0;
                    self.wakes_at = now;
                    return None;
                }
                self.wait(now, rng);
                let mut packet = self.message(REQUEST);
                packet.options.push((50, address.octets().to_vec()));
                self.requested_at = now;
                broadcast(packet)
            }
            State::Bound { address, server, renew_at, until } => {
                self.bound_turn(now, rng, address, server, renew_at, until)
            }
        }
    }

    fn bound_turn(
        &mut self,
        now: u64,
        rng: &mut Rng,
        address: Ipv4Addr,
        server: Ipv4Addr,
        renew_at: u64,
        until: u64,
    ) -> Option<Said> {
        if now >= until {
            self.state = State::Off;
            self.wakes_at = now;
            return None;
        }
        let bits = u32::from(address);
        match rng.below(100) {
            _ if self.steady => {}
            0..8 => {
                self.leave(now, rng);
                let mut packet = self.message(RELEASE);
                packet.ciaddr = bits;
                packet.options.push((54, server.octets().to_vec()));
                return Some(Said { packet, gives_up: Some(address) });
            }
            8..12 => {
                self.leave(now, rng);
                self.last_address = None;
                let mut packet = self.message(DECLINE);
                packet.options.push((50, address.octets().to_vec()));
                packet.options.push((54, server.octets().to_vec()));
                return Some(Said { packet, gives_up: Some(address) });
            }
            12..18 => {
                // Vanishes without a word; whether it remembers its address shows when it is back.
                self.leave(now, rng);
                return None;
            }
            18..22 => {
                self.wakes_at = now + 1 + rng.below(5_000);
                let mut packet = self.message(INFORM);
                packet.ciaddr = bits;
                return Some(Said { packet, gives_up: None });
            }
            _ => {}
        }
        if now < renew_at {
            self.wakes_at = renew_at.min(now + 1 + rng.below(60_000 / self.haste));
            return None;
        }
        self.wakes_at = now + 2_000 + rng.below(8_000);
        let mut packet = self.message(REQUEST);
        packet.ciaddr = bits;
        self.requested_at = now;
        Some(Said { packet, gives_up: None })
    }

    fn leave(&mut self, now: u64, rng: &mut Rng) {
        self.state = State::Off;
        self.wakes_at = now + 500 + rng.below(120_000 / self.haste);
    }

    fn wait(&mut self, now: u64, rng: &mut Rng) {
        self.tries += 1;
        self.wakes_at = now + 1_000 + rng.below(4_000);
    }

    fn gives_up_trying(&mut self, now: u64, rng: &mut Rng) -> bool {
        if self.tries >= 4 {
            self.state = State::Off;
            self.wakes_at = now + 1_000 + rng.below(20_000);
            return true;
        }
        self.wait(now, rng);
        false
    }

    /// Takes a reply.
    pub(crate) fn hear(&mut self, now: u64, packet: &Packet, rng: &mut Rng) {
        if packet.op != 2 || packet.mac != self.mac || packet.xid != self.xid {
            return;
        }
        let yiaddr = Ipv4Addr::from(packet.yiaddr);
        match (packet.kind(), self.state) {
            (OFFER, State::Selecting) => {
                if let Some(server) = packet.address(54) {
                    self.state = if !self.steady && rng.permille(60) {
                        State::Elsewhere { address: yiaddr }
                    } else {
                        State::Requesting { address: yiaddr, server }
                    };
                    self.tries = 0;
                    self.wakes_at = now + rng.below(20);
                }
            }
            (ACK, State::Requesting { address, .. } | State::Rebooting { address } | State::Bound { address, .. })
                if address == yiaddr =>
            {
                let (Some(secs), Some(server)) = (packet.word(51), packet.address(54)) else { return };
                let lease_ms = u64::from(secs) * 1_000;
                let until = self.requested_at + lease_ms;
                self.last_address = Some(yiaddr);
                self.state =
                    State::Bound { address: yiaddr, server, renew_at: self.requested_at + lease_ms / 2, until };
                self.wakes_at = now + 1 + rng.below(lease_ms / 2 / self.haste + 1);
            }
            (NAK, State::Requesting { .. } | State::Rebooting { .. } | State::Bound { .. }) => {
                self.state = State::Off;
                self.last_address = None;
                self.wakes_at = now + rng.below(3_000);
            }
            _ => {}
        }
    }
}
