//! What must hold for clients: nobody gets an address that another was promised, and no promise is taken back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ddns::suffixes::Assignment;
use dhcp::destination::Destination;
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::MessageType;
use dhcp::settings::AfterExpiry;
use dns::{Fqdn, Rrset};
use leasehold::core::pipeline::Departure;
use store::rows::Row;

use super::{Checked, World};
use crate::model::Promise;
use crate::packet::Packet;
use crate::plan::DECLINES_MAX;

type Mac = [u8; 6];

/// Whole seconds are stored: so much may be missing at either end, in milliseconds.
const SLACK_MS: u64 = 2_000;
/// By when a message that has arrived is decided and stored, in milliseconds.
const DECIDED_WITHIN_MS: u64 = 2_000;
/// By when a reply has left whose lease is stored, in milliseconds: a later commit may be stored before.
const SENT_WITHIN_MS: u64 = 500;

/// What clients were told, and what they did with it.
#[derive(Default)]
pub(super) struct Promises {
    leases: BTreeMap<Ipv4Addr, Promise>,
    /// To whom, and until when it is not offered to another.
    offers: BTreeMap<Ipv4Addr, (Mac, u64)>,
    /// Until when, and by how much the wall clock had jumped then.
    quarantines: BTreeMap<Ipv4Addr, (u64, u64)>,
    /// When the last RELEASE or DECLINE of a client for an address arrived.
    released: BTreeMap<(Mac, Ipv4Addr), u64>,
    declined: BTreeMap<(Mac, Ipv4Addr), u64>,
    /// When the last REQUEST of a client for an address arrived.
    requested: BTreeMap<(Mac, Ipv4Addr), u64>,
    /// When a client's last REQUEST for another server arrived.
    elsewhere: BTreeMap<Mac, u64>,
    /// The last stored record of an address that is stored no more, and since when.
    superseded: BTreeMap<Ipv4Addr, (Lease, u64)>,
    /// By how much the wall clock had jumped when a record was stored.
    stored: BTreeMap<Ipv4Addr, u64>,
}

impl Promises {
    /// The client no longer uses the address.
    pub(super) fn give_up(&mut self, mac: Mac, address: Ipv4Addr) {
        if self.leases.get(&address).is_some_and(|promise| promise.mac == mac) {
            self.leases.remove(&address);
        }
    }

    pub(super) fn released(&mut self, mac: Mac, address: Ipv4Addr, now: u64) {
        self.released.insert((mac, address), now);
        self.withdraw_offer(mac, address);
    }

    pub(super) fn declined(&mut self, mac: Mac, address: Ipv4Addr, now: u64) {
        self.declined.insert((mac, address), now);
        self.withdraw_offer(mac, address);
    }

    /// What was offered to the client beside that is offered to it no more, once its REQUEST is decided; and what it holds
    /// beside that ends.
    pub(super) fn requested(&mut self, mac: Mac, address: Ipv4Addr, now: u64) {
        self.requested.insert((mac, address), now);
    }

    /// Whether the holder of an address has lately said what ends its lease. Offers leave before that is stored.
    fn may_have_left(&self, mac: Mac, address: Ipv4Addr, now: u64) -> bool {
        Self::recently(&self.released, mac, address, now)
            || Self::recently(&self.declined, mac, address, now)
            || self.has_asked_for_another(mac, address, now)
    }

    fn has_asked_for_another(&self, mac: Mac, address: Ipv4Addr, now: u64) -> bool {
        let of_client = (mac, Ipv4Addr::UNSPECIFIED)..=(mac, Ipv4Addr::BROADCAST);
        self.requested.range(of_client).any(|((_, to), at)| *to != address && at + DECIDED_WITHIN_MS >= now)
    }

    /// The client takes another server's offer.
    pub(super) fn went_elsewhere(&mut self, mac: Mac, now: u64) {
        self.elsewhere.insert(mac, now);
        self.withdraw_offers(mac);
    }

    fn withdraw_offer(&mut self, mac: Mac, address: Ipv4Addr) {
        if self.offers.get(&address).is_some_and(|(to, _)| *to == mac) {
            self.offers.remove(&address);
        }
    }

    pub(super) fn withdraw_offers(&mut self, mac: Mac) {
        self.offers.retain(|_, (to, _)| *to != mac);
    }

    /// Offers do not outlive the server.
    pub(super) fn forget_offers(&mut self) {
        self.offers.clear();
    }

    pub(super) fn holds_any(&self, mac: Mac, now: u64) -> bool {
        self.leases.values().any(|promise| promise.mac == mac && promise.until > now)
    }

