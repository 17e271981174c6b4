//! How often somebody may be wrong: a few times at once, then after growing pauses, for each address and for each name.
//!
//! A name alone is held up a minute at most, since anybody could lock its owner out by it; an address from which the name
//! has signed in before waits only for the wrong attempts at the name that were made from there. Tables are bounded: the entry that was wrong the longest
//! time ago makes room.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Wrong attempts without a pause: people mistype.
const FREE: u32 = 5;
/// The longest pause of an address.
const PAUSE_OF_ADDRESS: Duration = Duration::from_secs(15 * 60);
/// The longest pause of a name.
const PAUSE_OF_NAME: Duration = Duration::from_secs(60);
/// Wrong attempts are forgotten after so long without another.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Entries of each table.
const ENTRIES_MAX: usize = 4_096;
/// Names are kept up to this many bytes.
const NAME_BYTES_MAX: usize = 128;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    wrong: u32,
    last: Duration,
}

impl Entry {
    /// When the next attempt may be made.
    fn free_at(&self, pause_max: Duration) -> Duration {
        match self.wrong.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(beyond) => self.last + Duration::from_secs(1 << beyond.min(30)).min(pause_max),
        }
    }
}

/// An attempt that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) wait: Duration,
    /// Whether nobody was told of this pause yet.
    pub(super) is_new: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    addresses: HashMap<IpAddr, Entry>,
    names: HashMap<String, Entry>,
    /// Names and the addresses that they have signed in from, with what was wrong there since.
    known: HashMap<(String, IpAddr), Entry>,
    /// Until when pauses were told of.
    told: HashMap<IpAddr, Duration>,
}

impl Guesses {
    /// An attempt begins; it is counted as wrong until it is [`right`](Self::right).
    pub(super) fn start(&mut self, name: &str, address: IpAddr, now: Duration) -> Result<(), Held> {
        let name = kept(name);
        let pair = (name.clone(), block(address));
        let known = self.known.get(&pair);
        let of_name =
            known.or_else(|| self.names.get(&name)).map_or(Duration::ZERO, |entry| entry.free_at(PAUSE_OF_NAME));
        let is_known = known.is_some();
        self.check_until(of_name, address, now)?;
        self.wrong(address, now);
        if is_known {
            count(&mut self.known, pair, now);
        }
        count(&mut self.names, name, now);
        Ok(())
    }

    /// Whether an attempt may be made from there now; it is not counted.
    pub(super) fn check(&mut self, address: IpAddr, now: Duration) -> Result<(), Held> {
        self.check_until(Duration::ZERO, address, now)
    }

    fn check_until(&mut self, free_at: Duration, address: IpAddr, now: Duration) -> Result<(), Held> {
        let block = block(address);
        let of_address = self.addresses.get(&block).map_or(Duration::ZERO, |entry| entry.free_at(PAUSE_OF_ADDRESS));
        let free_at = of_address.max(free_at);
        if free_at <= now {
            return Ok(());
        }
        let is_new = self.told.get(&block).is_none_or(|told| *told <= now);
        if is_new {
            put(&mut self.told, block, free_at, |until| *until);
        }
        Err(Held { wait: free_at - now, is_new })
    }

    /// An attempt that was started was right: it is not counted as wrong any more, and its name and address are known to
    /// belong together. Others that were wrong stay counted: they may have been at another's name, or another's at this one.
    pub(super) fn right(&mut self, name: &str, address: IpAddr, now: Duration) {
        let (name, block) = (kept(name), block(address));
        take_back(&mut self.addresses, &block);
        take_back(&mut self.names, &name);
        put(&mut self.known, (name, block), Entry { wrong: 0, last: now }, |entry| entry.last);
    }

    /// An attempt from there was wrong.
    pub(super) fn wrong(&mut self, address: IpAddr, now: Duration) {
        count(&mut self.addresses, block(address), now);
    }
}

fn count<K: Clone + Eq + Hash>(table: &mut HashMap<K, Entry>, key: K, now: Duration) {
    let before = table.get(&key).filter(|entry| now.saturating_sub(entry.last) < FORGOTTEN);
    let wrong = before.map_or(0, |entry| entry.wrong).saturating_add(1);
    put(table, key, Entry { wrong, last: now }, |entry| entry.last);
}

/// One that was counted was right.
fn take_back<K: Eq + Hash>(table: &mut HashMap<K, Entry>, key: &K) {
    let Some(entry) = table.get_mut(key) else { return };
    entry.wrong = entry.wrong.saturating_sub(1);
    if entry.wrong == 0 {
        table.remove(key);
    }
}

