//! Ranges to lease from: within their subnet, apart from each other, exclusions cut out.

use std::net::Ipv4Addr;

use dhcp::settings::{AddressRange, Pool};
use ipnet::Ipv4Net;

use super::scalars::range;
use super::scope::{self, Wider, With, written};
use super::{class, second};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::Range;
use crate::file::v1::{self, SecondKeys};

/// A range and where it is written.
pub(super) type Placed = (AddressRange, Span);

/// The ranges of a subnet's pools, those of the short form first.
pub(super) fn written<'a>(subnet: &'a v1::Subnet, findings: &mut Findings) -> Vec<&'a At<Range>> {
    let mut ranges: Vec<&At<Range>> = subnet.pools.iter().flatten().collect();
    for at in &subnet.pool {
        match (&at.value.range, &at.value.ranges) {
            (Some(one), None) => ranges.push(one),
            (None, Some(list)) => ranges.extend(&list.value),
            (Some(_), Some(list)) => {
                findings.fault(
                    list.span,
                    "a pool has `range` or `ranges`, not both",
                    "the pool has a range already",
                    "put that range into this list, and take `range` out",
                );
            }
            (None, None) => {
                findings.absent(
                    at.span,
                    "the pool has no addresses",
                    "has neither `range` nor `ranges`",
                    "add `range = \"first-last\"`",
                );
            }
        }
    }
    ranges
}

/// The ranges that are left, as pools: those of the short form together, then each table's.
pub(super) fn divide(
    left: &[AddressRange],
    placed: &[Placed],
    tables: &[At<v1::Pool>],
    (prefix, wider, [subnet, everywhere]): (Option<Ipv4Net>, Wider<'_>, [SecondKeys<'_>; 2]),
    classes: &class::Names,
    with: With<'_>,
    findings: &mut Findings,
) -> Vec<Pool> {
    let table_of = |range: &AddressRange| {
        let (_, span) = placed.iter().find(|(whole, _)| (whole.first..=whole.last).contains(&range.first))?;
        tables.iter().position(|at| {
            let mut ranges = at.value.range.iter().chain(at.value.ranges.iter().flat_map(|list| &list.value));
            ranges.any(|one| one.span == *span)
        })
    };
    let of = |table: Option<usize>| left.iter().filter(|range| table_of(range) == table).copied().collect();
    let plain = Pool { ranges: of(None), ..Pool::default() };
    let mut pools = vec![second::hold_back(plain, [SecondKeys::default(), subnet, everywhere])];
    for (place, at) in tables.iter().enumerate() {
        second::check(at.value.second_keys(), findings);
        let access = classes.access(at.value.allow.as_deref(), at.value.deny.as_deref(), findings);
        let (scope, options) = scope::read(written!(at.value), wider, with, findings);
        super::subnet::check_routers(&options, prefix, findings);
        let pool = Pool { ranges: of(Some(place)), access, scope, ..Pool::default() };
        pools.push(second::hold_back(pool, [at.value.second_keys(), subnet, everywhere]));
    }
    pools.retain(|pool| !pool.ranges.is_empty());
    pools
}

/// The pools as written, each checked alone, against its subnet and against the others; sorted. Those that are not
/// wholly wrong stay in, so that what depends on them can be checked too.
pub(super) fn read(pools: &[&At<Range>], prefix: Option<Ipv4Net>, findings: &mut Findings) -> Vec<Placed> {
    let mut ranges: Vec<Placed> = pools.iter().filter_map(|pool| Some((range(pool, findings)?, pool.span))).collect();
    for &(pool, span) in &ranges {
        if let Some((block, what)) = never_leased(pool) {
            findings.fault(
                span,
                format!("the pool {} is in {block}: {what}", show(pool)),
                format!("in {block}"),
                "lease addresses that hosts can have, such as those of 192.168.0.0/16, 172.16.0.0/12 or 10.0.0.0/8",
            );
        } else if let Some(prefix) = prefix {
            check_within(pool, span, prefix, findings);
        }
    }
    ranges.sort_by_key(|(pool, span)| (*pool, span.start));
    for pair in ranges.windows(2) {
        let [(one, one_span), (other, other_span)] = pair else { continue };
        if other.first <= one.last {
            // The later one in the file is the one that is complained of.
            let ((_, first_span), (_, span)) = if one_span.start < other_span.start {
                ((one, *one_span), (other, *other_span))
            } else {
                ((other, *other_span), (one, *one_span))
            };
            let shared = AddressRange { first: other.first, last: one.last.min(other.last) };
            findings
                .fault(
                    span,
                    format!("two pools overlap: both have {}", show(shared)),
                    "overlaps another pool",
                    "make one pool of both, or let one begin where the other has ended",
                )
                .see(first_span, "the other pool");
        }
    }
    ranges
}

