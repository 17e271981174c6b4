//! Random settings: subnets, some of them in shared networks, with pools, reservations, classes, and options, boot
//! fields and lease times at every place. No two places give the same value for an option, so that a reply tells where
//! each of its options came from.

use std::net::Ipv4Addr;

use dhcp::class::{Class, ClassId, Classes, Condition, Fact, Test, Verdict};
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::options::{classless_static_routes, code};
use dhcp::settings::{
    Access, AddressRange, Boot, LeaseTimes, NetworkId, OptionSet, Pool, Reservation, ReservedFor, Scope, Settings,
    SharedNetwork, Subnet,
};

use crate::random::Random;

/// How many machines there are.
pub(crate) const CLIENTS: u8 = 6;
/// Their vendor classes.
pub(crate) const VENDORS: [&str; 4] = ["MSFT 5.0", "PXEClient:Arch:00007:UNDI:003000", "phone", "HTTPClient"];

/// Options that nothing but the settings gives.
pub(crate) const CODES: [u8; 21] =
    [2, 3, 6, 15, 17, 19, 23, 26, 33, 40, 42, 43, 44, 46, 69, 72, 114, 121, 150, 224, 252];

pub(crate) fn hardware(client: u8) -> HardwareAddress {
    HardwareAddress::new(1, &[2, 0, 0, 0, 0, client]).expect("six bytes")
}

/// The client identifier of a machine that sends one: every second does.
pub(crate) fn client_id(client: u8) -> Option<ClientId> {
    (client % 2 == 1).then(|| ClientId([&[1], hardware(client).as_bytes()].concat().into()))
}

pub(crate) fn settings(random: &mut Random) -> Settings {
    let mut made = Maker { random, given: 0, classes: 0 };
    let classes = made.classes();
    let networks: Vec<SharedNetwork> = (0..made.random.below(3))
        .map(|number| SharedNetwork {
            name: format!("network-{number}"),
            scope: made.scope(),
            ..SharedNetwork::default()
        })
        .collect();
    let subnets = (0..1 + made.random.below(4)).map(|number| made.subnet(number, networks.len())).collect();
    Settings {
        subnets,
        networks,
        scope: made.scope(),
        classes,
        offer_hold_secs: 60,
        quarantine_secs: 86_400,
        declines_per_client_max: 3,
        ..Settings::default()
    }
}

struct Maker<'r> {
    random: &'r mut Random,
    /// How many values were given.
    given: u32,
    classes: u16,
}

