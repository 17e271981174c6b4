//! What a seed chooses: the network, its size and its troubles.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ddns::hosts::{ByHand, Hosts};
use ddns::settings::{Auth, Retry, ReverseGuard, ZoneRoute, ZoneServer};
use dhcp::identity::HardwareAddress;
use dhcp::settings::{
    AddressRange, AfterExpiry, ClientUpdates, GeneratedName, LeaseTime, Naming, Reservation, ReservedFor,
    ReservedRecords, Scope, Subnet,
};
use dns::naming::ConflictOutcome;
use dns::{Change, ConflictGuard, Fqdn, HostIdentity, Prerequisite, Rdata, RecordType, Rrset, Update};

use crate::rng::Rng;
use crate::server::Settings;

pub(crate) const RESERVED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// Reserved for a host that never comes, and for a host with two interfaces; in no pool.
const GHOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const TWINS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);
/// Reserved together, for hosts that never come.
const BLOCK: std::ops::RangeInclusive<u8> = 16..=27;
/// The DNS servers, the preferred one first.
const DNS_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54)];
const REVERSE: [&str; 2] = ["0.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"];
/// How many addresses one client may have in quarantine at once.
pub(crate) const DECLINES_MAX: usize = 3;
/// The default, which asks for most, in every second world.
const GUARDS: [ConflictGuard; 6] = [
    ConflictGuard::CheckWithDhcid,
    ConflictGuard::CheckWithDhcid,
    ConflictGuard::CheckWithDhcid,
    ConflictGuard::CheckExistsWithDhcid,
    ConflictGuard::NoCheckWithDhcid,
    ConflictGuard::NoCheckWithoutDhcid,
];
const OUTCOMES: [ConflictOutcome; 5] = [
    ConflictOutcome::Refuse,
    ConflictOutcome::Refuse,
    ConflictOutcome::Suffix { keep_secs: 60 },
    ConflictOutcome::Suffix { keep_secs: 86_400 },
    ConflictOutcome::TakeOver,
];
const RESERVED_FOR: [u8; 6] = [2, 0, 0, 0, 0, 0];

pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) lease_secs: u32,
    pub(crate) offer_hold_secs: u32,
    pub(crate) turmoil_ms: u64,
    pub(crate) lost_permille: u64,
    pub(crate) doubled_permille: u64,
    pub(crate) delayed_permille: u64,
    pub(crate) dns_lost_permille: u64,
    /// The longest pause between two mishaps.
    pub(crate) mishap_pause_ms: u64,
    pub(crate) disk_fails: bool,
    pub(crate) clock_jumps: bool,
    pub(crate) settings: Settings,
    /// How much faster than usual clients change their minds.
    pub(crate) haste: u64,
    /// Clients go from network to network.
    pub(crate) roaming: bool,
    /// Two of the clients are one host.
    pub(crate) twins: bool,
    /// Records that somebody makes by hand: a name that clients want, and a PTR in the pool. Each with the zone.
    pub(crate) by_hand: Vec<(Fqdn, Rrset)>,
    /// The operator edits reservations and rules of names while the server runs.
    pub(crate) edits: bool,
    /// How many DNS servers there are, where the zones are not embedded.
    pub(crate) dns_servers: usize,
    /// Names that are there as long as they are reserved, with their addresses and owners.
    pub(crate) reserved: Vec<(Ipv4Addr, Fqdn, HostIdentity)>,
    /// The twins have, or had, an address reserved for them.
    pub(crate) twins_reserved: bool,
}

