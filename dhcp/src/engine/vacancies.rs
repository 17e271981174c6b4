//! The free addresses of one pool, in every order in which they may be given out.

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

/// The free addresses of one pool. Looking one up by any order and changing one cost the logarithm of what there is,
/// whether the pool is empty or full.
#[derive(Debug)]
pub(super) struct Vacancies {
    /// Sorted, laid end to end.
    ranges: Vec<Range>,
    /// Free, and nobody ever had them.
    fresh: Bitmap,
    /// Fresh and rested ones.
    free: Bitmap,
    rested: BTreeSet<(u64, u32)>,
    /// Where the search for the next fresh address starts.
    cursor: usize,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: u32,
    last: u32,
    /// The place of `first` in the bitmaps.
    offset: usize,
}

impl Vacancies {
    /// Everything in `ranges` (sorted, not overlapping) is fresh.
    pub(super) fn new(ranges: &[AddressRange]) -> Self {
        let mut offset = 0;
        let mut laid = Vec::with_capacity(ranges.len());
        for range in ranges.iter().filter(|range| range.first <= range.last) {
            let (first, last) = (range.first.to_bits(), range.last.to_bits());
            laid.push(Range { first, last, offset });
            offset += (last - first) as usize + 1;
        }
        let (fresh, free) = (Bitmap::full(offset), Bitmap::full(offset));
        Self { ranges: laid, fresh, free, rested: BTreeSet::new(), cursor: 0 }
    }

    /// How many addresses the pool holds: its places are the numbers below that.
    pub(super) fn size(&self) -> usize {
        self.ranges.last().map_or(0, |range| range.offset + (range.last - range.first) as usize + 1)
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// Moves an address from one standing to another. An address outside the pool is never free.
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
            Vacancy::Taken => self.free.remove(place),
            Vacancy::Fresh => {
                self.fresh.insert(place);
                self.free.insert(place);
            }
            Vacancy::Rested(since) => {
                self.rested.insert((since, address));
                self.free.insert(place);
            }
        }
    }

    /// The next address that nobody ever had, in turn round the pool, so that an offer nobody took is not repeated at
    /// once. It stays free until it is changed.
    pub(super) fn next_fresh(&mut self) -> Option<Ipv4Addr> {
        let place = self.fresh.first_from(self.cursor).or_else(|| self.fresh.first_from(0))?;
        self.cursor = place + 1;
        self.address(place)
    }

    /// The free address whose last lease ended first, and when (UTC seconds).
    pub(super) fn longest_rested(&self) -> Option<(u64, Ipv4Addr)> {
        self.rested.first().map(|&(since, address)| (since, Ipv4Addr::from_bits(address)))
    }

    /// The address at a place, if it is free.
    pub(super) fn free_at(&self, place: usize) -> Option<Ipv4Addr> {
        self.free_from(place).filter(|address| self.place(address.to_bits()) == Some(place))
    }

    /// The first address at or after a place that nobody ever had.
    pub(super) fn fresh_from(&self, place: usize) -> Option<Ipv4Addr> {
        self.fresh.first_from(place).and_then(|place| self.address(place))
    }

    /// The first free address at or after a place.
    pub(super) fn free_from(&self, place: usize) -> Option<Ipv4Addr> {
        self.free.first_from(place).and_then(|place| self.address(place))
    }

    fn place(&self, address: u32) -> Option<usize> {
        let after = self.ranges.partition_point(|range| range.first <= address);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (address <= range.last).then(|| range.offset + (address - range.first) as usize)
    }

    fn address(&self, place: usize) -> Option<Ipv4Addr> {
        let after = self.ranges.partition_point(|range| range.offset <= place);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        Some(Ipv4Addr::from_bits(range.first + u32::try_from(place - range.offset).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: [u8; 4], last: [u8; 4]) -> AddressRange {
        AddressRange { first: first.into(), last: last.into() }
    }

    #[test]
    fn every_order_sees_what_is_free() {
        let mut vacancies = Vacancies::new(&[range([10, 0, 0, 1], [10, 0, 0, 2]), range([10, 0, 1, 1], [10, 0, 1, 1])]);
        let [a, b, c] = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 1, 1]].map(Ipv4Addr::from);
        assert_eq!((vacancies.size(), vacancies.free()), (3, 3));
        assert_eq!([a, b, c, a].map(Some), std::array::from_fn(|_| vacancies.next_fresh()));
        assert_eq!((vacancies.free_at(2), vacancies.free_at(3)), (Some(c), None));

        vacancies.change(a, Vacancy::Fresh, Vacancy::Rested(20));
        vacancies.change(b, Vacancy::Fresh, Vacancy::Rested(10));
        assert_eq!((vacancies.next_fresh(), vacancies.longest_rested()), (Some(c), Some((10, b))));
        assert_eq!((vacancies.fresh_from(0), vacancies.free_from(0)), (Some(c), Some(a)));
        vacancies.change(c, Vacancy::Fresh, Vacancy::Taken);
        assert_eq!((vacancies.next_fresh(), vacancies.free_from(2)), (None, None));
        vacancies.change(b, Vacancy::Rested(10), Vacancy::Taken);
        assert_eq!((vacancies.longest_rested(), vacancies.free_at(1)), (Some((20, a)), None));
        vacancies.change(a, Vacancy::Rested(20), Vacancy::Taken);
        assert_eq!((vacancies.longest_rested(), vacancies.free()), (None, 0));
        vacancies.change(a, Vacancy::Taken, Vacancy::Fresh);
        assert_eq!((vacancies.free_at(0), vacancies.free()), (Some(a), 1));
    }
}
