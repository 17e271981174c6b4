//! The free addresses of one subnet's pools, in the order in which they are to be given out.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::bitmap::Bitmap;
use crate::settings::AddressRange;

/// How an address stands towards the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vacancy {
    /// Not to be given out: leased, offered, in quarantine, reserved, or our own.
    Taken,
    /// Free, and nobody ever had it.
    Fresh,
    /// Free since its last lease ended, at this time (UTC seconds).
    Rested(u64),
}

/// The free addresses of one subnet. Those that nobody ever had come first, in turn round the pools, so that an
/// offer nobody took is not repeated at once; then the one that has rested longest. Choosing and changing cost the
/// logarithm of what there is, whether the pools are empty or full.
#[derive(Debug)]
pub(super) struct Vacancies {
    /// The pools, sorted, laid end to end.
    pools: Vec<Pool>,
    fresh: Bitmap,
    rested: BTreeSet<(u64, u32)>,
    /// Where the search for the next fresh address starts.
    cursor: usize,
}

#[derive(Clone, Copy, Debug)]
struct Pool {
    first: u32,
    last: u32,
    /// The place of `first` in the bitmap.
    offset: usize,
}

impl Vacancies {
    /// Everything in `pools` (sorted, not overlapping) is fresh.
    pub(super) fn new(ranges: &[AddressRange]) -> Self {
        let mut offset = 0;
        let mut pools = Vec::with_capacity(ranges.len());
        for range in ranges.iter().filter(|range| range.first <= range.last) {
            let (first, last) = (range.first.to_bits(), range.last.to_bits());
            pools.push(Pool { first, last, offset });
            offset += (last - first) as usize + 1;
        }
        Self { pools, fresh: Bitmap::full(offset), rested: BTreeSet::new(), cursor: 0 }
    }

    /// Whether a pool holds the address.
    pub(super) fn in_pool(&self, address: Ipv4Addr) -> bool {
        self.place(address.to_bits()).is_some()
    }

    /// How many addresses the pools hold.
    pub(super) fn size(&self) -> usize {
        self.pools.last().map_or(0, |pool| pool.offset + (pool.last - pool.first) as usize + 1)
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.fresh.len() + self.rested.len()
    }

    /// Moves an address from one standing to another. An address outside the pools is never free.
    pub(super) fn change(&mut self, address: Ipv4Addr, from: Vacancy, to: Vacancy) {
        let address = address.to_bits();
        let Some(place) = self.place(address) else { return };
        match from {
            Vacancy::Taken => {}
            Vacancy::Fresh => self.fresh.remove(place),
            Vacancy::Rested(since) => {
                self.rested.remove(&(since, address));
            }
        }
        match to {
            Vacancy::Taken => {}
            Vacancy::Fresh => self.fresh.insert(place),
            Vacancy::Rested(since) => {
                self.rested.insert((since, address));
            }
        }
    }

    /// The next address to give out. It stays free until it is changed.
    pub(super) fn choose(&mut self) -> Option<Ipv4Addr> {
        match self.fresh.first_from(self.cursor).or_else(|| self.fresh.first_from(0)) {
            Some(place) => {
                self.cursor = place + 1;
                self.address(place)
            }
            None => self.rested.first().map(|&(_, address)| Ipv4Addr::from_bits(address)),
        }
    }

    fn place(&self, address: u32) -> Option<usize> {
        let after = self.pools.partition_point(|pool| pool.first <= address);
        let pool = self.pools.get(after.checked_sub(1)?)?;
        (address <= pool.last).then(|| pool.offset + (address - pool.first) as usize)
    }

    fn address(&self, place: usize) -> Option<Ipv4Addr> {
        let after = self.pools.partition_point(|pool| pool.offset <= place);
        let pool = self.pools.get(after.checked_sub(1)?)?;
        Some(Ipv4Addr::from_bits(pool.first + u32::try_from(place - pool.offset).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: [u8; 4], last: [u8; 4]) -> AddressRange {
        AddressRange { first: first.into(), last: last.into() }
    }

    #[test]
    fn fresh_addresses_come_first_in_turn_then_the_longest_rested() {
        let mut vacancies = Vacancies::new(&[range([10, 0, 0, 1], [10, 0, 0, 2]), range([10, 0, 1, 1], [10, 0, 1, 1])]);
        let [a, b, c] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 1, 1]].map(Ipv4Addr::from);
        assert_eq!((vacancies.size(), vacancies.free()), (3, 3));
        assert!(vacancies.in_pool(c) && !vacancies.in_pool([10, 0, 1, 0].into()));
        assert_eq!([a, b, c, a].map(Some), std::array::from_fn(|_| vacancies.choose()));

        vacancies.change(a, Vacancy::Fresh, Vacancy::Rested(20));
        vacancies.change(b, Vacancy::Fresh, Vacancy::Rested(10));
        assert_eq!(vacancies.choose(), Some(c));
        vacancies.change(c, Vacancy::Fresh, Vacancy::Taken);
        assert_eq!(vacancies.choose(), Some(b));
        vacancies.change(b, Vacancy::Rested(10), Vacancy::Taken);
        assert_eq!(vacancies.choose(), Some(a));
        vacancies.change(a, Vacancy::Rested(20), Vacancy::Taken);
        assert_eq!((vacancies.choose(), vacancies.free()), (None, 0));
    }
}
