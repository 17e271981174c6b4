//! Which leases are asked for, in which order. The whole list stays where it is: pages of it are looked at, and of what
//! fits only the address is kept, for a short while.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dhcp::lease::{Lease, LeaseState};
use ipnet::Ipv4Net;
use tokio::time::Instant;
use web::Refusal;
use web::model::LeaseQuery;

/// Lists kept at once.
const LISTS_MAX: usize = 8;
/// For how long: while somebody scrolls, windows of one list are asked for.
const LIST_KEPT: Duration = Duration::from_secs(3);
/// Up to so many leases a list is made anew each time: it costs a few looks, and a lease that came just now is in it.
const ANEW_MAX: usize = 2_000;
/// Digits of a hardware address from which on a search is taken for one.
const HEX_DIGITS_MIN: usize = 4;

/// What makes a list what it is.
pub(super) type Key = (String, String, String, String);

/// A list: addresses in the order that was asked for.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) addresses: Arc<[Ipv4Addr]>,
    /// How many lease records there are at all.
    pub(super) all: usize,
}

/// Lists that were made lately.
#[derive(Debug, Default)]
pub(super) struct Lists(Vec<(Key, Instant, List)>);

impl Lists {
    pub(super) fn get(&mut self, key: &Key) -> Option<List> {
        self.0.retain(|(_, made, _)| made.elapsed() < LIST_KEPT);
        self.0.iter().find(|(kept, ..)| kept == key).map(|(.., list)| list.clone())
    }

    pub(super) fn keep(&mut self, key: Key, list: List) {
        if list.all <= ANEW_MAX {
            return;
        }
        if self.0.len() >= LISTS_MAX {
            self.0.remove(0);
        }
        self.0.push((key, Instant::now(), list));
    }
}

pub(super) fn key_of(query: &LeaseQuery) -> Key {
    let LeaseQuery { q, subnet, state, sort, .. } = query;
    (q.clone(), subnet.clone(), state.clone(), sort.clone())
}

/// What is asked for, understood.
#[derive(Debug)]
pub(super) struct Search {
    text: String,
    /// The digits of a hardware address or client identifier, when it may be one.
    hex: Option<String>,
    subnet: Option<Ipv4Net>,
    states: Vec<LeaseState>,
    order: Order,
    pub(super) backwards: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Address,
    Name,
    Hardware,
    Expires,
    Renewed,
}

/// What a list is sorted by; the address comes behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Number(u64),
    Octets(Vec<u8>),
    Text(String),
    /// Whatever has nothing there comes last.
    Nothing,
}

impl Search {
    pub(super) fn new(query: &LeaseQuery) -> Result<Self, Refusal> {
        let text = query.q.trim().to_lowercase();
        let subnet = match query.subnet.trim() {
            "" => None,
            prefix => {
                let parsed = prefix.parse().map_err(|_| Refusal::Bad(format!("{prefix:?} is no prefix")))?;
                Some(parsed)
            }
        };
        let (backwards, order) = match query.sort.strip_prefix('-') {
            Some(order) => (true, order),
            None => (false, query.sort.as_str()),
        };
        Ok(Self {
            hex: hex_digits(&text),
            text,
            subnet,
            states: match query.state.as_str() {
                "bound" => vec![LeaseState::Bound],
                "released" => vec![LeaseState::Released],
                "expired" => vec![LeaseState::Expired],
                "quarantined" => vec![LeaseState::Quarantined],
                "ended" => vec![LeaseState::Released, LeaseState::Expired],
                _ => Vec::new(),
            },
            order: match order {
                "name" => Order::Name,
                "hardware" => Order::Hardware,
                "expires" => Order::Expires,
                "renewed" => Order::Renewed,
                _ => Order::Address,
            },
            backwards,
        })
    }

    /// Whether a lease is asked for.
    pub(super) fn wants(&self, lease: &Lease) -> bool {
        (self.states.is_empty() || self.states.contains(&lease.state))
            && self.subnet.is_none_or(|subnet| subnet.contains(&lease.address))
            && (self.text.is_empty() || self.finds(lease))
    }

    fn finds(&self, lease: &Lease) -> bool {
        let has = |text: String| text.to_lowercase().contains(&self.text);
        lease.address.to_string().contains(&self.text)
            || lease.name.as_ref().is_some_and(|name| has(name.fqdn.to_string()))
            || has(lease.hostname.escape_ascii().to_string())
            || self.hex.as_ref().is_some_and(|hex| {
                let octets = lease.hardware.as_bytes().iter();
                let hardware: String = octets.map(|octet| format!("{octet:02x}")).collect();
                hardware.contains(hex) || lease.client_id.as_ref().is_some_and(|id| id.to_string().contains(hex))
            })
    }

    /// Where a lease stands in the list.
    pub(super) fn rank(&self, lease: &Lease) -> Rank {
        match self.order {
            Order::Address => Rank::Number(u64::from(lease.address.to_bits())),
            Order::Hardware => Rank::Octets(lease.hardware.as_bytes().to_vec()),
            Order::Expires => Rank::Number(lease.expires_at),
            Order::Renewed => Rank::Number(lease.renewed_at),
            Order::Name => {
                let name = lease.name.as_ref().map(|name| name.fqdn.to_string());
                name.map_or(Rank::Nothing, |name| Rank::Text(name.to_lowercase()))
            }
        }
    }
}

/// `aa:bb:cc`, `aa-bb-cc`, `aabb.ccdd` or `aabbcc`: the digits.
fn hex_digits(text: &str) -> Option<String> {
    let dotted = text.contains('.');
    // A part of an IPv4 address has three digits at most.
    if dotted && text.split('.').next().is_none_or(|group| group.len() != 4) {
        return None;
    }
    let digits: String = text.chars().filter(|one| !matches!(one, ':' | '-' | '.')).collect();
    let separated = digits.len() < text.len();
    let enough = digits.len() >= if separated { 2 } else { HEX_DIGITS_MIN };
    (enough && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_found_in_any_notation() {
        for written in ["00:11:32:AA:bb:cc", "00-11-32-aa-bb-cc", "0011.32aa.bbcc", "001132aabbcc"] {
            assert_eq!(hex_digits(&written.to_lowercase()).unwrap(), "001132aabbcc", "{written}");
        }
        assert_eq!(hex_digits("00:1").unwrap(), "001");
        for other in ["10.20", "192.168.30.7", "nas", "be", "printer-3f"] {
            assert_eq!(hex_digits(other), None, "{other}");
        }
    }

    #[test]
    fn what_has_no_name_comes_behind_what_has_one() {
        assert!(Rank::Text("zz".to_owned()) < Rank::Nothing);
    }

    #[test]
    fn a_prefix_that_is_none_is_told() {
        let query = LeaseQuery { subnet: "10.0.0.0/99".to_owned(), ..LeaseQuery::default() };
        assert!(matches!(Search::new(&query), Err(Refusal::Bad(words)) if words.contains("is no prefix")));
    }
}
