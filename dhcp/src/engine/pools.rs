//! The pools of one subnet: which holds an address, and which of the free addresses is given out next.

use std::net::Ipv4Addr;

use super::vacancies::{Vacancies, Vacancy};
use crate::settings::{Allocator, Pool};

/// How many random places are tried before the first free address after the last of them is taken. With a tenth of the
/// pools free, more than half of all clients still get an address that depends on nobody else's.
const RANDOM_TRIES: usize = 8;

/// A subnet's pools, by their place in the settings. Giving an address out costs the logarithm of what there is for
/// each pool, however full they are and whichever the allocator.
#[derive(Debug)]
pub(super) struct Pools {
    pools: Vec<Vacancies>,
    /// First and last address and pool, sorted.
    ranges: Vec<(u32, u32, usize)>,
}

impl Pools {
    /// Everything is free, and nobody ever had it.
    pub(super) fn new(pools: &[Pool]) -> Self {
        let of_pool = |(number, pool): (usize, &Pool)| {
            let bits = |range: &crate::settings::AddressRange| (range.first.to_bits(), range.last.to_bits(), number);
            pool.ranges.iter().map(bits).collect::<Vec<_>>()
        };
        let mut ranges: Vec<_> = pools.iter().enumerate().flat_map(of_pool).collect();
        ranges.sort_unstable();
        Self { pools: pools.iter().map(|pool| Vacancies::new(&pool.ranges)).collect(), ranges }
    }

    /// The pool that holds an address.
    pub(super) fn holding(&self, address: Ipv4Addr) -> Option<usize> {
        let address = address.to_bits();
        let after = self.ranges.partition_point(|(first, ..)| *first <= address);
        let (_, last, pool) = self.ranges.get(after.checked_sub(1)?)?;
        (address <= *last).then_some(*pool)
    }

    /// How many addresses each pool holds, and how many of them are free.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.pools.iter().map(|pool| (pool.size(), pool.free()))
    }

    /// Moves an address from one standing to another; one that is in no pool is never free.
    pub(super) fn change(&mut self, address: Ipv4Addr, from: Vacancy, to: Vacancy) {
        if let Some(pool) = self.holding(address) {
            self.pools[pool].change(address, from, to);
        }
    }

    /// The next address for a client out of the pools that are `open` to it. It stays free until it is changed.
    pub(super) fn choose(&mut self, open: &[usize], way: Way<'_>) -> Option<Ipv4Addr> {
        match way {
            Way::InTurn => self.in_turn(open),
            Way::ByHash(hash) => self.by_hash(open, hash),
            Way::Random(random) => self.random(open, random),
        }
    }

    /// What nobody ever had comes first, pool after pool; then what has rested longest, so that a client that was away
    /// finds its address as long as there is another one for the newcomer.
    fn in_turn(&mut self, open: &[usize]) -> Option<Ipv4Addr> {
        let fresh = open.iter().find_map(|&pool| self.pools[pool].next_fresh());
        fresh.or_else(|| open.iter().filter_map(|&pool| self.pools[pool].longest_rested()).min().map(|(_, it)| it))
    }

    /// The address that the client's hash points at; when it is taken, the next one that nobody ever had; when there is
    /// none, the next one that is free.
    fn by_hash(&self, open: &[usize], hash: u64) -> Option<Ipv4Addr> {
        let at = self.point(open, hash)?;
        self.pools[open[at.0]]
            .free_at(at.1)
            .or_else(|| self.round(open, at, Vacancies::fresh_from))
            .or_else(|| self.round(open, at, Vacancies::free_from))
    }

    /// Any place, and what nobody ever had first as well.
    fn random(&self, open: &[usize], random: &mut Random) -> Option<Ipv4Addr> {
        let has_fresh = open.iter().any(|&pool| self.pools[pool].fresh_from(0).is_some());
        let find = if has_fresh { Vacancies::fresh_from } else { Vacancies::free_from };
        let mut at = self.point(open, random.next())?;
        for _ in 1..RANDOM_TRIES {
            let (pool, place) = at;
            let found = find(&self.pools[open[pool]], place);
            if let Some(address) = found.filter(|address| self.pools[open[pool]].free_at(place) == Some(*address)) {
                return Some(address);
            }
            at = self.point(open, random.next())?;
        }
        self.round(open, at, find)
    }

    /// The pool, as its place in `open`, and the place in it that a number points at: all places are pointed at by
    /// equally many numbers. `None`: there are no places.
    fn point(&self, open: &[usize], number: u64) -> Option<(usize, usize)> {
        let size: usize = open.iter().map(|&pool| self.pools[pool].size()).sum();
        let mut place = usize::try_from((u128::from(number) * size as u128) >> 64).ok()?;
        for (at, &pool) in open.iter().enumerate() {
            match place.checked_sub(self.pools[pool].size()) {
                None => return Some((at, place)),
                Some(beyond) => place = beyond,
            }
        }
        None
    }

    /// What `find` finds first, going once round the open pools from a place on.
    fn round(
        &self,
        open: &[usize],
        (at, place): (usize, usize),
        find: impl Fn(&Vacancies, usize) -> Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        let after = open[at + 1..].iter().chain(&open[..=at]);
        find(&self.pools[open[at]], place).or_else(|| after.into_iter().find_map(|&pool| find(&self.pools[pool], 0)))
    }
}