    /// Addresses promised to others.
    pub(super) fn of_others(&self, mac: Mac) -> Vec<Ipv4Addr> {
        self.leases.iter().filter(|(_, promise)| promise.mac != mac).map(|(address, _)| *address).collect()
    }

    fn recently(arrived: &BTreeMap<(Mac, Ipv4Addr), u64>, mac: Mac, address: Ipv4Addr, now: u64) -> bool {
        arrived.get(&(mac, address)).is_some_and(|at| at + DECIDED_WITHIN_MS >= now)
    }
}

/// Whether the client is bound to another address by the same transaction.
fn moves(rows: &[Row], mac: Mac, from: Ipv4Addr) -> bool {
    let is_move =
        |lease: &Lease| lease.address != from && lease.state == LeaseState::Bound && lease.hardware.as_bytes() == mac;
    rows.iter().any(|row| matches!(row, Row::Lease(lease) if is_move(lease)))
}

/// RFC 4702: option 81 tells the client who writes what: S the server writes A, N it writes nothing. Nothing is written of
/// a name that somebody made `by_hand`, once a DNS server has said so.
fn check_client_fqdn(lease: &Lease, packet: &Packet, by_hand: &[(Fqdn, Rrset)]) -> Checked {
    let Some(&[flags, ..]) = packet.option(81) else { return Ok(()) };
    let (told_a, told_nothing) = (flags & 1 != 0, flags & 8 != 0);
    let (forward, reverse) = lease.name.as_ref().map_or((false, false), |name| (name.forward, name.reverse));
    if told_a == forward && told_nothing != (forward || reverse) {
        return Ok(());
    }
    let made_by_hand = |name: &Fqdn| by_hand.iter().any(|(_, set)| set.name == *name);
    if told_nothing && !told_a && lease.name.as_ref().is_some_and(|name| made_by_hand(&name.fqdn)) {
        return Ok(());
    }
    Err(format!("{} was told flags {flags:#x}, and the server writes A={forward} PTR={reverse}", lease.address))
}

impl World {
    /// Whether something that lasts until `until` still does, with the slack of whole seconds. What the wall clock
    /// jumped forward before the server last started is lost: only the wall clock tells what is stored.
    fn lasts(&self, until: u64, jumped: u64) -> bool {
        until > self.now + SLACK_MS + self.jumped_at_start.saturating_sub(jumped) * 1_000
    }

    fn runs(&self, promise: &Promise) -> bool {
        self.lasts(promise.until, promise.jumped)
    }

    /// By how much the wall clock had jumped when that was decided which is stored now.
    fn jumped_when_decided(&self) -> u64 {
        let (at, before) = self.last_jump;
        if at + DECIDED_WITHIN_MS >= self.now { before } else { self.jumped }
    }

    /// What is stored must not end what a client was promised. Called before the model knows of it.
    pub(super) fn check_rows(&mut self, rows: &[Row]) -> Checked {
        for row in rows {
            let lease = match row {
                Row::Lease(lease) => lease,
                Row::LeaseGone(address) => {
                    if self.promises.leases.get(address).is_some_and(|promise| self.runs(promise)) {
                        return Err(format!("the record of {address} was dropped while a client holds it"));
                    }
                    continue;
                }
                Row::Suffix(one) => {
                    self.check_number(one)?;
                    continue;
                }
                _ => continue,
            };
            self.check_quarantine(lease, rows)?;
            self.check_end(lease, rows)?;
            self.count(match lease.state {
                LeaseState::Bound => "lease bound or renewed",
                LeaseState::Released => "lease released",
                LeaseState::Expired => "lease expired",
                LeaseState::Quarantined => "address in quarantine",
            });
            self.promises.stored.insert(lease.address, self.jumped_when_decided());
            if let Some(before) = self.model.lease(lease.address) {
                self.promises.superseded.insert(lease.address, (before.clone(), self.now));
            }
        }
        Ok(())
    }

    /// A host keeps its number, unless the name has become somebody else's: made by hand, or reserved.
    fn check_number(&mut self, new: &Assignment) -> Checked {
        self.count("number kept or given");
        let Some(old) = self.model.suffix(&new.base, &new.identity).filter(|old| old.number != new.number) else {
            return Ok(());
        };
        let name = old.name();
        let by_hand = self.plan.by_hand.iter().any(|(_, set)| Some(&set.name) == name.as_ref());
        if by_hand || (self.plan.edits && old.number == 1) {
            return Ok(());
        }
        Err(format!("{name:?} of {:?} became number {}", old.identity, new.number))
    }