impl Plan {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let lease_secs = 60 + u32::try_from(rng.below(300)).unwrap();
        let haste = *rng.pick(&[1, 1, 10]);
        let offer_hold_secs = 30;
        let embedded = rng.permille(400);
        let generate = rng.permille(300);
        let client_updates = if rng.permille(300) { ClientUpdates::Allow } else { ClientUpdates::Override };
        let domain: Fqdn = "sim.test".parse().unwrap();
        let guard = *rng.pick(&GUARDS);
        let mut subnet = Subnet {
            pools: vec![AddressRange { first: Ipv4Addr::new(10, 0, 0, 4), last: Ipv4Addr::new(10, 0, 0, 9) }.into()],
            reservations: vec![Reservation { hostname: rng.permille(500).then(|| "printer".to_owned()), ..reserved() }],
            scope: Scope {
                lease_secs: LeaseTime { default: lease_secs, min: 30, max: 600 }.into(),
                ..Scope::default()
            },
            ignore_client_id: rng.permille(200),
            naming: Some(Naming {
                client_updates,
                generate: generate.then_some(GeneratedName::Address),
                after_expiry: *rng.pick(&[AfterExpiry::AtOnce, AfterExpiry::Grace(60), AfterExpiry::Keep]),
                guard,
                conflict: *rng.pick(&OUTCOMES),
                ..Naming::of_domain(domain.clone())
            }),
            ..Subnet::new("10.0.0.0/28".parse().unwrap())
        };
        let mut subnets = vec![subnet.clone()];
        subnet.prefix = "10.0.1.0/27".parse().unwrap();
        subnet.pools =
            vec![AddressRange { first: Ipv4Addr::new(10, 0, 1, 4), last: Ipv4Addr::new(10, 0, 1, 6) }.into()];
        subnet.reservations.clear();
        subnets.push(subnet);
        let dns_servers = if rng.permille(400) { 2 } else { 1 };
        let server = match embedded {
            true => ZoneServer::Embedded,
            false => {
                let servers = DNS_SERVERS[..dns_servers].iter().map(|ip| SocketAddr::from((*ip, 53))).collect();
                ZoneServer::Remote { servers, auth: Auth::Unsigned }
            }
        };
        let reverse = REVERSE.map(|apex| apex.parse().unwrap());
        let zones =
            [domain].into_iter().chain(reverse).map(|apex| ZoneRoute { apex, server: server.clone() }).collect();
        let by_hand = if rng.permille(500) { by_hand(rng) } else { Vec::new() };
        // The unguarded form overwrites what somebody made by hand: so RFC 4703 has it.
        let unguarded = by_hand.is_empty() && rng.permille(300);
        let reverse = if unguarded { ReverseGuard::Rfc4703 } else { ReverseGuard::Dhcid };
        let dhcp = dhcp::settings::Settings {
            subnets,
            offer_hold_secs,
            quarantine_secs: 120,
            declines_per_client_max: u32::try_from(DECLINES_MAX).unwrap(),
            ..dhcp::settings::Settings::default()
        };
        let (reserved, always) = (names_of(&dhcp), always_there(&dhcp));
        let delete_share_percent = *rng.pick(&[100, 20, 50]);
        let upkeep = ddns::settings::Upkeep { delete_share_percent, ..ddns::settings::Upkeep::default() };
        let retry = Retry { conflict_ms: *rng.pick(&[3_600_000, 15_000, 60_000]), ..Retry::default() };
        let ddns =
            ddns::settings::Settings { zones, reverse, reserved, upkeep, retry, ..ddns::settings::Settings::default() };
        Self {
            clients: 3 + usize::try_from(rng.below(6)).unwrap(),
            lease_secs,
            offer_hold_secs,
            turmoil_ms: (200_000 + rng.below(400_000)) / haste.min(4),
            lost_permille: rng.below(200),
            doubled_permille: rng.below(200),
            delayed_permille: rng.below(150),
            dns_lost_permille: rng.below(200),
            mishap_pause_ms: *rng.pick(&[5_000, 15_000, 50_000]),
            disk_fails: rng.permille(400),
            clock_jumps: rng.permille(200),
            settings: Settings {
                dhcp: Arc::new(dhcp),
                ddns: Arc::new(ddns),
                embedded,
                events_max: *rng.pick(&[1, 2, 64, 64]),
                updater_busy_permille: *rng.pick(&[0, 50, 500]),
                rows_take_ms_max: *rng.pick(&[5, 3_000]),
            },
            haste,
            edits: rng.permille(600),
            dns_servers,
            reserved: always,
            twins_reserved: false,
            roaming: rng.permille(400),
            twins: rng.permille(300),
            by_hand,
        }
    }

    /// Which of the DNS servers an update goes to.
    pub(crate) fn door_of(&self, server: &ZoneServer) -> usize {
        let to = server.primary().expect("a server of somebody else").ip();
        DNS_SERVERS.iter().position(|ip| to == *ip).expect("one of the servers")
    }

    pub(crate) fn guard(&self) -> ConflictGuard {
        self.settings.dhcp.subnets[0].naming.as_ref().unwrap().guard
    }

    pub(crate) fn reserved_for(&self, address: Ipv4Addr) -> Option<[u8; 6]> {
        (address == RESERVED).then_some(RESERVED_FOR)
    }

    pub(crate) fn is_reserved_for(&self, mac: [u8; 6]) -> bool {
        mac == RESERVED_FOR || (self.twins_reserved && self.twins && matches!(mac, [2, 0, 0, 0, 0, 1 | 2]))
    }

    /// What becomes of the name of a lease that ends while all is quiet.
    pub(crate) fn after_expiry(&self, address: Ipv4Addr) -> AfterExpiry {
        let is_reserved = self.reserved.iter().any(|(reserved, ..)| *reserved == address);
        let policy = self.settings.dhcp.subnets[0].naming.as_ref().unwrap().after_expiry;
        if is_reserved { AfterExpiry::AtOnce } else { policy }
    }

    /// The operator changes one thing.
    pub(crate) fn edit(&mut self, rng: &mut Rng) -> &'static str {
        let mut dhcp = (*self.settings.dhcp).clone();
        let [first, second] = &mut dhcp.subnets[..] else { unreachable!("two subnets") };
        let mut ddns = (*self.settings.ddns).clone();
        let what = match rng.below(8) {
            6 => {
                // No client says these names, and the address is in no pool.
                let name = *rng.pick(&[None, Some("fixed"), Some("box")]);
                let host = name.map(|name| {
                    let name: Fqdn = format!("{name}.sim.test").parse().unwrap();
                    let (identity, guard) = (HostIdentity::of_name(&name), self.guard());
                    ByHand { address: FIXED.into(), name, identity, ttl_secs: 300, guard }
                });
                ddns.hosts = Hosts::new(host.into_iter().collect());
                "machine configured by hand"
            }
            7 if !self.settings.embedded => {
                let data = *rng.pick(&[None, Some("one"), Some("two")]);
                let set = |text| Rrset::single(STATED.parse().unwrap(), RecordType::TXT, 300, Rdata::txt(&[text]));
                ddns.stated = data.map(set).into_iter().collect();
                "record stated"
            }
            0 => {
                let hostname = rng.pick(&[None, Some("printer"), Some("laser"), Some("alpha")]).map(str::to_owned);
                reserve(first, RESERVED, Some(Reservation { hostname, ..reserved() }));
                "reservation renamed"
            }
            1 => {
                // Its host never comes. Clients may have its name.
                let hostname = rng.pick(&[None, Some("ghost"), Some("beta"), Some("gamma")]).map(str::to_owned);
                let client = ReservedFor::Hardware(HardwareAddress::new(1, &[2, 0, 0, 0, 7, 7]).unwrap());
                let ghost = Reservation { hostname, ..Reservation::new(GHOST, client) };
                reserve(first, GHOST, Some(ghost).filter(|ghost| ghost.hostname.is_some()));
                "reservation of a host that is away"
            }
            2 => {
                let twins = Reservation {
                    hostname: Some("twin".to_owned()),
                    ..Reservation::new(TWINS, ReservedFor::Duid([0, 2, 1, 2, 3, 4].into()))
                };
                self.twins_reserved = true;
                let there = first.reservations.iter().any(|one| one.address == Some(TWINS));
                reserve(first, TWINS, Some(twins).filter(|_| !there));
                "reservation of a host with two interfaces"
            }
            3 => {
                let there = second.reservations.len() > 1;
                for n in BLOCK {
                    let client = ReservedFor::Hardware(HardwareAddress::new(1, &[2, 0, 0, 0, 8, n]).unwrap());
                    let address = Ipv4Addr::new(10, 0, 1, n);
                    let away = Reservation { hostname: Some(format!("away{n}")), ..Reservation::new(address, client) };
                    reserve(second, address, Some(away).filter(|_| !there));
                }
                "a block of reservations"
            }
            4 => {
                let policy = *rng.pick(&[AfterExpiry::AtOnce, AfterExpiry::Grace(60), AfterExpiry::Keep]);
                for naming in [&mut first.naming, &mut second.naming].into_iter().flatten() {
                    naming.after_expiry = policy;
                }
                "rule for expired leases changed"
            }
            _ => {
                let rule = *rng.pick(&[ReservedRecords::WhileConfigured, ReservedRecords::WhileLeased]);
                for naming in [&mut first.naming, &mut second.naming].into_iter().flatten() {
                    naming.reserved = rule;
                }
                "rule for reservations changed"
            }
        };
        ddns.reserved = names_of(&dhcp);
        ddns.reserved.extend(ddns.hosts.all().iter().map(|host| host.name.clone()));
        self.reserved = always_there(&dhcp);
        self.reserved.extend(ddns.hosts.all().iter().map(|host| (FIXED, host.name.clone(), host.identity.clone())));
        (self.settings.dhcp, self.settings.ddns) = (Arc::new(dhcp), Arc::new(ddns));
        what
    }
}

