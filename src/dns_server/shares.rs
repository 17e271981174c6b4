//! How much of something each asker has at once, so that one of them cannot keep all others from it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What askers have. Cheap to clone.
#[derive(Clone)]
pub(super) struct Shares {
    each: usize,
    /// Only of those who have any.
    by_asker: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One part; dropping it gives it back.
pub(super) struct Share {
    shares: Shares,
    asker: IpAddr,
}

impl Shares {
    /// So many for each asker.
    pub(super) fn new(each: usize) -> Self {
        Self { each, by_asker: Arc::default() }
    }

    /// One for whoever is behind `source`; none when that asker has all of its own.
    pub(super) fn take(&self, source: IpAddr) -> Option<Share> {
        let asker = asker_of(source);
        let mut by_asker = self.lock();
        let count = by_asker.entry(asker).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), asker })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_asker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut by_asker = self.shares.lock();
        if let Some(count) = by_asker.get_mut(&self.asker) {
            *count -= 1;
            if *count == 0 {
                by_asker.remove(&self.asker);
            }
        }
    }
}

/// Who is behind an address: of IPv6 a host has a /64 for itself.
pub(super) fn asker_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn one_asker_has_its_share_and_no_others_and_gives_it_back() {
        let shares = Shares::new(2);
        let take = |source: &str| shares.take(source.parse().unwrap());
        let held = [take("10.0.0.1"), take("::ffff:10.0.0.1"), take("2001:db8::1"), take("2001:db8::2")];
        assert!(held.iter().all(Option::is_some));
        assert!(take("10.0.0.1").is_none() && take("2001:db8::3").is_none());
        assert!(take("10.0.0.2").is_some() && take("2001:db8:0:1::1").is_some());
        drop(held);
        assert!(take("10.0.0.1").is_some());
        assert!(shares.lock().is_empty());
    }
}
