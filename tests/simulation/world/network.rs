//! What goes over the network: DHCP both ways, updates to the other DNS server and its answers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ddns::reconcile::{Outcome, Send, SendTicket};
use dhcp::message::MessageType;
use dns::{Rcode, Update};
use leasehold::core::pipeline::{Arrival, Departure, Link};

use super::{Checked, Event, Fate, SERVER, World};
use crate::client::OTHER_SERVER;
use crate::packet::{DECLINE, Packet, RELEASE, REQUEST};
use crate::words::brief;

/// How long the updater waits for an answer, in milliseconds. No update is under way for longer.
const DNS_TIMEOUT_MS: u64 = 5_000;
/// How long an update is under way at most, in milliseconds. A server is down for longer, so that no update of an
/// earlier run arrives in a later one: nothing in RFC 2136 could tell them apart.
const DNS_DELAY_MS: u64 = 90;

impl World {
    pub(super) fn client_turn(&mut self, index: usize) {
        let is_newcomer = index >= self.plan.clients;
        if (self.quiet && !is_newcomer) || self.clients[index].wakes_at > self.now {
            return;
        }
        let said = self.clients[index].turn(self.now, &mut self.rng);
        if let Some(said) = said {
            if let Some(address) = said.gives_up {
                self.promises.give_up(self.clients[index].mac, address);
            }
            let relay = self.clients[index].relay;
            self.send_to_server(relay, said.packet);
        }
        self.wake(index);
    }

    pub(super) fn wake(&mut self, index: usize) {
        let at = self.clients[index].wakes_at.max(self.now + 1);
        self.clients[index].wakes_at = at;
        self.at(at, Event::Client(index));
    }

    /// From the server's link, or by a relay while the client has no address.
    pub(super) fn send_to_server(&mut self, relay: Option<Ipv4Addr>, mut packet: Packet) {
        if packet.kind() == REQUEST {
            let transaction = (packet.mac, packet.xid);
            if packet.address(54) == Some(OTHER_SERVER) {
                self.elsewhere.insert(transaction);
            }
            let address = packet.address(50).unwrap_or(Ipv4Addr::from(packet.ciaddr));
            let is_of_network = address.octets()[2] == relay.unwrap_or(SERVER).octets()[2];
            let requested = self.requested.entry(transaction).or_default();
            requested.insert(if is_of_network { address } else { Ipv4Addr::UNSPECIFIED });
        }
        let relay = relay.filter(|_| packet.ciaddr == 0);
        packet.giaddr = relay.unwrap_or(Ipv4Addr::UNSPECIFIED).into();
        let source = match relay {
            Some(relay) => (relay, 67),
            None => (Ipv4Addr::from(packet.ciaddr), 68),
        };
        let link =
            Link { name: "sim0".to_owned(), index: 1, addresses: vec!["10.0.0.1/28".parse().expect("a prefix")] };
        let arrival = Arrival {
            link: Arc::new(link),
            source,
            destination: if packet.ciaddr == 0 && relay.is_none() { Ipv4Addr::BROADCAST } else { SERVER },
            payload: packet.encode(),
        };
        for _ in 0..self.copies() {
            let at = self.now + 1 + self.delay();
            self.at(at, Event::ToServer(arrival.clone()));
        }
    }

    fn copies(&mut self) -> u32 {
        match self.rng.below(1_000) {
            _ if self.quiet => 1,
            below if below < self.plan.lost_permille => 0,
            below if below < self.plan.lost_permille + self.plan.doubled_permille => 2,
            _ => 1,
        }
    }

    fn delay(&mut self) -> u64 {
        if self.rng.permille(self.plan.delayed_permille) { self.rng.below(3_000) } else { self.rng.below(3) }
    }