/// The address of a machine that is configured by hand.
const FIXED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 13);
/// The owner of a record that the configuration states.
const STATED: &str = "note.sim.test";

fn reserved() -> Reservation {
    Reservation::new(RESERVED, ReservedFor::Hardware(HardwareAddress::new(1, &RESERVED_FOR).unwrap()))
}

/// Puts a reservation in the place of the one that the address has.
fn reserve(subnet: &mut Subnet, address: Ipv4Addr, reservation: Option<Reservation>) {
    subnet.reservations.retain(|one| one.address != Some(address));
    subnet.reservations.extend(reservation);
    subnet.reservations.sort_by_key(|one| one.address);
}

/// The full names of reservations.
fn names_of(dhcp: &dhcp::settings::Settings) -> HashSet<Fqdn> {
    let names = dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations).filter_map(|one| one.hostname.as_deref());
    names.map(|name| format!("{name}.sim.test").parse().unwrap()).collect()
}

/// What reservations have in DNS while their hosts are away: said once more in few words, not asked of the server.
fn always_there(dhcp: &dhcp::settings::Settings) -> Vec<(Ipv4Addr, Fqdn, HostIdentity)> {
    let subnet = &dhcp.subnets[0];
    if subnet.naming.as_ref().unwrap().reserved == ReservedRecords::WhileLeased {
        return Vec::new();
    }
    let all = dhcp.subnets.iter().flat_map(|subnet| &subnet.reservations);
    let owned = all.filter_map(|one| {
        let identity = match &one.clients[0] {
            ReservedFor::Hardware(hardware) => HostIdentity::from_hardware(1, hardware.as_bytes()),
            ReservedFor::Duid(duid) => HostIdentity::Duid((&**duid).into()),
            other => unreachable!("{other:?}"),
        };
        Some((one.address?, format!("{}.sim.test", one.hostname.as_ref()?).parse().unwrap(), identity))
    });
    owned.collect()
}

