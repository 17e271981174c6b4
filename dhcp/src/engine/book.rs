//! What is known of every address: its record, its offer, and whether it is free. The three change together here, and
//! nowhere else.

use std::net::Ipv4Addr;
use std::sync::Arc;

use faults::{Fault, planted};
use ipnet::Ipv4Net;

use super::client::{Asker, Client, Secret};
use super::offers::{Offer, Offers};
use super::plan::Plan;
use super::pools::{Pools, Random, Way};
use super::record::{HotState, Kept};
use super::table::{Home, Record, Saved, Table};
use super::vacancies::Vacancy;
use crate::devices::Devices;
use crate::leasequery::Query;
use crate::probing::ProbeId;
use crate::settings::{AddressRange, Pool, Settings};

/// Records, offers and free addresses.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) plan: Plan,
    table: Table,
    offers: Offers,
    /// By subnet, as in the settings.
    pools: Vec<Pools>,
    counts: Vec<Counts>,
    /// The machine's own addresses, sorted.
    own: Vec<Ipv4Addr>,
    random: Random,
    /// What was decided of devices that nobody knew.
    pub(super) devices: Arc<Devices>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    bound: usize,
    quarantined: usize,
    offered: usize,
}

/// How many addresses of a subnet stand how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetCounts {
    /// The subnet.
    pub prefix: Ipv4Net,
    /// Addresses in its pools.
    pub pool: usize,
    /// Those of the pools that a new client could get now. Reserved addresses are not among them.
    pub free: usize,
    /// Held by clients, reserved ones included.
    pub bound: usize,
    /// Declined, and kept from everyone.
    pub quarantined: usize,
    /// Offered, and not taken yet.
    pub offered: usize,
    /// Its pools, each alone.
    pub pools: Vec<PoolCounts>,
}

/// How many addresses of a pool there are, and are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolCounts {
    /// The pool.
    pub ranges: Vec<AddressRange>,
    /// Addresses in it.
    pub pool: usize,
    /// Those that a new client could get now.
    pub free: usize,
}

/// What an address is to the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Idle,
    Offered,
    Bound,
    Quarantined,
}

impl Book {
    pub(super) fn new(settings: Arc<Settings>, records: impl IntoIterator<Item = Kept>, seed: u64) -> Self {
        let secret = Secret::from_seed(seed);
        let mut book = Self {
            plan: Plan::new(Arc::default()),
            table: Table::load(records, secret),
            offers: Offers::new(secret),
            pools: Vec::new(),
            counts: Vec::new(),
            own: Vec::new(),
            random: Random::from_seed(seed),
            devices: Arc::default(),
        };
        book.replan(settings);
        book
    }

    /// Takes new settings: records and offers stay, what is free is worked out anew.
    pub(super) fn replan(&mut self, settings: Arc<Settings>) {
        self.plan = Plan::new(settings);
        let settings = &self.plan.settings;
        self.table.index_everywhere(!settings.leasequery.allow.is_empty());
        self.table.settle(|address| home_of(&self.plan, address));
        self.offers.settle(|address| home_of(&self.plan, address));
        self.table.count_ports(settings.limits.leases_per_port.is_some());
        self.pools = settings.subnets.iter().map(|subnet| Pools::new(&subnet.pools)).collect();
        self.counts = vec![Counts::default(); self.pools.len()];
        let mut special: Vec<Ipv4Addr> = self.own.clone();
        for subnet in &self.plan.settings.subnets {
            special.extend(subnet.reservations.iter().filter_map(|reservation| reservation.address));
            special.extend([subnet.prefix.network(), subnet.prefix.broadcast()]);
        }
        special.extend(self.table.iter().map(|record| record.hot.address));
        special.extend(self.offers.iter().map(|offer| offer.address));
        special.sort_unstable();
        special.dedup();
        for address in special {
            let Some(place) = self.plan.holding(address) else { continue };
            let (vacancy, standing) = self.stand(place, address);
            self.pools[place].change(address, Vacancy::Fresh, vacancy);
            self.counts[place].add(standing);
        }
    }

    /// Says which addresses are the machine's own: they are never given out, and any of them names us in a server
    /// identifier.
    pub(super) fn set_own(&mut self, mut own: Vec<Ipv4Addr>) {
        own.sort_unstable();
        own.dedup();
        let changed: Vec<_> = own.iter().chain(&self.own).copied().collect();
        let before: Vec<_> = changed.iter().map(|&address| self.stand_anywhere(address)).collect();
        self.own = own;
        for (address, before) in changed.into_iter().zip(before) {
            self.restand(address, before);
        }
    }