    pub(super) fn arrive(&mut self, arrival: Arrival) {
        let Some(server) = &mut self.server else { return };
        let packet = Packet::decode(&arrival.payload).expect("a client's packet");
        if packet.kind() == REQUEST && packet.address(54) != Some(OTHER_SERVER) {
            let address = packet.address(50).unwrap_or(Ipv4Addr::from(packet.ciaddr));
            self.promises.requested(packet.mac, address, self.now);
        }
        match packet.kind() {
            RELEASE => self.promises.released(packet.mac, Ipv4Addr::from(packet.ciaddr), self.now),
            DECLINE => {
                let address = packet.address(50).expect("a DECLINE names its address");
                self.promises.declined(packet.mac, address, self.now);
            }
            REQUEST if packet.address(54) == Some(OTHER_SERVER) => self.promises.went_elsewhere(packet.mac, self.now),
            // The offer is taken with the REQUEST, and not held any longer when the store then finds no room.
            REQUEST if self.plan.disk_fails => self.promises.withdraw_offers(packet.mac),
            _ => {}
        }
        server.arrive(arrival);
        self.schedule();
    }

    pub(super) fn depart(&mut self, departure: Departure) -> Checked {
        let reply = &departure.reply;
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let packet = Packet::decode(&bytes).ok_or("the server's reply cannot be read")?;
        let to = self.clients.iter().position(|client| client.mac == packet.mac);
        self.note(|| format!("reply {:?} {} to {}", reply.message_type, reply.yiaddr, reply.hardware));
        self.count(match reply.message_type {
            MessageType::Offer => "OFFER",
            MessageType::Ack if reply.yiaddr.is_unspecified() => "ACK of INFORM",
            MessageType::Ack if reply.yiaddr.octets()[2] == 1 => "ACK in the other network",
            MessageType::Ack => "ACK",
            _ => "NAK",
        });
        if packet.option(81).is_some() {
            self.count("option 81 told");
        }
        self.check_reply(&departure, &packet)?;
        let Some(index) = to else { return Ok(()) };
        for _ in 0..self.copies() {
            let at = self.now + 1 + self.delay();
            self.at(at, Event::ToClient(index, packet.clone()));
        }
        Ok(())
    }

    pub(super) fn send_update(&mut self, send: Send) -> Checked {
        let door = self.plan.door_of(&send.server);
        self.count_message(&send, door)?;
        self.count_deletions(&send)?;
        if door > 0 {
            self.count("update to the second DNS server");
        }
        let lost = |world: &mut Self| !world.quiet && world.rng.permille(world.plan.dns_lost_permille);
        if lost(self) {
            self.count("update lost");
            self.at(self.now + DNS_TIMEOUT_MS, Event::FromDns(self.run, send.ticket, Outcome::Timeout));
            return Ok(());
        }
        let fate = match lost(self) {
            false => Fate::Arrives,
            true if self.rng.permille(500) => Fate::SentTwice,
            true => Fate::AnswerLost,
        };
        let at = self.now + 1 + self.rng.below(DNS_DELAY_MS);
        self.at(at, Event::ToDns(self.run, door, send.ticket, send.update, fate));
        Ok(())
    }

    pub(super) fn update_arrives(
        &mut self,
        run: u64,
        door: usize,
        ticket: SendTicket,
        update: &Update,
        fate: Fate,
    ) -> Checked {
        let mut answer = self.remote.update(door, update);
        if fate == Fate::SentTwice {
            answer = self.remote.update(door, update);
        }
        let (outcome, delay) = match answer {
            Some(code @ (Rcode::BAD_KEY | Rcode::BAD_TIME)) => (Outcome::TsigError(code), 1),
            Some(code) if fate != Fate::AnswerLost => (Outcome::Answer(code), 1 + self.rng.below(20)),
            _ => (Outcome::Timeout, DNS_TIMEOUT_MS),
        };
        self.count(match (answer, fate) {
            (None, _) => "DNS server down",
            (Some(Rcode::NO_ERROR), Fate::Arrives) => "update done",
            (Some(Rcode::NO_ERROR), Fate::AnswerLost) => "update done, answer lost",
            (Some(_), Fate::SentTwice) => "update sent twice",
            (Some(Rcode::YX_DOMAIN | Rcode::NX_RRSET | Rcode::NX_DOMAIN | Rcode::YX_RRSET), _) => "prerequisite failed",
            (Some(_), _) => "update refused",
        });
        self.note(|| format!("dns {door} {}: {answer:?} {fate:?}", brief(update)));
        self.at(self.now + delay, Event::FromDns(run, ticket, outcome));
        self.check_by_hand()
    }
}