    /// A record that is no longer its holder's ended in time, or by the holder's own message.
    fn check_end(&mut self, lease: &Lease, rows: &[Row]) -> Checked {
        let address = lease.address;
        let Some(promise) = self.promises.leases.get(&address).copied() else { return Ok(()) };
        if lease.state == LeaseState::Bound && lease.hardware.as_bytes() == promise.mac {
            return Ok(());
        }
        if self.runs(&promise) {
            let moved = moves(rows, promise.mac, address);
            let said = |arrived| Promises::recently(arrived, promise.mac, address, self.now);
            let by_itself = moved || said(&self.promises.released) || said(&self.promises.declined);
            match lease.state {
                LeaseState::Bound => return Err(format!("{address} was bound to another while a client holds it")),
                LeaseState::Expired => return Err(format!("{address} expired before the client's lease ended")),
                state if !by_itself => return Err(format!("{address} became {state:?} while a client holds it")),
                _ => {}
            }
        }
        self.promises.leases.remove(&address);
        Ok(())
    }

    /// What its holder declined is kept from everyone, unless the holder has used up its share.
    fn check_quarantine(&mut self, lease: &Lease, rows: &[Row]) -> Checked {
        let address = lease.address;
        if lease.state == LeaseState::Quarantined {
            // In true time, because the wall clock may jump meanwhile.
            let secs = lease.expires_at.saturating_sub(self.wall_secs);
            let jumped = self.jumped_when_decided();
            self.promises.quarantines.insert(address, (self.now + secs * 1_000, jumped));
            return Ok(());
        }
        self.promises.quarantines.remove(&address);
        let Some(before) = self.model.lease(address).filter(|before| before.state == LeaseState::Bound) else {
            return Ok(());
        };
        let Ok(mac) = Mac::try_from(before.hardware.as_bytes()) else { return Ok(()) };
        let of_holder = |other: &&Lease| other.hardware == before.hardware || other.client_id == before.client_id;
        let in_quarantine = self.model.leases().filter(|other| other.state == LeaseState::Quarantined);
        let (now, declined, released) = (self.now, &self.promises.declined, &self.promises.released);
        if lease.state == LeaseState::Released
            && !moves(rows, mac, address)
            && Promises::recently(declined, mac, address, now)
            && !Promises::recently(released, mac, address, now)
            && in_quarantine.filter(of_holder).count() < DECLINES_MAX
        {
            return Err(format!("{address} was declined by its holder and is not in quarantine"));
        }
        Ok(())
    }

    pub(super) fn check_reply(&mut self, departure: &Departure, packet: &Packet) -> Checked {
        let reply = &departure.reply;
        let address = reply.yiaddr;
        let transaction = (packet.mac, packet.xid);
        if self.elsewhere.contains(&transaction) && reply.message_type != MessageType::Offer {
            return Err(format!("a REQUEST for another server was answered by {:?}", reply.message_type));
        }
        match reply.message_type {
            MessageType::Offer => self.check_offer(packet.mac, address),
            MessageType::Ack if !address.is_unspecified() => self.check_ack(address, packet),
            MessageType::Nak => {
                if reply.giaddr.is_unspecified() && departure.destination != Destination::Broadcast {
                    return Err("a NAK on the link was not broadcast".to_owned());
                }
                self.check_nak(packet)
            }
            _ => Ok(()),
        }
    }

    fn check_address(&self, mac: Mac, address: Ipv4Addr, is_offer: bool) -> Checked {
        let what = if is_offer { "offered" } else { "acknowledged" };
        let broken = |how: &str| Err(format!("{address} {what} to {mac:x?} {how}"));
        if let Some(promise) = self.promises.leases.get(&address)
            && promise.mac != mac
            && self.runs(promise)
            && !(is_offer && self.promises.may_have_left(promise.mac, address, self.now))
        {
            return broken(&format!("while {:x?} holds it", promise.mac));
        }
        if let Some((other, until)) = self.promises.offers.get(&address)
            && *other != mac
            && *until > self.now
            && !(is_offer && self.promises.has_asked_for_another(*other, address, self.now))
        {
            return broken(&format!("while it is offered to {other:x?}"));
        }
        if self.promises.quarantines.get(&address).is_some_and(|(until, jumped)| self.lasts(*until, *jumped)) {
            return broken("while it is in quarantine");
        }
        if self.plan.reserved_for(address).is_some_and(|reserved| reserved != mac) {
            return broken("though it is reserved for another");
        }
        Ok(())
    }