    /// Adds an interface's addresses to the machine's own, where they are not known yet.
    pub(super) fn learn_own(&mut self, addresses: &[Ipv4Net]) {
        if addresses.iter().any(|net| !self.is_own(net.addr())) {
            let own = self.own.iter().copied().chain(addresses.iter().map(|net| net.addr())).collect();
            self.set_own(own);
        }
    }

    pub(super) fn is_own(&self, address: Ipv4Addr) -> bool {
        self.own.binary_search(&address).is_ok()
    }

    pub(super) fn record(&self, address: Ipv4Addr) -> Option<Record<'_>> {
        self.table.get(address)
    }

    /// Whether the client of an address's record has no other record in the subnet.
    pub(super) fn is_only_one(&self, address: Ipv4Addr) -> bool {
        self.table.is_only_one(address)
    }

    /// The record with the least address above `after`; of all, when that is `None`.
    pub(super) fn record_after(&self, after: Option<Ipv4Addr>) -> Option<Record<'_>> {
        self.table.next_after(after)
    }

    /// The records above the address `after`, by address.
    pub(super) fn records_after(&self, after: Option<Ipv4Addr>) -> impl Iterator<Item = Record<'_>> {
        self.table.after(after)
    }

    /// How many leases and offers there are behind a port.
    pub(super) fn at_port(&self, port: u64) -> u32 {
        self.table.at_port(port).saturating_add(self.offers.at_port(port))
    }

    /// The records of a hardware address or a client identifier in every subnet, at most `most` of them. None for
    /// other queries.
    pub(super) fn records_asked_for<'a>(&'a self, asked: &'a Query, most: usize) -> Vec<Record<'a>> {
        match asked {
            Query::Hardware(hardware) => self.table.of_hardware(*hardware).take(most).collect(),
            Query::ClientId(id) => self.table.of_client_id(&id.0).take(most).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.table.iter()
    }

    /// What a message's sender is looked up by.
    pub(super) fn asker<'c>(&self, client: Client<'c>) -> Asker<'c> {
        Asker::new(client, self.table.secret())
    }

    pub(super) fn offer(&self, address: Ipv4Addr) -> Option<&Offer> {
        self.offers.get(address)
    }

    /// The client's records in a subnet: its binding first, then quarantines, then some that ended.
    pub(super) fn records_of<'a>(
        &'a self,
        place: usize,
        asker: &Asker<'_>,
    ) -> impl Iterator<Item = Record<'a>> + use<'a> {
        self.table.of_client(asker, self.plan.home(place))
    }

    /// The offers to a client in a subnet.
    pub(super) fn offers_to<'a>(
        &'a self,
        place: usize,
        asker: &Asker<'_>,
    ) -> impl Iterator<Item = &'a Offer> + use<'a> {
        self.offers.of_client(asker, self.plan.home(place))
    }

    /// Whether the client may have the address at all: it is reserved for it, or in a pool and reserved for nobody.
    pub(super) fn allows(&self, place: usize, client: Client<'_>, address: Ipv4Addr) -> bool {
        match self.plan.reservation_of(place, address) {
            Some(_) if planted(Fault::ReservedGivenAway) => true,
            Some(_) => self.plan.reservation_for(place, client).is_some_and(|mine| mine.address == Some(address)),
            None => self.pool_of(place, address).is_some() && !self.is_unfit(place, address),
        }
    }

    /// Whether nobody else holds the address or has been offered it, and it is not in quarantine.
    pub(super) fn is_available(&self, place: usize, client: Client<'_>, address: Ipv4Addr) -> bool {
        let held = self.table.get(address).is_some_and(|record| match record.hot.state() {
            HotState::Bound => !self.is_one(place, address, record.client(), client),
            HotState::Quarantined => true,
            HotState::Released | HotState::Expired | HotState::QuarantineOver => false,
        });
        let offered =
            self.offers.get(address).is_some_and(|offer| !self.is_one(place, address, offer.client(), client));
        !held && (!offered || planted(Fault::OfferReused)) && !self.is_own(address)
    }

    /// Whether two clients are one towards an address: by their key, or because the address is reserved for both and
    /// they have one hardware address. So it is with a machine whose boot loader and system send different identifiers.
    /// Two interfaces that share a reservation can both be up: the first keeps the address while it is bound.
    fn is_one(&self, place: usize, address: Ipv4Addr, one: Client<'_>, other: Client<'_>) -> bool {
        let reserved =
            |client| self.plan.reservation_for(place, client).is_some_and(|reserved| reserved.address == Some(address));
        one.is(other, self.plan.subnet(place).ignore_client_id)
            || (one.has_hardware_of(other) && reserved(one) && reserved(other))
    }

    /// The pool of a subnet that holds an address, by its place there.
    pub(super) fn pool_of(&self, place: usize, address: Ipv4Addr) -> Option<usize> {
        self.pools.get(place)?.holding(address)
    }

    /// The next free address for a client out of those pools of a subnet that are `open` to it.
    pub(super) fn free_address(&mut self, place: usize, open: &[usize], client: Client<'_>) -> Option<Ipv4Addr> {
        let subnet = self.plan.subnet(place);
        let hash = || client.hash_everywhere(subnet.ignore_client_id);
        let way = Way::of(subnet.allocate, hash, &mut self.random);
        self.pools.get_mut(place)?.choose(open, way)
    }

    pub(super) fn set(&mut self, kept: &Kept) {
        let address = kept.lease.address;
        let is_bound = |record: Record<'_>| record.hot.state() == HotState::Bound;
        // A binding that goes on changes nothing of what is free.
        if kept.state == HotState::Bound && self.table.get(address).is_some_and(is_bound) {
            self.table.set(home_of(&self.plan, address), kept);
        } else {
            self.change(address, |book| book.table.set(home_of(&book.plan, address), kept));
        }
    }

    /// Sets a binding, and ends the offer of its address with it.
    pub(super) fn bind(&mut self, kept: &Kept) {
        let address = kept.lease.address;
        if self.offers.get(address).is_none() {
            return self.set(kept);
        }
        self.change(address, |book| {
            book.offers.remove(address);
            book.table.set(home_of(&book.plan, address), kept);
        });
    }

    /// A binding goes on, with other times and all else as it was ([`Record::says_the_same_as`]): nothing that it is found
    /// by changes.
    pub(super) fn renew(&mut self, kept: &Kept) {
        self.withdraw(kept.lease.address);
        if !self.table.renew(kept) {
            self.set(kept);
        }
    }

    /// A record that may be put back.
    pub(super) fn saved<'a>(&'a self, saved: &'a Saved) -> Record<'a> {
        saved.record(self.table.ends())
    }

    /// Puts back what the record of an address was.
    pub(super) fn put_back(&mut self, address: Ipv4Addr, saved: Option<&Saved>) {
        self.change(address, |book| book.table.put_back(address, home_of(&book.plan, address), saved));
    }

    pub(super) fn end_quarantine(&mut self, address: Ipv4Addr) {
        self.change(address, |book| book.table.end_quarantine(address));
    }

    pub(super) fn set_deadline(&mut self, address: Ipv4Addr, deadline_ms: u64) {
        self.table.set_deadline(address, deadline_ms);
    }

    /// No deadline of a record comes before this time (boot milliseconds).
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.table.next_deadline()
    }

    /// A record whose deadline has come by `now` (boot milliseconds).
    pub(super) fn due(&mut self, now: u64) -> Option<Ipv4Addr> {
        self.table.due(now)
    }

    /// Holds an offer to whoever asks. When the table is full, the oldest goes.
    pub(super) fn put_offer(&mut self, offer: Offer, asker: &Asker<'_>) {
        if self.offers.is_full()
            && let Some((_, oldest)) = self.offers.first_to_end()
        {
            self.withdraw(oldest);
        }
        self.change(offer.address, |book| {
            let home = home_of(&book.plan, offer.address);
            book.offers.put(offer, home, |home| asker.key_hash(home.ignore_client_id));
        });
    }

    /// The probe that the offer of an address waited for is over: it may be made.
    pub(super) fn probe_ended(&mut self, address: Ipv4Addr, id: ProbeId) {
        self.offers.probe_ended(address, id);
    }

    pub(super) fn withdraw(&mut self, address: Ipv4Addr) {
        if self.offers.get(address).is_none() {
            return;
        }
        self.change(address, |book| {
            book.offers.remove(address);
        });
    }

    /// Withdraws what was offered to a client in the subnets, but for one address.
    pub(super) fn withdraw_from(&mut self, places: &[usize], asker: &Asker<'_>, but: Option<Ipv4Addr>) {
        if self.offers.is_empty() {
            return;
        }
        for &place in places {
            loop {
                let mut theirs = self.offers_to(place, asker).map(|offer| offer.address);
                let Some(address) = theirs.find(|address| Some(*address) != but) else { break };
                drop(theirs);
                self.withdraw(address);
            }
        }
    }

    /// Withdraws the offers that could not be made now.
    pub(super) fn withdraw_unfit(&mut self) {
        let offered: Vec<_> = self.offers.iter().map(|offer| offer.address).collect();
        offered.into_iter().for_each(|address| self.withdraw_if_unfit(address));
    }

    /// Withdraws the offer of an address, if it could not be made now.
    pub(super) fn withdraw_if_unfit(&mut self, address: Ipv4Addr) {
        let Some(offer) = self.offers.get(address) else { return };
        let client = offer.client();
        let fits = self.plan.holding(address).is_some_and(|place| {
            self.plan.subnet(place).active
                && self.allows(place, client, address)
                && self.is_available(place, client, address)
        });
        if !fits {
            self.withdraw(address);
        }
    }

    /// Lets offers go that held until `boot_ms` or less.
    pub(super) fn lapse_offers(&mut self, boot_ms: u64) {
        while let Some((_, address)) = self.offers.first_to_end().filter(|(until, _)| *until <= boot_ms) {
            self.withdraw(address);
        }
    }

    pub(super) fn next_offer_end(&self) -> Option<u64> {
        self.offers.first_to_end().map(|(until, _)| until)
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = SubnetCounts> {
        let subnets = self.plan.settings.subnets.iter();
        subnets.zip(&self.pools).zip(&self.counts).map(|((subnet, pools), counts)| {
            let of_pool = |(pool, (size, free)): (&Pool, (usize, usize))| PoolCounts {
                ranges: pool.ranges.clone(),
                pool: size,
                free,
            };
            let pools: Vec<_> = subnet.pools.iter().zip(pools.sizes()).map(of_pool).collect();
            SubnetCounts {
                prefix: subnet.prefix,
                pool: pools.iter().map(|pool| pool.pool).sum(),
                free: pools.iter().map(|pool| pool.free).sum(),
                bound: counts.bound,
                quarantined: counts.quarantined,
                offered: counts.offered,
                pools,
            }
        })
    }

    /// Addresses that pools may hold by mistake, and that no client can use.
    fn is_unfit(&self, place: usize, address: Ipv4Addr) -> bool {
        let prefix = self.plan.subnet(place).prefix;
        let edge = prefix.prefix_len() < 31 && (address == prefix.network() || address == prefix.broadcast());
        edge || self.is_own(address)
    }

    fn change(&mut self, address: Ipv4Addr, change: impl FnOnce(&mut Self)) {
        let before = self.stand_anywhere(address);
        change(self);
        self.restand(address, before);
    }

    fn stand_anywhere(&self, address: Ipv4Addr) -> Option<(Vacancy, Standing)> {
        self.plan.holding(address).map(|place| self.stand(place, address))
    }

    fn restand(&mut self, address: Ipv4Addr, before: Option<(Vacancy, Standing)>) {
        let (Some(place), Some((vacancy, standing))) = (self.plan.holding(address), before) else { return };
        let (new_vacancy, new_standing) = self.stand(place, address);
        if vacancy != new_vacancy {
            self.pools[place].change(address, vacancy, new_vacancy);
        }
        if standing != new_standing {
            self.counts[place].remove(standing);
            self.counts[place].add(new_standing);
        }
    }

    /// How an address stands, as follows from all that is known of it.
    fn stand(&self, place: usize, address: Ipv4Addr) -> (Vacancy, Standing) {
        let record = self.table.get(address);
        let offered = self.offers.get(address).is_some() && !planted(Fault::OfferReused);
        let standing = match record.map(|record| record.hot.state()) {
            Some(HotState::Bound) => Standing::Bound,
            Some(HotState::Quarantined) => Standing::Quarantined,
            _ if offered => Standing::Offered,
            _ => Standing::Idle,
        };
        let reserved = self.plan.reservation_of(place, address).is_some() && !planted(Fault::ReservedGivenAway);
        let vacancy = match record {
            _ if standing != Standing::Idle || reserved || self.is_unfit(place, address) => Vacancy::Taken,
            Some(record) => Vacancy::Rested(record.hot.expires_at()),
            None => Vacancy::Fresh,
        };
        (vacancy, standing)
    }
}

/// The subnet that holds an address.
fn home_of(plan: &Plan, address: Ipv4Addr) -> Option<Home> {
    plan.holding(address).map(|place| plan.home(place))
}

impl Counts {
    fn of(&mut self, standing: Standing) -> Option<&mut usize> {
        match standing {
            Standing::Idle => None,
            Standing::Offered => Some(&mut self.offered),
            Standing::Bound => Some(&mut self.bound),
            Standing::Quarantined => Some(&mut self.quarantined),
        }
    }

    fn add(&mut self, standing: Standing) {
        self.of(standing).into_iter().for_each(|count| *count += 1);
    }

    fn remove(&mut self, standing: Standing) {
        self.of(standing).into_iter().for_each(|count| *count -= 1);
    }
}