fn by_hand(rng: &mut Rng) -> Vec<(Fqdn, Rrset)> {
    // It may be the very address that a client of that name gets.
    let address = *rng.pick(&[Ipv4Addr::new(192, 0, 2, 99), Ipv4Addr::new(10, 0, 0, 6)]);
    let (rtype, data) = Rdata::address(address.into());
    let pointer = Fqdn::reverse(Ipv4Addr::new(10, 0, 0, 7).into());
    let manual: Fqdn = "manual.sim.test".parse().unwrap();
    vec![
        ("sim.test".parse().unwrap(), Rrset::single("alpha.sim.test".parse().unwrap(), rtype, 300, data)),
        (REVERSE[0].parse().unwrap(), Rrset::single(pointer, RecordType::PTR, 300, Rdata::ptr(&manual))),
        // What the configuration may come to state is there already, and otherwise.
        (
            "sim.test".parse().unwrap(),
            Rrset::single(STATED.parse().unwrap(), RecordType::TXT, 300, Rdata::txt(&["by hand"])),
        ),
    ]
}

/// Makes a record by hand, unless the name is in use.
pub(crate) fn make_by_hand(zone: &Fqdn, set: &Rrset) -> Update {
    let Rrset { name, rtype, ttl, rdata } = set.clone();
    let change = Change::Add { name: name.clone(), rtype, ttl, rdata: rdata[0].clone() };
    Update { zone: zone.clone(), prerequisites: vec![Prerequisite::NameNotInUse(name)], changes: vec![change] }
}