/// Puts it in; where there is no room for one more, the oldest makes it.
fn put<K: Clone + Eq + Hash, V>(table: &mut HashMap<K, V>, key: K, value: V, when: impl Fn(&V) -> Duration) {
    if table.len() >= ENTRIES_MAX && !table.contains_key(&key) {
        let oldest = table.iter().min_by_key(|(_, value)| when(value)).map(|(key, _)| key.clone());
        oldest.map(|oldest| table.remove(&oldest));
    }
    table.insert(key, value);
}

/// Whoever has one address of IPv6 has the others of its /64.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

fn kept(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    #[test]
    fn an_address_waits_longer_and_longer() {
        let mut guesses = Guesses::default();
        let mut now = secs(10);
        let mut waits = Vec::new();
        for attempt in 0..20 {
            // Another name each time.
            let name = attempt.to_string();
            match guesses.start(&name, address(1), now) {
                Ok(()) => waits.push(0),
                Err(held) => {
                    waits.push(held.wait.as_secs());
                    now += held.wait;
                    guesses.start(&name, address(1), now).unwrap();
                }
            }
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900]);
        assert!(guesses.start("a", address(2), now).is_ok(), "others do not wait");
    }

    #[test]
    fn a_right_password_of_one_name_does_not_forgive_guesses_at_another() {
        let mut guesses = Guesses::default();
        let sign_in = |guesses: &mut Guesses, name: &str, now| {
            let started = guesses.start(name, address(1), now);
            started.map(|()| guesses.right(name, address(1), now))
        };
        // Both are known there, and signing in is never counted.
        for at in 0..100 {
            sign_in(&mut guesses, "admin", secs(at)).unwrap();
            sign_in(&mut guesses, "viewer", secs(at)).unwrap();
        }
        let mut guessed = 0;
        for at in 100..700 {
            guessed += u32::from(guesses.start("admin", address(1), secs(at)).is_ok());
            let _ = sign_in(&mut guesses, "viewer", secs(at));
        }
        assert!(guessed < 20, "{guessed} guesses in ten minutes");
    }

    #[test]
    fn an_address_where_a_name_is_known_waits_for_what_was_wrong_from_there() {
        let mut guesses = Guesses::default();
        guesses.start("anna", address(1), secs(0)).unwrap();
        guesses.right("anna", address(1), secs(0));
        (0..FREE).for_each(|_| guesses.start("anna", address(1), secs(1)).unwrap());
        // Not for the address's sake alone.
        guesses.addresses.clear();
        assert!(guesses.start("anna", address(1), secs(1)).is_err());
        assert!(guesses.start("berta", address(1), secs(1)).is_ok());
    }

    #[test]
    fn a_name_is_held_up_a_minute_at_most_and_not_by_others_where_its_owner_is_known() {
        let mut guesses = Guesses::default();
        guesses.start("anna", address(77), secs(0)).unwrap();
        guesses.right("anna", address(77), secs(0));
        let mut now = secs(100);
        for guesser in 100..200 {
            if let Err(held) = guesses.start("anna", address(guesser), now) {
                assert!(held.wait <= secs(60), "{held:?}");
                now += held.wait;
                guesses.start("anna", address(guesser), now).unwrap();
            }
        }
        assert!(guesses.start("anna", address(1_000), now + secs(1)).is_err());
        assert!(guesses.start("anna", address(77), now + secs(1)).is_ok(), "her own address");
    }

    #[test]
    fn whoever_has_a_64_has_all_of_it() {
        let mut guesses = Guesses::default();
        for last in 0..FREE {
            guesses.wrong(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last as u16).into(), secs(1));
        }
        assert!(guesses.start("a", "2001:db8::ffff".parse().unwrap(), secs(1)).is_err());
        assert!(guesses.start("a", "2001:db8:0:1::1".parse().unwrap(), secs(1)).is_ok());
    }

    #[test]
    fn tables_are_bounded_and_old_faults_forgotten() {
        let mut guesses = Guesses::default();
        for number in 0..ENTRIES_MAX as u32 + 300 {
            let name = format!("{number}{}", "n".repeat(500));
            guesses.start(&name, address(number), secs(u64::from(number))).unwrap();
        }
        assert!(guesses.addresses.len() == ENTRIES_MAX && guesses.names.len() == ENTRIES_MAX);
        assert!(guesses.names.keys().all(|name| name.len() <= NAME_BYTES_MAX));
        let mut guesses = Guesses::default();
        (0..FREE).for_each(|_| guesses.wrong(address(1), secs(0)));
        assert_eq!(guesses.check(address(1), secs(0)), Err(Held { wait: secs(1), is_new: true }));
        assert_eq!(guesses.check(address(1), secs(0)), Err(Held { wait: secs(1), is_new: false }));
        guesses.wrong(address(1), secs(3_600));
        assert_eq!(guesses.check(address(1), secs(3_600)), Ok(()));
    }
}
