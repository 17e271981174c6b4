//! A client after RFC 2131 figure 5, with moods: it renews, reboots, releases, declines, vanishes and comes back.

use std::net::Ipv4Addr;

use crate::packet::{ACK, DECLINE, DISCOVER, INFORM, NAK, OFFER, Packet, RELEASE, REQUEST};
use crate::rng::Rng;

/// What the client believes. Times are milliseconds of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Off,
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Rebooting { address: Ipv4Addr },
    Bound { address: Ipv4Addr, server: Ipv4Addr, renew_at: u64, until: u64 },
}

#[derive(Clone, Debug)]
pub struct Client {
    pub index: usize,
    pub mac: [u8; 6],
    pub client_id: Option<Vec<u8>>,
    pub hostname: Option<String>,
    pub fqdn: bool,
    pub state: State,
    /// Remembered for INIT-REBOOT.
    pub last_address: Option<Ipv4Addr>,
    pub relayed: bool,
    xid: u32,
    /// When it acts next.
    pub wakes_at: u64,
    tries: u32,
    requested_at: u64,
}

/// What a client's turn brings forth.
pub struct Said {
    pub packet: Packet,
    /// Unicast to the server (renewal, release); else broadcast.
    pub unicast: bool,
    /// The address that the client gives up by saying it.
    pub gives_up: Option<Ipv4Addr>,
}

impl Client {
    pub fn new(index: usize, rng: &mut Rng) -> Self {
        let id = u8::try_from(index).unwrap();
        // Few names for many clients: conflicts are the rule.
        let names = ["alpha", "beta", "gamma", "Alpha", "b\u{e4}d", ""];
        Self {
            index,
            mac: [2, 0, 0, 0, 0, id],
            client_id: rng.permille(500).then(|| vec![1, 2, 0, 0, 0, 0, id]),
            hostname: rng.permille(850).then(|| (*rng.pick(&names)).to_owned()),
            fqdn: rng.permille(300),
            state: State::Off,
            last_address: None,
            relayed: rng.permille(300),
            xid: 0,
            wakes_at: rng.below(20_000),
            tries: 0,
            requested_at: 0,
        }
    }

    /// The address it uses at `now`, when it does.
    pub fn holds(&self, now: u64) -> Option<Ipv4Addr> {
        match self.state {
            State::Bound { address, until, .. } if now < until => Some(address),
            _ => None,
        }
    }

    fn message(&self, kind: u8) -> Packet {
        let mut options = vec![(53, vec![kind])];
        if let Some(id) = &self.client_id {
            options.push((61, id.clone()));
        }
        if let Some(name) = &self.hostname {
            if self.fqdn {
                let mut data = vec![0b0100, 0, 0];
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
    pub fn turn(&mut self, now: u64, rng: &mut Rng) -> Option<Said> {
        let broadcast = |packet| Some(Said { packet, unicast: false, gives_up: None });
        match self.state {
            State::Off => {
                self.xid = u32::try_from(rng.next() & 0xFFFF_FFFF).unwrap();
                self.tries = 0;
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
            State::Bound { address, server, renew_at, until } => self.bound_turn(now, rng, address, server, renew_at, until),
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
            0..8 => {
                self.leave(now, rng);
                let mut packet = self.message(RELEASE);
                packet.ciaddr = bits;
                packet.options.push((54, server.octets().to_vec()));
                return Some(Said { packet, unicast: true, gives_up: Some(address) });
            }
            8..12 => {
                self.leave(now, rng);
                self.last_address = None;
                let mut packet = self.message(DECLINE);
                packet.options.push((50, address.octets().to_vec()));
                packet.options.push((54, server.octets().to_vec()));
                return Some(Said { packet, unicast: false, gives_up: Some(address) });
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
                return Some(Said { packet, unicast: true, gives_up: None });
            }
            _ => {}
        }
        if now < renew_at {
            self.wakes_at = renew_at.min(now + 1 + rng.below(60_000));
            return None;
        }
        self.wakes_at = now + 2_000 + rng.below(8_000);
        let mut packet = self.message(REQUEST);
        packet.ciaddr = bits;
        self.requested_at = now;
        // Renewing asks its server, rebinding asks everyone.
        let rebinding = now >= renew_at + (until - renew_at) * 3 / 4;
        Some(Said { packet, unicast: !rebinding, gives_up: None })
    }

    fn leave(&mut self, now: u64, rng: &mut Rng) {
        self.state = State::Off;
        self.wakes_at = now + 500 + rng.below(120_000);
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
    pub fn hear(&mut self, now: u64, packet: &Packet, rng: &mut Rng) {
        if packet.op != 2 || packet.mac != self.mac || packet.xid != self.xid {
            return;
        }
        let yiaddr = Ipv4Addr::from(packet.yiaddr);
        match (packet.kind(), self.state) {
            (OFFER, State::Selecting) => {
                if let Some(server) = packet.address(54) {
                    self.state = State::Requesting { address: yiaddr, server };
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
                self.state = State::Bound { address: yiaddr, server, renew_at: self.requested_at + lease_ms / 2, until };
                self.wakes_at = now + 1 + rng.below(lease_ms / 2 + 1);
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