    fn check_offer(&mut self, mac: Mac, address: Ipv4Addr) -> Checked {
        self.check_address(mac, address, true)?;
        self.promises.withdraw_offers(mac);
        // Its REQUEST for another server may have been decided after this offer, and before the offer left.
        if self.promises.elsewhere.get(&mac).is_some_and(|at| at + DECIDED_WITHIN_MS >= self.now) {
            return Ok(());
        }
        let until = self.now + u64::from(self.plan.offer_hold_secs) * 1_000 - 1_000;
        self.promises.offers.insert(address, (mac, until));
        Ok(())
    }

    /// RFC 2131 section 3.1: the binding is on stable storage before the ACK leaves.
    fn check_ack(&mut self, address: Ipv4Addr, packet: &Packet) -> Checked {
        let mac = packet.mac;
        let secs = u64::from(packet.word(51).ok_or("an ACK without a lease time")?);
        let theirs = |lease: &&Lease| lease.state == LeaseState::Bound && lease.hardware.as_bytes() == mac;
        let current = self.model.lease(address).filter(theirs);
        let superseded = self.promises.superseded.get(&address);
        let before = superseded.filter(|(_, at)| at + SENT_WITHIN_MS >= self.now).map(|(lease, _)| lease);
        let Some(lease) = current.or_else(|| before.filter(theirs)) else {
            return Err(format!("{address} acknowledged to {mac:x?} before its lease was stored"));
        };
        if lease.expires_at + 3 + self.jumped < self.wall_secs + secs {
            let left = lease.expires_at.saturating_sub(self.wall_secs);
            return Err(format!("{address} acknowledged for {secs} s, stored for {left} s"));
        }
        let truth = |lease: &Lease| check_client_fqdn(lease, packet, &self.plan.by_hand);
        // Another host can have taken the name over since, in the same group of commits.
        truth(lease).or_else(|broken| before.filter(theirs).map_or(Err(broken), truth))?;
        let says_yes = packet.option(81).is_some_and(|option| option.first().is_some_and(|flags| flags & 1 != 0));
        if let Some(name) = lease.name.as_ref().filter(|name| says_yes && self.is_refused(&name.fqdn, &name.identity)) {
            return Err(format!("{mac:x?} was told that it has {}, which DNS refused it before the start", name.fqdn));
        }
        self.promises.withdraw_offers(mac);
        if current.is_none() {
            // The client's next message has ended it already.
            return Ok(());
        }
        self.check_address(mac, address, false)?;
        self.promises.leases.retain(|_, promise| promise.mac != mac);
        let until = self.now + secs * 1_000;
        // With the disk full it is what is left of a lease that was stored earlier.
        let jumped = self.promises.stored.get(&address).copied().unwrap_or(self.jumped);
        self.promises.leases.insert(address, Promise { mac, until, jumped });
        Ok(())
    }

    /// A client that asked for nothing but the address it holds is not sent away.
    fn check_nak(&mut self, packet: &Packet) -> Checked {
        let mac = packet.mac;
        self.promises.withdraw_offers(mac);
        let Some(requested) = self.requested.get(&(mac, packet.xid)) else { return Ok(()) };
        let held = self.promises.leases.iter().find(|(_, promise)| promise.mac == mac && self.runs(promise));
        match held {
            Some((address, _)) if requested.iter().eq([address]) && !self.plan.is_reserved_for(mac) => {
                Err(format!("{mac:x?} was refused {address}, which it holds"))
            }
            _ => Ok(()),
        }
    }

    /// Every lease has ended, and the store says so. Those of `bound` have left their names, or not, as the rules say.
    pub(super) fn check_all_ended(&mut self, bound: &[Lease]) -> Checked {
        for lease in self.model.leases() {
            let address = lease.address;
            if lease.state == LeaseState::Bound {
                return Err(format!("{address} is still bound, though no client has renewed it"));
            }
            let keeps = self.plan.after_expiry(address) == AfterExpiry::Keep;
            if lease.name.is_some() && !keeps {
                return Err(format!("{address} has a name still, long after its lease: {:?}", lease.name));
            }
            let before = bound.iter().find(|before| before.address == address);
            if let Some(before) = before.filter(|_| keeps && lease.state == LeaseState::Expired)
                && before.name != lease.name
            {
                return Err(format!("{address} has lost the name {:?} that is to stay", before.name));
            }
        }
        if self.model.leases().any(|lease| lease.name.is_some()) {
            self.count("name left by an expired lease");
        }
        Ok(())
    }
}