impl Maker<'_> {
    fn classes(&mut self) -> Classes {
        let declared = (0..self.random.below(6))
            .map(|number| Class {
                verdict: *self.random.pick(&[
                    Verdict::Serve,
                    Verdict::Serve,
                    Verdict::Serve,
                    Verdict::Deny,
                    Verdict::Drop,
                ]),
                scope: self.scope(),
                ..Class::new(&format!("class-{number}"), self.condition(2))
            })
            .collect::<Vec<_>>();
        self.classes = u16::try_from(declared.len()).expect("a few");
        Classes::compile(declared).expect("nothing is wrong with them")
    }

    fn condition(&mut self, depth: usize) -> Condition {
        if depth > 0 && self.random.once_in(3) {
            let list = (0..1 + self.random.below(2)).map(|_| self.condition(depth - 1)).collect();
            return match self.random.below(3) {
                0 => Condition::All(list),
                1 => Condition::Any(list),
                _ => self.condition(depth - 1).negated(),
            };
        }
        let vendor = || Fact::Option(code::VENDOR_CLASS_IDENTIFIER);
        let client = self.random.byte() % CLIENTS;
        match self.random.below(6) {
            0 => Condition::Is(vendor(), Test::Prefix(self.random.pick(&VENDORS).as_bytes()[..3].into())),
            1 => Condition::Is(vendor(), Test::Contains(b"e"[..].into())),
            2 => Condition::Is(Fact::Hardware, Test::Equal(hardware(client).as_bytes().into())),
            3 => Condition::has(Fact::Option(*self.random.pick(&[60, 61, 77, 82, 93]))),
            4 => Condition::Is(Fact::CIRCUIT_ID, Test::Equal([client].into())),
            _ => Condition::has(Fact::Broadcast),
        }
    }

    fn subnet(&mut self, number: usize, networks: usize) -> Subnet {
        let third = u8::try_from(number * 4).expect("few subnets");
        let bits = *self.random.pick(&[22, 24, 26, 28]);
        let prefix = ipnet::Ipv4Net::new(Ipv4Addr::new(10, 9, third, 0), bits).expect("a prefix");
        // The first address is the server's or the relay's.
        let (first, last) = (u32::from(prefix.network()) + 2, u32::from(prefix.broadcast()) - 1);
        let mut pools = Vec::new();
        let mut from = first;
        for _ in 0..self.random.below(3) {
            let start = from + u32::try_from(self.random.below(4)).expect("small");
            let end = start + u32::try_from(self.random.below(5)).expect("small");
            if end > last {
                break;
            }
            let range = AddressRange { first: start.into(), last: end.into() };
            pools.push(Pool { access: self.access(), scope: self.scope(), ..range.into() });
            from = end + 1;
        }
        let mut reservations: Vec<Reservation> = Vec::new();
        for client in 0..CLIENTS {
            if self.random.once_in(4) {
                let address = Ipv4Addr::from(first + u32::try_from(self.random.below(12)).expect("small"));
                if reservations.iter().all(|other| other.address != Some(address)) {
                    let by_id = client_id(client).filter(|_| self.random.once_in(2)).map(ReservedFor::ClientId);
                    let who = by_id.unwrap_or(ReservedFor::Hardware(hardware(client)));
                    reservations.push(Reservation { scope: self.scope(), ..Reservation::new(address, who) });
                }
            }
        }
        reservations.sort_by_key(|reservation| reservation.address);
        let network = self.random.below(networks + 1).checked_sub(1).and_then(|place| u16::try_from(place).ok());
        Subnet {
            network: network.map(NetworkId),
            pools,
            reservations,
            active: !self.random.once_in(12),
            access: self.access(),
            scope: self.scope(),
            always_broadcast: self.random.once_in(8),
            refuse_unrelayed_option82: self.random.once_in(8),
            ..Subnet::new(prefix)
        }
    }

    fn access(&mut self) -> Access {
        let mut some = || {
            if self.classes == 0 || !self.random.once_in(5) {
                return Vec::new();
            }
            vec![ClassId(u16::try_from(self.random.below(self.classes.into())).expect("a few"))]
        };
        Access { allow: some(), deny: some() }
    }

    fn scope(&mut self) -> Scope {
        if self.random.once_in(3) {
            return Scope::default();
        }
        let mut options = OptionSet::default();
        for _ in 0..self.random.below(6) {
            let code = *self.random.pick(&CODES);
            options.0.insert(code, self.value(code));
        }
        let some = |random: &mut Random, from: u32, to: u32| {
            random.once_in(3).then(|| from + u32::try_from(random.below((to - from) as usize)).expect("small"))
        };
        let lease_secs = LeaseTimes {
            default: some(self.random, 600, 3_600),
            min: some(self.random, 60, 600),
            max: some(self.random, 3_600, 86_400),
        };
        Scope { options, boot: self.boot(), lease_secs, ..Scope::default() }
    }

    fn boot(&mut self) -> Boot {
        let random = &mut *self.random;
        let text = |random: &mut Random, len: usize| -> Box<str> {
            ("boot/file-".repeat(len)[..len].to_owned() + &random.below(10).to_string()).into()
        };
        Boot {
            next_server: random.once_in(4).then(|| random.address()),
            server_name: random.once_in(6).then(|| {
                let len = random.below(60);
                text(random, len)
            }),
            file: random.once_in(4).then(|| {
                let len = random.below(120);
                text(random, len)
            }),
        }
    }

    /// Data of the form that the option has, never the same twice.
    fn value(&mut self, code: u8) -> Box<[u8]> {
        self.given += 1;
        let given = self.given.to_be_bytes();
        let address = [10, given[1], given[2], given[3]];
        match code {
            // Seconds east of UTC.
            2 => given.into(),
            // A switch, and a number of hops: too small for a value of its own each.
            19 => [given[3] & 1].into(),
            23 => [given[3].max(1)].into(),
            26 => (576 + u16::from_be_bytes([given[2], given[3]]) % 9_000).to_be_bytes().into(),
            46 => [1 << (given[3] % 4)].into(),
            33 => [[192, 0, 2, 1], address].concat().into(),
            43 => [&[1, 4], &given[..]].concat().into(),
            15 | 17 | 40 | 114 | 252 => format!("http://{}.example/", self.given).into_bytes().into(),
            121 => classless_static_routes(&[("198.51.100.0/24".parse().expect("a prefix"), address.into())], None),
            // RFC 5859 allows several; dhcproto reads one, and nothing behind an option that it cannot read.
            150 => address.into(),
            // Longer than one option can be.
            224 => [self.random.bytes(300), given.into()].concat().into(),
            _ => address.repeat(1 + self.random.below(3)).into(),
        }
    }
}