fn check_within(pool: AddressRange, span: Span, prefix: Ipv4Net, findings: &mut Findings) {
    if !prefix.contains(&pool.first) || !prefix.contains(&pool.last) {
        let (first, last) = hosts(prefix);
        findings.fault(
            span,
            format!("the pool {} is not within its subnet {prefix}", show(pool)),
            format!("outside {prefix}"),
            format!("the addresses of {prefix} that hosts can have are {first}-{last}"),
        );
        return;
    }
    let (first, last) = hosts(prefix);
    let what = match (pool.first < first, pool.last > last) {
        (true, true) => "the network address and the broadcast address",
        (true, false) => "the network address",
        (false, true) => "the broadcast address",
        (false, false) => return,
    };
    // Leaving them out in silence would make a pool that is not the one written.
    let fit = AddressRange { first: pool.first.max(first), last: pool.last.min(last) };
    let mend = if fit.first <= fit.last {
        format!("write \"{}\"", show(fit))
    } else {
        format!("choose addresses from {first}-{last}")
    };
    findings.fault(span, format!("the pool {} includes {what} of {prefix}", show(pool)), format!("has {what}"), mend);
}

/// The first and last address of `prefix` that a host can have. RFC 3021: both of a /31's; and a /32 has one.
pub(crate) fn hosts(prefix: Ipv4Net) -> (Ipv4Addr, Ipv4Addr) {
    if prefix.prefix_len() >= 31 {
        return (prefix.network(), prefix.broadcast());
    }
    (Ipv4Addr::from(prefix.network().to_bits() + 1), Ipv4Addr::from(prefix.broadcast().to_bits() - 1))
}

/// The block of addresses that no host can be given and that `range` touches, and what it is for.
pub(super) fn never_leased(range: AddressRange) -> Option<(&'static str, &'static str)> {
    let blocks = [
        ([0, 0, 0, 0], 8, "0.0.0.0/8", "\"this network\", not an address of a host (RFC 1122 section 3.2.1.3)"),
        ([127, 0, 0, 0], 8, "127.0.0.0/8", "loopback, which never leaves a host (RFC 1122 section 3.2.1.3)"),
        ([169, 254, 0, 0], 16, "169.254.0.0/16", "link-local addresses, which hosts choose themselves (RFC 3927)"),
        ([224, 0, 0, 0], 4, "224.0.0.0/4", "multicast groups, not hosts (RFC 1112)"),
        ([240, 0, 0, 0], 4, "240.0.0.0/4", "reserved, and hosts do not accept them (RFC 1112 section 4)"),
    ];
    blocks.into_iter().find_map(|(octets, length, block, what)| {
        let net = Ipv4Net::new_assert(Ipv4Addr::from(octets), length);
        (range.first <= net.broadcast() && net.network() <= range.last).then_some((block, what))
    })
}

/// Takes the exclusions out of the pools. Both are checked before; the result is sorted and does not overlap.
pub(super) fn without(
    pools: &[Placed],
    exclude: &[At<Range>],
    prefix: Option<Ipv4Net>,
    findings: &mut Findings,
) -> Vec<AddressRange> {
    let mut left = merged(pools);
    for at in exclude {
        let Some(excluded) = range(at, findings) else { continue };
        let touches = pools.iter().any(|(pool, _)| excluded.first <= pool.last && pool.first <= excluded.last);
        if !touches && !pools.is_empty() {
            let place = prefix.map_or_else(String::new, |prefix| format!(" of {prefix}"));
            findings.warn(
                at.span,
                format!("the exclusion {} is in no pool{place}, so it does nothing", show(excluded)),
                "in no pool",
                "take it out, or mend the address",
            );
        }
        left = left.into_iter().flat_map(|pool| cut(pool, excluded)).collect();
    }
    if let (true, Some((_, span))) = (left.is_empty(), pools.first()) {
        findings.warn(
            *span,
            "the exclusions leave nothing of the pools",
            "nothing left",
            "exclude less, or take the pools out as well",
        );
    }
    left
}

/// Sorted ranges, overlapping ones as one: only a file that is refused anyway has any.
fn merged(pools: &[Placed]) -> Vec<AddressRange> {
    let mut out: Vec<AddressRange> = Vec::new();
    for &(pool, _) in pools {
        match out.last_mut() {
            Some(last) if pool.first <= last.last => last.last = last.last.max(pool.last),
            _ => out.push(pool),
        }
    }
    out
}

/// What is left of `pool` without `hole`: nothing, one range or two.
pub(crate) fn cut(pool: AddressRange, hole: AddressRange) -> impl Iterator<Item = AddressRange> {
    let apart = hole.last < pool.first || pool.last < hole.first;
    let before = (!apart && pool.first < hole.first)
        .then(|| AddressRange { first: pool.first, last: Ipv4Addr::from(hole.first.to_bits() - 1) });
    let after = (!apart && hole.last < pool.last)
        .then(|| AddressRange { first: Ipv4Addr::from(hole.last.to_bits() + 1), last: pool.last });
    [apart.then_some(pool), before, after].into_iter().flatten()
}

pub(crate) fn show(range: AddressRange) -> String {
    if range.first == range.last { range.first.to_string() } else { format!("{}-{}", range.first, range.last) }
}