/// How the next address is found.
#[derive(Debug)]
pub(super) enum Way<'a> {
    InTurn,
    /// With the hash of the client's key, the same on any server.
    ByHash(u64),
    Random(&'a mut Random),
}

impl<'a> Way<'a> {
    pub(super) fn of(allocator: Allocator, client_hash: impl FnOnce() -> u64, random: &'a mut Random) -> Self {
        match allocator {
            Allocator::InTurn => Self::InTurn,
            Allocator::ByHash => Self::ByHash(client_hash()),
            Allocator::Random => Self::Random(random),
        }
    }
}

/// Numbers that look random (SplitMix64, by Steele, Lea and Flood), from a seed that the shell draws. Who can guess them
/// learns which address a client may get, and no more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}

/// A hash of a client's key that is the same on every machine and in every version (FNV-1a with SplitMix64's last
/// step): two servers over one pool offer a client the same address by it. Many clients with one hash cost nothing but
/// their own addresses' being next to each other.
pub(super) fn stable_hash(kind: u8, key: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    mix(std::iter::once(&kind).chain(key).fold(0xCBF2_9CE4_8422_2325, fnv))
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::AddressRange;

    fn pool(first: [u8; 4], last: [u8; 4]) -> Pool {
        Pool::from(AddressRange { first: first.into(), last: last.into() })
    }

    /// Two pools of 3 and 61 addresses, the second before the first in the prefix.
    fn pools() -> Pools {
        Pools::new(&[pool([10, 0, 1, 1], [10, 0, 1, 3]), pool([10, 0, 0, 1], [10, 0, 0, 61])])
    }

    #[test]
    fn an_address_is_found_in_its_pool_in_whatever_order_they_are_written() {
        let pools = pools();
        let holding = |address: [u8; 4]| pools.holding(address.into());
        assert_eq!([holding([10, 0, 1, 1]), holding([10, 0, 0, 61])], [Some(0), Some(1)]);
        assert_eq!([holding([10, 0, 0, 0]), holding([10, 0, 0, 62]), holding([10, 0, 1, 4])], [None; 3]);
        assert_eq!(pools.sizes().collect::<Vec<_>>(), [(3, 3), (61, 61)]);
    }

    #[test]
    fn in_turn_fills_one_pool_after_the_other_and_then_takes_what_rested_longest() {
        let mut pools = pools();
        let take = |pools: &mut Pools, since| {
            let address = pools.choose(&[0, 1], Way::InTurn).unwrap();
            pools.change(address, Vacancy::Fresh, Vacancy::Rested(since));
            address.octets()[2]
        };
        let taken: Vec<u8> = (0..64).map(|n| take(&mut pools, 1000 - n)).collect();
        assert_eq!((&taken[..3], taken[3..].iter().all(|third| *third == 0)), (&[1, 1, 1][..], true));
        assert_eq!(pools.choose(&[0, 1], Way::InTurn), Some([10, 0, 0, 61].into()));
        assert_eq!(pools.choose(&[0], Way::InTurn), Some([10, 0, 1, 3].into()));
        assert_eq!(pools.choose(&[], Way::InTurn), None);
    }

    /// Takes everything by one allocator; each address comes once, and only while a pool is open.
    fn exhaust(mut way: impl FnMut(&mut Pools, &[usize], u64) -> Option<Ipv4Addr>) -> Vec<Ipv4Addr> {
        let mut pools = pools();
        let only: Vec<_> = (0..3)
            .map(|n| {
                let address = way(&mut pools, &[0], n).unwrap();
                pools.change(address, Vacancy::Fresh, Vacancy::Taken);
                address
            })
            .collect();
        assert!(only.iter().all(|address| pools.holding(*address) == Some(0)), "{only:?}");
        assert_eq!((way(&mut pools, &[0], 7), way(&mut pools, &[], 7)), (None, None));
        let mut taken = only;
        while let Some(address) = way(&mut pools, &[0, 1], 1000 + taken.len() as u64) {
            pools.change(address, Vacancy::Fresh, Vacancy::Taken);
            taken.push(address);
        }
        assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (64, 64));
        taken
    }

    #[test]
    fn by_hash_a_client_tends_to_one_address_on_any_server_and_every_address_is_found() {
        let by_hash = |pools: &mut Pools, open: &[usize], n: u64| {
            pools.choose(open, Way::ByHash(stable_hash(0, &n.to_be_bytes())))
        };
        assert_eq!(exhaust(by_hash), exhaust(by_hash));
        // On two servers, the one of which has leased an eighth of its pool to others, nearly all agree.
        let (mut one, mut other) = (pools(), pools());
        (1..=8).for_each(|n| other.change([10, 0, 0, n].into(), Vacancy::Fresh, Vacancy::Taken));
        let same = (0..1000).filter(|n| by_hash(&mut one, &[0, 1], *n) == by_hash(&mut other, &[0, 1], *n)).count();
        assert!((800..950).contains(&same), "{same}");
    }

    #[test]
    fn by_hash_disturbs_nobody_who_is_away_while_there_are_fresh_addresses() {
        let mut pools = pools();
        let first = pools.choose(&[1], Way::ByHash(0)).unwrap();
        pools.change(first, Vacancy::Fresh, Vacancy::Taken);
        let [second, third] = [2, 3].map(|n| Ipv4Addr::new(10, 0, 0, n));
        pools.change(second, Vacancy::Fresh, Vacancy::Rested(5));
        assert_eq!((first.octets()[3], pools.choose(&[1], Way::ByHash(0))), (1, Some(third)));
        (3..=61).for_each(|n| pools.change([10, 0, 0, n].into(), Vacancy::Fresh, Vacancy::Taken));
        assert_eq!(pools.choose(&[1], Way::ByHash(u64::MAX)), Some(second), "round the end");
    }

    #[test]
    fn at_random_every_address_comes_and_the_seed_decides_the_order() {
        let order = |seed| {
            let mut random = Random::from_seed(seed);
            exhaust(move |pools, open, _| pools.choose(open, Way::Random(&mut random)))
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn the_stable_hash_never_changes() {
        // Pinned: servers of different versions are to agree.
        assert_eq!(stable_hash(1, &[2, 0, 0, 0, 0, 1]), 0xBB0D_2EDA_663B_A555);
    }
}
