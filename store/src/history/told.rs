//! Two small numbers for each of very many addresses, in little memory: neighbours share a page.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// Addresses that share a page, as the low bits of an address tell them apart.
const PAGE_BITS: u32 = 6;
const PAGE: usize = 1 << PAGE_BITS;

/// See the module. A million neighbours take some four and a half octets each; one without neighbours takes a page.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// No page is empty.
    pages: HashMap<u32, Box<[(u16, u16); PAGE]>>,
}

/// What an address has of which nothing was told: no day is the first of 1970.
const NOTHING: (u16, u16) = (0, 0);

impl Told {
    /// Pages that are kept, some 280 octets each.
    pub(super) const PAGES_MAX: usize = 256 * 1024;

    /// Notes what is told of an address; whether something else was told before, or nothing. Where there is no room for it, it
    /// is always new.
    pub(super) fn tell(&mut self, address: Ipv4Addr, now: (u16, u16)) -> bool {
        let (page, at) = place_of(address);
        if self.pages.len() >= Self::PAGES_MAX && !self.pages.contains_key(&page) {
            return true;
        }
        let known = &mut self.pages.entry(page).or_insert_with(|| Box::new([NOTHING; PAGE]))[at];
        std::mem::replace(known, now) != now
    }

    /// Forgets an address.
    pub(super) fn forget(&mut self, address: Ipv4Addr) {
        let (page, at) = place_of(address);
        let Some(known) = self.pages.get_mut(&page) else { return };
        known[at] = NOTHING;
        if known.iter().all(|one| *one == NOTHING) {
            self.pages.remove(&page);
        }
    }
}

fn place_of(address: Ipv4Addr) -> (u32, usize) {
    let bits = address.to_bits();
    (bits >> PAGE_BITS, bits as usize % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_apart_and_forgotten_one_by_one() {
        let mut told = Told::default();
        let address = |last: u8| Ipv4Addr::new(192, 0, 2, last);
        assert!(told.tell(address(1), (7, 1)) && told.tell(address(2), (7, 1)));
        assert!(!told.tell(address(1), (7, 1)), "nothing new");
        assert!(told.tell(address(1), (8, 1)) && told.tell(address(1), (8, 2)));
        told.forget(address(2));
        assert!(told.tell(address(2), (7, 1)) && !told.tell(address(1), (8, 2)));
        [1, 2, 3].map(address).into_iter().for_each(|address| told.forget(address));
        assert!(told.pages.is_empty());
    }

    #[test]
    fn past_the_limit_all_is_new_but_what_is_known() {
        let mut told = Told::default();
        let address = |page: u32| Ipv4Addr::from_bits(page << PAGE_BITS);
        (0..Told::PAGES_MAX as u32).for_each(|page| assert!(told.tell(address(page), (1, 1))));
        let beyond = address(Told::PAGES_MAX as u32);
        assert!(told.tell(beyond, (1, 1)) && told.tell(beyond, (1, 1)));
        assert!(!told.tell(address(3), (1, 1)));
    }
}
